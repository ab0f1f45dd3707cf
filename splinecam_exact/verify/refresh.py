"""Begin with small bounds again, where those of many layers are worn out (proofs/fast.md, section 8).

All vertices move to the floats next to their true places, and all values are computed from the cells' true affine maps,
which `decide` evaluates in higher precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splinecam_exact.decide import RELATIVE, Enclosure
from splinecam_exact.rounding import nearest
from splinecam_exact.verify.accuracy import SLIGHT, Accuracy
from splinecam_exact.verify.history import Ints
from splinecam_exact.verify.rigor import LARGE, SAFE, TINY, UNIT, larger, norms
from splinecam_exact.verify.state import State
from splinecam_exact.verify.steps import Field

Floats = NDArray[np.float64]

FAR = 64
"""A vertex that its enclosed lines place less closely than this many roundings is placed exactly."""


class Anchored(NamedTuple):
    """A node's values at some vertices, from the maps of the faces beside them.

    Per value: the error there, and how steep it is on all the faces that were asked for.
    """

    value: Floats
    error: Floats
    steep: Floats


def refresh(state: State, fields: dict[int, Field]) -> None:
    """New places, directions and values, all as good as float64 allows. `fields` are those to compute anew."""
    faces, everywhere = np.arange(state.mesh.faces), np.arange(len(state.mesh.x))
    owner = state.some_face()
    _place(state, owner)
    found = anchored(state, fields, everywhere, owner, faces)
    ball = float(state.accuracy.ball.max())
    state.values.anchored = True
    for number, field in fields.items():
        value, error, steep = (state.tensor(a) for a in found[number])
        field.blocks = [value]
        field.rows_lipschitz = steep
        field.lipschitz = float(norms(steep.unsqueeze(0)))
        field.rows_error, field.error = _everywhere(field, error, ball)
        field.size = state.values.size(value)
        if not (state.values.usable and field.size < LARGE and field.lipschitz < LARGE):
            field.loosen(1.0, 0.0, float("inf"))


def _everywhere(field: Field, error: Tensor, distance: float) -> tuple[Tensor, float]:
    """The errors on all faces at a vertex: where maps differ by what both can change between it and its true place."""
    rows = (error + 2 * field.rows_lipschitz * distance) * SAFE
    return rows, (float(norms(error.unsqueeze(0))) + 2 * field.lipschitz * distance) * SAFE


def renew(state: State, vertices: Ints) -> None:
    """New values at vertices that are known exactly, and have moved to the floats nearest to their places."""
    owner = state.some_face()[vertices]
    fields = {number: field for number, field in state.values.fields.items() if number}
    if not fields:
        return
    close = 2 * UNIT * state.values.radius + TINY
    for number, found in anchored(state, fields, vertices, owner, np.unique(owner)).items():
        field, value = fields[number], state.tensor(found.value)
        state.values.put(number, state.tensor(vertices), value)
        rows_error, error = _everywhere(field, state.tensor(found.error), close)
        field.rows_error = torch.maximum(field.rows_error, rows_error)
        field.error = larger(field.error, error)
        field.size = larger(field.size, state.values.size(value))
        if not field.size < LARGE:
            field.loosen(1.0, 0.0, float("inf"))


def _place(state: State, owner: Ints) -> None:
    """Move all vertices to the floats next to their true places, all directions to those next to their lines'."""
    exactly, accuracy, patterns = state.exactly, state.accuracy, state.history.patterns
    radius = state.values.radius
    vertices = np.array([v for v in range(len(owner)) if v not in exactly.points], np.int64)
    pairs = exactly.lines[vertices]
    beside = np.full(len(exactly.cut), -1)
    used = state.mesh.line.cpu().numpy()
    beside[used] = state.mesh.face().cpu().numpy()
    lines = np.flatnonzero(beside >= 0)
    enclosed = dict(zip(lines.tolist(), exactly.enclosures(lines, beside[lines], patterns), strict=True))

    direction, slack = accuracy.direction.cpu().numpy().copy(), accuracy.slack.cpu().numpy().copy()
    for i, line in enclosed.items():
        direction[i], slack[i] = direction_of(line)
    close = 2 * UNIT * radius + TINY
    x, ball = state.mesh.x.cpu().numpy().copy(), np.full(len(owner), close)
    far = []
    for v, (i, j) in zip(vertices.tolist(), pairs.tolist(), strict=True):
        place = _meeting(enclosed[i], enclosed[j]) if i in enclosed and j in enclosed else None
        if place is None or not place[2] <= FAR * UNIT * radius:
            far.append(v)
        else:
            x[v], ball[v] = place[:2], place[2] * SLIGHT + close
    some = np.array(far, np.int64)
    for v, (a, b, w) in zip(far, exactly.places(some, owner[some], patterns), strict=True):
        x[v] = nearest(a, w), nearest(b, w)
    state.mesh = state.mesh._replace(x=state.tensor(x))
    state.values.move(state.mesh.x)
    places = state.tensor(ball)
    state.accuracy = Accuracy(places.clone(), places, state.tensor(direction), state.tensor(slack))


