"""What claimed cells cover of exact faces and of each other: exact areas."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from gmpy2 import mpq

from splinecam_exact.comparison.cells import GOOD, Cells
from splinecam_exact.comparison.grid import Grid
from splinecam_exact.comparison.holding import boxes
from splinecam_exact.comparison.polygons import Polygon, common, convex_parts, twice_area, without
from splinecam_exact.comparison.ragged import Floats
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import Ints

MOST_CORNERS = 2000
"""Claimed cells with more corners than this are not cut up: areas that depend on them are not known."""


class Covering:
    """The claimed cells by the boxes around them, and what they cover."""

    def __init__(self, cells: Cells, truth: Truth) -> None:
        self._cells, self._truth = cells, truth
        self._good = np.flatnonzero(cells.kind == GOOD)
        self._parts: dict[int, list[Polygon]] = {}

    @cached_property
    def _grid(self) -> Grid:
        return Grid(*boxes(self._cells, self._good), over=self._truth.x)

    def near(self, low: Floats, high: Floats) -> Ints:
        """The cells that may have area in common with a box."""
        return np.asarray(self._good[self._grid.meeting(low, high)])

    def near_cell(self, c: int) -> Ints:
        """The other cells that may have area in common with a cell."""
        low, high = boxes(self._cells, np.array([c]))
        found = self.near(low[0], high[0])
        return np.asarray(found[found != c])

    def parts(self, c: int) -> list[Polygon]:
        """Convex polygons that make up a cell; none where it crosses itself, or has very many corners."""
        if c not in self._parts:
            polygon = self._cells.polygon(c)
            self._parts[c] = convex_parts(polygon) if len(polygon) <= MOST_CORNERS else []
        return self._parts[c]

    def uncovered(self, face: int) -> tuple[mpq, Polygon] | None:
        """The exact area of a face that no claimed cell covers, and the largest piece of it.

        None where a cell there crosses itself, so that this is not defined.
        """
        truth = self._truth
        corners = truth.corners[truth.starts[face] : truth.starts[face + 1]]
        x, room = truth.x[corners], truth.near[corners].max()
        pieces = [truth.polygon(face)]
        for c in self.near(x.min(axis=0) - room, x.max(axis=0) + room).tolist():
            parts = self.parts(c)
            if not parts:
                return None
            for part in parts:
                pieces = without(pieces, part)
        if not pieces:
            return mpq(0), []
        areas = [twice_area(piece) for piece in pieces]
        return sum(areas, mpq(0)) / 2, pieces[areas.index(max(areas))]

    def area(self, c: int) -> mpq:
        """The exact area of a cell, of whatever orientation."""
        return self._cells.exact_area(c)

    def shared(self, c: int, d: int) -> tuple[mpq, Polygon]:
        """The exact area that two cells have in common, and the largest piece of it."""
        return self._shared(self.parts(c), self.parts(d))

    def shared_with_face(self, c: int, face: int) -> tuple[mpq, Polygon]:
        """The exact area that a cell and a face have in common, and the largest piece of it."""
        return self._shared(self.parts(c), [self._truth.polygon(face)])

    def beyond(self, c: int) -> mpq:
        """The exact area of a cell outside the domain."""
        domain = [(mpq(x), mpq(y)) for x, y in self._truth.part.domain.corners]
        pieces = [piece for part in self.parts(c) for piece in without([part], domain)]
        return sum(map(twice_area, pieces), mpq(0)) / 2

    @staticmethod
    def _shared(first: list[Polygon], second: list[Polygon]) -> tuple[mpq, Polygon]:
        pieces = [piece for p in first for q in second if len(piece := common(p, q)) > 2]
        areas = [twice_area(piece) for piece in pieces]
        if not areas:
            return mpq(0), []
        return sum(areas, mpq(0)) / 2, pieces[areas.index(max(areas))]
