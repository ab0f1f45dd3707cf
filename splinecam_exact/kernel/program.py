"""The network as the kernel sees it: three primitives over numbered values, in topological order.

Values are numbered: the inputs first, then each operation appends one value per row, unit or group. An operation
states its rationals as integers over common denominators. `Program` clears all denominators once: behind every value
number v it keeps an integer `denominator[v]`, and computes v's value times that denominator from integers alone.
Everything is linear in the inputs and in a homogeneous `one`, so the same rows serve a point (its coordinates and W),
an affine form (three coefficients packed into one integer) and many points at once (packed likewise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress, pairwise
from operator import mul
from typing import NamedTuple

from gmpy2 import lcm, mpq, mpz

from splinecam_exact.kernel.errors import NetworkError

Row = tuple[Sequence[int], Sequence[mpz], mpz]
"""(indices, coefs, const): the row's value is (sum of coef * x[index] + const) / den."""

Unit = tuple[int, Sequence[mpz], Sequence[mpz], mpz]
"""(index, breakpoints, slopes, anchor): see `Piecewise`."""

Progress = Callable[[str, int, int], object]
"""Called now and then with (what is being done, how many are done, of how many); it may raise to interrupt."""

MAX_GROUP = 63
"""The most members a Max group may have: its state is a bit mask of them."""


class Affine(NamedTuple):
    """y = (coefs . x[indices] + const) / den, one value per row."""

    den: mpz
    rows: Sequence[Row]


class Piecewise(NamedTuple):
    """Continuous piecewise linear units, one value each.

    Breakpoint k of a unit is breakpoints[k] / breakpoint_den (strictly increasing, at least one), its slopes, one
    more, are over slope_den, and its value at the first breakpoint is anchor / (breakpoint_den * slope_den).
    ReLU of value j is (j, (0,), (0, 1), 0). States: 2k on the open piece k, 2k + 1 at breakpoint k.
    """

    breakpoint_den: mpz
    slope_den: mpz
    units: Sequence[Unit]


class Max(NamedTuple):
    """One value per group: the largest of its members. The state is the bit mask of the members that attain it."""

    groups: Sequence[Sequence[int]]


Op = Affine | Piecewise | Max


class RowStep:
    """Rows over integers; runs of rows over the same indices share one look-up of their inputs."""

    def __init__(self, first: int, rows: Sequence[Row]) -> None:
        self.first = first
        self.count = len(rows)
        self.blocks: list[tuple[Sequence[int], list[Sequence[mpz]], list[mpz]]] = []
        self._columns: dict[int, list[tuple[int, mpz]]] = {}
        for indices, coefs, const in rows:
            if not self.blocks or self.blocks[-1][0] is not indices:
                self.blocks.append((indices, [], []))
            self.blocks[-1][1].append(coefs)
            self.blocks[-1][2].append(const)
        self.inputs = frozenset(j for js in {id(js): js for js, _, _ in self.blocks}.values() for j in js)

    def apply(self, values: Sequence[mpz], one: mpz) -> Iterator[mpz]:
        for indices, matrix, constants in self.blocks:
            inputs = [values[j] for j in indices]
            active = [x for x in inputs if x]  # after a ReLU, about half of them
            for coefs, const in zip(matrix, constants, strict=True):
                yield sum(map(mul, compress(coefs, inputs), active), const * one)

    def column(self, index: int) -> list[tuple[int, mpz]]:
        """The (value number, coefficient) pairs that depend on one input."""
        if index not in self._columns:
            found: list[tuple[int, mpz]] = []
            number = self.first
            for indices, matrix, _ in self.blocks:
                where = [k for k, j in enumerate(indices) if j == index]
                for coefs in matrix:
                    found.extend((number, coefs[k]) for k in where if coefs[k])
                    number += 1
            self._columns[index] = found
        return self._columns[index]


class PieceUnit(NamedTuple):
    """A Piecewise unit over integers: `cuts` and `pieces` are (multiplier, constant) of value `source` and of `one`.

    Its value is piece k between cuts k - 1 and k, which is pieces[0] + the sum of jumps[k] * max(cuts[k], 0).
    """

    source: int
    cuts: tuple[tuple[mpz, mpz], ...]
    pieces: tuple[tuple[mpz, mpz], ...]
    jumps: tuple[mpz, ...]

    @property
    def sources(self) -> Sequence[int]:
        return (self.source,)

    @property
    def states(self) -> int:
        """How many states there are: 0, 1, ... for each piece and each breakpoint."""
        return 2 * len(self.cuts) + 1

    def value(self, values: Sequence[mpz], one: mpz, state: int) -> mpz:
        """The unit's value (or its form, on a cell) in a state."""
        m, c = self.pieces[state >> 1]
        return m * values[self.source] + c * one

    def state(self, values: Sequence[mpz], one: mpz) -> int:
        """The state at a point."""
        heights = [m * values[self.source] + c * one for m, c in self.cuts]
        return sum((h >= 0) + (h > 0) for h in heights)