def direction_of(line: Enclosure) -> tuple[tuple[float, float], float]:
    """A float direction of a line, and a bound of the sine of the angle between them."""
    (a, b, _), radius = line
    most = max(abs(a), abs(b))
    if not most:
        return (0.0, 0.0), float("inf")
    return (nearest(b, most), -nearest(a, most)), 8 * UNIT + nearest(2 * radius, most) * SLIGHT


def _meeting(one: Enclosure, other: Enclosure) -> tuple[float, float, float] | None:
    """The float next to the meeting point of two enclosed lines, and how far the true one may be from what it rounds.

    None where they might be parallel.
    """
    (a, b, c), (d, e, f) = one.form, other.form
    x, y, w = b * f - c * e, c * d - a * f, a * e - b * d
    p, q = one.radius, other.radius
    # how far each of the three may be from the true one
    dx, dy, dw = (
        p * (abs(s) + abs(t)) + q * (abs(u) + abs(v)) + 2 * p * q
        for s, t, u, v in ((e, f, b, c), (d, f, a, c), (d, e, a, b))
    )
    least = abs(w) - dw
    if least <= 0:
        return None
    error = abs(x) * dw + abs(w) * dx + abs(y) * dw + abs(w) * dy
    if w < 0:
        x, y, w = -x, -y, -w
    return nearest(x, w), nearest(y, w), nearest(error, w * least)


def anchored(state: State, numbers: Iterable[int], vertices: Ints, owner: Ints, faces: Ints) -> dict[int, Anchored]:
    """The values of some nodes at vertices, each on the face `owner` beside it, from the faces' maps.

    `faces` are all faces that the bounds of the slopes shall hold for, each once, and every owner is one of them.
    """
    values, radius = state.values, state.values.radius
    first = len(values.steps) - len(state.exactly.program.steps)  # a copy of the point may come before the program
    steps = {number: number - first for number in numbers}
    x = state.mesh.x[state.tensor(vertices)].cpu().numpy()
    by_face = np.argsort(owner, kind="stable")
    sorted_owner = owner[by_face]
    found: dict[int, list[Floats]] = {}
    references = {n: _reference(state, number) for number, n in steps.items()}
    for cells, maps, lost in state.exactly.decider.maps(state.history.patterns(faces), references):
        begin, end = (np.searchsorted(sorted_owner, faces[cells], side) for side in ("left", "right"))
        count = end - begin
        rows = np.repeat(np.arange(len(cells)), count)
        mine = by_face[np.repeat(end - np.cumsum(count), count) + np.arange(count.sum())]
        for number, n in steps.items():
            a, b, c = (maps[n][:, k] for k in range(3))
            if number not in found:
                width = a.shape[1]
                found[number] = [np.empty((len(vertices), width)), np.zeros(width), np.zeros(width)]
            value, error, steep = found[number]
            with np.errstate(all="ignore"):
                value[mine] = a[rows] * x[mine, :1] + b[rows] * x[mine, 1:] + c[rows]
                reach = (np.abs(a) + np.abs(b)) * radius + np.abs(c)
                np.maximum(error, reach.max(0) * (RELATIVE + 8 * UNIT) + lost[n] * (2 * radius + 1) + TINY, out=error)
                np.maximum(steep, np.hypot(a, b).max(0) * SAFE + 2 * lost[n] + TINY, out=steep)
    return {number: Anchored(*found[number]) for number in steps}


def _reference(state: State, number: int) -> Floats | None:
    """What a node's values are less than its own."""
    reference = state.values.steps[number - 1].reference
    return None if reference is None else reference.cpu().numpy()
