"""Signs that float64 could not certify, decided exactly: first with about 110 bits, then in integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from gmpy2 import lcm, mpq, mpz, sign
from numpy.typing import NDArray

from splinecam_exact.decide.digits import Floats, Ints
from splinecam_exact.decide.evaluate import Form, evaluate
from splinecam_exact.decide.maps import FEW, Maps, affine_maps
from splinecam_exact.decide.plan import Plan, Precision
from splinecam_exact.decide.rows import Windows
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import PieceUnit, Program, Progress
from splinecam_exact.kernel.rational import Point

WIDE_BITS = 110
"""How many bits of each value the wide stage keeps at first; then half as many more, and so on."""

WORTH = 0.75
"""The wide stage is left out where it takes more than this share of what the exact stage takes."""

ENOUGH = 64
"""Of an enclosure, the bits that its radius leaves."""

REQUESTS = 1 << 16
"""How many requests are decided at a time."""

Signs = NDArray[np.int8]

ZERO = mpq(0)


class Stages(NamedTuple):
    """How many requests each stage decided."""

    wide: int
    exact: int


class Enclosure(NamedTuple):
    """An integer form, and how far each of its coefficients may be from the true form's, both times one number > 0."""

    form: Form
    radius: mpz

    @property
    def close(self) -> bool:
        """Whether the radius leaves the direction `ENOUGH` bits."""
        a, b, _ = self.form
        return not self.radius or self.radius << ENOUGH <= max(abs(a), abs(b))


