"""Second points beside given ones, with another answer: between them is the boundary.

Where to look is guessed in floats, along the gradient; that the answers differ, and the distance, are proved.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import Floats, exact
from splinecam_exact.deciding import Bools, Decider, lengths
from splinecam_exact.local_maps import Projection, projection
from splinecam_exact.questions import TIE
from splinecam_exact.rounding import nearest
from splinecam_exact.sample_points import Points
from splinecam_exact.weights import Ints

_NEAR, _FAR = (1 + 2.0**-10, 2.0), (5.0, 25.0)
"""How far to go along the gradient, in multiples of the distance that it suggests: at first, and at last."""
_AWAY = (1.0, 5.0)
"""The same the other way."""
_WALK = 8
"""So many times the gradient is taken anew where one has led to."""
_RIVALS = 4
"""So many classes that are next to the one on top are considered."""
_ASIDE = 2.0**-30
"""So far, relative to the sizes of numbers, to either side of a point its gradient should be the same."""
_TRIES = 1000
"""Of the points where it is not, so many are tried in exact arithmetic."""
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

    def of(self, some: Ints) -> _Aim:
        """That of some points."""
        return _Aim(self.direction[some], self.distance[some], self.blur[some])


@np.errstate(all="ignore")  # what is not finite is never a proof
def search(decider: Decider, points: Points, radius: mpq | None) -> Found:
    """The answers at the points, and what proves that the boundary is near."""
    task = _Search(decider, points, radius)
    task.straight(1, _NEAR)
    task.walk()
    rest = (np.inf,) if radius is not None else ()
    task.straight(1, (*_FAR, *rest))
    task.straight(-1, (*_AWAY, *rest))
    task.touch()
    return task.found


class _Search:
    """Points with their answers, where to look for others, and what was found."""

    def __init__(self, decider: Decider, points: Points, radius: mpq | None) -> None:
        self.decider, self.points, self.radius = decider, points, radius
        self.limit, self.limit_up = (np.inf, np.inf) if radius is None else _around(radius)
        x = points.floats
        answers, values, outputs, errors = decider.answers(x, points.row if points.rounded else None)
        self.aim = _aim(decider, x, answers, values, outputs, errors)
        on = answers == (TIE if decider.asked.is_argmax else 0)
        bound, estimate = np.where(on, 0.0, np.inf), np.where(on, 0.0, self.aim.distance)
        self.found = Found(answers, bound, estimate, x.copy(), np.zeros(len(x), bool), {})

    def open(self) -> Bools:
        """The points that nothing is proved about yet."""
        return np.isinf(self.found.bound)

    def straight(self, sign: int, steps: tuple[float, ...]) -> None:
        """Look along the gradient, or the other way, at multiples of the distance that it suggests."""
        x, aim = self.points.floats, self.aim
        tried = np.zeros(len(x))
        for step in steps:
            far = np.minimum(step * aim.distance + aim.blur, self.limit * (1 - 2.0**-16))
            some = np.flatnonzero(self.open() & np.isfinite(far) & (far > tried))
            tried[some] = far[some]
            self.attempt(some, x[some] + sign * far[some, np.newaxis] * aim.direction[some])

    def walk(self) -> None:
        """Go on along the gradient, taken anew at each place, while that is within the limit."""
        some = np.flatnonzero(self.open() & (self.aim.distance < 4 * self.limit))
        x = self.points.floats[some]
        y, aim = x.copy(), self.aim.of(some)
        for _ in range(_WALK):
            y = y + ((1 + 2.0**-10) * aim.distance + aim.blur)[:, np.newaxis] * aim.direction
            kept = np.isfinite(y).all(1) & (lengths(y - x) < self.limit)
            some, x, y = some[kept], x[kept], y[kept]
            self.attempt(some, y)
            kept = self.open()[some]
            some, x, y = some[kept], x[kept], y[kept]
            if not len(some):
                return
            aim = _aim(self.decider, y, *self.decider.answers(y))

    def attempt(self, some: Ints, ends: Floats) -> None:
        """Note which of some points have an end with another answer, within the limit."""
        x = self.points.floats[some]
        distances = lengths(ends - x)
        if self.points.rounded:
            distances = (distances + 2.0**-52 * lengths(x)) * (1 + 2.0**-20)
        fine = np.isfinite(ends).all(1) & (distances <= self.limit) & np.isfinite(distances)
        some, ends, distances = some[fine], ends[fine], distances[fine]
        if not len(some):
            return
        proved = self.decider.answers(ends)[0] != self.found.answers[some]
        some = some[proved]
        self.found.ends[some], self.found.bound[some] = ends[proved], distances[proved]
        self.found.bracketed[some] = True

    def touch(self) -> None:
        """Where the answer does not change, the boundary may be touched: at the nearest point of the own cell."""
        decider = self.decider
        landing, kinked = self._landing(), self._kinked()
        some = np.concatenate([landing, kinked[~np.isin(kinked, landing)][:_TRIES]])
        for done, i in enumerate(some.tolist()):
            decider.tick(done, len(some))
            decider.exact += 1
            place = projection(decider.net, self.points.row(i), decider.asked)
            if place is None or not place.in_cell or (self.radius is not None and place.squared > self.radius**2):
                continue
            bound = min(_root_up(place.squared), self.limit_up)
            if bound < np.inf:
                self.found.touching[i], self.found.bound[i] = place, bound

    def _landing(self) -> Ints:
        """Points that the gradient leads to a place within the limit where, in floats, the boundary is."""
        x, aim = self.points.floats, self.aim
        some = np.flatnonzero(self.open() & (aim.distance <= self.limit * (1 + 2.0**-16) + aim.blur))
        near = x[some] + aim.distance[some, np.newaxis] * aim.direction[some]
        fine = np.isfinite(near).all(1)
        some, near = some[fine], near[fine]
        if not len(some):
            return some
        (_, after, _), errors = self._values(near)
        (_, before, _), _ = self._values(x[some])
        return some[abs(after) <= 2.0**-16 * abs(before) + 8 * errors]

    def _kinked(self) -> Ints:
        """Points, those that seem nearest first, where the gradient changes: it is that of one cell of several."""
        x, aim = self.points.floats, self.aim
        open_, distance = self.open(), aim.distance
        some = np.flatnonzero(open_ & ((distance <= 2 * self.limit) | ~np.isfinite(distance)))
        if not len(some):
            return some
        sizes = lengths(x[some]) + np.where(np.isfinite(distance[some]), distance[some], 0.0)
        aside = _ASIDE * np.maximum(sizes, 2.0**-400)[:, np.newaxis] * _unit(x.shape[1])
        kinked = np.zeros(len(some), bool)
        for place in (x[some] - aside, x[some] + aside):
            outputs, errors = self.decider.evaluator.values(place, False)
            answers, values, _ = self.decider.asked.guess(outputs, errors)
            there = _aim(self.decider, place, answers, values, outputs, errors)
            same = np.isclose(there.direction, aim.direction[some], rtol=0, atol=2.0**-20, equal_nan=True).all(1)
            kinked |= ~same
        some = some[kinked]
        return some[np.argsort(distance[some], kind="stable")]

    def _values(self, points: Floats) -> tuple[tuple[Ints, Floats, Bools], Floats]:
        outputs, errors = self.decider.evaluator.values(points, False)
        return self.decider.asked.guess(outputs, errors), errors


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


@np.errstate(over="ignore")
def _root_up(squared: mpq) -> float:
    """An upper bound of a positive number's square root; it is infinite only beyond the range of float64."""
    n, d = squared.numerator, squared.denominator
    shift = (n.bit_length() - d.bit_length()) // 2
    root = nearest(n << max(-2 * shift, 0), d << max(2 * shift, 0)) ** 0.5 * (1 + 2.0**-50)
    return float(np.nextafter(np.ldexp(root, shift), np.inf))


def _around(radius: mpq) -> tuple[float, float]:
    """The largest float64 that is not above a positive number, and the least that is not below."""
    found = nearest(radius.numerator, radius.denominator)
    if found == np.inf:
        return float(np.finfo(np.float64).max), found
    value = exact(found)
    low = found if value <= radius else float(np.nextafter(found, 0.0))
    return low, low if value == radius else float(np.nextafter(low, np.inf))


def _unit(inputs: int) -> Floats:
    """A direction in which breakpoints hardly lie; the same each time."""
    found: Floats = np.random.default_rng(0).normal(size=inputs)
    return found / max(float(lengths(found[np.newaxis])[0]), 2.0**-400)
