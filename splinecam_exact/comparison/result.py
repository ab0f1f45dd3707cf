"""`Comparison`: what `compare` found."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from splinecam_exact._files import PathLike, atomic_write, named, shown
from splinecam_exact.comparison.claims import Claim
from splinecam_exact.comparison.coordinates import Array
from splinecam_exact.comparison.corners import Corners
from splinecam_exact.comparison.defects import KINDS, Defect
from splinecam_exact.comparison.matching import Matching
from splinecam_exact.comparison.ragged import Floats
from splinecam_exact.comparison.seams import Seams
from splinecam_exact.comparison.segments import Segments
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.subdivision import Subdivision

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 5
"""So many defects of a kind are written out in `text`."""


class Comparison:
    """What is wrong with a claim, and how accurate it is: what `compare` returns.

    `defects` are in the order of `KINDS`; there are none where it `passed`. `polygons` are the claimed cells (traced
    from vertices and edges where those came alone), `matching`, `corners`, `seams` and `segments` what was found of
    them, None where there is nothing to find it of.
    """

    def __init__(self, claim: Claim, part: Subdivision, tolerance: float | None) -> None:
        self.claim, self.part, self.tolerance = claim, part, tolerance
        self.defects: list[Defect] = []
        self.polygons: tuple[Array, ...] = ()
        self.traced = False
        self.matching: Matching | None = None
        self.corners: Corners | None = None
        self.seams: Seams | None = None
        self.segments: Segments | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.defects

    @property
    def unjudged(self) -> dict[str, str]:
        """What is claimed and was compared with nothing, and what it would need; nobody knows whether it is right."""
        claim, found = self.claim, {}
        if claim.vertices is not None and claim.vertex_signs is None:
            if claim.polygons is not None:
                found["vertices"] = "cells are what the polygons say; give vertices with edges, and no polygons"
            elif claim.edges is None:
                found["vertices"] = "give edges, or sign vectors of vertices, with them"
        elif claim.vertices is not None and self.matching is None:
            found["how far vertices are off"] = "it is measured at the corners of cells; give edges with them"
        if claim.edges is not None:
            if claim.vertices is None:
                found["edges"] = "give vertices with them"
            elif claim.polygons is not None:
                found["edges"] = "cells are what the polygons say; give vertices with edges, and no polygons"
        if claim.segments is not None and self.segments is None:
            found["segments"] = "give the boundary to compare them with (boundary=, --boundary)"
        return found

    @property
    def kinds(self) -> dict[str, int]:
        """How many defects there are of each kind, of the kinds that occur."""
        found = Counter(defect.kind for defect in self.defects)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def matches(self) -> Ints:
        """The exact face of each claimed cell, shape (cells,), or -1."""
        return np.zeros(0, np.int64) if self.matching is None else self.matching.face

    @property
    def vertex_errors(self) -> Floats:
        """How far each corner of the matched cells is from the exact one: see `Corners`. In slice coordinates."""
        return np.zeros(0) if self.corners is None else self.corners.errors

    @property
    def vertex_ulps(self) -> Floats:
        """The same in units of the last place of the vertex, of the corners that are one's: see `Corners`."""
        return np.zeros(0) if self.corners is None else self.corners.ulps

    def summary(self) -> dict[str, Any]:
        """The result without the defects one by one, ready for JSON."""
        found: dict[str, Any] = {
            "passed": self.passed,
            "source": self.claim.source,
            "tolerance": self.tolerance,
            "kinds": self.kinds,
            "not_judged": self.unjudged,
            "exact_cells": len(self.part.faces),
        }
        if self.matching is not None:
            found["claimed_cells"] = len(self.polygons)
            found["matched"] = int((self.matches >= 0).sum())
        if self.corners is not None:
            found["vertices"] = self.corners.summary()
        if self.seams is not None:
            found["watertight"] = self.seams.watertight
            found["open_sides"] = self.seams.open_sides
            found["area"] = format_rational(self.seams.area)
            found["excess_area"] = format_rational(self.seams.excess)
        if self.segments is not None:
            found["boundary"] = self.segments.summary()
        return found

    def to_json(self) -> dict[str, Any]:
        """`summary` and all defects, ready for JSON: exact numbers are strings "p/q"."""
        return {**self.summary(), "defects": [_row(defect) for defect in self.defects]}

    def save(self, path: PathLike) -> None:
        """Write `to_json` to a .json file, whole or not at all. Raises InputError for other names."""
        check_report(path)
        with atomic_write(path) as file:
            file.write((json.dumps(self.to_json(), indent=1) + "\n").encode())

    def text(self) -> str:
        """The result in words: some lines, the first defects of each kind among them."""
        found = self.summary()
        rough = self._inaccurate()
        right = "cell" if "corners" in rough else "segment"
        but = f"no {right} is wrong, but {' and '.join(rough)} are inaccurate"
        passed = f"passed: {but if rough else 'nothing is wrong'}"
        if self.unjudged:
            passed += f"; {' and '.join(self.unjudged)} were not judged"
        lines = [f"{'verdict':<12} {passed if self.passed else 'defects were found'}"]
        for name, remedy in self.unjudged.items():
            lines.append(f"{'not judged':<12} {name}: {remedy}")
        for name, (worst, limit) in rough.items():
            text = f"{name} are off by up to {worst:.3g}, more than float32 rounding, {limit:.2g}:"
            lines.append(f"{'accuracy':<12} {text}")
            lines.append(f"{'':<12} give a tolerance (tolerance=, --tolerance) to judge that")
        if self.matching is not None:
            claimed, exact = found["claimed_cells"], found["exact_cells"]
            lines.append(f"{'cells':<12} {claimed:,} claimed, {exact:,} exact, {found['matched']:,} matched")
        if self.corners is not None and len(self.corners.errors):
            marks, ulps = found["vertices"]["absolute"], found["vertices"]["ulps"]
            lines.append(f"{'corners':<12} off by {marks['median']:.3g} (median), {marks['max']:.3g} at most")
            lines.append(f"{'':<12} or {ulps['median']:.3g} and {ulps['max']:.3g} ulps")
            if count := len(self.corners.left_out):
                far = f"up to {self.corners.left_out.max():.3g} from the cell that lacks them"
                lines.append(f"{'':<12} and {count:,} {'are' if count > 1 else 'is'} left out, {far}")
        if self.seams is not None:
            lines.append(f"{'seams':<12} {_fit(self.seams)}")
        if self.segments is not None:
            rows = found["boundary"]
            lines.append(f"{'boundary':<12} {rows['claimed']:,} claimed, {rows['matched']:,} of them on the exact one")
            if rows["matched"]:
                lines.append(f"{'':<12} off by {rows['largest_error']:.3g} at most")
            if count := self.segments.optional:
                left = f"{self.segments.left_out:,} {'is' if self.segments.left_out == 1 else 'are'} not"
                lines.append(f"{'':<12} {count:,} exact ones need not be, as no sign changes there; {left}")
        for kind, count in self.kinds.items():
            lines.append(f"{kind:<12} {count:,}: {KINDS[kind]}")
            same = [defect for defect in self.defects if defect.kind == kind]
            lines += [f"{'':<12}   {_said(defect)}" for defect in same[:MOST_LINES]]
            if count > MOST_LINES:
                lines.append(f"{'':<12}   ... and {count - MOST_LINES:,} more")
        return "\n".join(lines)

    def _inaccurate(self) -> dict[str, tuple[float, float]]:
        """What is off by more than a float32 tool's, how far at most, and that limit, where nobody judges it."""
        found = {}
        if self.tolerance is None and self.corners is not None and self.corners.inaccurate:
            found["corners"] = self.corners.worst, self.corners.float32
        if self.tolerance is None and self.segments is not None and self.segments.worst > self.segments.float32:
            found["boundary segments"] = self.segments.worst, self.segments.float32
        return found

    def plot(self, path: PathLike | None = None, ax: Axes | None = None) -> Axes:
        """Draw the exact cells, mark the defects and zoom in on the first ones; see `comparison.picture`."""
        from splinecam_exact.comparison.picture import draw

        return draw(self, path, ax)

    def __repr__(self) -> str:
        said = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        left = f"; not judged: {', '.join(self.unjudged)}" if self.unjudged else ""
        return f"<Comparison: {said or 'passed'}{left}>"


