"""`refine`: from a point near a boundary to two neighbouring float64 points that the boundary separates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import Floats
from splinecam_exact.brackets import search
from splinecam_exact.deciding import Decider
from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.local_maps import checked
from splinecam_exact.network import Network
from splinecam_exact.questions import question
from splinecam_exact.sample_points import Points, exact_row


class Refined(NamedTuple):
    """Two float64 points whose exact `answers` (see `Samples`) differ: the boundary meets the segment between them.

    They differ in one coordinate only, by one unit in the last place; `squared` is the square of their distance,
    exactly, so a boundary point is that near to either. Where a float64 point was found that is on the boundary
    exactly, it is both.
    """

    point: Floats
    other: Floats
    answers: tuple[int, int]
    squared: mpq


def refine(
    net: Network,
    x: Sequence[object] | Floats,
    *,
    output: int | None = None,
    classes: tuple[int, int] | None = None,
    level: object = 0,
) -> Refined:
    """A float64 point as close to the boundary as float64 allows, with proof.

    It starts at `x`, rounded to float64 where it is not; a second point with another answer is looked for along the
    gradient, as for `certify_samples`, whose options choose the boundary. Then the segment is halved, in float64
    points, until the two are neighbours; then coordinate by coordinate. Each answer is exact. Raises Undecided where no
    other answer was found along the gradient, and InputError.

    Cost: some 100 evaluations of the network, in float64 with bounds where there is torch and these decide, else exact.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 3]], [-1])])
    >>> found = refine(net, [0.5, 0.25])
    >>> found.answers, found.squared <= 2.0**-106
    ((1, -1), True)
    >>> net.evaluate(found.point)[0] > 0 > net.evaluate(found.other)[0]
    True
    """
    decider = Decider(net, question(net, output, classes, level))
    start = Points([checked(net, x)], net.input_size, "the point")
    near, far = start.floats[0], None
    first = _answer(decider, near)
    if decider.asked.on_boundary(first):
        return _on(near, first)
    found = search(decider, Points(near[np.newaxis], net.input_size), None)
    if not found.bracketed[0]:
        raise Undecided("no point with another answer was found along the gradient: start nearer to the boundary")
    far = found.ends[0]
    second = _answer(decider, far)
    while not decider.asked.on_boundary(second):
        middle = _between(near, far)
        if middle is None:
            squared = sum(((a - b) ** 2 for a, b in zip(exact_row(near), exact_row(far), strict=True)), mpq(0))
            return Refined(near, far, (first, second), squared)
        answer = _answer(decider, middle)
        if answer == first:
            near = middle
        else:
            far, second = middle, answer
    return _on(far, second)


def _answer(decider: Decider, point: Floats) -> int:
    return int(decider.answers(point[np.newaxis])[0][0])


def _on(point: Floats, answer: int) -> Refined:
    return Refined(point, point, (answer, answer), mpq(0))


FAR = 2.0**-20
"""A coordinate that is a smaller share of another is of another size."""


def _between(a: Floats, b: Floats) -> Floats | None:
    """A float64 point between two others, coordinate by coordinate; None where they differ in one last place only.

    Halfway; but where one coordinate is far larger, halfway between their exponents, and 0 between two signs: so it
    takes some 64 steps to any float64 and not one for each power of two.
    """
    with np.errstate(over="ignore", under="ignore"):
        middle: Floats = np.clip(a + (b - a) / 2, np.minimum(a, b), np.maximum(a, b))
        low, high = np.minimum(abs(a), abs(b)), np.maximum(abs(a), abs(b))
        apart = np.sign(a) * np.sign(b) < 0
        far = ~apart & (low < high * FAR)
        sign = np.sign(a) + np.sign(b)
    middle[apart] = 0.0
    small, large = low.view(np.int64), high.view(np.int64)  # floats of one sign are in the order of their bits
    middle[far] = np.copysign((small + (large - small) // 2).view(np.float64), sign)[far]
    if not (np.array_equal(middle, a) or np.array_equal(middle, b)):
        return middle
    different = np.flatnonzero(a != b)
    if len(different) == 1:
        return None
    middle = a.copy()
    some = different[: len(different) // 2]
    middle[some] = b[some]
    return middle
