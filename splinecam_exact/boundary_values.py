"""A network's outputs at the vertices of a subdivision, in float64 with proved bounds (proofs/fast.md, section 10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from splinecam_exact.boundary_trace import Floats, some_face
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import Geometry
from splinecam_exact.half_edges import Ints
from splinecam_exact.network import Network
from splinecam_exact.verify.centre import centred
from splinecam_exact.verify.face_maps import FaceMaps
from splinecam_exact.verify.outputs import Kept
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT
from splinecam_exact.verify.steps import Field, Step, compiled, corners_of
from splinecam_exact.verify.values import Values

Bools = NDArray[np.bool_]

AT_ONCE = 1 << 19
"""About so many values of a node are computed at a time: they stay in the cache."""


class VertexValues:
    """The outputs at the exact vertices: `values` (V, outputs), each within `errors` (V, outputs) of the true one.

    Bounds are infinite where nothing is known. Where outputs are only `compared` with each other, all are less the same
    number: on a tiny domain, the largest at its centre, so that those that are nearly as large keep all their digits.
    The network is evaluated at the vertices only if no outputs were `kept`.
    """

    def __init__(
        self, net: Network, dom: Polygon | Slice, geometry: Geometry, compared: bool, kept: Kept | None = None
    ) -> None:
        self._net, self._dom, self._geometry = net, dom, geometry
        self._rows = max(1, AT_ONCE // max(net.sizes))
        self._near = geometry.distances() + 4 * UNIT * float(abs(geometry.coordinates).max()) + TINY
        self._less = 0.0
        if compared:  # one and the same number for all: a device, or another machine, may have other references
            self._less = float((self._reference if kept is None else kept.reference).max())
        if kept is not None:
            self.values, self.errors = self._moved(kept.values, kept.errors, kept.reference)
            return
        self.values = np.empty((geometry.vertex_count, net.output_size))
        self.errors = np.empty_like(self.values)
        for some, value, error, steep in self._evaluated(geometry.coordinates):
            with np.errstate(over="ignore", invalid="ignore"):
                error = error + steep * self._near[some, np.newaxis]
            self.values[some], self.errors[some] = self._moved(value, error, self._reference)

    @cached_property
    def _steps(self) -> list[Step]:
        """The network in float64."""
        device = torch.device("cpu")
        return centred(compiled(self._net, self._dom, device), corners_of(self._dom.corners, device))

    @cached_property
    def _maps(self) -> FaceMaps:
        """The same on single faces."""
        return FaceMaps(self._net, self._steps)

    @cached_property
    def _reference(self) -> Floats:
        """What the outputs are less, here."""
        reference = self._steps[-1].reference
        return np.zeros(self._net.output_size) if reference is None else reference.numpy()

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

    @np.errstate(over="ignore", invalid="ignore")
    def _moved(
        self, value: Floats, error: Floats, reference: Floats, columns: Sequence[int] | None = None
    ) -> tuple[Floats, Floats]:
        """Outputs (all, or some) and their errors, with their references again, less what all are less."""
        reference = (reference if columns is None else reference[columns]) - self._less
        found = value + reference
        error = error + 2 * UNIT * (abs(found) + abs(reference)) + TINY
        return found, np.where(np.isfinite(found), _known(error * SAFE), np.inf)

    def sharpen(self, vertices: Ints, outputs: Sequence[int] | None = None) -> None:
        """Better bounds of some `outputs`, or all, at some vertices: by the affine map of a face beside each.

        Bounds that pass through all layers are far too large in deep networks.
        """
        vertices = np.unique(vertices)
        faces = some_face(self._geometry)[vertices]
        chosen = list(range(self._net.output_size) if outputs is None else outputs)
        x, near = self._geometry.coordinates[vertices], self._near[vertices]
        for low in range(0, len(vertices), self._rows):
            some = slice(low, low + self._rows)
            states = torch.from_numpy(self._geometry.state_rows(faces[some]).astype(np.int64))
            value, error = self._maps.outputs(torch.from_numpy(x[some]), torch.from_numpy(near[some]), states, chosen)
            found, bound = self._moved(value.numpy(), error.numpy(), self._reference, chosen)
            at = vertices[some, np.newaxis], np.array(chosen, np.int64)
            better = bound < self.errors[at]
            self.values[at] = np.where(better, found, self.values[at])
            self.errors[at] = np.where(better, bound, self.errors[at])


def _known(bound: Floats) -> Floats:
    """Bounds, infinite where they are no numbers."""
    return np.where(bound < np.inf, bound, np.inf)
