"""What a boundary is made of, as arrays over numbered points: what both constructions give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.geometry import Geometry, Polygons
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.rational import Point, primitive
from splinecam_exact.rounding import nearest

Floats = NDArray[np.float64]


class Places(NamedTuple):
    """The points of a boundary: `total` of them, `exact` computes some.

    `fast` are float64 coordinates, shape (total, 2), each within `slack` of the exact point; None where it takes the
    exact points to know them.
    """

    total: int
    exact: Callable[[Ints], list[Point]]
    fast: Floats | None
    slack: float


class Trace(NamedTuple):
    """A boundary on the cells of a subdivision, its points numbered.

    Segments, k of them: `ends` (k, 2) are points; `faces` (k, 2) are the faces of the subdivision on the left and on
    the right, equal inside a face, -1 outside the domain; `classes` (k, 2) are the outputs that are larger there;
    `changes` (k,) says whether the sign (or the arg-max) is another one on the other side.

    `filled` are the polygons on which the boundary is two-dimensional, `filled_faces` the faces that they lie in,
    `filled_classes` two of the outputs that are equal there. `isolated` are points where the boundary is that point
    alone, `triple` those where three or more outputs are largest.
    """

    places: Places
    ends: Ints
    faces: Ints
    classes: Ints
    changes: NDArray[np.bool_]
    filled: Polygons
    filled_faces: Ints
    filled_classes: Ints
    isolated: Ints
    triple: Ints


VISIBLE = 2.0**-20
"""A point that may be off by more than this share of the boundary's size is computed exactly at once."""
FEW = 8
"""But where more than one in so many are that, all are, when they are first asked for."""


def places_of(exact: Callable[[Ints], list[Point]], fast: Floats, blur: Floats, slack: float) -> Places:
    """The points of a boundary, each within its blur and the slack of its float64 coordinates.

    Those that would be visibly wrong are rounded from the exact ones. Where these are many, or coordinates are not
    finite, none are kept.
    """
    unknown = Places(len(fast), exact, None, 0.0)
    if not np.isfinite(fast).all():
        return unknown
    if len(fast):
        with np.errstate(over="ignore"):
            vague = np.flatnonzero(~(blur <= VISIBLE * extent(fast)))
        if len(vague) * FEW > len(fast):
            return unknown
        if len(vague):
            fast[vague], blur[vague] = rounded(exact(vague)), 0.0
    slack = (slack + float(blur.max(initial=0.0)) + 2.0**-48 * float(abs(fast).max(initial=0.0))) * (1 + 2.0**-20)
    return Places(len(fast), exact, fast, slack) if np.isfinite(fast).all() and np.isfinite(slack) else unknown


def extent(places: Floats) -> float:
    """The longer side of the smallest box around some places."""
    return float(np.ptp(places, axis=0).max()) if len(places) else 0.0


def rounded(points: list[Point]) -> Floats:
    """The float64 coordinates nearest to some points, shape (n, 2)."""
    return np.array([(nearest(x, w), nearest(y, w)) for x, y, w in points], np.float64).reshape(-1, 2)


def some_face(geometry: Geometry) -> Ints:
    """For each vertex, a face that it is a corner of."""
    found = np.empty(geometry.vertex_count, np.int64)
    polygons = geometry.polygons
    found[polygons.corners] = np.repeat(np.arange(polygons.faces), np.diff(polygons.starts))
    return found


def some_polygons(polygons: Polygons, faces: Ints) -> Polygons:
    """The polygons of some faces."""
    sizes = np.diff(polygons.starts)[faces]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    at = np.arange(starts[-1]) + np.repeat(polygons.starts[faces] - starts[:-1], sizes)
    return Polygons(starts, polygons.corners[at])


def between(p: Floats, q: Floats, start: Floats, end: Floats, error: Floats | float) -> tuple[Floats, Floats]:
    """The float64 zeros of functions between p and q, and how far the errors of their values there may move them.

    The values `start` at p and `end` at q are each off by at most `error`, and truly have different signs. A zero
    divides its segment as the absolute values at the ends do; where these are off by at most e each, it is off by at
    most e / (their sum) of the length.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        height, total = abs(start), abs(start) + abs(end)
        known = np.isfinite(total) & (total > error)
        fraction, share = np.full(len(p), 0.5), np.ones(len(p))
        np.divide(height, total, out=fraction, where=known)
        np.divide(error, total, out=share, where=known)
        return p + fraction[:, np.newaxis] * (q - p), share * np.hypot(*(q - p).T)


def zeros_between(geometry: Geometry, forms: Sequence[Point], u: Ints, w: Ints) -> list[Point]:
    """Where forms are exactly zero between two vertices at which they have different signs."""
    points = geometry.places(np.concatenate([u, w]))
    return [_zero(*three) for three in zip(forms, points[: len(u)], points[len(u) :], strict=True)]


def _zero(form: Point, p: Point, q: Point) -> Point:
    a, b, c = form
    height, depth = (abs(a * x + b * y + c * w) for x, y, w in (p, q))
    x, y, w = (depth * u + height * v for u, v in zip(p, q, strict=True))
    return primitive((x, y, w))
