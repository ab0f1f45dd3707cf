"""Lies of the fast engine, for tests of what is made of them. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import torch

import splinecam_exact as sx
from splinecam_exact.certification import canonical_form
from splinecam_exact.fast import arrange, assemble, crossings, propose
from splinecam_exact.fast.assemble import Refinement
from splinecam_exact.half_edges import half_edges

Forms = tuple[dict[bytes, Any], int]
Lie = Callable[[Refinement, Random], Refinement]
honest = propose.propose


def exact_form(part: sx.Subdivision) -> Forms:
    """What two equal subdivisions share; the twins are checked against the polygons."""
    geometry = part.geometry
    anew = half_edges(*geometry.polygons, geometry.vertex_count)
    assert np.array_equal(geometry.half_edges.twin, anew.twin)
    return canonical_form(part), geometry.vertex_count


def times(new: Refinement, attack: Lie, random: Random) -> Refinement:
    """One to three times the same."""
    for _ in range(random.choice((1, 1, 2, 3))):
        new = attack(new, random)
    return new


# -- a stage of the engine is wrong, and all that follows is consistent with it


def pair_of(keys: Any, random: Random) -> tuple[int, int] | None:
    """Two places with the same key."""
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    several = [group for group in groups.values() if len(group) > 1]
    if not several:
        return None
    i, j = random.sample(random.choice(several), 2)
    return i, j


def exchanged(found: Any, names: tuple[str, ...], i: int, j: int) -> Any:
    changes = {}
    for name in names:
        array = getattr(found, name).clone()
        array[[i, j]] = array[[j, i]]
        changes[name] = array
    return found._replace(**changes)


def crossings_of(random: Random, kind: str) -> Callable[..., Any]:
    """Two crossings of an edge in the wrong order, with their fractions or without; or at any place."""

    def wrong(*arguments: Any) -> Any:
        found = crossings.edge_crossings(*arguments)
        pair = pair_of(found.edge.tolist(), random)
        if kind == "anywhere":
            t = found.t.clone()
            t[random.randrange(len(t))] = random.random()
            return found._replace(t=t)
        if pair is None:
            return found
        names: tuple[str, ...] = ("cut", "falls", "order")
        return exchanged(found, (*names, "t") if kind == "with fractions" else names, *pair)

    return wrong


def chords_of(random: Random, kind: str) -> Callable[..., Any]:
    """Two chords of a face exchange an end, or one is missing, double, or runs backwards."""

    def wrong(*arguments: Any) -> Any:
        found = arrange.chords(*arguments)
        i = random.randrange(len(found.cut))
        pair = pair_of(found.face.tolist(), random)
        if kind == "drop":
            keep = [k for k in range(len(found.cut)) if k != i]
            return type(found)(*(array[keep] for array in found))
        if kind == "double":
            keep = sorted([*range(len(found.cut)), i])
            return type(found)(*(array[keep] for array in found))
        if kind == "back":
            start, end = found.start.clone(), found.end.clone()
            start[i], end[i] = found.end[i], found.start[i]
            return found._replace(start=start, end=end)
        return found if pair is None else exchanged(found, (kind,), *pair)

    return wrong


def meetings_of(random: Random, kind: str) -> Callable[..., Any]:
    """Two meetings on a chord in the wrong order; one that is missing, or double, or passes to the other side."""

    def wrong(*arguments: Any) -> Any:
        found = arrange.meetings(*arguments)
        if not len(found.i):
            return found
        k = random.randrange(len(found.i))
        pair = pair_of(found.i.tolist(), random)
        if kind == "drop":
            keep = [n for n in range(len(found.i)) if n != k]
            return type(found)(*(array[keep] for array in found))
        if kind == "double":
            keep = sorted([*range(len(found.i)), k])
            return type(found)(*(array[keep] for array in found))
        if kind == "side":
            leftward = found.leftward.clone()
            leftward[k] = ~leftward[k]
            return found._replace(leftward=leftward)
        if kind in ("si", "sj"):
            place = getattr(found, kind).clone()
            place[k] = random.random()
            return found._replace(**{kind: place})
        return found if pair is None else exchanged(found, ("si", "sj"), *pair)

    return wrong


def paths_of(random: Random) -> Callable[..., Any]:
    """Two meetings on a chord in the wrong order, but where they belong."""
    true = assemble.paths

    def wrong(chords: int, met: Any) -> Any:
        found = true(chords, met)
        at = torch.cat([found.at_i, found.at_j])
        pair = pair_of(torch.cat([met.i, met.j]).tolist(), random)
        if pair is not None:
            at[list(pair)] = at[list(pair)[::-1]]
        return found._replace(at_i=at[: len(met.i)], at_j=at[len(met.i) :])

    return wrong


STAGES: dict[str, tuple[Any, str, Callable[[Random], Any]]] = {
    "crossings exchanged": (propose, "edge_crossings", lambda r: crossings_of(r, "without")),
    "crossings exchanged, with fractions": (propose, "edge_crossings", lambda r: crossings_of(r, "with fractions")),
    "crossing anywhere": (propose, "edge_crossings", lambda r: crossings_of(r, "anywhere")),
    "chord dropped": (propose, "chords", lambda r: chords_of(r, "drop")),
    "chord doubled": (propose, "chords", lambda r: chords_of(r, "double")),
    "chord turned back": (propose, "chords", lambda r: chords_of(r, "back")),
    "chords exchange starts": (propose, "chords", lambda r: chords_of(r, "start")),
    "chords exchange ends": (propose, "chords", lambda r: chords_of(r, "end")),
    "chords exchange cuts": (propose, "chords", lambda r: chords_of(r, "cut")),
    "meeting dropped": (propose, "meetings", lambda r: meetings_of(r, "drop")),
    "meeting doubled": (propose, "meetings", lambda r: meetings_of(r, "double")),
    "meeting to the other side": (propose, "meetings", lambda r: meetings_of(r, "side")),
    "meeting anywhere on the first chord": (propose, "meetings", lambda r: meetings_of(r, "si")),
    "meeting anywhere on the second chord": (propose, "meetings", lambda r: meetings_of(r, "sj")),
    "meetings exchanged": (propose, "meetings", lambda r: meetings_of(r, "both")),
    "meetings in the wrong order": (assemble, "paths", paths_of),
}


def places_exchanged(new: Refinement, random: Random) -> Refinement:
    """Two new vertices stand at each other's places, on one edge or one chord if there are such two."""
    on = [("edge", e) for e in new.edge.tolist()] + [("chord", a) for a in new.a.tolist()]
    pair = pair_of(on, random)
    if pair is None:
        return new
    first = len(new.mesh.x) - len(on)
    x = new.mesh.x.clone()
    x[[first + k for k in pair]] = x[[first + k for k in pair[::-1]]]
    return new._replace(mesh=new.mesh._replace(x=x))


