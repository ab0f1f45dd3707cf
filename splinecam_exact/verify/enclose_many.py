"""A network's outputs at many points at once, in float64, with a rigorous error bound for each (proofs/samples.md)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from splinecam_exact.arrays import Floats
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.verify.live import schedule
from splinecam_exact.verify.rigor import LARGE, TINY, UNIT, norms
from splinecam_exact.verify.steps import Field, compiled
from splinecam_exact.weights import Convolution, Ints

_AT_ONCE = 1 << 19
"""About so many values of a node are computed at a time."""


def at_once(net: Network, share: int = 1) -> int:
    """At how many points to evaluate a network at a time, where each value takes `share` times the memory."""
    widest = max(net.sizes)
    for node in net.nodes:
        if isinstance(node, Affine):
            for weight in node.weights:
                if isinstance(weight, Convolution):
                    widest = max(widest, weight.groups * weight.kernel.shape[1] * math.prod(weight.output))
    return max(1, _AT_ONCE // (share * widest))


class Rows(Field):
    """A field whose `error` and `size` have an entry for each point; slopes are not bounded."""

    def __init__(self, value: Tensor, error: Tensor) -> None:
        self.blocks = [value]
        self.size = norms(value)
        known = (self.size < LARGE) & (error < LARGE)  # not where either is NaN
        self.error = torch.where(known, error, torch.inf)
        self.lipschitz = 0.0


class Enclosure:
    """Evaluates a network in float64 at points (n, inputs), some at a time; before each of these `tick` is called."""

    def __init__(self, net: Network, tick: Callable[[int, int], None] = lambda done, total: None) -> None:
        self._tick = tick
        self.steps = compiled(net, None, torch.device("cpu"))
        self._order = schedule(self.steps)
        self._rows = at_once(net)

    def values(self, points: Floats, rounded: bool) -> tuple[Floats, Floats]:
        """The outputs (n, outputs), and for each point a bound of their error's 2-norm; infinite where unknown.

        With `rounded`, the points are the float64 nearest to the true ones.
        """
        found: list[Floats] = []
        errors: list[Floats] = []
        for low in range(0, len(points), self._rows):
            self._tick(low, len(points))
            x = torch.from_numpy(np.array(points[low : low + self._rows]))
            start = 2 * UNIT * norms(x) + TINY if rounded else torch.zeros(len(x), dtype=torch.float64)
            fields: dict[int, Field] = {0: Rows(x, start)}
            for number, _, kept in self._order:
                step = self.steps[number - 1]
                inputs: list[Field] = [fields[s] for s in step.sources]
                error, _ = step.bounds(inputs)
                fields[number] = Rows(step([f.value for f in inputs]), error + torch.zeros_like(start))
                fields = {k: f for k, f in fields.items() if k in kept}
            last = fields[len(self.steps)]
            found.append(last.value.numpy())
            errors.append(np.asarray(last.error))
        return np.concatenate(found), np.concatenate(errors)

    def slopes(self, points: Floats, positive: Ints, negative: Ints | None) -> Floats:
        """Gradients (n, inputs) of one output for each point, or of the difference of two; nothing is proved."""
        found: list[Floats] = []
        for low in range(0, len(points), self._rows):
            self._tick(low, len(points))
            some = slice(low, low + self._rows)
            x = torch.from_numpy(np.array(points[some])).requires_grad_()
            values = {0: x}
            for number, _, _ in self._order:
                step = self.steps[number - 1]
                values[number] = step([values[s] for s in step.sources])
            outputs = values[len(self.steps)]
            chosen = outputs.gather(1, torch.from_numpy(positive[some]).unsqueeze(1)).sum()
            if negative is not None:
                chosen = chosen - outputs.gather(1, torch.from_numpy(negative[some]).unsqueeze(1)).sum()
            (slope,) = torch.autograd.grad(chosen, x)
            found.append(slope.numpy())
        return np.concatenate(found)
