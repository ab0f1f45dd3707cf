"""Cells and faces one to one, as many as can be: augmenting paths."""

from __future__ import annotations

from collections.abc import Callable

from splinecam_exact.half_edges import Ints

MOST_STEPS = 1000
"""So many cells at most are moved to other faces to make room for one."""


class Pairing:
    """A matching of cells (`cell` of each face, `face` of each cell, -1: none) that grows.

    `candidates` gives the faces that a cell may be, with how badly it fits; `same` says whether their patterns agree.
    `found` are the cells that were matched or moved, with how badly they fit.
    """

    def __init__(
        self,
        cell: Ints,
        face: Ints,
        candidates: Callable[[int], dict[int, float]],
        same: Callable[[int, int], bool] | None,
    ) -> None:
        self._cell, self._face, self._candidates, self._same = cell, face, candidates, same
        self._known: dict[int, dict[int, float]] = {}
        self.found: dict[int, float] = {}

    def run(self, left: Ints, progress: Callable[[int], object]) -> None:
        """Match as many of the cells as there can be: first with faces of the same pattern, if there are patterns."""
        for strict in (True, False) if self._same is not None else (False,):
            for k, c in enumerate(left.tolist()):
                if k % 256 == 0:
                    progress(k)
                if self._face[c] < 0:
                    self._augment(c, strict)

    def _options(self, c: int, strict: bool) -> list[int]:
        """The faces of a cell, those that fit best first."""
        if c not in self._known:
            self._known[c] = self._candidates(c)
        gaps = self._known[c]
        same = self._same
        faces = [f for f in gaps if not strict or same is None or same(c, f)]
        return sorted(faces, key=lambda f: gaps[f])

    def _augment(self, c: int, strict: bool) -> None:
        """Give a cell a face, moving others on where that makes room."""
        come_from: dict[int, int] = {}  # a face, and the cell that would take it
        waiting = [c]
        for cell in waiting:
            if len(waiting) > MOST_STEPS:
                return
            for face in self._options(cell, strict):
                if face in come_from:
                    continue
                come_from[face] = cell
                holder = int(self._cell[face])
                if holder < 0:
                    self._shift(c, face, come_from)
                    return
                waiting.append(holder)

    def _shift(self, c: int, face: int, come_from: dict[int, int]) -> None:
        while True:
            cell = come_from[face]
            before = int(self._face[cell])
            self._cell[face], self._face[cell] = cell, face
            self.found[cell] = self._known[cell][face]
            if cell == c:
                return
            face = before
