"""The mesh between layers, and all that is known of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.fast.mesh import polygon_mesh
from splinecam_exact.network import Network
from splinecam_exact.verify.accuracy import of_polygon
from splinecam_exact.verify.centre import centred
from splinecam_exact.verify.exactly import Exactly
from splinecam_exact.verify.history import History, Ints
from splinecam_exact.verify.steps import compiled, corners_of
from splinecam_exact.verify.values import Values


class State:
    """What is maintained from layer to layer (proofs/fast.md, section 1)."""

    def __init__(self, net: Network, dom: Polygon | Slice, device: torch.device, certified: bool) -> None:
        self.dom, self.certified, self.device = dom, certified, device
        x = corners_of(dom.corners, device)
        self.mesh = polygon_mesh(x)
        self.values = Values(centred(compiled(net, dom, device), x), x, certified)
        self.accuracy = of_polygon(x, self.values.radius)
        self.exactly = Exactly(net, dom)
        self.history = History()

    def node(self, number: int) -> int:
        """The network's node that a step is."""
        return number - (len(self.values.steps) - len(self.exactly.net.nodes))

    def some_face(self) -> Ints:
        """For each vertex, a face with it."""
        found = np.empty(len(self.mesh.x), np.int64)
        found[self.mesh.origin.cpu().numpy()] = self.mesh.face().cpu().numpy()
        return found

    def tensor(self, array: NDArray[Any]) -> Tensor:
        """An array on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
