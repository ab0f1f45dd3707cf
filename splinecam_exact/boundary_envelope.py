"""The upper envelope of affine functions on one convex cell, in integers: on which part of it which are largest.

A point is (x, y, w) with the functions' values there, all times one positive number: so all are linear along a segment,
and where two functions are equal follows from their values at its ends, without a division. Cutting a convex polygon
along a line needs nothing but the signs at its corners; a sign 0 is a corner on the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gmpy2 import gcd, mpz

from splinecam_exact.kernel.rational import Point, primitive

INSIDE = -1
"""Instead of the number of one of the cell's sides or corners."""


class Spot(NamedTuple):
    """A corner of a part of a cell, and which functions are largest there (bit k: function k).

    `corner` is the number of the cell's corner that it is, or else `on` that of the side that it lies on. `side` is the
    cell's side along which the part goes on from here. Side k goes from corner k to the next one. All these are
    `INSIDE` where there is none.
    """

    point: Point
    largest: int
    corner: int
    on: int
    side: int


class Part(NamedTuple):
    """A convex part of a cell, on all of which some functions (bits) are largest; counter-clockwise."""

    largest: int
    spots: list[Spot]


class _Corner(NamedTuple):
    """A `Spot` while cells are cut: `vector` is x, y, w, and the functions' values."""

    vector: tuple[mpz, ...]
    corner: int
    on: int
    side: int


def envelope(corners: Sequence[Point], heights: Sequence[Sequence[mpz]]) -> list[Part]:
    """The parts of a convex cell, each as large as can be, on which the same functions are largest.

    `heights[k][i]` is function i at corner k, times the last coordinate of the corner and times one positive number.

    >>> square = [(mpz(x), mpz(y), mpz(1)) for x, y in ((0, 0), (2, 0), (2, 2), (0, 2))]
    >>> left, right = envelope(square, [[1, 0], [1, 2], [1, 2], [1, 0]])        # 1 and x
    >>> [tuple(map(int, spot.point)) for spot in left.spots]
    [(0, 0, 1), (1, 0, 1), (1, 2, 1), (0, 2, 1)]
    >>> [spot.side for spot in left.spots], left.largest, right.largest
    ([0, -1, 2, 3], 1, 2)
    """
    columns = _columns(heights)
    values = list(columns)
    cell = [
        _Corner((*point, *row), k, INSIDE, k)
        for k, (point, row) in enumerate(zip(corners, zip(*values, strict=True), strict=True))
    ]
    found = []
    for i in range(3, 3 + len(values)):
        part = cell
        for j in range(3, 3 + len(values)):
            if j != i and part:
                part = _above(part, i, j)
        if part:
            found.append(Part(columns[values[i - 3]], [_spot(corner, list(columns.values())) for corner in part]))
    return found


def _columns(heights: Sequence[Sequence[mpz]]) -> dict[tuple[mpz, ...], int]:
    """The values at all corners of the functions that may be largest somewhere, and which functions have them.

    One that is less than another at all corners is left out. Those that are largest at a corner come first.
    """
    tops = {row.index(max(row)) for row in map(list, heights)}
    found: dict[tuple[mpz, ...], int] = {}
    for k in sorted(range(len(heights[0])), key=lambda k: k not in tops):
        if all(any(row[k] >= row[top] for row in heights) for top in tops):
            column = tuple(row[k] for row in heights)
            found[column] = found.get(column, 0) | 1 << k
    return found


def _above(part: list[_Corner], i: int, j: int) -> list[_Corner]:
    """The part of a convex polygon on which entry i is at least entry j; nothing where it has no inside."""
    signs = [corner.vector[i] - corner.vector[j] for corner in part]
    if max(signs) <= 0:
        return []
    if min(signs) >= 0:
        return part
    kept = []
    for k, (p, s) in enumerate(zip(part, signs, strict=True)):
        q, t = part[k + 1 - len(part)], signs[k + 1 - len(part)]
        if s >= 0:
            kept.append(p._replace(side=INSIDE) if s == 0 and t < 0 else p)
        if s > 0 > t:
            kept.append(_Corner(_between(p.vector, q.vector, -t, s), INSIDE, p.side, INSIDE))
        elif s < 0 < t:
            kept.append(_Corner(_between(p.vector, q.vector, t, -s), INSIDE, p.side, p.side))
    return kept


def _between(p: tuple[mpz, ...], q: tuple[mpz, ...], share: mpz, other: mpz) -> tuple[mpz, ...]:
    """The sum of some positive shares of two points, without common factors."""
    vector = tuple(share * a + other * b for a, b in zip(p, q, strict=True))
    common = gcd(*vector)
    return tuple(a // common for a in vector)


def _spot(corner: _Corner, columns: list[int]) -> Spot:
    x, y, w, *heights = corner.vector
    top = max(heights)
    largest = sum(bits for bits, height in zip(columns, heights, strict=True) if height == top)
    return Spot(primitive((x, y, w)), largest, corner.corner, corner.on, corner.side)
