"""Results: a certified mesh as a `Geometry`, whose exact points and states are computed when they are asked for."""

from __future__ import annotations

import os
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from splinecam_exact.decide import Decider
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.fast.mesh import delicate
from splinecam_exact.geometry import FloatGeometry, Geometry, Polygons, States
from splinecam_exact.half_edges import HalfEdges, Ints, half_edges
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point
from splinecam_exact.network import Network
from splinecam_exact.nodes import Max
from splinecam_exact.subdivision import Subdivision
from splinecam_exact.verify.engine import Contradiction, Engine
from splinecam_exact.verify.outputs import Kept, kept
from splinecam_exact.verify.reach import within_reach


class MeshGeometry(Geometry):
    """What a certified engine found. `coordinates` are float64, each within `slack` of the exact one."""

    def __init__(self, engine: Engine) -> None:
        mesh = engine.mesh
        self.polygons = Polygons(mesh.start.cpu().numpy(), mesh.origin.cpu().numpy())
        self.vertex_count = len(mesh.x)
        self.unit_count = engine.history.unit_count
        self.coordinates = mesh.x.cpu().numpy()
        self._balls: NDArray[np.float64] = engine.accuracy.ball.cpu().numpy()
        self.slack = float(self._balls.max())
        self._twins = mesh.twin.cpu().numpy()
        self._exactly, self._history = engine.exactly, engine.history
        self._outputs = kept(engine)

    @cached_property
    def half_edges(self) -> HalfEdges:
        """The DCEL."""
        return half_edges(*self.polygons, self.vertex_count, self._twins)

    @cached_property
    def points(self) -> list[Point]:
        """The exact vertices. Cost: the exact forms of two units for each, in bulk."""
        return self._computed(np.arange(self.vertex_count))

    def places(self, vertices: Ints) -> list[Point]:
        """Some exact vertices."""
        return super().places(vertices) if "points" in self.__dict__ else self._computed(vertices)

    def distances(self) -> NDArray[np.float64]:
        """Per vertex, how far `coordinates` may be from the exact one."""
        return self._balls

    def outputs(self) -> Kept | None:
        """Where the engine has carried them along."""
        return self._outputs

    def decider(self) -> Decider:
        """The one that the vertices are computed with."""
        return self._exactly.decider

    def _computed(self, vertices: Ints) -> list[Point]:
        return self._exactly.places(vertices, self._face_of[vertices], self._history.patterns)

    @cached_property
    def _face_of(self) -> Ints:
        found = np.empty(self.vertex_count, np.int64)
        found[self.polygons.corners] = np.repeat(np.arange(self.polygons.faces), np.diff(self.polygons.starts))
        return found

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        return self._history.all_states(faces)

    def first_states(self, faces: Ints, units: int) -> States:
        """The states of the first units: where these are in one layer, the others are left alone."""
        layers = self._history.layers
        if not layers or layers[0].units < units:
            return super().first_states(faces, units)
        return layers[0].states(self._history.ancestors(faces)[0])[:, :units]


def speculate(
    net: Network,
    dom: Polygon | Slice,
    certified: bool,
    device: str | None,
    progress: Progress | None,
    max_cells: int | None,
    max_memory: int | None,
) -> Subdivision:
    """The partition in mode "certified" or "float64": see `partition`."""
    place = _device(device)
    limit = max_memory or _memory(place) // 2
    if not certified and not any(isinstance(node, Max) for node in net.nodes) and within_reach(net, dom):
        engine = Engine(net, dom, place, False, progress, max_cells, limit)
        contradicted = False
        try:
            engine.run()
        except Contradiction:
            contradicted = True
        mesh, history = engine.mesh, engine.history
        if not contradicted and not delicate(mesh):
            geometry = FloatGeometry(
                Polygons(mesh.start.cpu().numpy(), mesh.origin.cpu().numpy()),
                mesh.x.cpu().numpy(),
                history.unit_count,
                history.all_states,
                mesh.twin.cpu().numpy(),
            )
            return Subdivision(net, dom, geometry, mode="float64", progress=progress)
    engine = Engine(net, dom, place, True, progress, max_cells, limit)
    engine.run()
    return Subdivision(net, dom, MeshGeometry(engine), mode="certified", report=engine.report, progress=progress)


def _memory(place: torch.device) -> int:
    """How much memory the device has; of a GPU, how much is free."""
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _device(name: str | None) -> torch.device:
    try:
        place = torch.device(name or "cpu")
        float(torch.zeros(1, dtype=torch.float64, device=place))
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"torch cannot compute in float64 on the device {name!r} here: {reason}") from None
    return place
