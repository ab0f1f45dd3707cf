"""Where the breaklines of a layer meet the edges of a mesh."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from splinecam_exact.fast.heights import Heights
from splinecam_exact.fast.mesh import Mesh, before

CHUNK = 1 << 25
"""How many bytes of signs are looked at together."""


class Crossings(NamedTuple):
    """Points where edges and breaklines cross, edge after edge, along each edge in the direction of `edge`.

    Point c lies on half-edge `edge[c]` (of the two of an edge, that with the smaller number), at the fraction `t[c]` of
    the way from vertex `u[c]` to `w[c]`, on the breakline of cut `cut[c]`; the cut is positive at u where `falls[c]`.
    `first` and `count` are per half-edge: its edge's points are first to first + count - 1. `order[c]` is the place of
    point c in the list of sign changes.
    """

    edge: Tensor
    cut: Tensor
    u: Tensor
    w: Tensor
    t: Tensor
    falls: Tensor
    first: Tensor
    count: Tensor
    order: Tensor

    def value(self, heights: Tensor | Heights, points: Tensor, cuts: Tensor) -> Tensor:
        """The heights of cuts at crossings, interpolated along the edge."""
        hu, hw = heights[self.u[points], cuts], heights[self.w[points], cuts]
        return torch.lerp(hu, hw, self.t[points])


def sign_changes(positive: Tensor, u: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """All (i, k) such that cut k has different signs at vertices u[i] and w[i], sorted by i.

    `positive` (V, K) bool, the number of columns K being a multiple of 8.
    """
    words = positive.view(torch.int64)
    rows = max(1, CHUNK // max(1, positive.shape[1]))
    pairs, cuts = [], []
    for low in range(0, len(u), rows):
        differ = words[u[low : low + rows]] ^ words[w[low : low + rows]]
        row, word = differ.nonzero(as_tuple=True)
        at, byte = differ[row, word].unsqueeze(1).view(torch.uint8).nonzero(as_tuple=True)
        pairs.append(row[at] + low)
        cuts.append(8 * word[at] + byte)
    return torch.cat(pairs), torch.cat(cuts)


def edges_of(mesh: Mesh) -> tuple[Tensor, Tensor, Tensor]:
    """For each edge, the half-edge with the smaller number, and the vertices where it begins and ends."""
    numbers = torch.arange(len(mesh.origin), device=mesh.origin.device)
    edges = torch.nonzero((mesh.twin < 0) | (numbers < mesh.twin)).squeeze(1)
    return edges, mesh.origin[edges], mesh.head()[edges]


def edge_crossings(
    mesh: Mesh, heights: Tensor | Heights, positive: Tensor, changes: tuple[Tensor, Tensor]
) -> Crossings:
    """The crossings of a layer's cuts with all edges, and in which order they are those of `changes`.

    `heights` (V, K) float64, `positive` and `changes` as `sign_changes` has them for `edges_of(mesh)`.
    """
    edges, u, w = edges_of(mesh)
    pair, cut = changes
    u, w, edge = u[pair], w[pair], edges[pair]
    hu, hw = heights[u, cut], heights[w, cut]
    t = torch.nan_to_num(hu / (hu - hw), 0.5).clamp(0, 1)
    order = torch.argsort(t, stable=True)
    order = order[torch.argsort(edge[order], stable=True)]
    edge, cut, u, w, t = edge[order], cut[order], u[order], w[order], t[order]
    count = torch.bincount(edge, minlength=len(mesh.origin))
    first = before(count)
    other = edges[mesh.twin[edges] >= 0]
    count[mesh.twin[other]] = count[other]
    first[mesh.twin[other]] = first[other]
    return Crossings(edge, cut, u, w, t, positive[u, cut], first, count, order)
