"""The exact faces, as the comparison asks for them: scaled floats with bounds, exact points where these are needed."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from gmpy2 import mpq

from splinecam_exact.comparison.deep import Spots, deep_spots
from splinecam_exact.comparison.polygons import Place, Polygon, twice_area
from splinecam_exact.comparison.ragged import TINY, UNIT, Bools, Floats, cross, cross_bound, following, length, owners
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.rounding import nearest
from splinecam_exact.subdivision import Subdivision

FEW = 1 << 14
"""Of a subdivision with at most so many vertices, all are computed exactly at once."""


class Truth:
    """The faces of a certified subdivision. Face f has the vertices `corners[starts[f]:starts[f + 1]]`.

    `x` (V, 2) are the vertices in coordinates that the power of two `exponent` has scaled to about 1, each within
    `near` (V,) of the exact one; `across` is the face on the other side of each side, -1 outside. `sharp` says whether
    `x` are the nearest floats.
    """

    def __init__(self, part: Subdivision) -> None:
        self.part = part
        geometry = part.geometry
        self.starts, self.corners = geometry.polygons
        self._places: dict[int, Place] = {}
        self.sharp = geometry.vertex_count <= FEW or (geometry.slack == 0 and not geometry.distances().any())
        coordinates = geometry.coordinates
        if geometry.vertex_count <= FEW:
            rows = self.places(np.arange(geometry.vertex_count))
            exact = [[nearest(q.numerator, q.denominator) for q in point] for point in rows]
            coordinates = np.array(exact, np.float64).reshape(-1, 2)
        largest = float(abs(coordinates).max())
        self.exponent = int(np.frexp(largest)[1]) if np.isfinite(largest) and largest else 0
        self.x: Floats = np.ldexp(coordinates, -self.exponent)
        loss = 0.0 if self.sharp else np.ldexp(geometry.distances(), -self.exponent)
        self.near: Floats = loss + (2 if self.sharp else 4) * UNIT * abs(self.x).max(axis=1) + TINY
        dcel = geometry.half_edges
        self.across: Ints = dcel.face[dcel.twin[: len(self.corners)]]
        self.next = following(self.starts)
        self.face = owners(np.diff(self.starts))

    @property
    def faces(self) -> int:
        """How many there are."""
        return len(self.starts) - 1

    def places(self, vertices: Ints) -> list[Place]:
        """Some exact vertices, in slice coordinates; computed together where they are not known yet."""
        new = [v for v in dict.fromkeys(vertices.tolist()) if v not in self._places]
        if new:
            points = self.part.geometry.places(np.array(new, np.int64))
            self._places.update((v, (mpq(x, w), mpq(y, w))) for v, (x, y, w) in zip(new, points, strict=True))
        return [self._places[v] for v in vertices.tolist()]

    def polygon(self, face: int) -> Polygon:
        """The exact corners of a face, in slice coordinates."""
        return self.places(self.corners[self.starts[face] : self.starts[face + 1]])

    def area(self, face: int) -> mpq:
        """The exact area of a face."""
        return twice_area(self.polygon(face)) / 2

    @cached_property
    def area_of_all(self) -> mpq:
        """The exact area of the domain."""
        return twice_area([(mpq(x), mpq(y)) for x, y in self.part.domain.corners]) / 2

    @cached_property
    def extent(self) -> float:
        """The longer side of the smallest box around the domain, in scaled coordinates."""
        return float(np.ptp(self.x, axis=0).max())

    @cached_property
    def sizes(self) -> Floats:
        """About the areas of the faces, in scaled coordinates."""
        p = self.x[self.corners] - self.x[self.corners[self.starts[:-1]]][self.face]
        found: Floats = np.add.reduceat(cross(p, p[self.next]), self.starts[:-1]) / 2
        return abs(found)

    @cached_property
    def spots(self) -> Spots:
        """A point inside each face."""
        xs, near = self.x[self.corners], self.near[self.corners]
        return deep_spots(self.starts, xs, near, self.exponent, self._deep)

    def _deep(self, faces: Ints) -> list[Place]:
        """Exact points inside faces: the middle of three corners that are far from each other's line."""
        self.places(self.corners[np.isin(self.face, faces)])
        found = []
        for face in faces.tolist():
            polygon = self.polygon(face)
            a = polygon[0]
            b = max(polygon, key=lambda p: (p[0] - a[0]) ** 2 + (p[1] - a[1]) ** 2)
            c = max(polygon, key=lambda p: abs((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])))
            found.append(((a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3))
        return found

    @cached_property
    def bends(self) -> Bools:
        """Per entry of `corners`, whether the face surely turns there: it is no vertex in the middle of a side."""
        before = np.empty_like(self.next)
        before[self.next] = np.arange(len(self.next))
        x, near = self.x[self.corners], self.near[self.corners]
        p, q = x - x[before], x[self.next] - x
        ball = np.maximum(near, np.maximum(near[before], near[self.next]))
        found: Bools = abs(cross(p, q)) > cross_bound(p, q, 2 * ball)
        return found

    @cached_property
    def reach(self) -> Floats:
        """Per face, the length of its longest side or more: how large it is, in scaled coordinates."""
        x = self.x[self.corners]
        first = x[self.starts[:-1]][self.face]
        found: Floats = np.maximum.reduceat(length(x - first), self.starts[:-1])
        return found

    def outside(self, side: Ints) -> Bools:
        """Whether some sides are on the domain's boundary."""
        found: Bools = self.across[side] == OUTER
        return found
