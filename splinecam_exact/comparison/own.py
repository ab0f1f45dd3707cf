"""This package's own partitions as claims: what `compare` must find no fault with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.comparison.claims import Claim
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.subdivision import Subdivision


def claim_of_partition(part: Subdivision, exact: bool = False) -> Claim:
    """The cells of a subdivision as another tool would give them: float64 (or exact) polygons, and their patterns.

    There are no patterns where a unit has more than three states, or is a maximum; those of a float64 result are
    two-valued, as float64 knows no unit to be zero on a cell. Cost with `exact`: all vertices.
    """
    starts, corners = part.geometry.polygons
    if exact:
        places = np.empty((len(part.vertices), 2), object)
        for k, point in enumerate(part.vertices):
            places[k] = point
    else:
        places = part.coordinates
    signs = sign_rows(part, np.arange(len(part.faces))) if has_signs(part) else None
    if signs is not None and not part.certified:
        signs = (signs > 0).astype(np.int8)
    return Claim(
        polygons=tuple(np.split(places[corners], starts[1:-1])),
        patterns=signs,
        two_valued=not part.certified,
        source=f"splinecam_exact, mode {part.mode}",
    )


def has_signs(part: Subdivision) -> bool:
    """Whether every unit has the three states off, zero and on: one breakpoint each, and no maxima."""
    units = [unit for step in part.program.unit_steps() for unit in step.units]
    return all(len(getattr(unit, "cuts", ())) == 1 for unit in units)


def sign_rows(part: Subdivision, faces: Ints) -> NDArray[np.int8]:
    """The sign of every unit on some faces: of its pre-activation less its breakpoint. Shape (faces, units)."""
    return part.geometry.state_rows(faces).astype(np.int8) - np.int8(1)


def need_signs(part: Subdivision) -> None:
    """Raise InputError where units have other states than three."""
    if not has_signs(part):
        raise InputError(
            "sign vectors are of units with one breakpoint each (ReLU, abs, ...), and this network has others"
        )
