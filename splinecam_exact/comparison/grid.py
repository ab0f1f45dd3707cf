"""Which of many boxes meet another one: a grid for those that are small, a list of those that are not."""

from __future__ import annotations

import numpy as np

from splinecam_exact.comparison.ragged import Floats, owners, ranges
from splinecam_exact.half_edges import Ints

MOST_SQUARES = 64
"""Boxes that meet more squares of the grid are kept in a list."""


class Grid:
    """Boxes, from `low` (n, 2) to `high` (n, 2), by the squares of a grid that they meet, or the nearest ones to them.

    The grid has about n squares, from the least to the greatest coordinates of the points `over`. Cost of a question:
    some microseconds for each row of squares that it meets, and some nanoseconds for each large box.
    """

    def __init__(self, low: Floats, high: Floats, over: Floats) -> None:
        self._low, self._high = low, high
        self._side = max(1, int(len(low) ** 0.5))
        spread = np.ptp(over, axis=0)
        self._origin = over.min(axis=0)
        self._scale = np.where(spread > 0, self._side / np.where(spread > 0, spread, 1), 0)
        first, last = self._square(low), self._square(high)
        size = last - first + 1
        large = size.prod(axis=1) > MOST_SQUARES
        self._large = np.flatnonzero(large)
        small = np.flatnonzero(~large)
        rows = size[small, 1]
        box = owners(rows)
        row, width = ranges(first[small, 1], rows), size[small, 0][box]
        key = ranges(row * self._side + first[small, 0][box], width)
        order = np.argsort(key, kind="stable")
        self._key, self._box = key[order], small[box][owners(width)][order]

    def _square(self, x: Floats) -> Ints:
        """The column and row of points: those of greater coordinates are no less, whatever is rounded."""
        with np.errstate(all="ignore"):
            place = np.nan_to_num((x - self._origin) * self._scale, nan=0.0, posinf=self._side, neginf=0.0)
        found: Ints = place.clip(0, self._side - 1).astype(np.int64)
        return found

    def meeting(self, low: Floats, high: Floats) -> Ints:
        """The numbers of the boxes that meet another one, in order."""
        (a, b), (c, d) = self._square(low), self._square(high)
        rows = np.arange(b, d + 1) * self._side
        begin, end = np.searchsorted(self._key, rows + a, "left"), np.searchsorted(self._key, rows + c, "right")
        some = np.concatenate([self._box[ranges(begin, end - begin)], self._large])
        meets = ((self._low[some] <= high) & (self._high[some] >= low)).all(axis=1)
        return np.unique(some[meets])
