"""In which face points lie: all of them walk through the subdivision at once, from face to face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from splinecam_exact.comparison.deep import Spots
from splinecam_exact.comparison.polygons import turn
from splinecam_exact.comparison.ragged import Floats, cross, cross_bound, length, offsets, owners, ranges, reduce
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import OUTER, Ints

BITS = 20
"""Of each coordinate, in the order in which points are visited."""
DIRECT = 64
"""After so many steps a walk chooses its way by lot: it cannot go round in circles for ever."""
AT_ONCE = 1 << 17
"""So many points walk together."""


def faces_of(truth: Truth, spots: Spots, rows: Ints, progress: Callable[[int], object] | None = None) -> Ints:
    """For each of some spots a face whose closure it lies in, -1 for those outside the domain.

    Exact: a float decides a side only where its error bound allows it. Cost: about the square root of the number of
    faces near a spot; a microsecond for each side on the way.
    """
    found = np.full(len(rows), OUTER)
    origin, spread = truth.spots.x.min(axis=0), np.ptp(truth.spots.x, axis=0)
    faces = np.argsort(_order(truth.spots.x, origin, spread), kind="stable")
    codes = _order(truth.spots.x[faces], origin, spread)
    mine = _order(spots.x[rows], origin, spread)
    order = np.argsort(mine, kind="stable")
    begin = faces[np.minimum(np.searchsorted(codes, mine), len(faces) - 1)]
    lots = np.random.default_rng(0)
    for first in range(0, len(rows), AT_ONCE):
        some = order[first : first + AT_ONCE]
        found[some] = _walk(truth, spots, rows[some], begin[some], lots)
        if progress:
            progress(min(first + AT_ONCE, len(rows)))
    return found


def _order(x: Floats, origin: Floats, spread: Floats) -> Ints:
    """Numbers that are close for points that are: the bits of both coordinates, one after the other in turn."""
    with np.errstate(all="ignore"):
        share = np.nan_to_num((x - origin) / np.where(spread > 0, spread, 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    cell = (share.clip(0, 1) * (2**BITS - 1)).astype(np.int64)
    code = np.zeros(len(x), np.int64)
    for bit in range(BITS):
        code |= ((cell[:, 0] >> bit) & 1) << (2 * bit)
        code |= ((cell[:, 1] >> bit) & 1) << (2 * bit + 1)
    return code


@np.errstate(all="ignore")
def _walk(truth: Truth, spots: Spots, rows: Ints, begin: Ints, lots: np.random.Generator) -> Ints:
    face = begin.copy()
    going = np.arange(len(rows))
    steps = 0
    while len(going):
        here = face[going]
        sizes = truth.starts[here + 1] - truth.starts[here]
        side, walker = ranges(truth.starts[here], sizes), owners(sizes)
        u, v = truth.corners[side], truth.corners[truth.next[side]]
        spot = rows[going[walker]]
        along, way = truth.x[v] - truth.x[u], spots.x[spot] - truth.x[u]
        height = cross(along, way)
        ball = 2 * np.maximum(np.maximum(truth.near[u], truth.near[v]), spots.ball[spot])
        sign = np.where(abs(height) > cross_bound(along, way, ball), np.sign(height), 0)  # NaN: 0
        starts = offsets(sizes)
        moving = reduce(np.minimum, sign, starts, 1.0) < 0
        # where no side surely sends a walker on, those that may do so are decided exactly
        open_ = np.flatnonzero((sign == 0) & ~moving[walker])
        if len(open_):
            sign[open_] = _exactly(truth, spots, spot[open_], u[open_], v[open_])
            moving = reduce(np.minimum, sign, starts, 1.0) < 0
        depth = np.where(sign < 0, -np.nan_to_num(height / length(along), nan=0.0, posinf=1.0, neginf=-1.0), -np.inf)
        if steps > DIRECT:
            depth = np.where(sign < 0, lots.random(len(depth)), -np.inf)
        farthest = reduce(np.maximum, depth, starts, -np.inf)
        chosen = np.zeros(len(going), np.int64)
        best = np.flatnonzero((depth == farthest[walker]) & (sign < 0))
        chosen[walker[best]] = best
        target = truth.across[side[chosen]]
        face[going[moving]] = target[moving]
        going = going[moving & (target != OUTER)]
        steps += 1
    return face


def _exactly(truth: Truth, spots: Spots, spot: Ints, u: Ints, v: Ints) -> Floats:
    """On which side of the ways from vertices u to v some spots are."""
    starts, ends = truth.places(u), truth.places(v)
    heights = [turn(a, b, spots.place(k)) for a, b, k in zip(starts, ends, spot.tolist(), strict=True)]
    return np.array([(h > 0) - (h < 0) for h in heights], np.float64)
