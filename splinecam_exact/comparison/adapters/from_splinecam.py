"""What SplineCam returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.plain import is_array, plain
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import InputError


def splinecam(result: object, projection: object = None) -> Claim:
    """The claim in what SplineCam's `get_partitions_with_db` returns: (regions, db_segments), perhaps followed by Abw.

    `regions` is a list of arrays or tensors (k, 2) in slice coordinates, open or closed, of either orientation;
    `db_segments` a list of such arrays (2, 2) or (m, 2, 2) and None, or one array (m, 2, 2). SplineCam says [None],
    and its forks [], where there is no boundary and where computing it failed: then none is claimed.

    Slice coordinates are those of its projection `T`, whose `get_proj_mat` puts the origin elsewhere: pass a `T` of
    shape (2, 3), for a network of two inputs, as `projection`, and everything is in the inputs' own coordinates. Raises
    InputError for anything else.

    >>> regions = [np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])]
    >>> splinecam((regions, [None], None))
    <Claim of splinecam: 1 polygons>
    """
    with reading("SplineCam", "(regions, db_segments)"):
        if not looks_like(result):
            raise InputError(f"SplineCam returns (regions, db_segments, ...), not {brief(result)}")
        regions, boundary, *_ = cast("tuple[Any, ...]", result)
        lifted = _identity if projection is None else _lifting(projection)
        said: dict[str, Any] = {"polygons": [lifted(plain(region)) for region in regions], "source": "splinecam"}
        if segments := _segments(boundary):
            said["segments"] = [lifted(segment) for segment in segments]
        return claim_of(said)


def _identity(points: NDArray[Any]) -> NDArray[Any]:
    return points


def _lifting(projection: object) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """From the coordinates of a slice to those of the inputs."""
    matrix = plain(projection)
    if matrix.shape != (2, 3) or matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        raise InputError(f"the projection must be SplineCam's T of shape (2, 3), two inputs, not {brief(projection)}")
    basis, origin = matrix[:, :2].astype(np.float64), matrix[:, 2].astype(np.float64)
    return lambda points: points.astype(np.float64) @ basis.T + origin


def looks_like(result: object) -> bool:
    """Whether a result has this shape."""
    if not isinstance(result, tuple) or not 2 <= len(result) <= 4 or not isinstance(result[0], list | tuple):
        return False
    return bool(result[0]) and all(is_array(region) and _shape(region)[1:] == (2,) for region in result[0])


def _segments(boundary: Any) -> list[NDArray[Any]]:
    if is_array(boundary) and (_shape(boundary)[1:] == (2, 2) or 0 in _shape(boundary)):
        boundary = [boundary]
    if not isinstance(boundary, list | tuple) or not all(part is None or _is_segments(part) for part in boundary):
        raise InputError(
            "db_segments must be an array (m, 2, 2), or a list of arrays (2, 2) and None; SplineCam returns something "
            f"else if its batch_size is -1 (leave that at its default), not {brief(boundary)}"
        )
    return [segment for part in boundary if part is not None for segment in plain(part).reshape(-1, 2, 2)]


def _is_segments(part: object) -> bool:
    if not is_array(part):
        return False
    shape = _shape(part)
    return len(shape) in (2, 3) and shape[-1] == 2 and int(np.prod(shape)) % 4 == 0


def _shape(array: Any) -> tuple[int, ...]:
    return tuple(array.shape)
