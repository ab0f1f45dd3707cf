"""What degenerate networks are built of: polygons, points inside them, rows that vanish where they should.

A row is (weights, bias). All numbers are dyadic rationals of few bits unless a family says otherwise, so they are
exactly float64, and mostly float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd
from typing import NamedTuple

from splinecam_exact.testing.brute_force import Corners, Point
from splinecam_exact.testing.choosing import Chooser

Row = tuple[tuple[Fraction, ...], Fraction]
Rows = list[Row]


class Construction(NamedTuple):
    """A problem before it has a name: rows of each layer, the last one being the output, and the domain."""

    layers: list[Rows]
    corners: Corners


def corners_of(*points: tuple[float, float]) -> Corners:
    return tuple((Fraction(x), Fraction(y)) for x, y in points)


SHORT = 20
SQUARE = corners_of((-1, -1), (1, -1), (1, 1), (-1, 1))
UNIT_SQUARE = corners_of((0, 0), (1, 0), (1, 1), (0, 1))
KITE = corners_of((-1, 0), (0, -1), (1, 0), (0, 1))
PENTAGON = corners_of((-1, -0.5), (0.5, -1), (1, 0.25), (0.25, 1), (-0.75, 0.5))
TRIANGLE = corners_of((0, 0), (1, 0), (0, 1))
DOMAINS = (SQUARE, UNIT_SQUARE, KITE, PENTAGON, TRIANGLE)
AROUND_ORIGIN = (SQUARE, KITE, PENTAGON)
WITH_DIAGONAL = (SQUARE, UNIT_SQUARE, KITE, PENTAGON)

# Normals of lines, each line's direction once, the simplest first.
NORMALS = tuple(
    sorted(
        ((a, b) for a in range(-6, 7) for b in range(7) if gcd(a, b) == 1 and (b > 0 or a > 0)),
        key=lambda n: (abs(n[0]) + n[1], n[1]),
    )
)


def normals(count: int) -> Sequence[tuple[int, int]]:
    """At least twice as many normals as are needed, the simplest ones."""
    if 2 * count <= len(NORMALS):
        return NORMALS[: max(2 * count, 8)]
    return [*NORMALS, *((a, 1) for a in range(7, 7 + 2 * count))]


def inside(chooser: Chooser, corners: Corners) -> Point:
    """A point of the polygon's interior: a mean of three corners with weights in eighths, none of them 0."""
    first, second, third = chooser.sample(corners, 3)
    a = chooser.integer(1, 6)
    b = chooser.integer(1, 7 - a)
    return mix((first, Fraction(a, 8)), (second, Fraction(b, 8)), (third, Fraction(8 - a - b, 8)))


def mix(*weighted: tuple[Point, Fraction]) -> Point:
    """The weighted sum of points."""
    return sum((w * p[0] for p, w in weighted), Fraction(0)), sum((w * p[1] for p, w in weighted), Fraction(0))


def row_through(normal: tuple[int, int] | Point, point: Point) -> Row:
    """The first-layer row with a normal that vanishes at a point; in lowest integers where the point is no dyadic one.

    >>> row_through((1, 2), (Fraction(1, 3), Fraction(1, 3)))
    ((Fraction(1, 1), Fraction(2, 1)), Fraction(-1, 1))
    """
    a, b = map(Fraction, normal)
    c = -(a * point[0] + b * point[1])
    if c.denominator & (c.denominator - 1):
        scale = Fraction(c.denominator)
        a, b, c = scale * a, scale * b, scale * c
        common = gcd(a.numerator, b.numerator, c.numerator)
        a, b, c = a / common, b / common, c / common
    return (a, b), c


def along(p: Point, q: Point) -> Row:
    """The first-layer row that vanishes on the line through two points, positive to the left of p -> q."""
    return row_through((p[1] - q[1], q[0] - p[0]), p)


def scaled(row: Row, factor: Fraction | int) -> Row:
    return tuple(factor * w for w in row[0]), factor * row[1]


def cutting(chooser: Chooser, corners: Corners, count: int) -> Rows:
    """First-layer rows whose lines pass through the polygon's interior, in different directions."""
    chosen = chooser.sample(normals(count), count)
    return [scaled(row_through(normal, inside(chooser, corners)), chooser.sign()) for normal in chosen]


def values(layers: Sequence[Rows], point: Point) -> tuple[Fraction, ...]:
    """What the layers compute at a point, a ReLU after each."""
    found: tuple[Fraction, ...] = point
    for rows in layers:
        found = tuple(
            max(Fraction(0), sum((w * x for w, x in zip(weights, found, strict=True)), bias)) for weights, bias in rows
        )
    return found


def aimed(chooser: Chooser, layers: Sequence[Rows], corners: Corners, count: int) -> Rows:
    """Rows of the next layer, each 0 at some point of the interior, so that most of them cut something.

    A bias that needs more than `SHORT` bits is rounded: the row is 0 nearby. No bias is 0, since a unit that reads only
    units that are off would be identically 0, which is a family of its own.
    """
    size = len(layers[-1])
    rows = []
    for _ in range(count):
        weights = tuple(Fraction(chooser.integer(1, 4) * chooser.sign(), 2) for _ in range(size))
        point = values(layers, inside(chooser, corners))
        rise = short(sum((w * x for w, x in zip(weights, point, strict=True)), Fraction(0)))
        rows.append((weights, -rise or Fraction(chooser.sign(), 4)))
    return rows


def short(x: Fraction) -> Fraction:
    """The nearest number of `SHORT` significant bits, so that float32 holds it and what is computed from it.

    >>> short(Fraction(5, 8)), short(Fraction(2**40 + 1))
    (Fraction(5, 8), Fraction(1099511627776, 1))
    """
    unit = Fraction(2) ** (x.numerator.bit_length() - x.denominator.bit_length() - SHORT)
    return unit * round(x / unit)


def finished(chooser: Chooser, layers: Sequence[Rows], corners: Corners) -> Construction:
    """With an output layer of one or two rows. Its zero set is no cut, but runs through the domain where it can."""
    return Construction([*layers, aimed(chooser, layers, corners, chooser.integer(1, 2))], corners)


def perhaps_deeper(chooser: Chooser, layers: list[Rows], corners: Corners) -> Construction:
    """With one more hidden layer of one or two units now and then, then the output."""
    if chooser.integer(0, 2) == 2:
        layers = [*layers, aimed(chooser, layers, corners, chooser.integer(1, 2))]
    return finished(chooser, layers, corners)
