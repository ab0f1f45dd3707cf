"""Check every claim of a refinement against the signs and bounds that are certain (proofs/fast.md, section 5).

Nothing that the fast engine says is believed. What cannot be confirmed is laid at the door of a face of the old mesh,
which is then rebuilt exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from splinecam_exact.fast.assemble import Refinement
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.verify.accuracy import SLIGHT, Accuracy, cross, dot, length
from splinecam_exact.verify.rigor import UNIT


class Claims:
    """A refinement and what it refines, with what several checks need; `bad` are the old faces that failed."""

    def __init__(self, mesh: Mesh, new: Refinement, positive: Tensor, changes: tuple[Tensor, Tensor, int]) -> None:
        self.mesh, self.new, self.positive, self.changes = mesh, new, positive, changes
        self.first, self.second = len(mesh.x), len(mesh.x) + len(new.edge)
        self.bad = torch.zeros(mesh.faces, dtype=torch.bool, device=mesh.x.device)
        self.decided = 0

    def unless(self, good: Tensor, faces: Tensor) -> None:
        """Note the faces for which something is not good; both lists are as long."""
        self.bad[faces[~good]] = True

    def derive(self) -> None:
        """The tables that most checks need, once the form is known to be sound."""
        old, fine = self.mesh, self.new.mesh
        self.old_face, self.old_head = old.face(), old.head()
        self.following, self.head = fine.next(), fine.head()
        self.parent = self.new.parent[fine.face()]
        self.piece = self.new.old >= 0
        self.mother = torch.where(self.piece, self.new.old, 0)
        self.canonical = torch.where(old.twin < 0, torch.arange(len(old.twin), device=old.twin.device), old.twin)
        self.canonical = torch.minimum(self.canonical, torch.arange(len(old.twin), device=old.twin.device))
        self.chord = torch.where(self.piece, 0, fine.line - self.new.lines)


def wrong(
    mesh: Mesh, new: Refinement, positive: Tensor, changes: tuple[Tensor, Tensor, int], accuracy: Accuracy
) -> tuple[Tensor, int]:
    """The faces of `mesh` whose refinement is not proved right, as bool, and how many orders and turns were decided.

    `positive` are the signs of the cuts at the vertices, `changes` (edge, cut, count of cuts) all their sign changes
    along edges. For every other face, if all signs at its corners are right, its parts are the true ones. The form must
    be `sound`.
    """
    claims = Claims(mesh, new, positive, changes)
    claims.derive()
    _check_ends(claims)
    _check_twins(claims)
    sense = _check_senses(claims, accuracy)
    _check_fractions(claims, sense)
    _check_sides(claims)
    _check_chords(claims, sense)
    _check_turns(claims, accuracy, sense)
    _check_numbers(claims)
    return claims.bad, claims.decided


def _within(numbers: Tensor, low: int, high: int) -> bool:
    """Whether all numbers are at least `low` and less than `high`."""
    return numbers.numel() == 0 or bool((numbers.min() >= low) & (numbers.max() < high))


def _fractions(numbers: Tensor) -> bool:
    return bool(((numbers >= 0) & (numbers <= 1)).all())


def sound(old: Mesh, new: Refinement, changes: tuple[Tensor, Tensor, int], lines: int) -> bool:
    """Form: every number names something that there is, and the sign changes are exactly those that are claimed.

    `changes` are as in `wrong`; `lines` is how many lines there were before.
    """
    fine = new.mesh
    first, second = len(old.x), len(old.x) + len(new.edge)
    vertices, half_edges = second + len(new.a), len(fine.origin)
    edge, cut, cuts = changes
    chords = len(new.chord_cut)
    whole = (*fine[1:], new.parent, new.old, new.edge, new.cut, new.order, new.a, new.b, *new[-5:-1])
    kinds = (
        all(t.dtype == torch.int64 for t in whole)
        and all(t.dtype == torch.float64 for t in (fine.x, new.t, new.s, new.r))
        and new.forward.dtype == torch.bool
    )
    shapes = (
        kinds
        and chords > 0
        and fine.faces > 0
        and new.lines == lines
        and len(fine.x) == vertices
        and bool(fine.start[0] == 0)
        and bool(fine.start[-1] == half_edges)
        and bool((fine.start.diff() >= 3).all())
        and all(len(t) == half_edges for t in (fine.twin, fine.line, new.old, new.forward))
        and all(len(t) == chords for t in (new.chord_face, new.chord_start, new.chord_end))
        and len(new.parent) == fine.faces
        and len(new.b) == len(new.s) == len(new.r) == len(new.a)
        and len(new.cut) == len(new.t) == len(new.order) == len(edge) == len(new.edge)
    )
    ranges = shapes and (
        _within(fine.origin, 0, vertices)
        and _within(fine.twin, -1, half_edges)
        and _within(fine.line, 0, lines + chords)
        and _within(new.old, -1, len(old.origin))
        and _within(new.parent, 0, old.faces)
        and _within(new.a, 0, chords)
        and _within(new.b, 0, chords)
        and _within(new.chord_face, 0, old.faces)
        and _within(new.chord_cut, 0, cuts)
        and _within(new.chord_start, first, second)
        and _within(new.chord_end, first, second)
        and _within(new.order, 0, len(edge))
        and _fractions(new.t)
        and _fractions(new.s)
        and _fractions(new.r)
    )
    if not ranges or not bool((torch.bincount(new.order, minlength=len(edge)) == 1).all()):
        return False
    return bool(torch.equal(edge[new.order], new.edge) and torch.equal(cut[new.order], new.cut))


def _check_ends(claims: Claims) -> None:
    """Every half-edge begins and ends at vertices that lie on its line, and keeps to its face."""
    old, new = claims.mesh, claims.new
    fine, mother, piece = new.mesh, claims.mother, claims.piece
    kept = (claims.old_face[mother] == claims.parent) & (fine.line == old.line[mother]) & ~new.forward
    claims.unless(~piece | kept, claims.parent)
    chord = claims.chord.clamp(min=0)
    claims.unless(piece | ((claims.chord >= 0) & (new.chord_face[chord] == claims.parent)), claims.parent)
    for vertex, corner in ((fine.origin, old.origin), (claims.head, claims.old_head)):
        point = (vertex - claims.first).clamp(0, max(0, len(new.edge) - 1))
        crossing = (vertex >= claims.first) & (vertex < claims.second)
        on_piece = (vertex == corner[mother]) | (crossing & (new.edge[point] == claims.canonical[mother]))
        meeting = (vertex - claims.second).clamp(min=0)
        on_chord = (vertex == new.chord_start[chord]) | (vertex == new.chord_end[chord])
        if len(new.a):
            on_chord |= (vertex >= claims.second) & ((new.a[meeting] == chord) | (new.b[meeting] == chord))
        claims.unless(torch.where(piece, on_piece, on_chord), claims.parent)
    together = (new.chord_face[new.a] == new.chord_face[new.b]) & (new.a != new.b)
    for chord in (new.a, new.b):
        claims.unless(together, new.chord_face[chord])


def _check_twins(claims: Claims) -> None:
    """Half-edges cancel: the twin runs back along the same line, on the other side of it."""
    old, new = claims.mesh, claims.new
    fine = new.mesh
    twin = fine.twin.clamp(min=0)
    numbers = torch.arange(len(twin), device=twin.device)
    outside = claims.piece & (old.twin[claims.mother] < 0)
    back = (fine.twin[twin] == numbers) & (fine.origin[twin] == claims.head) & (claims.head[twin] == fine.origin)
    across = claims.piece & claims.piece[twin] & (claims.mother[twin] == old.twin[claims.mother])
    inside = (
        ~claims.piece & ~claims.piece[twin] & (claims.parent[twin] == claims.parent) & (fine.line[twin] == fine.line)
    )
    good = torch.where(outside, fine.twin < 0, (fine.twin >= 0) & back & (across | inside))
    claims.unless(good, claims.parent)


def _check_senses(claims: Claims, accuracy: Accuracy) -> Tensor:
    """Every half-edge has a direction along its line that is certain: True where it is the line's own.

    A half-edge that is a whole old one keeps the direction that was certain before.
    """
    fine = claims.new.mesh
    step = fine.x[claims.head] - fine.x[fine.origin]
    direction = accuracy.direction[fine.line]
    along = dot(step, direction) / length(direction)
    margin = (accuracy.ball[fine.origin] + accuracy.ball[claims.head]) * SLIGHT + 32 * UNIT * length(step)
    whole = (
        claims.piece
        & (fine.origin == claims.mesh.origin[claims.mother])
        & (claims.head == claims.old_head[claims.mother])
    )
    certain = (along.abs() > margin) & (accuracy.slack[fine.line] < 0.5)
    claims.unless(whole | certain, claims.parent)
    claims.decided += int((certain & ~whole).sum())
    sense = along > 0
    mesh, mother = claims.mesh, claims.mother
    before = dot(mesh.x[claims.old_head] - mesh.x[mesh.origin], accuracy.direction[mesh.line]) > 0
    claims.unless(torch.where(claims.piece, sense == before[mother], sense == claims.new.forward), claims.parent)
    return sense


def _check_fractions(claims: Claims, sense: Tensor) -> None:
    """The fractions of the points on a chord never fall along it."""
    new = claims.new
    if not len(new.a):
        return
    segment = torch.nonzero(~claims.piece & sense).squeeze(1)
    chord = claims.chord[segment].clamp(min=0)

    def fraction(vertex: Tensor) -> Tensor:
        meeting = (vertex - claims.second).clamp(min=0)
        inside = torch.where(new.a[meeting] == chord, new.s[meeting], new.r[meeting])
        return torch.where(vertex >= claims.second, inside, (vertex == new.chord_end[chord]).to(inside))

    forward = fraction(new.mesh.origin[segment]) <= fraction(claims.head[segment])
    claims.unless(forward, claims.parent[segment])


def _exactly_once(claims: Claims, slots: Tensor, faces: Tensor, expected: Tensor, owner: Tensor) -> None:
    """Every expected slot is taken once, by its own face; `faces` belong to `slots`, `owner` to `expected`."""
    own = (owner[slots] == faces) & (expected[slots] == 1)
    claims.unless(own, faces)
    claims.unless(own, owner[slots])
    claims.unless(torch.bincount(slots, minlength=len(expected)) == expected, owner)


def _check_sides(claims: Claims) -> None:
    """The pieces of each old half-edge cover it once: one begins, and one ends, at each point on it."""
    old, new = claims.mesh, claims.new
    count, points = len(old.origin), len(new.edge)
    opposite = old.twin[new.edge]
    expected = torch.cat(
        [torch.ones(count + points, dtype=torch.int64, device=opposite.device), (opposite >= 0).long()]
    )
    owner = torch.cat([claims.old_face, claims.old_face[new.edge], claims.old_face[opposite]])
    mother, faces = claims.mother[claims.piece], claims.parent[claims.piece]
    for vertex in (new.mesh.origin, claims.head):
        vertex = vertex[claims.piece]
        point = (vertex - claims.first).clamp(0, max(0, points - 1))
        back = (mother != claims.canonical[mother]).long()
        slot = torch.where(vertex < claims.first, mother, count + back * points + point)
        _exactly_once(claims, slot, faces, expected, owner)


def _check_chords(claims: Claims, sense: Tensor) -> None:
    """Chords are complete: their ends are the crossings on edges, and their segments cover them once.

    Every crossing is one end of one chord of its cut in each face there, falling at the start, rising at the end.
    """
    old, new = claims.mesh, claims.new
    points, chords = len(new.edge), len(new.chord_cut)
    opposite = old.twin[new.edge]
    faces = claims.old_face[new.edge]
    across = torch.where(opposite >= 0, claims.old_face[opposite], -1)
    falls = claims.positive[old.origin[new.edge], new.cut]
    expected = torch.cat([torch.ones(points, dtype=torch.int64, device=faces.device), (opposite >= 0).long()])
    owner = torch.cat([faces, across.clamp(min=0)])
    slots = []
    for vertex, start in ((new.chord_start, True), (new.chord_end, False)):
        point = vertex - claims.first
        back = faces[point] != new.chord_face
        claims.unless(~back | (across[point] == new.chord_face), new.chord_face)
        claims.unless(new.cut[point] == new.chord_cut, new.chord_face)
        claims.unless((falls[point] != back) == start, new.chord_face)
        slots.append(point + back * points)
    slots_of_both = torch.cat(slots)
    _exactly_once(claims, slots_of_both, new.chord_face.repeat(2), expected, owner)

    segment = ~claims.piece
    vertex, chord, ahead = new.mesh.origin[segment], claims.chord[segment], sense[segment]
    chord = chord.clamp(min=0)
    meeting = (vertex - claims.second).clamp(min=0)
    slot = torch.where(ahead, chord, chords + chord)
    at_end = torch.where(ahead, vertex == new.chord_start[chord], vertex == new.chord_end[chord])
    met = vertex >= claims.second
    if len(new.a):
        of_b = (new.b[meeting] == chord).long()
        slot = torch.where(met, 2 * chords + 4 * meeting + 2 * of_b + (~ahead).long(), slot)
    claims.unless(at_end | met, claims.parent[segment])
    owner = torch.cat([new.chord_face.repeat(2), new.chord_face[new.a].repeat_interleave(4)])
    _exactly_once(claims, slot, claims.parent[segment], torch.ones_like(owner), owner)


def _check_turns(claims: Claims, accuracy: Accuracy, sense: Tensor) -> None:
    """Every corner of a face turns left, or goes straight on along one line."""
    fine = claims.new.mesh
    following = claims.following
    after = fine.line[following]
    kept = claims.piece & claims.piece[following]
    corner = ~(kept & (claims.head == claims.old_head[claims.mother]))
    where = torch.nonzero(corner).squeeze(1)  # a corner of an old face was checked when that face was made
    line, after, faces = fine.line[where], after[where], claims.parent[where]
    p = torch.where(sense[where].unsqueeze(1), 1.0, -1.0) * accuracy.direction[line]
    q = torch.where(sense[following[where]].unsqueeze(1), 1.0, -1.0) * accuracy.direction[after]
    margin = (2 * accuracy.slack[line] + 2 * accuracy.slack[after] + 32 * UNIT) * length(p) * length(q)
    left = cross(p, q) > margin
    straight = (line == after) & (sense[where] == sense[following[where]])
    claims.unless(left | straight, faces)
    claims.decided += int(left.sum())


def _check_numbers(claims: Claims) -> None:
    """A face with m chords and n meetings has 1 + m + n parts (each winds once, then), an uncut one its own sides."""
    old, new = claims.mesh, claims.new
    parts = torch.bincount(new.parent, minlength=old.faces)
    chords = torch.bincount(new.chord_face, minlength=old.faces)
    met = torch.bincount(new.chord_face[new.a], minlength=old.faces)
    claims.bad |= parts != 1 + chords + met
