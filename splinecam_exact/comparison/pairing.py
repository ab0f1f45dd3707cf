"""Cells and faces one to one, as many as can be: augmenting paths."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from splinecam_exact.comparison.ragged import Bools, Floats
from splinecam_exact.half_edges import Ints

MOST_STEPS, EACH = 10**6, 100
"""So many times, and so many more for each cell, cells are asked to move to other faces to make room for one."""
MOST_KNOWN = 2048
"""Of the faces that a cell may be, so many that fit best are kept at least, and twice as many as there are cells in its
place: memory is in proportion to the cells, however many of them rounding puts in one place."""


class Pairing:
    """A matching of cells (`cell` of each face, `face` of each cell, -1: none) that grows.

    `candidates` gives the faces that a cell may be, with how badly it fits; cells of the same `place` may be the same
    ones. `same` says which faces' patterns agree with a cell's. `found` are the cells that were matched or moved, with
    how badly they fit.
    """

    def __init__(
        self,
        cell: Ints,
        face: Ints,
        candidates: Callable[[int], dict[int, float]],
        same: Callable[[int, Ints], Bools] | None,
        place: Callable[[int], Hashable] = lambda c: c,
    ) -> None:
        self._cell, self._face, self._candidates, self._same, self._place = cell, face, candidates, same, place
        self._known: dict[Hashable, tuple[Ints, Floats]] = {}
        self._count: dict[Hashable, int] = {}
        self._seen = np.zeros(len(cell), bool)
        self.found: dict[int, float] = {}
        self._steps = 0

    def run(self, left: Ints, progress: Callable[[int], object]) -> None:
        """Match as many of the cells as there can be: first with faces of the same pattern, if there are patterns."""
        for c in left.tolist():
            self._count[self._place(c)] = self._count.get(self._place(c), 0) + 1
        self._steps = MOST_STEPS + EACH * len(left)
        for strict in (True, False) if self._same is not None else (False,):
            for k, c in enumerate(left.tolist()):
                if k % 256 == 0:
                    progress(k)
                if self._face[c] < 0:
                    self._augment(c, strict)

    def _all(self, c: int) -> tuple[Ints, Floats]:
        """The faces that a cell may be, those that fit best first, and how badly it fits."""
        place = self._place(c)
        if place not in self._known:
            gaps = self._candidates(c)
            most = max(MOST_KNOWN, 2 * self._count.get(place, 0))
            faces = sorted(gaps, key=lambda f: gaps[f])[:most]
            self._known[place] = np.array(faces, np.int64), np.array([gaps[f] for f in faces], np.float64)
        return self._known[place]

    def _options(self, c: int, strict: bool) -> Ints:
        """The faces of a cell, those that fit best first."""
        faces, _ = self._all(c)
        return faces[self._same(c, faces)] if strict and self._same is not None else faces

    def _augment(self, c: int, strict: bool) -> None:
        """Give a cell a face, moving others on where that makes room."""
        come_from: dict[int, int] = {}  # a face, and the cell that would take it
        waiting, asked = [c], set()
        for cell in waiting:
            if self._steps <= 0:
                break
            self._steps -= 1
            place = self._place(cell)
            if place in asked and not strict:
                continue  # the faces are the same
            asked.add(place)
            options = self._options(cell, strict)
            free = self._cell[options] < 0
            if free.any():
                face = int(options[free.argmax()])
                come_from[face] = cell
                self._shift(c, face, come_from)
                break
            options = options[~self._seen[options]]
            self._seen[options] = True
            come_from.update(dict.fromkeys(options.tolist(), cell))
            waiting += self._cell[options].tolist()
        self._seen[list(come_from)] = False

    def _shift(self, c: int, face: int, come_from: dict[int, int]) -> None:
        while True:
            cell = come_from[face]
            before = int(self._face[cell])
            self._cell[face], self._face[cell] = cell, face
            faces, gaps = self._all(cell)
            self.found[cell] = float(gaps[(faces == face).argmax()])
            if cell == c:
                return
            face = before
