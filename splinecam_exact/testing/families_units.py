"""Degenerate families of units: what stays at its breakpoint, never changes state, or repeats what was cut before.

Like `families_lines`, each is a function of a `Chooser` and a size.
"""

from __future__ import annotations

from fractions import Fraction

from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.constructing import (
    AROUND_ORIGIN,
    DOMAINS,
    UNIT_SQUARE,
    Construction,
    Row,
    aimed,
    cutting,
    finished,
    inside,
    normals,
    perhaps_deeper,
    row_through,
    scaled,
)

ZERO, ONE = Fraction(0), Fraction(1)


def identically_zero(chooser: Chooser, size: int) -> Construction:
    """A unit that is exactly 0 on a whole cell, or everywhere: neither on nor off, and no cut there.

    Four ways: it reads only units that are all off on a cell, without a bias; it subtracts what is equal on a cell
    (r(a) + r(b) - r(a + b)) or everywhere (2 r(h) - r(2 h)); or it has no weights and no bias. Tools refuse or crash.

    >>> from splinecam_exact.testing.degeneracies import layered
    >>> layered([[(1, 0, 0), (0, 1, 0)], [(1, 1, 0)]]).brute_force().cells.keys()
    dict_keys([(0, 0, 1), (0, 2, 2), (2, 0, 2), (2, 2, 2)])
    """
    corners = chooser.pick(DOMAINS)
    crossing = inside(chooser, corners)
    a, b = (scaled(row_through(normal, crossing), chooser.sign()) for normal in chooser.sample(normals(4), 2))
    both: Row = (a[0][0] + b[0][0], a[0][1] + b[0][1]), a[1] + b[1]
    first = [a, b, both, scaled(a, 2), *cutting(chooser, corners, max(1, size // 4))]
    s, t = (Fraction(chooser.integer(1, 4) * chooser.sign(), 2) for _ in range(2))
    kinds = [(s, t), (s, s, -s), (2 * s, ZERO, ZERO, -s), ()]
    second = [
        (kind + (ZERO,) * (len(first) - len(kind)), ZERO) for kind in chooser.sample(kinds, chooser.integer(1, 2))
    ]
    return finished(chooser, [first, [*second, *aimed(chooser, [first], corners, 1)]], corners)


def dead_unit(chooser: Chooser, size: int) -> Construction:
    """Units whose breakline misses the domain: off everywhere, or on everywhere, in one layer or two.

    They must show in the patterns and nowhere else.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 1, -3), (1, 1, 3), (1, 0, 0)]).brute_force().counts["A"]
    2
    """
    corners = chooser.pick(DOMAINS)
    rows = cutting(chooser, corners, max(1, size // 2))
    for _ in range(max(1, size // 2)):
        normal, sign = chooser.pick(normals(4)), chooser.sign()
        reach = max(abs(normal[0] * x + normal[1] * y) for x, y in corners)
        rows.append(((Fraction(normal[0]), Fraction(normal[1])), sign * (reach + Fraction(chooser.integer(1, 16), 8))))
    layers = [chooser.shuffled(rows)]
    if chooser.flag():  # a second layer with a unit that nothing can switch on, and one that nothing can switch off
        off = tuple(Fraction(-chooser.integer(0, 3)) for _ in rows)
        layers.append([(off, Fraction(-1)), (scaled((off, ZERO), -1)[0], ONE), *aimed(chooser, layers, corners, 1)])
    return finished(chooser, layers, corners)


def constant(chooser: Chooser, size: int) -> Construction:
    """Units without weights: the same number everywhere, positive, negative or 0.

    A breakline with the normal (0, 0) is no line: 0/0 in tools that divide by it.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(0, 0, 2), (0, 0, 0), (0, 0, -1), (1, 1, 0)]).brute_force().counts["A"]
    2
    """
    corners = chooser.pick(DOMAINS)
    rows = cutting(chooser, corners, max(1, size // 2))
    biases = (Fraction(-1), Fraction(3), ZERO, Fraction(1, 4))
    rows += [((ZERO, ZERO), chooser.pick(biases)) for _ in range(max(1, size // 2))]
    return perhaps_deeper(chooser, [chooser.shuffled(rows)], corners)


def same_line_two_layers(chooser: Chooser, size: int) -> Construction:
    """A unit of the second layer whose breakline runs along one of the first: r(h) - r(-h) is h again.

    Every edge of it is an edge already. Where 6 cells are right, tools find 3.

    >>> from splinecam_exact.testing.degeneracies import layered
    >>> layered([[(1, 1, 0), (-1, -1, 0), (1, -1, 0)], [(1, -1, 0, 0)]]).brute_force().counts["A"]
    4
    """
    corners = chooser.pick(DOMAINS)
    first = cutting(chooser, corners, max(2, size // 2))
    pairs = chooser.integer(1, 2)
    first = [*first, *(scaled(row, -1) for row in first[:pairs])]
    second: list[Row] = []
    for k in range(pairs):
        weights = [ZERO] * len(first)
        weights[k] = Fraction(chooser.integer(1, 4), 2)
        weights[len(first) - pairs + k] = -Fraction(chooser.integer(1, 4), 2)
        second.append(scaled((tuple(weights), ZERO), chooser.sign()))
    return finished(chooser, [first, [*second, *aimed(chooser, [first], corners, 1)]], corners)


def bias_free(chooser: Chooser, size: int) -> Construction:
    """No biases: every breakline of every layer goes through the origin, a point inside the domain or its corner.

    The cells are cones. Two layers of 28 cells come out as 16 or 30, one of 38 as 262.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> one_layer([(1, 2, 0), (2, 1, 0), (1, -1, 0), (0, 1, 0)]).brute_force().counts["A"]
    8
    """
    corners = chooser.pick((*AROUND_ORIGIN, UNIT_SQUARE))
    chosen = chooser.sample(normals(size), size)
    layers = [[scaled(((Fraction(a), Fraction(b)), ZERO), chooser.sign()) for a, b in chosen]]
    for _ in range(chooser.integer(0, 2)):
        width = chooser.integer(2, 4)
        layers.append([(tuple(chooser.fraction(2, 4) for _ in layers[-1]), ZERO) for _ in range(width)])
    return Construction([*layers, [(tuple(chooser.fraction(2, 2) for _ in layers[-1]), ZERO)]], corners)
