"""A program whose integers are cut into digits small enough for exact float64 matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from splinecam_exact.decide.digits import Floats, Ints, split, to_digits
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, UnitStep

EXACT = 1 << 52
"""No sum of absolute values of products exceeds this; with carries and constants, no integer exceeds 2^53."""

CACHED = 1 << 15
"""How many values, three coefficients each, are computed at a time, so that they are carried while in the cache."""

Index = slice | Ints


class Block(NamedTuple):
    """Integers of one step on some cells: `data` of shape (cells, 3, digits, values), the lowest digit at `low`."""

    data: Floats
    low: int


Store = dict[int, Block]
"""The blocks of the steps that are still needed."""


class Pick:
    """Which values an operation reads: the steps they are in, and their places there and in what is picked."""

    def __init__(self, numbers: Sequence[int], firsts: Ints) -> None:
        self.count = len(numbers)
        values = np.array(numbers, np.int64)
        steps = np.searchsorted(firsts, values, side="right") - 1
        self.parts: list[tuple[int, Index, Index]] = []
        for step in sorted(set(steps.tolist())):
            places = np.flatnonzero(steps == step)
            self.parts.append((step, _index(values[places] - firsts[step]), _index(places)))

    def __call__(self, store: Store, cells: int) -> Block:
        if len(self.parts) == 1:
            ((step, there, _),) = self.parts
            return Block(store[step].data[..., there], store[step].low)
        blocks = [store[step] for step, _, _ in self.parts]
        low = min((b.low for b in blocks), default=0)
        top = max((b.low + b.data.shape[2] for b in blocks), default=1)
        data = np.zeros((cells, 3, top - low, self.count))
        for block, (_, there, here) in zip(blocks, self.parts, strict=True):
            start = block.low - low
            data[:, :, start : start + block.data.shape[2], here] = block.data[..., there]
        return Block(data, low)


class Units:
    """The units of a step: in a state, each is multiplier * source + constant, which `choices` tables say.

    A Piecewise unit chooses by its piece and always reads one source; a Max group chooses one of its members.
    """

    def __init__(self, step: UnitStep) -> None:
        self.step = step
        self.rows = slice(0, len(step.units))
        self.groups = any(isinstance(unit, GroupUnit) for unit in step.units)
        self._tables = [choices(unit) for unit in step.units]
        self.inputs = [unit.source for unit in step.units if isinstance(unit, PieceUnit)]
        if self.groups:
            self.inputs = sorted({j for table in self._tables for j, _, _ in table})
        self.bits = max((m.bit_length() for table in self._tables for _, m, _ in table), default=0)
        self.bent = any(abs(m) > 1 or c for table in self._tables for _, m, c in table)
        self.limits = np.array([unit.states for unit in step.units], np.uint64)

    def terms(self, bits: int) -> int:
        """How many products one sum has at most, if digits have so many bits."""
        return (self.bits + 1) // bits + 1

    def cut(self, bits: int, firsts: Ints) -> None:
        """Cut the integers into digits; only now is there something to multiply."""
        self.digit_bits = bits
        self.pick = Pick(self.inputs, firsts)
        place = {j: k for k, j in enumerate(self.inputs)}
        most = max(map(len, self._tables), default=1)
        padded = [(*table, *table[:1] * (most - len(table))) for table in self._tables]
        shape = (len(padded), most)
        self.members = np.array([[place[j] for j, _, _ in row] for row in padded], np.int64).reshape(shape)
        multipliers = to_digits([m for row in padded for _, m, _ in row], bits)
        constants = to_digits([c for row in padded for _, _, c in row], bits)
        self.multipliers = multipliers.reshape(len(multipliers), *shape)
        self.constants = constants.reshape(len(constants), *shape)
        del self._tables

    def chosen(self, pattern: NDArray[np.uint8]) -> Ints:
        """The number of the piece, or of the first member in the state, of each unit; `pattern` is (cells, bytes)."""
        step = self.step
        states = np.ascontiguousarray(pattern[:, step.byte : step.stop]).view(f"<u{step.width}").astype(np.uint64)
        if (states >= self.limits).any():
            cell, unit = np.argwhere(states >= self.limits)[0].tolist()
            raise InputError(f"unit {step.unit + unit} has no state {states[cell, unit]}")
        if not self.groups:
            return (states >> np.uint64(1)).astype(np.int64)
        lowest = states & (~states + np.uint64(1))
        return np.asarray(np.frexp(lowest.astype(np.float64))[1] - 1, np.int64)

    def __call__(self, x: Block, parents: Ints, choice: Ints, low: int) -> Floats:
        """The units' digits from position `low` on, shape (cells, 3, digits, units): cell k reads cell parents[k]."""
        units = np.arange(choice.shape[1])
        if not self.bent and not self.groups:
            found = np.empty((*choice.shape[:1], *x.data.shape[1:]))
            size = max(1, CACHED // max(1, x.data.shape[2] * len(units)))
            for start in range(0, len(choice), size):
                some = slice(start, start + size)
                factors = self.multipliers[0][units, choice[some]]
                np.multiply(x.data[parents[some]], factors[:, np.newaxis, np.newaxis], out=found[some])
            return found
        data = x.data[parents]
        if self.groups:
            data = np.take_along_axis(data, self.members[units, choice][:, np.newaxis, np.newaxis], 3)
        count, factors = data.shape[2], len(self.multipliers)
        room = max(count + factors, len(self.constants) - x.low) + 54 // self.digit_bits + 2
        found = np.zeros((len(data), 3, room, len(units)))
        for i, digit in enumerate(self.multipliers):
            found[:, :, i : i + count] += data * digit[units, choice][:, np.newaxis, np.newaxis]
        for p, digit in enumerate(self.constants[x.low :]):
            found[:, 2, p] += digit[units, choice]
        for p in range(room - 1):
            carry = split(found[:, :, p].copy(), found[:, :, p], self.digit_bits)
            found[:, :, p + 1] += carry
        return trimmed(found[:, :, low - x.low :])


def trimmed(data: Floats) -> Floats:
    """The same integers without the highest digits that are 0 in all of them; one digit is left."""
    count = data.shape[2]
    while count > 1 and not data[:, :, count - 1].any():
        count -= 1
    return data[:, :, :count]


def choices(unit: PieceUnit | GroupUnit) -> list[tuple[int, mpz, mpz]]:
    """(source, multiplier, constant) of each piece of a unit, or of each member of a Max group."""
    if isinstance(unit, GroupUnit):
        return [(j, m, mpz(0)) for j, m in unit.members]
    return [(unit.source, m, c) for m, c in unit.pieces]


def _index(numbers: Ints) -> Index:
    """What picks some values: a slice, which makes no copy, where they follow one another."""
    if len(numbers) and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
