"""Cut one convex face along chords: the arrangement of lines in a convex polygon.

Combinatorics decide almost everything: two chords cross exactly when their ends interleave on the boundary, and the
order around a vertex follows from the chords' slopes. Only the order of crossings along a chord needs coordinates.
Source: de Berg et al., Computational Geometry, ch. 2 and 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from gmpy2 import mpq

from splinecam_exact.kernel.dcel import Dcel, Line, meet


class Chord(NamedTuple):
    """A line across a face from boundary vertex `start` to `end`.

    It runs in lexicographically increasing direction, so its line has b > 0, or b = 0 and a < 0, and is positive on
    the left. `cuts` says what changes across it: (cut number, state on the left, state on the right).
    """

    line: Line
    start: int
    end: int
    cuts: Sequence[tuple[int, int, int]]


UNKNOWN = -2
"""The face of a half-edge that has not been walked yet."""


def cut_face(
    dcel: Dcel,
    boundary: list[int],
    chords: list[Chord],
    states: bytearray,
    number: int,
    watch: Callable[[int, int, int], None],
) -> list[tuple[int, bytearray]]:
    """Cut the face inside `boundary` (its half-edges in order) along different chords.

    `states` holds the states of the cuts that do not cross the face. Returns the new faces, numbered from `number` on
    and breadth first, as (half-edge, states). `watch` is called with (chords done, of how many, crossings found); it
    may raise. Cost: O(n^2 log n) for n chords.
    """
    chords = sorted(chords, key=_slope)
    rank = {dcel.origin[h]: r for r, h in enumerate(boundary)}
    first = len(dcel.origin)
    owner = _add_chords(dcel, boundary, rank, chords, watch)
    r = rank[chords[0].start]
    for start, end, cuts in ((rank[c.start], rank[c.end], c.cuts) for c in chords):
        on_left = (end <= r < start) if end < start else (r >= end or r < start)
        for cut, left, right in cuts:
            states[cut] = left if on_left else right
    return _trace(dcel, boundary[r], first, [chords[k].cuts for k in owner], states, number)


def _slope(chord: Chord) -> tuple[int, mpq]:
    a, b, _ = chord.line
    return (1, mpq(0)) if b == 0 else (0, mpq(-a, b))


def _add_chords(
    dcel: Dcel,
    boundary: list[int],
    rank: dict[int, int],
    chords: list[Chord],
    watch: Callable[[int, int, int], None],
) -> list[int]:
    """Add all half-edges inside the face and link them; returns the chord that each new edge lies on."""
    origin, nxt, prv, size = dcel.origin, dcel.next, dcel.prev, len(boundary)
    owner: list[int] = []
    around: dict[int, list[int]] = {}  # interior vertex -> half-edges that leave it forward, by increasing slope
    fans: dict[int, list[tuple[int, int]]] = {}  # boundary vertex -> (steps to the chord's other end, half-edge)
    for k, (chord, inner) in enumerate(zip(chords, _crossings(dcel, rank, chords, watch), strict=True)):
        base = len(origin)
        path = [chord.start, *inner, chord.end]
        for p, q in pairwise(path):
            origin += (p, q)
        for h, v in zip(range(base + 2, len(origin), 2), inner, strict=True):
            around.setdefault(v, []).append(h)
        span = rank[chord.end] - rank[chord.start]
        fans.setdefault(chord.start, []).append((span % size, base))
        fans.setdefault(chord.end, []).append((-span % size, len(origin) - 1))
        owner += [k] * (len(inner) + 1)
        dcel.line += [chord.line] * (len(inner) + 1)
    grown = len(origin) - len(nxt)
    nxt += [-1] * grown
    prv += [-1] * grown
    dcel.face += [UNKNOWN] * grown
    for ring in around.values():
        before, backward = ring[-1] - 1, ring[-1]
        for h in ring:
            # counter-clockwise, the forward half-edges come first, then the backward ones
            nxt[h + 1], prv[before] = before, h + 1
            nxt[h - 2], prv[backward] = backward, h - 2
            before, backward = h, h - 1
    for v, fan in fans.items():
        before = boundary[rank[v]]
        incoming = boundary[rank[v] - 1]
        for _, h in sorted(fan):
            nxt[h ^ 1], prv[before] = before, h ^ 1
            before = h
        nxt[incoming], prv[before] = before, incoming
    return owner


def _crossings(
    dcel: Dcel, rank: dict[int, int], chords: list[Chord], watch: Callable[[int, int, int], None]
) -> list[list[int]]:
    """For each chord (by increasing slope), the interior vertices on it from start to end; makes the vertices."""
    ends = [sorted((rank[c.start], rank[c.end])) for c in chords]
    lines = [c.line for c in chords]
    keys: list[list[mpq]] = [[] for _ in chords]  # per chord: the coordinate along it of each crossing,
    vertex: list[list[int]] = [[] for _ in chords]  # and the vertex there, -1 until it is made
    paths: list[list[int]] = []
    before = len(dcel.points)
    for i, (low, high) in enumerate(ends):
        line, key, known = lines[i], keys[i], vertex[i]
        crossed = [j for j, (p, q) in enumerate(ends[i + 1 :], i + 1) if low < p < high < q or p < low < q < high]
        points = [meet(line, lines[j]) for j in crossed]
        places = []  # where this chord stands in the lists of the others
        for j, (x, y, w) in zip(crossed, points, strict=True):
            key.append(mpq(x, w))  # never a vertical line: those come last, and do not cross each other
            places.append(len(keys[j]))
            keys[j].append(key[-1] if lines[j][1] else mpq(y, w))
            vertex[j].append(-1)
        path: list[int] = []
        earlier, last, v = len(known), None, -1
        for k in sorted(range(len(key)), key=key.__getitem__):  # stable: in a tie, crossings with earlier chords first
            if key[k] != last:
                last = key[k]
                v = known[k] if k < earlier else dcel.add_vertex(points[k - earlier])
                path.append(v)
            if k >= earlier:
                vertex[crossed[k - earlier]][places[k - earlier]] = v
        paths.append(path)
        key.clear()
        watch(i, len(ends), len(dcel.points) - before)
    return paths


def _trace(
    dcel: Dcel,
    start: int,
    first: int,
    crossing: list[Sequence[tuple[int, int, int]]],
    states: bytearray,
    number: int,
) -> list[tuple[int, bytearray]]:
    """Number the new faces, breadth first from the one at half-edge `start`, whose states are given.

    The new half-edges begin at `first`; `crossing` says what changes across each new edge.
    """
    nxt, face = dcel.next, dcel.face
    found: list[tuple[int, bytearray]] = []

    def label(edge: int, states: bytearray) -> None:
        h = edge
        while True:
            face[h] = number + len(found)
            h = nxt[h]
            if h == edge:
                break
        found.append((edge, states))

    label(start, states)
    for edge, mine in found:
        h = edge
        while True:
            if h >= first and face[h ^ 1] == UNKNOWN:
                theirs = mine[:]
                for cut, left, right in crossing[(h - first) >> 1]:
                    theirs[cut] = left if h & 1 else right
                label(h ^ 1, theirs)
            h = nxt[h]
            if h == edge:
                break
    return found
