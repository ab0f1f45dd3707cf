"""Sums of two float64, about 32 digits, with a rigorous bound of what is lost (proofs/fast.md, section 3).

Sums and products of float64 are the float64 nearest to them and a rest, which is a float64 too, or below TINY (Knuth's
and Dekker's algorithms; Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed. 2018, chapter 4). They are made
of additions and multiplications that must not be fused: in torch each is an operation of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor

from splinecam_exact.verify.operators import Convolved, Dense, Diagonal, Operator
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT, gamma, norms


class Pair(NamedTuple):
    """Numbers, each within `error` of high + low; high is the float64 nearest to that. Out of range: not finite."""

    high: Tensor
    low: Tensor
    error: Tensor

    def plus(self, other: Tensor) -> Pair:
        """The sum with float64 numbers."""
        high, rest = two_sum(self.high, other)
        low = self.low + rest
        return Pair(*two_sum(high, low), (self.error + UNIT * low.abs()) * SAFE + TINY)

    def plus_pair(self, other: Pair) -> Pair:
        """The sum with others."""
        found = self.plus(other.high).plus(other.low)
        return found._replace(error=(found.error + other.error) * SAFE)

    def times(self, other: Tensor) -> Pair:
        """The product with float64 numbers."""
        high, rest = two_product(self.high, other)
        more = self.low * other
        low = rest + more
        error = self.error * other.abs() + 2 * UNIT * (rest.abs() + more.abs())
        return Pair(*two_sum(high, low), error * SAFE + TINY * (1 + other.abs()))

    def times_pair(self, other: Pair) -> Pair:
        """The product with others."""
        more = self.high * other.low
        found = self.times(other.high).plus(more)
        size = self.high.abs() + self.error
        error = found.error + self.error * other.low.abs() + 2 * size * other.error + 2 * UNIT * more.abs()
        return found._replace(error=error * SAFE + TINY)

    def negated(self) -> Pair:
        """The same with the other sign."""
        return Pair(-self.high, -self.low, self.error)

    def map(self, function: Callable[[Tensor], Tensor]) -> Pair:
        """What picks or copies some of the numbers, applied to each part."""
        return Pair(*map(function, self))


def pair_of(high: Tensor) -> Pair:
    """Numbers that are float64."""
    zero = torch.zeros_like(high)
    return Pair(high, zero, zero)


def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The float64 nearest to a + b, and the rest."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The float64 nearest to a * b, and the rest, where nothing underflows."""
    product = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def halves(a: Tensor) -> tuple[Tensor, Tensor]:
    """Two numbers of half as many bits with this sum (Veltkamp)."""
    scaled = a * (2.0**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high


def sliced(values: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers as sums of three: two with so many bits below the largest of the last axis, and the rest."""
    largest = values.abs().amax(-1, keepdim=True)
    power = torch.where(largest > 0, largest / torch.frexp(largest).mantissa, 1.0)  # of two: the quotient is exact
    parts = []
    for k in (1, 2):
        unit = power * 2.0 ** (-k * bits)
        parts.append(torch.round(values / unit) * unit)
        values = values - parts[-1]
    return parts[0], parts[1], values


def exact_product(operator: Operator, x: Tensor) -> Pair:
    """The product W x of a linear map and a vector, whatever the order of summation.

    With W = W1 + W2 + W3 and x = x1 + x2 + x3, where W1, W2, x1 and x2 have few bits, the sums in W1 x1, W1 x2 and
    W2 x1 are integers below 2^53 times a power of two, hence exact. The rest is about 2^-36 of these, and is computed
    with a bound of its rounding. Where the numbers' exponents are large, the error is infinite.
    """
    zero = torch.zeros(1, 1, dtype=x.dtype, device=x.device)
    if isinstance(operator, Diagonal):
        found = Pair(*two_product(operator.factors, x), torch.full_like(x, TINY))
    elif isinstance(operator, Dense | Convolved):
        matrix = operator.matrix
        bits = (52 - math.ceil(math.log2(matrix.shape[-1] + 1))) // 2
        w1, w2, w3 = sliced(matrix, bits)
        x1, x2, x3 = sliced(x, bits)
        part = copy(operator)

        def times(w: Tensor, v: Tensor) -> Tensor:
            part.matrix = w
            return part.add(zero, v.unsqueeze(0), None)[0]

        found = pair_of(times(w1, x1)).plus(times(w1, x2)).plus(times(w2, x1))
        rest, lost = torch.zeros_like(found.high), torch.zeros_like(w1[..., 0]).flatten()
        for w, v in ((w1, x3), (w2, x2 + x3), (w3, x)):
            rest = rest + times(w, v)
            lost = lost + norms(w.flatten(0, -2)) * float(norms(v.unsqueeze(0)))
        lost = lost.repeat_interleave(len(rest) // len(lost))
        found = found.plus(rest)
        found = found._replace(error=found.error + gamma(matrix.shape[-1] + 8) * lost * SAFE)
        size = float(x.abs().max()), float(matrix.abs().max())
        if not all(number == 0 or 2.0**-300 < number < 2.0**300 for number in size):
            found.error.fill_(torch.inf)
    else:
        found = pair_of(operator.add(zero, x.unsqueeze(0), None)[0])
    if not operator.exact:  # each coefficient is rounded
        found = found._replace(error=found.error + 2 * UNIT * operator.rows * float(norms(x.unsqueeze(0))))
    return found
