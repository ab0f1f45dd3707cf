"""Sign vectors: of matched cells, and of cells and vertices that come without places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from splinecam_exact.comparison.claims import Claim
from splinecam_exact.comparison.defects import Defect, listed
from splinecam_exact.comparison.own import sign_rows
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.evaluation import evaluate
from splinecam_exact.kernel.program import Progress
from splinecam_exact.subdivision import Subdivision

Signs = NDArray[np.int8]

CHUNK = 1 << 24
"""So many signs are compared at a time."""
_WORDS = {-1: "-", 0: "0", 1: "+"}


class Patterns:
    """Claimed patterns (cells, units) beside those of the exact faces."""

    def __init__(self, claim: Claim, part: Subdivision) -> None:
        self._signs: Signs = np.zeros((0, 0), np.int8) if claim.patterns is None else claim.patterns
        self._two_valued = claim.two_valued
        self._part = part
        self._asked: Ints | None = None
        self._rows: Signs = self._signs[:0]

    @property
    def _step(self) -> int:
        return max(1, CHUNK // max(1, self._part.geometry.unit_count))

    def same(self, cell: int, faces: Ints) -> NDArray[np.bool_]:
        """Which faces have the pattern of a cell; asked of the same array again, their patterns are known."""
        if self._asked is not faces:
            self._asked, self._rows = faces, sign_rows(self._part, faces)
        return np.asarray(~self._differ(self._signs[[cell]], self._rows).any(axis=1))

    def _differ(self, got: Signs, expected: Signs) -> NDArray[np.bool_]:
        """Where signs are others than expected; a two-valued tool may call a zero as it likes."""
        if not self._two_valued:
            return np.asarray(got != expected)
        return np.asarray((got != (expected > 0)) & (expected != 0))

    def wrong(self, faces: Ints, progress: Progress) -> Iterator[Defect]:
        """The matched cells with other patterns than their faces; `faces` is the face of each cell, or -1."""
        cells = np.flatnonzero(faces >= 0)
        for first in range(0, len(cells), self._step):
            progress("patterns", first, len(cells))
            some = cells[first : first + self._step]
            expected = sign_rows(self._part, faces[some])
            differ = self._differ(self._signs[some], expected)
            for k in np.flatnonzero(differ.any(axis=1)).tolist():
                c, f = int(some[k]), int(faces[some[k]])
                units = np.flatnonzero(differ[k])
                got, right = int(self._signs[c, units[0]]), int(expected[k, units[0]])
                said = {0: "off", 1: "on"}[got] if self._two_valued else _WORDS[got]
                text = f"cell {c}: unit {units[0]} is {_WORDS[right]}, not {said}"
                if len(units) > 1:
                    text += f" (and {len(units) - 1} more units are wrong)"
                yield Defect("pattern", text, (c,), (f,))

    def compared_as_sets(self, progress: Progress) -> list[Defect]:
        """What is missing and what is too much, where there are patterns only."""
        faces = np.arange(len(self._part.faces))
        numbers: dict[tuple[bytes, bytes], int] = {}
        masks: dict[bytes, NDArray[np.bool_]] = {}
        for first in range(0, len(faces), self._step):
            progress("patterns", first, len(faces))
            some = faces[first : first + self._step]
            expected = sign_rows(self._part, some)
            zero = (expected == 0) if self._two_valued else np.zeros_like(expected, bool)
            keyed = (expected > 0).astype(np.int8) if self._two_valued else expected
            for f, row, mask in zip(some.tolist(), keyed, zero, strict=True):
                masks.setdefault(mask.tobytes(), mask)
                numbers[mask.tobytes(), row.tobytes()] = f
        claimed: dict[int, list[int]] = {}
        defects = []
        for c, row in enumerate(self._signs):
            f = next((numbers[key] for key in self._keys(row, masks) if key in numbers), -1)
            if f < 0:
                defects.append(Defect("spurious", f"pattern {c} is that of no exact cell", (c,)))
            elif f in claimed:
                text = f"pattern {c} is that of the exact cell {f}, like pattern {claimed[f][0]}"
                defects.append(Defect("spurious", text, (c,), (f,)))
            claimed.setdefault(f, []).append(c)
        for f in faces.tolist():
            if f not in claimed:
                face = self._part.faces[f]
                text = f"the pattern of the exact cell {f} is not among those claimed"
                area = face.area if len(defects) < 1000 else None
                defects.append(Defect("missing", text, (), (f,), area, face.witness if area is not None else None))
        return defects

    def compared_beside(self, missing: set[int], progress: Progress) -> list[Defect]:
        """The same where cells are known, and not which pattern is whose: what says only again that a face is missing
        is left out."""
        found = self.compared_as_sets(progress)
        found = [d for d in found if d.cells or missing.isdisjoint(d.faces)]
        return [Defect("pattern", d.message, (), d.faces, d.area, d.place) for d in found]

    @staticmethod
    def _keys(row: Signs, masks: dict[bytes, NDArray[np.bool_]]) -> Iterator[tuple[bytes, bytes]]:
        for key, mask in masks.items():
            yield key, np.where(mask, 0, row).astype(np.int8).tobytes()


def vertex_signs(part: Subdivision, progress: Progress) -> Signs:
    """The signs of all units at all exact vertices, shape (V, units). Cost: an exact evaluation at each vertex."""
    points = part.points
    units = part.geometry.unit_count
    found = np.zeros((len(points), units), np.int8)
    done = [0]

    def tick() -> None:
        progress("signs at vertices", min(done[0], len(points)), len(points))
        done[0] += 256

    for row, values in zip(found, evaluate(part.program, points, tick), strict=True):
        row[:] = _bits(values.above, units) + _bits(values.at_least, units) - 1
    return found


def _bits(number: mpz, count: int) -> Signs:
    raw = np.frombuffer(int(number).to_bytes(count // 8 + 1, "little"), np.uint8)
    return np.unpackbits(raw, bitorder="little")[:count].astype(np.int8)


def compare_vertices(claimed: Signs, right: Signs, part: Subdivision) -> list[Defect]:
    """Sign vectors of claimed vertices beside those of the exact ones, each as often as it occurs."""
    left = Counter(row.tobytes() for row in right)
    defects = []
    for k, row in enumerate(claimed):
        key = row.tobytes()
        if left[key] > 0:
            left[key] -= 1
        else:
            text = f"the sign vector of vertex {k} is that of no exact vertex, or of fewer"
            defects.append(Defect("vertex_spurious", text, (k,)))
    for v, row in enumerate(right):
        key = row.tobytes()
        if left[key] > 0:
            left[key] -= 1
            zeros = np.flatnonzero(row == 0).tolist()
            text = f"nobody claims the exact vertex {v}" + (f", on the lines of units {listed(zeros)}" if zeros else "")
            defects.append(Defect("vertex_missing", text, (), (v,), None, part.vertices[v]))
    return defects
