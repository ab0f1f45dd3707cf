"""Which members of Max groups are largest where, and the breaklines that this makes (proofs/fast.md, section 9).

At each vertex, the members of a group that attain the maximum are found exactly. A member that does so at all corners
of a face is largest on all of it. Elsewhere the group is *contested*, and two members swap at a point of each edge
whose ends have no largest member in common: the zero of their difference. Faces where it is not so simple are bad.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splinecam_exact.fast.crossings import edges_of
from splinecam_exact.verify.accuracy import SLIGHT
from splinecam_exact.verify.history import States
from splinecam_exact.verify.operators import Diagonal, Selected
from splinecam_exact.verify.rigor import LARGE, SAFE, TINY, UNIT, chunk, larger, norms
from splinecam_exact.verify.slopes import Slopes
from splinecam_exact.verify.state import State
from splinecam_exact.verify.steps import Bent, Field, Largest, Linear


class Contest(NamedTuple):
    """The contested groups of a layer, and their cuts: `pairs` (K, 2) are places in the source's output.

    `masks` (vertices, groups) are the largest members at each vertex, but for those `doubtful` (vertices, groups):
    these are some of the candidates. `states` (faces, groups) are those that are largest on all of a face, 0 where
    there is none. Column c stands for group `contested[c]`; cut k is between members `first[k]` and `second[k]` of
    column `column[k]`; where edge `changes[0][i]` of `edges_of(mesh)` crosses cut `changes[1][i]`, these two swap.
    `heights` (vertices, K) are the differences, each within `errors` of the true one.
    """

    masks: Tensor
    doubtful: Tensor
    states: Tensor
    contested: Tensor
    column: Tensor
    first: Tensor
    second: Tensor
    pairs: Tensor
    changes: tuple[Tensor, Tensor]
    heights: Tensor
    errors: Tensor
    positive: Tensor
    bad: Tensor


def zeros(state: State, number: int) -> Tensor | None:
    """Which values of a node are exactly 0 at the true vertices, (V, n), as far as units that are off tell."""
    if number == 0:
        return None
    step = state.values.steps[number - 1]
    if isinstance(step, Bent):
        return _off(state, number) if step.relu else None
    if not isinstance(step, Linear) or not step.unbiased:
        return None
    found = None
    for source, weight in zip(step.sources, step.weights, strict=True):
        known = zeros(state, source)
        if known is None or not isinstance(weight, Selected | Diagonal):
            return None
        if isinstance(weight, Selected):
            known = known[:, weight.places]
            if weight.missing is not None:
                known |= weight.missing
        found = known if found is None else found & known
    return found


def _off(state: State, number: int) -> Tensor:
    """Where a ReLU is off on a face, it is 0 at all its corners."""
    depth = sum(not isinstance(step, Linear) for step in state.values.steps[: number - 1])
    faces = np.arange(state.mesh.faces)
    states = state.history.layers[depth].states(state.history.ancestors(faces)[depth])
    off = np.packbits(states <= 1, axis=1)
    origin = state.mesh.origin.cpu().numpy()
    order = np.argsort(origin, kind="stable")
    face = state.mesh.face().cpu().numpy()[order]
    begin = np.searchsorted(origin[order], np.arange(len(state.mesh.x)))
    joined = np.bitwise_or.reduceat(off[face], begin, axis=0)
    return state.tensor(np.unpackbits(joined, axis=1, count=states.shape[1]).view(bool))


def _candidates(state: State, step: Largest, field: Field, zero: Tensor | None) -> tuple[Tensor, Tensor]:
    """At each vertex the members that may be the largest, (V, groups), and where it is open whether they all are."""
    value, members = field.value, step.members
    rows, groups = len(value), len(members)
    masks = torch.empty((rows, groups), dtype=step.dtype, device=value.device)
    doubtful = torch.zeros((rows, groups), dtype=torch.bool, device=value.device)
    error, steep = field.rows_error[members], field.rows_lipschitz[members]
    bits = step.bits
    size = chunk(value, members.numel())
    for low in range(0, rows, size):
        part = slice(low, low + size)
        x = value[part][:, members] + step.shift
        # a bound for the true value at the true vertex; the rounding of sums here is far below what SAFE adds
        slack = (error + state.accuracy.ball[part, None, None] * SLIGHT * steep) * SAFE + (
            x.abs() + step.shift.abs()
        ) * (4 * UNIT)
        may = _may_lead(x, slack, step.padded)
        masks[part] = (may * bits).sum(2).to(step.dtype)
        if zero is not None:
            may &= ~zero[part][:, members]
            some = may.any(2)
        else:
            some = torch.ones_like(doubtful[part])
        doubtful[part] = several(masks[part]) & some
    return masks, doubtful


def _may_lead(x: Tensor, slack: Tensor, padded: Tensor) -> Tensor:
    """Which members of groups, along the last axis, may be the largest; NaN and infinite bounds leave it open."""
    least = torch.where(padded, -torch.inf, x - slack).amax(-1, keepdim=True)
    return ~padded & ~(x + slack < least)


def _sharpen(
    state: State, step: Largest, field: Field, slopes: Slopes, zero: Tensor | None, masks: Tensor, doubtful: Tensor
) -> None:
    """The same with the slopes of the faces there, where it is open."""
    where = torch.nonzero(doubtful)
    size = chunk(field.value, step.members.shape[1])
    for low in range(0, len(where), size):
        vertex, group = where[low : low + size].unbind(1)
        members, padded = step.members[group], step.padded[group]
        x = field.value[vertex.unsqueeze(1), members] + step.shift[group]
        steep = slopes.at(vertex.repeat_interleave(members.shape[1]), members.flatten()).reshape(members.shape)
        ball = (state.accuracy.ball[vertex] * SLIGHT).unsqueeze(1)
        slack = (field.rows_error[members] + ball * steep) * SAFE + (x.abs() + step.shift[group].abs()) * (4 * UNIT)
        may = _may_lead(x, slack, padded)
        masks[vertex, group] = (may * step.bits).sum(1).to(step.dtype)
        if zero is not None:
            may &= ~zero[vertex.unsqueeze(1), members]
        doubtful[vertex, group] = several(masks[vertex, group]) & may.any(1)


def several(masks: Tensor) -> Tensor:
    """Whether a mask has more than one bit."""
    return masks & (masks - 1) != 0


def _resolve(state: State, step: Largest, number: int, masks: Tensor, doubtful: Tensor) -> tuple[int, int]:
    """Decide exactly who is largest where that is open; returns how many comparisons took wide and exact numbers."""
    where = torch.nonzero(doubtful).cpu().numpy()
    vertices, groups = where[:, 0], where[:, 1]
    open_ = masks[doubtful].cpu().numpy().astype(np.uint64)
    members = step.members.cpu().numpy()
    faces = state.some_face()[vertices]
    node = state.node(number)
    best = np.array([(int(m) & -int(m)).bit_length() - 1 for m in open_], np.int64)
    found = np.uint64(1) << best.astype(np.uint64)
    wide = exact = 0
    for k in range(1, members.shape[1]):
        asked = np.flatnonzero((open_ >> np.uint64(k) & np.uint64(1)).astype(bool) & (best < k))
        if not len(asked):
            continue
        pair = np.stack([members[groups[asked], best[asked]], members[groups[asked], k]], axis=1)
        unique, again = np.unique(pair, axis=0, return_inverse=True)
        cuts = state.exactly.compare(node, unique)[again.reshape(-1)]
        signs, stages = state.exactly.signs(cuts, vertices[asked], faces[asked], state.history.patterns)
        wide, exact = wide + stages.wide, exact + stages.exact
        mine = np.uint64(1 << k)
        found[asked] = np.where(signs < 0, mine, np.where(signs == 0, found[asked] | mine, found[asked]))
        best[asked[signs < 0]] = k
    masks[doubtful] = state.tensor(found.astype(np.int64)).to(masks.dtype)
    doubtful[:] = False
    return wide, exact


def _on_faces(state: State, masks: Tensor) -> Tensor:
    """The members that are largest at all corners of each face."""
    mesh = state.mesh
    sizes = mesh.start.diff()
    found = masks[mesh.origin[mesh.start[:-1]]]
    for k in range(1, int(sizes.max())):
        faces = torch.nonzero(sizes > k).squeeze(1)
        found[faces] &= masks[mesh.origin[mesh.start[faces] + k]]
    return found


def contest(
    state: State, step: Largest, number: int, field: Field, hopeless: int, most: int
) -> tuple[Contest, int, int] | None:
    """Who is largest where in a layer, whose source is node `number`; and how many comparisons were wide and exact.

    Where more than one in `hopeless` is doubtful, they are left so. Unless `most` is 0: then None, and also where there
    are some at more than one vertex in `most`.
    """
    slopes = Slopes(state.mesh, field)
    zero = zeros(state, number)
    masks, doubtful = _candidates(state, step, field, zero)
    _sharpen(state, step, field, slopes, zero, masks, doubtful)
    few = int(doubtful.sum()) * hopeless <= doubtful.numel()
    if most and not (few and int(doubtful.any(1).sum()) * most <= len(doubtful)):
        return None
    wide = exact = 0
    if few and bool(doubtful.any()):
        wide, exact = _resolve(state, step, number, masks, doubtful)
    states = _on_faces(state, masks)
    mesh, face = state.mesh, state.mesh.face()
    bad = torch.zeros(mesh.faces, dtype=torch.bool, device=masks.device)
    bad[face[doubtful.any(1)[mesh.origin]]] = True
    contested = torch.nonzero((states == 0).any(0)).squeeze(1)
    mine = masks[:, contested]
    tied = several(mine)[mesh.origin] & (states[:, contested] == 0)[face]
    bad[face[tied.any(1)]] = True

    edges, u, w = edges_of(mesh)
    edge, column = torch.nonzero((mine[u] & mine[w]) == 0, as_tuple=True)
    mask_u, mask_w = mine[u[edge], column], mine[w[edge], column]
    single = ~several(mask_u) & ~several(mask_w)
    edge, column = edge[single], column[single]
    at_u, at_w = step.number_of(mask_u[single]), step.number_of(mask_w[single])
    width = step.members.shape[1]
    key = (column * width + torch.minimum(at_u, at_w)) * width + torch.maximum(at_u, at_w)
    keys, cut = torch.unique(key, return_inverse=True)
    second = keys % width
    first = torch.div(keys, width, rounding_mode="floor") % width
    column_of = torch.div(keys, width * width, rounding_mode="floor")
    group = step.members[contested[column_of]]
    pairs = torch.stack([group.gather(1, k.unsqueeze(1)).squeeze(1) for k in (first, second)], dim=1)
    value = field.value
    gap = step.gap(*pairs.unbind(1))
    heights = value[:, pairs[:, 0]] - value[:, pairs[:, 1]] + gap
    errors = (field.rows_error[pairs].sum(1) + 4 * UNIT * (field.size + gap.abs()) + TINY) * SAFE
    positive = torch.zeros((len(value), -(-len(keys) // 8) * 8), dtype=torch.bool, device=masks.device)
    positive[:, : len(keys)] = (mine[:, column_of] & step.bit(first)) != 0
    found = Contest(
        masks,
        doubtful,
        states,
        contested,
        column_of,
        first,
        second,
        pairs,
        (edge, cut),
        heights,
        errors,
        positive,
        bad,
    )
    unsure = ~_sure_swap(state, step, found, slopes, u[edge], w[edge], at_u)
    sides = [edges[edge], mesh.twin[edges[edge]]]
    for half_edge in sides:
        inside = unsure & (half_edge >= 0)
        bad[face[half_edge[inside]]] = True
    return found._replace(changes=_kept(found, face, sides)), wide, exact


def _kept(found: Contest, face: Tensor, sides: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The changes beside a face that is not bad. A face is, unless each of its cuts changes twice around it."""
    edge, cut = found.changes
    if not len(edge):
        return found.changes
    inside = torch.cat([half_edge >= 0 for half_edge in sides])
    owner = face[torch.cat(sides)]
    key, count = torch.unique((owner * (int(cut.max()) + 1) + cut.repeat(2))[inside], return_counts=True)
    found.bad[torch.div(key[count != 2], int(cut.max()) + 1, rounding_mode="floor")] = True
    good = (inside & ~found.bad[owner]).reshape(2, -1).any(0)
    return edge[good], cut[good]


