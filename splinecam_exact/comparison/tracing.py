"""The cells of a planar graph: from another tool's vertices and edges to polygons, exactly."""

from __future__ import annotations

from functools import cmp_to_key

import numpy as np
from gmpy2 import mpq
from numpy.typing import NDArray

from splinecam_exact.comparison.coordinates import Array
from splinecam_exact.comparison.defects import Defect
from splinecam_exact.comparison.polygons import Place, twice_area
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.rounding import nearest

APART = 1e-9
"""Directions whose angles differ by more than this are in the order of their float64 angles."""


def traced(vertices: Array, edges: Ints, defects: list[Defect], stage: Progress) -> tuple[Array, ...]:
    """The bounded faces of a planar straight-line graph, each with its vertices counter-clockwise.

    Edges that name no vertex, or one twice, or whose ends are not finite, are defects and left out. Directions around
    a vertex are compared exactly where their float64 angles are close. Edges between vertices at the same place, which
    rounding makes, are contracted; faces of which no more than that, or two edges at the same place, is left are found
    nevertheless, without area. Where rounding puts a vertex on another edge, or on its wrong side, the order around it
    is that of the rounded places (so `naming` is asked first). Edges that cross are not noticed here: the faces that
    come of them are wrong, as `compare` finds.
    """
    floats = floats_of(vertices)
    ok = joined(vertices, edges, defects)
    pairs = np.unique(np.sort(edges[ok], axis=1), axis=0)
    same = _without_length(vertices, floats, pairs)
    place, holes = _contracted(len(vertices), pairs[same])
    pairs = pairs[~same]
    start, end = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.concatenate([pairs[:, 1], pairs[:, 0]])
    count = len(pairs)
    stage("tracing cells", 0, max(1, count))
    steps = _next(vertices, floats, place[start], place[end]).tolist()
    starts, ends = start.tolist(), end.tolist()
    seen = np.zeros(2 * count, bool).tolist()
    found: list[Array] = [vertices[[v, v, v]] for v in holes]
    for first in range(2 * count):
        if seen[first]:
            continue
        corners, sides, h = [], [], first
        while not seen[h]:
            seen[h] = True
            sides.append(h)
            corners.append(starts[h])
            if ends[h] != starts[steps[h]]:
                corners.append(ends[h])
            h = steps[h]
        if len(corners) > 2:
            polygon = vertices[corners]
            size = _orientation(polygon)
            if size > 0 or (size == 0 and len({h % count for h in sides}) == len(sides)):
                found.append(polygon)
    return tuple(found)


def joined(vertices: Array, edges: Ints, defects: list[Defect]) -> NDArray[np.bool_]:
    """Which edges join two vertices with finite places; the others are defects."""
    floats = floats_of(vertices)
    ok: NDArray[np.bool_] = ((edges >= 0) & (edges < len(vertices))).all(axis=1) & (edges[:, 0] != edges[:, 1])
    ok[ok] = np.isfinite(floats[edges[ok]]).all(axis=(1, 2))
    for k in np.flatnonzero(~ok).tolist():
        defects.append(Defect("malformed", f"edge {k} joins no two vertices with finite places", (k,)))
    return ok


def _without_length(vertices: Array, floats: Array, pairs: Ints) -> NDArray[np.bool_]:
    """Which edges join two vertices at the same place."""
    same: NDArray[np.bool_] = (floats[pairs[:, 0]] == floats[pairs[:, 1]]).all(axis=1)
    if vertices.dtype == object:
        some = np.flatnonzero(same)
        same[some] = (vertices[pairs[some, 0]] == vertices[pairs[some, 1]]).astype(bool).all(axis=1)
    return same


def _contracted(count: int, pairs: Ints) -> tuple[Ints, list[int]]:
    """One vertex for all that edges without length join, and one for each cycle of these: a face in one place."""
    place = list(range(count))
    holes = []

    def root(v: int) -> int:
        while place[v] != v:
            place[v] = v = place[place[v]]
        return v

    for a, b in pairs.tolist():
        v, w = root(a), root(b)
        if v == w:
            holes.append(v)
        place[v] = w
    for v in np.unique(pairs).tolist():
        place[v] = root(v)
    return np.array(place, np.int64), holes


