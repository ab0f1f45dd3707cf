"""One layer: from a mesh and the heights of its cuts at the vertices to the refined mesh."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from splinecam_exact.fast.arrange import boundary_nodes, chords, meetings
from splinecam_exact.fast.assemble import Refinement, refine
from splinecam_exact.fast.crossings import edge_crossings
from splinecam_exact.fast.heights import Heights
from splinecam_exact.fast.mesh import Mesh

Watch = Callable[[str, int, int], object]
"""Called with (what comes next, how many faces and half-edges there will be, -1 while not known); it may raise."""


def propose(
    mesh: Mesh, heights: Tensor | Heights, positive: Tensor, changes: tuple[Tensor, Tensor], lines: int, watch: Watch
) -> Refinement:
    """Cut the faces of a mesh along the zero sets of functions that are affine on each of them.

    `heights` (V, K) float64 are their values at the vertices, `positive` (V, 8 ceil(K / 8)) bool the signs to work with
    (as `sign_changes` takes them), `changes` where they differ along edges (`crossings.sign_changes`; at least one),
    `lines` how many lines there are already. Cost: sorts of the crossings found.
    """
    watch("crossings on edges", -1, -1)
    found = edge_crossings(mesh, heights, positive, changes)
    nodes = boundary_nodes(mesh, found)
    lanes = chords(mesh, found, nodes)
    watch("crossings of chords", -1, -1)
    met = meetings(found, nodes, lanes, heights)
    chorded = len(lanes.cut) + len(met.i)
    watch("faces", mesh.faces + chorded, len(mesh.origin) + 2 * len(found.edge) + 2 * chorded + 2 * len(met.i))

    on_edge = len(mesh.x) + torch.arange(len(found.edge), device=mesh.x.device)
    vertex = torch.where(nodes.crossing < 0, mesh.origin[nodes.edge], on_edge[nodes.crossing])
    start, end = vertex[lanes.start], vertex[lanes.end]
    x = torch.cat([mesh.x, torch.lerp(mesh.x[found.u], mesh.x[found.w], found.t.unsqueeze(1))])
    x = torch.cat([x, torch.lerp(x[start[met.i]], x[end[met.i]], met.si.unsqueeze(1))])
    new, parent, old, forward = refine(mesh, nodes, vertex, lanes, met, x, lines)
    return Refinement(
        new,
        parent,
        old,
        forward,
        found.edge,
        found.cut,
        found.t,
        found.order,
        met.i,
        met.j,
        met.si,
        met.sj,
        lanes.face,
        lanes.cut,
        start,
        end,
        lines,
    )
