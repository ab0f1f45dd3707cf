"""The canonical numbering: equal subdivisions get equal certificates, however they were computed."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.geometry import Geometry, Polygons, States
from splinecam_exact.half_edges import OUTER, HalfEdges, Ints
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import Point, homogeneous
from splinecam_exact.rounding import nearest
from splinecam_exact.subdivision import Subdivision

SLIGHT = 2.0**-50
"""More than rounding changes a coordinate by, relative to the largest."""


def canonical(part: Subdivision) -> Subdivision:
    """The same subdivision, with its faces and vertices renumbered in a way that depends on the subdivision alone.

    Faces come breadth first, from the one at the first corner and the first side of the domain, neighbours
    counter-clockwise; each polygon begins with the edge by which its face was reached. Vertices come as the polygons
    meet them. So equal subdivisions have the same certificate, to the byte, whatever computed them. Raises InputError
    in mode "float64", whose corners are rounded. Cost: a few sorts of the half-edges.

    >>> import splinecam_exact as sx
    >>> part = sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), sx.square(1))
    >>> [cell.polygon for cell in canonical(part).cells]
    [(0, 1, 2, 3), (2, 1, 4, 5), (3, 2, 6, 7), (2, 5, 8, 6)]
    """
    if not part.certified:
        raise InputError("a subdivision of mode 'float64' has no canonical numbering: its coordinates are not exact")
    geometry = renumbered(part.geometry, homogeneous(*part.domain.corners[0]))
    return Subdivision(part.network, part.domain, geometry, mode=part.mode, report=part.report)


def renumbered(geometry: Geometry, corner: Point) -> Renumbered:
    """A geometry in canonical numbering, where `corner` is the domain's first one. Vertices not in use are dropped."""
    dcel, starts = geometry.half_edges, geometry.polygons.starts
    entries = _breadth_first(dcel, starts, _leaving(geometry, corner))
    corners = dcel.origin[_cycles(dcel, starts, entries)]
    vertices, met, number = np.unique(corners, return_index=True, return_inverse=True)
    order = np.argsort(met)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    faces = dcel.face[entries]
    ends = np.cumsum(np.diff(starts)[faces])
    return Renumbered(geometry, faces, vertices[order], Polygons(np.append(0, ends), rank[number]))


def _leaving(geometry: Geometry, corner: Point) -> int:
    """The half-edge along the boundary that leaves a corner counter-clockwise."""
    dcel = geometry.half_edges
    rim = dcel.twin[dcel.face == OUTER]
    if geometry.slack:  # then exact points are not at hand: ask for those only that can be it
        x, y = nearest(corner[0], corner[2]), nearest(corner[1], corner[2])
        with np.errstate(invalid="ignore"):  # beyond float64: inf - inf, which excludes nothing
            far = np.abs(geometry.coordinates[dcel.origin[rim]] - (x, y)).max(axis=1)
        rim = rim[~(far > 2 * geometry.slack + SLIGHT * max(abs(x), abs(y)))]
    return int(rim[geometry.places(dcel.origin[rim]).index(corner)])


def boundary(geometry: Geometry, corner: Point) -> tuple[Ints, list[Point]]:
    """The half-edges along the domain's boundary, counter-clockwise from a corner on, and the points they leave."""
    dcel = geometry.half_edges
    outer = np.flatnonzero(dcel.face == OUTER)
    around = [int(outer[0])]
    while len(around) < len(outer):
        around.append(int(dcel.prev[around[-1]]))
    rim = dcel.twin[around]
    places = geometry.places(dcel.origin[rim])
    first = places.index(corner)
    return np.roll(rim, -first), places[first:] + places[:first]


class Renumbered(Geometry):
    """A geometry in other numbers: `faces` and `vertices` hold the old ones, `polygons` is in the new ones."""

    def __init__(self, old: Geometry, faces: Ints, vertices: Ints, polygons: Polygons) -> None:
        self.polygons = polygons
        self.vertex_count = len(vertices)
        self.unit_count = old.unit_count
        self.slack = old.slack
        self._old = old
        self._faces = faces
        self._vertices = vertices
        self._known: dict[int, Point] = {}

    @cached_property
    def points(self) -> list[Point]:
        """The exact vertices."""
        points = self._old.points
        return [points[v] for v in self._vertices.tolist()]

    def remember(self, vertices: Ints) -> None:
        """Compute some exact vertices now, and keep them."""
        self._known.update(zip(vertices.tolist(), self.places(vertices), strict=True))

    def places(self, vertices: Ints) -> list[Point]:
        """Some exact vertices."""
        unknown = np.array([v for v in vertices.tolist() if v not in self._known], np.int64)
        found = dict(zip(unknown.tolist(), self._old.places(self._vertices[unknown]), strict=True))
        return [found[v] if v in found else self._known[v] for v in vertices.tolist()]

    @cached_property
    def coordinates(self) -> NDArray[np.float64]:
        """The vertices as float64, as the old ones."""
        return self._old.coordinates[self._vertices]

    def distances(self) -> NDArray[np.float64]:
        """Per vertex, as the old ones."""
        return self._old.distances()[self._vertices]

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        return self._old.state_rows(self._faces[faces])

    def first_states(self, faces: Ints, units: int) -> States:
        """The states of the first units, as the old ones."""
        return self._old.first_states(self._faces[faces], units)


def _breadth_first(dcel: HalfEdges, starts: Ints, first: int) -> Ints:
    """For each face in turn, from that of half-edge `first` on, the half-edge by which it is reached."""
    seen = np.zeros(len(starts) - 1, bool)
    entries = np.array([first])
    found = [entries]
    while len(entries):
        seen[dcel.face[entries]] = True
        across = dcel.twin[_cycles(dcel, starts, entries)]
        beyond = dcel.face[across]
        new = np.flatnonzero((beyond != OUTER) & ~seen[beyond])
        new = new[np.sort(np.unique(beyond[new], return_index=True)[1])]  # where each face is met first
        entries = across[new]
        found.append(entries)
    return np.concatenate(found)


def _cycles(dcel: HalfEdges, starts: Ints, entries: Ints) -> Ints:
    """The half-edges around some faces, one face after the other, each from its entry on."""
    first = starts[dcel.face[entries]]
    size = starts[dcel.face[entries] + 1] - first
    step = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    around: Ints = np.repeat(first, size) + (np.repeat(entries - first, size) + step) % np.repeat(size, size)
    return around
