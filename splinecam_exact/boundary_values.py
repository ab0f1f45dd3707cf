"""A network's outputs at the vertices of a subdivision, in float64 with proved bounds (proofs/fast.md, section 10)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from splinecam_exact.boundary_trace import Floats, some_polygons
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import Geometry, Polygons
from splinecam_exact.half_edges import Ints
from splinecam_exact.inner_points import at_corners, inner_points
from splinecam_exact.network import Network
from splinecam_exact.verify.centre import centred
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT
from splinecam_exact.verify.slice_pairs import SlicePairs
from splinecam_exact.verify.steps import Field, compiled, corners_of
from splinecam_exact.verify.values import Values

Bools = NDArray[np.bool_]

AT_ONCE = 1 << 19
"""About so many values of a node are computed at a time: they stay in the cache."""


class VertexValues:
    """The outputs at the exact vertices: `values` (V, outputs), each within `errors` (V, outputs) of the true one.

    Bounds are infinite where nothing is known. Where outputs are only `compared` with each other, all are less the same
    number: on a tiny domain, the largest at its centre, so that those that are nearly as large keep all their digits.
    """

    def __init__(self, net: Network, dom: Polygon | Slice, geometry: Geometry, compared: bool) -> None:
        device = torch.device("cpu")
        self._net, self._dom, self._geometry = net, dom, geometry
        self._pairs: SlicePairs | None = None
        self._rows = max(1, AT_ONCE // max(net.sizes))
        self._steps = centred(compiled(net, dom, device), corners_of(dom.corners, device))
        reference = self._steps[-1].reference
        self._subtracted = np.zeros(net.output_size) if reference is None else reference.numpy()
        self._reference = self._subtracted - self._subtracted.max() if compared else self._subtracted
        self._near = geometry.distances() + 4 * UNIT * float(abs(geometry.coordinates).max()) + TINY
        self.values = np.empty((geometry.vertex_count, net.output_size))
        self.errors = np.empty_like(self.values)
        for some, value, error, steep in self._evaluated(geometry.coordinates):
            with np.errstate(over="ignore", invalid="ignore"):
                error = error + steep * self._near[some, np.newaxis]
            self.values[some], self.errors[some] = self._moved(value, error)

    def _evaluated(self, points: Floats) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
        """The outputs less their references at float64 points, bounds of their errors (outputs,), and of slopes."""
        values = Values(self._steps, torch.from_numpy(np.ascontiguousarray(points)), True)
        places = values.fields[0]
        for low in range(0, len(points), self._rows):
            some = slice(low, low + self._rows)
            x = places.value[some]
            values.fields = {0: Field(x, places.error, places.lipschitz, places.size)}
            field = values.run()
            yield some, field.value.numpy(), (field.rows_error * SAFE).numpy(), (field.rows_lipschitz * SAFE).numpy()

    def _evaluated_closely(self, points: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
        """The same with some 28 digits before they are rounded, without slopes: ten times as slow."""
        if self._pairs is None:
            self._pairs = SlicePairs(self._net, self._dom)
        for some, outputs in self._pairs.values(points):
            y = outputs.plus(-torch.from_numpy(self._subtracted))
            yield some, y.high.numpy(), ((y.low.abs() + y.error).amax(0) * SAFE).numpy()

    @np.errstate(over="ignore", invalid="ignore")
    def _moved(self, value: Floats, error: Floats) -> tuple[Floats, Floats]:
        """Outputs and their errors, with the references again."""
        found = value + self._reference
        error = error + 2 * UNIT * (abs(found) + abs(self._reference)) + TINY
        return found, np.where(np.isfinite(found), _known(error * SAFE), np.inf)

    def sharpen(self, vertices: Ints, closely: bool = False) -> None:
        """Better bounds at some vertices: from the values at three points inside each face beside them.

        Slopes that pass through all layers are bounded far too largely in deep networks. On a face an output is affine:
        so its values inside say what it is at the true corners, wherever in their balls these are.
        """
        wanted = np.zeros(len(self.values), bool)
        wanted[vertices] = True
        geometry = self._geometry
        polygons = geometry.polygons
        faces = (
            covering(polygons, wanted)
            if closely
            else np.flatnonzero(np.logical_or.reduceat(wanted[polygons.corners], polygons.starts[:-1]))
        )
        inner = inner_points(some_polygons(polygons, faces), geometry.coordinates, self._near)
        if not len(inner.points):
            return
        value, bound = np.empty((3 * len(inner.points), self.values.shape[1])), np.zeros(self.values.shape[1])
        evaluated = self._evaluated_closely if closely else self._evaluated
        for some, found, lost, *_ in evaluated(inner.points.reshape(-1, 2)):
            value[some], bound = found, np.maximum(bound, _known(lost))
        triples = value.reshape(len(inner.points), 3, -1)
        found, error = self._moved(*at_corners(inner, geometry.coordinates, self._near, triples, bound))
        corners = inner.polygons.corners
        least = self.errors.copy()
        np.minimum.at(least, corners, error)
        row, column = np.nonzero((error == least[corners]) & (error < self.errors[corners]))
        self.values[corners[row], column], self.errors[corners[row], column] = found[row, column], error[row, column]


def _known(bound: Floats) -> Floats:
    """Bounds, infinite where they are no numbers."""
    return np.where(bound < np.inf, bound, np.inf)


def covering(polygons: Polygons, wanted: Bools) -> Ints:
    """A few faces that have all wanted vertices among their corners: those with many of them first."""
    counts = np.add.reduceat(wanted[polygons.corners].astype(np.int64), polygons.starts[:-1])
    left, found = wanted.copy(), []
    for face in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)].tolist():
        corners = polygons.corners[polygons.starts[face] : polygons.starts[face + 1]]
        if left[corners].any():
            left[corners] = False
            found.append(face)
    return np.array(found, np.int64)
