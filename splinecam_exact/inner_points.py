"""Three float64 points that are surely inside a face, and what an affine function's values there say of the corners.

The exact corners of a face are near their float64 coordinates; how a network behaves between the two is not known
without a bound of its slopes. At a float64 point, nothing but rounding is lost. See proofs/fast.md, section 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splinecam_exact.arrays import Floats
from splinecam_exact.geometry import Polygons
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT
from splinecam_exact.weights import Ints

FLAT = 2.0**28
"""Triangles that are flatter than this say nothing; of others, the area is known to 2^-22 of it."""

WAYS = (0.9375, 0.5)
"""How far from a triangle's centre to its corners the points may be, the first way that is surely inside."""


class Inner(NamedTuple):
    """Points (F, 3, 2) inside some of the polygons, and these, F of them."""

    points: Floats
    polygons: Polygons


@np.errstate(all="ignore")
def inner_points(polygons: Polygons, x: Floats, near: Floats) -> Inner:
    """Three points inside each exact polygon, whose corner v is within near[v] of x[v]; only of those where it is sure.

    `x` has shape (V, 2), `near` (V,). On the way from a triangle's centre to its corners, which are three of the
    polygon's: as far as can be, since what is lost at the points is multiplied towards the corners. A point is inside a
    convex polygon that runs counter-clockwise if it is on the left of every edge.
    """
    corners, starts = polygons.corners, polygons.starts[:-1]
    if not len(starts):
        return Inner(np.empty((0, 3, 2)), polygons)
    face = np.repeat(np.arange(len(starts)), np.diff(polygons.starts))
    following = np.arange(1, len(corners) + 1)
    following[polygons.starts[1:] - 1] = starts
    place = x[corners]
    three = np.stack([place[k] for k in _far_apart(place, face, starts)], axis=1)
    centre = three.mean(axis=1, keepdims=True)
    edge = (place[following] - place)[:, np.newaxis]
    long, ball = _length(edge), np.maximum.reduceat(near[corners], starts)[face, np.newaxis]
    points, inside = np.empty_like(three), np.zeros(len(three), bool)
    for way in WAYS:
        found = centre + way * (three - centre)
        step = found[face] - place[:, np.newaxis]
        far = _length(step)
        left = _cross(edge, step) > (ball * (long + 2 * far + 2 * ball) + 8 * UNIT * long * far + TINY) * SAFE
        fine = np.logical_and.reduceat(left.all(axis=1), starts) & ~inside
        points[fine], inside = found[fine], inside | fine
    sizes = np.diff(polygons.starts)[inside]
    return Inner(points[inside], Polygons(np.concatenate([[0], np.cumsum(sizes)]), corners[inside[face]]))


@np.errstate(all="ignore")
def at_corners(inner: Inner, x: Floats, near: Floats, values: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Affine functions at the exact corners of the polygons, one row for each of `polygons.corners`, and their errors.

    `values` (F, 3, n) are those at the inner points, each within `errors` (n,) of the true one. With p and q the sides
    of the triangle, d = x - its first point, the function there is f1 + cross(d, q) / cross(p, q) (f2 - f1) +
    cross(p, d) / cross(p, q) (f3 - f1).
    """
    starts, corners = inner.polygons
    face = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    first = inner.points[:, 0]
    p, q = ((inner.points[:, k] - first)[face] for k in (1, 2))
    step = x[corners] - first[face]
    area = _cross(p, q)
    flat = _length(p) * _length(q) / abs(area)
    found = values[face, 0]
    error = errors + 8 * UNIT * abs(found) + TINY
    for share, side, k in ((_cross(step, q), q, 1), (_cross(p, step), p, 2)):
        change = values[face, k] - values[face, 0]
        share, most = share / area, _length(step) * _length(side) / abs(area)
        # the share is off by the rounding of both areas, and by where in its ball the exact corner is
        off = 32 * UNIT * (1 + flat) * most + near[corners] * _length(side) / abs(area)
        found = found + share[:, np.newaxis] * change
        lost = off[:, np.newaxis] * abs(change) + (most + off)[:, np.newaxis] * (2 * errors + 8 * UNIT * abs(change))
        error = error + lost * SAFE + 8 * UNIT * abs(found)
    error = np.where((flat < FLAT)[:, np.newaxis], error * SAFE, np.inf)
    return found, np.where(np.isfinite(found) & (error < np.inf), error, np.inf)


def _far_apart(place: Floats, face: Ints, starts: Ints) -> tuple[Ints, Ints, Ints]:
    """Three corners of each polygon: the first, the one farthest from it, the one farthest from the line of these."""
    step = place - place[starts][face]
    second = _best(_length(step), face, starts)
    return starts, second, _best(abs(_cross(step, step[second][face])), face, starts)


def _best(score: Floats, face: Ints, starts: Ints) -> Ints:
    """The last corner of each polygon that has the highest score."""
    if not len(starts):
        return starts
    best = np.flatnonzero(score == np.maximum.reduceat(score, starts)[face])
    found = starts.copy()
    found[face[best]] = best
    return found


def _cross(p: Floats, q: Floats) -> Floats:
    return p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]


def _length(p: Floats) -> Floats:
    """Upper bounds of the lengths of vectors, at most twice as long."""
    found: Floats = abs(p).sum(axis=-1) * SAFE
    return found
