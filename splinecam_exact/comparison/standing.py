"""Sign vectors of vertices that have places: whether each is that of the exact vertex that the place is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.comparison.coordinates import Array, is_single
from splinecam_exact.comparison.corners import Corners
from splinecam_exact.comparison.defects import Defect
from splinecam_exact.comparison.matching import AS_OTHERS, COARSE, INACCURATE, ROUNDINGS, Matching, half
from splinecam_exact.comparison.ragged import Floats
from splinecam_exact.comparison.tracing import floats_of
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import Ints

AROUND = 1 / 16
"""A vertex that is farther off than this share of the domain is not that vertex, however lonely that one is."""

Seen = dict[tuple[float, ...], set[int]]


def seen_at(matching: Matching, corners: Corners) -> Seen:
    """The exact vertices that the corners of the matched cells are, by the places of these corners."""
    found: Seen = defaultdict(set)
    places = matching.cells.raw[corners.rows] + 0.0
    for place, v in zip(places.tolist(), corners.vertex.tolist(), strict=True):
        if v >= 0:
            found[tuple(place)].add(v)
    return found


def misplaced(
    vertices: Array, signs: NDArray[np.int8], right: NDArray[np.int8], truth: Truth, seen: Seen
) -> Iterator[Defect]:
    """Claimed vertices whose sign vectors (V, units) are those of exact vertices elsewhere.

    `right` are the exact ones. A place is an exact vertex if a matched cell has that vertex there; or if it is as close
    as rounding, or as the places of most others are; or if it is nearer to that one than half its shortest edge.
    Several exact vertices may be one place: then their sign vectors are there in any order. An exact place that is a
    vertex is that one only. Cost: microseconds for each vertex.
    """
    of: dict[bytes, list[int]] = defaultdict(list)
    for v, row in enumerate(right):
        of[row.tobytes()].append(v)
    floats = floats_of(vertices) + 0.0
    for k in np.flatnonzero(~np.isfinite(floats).all(axis=1)).tolist():
        yield Defect("nan", f"vertex {k} has a coordinate that is not a finite number", (k,))
    own = [of.get(row.tobytes(), []) for row in signs]
    with np.errstate(all="ignore"):
        x = np.ldexp(floats, -truth.exponent)
        mine, distance = _nearest(x, own, truth)
    known = np.flatnonzero(mine >= 0)
    near = 2 * float(truth.near.max(initial=0.0))
    least = ROUNDINGS * 2.0**-53 + near
    if vertices.dtype != object and (distance[known] > least).any() and is_single(floats[np.isfinite(floats)]):
        least = COARSE + near
    least = max(least, min(AS_OTHERS * half(distance[known]), INACCURATE * truth.extent))
    limit = np.maximum(least, np.minimum(_lonely(truth), AROUND * truth.extent)[mine])
    exactly = _exactly(vertices, truth)
    for k in known.tolist():
        if k in exactly:
            wrong = exactly[k] not in own[k]
        else:
            wrong = not distance[k] <= limit[k] and seen.get(tuple(floats[k].tolist()), set()).isdisjoint(own[k])
        if wrong:
            v = int(mine[k])
            text = f"the sign vector of vertex {k} is that of the exact vertex {v}, which lies elsewhere"
            yield Defect("vertex_spurious", text, (k,), (), None, truth.places(np.array([v]))[0])


def _nearest(x: Floats, own: list[list[int]], truth: Truth) -> tuple[Ints, Floats]:
    """For each place the nearest of some exact vertices, -1 if there is none, and how far it is."""
    mine = np.array([some[0] if some else -1 for some in own], np.int64)
    distance = np.where(mine < 0, np.inf, np.hypot(*(truth.x[mine] - x).T))
    distance[np.isnan(distance)] = np.inf
    for k in [k for k, some in enumerate(own) if len(some) > 1]:
        gaps = np.hypot(*(truth.x[own[k]] - x[k]).T)
        best = int(np.nan_to_num(gaps, nan=np.inf).argmin())
        mine[k], distance[k] = own[k][best], np.nan_to_num(gaps[best], nan=np.inf)
    return mine, distance


def _lonely(truth: Truth) -> Floats:
    """For each exact vertex half the length of its shortest edge."""
    found = np.full(len(truth.x), np.inf)
    a, b = truth.corners, truth.corners[truth.next]
    length = np.hypot(*(truth.x[a] - truth.x[b]).T) / 2
    np.minimum.at(found, a, length)
    np.minimum.at(found, b, length)
    return found


def _exactly(vertices: Array, truth: Truth) -> dict[int, int]:
    """The exact vertex of each claimed one that is exactly there, where places are exact."""
    if vertices.dtype != object:
        return {}
    numbers = {place: v for v, place in enumerate(truth.places(np.arange(len(truth.x))))}
    return {k: numbers[x, y] for k, (x, y) in enumerate(vertices.tolist()) if x == x and (x, y) in numbers}
