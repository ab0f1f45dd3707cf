"""The cells of a planar graph: from another tool's vertices and edges to polygons, exactly."""

from __future__ import annotations

from functools import cmp_to_key

import numpy as np
from gmpy2 import mpq

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
    a vertex are compared exactly where their float64 angles are close. Edges that cross are not noticed here: the
    faces that come of them are wrong, as `compare` finds.
    """
    floats = _floats(vertices)
    ok = ((edges >= 0) & (edges < len(vertices))).all(axis=1) & (edges[:, 0] != edges[:, 1])
    ok[ok] = np.isfinite(floats[edges[ok]]).all(axis=(1, 2))
    for k in np.flatnonzero(~ok).tolist():
        defects.append(Defect("malformed", f"edge {k} joins no two vertices with finite places", (k,)))
    pairs = np.unique(np.sort(edges[ok], axis=1), axis=0)
    origin, target = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.concatenate([pairs[:, 1], pairs[:, 0]])
    count = len(pairs)
    stage("tracing cells", 0, max(1, count))
    turn_to = _next(vertices, floats, origin, target)
    seen = np.zeros(2 * count, bool).tolist()
    found: list[Array] = []
    steps = turn_to.tolist()
    for first in range(2 * count):
        if seen[first]:
            continue
        chain, h = [], first
        while not seen[h]:
            seen[h] = True
            chain.append(h)
            h = steps[h]
        polygon = vertices[origin[chain]]
        if len(chain) > 2 and _is_bounded(polygon):
            found.append(polygon)
    return tuple(found)


def _floats(vertices: Array) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    if vertices.dtype != object:
        return vertices.astype(np.float64)
    rows = [[nearest(q.numerator, q.denominator) if q == q else np.nan for q in row] for row in vertices.tolist()]
    return np.array(rows, np.float64).reshape(-1, 2)


def _next(vertices: Array, floats: Array, origin: Ints, target: Ints) -> Ints:
    """For each half-edge the next one of the face on its left: at its end, the first clockwise from its twin."""
    count = len(origin) // 2
    twin = np.concatenate([np.arange(count, 2 * count), np.arange(count)])
    step = floats[target] - floats[origin]
    angle = np.arctan2(step[:, 1], step[:, 0])
    order = np.lexsort((angle, origin))
    turn = np.diff(angle[order])
    close = np.flatnonzero((np.diff(origin[order]) == 0) & ~(abs(turn) > APART))
    wrap = np.abs(np.abs(angle) - np.pi) < APART
    for v in np.unique(np.concatenate([origin[order[close]], origin[wrap]])).tolist():
        a, b = np.searchsorted(origin[order], [v, v + 1])
        order[a:b] = _sorted(vertices, v, order[a:b].tolist(), target)
    place = np.empty(2 * count, np.int64)
    place[order] = np.arange(2 * count)
    starts = np.searchsorted(origin[order], origin[order], "left")
    ends = np.searchsorted(origin[order], origin[order], "right")
    before = np.where(np.arange(2 * count) > starts, np.arange(2 * count) - 1, ends - 1)
    return np.asarray(order[before[place[twin]]])


def _sorted(vertices: Array, v: int, half_edges: list[int], target: Ints) -> list[int]:
    """Half-edges that leave a vertex, counter-clockwise from the direction of negative x, exactly."""
    x, y = map(mpq, vertices[v])
    ways: dict[int, Place] = {}
    for h in half_edges:
        p, q = map(mpq, vertices[target[h]])
        ways[h] = (p - x, q - y)

    def half(way: Place) -> bool:
        return way[1] > 0 or (way[1] == 0 and way[0] > 0)

    def order(g: int, h: int) -> int:
        a, b = ways[g], ways[h]
        if half(a) != half(b):
            return -1 if half(b) else 1
        height = a[0] * b[1] - a[1] * b[0]
        return (height < 0) - (height > 0)

    return sorted(half_edges, key=cmp_to_key(order))


def _is_bounded(polygon: Array) -> bool:
    """Whether a chain runs around a bounded face: counter-clockwise, or without area."""
    if polygon.dtype != object:
        x, y = (polygon - polygon[0]).T
        size = float((np.roll(x, -1) * y - np.roll(y, -1) * x).sum())
        if abs(size) > 1e-9 * float((abs(x).max() + 1e-300) * abs(y).max()):
            return size < 0
    return bool(twice_area([(mpq(x), mpq(y)) for x, y in polygon.tolist()]) > 0)
