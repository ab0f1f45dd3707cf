"""`compare`: another tool's partition against the exact one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from gmpy2 import mpq

from splinecam_exact._text import brief
from splinecam_exact.comparison.cells import Cells
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.comparison.corners import Corners
from splinecam_exact.comparison.defects import KINDS, Defect
from splinecam_exact.comparison.matching import Matching
from splinecam_exact.comparison.naming import named
from splinecam_exact.comparison.own import need_signs
from splinecam_exact.comparison.result import Comparison
from splinecam_exact.comparison.seams import seams
from splinecam_exact.comparison.segments import Segments
from splinecam_exact.comparison.signs import Patterns, compare_vertices, vertex_signs
from splinecam_exact.comparison.standing import misplaced, seen_at
from splinecam_exact.comparison.topology import Topology
from splinecam_exact.comparison.tracing import joined, traced
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.subdivision import Subdivision

if TYPE_CHECKING:
    from splinecam_exact.boundaries import Boundary

_ORDER = {kind: k for k, kind in enumerate(KINDS)}


def compare(
    other: object,
    part: Subdivision,
    *,
    tolerance: float | None = None,
    boundary: Boundary | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare what another tool says of a partition with the exact one: what is missing, wrong, or too much.

    `other` is whatever `claim_of` takes: polygons in slice coordinates, with or without patterns; vertices, edges and
    sign vectors; patterns only; a count only. `part` must be certified. Cells are matched by exact location; only where
    a cell is thinner than the claimed coordinates are accurate, by its pattern and its corners. So a tool that computes
    the right cells and rounds their vertices passes, on degenerate networks too, and one that loses or invents a cell
    does not, however small that is. `tolerance`, an absolute distance in slice coordinates, judges corners and boundary
    segments ("vertex", "boundary_segment") and nothing else; without it they are measured and not judged. With
    `boundary` (an exact one of `part`), claimed segments are compared with it.

    Vertices with edges make cells where there are no polygons; patterns beside these are compared as a set, for nobody
    says which is whose. Sign vectors of vertices must be those of the exact vertices, and where the vertices have
    places, of those there. What is claimed and can be compared with nothing is listed in the result's `unjudged`.

    Exact: all defects but those about distances are decided, and all areas given, in exact arithmetic. `progress(stage,
    done, total)` is called now and then and may raise. Raises InputError for an `other` that is no claim, or says
    nothing that can be compared, a `part` that is not certified, a `boundary` of another one, sign vectors where units
    have other states than off, zero and on.
    Cost: a few seconds and some hundred MB for 200 000 cells; exact work for what is wrong.

    >>> import splinecam_exact as sx
    >>> part = sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), sx.square(1))
    >>> found = sx.compare([[(-1, -1), (1, -1), (1, 0), (-1, 0)], [(0, 0), (1, 0), (1, 1), (0, 1)]], part)
    >>> found.kinds, [defect.area for defect in found.defects]
    ({'missing': 1, 'merged': 1}, [mpq(1,1), mpq(2,1)])
    """
    if not isinstance(part, Subdivision):
        raise InputError(
            f"a {type(part).__name__} was given, not a Subdivision: first partition, as in "
            "compare(other, partition(net, domain))"
        )
    if not part.certified:
        raise InputError("a float64 result is no standard to compare with: use mode='certified'")
    limit = _tolerance(tolerance)
    claim = claim_of(other)
    if boundary is not None and getattr(boundary, "part", None) is not part:
        raise InputError("the boundary must be one of the same subdivision: boundary(part)")
    _says_something(claim, boundary is not None)
    if claim.patterns is not None or claim.vertex_signs is not None:
        need_signs(part)
    stage: Progress = progress or (lambda *_: None)
    result = _compared(claim, part, limit, boundary, stage)
    result.defects.sort(key=lambda defect: _ORDER[defect.kind])
    return result


def _says_something(claim: Claim, segments: bool) -> None:
    """Raise InputError for a claim of which nothing can be compared: that finds no defects is no praise."""
    mesh = claim.vertices is not None and claim.edges is not None
    said = (claim.polygons, claim.patterns, claim.vertex_signs, claim.segments if segments else None)
    if not mesh and not claim.counts and all(part is None for part in said):
        raise InputError(
            "nothing that is claimed can be compared: give polygons, patterns, vertices with edges, sign vectors of "
            "vertices, a count, or segments (and the boundary to compare them with)"
        )


def _tolerance(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"the tolerance must be a number, not {brief(value)}")
    if not 0 <= value < math.inf:
        raise InputError(f"the tolerance must be a distance, not {value}")
    return float(value)


