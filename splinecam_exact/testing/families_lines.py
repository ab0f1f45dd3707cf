"""Degenerate families of one layer: where breaklines meet each other, or the domain's corners and sides.

Each is a function of a `Chooser` and a size, and says what it is, who fails on it (measured, 2026-11), and its
smallest example with the number of cells that is right, on the square [-1, 1]^2 where nothing else is said.
"""

from __future__ import annotations

from fractions import Fraction

from splinecam_exact.testing.brute_force import Corners
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.constructing import (
    DOMAINS,
    WITH_DIAGONAL,
    Construction,
    Row,
    Rows,
    aimed,
    along,
    cutting,
    finished,
    inside,
    normals,
    perhaps_deeper,
    row_through,
    scaled,
)


def concurrent(chooser: Chooser, size: int) -> Construction:
    """Three or more breaklines through one point, often one that is no float: x + 2y = 1, 2x + y = 1, x = y.

    `size` lines make 2 `size` cells. SyReNN and edge subdivision find 7 cells instead of 6 for three lines, SyReNN 64
    instead of 20 for ten, canonicalpoly 31; SplineCam stops with a "sorting issue"; relucent 1.0 refuses.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 2, -1), (2, 1, -1), (1, -1, 0)]).brute_force().counts["A"]
    6
    """
    corners = chooser.pick(DOMAINS)
    point = inside(chooser, corners)
    if chooser.flag():
        point = (point[0] * Fraction(2, 3), point[1] * Fraction(2, 3))  # still inside: every domain holds the origin
    rows = [scaled(row_through(normal, point), chooser.sign()) for normal in chooser.sample(normals(size), size)]
    if chooser.integer(0, 2) == 2:  # a unit of the next layer that is 0 at the same point
        rows = chooser.shuffled(rows)
        weights = tuple(Fraction(chooser.integer(1, 4) * chooser.sign(), 2) for _ in rows)
        return finished(chooser, [rows, [(weights, Fraction(0))]], corners)
    return perhaps_deeper(chooser, [rows], corners)


def duplicate(chooser: Chooser, size: int) -> Construction:
    """Units that are there twice or more often, weight for weight: one breakline, several units on its edges.

    relucent 0.9.5 and parx find 2 cells instead of 4 for two lines of which one is doubled, SplineCam and edge
    subdivision 6.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 0, 0), (0, 1, 0), (1, 0, 0)]).brute_force().counts["A"]
    4
    """
    return _repeated(chooser, size, (Fraction(1),))


def scaled_duplicate(chooser: Chooser, size: int) -> Construction:
    """Units with the breakline of another one, their rows a positive multiple of its row, often by no power of two.

    Rounding makes two nearly parallel lines of them. Where 6 cells are right, tools find 4 or 8.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 2, -1), (3, 6, -3)]).brute_force().counts["A"]
    2
    """
    return _repeated(chooser, size, (Fraction(2), Fraction(3), Fraction(1, 4), Fraction(7), Fraction(5, 8)))


def opposite(chooser: Chooser, size: int) -> Construction:
    """Units that look at one breakline from its two sides: r(h) and r(-h), as in |h| = r(h) + r(-h).

    Tools that test `> 0` call both off on the line itself, and lose or double what lies on it.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 0, 0), (-1, 0, 0)]).brute_force().counts["A"]
    2
    """
    return _repeated(chooser, size, (Fraction(-1), Fraction(-1), Fraction(-2), Fraction(-3)))


def _repeated(chooser: Chooser, size: int, factors: tuple[Fraction, ...]) -> Construction:
    corners = chooser.pick(DOMAINS)
    rows = cutting(chooser, corners, max(1, (size + 1) // 2))
    for _ in range(max(1, size // 2)):
        rows.append(scaled(chooser.pick(rows), chooser.pick(factors)))
    return perhaps_deeper(chooser, [chooser.shuffled(rows)], corners)


def through_corner(chooser: Chooser, size: int) -> Construction:
    """Breaklines through a corner of the domain and its interior, several through one corner now and then.

    A corner on a line belongs to both sides; tools that ask `> 0` see one end of the cut only, or cut off a triangle
    without area.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, -2, -1), (2, -1, 1)]).brute_force().counts["A"]
    3
    """
    corners = chooser.pick(DOMAINS)
    few = chooser.sample(corners, 2)
    rows = [
        scaled(along(chooser.pick(few), inside(chooser, corners)), chooser.sign()) for _ in range(max(1, size // 2))
    ]
    return _with_others(chooser, rows, corners, size)


def along_diagonal(chooser: Chooser, size: int) -> Construction:
    """Breaklines through two corners of the domain that are not neighbours.

    Both ends of the cut are corners that exist already. Tools find 1 cell instead of 2.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, -1, 0)]).brute_force().counts["A"]
    2
    """
    corners = chooser.pick(WITH_DIAGONAL)
    rows = []
    for _ in range(max(1, size // 2)):
        k, step = chooser.integer(0, len(corners) - 1), chooser.integer(2, len(corners) - 2)
        rows.append(along(corners[k], corners[(k + step) % len(corners)]))
    return _with_others(chooser, rows, corners, size)


def along_edge(chooser: Chooser, size: int) -> Construction:
    """Breaklines along a side of the domain: the unit is 0 on the side and cuts nothing.

    Where 2 cells are right, tools find 3, one of them without area.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 0, 1), (0, 1, 0)]).brute_force().counts["A"]
    2
    """
    corners = chooser.pick(DOMAINS)
    rows = []
    for _ in range(max(1, size // 2)):
        k = chooser.integer(0, len(corners) - 1)
        rows.append(scaled(along(corners[k - 1], corners[k]), chooser.sign()))
    return _with_others(chooser, rows, corners, size)


def tangency(chooser: Chooser, size: int) -> Construction:
    """Breaklines that only touch: a corner of the domain from outside, or a vertex inside from all sides at once.

    The second is |a| + |b|, which is 0 where the lines a and b cross and positive elsewhere: a unit of the second
    layer without any cut. Where a line touches a corner and 2 cells are right, tools find 3.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 2, -3), (0, 1, 0)]).brute_force().counts["A"]
    2
    """
    corners = chooser.pick(DOMAINS)
    if chooser.integer(0, 2) == 2:
        crossing = inside(chooser, corners)
        a, b = (row_through(normal, crossing) for normal in chooser.sample(normals(4), 2))
        rows = [a, scaled(a, -1), b, scaled(b, -1), *cutting(chooser, corners, max(1, size // 4))]
        touching = tuple(Fraction(chooser.integer(1, 4), 2) for _ in range(4))
        second = [(touching + (Fraction(0),) * (len(rows) - 4), Fraction(0))]
        return finished(chooser, [rows, [*second, *aimed(chooser, [rows], corners, 1)]], corners)
    rows = []
    for _ in range(max(1, size // 2)):
        k = chooser.integer(0, len(corners) - 1)
        (before, _), (after, _) = along(corners[k - 2], corners[k - 1]), along(corners[k - 1], corners[k])
        s, t = chooser.integer(1, 3), chooser.integer(1, 3)
        normal = (s * before[0] + t * after[0], s * before[1] + t * after[1])
        rows.append(scaled(row_through(normal, corners[k - 1]), chooser.sign()))
    return _with_others(chooser, rows, corners, size)


def _with_others(chooser: Chooser, rows: list[Row], corners: Corners, size: int) -> Construction:
    """Those rows among some that cut the domain in the ordinary way."""
    others: Rows = cutting(chooser, corners, max(1, size - len(rows)))
    return perhaps_deeper(chooser, [chooser.shuffled([*rows, *others])], corners)
