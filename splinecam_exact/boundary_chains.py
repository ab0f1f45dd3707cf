"""The topology of a boundary: chains of segments, connected components, which loop lies inside which. All exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.boundary_trace import Places, rounded
from splinecam_exact.geometry import Polygons
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.rational import Point


class Chain(NamedTuple):
    """Segments in a row: their numbers, and those of their points, one more. Of a loop the last point is the first.

    A chain ends where a point does not have two segments: at the domain's boundary, where three outputs are largest,
    where the boundary crosses itself or stops.
    """

    points: tuple[int, ...]
    segments: tuple[int, ...]

    @property
    def closed(self) -> bool:
        """Whether it is a loop."""
        return self.points[0] == self.points[-1]


def chains(ends: Ints, count: int) -> list[Chain]:
    """The chains of some segments, whose ends are among so many points: as few as there can be.

    >>> [chain.points for chain in chains(np.array([[0, 1], [2, 1], [3, 4], [4, 5], [5, 3]]), 6)]
    [(0, 1, 2), (3, 4, 5, 3)]
    """
    degree = np.bincount(ends.ravel(), minlength=count)
    order = np.argsort(ends.ravel(), kind="stable")
    first = np.concatenate([[0], np.cumsum(degree)]).tolist()
    around = (order // 2).tolist()  # the segments at point p are around[first[p] : first[p + 1]]
    pairs, passed = ends.tolist(), (degree == 2).tolist()
    used = [False] * len(pairs)
    found = []

    def walk(point: int, segment: int) -> Chain:
        points, segments = [point], []
        while True:
            used[segment] = True
            segments.append(segment)
            p, q = pairs[segment]
            point = q if point == p else p
            points.append(point)
            if not passed[point] or point == points[0]:
                return Chain(tuple(points), tuple(segments))
            one, other = around[first[point] : first[point] + 2]
            segment = other if one == segment else one

    for point in np.flatnonzero((degree > 0) & (degree != 2)).tolist():
        found += [walk(point, s) for s in around[first[point] : first[point + 1]] if not used[s]]
    for segment, (point, _) in enumerate(pairs):
        if not used[segment]:
            found.append(walk(point, segment))
    return found


def components(ends: Ints, areas: Polygons, count: int) -> Ints:
    """Per point, the number of its connected component, from 0 on: joined by segments and by polygons.

    >>> components(np.array([[0, 1], [3, 4]]), Polygons.of([]), 5).tolist()
    [0, 0, 1, 2, 2]
    """
    following = np.arange(1, len(areas.corners) + 1)
    following[areas.starts[1:] - 1] = areas.starts[:-1]
    pairs = np.concatenate([ends, np.stack([areas.corners, areas.corners[following]], axis=1)])
    root = np.arange(count)
    while True:
        a, b = root[pairs[:, 0]], root[pairs[:, 1]]
        apart = a != b
        if not apart.any():
            return np.unique(root, return_inverse=True)[1].reshape(-1)
        pairs = pairs[apart]
        np.minimum.at(root, np.maximum(a, b)[apart], np.minimum(a, b)[apart])
        while True:
            above = root[root]
            if (above == root).all():
                break
            root = above


def nesting(loops: Sequence[Chain], places: Places) -> list[int]:
    """For each loop, the number of the innermost one around it, or -1.

    Loops do not cross each other, but may touch in points. Cost: a pass over all segments of all loops for each loop,
    in float64; the few that are near a ray are compared exactly.
    """
    if not loops:
        return []
    points = np.concatenate([np.array(loop.points[:-1]) for loop in loops])
    sizes = np.array([len(loop.segments) for loop in loops])
    owner = np.repeat(np.arange(len(loops)), sizes)
    stops = np.cumsum(sizes)
    following = np.arange(1, len(points) + 1)
    following[stops - 1] = stops - sizes
    fast = places.fast
    exactly: dict[int, Point] = {}
    if fast is None:
        different = np.unique(points)
        exactly = dict(zip(different.tolist(), places.exact(different), strict=True))
        fast = np.full((places.total, 2), np.nan)
        fast[different] = rounded(list(exactly.values()))
    p, q = fast[points], fast[points[following]]
    slack = places.slack + 2.0**-50 * float(abs(p).max())
    with np.errstate(invalid="ignore", over="ignore"):  # beyond float64 all may be near: hence "not beyond" below
        low, high = np.minimum(p, q) - slack, np.maximum(p, q) + slack
    around: list[set[int]] = []
    for k, loop in enumerate(loops):
        middle = _middle(*_exact(exactly, places, np.array(loop.points[:2])))
        x, y = rounded([middle])[0].tolist()
        far = (low[:, 1] > y + slack) | (high[:, 1] < y - slack) | (high[:, 0] < x - slack)
        near = np.flatnonzero(~far & (owner != k))
        _exact(exactly, places, np.unique(np.concatenate([points[near], points[following[near]]])))
        inside: set[int] = set()
        rows = zip(owner[near].tolist(), points[near].tolist(), points[following[near]].tolist(), strict=True)
        for other, a, b in rows:
            if _right_of(middle, exactly[a], exactly[b]):
                inside ^= {other}
        around.append(inside)
    return [max(inside, key=lambda j: len(around[j]), default=-1) for inside in around]


def _exact(known: dict[int, Point], places: Places, numbers: Ints) -> list[Point]:
    """Some points, computed where they are not known yet."""
    new = [n for n in numbers.tolist() if n not in known]
    if new:
        known.update(zip(new, places.exact(np.array(new)), strict=True))
    return [known[n] for n in numbers.tolist()]


def _middle(p: Point, q: Point) -> Point:
    (a, b, c), (d, e, f) = p, q
    return a * f + d * c, b * f + e * c, 2 * c * f


def _right_of(point: Point, p: Point, q: Point) -> bool:
    """Whether the ray from a point to the right crosses a segment, whose lower end counts and whose upper does not."""
    below = _higher(p, point), _higher(q, point)
    if below[0] == below[1]:
        return False
    (x, y, w), (a, b, c), (d, e, f) = point, p, q
    turn = a * (e * w - f * y) - b * (d * w - f * x) + c * (d * y - e * x)  # > 0: the point is on the left of p -> q
    return turn > 0 if below[1] else turn < 0


def _higher(p: Point, q: Point) -> bool:
    """Whether a point is above another one."""
    return mpz(p[1] * q[2]) > q[1] * p[2]
