"""How far the corners of matched cells are from the exact vertices: measured, and judged if there is a tolerance."""

from __future__ import annotations

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import exact
from splinecam_exact.comparison.defects import Defect
from splinecam_exact.comparison.fitting import fits
from splinecam_exact.comparison.matching import COARSE, INACCURATE, ROUNDINGS, Matching
from splinecam_exact.comparison.ragged import TINY, Floats, owners, ranges
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import Ints
from splinecam_exact.rounding import nearest

QUANTILES = (0.5, 0.9, 0.99, 1.0)


def single_rounding(truth: Truth, single: bool) -> float:
    """What the rounding of a float32 tool may come to, in scaled coordinates; `single` if it is one.

    A little share of their extent otherwise: far from the origin nobody but a float32 tool has float32's excuse.
    """
    large = float(abs(truth.x).max())
    return max(COARSE * large if single else 0.0, min(ROUNDINGS * 2.0**-24 * large, INACCURATE * truth.extent))


class Corners:
    """The errors of all corners of the matched cells, cell after cell, in slice coordinates.

    `errors` are distances from the exact vertex, or from the exact cell's boundary for a corner in the middle of a
    side; `ulps` are those to a vertex, in units of the last place of the larger of its float64 coordinates (of the
    domain's largest, for a vertex at the origin). Each is within `slack` of the truth: exact vertices are rounded to
    float64 here, or known within a bound, except where the claim itself is exact. `left_out` are the distances from
    exact corners that a cell leaves out to the cell, where these are more than rounding; `float32` is what a float32
    tool's rounding may come to.
    """

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        cells, truth = matching.cells, matching.truth
        self.cells: Ints = np.flatnonzero(matching.face >= 0)
        faces = matching.face[self.cells]
        fit = fits(cells, truth, self.cells, faces)
        self.rows: Ints = ranges(cells.starts[self.cells], cells.sizes[self.cells])
        self.owner: Ints = self.cells[owners(cells.sizes[self.cells])]
        self.vertex = fit.vertex
        scale = 2.0**truth.exponent if abs(truth.exponent) < 1000 else float(np.ldexp(1.0, truth.exponent))
        known = self.vertex >= 0
        size = abs(truth.x).max(axis=1, initial=0.0)[self.vertex]
        size[size == 0] = abs(truth.x).max(initial=TINY)
        scaled = fit.error
        self._exactly(scaled)
        with np.errstate(all="ignore"):
            self.errors: Floats = scaled * scale
            self.ulps: Floats = (scaled / np.spacing(size))[known]
            self.gaps: Floats = fit.gap * scale
            self.slack = float(truth.near.max()) * scale
            large = float(abs(truth.x).max())
            rounding = max(matching.rounding, matching.coarse * large)
            self.left_out: Floats = fit.lost[fit.lost > rounding + 2 * truth.near.max()] * scale
            self.float32 = single_rounding(truth, cells.single) * scale

    def _exactly(self, scaled: Floats) -> None:
        """The errors of exact claims: floats cannot tell how far these are off."""
        cells, truth = self._matching.cells, self._matching.truth
        shrink = mpq(2) ** (-2 * truth.exponent)
        some = np.flatnonzero(cells.is_exact[self.owner] & (self.vertex >= 0))
        for k, place in zip(some.tolist(), truth.places(self.vertex[some]), strict=True):
            c = int(self.owner[k])
            x, y = cells.polygon(c)[int(self.rows[k] - cells.starts[c])]
            squared = ((x - place[0]) ** 2 + (y - place[1]) ** 2) * shrink
            scaled[k] = nearest(squared.numerator, squared.denominator) ** 0.5

    @property
    def worst(self) -> float:
        """How far corners are off at most, those that are left out among them."""
        largest = max(float(self.errors.max(initial=0.0)), float(self.left_out.max(initial=0.0)))
        return float(np.nan_to_num(largest))

    @property
    def inaccurate(self) -> bool:
        """Whether corners are farther off than a float32 tool's."""
        return self.worst > self.float32 + self.slack

    def summary(self) -> dict[str, object]:
        """How many corners there are, how many more are left out, and quantiles of the errors."""
        found: dict[str, object] = {"corners": len(self.errors), "slack": self.slack}
        found |= {"left_out": len(self.left_out), "worst": self.worst, "beyond_float32": self.inaccurate}
        for name, values in (("absolute", self.errors), ("ulps", self.ulps)):
            finite = values[np.isfinite(values)]
            marks = np.quantile(finite, QUANTILES).tolist() if len(finite) else [0.0] * len(QUANTILES)
            found[name] = dict(zip(("median", "90%", "99%", "max"), marks, strict=True))
        return found

    def beyond(self, tolerance: float) -> list[Defect]:
        """The cells that have, or leave out, a corner farther off than a tolerance; decided exactly for vertices."""
        matching = self._matching
        limit = exact(tolerance) ** 2
        worst = np.zeros(len(matching.face))
        worst[self.cells] = self.gaps
        far = np.flatnonzero(self.errors > tolerance + self.slack)
        close = np.flatnonzero(abs(self.errors - tolerance) <= self.slack)
        close = close[self.vertex[close] >= 0]
        places = matching.truth.places(self.vertex[close])
        really = [k for k, place in zip(close.tolist(), places, strict=True) if self._squared(k, place) > limit]
        of = set(self.owner[far].tolist()) | set(self.owner[really].tolist())
        of |= set(np.flatnonzero(worst > tolerance + self.slack).tolist())
        found = []
        for c in sorted(of):
            mine = np.flatnonzero(self.owner == c) if len(of) < 100 else np.zeros(0, np.int64)
            text = f"cell {c} has a corner {worst[c]:.3g} from where it is exactly"
            place = None
            if len(mine) and self.vertex[k := int(mine[self.errors[mine].argmax()])] >= 0:
                (place,) = matching.truth.places(self.vertex[[k]])
            found.append(Defect("vertex", text, (c,), (int(matching.face[c]),), None, place))
        return found

    def _squared(self, k: int, place: tuple[mpq, mpq]) -> mpq:
        c = int(self.owner[k])
        cells = self._matching.cells
        x, y = cells.polygon(c)[int(self.rows[k] - cells.starts[c])]
        return (x - place[0]) ** 2 + (y - place[1]) ** 2
