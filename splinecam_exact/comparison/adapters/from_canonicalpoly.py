"""What canonicalpoly returns."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.plain import is_array, plain
from splinecam_exact.comparison.adapters.reach import concerns
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, signs_of
from splinecam_exact.kernel.errors import InputError

if TYPE_CHECKING:
    from splinecam_exact.testing.conformance.problems import Problem

MOST_ZEROS = 12
"""At a vertex with z zeros 2^z cells would meet; beyond this the vertex names none."""


def canonicalpoly(result: object, problem: Problem | None = None) -> Claim:
    """The claim in what canonicalpoly's `get_full_complex` or `get_full_complex_fast` returns: its regions.

    A dict {sign sequence: point} of the vertices, a pair (points, sign sequences), or the triple of the dict and these
    two. (Of a pair of arrays of two columns, `compare` itself takes the second for a polygon, unless it is of integers
    that are all 0.) Its regions are derived as the tool does it: each 0 of a vertex's sequence replaced by + and by -.
    Sequences may go on with the signs of the outputs, and vertices and regions cover the whole plane: pass the
    `problem`, and what belongs to the outputs' zero sets or lies beyond the domain is left out. The vertices' sequences
    themselves are not claimed, for the tool knows of no domain: those on the domain's boundary would be missing. Raises
    InputError for anything else.

    >>> claim = canonicalpoly({(0, 0): np.array([0.5, 0.25])})
    >>> len(claim.patterns), claim.vertices.tolist()
    (4, [[0.5, 0.25]])
    """
    with reading("canonicalpoly", "{signs: point} or (points, signs)"):
        if not looks_like(result) and not _is_pair(result):
            raise InputError(f"canonicalpoly returns {{signs: point}} or (points, signs), not {brief(result)}")
        return _claim(*_parts(result), problem)


def _claim(points: NDArray[np.float64], signs: NDArray[np.int8], problem: Problem | None) -> Claim:
    if problem is not None:
        units = len(problem.units)
        if signs.shape[1] < units:
            raise InputError(f"the sign sequences have {signs.shape[1]} entries, the network {units} units")
        kept = (signs[:, :units] == 0).sum(axis=1) >= 2
        points, signs = points[kept], signs[kept, :units]
    patterns = _regions(signs)
    if problem is not None:
        patterns = patterns[concerns(patterns, problem)]
        points = points[_within(points, problem)]
    return Claim(patterns=patterns, vertices=points, source="canonicalpoly")


def looks_like(result: object) -> bool:
    """Whether a result has this shape."""
    if isinstance(result, dict):
        return bool(result) and all(isinstance(key, tuple) and is_array(at) for key, at in result.items())
    if isinstance(result, tuple) and len(result) == 3 and isinstance(result[0], dict):
        return looks_like(result[0])
    if not _is_pair(result):
        return False
    points, signs = map(plain, result)  # type: ignore[call-overload]
    if signs.shape[1] == 2:  # then these may as well be two polygons: here each vertex has two zeros
        return bool(signs.dtype.kind == "i" and points.dtype.kind == "f" and not signs.any())
    return bool((signs == 0).any())


def _is_pair(result: object) -> bool:
    """Whether this may be points and a sign sequence for each."""
    if not (isinstance(result, tuple) and len(result) == 2 and all(map(is_array, result))):
        return False
    points, signs = map(plain, result)
    same = points.ndim == signs.ndim == 2 and len(points) == len(signs) and points.shape[1] == 2
    return same and bool(np.isin(signs, (-1, 0, 1)).all())


def _parts(result: Any) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    if isinstance(result, tuple) and len(result) == 3:
        result = result[0]
    if isinstance(result, dict):
        # The tool makes tuples of 0-dimensional tensors, which are different keys even where they are equal.
        result = [plain(at) for at in result.values()], [[plain(sign).item() for sign in key] for key in result]
    points, signs = result
    places = np.array([*points]).astype(np.float64) if isinstance(points, list) else plain(points).astype(np.float64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise InputError(f"a point must have two coordinates, as networks of two inputs give it; shape {places.shape}")
    return places, signs_of(signs if isinstance(signs, list) else plain(signs), "sign sequences")


def _regions(signs: NDArray[np.int8]) -> NDArray[np.int8]:
    found: dict[bytes, None] = {}
    for vertex in signs:
        zeros = np.flatnonzero(vertex == 0)
        if len(zeros) <= MOST_ZEROS:
            for choice in product((1, -1), repeat=len(zeros)):
                region = vertex.copy()
                region[zeros] = choice
                found[region.tobytes()] = None
    return np.frombuffer(b"".join(found), np.int8).reshape(len(found), signs.shape[1]).copy()


def _within(points: NDArray[np.float64], problem: Problem) -> NDArray[np.bool_]:
    """Which points lie in the closed domain; those that are no numbers do, so that they are found wrong."""
    inside = np.ones(len(points), bool)
    for (x, y), (v, w) in zip(problem.domain, np.roll(problem.domain, -1, axis=0), strict=True):
        inside &= ~((v - x) * (points[:, 1] - y) - (w - y) * (points[:, 0] - x) < 0)
    return inside