def floats_of(vertices: Array) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The float64 nearest to coordinates; NaN where there is no number."""
    if vertices.dtype != object:
        return vertices.astype(np.float64)
    rows = [[nearest(q.numerator, q.denominator) if q == q else np.nan for q in row] for row in vertices.tolist()]
    return np.array(rows, np.float64).reshape(-1, 2)


def _next(vertices: Array, floats: Array, origin: Ints, target: Ints) -> Ints:
    """For each half-edge the next one of the face on its left: at its end, the first clockwise from its twin."""
    count = len(origin) // 2
    twin = np.concatenate([np.arange(count, 2 * count), np.arange(count)])
    step = _directions(vertices, floats, origin, target)
    angle = np.arctan2(step[:, 1], step[:, 0])
    order = np.lexsort((angle, origin))
    turn = np.diff(angle[order])
    close = np.flatnonzero((np.diff(origin[order]) == 0) & ~(abs(turn) > APART))
    wrap = np.abs(np.abs(angle) - np.pi) < APART
    sorted_origin = origin[order]
    for v in np.unique(np.concatenate([sorted_origin[close], origin[wrap]])).tolist():
        a, b = np.searchsorted(sorted_origin, [v, v + 1])
        order[a:b] = _sorted(vertices, v, order[a:b].tolist(), target)
    place = np.empty(2 * count, np.int64)
    place[order] = np.arange(2 * count)
    starts = np.searchsorted(sorted_origin, sorted_origin, "left")
    ends = np.searchsorted(sorted_origin, sorted_origin, "right")
    before = np.where(np.arange(2 * count) > starts, np.arange(2 * count) - 1, ends - 1)
    return np.asarray(order[before[place[twin]]])


def _directions(vertices: Array, floats: Array, origin: Ints, target: Ints) -> Array:
    """Vectors along half-edges, their angles right to much less than `APART`.

    The difference of two float64 is right; that of exact coordinates is rounded after it was taken where the rounded
    coordinates' own one may be less accurate, and so are differences that overflow.
    """
    with np.errstate(all="ignore"):
        step = floats[target] - floats[origin]
        size = abs(step).max(axis=1, initial=0.0)
        rounding = 2.0**-50 / APART if vertices.dtype == object else 0.0
        large = np.maximum(abs(floats[target]), abs(floats[origin])).max(axis=1, initial=0.0)
        far = ~(size > rounding * large) | ~np.isfinite(size)
    count = len(origin) // 2
    for h in np.flatnonzero(far[:count]).tolist():
        (x, y), (p, q) = (map(mpq, vertices[ends[h]]) for ends in (origin, target))
        unit = max(abs(p - x), abs(q - y))
        step[h] = float((p - x) / unit), float((q - y) / unit)
        step[h + count] = -step[h]
    return step


def _sorted(vertices: Array, v: int, half_edges: list[int], target: Ints) -> list[int]:
    """Half-edges that leave a vertex, counter-clockwise from the direction of negative x, exactly.

    Of some in the same direction, the longer ones are further left as seen along positive y, and then those of greater
    numbers: seen from both ends their order is the same, so that there is a face between every two.
    """
    x, y = map(mpq, vertices[v])
    count = len(target) // 2
    ways: dict[int, Place] = {}
    for h in half_edges:
        p, q = map(mpq, vertices[target[h]])
        ways[h] = (p - x, q - y)

    def half(way: Place) -> bool:
        return way[1] > 0 or (way[1] == 0 and way[0] > 0)

    def rank(h: int) -> tuple[mpq, int]:
        return abs(ways[h][0]) + abs(ways[h][1]), h % count

    def order(g: int, h: int) -> int:
        a, b = ways[g], ways[h]
        if half(a) != half(b):
            return -1 if half(b) else 1
        height = a[0] * b[1] - a[1] * b[0]
        if height == 0:
            return -1 if (rank(g) < rank(h)) == half(a) else 1
        return -1 if height > 0 else 1

    return sorted(half_edges, key=cmp_to_key(order))


def _orientation(polygon: Array) -> int:
    """1 where a chain runs counter-clockwise, -1 clockwise, 0 where it has no area."""
    if polygon.dtype != object:
        with np.errstate(all="ignore"):
            x, y = (polygon - polygon[0]).T
            size = float((np.roll(x, 1) * y - np.roll(y, 1) * x).sum())
            if abs(size) > 1e-9 * float((abs(x).max() + 1e-300) * abs(y).max()):
                return 1 if size > 0 else -1
    exactly = twice_area([(mpq(x), mpq(y)) for x, y in polygon.tolist()])
    return int(exactly > 0) - int(exactly < 0)
