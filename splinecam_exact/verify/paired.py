"""The nodes of a network on pairs of float64, at many points at once, with a bound for each value (proofs/samples.md).

Values are pairs of shape (points, n), each with the bound of its error; and for each point a *ball*: a bound of the
2-norm of the errors of all n, which passes through layers with their spectral norms. Bounds hold for any order of
summation, with or without fused multiply-add in matrix products. What overflows, or is no number, makes bounds infinite
or NaN: `known` says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from functools import cached_property, reduce
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from gmpy2 import mpq
from torch import Tensor

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.rounding import nearest
from splinecam_exact.verify.operators import Convolved, Dense, Selected, parts
from splinecam_exact.verify.pairs import Pair, pair_of, sliced, two_sum
from splinecam_exact.verify.rigor import LARGE, SAFE, TINY, UNIT, gamma, norms
from splinecam_exact.verify.steps import Largest, rows
from splinecam_exact.weights import Convolution, Selection, Weight

CPU = torch.device("cpu")


class PairStep(Protocol):
    """A node."""

    sources: tuple[int, ...]

    def __call__(self, inputs: list[Pair], balls: list[Tensor]) -> tuple[Pair, Tensor]:
        """The node's values from those of its sources, and their balls."""


def paired(node: Node) -> PairStep:
    """A node of a network."""
    if isinstance(node, Affine):
        return Sum(node)
    return Units(node) if isinstance(node, Piecewise) else Maxima(node)


def pairs(array: ExactArray) -> Pair:
    """An exact array as pairs of the same shape."""
    high, *rest = parts(array, CPU)
    if not rest:
        return pair_of(high)
    return Pair(high, rest[0], 2 * UNIT * rest[0].abs() + TINY)


def numbers(values: Sequence[mpq]) -> Pair:
    """Exact numbers as pairs."""
    high = [nearest(q.numerator, q.denominator) for q in values]
    rests = [q - exact(h) if math.isfinite(h) else mpq(0) for q, h in zip(values, high, strict=True)]
    low = torch.tensor([nearest(q.numerator, q.denominator) for q in rests], dtype=torch.float64)
    lost = torch.tensor([TINY if q else 0.0 for q in rests], dtype=torch.float64)
    return Pair(torch.tensor(high, dtype=torch.float64), low, 2 * UNIT * low.abs() + lost)


def known(values: Pair, balls: Tensor) -> tuple[Pair, Tensor]:
    """The same, with infinite bounds where numbers are too large, or none."""
    high, low, error = values
    error = torch.minimum(error, balls.unsqueeze(1))
    fine = (high.abs() < LARGE) & (low.abs() < LARGE) & (error < LARGE)  # not where one is NaN
    balls = torch.where(fine.all(1) & (balls < LARGE), balls, torch.inf)
    return Pair(high, low, torch.where(fine, error, torch.inf)), balls


def exactly(values: Pair) -> Pair:
    """The same without errors: what is computed from it says what rounding loses."""
    return values._replace(error=torch.zeros_like(values.error))


class Sum:
    """An affine node."""

    def __init__(self, node: Affine) -> None:
        self.sources = node.sources
        self.weights = [_weight(weight) for weight in node.weights]
        self.bias = pairs(node.bias)
        self.fixed = torch.from_numpy(reduce(np.logical_and, map(_zero_rows, node.weights)))
        """Which values are the same at all points: their rows are 0."""

    def __call__(self, inputs: list[Pair], balls: list[Tensor]) -> tuple[Pair, Tensor]:
        y = self.bias
        passed, ball = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        for x, size, weight in zip(inputs, balls, self.weights, strict=True):
            y = weight(exactly(x)).plus_pair(y)
            passed, ball = passed + weight.passed(x.error, size), ball + weight.norm * size
        return y._replace(error=(y.error + passed) * SAFE), (ball + norms(y.error)) * SAFE