# -- lies that are consistent in all but one thing


class Draft:
    """A refinement as lists, to be changed in place."""

    def __init__(self, new: Refinement) -> None:
        self.new = new
        mesh = new.mesh
        rows = zip(mesh.origin.tolist(), mesh.line.tolist(), new.old.tolist(), new.forward.tolist(), strict=True)
        self.halves = [list(row) for row in rows]
        self.twin = mesh.twin.tolist()
        bounds = mesh.start.tolist()
        self.faces = [list(range(a, b)) for a, b in pairwise(bounds)]
        self.parent = new.parent.tolist()

    def refinement(self, **changes: Any) -> Refinement:
        order = [h for face in self.faces for h in face]
        place = {h: k for k, h in enumerate(order)} | {-1: -1}
        origin, line, old = (torch.tensor([self.halves[h][k] for h in order]) for k in range(3))
        mesh = self.new.mesh._replace(
            start=torch.tensor([0, *np.cumsum([len(face) for face in self.faces])]),
            origin=origin,
            line=line,
            twin=torch.tensor([place.get(self.twin[h], -1) for h in order]),
            x=changes.pop("x", self.new.mesh.x),
        )
        forward = torch.tensor([self.halves[h][3] for h in order])
        new = self.new._replace(mesh=mesh, old=old, forward=forward, parent=torch.tensor(self.parent), **changes)
        return new

    def chord_half(self, random: Random) -> int:
        return random.choice([h for h, (_, _, old, forward) in enumerate(self.halves) if old < 0 and forward])

    def split(self, half: int, vertex: int) -> None:
        """Put a vertex on a half-edge and on its twin."""
        twin = self.twin[half]
        pieces = []
        for h in (half, twin):
            pieces.append(len(self.halves))
            self.halves.append([vertex, *self.halves[h][1:]])
            self.twin.append(-1)
            face = next(face for face in self.faces if h in face)
            face.insert(face.index(h) + 1, pieces[-1])
        for h, g in ((half, pieces[1]), (twin, pieces[0])):
            self.twin[h], self.twin[g] = g, h


