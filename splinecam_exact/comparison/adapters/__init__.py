"""What other tools return, taken as it is: their own result objects, known by their shape, and files.

No tool is imported. Each function takes one tool's result and gives a `Claim`, for `compare`.

>>> import numpy as np
>>> recognized(([np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])], [None]))
<Claim of splinecam: 1 polygons>
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from splinecam_exact.comparison.adapters import (
    from_canonicalpoly,
    from_edge_subdivision,
    from_relucent,
    from_splinecam,
    from_syrenn,
    geometry,
)
from splinecam_exact.comparison.adapters.files import read_claim
from splinecam_exact.comparison.adapters.from_canonicalpoly import canonicalpoly
from splinecam_exact.comparison.adapters.from_edge_subdivision import edge_subdivision
from splinecam_exact.comparison.adapters.from_relucent import relucent
from splinecam_exact.comparison.adapters.from_splinecam import splinecam
from splinecam_exact.comparison.adapters.from_syrenn import syrenn
from splinecam_exact.comparison.adapters.geometry import geometries
from splinecam_exact.comparison.adapters.plain import plain
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, claim_of

if TYPE_CHECKING:
    from splinecam_exact.testing.conformance.problems import Problem

__all__ = [
    "canonicalpoly",
    "edge_subdivision",
    "geometries",
    "read_claim",
    "recognized",
    "relucent",
    "splinecam",
    "syrenn",
]


def recognized(result: object, problem: Problem | None = None) -> Claim | None:
    """The claim in a known tool's own result, None where the result is of no such shape (`claim_of` may still take it).

    With the `problem` that the tool was asked, cells beyond the domain and cuts at the outputs' zero sets, which some
    tools add, are left out.
    """
    with reading("the tool", "untouched"):
        return _recognized(result, problem)


def _recognized(result: object, problem: Problem | None) -> Claim | None:
    if from_splinecam.looks_like(result):
        return splinecam(result)
    if from_edge_subdivision.looks_like(result):
        return edge_subdivision(result, problem)
    if from_relucent.looks_like(result):
        return relucent(result, problem)
    if from_canonicalpoly.looks_like(result):
        return canonicalpoly(result, problem)
    if from_syrenn.looks_like(result) or (problem is not None and from_syrenn.combines(result, len(problem.domain))):
        plane = None if problem is None or _has_points(result) else problem.domain
        return syrenn(result, plane)
    if geometry.looks_like(result):
        return geometries(result)
    if isinstance(result, list | tuple) and result and all(hasattr(cell, "detach") for cell in result):
        return claim_of([plain(cell) for cell in result])  # torch's tensors
    return None


def _has_points(result: object) -> bool:
    """Whether SyReNN's pre-images are points: rows of three numbers or more are combinations of the plane's corners."""
    first = result[0]  # type: ignore[index]
    return bool((first[0] if isinstance(first, tuple) else first).shape[1] == 2)
