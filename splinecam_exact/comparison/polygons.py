"""Polygons in exact arithmetic: for the few that floats leave open, and for the areas that are reported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

from gmpy2 import mpq

Place = tuple[mpq, mpq]
Polygon = list[Place]


def turn(a: Place, b: Place, c: Place) -> mpq:
    """Positive where the way from a by b to c turns left; twice the area of the triangle."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def twice_area(polygon: Sequence[Place]) -> mpq:
    """Twice the signed area: positive counter-clockwise.

    >>> twice_area([(mpq(0), mpq(0)), (mpq(1), mpq(0)), (mpq(1), mpq(1))])
    mpq(1,1)
    """
    return sum((polygon[k - 1][0] * y - polygon[k - 1][1] * x for k, (x, y) in enumerate(polygon)), mpq(0))


def in_line(polygon: Sequence[Place]) -> bool:
    """Whether all corners are on one line."""
    first = polygon[0]
    other = next((p for p in polygon if p != first), first)
    return all(turn(first, other, p) == 0 for p in polygon)


def is_convex(polygon: Sequence[Place]) -> bool:
    """Whether a polygon without repeated corners turns left or goes straight on everywhere, and runs around once."""
    descents = 0
    for k, b in enumerate(polygon):
        a, c = polygon[k - 2], polygon[k - 1]  # the way from a by c to b
        bend = turn(a, c, b)
        if bend < 0 or (bend == 0 and (c[0] - a[0]) * (b[0] - c[0]) + (c[1] - a[1]) * (b[1] - c[1]) < 0):
            return False
        # where the direction passes from down to up: once each time around
        descents += _is_up(c, b) and not _is_up(a, c)
    return descents == 1


def _is_up(p: Place, q: Place) -> bool:
    return (p[1], p[0]) < (q[1], q[0])


def winding(polygon: Sequence[Place], point: Place) -> int | None:
    """How often a polygon runs around a point, counter-clockwise; None where the point is on it."""
    found = 0
    for k, b in enumerate(polygon):
        a = polygon[k - 1]
        side = turn(a, b, point)
        if (
            side == 0
            and min(a[0], b[0]) <= point[0] <= max(a[0], b[0])
            and min(a[1], b[1]) <= point[1] <= max(a[1], b[1])
        ):
            return None
        if a[1] <= point[1] < b[1] and side > 0:
            found += 1
        elif b[1] <= point[1] < a[1] and side < 0:
            found -= 1
    return found


SHARES = (mpq(1, 2), mpq(1, 3), mpq(3, 5))
"""Where between two heights `inner_point` looks, one after the other."""


def inner_point(polygon: Sequence[Place]) -> Place | None:
    """A point that a polygon runs around, far from its sides where that is easy; None where there is none.

    In the middle of the widest stretch of a horizontal line halfway between two heights of corners; or not halfway,
    where sides cross each other there.
    """
    heights = sorted({y for _, y in polygon})
    best: tuple[mpq, Place] | None = None
    gaps = sorted(pairwise(heights), key=lambda pair: pair[0] - pair[1])[:4]
    for (low, high), share in product(gaps, SHARES):
        if best is not None and share != SHARES[0]:
            continue
        y = low + (high - low) * share
        crossings = []
        for k, b in enumerate(polygon):
            a = polygon[k - 1]
            if (a[1] < y) != (b[1] < y):
                crossings.append((a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]), 1 if a[1] < b[1] else -1))
        crossings.sort()
        depth = 0
        for (x, step), (after, _) in pairwise(crossings):
            depth += step
            width = min(after - x, high - low)
            if depth and after > x and (best is None or width > best[0]):
                best = width, ((x + after) / 2, y)
    return None if best is None else best[1]


def clipped(polygon: Polygon, a: Place, b: Place, side: int = 1) -> Polygon:
    """The part of a convex polygon on the left of the line from a to b (side 1), or on its right (-1)."""
    found: Polygon = []
    heights = [side * turn(a, b, p) for p in polygon]
    for k, (p, h) in enumerate(zip(polygon, heights, strict=True)):
        q, g = polygon[k - 1], heights[k - 1]
        if (g < 0 < h) or (h < 0 < g):
            share = g / (g - h)
            found.append((q[0] + share * (p[0] - q[0]), q[1] + share * (p[1] - q[1])))
        if h >= 0:
            found.append(p)
    return found


def common(first: Polygon, second: Polygon) -> Polygon:
    """The intersection of two convex polygons that run counter-clockwise; perhaps of no area, or empty."""
    for k, b in enumerate(second):
        if len(first) < 3:
            break
        first = clipped(first, second[k - 1], b)
    return first


def without(pieces: list[Polygon], hole: Polygon) -> list[Polygon]:
    """What is left of convex polygons without a convex one: convex polygons, those of no area left out.

    >>> square = [(mpq(x), mpq(y)) for x, y in ((0, 0), (2, 0), (2, 2), (0, 2))]
    >>> sum(twice_area(p) for p in without([square], [(x / 2, y / 2) for x, y in square])) / 2
    mpq(3,1)
    """
    found = []
    for piece in pieces:
        for k, b in enumerate(hole):
            outer = clipped(piece, hole[k - 1], b, -1)
            if len(outer) > 2 and twice_area(outer):
                found.append(outer)
            piece = clipped(piece, hole[k - 1], b)
            if len(piece) < 3 or not twice_area(piece):
                break
    return found


def convex_parts(polygon: Polygon) -> list[Polygon]:
    """A polygon itself where it is convex; otherwise triangles that cover what it runs around, perhaps more than once.

    Of a polygon that is not convex these are ears, cut off one after another; none where it has no more.
    """
    if is_convex(polygon):
        return [polygon]
    rest, parts = list(polygon), []
    while len(rest) > 3:
        for k in range(len(rest)):
            a, b, c = rest[k - 2], rest[k - 1], rest[k]
            bend = turn(a, b, c)
            if bend == 0 or (bend > 0 and not any(_covers(a, b, c, p) for p in rest if p not in (a, b, c))):
                if bend:
                    parts.append([a, b, c])
                rest.pop(k - 1)
                break
        else:
            return []
    return [*parts, rest] if twice_area(rest) > 0 else parts


def _covers(a: Place, b: Place, c: Place, p: Place) -> bool:
    return turn(a, b, p) >= 0 and turn(b, c, p) >= 0 and turn(c, a, p) >= 0


MOST_CORNERS = 2000
"""Polygons with more corners than this are not searched for sides that cross."""


def crosses_itself(polygon: Polygon) -> bool | None:
    """Whether two sides that are no neighbours meet, or two neighbours overlap; None for very many corners."""
    n = len(polygon)
    if n > MOST_CORNERS:
        return None
    sides = [(polygon[k], polygon[(k + 1) % n]) for k in range(n)]
    for i in range(n):
        a, b = sides[i]
        c = sides[(i + 1) % n][1]
        if turn(a, b, c) == 0 and (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0:
            return True
        for j in range(i + 2, n - (i == 0)):
            if _meet(*sides[i], *sides[j]):
                return True
    return False


def _meet(a: Place, b: Place, c: Place, d: Place) -> bool:
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0
