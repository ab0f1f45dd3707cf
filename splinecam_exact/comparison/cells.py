"""The claimed cells, cleaned: repeated corners dropped, all counter-clockwise, and what is no cell set apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from gmpy2 import mpq, mpz
from numpy.typing import NDArray

from splinecam_exact.arrays import ExactArray
from splinecam_exact.comparison.coordinates import Array, is_single
from splinecam_exact.comparison.polygons import Polygon, in_line, twice_area
from splinecam_exact.comparison.ragged import (
    Bools,
    Floats,
    cross,
    cross_bound,
    following,
    offsets,
    owners,
    portions,
    ranges,
    reduce,
)
from splinecam_exact.half_edges import Ints
from splinecam_exact.rounding import nearest

GOOD, FLAT, NAN, MALFORMED = 0, 1, 2, 3
"""What a cell is: a polygon with an inside; finite but without area; with a corner that is not finite; no polygon."""

MANY = 1000
"""The exact corners of cells with more are kept."""


class Cells:
    """The claimed cells: cell c has the corners `xy[starts[c]:starts[c + 1]]`, none of which is like the next.

    `xy` are float64 in coordinates that a power of two has `scaled`, each within `ball` of the exact corner: 0 where
    the claim itself is float64. A cell that is GOOD runs counter-clockwise, unless it is `twisted`: it crosses itself
    so that its signed area is 0. `polygon` gives the exact corners, in slice coordinates.
    """

    def __init__(self, cells: Sequence[Array], exponent: int) -> None:
        self.exponent = exponent
        self._given = cells
        self.kind = np.full(len(cells), GOOD, np.int8)
        shaped = np.array([cell.ndim == 2 for cell in cells], bool)
        self.kind[~shaped] = MALFORMED
        plain = np.array([ok and cell.dtype != object for ok, cell in zip(shaped, cells, strict=True)], bool)
        self._exact: dict[int, Polygon] = {}
        self._large: dict[int, Polygon] = {}
        rows: list[Array] = [cell if ok else np.zeros((0, 2)) for ok, cell in zip(plain, cells, strict=True)]
        for c in np.flatnonzero(shaped & ~plain).tolist():
            rows[c] = self._exact_rows(c, cells[c])
        self._join(rows)
        self._orient()

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def sizes(self) -> Ints:
        """How many corners each cell has."""
        return np.diff(self.starts)

    def _exact_rows(self, c: int, cell: Array) -> Array:
        if any(q != q for q in cell.ravel().tolist()):
            self.kind[c] = NAN
            return np.zeros((0, 2))
        polygon = [(mpq(x), mpq(y)) for x, y in cell.tolist()]
        kept = [p for k, p in enumerate(polygon) if p != polygon[k - 1]] or polygon[:1]
        self._exact[c] = kept
        return np.array([[nearest(q.numerator, q.denominator) for q in p] for p in kept]).reshape(-1, 2)

    def _join(self, rows: list[Array]) -> None:
        starts = offsets(np.array([len(row) for row in rows], np.int64))
        raw: Floats = np.concatenate([*rows, np.zeros((0, 2))])
        cell = owners(np.diff(starts))
        exact = np.zeros(len(rows), bool)
        exact[list(self._exact)] = True
        bad = np.zeros(len(rows), bool)
        bad[cell[~np.isfinite(raw).all(axis=1)]] = True
        self.kind[bad & ~exact] = NAN  # an exact corner may be beyond float64
        previous = np.empty_like(starts, shape=len(raw))
        previous[following(starts)] = np.arange(len(raw))
        keep = (raw != raw[previous]).any(axis=1) | exact[cell]
        lonely = ~reduce(np.logical_or, keep, starts, True).astype(bool)  # all corners are one
        keep[starts[:-1][lonely]] = True
        keep &= self.kind[cell] == GOOD
        self.starts = offsets(np.bincount(cell[keep], minlength=len(rows)))
        self.raw = raw[keep]
        with np.errstate(all="ignore"):
            self.xy: Floats = np.ldexp(self.raw, -self.exponent)
            rounding = np.where(exact[cell[keep]], 2.0**-52, 0.0) * abs(self.xy).max(axis=1, initial=0.0)
        self.ball: Floats = np.where(np.isfinite(rounding), rounding, np.inf)
        sizes = self.sizes
        self.kind[(self.kind == GOOD) & (sizes < 3)] = FLAT

    def _orient(self) -> None:
        """Reverse the cells that run clockwise; find those without area."""
        sign = np.zeros(len(self), np.int8)
        self.area: Floats = np.zeros(len(self))
        good = np.flatnonzero(self.kind == GOOD)
        for some in portions(self.sizes[good]):
            self._areas(good[some], sign)
        self.twisted = np.zeros(len(self), bool)
        for c in good[sign[good] == 0].tolist():
            polygon = self.polygon(c)
            area = twice_area(polygon)
            sign[c] = (area > 0) - (area < 0)
            scaled = abs(area) * mpq(2) ** (-2 * self.exponent - 1)
            self.area[c] = nearest(scaled.numerator, scaled.denominator)
            if not area:
                self.kind[c], self.twisted[c] = (FLAT, False) if in_line(polygon) else (GOOD, True)
        self.reversed: Bools = sign < 0
        for c in np.flatnonzero(self.reversed).tolist():
            if c in self._exact:
                self._exact[c].reverse()
        back = np.flatnonzero(self.reversed)
        at = ranges(self.starts[back], self.sizes[back])
        mirrored = np.repeat(self.starts[back] + self.starts[back + 1] - 1, self.sizes[back]) - at
        for name in ("xy", "raw", "ball"):
            values = getattr(self, name)
            values[at] = values[mirrored]

    @np.errstate(all="ignore")
    def _areas(self, cells: Ints, sign: NDArray[np.int8]) -> None:
        """The areas of some cells, and their signs where these are certain."""
        sizes = self.sizes[cells]
        at, first = ranges(self.starts[cells], sizes), np.repeat(self.starts[cells], sizes)
        starts = offsets(sizes)
        p = self.xy[at] - self.xy[first]
        q = p[following(starts)]
        ball = 2 * np.maximum.reduceat(self.ball[at], starts[:-1])
        total = np.add.reduceat(cross(p, q), starts[:-1])
        size = np.add.reduceat(abs(cross(p, q)), starts[:-1])
        error = np.add.reduceat(cross_bound(p, q, np.repeat(ball, sizes)), starts[:-1])
        error = error + 2.0**-52 * sizes * size
        self.area[cells] = abs(total) / 2
        sign[cells] = np.where(total > error, 1, np.where(total < -error, -1, 0))

    @np.errstate(all="ignore")
    def maybe_reflex(self) -> Bools:
        """Which cells do not surely turn left at all corners, and run around once."""
        found = np.ones(len(self), bool)
        for some in portions(self.sizes):
            cells = np.arange(len(self))[some]
            sizes = self.sizes[some]
            at, starts = ranges(self.starts[cells], sizes), offsets(sizes)
            after = following(starts)
            p, ball = self.xy[at[after]] - self.xy[at], 2 * self.ball[at]
            q = p[after]
            spread = np.maximum(np.maximum(ball, ball[after]), ball[after[after]])
            left = cross(p, q) > cross_bound(p, q, spread)
            angle = np.arctan2(cross(p, q), (p * q).sum(axis=1))
            around = np.rint(reduce(np.add, angle, starts, 0.0) / (2 * np.pi))
            found[some] = ~reduce(np.logical_and, left, starts, False) | (around != 1)
        return found

    def polygon(self, c: int) -> Polygon:
        """The exact corners of a cell, in slice coordinates."""
        if (known := self._exact.get(c) or self._large.get(c)) is not None:
            return known
        rows = self.raw[self.starts[c] : self.starts[c + 1]].tolist()
        found = [(mpq(x), mpq(y)) for x, y in rows]
        if len(found) > MANY:
            self._large[c] = found
        return found

    def exact_area(self, c: int) -> mpq:
        """The exact area of a cell, of whatever orientation: in integers, as long as these are not too large."""
        rows = self.raw[self.starts[c] : self.starts[c + 1]]
        if c in self._exact or len(rows) <= MANY:
            return abs(twice_area(self.polygon(c))) / 2
        den, flat = ExactArray.of(rows).numerators()
        x, y = flat[0::2], flat[1::2]
        total = sum((p * w - q * v for p, q, v, w in zip(x, y, x[1:] + x[:1], y[1:] + y[:1], strict=True)), mpz(0))
        return mpq(abs(total), 2 * den * den)

    def place(self, c: int) -> bytes | int:
        """The same for cells with the same corners; float64 ones only."""
        return c if self._exact else self.raw[self.starts[c] : self.starts[c + 1]].tobytes()

    def reason(self, c: int) -> str:
        """Why a cell is no polygon."""
        return str(self._given[c].item())

    @property
    def single(self) -> bool:
        """Whether all coordinates are float32 numbers."""
        return not self._exact and is_single(self.raw)

    @cached_property
    def is_exact(self) -> Bools:
        """Which cells have coordinates that are no float64 numbers."""
        found = np.zeros(len(self), bool)
        found[list(self._exact)] = True
        return found

    @property
    def exact(self) -> bool:
        """Whether some coordinates are no float64 numbers: then they are taken at their word."""
        return bool(self._exact)
