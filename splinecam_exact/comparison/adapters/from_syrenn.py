"""What SyReNN returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.plain import is_array, plain
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import InputError


def syrenn(result: object, plane: object = None) -> Claim:
    """The claim in what SyReNN's `transform_plane` returns: a list of polygons.

    Each is a pair (pre, post) or, without `include_post`, `pre` alone. `pre` has shape (k, 2) with
    `compute_preimages=True`; otherwise its rows combine the vertices of the plane that was asked about, which is then
    passed as `plane`, shape (corners, 2). SyReNN works in float32; combinations are multiplied out in float64. Raises
    InputError for anything else.

    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> syrenn([(np.eye(3), np.zeros((3, 1)))], corners).polygons[0].tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    with reading("SyReNN's transform_plane", "a list of (pre, post)"):
        cells = [_before(cell) for cell in result] if isinstance(result, list | tuple) else []
        if not cells or any(cell is None for cell in cells):
            raise InputError(
                "SyReNN's transform_plane returns a list of (pre, post), and transform_planes such a list for each "
                f"plane, of which you give one; this is {brief(result)}"
            )
        polygons: list[Any] = [plain(cell) for cell in cells]
        if plane is not None:
            corners = plain(plane).astype(np.float64)
            if corners.ndim != 2 or corners.shape[1] != 2:
                raise InputError(f"the plane must be given as its vertices, an array (corners, 2), not {brief(plane)}")
            if any(cell.ndim != 2 or cell.shape[1] != len(corners) for cell in polygons):
                raise InputError(f"the rows of each polygon must combine the plane's {len(corners)} vertices")
            polygons = [cell.astype(np.float64) @ corners for cell in polygons]
        elif any(cell.shape[1] != 2 for cell in polygons):
            raise InputError(
                "these rows combine the vertices of the plane: pass its vertices as `plane`, an array (corners, 2), "
                "or ask SyReNN with compute_preimages=True"
            )
        return claim_of({"polygons": polygons, "source": "syrenn"})


def looks_like(result: object) -> bool:
    """Whether a result has the shape that pre-images and post-images have; pre-images alone are plain polygons."""
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(cell, tuple) and _before(cell) is not None for cell in result)
    )


def combines(result: object, corners: int) -> bool:
    """Whether a result has the shape that pre-images alone have, as combinations of so many corners of a plane."""
    return (
        isinstance(result, list)
        and bool(result)
        and all(is_array(cell) and tuple(cell.shape)[1:] == (corners,) for cell in result)
    )


def _before(cell: object) -> object | None:
    """The pre-image of a polygon, None if it is no such thing."""
    if isinstance(cell, tuple | list) and len(cell) == 2:
        pre, post = cell
        same = is_array(pre) and is_array(post) and len(pre.shape) == len(post.shape) == 2 and len(pre) == len(post)
        return pre if same else None
    return cell if is_array(cell) and len(getattr(cell, "shape", ())) == 2 else None
