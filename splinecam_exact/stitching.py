"""Cut a domain into convex pieces, and put the pieces' subdivisions together again, exactly.

A *seam* is a line on which pieces touch. A cell that reaches over it was cut in two. Cells are convex, so its parts are
one cell again when the edges between faces of one pattern are removed. Points are equal when their primitive integers
are; nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from gmpy2 import gcd, mpq
from numpy.typing import NDArray

from splinecam_exact.canonical import Renumbered, boundary, renumbered
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import Geometry, Polygons, States
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.dcel import Line, line_through
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point, homogeneous
from splinecam_exact.subdivision import Subdivision


def cut_domain(domain: Polygon | Slice, pieces: int) -> list[Polygon | Slice]:
    """Convex pieces of a domain, of about equal width, that touch along vertical and horizontal seams.

    The seams lie at rationals with small denominators, so that coordinates stay short.

    >>> from splinecam_exact import square
    >>> [piece.area for piece in cut_domain(square(1), 3)]
    [mpq(4,3), mpq(4,3), mpq(4,3)]
    """
    if pieces == 1:
        return [domain]
    spans = [(min(values), max(values)) for values in zip(*domain.corners, strict=True)]
    axis = 0 if spans[0][1] - spans[0][0] >= spans[1][1] - spans[1][0] else 1
    low, high = spans[axis]
    first = pieces // 2
    middle, margin = low + (high - low) * first / pieces, (high - low) / (8 * pieces)
    at = simplest_between(middle - margin, middle + margin)
    return [
        *cut_domain(_half(domain, axis, at, -1), first),
        *cut_domain(_half(domain, axis, at, 1), pieces - first),
    ]


def simplest_between(low: mpq, high: mpq) -> mpq:
    """The rational with the smallest denominator, and then numerator, in the closed interval, low <= high.

    >>> simplest_between(mpq(13, 40), mpq(27, 80))
    mpq(1,3)
    """
    if low <= 0 <= high:
        return mpq(0)
    if high < 0:
        return -simplest_between(-high, -low)
    whole = low.numerator // low.denominator
    if whole == low:
        return low
    if whole + 1 <= high:
        return mpq(whole + 1)
    return whole + 1 / simplest_between(1 / (high - whole), 1 / (low - whole))


def _half(domain: Polygon | Slice, axis: int, at: mpq, side: int) -> Polygon | Slice:
    """The part of a domain where coordinate `axis` is at most (side -1) or at least (side 1) `at`."""
    corners = domain.corners
    kept = []
    for p, q in zip(corners, corners[1:] + corners[:1], strict=True):
        a, b = side * (p[axis] - at), side * (q[axis] - at)
        if a >= 0:
            kept.append(p)
        if a < 0 < b or b < 0 < a:
            t = a / (a - b)
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    polygon = Polygon(kept)
    return polygon if isinstance(domain, Polygon) else Slice(domain.origin, domain.basis, polygon)


def stitch(domain: Polygon | Slice, parts: Sequence[Subdivision], progress: Progress | None = None) -> Subdivision:
    """The subdivision of a domain from exact ones of convex pieces that tile it, in canonical numbering.

    It is `canonical` of what `partition` computes for the whole domain. Cost: a few sorts of the half-edges.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 1]], [0]), ([[1]], [0])])
    >>> whole = stitch(sx.square(1), [sx.partition(net, half) for half in cut_domain(sx.square(1), 2)])
    >>> whole.counts()
    {'A': 2, 'L': 2, 'P': 2, 'V': 4, 'E': 5}
    """
    if not all(part.certified for part in parts):
        raise InputError("pieces of mode 'float64' cannot be stitched: their coordinates are not exact")
    corners = _corners(domain)
    joined = _side_by_side([(part.geometry, _corners(part.domain)) for part in parts])
    geometry = renumbered(_without_seams(joined, corners), corners[0])
    return Subdivision(parts[0].network, domain, geometry, mode=parts[0].mode, report=_added(parts), progress=progress)


def _added(parts: Sequence[Subdivision]) -> object:
    """The report on all parts: its numbers added up."""
    reports = [part.report for part in parts]
    if not all(isinstance(report, tuple) for report in reports):
        return None
    return type(reports[0])(*map(sum, zip(*reports, strict=True)))


def _corners(domain: Polygon | Slice) -> list[Point]:
    return [homogeneous(*corner) for corner in domain.corners]


class _Joined(Geometry):
    """The faces of all pieces, one piece after the other; `firsts` has the number of each piece's first face.

    Vertex v is vertex `owners[v][1]` of piece `owners[v][0]`.
    """

    def __init__(
        self, pieces: Sequence[Geometry], firsts: Ints, owners: Sequence[tuple[int, int]], polygons: Polygons
    ) -> None:
        self.polygons = polygons
        self.vertex_count = len(owners)
        self.unit_count = pieces[0].unit_count
        self.slack = max(piece.slack for piece in pieces)
        self._pieces = pieces
        self._firsts = firsts
        self._owners = np.array(owners).T

    @cached_property
    def points(self) -> list[Point]:
        """The exact vertices."""
        points = [piece.points for piece in self._pieces]
        return [points[piece][v] for piece, v in self._owners.T.tolist()]

    def places(self, vertices: Ints) -> list[Point]:
        """Some exact vertices."""
        pieces, local = self._owners[:, vertices]
        found: dict[int, Point] = {}
        for piece in np.unique(pieces).tolist():
            mine = np.flatnonzero(pieces == piece)
            found.update(zip(mine.tolist(), self._pieces[piece].places(local[mine]), strict=True))
        return [found[k] for k in range(len(vertices))]

    @cached_property
    def coordinates(self) -> NDArray[np.float64]:
        """The vertices as float64, as the pieces have them."""
        found = np.empty((self.vertex_count, 2))
        for k, piece in enumerate(self._pieces):
            mine = self._owners[0] == k
            found[mine] = piece.coordinates[self._owners[1, mine]]
        return found

    def piece_of(self, faces: Ints) -> Ints:
        """The pieces that some faces belong to."""
        return np.searchsorted(self._firsts, faces, side="right") - 1

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        owner = self.piece_of(faces)
        found = np.empty((len(faces), self.unit_count), self._pieces[0].state_rows(faces[:0]).dtype)
        for piece in np.unique(owner).tolist():
            mine = owner == piece
            found[mine] = self._pieces[piece].state_rows(faces[mine] - self._firsts[piece])
        return found


class _RimEdge(NamedTuple):
    """An edge on a piece's boundary: the line, the half-edge inside the piece, and the vertices from and to which."""

    line: Line
    half_edge: int
    start: int
    end: int