def _zero_rows(weight: Weight) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows of a matrix are 0; of others, none are said to be."""
    if isinstance(weight, ExactArray) and len(weight.shape) == 2 and weight.floats is not None:
        return np.asarray(~weight.floats.any(axis=1))
    return np.zeros(1, bool)


class Map(Protocol):
    """A linear map of pairs; `norm` is a bound of its spectral norm."""

    @property
    def norm(self) -> float:
        """At least 0."""

    def __call__(self, x: Pair) -> Pair:
        """The products with some vectors."""

    def passed(self, errors: Tensor, balls: Tensor) -> Tensor:
        """What is made of the errors of vectors."""


def _weight(weight: Weight) -> Map:
    if isinstance(weight, Selection):
        return Chosen(weight)
    array = weight.kernel if isinstance(weight, Convolution) else weight
    values = pairs(array)
    if isinstance(weight, Convolution):
        return Product(Convolved(weight, values.high, True, True), values.low, values.error)
    return Product(Dense(values.high), values.low, values.error) if len(array.shape) == 2 else Factors(values)


class Factors:
    """A factor for each value."""

    def __init__(self, factors: Pair) -> None:
        self.factors = factors
        self.sizes = (factors.high.abs() + factors.low.abs() + factors.error) * SAFE + TINY
        self.norm = float(self.sizes.max())

    def __call__(self, x: Pair) -> Pair:
        return x.times_pair(self.factors)

    def passed(self, errors: Tensor, balls: Tensor) -> Tensor:
        """Each error times its factor."""
        return errors * self.sizes


class Chosen:
    """A `Selection`."""

    def __init__(self, selection: Selection) -> None:
        self.operator = Selected(selection, CPU)
        self.nothing = torch.zeros(1, 1, dtype=torch.float64)
        self.norm = self.operator.norm

    def __call__(self, x: Pair) -> Pair:
        return x.map(lambda part: self.operator.add(self.nothing, part, None))

    def passed(self, errors: Tensor, balls: Tensor) -> Tensor:
        """Copied."""
        return self.operator.add(self.nothing, errors, None)


class Product:
    """A matrix or a convolution, as a sum of three: of the first two, products with slices of x are exact.

    `low` is what the weights lack of the true ones, up to `error`.
    """

    def __init__(self, operator: Dense | Convolved, low: Tensor, error: Tensor) -> None:
        matrix = operator.matrix
        terms = matrix.shape[-1]
        self.bits = (52 - math.ceil(math.log2(terms + 1))) // 2
        w1, w2, w3 = sliced(matrix, self.bits)
        self.parts = []
        for part in (w1, w2, w3 + low.reshape(matrix.shape)):
            self.parts.append(copy(operator))
            self.parts[-1].matrix = part
        n0, n1, n2, n3, more, lost = (
            norms(part.reshape(-1, terms)) for part in (matrix, w1, w2, self.parts[2].matrix, low, error)
        )
        slack, repeats = gamma(3 * terms + 8), len(operator.rows) // len(n0)
        factors = [slack * (n1 + n2), slack * n2, slack * n3 + 2 * lost]
        self.factors = torch.stack(factors).repeat_interleave(repeats, dim=1) * SAFE
        self.rows = (n0 + more + lost).repeat_interleave(repeats) * SAFE
        self.operator, self.rest = operator, more + lost
        self.nothing = torch.zeros(1, 1, dtype=torch.float64)

    def __call__(self, x: Pair) -> Pair:
        x1, x2, x3 = sliced(x.high, self.bits)
        x3 = x3 + x.low
        x23 = x2 + x3
        w1, w2, w3 = self.parts
        first = w1.add(self.nothing, x1, None)
        second = w2.add(w1.add(self.nothing, x2, None), x1, None)
        third = w3.add(w2.add(w1.add(self.nothing, x3, None), x23, None), x.high, None)
        high, rest = two_sum(first, second)
        low = rest + third
        sizes = torch.stack([norms(x3), norms(x23), norms(x.high)], dim=1)
        error = sizes @ self.factors + 2 * UNIT * low.abs()
        return Pair(*two_sum(high, low), error * SAFE + TINY)

    @cached_property
    def norm(self) -> float:
        """Of the matrix, and what it lacks: the window of a convolution is part of up to `overlap` others."""
        overlap = self.operator.shape.overlap if isinstance(self.operator, Convolved) else 1
        lacking = float(norms(self.rest.unsqueeze(0))) * overlap**0.5
        found: float = (self.operator.norm + lacking) * SAFE
        return found

    def passed(self, errors: Tensor, balls: Tensor) -> Tensor:
        """By the Cauchy-Schwarz inequality."""
        return balls.unsqueeze(1) * self.rows


class Units:
    """Units: the anchor, the first slope times x - b_1, and each jump of slopes times max(x - b, 0)."""

    def __init__(self, node: Piecewise) -> None:
        self.sources: tuple[int, ...] = (node.source,)
        slopes = rows(node.slopes)
        jumps = [[after - before for before, after in pairwise(row)] for row in slopes]
        self.breakpoints = [_unless(column.negated(), 0) for column in _columns(rows(node.breakpoints))]
        self.first = _unless(numbers([row[0] for row in slopes]), 0)
        self.jumps = [_unless(column, 1) for column in _columns(jumps)]
        self.anchor = _unless(numbers([value for (value,) in rows(node.anchor)]), 0)
        steepest = max(abs(slope) for row in slopes for slope in row)
        self.steepest = nearest(steepest.numerator, steepest.denominator) * SAFE + TINY
        self.relu = all(part is None for part in (*self.breakpoints, self.first, *self.jumps, self.anchor))
        self.fixed = torch.zeros(1, dtype=torch.bool)
        """Which units have the same input at all points: these are on one piece, wherever that ends."""

    def _heights(self, x: Pair) -> list[Pair]:
        return [x if b is None else x.plus_pair(b) for b in self.breakpoints]

    def pieces(self, inputs: list[Pair]) -> tuple[Tensor, Tensor]:
        """The number of each unit's piece (points, n), and at which points all are sure, and inside their pieces."""
        heights = self._heights(inputs[0])
        piece = torch.stack([h.high > 0 for h in heights]).sum(0)
        sure = torch.stack([above_zero(h.high.abs(), h.error) for h in heights])
        return piece, (sure.all(0) | self.fixed).all(1)

    def __call__(self, inputs: list[Pair], balls: list[Tensor]) -> tuple[Pair, Tensor]:
        (x,), (ball,) = inputs, balls
        if self.relu:
            return positive(x), ball
        return self._bent(x), (self.steepest * ball + norms(self._bent(exactly(x)).error)) * SAFE

    def _bent(self, x: Pair) -> Pair:
        above = self._heights(x)
        terms = [] if self.first is None else [above[0].times_pair(self.first)]
        for height, jump in zip(above, self.jumps, strict=True):
            bent = positive(height)
            terms.append(bent if jump is None else bent.times_pair(jump))
        if self.anchor is not None:
            terms.append(self.anchor)
        total, *others = terms
        for term in others:
            total = total.plus_pair(term)
        return total