class Decider:
    """Decides signs of lines on the cells of a program with two inputs and a convex domain. No answer is ever wrong.

    Cuts are numbered: number t is the comparison (Piecewise unit, breakpoint), counted over all units in program order,
    and stands for the affine form source - breakpoint on a cell; after these come the differences of values, or of
    values and numbers, that `compare` has named. A cell is given by its pattern. As much of it is enough, and only that
    is looked at, as the units hold that the cut's sources depend on.

    `windows` says which of the program's steps are convolutions, which would else be found out from equal coefficients.
    `progress` is called now and then; it may raise. `digits` are the digits per value that the wide stage keeps, one
    try after another; by default they are chosen for each call, none for networks that are not deep enough to gain from
    it.

    >>> from splinecam_exact import Network
    >>> program = Network.from_layers([([[1, 0], [1, 1]], ["-1/3", 0]), ([[1, 1]], [0])]).program()
    >>> decider = Decider(program)
    >>> side = (mpz(0), mpz(1), mpz(1))                              # y + 1 = 0
    >>> decider.meetings([bytes([2, 2])], np.array([[0, 1, -1], [0, 0, 1]]), np.array([0, 0]), [side])
    (array([1, 0], dtype=int8), Stages(wide=0, exact=2))
    >>> decider.forms([b""], np.array([1]), np.array([0]))
    [(mpz(3), mpz(3), mpz(0))]
    """

    def __init__(
        self,
        program: Program,
        *,
        progress: Progress | None = None,
        digits: Sequence[int] | None = None,
        windows: Mapping[int, Windows] | None = None,
    ) -> None:
        if program.inputs != 2:
            raise InputError(f"the program has {program.inputs} inputs, not 2: put a slice in front")
        self._plan = Plan(program, windows)
        self._progress = progress
        self._digits = digits
        cuts = [
            (unit.source, m, c)
            for step in program.unit_steps()
            for unit in step.units
            if isinstance(unit, PieceUnit)
            for m, c in unit.cuts
        ]
        self._sources: Ints = np.array([j for j, _, _ in cuts], np.int64)
        self._others = np.full(len(cuts), -1)  # the number of a value that is subtracted, -1 for none
        self._scales = [(m, mpz(0), c) for _, m, c in cuts]  # the factors of both, and a constant
        self._needs: Ints = np.array(self._plan.needs, np.int64)
        self._precisions: dict[int, Precision] = {}

    def compare(self, pairs: Ints, level: mpq = ZERO) -> int:
        """Name the differences of some pairs of values, shape (n, 2), less a level, as further cuts.

        Where the second is -1, nothing is subtracted but the level. Returns the number of the first. Raises InputError
        for values that do not exist.
        """
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        _check(pairs[:, 0], 0, len(self._needs), "value")
        _check(pairs[:, 1], -1, len(self._needs), "value")
        first, denominator = len(self._sources), self._plan.program.denominator
        for i, j in pairs.tolist():
            common = lcm(denominator[i], denominator[j] if j >= 0 else 1, level.denominator)
            other = common // denominator[j] if j >= 0 else mpz(0)
            self._scales.append((common // denominator[i], other, -level.numerator * (common // level.denominator)))
        self._sources = np.concatenate([self._sources, pairs[:, 0]])
        self._others = np.concatenate([self._others, pairs[:, 1]])
        return first

    def meetings(
        self, patterns: Sequence[bytes], lines: Ints, which: Ints, known: Sequence[Form] = ()
    ) -> tuple[Signs, Stages]:
        """The signs of the forms of lines[r, 0] where lines[r, 1] and lines[r, 2] meet, on cells patterns[which[r]].

        A line is the number of a cut, or -1 - i for the form known[i]. `lines` has shape (n, 3), `which` (n,). 0 means
        exactly 0, or that the two lines are parallel. Raises InputError for lines, patterns or states that do not
        exist.
        """
        lines, which = np.asarray(lines, np.int64).reshape(-1, 3), np.asarray(which, np.int64)
        _check(lines, -len(known), len(self._sources), "line")
        given = [Enclosure(form, mpz(0)) for form in known]

        def judge(some: Ints, found: list[Enclosure]) -> list[int | None]:
            rows = iter(found)
            taken = (next(rows) if line >= 0 else given[-1 - line] for line in lines[some].ravel().tolist())
            return [_at_meeting(*three) for three in zip(taken, taken, taken, strict=True)]

        return self._decide(patterns, lines, which, judge)

    def heights(
        self, patterns: Sequence[bytes], cuts: Ints, points: Sequence[Point], which: Ints
    ) -> tuple[Signs, Stages]:
        """The signs of the forms of cuts[r], on the cell patterns[which[r]], at the exact points[r]; 0 is exactly 0.

        `cuts` and `which` have shape (n,). Raises InputError for cuts, patterns or states that do not exist.
        """
        cuts, which = np.asarray(cuts, np.int64), np.asarray(which, np.int64)
        _check(cuts, 0, len(self._sources), "cut")

        def judge(some: Ints, found: list[Enclosure]) -> list[int | None]:
            return [_height(line, points[r]) for r, line in zip(some.tolist(), found, strict=True)]

        return self._decide(patterns, cuts[:, np.newaxis], which, judge)

    def forms(self, patterns: Sequence[bytes], cuts: Ints, which: Ints) -> list[Form]:
        """The exact integer forms of cuts[r] on the cells patterns[which[r]], up to a positive factor.

        Equal requests share one tuple. Raises InputError for cuts, patterns or states that do not exist.
        """
        cuts = np.asarray(cuts, np.int64)
        _check(cuts, 0, len(self._sources), "cut")
        return [line.form for line in self._lines(patterns, cuts, np.asarray(which, np.int64), self._precision(0))]

    def values(self, patterns: Sequence[bytes], numbers: Ints, which: Ints) -> list[Form]:
        """The exact integer forms of any of the program's values, `denominator` times the true ones.

        Raises InputError for values, patterns or states that do not exist.
        """
        numbers = np.asarray(numbers, np.int64)
        _check(numbers, 0, len(self._needs), "value")
        forms, where = self._forms(patterns, numbers, np.asarray(which, np.int64), self._precision(0))
        return [forms[k] for k in where.tolist()]

    def enclosures(self, patterns: Sequence[bytes], cuts: Ints, which: Ints) -> list[Enclosure]:
        """The forms of cuts[r] on the cells patterns[which[r]], each to `ENOUGH` bits or exactly.

        Raises InputError for cuts, patterns or states that do not exist.
        """
        cuts, which = np.asarray(cuts, np.int64), np.asarray(which, np.int64)
        _check(cuts, 0, len(self._sources), "cut")
        found: list[Enclosure] = [Enclosure((mpz(0), mpz(0), mpz(0)), mpz(1))] * len(cuts)
        left = np.arange(len(cuts))
        *trials, exactly = self._stages(cuts)
        for precision in (*trials, exactly):
            if precision is not exactly:
                few = left[:: max(1, len(left) // FEW)]
                tried = self._lines(patterns, cuts[few], which[few], precision)
                if 2 * sum(line.close for line in tried) < len(few):
                    continue  # it would not do for most of them
            for r, line in zip(left.tolist(), self._lines(patterns, cuts[left], which[left], precision), strict=True):
                found[r] = line
            left = left[[not found[r].close for r in left.tolist()]]
        return found

    def maps(self, patterns: Sequence[bytes], references: Mapping[int, Floats | None]) -> Iterator[Maps]:
        """The affine maps of all values of some steps (0: the inputs), on cells of different patterns, in float64.

        `references[n]` are subtracted from the constants of step n, unless it is None.
        Each pattern occurs in one of the results. Raises InputError for patterns or states that do not exist.
        """
        stop = max(references)
        longest = int(self._needs[: self._plan.firsts[stop] + self._plan.counts[stop]].max(initial=0))
        for k, pattern in enumerate(patterns):
            if len(pattern) < longest:
                raise InputError(f"pattern {k} has {len(pattern)} bytes, {longest} are needed")
        watch = None if self._progress is None else partial(self._progress, "cells evaluated")
        return affine_maps(self._plan, self._trials(stop), patterns, references, watch)

    def _decide(
        self,
        patterns: Sequence[bytes],
        lines: Ints,
        which: Ints,
        judge: Callable[[Ints, list[Enclosure]], list[int | None]],
    ) -> tuple[Signs, Stages]:
        """Ask `judge` about requests and the lines of their cuts (those not below 0), until all is decided."""
        _check(which, 0, len(patterns), "pattern")
        signs = np.zeros(len(lines), np.int8)
        order = np.arange(len(lines))
        if len(lines) > REQUESTS:  # neighbours in the order of the patterns share most of the work
            rank = np.empty(len(patterns), np.int64)
            rank[sorted(range(len(patterns)), key=patterns.__getitem__)] = np.arange(len(patterns))
            order = np.argsort(rank[which], kind="stable")
        wide = 0
        for start in range(0, len(lines), REQUESTS):
            left = order[start : start + REQUESTS]
            *trials, exactly = self._stages(lines[left])
            for precision in trials:
                left = self._try(patterns, lines, which, judge, left, precision, signs)
            wide += len(order[start : start + REQUESTS]) - len(left)
            self._try(patterns, lines, which, judge, left, exactly, signs)
        return signs, Stages(wide, len(lines) - wide)

    def _try(
        self,
        patterns: Sequence[bytes],
        lines: Ints,
        which: Ints,
        judge: Callable[[Ints, list[Enclosure]], list[int | None]],
        some: Ints,
        precision: Precision,
        signs: Signs,
    ) -> Ints:
        """Decide some of the requests with numbers of some precision; returns those that it does not decide."""
        cuts = lines[some]
        owners = np.broadcast_to(which[some, np.newaxis], cuts.shape)[cuts >= 0]
        answers = judge(some, self._lines(patterns, cuts[cuts >= 0], owners, precision))
        signs[some] = [answer or 0 for answer in answers]
        return some[[answer is None for answer in answers]]

    def _stages(self, lines: Ints) -> list[Precision]:
        """The precisions to try for some lines, one after another; the last one is exact."""
        cuts = lines[lines >= 0]
        last = np.maximum(self._sources[cuts], self._others[cuts])
        return self._trials(int(self._plan.steps_of(last).max(initial=0)))

    def _trials(self, stop: int) -> list[Precision]:
        """The same for all values of the first steps."""
        tries = list(self._digits or ())
        if self._digits is None:
            most = WORTH * self._plan.cost(self._precision(0).low, stop)
            digits = -(-WIDE_BITS // self._plan.bits)
            while self._plan.cost(self._precision(digits).low, stop) < most:
                tries.append(digits)
                digits += (digits + 1) // 2
        return [self._precision(digits) for digits in (*tries, 0)]

    def _precision(self, digits: int) -> Precision:
        """That of so many digits per value; 0 stands for all of them."""
        if digits not in self._precisions:
            self._precisions[digits] = self._plan.truncated(digits) if digits else self._plan.exactly()
        return self._precisions[digits]

    def _lines(self, patterns: Sequence[bytes], cuts: Ints, which: Ints, precision: Precision) -> list[Enclosure]:
        """The lines of some cuts, in units of the lowest digit of their sources' steps."""
        two = np.flatnonzero(self._others[cuts] >= 0)
        numbers = np.concatenate([self._sources[cuts], self._others[cuts[two]]])
        forms, where = self._forms(patterns, numbers, np.concatenate([which, which[two]]), precision)
        second = np.full(len(cuts), -1)
        second[two] = where[len(cuts) :]
        requests = np.stack([where[: len(cuts)], second, cuts], axis=1)
        different, again = np.unique(requests, axis=0, return_inverse=True)
        lines = [self._line(forms[k], forms[j] if j >= 0 else None, cut, precision) for k, j, cut in different.tolist()]
        return [lines[k] for k in again.reshape(-1).tolist()]

    def _low(self, number: int, precision: Precision) -> int:
        """The position of the lowest bit that is kept of a value."""
        return self._plan.bits * precision.low[int(self._plan.steps_of(np.array([number]))[0])]

    def _line(self, form: Form, other: Form | None, cut: int, precision: Precision) -> Enclosure:
        """A multiple of a value, perhaps less one of another, and a constant: in units of the lowest digit of both."""
        m, n, offset = self._scales[cut]
        i, j = int(self._sources[cut]), int(self._others[cut])
        low, radius = self._low(i, precision), m * precision.radius[i]
        a, b, c = (m * p for p in form)
        if other is not None:
            beyond = self._low(j, precision)
            m, n, low = mpz(1) << max(0, low - beyond), n << max(0, beyond - low), min(low, beyond)
            a, b, c = (m * p - n * q for p, q in zip((a, b, c), other, strict=True))
            radius = m * radius + n * precision.radius[j]
        unit = mpz(1) << low
        return Enclosure((a, b, c + offset // unit), radius + bool(offset % unit))

    def _forms(
        self, patterns: Sequence[bytes], numbers: Ints, which: Ints, precision: Precision
    ) -> tuple[list[Form], Ints]:
        """The different forms of some values, and which of them each request has."""
        _check(which, 0, len(patterns), "pattern")
        needs = self._needs[numbers]
        longest = int(needs.max(initial=0)) + 1
        codes, inverse = np.unique(which * longest + needs, return_inverse=True)
        keys: dict[bytes, int] = {}
        key = np.empty(len(codes), np.int64)
        for k, code in enumerate(codes.tolist()):
            owner, need = divmod(code, longest)
            prefix = patterns[owner][:need]
            if len(prefix) < need:
                raise InputError(f"pattern {owner} has {len(prefix)} bytes, {need} are needed")
            key[k] = keys.setdefault(prefix, len(keys))
        count = len(self._needs)
        codes, where = np.unique(key[inverse] * count + numbers, return_inverse=True)
        watch = None if self._progress is None else partial(self._progress, "cells evaluated")
        return evaluate(self._plan, precision, list(keys), codes // count, codes % count, watch), where


def _check(numbers: Ints, low: int, high: int, name: str) -> None:
    """Raise InputError if one of some numbers does not exist."""
    bad = numbers[(numbers < low) | (numbers >= high)]
    if len(bad):
        raise InputError(f"there is no {name} {bad[0]}: they go from {low} to {high - 1}")


def _determinant(first: Enclosure, second: Enclosure, third: Enclosure) -> int | None:
    """The sign of the determinant of three true lines, or None where the radii leave it open."""
    (a, b, c), (d, e, f), (g, h, i) = first.form, second.form, third.form
    found = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    slack = mpz(0)
    if first.radius or second.radius or third.radius:
        sizes = [sum(map(abs, line.form)) for line in (first, second, third)]
        reach = [size + 3 * line.radius for size, line in zip(sizes, (first, second, third), strict=True)]
        slack = reach[0] * reach[1] * reach[2] - sizes[0] * sizes[1] * sizes[2]
    return _sign(found, slack)


def _crossing(one: Enclosure, other: Enclosure) -> int | None:
    """The sign of the cross product of two true lines' normals, or None where the radii leave it open."""
    (a, b, _), (d, e, _) = one.form, other.form
    p, q = one.radius, other.radius
    return _sign(a * e - b * d, p * (abs(d) + abs(e)) + q * (abs(a) + abs(b)) + 2 * p * q)


def _at_meeting(line: Enclosure, one: Enclosure, other: Enclosure) -> int | None:
    """The sign of a true line's form where two others meet, or None where the radii leave it open."""
    found, turn = _determinant(line, one, other), _crossing(one, other)
    return None if found is None or turn is None else found * turn


def _height(line: Enclosure, point: Point) -> int | None:
    """The sign of a true line's form at a point, or None where the radius leaves it open."""
    (a, b, c), (x, y, w) = line.form, point
    return _sign(a * x + b * y + c * w, line.radius * (abs(x) + abs(y) + w))


def _sign(found: mpz, slack: mpz) -> int | None:
    """The sign of a number that is at most `slack` away from another."""
    return sign(found) if abs(found) > slack or not slack else None