def _side_by_side(pieces: Sequence[tuple[Geometry, list[Point]]]) -> _Joined:
    """The pieces, each with its corners, edge to edge: a vertex on one side of a seam is a vertex on the other."""
    number: dict[Point, int] = {}  # of the vertices on the pieces' boundaries
    owners: list[tuple[int, int]] = []
    rims: list[_RimEdge] = []
    sizes: list[Ints] = []
    origins: list[Ints] = []
    before = 0
    for piece, (geometry, its_corners) in enumerate(pieces):
        rim, points = boundary(geometry, its_corners[0])
        ring = geometry.half_edges.origin[rim].tolist()
        names = np.full(geometry.vertex_count, -1)
        for v, point in zip(ring, points, strict=True):
            names[v] = number.setdefault(point, len(owners))
            if names[v] == len(owners):
                owners.append((piece, v))
        inside = np.flatnonzero(names < 0)
        names[inside] = np.arange(len(inside)) + len(owners)
        owners += [(piece, v) for v in inside.tolist()]

        lines = dict(zip(its_corners, _lines(its_corners), strict=True))
        line = lines[points[0]]
        ends = names[ring].tolist()
        for h, point, start, end in zip(rim.tolist(), points, ends, ends[1:] + ends[:1], strict=True):
            line = lines.get(point, line)
            rims.append(_RimEdge(_undirected(line), before + h, start, end))
        sizes.append(np.diff(geometry.polygons.starts))
        origins.append(names[geometry.polygons.corners])
        before += len(origins[-1])
    after, vertices = _missing(rims, {v: point for point, v in number.items()})
    starts = np.cumsum(np.concatenate([[0], *sizes]))
    starts += np.searchsorted(after, starts)
    polygons = Polygons(starts, np.insert(np.concatenate(origins), after + 1, vertices))
    firsts = np.cumsum([0, *map(len, sizes)])[:-1]
    return _Joined([geometry for geometry, _ in pieces], firsts, owners, polygons)


