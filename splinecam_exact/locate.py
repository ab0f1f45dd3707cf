"""Point location, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import exact
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.rounding import nearest

if TYPE_CHECKING:
    from splinecam_exact.subdivision import Subdivision


@dataclass(frozen=True)
class Location:
    """Where a point lies: `kind` is "face", "edge", "vertex" or "outside", `index` its number (-1 outside)."""

    kind: str
    index: int


def locate(part: Subdivision, point: Sequence[object]) -> Location:
    """Exact point location. Cost: a vectorized pass over the half-edges, then exact tests of a few faces."""
    if isinstance(point, str) or not isinstance(point, Sequence | np.ndarray) or len(point) != 2:
        raise InputError(f"a point is a pair of slice coordinates, not {point!r:.60}")
    x, y = exact(point[0]), exact(point[1])
    for face in _candidates(part, x, y):
        vertices = part.faces[face].vertices
        polygon = [part.vertices[v] for v in vertices]
        turns = [
            (c - a) * (y - b) - (d - b) * (x - a)
            for (a, b), (c, d) in zip(polygon, polygon[1:] + polygon[:1], strict=True)
        ]
        if min(turns) < 0:
            continue
        on = [k for k, turn in enumerate(turns) if turn == 0]
        if not on:
            return Location("face", face)
        if (x, y) in polygon:
            return Location("vertex", vertices[polygon.index((x, y))])
        for k in on:
            if _between(polygon[k], polygon[(k + 1) % len(polygon)], x, y):
                return Location("edge", _edge(part, vertices[k], vertices[(k + 1) % len(vertices)]))
    return Location("outside", -1)


def _between(p: tuple[mpq, mpq], q: tuple[mpq, mpq], x: mpq, y: mpq) -> bool:
    """Whether a point on the line through p and q lies between them."""
    return min(p, q) < (x, y) < max(p, q)


def _edge(part: Subdivision, u: int, v: int) -> int:
    dcel = part.half_edges
    starts, ends = dcel.origin[part.edge_half_edges], dcel.origin[dcel.twin[part.edge_half_edges]]
    return int(np.flatnonzero(((starts == u) & (ends == v)) | ((starts == v) & (ends == u)))[0])


def _candidates(part: Subdivision, x: mpq, y: mpq) -> list[int]:
    """The faces whose bounding box may hold the point.

    None is missed: rounding to nearest keeps order, of the coordinates and of the sides of the boxes.
    """
    inner = part.half_edges.face >= 0
    corners = part.coordinates[part.half_edges.origin[inner]]
    first = np.flatnonzero(np.diff(part.half_edges.face[inner], prepend=-1))
    near = np.array([nearest(q.numerator, q.denominator) for q in (x, y)])
    slack = part.geometry.slack
    low, high = np.minimum.reduceat(corners, first) - slack, np.maximum.reduceat(corners, first) + slack
    return np.flatnonzero(((low <= near) & (near <= high)).all(axis=1)).tolist()
