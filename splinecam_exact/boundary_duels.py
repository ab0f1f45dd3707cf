"""The arg-max boundary of a classifier without ties at vertices: read off which output is largest at every vertex.

Where at two places along the sides of a cell the largest output changes, from i to j and back, the boundary crosses
the cell from the one to the other, unless a third output comes up on the way. It does not if it is below the two at
both places: it is below i at the corners where i is largest, so on all of i's part of the cell, and the same for j.
Cells for which float64 with proved bounds does not show that, those around triple points above all, are cut in
rationals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from gmpy2 import mpq
from numpy.typing import NDArray

from splinecam_exact.boundary_cells import Cells, vertex_values
from splinecam_exact.boundary_trace import (
    Floats,
    Places,
    Trace,
    between,
    places_of,
    rounded,
    some_polygons,
    zeros_between,
)
from splinecam_exact.geometry import Polygons
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point, homogeneous
from splinecam_exact.subdivision import ExactPoint, Subdivision

ROUNDING = 2.0**-48
"""Covers the rounding of a few operations, relative to their size; `LEAST` covers underflow."""
LEAST = 2.0**-1000


def trace_duels(part: Subdivision, progress: Progress | None) -> Trace | None:
    """Where two or more outputs are the largest, on the cells of a certified subdivision.

    None where this does not do: without float64 values, and where there are ties at vertices, or of four outputs.
    """
    known = vertex_values(part.network, part, compared=True) if part.certified else None
    if known is None:
        return None
    values, errors = known.values, known.errors.max(axis=0)
    errors = errors + ROUNDING * abs(values).max(axis=0)
    duels = _Duels(part, values, errors, Cells(part.network, part.domain, part.geometry, progress))
    return duels.trace()


class _Crossing(NamedTuple):
    """A segment in a cell that is cut exactly: its ends and the outputs that are larger on its left and right.

    An end is a number of a half-edge, on which it lies, or -1 - k for triple point k.
    """

    ends: tuple[int, int]
    classes: tuple[int, int]


class _Duels:
    """Points are first named by codes: that on edge e between outputs i < j by (e * n + i) * n + j, then triple points.

    n is the number of outputs.
    """

    def __init__(self, part: Subdivision, values: Floats, errors: Floats, cells: Cells) -> None:
        self.part, self.values, self.errors, self.cells = part, values, errors, cells
        self.n = part.network.output_size
        dcel, half = part.half_edges, part.edge_half_edges
        self.start, self.end = dcel.origin, dcel.origin[dcel.twin]
        self.edge = np.empty(len(self.start), np.int64)
        self.edge[half] = self.edge[dcel.twin[half]] = np.arange(len(half))
        self.triple: dict[tuple[int, frozenset[int]], tuple[int, ExactPoint]] = {}

    def trace(self) -> Trace | None:
        """The segments; None where there are ties."""
        top = self._largest()
        if top is None:
            return None
        polygons, dcel = self.part.geometry.polygons, self.part.half_edges
        inner = np.arange(len(polygons.corners))
        at = inner[top[self.start[inner]] != top[self.end[inner]]]
        count = np.bincount(dcel.face[at], minlength=polygons.faces)
        pairs = at[count[dcel.face[at]] == 2].reshape(-1, 2)
        left, right = top[self.start[pairs[:, 0]]], top[self.end[pairs[:, 0]]]
        plain = self._alone(pairs[:, 0], left, right) & self._alone(pairs[:, 1], right, left)
        pairs, classes = pairs[plain], np.stack([left, right], axis=1)[plain]
        faces = dcel.face[pairs[:, 0]]
        others = np.setdiff1d(np.flatnonzero(count), faces)

        found: list[tuple[int, _Crossing]] = []
        for face, corners, outputs in self._exactly(others):
            cut = self._cut(face, corners, outputs)
            if cut is None:
                return None
            found += [(face, crossing) for crossing in cut]
        ends = np.concatenate([pairs, np.array([c.ends for _, c in found], np.int64).reshape(-1, 2)])
        classes = np.concatenate([classes, np.array([c.classes for _, c in found], np.int64).reshape(-1, 2)])
        faces = np.concatenate([faces, np.array([face for face, _ in found], np.int64)])
        codes = self._codes(ends, classes)
        used = np.unique(codes)
        nothing = np.empty(0, np.int64)
        return Trace(
            self._places(used),
            np.searchsorted(used, codes),
            np.stack([faces, faces], axis=1),
            classes,
            np.ones(len(ends), bool),
            Polygons.of([]),
            nothing,
            nothing.reshape(0, 2),
            nothing,
            np.flatnonzero(used >= self._edge_codes),
        )

    # -- vertices -----------------------------------------------------------------------------------------------------

    def _largest(self) -> Ints | None:
        """The output that is largest at each vertex; None where there is a tie at one."""
        low, high = self.values - self.errors, self.values + self.errors
        maybe = ~(high < low.max(axis=1, keepdims=True))
        open_ = np.flatnonzero(np.count_nonzero(maybe, axis=1) > 1)
        rows, first, second = [], [], []
        for i, j in combinations(range(self.n), 2):
            both = open_[maybe[open_, i] & maybe[open_, j]]
            rows.append(both)
            first.append(np.full(len(both), i))
            second.append(np.full(len(both), j))
        if len(open_):
            vertices, i_of, j_of = map(np.concatenate, (rows, first, second))
            signs = self.cells.signs(self._cuts(i_of, j_of), vertices)
            if not signs.all():
                return None
            maybe[vertices, np.where(signs > 0, j_of, i_of)] = False
        largest: Ints = maybe.argmax(axis=1)
        return largest

    def _cuts(self, first: Ints, second: Ints) -> Ints:
        """The decider's numbers of the differences of two outputs."""
        numbers = np.array(self.cells.program.outputs)
        pairs, which = np.unique(np.stack([first, second], axis=1), axis=0, return_inverse=True)
        return self.cells.decider.compare(numbers[pairs]) + which.reshape(-1)

    # -- cells --------------------------------------------------------------------------------------------------------

    def _alone(self, at: Ints, i: Ints, j: Ints) -> NDArray[np.bool_]:
        """Whether, where output i at the start of a half-edge gives way to j at its end, all others are surely less.

        With a = f_i - f_j at the start and b = f_j - f_i at the end, both > 0, f_k is less there than f_i where
        b (f_k - f_i at the start) + a (f_k - f_i at the end) < 0.
        """
        u, w, row = self.values[self.start[at]], self.values[self.end[at]], np.arange(len(at))
        a, b = (u[row, i] - u[row, j])[:, np.newaxis], (w[row, j] - w[row, i])[:, np.newaxis]
        duel = (self.errors[i] + self.errors[j])[:, np.newaxis]
        g, h = u - u[row, i][:, np.newaxis], w - w[row, i][:, np.newaxis]
        other = self.errors + self.errors[i][:, np.newaxis]
        size = abs(b * g) + abs(a * h)
        slack = (abs(a) + abs(b) + 2 * duel) * other + (abs(g) + abs(h)) * duel + ROUNDING * size + LEAST
        below: NDArray[np.bool_] = np.asarray(b * g + a * h < -slack * (1 + ROUNDING))
        columns = np.arange(self.n)
        mine = (columns == i[:, np.newaxis]) | (columns == j[:, np.newaxis])
        less: NDArray[np.bool_] = (below | mine).all(axis=1)
        return less

    def _exactly(self, faces: Ints) -> Iterator[tuple[int, list[ExactPoint], list[list[mpq]]]]:
        """Some faces with their corners and, per output, its values there, all computed together."""
        geometry, program = self.part.geometry, self.cells.program
        polygons = some_polygons(geometry.polygons, faces)
        vertices, again = np.unique(polygons.corners, return_inverse=True)
        points = geometry.places(vertices)
        forms = iter(self.cells.values(program.outputs, faces))
        for face, (s, t) in zip(faces.tolist(), pairwise(polygons.starts.tolist()), strict=True):
            corners = [points[k] for k in again[s:t].tolist()]
            values = [
                [mpq(a * x + b * y + c * w, program.denominator[number] * w) for x, y, w in corners]
                for number, (a, b, c) in zip(program.outputs, forms, strict=False)
            ]
            yield face, [(mpq(x, w), mpq(y, w)) for x, y, w in corners], values

    def _cut(self, face: int, corners: list[ExactPoint], at: list[list[mpq]]) -> list[_Crossing] | None:
        """The segments in a cell, from the outputs at its corners; None where anything is tied that need not be."""
        first = int(self.part.geometry.polygons.starts[face])
        found = []
        for i, j in combinations(range(self.n), 2):
            f = [p - q for p, q in zip(at[i], at[j], strict=True)]
            if min(f) > 0 or max(f) < 0:
                continue
            if not all(f):
                return None
            changes = [k for k in range(len(f)) if (f[k] > 0) != (f[k + 1 - len(f)] > 0)]
            shares = [f[k] / (f[k] - f[k + 1 - len(f)]) for k in changes]
            p, q = (_along(corners[k], corners[k + 1 - len(f)], s) for k, s in zip(changes, shares, strict=True))
            there = [
                [row[k] + s * (row[k + 1 - len(f)] - row[k]) for k, s in zip(changes, shares, strict=True)]
                for row in at
            ]
            part = _remaining(there, i, j)
            if part is None:
                return None
            if part[0].along >= part[1].along:
                continue
            names = [
                first + k if share.other < 0 else self._triple(face, {i, j, share.other}, _along(p, q, share.along))
                for k, share in zip(changes, part, strict=True)
            ]
            classes = (i, j) if f[changes[0]] > 0 else (j, i)
            found.append(_Crossing((names[0], names[1]), classes))
        return found

    def _triple(self, face: int, outputs: set[int], point: ExactPoint) -> int:
        """The name of a triple point: of a cell and three outputs."""
        number, _ = self.triple.setdefault((face, frozenset(outputs)), (len(self.triple), point))
        return -1 - number

    # -- points -------------------------------------------------------------------------------------------------------

    @property
    def _edge_codes(self) -> int:
        return len(self.part.edge_half_edges) * self.n * self.n

    def _codes(self, ends: Ints, classes: Ints) -> Ints:
        low, high = classes.min(axis=1, keepdims=True), classes.max(axis=1, keepdims=True)
        on_edges = (self.edge[ends] * self.n + low) * self.n + high
        return np.where(ends < 0, self._edge_codes - 1 - ends, on_edges)

    def _places(self, codes: Ints) -> Places:
        on_edges = codes[codes < self._edge_codes]
        triple = [homogeneous(*point) for _, point in self.triple.values()]
        half = self.part.edge_half_edges[on_edges // self.n**2]
        i, j = on_edges // self.n % self.n, on_edges % self.n
        u, w = self.start[half], self.end[half]
        start, end = (self.values[v, i] - self.values[v, j] for v in (u, w))
        p, q = self.part.coordinates[u], self.part.coordinates[w]
        near, blur = between(p, q, start, end, self.errors[i] + self.errors[j])
        fast = np.concatenate([near, rounded(triple)])
        blur = np.concatenate([blur, np.zeros(len(triple))])

        return places_of(partial(self._exact, half, i, j, triple), fast, blur, self.part.geometry.slack)

    def _exact(self, half: Ints, i: Ints, j: Ints, triple: list[Point], numbers: Ints) -> list[Point]:
        """Some points: those between outputs i and j on half-edges, then the triple ones."""
        some = numbers[numbers < len(half)]
        forms = self.cells.forms(self._cuts(i[some], j[some]), self.part.half_edges.face[half[some]])
        zeros = iter(zeros_between(self.part.geometry, forms, self.start[half[some]], self.end[half[some]]))
        return [next(zeros) if k < len(half) else triple[k - len(half)] for k in numbers.tolist()]


class _Share(NamedTuple):
    """How far along a segment, from 0 to 1, and the output that is equal there too, -1 for none."""

    along: mpq
    other: int


def _remaining(there: Sequence[Sequence[mpq]], i: int, j: int) -> tuple[_Share, _Share] | None:
    """The part of a segment on which no output is larger than i and j, which are equal there; None where others tie.

    `there` has the values of each output at the two ends. The part is empty where its end is before its start.
    """
    low, high = _Share(mpq(0), -1), _Share(mpq(1), -1)
    for k in range(len(there)):
        if k in (i, j):
            continue
        g, h = (mine - other for mine, other in zip(there[k], there[i], strict=True))
        if g == 0 or h == 0:
            return None
        if g > 0 and h > 0:
            return _Share(mpq(1), -1), _Share(mpq(0), -1)
        if g < 0 and h < 0:
            continue
        share = g / (g - h)
        if share in (low.along, high.along):
            return None
        if g > 0 and share > low.along:
            low = _Share(share, k)
        elif h > 0 and share < high.along:
            high = _Share(share, k)
    return low, high


def _along(p: ExactPoint, q: ExactPoint, share: mpq) -> ExactPoint:
    return p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])
