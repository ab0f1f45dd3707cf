"""Put the kernel's parts of bad faces into a refinement, and note what is known of them (proofs/fast.md, section 7)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from gmpy2 import mpz
from torch import Tensor

from splinecam_exact.decide import Enclosure
from splinecam_exact.fast.assemble import Refinement
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.kernel.program import Progress, UnitStep
from splinecam_exact.rounding import nearest
from splinecam_exact.verify.accuracy import Accuracy
from splinecam_exact.verify.history import Ints, Layer, States
from splinecam_exact.verify.refresh import direction_of, renew
from splinecam_exact.verify.repair import Repaired, recut
from splinecam_exact.verify.rigor import TINY, UNIT
from splinecam_exact.verify.splice import Arrays, Spliced, splice
from splinecam_exact.verify.state import State
from splinecam_exact.verify.unsure import Question, Unsure, corners_of


def mend(
    state: State,
    layer: UnitStep,
    unsure: Callable[[Ints], Unsure],
    first_cut: int,
    new: Refinement,
    record: Layer,
    bad: Tensor,
    stage: str,
    progress: Progress | None,
    limit: int | None,
) -> None:
    """Let the kernel cut the bad faces by a layer, and put its parts in the place of the proposed ones.

    `unsure` says what is known of the layer's units on some faces; its cuts are numbered from `first_cut` on.
    """
    old = state.mesh
    failed = bad.cpu().numpy()
    faces = np.flatnonzero(failed)
    mothers = np.flatnonzero(np.repeat(failed, np.diff(old.start.cpu().numpy())))
    corners, starts = corners_of(old, faces)
    vertices, local = np.unique(corners, return_inverse=True)
    owner = np.empty(len(vertices), np.int64)
    owner[local] = np.repeat(faces, np.diff(starts))
    points = state.exactly.places(vertices, owner, state.history.patterns)
    numbers = local.tolist()
    question = Question(layer, unsure(faces), state.history.patterns(faces), first_cut)
    made = recut(
        question.step,
        question.lines(state.exactly.decider),
        points,
        [numbers[i:j] for i, j in pairwise(starts.tolist())],
        question.names,
        stage,
        progress,
        limit,
    )
    fine = new.mesh
    parts = (fine.start, fine.origin, fine.twin, fine.line, new.parent, new.old, new.forward)
    claimed = Arrays(*(t.cpu().numpy() for t in parts))
    shared = np.full(len(made.points), -1)
    shared[: len(vertices)] = vertices
    _match(state, new, failed, made.origin, made.mother, made.sizes, mothers, shared)
    result = splice(claimed, failed, faces, mothers, made, shared, len(old.x), len(state.exactly.cut))
    arrays = result.arrays
    line = np.where(arrays.line < 0, old.line.cpu().numpy()[np.maximum(arrays.old, 0)], arrays.line)

    _remember(record, result, question.states(made.patterns, made.parent))
    state.history.layers.append(record)
    x = _locate(state, new.mesh.x, made, result)
    mesh = (arrays.start, arrays.origin, arrays.twin, line)
    state.mesh = Mesh(x, *(state.tensor(a) for a in mesh))
    state.values.move(x)
    renewed = np.flatnonzero(result.exact >= 0)
    if state.values.anchored:
        renew(state, renewed)
    else:
        state.values.renew(state.tensor(renewed))


def _remember(record: Layer, result: Spliced, exact: States) -> None:
    """History: good faces keep what they have, the others have their states from the kernel."""
    kept = result.face >= 0
    number = np.full(len(record.parent), -1)
    number[result.face[kept]] = np.flatnonzero(kept)
    inside = (number[record.left] >= 0) & (number[record.right] >= 0)
    record.root = np.where(record.root < 0, -1, number[record.root])
    record.left, record.right = number[record.left[inside]], number[record.right[inside]]
    record.cut = record.cut[inside]
    record.parent = result.arrays.parent
    record.exact_row = np.where(kept, -1, -1 - result.face)
    record.exact = exact


def _locate(state: State, x: Tensor, made: Repaired, result: Spliced) -> Tensor:
    """The vertices of the kernel are known exactly from now on. Returns the coordinates of all."""
    exact = np.flatnonzero(result.exact >= 0)
    chosen = state.tensor(np.maximum(result.vertex, 0))
    renamed = np.full(len(x), -1)
    renamed[result.vertex[result.vertex >= 0]] = np.flatnonzero(result.vertex >= 0)
    known = {int(renamed[u]): point for u, point in state.exactly.points.items()}
    known.update((int(v), made.points[k]) for v, k in zip(exact.tolist(), result.exact[exact].tolist(), strict=True))
    state.exactly.points = known
    state.exactly.lines = state.exactly.lines[np.maximum(result.vertex, 0)]
    state.exactly.add_known_lines(made.lines)
    x = x[chosen]
    vertex = state.tensor(exact)
    places = [(nearest(p[0], p[2]), nearest(p[1], p[2])) for p in (known[v] for v in exact.tolist())]
    x[vertex] = torch.tensor(places, dtype=torch.float64, device=state.device).reshape(-1, 2)
    close = 2 * UNIT * state.values.radius + TINY
    near, ball = state.accuracy.near[chosen], state.accuracy.ball[chosen]
    near[vertex], ball[vertex] = close, close
    found = [direction_of(Enclosure(line, mpz(0))) for line in made.lines]
    direction = torch.tensor([d for d, _ in found], dtype=torch.float64, device=state.device).reshape(-1, 2)
    slack = torch.tensor([s for _, s in found], dtype=torch.float64, device=state.device)
    state.accuracy = Accuracy(
        near, ball, torch.cat([state.accuracy.direction, direction]), torch.cat([state.accuracy.slack, slack])
    )
    state.values.choose(chosen)
    return x


def _match(
    state: State,
    new: Refinement,
    failed: np.ndarray,
    origin: list[int],
    mother: list[int],
    sizes: list[int],
    mothers: Ints,
    shared: Ints,
) -> None:
    """Which vertices of the kernel, on edges between a bad face and a good one, are which of the refinement's.

    Both sides know exactly which cuts cross such an edge, and in which order.
    """
    old = state.mesh
    twin, face = old.twin.cpu().numpy(), old.face().cpu().numpy()
    rim = {m for m in mothers.tolist() if twin[m] >= 0 and not failed[face[twin[m]]]}
    following: dict[tuple[int, int], int] = {}
    at = 0
    place = {int(m): k for k, m in enumerate(mothers)}
    for size in sizes:
        for k in range(at, at + size):
            if mother[k] >= 0:
                following[mother[k], origin[k]] = origin[k + 1 if k + 1 < at + size else at]
        at += size
    before = _rim(state, new, failed)
    given = {int(v): k for k, v in enumerate(shared.tolist()) if v >= 0}
    heads, origins = old.head().cpu().numpy(), old.origin.cpu().numpy()
    for m in rim:
        k, v, last = given[int(origins[m])], int(origins[m]), int(heads[m])
        while v != last:
            k, v = following[place[m], k], before[int(twin[m]), v]
            if v != last:
                shared[k] = v
        if k != given[last]:
            raise RuntimeError("an edge is cut differently from its two sides")


def _rim(state: State, new: Refinement, failed: np.ndarray) -> dict[tuple[int, int], int]:
    """Of the pieces of good faces' half-edges beside bad faces: (half-edge, head) -> origin."""
    old, fine, bad = state.mesh, new.mesh, state.tensor(failed)
    beyond = (old.twin >= 0) & bad[old.face()[old.twin]]
    pieces = torch.nonzero((new.old >= 0) & beyond[new.old] & ~bad[new.parent[fine.face()]]).squeeze(1)
    half_edges, heads, origins = (t.tolist() for t in (new.old[pieces], fine.head()[pieces], fine.origin[pieces]))
    return {(h, head): origin for h, head, origin in zip(half_edges, heads, origins, strict=True)}
