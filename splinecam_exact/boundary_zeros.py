"""Where a difference of outputs has a value: read off the signs that it has at the vertices of a subdivision.

On a cell the function f is affine. So its signs at the vertices say everything: an edge with ends of different
signs has one zero inside; an edge with two zeros at its ends is all zero; a cell with positive and negative corners
is crossed by one segment, between the two places where the sign changes along its sides; a cell with zeros at all
corners is all zero. No sign but these is ever needed.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.boundary_cells import Cells, vertex_values
from splinecam_exact.boundary_trace import (
    VISIBLE,
    Floats,
    Places,
    Trace,
    between,
    extent,
    places_of,
    some_polygons,
    zeros_between,
)
from splinecam_exact.decide import Signs
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point, homogeneous
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.subdivision import Subdivision


class Function(NamedTuple):
    """f = output `plus` minus output `minus` (none if it is -1) minus `level`."""

    plus: int
    minus: int
    level: mpq

    def head(self, net: Network) -> Network:
        """A network with the output f."""
        row = [int(k == self.plus) - int(k == self.minus) for k in range(net.output_size)]
        node = Affine((len(net.nodes),), (ExactArray.of([row]),), ExactArray.of([-self.level]))
        return Network(net.input_size, (*net.nodes, node), net.conventions)


def trace_zeros(part: Subdivision, function: Function, progress: Progress | None) -> Trace:
    """The zero set of a function on the cells of a subdivision."""
    return _Zeros(part, function, progress).trace()


class _Zeros:
    """Points are first named by codes: vertex v by v, the zero inside edge e by V + e."""

    def __init__(self, part: Subdivision, function: Function, progress: Progress | None) -> None:
        self.part, self.function = part, function
        self.cells = Cells(part.network, part.domain, part.geometry, progress)
        kept = part.geometry.outputs()
        difference = None if kept is None else kept.difference(*function)
        known = vertex_values(function.head(part.network), part, kept=difference)
        if known is not None and part.certified:
            known.sharpen(self._vague(known.values[:, 0], known.errors[:, 0]))
        self.values: Floats | None = None if known is None else known.values[:, 0]
        self.errors = np.empty(0) if known is None else known.errors[:, 0]
        self.signs = self._signs()

    @np.errstate(over="ignore", invalid="ignore")
    def _vague(self, values: Floats, errors: Floats) -> Ints:
        """The vertices with a doubtful sign, and those between which there is a zero that is visibly blurred."""
        doubtful = ~(abs(values) > errors)
        u, w, _ = self._edges(np.arange(len(self.part.edge_half_edges)))
        crossed = (values[u] > 0) != (values[w] > 0)
        u, w = u[crossed], w[crossed]
        p, q = self.part.coordinates[u], self.part.coordinates[w]
        places, blur = between(p, q, values[u], values[w], np.maximum(errors[u], errors[w]))
        blurred = ~(blur <= VISIBLE * extent(places))
        return np.concatenate([np.flatnonzero(doubtful), u[blurred], w[blurred]])

    def _signs(self) -> Signs:
        """The sign of the function at every vertex: exact, but for a float64 subdivision."""
        if self.values is None:
            unsure = np.arange(self.part.geometry.vertex_count)
            signs = np.zeros(len(unsure), np.int8)
        else:
            signs = (self.values > 0).astype(np.int8) - (self.values < 0)
            if not self.part.certified:
                return signs
            unsure = np.flatnonzero(~(abs(self.values) > self.errors))
        if len(unsure):
            signs[unsure] = self.cells.signs(np.full(len(unsure), self.cells.cut(*self.function)), unsure)
        return signs

    def trace(self) -> Trace:
        """The segments, the filled cells, the isolated points."""
        part, signs = self.part, self.signs
        polygons, dcel, half = part.geometry.polygons, part.half_edges, part.edge_half_edges
        start, end = dcel.origin, dcel.origin[dcel.twin]
        edge = np.empty(len(start), np.int64)
        edge[half] = edge[dcel.twin[half]] = np.arange(len(half))
        code = np.where(signs[start] == 0, start, -1)
        code = np.where(signs[start] * signs[end] < 0, part.geometry.vertex_count + edge, code)
        lowest = np.minimum.reduceat(signs[polygons.corners], polygons.starts[:-1])
        highest = np.maximum.reduceat(signs[polygons.corners], polygons.starts[:-1])

        inner = np.arange(len(polygons.corners))
        at = inner[(code[inner] >= 0) & ((lowest < 0) & (highest > 0))[dcel.face[inner]]]
        crossings = np.bincount(dcel.face[at], minlength=len(lowest))
        at = at[crossings[dcel.face[at]] == 2]  # always, but where float64 signs contradict each other
        chords, across = code[at].reshape(-1, 2), dcel.face[at[::2]]
        turned = signs[end[at[::2]]] > 0  # what lies between the first and the second end is on the right
        chords[turned] = chords[turned][:, ::-1]

        # The outer face has the number -1: the last entry is its.
        side = np.append(lowest + highest, 0)
        filled = np.append((lowest == 0) & (highest == 0), False)
        flat = half[(signs[start[half]] == 0) & (signs[end[half]] == 0)]
        flat = flat[~(filled[dcel.face[flat]] & filled[dcel.face[dcel.twin[flat]]])]
        flat = np.where(side[dcel.face[flat]] < side[dcel.face[dcel.twin[flat]]], dcel.twin[flat], flat)
        sides = np.stack([dcel.face[flat], dcel.face[dcel.twin[flat]]], axis=1)

        faces = np.flatnonzero(filled)
        areas = some_polygons(polygons, faces)
        ends = np.concatenate([chords, np.stack([start[flat], end[flat]], axis=1)])
        zeros = np.flatnonzero(signs == 0)
        isolated = np.setdiff1d(zeros, np.concatenate([ends.ravel(), areas.corners]))
        codes = np.unique(np.concatenate([ends.ravel(), areas.corners, isolated]))
        pair = np.array([self.function.plus, self.function.minus])
        return Trace(
            self._places(codes),
            np.searchsorted(codes, ends),
            np.concatenate([np.stack([across, across], axis=1), sides]),
            np.tile(pair, (len(ends), 1)),
            np.concatenate([np.ones(len(chords), bool), side[sides[:, 0]] * side[sides[:, 1]] < 0]),
            areas._replace(corners=np.searchsorted(codes, areas.corners)),
            faces,
            np.tile(pair, (len(faces), 1)),
            np.searchsorted(codes, isolated),
            np.empty(0, np.int64),
        )

    def _places(self, codes: Ints) -> Places:
        count = self.part.geometry.vertex_count
        inside = codes >= count
        if self.values is None:
            return Places(len(codes), partial(self._exact, codes), None, 0.0)
        values, errors = self.values, self.errors
        fast = np.empty((len(codes), 2))
        fast[~inside] = self.part.coordinates[codes[~inside]]
        u, w, _ = self._edges(codes[inside] - count)
        p, q = self.part.coordinates[u], self.part.coordinates[w]
        blur = np.zeros(len(codes))
        fast[inside], blur[inside] = between(p, q, values[u], values[w], np.maximum(errors[u], errors[w]))
        if not self.part.certified:
            return Places(len(codes), partial(_denoted, fast), fast, 0.0)
        return places_of(partial(self._exact, codes), fast, blur, self.part.geometry.slack)

    def _edges(self, edges: Ints) -> tuple[Ints, Ints, Ints]:
        """The two ends of some edges, and a face beside each."""
        dcel, half = self.part.half_edges, self.part.edge_half_edges[edges]
        return dcel.origin[half], dcel.origin[dcel.twin[half]], dcel.face[half]

    def _exact(self, all_codes: Ints, numbers: Ints) -> list[Point]:
        geometry, codes = self.part.geometry, all_codes[numbers]
        inside = codes >= geometry.vertex_count
        u, w, faces = self._edges(codes[inside] - geometry.vertex_count)
        forms = self.cells.forms(np.full(len(u), self.cells.cut(*self.function)), faces)
        vertices, zeros = iter(geometry.places(codes[~inside])), iter(zeros_between(geometry, forms, u, w))
        return [next(zeros) if i else next(vertices) for i in inside.tolist()]


def _denoted(places: Floats, numbers: Ints) -> list[Point]:
    """The points that some float64 coordinates denote."""
    return [homogeneous(exact(x), exact(y)) for x, y in places[numbers].tolist()]
