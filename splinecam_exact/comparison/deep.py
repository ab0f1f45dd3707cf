"""Points deep inside polygons: where a polygon is found by, so that the rounding of its corners does not matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from gmpy2 import mpq

from splinecam_exact.comparison.polygons import Place
from splinecam_exact.comparison.ragged import (
    TINY,
    UNIT,
    Bools,
    Floats,
    cross,
    cross_bound,
    following,
    length,
    owners,
    reduce,
)
from splinecam_exact.half_edges import Ints
from splinecam_exact.rounding import nearest


class Spots:
    """Points, one a row: `x` (n, 2) scaled floats, each within `ball` (n,) of the point, which is x itself where that
    is 0; NaN where there is no point. `place` gives an exact point in slice coordinates."""

    def __init__(self, x: Floats, ball: Floats, exponent: int, exact: dict[int, Place]) -> None:
        self.x, self.ball = x, ball
        self._exponent, self._exact = exponent, exact

    def place(self, row: int) -> Place:
        """The exact point."""
        if row in self._exact:
            return self._exact[row]
        x, y = self.x[row].tolist()
        scale = mpq(2) ** self._exponent
        return mpq(x) * scale, mpq(y) * scale


@np.errstate(all="ignore")
def deep_spots(
    starts: Ints,
    x: Floats,
    ball: Floats,
    exponent: int,
    exact: Callable[[Ints], list[Place]],
    wanted: Bools | None = None,
) -> Spots:
    """A point inside each polygon that is `wanted`, which has at least three corners and runs counter-clockwise.

    `x` and `ball` have one row for each corner. The point is the middle of three corners that are far from each other,
    a float, where it is certain that it is on the left of all sides; `exact` finds it for the other polygons.
    """
    sizes = np.diff(starts)
    rows = len(sizes)
    if wanted is None:
        wanted = np.ones(rows, bool)
    row = owners(sizes)
    full = np.flatnonzero(sizes)
    first = starts[:-1][full]
    at = np.zeros(rows, np.int64)
    at[full] = first
    step = x - x[at][row] if len(x) else x
    second = _best(length(step), starts, row)
    third = _best(abs(cross(step, step[second][row] if len(step) else step)), starts, row)
    middle = np.full((rows, 2), np.nan)
    middle[full] = (x[at[full]] + x[second[full]] + x[third[full]]) / 3
    side, way = x[following(starts)] - x if len(x) else x, middle[row] - x
    spread = np.maximum(ball, ball[following(starts)]) if len(x) else ball
    left = cross(side, way) > cross_bound(side, way, 2 * spread)
    sure = reduce(np.logical_and, left, starts, False).astype(bool) & wanted
    middle[~sure] = np.nan
    places: dict[int, Place] = {}
    radius = np.zeros(rows)
    open_ = np.flatnonzero(wanted & ~sure)
    if len(open_):
        scale = mpq(2) ** -exponent
        for k, place in zip(open_.tolist(), exact(open_), strict=True):
            places[k] = place
            near = [nearest(q.numerator, q.denominator) for q in (place[0] * scale, place[1] * scale)]
            middle[k] = near
            radius[k] = 2 * UNIT * max(map(abs, near)) + TINY
    return Spots(middle, radius, exponent, places)


def _best(score: Floats, starts: Ints, row: Ints) -> Ints:
    """The last corner of each polygon with the highest score."""
    found = starts[:-1].copy()
    if len(score):
        score = np.where(np.isnan(score), -1.0, score)
        best = np.flatnonzero(score == reduce(np.maximum, score, starts, -1.0)[row])
        found[row[best]] = best
    found[np.diff(starts) == 0] = 0
    return found