def joined(array: Any, value: Any) -> Any:
    return torch.cat([array, torch.tensor([value]).to(array)])


def bogus_meeting(new: Refinement, random: Random) -> Refinement:
    """A chord has one vertex more, where it is said to meet some other chord, perhaps one of another face."""
    draft = Draft(new)
    half = draft.chord_half(random)
    chord, other = draft.halves[half][1] - new.lines, random.randrange(len(new.chord_cut))
    draft.split(half, len(new.mesh.x))
    s, r = random.random(), random.random()
    x = torch.cat(
        [new.mesh.x, torch.lerp(new.mesh.x[new.chord_start[other]], new.mesh.x[new.chord_end[other]], s)[None]]
    )
    return draft.refinement(x=x, a=joined(new.a, other), b=joined(new.b, chord), s=joined(new.s, s), r=joined(new.r, r))


def foreign_chord(new: Refinement, random: Random) -> Refinement:
    """One chord more, between any two points on edges, in any face, without a segment."""
    points = range(len(new.mesh.x) - len(new.a) - len(new.edge), len(new.mesh.x) - len(new.a))
    start, end = random.choice(points), random.choice(points)
    return new._replace(
        chord_face=joined(new.chord_face, random.choice(new.parent.tolist())),
        chord_cut=joined(new.chord_cut, random.choice(new.cut.tolist())),
        chord_start=joined(new.chord_start, start),
        chord_end=joined(new.chord_end, end),
    )


def chord_reversed(new: Refinement, random: Random) -> Refinement:
    """A chord runs the other way, all of it: the positive side is said to be on its right."""
    k = random.randrange(len(new.chord_cut))
    start, end = new.chord_start.clone(), new.chord_end.clone()
    start[k], end[k] = new.chord_end[k], new.chord_start[k]
    turned = (new.old < 0) & (new.mesh.line == new.lines + k)
    s, r = (torch.where(on == k, 1 - f, f) for on, f in ((new.a, new.s), (new.b, new.r)))
    return new._replace(chord_start=start, chord_end=end, forward=new.forward ^ turned, s=s, r=r)


def faces_merged(new: Refinement, random: Random) -> Refinement:
    """Two parts are one, without the piece of a chord between them."""
    draft = Draft(new)
    half = draft.chord_half(random)
    twin = draft.twin[half]
    one, two = (next(k for k, face in enumerate(draft.faces) if h in face) for h in (half, twin))
    i, j = draft.faces[one].index(half), draft.faces[two].index(twin)
    merged = draft.faces[one][i + 1 :] + draft.faces[one][:i] + draft.faces[two][j + 1 :] + draft.faces[two][:j]
    draft.faces[one] = merged
    del draft.faces[two], draft.parent[two]
    return draft.refinement()


