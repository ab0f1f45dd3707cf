"""Answers at points that are within rounding errors of a boundary: in pairs of float64, with proved bounds.

A float64 point that was put on a boundary is off it by some 1e-16 of the numbers' sizes, which is what float64 loses.
Pairs lose 1e-28. What they leave open is a zero, or a tie, or looks like one: exact arithmetic decides it. Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from splinecam_exact.arrays import Floats
from splinecam_exact.network import Network
from splinecam_exact.questions import Question
from splinecam_exact.verify.enclose_pairs import PairEnclosure
from splinecam_exact.verify.paired import above_zero, leading, numbers
from splinecam_exact.verify.pairs import Pair
from splinecam_exact.verify.rigor import SAFE, norms
from splinecam_exact.weights import Ints

Bools = np.ndarray[Any, np.dtype[np.bool_]]


class Close(NamedTuple):
    """What is known at n points: see `Decider.answers`; and which answers are sure."""

    answers: Ints
    values: Floats
    outputs: Floats
    errors: Floats
    sure: Bools


class CloseAnswers:
    """Answers one question; before each block of points `tick` is called."""

    def __init__(self, net: Network, asked: Question, tick: Callable[[int, int], None]) -> None:
        self._asked = asked
        self._level = numbers([-asked.level])
        self._enclosure = PairEnclosure(net, tick)

    def answers(self, points: Floats, lows: Floats | None) -> Close:
        """The answers at `points` + `lows`, the float64 nearest to what `points` lack."""
        found = []
        for y in self._enclosure.values(points, lows):
            errors = norms(y.low) + norms(y.error)
            found.append((*self._decided(y), y.high, errors * SAFE))
        answers, values, sure, outputs, errors = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return Close(answers, values, outputs, errors, sure)

    def cells(self, points: Floats, lows: Floats | None) -> list[bytes | None]:
        """For each point what tells its cell from others; None where it may be at a rim."""
        found: list[bytes | None] = []
        for pieces, sure in self._enclosure.pieces(points, lows):
            rows = pieces.numpy().astype(np.int32)
            found += [row.tobytes() if known else None for row, known in zip(rows, sure.tolist(), strict=True)]
        return found

    def _decided(self, y: Pair) -> tuple[Tensor, Tensor, Tensor]:
        first, second = self._asked.positive, self._asked.negative
        if first is None:
            return _top(y)
        value = y.map(lambda part: part[:, first])
        if second is not None:
            value = value.plus_pair(y.map(lambda part: part[:, second]).negated())
        value = value.plus_pair(self._level)
        return torch.sign(torch.nan_to_num(value.high)).long(), value.high, above_zero(value.high.abs(), value.error)


def _top(y: Pair) -> tuple[Tensor, Tensor, Tensor]:
    """The class that seems to be the largest, by how much, and whether it is larger than each other one."""
    top, ahead = leading(y)
    value = ahead.high.scatter(1, top, torch.inf).amin(1)
    return top[:, 0], value, above_zero(ahead.high, ahead.error).scatter(1, top, True).all(1)
