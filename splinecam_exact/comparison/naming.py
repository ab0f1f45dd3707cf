"""Which exact vertex each claimed one is, where a claim's vertices and edges are the exact ones but for rounding.

Rounding may put a vertex on another edge or past it, and two vertices in one place: the rounded places do not tell then
in which order edges leave a vertex. The exact subdivision does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from gmpy2 import mpq

from splinecam_exact.comparison.coordinates import Array
from splinecam_exact.comparison.ragged import Floats
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import Ints

MOST_GUESSES = 64
"""So many times vertices are paired that neither their places nor their edges tell apart."""


def named(vertices: Array, edges: Ints, truth: Truth) -> tuple[Array, ...] | None:
    """The cells of a claim of float64 vertices and edges, if these are the exact ones.

    None unless there is a one-to-one map from the exact vertices to the claimed ones that takes edges to edges, and
    each exact vertex to its nearest float64, or float32 (of it, or of that float64). Cost: microseconds a vertex.
    """
    count = len(truth.x)
    if vertices.dtype == object or not truth.sharp or len(vertices) != count or not len(edges):
        return None
    if not ((edges >= 0) & (edges < count)).all():
        return None
    ends = np.stack([truth.corners, truth.corners[truth.next]], axis=1)
    right = np.unique(np.sort(ends, axis=1), axis=0)
    claimed = np.unique(np.sort(edges, axis=1), axis=0)
    if right.shape != claimed.shape:
        return None
    exact = np.ldexp(truth.x, truth.exponent)
    for places in _roundings(exact, truth):
        order = _paired(places, right, vertices + 0.0, claimed)
        if order is not None and (np.unique(np.sort(order[right], axis=1), axis=0) == claimed).all():
            return tuple(np.split(vertices[order[truth.corners]], truth.starts[1:-1]))
    return None


def _roundings(x: Floats, truth: Truth) -> Iterator[Floats]:
    """The vertices' nearest float64, the float32 next to these, and, where they differ, those next to the vertices."""
    yield x
    with np.errstate(over="ignore", invalid="ignore"):
        single = x.astype(np.float32)
        yield single.astype(np.float64)
        other = np.nextafter(single, np.where(x > single, np.inf, -np.inf).astype(np.float32))
        middle = (single.astype(np.float64) + other.astype(np.float64)) / 2
    vertices, axes = np.nonzero((middle == x) & (single != other))
    if len(vertices):
        for v, k, place in zip(vertices.tolist(), axes.tolist(), truth.places(vertices), strict=True):
            if (place[k] > mpq(x[v, k])) == (other[v, k] > single[v, k]) and place[k] != mpq(x[v, k]):
                single[v, k] = other[v, k]
        yield single.astype(np.float64)


def _paired(places: Floats, right: Ints, vertices: Array, claimed: Ints) -> Ints | None:
    """The claimed vertex for each exact one: in the same place, and of those there with neighbours in the same places.

    None where there is none. That edges go to edges is likely, and not certain.
    """
    count = len(places)
    _, colour = np.unique(np.concatenate([places + 0.0, vertices]), axis=0, return_inverse=True)
    colour = colour.reshape(-1)
    both = np.concatenate([right, claimed + count])
    neighbours = defaultdict(list)
    for a, b in both.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    for _ in range(MOST_GUESSES):
        colour = _refined(colour, neighbours)
        first, second = np.argsort(colour[:count], kind="stable"), np.argsort(colour[count:], kind="stable")
        if (colour[:count][first] != colour[count:][second]).any():
            return None
        like = np.flatnonzero(np.diff(colour[:count][first]) == 0)
        if not len(like):
            found = np.empty(count, np.int64)
            found[first] = second
            return found
        colour[[first[like[0]], second[like[0]] + count]] = colour.max() + 1
    return None


def _refined(colour: Ints, neighbours: dict[int, list[int]]) -> Ints:
    """Colours that tell apart vertices whose neighbours have other colours, as often as that tells more apart."""
    while True:
        shared = np.flatnonzero(np.bincount(colour)[colour] > 2).tolist()
        numbers: dict[tuple[int, ...], int] = {}
        before, first = colour.tolist(), int(colour.max()) + 1
        finer = colour.copy()
        for v in shared:
            key = (before[v], *sorted(before[w] for w in neighbours[v]))
            finer[v] = first + numbers.setdefault(key, len(numbers))
        if len(numbers) == len(np.unique(colour[shared])):
            return colour
        colour = finer
