"""What is wrong with the claimed cells as sets: which are too many, which are missing, what is not covered."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from gmpy2 import mpq

from splinecam_exact.comparison.cells import FLAT, GOOD, MALFORMED, NAN
from splinecam_exact.comparison.covering import Covering
from splinecam_exact.comparison.defects import Defect, listed
from splinecam_exact.comparison.matching import Matching
from splinecam_exact.comparison.polygons import Place, Polygon, crosses_itself, is_convex
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress

SHARE = 64
"""Cells that more than one part in so many overlaps, and faces that more than this leaves bare, are defects; less is
the rounding of corners, which is measured."""
WIDE = 16
"""Corners that are off by less than this part of a face's width cannot change so much."""
MOST_NAMED = 1000
"""So many numbers of cells and of faces, at most, are in a defect; the message says how many there are."""
MOST_AREAS = 10_000
"""Of so many defects of a kind, at most, exact areas are computed."""


class Topology:
    """The defects of a matching, in the order in which they are found."""

    def __init__(self, matching: Matching, progress: Progress) -> None:
        self.matching, self.cells, self.truth = matching, matching.cells, matching.truth
        self.covering = Covering(self.cells, self.truth)
        self.defects: list[Defect] = []
        self._progress = progress
        self._explained = np.zeros(self.truth.faces, bool)  # by another defect than "missing"
        self._blamed: set[int] = set()  # cells that have a defect, so that what follows from it is none
        self._formless()
        self._shapes()
        self._holders()
        self._shared()
        self._others()
        self._missing()
        self._covered()

    def _add(
        self, kind: str, message: str, cells: list[int], faces: list[int], area: mpq | None, place: Place | None
    ) -> None:
        self.defects.append(Defect(kind, message, tuple(cells[:MOST_NAMED]), tuple(faces[:MOST_NAMED]), area, place))
        self._blamed.update(cells)

    def _formless(self) -> None:
        cells, face = self.cells, self.matching.face
        for c in np.flatnonzero(cells.kind == MALFORMED).tolist():
            self._add("malformed", f"cell {c} {cells.reason(c)}", [c], [], None, None)
        for c in np.flatnonzero(cells.kind == NAN).tolist():
            self._add("nan", f"cell {c} has a coordinate that is not a finite number", [c], [], None, None)
        for c in np.flatnonzero((cells.kind == FLAT) & (face < 0)).tolist():
            polygon = cells.polygon(c)
            what = f"its {len(polygon)} corners are in line" if len(polygon) > 2 else f"has {len(polygon)} corners"
            place = polygon[0] if polygon else None
            self._add("zero_area", f"cell {c} has no area: {what}", [c], [], mpq(0), place)

    def _shapes(self) -> None:
        """Cells that are not convex, for another reason than the rounding of the corners of an exact one."""
        cells, matching = self.cells, self.matching
        odd = (cells.kind == GOOD) & (cells.exact | ~matching.close)
        self._reflex: list[tuple[int, Polygon]] = []
        for k, c in enumerate(np.flatnonzero(odd & cells.maybe_reflex()).tolist()):
            if k % 256 == 0:
                self._progress("shapes of cells", k, len(cells))
            polygon = cells.polygon(c)
            if is_convex(polygon):
                continue
            if crosses_itself(polygon) or cells.twisted[c]:
                area = self.covering.area(c)
                self._add("self_overlap", f"cell {c} crosses itself", [c], [], area, polygon[0])
                if matching.located[c] >= 0:
                    self._explained[matching.located[c]] = True
            else:
                self._reflex.append((c, polygon))

    def _holders(self) -> None:
        """Cells that hold the witnesses of several faces."""
        matching = self.matching
        of: dict[int, list[int]] = defaultdict(list)
        many = matching.held[matching.holds[0]] > 1
        for c, f in zip(matching.holds[0][many].tolist(), matching.holds[1][many].tolist(), strict=True):
            of[c].append(f)
        for c, faces in of.items():
            if c in self._blamed or matching.face[c] >= 0:  # a matched one is thinner than its corners are accurate
                continue
            place = self.truth.spots.place(faces[0])
            area = self._area(c)
            if (matching.cell[faces] < 0).any():
                bare = [f for f in faces if matching.cell[f] < 0]
                self._explained[bare] = True
                self._add("merged", f"cell {c} holds the exact cells {listed(faces)}", [c], faces, area, place)
            else:
                text = f"cell {c} covers the exact cells {listed(faces)}, which others claim"
                self._add("spurious", text, [c], faces, area, place)

    def _shared(self) -> None:
        """Faces that several cells share."""
        for f, cells in self.matching.split.items():
            cells = [c for c in cells if c not in self._blamed]
            if not cells:
                continue
            self._explained[f] = True
            doubles = [c for c in cells if self.matching.held[c]][1:]
            for c in doubles:
                text = f"cell {c} lies in the exact cell {f}, in which there are cells {listed(cells)}"
                self._add("spurious", text, [c], [f], self._area(c), self._spot(c))
            rest = [c for c in cells if c not in doubles]
            if len(rest) > 1:
                text = f"cells {listed(rest)} lie in one exact cell, {f}"
                self._add("split", text, rest, [f], self.truth.area(f), self.truth.spots.place(f))
            else:
                self._add("spurious", f"cell {rest[0]} is no exact cell", rest, [f], self._area(rest[0]), None)

    def _others(self) -> None:
        """Unmatched cells that no defect speaks of yet, and cells that are not convex."""
        matching = self.matching
        for c in np.flatnonzero((self.cells.kind == GOOD) & (matching.face < 0)).tolist():
            if c in self._blamed:
                continue
            f = int(matching.located[c])
            if f < 0:
                text = f"cell {c} lies outside the domain"
                self._add("outside", text, [c], [], self._area(c), self._spot(c))
            elif matching.is_sliver(c, f):
                text = f"cell {c} is a sliver in the exact cell {f}"
                self._add("sliver", text, [c], [f], self._area(c), self._spot(c))
            else:
                owner = int(matching.cell[f])
                text = f"cell {c} lies in the exact cell {f}" + (f", which cell {owner} is" if owner >= 0 else "")
                self._add("spurious", text, [c], [f], self._area(c), self._spot(c))
        for c, polygon in self._reflex:
            if c not in self._blamed:
                self._add("non_convex", f"cell {c} is not convex", [c], [], self._area(c), polygon[0])

    def _missing(self) -> None:
        bare = np.flatnonzero((self.matching.cell < 0) & ~self._explained)
        self._prepare(bare[:MOST_AREAS])
        for k, f in enumerate(bare.tolist()):
            if k % 64 == 0:
                self._progress("missing cells", k, len(bare))
            found = self.covering.uncovered(f) if k < MOST_AREAS else None
            area = None if found is None else found[0]
            text = f"nobody claims the exact cell {f}"
            if area is not None and area * SHARE < self.truth.area(f) * (SHARE - 1):
                text += "; others cover it" if area == 0 else "; others cover part of it"
            self._add("missing", text, [], [f], area, self.truth.spots.place(f))

    def _covered(self) -> None:
        """Matched cells whose corners are so far off that faces are left bare, or cells overlap."""
        matching = self.matching
        faces = np.maximum(matching.face, 0)
        with np.errstate(all="ignore"):
            width = self.truth.sizes[faces] / self.truth.reach[faces]
            loose = (matching.face >= 0) & ~matching.close & ~(matching.gap * WIDE <= width)
        some = [c for c in np.flatnonzero(loose).tolist() if c not in self._blamed]
        self._prepare(matching.face[some[:MOST_AREAS]])
        pairs: set[tuple[int, int]] = set()
        blamed = frozenset(self._blamed)
        for k, c in enumerate(some[:MOST_AREAS]):
            if k % 64 == 0:
                self._progress("gaps and overlaps", k, len(some))
            self._bare(int(matching.face[c]), c)
            beyond, area = self.covering.beyond(c), self.covering.area(c)
            if beyond * SHARE > area:
                self._add("outside", f"cell {c} reaches beyond the domain", [c], [], beyond, None)
            for d in self.covering.near_cell(c).tolist():
                pair = (min(c, d), max(c, d))
                if d in blamed or pair in pairs:
                    continue
                pairs.add(pair)
                shared, piece = self.covering.shared(c, d)
                if shared * SHARE > min(area, self.covering.area(d)):
                    both = [int(matching.face[e]) for e in pair if matching.face[e] >= 0]
                    text = f"cells {pair[0]} and {pair[1]} overlap"
                    self._add("overlap", text, [*pair], both, shared, _middle(piece))

    def _bare(self, f: int, c: int) -> None:
        found = self.covering.uncovered(f)
        if found is not None and found[0] * SHARE > self.truth.area(f):
            text = f"part of the exact cell {f} is not covered by cell {c}, nor by another"
            self._add("gap", text, [c], [f], found[0], _middle(found[1]))

    # -- what this needs to know --------------------------------------------------------------------------------------

    def _prepare(self, faces: Ints) -> None:
        """Compute the exact corners of some faces together."""
        inside = np.zeros(self.truth.faces, bool)
        inside[faces] = True
        self.truth.places(self.truth.corners[inside[self.truth.face]])

    def _area(self, c: int) -> mpq | None:
        return self.covering.area(c) if len(self.defects) < MOST_AREAS else None

    def _spot(self, c: int) -> Place:
        return self.matching.spots.place(c)


def _middle(polygon: Polygon) -> Place | None:
    if not polygon:
        return None
    return sum((p[0] for p in polygon), mpq(0)) / len(polygon), sum((p[1] for p in polygon), mpq(0)) / len(polygon)
