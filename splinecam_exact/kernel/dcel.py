"""A doubly connected edge list (de Berg et al., ch. 2) of a convex polygon's subdivision into convex faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gmpy2 import mpq, mpz

from splinecam_exact.kernel.rational import Point, homogeneous

Line = tuple[mpz, mpz, mpz]

OUTER = -1
"""The number of the unbounded face."""


def meet(p: Line, q: Line) -> Point:
    """Where two lines that are not parallel meet."""
    a, b, c = p
    d, e, f = q
    w = a * e - b * d
    if w > 0:
        return b * f - c * e, c * d - a * f, w
    return c * e - b * f, a * f - c * d, -w


def line_through(p: Point, q: Point) -> Line:
    """The line through two different points; positive on the left of the way from p to q."""
    x, y, w = p
    u, v, t = q
    return y * t - w * v, w * u - x * t, x * v - y * u


class Dcel:
    """Half-edges h = 2e and h ^ 1 = 2e + 1 are the twins of edge e.

    `origin`, `next`, `prev` and `face` are per half-edge, `line` per edge, `points` per vertex; `edge` (one half-edge)
    and `patterns` are per face. A removed half-edge has `next` -1. Starts as the polygon alone.
    """

    def __init__(self, corners: Sequence[tuple[mpq, mpq]]) -> None:
        n = len(corners)
        self.points: list[Point] = [homogeneous(x, y) for x, y in corners]
        self.corners = n
        self.origin = [v for i in range(n) for v in (i, (i + 1) % n)]
        self.next = [h for i in range(n) for h in (2 * ((i + 1) % n), 2 * ((i - 1) % n) + 1)]
        self.prev = [h for i in range(n) for h in (2 * ((i - 1) % n), 2 * ((i + 1) % n) + 1)]
        self.face = [0, OUTER] * n
        self.line = [line_through(self.points[i], self.points[(i + 1) % n]) for i in range(n)]
        self.edge = [0]
        self.patterns = [b""]

    def cycle(self, start: int) -> Iterator[int]:
        """The half-edges of a face, from `start` on."""
        h = start
        while True:
            yield h
            h = self.next[h]
            if h == start:
                return

    def add_vertex(self, point: Point) -> int:
        """A new vertex's number."""
        self.points.append(point)
        return len(self.points) - 1

    def split(self, h: int, vertices: Sequence[int]) -> None:
        """Put vertices on an edge, given in their order along half-edge h; h keeps its origin."""
        t = h ^ 1
        after, before = self.next[h], self.prev[t]
        last, end = h, self.origin[t]
        for v in vertices:
            new = len(self.origin)
            self.origin += (v, end)
            self.next += (after, last ^ 1)
            self.prev += (last, before)
            self.face += (self.face[h], self.face[t])
            self.line.append(self.line[h >> 1])
            self.next[last], self.prev[last ^ 1] = new, new + 1
            self.origin[last ^ 1] = v
            last = new
        self.prev[after], self.next[before] = last, last ^ 1

    def merge_equal_faces(self) -> None:
        """Remove every edge between two faces of one pattern, then the vertices that this leaves in a straight line.

        The faces to be merged must have convex unions.
        """
        nxt, prv, face = self.next, self.prev, self.face
        for h in range(0, len(nxt), 2):
            t = h + 1
            if nxt[h] < 0 or OUTER in (face[h], face[t]) or self.patterns[face[h]] != self.patterns[face[t]]:
                continue
            nxt[prv[h]], prv[nxt[t]] = nxt[t], prv[h]
            nxt[prv[t]], prv[nxt[h]] = nxt[h], prv[t]
            nxt[h] = nxt[t] = -1
        for h in range(len(nxt)):
            while nxt[h] >= 0 and self._passes_straight(h):
                g = nxt[h]
                self.origin[h ^ 1] = self.origin[g ^ 1]
                nxt[h], prv[nxt[g]] = nxt[g], h
                prv[h ^ 1], nxt[prv[g ^ 1]] = prv[g ^ 1], h ^ 1
                nxt[g] = nxt[g ^ 1] = -1
        self._retrace()

    def _passes_straight(self, h: int) -> bool:
        """Whether h ends at a vertex of degree 2 that is no corner of the domain; convex faces make it straight."""
        g = self.next[h]
        return self.next[g ^ 1] == h ^ 1 and self.origin[g] >= self.corners

    def _retrace(self) -> None:
        patterns, self.edge, self.patterns = self.patterns, [], []
        seen = bytearray(len(self.origin))
        for start in sorted((h for h in range(len(seen)) if self.next[h] >= 0), key=self.face.__getitem__):
            if seen[start] or self.face[start] == OUTER:
                continue
            self.patterns.append(patterns[self.face[start]])
            for h in self.cycle(start):
                seen[h] = 1
                self.face[h] = len(self.edge)
            self.edge.append(start)
