"""The arg-max boundary of a classifier, read off which outputs are largest at every vertex of a certified subdivision.

On a cell all outputs are affine. What is largest at all corners is so on all of the cell, and alone so inside: there is
no boundary in it, or it is filled. Where only two outputs are largest at its corners, now the one and now the other,
the boundary crosses the cell from one place where they change to the other, unless a third output comes up on the way.
It does not if it is below the two at both places: it is below i at the corners where i is largest, so on all of i's
part of the cell, and the same for j. All other cells, and those for which float64 with proved bounds does not show
that, are cut exactly (`boundary_cuts`): those around triple points above all.

Edges need nothing but what is largest at both of their ends. Outputs that the network computes alike count as one until
the end, where all of a group are largest if one is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splinecam_exact.boundary_agreeing import Bools
from splinecam_exact.boundary_bounds import alone_between
from splinecam_exact.boundary_cells import Cells, vertex_values
from splinecam_exact.boundary_claims import claimed_pieces
from splinecam_exact.boundary_cuts import Cuts, exact_pieces, put_together
from splinecam_exact.boundary_identical import Groups, identical
from splinecam_exact.boundary_masks import Masks, changing, listed, lowest, pairs, replaced, several, without_lowest
from splinecam_exact.boundary_pieces import Areas, Segments
from splinecam_exact.boundary_points import Points
from splinecam_exact.boundary_tops import Outputs
from splinecam_exact.boundary_trace import Trace, some_polygons
from splinecam_exact.geometry import Polygons
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.subdivision import Subdivision


def trace_duels(part: Subdivision, progress: Progress | None) -> Trace | None:
    """Where two or more outputs are the largest, on the cells of a certified subdivision.

    None where this does not do: without float64 values.
    """
    known = vertex_values(part.network, part, True, part.geometry.outputs()) if part.certified else None
    if known is None:
        return None
    groups = identical(part.network)
    cells = Cells(part.network, part.domain, part.geometry, progress)
    return _Duels(part, groups, Outputs(groups.first, known, cells)).trace()


class _Chords(NamedTuple):
    """Faces that are crossed by one segment each, whose two ends lie at the origins of half-edges or inside these.

    Shape (k, 2) for the first and the second: `half`, whether it is `at_origin`, the `ends` by name, and which outputs
    are largest `beyond` it: after the first that is on the right of the segment, after the second on the left.
    """

    faces: Ints
    half: Ints
    at_origin: Bools
    ends: Ints
    beyond: Masks


class _Duels:
    """What is largest at vertices, on faces and along half-edges: sets of columns of `outputs`, none for an edge that
    is cut and for a face that is crossed."""

    def __init__(self, part: Subdivision, groups: Groups, outputs: Outputs) -> None:
        self.part, self.groups, self.outputs = part, groups, outputs
        self.polygons, self.dcel = part.geometry.polygons, part.half_edges
        self.at_vertices = outputs.largest()
        self.points = Points(part, outputs, self.at_vertices)
        self.start, self.end = self.points.start, self.points.end
        self.along = self.at_vertices[self.start] & self.at_vertices[self.end]
        self.on_faces: Masks = np.bitwise_and.reduceat(self._corners, self.polygons.starts[:-1])
        crossed = np.repeat(self.on_faces == 0, np.diff(self.polygons.starts))
        outputs.clear(np.unique(self.polygons.corners[crossed]))

    @property
    def _corners(self) -> Masks:
        return self.at_vertices[self.polygons.corners]

    def trace(self) -> Trace:
        """The pieces of faces that are whole, crossed once, and cut exactly, and of edges, all together."""
        chords = self._chords()
        crossed = np.flatnonzero(self.on_faces == 0)
        pieces, left = claimed_pieces(self.outputs, self.points, np.setdiff1d(crossed, chords.faces))
        cuts = put_together(self.points, pieces + exact_pieces(self.outputs, self.points, left))
        segments = Segments.joined([self._across(chords), self._rims(chords), self._edges(cuts), cuts.segments])
        areas = Areas.joined([self._whole(), self._beside(chords), cuts.areas])
        names, expanded = self.points, self.groups.expanded

        tied = expanded(names.largest(segments.ends[:, 0]) & names.largest(segments.ends[:, 1]))
        left, right = expanded(segments.largest).T
        chosen = listed(left, right, tied)
        ends, faces, left, right, tied = (a[chosen] for a in (segments.ends, segments.faces, left, right, tied))
        areas = areas.filled(expanded(areas.largest))
        met = np.flatnonzero(several(expanded(self.at_vertices)))
        isolated = np.setdiff1d(met, np.concatenate([ends.ravel(), areas.polygons.corners]))
        used = np.unique(np.concatenate([ends.ravel(), areas.polygons.corners, isolated]))
        return Trace(
            names.places(used),
            np.searchsorted(used, ends),
            faces,
            pairs(left, right, tied),
            changing(left, right),
            areas.polygons._replace(corners=np.searchsorted(used, areas.polygons.corners)),
            areas.faces,
            pairs(areas.largest, areas.largest, areas.largest),
            np.searchsorted(used, isolated),
            np.flatnonzero(several(without_lowest(expanded(names.largest(used))))),
        )

    # -- faces that are crossed once ----------------------------------------------------------------------------------

    def _chords(self) -> _Chords:
        """The faces at whose corners only two outputs are largest, and surely no other one inside."""
        some = np.bitwise_or.reduceat(self._corners, self.polygons.starts[:-1])
        two = (self.on_faces == 0) & (without_lowest(without_lowest(some)) == 0)
        inner = slice(len(self.polygons.corners))
        at_origin = several(self._corners)
        half = np.flatnonzero(two[self.dcel.face[inner]] & (at_origin | (self.along[inner] == 0))).reshape(-1, 2)
        inside = ~at_origin[half]
        i, j = (lowest(self.at_vertices[ends[half[inside]]]) for ends in (self.start, self.end))
        alone, ends = np.ones(half.shape, bool), self.start[half]
        alone[inside] = alone_between(self.outputs, self.start[half[inside]], self.end[half[inside]], i, j)
        ends[inside] = self.points.on_edges(half[inside], i, j)
        beyond = self.at_vertices[self.end[half]]
        plain = alone.all(axis=1)
        half = half[plain]
        return _Chords(self.dcel.face[half[:, 0]], half, ~inside[plain], ends[plain], beyond[plain])

    def _across(self, chords: _Chords) -> Segments:
        faces = np.stack([chords.faces, chords.faces], axis=1)
        return Segments(chords.ends, faces, chords.beyond[:, ::-1])

    def _beside(self, chords: _Chords) -> Areas:
        """The filled parts of faces that are crossed once: both ends, and the corners from the one up to the other."""
        row, k = np.nonzero(several(self.groups.expanded(chords.beyond)))
        face, first, last = chords.faces[row], chords.half[row, k], chords.half[row, 1 - k]
        low, size = self.polygons.starts[face], np.diff(self.polygons.starts)[face]
        count = (last - first) % size + 2 - chords.at_origin[row, 1 - k]
        starts = np.concatenate([[0], np.cumsum(count)])
        place = np.arange(starts[-1]) + np.repeat(first - low - starts[:-1], count)
        corners = self.polygons.corners[np.repeat(low, count) + place % np.repeat(size, count)]
        corners[starts[:-1]], corners[starts[1:] - 1] = chords.ends[row, k], chords.ends[row, 1 - k]
        return Areas(Polygons(starts, corners), face, chords.beyond[row, k])

    def _rims(self, chords: _Chords) -> Segments:
        """The two pieces of each edge on the domain's boundary at which the segments of chords end."""
        at = ~chords.at_origin & (self.dcel.face[self.dcel.twin[chords.half]] == OUTER)
        half, name = chords.half[at], chords.ends[at]
        ends = np.concatenate([np.stack([self.start[half], name], axis=1), np.stack([name, self.end[half]], axis=1)])
        largest = self.at_vertices[np.concatenate([self.start[half], self.end[half]])]
        faces = np.tile(self.dcel.face[half], 2)
        outer, nothing = np.full_like(faces, OUTER), np.zeros_like(largest)
        return Segments(ends, np.stack([faces, outer], axis=1), np.stack([largest, nothing], axis=1))

    # -- faces and edges that are whole -------------------------------------------------------------------------------

    def _whole(self) -> Areas:
        faces = np.flatnonzero(several(self.groups.expanded(self.on_faces)))
        return Areas(some_polygons(self.polygons, faces), faces, self.on_faces[faces])

    def _edges(self, cuts: Cuts) -> Segments:
        """The edges along which several outputs are largest, and what is so beside them."""
        half = self.part.edge_half_edges
        half = half[several(self.groups.expanded(self.along[half]))]
        both = np.stack([half, self.dcel.twin[half]], axis=1)
        faces = self.dcel.face[both]
        on_faces = np.append(self.on_faces, 0)[faces]
        largest = np.where((on_faces == 0) & (faces != OUTER), self.along[both], on_faces)
        return Segments(
            np.stack([self.start[half], self.end[half]], axis=1), faces, replaced(largest, both, cuts.beside)
        )
