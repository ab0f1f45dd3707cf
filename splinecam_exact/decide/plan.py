"""A program prepared for bulk evaluation: its digits, how large its values get, and how exactly they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import mul
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.decide.digits import Ints
from splinecam_exact.decide.rows import RowGroup, SharedRows, Windows, row_groups
from splinecam_exact.decide.sliced import EXACT, Units, choices
from splinecam_exact.kernel.program import Program, RowStep, UnitStep

Operation = list[RowGroup] | Units


class Precision(NamedTuple):
    """Which digits are kept: those of step n from position `low[n]` on.

    `radius` says, for each value, how far each integer coefficient that is computed may be from the true one, in units
    of the lowest digit.
    """

    low: list[int]
    radius: list[mpz]


class Plan:
    """The operations of a program, cut into digits of `bits` bits.

    Step 0 are the inputs, step n is operation n - 1; `firsts[n]` is the number of its first value, `counts[n]` how many
    it has, and `last_read[n]` is the last step that reads one of them. For each value, `needs` says how long a prefix
    of a pattern it depends on, and `sizes` bounds |a| + |b| + |c| of its integer form on any cell.
    """

    def __init__(self, program: Program, windows: Mapping[int, Windows] | None = None) -> None:
        """`windows` says of some of the program's steps that they are convolutions."""
        self.program = program
        windows = windows or {}
        self.firsts: Ints = np.array([0, *(step.first for step in program.steps)], np.int64)
        self.counts: list[int] = np.diff([*self.firsts, len(program.denominator)]).tolist()
        self.operations: list[Operation] = [
            row_groups(step, windows.get(k)) if isinstance(step, RowStep) else Units(step)
            for k, step in enumerate(program.steps)
        ]
        self.bits = max(bits for bits in range(2, 27) if self._fits(bits))
        self.last_read = [0] * len(self.counts)
        for n, operation in enumerate(self.operations, 1):
            for part in parts(operation):
                part.cut(self.bits, self.firsts)
                for step, _, _ in part.pick.parts:
                    self.last_read[step] = n
        self.needs = self._needs()
        self.sizes = [mpz(1)] * program.inputs
        for n in range(1, len(self.counts)):
            self.sizes += self._bounds(n, self.sizes, mpz(1))
        self.tops = [
            max(self.sizes[first : first + count], default=mpz(0)).bit_length() // self.bits
            for first, count in zip(self.firsts.tolist(), self.counts, strict=True)
        ]

    def _fits(self, bits: int) -> bool:
        """Whether no sum of products of digits exceeds `EXACT`."""
        return all(part.terms(bits) << 2 * (bits - 1) <= EXACT for op in self.operations for part in parts(op))

    def _needs(self) -> list[int]:
        needs = [0] * self.program.inputs
        for step in self.program.steps:
            if isinstance(step, RowStep):
                known = {id(js): js for js, _, _ in step.blocks}
                longest = {key: max((needs[j] for j in js), default=0) for key, js in known.items()}
                for indices, matrix, _ in step.blocks:
                    needs += [longest[id(indices)]] * len(matrix)
            else:
                ends = range(step.byte + step.width, step.stop + 1, step.width)
                needs += [max(end, *(needs[j] for j in u.sources)) for end, u in zip(ends, step.units, strict=True)]
        return needs

    def _bounds(self, n: int, known: Sequence[mpz], one: mpz) -> list[mpz]:
        """Bounds of a step's values from bounds of all earlier ones and of the constant 1: for any states."""
        step = self.program.steps[n - 1]
        if isinstance(step, UnitStep):
            return [max(abs(m) * known[j] + abs(c) * one for j, m, c in choices(unit)) for unit in step.units]
        found: list[mpz] = []
        groups = [group for group in self.groups(n) if isinstance(group, SharedRows)]
        if groups:
            bounds = [bound for group in groups for bound in group.bounds(known, one)]
            order = np.argsort(np.concatenate([group.numbers for group in groups]))
            return [bounds[k] for k in order.tolist()]
        for indices, matrix, constants in step.blocks:
            xs = [known[j] for j in indices]
            found += [sum(map(mul, map(abs, ws), xs), abs(c) * one) for ws, c in zip(matrix, constants, strict=True)]
        return found

    def steps_of(self, numbers: Ints) -> Ints:
        """The steps that some values are of."""
        return np.asarray(np.searchsorted(self.firsts, numbers, side="right") - 1, np.int64)

    def groups(self, n: int) -> list[RowGroup]:
        """The rows of a step; none in a step of units."""
        operation = self.operations[n - 1]
        return operation if isinstance(operation, list) else []

    def exactly(self) -> Precision:
        """Keep all digits."""
        return Precision([0] * len(self.counts), [mpz(0)] * len(self.sizes))

    def truncated(self, digits: int) -> Precision:
        """Keep about so many digits of each value, the highest ones."""
        low = [0]
        errors = [mpz(0)] * self.program.inputs  # absolute ones
        for n, operation in enumerate(self.operations, 1):
            mine = max(0, self.tops[n] - digits + 1)
            lost = mpz(0)
            if isinstance(operation, Units):
                base = self._base(operation, low)
                mine = max(mine, base) if operation.bent else base
                if operation.bent and mine:
                    lost = mpz(1)
            elif mine:
                lost = max((self._dropped(group, low, mine) for group in operation), default=mpz(0)) + 1
            errors += [error + (lost << self.bits * mine) for error in self._bounds(n, errors, mpz(0))]
            low.append(mine)
        units = np.repeat(low, self.counts).tolist()
        return Precision(low, [-(-error >> self.bits * p) for error, p in zip(errors, units, strict=True)])

    def _base(self, part: RowGroup | Units, low: list[int]) -> int:
        """The lowest digit of what an operation reads."""
        return min((low[step] for step, _, _ in part.pick.parts), default=0)

    def _dropped(self, group: RowGroup, low: list[int], mine: int) -> mpz:
        """A bound on all products of digits below position `mine`, in units of that position's digit."""
        if self._base(group, low) + group.low >= mine:
            return mpz(0)
        most = mpz(group.terms(self.bits)) << 2 * (self.bits - 1)  # in one position
        return -(-most // ((1 << self.bits) - 1))

    def cost(self, low: list[int], stop: int) -> int:
        """How many products of digits the steps up to `stop` take for a coefficient of one cell."""
        total = 0
        for n in range(1, stop + 1):
            for group in self.groups(n):
                base = self._base(group, low)
                top = max((self.tops[step] for step, _, _ in group.pick.parts), default=0)
                lowest = low[n] - group.low
                pairs = sum(i + j >= lowest for i in range(group.slices) for j in range(base, top + 1))
                total += pairs * group.products
        return total

    def cell_size(self, low: list[int], stop: int) -> int:
        """How many bytes one cell takes at most."""
        sizes = [24 * count * (top - p + 4) for count, top, p in zip(self.counts, self.tops, low, strict=True)]
        live = [
            sizes[n] + sum(size for size, last in zip(sizes[:n], self.last_read, strict=False) if last >= n)
            for n in range(stop + 1)
        ]
        return max(live)


def parts(operation: Operation) -> Sequence[RowGroup | Units]:
    """The parts of an operation that read their values separately."""
    return operation if isinstance(operation, list) else [operation]
