"""A network on a domain, in pairs of float64 at float64 points of the plane (proofs/samples.md)."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from splinecam_exact.arrays import ExactArray, Floats
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.verify.enclose_pairs import PairEnclosure
from splinecam_exact.verify.paired import paired
from splinecam_exact.verify.pairs import Pair, pair_of


class SlicePairs:
    """Evaluates a network whose inputs are points of the domain's plane."""

    def __init__(self, net: Network, dom: Polygon | Slice) -> None:
        self._enclosure = PairEnclosure(net)
        self._slice = None
        if isinstance(dom, Slice):
            columns = ExactArray.of(list(zip(*dom.basis, strict=True)))
            self._slice = paired(Affine((0,), (columns,), ExactArray.of(dom.origin)))

    def values(self, points: Floats) -> Iterator[tuple[slice, Pair]]:
        """The outputs (some, outputs) at some of the points (n, 2) after another."""
        for start in range(0, len(points), self._enclosure.rows):
            some = slice(start, start + self._enclosure.rows)
            x = pair_of(torch.from_numpy(points[some]))
            yield some, self._enclosure.outputs(x if self._slice is None else self._slice([x], [x.error[:, 0]])[0])
