"""Which points lie in which claimed cells: exactly, whatever form the cells have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from splinecam_exact.comparison.cells import Cells
from splinecam_exact.comparison.deep import Spots
from splinecam_exact.comparison.polygons import winding
from splinecam_exact.comparison.ragged import (
    Floats,
    cross,
    cross_bound,
    following,
    offsets,
    owners,
    portions,
    ranges,
    reduce,
)
from splinecam_exact.half_edges import Ints

Pairs = tuple[Ints, Ints]


def held(cells: Cells, some: Ints, spots: Spots) -> Pairs:
    """All pairs of one of some cells and a spot that it runs around: the cells' numbers, the spots' numbers.

    Cost: a microsecond for each side of a cell and spot in the box around it.
    """
    found: list[Pairs] = []
    for cell, spot in _in_boxes(cells, some, spots.x):
        for few in portions(cells.sizes[cell]):
            inside = _runs_around(cells, cell[few], spots, spot[few])
            found.append((cell[few][inside], spot[few][inside]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first, second = zip(*found, strict=True)
    return np.concatenate(first), np.concatenate(second)


@np.errstate(all="ignore")
def boxes(cells: Cells, some: Ints) -> tuple[Floats, Floats]:
    """The least and the greatest coordinates of some cells, with room for rounding."""
    at, starts = ranges(cells.starts[some], cells.sizes[some]), offsets(cells.sizes[some])
    ball = cells.ball[at][:, np.newaxis]
    sides = [(np.minimum, cells.xy[at] - ball, np.inf), (np.maximum, cells.xy[at] + ball, -np.inf)]
    low, high = (
        np.stack([reduce(ufunc, np.ascontiguousarray(x[:, axis]), starts, none) for axis in (0, 1)], axis=1)
        for ufunc, x, none in sides
    )
    return low, high


def _in_boxes(cells: Cells, some: Ints, x: Floats) -> Iterator[Pairs]:
    """Pairs of a cell and a point in the box around it, by a grid over the points: all that there are, and others."""
    if not len(x) or not len(some):
        return
    low, high = boxes(cells, some)
    origin, spread = x.min(axis=0), np.ptp(x, axis=0)
    side = max(1, int(len(x) ** 0.5))
    scale = np.where(spread > 0, side / np.where(spread > 0, spread, 1), 0)

    def grid(y: Floats) -> Ints:
        with np.errstate(all="ignore"):
            place = np.nan_to_num((y - origin) * scale, nan=0.0, posinf=side, neginf=-1.0)
        found: Ints = place.clip(0, side - 1).astype(np.int64)
        return found

    square = grid(x)
    key = square[:, 1] * side + square[:, 0]
    order = np.argsort(key, kind="stable")
    key = key[order]
    first, last = grid(low - 2.0**-50), grid(high + 2.0**-50)
    rows = last[:, 1] - first[:, 1] + 1
    for few in portions(rows):
        cell = owners(rows[few])
        row = ranges(first[few, 1], rows[few])
        begin = np.searchsorted(key, row * side + first[few, 0][cell], "left")
        end = np.searchsorted(key, row * side + last[few, 0][cell], "right")
        sizes = end - begin
        for part in portions(sizes):
            spot = order[ranges(begin[part], sizes[part])]
            owner = np.repeat(cell[part], sizes[part])
            inside = ((x[spot] >= low[few][owner] - 2.0**-50) & (x[spot] <= high[few][owner] + 2.0**-50)).all(axis=1)
            yield some[few][owner[inside]], spot[inside]


@np.errstate(all="ignore")
def _runs_around(cells: Cells, cell: Ints, spots: Spots, spot: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each of some cells runs around the spot beside it. Points on a cell's boundary count as outside."""
    sizes = cells.sizes[cell]
    at, pair, starts = ranges(cells.starts[cell], sizes), owners(sizes), offsets(sizes)
    a, ball = cells.xy[at], cells.ball[at]
    after = following(starts)
    b, ball = a[after], np.maximum(ball, ball[after])
    w, blur = spots.x[spot[pair]], spots.ball[spot[pair]]
    side = cross(b - a, w - a)
    spread = ball + blur
    known = abs(side) > cross_bound(b - a, w - a, 2 * spread)
    open_ = (spread > 0) & (np.minimum(abs(a[:, 1] - w[:, 1]), abs(b[:, 1] - w[:, 1])) <= 2 * spread)
    up = (a[:, 1] <= w[:, 1]) & (w[:, 1] < b[:, 1])
    down = (b[:, 1] <= w[:, 1]) & (w[:, 1] < a[:, 1])
    touched = (np.minimum(a, b) - spread[:, np.newaxis] <= w) & (w <= np.maximum(a, b) + spread[:, np.newaxis])
    open_ |= ~known & (up | down | touched.all(axis=1))
    turns = (up & (side > 0)).astype(np.int64) - (down & (side < 0))
    found = reduce(np.add, turns, starts, 0) != 0
    for k in np.flatnonzero(reduce(np.logical_or, open_, starts, False)).tolist():
        found[k] = bool(winding(cells.polygon(int(cell[k])), spots.place(int(spot[k]))))
    return np.asarray(found)
