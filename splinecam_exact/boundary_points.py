"""The points of an arg-max boundary under names that all cells around a point share, and what is largest at them.

Vertex v is called v. Where, inside edge e, output i is equal to output j > i, and they are not so along all of it, is
called V + (e * n + i) * n + j: of several such pairs, the lowest i and then j that are largest there. Points inside
faces come last, in any order. Here V is the number of vertices, n that of outputs.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from splinecam_exact.boundary_masks import Masks, replaced
from splinecam_exact.boundary_tops import Outputs
from splinecam_exact.boundary_trace import Places, between, places_of, rounded, zeros_between
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.rational import Point, primitive
from splinecam_exact.subdivision import Subdivision


class Meeting(NamedTuple):
    """A point inside a face, where three outputs are equal, and how far it may be off in float64."""

    face: int
    outputs: tuple[int, int, int]
    place: tuple[float, float]
    blur: float


class Points:
    """The names, the places and the largest outputs of points: `masks` are those of the vertices."""

    def __init__(self, part: Subdivision, outputs: Outputs, masks: Masks) -> None:
        self.part, self.outputs, self.masks = part, outputs, masks
        self.n = len(outputs)
        dcel, half = part.half_edges, part.edge_half_edges
        self.start, self.end = dcel.origin, dcel.origin[dcel.twin]
        self.edge = np.empty(len(self.start), np.int64)
        self.edge[half] = self.edge[dcel.twin[half]] = np.arange(len(half))
        self.vertices = len(masks)
        self.named = self.vertices + len(half) * self.n**2
        self._inside: dict[Point | Meeting, int] = {}
        self._masks: dict[int, int] = {}

    def on_edges(self, half: Ints, i: Ints, j: Ints) -> Ints:
        """The names of the points inside some half-edges' edges at which two outputs are equal."""
        return self.vertices + (self.edge[half] * self.n + np.minimum(i, j)) * self.n + np.maximum(i, j)

    def on_edge(self, half: int, i: int, j: int, largest: int) -> int:
        """The name of one, where these outputs are largest (bits)."""
        name = self.vertices + (int(self.edge[half]) * self.n + i) * self.n + j
        self._masks[name] = largest
        return name

    def inside(self, point: Point | Meeting, largest: int) -> int:
        """The name of a point inside a face."""
        name = self.named + self._inside.setdefault(point, len(self._inside))
        self._masks[name] = largest
        return name

    def largest(self, names: Ints) -> Masks:
        """The outputs that are largest at some points."""
        found = np.empty(len(names), np.int64)
        at_vertex = names < self.vertices
        found[at_vertex] = self.masks[names[at_vertex]]
        _, i, j = self._pairs(names[~at_vertex])
        found[~at_vertex] = (np.int64(1) << i) | (np.int64(1) << j)
        return replaced(found, names, self._masks)

    def _pairs(self, names: Ints) -> tuple[Ints, Ints, Ints]:
        """The half-edges and the two outputs that some names inside edges say."""
        code = names - self.vertices
        edge = np.minimum(code // self.n**2, len(self.part.edge_half_edges) - 1)
        return self.part.edge_half_edges[edge], code // self.n % self.n, code % self.n

    def places(self, names: Ints) -> Places:
        """The places of some points, their names in order."""
        vertices, on_edges, inside = np.split(names, np.searchsorted(names, [self.vertices, self.named]))
        half, i, j = self._pairs(on_edges)
        u, w = self.start[half], self.end[half]
        values, errors, coordinates = self.outputs.values, self.outputs.errors, self.part.coordinates
        with np.errstate(over="ignore", invalid="ignore"):
            start, end = (values[v, i] - values[v, j] for v in (u, w))
            error = np.maximum(*(errors[v, i] + errors[v, j] for v in (u, w)))
        near, blur = between(coordinates[u], coordinates[w], start, end, error)
        points = list(self._inside)
        within = [points[k] for k in (inside - self.named).tolist()]
        fast = [np.array(p.place) if isinstance(p, Meeting) else rounded([p])[0] for p in within]
        blurred = [p.blur if isinstance(p, Meeting) else 0.0 for p in within]
        return places_of(
            partial(self._exact, vertices, half, i, j, within),
            np.concatenate([coordinates[vertices], near, np.array(fast).reshape(-1, 2)]),
            np.concatenate([np.zeros(len(vertices)), blur, np.array(blurred)]),
            self.part.geometry.slack,
        )

    def _exact(
        self, vertices: Ints, half: Ints, i: Ints, j: Ints, within: list[Point | Meeting], numbers: Ints
    ) -> list[Point]:
        """Some points of those at vertices, then those between outputs i and j on half-edges, then those within."""
        first, total = len(vertices), len(vertices) + len(half)
        at_vertices, on_edges = numbers[numbers < first], numbers[(numbers >= first) & (numbers < total)] - first
        inside = numbers[numbers >= total].tolist()
        known = iter(self.part.geometry.places(vertices[at_vertices]))
        found = dict(zip(at_vertices.tolist(), known, strict=True))
        if len(on_edges):
            half, i, j = half[on_edges], i[on_edges], j[on_edges]
            forms = self.outputs.cells.forms(self.outputs.cuts(i, j), self.part.half_edges.face[half])
            zeros = zeros_between(self.part.geometry, forms, self.start[half], self.end[half])
            found.update(zip((on_edges + first).tolist(), zeros, strict=True))
        met = [within[k - total] for k in inside]
        found.update(zip(inside, self._met(met), strict=True))
        return [found[k] for k in numbers.tolist()]

    def _met(self, within: list[Point | Meeting]) -> list[Point]:
        """Points inside faces: where the forms of two differences are zero."""
        open_ = [point for point in within if isinstance(point, Meeting)]
        if not open_:
            return [point for point in within if not isinstance(point, Meeting)]
        faces, i, j, k = np.array([(point.face, *point.outputs) for point in open_], np.int64).T
        cuts = self.outputs.cuts(np.concatenate([i, i]), np.concatenate([j, k]))
        forms = self.outputs.cells.forms(cuts, np.concatenate([faces, faces]))
        crossings = map(_crossing, forms[: len(open_)], forms[len(open_) :])
        return [next(crossings) if isinstance(point, Meeting) else point for point in within]


def _crossing(f: Point, g: Point) -> Point:
    """Where two forms are zero, which meet in a point."""
    (a, b, c), (d, e, h) = f, g
    x, y, w = b * h - c * e, c * d - a * h, a * e - b * d
    return primitive((x, y, w) if w > 0 else (-x, -y, -w))
