"""A program whose integers are cut into digits small enough for exact float64 matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from splinecam_exact.decide.digits import Floats, Ints, split, to_digits
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, RowStep, UnitStep

EXACT = 1 << 52
"""No sum of absolute values of products exceeds this; with carries and constants, no integer exceeds 2^53."""

MERGED = 1 << 20
"""Neighbouring rows that read different values become one matrix up to so many entries, zeros included."""

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


class RowGroup:
    """Rows of a step as one matrix over all values that any of them reads.

    `weights` has shape (rows, slices * inputs): the matrix of the highest digits comes first. The lowest slice is at
    digit `low`. `terms` bounds the number of products in one sum.
    """

    def __init__(self, rows: slice, inputs: Sequence[int], entries: list[dict[int, mpz]], constants: list[mpz]) -> None:
        self.rows, self.inputs, self._entries, self._constants = rows, inputs, entries, constants
        self.bits = max((w.bit_length() for row in entries for w in row.values()), default=0)
        self.fan_in = max(map(len, entries))

    def terms(self, bits: int) -> int:
        """How many products one sum has at most, if digits have so many bits."""
        return self.fan_in * ((self.bits + 1) // bits + 1)

    def cut(self, bits: int, firsts: Ints) -> None:
        """Cut the integers into digits; only now is there something to multiply."""
        self.digit_bits = bits
        self.pick = Pick(self.inputs, firsts)
        place = {j: k for k, j in enumerate(self.inputs)}
        count, width = len(self._entries), len(self.inputs)
        rows = np.array([r for r, row in enumerate(self._entries) for _ in row], np.int64)
        columns = np.array([place[j] for row in self._entries for j in row], np.int64)
        found = to_digits([w for row in self._entries for w in row.values()], bits)
        self.low = next((p for p, digit in enumerate(found[:-1]) if digit.any()), len(found) - 1)
        found = found[self.low :]
        self.slices = len(found)
        weights = np.zeros((count, self.slices, width))
        weights[rows, :, columns] = found[::-1].T
        self.weights = weights.reshape(count, self.slices * width)
        self.constants = to_digits(self._constants, bits)
        del self._entries, self._constants

    def __call__(self, x: Block, low: int) -> Floats:
        """The rows' digits from position `low` on, shape (cells, 3, digits, rows)."""
        cells, _, digits, width = x.data.shape
        found = np.zeros((cells, 3, self._room(x, low), len(self.weights)))
        size = max(1, CACHED // len(self.weights))
        for start in range(0, cells, size):
            data, weights = x.data[start : start + size], self.weights
            used = data.any(axis=(0, 1, 2))
            if not used.all():  # after a ReLU, a third of the values may be 0 on all of these cells
                data = data[..., used]
                weights = weights.reshape(-1, width)[:, used].reshape(len(weights), data.shape[3] * self.slices)
            flat = data.reshape(len(data) * 3, digits * data.shape[3])
            self._carry(Block(data, x.low), low, found[start : start + size], flat, weights, slice(None))
        return trimmed(found)

    def some(self, x: Block, low: int, cells: Ints, rows: Ints) -> Floats:
        """The digits of one row on one cell each, shape (len(rows), 3, digits, 1)."""
        _, _, digits, width = x.data.shape
        found = np.zeros((len(rows), 3, self._room(x, low), 1))
        size = max(1, CACHED // max(1, width))
        for start in range(0, len(rows), size):
            mine = rows[start : start + size]
            flat = x.data[cells[start : start + size]].reshape(len(mine), 3, digits * width)
            self._carry(x, low, found[start : start + size], flat, self.weights[mine], mine[:, np.newaxis])
        return trimmed(found)

    def _top(self, x: Block) -> int:
        products: int = x.low + x.data.shape[2] - 1 + self.low + self.slices - 1
        return max(products, len(self.constants) - 1)

    def _room(self, x: Block, low: int) -> int:
        """Digits for all sums, and for what the last one carries: below 2^53."""
        return max(0, self._top(x) + 1 - low) + 54 // self.digit_bits + 2

    def _carry(self, x: Block, low: int, found: Floats, flat: Floats, weights: Floats, rows: Index) -> None:
        """Fill `found`: the sums of the products of each position, from the lowest on, and what they carry."""
        width, digits = x.data.shape[3], x.data.shape[2]
        carry = np.zeros((len(found), 3, found.shape[3]))
        for p in range(low, low + found.shape[2]):
            place = p - x.low - self.low  # digit j meets slice place - j
            first, last = max(0, place - self.slices + 1), min(digits - 1, place)
            if first <= last:
                left = flat[..., first * width : (last + 1) * width]
                start = (self.slices - 1 - place + first) * width
                right = weights[:, start : start + left.shape[-1]]
                if flat.ndim == 2:
                    carry += (left @ right.T).reshape(carry.shape)
                else:
                    carry += np.einsum("nck,nk->nc", left, right)[..., np.newaxis]
            elif p > self._top(x) and not carry.any():
                return
            if p < len(self.constants):
                carry[:, 2] += self.constants[p][rows]
            carry = split(carry, found[:, :, p - low], self.digit_bits)


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


def row_groups(step: RowStep) -> list[RowGroup]:
    """The rows of a step as few matrices: neighbours are merged as long as `MERGED` allows."""
    groups: list[RowGroup] = []
    first = row = 0
    columns: dict[int, None] = {}
    entries: list[dict[int, mpz]] = []
    offsets: list[mpz] = []

    def close() -> None:
        if entries:
            groups.append(RowGroup(slice(first, row), list(columns), entries, offsets))

    for indices, matrix, constants in step.blocks:
        union = columns | dict.fromkeys(indices)
        if (len(entries) + len(matrix)) * len(union) > MERGED:
            close()
            first, union, entries, offsets = row, dict.fromkeys(indices), [], []
        columns = union
        for coefs in matrix:
            sums: dict[int, mpz] = {}
            for j, w in zip(indices, coefs, strict=True):
                if w:
                    sums[j] = sums.get(j, mpz(0)) + w
            entries.append(sums)
        offsets += constants
        row += len(matrix)
    close()
    return groups


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