class GroupUnit(NamedTuple):
    """A Max group over integers: its members are (value number, multiplier to their common denominator)."""

    members: tuple[tuple[int, mpz], ...]

    @property
    def sources(self) -> Sequence[int]:
        return [j for j, _ in self.members]

    @property
    def states(self) -> int:
        """How many states there are: one per set of members (the empty set, 0, never occurs)."""
        return 1 << len(self.members)

    def value(self, values: Sequence[mpz], one: mpz, state: int) -> mpz:
        """The largest member's value (or form, on a cell): that of any member in the state."""
        j, m = self.members[(state & -state).bit_length() - 1]
        return m * values[j]

    def state(self, values: Sequence[mpz], one: mpz) -> int:
        """The state at a point."""
        found = [m * values[j] for j, m in self.members]
        return sum(1 << k for k, v in enumerate(found) if v == max(found))


class UnitStep:
    """The units of one operation; `first` is the number of their first value, `unit` of the first unit.

    Their states are bytes `byte` to `stop` of a pattern, `width` bytes each.
    """

    def __init__(self, first: int, units: Sequence[PieceUnit | GroupUnit], unit: int, byte: int) -> None:
        self.first, self.units, self.unit, self.byte = first, units, unit, byte
        most = max((u.states for u in units), default=1)
        self.width = next(w for w in (1, 2, 4, 8) if most <= 1 << 8 * w)
        self.stop = byte + self.width * len(units)

    def states(self, pattern: bytes) -> Sequence[int]:
        """The states of these units in a pattern."""
        field, w = pattern[self.byte : self.stop], self.width
        return field if w == 1 else [int.from_bytes(field[i : i + w], "little") for i in range(0, len(field), w)]


