"""Faces around triple points, cut by float64 and then verified: no exact number is computed for most of them.

The face is cut into parts by the values that float64 has for its corners. This is only a claim. It is true if
(i) at each corner of a part, exactly the outputs are largest that it is said to be between, which bounds of float64's
errors show; so an output is largest on the convex hull of its part's corners; and
(ii) the parts' sides cancel each other, but for those that go once around the face. So these hulls cover the face: one
of the parts' boundaries must wind around each of its points, and does not around points outside its hull.
Then each hull is all of the face on which its output is largest. Where three parts meet, their sides lead from there to
three places at which two of the three outputs are largest: it lies between these, so none of them is beyond the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.boundary_bounds import alone_between, changing_surely, meetings
from splinecam_exact.boundary_envelope import INSIDE, Part, Spot, envelope
from splinecam_exact.boundary_masks import several
from splinecam_exact.boundary_pieces import Piece
from splinecam_exact.boundary_points import Meeting, Points
from splinecam_exact.boundary_tops import ROUNDING, Outputs
from splinecam_exact.boundary_trace import Floats
from splinecam_exact.half_edges import Ints

Key = tuple[int, ...]
"""A point of a face: (corner,); (side, i, j), i being larger before it and j after; (INSIDE, i, j, k)."""

UNITS = 2.0**50
"""The largest difference of two outputs at the corners of a face, in the integers that claims are made with."""


class _Claim(NamedTuple):
    """The parts of a face, with the keys of their corners."""

    face: int
    parts: list[Part]
    keys: list[list[Key]]

    def of_size(self, size: int) -> list[Key]:
        """The different keys with so many entries."""
        return sorted({key for key in chain(*self.keys) if len(key) == size})


def claimed_pieces(outputs: Outputs, points: Points, faces: Ints) -> tuple[list[Piece], Ints]:
    """The pieces of those of some faces for which claims are true, and the other faces."""
    polygons = points.part.geometry.polygons
    claims: list[_Claim] = []
    for face in faces.tolist():
        corners = np.array(polygons.face(face))
        if not several(points.masks[corners]).any():
            claims += _claims(face, outputs.values[corners], points.masks[corners].tolist())
    first = {claim.face: int(polygons.starts[claim.face]) for claim in claims}
    changes = [(first[claim.face] + side, i, j) for claim in claims for side, i, j in claim.of_size(3)]
    wrong = {int(points.part.half_edges.face[change[0]]) for change in _refuted(outputs, points, changes)}
    claims = [claim for claim in claims if claim.face not in wrong]
    met = _meetings(outputs, points, [(claim.face, *key[1:]) for claim in claims for key in claim.of_size(4)])
    found = []
    true = np.zeros(polygons.faces, bool)
    for claim in claims:
        if all((claim.face, *key[1:]) in met for key in claim.of_size(4)):
            true[claim.face] = True
            found += _named(claim, first[claim.face], points, met)
    return found, faces[~true[faces]]


@np.errstate(over="ignore", invalid="ignore")
def _claims(face: int, values: Floats, largest: Sequence[int]) -> list[_Claim]:
    """What float64 says of a face, from the outputs at its corners and which is largest there; or nothing.

    It must fit together: that is (ii), and that no more outputs are largest anywhere than need be.
    """
    below = values - values.max(axis=1, keepdims=True)
    size = -float(below.min())
    if not 0 < size < np.inf:
        return []
    heights = [list(map(mpz, row)) for row in np.rint(below / size * UNITS).astype(np.int64).tolist()]
    parts = envelope([(mpz(0), mpz(0), mpz(1))] * len(heights), heights)
    for part in parts:
        if part.largest.bit_count() > 1 or any(
            largest[s.corner] != part.largest for s in part.spots if s.corner != INSIDE
        ):
            return []
    claim = _Claim(face, parts, [[_key(spot, heights) for spot in part.spots] for part in parts])
    return [claim] if _fits(claim) else []


def _key(spot: Spot, heights: Sequence[Sequence[mpz]]) -> Key:
    if spot.corner != INSIDE:
        return (spot.corner,)
    outputs = [k for k in range(len(heights[0])) if spot.largest >> k & 1]
    if spot.on != INSIDE:
        outputs.sort(key=lambda k: -heights[spot.on][k])
    return (spot.on, *outputs)


def _fits(claim: _Claim) -> bool:
    """Whether two outputs are equal at each point of a side, and three inside; whether sides of parts go once around
    the face, and each of the others is one of two parts, no two of which have more than one in common.
    """
    around: dict[Key, Key] = {}
    inside: dict[tuple[Key, Key], int] = {}
    steps = 0
    for part, keys in zip(claim.parts, claim.keys, strict=True):
        for spot, p, q in zip(part.spots, keys, keys[1:] + keys[:1], strict=True):
            if len(p) not in ((1,) if spot.corner != INSIDE else (3,) if spot.on != INSIDE else (4,)):
                return False
            if spot.side == INSIDE:
                inside[p, q] = part.largest
            else:
                around[p] = q
            steps += 1
    at, walked = around.get((0,)), 1
    while at is not None and at != (0,) and walked <= steps:
        at, walked = around.get(at), walked + 1
    shared = {(largest, inside.get((q, p), 0)) for (p, q), largest in inside.items()}
    whole = at == (0,) and walked == len(around) and steps == len(around) + len(inside)
    return whole and len(shared) == len(inside) and all(other for _, other in shared)


def _refuted(outputs: Outputs, points: Points, changes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Those changes from an output to another one inside a half-edge that are not surely true."""
    half, i, j = np.array(changes, np.int64).reshape(-1, 3).T
    u, w = points.start[half], points.end[half]
    sure = changing_surely(outputs, u, w, i, j) & alone_between(outputs, u, w, i, j)
    return [change for change, holds in zip(changes, sure.tolist(), strict=True) if not holds]


