"""Families that are hard for rounding only: the last place, extreme scales, slivers; and those that are not hard.

Like `families_lines`, each is a function of a `Chooser` and a size.
"""

from __future__ import annotations

from fractions import Fraction
from math import frexp

from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.constructing import (
    AROUND_ORIGIN,
    DOMAINS,
    SQUARE,
    Construction,
    Row,
    Rows,
    aimed,
    cutting,
    finished,
    inside,
    normals,
    perhaps_deeper,
    row_through,
    scaled,
)

BITS = (24, 53)
"""Of the significands of float32 and float64."""


def next_float(x: Fraction, bits: int) -> Fraction:
    """The next number of that many significant bits away from 0, x not being 0.

    >>> next_float(Fraction(3, 4), 53) == Fraction(3, 4) + Fraction(1, 2**53)
    True
    """
    exponent = frexp(float(x))[1]  # 2**(exponent - 1) <= |x|
    return x + (1 if x > 0 else -1) * Fraction(2) ** (exponent - bits)


def near_parallel_ulp(chooser: Chooser, size: int) -> Construction:
    """Two breaklines that cross inside the domain, one weight of the one being the next float of the other's.

    Two of their four cells are thinner than any tolerance. The last place is float32's or float64's.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 1, 0), (1, 1 + 2**-52, 0)]).brute_force().counts["A"]
    4
    """
    bits, corners = chooser.pick(BITS), chooser.pick(AROUND_ORIGIN)
    pairs: list[Row] = []
    for normal in chooser.sample([(1, 1), (2, 1), (-1, 1), (1, 3), (-3, 4), (5, 2)], max(1, size // 3)):
        axis = chooser.integer(0, 1)  # they cross where this coordinate is 0, so the bias needs no more bits
        place = Fraction(chooser.integer(-3, 3), 8)
        weights, bias = row_through(normal, (place, Fraction(0)) if axis else (Fraction(0), place))
        turned = tuple(next_float(w, bits) if k == axis else w for k, w in enumerate(weights))
        pairs += [(weights, bias), scaled((turned, bias), chooser.sign())]
    rows = [*pairs, *cutting(chooser, corners, max(1, size // 3))]
    return perhaps_deeper(chooser, [chooser.shuffled(rows)], corners)


def one_ulp_apart(chooser: Chooser, size: int) -> Construction:
    """Two parallel breaklines, the bias of the one being the next float of the other's: a strip one ulp wide.

    Beside a bias of 0 it is an ulp of 1.

    Where 4 cells are right, tools find 1.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 0, -0.5), (1, 0, -0.5 - 2**-53)]).brute_force().counts["A"]
    3
    """
    bits, corners = chooser.pick(BITS), chooser.pick(DOMAINS)
    rows: Rows = []
    for weights, bias in cutting(chooser, corners, max(1, size // 3)):
        moved = next_float(bias, bits) if bias else Fraction(chooser.sign(), 2 ** (bits - 1))
        rows += [(weights, bias), scaled((weights, moved), chooser.sign())]
    rows += cutting(chooser, corners, max(1, size // 3))
    return perhaps_deeper(chooser, [chooser.shuffled(rows)], corners)


def sliver(chooser: Chooser, size: int) -> Construction:
    """A tiny triangle where three breaklines nearly meet, or a strip between two: 2^-10 to 2^-300 wide.

    Tools that merge what is closer than a tolerance lose it; where a strip of 1e-9 makes 3 cells, they find 1.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 0, 0), (0, 1, 0), (1, 1, -(2**-60))]).brute_force().counts["A"]
    7
    """
    corners = chooser.pick(AROUND_ORIGIN)
    if chooser.flag():  # at the origin the width is the only number in a bias, and may be as small as a float can
        point, width = (Fraction(0), Fraction(0)), Fraction(1, 2 ** chooser.pick((20, 33, 60, 100, 300)))
    else:
        point, width = inside(chooser, corners), Fraction(1, 2 ** chooser.pick((10, 16, 20, 33, 44)))
    a, b = (row_through(normal, point) for normal in chooser.sample(normals(4), 2))
    if chooser.flag():
        rows = [a, b, ((a[0][0] + b[0][0], a[0][1] + b[0][1]), a[1] + b[1] - width)]
    else:
        rows = [a, (a[0], a[1] + chooser.sign() * width), b]
    rows = [scaled(row, chooser.sign()) for row in rows]
    others = cutting(chooser, corners, max(1, size - 3))
    return perhaps_deeper(chooser, [chooser.shuffled([*rows, *others])], corners)


def large_scale(chooser: Chooser, size: int) -> Construction:
    """Rows multiplied by large powers of two, each by its own, or a domain of that size: nothing else changes.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(2**40, 0, 0), (0, 2**60, 2**59), (1, 1, 0)]).brute_force().counts["A"]
    7
    """
    return _at_scale(chooser, size, (10, 20, 40, 60), 300)


def small_scale(chooser: Chooser, size: int) -> Construction:
    """Rows multiplied by small powers of two, each by its own, or a domain of that size: an absolute tolerance is too
    large for it.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(2**-40, 0, 0), (0, 2**-60, 2**-61), (1, 1, 0)]).brute_force().counts["A"]
    7
    """
    return _at_scale(chooser, size, (-10, -20, -40, -60), -300)


def _at_scale(chooser: Chooser, size: int, exponents: tuple[int, ...], extreme: int) -> Construction:
    corners = chooser.pick(DOMAINS)
    rows = cutting(chooser, corners, size)
    if chooser.flag():  # the domain, and with it every bias
        factor = Fraction(2) ** chooser.pick(exponents)
        corners = tuple((factor * x, factor * y) for x, y in corners)
        rows = [(weights, factor * bias) for weights, bias in rows]
    else:
        scales = [chooser.pick(exponents), *(chooser.pick((0, *exponents, extreme)) for _ in rows[1:])]
        rows = [scaled(row, Fraction(2) ** scale) for row, scale in zip(rows, scales, strict=True)]
    return finished(chooser, [rows], corners)


def generic(chooser: Chooser, size: int) -> Construction:
    """Rows of random 12-bit numbers in one or two layers: no coincidence is built, and chance rarely makes one.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 2, -0.25), (2, -1, 0.5), (3, 1, 0.125)]).brute_force().counts["A"]
    7
    """
    corners = chooser.pick(DOMAINS)
    layers = [[_random_row(chooser, 2) for _ in range(size)]]
    if chooser.flag():
        layers.append([_random_row(chooser, size) for _ in range(chooser.integer(1, 4))])
    return finished(chooser, layers, corners)


def wide(chooser: Chooser, size: int) -> Construction:
    """One layer of twice as many units as other families have, each across the domain; points in the way by chance.

    >>> from splinecam_exact.testing.degeneracies import examples
    >>> len(examples("wide", 1, size=10)[0].units)
    20
    """
    corners = chooser.pick(DOMAINS)
    return finished(chooser, [cutting(chooser, corners, 2 * size)], corners)


def deep(chooser: Chooser, size: int) -> Construction:
    """As many layers as other families have units, of two to three units, all aimed at the domain; or a tent map,
    whose strips double with every layer.

    >>> from splinecam_exact.testing.degeneracies import layered
    >>> tent = [(2, -4, 0), (2, -4, -0.5)]
    >>> layered([[(1, 0, 0), (1, 0, -0.5)], tent, tent]).brute_force().counts["A"]
    9
    """
    if chooser.integer(0, 3) == 3:
        half = Fraction(1, 2)
        layers: list[Rows] = [[((Fraction(1), Fraction(0)), Fraction(0)), ((Fraction(1), Fraction(0)), -half)]]
        tent = (Fraction(2), Fraction(-4))
        layers += [[(tent, Fraction(0)), (tent, -half)] for _ in range(min(size, 6) - 1)]
        return finished(chooser, layers, SQUARE)
    corners = chooser.pick(DOMAINS)
    layers = [cutting(chooser, corners, 3)]
    for _ in range(size - 1):
        layers.append(aimed(chooser, layers, corners, chooser.integer(2, 3)))
    return finished(chooser, layers, corners)


def _random_row(chooser: Chooser, size: int) -> Row:
    weights = tuple(Fraction(2 * chooser.integer(-2048, 2047) + 1, 2048) for _ in range(size))
    return weights, Fraction(2 * chooser.integer(-1024, 1023) + 1, 2048)
