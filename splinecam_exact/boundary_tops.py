"""Which outputs are largest at every vertex of a subdivision: by float64 with proved bounds, exact where these meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from gmpy2 import mpq

from splinecam_exact.boundary_agreeing import Bools, rows
from splinecam_exact.boundary_cells import Cells
from splinecam_exact.boundary_masks import Masks
from splinecam_exact.boundary_trace import VISIBLE
from splinecam_exact.half_edges import Ints

if TYPE_CHECKING:
    from splinecam_exact.boundary_values import VertexValues

ROUNDING = 2.0**-48
"""Covers the rounding of a few operations, relative to their size."""


class Outputs:
    """Some of a network's outputs at the vertices: `values` and `errors`, their bounds, have the shape (V, outputs).

    `numbers` are those of the outputs in the network; here they are called by their columns.
    """

    def __init__(self, numbers: Ints, known: VertexValues, cells: Cells) -> None:
        self.numbers, self.cells, self._known, self._rows = numbers, cells, known, rows(cells.net)
        self._take()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_known", "_rows")}

    def __len__(self) -> int:
        return len(self.numbers)

    def cuts(self, first: Ints, second: Ints) -> Ints:
        """The decider's numbers of the differences of two outputs."""
        compared, which = np.unique(np.stack([first, second], axis=1), axis=0, return_inverse=True)
        cuts = [self.cells.cut(i, j, mpq(0)) for i, j in self.numbers[compared].tolist()]
        return np.array(cuts, np.int64)[which.reshape(-1)]

    def _sharpen(self, vertices: Ints, columns: Ints) -> None:
        """Better bounds of some outputs at some vertices."""
        self._known.sharpen(vertices, self.numbers[columns].tolist())
        self._take()

    @np.errstate(over="ignore", invalid="ignore")
    def clear(self, vertices: Ints) -> None:
        """Better bounds at those of some vertices where they leave what is between these visibly blurred."""
        if len(vertices) and len(self) > 1:
            values, errors = self.values[vertices], self.errors[vertices]
            top = np.argpartition(-values, 1, axis=1)[:, :2]
            first, second = np.take_along_axis(values, top, axis=1).T
            vague = ~(np.take_along_axis(errors, top, axis=1).max(axis=1) <= VISIBLE * float(np.median(first - second)))
            self._sharpen(vertices[vague], np.unique(top[vague]))

    def _take(self) -> None:
        values, errors = self._known.values[:, self.numbers], self._known.errors[:, self.numbers]
        with np.errstate(over="ignore"):
            self.values, self.errors = values, errors * (1 + ROUNDING) + ROUNDING * abs(values)

    def largest(self) -> Masks:
        """The outputs that are largest at each vertex."""
        maybe: Bools = self._maybe()
        unsure = np.flatnonzero(np.count_nonzero(maybe, axis=1) > 1)
        if len(unsure):
            unsure = unsure[~self._agreed(unsure, maybe[unsure])]
        if len(unsure):
            self._sharpen(unsure, np.flatnonzero(maybe[unsure].any(axis=0)))
            maybe[unsure] = self._maybe()[unsure]
            unsure = unsure[np.count_nonzero(maybe[unsure], axis=1) > 1]
        while len(unsure):
            maybe[unsure], beaten = self._compared(unsure, maybe[unsure])
            unsure = unsure[beaten]
        bits = np.int64(1) << np.arange(len(self))
        largest: Masks = np.where(maybe, bits, 0).sum(axis=1)
        return largest

    def _maybe(self) -> Bools:
        """Which outputs may be the largest at each vertex, as far as the bounds say."""
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = self.values - self.errors, self.values + self.errors
        found: Bools = ~np.asarray(high < low.max(axis=1, keepdims=True))
        return found

    def _agreed(self, vertices: Ints, maybe: Bools) -> Bools:
        """Whether all outputs that may be largest at each vertex are equal there by what they are computed from."""
        row, first, second = self._duels(vertices, maybe)
        apart = row[~self._alike(vertices[row], first, second)]
        return np.asarray(np.bincount(apart, minlength=len(vertices)) == 0)

    def _compared(self, vertices: Ints, maybe: Bools) -> tuple[Bools, Bools]:
        """The outputs that are left when, at each vertex, one that may be largest is compared with the others.

        And whether several have beaten it, so that these must be compared: hardly ever, as it is the one that float64
        takes for the largest. So as few as can be are compared, and nearly all of them at once.
        """
        row, first, second = self._duels(vertices, maybe)
        signs = np.zeros(len(row), np.int8)
        left = np.flatnonzero(~self._alike(vertices[row], first, second))
        if len(left):
            signs[left] = self.cells.signs(self.cuts(first[left], second[left]), vertices[row[left]])
        ahead, equal = np.zeros_like(maybe), np.zeros_like(maybe)
        ahead[row, second], equal[row, second] = signs < 0, signs == 0
        equal[row, first] = True
        count = np.count_nonzero(ahead, axis=1)[:, np.newaxis]
        return np.where(count > 0, ahead, equal), count[:, 0] > 1

    def _duels(self, vertices: Ints, maybe: Bools) -> tuple[Ints, Ints, Ints]:
        """Which row's first output is to be compared with which second: the one that float64 takes for the largest."""
        values = np.where(maybe, np.nan_to_num(self.values[vertices]), -np.inf)
        champion = values.argmax(axis=1)
        others = maybe.copy()
        others[np.arange(len(vertices)), champion] = False
        row, second = np.nonzero(others)
        return row, champion[row], second

    def _alike(self, vertices: Ints, first: Ints, second: Ints) -> Bools:
        """Whether outputs are surely equal at vertices, by what the network computes them from on a face there."""
        if self._rows is None:
            return np.zeros(len(vertices), bool)
        return self._rows.alike(self.cells.geometry, vertices, self.numbers[np.stack([first, second], axis=1)])