def positive(x: Pair) -> Pair:
    """The larger of x and 0. NaN stays NaN."""
    return Pair(x.high.clamp(min=0), torch.where(x.high > 0, x.low, 0.0), x.error)


def _columns(rows: Sequence[Sequence[mpq]]) -> list[Pair]:
    return [numbers(column) for column in zip(*rows, strict=True)]


def _unless(array: Pair, number: int) -> Pair | None:
    """None for an array that is this number everywhere, exactly."""
    plain = bool((array.high == number).all()) and not bool(array.low.any()) and not bool(array.error.any())
    return None if plain else array


class Maxima:
    """Maxima of groups: the pair whose high is the largest, and of these the one whose low is."""

    def __init__(self, node: Max) -> None:
        self.sources: tuple[int, ...] = (node.source,)
        step = Largest(node.source, node.groups, CPU)
        self.members, self.repeats = step.members, step.repeats

    def __call__(self, inputs: list[Pair], balls: list[Tensor]) -> tuple[Pair, Tensor]:
        (x,), (ball,) = inputs, balls
        return largest(x.map(lambda part: part[:, self.members])), ball * self.repeats * SAFE

    def pieces(self, inputs: list[Pair]) -> tuple[Tensor, Tensor]:
        """The value that is each group's largest (points, groups), and at which points all are sure, and single."""
        top, ahead = leading(inputs[0].map(lambda part: part[:, self.members]))
        chosen = self.members.expand(len(top), -1, -1).gather(2, top)
        sure = above_zero(ahead.high, ahead.error) | (self.members == chosen)
        return chosen[..., 0], sure.flatten(1).all(1)


def largest(x: Pair) -> Pair:
    """The largest along the last axis; the error is the largest as well."""
    high = x.high.amax(-1)
    low = torch.where(x.high == high.unsqueeze(-1), x.low, -torch.inf).amax(-1)
    return Pair(high, low, x.error.amax(-1))


def leading(x: Pair) -> tuple[Tensor, Pair]:
    """The place of what seems to be the largest along the last axis, and how far it is ahead of each."""
    best = largest(x)
    here = (x.high == best.high.unsqueeze(-1)) & (x.low == best.low.unsqueeze(-1))
    top = here.long().argmax(-1, keepdim=True)
    return top, x.map(lambda part: part.gather(-1, top)).plus_pair(x.negated())


def above_zero(high: Tensor, error: Tensor) -> Tensor:
    """Which pairs are surely above 0: what is added to the high part is at most one unit roundoff of it."""
    return (high > error * SAFE) & torch.isfinite(high)