def _missing(rims: list[_RimEdge], points: dict[int, Point]) -> tuple[Ints, Ints]:
    """The vertices inside edges of boundaries, and the half-edges after whose origins they belong; sorted by these."""
    on: dict[Line, set[int]] = {}
    for edge in rims:
        on.setdefault(edge.line, set()).update((edge.start, edge.end))
    order = {line: _along(line, vertices, points) for line, vertices in on.items()}
    rank = {line: {v: k for k, v in enumerate(vertices)} for line, vertices in order.items()}
    found: list[tuple[int, int]] = []
    for line, h, start, end in sorted(rims, key=attrgetter("half_edge")):
        i, j = rank[line][start], rank[line][end]
        between = order[line][i + 1 : j] if i < j else order[line][i - 1 : j : -1]
        found += [(h, v) for v in between]
    after, vertices = np.array(found, np.int64).reshape(-1, 2).T
    return after, vertices


def _along(line: Line, vertices: set[int], points: dict[int, Point]) -> list[int]:
    """The vertices on a line, in order."""
    axis = 0 if line[1] else 1
    return sorted(vertices, key=lambda v: mpq(points[v][axis], points[v][2]))


def _lines(corners: Sequence[Point]) -> Iterator[Line]:
    """The lines along the sides of a polygon, in primitive integers, so that equal directed lines are equal."""
    for p, q in zip(corners, [*corners[1:], corners[0]], strict=True):
        a, b, c = line_through(p, q)
        common = gcd(gcd(a, b), c)
        yield a // common, b // common, c // common


def _undirected(line: Line) -> Line:
    a, b, c = line
    return max(line, (-a, -b, -c))


def _without_seams(joined: _Joined, corners: list[Point]) -> Geometry:
    """The cells whole: without the edges between faces of one pattern, and the vertices then in a straight line."""
    dcel = joined.half_edges
    cell = _cells(joined)
    owner = np.where(dcel.face == OUTER, OUTER, cell[dcel.face])
    gone = owner == owner[dcel.twin]
    following = dcel.next.copy()
    late = np.flatnonzero(~gone & gone[following])
    while len(late):
        following[late] = dcel.next[dcel.twin[following[late]]]
        late = late[gone[following[late]]]

    straight = np.bincount(dcel.origin[~gone], minlength=joined.vertex_count) == 2
    rim, points = boundary(joined, corners[0])
    straight[[v for v, point in zip(dcel.origin[rim].tolist(), points, strict=True) if point in corners]] = False
    kept = np.flatnonzero(~gone & ~straight[dcel.origin] & (owner != OUTER))
    late = kept[straight[dcel.origin[following[kept]]]]
    while len(late):
        following[late] = following[following[late]]
        late = late[straight[dcel.origin[following[late]]]]

    faces, first = np.unique(owner[kept], return_index=True)
    polygons = _walk(kept[first], following, dcel.origin)
    return Renumbered(joined, faces, np.arange(joined.vertex_count), polygons)


def _cells(joined: _Joined) -> Ints:
    """For each face, the first face of its cell: the same for faces of one pattern on the two sides of a seam."""
    dcel = joined.half_edges
    left = np.arange(len(joined.polygons.corners))
    left = left[(dcel.twin[left] > left) & (dcel.face[dcel.twin[left]] != OUTER)]
    faces, across = dcel.face[left], dcel.face[dcel.twin[left]]
    seam = joined.piece_of(faces) != joined.piece_of(across)
    faces, across = faces[seam], across[seam]
    same = (joined.state_rows(faces) == joined.state_rows(across)).all(axis=1)
    faces, across = faces[same], across[same]
    cell = np.arange(joined.polygons.faces)
    while (cell[faces] != cell[across]).any():
        np.minimum.at(cell, faces, cell[across])
        np.minimum.at(cell, across, cell[faces])
    return cell


def _walk(entries: Ints, following: Ints, origin: Ints) -> Polygons:
    """The polygons that run from each entry around its face: all faces take a step at a time."""
    faces, now = np.arange(len(entries)), entries
    steps: list[tuple[Ints, Ints]] = []
    while len(now):
        steps.append((faces, origin[now]))
        now = following[now]
        on = now != entries[faces]
        faces, now = faces[on], now[on]
    face, corners = (np.concatenate(arrays) for arrays in zip(*steps, strict=True))
    starts = np.append(0, np.cumsum(np.bincount(face)))
    return Polygons(starts, corners[np.argsort(face, kind="stable")])
