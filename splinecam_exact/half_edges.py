"""The subdivision's DCEL as arrays, from the faces' polygons."""

from __future__ import annotations

from collections.abc import Sequence
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


def half_edges(polygons: Sequence[Sequence[int]], vertices: int) -> HalfEdges:
    """The half-edges of a subdivision of a convex polygon, given each face's vertex numbers counter-clockwise.

    Every edge inside must occur once in each direction. Cost: a sort of the half-edges.
    """
    sizes = np.fromiter(map(len, polygons), np.int64, len(polygons))
    total = int(sizes.sum())
    origin = np.fromiter((v for polygon in polygons for v in polygon), np.int64, total)
    face = np.repeat(np.arange(len(polygons)), sizes)
    first = np.cumsum(sizes) - sizes
    following = np.arange(1, total + 1)
    following[first + sizes - 1] = first
    end = origin[following]

    key, opposite = origin * vertices + end, end * vertices + origin
    order = np.argsort(key)
    place = np.minimum(np.searchsorted(key, opposite, sorter=order), total - 1)
    twin = np.where(key[order[place]] == opposite, order[place], -1)

    rim = np.flatnonzero(twin < 0)  # the boundary: each of these gets a twin in the outer face
    outer = total + np.arange(len(rim))
    twin = np.concatenate([twin, rim])
    twin[rim] = outer
    leaving = np.full(vertices, -1)
    leaving[end[rim]] = outer
    following = np.concatenate([following, leaving[origin[rim]]])
    previous = np.empty_like(following)
    previous[following] = np.arange(len(following))
    return HalfEdges(
        np.concatenate([origin, end[rim]]),
        twin,
        following,
        previous,
        np.concatenate([face, np.full(len(rim), OUTER)]),
    )
