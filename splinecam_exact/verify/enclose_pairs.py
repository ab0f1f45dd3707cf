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
from splinecam_exact.verify.live import schedule
from splinecam_exact.verify.paired import Maxima, PairStep, Sum, Units, known, paired
from splinecam_exact.verify.pairs import Pair
from splinecam_exact.verify.rigor import TINY, UNIT, norms

_SHARE = 8
"""A value takes so many times as much memory as in float64: more of its parts are needed at a time."""


Steps = Iterator[tuple[PairStep, list[Pair], Pair]]
"""Each node, the values of its sources, and its own."""


class PairEnclosure:
    """Evaluates a network in pairs at points (n, inputs), some at a time; before each of these `tick` is called."""

    def __init__(self, net: Network, tick: Callable[[int, int], None] = lambda done, total: None) -> None:
        self._tick = tick
        self.steps = [paired(node) for node in net.nodes]
        for step in self.steps:
            source = self.steps[step.sources[0] - 1] if step.sources[0] else None
            if isinstance(step, Units) and isinstance(source, Sum):
                step.fixed = source.fixed
        self._order = [(number, kept) for number, _, kept in schedule(self.steps)]
        self._rows = at_once(net, _SHARE)

    def values(self, points: Floats, lows: Floats | None) -> Iterator[Pair]:
        """The outputs (some, outputs) of some points after another.

        With `lows`, the points are `points` + `lows`, and these are the float64 nearest to what `points` lack.
        """
        for steps in self._blocks(points, lows):
            yield _last(steps)

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

    def _blocks(self, points: Floats, lows: Floats | None) -> Iterator[Steps]:
        """For some points after another."""
        for start in range(0, len(points), self._rows):
            self._tick(start, len(points))
            some = slice(start, start + self._rows)
            high = torch.from_numpy(np.array(points[some]))
            low = torch.zeros_like(high) if lows is None else torch.from_numpy(np.array(lows[some]))
            error = torch.zeros_like(high) if lows is None else 2 * UNIT * low.abs() + TINY
            yield self._evaluated(Pair(high, low, error))

    def _evaluated(self, x: Pair) -> Steps:
        values, balls = {0: x}, {0: norms(x.error)}
        for number, kept in self._order:
            step = self.steps[number - 1]
            inputs = [values[s] for s in step.sources]
            values[number], balls[number] = known(*step(inputs, [balls[s] for s in step.sources]))
            yield step, inputs, values[number]
            values, balls = ({k: v for k, v in given.items() if k in kept} for given in (values, balls))


def _last(steps: Steps) -> Pair:
    ((_, _, outputs),) = deque(steps, maxlen=1)
    return outputs
