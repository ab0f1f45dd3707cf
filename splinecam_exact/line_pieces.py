"""The pieces of a network on a segment, layer by layer, in integers.

On a piece every value is b t + c in the segment's parameter t, its two coefficients packed into one integer; so the
program's own rows serve both at once. Each piece goes through the layers until a unit changes inside it, and is cut
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from gmpy2 import lcm, mpq, mpz

from splinecam_exact.kernel.program import GroupUnit, PieceUnit, Program, RowStep, UnitStep

Form = tuple[mpz, mpz]
"""(b, c): b t + c."""

Exact = mpz | mpq


class Cut(NamedTuple):
    """A piece before some of the steps: on [low, high], `values` and states so far."""

    step: int
    values: list[mpz]
    low: mpq
    high: mpq
    pattern: bytes


class Whole(NamedTuple):
    """A piece after all steps: on [low, high] the outputs are slope * t + offset."""

    low: mpq
    high: mpq
    pattern: bytes
    slopes: tuple[mpq, ...]
    offsets: tuple[mpq, ...]


class Sweep:
    """Walks along the segment from p to q. `met` has, for each t, the units that are at a breakpoint or tied there."""

    def __init__(self, program: Program, p: Sequence[mpq], q: Sequence[mpq]) -> None:
        self.program = program
        moves = [b - a for a, b in zip(p, q, strict=True)]
        self.one = lcm(mpz(1), *(x.denominator for x in (*p, *moves)))
        inputs = [(self._whole(m), self._whole(a)) for m, a in zip(moves, p, strict=True)]
        self.bits = program.bound([max(abs(b), abs(c)) for b, c in inputs], self.one).bit_length() + 2
        self.inputs = [(b << self.bits) + c for b, c in inputs]
        self._half = mpz(1) << (self.bits - 1)
        self._mask = (mpz(1) << self.bits) - 1
        self._offset = self._half + (self._half << self.bits)
        self.met: dict[mpq, set[int]] = {}

    def _whole(self, x: mpq) -> mpz:
        return x.numerator * (self.one // x.denominator)

    def form(self, packed: mpz) -> Form:
        """The coefficients of a packed value."""
        shifted = packed + self._offset
        return (shifted >> self.bits) - self._half, (shifted & self._mask) - self._half

    def pieces(self) -> Iterator[Whole]:
        """The pieces, from t = 0 to t = 1."""
        waiting = [Cut(0, self.inputs, mpq(0), mpq(1), b"")]
        while waiting:
            piece = waiting.pop()
            values, pattern = list(piece.values), piece.pattern
            for number in range(piece.step, len(self.program.steps)):
                step = self.program.steps[number]
                if isinstance(step, RowStep):
                    values.extend(step.apply(values, self.one))
                    continue
                states, cuts = self._states(step, values, piece.low, piece.high)
                if cuts:
                    ends = [piece.low, *sorted(cuts), piece.high]
                    waiting += [Cut(number, values, a, b, pattern) for a, b in reversed(list(pairwise(ends)))]
                    break
                values += [u.value(values, self.one, s) for u, s in zip(step.units, states, strict=True)]
                pattern += b"".join(state.to_bytes(step.width, "little") for state in states)
            else:
                yield self._whole_piece(piece, values, pattern)

    def _whole_piece(self, piece: Cut, values: list[mpz], pattern: bytes) -> Whole:
        scales = [self.program.denominator[j] * self.one for j in self.program.outputs]
        forms = [self.form(values[j]) for j in self.program.outputs]
        slopes = tuple(mpq(b, scale) for (b, _), scale in zip(forms, scales, strict=True))
        offsets = tuple(mpq(c, scale) for (_, c), scale in zip(forms, scales, strict=True))
        return Whole(piece.low, piece.high, pattern, slopes, offsets)

    def _states(self, step: UnitStep, values: list[mpz], low: mpq, high: mpq) -> tuple[list[int], set[mpq]]:
        """The units' states on the open interval, or where they change inside it."""
        states, cuts = [], set[mpq]()
        for number, unit in enumerate(step.units, step.unit):
            if isinstance(unit, PieceUnit):
                states.append(self._piece_state(unit, number, values, low, high, cuts))
            else:
                states.append(self._group_state(unit, number, values, low, high, cuts))
        return states, cuts

    def _piece_state(self, unit: PieceUnit, number: int, values: list[mpz], low: mpq, high: mpq, cuts: set[mpq]) -> int:
        state = 0
        for m, c in unit.cuts:
            form = self.form(m * values[unit.source] + c * self.one)
            first, last = height(form, low), height(form, high)
            if first < 0 < last or last < 0 < first:
                cuts.add(mpq(-form[1], form[0]))
            elif first or last:
                state += 2 if first > 0 or last > 0 else 0
                if not (first and last):
                    self.met.setdefault(high if first else low, set()).add(number)
            else:
                state += 1
        return state

    def _group_state(self, unit: GroupUnit, number: int, values: list[mpz], low: mpq, high: mpq, cuts: set[mpq]) -> int:
        forms = [self.form(m * values[j]) for j, m in unit.members]
        found = changes(forms, low, high)
        cuts.update(found)
        on_top = tops(forms, low)
        for t in () if found else (low, high):
            if len(tied(forms, t)) > len(on_top):
                self.met.setdefault(t, set()).add(number)
        return sum(1 << k for k in on_top)


def height(form: tuple[Exact, Exact], t: mpq) -> Exact:
    """The value at t, times t's denominator."""
    b, c = form
    return b * t.numerator + c * t.denominator


def changes(forms: Sequence[tuple[Exact, Exact]], low: mpq, high: mpq) -> list[mpq]:
    """Where the largest of some forms changes inside an interval: the corners of their upper envelope."""
    b, c = forms[tops(forms, low)[0]]
    found: list[mpq] = []
    while steeper := [(mpq(c - d) / (a - b), -a, d) for a, d in forms if a > b]:
        t, a, c = min(steeper)
        if t >= high:
            break
        b = -a
        found.append(t)
    return found


def tops(forms: Sequence[tuple[Exact, Exact]], low: mpq) -> list[int]:
    """Which forms are the largest just after a place."""
    heights = [(height(form, low), form[0]) for form in forms]
    largest = max(heights)
    return [k for k, h in enumerate(heights) if h == largest]


def tied(forms: Sequence[tuple[Exact, Exact]], t: mpq) -> list[int]:
    """Which forms are the largest at a place."""
    heights = [height(form, t) for form in forms]
    largest = max(heights)
    return [k for k, h in enumerate(heights) if h == largest]
