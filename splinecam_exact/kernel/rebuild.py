"""Rebuild the whole subdivision of a network on a convex polygon, layer by layer, exactly.

Each operation with units cuts the faces that the earlier ones left. Inside a face every value is an affine form, so a
unit's breakpoints are lines; where one crosses the face it becomes a chord.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from operator import itemgetter

from gmpy2 import mpq

from splinecam_exact.kernel.arrangement import Chord, cut_face
from splinecam_exact.kernel.dcel import Dcel, Line, meet
from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, Program, Progress, UnitStep

NEGATIVE, ZERO, POSITIVE = 0, 1, 2
"""The state of a cut (a form whose zero set is a breakline) on a face."""

Hit = tuple["_Open", int]
"""A chord, and which of its ends (0 start, 1 end) lies inside an edge."""


class _Open:
    """A chord whose ends may still lie inside edges: an entry of `ends` is -1 until its edge is split."""

    def __init__(self, line: Line, cut: int, flipped: bool) -> None:
        self.line = line
        self.change = (cut, NEGATIVE, POSITIVE) if flipped else (cut, POSITIVE, NEGATIVE)
        self.ends = [-1, -1]


Plan = tuple[bytearray, list[_Open]]
"""For one face: the states of the cuts that do not cross it, and the chords of those that do."""


def rebuild(
    program: Program, corners: Sequence[tuple[mpq, mpq]], progress: Progress | None = None, limit: int | None = None
) -> Dcel:
    """The exact subdivision of the polygon `corners` (strictly convex, counter-clockwise) into activation cells.

    Raises Undecided when there are more than `limit` cells.
    """
    dcel = Dcel(corners)
    layers = program.unit_steps()
    for depth, step in enumerate(layers, 1):
        stage = f"layer {depth} of {len(layers)}"
        cut_faces(dcel, step, split_edges(dcel, _lines(program, dcel, step), stage, progress), stage, progress, limit)
    return dcel


def split_edges(dcel: Dcel, lines: Iterable[list[Line]], stage: str, progress: Progress | None) -> list[Plan]:
    """Put the vertices where a layer's breaklines cross edges on these, and plan the chords of every face.

    `lines` are, for every face, the forms whose zero sets are the breaklines.
    """
    plans = []
    hits: dict[int, list[Hit]] = {}
    for f, cuts in enumerate(lines):
        plans.append(_plan(dcel, f, cuts, hits))
        if progress and f % 64 == 0:
            progress(f"{stage}: lines", f, len(dcel.edge))
    _split(dcel, hits)
    return plans


def _lines(program: Program, dcel: Dcel, step: UnitStep) -> Iterator[list[Line]]:
    forms, stop = Forms(program), program.steps.index(step)
    for pattern in dcel.patterns:
        forms.move(pattern, stop)
        yield _cuts(step, forms)


def _has_groups(step: UnitStep) -> bool:
    return any(isinstance(unit, GroupUnit) for unit in step.units)


def _cuts(step: UnitStep, forms: Forms) -> list[Line]:
    """The forms whose zero sets are a layer's breaklines; for a Max group, of each pair of members."""
    packed = []
    values = forms.values
    for unit in step.units:
        if isinstance(unit, PieceUnit):
            packed += [m * values[unit.source] + c * forms.one for m, c in unit.cuts]
        else:
            packed += [m * values[j] - n * values[k] for (j, m), (k, n) in combinations(unit.members, 2)]
    return [forms.unpack(p) for p in packed]


def _plan(dcel: Dcel, face: int, cuts: list[Line], hits: dict[int, list[Hit]]) -> Plan:
    """The states of the cuts that do not cross a face, and the chords of those that do."""
    boundary = list(dcel.cycle(dcel.edge[face]))
    corners = [dcel.points[dcel.origin[h]] for h in boundary]
    states = bytearray(len(cuts))
    chords = []
    for k, (a, b, c) in enumerate(cuts):
        heights = [a * x + b * y + c * w for x, y, w in corners]
        low, high = min(heights), max(heights)
        if low >= 0 or high <= 0:
            states[k] = POSITIVE if high > 0 else NEGATIVE if low < 0 else ZERO
            continue
        flipped = b < 0 or (b == 0 and a > 0)
        chord = _Open((-a, -b, -c) if flipped else (a, b, c), k, flipped)
        up = next(i for i, h in enumerate(heights) if h > 0 and heights[i - 1] <= 0)
        down = next(i for i, h in enumerate(heights) if h < 0 and heights[i - 1] >= 0)
        for i, side in ((up, 0 if flipped else 1), (down, 1 if flipped else 0)):
            h = boundary[i - 1]
            if heights[i - 1] == 0:
                chord.ends[side] = dcel.origin[h]
            else:
                hits.setdefault(h >> 1, []).append((chord, side))
        chords.append(chord)
    return states, chords


