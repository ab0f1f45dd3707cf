"""Another tool's decision boundary against the exact one, segment by segment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from gmpy2 import isqrt, mpq

from splinecam_exact.arrays import exact
from splinecam_exact.comparison.coordinates import Array, is_single
from splinecam_exact.comparison.corners import single_rounding
from splinecam_exact.comparison.defects import Defect
from splinecam_exact.comparison.matching import COARSE, INACCURATE, NEARLY_ALL, ROUNDINGS
from splinecam_exact.comparison.ragged import UNIT, Bools, Floats, length
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.rounding import nearest

if TYPE_CHECKING:
    from splinecam_exact.boundaries import Boundary

OF_WIDTH, OF_LENGTH, OF_GAP = 8, 16, 4
"""A claimed segment lies on an exact one if it is nearer than these parts of the width of the faces beside that, of its
length, and of the distance to another beside it; or than rounding."""
OF_SPAN = 8
"""Where two segments run side by side, they may end so much farther apart: a part of that stretch, or rounding."""
AS_OTHERS = 4
"""Or than so many times what nearly all claimed ones are off by. (Of cells it is 16 times what half of them are, which
is less where few are inaccurate.)"""
STEEP = 1 / 4
"""Segments whose distance changes by more than this part of the stretch, and than rounding, are not side by side."""
LEAST = 2.0**-1074
"""The least float64: rounding to those below 2**-1022 is as coarse as that."""
FAR = 2.0**300
"""Coordinates farther away, in a domain of about 1, are as good as this."""
SHARES = tuple(k / 8 for k in range(9))
"""Where on a claimed segment its distance from the boundary is measured."""
BITS = 60
"""To so many bits lengths are known."""
AT_ONCE = 1 << 20
"""So many pairs are looked at together."""


class Segments:
    """Claimed segments: `match` (m,) is the exact segment that each lies on, or -1, `errors` (m,) its distance from
    the exact boundary in slice coordinates, the largest at nine points along it. `missing` are the exact segments that
    are not, or not all, claimed, though the sign (or the arg-max) changes there. Where it does not, as around an area
    that is 0 all over, a tool that draws changes is as right as one that draws zeros: those, `optional` in number, may
    be claimed or not, and `left_out` of them are not. `twice` (m,) says which claimed ones run where the boundary is
    claimed already.

    A claimed segment may be part of an exact one, or cover several: all of it must run beside exact ones, and all of an
    exact one beside claimed ones. How far aside that may be is each exact segment's own: a small part of the distance
    to whatever else is there, and at most `INACCURATE` of the domain; never less than the rounding of the coordinates,
    or a few times the distance that nearly all claimed ones have.
    """

    def __init__(self, claimed: Array, boundary: Boundary, tolerance: float | None, stage: Progress) -> None:
        self._truth = Truth(boundary.part)
        self._boundary = boundary
        self.defects: list[Defect] = []
        ends, fine = _floats(claimed)
        for k in np.flatnonzero(~fine).tolist():
            self.defects.append(Defect("malformed", f"segment {k} has a coordinate that is not a finite number", (k,)))
        exponent = self._truth.exponent
        single = is_single(ends[fine])
        with np.errstate(over="ignore"):
            self._mine: Floats = np.ldexp(ends, -exponent).clip(-FAR, FAR)
        self._exact: Floats = np.ldexp(boundary.segments, -exponent)
        least = max(UNIT, float(np.ldexp(LEAST, -exponent)))
        slack = float(np.ldexp(boundary.slack, -exponent)) + 4 * least
        if slack > INACCURATE:  # as in domains among the least floats: they say nothing
            self._exact, slack = _exact_ends(boundary, exponent), 4 * least
        self._rounding = ROUNDINGS * least + 2 * slack
        if single:  # few digits alone do not make a claim float32's: but it must pass if it is, correctly rounded
            self._rounding = max(self._rounding, COARSE * float(abs(self._exact).max(initial=0.0)) + 2 * slack)
        self._most = max(self._rounding, INACCURATE * self._truth.extent)
        self.match = np.full(len(ends), -1)
        scaled = np.full(len(ends), np.inf)
        rows = np.flatnonzero(fine)
        stage("segments", 0, 3)
        if len(rows) and len(self._exact):
            # how accurate the claim is tells which are short enough to have any direction
            usual = self._try(rows, scaled, FAR)
            if self._rounding < AS_OTHERS * usual <= self._most:
                self._rounding = AS_OTHERS * usual
            self._try(rows, scaled, STEEP)
        self.errors: Floats = np.ldexp(scaled, exponent)
        self.float32 = float(np.ldexp(single_rounding(self._truth, single) + slack, exponent))
        for k in np.flatnonzero(fine & (self.match < 0)).tolist():
            self._spurious(claimed, k, f"segment {k} is not on the boundary")
        if tolerance is not None:
            for k in np.flatnonzero((self.match >= 0) & (self.errors > tolerance + np.ldexp(slack, exponent))).tolist():
                text = f"segment {k} is {self.errors[k]:.3g} from the boundary"
                face = int(boundary.faces[self.match[k]].max())
                self.defects.append(Defect("boundary_segment", text, (k,), (face,)))
        stage("segments", 1, 3)
        self.twice: Bools = np.zeros(len(ends), bool)
        absent = self._missing()
        self.missing: Ints = absent[boundary.changes[absent]]
        self.optional, self.left_out = int((~boundary.changes).sum()), len(absent) - len(self.missing)
        for k in np.flatnonzero(self.twice).tolist():
            text = f"segment {k}, or part of it, is claimed twice: others run along the boundary there"
            self._spurious(claimed, k, text)
        stage("segments", 2, 3)
        self._report_missing()

    def _try(self, rows: Ints, scaled: Floats, steep: float) -> float:
        """Match these rows, fill in their distances, and say how far off nearly all are."""
        self._aside = np.maximum(self._rounding, self._rooms())
        self.match[rows], scaled[rows] = self._matched(rows, steep)
        return float(np.quantile(scaled[rows], NEARLY_ALL, method="lower"))

    def _spurious(self, claimed: Array, k: int, text: str) -> None:
        p, q = (tuple(map(exact, row)) for row in claimed[k].tolist())
        middle = ((p[0] + q[0]) / 2, (p[1] + q[1]) / 2)
        self.defects.append(Defect("boundary_spurious", text, (k,), (), None, middle))

    def _rooms(self) -> Floats:
        """How far from each exact segment it is still meant, rounding aside."""
        truth, faces, segments = self._truth, self._boundary.faces, self._exact
        with np.errstate(all="ignore"):
            width = np.nan_to_num(truth.sizes / truth.reach)
        room = np.minimum(self._most, length(segments[:, 1] - segments[:, 0]) / OF_LENGTH)
        for beside in faces.T:
            room = np.where(beside >= 0, np.minimum(room, width[beside] / OF_WIDTH), room)
        most = OF_GAP * self._most
        for i, j in _near(segments, segments, most):
            i, j = i[i != j], j[i != j]
            span = _beside(segments[i], segments[j], np.full(len(i), np.inf), self._rounding)
            along = span.high - span.low > 4 * self._rounding
            np.minimum.at(room, i[along], span.aside[along] / OF_GAP)
        return room

    def _matched(self, rows: Ints, steep: float) -> tuple[Ints, Floats]:
        """For each row the exact segment it lies on, or -1, and how far it is from the boundary."""
        mine = self._mine[rows]
        far = 2 * self._most
        i, j, low, high = _side_by_side(mine, self._exact, None, self._aside, self._rounding, far, steep)
        long = length(mine[:, 1] - mine[:, 0])
        more = self._more(low, high, self._aside[j])
        right = _covered(i, low - more, high + more, long)
        match, error = np.full(len(rows), -1), np.full(len(rows), np.inf)
        order = np.lexsort((high - low, i))
        match[i[order]] = j[order]
        match[~right] = -1
        near = np.full((len(SHARES), len(rows)), np.inf)
        for k, share in enumerate(SHARES):
            place = mine[:, 0] * (1 - share) + mine[:, 1] * share
            np.minimum.at(near[k], i, _distances(place[i], self._exact[j]))
        error[right] = near.max(axis=0)[right]
        return match, error

    def _more(self, low: Floats, high: Floats, aside: Floats) -> Floats:
        """By how much stretches are drawn out."""
        found: Floats = np.maximum(self._rounding, np.minimum(aside, (high - low) / OF_SPAN))
        return found

    def _missing(self) -> Ints:
        """The exact segments that claimed ones do not run beside all along. Sets `twice`."""
        exact_, rows = self._exact, np.flatnonzero(self.match >= 0)
        if not len(rows):
            return np.arange(len(exact_))
        i, j, low, high = _side_by_side(exact_, self._mine[rows], self._aside, None, self._rounding, 2 * self._most)
        j = rows[j]
        long = length(exact_[:, 1] - exact_[:, 0])
        more = self._more(low, high, self._aside[i])
        fewer = self._count(i, j, low.clip(0, long[i]), high.clip(0, long[i]), long)
        return np.flatnonzero(~_covered(i, low - more, high + more, long) | fewer)

    def _count(self, i: Ints, j: Ints, low: Floats, high: Floats, long: Floats) -> Bools:
        """Whether fewer claimed segments j run along an exact one i, from low to high, than there are exact ones.

        Where more do, the last of them are claimed `twice`. Exact ones that are closer together than rounding are
        counted, with as much doubt as the rounding leaves, in both directions. Those that are so only for a small part
        of an exact one, as where they meet, are farther apart elsewhere: there it is seen whether they are claimed.
        """
        fewer, rounding = np.zeros(len(long), bool), self._rounding
        crowded = np.bincount(i, high - low, len(long)) > long + 4 * rounding
        pairs = _side_by_side(self._exact, self._exact, np.full(len(long), rounding / 2), None, rounding, rounding)
        crowded[pairs[0][(pairs[0] != pairs[1]) & (pairs[3] - pairs[2] > 4 * rounding)]] = True
        order = np.lexsort((j, i))
        i, j, low, high = i[order], j[order], low[order], high[order]
        mine = length(self._mine[:, 1] - self._mine[:, 0])
        everyone, changes = np.arange(len(long)), self._boundary.changes
        for s in np.flatnonzero(crowded).tolist():
            part = slice(*np.searchsorted(i, [s, s + 1]).tolist())
            owner = j[part]
            one = np.broadcast_to(self._exact[s], self._exact.shape)
            wide = _beside(one, self._exact, self._aside[s] + self._aside + rounding, rounding)
            tight = _beside(one, self._exact, np.full(len(long), rounding / 2), rounding)
            some, few = np.flatnonzero(everyone != s), np.flatnonzero((everyone < s) & changes)
            a, c, e = low[part], wide.low[some] - rounding, tight.low[few] + rounding
            b, d, f = high[part], wide.high[some] + rounding, tight.high[few] - rounding
            cuts = np.concatenate([[0, long[s]], a, b, c, d, e, f])
            cuts = np.unique(cuts[np.isfinite(cuts)].clip(0, long[s]))
            middle, size = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
            there, at_most, at_least = (
                (x[:, np.newaxis] <= middle) & (middle <= y[:, np.newaxis]) for x, y in ((a, b), (c, d), (e, f))
            )
            over = ((there.cumsum(axis=0) > 1 + at_most.sum(axis=0)) & there) @ size
            slight = np.maximum(4 * rounding, np.minimum(2 * self._aside[s], mine[owner] / 2))
            self.twice[owner[over > slight]] = True
            needed = at_least.sum(axis=0)
            fewer[s] = size[(needed > 0) & (there.sum(axis=0) < 1 + needed)].sum() > max(
                4 * rounding, long[s] / OF_SPAN
            )
        return fewer

    def _report_missing(self) -> None:
        squares = []
        for s in self.missing.tolist():
            segment = self._boundary[s]
            (a, b), (c, d) = segment.ends
            squares.append(segment.squared_length)
            size = nearest(segment.squared_length.numerator, segment.squared_length.denominator) ** 0.5
            text = f"nobody claims the exact boundary segment {s}, of length {size:.6g}"
            faces = tuple(f for f in dict.fromkeys(segment.faces) if f >= 0)
            self.defects.append(Defect("boundary_missing", text, (), faces, None, ((a + c) / 2, (b + d) / 2)))
        self.missing_length = _total_length(squares)

    @property
    def worst(self) -> float:
        """How far the matched ones are off at most."""
        return float(self.errors[self.match >= 0].max(initial=0.0))

    def summary(self) -> dict[str, object]:
        """How many there are of each, and exact bounds of the length that nobody claims."""
        return {
            "claimed": len(self.match),
            "exact": len(self._exact),
            "matched": int((self.match >= 0).sum()),
            "missing": len(self.missing),
            "optional": self.optional,
            "left_out": self.left_out,
            "missing_length": [format_rational(q) for q in self.missing_length],
            "largest_error": self.worst,
        }


class _Spans(NamedTuple):
    """Where other segments run beside some: from `low` to `high` along these, at most `aside`; none if low > high.

    Over this stretch their distance changes by `rise`.
    """

    low: Floats
    high: Floats
    aside: Floats
    rise: Floats


def _exact_ends(boundary: Boundary, exponent: int) -> Floats:
    """All ends of a boundary's segments, correctly rounded after a power of two has scaled them."""
    scale = mpq(2) ** -exponent
    numbers = [q * scale for s in range(len(boundary)) for p in boundary[s].ends for q in p]
    return np.array([nearest(q.numerator, q.denominator) for q in numbers]).reshape(-1, 2, 2)


