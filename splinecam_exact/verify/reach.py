"""Whether the values of a network stay far from the ends of float64's range, as far as its weights tell.

A product beyond that range is infinite or 0, and float64 loses cells without a trace. Of each node two numbers are
known, as logarithms: its values are at most `high`; and `low` is their scale, where all but the smallest terms are
0: the smallest product of weights on any way there, or, where a bias is added, that. Tiny weights do no harm where a
bias is beside them. Nothing is proved by this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.arrays import ExactArray
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Piecewise
from splinecam_exact.weights import Convolution, Selection, Weight

Floats = np.ndarray[Any, np.dtype[np.float64]]

HIGHEST, LOWEST = 1000.0, -960.0
"""Logarithms of the largest values and the smallest scale that float64 is trusted with: the rest is for roundings."""
BEYOND = 2000.0
"""In place of infinity, from which nothing can be taken away."""


class Scale(NamedTuple):
    """Logarithms, to the base 2: of the largest values, of the smallest scale that is not 0 (infinite: all are 0)."""

    high: float
    low: float


def within_reach(net: Network, dom: Polygon | Slice) -> bool:
    """Whether all units' inputs, on a domain, stay within `LOWEST` and `HIGHEST`. Cost: a few looks at each weight."""
    known = [_inputs(dom)]
    for node in net.nodes:
        if isinstance(node, Affine):
            known.append(_affine(node, known))
        elif isinstance(node, Piecewise):
            cut, scale = _piecewise(node, known[node.source])
            if cut.high > HIGHEST or cut.low < LOWEST:
                return False
            known.append(scale)
        else:
            known.append(known[node.source])
    return True


def _inputs(dom: Polygon | Slice) -> Scale:
    corners = _rows(ExactArray.of([list(column) for column in zip(*dom.corners, strict=True)]))
    if not isinstance(dom, Slice):
        return Scale(float(corners[0].max()), float(corners[1].min()))
    ways = [_rows(ExactArray.of([[q] for q in vector])) for vector in dom.basis]
    highs = [high + corners[0][k] for k, (high, _) in enumerate(ways)]
    lows = [low + corners[0][k] for k, (_, low) in enumerate(ways)]
    return _sum(highs, lows, ExactArray.of(list(dom.origin)))


def _affine(node: Affine, known: list[Scale]) -> Scale:
    highs, lows = [], []
    for weight, source in zip(node.weights, node.sources, strict=True):
        high, low = _weight(weight)
        size = node.bias.shape[0] // len(high)
        highs.append(np.repeat(high + known[source].high, size))
        lows.append(np.repeat(low + known[source].low, size))
    return _sum(highs, lows, node.bias)


def _sum(highs: list[Floats], lows: list[Floats], bias: ExactArray) -> Scale:
    constant = _logarithms(bias)
    high = np.logaddexp2.reduce([*highs, constant])
    low = np.where(constant > -np.inf, constant, np.minimum.reduce(lows))
    return Scale(float(high.max()), float(low.min()))


def _piecewise(node: Piecewise, source: Scale) -> tuple[Scale, Scale]:
    """Of the distances from the breakpoints, and of the values."""
    places, slopes, anchor = (_logarithms(a) for a in (node.breakpoints, node.slopes, node.anchor))
    moved = np.where(places > -np.inf, places, source.low)
    cut = Scale(float(np.logaddexp2(source.high, places.max())), float(moved.min()))
    steep = slopes[slopes > -np.inf].min(initial=0.0)
    low = min(cut.low + steep, float(anchor[anchor > -np.inf].min(initial=np.inf)))
    return cut, Scale(float(np.logaddexp2(cut.high + slopes.max(), anchor.max())), float(low))


def _weight(weight: Weight) -> tuple[Floats, Floats]:
    if isinstance(weight, Selection):
        return np.zeros(1), np.zeros(1)
    array = weight.kernel if isinstance(weight, Convolution) else weight
    return _rows(array)


@np.errstate(divide="ignore", over="ignore")
def _rows(array: ExactArray) -> tuple[Floats, Floats]:
    """Logarithms of the sum of the absolute values of each row, and of its least one that is not 0."""
    rows = (array.shape[0], -1)
    if array.floats is None:
        found = _logarithms(array).reshape(rows)
        return np.logaddexp2.reduce(found, axis=1), np.where(found > -np.inf, found, np.inf).min(axis=1)
    size = abs(array.floats).reshape(rows)
    return np.log2(size.sum(axis=1)).clip(max=BEYOND), np.log2(np.where(size > 0, size, np.inf).min(axis=1))


@np.errstate(divide="ignore")
def _logarithms(array: ExactArray) -> Floats:
    """Of the absolute values, -inf of 0; of what is no float64 to within 1."""
    if array.floats is not None:
        return np.asarray(np.log2(abs(array.floats)))
    den, numerators = array.numerators()
    most = mpz(den).bit_length()
    flat = [float(n.bit_length() - most) if n else -np.inf for n in numerators]
    return np.array(flat).reshape(array.shape)