def _meetings(outputs: Outputs, points: Points, claimed: list[Key]) -> dict[Key, Meeting]:
    """Those places, each given by a face and three outputs, at which these are surely equal and the largest."""
    geometry = points.part.geometry
    polygons = [list(geometry.polygons.face(face)) for face, *_ in claimed]
    corners = np.array([_far_apart(p, geometry.coordinates) for p in polygons], np.int64).reshape(-1, 3)
    found = meetings(outputs, corners, *np.array([key[1:] for key in claimed], np.int64).reshape(-1, 3).T)
    places = geometry.coordinates[corners]
    diameters = np.array([np.hypot(*np.ptp(geometry.coordinates[p], axis=0)) for p in polygons])
    at, size = (found.shares[:, :, np.newaxis] * places).sum(axis=1), abs(found.shares).sum(axis=1)
    coarse = geometry.slack + ROUNDING * abs(places).max(axis=(1, 2), initial=0.0)
    blur = found.loss * (diameters + 4 * coarse) + size * coarse
    rows = zip(claimed, found.alone.tolist(), at.tolist(), blur.tolist(), strict=True)
    return {key: Meeting(key[0], (key[1], key[2], key[3]), (x, y), off) for key, sure, (x, y), off in rows if sure}


def _far_apart(corners: Sequence[int], coordinates: Floats) -> list[int]:
    """Three corners of a polygon that span a large triangle."""
    x, y = (coordinates[list(corners)] - coordinates[corners[0]]).T
    far = int(np.argmax(x**2 + y**2))
    third = int(np.argmax(abs(x[far] * y - y[far] * x)))
    return [corners[0], corners[far], corners[third]]


def _named(claim: _Claim, first: int, points: Points, met: dict[Key, Meeting]) -> list[Piece]:
    """The pieces that a true claim stands for."""

    def name(key: Key) -> int:
        if len(key) == 1:
            return int(points.start[first + key[0]])
        outputs = sum(1 << k for k in key[1:])
        if len(key) == 3:
            return points.on_edge(first + key[0], min(key[1:]), max(key[1:]), outputs)
        return points.inside(met[(claim.face, *key[1:])], outputs)

    return [
        Piece(
            claim.face,
            part.largest,
            [name(key) for key in keys],
            [INSIDE if spot.side == INSIDE else first + spot.side for spot in part.spots],
        )
        for part, keys in zip(claim.parts, claim.keys, strict=True)
    ]