def _compared(
    claim: Claim, part: Subdivision, tolerance: float | None, boundary: Boundary | None, stage: Progress
) -> Comparison:
    result = Comparison(claim, part, tolerance)
    _counts(claim, part, result.defects)
    polygons, truth = claim.polygons, None
    mesh = claim.vertices is not None and claim.edges is not None
    if polygons is not None or mesh or (claim.vertices is not None and claim.vertex_signs is not None):
        stage("exact cells", 0, 1)
        truth = Truth(part)
    if claim.vertices is not None and claim.edges is not None and truth is not None:
        if polygons is None:
            polygons = named(claim.vertices, claim.edges, truth)
            if polygons is None:
                polygons = traced(claim.vertices, claim.edges, result.defects, stage)
            result.traced = True
        else:
            joined(claim.vertices, claim.edges, result.defects)
    if polygons is not None and truth is not None:
        result.polygons = polygons
        _cells(claim, truth, tolerance, result, stage)
    if claim.polygons is None and claim.patterns is not None and _fits(claim, part, None, result.defects):
        patterns = Patterns(claim, part)
        if polygons is None:
            result.defects += patterns.compared_as_sets(stage)
        else:
            missing = {f for defect in result.defects if defect.kind == "missing" for f in defect.faces}
            result.defects += patterns.compared_beside(missing, stage)
    if claim.vertex_signs is not None:
        _vertices(claim, part, truth, result, stage)
    if claim.segments is not None and boundary is not None:
        result.segments = Segments(claim.segments, boundary, tolerance, stage)
        result.defects += result.segments.defects
    return result


def _cells(claim: Claim, truth: Truth, tolerance: float | None, result: Comparison, stage: Progress) -> None:
    part, polygons = truth.part, result.polygons
    stage("claimed cells", 0, len(polygons))
    cells = Cells(polygons, truth.exponent)
    patterns = None
    if claim.polygons is not None and claim.patterns is not None and _fits(claim, part, len(cells), result.defects):
        patterns = Patterns(claim, part)
    matching = Matching(cells, truth, None if patterns is None else patterns.same, stage)
    result.matching = matching
    result.defects += Topology(matching, stage).defects
    if patterns is not None:
        result.defects += patterns.wrong(matching.face, stage)
    stage("corners", 0, 1)
    result.corners = Corners(matching)
    if tolerance is not None:
        result.defects += result.corners.beyond(tolerance)
    stage("seams", 0, 1)
    result.seams = seams(cells, [(mpq(x), mpq(y)) for x, y in part.domain.corners])


def _fits(claim: Claim, part: Subdivision, cells: int | None, defects: list[Defect]) -> bool:
    """Whether the patterns have the form of this network's; otherwise that is a defect."""
    rows, units = (0, 0) if claim.patterns is None else claim.patterns.shape
    expected = part.geometry.unit_count
    if rows and units != expected:
        defects.append(Defect("malformed", f"patterns have {units} units, the network has {expected}"))
    elif cells is not None and rows != cells:
        defects.append(Defect("malformed", f"there are {rows} patterns for {cells} cells"))
    else:
        return True
    return False


def _vertices(claim: Claim, part: Subdivision, truth: Truth | None, result: Comparison, stage: Progress) -> None:
    signs, expected = claim.vertex_signs, part.geometry.unit_count
    if signs is None:
        return
    if len(signs) and signs.shape[1] != expected:
        text = f"sign vectors of vertices have {signs.shape[1]} units, the network has {expected}"
        result.defects.append(Defect("malformed", text))
        return
    right = vertex_signs(part, stage)
    result.defects += compare_vertices(signs, right, part)
    if claim.vertices is None or truth is None:
        return
    if len(claim.vertices) != len(signs):
        text = f"there are {len(signs)} sign vectors for {len(claim.vertices)} vertices"
        result.defects.append(Defect("malformed", text))
        return
    known = result.matching is not None and result.corners is not None
    seen = seen_at(result.matching, result.corners) if known else {}  # type: ignore[arg-type]
    result.defects += misplaced(claim.vertices, signs, right, truth, seen)


def _counts(claim: Claim, part: Subdivision, defects: list[Defect]) -> None:
    said = [(name, count) for name, count in (claim.counts or {}).items()]
    if claim.polygons is None:  # of vertices and edges that come with polygons nobody says that they are all
        known = len(claim.vertices) if claim.vertices is not None else None
        known = len(claim.vertex_signs) if known is None and claim.vertex_signs is not None else known
        if claim.edges is not None and known is not None:
            said += [("V", known), ("E", len(claim.edges))]
    if not said:
        return
    simple = {"A": len(part.faces), "V": len(part.vertices), "E": len(part.edges)}
    right = part.counts() if {name for name, _ in said} & {"L", "P"} else simple
    for name, count in dict.fromkeys(said):  # what is said, and what there is: both must be right
        if count != right[name]:
            defects.append(Defect("count", f"{name} is {right[name]}, not {count}"))
