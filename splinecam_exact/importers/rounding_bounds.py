"""How far a floating-point evaluation of a network may be from the exact one, whatever order it adds up in."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, Floats
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.weights import Convolution, Selection, Weight

_SLACK = 8
"""For what a reference computes in a few more operations than the node here, and for the rounding of the bound."""
_STEPS = 8
"""Roundings that each node may have beside those of its sum."""

_MOST_READ = 1 << 22
"""So many values that windows of a convolution read are held at once."""


def rounding_bounds(net: Network, points: Floats, unit: float, magnitudes: Mapping[int, Floats]) -> Floats:
    """(n, outputs): bounds of the rounding errors of evaluating the network at points (n, inputs).

    `unit` is the unit roundoff, 2**-53 for float64. A value's error is at most about N * unit times the sum of the
    absolute values of all terms that make it up, N being the roundings on its way. `magnitudes` adds to those sums, by
    node number, what the reference computes in other terms than the node, which may cancel. Infinite where the
    sums leave the range of floats of that size; their underflow is allowed for.
    """
    tiny, huge = (2.0**-1022, 2.0**1023) if unit < 2.0**-30 else (2.0**-126, 2.0**127)
    sums: dict[int, Floats] = {0: np.abs(points)}
    steps = {0: 0}
    last = {source: number for number, node in enumerate(net.nodes, 1) for source in _sources(node)}
    with np.errstate(all="ignore"):  # overflow is seen at the end
        for number, node in enumerate(net.nodes, 1):
            sources = _sources(node)
            count = max(steps[s] for s in sources) + _STEPS
            if isinstance(node, Affine):
                found = np.tile(_absolute(node.bias), (len(points), 1))
                for source, weight in zip(sources, node.weights, strict=True):
                    found += _applied(weight, sums[source])
                    count += terms(weight)
            elif isinstance(node, Piecewise):
                slopes = _absolute(node.slopes).max(axis=1)
                breakpoints = _absolute(node.breakpoints).max(axis=1)
                found = slopes * (sums[node.source] + breakpoints) + _absolute(node.anchor)
            else:
                starts = np.cumsum([0, *map(len, node.groups[:-1])])
                members = np.array([j for group in node.groups for j in group])
                found = np.maximum.reduceat(sums[node.source][:, members], starts, axis=1)
            sums[number] = found + magnitudes.get(number, 0.0) + count * tiny
            steps[number] = count
            sums = {k: v for k, v in sums.items() if k == number or last.get(k, 0) > number}
        final = len(net.nodes)
        bounds: Floats = _SLACK * steps[final] * unit * sums[final]
        bounds[~(sums[final] < huge)] = math.inf
    return bounds


def terms(weight: Weight) -> int:
    """How many terms one output of a weight has."""
    if isinstance(weight, Convolution):
        return weight.kernel.shape[1]
    return weight.shape[1] if isinstance(weight, ExactArray) and len(weight.shape) == 2 else 1


def _sources(node: Affine | Piecewise | Max) -> tuple[int, ...]:
    return node.sources if isinstance(node, Affine) else (node.source,)


def _applied(weight: Weight, sums: Floats) -> Floats:
    """The sums of absolute terms that a weight makes of those of its inputs."""
    if isinstance(weight, Selection):
        return np.where(weight.indices < 0, 0.0, sums[:, weight.indices])
    if isinstance(weight, Convolution):
        return np.stack([_convolved(weight, row) for row in sums])
    matrix = _absolute(weight)
    found: Floats = sums @ matrix.T if matrix.ndim == 2 else sums * matrix
    return found


def _convolved(weight: Convolution, row: Floats) -> Floats:
    taps, channels = weight.taps.T, weight.image[0] // weight.groups
    images = row.reshape(weight.groups, channels, -1)
    kernel = _absolute(weight.kernel).reshape(weight.groups, weight.channels // weight.groups, -1)
    found = np.empty((weight.groups, kernel.shape[1], taps.shape[1]))
    width = max(1, _MOST_READ // kernel.shape[2])
    for start in range(0, taps.shape[1], width):
        some = slice(start, start + width)
        for block, image, matrix in zip(found, images, kernel, strict=True):
            block[:, some] = matrix @ np.where(taps[:, some] < 0, 0.0, image[:, taps[:, some]]).reshape(
                matrix.shape[1], -1
            )
    return found.reshape(-1)


def _absolute(array: ExactArray) -> Floats:
    if array.floats is not None:
        positive: Floats = np.abs(array.floats)
        return positive
    den, flat = array.numerators()
    return np.array([abs(float(mpq(n, den))) for n in flat]).reshape(array.shape)
