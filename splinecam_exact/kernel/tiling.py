"""Whether polygons tile a convex domain, one polygon after the other: only what is not finished is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gmpy2 import mpz

from splinecam_exact.kernel.errors import RefutedCertificate
from splinecam_exact.kernel.evaluation import Values
from splinecam_exact.kernel.rational import Point


class Signs(NamedTuple):
    """What a pattern demands of the comparisons with 0 that the units make, a bit each.

    Only `at_least`: positive in the cell. Only `at_most`: negative. Both: identically zero.
    """

    at_least: mpz
    at_most: mpz


class Face:
    """A cell. `open` edges of it wait for their opposite. `affine` is its map, and `piece` the number of that."""

    __slots__ = ("affine", "number", "open", "piece", "signs")

    def __init__(self, number: int, signs: Signs) -> None:
        self.number, self.signs = number, signs
        self.open, self.piece = 0, -1
        self.affine: tuple[mpz, ...] = ()


class Node:
    """A vertex. `uses` polygons have it so far, `open` edges at it wait for their opposite.

    `lines` are the numbers of cuts that are known to pass here. `values` are the network's, once they are `asked` for;
    those at the beginning agree with no pattern.
    """

    __slots__ = ("asked", "lines", "name", "open", "point", "uses", "values")

    def __init__(self, name: int, point: Point, lines: Sequence[int]) -> None:
        self.name, self.point, self.lines = name, point, set(lines)
        self.uses = self.open = 0
        self.values, self.asked = Values(mpz(0), mpz(-1), []), False


Closed = tuple[Face, Node, Node]
"""The cell on the other side of an edge, and the edge's ends."""


class Tiling:
    """The frontier: the edges without an opposite, the vertices at them, and the cells that have them.

    Once a vertex has cells on all sides, or a cell neighbours on all sides, it is forgotten.
    """

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.faces: dict[int, Face] = {}
        self.edges: dict[tuple[int, int], Face] = {}
        self.edge_count = self.vertex_count = 0

    def put(self, node: Node) -> None:
        """A vertex that the next polygon has."""
        self.nodes[node.name] = node
        self.vertex_count += 1

    def add(self, face: Face, polygon: Sequence[int]) -> tuple[list[Node], list[Closed]]:
        """Put one more polygon. Returns its vertices, and those of its edges whose opposite had come before."""
        place = f"cells[{face.number}]"
        try:
            nodes = [self.nodes[v] for v in polygon]
        except KeyError as name:
            raise RefutedCertificate(place, f"has vertex {name}, which has cells on all sides already") from None
        check_convex(place, [node.point for node in nodes])
        self.faces[face.number] = face
        closed: list[Closed] = []
        for u, v in zip(nodes[-1:] + nodes[:-1], nodes, strict=True):
            other = self.edges.pop((v.name, u.name), None)
            u.uses += 1
            if other:
                closed.append((other, u, v))
                other.open -= 1
                u.open -= 1
                v.open -= 1
                continue
            other = self.edges.setdefault((u.name, v.name), face)
            if other is not face:
                edge = f"the edge from vertex {u.name} to {v.name}"
                raise RefutedCertificate(place, f"{edge} belongs to cells[{other.number}]")
            self.edge_count += 1
            face.open += 1
            u.open += 1
            v.open += 1
        for node in nodes:
            if not node.open:
                if node.uses < 3:
                    raise RefutedCertificate(f"vertices[{node.name}]", "has degree 2, and is no corner of the domain")
                del self.nodes[node.name]
        for other in (face, *(other for other, _, _ in closed)):
            if not other.open:
                self.faces.pop(other.number, None)
        return nodes, closed

    def finish(self, corners: Sequence[Point]) -> None:
        """Raise unless the edges that are left run once around the domain."""
        following: dict[int, int] = {}
        for (u, v), face in self.edges.items():
            if following.setdefault(u, v) != v:
                raise RefutedCertificate(f"cells[{face.number}]", f"two edges without an opposite leave vertex {u}")
        points = {name: node.point for name, node in self.nodes.items()}
        number = {point: name for name, point in points.items()}
        fixed = check_boundary(points, following, [number.get(corner, -1) for corner in corners])
        for v, node in self.nodes.items():
            if node.uses < 2 and v not in fixed:
                raise RefutedCertificate(f"vertices[{v}]", "has degree 2, and is no corner of the domain")


def cross(p: Point, q: Point) -> Point:
    """The line through two points; or the point on two lines, with W = 0 where there is none or more than one."""
    return p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]


def turn(p: Point, q: Point, r: Point) -> mpz:
    """Positive if p, q, r turn left, 0 if they are in line."""
    (a, b, c), (d, e, f), (g, h, i) = p, q, r
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _ahead(p: Point, q: Point) -> mpz:
    """Positive if q follows p in lexicographic order, 0 if they are one point."""
    return q[0] * p[2] - p[0] * q[2] or q[1] * p[2] - p[1] * q[2]


def check_convex(place: str, polygon: list[Point]) -> None:
    """Weakly convex, counter-clockwise, wound once: no right turn, no reversal, and two changes of direction."""
    n = len(polygon)
    lines = [cross(polygon[k - 1], polygon[k]) for k in range(n)]
    steps = [line[1] or -line[0] for line in lines]  # as `_ahead`
    if not all(steps):
        raise RefutedCertificate(place, f"the polygon has one point twice, at its corner {steps.index(mpz(0))}")
    ahead = [step > 0 for step in steps]
    changes = 0
    for k, (x, y, w) in enumerate(polygon):
        a, b, c = lines[k - 1]
        left = a * x + b * y + c * w
        changed = ahead[k] != ahead[k - 1]
        changes += changed
        if left <= 0 and (left < 0 or changed):
            raise RefutedCertificate(place, f"the polygon does not turn left at its corner {(k - 1) % n}")
    if changes != 2:
        raise RefutedCertificate(place, "the polygon winds around more than once")


def check_boundary(points: dict[int, Point], following: dict[int, int], corners: list[int]) -> set[int]:
    """The edges without an opposite (from -> to) run once around the domain. Returns the domain's corners."""
    if -1 in corners:
        raise RefutedCertificate("vertices", f"corner {corners.index(-1)} of the domain is not among them")
    for k, end in enumerate(corners):
        here = corners[k - 1]
        forward = _ahead(points[here], points[end]) > 0
        while here != end:
            there = following.pop(here, -1)
            if there < 0:
                raise RefutedCertificate(f"vertices[{here}]", "no cell's edge goes on along the domain's boundary")
            if turn(points[corners[k - 1]], points[end], points[there]) != 0:
                raise RefutedCertificate(f"vertices[{there}]", "an edge without an opposite leaves the boundary")
            if (_ahead(points[here], points[there]) > 0) != forward:
                raise RefutedCertificate(f"vertices[{there}]", "an edge runs back along the domain's boundary")
            here = there
    if following:
        u = min(following)
        raise RefutedCertificate(f"vertices[{u}]", f"the edge to vertex {following[u]} has no opposite")
    return set(corners)
