"""Pieces of an arg-max boundary, as arrays: segments and areas between named points, and the outputs largest beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from splinecam_exact.boundary_masks import Masks, several
from splinecam_exact.boundary_trace import some_polygons
from splinecam_exact.geometry import Polygons
from splinecam_exact.half_edges import Ints


class Piece(NamedTuple):
    """A part of a face, on which some outputs are largest: the names of its corners, counter-clockwise, and on which
    half-edge of the face it goes on from each, `INSIDE` where on none."""

    face: int
    largest: int
    names: list[int]
    sides: list[int]


class Segments(NamedTuple):
    """Segments: `ends` (k, 2) are names, `faces` (k, 2) and `largest` (k, 2) are on the left and on the right.

    Outside the domain the face is -1 and the set of outputs is empty.
    """

    ends: Ints
    faces: Ints
    largest: Masks

    @classmethod
    def joined(cls, several: Sequence[Segments]) -> Segments:
        """All of some segments."""
        return cls(*(np.concatenate(arrays).reshape(-1, 2) for arrays in zip(*several, strict=True)))


class Areas(NamedTuple):
    """Polygons whose corners are names, the faces that they lie in, the outputs that are largest on them."""

    polygons: Polygons
    faces: Ints
    largest: Masks

    @classmethod
    def joined(cls, several: Sequence[Areas]) -> Areas:
        """All of some areas."""
        polygons = [areas.polygons for areas in several]
        sizes = np.concatenate([np.diff(p.starts) for p in polygons])
        starts = np.concatenate([[0], np.cumsum(sizes)])
        corners = np.concatenate([p.corners for p in polygons])
        faces, largest = (np.concatenate([areas[k] for areas in several]) for k in (1, 2))
        return cls(Polygons(starts, corners), faces, largest)

    def filled(self, largest: Masks) -> Areas:
        """Those on which several outputs are largest, where these are the true sets."""
        some = np.flatnonzero(several(largest))
        return Areas(some_polygons(self.polygons, some), self.faces[some], largest[some])
