"""The network as the kernel sees it: three primitives over numbered values, in topological order.

Values are numbered: the inputs first, then each operation appends one value per row, unit or group. An operation
states its rationals as integers over common denominators. `Program` clears all denominators once: behind every value
number v it keeps an integer `denominator[v]`, and computes v's value times that denominator from integers alone.
Everything is linear in the inputs and in a homogeneous `one`, so the same rows serve a point (its coordinates and W),
an affine form (three coefficients packed into one integer) and many points at once (packed likewise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from operator import itemgetter, mul
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


class _Rows:
    """Integer rows; runs of rows over the same indices share one look-up of their inputs."""

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
        self.inputs = frozenset(j for indices, _, _ in self.blocks for j in indices)

    def apply(self, values: Sequence[mpz], one: mpz) -> Iterator[mpz]:
        for indices, matrix, constants in self.blocks:
            inputs = [values[j] for j in indices]
            active = [x for x in inputs if x]  # after a ReLU, about half of them
            for coefs, const in zip(matrix, constants, strict=True):
                yield sum(map(mul, compress(coefs, inputs), active), const * one)

    def column(self, index: int) -> list[tuple[int, mpz]]:
        """The (value number, coefficient) pairs that depend on one input."""
        if index not in self._columns:
            found = self._columns[index] = []
            number = self.first
            for indices, matrix, _ in self.blocks:
                where = [k for k, j in enumerate(indices) if j == index]
                for coefs in matrix:
                    found.extend((number, coefs[k]) for k in where if coefs[k])
                    number += 1
        return self._columns[index]


class _Unit(NamedTuple):
    """One unit over integers: cuts[k] and pieces[k] are (multiplier, constant) of value `index` and of `one`.

    Its value is piece k between cuts k - 1 and k, which is pieces[0] + sum of jumps[k] * max(cuts[k], 0).
    """

    index: int
    cuts: tuple[tuple[mpz, mpz], ...]
    pieces: tuple[tuple[mpz, mpz], ...]
    jumps: tuple[mpz, ...]


_Group = list[tuple[int, mpz]]
"""The members of a Max group: (value number, multiplier to the common denominator)."""


def _inputs(unit: _Unit | _Group) -> Sequence[int]:
    return (unit.index,) if isinstance(unit, _Unit) else [j for j, _ in unit]


class _Units:
    def __init__(self, first: int, units: list[_Unit], unit: int, byte: int) -> None:
        self.first, self.units, self.unit = first, units, unit
        self.width = _width(max((2 * len(u.cuts) for u in units), default=0))
        self.byte, self.stop = byte, byte + self.width * len(units)


class _Groups:
    def __init__(self, first: int, groups: list[_Group], unit: int, byte: int) -> None:
        self.first, self.units, self.unit = first, groups, unit
        self.width = _width(max((2 ** len(g) - 1 for g in groups), default=0))
        self.byte, self.stop = byte, byte + self.width * len(groups)


def _width(largest_state: int) -> int:
    return next(w for w in (1, 2, 4, 8) if largest_state < 1 << 8 * w)


class Program:
    """A network over `inputs` inputs, checked and with its denominators cleared.

    A pattern is a byte string: the states of all units (Piecewise units and Max groups, in program order), each in
    its operation's `width` (1, 2, 4 or 8) bytes, least significant first. Raises NetworkError where an operation is not well formed.
    """

    def __init__(self, inputs: int, ops: Sequence[Op], outputs: Sequence[int]) -> None:
        self.inputs = inputs
        self.denominator: list[mpz] = [mpz(1)] * inputs
        self.steps: list[_Rows | _Units | _Groups] = []
        self.unit_count = self.pattern_size = 0
        for number, op in enumerate(ops):
            if isinstance(op, Affine):
                self._affine(op, number)
                continue
            if isinstance(op, Piecewise):
                step: _Units | _Groups = self._piecewise(op, number)
            elif isinstance(op, Max):
                step = self._max(op, number)
            else:
                raise NetworkError(f"operation {number} is of type {type(op).__name__}, not Affine, Piecewise or Max")
            self.steps.append(step)
            self.unit_count += len(step.units)
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
        self.steps.append(_Rows(len(self.denominator), rows))
        self.denominator += [op.den * common] * len(rows)

    def _piecewise(self, op: Piecewise, number: int) -> _Units:
        place = f"operation {number} (Piecewise)"
        if op.breakpoint_den <= 0 or op.slope_den <= 0:
            raise NetworkError(f"{place}: a denominator is not positive")
        units = []
        for k, (index, breakpoints, slopes, anchor) in enumerate(op.units):
            if not breakpoints or len(slopes) != len(breakpoints) + 1:
                raise NetworkError(f"{place}, unit {k}: n breakpoints (n > 0) need n + 1 slopes")
            if any(p >= q for p, q in zip(breakpoints, breakpoints[1:], strict=False)):
                raise NetworkError(f"{place}, unit {k}: the breakpoints are not strictly increasing")
            den = self._known((index,), place)
            cuts = [(mpz(op.breakpoint_den), -mpz(b) * den) for b in breakpoints]
            pieces = [(slopes[0] * cuts[0][0], slopes[0] * cuts[0][1] + anchor * den)]
            jumps = tuple(mpz(after - before) for before, after in zip(slopes, slopes[1:], strict=False))
            for (m, c), jump in zip(cuts, jumps, strict=True):
                pieces.append((pieces[-1][0] + jump * m, pieces[-1][1] + jump * c))
            units.append(_Unit(index, tuple(cuts), tuple(pieces), jumps))
        first = len(self.denominator)
        scale = op.breakpoint_den * op.slope_den
        self.denominator += [self.denominator[u.index] * scale for u in units]
        return _Units(first, units, self.unit_count, self.pattern_size)

    def _max(self, op: Max, number: int) -> _Groups:
        groups = []
        first = len(self.denominator)
        for k, members in enumerate(op.groups):
            place = f"operation {number} (Max), group {k}"
            if not 1 <= len(members) <= MAX_GROUP or len(set(members)) != len(members):
                raise NetworkError(f"{place}: a group has 1 to {MAX_GROUP} different members")
            common = self._known(members, place)
            groups.append([(j, common // self.denominator[j]) for j in members])
            self.denominator.append(common)
            if any(j >= first for j in members):
                raise NetworkError(f"{place}: a member belongs to the same operation")
        return _Groups(first, groups, self.unit_count, self.pattern_size)

    def states(self, step: _Units | _Groups, pattern: bytes) -> Sequence[int]:
        """The states of one operation's units in a pattern."""
        field = pattern[step.byte : step.stop]
        w = step.width
        return field if w == 1 else [int.from_bytes(field[i : i + w], "little") for i in range(0, len(field), w)]

    def unit_steps(self) -> list[_Units | _Groups]:
        """The operations that have units, in order."""
        return [step for step in self.steps if not isinstance(step, _Rows)]

    def bound(self, inputs: Sequence[mpz], one: mpz) -> mpz:
        """A bound on every integer met when the inputs and `one` are at most so large: values, cuts and differences."""
        sizes = list(inputs)
        largest = max([one, *sizes])
        for step in self.steps:
            if isinstance(step, _Rows):
                for indices, matrix, constants in step.blocks:
                    xs = [sizes[j] for j in indices]
                    sizes += [
                        sum(map(mul, map(abs, ws), xs), abs(c) * one) for ws, c in zip(matrix, constants, strict=True)
                    ]
            elif isinstance(step, _Units):
                for index, cuts, pieces, _ in step.units:
                    forms = [abs(m) * sizes[index] + abs(c) * one for m, c in cuts + pieces]
                    largest = max(largest, *forms)
                    sizes.append(max(forms[len(cuts) :]))
            else:
                sizes += [2 * max(m * sizes[j] for j, m in group) for group in step.units]
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
            if isinstance(step, _Rows):
                values.extend(step.apply(values, one))
                continue
            new = []
            for unit in step.units:
                if isinstance(unit, _Unit):
                    heights = [m * values[unit.index] + c * one for m, c in unit.cuts]
                    state = sum((h >= 0) + (h > 0) for h in heights)
                    m, c = unit.pieces[sum(h > 0 for h in heights)]
                    new.append(m * values[unit.index] + c * one)
                else:
                    members = [m * values[j] for j, m in unit]
                    new.append(max(members))
                    state = sum(1 << k for k, v in enumerate(members) if v == new[-1])
                pattern += state.to_bytes(step.width, "little")
            values += new
        return values, one, bytes(pattern)