def _floats(claimed: Array) -> tuple[Floats, Bools]:
    """The claimed ends as floats, and which segments have finite ones; those beyond float64 are infinite here."""
    if claimed.dtype != object:
        return claimed, np.asarray(np.isfinite(claimed).all(axis=(1, 2)))
    numbers = claimed.ravel().tolist()
    ends = np.array([nearest(mpq(q).numerator, mpq(q).denominator) if q == q else np.nan for q in numbers])
    return ends.reshape(-1, 2, 2), ~np.isnan(ends).reshape(-1, 4).any(axis=1)


def _near(some: Floats, others: Floats, far: float) -> Iterator[tuple[Ints, Ints]]:
    """The pairs of segments whose boxes are not farther apart, so many at a time."""
    low, high = some.min(axis=1) - far, some.max(axis=1) + far
    least, most = others.min(axis=1), others.max(axis=1)
    for part in np.array_split(np.arange(len(some)), len(some) * len(others) // AT_ONCE + 1):
        close = (low[part, :1] <= most[:, 0]) & (high[part, :1] >= least[:, 0])
        close &= (low[part, 1:] <= most[:, 1]) & (high[part, 1:] >= least[:, 1])
        i, j = np.nonzero(close)
        yield part[i], j


@np.errstate(all="ignore")
def _beside(base: Floats, other: Floats, aside: Floats, rounding: float) -> _Spans:
    """What of each other segment is at most so far to the left or right of its base, and not beyond its ends."""
    side = base[:, 1] - base[:, 0]
    long = length(side)
    way = np.where(long[:, np.newaxis] > 0, side / long[:, np.newaxis], [1.0, 0.0])
    p, q = (other[:, k] - base[:, 0] for k in (0, 1))
    t, u = (p * way).sum(axis=1), (q * way).sum(axis=1)
    h, g = (way[:, 0] * v[:, 1] - way[:, 1] * v[:, 0] for v in (p, q))
    first, last = np.zeros(len(base)), np.ones(len(base))
    for a, b, least, most in ((t, u, -rounding, long + rounding), (h, g, -aside, aside)):
        x, y = (least - a) / (b - a), (most - a) / (b - a)
        inside = (a >= least) & (a <= most)
        still = a == b
        first = np.maximum(first, np.where(still, np.where(inside, 0.0, np.inf), np.fmin(x, y)))
        last = np.minimum(last, np.where(still, 1.0, np.fmax(x, y)))
    none = ~(first <= last)
    first, last = np.where(none, 0.0, first), np.where(none, 0.0, last)
    v, w = t + first * (u - t), np.where(last == 1, u, t + last * (u - t))
    off = np.maximum(abs(h + first * (g - h)), abs(h + last * (g - h)))
    return _Spans(
        np.where(none, np.inf, np.minimum(v, w)),
        np.where(none, -np.inf, np.maximum(v, w)),
        off,
        abs((last - first) * (g - h)),
    )


def _side_by_side(
    some: Floats,
    others: Floats,
    mine: Floats | None,
    theirs: Floats | None,
    rounding: float,
    far: float,
    steep: float = STEEP,
) -> tuple[Ints, Ints, Floats, Floats]:
    """All pairs of which one is `_beside` the other, not steeply: their numbers, from where to where along the first.

    How far aside is said for each of the first or for each of the second; `steep` is the largest slope.
    """
    rows, columns, lows, highs = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)]
    for i, j in _near(some, others, far):
        aside = mine[i] if mine is not None else theirs[j] if theirs is not None else np.zeros(len(i))
        span = _beside(some[i], others[j], aside, rounding)
        flat = span.rise <= np.maximum(4 * rounding, steep * (span.high - span.low))
        flat |= length(some[i, 1] - some[i, 0]) <= 4 * rounding  # it has no direction
        met = np.flatnonzero((span.high >= span.low) & flat)
        for whole, new in ((rows, i), (columns, j)):
            whole.append(new[met])
        for found, bound in ((lows, span.low), (highs, span.high)):
            found.append(bound[met])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(lows), np.concatenate(highs)


