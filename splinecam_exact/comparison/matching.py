"""Which exact face each claimed cell is: by exact location first; corners decide where cells are thinner than rounding.

1. A cell belongs to the face that a point deep inside it lies in, if its corners fit that face's within rounding.
2. A cell with corners that are further off does if it alone lies in the face, and of all faces' witnesses (points
   deep inside them) it holds that face's and no other.
3. Cells and faces that are left, among them cells without area, may be thinner than the claimed coordinates are
   accurate: where their points lie says nothing then. They are matched one to one, equal patterns first, with faces
   that they fit as closely as the corners of the other cells do.

No step takes a tolerance from the user: in 1 it is the rounding of the coordinates' own format, in 3 the accuracy that
the matches so far have been seen to have. Neither changes how many cells a face gets: one. Numbers with few digits are
float32's, too. So what is float32's is as good as a correctly rounded corner of the face; and only as far as cells are
seen to be off, as good as what is computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from splinecam_exact.comparison.cells import FLAT, GOOD, Cells
from splinecam_exact.comparison.deep import Spots, deep_spots
from splinecam_exact.comparison.fitting import Fit, fits
from splinecam_exact.comparison.holding import boxes, held
from splinecam_exact.comparison.pairing import Pairing
from splinecam_exact.comparison.polygons import Place, in_line, inner_point, is_convex, turn
from splinecam_exact.comparison.ragged import Bools, Floats, offsets, ranges, reduce
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.comparison.walking import faces_of
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Progress

NOWHERE = -2
"""The face of a cell that has no inside."""
NEARLY_ALL = 0.9
"""Of the cells, if so many are right to float64's rounding, the claim is not float32's."""
ROUNDINGS = 64
"""So many roundings of a coordinate as large as the domain's largest are rounding."""
COARSE = 2.0**-23
"""A correctly rounded float32 place is off by less than this part of its larger coordinate."""
AS_OTHERS, MANY = 16, 0.5
"""Cells that are at most so many times as far off as half of all others are as accurate as the tool is,"""
INACCURATE = 2.0**-14
"""but not where that is more than this share of the domain: then what is left bare, or covered twice, is a defect."""
FEW = 8
"""Where more than one cell in so many is left, the tool is wrong in general: no accuracy explains that."""
SLIGHT = 1024
"""A cell whose area or width is so many times less than that of the face it lies in is a sliver."""
WHOLE = 1 - 1 / 64
"""With this share of a face's area, a cell is that face, and others in it are spurious; with less, it is split."""
ROOM = 2.0**-20
"""So it is with more, if all cells in it have no more area together than the face, but for this share of it."""


