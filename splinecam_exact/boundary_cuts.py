"""Cells that are cut exactly along the arg-max boundary, and how the cuts of neighbours fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from gmpy2 import lcm, mpz

from splinecam_exact.boundary_envelope import INSIDE, Spot, envelope
from splinecam_exact.boundary_pieces import Areas, Piece, Segments
from splinecam_exact.boundary_points import Points
from splinecam_exact.boundary_tops import Outputs
from splinecam_exact.boundary_trace import some_polygons
from splinecam_exact.geometry import Polygons
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.rational import Point

Cell = tuple[int, list[Point], list[list[mpz]]]
"""A face, its corners, and the outputs' values at each, times the corner's last coordinate and times one number > 0."""


class Cuts(NamedTuple):
    """What faces in pieces give: segments inside faces and along parts of edges, all pieces, and per half-edge of these
    faces that is not cut the outputs that are largest beside it."""

    segments: Segments
    areas: Areas
    beside: dict[int, int]


class _Beside(NamedTuple):
    """What lies on the left of a side of a piece: a face, the outputs that are largest there. And on which half-edge
    the side is, `INSIDE` for none."""

    face: int
    largest: int
    half: int


def put_together(points: Points, pieces: Sequence[Piece]) -> Cuts:
    """The sides and areas of the pieces of some faces.

    Sides belong together where they have the same ends, within a face and across edges: what is largest along an edge
    is so for the faces on both of its sides. Where a face across is in none of the pieces, the same are largest there.
    """
    beside: dict[int, int] = {}
    waiting: dict[tuple[int, int], _Beside] = {}
    met: list[tuple[tuple[int, int], _Beside, _Beside]] = []
    for face, largest, names, sides in pieces:
        for p, q, half in zip(names, names[1:] + names[:1], sides, strict=True):
            mine = _Beside(face, largest, half)
            if half != INSIDE and max(p, q) < points.vertices:
                beside[half] = largest
            elif (q, p) in waiting:
                met.append(((p, q), mine, waiting.pop((q, p))))
            else:
                waiting[p, q] = mine
    twin, face_of = points.part.half_edges.twin, points.part.half_edges.face
    outside = _Beside(OUTER, 0, INSIDE)
    met += [(ends, mine, outside) for ends, mine in waiting.items() if face_of[twin[mine.half]] == OUTER]
    segments = Segments(
        np.array([ends for ends, _, _ in met], np.int64).reshape(-1, 2),
        np.array([(left.face, right.face) for _, left, right in met], np.int64).reshape(-1, 2),
        np.array([(left.largest, right.largest) for _, left, right in met], np.int64).reshape(-1, 2),
    )
    faces, on_them = (np.array([piece[k] for piece in pieces], np.int64) for k in (0, 1))
    return Cuts(segments, Areas(Polygons.of([piece.names for piece in pieces]), faces, on_them), beside)


def exact_pieces(outputs: Outputs, points: Points, faces: Ints) -> list[Piece]:
    """The pieces of some faces, from the exact outputs at their corners. Cost: exact forms of all outputs on each."""
    found = []
    for face, corners, heights in _cells(outputs, points, faces):
        first = int(points.part.geometry.polygons.starts[face])
        for largest, spots in envelope(corners, heights):
            names = [_name(points, first, spot, heights) for spot in spots]
            sides = [INSIDE if spot.side == INSIDE else first + spot.side for spot in spots]
            found.append(Piece(face, largest, names, sides))
    return found


def _cells(outputs: Outputs, points: Points, faces: Ints) -> Iterator[Cell]:
    """Some faces with their corners and the outputs there, all computed together."""
    if not len(faces):
        return
    geometry, program = points.part.geometry, outputs.cells.program
    polygons = some_polygons(geometry.polygons, faces)
    vertices, again = np.unique(polygons.corners, return_inverse=True)
    places = geometry.places(vertices)
    numbers = [program.outputs[k] for k in outputs.numbers.tolist()]
    common = lcm(*(program.denominator[number] for number in numbers))
    scales = [common // program.denominator[number] for number in numbers]
    forms = iter(outputs.cells.values(numbers, faces))
    for face, (s, t) in zip(faces.tolist(), pairwise(polygons.starts.tolist()), strict=True):
        corners = [places[k] for k in again[s:t].tolist()]
        own = [[scale * a for a in next(forms)] for scale in scales]
        yield face, corners, [[a * x + b * y + c * w for a, b, c in own] for x, y, w in corners]


def _name(points: Points, first: int, spot: Spot, heights: Sequence[Sequence[mpz]]) -> int:
    """The name of a corner of a part of a face, whose half-edges go from number `first` on."""
    if spot.corner != INSIDE:
        return int(points.start[first + spot.corner])
    if spot.on == INSIDE:
        return points.inside(spot.point, spot.largest)
    largest = [k for k in range(len(points.outputs)) if spot.largest >> k & 1]
    at_start = heights[spot.on]
    other = next(k for k in largest if at_start[k] != at_start[largest[0]])
    return points.on_edge(first + spot.on, largest[0], other, spot.largest)