def _split(dcel: Dcel, hits: dict[int, list[Hit]]) -> None:
    """Make the vertices where chords meet edges; hits from both sides, or of several lines, may be one vertex."""
    for edge, ends in hits.items():
        line = dcel.line[edge]
        axis = 0 if line[1] else 1
        points = [meet(line, chord.line) for chord, _ in ends]
        along = sorted(
            ((mpq(p[axis], p[2]), p, hit) for p, hit in zip(points, ends, strict=True)),
            key=itemgetter(0),
        )
        vertices: list[int] = []
        last = None
        for key, point, (chord, side) in along:
            if key != last:
                last = key
                vertices.append(dcel.add_vertex(point))
            chord.ends[side] = vertices[-1]
        p, q = (dcel.points[dcel.origin[h]] for h in (2 * edge, 2 * edge + 1))
        if p[axis] * q[2] > q[axis] * p[2]:
            vertices.reverse()
        dcel.split(2 * edge, vertices)


def cut_faces(
    dcel: Dcel, step: UnitStep, plans: list[Plan], stage: str, progress: Progress | None, limit: int | None
) -> None:
    """Cut every face along its planned chords. Raises Undecided when there are more than `limit` cells."""
    # where every unit has one breakpoint, a cut's state is its unit's
    single = all(isinstance(unit, PieceUnit) and len(unit.cuts) == 1 for unit in step.units)
    groups = _has_groups(step)
    edges, dcel.edge = dcel.edge, []
    patterns, dcel.patterns = dcel.patterns, []

    def watch(done: int, total: int, crossings: int) -> None:
        """There are more cells than crossings inside one face."""
        if limit is not None and len(dcel.edge) + crossings > limit:
            merging = " before those of one maximum are merged" if groups else ""
            raise Undecided(f"more than {limit} cells{merging}: raise the limit, or take a smaller domain")
        if progress and done % 64 == 0 and (crossings == 0 or len(plans) == 1):
            progress(stage, done, total)

    for f, (states, open_chords) in enumerate(plans):
        boundary = list(dcel.cycle(edges[f]))
        chords: dict[tuple[int, int], list[_Open]] = {}
        for chord in open_chords:
            chords.setdefault((chord.ends[0], chord.ends[1]), []).append(chord)
        if chords:
            merged = [Chord(same[0].line, s, t, [c.change for c in same]) for (s, t), same in chords.items()]
            faces = cut_face(dcel, boundary, merged, states, len(dcel.edge), watch)
        else:
            for h in boundary:
                dcel.face[h] = len(dcel.edge)
            faces = [(edges[f], states)]
        for edge, found in faces:
            dcel.edge.append(edge)
            dcel.patterns.append(patterns[f] + (found if single else _field(step, found)))
        watch(f, len(plans), 0)
    if groups:
        dcel.merge_equal_faces()


def _field(step: UnitStep, cuts: bytearray) -> bytes:
    """The states of a layer's units, from the states of its cuts on one face."""
    found, at = bytearray(), 0
    for unit in step.units:
        if isinstance(unit, PieceUnit):
            size = len(unit.cuts)
            state = sum(cuts[at : at + size])  # a breakpoint that is passed adds 2, one that is stood on 1
        else:
            members = range(len(unit.members))
            size = len(members) * (len(members) - 1) // 2
            state = (1 << len(members)) - 1
            for (j, k), cut in zip(combinations(members, 2), cuts[at : at + size], strict=True):
                state &= ~(1 << j) if cut == NEGATIVE else ~(1 << k) if cut == POSITIVE else state
        found += state.to_bytes(step.width, "little")
        at += size
    return bytes(found)
