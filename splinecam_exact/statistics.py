"""The measures of a partition that the SplineCam paper reports (Humayun et al., CVPR 2023, section 4)."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from gmpy2 import mpq

from splinecam_exact.domain import Slice
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.rounding import nearest

if TYPE_CHECKING:
    from splinecam_exact.subdivision import Face, Subdivision


class Statistics(NamedTuple):
    """Measures over all activation cells, in slice coordinates. `mpq` fields are exact, floats are rounded.

    The eccentricity of a cell is the largest over the smallest distance between two of its vertices; its square is
    rational. `area_scale_squared` is the determinant of the slice's Gram matrix: areas in input space are
    sqrt(area_scale_squared) times those here.
    """

    regions: int
    average_area: mpq
    average_vertices: mpq
    average_eccentricity: float
    largest_eccentricity_squared: mpq
    area_scale_squared: mpq


def eccentricity_squared(face: Face) -> mpq:
    """The exact square of the largest over the smallest distance between two vertices of a cell.

    Raises InputError where two are one point, which can happen in a float64 result.
    """
    polygon = face.polygon
    squares = [(a - c) ** 2 + (b - d) ** 2 for k, (a, b) in enumerate(polygon) for c, d in polygon[k + 1 :]]
    least = min(squares)
    if not least:
        raise InputError(f"two vertices of face {face.index} are one point in float64: use mode='certified'")
    return max(squares) / least


def statistics(part: Subdivision) -> Statistics:
    """The measures of a partition. Cost: the exact distances of all pairs of vertices of each cell."""
    eccentricities = [eccentricity_squared(face) for face in part.faces]
    count = len(part.faces)
    scale = mpq(1)
    if isinstance(part.domain, Slice):
        (uu, uv), (_, vv) = part.domain.gram
        scale = uu * vv - uv * uv
    return Statistics(
        regions=count,
        average_area=part.domain.polygon.area / count,  # the cells tile the domain
        average_vertices=mpq(len(part.geometry.polygons.corners), count),
        average_eccentricity=sum(sqrt(nearest(q.numerator, q.denominator)) for q in eccentricities) / count,
        largest_eccentricity_squared=max(eccentricities),
        area_scale_squared=scale,
    )