def face_split(new: Refinement, random: Random) -> Refinement:
    """A part is two, with a piece of some chord between two of its corners."""
    draft = Draft(new)
    number = random.randrange(len(draft.faces))
    face = draft.faces[number]
    if len(face) < 4:
        return new
    k = random.randrange(2, len(face) - 1)
    line = new.lines + random.randrange(len(new.chord_cut))
    halves = [len(draft.halves), len(draft.halves) + 1]
    draft.halves += [[draft.halves[face[k]][0], line, -1, True], [draft.halves[face[0]][0], line, -1, False]]
    draft.twin += halves[::-1]
    draft.faces[number : number + 1] = [[*face[:k], halves[0]], [halves[1], *face[k:]]]
    draft.parent.insert(number, draft.parent[number])
    return draft.refinement()


def parents_exchanged(new: Refinement, random: Random) -> Refinement:
    """Two old faces have each other's parts, all or one of them."""
    parent = new.parent.clone()
    p, q = random.choice(parent.tolist()), random.choice(parent.tolist())
    parent[new.parent == p], parent[new.parent == q] = q, p
    if random.random() < 0.5:
        parent = new.parent.clone()
        parent[random.randrange(len(parent))] = p
    return new._replace(parent=parent)


def shuffled(new: Refinement, random: Random) -> Refinement:
    """Nothing is wrong: the faces come in another order, and begin elsewhere."""
    draft = Draft(new)
    order = random.sample(range(len(draft.faces)), len(draft.faces))
    starts = [random.randrange(len(draft.faces[k])) for k in order]
    draft.faces = [draft.faces[k][s:] + draft.faces[k][:s] for k, s in zip(order, starts, strict=True)]
    draft.parent = [draft.parent[k] for k in order]
    return draft.refinement()


def renamed(new: Refinement, random: Random) -> Refinement:
    """A vertex is taken for another one, or two for each other, wherever they occur."""
    on = new.mesh.origin
    v, w = random.choice(on.tolist()), random.choice(on.tolist())
    origin = torch.where(on == v, w, on)
    if random.random() < 0.5:
        origin = torch.where(on == w, v, origin)
    return new._replace(mesh=new.mesh._replace(origin=origin))


def vertex_removed(new: Refinement, random: Random) -> Refinement:
    """A half-edge and its twin go past a vertex."""
    draft = Draft(new)
    half = random.choice([h for face in draft.faces if len(face) > 3 for h in face])
    for h in (half, draft.twin[half]):
        for face in draft.faces:
            if h in face and len(face) > 3:
                del face[(face.index(h) + 1) % len(face)]
    return draft.refinement()


def labels_exchanged(new: Refinement, random: Random) -> Refinement:
    """Two half-edges of a face, and perhaps their twins, have each other's line, old half-edge or direction."""
    draft = Draft(new)
    k = random.choice((1, 1, 2, 3))
    h, g = random.sample(random.choice(draft.faces), 2)
    pairs = [(h, g), (draft.twin[h], draft.twin[g])] if random.random() < 0.5 else [(h, g)]
    for h, g in pairs:
        draft.halves[h][k], draft.halves[g][k] = draft.halves[g][k], draft.halves[h][k]
    return draft.refinement()


def twins_exchanged(new: Refinement, random: Random) -> Refinement:
    """Two edges have each other's second half."""
    draft = Draft(new)
    h, g = random.choice(range(len(draft.twin))), random.choice(range(len(draft.twin)))
    i, j = draft.twin[h], draft.twin[g]
    for p, q in ((h, j), (g, i)):
        draft.twin[p] = q
        if q >= 0:
            draft.twin[q] = p
    return draft.refinement()


LIES = [
    *(bogus_meeting, foreign_chord, faces_merged, face_split, parents_exchanged, places_exchanged, shuffled),
    *(chord_reversed, renamed, vertex_removed, labels_exchanged, twins_exchanged),
]
