"""Outputs that are equal everywhere because the network computes them alike, read off its weights."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from splinecam_exact.arrays import ExactArray
from splinecam_exact.boundary_masks import Masks
from splinecam_exact.half_edges import Ints
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine


class Groups(NamedTuple):
    """Groups of outputs: the lowest output of each, and all of each, as a set."""

    first: Ints
    outputs: Masks

    def expanded(self, masks: Masks) -> Masks:
        """The outputs in some sets of groups."""
        if (self.outputs == np.int64(1) << np.arange(len(self.outputs))).all():
            return masks
        found = np.zeros_like(masks)
        for k, outputs in enumerate(self.outputs.tolist()):
            found |= np.where((masks >> k) & 1 == 1, np.int64(outputs), np.int64(0))
        return found


def identical(net: Network) -> Groups:
    """The outputs of a network in groups: in one, where the last node gives them the same row and bias.

    >>> net = Network.from_layers([([[1, 2], [0, 1], [1, 2]], [0, 0, 0], "identity")])
    >>> identical(net).first.tolist(), identical(net).outputs.tolist()
    ([0, 1], [5, 2])
    """
    groups: dict[Hashable, int] = {}
    first = []
    for k, row in enumerate(_rows(net)):
        if row not in groups:
            first.append(k)
        groups[row] = groups.get(row, 0) | 1 << k
    return Groups(np.array(first), np.array(list(groups.values()), np.int64))


def _rows(net: Network) -> Sequence[Hashable]:
    """For each output what it is computed from: equal only where the outputs are."""
    node = net.nodes[-1]
    if not isinstance(node, Affine):
        return range(net.output_size)
    weights = [weight.floats for weight in node.weights if isinstance(weight, ExactArray) and len(weight.shape) == 2]
    matrices = [floats for floats in weights if floats is not None]
    if len(matrices) < len(node.weights) or node.bias.floats is None:
        ends = accumulate(net.sizes, initial=0)
        return node.lower([range(start, stop) for start, stop in pairwise(ends)]).rows
    whole = np.column_stack([*matrices, node.bias.floats])
    return [row.tobytes() for row in whole]