def _sure_swap(
    state: State, step: Largest, found: Contest, slopes: Slopes, u: Tensor, w: Tensor, at_u: Tensor
) -> Tensor:
    """Whether, where two members swap on an edge from u to w, no third one is larger.

    With d = top - other at both ends, and h that of the two members there, d is weakly positive at the zero of h if
    d_u |h_w| + d_w |h_u| is.
    """
    field, cut = slopes.field, found.changes[1]
    first, second = found.pairs[cut].unbind(1)
    u_first = at_u == found.first[cut]
    top, other = torch.where(u_first, first, second), torch.where(u_first, second, first)
    members = step.members[found.contested[found.column[cut]]]
    sure = torch.empty(len(cut), dtype=torch.bool, device=cut.device)
    size = chunk(field.value, members.shape[1])
    for low in range(0, len(cut), size):
        part = slice(low, low + size)
        i, k, group = top[part], other[part], members[part]
        gap, gaps = step.gap(i, k), step.gap(i.unsqueeze(1), group)
        third = (group != i.unsqueeze(1)) & (group != k.unsqueeze(1))
        total = torch.zeros_like(group, dtype=torch.float64)
        slack = torch.zeros_like(total)
        ends = []
        for v in (u[part], w[part]):
            ball = state.accuracy.ball[v] * SLIGHT
            error = [(field.rows_error[j] + ball * slopes.at(v, j)) * SAFE for j in (i, k)]
            h = field.value[v, i] - field.value[v, k] + gap
            d = field.value[v, i].unsqueeze(1) - field.value[v.unsqueeze(1), group] + gaps
            steep = slopes.at(v.repeat_interleave(group.shape[1]), group.flatten()).reshape(group.shape)
            theirs = (field.rows_error[group] + ball.unsqueeze(1) * steep) * SAFE
            blurs = [4 * UNIT * (field.size + g.abs()) + TINY for g in (gap, gaps)]
            ends.append((h, error[0] + error[1] + blurs[0], d, error[0].unsqueeze(1) + theirs + blurs[1]))
        (hu, hu_error, du, du_error), (hw, hw_error, dw, dw_error) = ends
        signs = (hu > 0) & (hw < 0)
        for h, h_error, d, d_error in ((hw, hw_error, du, du_error), (hu, hu_error, dw, dw_error)):
            h, h_error = h.abs().unsqueeze(1), h_error.unsqueeze(1)
            total = total + d * h
            slack = slack + (d_error * (h + h_error) + d.abs() * h_error) * SAFE + d.abs() * h * (8 * UNIT) + TINY
        sure[part] = signs & (((total >= slack) & (slack < torch.inf)) | ~third).all(1)
    return sure


