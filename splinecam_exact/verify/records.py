"""What history remembers of a layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from splinecam_exact.fast.assemble import Refinement
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.verify.history import Ints, Layer, MaxLayer
from splinecam_exact.verify.maxima import Contest
from splinecam_exact.verify.steps import Largest


def record(old: Mesh, new: Refinement, positive: Tensor, units: int, states: int) -> Layer:
    """A layer of so many units with so many states each, and the signs of its cuts at the vertices."""
    above = positive[old.origin[old.start[:-1]]].cpu().numpy()
    parent, root, left, right, cut = segments(old, new)
    nothing = np.empty((0, units), np.min_scalar_type(states - 1))
    return Layer(units, parent, root, above, left, right, cut, np.full(new.mesh.faces, -1), nothing)


def record_maxima(old: Mesh, new: Refinement, who: Contest, step: Largest) -> MaxLayer:
    """A layer of Max groups."""
    kind = np.min_scalar_type(step.states - 1)
    corner = old.origin[old.start[:-1]]
    above = who.masks[corner][:, who.contested].cpu().numpy().astype(kind)
    parent, root, left, right, cut = segments(old, new)
    nothing = np.empty((0, who.masks.shape[1]), kind)
    on_left, on_right = (step.bit(k).cpu().numpy().astype(kind) for k in (who.first, who.second))
    return MaxLayer(
        who.masks.shape[1],
        parent,
        root,
        above,
        left,
        right,
        cut,
        np.full(new.mesh.faces, -1),
        nothing,
        largest=who.states.cpu().numpy().astype(kind),
        contested=who.contested.cpu().numpy(),
        column=who.column.cpu().numpy(),
        states_left=on_left,
        states_right=on_right,
    )


def segments(old: Mesh, new: Refinement) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """The parent of each new face, the new face at the first corner of each old one, and the segments of chords.

    These are (face on the left, face on the right, cut).
    """
    fine = new.mesh
    face = fine.face()
    first = torch.zeros(len(old.origin), dtype=torch.bool, device=face.device)
    first[old.start[:-1]] = True
    begins = (new.old >= 0) & first[new.old] & (fine.origin == old.origin[new.old])
    root = torch.full_like(old.start[:-1], -1)
    root[new.parent[face[begins]]] = face[begins]
    forward = torch.nonzero(new.forward).squeeze(1)
    cut = new.chord_cut[(fine.line[forward] - new.lines).clamp(min=0)]
    found = (new.parent, root, face[forward], face[fine.twin[forward]], cut)
    parent, root, left, right, cut = (t.cpu().numpy() for t in found)
    return parent, root, left, right, cut