def _covered(owner: Ints, low: Floats, high: Floats, long: Floats) -> Bools:
    """Whether the intervals of each owner cover all from 0 to its length."""
    reached = np.zeros(len(long)).tolist()
    met = np.zeros(len(long), bool)
    met[owner] = True
    order = np.lexsort((low, owner))
    for k, a, b in zip(owner[order].tolist(), low[order].tolist(), high[order].tolist(), strict=True):
        if a <= reached[k] < b:
            reached[k] = b
    found: Bools = met & (np.array(reached) >= long)
    return found


def _distances(p: Floats, segments: Floats) -> Floats:
    """How far points (n, 2) are from segments (n, 2, 2), each from its own."""
    start, side = segments[:, 0], segments[:, 1] - segments[:, 0]
    way = p - start
    squared = (side**2).sum(axis=1)
    with np.errstate(all="ignore"):
        share = np.where(squared > 0, (way * side).sum(axis=1) / squared, 0.0).clip(0, 1)
    return length(way - share[:, np.newaxis] * side)


def _total_length(squares: list[mpq]) -> tuple[mpq, mpq]:
    """Two rationals around the sum of square roots."""
    if not squares:
        return mpq(0), mpq(0)
    longest = max(squares)
    bits = BITS + len(squares).bit_length() - (longest.numerator.bit_length() - longest.denominator.bit_length()) // 2
    scale = mpq(4) ** bits
    least = sum(int(isqrt(q * scale // 1)) for q in squares)
    unit = mpq(2) ** -bits
    return least * unit, (least + len(squares)) * unit
