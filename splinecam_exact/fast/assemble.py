"""From chords and their meetings to the half-edges of the new mesh."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from splinecam_exact.fast.arrange import Boundary, Chords, Meetings
from splinecam_exact.fast.mesh import Mesh, before


class Refinement(NamedTuple):
    """A mesh whose faces are cut: what `propose` claims, with the origin of every part.

    Per new face `parent`, the face it is part of. Per half-edge `old`, the half-edge of the old mesh that it is a piece
    of, or -1 for a piece of a chord, and `forward`, whether it runs from the chord's start to its end. The new vertices
    follow the old ones: first the points (edge, cut) where a cut crosses an old edge, then the points (a, b) where
    chords number a and b meet. Chord c of cut `chord_cut[c]` cuts face `chord_face[c]` from vertex `chord_start[c]` to
    `chord_end[c]`, the positive side on the left; its line in the new mesh is `lines` + c. Point (edge, cut) is at the
    fraction `t` of the way along the edge, point (a, b) at the fraction `s` along chord a, where its coordinates are
    interpolated, and `r` along chord b.
    """

    mesh: Mesh
    parent: Tensor
    old: Tensor
    forward: Tensor
    edge: Tensor
    cut: Tensor
    t: Tensor
    order: Tensor
    a: Tensor
    b: Tensor
    s: Tensor
    r: Tensor
    chord_face: Tensor
    chord_cut: Tensor
    chord_start: Tensor
    chord_end: Tensor
    lines: int


class _Paths(NamedTuple):
    """Chords as sequences of segments: chord c has segments first[c] to first[c] + count[c]; i and j say the number
    (1, 2, ...) of every meeting among those on its chords."""

    first: Tensor
    count: Tensor
    at_i: Tensor
    at_j: Tensor


def paths(chords: int, met: Meetings) -> _Paths:
    """Sort the meetings along every chord."""
    chord = torch.cat([met.i, met.j])
    order = torch.argsort(torch.cat([met.si, met.sj]), stable=True)
    order = order[torch.argsort(chord[order], stable=True)]
    count = torch.bincount(chord, minlength=chords)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device) - before(count)[chord[order]] + 1
    return _Paths(before(count + 1), count, place[: len(met.i)], place[len(met.i) :])


def cycles(following: Tensor) -> tuple[Tensor, Tensor]:
    """For each element of a permutation: the least element of its cycle, and the number of steps from there to it.

    Raises ValueError for what is no permutation.
    """
    least = torch.arange(len(following), device=following.device)
    if not torch.equal(torch.bincount(following, minlength=len(following)), torch.ones_like(following)):
        raise ValueError("this is no permutation")
    jump = following
    while True:
        other = least[jump]
        if torch.equal(torch.minimum(least, other), least) and torch.equal(least[following], least):
            break
        least = torch.minimum(least, other)
        jump = jump[jump]
    tail = least == following
    jump = torch.where(tail, torch.arange(len(following), device=following.device), following)
    steps = (~tail).long()  # to the end of the cycle that begins at its least element
    while True:
        more = steps[jump]
        if not bool(more.any()):
            break
        steps += more
        jump = jump[jump]
    return least, steps[least] - steps


def refine(
    mesh: Mesh, nodes: Boundary, vertex: Tensor, lines: Chords, met: Meetings, x: Tensor, line: int
) -> tuple[Mesh, Tensor, Tensor, Tensor]:
    """The new mesh, with the parent of each face, and for each half-edge the old one, and whether it runs forward.

    `vertex` is the vertex at each node, `x` the coordinates of all vertices, old and new, of which the meetings come
    last; the lines of the chords are numbered from `line` on.
    """
    device = x.device
    boundary, segments = len(nodes.edge), len(lines.cut) + 2 * len(met.i)
    along = paths(len(lines.cut), met)
    total = boundary + 2 * segments
    point = len(x) - len(met.i) + torch.arange(len(met.i), device=device)

    # new half-edges: the piece that begins at each node, then each segment forward, then each segment backward
    origin = torch.empty(total, dtype=torch.int64, device=device)
    following = torch.empty_like(origin)
    origin[:boundary] = vertex
    numbers = torch.arange(boundary, device=device)
    following[:boundary] = numbers + 1
    face = mesh.face()[nodes.edge]
    ends = torch.cat([torch.nonzero(face[1:] != face[:-1]).squeeze(1), numbers[-1:]])
    begins = torch.cat([ends.new_zeros(1), ends[:-1] + 1])
    following[ends] = begins
    previous = numbers - 1
    previous[begins] = ends

    forward = boundary + along.first
    backward = forward + segments
    final = along.count
    origin[forward] = vertex[lines.start]
    origin[backward + final] = vertex[lines.end]
    following[previous[lines.start]] = forward
    following[backward] = lines.start
    following[previous[lines.end]] = backward + final
    following[forward + final] = lines.end

    i, j = forward[met.i] + along.at_i, forward[met.j] + along.at_j  # the segments after each meeting
    for after in (i, j):
        origin[after] = point
        origin[after + segments - 1] = point
    # counter-clockwise around a meeting: i forward, j to the left of it, i backward, j to the right
    left = torch.where(met.leftward, j, j + segments - 1)
    right = torch.where(met.leftward, j + segments - 1, j)
    following[i - 1] = left
    following[i + segments] = right
    following[torch.where(met.leftward, j - 1, j + segments)] = i + segments - 1
    following[torch.where(met.leftward, j + segments, j - 1)] = i

    chord = torch.repeat_interleave(along.count + 1)
    inside = lines.face[chord]
    old = torch.cat([nodes.edge, torch.full((2 * segments,), -1, device=device)])
    owner = torch.cat([face, inside, inside])
    labels = torch.cat([mesh.line[nodes.edge], chord + line, chord + line])
    return _gather(mesh, nodes, x, origin, following, owner, old, labels, segments)


def _gather(
    mesh: Mesh,
    nodes: Boundary,
    x: Tensor,
    origin: Tensor,
    following: Tensor,
    owner: Tensor,
    old: Tensor,
    labels: Tensor,
    segments: int,
) -> tuple[Mesh, Tensor, Tensor, Tensor]:
    """Number faces and half-edges anew: face after face, the parts of one face together."""
    boundary = len(nodes.edge)
    least, rank = cycles(following)
    leader = torch.nonzero(least == torch.arange(len(least), device=least.device)).squeeze(1)
    leader = leader[torch.argsort(owner[leader], stable=True)]
    parts = torch.bincount(owner[leader], minlength=mesh.faces)
    whole = parts == 0
    first = before(torch.where(whole, 1, parts))

    faces = int(first[-1] + torch.where(whole, 1, parts)[-1])
    sizes = torch.empty(faces, dtype=torch.int64, device=x.device)
    parent = torch.empty_like(sizes)
    number = torch.empty_like(least)
    new = first[owner[leader]] + torch.arange(len(leader), device=x.device) - before(parts)[owner[leader]]
    number[leader] = new
    sizes[new] = torch.bincount(least, minlength=len(least))[leader]
    parent[new] = owner[leader]
    sizes[first[whole]] = mesh.start.diff()[whole]
    parent[first[whole]] = torch.nonzero(whole).squeeze(1)
    start = torch.cat([sizes.new_zeros(1), torch.cumsum(sizes, 0)])

    place = start[number[least]] + rank  # where every half-edge of a face that is cut goes
    kept = torch.nonzero(nodes.offset < 0).squeeze(1)
    at = mesh.face()[kept]
    stay = start[first[at]] + kept - mesh.start[at]
    total = len(place) + len(kept)

    def placed(cut: Tensor, uncut: Tensor) -> Tensor:
        found = torch.empty(total, dtype=torch.int64, device=x.device)
        found[place] = cut
        found[stay] = uncut
        return found

    begin = torch.empty_like(mesh.origin)  # where the first piece of every old half-edge goes
    begin[kept] = stay
    begin[nodes.edge[nodes.place == 0]] = place[:boundary][nodes.place == 0]
    opposite = mesh.twin[nodes.edge]
    pieces = torch.bincount(nodes.edge, minlength=len(mesh.origin))[nodes.edge]
    mate = place[(nodes.offset[opposite] + pieces - 1 - nodes.place).clamp(min=0)]
    mate = torch.where(pieces > 1, mate, begin[opposite])
    mate = torch.where(opposite < 0, -1, mate)
    forward, backward = place[boundary : boundary + segments], place[boundary + segments :]
    beyond = mesh.twin[kept]
    twin = placed(torch.cat([mate, backward, forward]), torch.where(beyond < 0, -1, begin[beyond]))
    ahead = torch.zeros(total, dtype=torch.bool, device=x.device)
    ahead[forward] = True
    return (
        Mesh(x, start, placed(origin, mesh.origin[kept]), twin, placed(labels, mesh.line[kept])),
        parent,
        placed(old, kept),
        ahead,
    )


def unchanged(mesh: Mesh, lines: int) -> Refinement:
    """The refinement that cuts nothing."""
    none = mesh.origin[:0]
    faces, half_edges = (torch.arange(n, device=none.device) for n in (mesh.faces, len(mesh.origin)))
    ahead = torch.zeros(len(half_edges), dtype=torch.bool, device=none.device)
    fractions = mesh.x[:0, 0]
    return Refinement(
        mesh,
        faces,
        half_edges,
        ahead,
        none,
        none,
        fractions,
        none,
        none,
        none,
        fractions,
        fractions,
        none,
        none,
        none,
        none,
        lines,
    )