class Matching:
    """`face` (cells,) is each cell's face, or -1; `located` the face that its point lies in (-1: outside, -2: it has
    none); `close` says which cells fit their face within rounding, or as closely as others. `holds` are the pairs of a
    cell that does not and a face whose witness it holds, `held` (cells,) how many these are; where it is one, that face
    is `located`. `split` are the faces that several cells share, with these."""

    def __init__(
        self, cells: Cells, truth: Truth, same: Callable[[int, Ints], Bools] | None, progress: Progress
    ) -> None:
        self.cells, self.truth, self._same, self._progress = cells, truth, same, progress
        self.face = np.full(len(cells), -1)
        self.cell = np.full(truth.faces, -1)
        self.gap: Floats = np.full(len(cells), np.inf)
        self.close: Bools = np.zeros(len(cells), bool)
        self.split: dict[int, list[int]] = {}
        self._most = INACCURATE * truth.extent
        self.rounding, self.coarse = 0.0 if cells.exact else ROUNDINGS * 2.0**-53, 0.0
        self._locate()
        self._by_corners()
        self._by_witnesses()
        self._by_pairing()
        self._in_groups()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_progress": _silent}  # a caller's function may be none that can be pickled

    # -- location -----------------------------------------------------------------------------------------------------

    def _locate(self) -> None:
        cells = self.cells
        good = np.flatnonzero(cells.kind == GOOD)
        self._progress("points inside cells", 0, len(cells))
        spots = deep_spots(cells.starts, cells.xy, cells.ball, cells.exponent, self._inside, cells.kind == GOOD)
        good = good[cells.kind[good] == GOOD]  # some turned out to have no inside
        self.located = np.full(len(cells), NOWHERE)
        self.spots: Spots = spots
        self.located[good] = faces_of(
            self.truth, spots, good, lambda done: self._progress("locating cells", done, len(good))
        )

    def _inside(self, some: Ints) -> list[Place]:
        found = []
        for k, c in enumerate(some.tolist()):
            if k % 256 == 0:
                self._progress("points inside cells", k, len(some))
            polygon = self.cells.polygon(c)
            place = None
            if not self.cells.twisted[c] and is_convex(polygon):
                a = polygon[0]
                b = max(polygon, key=lambda p: (p[0] - a[0]) ** 2 + (p[1] - a[1]) ** 2)
                d = max(polygon, key=lambda p: abs((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])))
                place = ((a[0] + b[0] + d[0]) / 3, (a[1] + b[1] + d[1]) / 3)
            elif not in_line(polygon):
                place = inner_point(polygon)
                if place is None:  # it crosses itself in such a way that no line through it has an inside
                    self.cells.twisted[c] = True
            else:
                self.cells.kind[c] = FLAT
            found.append(polygon[0] if place is None else place)
        return found

    # -- the three ways to match --------------------------------------------------------------------------------------

    def _match(self, some: Ints, faces: Ints, gap: Floats, close: bool) -> None:
        """Match each cell with the face beside it; of several cells for a face the one that fits best."""
        order = np.lexsort((gap, faces))
        first = np.flatnonzero(np.diff(faces[order], prepend=-1))
        best = order[first]
        self.face[some[best]], self.cell[faces[best]] = faces[best], some[best]
        self.gap[some[best]], self.close[some[best]] = gap[best], close

    def _allowed(self, faces: Ints, most: float) -> Floats:
        """How far corners of these faces may seem to be off: the vertices are only known so well."""
        truth = self.truth
        sizes = truth.starts[faces + 1] - truth.starts[faces]
        at = ranges(truth.starts[faces], sizes)
        near, size = truth.near[truth.corners[at]], abs(truth.x[truth.corners[at]]).max(axis=1, initial=0.0)
        own = self.coarse * reduce(np.maximum, size, offsets(sizes), 0.0)
        found: Floats = np.maximum(most, own) + 2 * reduce(np.maximum, near, offsets(sizes), 0.0)
        return found

    def _by_corners(self) -> None:
        inside = np.flatnonzero(self.located >= 0)
        self._progress("comparing corners", 0, len(inside))
        self._seen = np.full(len(self.cells), np.inf)
        fit = fits(self.cells, self.truth, inside, self.located[inside])
        flat = np.count_nonzero(self.cells.kind == FLAT)
        if self.cells.single and len(fit.gap) + flat:
            usual = float(np.quantile(np.append(fit.gap, np.full(flat, np.inf)), NEARLY_ALL, method="lower"))
            if usual > self.rounding + 2 * float(self.truth.near.max()):
                self.coarse = COARSE
                seen = AS_OTHERS * half(fit.gap)
                if np.isfinite(seen):
                    self.rounding = max(self.rounding, min(ROUNDINGS * 2.0**-24, seen, self._most))
        self._take(inside, fit)

    def _fit(self, some: Ints) -> None:
        self._take(some, fits(self.cells, self.truth, some, self.located[some]))

    def _take(self, some: Ints, fit: Fit) -> None:
        """Match those of some cells that fit the faces they are located in."""
        faces = self.located[some]
        self._seen[some] = fit.gap
        ok = self._fitting(faces, fit.gap, fit.cyclic, self.rounding) & (self.cell[faces] < 0)
        self._match(some[ok], faces[ok], fit.gap[ok], True)

    def _fitting(self, faces: Ints, gap: Floats, cyclic: Bools, most: float) -> Bools:
        """Whether corners fit a face's: close, and in the same order, unless the face is as thin as that."""
        truth = self.truth
        allowed = self._allowed(faces, most)
        with np.errstate(all="ignore"):
            thin = truth.sizes[faces] <= 8 * allowed * truth.reach[faces]
        return np.asarray((gap <= allowed) & (cyclic | thin))

    def _by_witnesses(self) -> None:
        left = np.flatnonzero((self.cells.kind == GOOD) & (self.face < 0))
        self._progress("witnesses in cells", 0, len(left))
        self.holds = held(self.cells, left, self.truth.spots)
        self.held = np.bincount(self.holds[0], minlength=len(self.cells))
        # a cell that holds one witness belongs to that face, wherever the point inside it is
        one = (self.held[self.holds[0]] == 1) & (self.located[self.holds[0]] != self.holds[1])
        moved = self.holds[0][one]
        self.located[moved] = self.holds[1][one]
        self._fit(moved)
        left = left[self.face[left] < 0]
        ok = self._alone(left) & (self.held[left] == 1)
        self._match(left[ok], self.located[left[ok]], self._seen[left[ok]], False)

    def _alone(self, left: Ints) -> Bools:
        """Whether each of some unmatched cells lies in a face without a cell, and there it is the only one."""
        inside = self.located[left] >= 0
        count = np.bincount(self.located[left[inside]], minlength=self.truth.faces)
        faces = np.where(inside, self.located[left], 0)
        return np.asarray(inside & (count[faces] == 1) & (self.cell[faces] < 0))

    def _by_pairing(self) -> None:
        kind = self.cells.kind
        most = self._accuracy()
        if self.cells.exact:
            self._doubt(most, self._equal)
        if self._same is not None:
            self._doubt(most, self._same)
        left = np.flatnonzero(((kind == GOOD) | (kind == FLAT)) & (self.face < 0))
        if not len(left) or not (self.cell < 0).any():
            return
        if len(left) * FEW > len(kind):
            most = self.rounding
        self._progress("thin cells", 0, len(left))
        pairing = Pairing(self.cell, self.face, lambda c: self._candidates(c, most), self._same, self.cells.place)
        pairing.run(left, lambda done: self._progress("thin cells", done, len(left)))
        for c, gap in pairing.found.items():
            self.gap[c], self.close[c] = gap, True

    def _accuracy(self) -> float:
        """How far off corners may be here: as nearly all are. Cells that are no worse than that are close."""
        if self.cells.exact:
            return 0.0
        matched = np.flatnonzero(self.face >= 0)
        seen = half(self.gap[matched])
        most = max(self.rounding, min(AS_OTHERS * seen, self._most)) if np.isfinite(seen) else self.rounding
        far = matched[~self.close[matched]]
        fit = fits(self.cells, self.truth, far, self.face[far])
        self.close[far] = self._fitting(self.face[far], fit.gap, fit.cyclic, most)
        return most

    def _doubt(self, most: float, same: Callable[[int, Ints], Bools]) -> None:
        """Take back matches with faces that are not the `same`, where the face is thinner than the accuracy."""
        cells = np.flatnonzero(self.close)
        faces = self.face[cells]
        truth = self.truth
        with np.errstate(all="ignore"):
            thin = truth.sizes[faces] <= 8 * self._allowed(faces, most) * truth.reach[faces]
        for c, f in zip(cells[thin].tolist(), faces[thin].tolist(), strict=True):
            if not same(c, np.array([f]))[0]:
                self.face[c], self.cell[f], self.close[c] = -1, -1, False

    def _equal(self, c: int, faces: Ints) -> Bools:
        """Whether a cell is one of some faces, exactly; if it has float64 coordinates only, that is not asked."""
        if not self.cells.is_exact[c]:
            return np.ones(len(faces), bool)
        mine = _bends(self.cells.polygon(c))
        return np.array([_bends(self.truth.polygon(f)) == mine for f in faces.tolist()], bool)

    def _candidates(self, c: int, most: float) -> dict[int, float]:
        """The faces that a cell fits, with how well: those whose box is the cell's, nearly."""
        low, high = boxes(self.cells, np.array([c]))
        limit = max(most, self.coarse * float(abs(self.truth.x).max())) + 2 * float(self.truth.near.max())
        order, firsts = self._by_left
        a, b = np.searchsorted(firsts, [low[0, 0] - limit, low[0, 0] + limit])
        faces = order[a:b]
        lows, highs = self._boxes
        near = (abs(lows[faces] - low) <= limit).all(axis=1) & (abs(highs[faces] - high) <= limit).all(axis=1)
        faces = faces[near]
        fit = fits(self.cells, self.truth, np.full(len(faces), c), faces)
        ok = self._fitting(faces, fit.gap, fit.cyclic, most)
        faces, gaps = faces[ok], fit.gap[ok]
        ok = self._equal(c, faces)
        return dict(zip(faces[ok].tolist(), gaps[ok].tolist(), strict=True))

    @cached_property
    def _boxes(self) -> tuple[Floats, Floats]:
        x, starts = self.truth.x[self.truth.corners], self.truth.starts[:-1]
        return np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)

    @cached_property
    def _by_left(self) -> tuple[Ints, Floats]:
        low = self._boxes[0][:, 0]
        order = np.argsort(low, kind="stable")
        return order, low[order]

    # -- several cells in one face ------------------------------------------------------------------------------------

    def _in_groups(self) -> None:
        """Faces without a cell, in which cells lie: one may be the face after all, or they share it."""
        left = np.flatnonzero((self.cells.kind == GOOD) & (self.face < 0) & (self.located >= 0) & (self.held < 2))
        left = left[self.cell[self.located[left]] < 0]
        order = left[np.argsort(self.located[left], kind="stable")]
        faces = self.located[order]
        bounds = np.flatnonzero(np.diff(faces, prepend=-1, append=-1))
        for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            self._share(int(faces[a]), order[a:b])

    def _share(self, face: int, group: Ints) -> None:
        size = float(self.truth.sizes[face])
        large = [c for c in group.tolist() if not self.is_sliver(c, face)] or group.tolist()
        whole = [c for c in large if self.held[c] and self.cells.area[c] >= WHOLE * size]
        fitting = len(large) > 1 and sum(self.cells.area[c] for c in large) <= size * (1 + ROOM)
        if (whole and not fitting) or len(large) == 1:
            best = min(whole or large, key=lambda c: self._seen[c])
            self._match(np.array([best]), np.array([face]), self._seen[[best]], False)
        else:
            self.split[face] = large

    def is_sliver(self, c: int, face: int) -> bool:
        """Whether a cell is much smaller, or much thinner, than a face."""
        truth, cells = self.truth, self.cells
        area, size = float(cells.area[c]), float(truth.sizes[face])
        if area * SLIGHT < size:
            return True
        low, high = boxes(cells, np.array([c]))
        long = float(np.hypot(*(high - low)[0]))
        return bool(area * truth.reach[face] * SLIGHT < size * long)


def _bends(polygon: list[Place]) -> set[Place]:
    """The corners at which a polygon turns."""
    before, after = [polygon[-1], *polygon[:-1]], [*polygon[1:], polygon[0]]
    return {b for a, b, c in zip(before, polygon, after, strict=True) if turn(a, b, c)}


def half(gaps: Floats) -> float:
    """How far half of some are off, at most."""
    return float(np.quantile(gaps, MANY, method="lower")) if len(gaps) else 0.0


def _silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
