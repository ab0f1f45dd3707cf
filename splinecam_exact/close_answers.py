"""Answers at points that are within rounding errors of a boundary: in pairs of float64, with proved bounds.

A float64 point that was put on a boundary is off it by some 1e-16 of the numbers' sizes, which is what float64 loses.
Pairs lose 1e-28. What they leave open is a zero, or a tie, or looks like one: exact arithmetic decides it. Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from splinecam_exact.arrays import Floats
from splinecam_exact.network import Network
from splinecam_exact.questions import Question
from splinecam_exact.verify.enclose_pairs import PairEnclosure
from splinecam_exact.verify.paired import largest, numbers
from splinecam_exact.verify.pairs import Pair
from splinecam_exact.verify.rigor import SAFE
from splinecam_exact.weights import Ints

Bools = np.ndarray[Any, np.dtype[np.bool_]]


class CloseAnswers:
    """Answers one question; before each block of points `tick` is called."""

    def __init__(self, net: Network, asked: Question, tick: Callable[[int, int], None]) -> None:
        self._asked = asked
        self._level = numbers([-asked.level])
        self._enclosure = PairEnclosure(net, tick)

    def answers(self, points: Floats, lows: Floats | None) -> tuple[Ints, Bools]:
        """The answers (n,) at `points` + `lows`, the float64 nearest to what they lack, and which are sure."""
        found = [self._decided(outputs) for outputs in self._enclosure.values(points, lows)]
        answers, sure = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return answers, sure

    def _decided(self, y: Pair) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = self._asked.positive, self._asked.negative
        if first is None:
            return _top(y)
        value = y.map(lambda part: part[:, first])
        if second is not None:
            value = value.plus_pair(y.map(lambda part: part[:, second]).negated())
        value = value.plus_pair(self._level)
        return torch.sign(torch.nan_to_num(value.high)).long(), _above(value.high.abs(), value.error)


def _top(y: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """The class that seems to be the largest, and whether it is larger than each other one."""
    best = largest(y)
    here = (y.high == best.high.unsqueeze(1)) & (y.low == best.low.unsqueeze(1))
    top = here.long().argmax(1, keepdim=True)
    others = y.map(lambda part: part.scatter(1, top, 0.0))
    ahead = y.map(lambda part: part.gather(1, top)).plus_pair(others.negated())
    return top[:, 0], _above(ahead.high, ahead.error).scatter(1, top, True).all(1)


def _above(high: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """Which pairs are surely above 0: what is added to the high part is at most one unit roundoff of it."""
    return (high > error * SAFE) & torch.isfinite(high)