class Forms:
    """Affine forms of a two-input program's values on one cell after another.

    A value's form (a, b, c) is packed into one integer, (a << 2 * bits) + (b << bits) + c with signed fields, so that
    one multiplication does the work of three. Moving to the next cell recomputes only what the patterns' difference
    touches; neighbouring cells make that a few columns.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.bits = program.bound([mpz(1)] * program.inputs, mpz(1)).bit_length() + 2
        self.one = mpz(1)
        self.values: list[mpz] = [mpz(1) << 2 * self.bits, mpz(1) << self.bits]
        self._states: list[Sequence[int]] = []
        self._half = mpz(1) << (self.bits - 1)
        self._mask = (mpz(1) << self.bits) - 1
        self._offset = self._half * (1 + (mpz(1) << self.bits) + (mpz(1) << 2 * self.bits))

    def unpack(self, packed: mpz) -> tuple[mpz, mpz, mpz]:
        """The coefficients (a, b, c) of a packed form."""
        q = packed + self._offset
        bits, mask, half = self.bits, self._mask, self._half
        return (q >> 2 * bits) - half, ((q >> bits) & mask) - half, (q & mask) - half

    def move(self, pattern: bytes, stop: int) -> None:
        """Make `values` current for a cell with this pattern, for the program's first `stop` steps."""
        values = self.values
        changed: dict[int, mpz] = {}  # value number -> how much it grew
        number = 0
        for step in self.program.steps[:stop]:
            known = step.first < len(values)
            if isinstance(step, _Rows):
                if not known:
                    values.extend(step.apply(values, self.one))
                elif changed:
                    self._update_rows(step, changed)
                continue
            states = self.program.states(step, pattern)
            if not known:
                values.extend(self._unit_form(u, s) for u, s in zip(step.units, states, strict=True))
                self._states.append(states)
            else:
                old, self._states[number] = self._states[number], states
                stale = {k for k, (s, t) in enumerate(zip(states, old, strict=True)) if s != t}
                if changed:
                    stale.update(k for k, u in enumerate(step.units) if any(j in changed for j in _inputs(u)))
                for k in sorted(stale):
                    self._set(step.first + k, self._unit_form(step.units[k], states[k]), changed)
            number += 1

    def _set(self, number: int, value: mpz, changed: dict[int, mpz]) -> None:
        if value != self.values[number]:
            changed[number] = value - self.values[number]
            self.values[number] = value

    def _unit_form(self, unit: _Unit | _Group, state: int) -> mpz:
        if isinstance(unit, _Unit):
            m, c = unit.pieces[state >> 1]
            return m * self.values[unit.index] + c * self.one
        j, m = unit[(state & -state).bit_length() - 1]
        return m * self.values[j]

    def _update_rows(self, step: _Rows, changed: dict[int, mpz]) -> None:
        moved = step.inputs.intersection(changed)
        if 3 * len(moved) > len(step.inputs):
            for k, value in enumerate(list(step.apply(self.values, self.one))):
                self._set(step.first + k, value, changed)
            return
        growth: dict[int, mpz] = {}
        for j in moved:
            delta = changed[j]
            for number, coef in step.column(j):
                growth[number] = growth.get(number, 0) + coef * delta
        for number, delta in growth.items():
            if delta:
                changed[number] = delta
                self.values[number] += delta
