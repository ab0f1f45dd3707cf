"""A certified mesh as a `Geometry`: exact points and states are computed when they are asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from splinecam_exact.geometry import Geometry, Polygons, States
from splinecam_exact.half_edges import HalfEdges, Ints, half_edges
from splinecam_exact.kernel.rational import Point
from splinecam_exact.verify.engine import Engine


class MeshGeometry(Geometry):
    """What a certified engine found. `coordinates` are float64, each within `slack` of the exact one."""

    def __init__(self, engine: Engine) -> None:
        mesh = engine.mesh
        self.polygons = Polygons(mesh.start.cpu().numpy(), mesh.origin.cpu().numpy())
        self.vertex_count = len(mesh.x)
        self.unit_count = sum(layer.units for layer in engine.history.layers)
        self.coordinates = mesh.x.cpu().numpy()
        self.slack = float(engine.accuracy.ball.max())
        self._twins = mesh.twin.cpu().numpy()
        self._exactly, self._history = engine.exactly, engine.history

    @cached_property
    def half_edges(self) -> HalfEdges:
        """The DCEL."""
        return half_edges(*self.polygons, self.vertex_count, self._twins)

    @cached_property
    def points(self) -> list[Point]:
        """The exact vertices. Cost: the exact forms of two units for each, in bulk."""
        return self._places(np.arange(self.vertex_count))

    def point(self, vertex: int) -> Point:
        """One exact vertex."""
        return self.points[vertex] if "points" in self.__dict__ else self._places(np.array([vertex]))[0]

    def _places(self, vertices: Ints) -> list[Point]:
        return self._exactly.places(vertices, self._face_of[vertices], self._history.patterns)

    @cached_property
    def _face_of(self) -> Ints:
        found = np.empty(self.vertex_count, np.int64)
        found[self.polygons.corners] = np.repeat(np.arange(self.polygons.faces), np.diff(self.polygons.starts))
        return found

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        found = self._history.states(faces)
        return np.concatenate([np.empty((len(faces), 0), np.uint8), *found], axis=1)
