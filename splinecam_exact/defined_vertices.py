"""Vertices that a certificate need not write out: those on two lines that its reader knows beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from splinecam_exact.canonical import boundary
from splinecam_exact.certificate_text import Locate
from splinecam_exact.geometry import Geometry, chunks
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.certificate import Vertex
from splinecam_exact.kernel.program import PieceUnit, Program
from splinecam_exact.kernel.rational import Point, homogeneous
from splinecam_exact.subdivision import Subdivision

CHUNK = 1 << 24
"""How many states are compared at a time."""

NONE = 1 << 40
"""No line's number."""


def vertex_locator(part: Subdivision, exact: Callable[[Sequence[int]], Sequence[Point]] | None = None) -> Locate:
    """What gives the vertices of a subdivision as its certificate writes them.

    A vertex on two lines of the first layer or of the domain's sides is given by their numbers, the least and the
    greatest. `exact` gives the points of the others, and is asked for these only.

    >>> import splinecam_exact as sx
    >>> from splinecam_exact.canonical import canonical
    >>> part = sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), sx.square(1))
    >>> vertex_locator(canonical(part))(range(4))
    [(-4, -1), (-1, 0), (0, 1), (-4, 1)]
    """
    points = exact or (lambda vertices: part.geometry.places(np.array(vertices, np.int64)))
    least, greatest = _extremes(part.geometry, _lines(part))

    def locate(vertices: Sequence[int]) -> list[Vertex]:
        numbers = np.asarray(vertices, np.int64)
        pairs = list(zip(least[numbers].tolist(), greatest[numbers].tolist(), strict=True))
        others = iter(points([v for v, (j, k) in zip(vertices, pairs, strict=True) if j >= k]))
        return [pair if pair[0] < pair[1] else next(others) for pair in pairs]

    return locate


def _extremes(geometry: Geometry, line: Ints) -> tuple[Ints, Ints]:
    """Per vertex, the least and the greatest number of a line along which an edge at it runs."""
    origin, known = geometry.half_edges.origin, line != NONE
    least, greatest = np.full(geometry.vertex_count, NONE), np.full(geometry.vertex_count, -NONE)
    np.minimum.at(least, origin[known], line[known])
    np.maximum.at(greatest, origin[known], line[known])
    return least, greatest


def _lines(part: Subdivision) -> Ints:
    """Per half-edge, the number of the line along which it runs: always the same one, or NONE."""
    dcel = part.half_edges
    line = np.full(len(dcel.twin), NONE)
    edges = part.edge_half_edges
    inner = edges[dcel.face[dcel.twin[edges]] != OUTER]
    line[inner] = line[dcel.twin[inner]] = _cuts(part.geometry, part.program, inner)
    corners = [homogeneous(x, y) for x, y in part.domain.corners]
    rim, points = boundary(part.geometry, corners[0])
    sides = np.cumsum([point in corners for point in points])  # a corner begins each side
    line[rim] = line[dcel.twin[rim]] = -sides
    return line


def _cuts(geometry: Geometry, program: Program, edges: Ints) -> Ints:
    """Per edge, the cut of the first layer whose breakline it is on, the first where there are several, or NONE."""
    units = [unit for step in program.unit_steps()[:1] for unit in step.units]
    sizes = [len(unit.cuts) for unit in units if isinstance(unit, PieceUnit)]
    found = np.full(len(edges), NONE)
    if len(sizes) < len(units) or not units:
        return found
    first = np.cumsum([0, *sizes])
    dcel = geometry.half_edges
    for some in chunks(np.arange(len(edges)), max(1, CHUNK // len(units))):
        left, right = (geometry.first_states(dcel.face[h], len(units)) for h in (edges[some], dcel.twin[edges[some]]))
        unit = (left != right).argmax(axis=1)
        low = np.minimum(left, right)[np.arange(len(some)), unit].astype(np.int64)
        differ = (left != right)[np.arange(len(some)), unit]
        found[some[differ]] = (first[unit] + low // 2)[differ]
    return found
