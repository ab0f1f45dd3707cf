"""A network's outputs at many points at once, in pairs of float64, with a rigorous bound for each (proofs/samples.md).

For points at which `enclose_many.py` leaves open on which side of something they are: here some 28 digits are right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from splinecam_exact.arrays import Floats
from splinecam_exact.network import Network
from splinecam_exact.verify.enclose_many import at_once
from splinecam_exact.verify.paired import Maxima, PairStep, Units, known, paired
from splinecam_exact.verify.pairs import Pair
from splinecam_exact.verify.rigor import TINY, UNIT

_SHARE = 8
"""A value takes so many times as much memory as in float64: more of its parts are needed at a time."""


class PairEnclosure:
    """Evaluates a network in pairs at points (n, inputs), some at a time; before each of these `tick` is called."""

    def __init__(self, net: Network, tick: Callable[[int, int], None] = lambda done, total: None) -> None:
        self._tick = tick
        self.steps = [paired(node) for node in net.nodes]
        self._last = {source: number for number, step in enumerate(self.steps, 1) for source in step.sources}
        self._rows = at_once(net, _SHARE)

    def values(self, points: Floats, lows: Floats | None) -> Iterator[Pair]:
        """The outputs (some, outputs) of some points after another.

        With `lows`, the points are `points` + `lows`, and these are the float64 nearest to what `points` lack.
        """
        for steps in self._blocks(points, lows):
            ((_, _, outputs),) = deque(steps, maxlen=1)
            yield outputs

    def pieces(self, points: Floats, lows: Floats | None) -> Iterator[tuple[Tensor, Tensor]]:
        """The pieces (some, units) that all units are on, and at which points all are surely inside their pieces."""
        for steps in self._blocks(points, lows):
            numbers: list[Tensor] = []
            sure: list[Tensor] = []
            for step, inputs, outputs in steps:
                count = len(outputs.high)
                if isinstance(step, Units | Maxima):
                    here, certain = step.pieces(inputs)
                    numbers.append(here)
                    sure.append(certain)
            none = torch.zeros(count, 0, dtype=torch.int64)
            yield torch.cat([none, *numbers], dim=1), torch.stack([torch.ones(count) > 0, *sure]).all(0)

    def _blocks(self, points: Floats, lows: Floats | None) -> Iterator[Iterator[tuple[PairStep, list[Pair], Pair]]]:
        """For some points after another: each node, the values of its sources, and its own."""
        for start in range(0, len(points), self._rows):
            self._tick(start, len(points))
            some = slice(start, start + self._rows)
            high = torch.from_numpy(np.array(points[some]))
            low = torch.zeros_like(high) if lows is None else torch.from_numpy(np.array(lows[some]))
            error = torch.zeros_like(high) if lows is None else 2 * UNIT * low.abs() + TINY
            yield self._evaluated(Pair(high, low, error))

    def _evaluated(self, x: Pair) -> Iterator[tuple[PairStep, list[Pair], Pair]]:
        values = {0: x}
        for number, step in enumerate(self.steps, 1):
            inputs = [values[s] for s in step.sources]
            values[number] = known(step(inputs))
            yield step, inputs, values[number]
            values = {k: v for k, v in values.items() if k == number or self._last.get(k, 0) > number}
