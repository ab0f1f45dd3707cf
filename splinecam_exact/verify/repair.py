"""Cut some faces of a mesh exactly, by the kernel: those for which the fast engine's claim is not proved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.kernel.dcel import OUTER, Dcel, Line, line_through
from splinecam_exact.kernel.program import Progress, UnitStep
from splinecam_exact.kernel.rational import Point, primitive
from splinecam_exact.kernel.rebuild import cut_faces, split_edges

Ints = NDArray[np.int64]


class Repaired(NamedTuple):
    """Faces that the kernel made.

    `points` are the exact vertices, the given ones first. Per new face `parent` (the number of the face given) and
    `patterns`; `sizes` half-edges each, of which `origin` is the vertex, and `mother` the place of the old half-edge
    among those given, or -1 - i for a piece of chord number i, with line `lines[i]`.
    """

    points: list[Point]
    parent: list[int]
    patterns: list[bytes]
    sizes: list[int]
    origin: list[int]
    mother: list[int]
    lines: list[Line]


def recut(
    step: UnitStep,
    lines: Iterable[list[Line]],
    points: Sequence[Point],
    polygons: Sequence[Sequence[int]],
    patterns: Sequence[bytes],
    stage: str,
    progress: Progress | None,
    limit: int | None,
) -> Repaired:
    """Cut faces by a layer's breaklines. `polygons` are counter-clockwise numbers of `points`.

    `lines` are the breaklines on each face, `patterns` differ from face to face. All given points are kept.
    """
    dcel, mothers = _dcel(points, polygons, patterns)
    plans = split_edges(dcel, lines, stage, progress)
    given = len(points)
    mother: dict[int, int] = {}
    for face, first in enumerate(dcel.edge):
        cycle = list(dcel.cycle(first))
        begin = next(k for k, h in enumerate(cycle) if dcel.origin[h] < given)
        for h in cycle[begin:] + cycle[:begin]:
            if dcel.origin[h] < given:
                at = mothers[face, dcel.origin[h]]
            mother[h] = at
    pieces = len(dcel.origin)
    starts = {h: f for f, first in enumerate(dcel.edge) for h in dcel.cycle(first)}
    cut_faces(dcel, step, plans, stage, progress, limit)

    found = Repaired([primitive(p) for p in dcel.points], [], [], [], [], [], [])
    number: dict[Line, int] = {}
    owner = _owners(dcel, starts)
    for face, first in enumerate(dcel.edge):
        cycle = list(dcel.cycle(first))
        found.parent.append(owner[face])
        found.patterns.append(dcel.patterns[face])
        found.sizes.append(len(cycle))
        for h in cycle:
            found.origin.append(dcel.origin[h])
            if h < pieces:
                found.mother.append(mother[h])
            else:
                line = dcel.line[h >> 1]
                found.mother.append(-1 - number.setdefault(line, len(number)))
    found.lines.extend(number)
    return found


def _dcel(
    points: Sequence[Point], polygons: Sequence[Sequence[int]], patterns: Sequence[bytes]
) -> tuple[Dcel, dict[tuple[int, int], int]]:
    """The faces as the kernel's DCEL, and the place of each half-edge in the polygons, by its face and origin."""
    dcel = Dcel([])
    dcel.points, dcel.corners = list(points), len(points)  # none of them is to be merged away
    dcel.edge, dcel.patterns = [], list(patterns)
    known: dict[tuple[int, int], int] = {}
    mothers: dict[tuple[int, int], int] = {}
    place = 0
    for face, polygon in enumerate(polygons):
        cycle = []
        for u, v in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if (u, v) not in known:
                known[u, v], known[v, u] = len(dcel.origin), len(dcel.origin) + 1
                dcel.origin += (u, v)
                dcel.next += (-1, -1)
                dcel.prev += (-1, -1)
                dcel.face += (OUTER, OUTER)
                dcel.line.append(line_through(points[u], points[v]))
            cycle.append(known[u, v])
            mothers[face, u] = place
            place += 1
        for h, g in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            dcel.next[h], dcel.prev[g], dcel.face[h] = g, h, face
        dcel.edge.append(cycle[0])
    leaving: dict[int, list[int]] = {}
    outside = [h for h, face in enumerate(dcel.face) if face == OUTER]
    for h in outside:
        leaving.setdefault(dcel.origin[h], []).append(h)
    for h in outside:
        g = leaving[dcel.origin[h ^ 1]].pop()
        dcel.next[h], dcel.prev[g] = g, h
    return dcel, mothers


def _owners(dcel: Dcel, starts: dict[int, int]) -> list[int]:
    """The given face that each new face is part of: that of any boundary piece, or of a neighbour inside."""
    owner = [-1] * len(dcel.edge)
    for h, f in starts.items():
        if dcel.next[h] >= 0 and dcel.face[h] != OUTER:
            owner[dcel.face[h]] = f
    waiting = [f for f, o in enumerate(owner) if o >= 0]
    for f in waiting:
        for h in dcel.cycle(dcel.edge[f]):
            g = dcel.face[h ^ 1]
            if h not in starts and g != OUTER and owner[g] < 0:
                owner[g] = owner[f]
                waiting.append(g)
    return owner