class Program:
    """A network over `inputs` inputs, checked and with its denominators cleared.

    A pattern is a byte string: the states of all units (Piecewise units and Max groups, in program order), each in
    its operation's `width` (1, 2, 4 or 8) bytes, least significant first. Raises NetworkError where an operation is not
    well formed.
    """

    def __init__(self, inputs: int, ops: Sequence[Op], outputs: Sequence[int]) -> None:
        self.inputs = inputs
        self.denominator: list[mpz] = [mpz(1)] * inputs
        self.steps: list[RowStep | UnitStep] = []
        self.unit_count = self.pattern_size = 0
        for number, op in enumerate(ops):
            if isinstance(op, Affine):
                self._affine(op, number)
                continue
            first = len(self.denominator)
            if isinstance(op, Piecewise):
                units: Sequence[PieceUnit | GroupUnit] = self._piecewise(op, number)
            elif isinstance(op, Max):
                units = self._max(op, number)
            else:
                raise NetworkError(f"operation {number} is of type {type(op).__name__}, not Affine, Piecewise or Max")
            step = UnitStep(first, units, self.unit_count, self.pattern_size)
            self.steps.append(step)
            self.unit_count += len(units)
            self.pattern_size = step.stop
        self.outputs = tuple(outputs)
        self._known(self.outputs, "outputs")

    def _known(self, indices: Sequence[int], place: str) -> mpz:
        """The least common denominator of some values, which must exist."""
        for j in indices:
            if not 0 <= j < len(self.denominator):
                raise NetworkError(f"{place}: value {j} does not exist yet")
        return lcm(*{self.denominator[j] for j in indices}, 1)

    def _affine(self, op: Affine, number: int) -> None:
        place = f"operation {number} (Affine)"
        if op.den <= 0:
            raise NetworkError(f"{place}: the denominator {op.den} is not positive")
        if any(len(row[0]) != len(row[1]) for row in op.rows):
            raise NetworkError(f"{place}: a row has more indices than coefficients, or fewer")
        distinct = {id(indices): indices for indices, _, _ in op.rows}
        common = lcm(*(self._known(indices, place) for indices in distinct.values()), 1)
        rows = op.rows
        if common != 1:
            scales = {j: common // self.denominator[j] for indices in distinct.values() for j in indices}
            plain = all(s == 1 for s in scales.values())
            rows = [
                (js, ws if plain else tuple(w * scales[j] for j, w in zip(js, ws, strict=True)), c * common)
                for js, ws, c in op.rows
            ]
        self.steps.append(RowStep(len(self.denominator), rows))
        self.denominator += [op.den * common] * len(rows)

    def _piecewise(self, op: Piecewise, number: int) -> list[PieceUnit]:
        place = f"operation {number} (Piecewise)"
        if op.breakpoint_den <= 0 or op.slope_den <= 0:
            raise NetworkError(f"{place}: a denominator is not positive")
        units = []
        for k, (index, breakpoints, slopes, anchor) in enumerate(op.units):
            if not breakpoints or len(slopes) != len(breakpoints) + 1:
                raise NetworkError(f"{place}, unit {k}: n breakpoints (n > 0) need n + 1 slopes")
            if any(p >= q for p, q in pairwise(breakpoints)):
                raise NetworkError(f"{place}, unit {k}: the breakpoints are not strictly increasing")
            den = self._known((index,), place)
            cuts = [(mpz(op.breakpoint_den), -mpz(b) * den) for b in breakpoints]
            pieces = [(slopes[0] * cuts[0][0], slopes[0] * cuts[0][1] + anchor * den)]
            jumps = tuple(mpz(after - before) for before, after in pairwise(slopes))
            for (m, c), jump in zip(cuts, jumps, strict=True):
                pieces.append((pieces[-1][0] + jump * m, pieces[-1][1] + jump * c))
            units.append(PieceUnit(index, tuple(cuts), tuple(pieces), jumps))
        scale = op.breakpoint_den * op.slope_den
        self.denominator += [self.denominator[u.source] * scale for u in units]
        return units

    def _max(self, op: Max, number: int) -> list[GroupUnit]:
        units = []
        dens = []
        for k, members in enumerate(op.groups):
            place = f"operation {number} (Max), group {k}"
            if not 1 <= len(members) <= MAX_GROUP or len(set(members)) != len(members):
                raise NetworkError(f"{place}: a group has 1 to {MAX_GROUP} different members")
            common = self._known(members, place)
            units.append(GroupUnit(tuple((j, common // self.denominator[j]) for j in members)))
            dens.append(common)
        self.denominator += dens
        return units

    def unit_steps(self) -> list[UnitStep]:
        """The operations that have units, in order."""
        return [step for step in self.steps if isinstance(step, UnitStep)]

    def bound(self, inputs: Sequence[mpz], one: mpz) -> mpz:
        """A bound on every integer met when the inputs and `one` are at most so large: values, cuts and differences."""
        sizes = list(inputs)
        largest = max([one, *sizes])
        for step in self.steps:
            if isinstance(step, RowStep):
                for indices, matrix, constants in step.blocks:
                    xs = [sizes[j] for j in indices]
                    sizes += [
                        sum(map(mul, map(abs, ws), xs), abs(c) * one) for ws, c in zip(matrix, constants, strict=True)
                    ]
                continue
            for unit in step.units:
                if isinstance(unit, PieceUnit):
                    x = sizes[unit.source]
                    largest = max(largest, *(abs(m) * x + abs(c) * one for m, c in unit.cuts))
                    sizes.append(max(abs(m) * x + abs(c) * one for m, c in unit.pieces))
                else:
                    sizes.append(2 * max(m * sizes[j] for j, m in unit.members))
        return max([largest, *sizes])

    def evaluate(self, point: Sequence[mpq]) -> list[mpq]:
        """The exact outputs at a rational point."""
        values, one, _ = self._at(point)
        return [mpq(values[j], self.denominator[j] * one) for j in self.outputs]

    def pattern(self, point: Sequence[mpq]) -> bytes:
        """The exact states of all units at a rational point: 2k + 1 at a breakpoint, all members of a tie."""
        return self._at(point)[2]

    def _at(self, point: Sequence[mpq]) -> tuple[list[mpz], mpz, bytes]:
        if len(point) != self.inputs:
            raise NetworkError(f"the network has {self.inputs} inputs, the point has {len(point)} coordinates")
        one = lcm(*(x.denominator for x in point), 1)
        values = [x.numerator * (one // x.denominator) for x in point]
        pattern = bytearray()
        for step in self.steps:
            if isinstance(step, RowStep):
                values.extend(step.apply(values, one))
                continue
            states = [unit.state(values, one) for unit in step.units]
            values += [unit.value(values, one, state) for unit, state in zip(step.units, states, strict=True)]
            pattern += b"".join(state.to_bytes(step.width, "little") for state in states)
        return values, one, bytes(pattern)
