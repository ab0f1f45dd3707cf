"""What float64 values at vertices surely say of places between them: whether outputs are below those that tie there.

A place where outputs are equal is a sum of vertices, with weights that are polynomials in the outputs' differences. So
a sum of another difference with these weights has the sign that this one has there, times that of their total.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np

from splinecam_exact.boundary_agreeing import Bools
from splinecam_exact.boundary_tops import ROUNDING, Outputs
from splinecam_exact.boundary_trace import Floats
from splinecam_exact.half_edges import Ints

LEAST = 2.0**-1000
"""More than what underflow loses."""


@dataclass(frozen=True)
class _Bounded:
    """Numbers that are known up to errors: arithmetic keeps the bounds true."""

    value: Floats
    error: Floats

    def __add__(self, other: _Bounded) -> _Bounded:
        value = self.value + other.value
        return _Bounded(value, (self.error + other.error + ROUNDING * abs(value)) * (1 + ROUNDING))

    def __sub__(self, other: _Bounded) -> _Bounded:
        return self + _Bounded(-other.value, other.error)

    def __mul__(self, other: _Bounded) -> _Bounded:
        value = self.value * other.value
        error = abs(self.value) * other.error + (abs(other.value) + other.error) * self.error
        return _Bounded(value, (error + ROUNDING * abs(value) + LEAST) * (1 + ROUNDING))

    def column(self, which: Ints) -> _Bounded:
        """Of each row one entry, shape (rows, 1)."""
        at = np.arange(len(which)), which
        return _Bounded(self.value[at][:, np.newaxis], self.error[at][:, np.newaxis])

    @property
    def negative(self) -> Bools:
        """What is surely below 0."""
        return np.asarray(self.value < -self.error)

    @property
    def positive(self) -> Bools:
        """What is surely above 0."""
        return np.asarray(self.value > self.error)


def _at(outputs: Outputs, vertices: Ints) -> _Bounded:
    return _Bounded(outputs.values[vertices], outputs.errors[vertices])


def _but(below: Bools, *equal: Ints) -> Bools:
    """Whether all entries of a row are below but those that are said to be equal."""
    for which in equal:
        below[np.arange(len(which)), which] = True
    return np.asarray(below.all(axis=1))


def changing_surely(outputs: Outputs, u: Ints, w: Ints, i: Ints, j: Ints) -> Bools:
    """Whether output i is surely above j at vertex u, and below it at w."""
    start, end = _at(outputs, u), _at(outputs, w)
    with np.errstate(invalid="ignore", over="ignore"):
        a, b = start.column(i) - start.column(j), end.column(j) - end.column(i)
    return np.asarray((a.positive & b.positive)[:, 0])


def alone_between(outputs: Outputs, u: Ints, w: Ints, i: Ints, j: Ints) -> Bools:
    """Whether, where output i, above j at vertex u, gives way to j on the way to w, all others are surely less.

    With a = f_i - f_j at u and b = f_j - f_i at w, both > 0, the place is b u + a w over a + b.
    """
    start, end = _at(outputs, u), _at(outputs, w)
    with np.errstate(invalid="ignore", over="ignore"):
        a, b = start.column(i) - start.column(j), end.column(j) - end.column(i)
        others = b * (start - start.column(i)) + a * (end - end.column(i))
    return _but(others.negative, i, j)


class Meetings(NamedTuple):
    """Places where three outputs are equal: whether all others are surely less there, how much of each of three corners
    they are (their `shares` add up to 1), and how far the errors may move them, times the face's diameter."""

    alone: Bools
    shares: Floats
    loss: Floats


def meetings(outputs: Outputs, corners: Ints, i: Ints, j: Ints, k: Ints) -> Meetings:
    """The places in faces where outputs i, j and k are equal, from three corners of each, shape (n, 3).

    With g = f_i - f_j and h = f_i - f_k, the weights are the cross product of g's and h's values at the corners. Where
    these are on one line, or g and h are zero on parallel lines, their total is zero, and nothing is sure.
    """
    f = [_at(outputs, vertices) for vertices in corners.T]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        g, h = ([p.column(i) - p.column(other) for p in f] for other in (j, k))
        weights = [g[p] * h[q] - g[q] * h[p] for p, q in ((1, 2), (2, 0), (0, 1))]
        total = reduce(add, weights)
        others = reduce(add, (weight * (p - p.column(i)) for weight, p in zip(weights, f, strict=True)))
        below = np.where(total.positive, others.negative, total.negative & others.positive)
        shares = np.concatenate([weight.value / total.value for weight in weights], axis=1)
        loss = reduce(add, (weight.error for weight in weights)) / abs(total.value)
    known = (total.positive | total.negative)[:, 0] & np.isfinite(shares).all(axis=1) & np.isfinite(loss[:, 0])
    return Meetings(_but(below, i, j, k) & known, shares, loss[:, 0])
