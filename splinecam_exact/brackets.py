"""Second points beside given ones, with another answer: between them is the boundary.

Where to look is guessed in floats, along the gradient; that the answers differ, and the distance, are proved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import Floats
from splinecam_exact.deciding import Bools, Decider, lengths
from splinecam_exact.local_maps import Projection, projection
from splinecam_exact.questions import TIE
from splinecam_exact.rounding import nearest
from splinecam_exact.sample_points import Points, exact_row
from splinecam_exact.weights import Ints

_STEPS = (1 + 2.0**-10, 2.0, 5.0, 25.0, -1.0, -5.0)
"""How far to go, in multiples of the distance that the gradient suggests; below 0: the other way."""
_RIVALS = 4
"""So many classes that are next to the one on top are considered."""
_ROUNDINGS = 2.0**-50
"""More than rounding a point moves it by, relative to its size."""


class Found(NamedTuple):
    """What was found at n points: see `Samples`, whose fields these are."""

    answers: Ints
    bound: Floats
    estimate: Floats
    ends: Floats
    bracketed: Bools
    touching: dict[int, Projection]


class _Aim(NamedTuple):
    """Unit vectors (n, inputs) towards the boundary, and the distance to it (n,), both guesses."""

    direction: Floats
    distance: Floats
    blur: Floats
    """How much farther to go so that the answer is sure."""


@np.errstate(all="ignore")  # what is not finite is never a proof
def search(decider: Decider, points: Points, radius: mpq | None) -> Found:
    """The answers at the points, and what proves that the boundary is near."""
    asked, x = decider.asked, points.floats
    answers, values, outputs, errors = decider.answers(x, points.row if points.rounded else None)
    on = answers == (TIE if asked.is_argmax else 0)
    limit = np.inf if radius is None else _rounded_down(radius)
    aim = _aim(decider, x, answers, values, outputs, errors)
    found = Found(
        answers, np.where(on, 0.0, np.inf), np.where(on, 0.0, aim.distance), x.copy(), np.zeros(len(x), bool), {}
    )
    steps = (*_STEPS, *((np.inf, -np.inf) if radius is not None else ()))
    for sign in (1, -1):
        tried = np.zeros(len(x))
        for step in (abs(s) for s in steps if s * sign > 0):
            far = np.minimum(step * aim.distance + aim.blur, limit * (1 - 2.0**-16))
            waiting = ~found.bracketed & ~on & np.isfinite(far) & (far > tried) & np.isfinite(aim.direction).all(1)
            tried = np.where(waiting, far, tried)
            _try(decider, points, np.flatnonzero(waiting), sign * far[:, np.newaxis] * aim.direction, limit, found)
    left = ~found.bracketed & ~on & (aim.distance <= limit * (1 + 2.0**-16))
    _touch(decider, points, np.flatnonzero(left), aim, radius, found)
    return found


def _aim(decider: Decider, x: Floats, answers: Ints, values: Floats, outputs: Floats, errors: Floats) -> _Aim:
    asked, count = decider.asked, len(x)
    best = _Aim(np.full(x.shape, np.nan), np.full(count, np.inf), np.full(count, np.inf))
    rows = np.arange(count)
    if asked.positive is not None:
        negative = None if asked.negative is None else np.full(count, asked.negative)
        rivals = [(np.full(count, asked.positive), negative, values, answers)]
    else:
        top = np.maximum(answers, 0)
        rest = outputs.copy()
        rest[rows, top] = -np.inf
        ranked = np.argsort(-rest, axis=1)[:, : min(_RIVALS, rest.shape[1] - 1)]
        rivals = [(top, k, outputs[rows, top] - outputs[rows, k], np.ones(count, np.int64)) for k in ranked.T]
    for positive, negative, height, sign in rivals:
        slope = decider.evaluator.slopes(x, positive, negative)
        steepness = lengths(slope)
        steepness[~(abs(slope).max(axis=1) > 0)] = np.nan
        distance = abs(height) / steepness
        nearer = distance < best.distance
        best.direction[nearer] = (-sign / steepness)[nearer, np.newaxis] * slope[nearer]
        best.distance[nearer] = distance[nearer]
        best.blur[nearer] = (_ROUNDINGS * lengths(x) + 8 * errors / steepness)[nearer]
    return best


def _try(decider: Decider, points: Points, some: Ints, moves: Floats, limit: float, found: Found) -> None:
    """Note which of some points, moved so, have another answer, within the limit."""
    if not len(some):
        return
    x = points.floats[some]
    ends = x + moves[some]
    distances = lengths(ends - x)
    if points.rounded:
        distances = (distances + 2.0**-52 * lengths(x)) * (1 + 2.0**-20)
    fine = np.flatnonzero(np.isfinite(ends).all(1) & (distances <= limit) & np.isfinite(distances))
    if not len(fine):
        return
    some, ends = some[fine], ends[fine]
    there = decider.answers(ends)[0]
    proved = there != found.answers[some]
    some = some[proved]
    found.ends[some], found.bound[some] = ends[proved], distances[fine][proved]
    found.bracketed[some] = True


def _touch(decider: Decider, points: Points, some: Ints, aim: _Aim, radius: mpq | None, found: Found) -> None:
    """Where the answer does not change, the boundary may still be touched: at the nearest point of the own cell."""
    if not len(some):
        return
    x = points.floats[some]
    near = x + aim.distance[some, np.newaxis] * aim.direction[some]
    fine = np.isfinite(near).all(1)
    some, near = some[fine], near[fine]
    if not len(some):
        return
    outputs, errors = decider.evaluator.values(near, False)
    _, values, _ = decider.asked.guess(outputs, errors)
    before = decider.evaluator.values(points.floats[some], False)[0]
    heights = abs(decider.asked.guess(before, errors)[1])
    some = some[abs(values) <= 2.0**-16 * heights + 8 * errors]
    for done, i in enumerate(some.tolist()):
        decider.tick(done, len(some))
        decider.exact += 1
        place = projection(decider.net, points.row(i), decider.asked)
        if place is None or not place.in_cell or (radius is not None and place.squared > radius * radius):
            continue
        bound = _root_up(place.squared)
        if bound < np.inf:
            found.touching[i], found.bound[i] = place, bound


def _root_up(squared: mpq) -> float:
    """An upper bound of a square root, above 0."""
    root = nearest(squared.numerator, squared.denominator) ** 0.5
    return root * (1 + 2.0**-50) if root > 2.0**-400 else 2.0**-400


def _rounded_down(radius: mpq) -> float:
    """The largest float64 that is not above a number."""
    found = nearest(radius.numerator, radius.denominator)
    if found == np.inf:
        return float(np.finfo(np.float64).max)
    return found if exact_row(np.array([found]))[0] <= radius else float(np.nextafter(found, 0.0))
