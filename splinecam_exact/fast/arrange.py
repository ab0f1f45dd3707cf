"""The chords of a layer inside the faces of a mesh, and where they cross each other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from splinecam_exact.fast.crossings import Crossings
from splinecam_exact.fast.heights import Heights
from splinecam_exact.fast.mesh import Mesh, spread

CHUNK = 1 << 22
"""How many pairs of chords are looked at together."""


class Boundary(NamedTuple):
    """The boundaries of all faces that are cut, as nodes: corners and crossings, counter-clockwise, face after face.

    Node b lies on half-edge `edge[b]`, as number `place[b]` of it (0: its origin), and is crossing `crossing[b]`
    (-1: a corner). `offset` is per half-edge of the mesh: its first node, -1 where its face is not cut.
    """

    edge: Tensor
    place: Tensor
    crossing: Tensor
    offset: Tensor


class Chords(NamedTuple):
    """Breaklines across faces, sorted by face: from node `start` to node `end`, the positive side on the left."""

    face: Tensor
    cut: Tensor
    start: Tensor
    end: Tensor


class Meetings(NamedTuple):
    """Points where two chords of a face cross: chords `i` < `j`, at fractions `si` and `sj` of the way along each.

    `leftward`: chord j passes from the right of chord i to its left.
    """

    i: Tensor
    j: Tensor
    si: Tensor
    sj: Tensor
    leftward: Tensor


def boundary_nodes(mesh: Mesh, found: Crossings) -> Boundary:
    """The nodes of all faces that a breakline crosses."""
    face = mesh.face()
    cut = torch.zeros(mesh.faces, dtype=torch.bool, device=face.device)
    cut[face[found.count > 0]] = True
    edges = torch.nonzero(cut[face]).squeeze(1)
    count = found.count[edges]
    owner, place = spread(count + 1)
    edge = edges[owner]
    forward = (mesh.twin[edge] < 0) | (edge < mesh.twin[edge])
    crossing = found.first[edge] + torch.where(forward, place - 1, found.count[edge] - place)
    offset = torch.full_like(mesh.origin, -1)
    offset[edges] = torch.cumsum(count + 1, 0) - count - 1
    return Boundary(edge, place, torch.where(place > 0, crossing, -1), offset)


def chords(mesh: Mesh, found: Crossings, nodes: Boundary) -> Chords:
    """Join the crossings of each cut around each face in pairs: where it falls, with where it next rises."""
    node = torch.nonzero(nodes.place > 0).squeeze(1)
    point, edge = nodes.crossing[node], nodes.edge[node]
    face = mesh.face()[edge]
    falls = found.falls[point] == (edge == found.edge[point])
    most = int(found.cut.max()) + 1
    key, order = torch.sort(face * most + found.cut[point], stable=True)
    node, falls = node[order], falls[order]
    last = torch.ones_like(falls)
    last[:-1] = key[1:] != key[:-1]
    group = torch.cumsum(last, 0) - last.long()  # the numbers of the groups, 0, 1, ...
    ends = torch.nonzero(last).squeeze(1)
    begin = torch.cat([ends.new_zeros(1), ends[:-1] + 1])[group]
    following = torch.arange(1, len(key) + 1, device=key.device)
    partner = node[torch.where(last, begin, following.clamp(max=len(key) - 1))]
    pairs = falls & (node != partner)
    key = key[pairs]
    face = torch.div(key, most, rounding_mode="floor")
    return Chords(face, key - face * most, node[pairs], partner[pairs])


def meetings(found: Crossings, nodes: Boundary, lines: Chords, heights: Tensor | Heights) -> Meetings:
    """All crossings of two chords of one face: exactly those whose ends interleave on the boundary."""
    low, high = torch.minimum(lines.start, lines.end), torch.maximum(lines.start, lines.end)
    per_face = torch.bincount(lines.face)
    last = torch.cumsum(per_face, 0)[lines.face]
    numbers = torch.arange(len(low), device=low.device)
    partners = last - 1 - numbers
    first = []
    second = []
    for part in _parts(partners):
        owner, place = spread(partners[part])
        i = numbers[part][owner]
        j = i + 1 + place
        cross = ((low[i] < low[j]) & (low[j] < high[i])) != ((low[i] < high[j]) & (high[j] < high[i]))
        first.append(i[cross])
        second.append(j[cross])
    i, j = torch.cat(first), torch.cat(second)
    rotated = low[i] == lines.start[i]
    leftward = ((low[i] < lines.start[j]) & (lines.start[j] < high[i])) == rotated
    si = _fraction(found, nodes, lines, heights, i, lines.cut[j])
    sj = _fraction(found, nodes, lines, heights, j, lines.cut[i])
    return Meetings(i, j, si, sj, leftward)


def _parts(counts: Tensor) -> list[slice]:
    """Slices of entries with about CHUNK counts each."""
    total = torch.cumsum(counts, 0)
    size = int(total[-1])
    if size <= CHUNK:
        return [slice(0, len(counts))]
    marks = torch.arange(CHUNK, size + CHUNK, CHUNK, device=counts.device)
    ends = (torch.searchsorted(total, marks) + 1).clamp(max=len(counts)).tolist()
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True) if b > a]


def _fraction(
    found: Crossings, nodes: Boundary, lines: Chords, heights: Tensor | Heights, chord: Tensor, cut: Tensor
) -> Tensor:
    """Where along a chord a cut passes through 0."""
    a = found.value(heights, nodes.crossing[lines.start[chord]], cut)
    b = found.value(heights, nodes.crossing[lines.end[chord]], cut)
    return torch.nan_to_num(a / (a - b), 0.5).clamp(0, 1)
