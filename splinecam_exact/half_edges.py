"""The subdivision's DCEL as arrays, from the faces' polygons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

OUTER = -1
"""The number of the unbounded face."""


class HalfEdges(NamedTuple):
    """A doubly connected edge list: int64 arrays with one entry per half-edge.

    The face lies on the left of its half-edges. Bounded faces run counter-clockwise and come first, face after face,
    each from its polygon's first vertex on; the outer face (number -1) runs clockwise and comes last.
    """

    origin: Ints
    twin: Ints
    next: Ints
    prev: Ints
    face: Ints


def half_edges(starts: Ints, corners: Ints, vertices: int, twins: Ints | None = None) -> HalfEdges:
    """The half-edges of a subdivision of a convex polygon into faces.

    Face f has the vertices `corners[starts[f]:starts[f + 1]]`, counter-clockwise. `twins` has the twin of each of these
    half-edges, -1 on the boundary; where it is not given, every edge inside must occur once in each direction, and the
    twins are found by one sort.

    >>> import numpy as np
    >>> half_edges(np.array([0, 3, 6]), np.array([0, 1, 2, 2, 1, 3]), 4).twin.tolist()
    [6, 3, 7, 1, 8, 9, 0, 2, 4, 5]
    """
    total = len(corners)
    following = np.arange(1, total + 1)
    following[starts[1:] - 1] = starts[:-1]
    end = corners[following]
    twin = _twins(corners, end, vertices) if twins is None else twins

    rim = np.flatnonzero(twin < 0)  # the boundary: each of these gets a twin in the outer face
    outer = total + np.arange(len(rim))
    twin = np.concatenate([twin, rim])
    twin[rim] = outer
    leaving = np.full(vertices, -1)
    leaving[end[rim]] = outer
    following = np.concatenate([following, leaving[corners[rim]]])
    previous = np.empty_like(following)
    previous[following] = np.arange(len(following))
    return HalfEdges(
        np.concatenate([corners, end[rim]]),
        twin,
        following,
        previous,
        np.concatenate([np.repeat(np.arange(len(starts) - 1), np.diff(starts)), np.full(len(rim), OUTER)]),
    )


def _twins(origin: Ints, end: Ints, vertices: int) -> Ints:
    """For each half-edge the one that has the same two ends, or -1."""
    key = np.minimum(origin, end) * vertices + np.maximum(origin, end)
    order = np.argsort(key)
    first = np.flatnonzero(np.diff(key[order]) == 0)
    twin = np.full(len(key), -1)
    twin[order[first]], twin[order[first + 1]] = order[first + 1], order[first]
    return twin
