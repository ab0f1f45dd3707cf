"""Another tool's decision boundary against the exact one, segment by segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from gmpy2 import isqrt, mpq

from splinecam_exact.arrays import exact
from splinecam_exact.comparison.coordinates import Array
from splinecam_exact.comparison.deep import Spots
from splinecam_exact.comparison.defects import Defect
from splinecam_exact.comparison.matching import ROUNDINGS
from splinecam_exact.comparison.polygons import Place
from splinecam_exact.comparison.ragged import TINY, UNIT, Floats, length
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.comparison.walking import faces_of
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.rounding import nearest

if TYPE_CHECKING:
    from splinecam_exact.boundaries import Boundary

ASIDE = 4
"""A claimed segment that is farther from the exact ones than this part of its length (and than rounding) is none."""
SHARES = (1 / 16, 1 / 2, 15 / 16)
"""Where on an exact segment a claimed one is looked for."""
BITS = 60
"""To so many bits lengths are known."""
AT_ONCE = 1 << 20
"""So many distances are computed at a time."""


class Segments:
    """Claimed segments: `match` (m,) is the exact segment that each lies on, or -1, `errors` (m,) its distance from
    the exact boundary in slice coordinates: that of its middle or of its ends, whichever is largest. `missing` are the
    exact segments that nobody claims. A claimed segment may be part of an exact one, or cover several.

    The middle of a segment is located exactly: only exact segments in (or beside) that face come into question, or,
    where there are none, such as are within the rounding of the coordinates.
    """

    def __init__(self, claimed: Array, boundary: Boundary, tolerance: float | None, stage: Progress) -> None:
        self._truth = Truth(boundary.part)
        self._boundary = boundary
        self.defects: list[Defect] = []
        ends = np.array([[[float(q) for q in p] for p in row] for row in claimed.tolist()]).reshape(-1, 2, 2)
        fine = np.isfinite(ends).all(axis=(1, 2))
        for k in np.flatnonzero(~fine).tolist():
            self.defects.append(Defect("malformed", f"segment {k} has a coordinate that is not a finite number", (k,)))
        single = len(ends) > 0 and bool((ends[fine].astype(np.float32) == ends[fine]).all())
        exponent = self._truth.exponent
        self._mine: Floats = np.ldexp(ends, -exponent)
        self._exact: Floats = np.ldexp(boundary.segments, -exponent)
        slack = float(np.ldexp(boundary.slack, -exponent)) + 4 * UNIT
        self._rounding = ROUNDINGS * (2.0**-24 if single else UNIT) + 2 * slack
        self.match = np.full(len(ends), -1)
        scaled = np.full(len(ends), np.inf)
        rows = np.flatnonzero(fine)
        if len(rows) and len(self._exact):
            stage("segments", 0, 2)
            self.match[rows], scaled[rows] = self._matched(claimed, rows)
        long = length(self._mine[:, 1] - self._mine[:, 0])
        wrong = fine & ~(scaled <= np.maximum(self._rounding, long / ASIDE))
        self.match[wrong] = -1
        self.errors: Floats = np.ldexp(scaled, exponent)
        for k in np.flatnonzero(wrong).tolist():
            p, q = (tuple(map(exact, row)) for row in claimed[k].tolist())
            middle = ((p[0] + q[0]) / 2, (p[1] + q[1]) / 2)
            text = f"segment {k} is not on the boundary"
            self.defects.append(Defect("boundary_spurious", text, (k,), (), None, middle))
        if tolerance is not None:
            for k in np.flatnonzero((self.match >= 0) & (self.errors > tolerance + np.ldexp(slack, exponent))).tolist():
                text = f"segment {k} is {self.errors[k]:.3g} from the boundary"
                face = int(boundary.faces[self.match[k]].max())
                self.defects.append(Defect("boundary_segment", text, (k,), (face,)))
        stage("segments", 1, 2)
        self.missing = self._missing()
        self._report_missing()

    def _matched(self, claimed: Array, rows: Ints) -> tuple[Ints, Floats]:
        """For each row the exact segment it lies on, and how far it is from the boundary."""
        middles: dict[int, Place] = {}
        for k, r in enumerate(rows.tolist()):
            (a, b), (c, d) = claimed[r].tolist()
            middles[k] = (exact(a) + exact(c)) / 2, (exact(b) + exact(d)) / 2
        x = self._mine[rows].mean(axis=1)
        spots = Spots(x, 4 * UNIT * abs(x).max(axis=1) + TINY, self._truth.exponent, middles)
        faces = faces_of(self._truth, spots, np.arange(len(rows)))
        beside: dict[int, list[int]] = {}
        for s, pair in enumerate(self._boundary.faces.tolist()):
            for f in {f for f in pair if f >= 0}:
                beside.setdefault(f, []).append(s)
        match, error = np.full(len(rows), -1), np.full(len(rows), np.inf)
        for k, f in enumerate(faces.tolist()):
            if f in beside:
                options = np.array(beside[f])
                gaps = [_distances(p[np.newaxis], self._exact[options])[0] for p in (x[k], *self._mine[rows[k]])]
                worst = np.max(gaps, axis=0)
                best = int(worst.argmin())
                match[k], error[k] = options[best], worst[best]
        # those that reach into other faces, and those that rounding has moved to a face beside the boundary
        for some in np.array_split(
            far := np.flatnonzero(error > self._rounding), len(far) * len(self._exact) // AT_ONCE + 1
        ):
            if not len(some):
                continue
            gaps = [_distances(p, self._exact) for p in (x[some], *self._mine[rows[some]].transpose(1, 0, 2))]
            worst = np.max([gap.min(axis=1) for gap in gaps], axis=0)
            better = worst < error[some]
            close = better & ((match[some] >= 0) | (worst <= self._rounding))
            error[some[close]] = worst[close]
            match[some[close]] = gaps[0].argmin(axis=1)[close]
        return match, error

    def _missing(self) -> Ints:
        """The exact segments of which a point is not on a claimed one: near an end, in the middle, near the other.

        Those that a claimed segment lies on may be as far off as that is; of others, as half of all claimed ones are.
        """
        claimed = self._mine[self.match >= 0]
        if not len(claimed):
            return np.arange(len(self._exact))
        start, side = self._exact[:, 0], self._exact[:, 1] - self._exact[:, 0]
        gap = np.zeros(len(self._exact))
        for some in np.array_split(np.arange(len(gap)), len(gap) * len(claimed) // AT_ONCE + 1):
            for share in SHARES:
                gap[some] = np.maximum(gap[some], _distances((start + share * side)[some], claimed).min(axis=1))
        seen = np.ldexp(self.errors, -self._truth.exponent)
        off = np.full(len(gap), 4 * float(np.median(seen[self.match >= 0])))
        np.maximum.at(off, self.match[self.match >= 0], 2 * seen[self.match >= 0])
        return np.flatnonzero(gap > np.maximum(self._rounding, np.minimum(off, length(side) / ASIDE)))

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

    def summary(self) -> dict[str, object]:
        """How many there are of each, and exact bounds of the length that nobody claims."""
        finite = self.errors[self.match >= 0]
        return {
            "claimed": len(self.match),
            "exact": len(self._exact),
            "matched": int((self.match >= 0).sum()),
            "missing": len(self.missing),
            "missing_length": [format_rational(q) for q in self.missing_length],
            "largest_error": float(finite.max(initial=0.0)),
        }


def _distances(p: Floats, segments: Floats) -> Floats:
    """How far points (n, 2) are from segments (k, 2, 2): shape (n, k)."""
    start, side = segments[:, 0], segments[:, 1] - segments[:, 0]
    way = p[:, np.newaxis] - start
    squared = (side**2).sum(axis=1)
    with np.errstate(all="ignore"):
        share = np.where(squared > 0, (way * side).sum(axis=2) / squared, 0.0).clip(0, 1)
    return length(way - share[..., np.newaxis] * side)


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
