"""How steep single values are on the faces at a vertex, from their differences there (proofs/fast.md, section 10).

The bounds of slopes that pass through all layers are far too large in deep networks. Where that leaves something open
for few values, three corners of each face bound the gradient of its own affine form.
"""

from __future__ import annotations

import torch
from torch import Tensor

from splinecam_exact.fast.mesh import Mesh, spread
from splinecam_exact.verify.accuracy import cross, length
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT, chunk
from splinecam_exact.verify.steps import Field

LEAST = 2.0**-400
"""Triangles that are no larger than this say nothing: what underflows is small beside TINY then."""


class Slopes:
    """Bounds of the gradients of a field's values on the faces of a mesh."""

    def __init__(self, mesh: Mesh, field: Field) -> None:
        self.field = field
        a, b, c = triangles(mesh)
        p, q = mesh.x[b] - mesh.x[a], mesh.x[c] - mesh.x[a]
        self.corners = a, b, c
        self.sides = p, q
        # the sides' directions are rounded, and so is the cross product
        area = (cross(p, q).abs() - 16 * UNIT * long(p) * long(q)) / SAFE
        self.area = torch.where(area > LEAST, area, 0.0)
        order = torch.argsort(mesh.origin, stable=True)
        self.faces = mesh.face()[order]
        self.count = torch.bincount(mesh.origin, minlength=len(mesh.x))
        self.first = self.count.cumsum(0) - self.count

    def at(self, vertices: Tensor, values: Tensor) -> Tensor:
        """Bounds of the gradients of some values, each on all faces at a vertex; both lists are as long."""
        found = torch.zeros(len(vertices), dtype=torch.float64, device=vertices.device)
        size = chunk(self.field.value, 8)
        for low in range(0, len(vertices), size):
            mine, column = vertices[low : low + size], values[low : low + size]
            owner, place = spread(self.count[mine])
            steep = self._on(self.faces[self.first[mine][owner] + place], column[owner])
            found[low : low + size].scatter_reduce_(0, owner, steep, "amax")
        return torch.minimum(found, self.field.rows_lipschitz[values])

    def _on(self, face: Tensor, column: Tensor) -> Tensor:
        """The same on single faces."""
        value = self.field.value
        a, b, c = (corner[face] for corner in self.corners)
        p, q = (side[face] for side in self.sides)
        start = value[a, column]
        one, other = value[b, column] - start, value[c, column] - start
        gradient = long(one.unsqueeze(1) * q - other.unsqueeze(1) * p)
        lost = 2 * self.field.rows_error[column] + 4 * UNIT * (one.abs() + other.abs()) + TINY
        steep = (gradient + (long(p) + long(q)) * lost + TINY) * SAFE / self.area[face]
        return torch.where(self.area[face] > 0, steep, torch.inf).nan_to_num(torch.inf, torch.inf)


def long(p: Tensor) -> Tensor:
    """Upper bounds of the lengths of vectors, also of those whose squares underflow."""
    return p.abs().sum(1) * SAFE


def triangles(mesh: Mesh) -> tuple[Tensor, Tensor, Tensor]:
    """Three corners of each face: the first, one far from it, and one far from the line through these."""
    face = mesh.face()
    first = mesh.origin[mesh.start[:-1]]
    step = mesh.x[mesh.origin] - mesh.x[first[face]]
    second = _best(length(step), face, mesh)
    third = _best(cross(step, (mesh.x[second] - mesh.x[first])[face]).abs(), face, mesh)
    return first, second, third


def _best(score: Tensor, face: Tensor, mesh: Mesh) -> Tensor:
    """Of each face the corner with the highest score."""
    highest = torch.full_like(mesh.start[:-1], -1, dtype=score.dtype).scatter_reduce(0, face, score, "amax")
    best = torch.nonzero(score == highest[face]).squeeze(1)
    found = torch.empty_like(mesh.start[:-1])
    found[face[best]] = mesh.origin[best]
    return found
