"""The subdivision as the fast engine holds it: half-edges face after face, as tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

THIN = 2.0**-40
"""A face that is thinner than this share of its size, or than `ROUNDED` times the largest coordinate, is delicate."""
ROUNDED = 2.0**-46


class Mesh(NamedTuple):
    """A subdivision of a convex polygon into convex faces.

    The half-edges of face f are `start[f]` to `start[f + 1] - 1`, counter-clockwise; half-edge h begins at vertex
    `origin[h]` and lies on line `line[h]`; `twin[h]` is -1 on the domain's boundary. `x` (V, 2) float64 are the
    vertices' coordinates; everything else is int64.
    """

    x: Tensor
    start: Tensor
    origin: Tensor
    twin: Tensor
    line: Tensor

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return len(self.start) - 1

    def face(self) -> Tensor:
        """The face of every half-edge."""
        return torch.repeat_interleave(self.start.diff())

    def next(self) -> Tensor:
        """The half-edge that follows each half-edge around its face."""
        following = torch.arange(1, len(self.origin) + 1, device=self.origin.device)
        following[self.start[1:] - 1] = self.start[:-1]
        return following

    def head(self) -> Tensor:
        """The vertex at which every half-edge ends."""
        return self.origin[self.next()]


def delicate(mesh: Mesh) -> bool:
    """Whether a face is so thin, or a side so short, that the rounding of coordinates may have made it.

    So it is where breaklines coincide, meet in one point or pass through a corner. Nothing is proved by this.
    """
    here = mesh.x[mesh.origin]
    face, after = mesh.face(), mesh.next()
    step = here - here[mesh.start[:-1]][face]
    most = step.abs().amax(1)
    reach = torch.zeros(mesh.faces, dtype=most.dtype, device=most.device).scatter_reduce(0, face, most, "amax")
    twice = step[:, 0] * step[after, 1] - step[:, 1] * step[after, 0]
    area = torch.zeros_like(reach).index_add(0, face, twice)
    least = torch.maximum(reach * THIN, mesh.x.abs().amax() * ROUNDED)
    side = (here[after] - here).abs().amax(1)
    return not bool((area > least * reach).all()) or not bool((side > least[face]).all())


def polygon_mesh(x: Tensor) -> Mesh:
    """A convex polygon, given by its corners counter-clockwise, as one face; side i is line i."""
    n = len(x)
    numbers = torch.arange(n, device=x.device)
    return Mesh(x, torch.tensor([0, n], device=x.device), numbers, torch.full_like(numbers, -1), numbers)


def before(counts: Tensor) -> Tensor:
    """The sum of all earlier counts, for each entry: where its share of a concatenation begins."""
    return counts.cumsum(0) - counts


def spread(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For a concatenation of `counts[i]` entries per i: the i of each entry, and its place among those of i."""
    owner = torch.repeat_interleave(counts)
    return owner, torch.arange(len(owner), device=counts.device) - before(counts)[owner]
