"""Answers at many points: by float64 with proved bounds, by pairs of float64, and exactly.

Each stage takes what the one before leaves open, and costs some twenty times as much a point, or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import Floats
from splinecam_exact.kernel.program import Progress
from splinecam_exact.local_maps import gradient
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.questions import Question
from splinecam_exact.rounding import nearest
from splinecam_exact.same_cells import CellAnswers, worthwhile
from splinecam_exact.sample_points import exact_row
from splinecam_exact.weights import Convolution, Ints, Selection, Weight

if TYPE_CHECKING:
    from splinecam_exact.close_answers import CloseAnswers

Bools = np.ndarray[Any, np.dtype[np.bool_]]
Known = tuple[Ints, Floats, Floats, Floats]
"""Answers (n,), values (n,), outputs (n, outputs), and bounds of the 2-norms of their errors (n,)."""
Tick = Callable[[int, int], None]
"""Told how many of how many points are done; may raise to interrupt."""

LITTLE = 1 << 14
"""So many multiplications of integers take less time than pairs of float64 do, however few points there are."""
_EXACTLY = "samples: exact arithmetic"


class Evaluator(Protocol):
    """Outputs with bounds of their errors, and gradients that nothing is proved about."""

    def values(self, points: Floats, rounded: bool) -> tuple[Floats, Floats]:
        """Outputs (n, outputs) and bounds of their errors' 2-norms (n,); `rounded`: the points are inexact."""

    def slopes(self, points: Floats, positive: Ints, negative: Ints | None) -> Floats:
        """Gradients (n, inputs) of one output for each point, or of the difference of two."""


class Exactly:
    """Evaluates exactly, point by point: for where there is no torch."""

    def __init__(self, net: Network, tick: Tick) -> None:
        self.program = net.program()
        self.tick = tick

    def values(self, points: Floats, rounded: bool) -> tuple[Floats, Floats]:
        """The float64 nearest to the outputs; nothing is known at points that are rounded."""
        found = []
        for done, x in enumerate(points):
            self.tick(done, len(points))
            found.append([nearest(q.numerator, q.denominator) for q in self.program.evaluate(exact_row(x))])
        outputs = np.array(found).reshape(len(points), -1)
        errors = np.full(len(points), np.inf) if rounded else 2.0**-52 * lengths(outputs)
        return outputs, errors

    def slopes(self, points: Floats, positive: Ints, negative: Ints | None) -> Floats:
        """The gradients, rounded."""
        found = np.empty(points.shape)
        for i, x in enumerate(points):
            self.tick(i, len(points))
            parts = {int(positive[i]): mpq(1)} | ({} if negative is None else {int(negative[i]): mpq(-1)})
            slope = gradient(self.program, self.program.pattern(exact_row(x)), parts)
            found[i] = [nearest(q.numerator, q.denominator) for q in slope]
        return found


def evaluator(net: Network, progress: Progress | None = None) -> Evaluator:
    """The fast one where torch is installed."""
    if find_spec("torch") is None:
        return Exactly(net, _ticking(progress, _EXACTLY))
    from splinecam_exact.verify.enclose_many import Enclosure

    return Enclosure(net, _ticking(progress, "samples: float64"))


def _ticking(progress: Progress | None, stage: str) -> Tick:
    def tick(done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)

    return tick


class Decider:
    """Answers one question at points of a network's input space.

    `exact` counts the answers that took exact arithmetic, `close` those that took pairs of float64.
    """

    def __init__(self, net: Network, asked: Question, progress: Progress | None = None) -> None:
        self.net, self.asked = net, asked
        self.evaluator = evaluator(net, progress)
        self.exact = self.close = 0
        self.tick = _ticking(progress, _EXACTLY)
        """Says that so many of some exact computations are done."""
        self._work = sum(net.sizes) + sum(map(_terms, chain(*(n.weights for n in net.nodes if isinstance(n, Affine)))))
        self._tick_close = _ticking(progress, "samples: pairs of float64")

    def answers(self, points: Floats, row: Callable[[int], list[mpq]] | None = None) -> Known:
        """The exact answers (n,); and as found on the way values (n,), outputs (n, outputs) and their error bounds.

        With `row`, the points are roundings of those that it gives.
        """
        outputs, errors = self.evaluator.values(points, row is not None)
        answers, values, sure = self.asked.guess(outputs, errors)
        known = answers, values, outputs, errors
        rest, cells = self._closely(known, points, np.flatnonzero(~sure), row)
        exactly = CellAnswers(self.net, self.asked, cells)
        for done, (i, cell) in enumerate(zip(rest.tolist(), cells, strict=True)):
            self.tick(done, len(rest))
            self.exact += 1
            answers[i] = exactly.answer(exact_row(points[i]) if row is None else row(i), cell)
        return known

    def _closely(
        self, known: Known, points: Floats, some: Ints, row: Callable[[int], list[mpq]] | None
    ) -> tuple[Ints, list[bytes | None]]:
        """Improve what is known at some points by pairs of float64; where answers are open then, and in which cells."""
        if self._pairs is None or len(some) * self._work <= LITTLE:
            return some, [None] * len(some)
        lows = None if row is None else np.array([_lacking(points[i], row(i)) for i in some.tolist()])
        close = self._pairs.answers(points[some], lows)
        sure, open_ = some[close.sure], ~close.sure
        for mine, better in zip(known, close, strict=False):
            mine[sure] = better[close.sure]
        self.close += len(sure)
        rest = some[open_]
        if len(rest) < worthwhile(self.asked, self.net.output_size):
            return rest, [None] * len(rest)
        return rest, self._pairs.cells(points[rest], None if lows is None else lows[open_])

    @cached_property
    def _pairs(self) -> CloseAnswers | None:
        if find_spec("torch") is None:
            return None
        from splinecam_exact.close_answers import CloseAnswers

        return CloseAnswers(self.net, self.asked, self._tick_close)


def _terms(weight: Weight) -> int:
    """How many multiplications an exact evaluation makes of it."""
    if isinstance(weight, Convolution):
        return math.prod(weight.kernel.shape) * math.prod(weight.output)
    return weight.shape[0] if isinstance(weight, Selection) else math.prod(weight.shape)


def _lacking(rounded: Floats, point: list[mpq]) -> list[float]:
    """The float64 nearest to what a rounded point lacks of the true one."""
    rests = [q - mpq(f) for f, q in zip(rounded.tolist(), point, strict=True)]
    return [nearest(q.numerator, q.denominator) for q in rests]


def lengths(rows: Floats) -> Floats:
    """Upper bounds of the 2-norms of rows; squares that leave the range do no harm."""
    largest = abs(rows).max(axis=1, initial=0.0)
    with np.errstate(all="ignore"):
        scaled = rows / np.where(largest > 0, largest, 1.0)[:, np.newaxis]
        found: Floats = np.sqrt(np.square(scaled).sum(axis=1)) * largest * (1 + 2.0**-20) + 2.0**-800
    return found
