"""Whether claimed cells fit together without seams, and their exact area in all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gmpy2 import mpq, mpz

from splinecam_exact.arrays import ExactArray
from splinecam_exact.comparison.cells import GOOD, Cells
from splinecam_exact.comparison.polygons import Place, turn
from splinecam_exact.comparison.ragged import following, offsets, ranges
from splinecam_exact.half_edges import Ints

MOST_OPEN = 1 << 17
"""So many sides without a partner are compared with the domain's boundary; with more, there are seams."""


class Seams(NamedTuple):
    """`open_sides` have no partner that runs the other way, bit for bit, and are not on the domain's boundary; None:
    very many. `area` is the exact sum of the areas of all cells, `excess` this less the domain's: what is claimed more
    than once, less what is not claimed at all."""

    open_sides: int | None
    area: mpq
    excess: mpq

    @property
    def watertight(self) -> bool:
        """Whether the cells fit together exactly."""
        return self.open_sides == 0 and self.excess == 0


def seams(cells: Cells, corners: list[Place]) -> Seams:
    """The seams of claimed cells on a domain with such corners.

    Sides that cancel contribute nothing to the area in all: it is the sum over the others.
    """
    good = np.flatnonzero(cells.kind == GOOD)
    sizes = cells.sizes[good]
    at, starts = ranges(cells.starts[good], sizes), offsets(sizes)
    number, first = _numbered(cells, good, at)
    start, end = number, number[following(starts)] if len(at) else number
    key, back = start * (len(first) + 1) + end, end * (len(first) + 1) + start
    alone = _alone(key, back)
    area = _area(cells, good, at, first, start[alone], end[alone])
    whole = (
        sum((p[0] * q[1] - p[1] * q[0] for p, q in zip(corners, corners[1:] + corners[:1], strict=True)), mpq(0)) / 2
    )
    inner: int | None = None
    if len(alone) <= MOST_OPEN:
        place = _places(cells, good, at, first)
        used = {v: place(v) for v in np.unique(np.concatenate([start[alone], end[alone]])).tolist()}
        sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
        on = {v: {k for k, (p, q) in enumerate(sides) if turn(p, q, used[v]) == 0} for v in used}
        inner = sum(not on[u] & on[v] for u, v in zip(start[alone].tolist(), end[alone].tolist(), strict=True))
    return Seams(inner, area, area - whole)


def _numbered(cells: Cells, good: Ints, at: Ints) -> tuple[Ints, Ints]:
    """For each corner the number of its place, and for each place a corner there (its row among `at`)."""
    if cells.exact:
        numbers: dict[Place, int] = {}
        rows = [numbers.setdefault(p, len(numbers)) for c in good.tolist() for p in cells.polygon(c)]
        number = np.array(rows, np.int64)
        first = np.zeros(len(numbers), np.int64)
        first[number] = np.arange(len(number))
        return number, first
    raw = cells.raw[at] + 0.0
    order = np.lexsort((raw[:, 1], raw[:, 0]))
    new = np.ones(len(raw), bool)
    new[1:] = (raw[order][1:] != raw[order][:-1]).any(axis=1)
    number = np.empty(len(raw), np.int64)
    number[order] = np.cumsum(new) - 1
    return number, order[new]


def _alone(key: Ints, back: Ints) -> Ints:
    """The sides that are not cancelled: of those in the same place, as many as run one way more than the other."""
    order = np.argsort(key, kind="stable")
    ahead = key[order]
    count = np.searchsorted(ahead, back, "right") - np.searchsorted(ahead, back, "left")
    rank = np.empty(len(key), np.int64)
    rank[order] = np.arange(len(key)) - np.searchsorted(ahead, ahead, "left")
    return np.flatnonzero(rank >= count)


def _places(cells: Cells, good: Ints, at: Ints, first: Ints):  # type: ignore[no-untyped-def]
    owner = np.repeat(good, cells.sizes[good])

    def place(v: int) -> Place:
        row = int(first[v])
        c = int(owner[row])
        if cells.exact:
            return cells.polygon(c)[int(at[row] - cells.starts[c])]
        x, y = cells.raw[at[row]].tolist()
        return mpq(x), mpq(y)

    return place


def _area(cells: Cells, good: Ints, at: Ints, first: Ints, start: Ints, end: Ints) -> mpq:
    if not len(start):
        return mpq(0)
    if cells.exact:
        place = _places(cells, good, at, first)
        pairs = [(place(u), place(v)) for u, v in zip(start.tolist(), end.tolist(), strict=True)]
        return sum((p[0] * q[1] - p[1] * q[0] for p, q in pairs), mpq(0)) / 2
    den, flat = ExactArray.of(cells.raw[at[first]]).numerators()
    x, y = flat[0::2], flat[1::2]
    total = sum((x[u] * y[v] - y[u] * x[v] for u, v in zip(start.tolist(), end.tolist(), strict=True)), mpz(0))
    return mpq(total, 2 * den * den)
