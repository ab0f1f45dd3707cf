"""What SplineCam returns."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.plain import is_array, plain
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import InputError


def splinecam(result: object) -> Claim:
    """The claim in what SplineCam's `get_partitions_with_db` returns: (regions, db_segments), perhaps followed by Abw.

    `regions` is a list of arrays or tensors (k, 2) in slice coordinates, open or closed, of either orientation;
    `db_segments` a list of such arrays (2, 2) or (m, 2, 2) and None, or one array (m, 2, 2). SplineCam says [None]
    where computing the boundary failed: then no boundary is claimed. Raises InputError for anything else.

    >>> regions = [np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])]
    >>> splinecam((regions, [None], None))
    <Claim of splinecam: 1 polygons>
    """
    if not looks_like(result):
        raise InputError(f"SplineCam returns (regions, db_segments, ...), not {brief(result)}")
    regions, boundary, *_ = cast("tuple[Any, ...]", result)
    said: dict[str, Any] = {"polygons": [plain(region) for region in regions], "source": "splinecam"}
    segments: list[Any] = []
    for part in boundary:
        if part is not None:
            segments += list(plain(part).reshape(-1, 2, 2))
    if segments:
        said["segments"] = segments
    return claim_of(said)


def looks_like(result: object) -> bool:
    """Whether a result has this shape."""
    if not isinstance(result, tuple) or not 2 <= len(result) <= 4 or not isinstance(result[0], list | tuple):
        return False
    regions, boundary = result[:2]
    if not regions or not all(is_array(region) and _ends_in_2(region) for region in regions):
        return False
    if is_array(boundary):
        return len(boundary.shape) == 3 and tuple(boundary.shape[1:]) == (2, 2)
    return isinstance(boundary, list | tuple) and all(
        part is None or (is_array(part) and _ends_in_2(part, (2, 3)) and np.prod(part.shape) % 4 == 0)
        for part in boundary
    )


def _ends_in_2(array: Any, dimensions: tuple[int, ...] = (2,)) -> bool:
    return len(array.shape) in dimensions and array.shape[-1] == 2