def largest_values(state: State, step: Largest, field: Field) -> Field:
    """The maxima at all vertices once the layer is cut: those of the members that are largest on a face there.

    At a vertex of several faces these differ by what is lost; the largest difference is added to the error.
    """
    states = state.history.layers[-1].states(np.arange(state.mesh.faces))
    columns = state.tensor(_lowest(states))
    members, value = step.members, field.value
    owner = state.tensor(state.some_face())
    groups = torch.arange(len(members), device=value.device)
    found = value.new_empty((len(value), len(members)))
    size = chunk(value, len(members))
    for low in range(0, len(value), size):
        part = slice(low, low + size)
        chosen = columns[owner[part]].long()
        found[part] = value[part].gather(1, members[groups, chosen]) + step.shift[groups, chosen]
    origin, face = state.mesh.origin, state.mesh.face()
    gaps, gap = torch.zeros_like(found[0]), 0.0
    for low in range(0, len(origin), size):
        at, beside = origin[low : low + size], face[low : low + size]
        chosen = columns[beside].long()
        differ = (value[at].gather(1, members[groups, chosen]) + step.shift[groups, chosen] - found[at]).abs()
        gaps = torch.maximum(gaps, differ.amax(0))
        gap = larger(gap, float(norms(differ).max()))
    error, lipschitz = step.bounds([field])
    made = Field(found, error + gap, lipschitz, state.values.size(found))
    blur = 4 * UNIT * (field.size + made.size) + TINY
    made.rows_error = (field.rows_error[members].amax(1) + gaps) * SAFE + blur
    made.rows_lipschitz = field.rows_lipschitz[members].amax(1)
    known = made.size < LARGE and lipschitz < LARGE
    made.loosen(1.0, 0.0, blur if known else float("inf"))
    return made


def _lowest(states: States) -> NDArray[np.int8]:
    """The number of the lowest bit of each mask."""
    lowest = states & (~states + states.dtype.type(1))
    return np.asarray(np.frexp(lowest.astype(np.float64))[1] - 1, np.int8)