def check_report(path: PathLike) -> None:
    """Raise InputError unless a report can have this name."""
    if not named(path).lower().endswith(".json"):
        raise InputError(f"{shown(path)}: a report's name must end in .json")


def _row(defect: Defect) -> dict[str, Any]:
    return {
        "kind": defect.kind,
        "message": defect.message,
        "cells": list(defect.cells),
        "faces": list(defect.faces),
        "area": None if defect.area is None else format_rational(defect.area),
        "place": None if defect.place is None else [format_rational(q) for q in defect.place],
    }


def _said(defect: Defect) -> str:
    """A defect in words, with floats for exact numbers."""
    text = defect.message
    if defect.area is not None:
        text += f"; area {_float(defect.area):.6g}"
    if defect.place is not None:
        text += f" at ({', '.join(f'{_float(q):.6g}' for q in defect.place)})"
    return text


def _fit(seams: Seams) -> str:
    """How cells fit together, in words."""
    if seams.watertight:
        return "the cells fit together exactly"
    if seams.excess == 0:
        return "sides do not fit together, though the areas sum up exactly"
    return f"the areas sum up to {_float(abs(seams.excess)):.3g} too {'much' if seams.excess > 0 else 'little'}"


def _float(number: Any) -> float:
    from splinecam_exact.rounding import nearest

    return nearest(number.numerator, number.denominator)
