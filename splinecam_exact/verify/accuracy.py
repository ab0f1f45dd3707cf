"""How near the vertices of a mesh are to the true ones (proofs/fast.md, section 4).

A vertex is the meeting point of two lines: zero sets of units on cells, or sides of the domain. It is never computed
from other vertices' true places, so errors do not pile up: how far x_v is from each of its lines follows from the
values of the lines' functions at x_v, and how far from the true vertex from the angle between them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from splinecam_exact.fast.assemble import Refinement
from splinecam_exact.fast.heights import Heights
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.verify.rigor import LERP, TINY, UNIT

SLIGHT = 1 + 2.0**-20
"""Covers the rounding of the formulas here."""


class Accuracy(NamedTuple):
    """Per vertex: `near`, it is this close to each of its true lines; `ball`, to the true vertex.

    Per line: `direction` (L, 2), and `slack`, the sine of the angle between that and the true line is at most so much.
    """

    near: Tensor
    ball: Tensor
    direction: Tensor
    slack: Tensor


def cross(p: Tensor, q: Tensor) -> Tensor:
    """The cross products of two lists of vectors."""
    return p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]


def dot(p: Tensor, q: Tensor) -> Tensor:
    """The scalar products of two lists of vectors."""
    return p[:, 0] * q[:, 0] + p[:, 1] * q[:, 1]


def length(p: Tensor) -> Tensor:
    """The lengths of vectors."""
    return torch.linalg.vector_norm(p, dim=1)


def of_polygon(x: Tensor, radius: float) -> Accuracy:
    """The accuracy of a polygon's corners, rounded to nearest."""
    ball = torch.full_like(x[:, 0], 2 * UNIT * radius + TINY)
    direction = x.roll(-1, 0) - x
    return Accuracy(ball.clone(), ball, direction, 2 * ball / length(direction) * SLIGHT + 4 * UNIT)


def refined(
    known: Accuracy, mesh: Mesh, new: Refinement, heights: Tensor | Heights, errors: Tensor, radius: float
) -> Accuracy:
    """The accuracy after a layer is cut.

    `heights` (V, K) are the cuts' values at the old vertices, those of cut k no further than
    `errors[k]` from a cell's form there.
    """
    blur = 2 * LERP * UNIT * radius + TINY
    u, w = mesh.origin[new.edge], mesh.head()[new.edge]
    hu, hw, error = heights[u, new.cut], heights[w, new.cut], errors[new.cut]
    largest = torch.maximum(hu.abs(), hw.abs())
    # a directional derivative of the cut's function: at most the length of its gradient, on both sides of the edge
    slope = ((hu - hw).abs() / SLIGHT - 2 * error) / (length(mesh.x[w] - mesh.x[u]) * SLIGHT + TINY)
    residue = torch.lerp(hu, hw, new.t).abs() + 2 * LERP * UNIT * largest + error + TINY

    first = len(mesh.x)
    second = first + len(new.edge)
    start, end = new.chord_start - first, new.chord_end - first
    gradient = torch.maximum(slope[start], slope[end]).clamp(min=0)
    gradient = torch.where(_joined(mesh, new, start) & _joined(mesh, new, end), gradient, 0.0)
    near_start = _distance(residue[start], gradient) + blur
    near_end = _distance(residue[end], gradient) + blur
    points = new.mesh.x
    direction = points[new.chord_end] - points[new.chord_start]
    span = length(direction)
    slack = (near_start + near_end) / span * SLIGHT + 4 * UNIT

    near = torch.empty(len(points), dtype=points.dtype, device=points.device)
    ball = torch.full_like(near, float("inf"))
    near[:first], ball[:first] = known.near, known.ball
    along = torch.maximum(known.near[u], known.near[w]) + blur
    near[first:second] = along
    line = mesh.line[new.edge]
    for place, offset in ((start, near_start), (end, near_end)):
        near[first:second].scatter_reduce_(0, place, offset, "amax")
        sine = sines(direction, slack, known.direction[line[place]], known.slack[line[place]])
        ball[first:second].scatter_reduce_(0, place, (along[place] + offset) / sine * SLIGHT, "amin")

    on_a = torch.maximum(near_start, near_end)[new.a] + blur
    cut = new.chord_cut[new.b]
    values = []
    for end_of_a in (start[new.a], end[new.a]):
        values.append(torch.lerp(heights[u[end_of_a], cut], heights[w[end_of_a], cut], new.t[end_of_a]))
    most = torch.maximum(values[0].abs(), values[1].abs())
    for end_of_a in (start[new.a], end[new.a]):
        for corner in (u[end_of_a], w[end_of_a]):
            most = torch.maximum(most, heights[corner, cut].abs())
    residue_b = torch.lerp(values[0], values[1], new.s).abs() + 4 * LERP * UNIT * most + errors[cut] + TINY
    on_b = _distance(residue_b, gradient[new.b]) + 2 * blur
    sine = sines(direction[new.a], slack[new.a], direction[new.b], slack[new.b])
    near[second:] = torch.maximum(on_a, on_b)
    ball[second:] = (on_a + on_b) / sine * SLIGHT
    return Accuracy(near, ball, torch.cat([known.direction, direction]), torch.cat([known.slack, slack]))


def placed(old: Mesh, new: Refinement) -> Refinement:
    """The refinement with its new vertices where its fractions say, wherever it has put them."""
    x = torch.cat([old.x, torch.lerp(old.x[old.origin[new.edge]], old.x[old.head()[new.edge]], new.t.unsqueeze(1))])
    x = torch.cat([x, torch.lerp(x[new.chord_start[new.a]], x[new.chord_end[new.a]], new.s.unsqueeze(1))])
    return new._replace(mesh=new.mesh._replace(x=x))


def sines(p: Tensor, p_slack: Tensor, q: Tensor, q_slack: Tensor) -> Tensor:
    """Lower bounds of the sines of the angles between lines, 0 where there is none."""
    sine = cross(p, q).abs() / (length(p) * length(q)) / SLIGHT - 2 * p_slack - 2 * q_slack - 8 * UNIT
    return torch.nan_to_num(sine, 0.0, 0.0).clamp(min=0)


def _distance(residue: Tensor, gradient: Tensor) -> Tensor:
    """How far from its zero set a function of at least this gradient can have such a value."""
    return torch.nan_to_num(residue / gradient * SLIGHT, float("inf"), float("inf"))


def _joined(mesh: Mesh, new: Refinement, points: Tensor) -> Tensor:
    """Whether each chord's cut is the one that crosses the edge at its end, an edge of its face."""
    edge, face = new.edge[points], mesh.face()
    other = torch.where(mesh.twin[edge] < 0, edge, mesh.twin[edge])
    return (new.cut[points] == new.chord_cut) & ((face[edge] == new.chord_face) | (face[other] == new.chord_face))
