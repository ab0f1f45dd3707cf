"""Whether a `Claim` that somebody built by hand is what it says: the right arrays, before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact._text import brief, whole
from splinecam_exact.kernel.errors import InputError

if TYPE_CHECKING:
    from splinecam_exact.comparison.claims import Claim

COUNTS = ("A", "L", "P", "V", "E")

_REMEDY = "claim_of makes a Claim of lists and of other arrays"
_EXACT = type(mpq())
_PLAIN = (np.ndarray, np.memmap)
"""Others, such as masked arrays, have laws of their own."""


def check(claim: Claim) -> None:
    """Raise InputError, with the field and the remedy, unless all fields are as `Claim` says.

    What is wrong with the claim itself (NaN, a cell that is none, an edge between vertices that there are not) is for
    `compare` to report. Cost: a microsecond for each cell, and for each exact coordinate.
    """
    if claim.polygons is not None:
        if not isinstance(claim.polygons, tuple):
            raise InputError(f"Claim.polygons must be a tuple of arrays, not {brief(claim.polygons)}; {_REMEDY}")
        for c, cell in enumerate(claim.polygons):
            if not _is_places(cell, (2,)) and not _is_reason(cell):
                raise InputError(f"Claim.polygons[{c}] must be {_places('(k, 2)')}, not {_said(cell)}; {_REMEDY}")
    for name, shape, text in (("vertices", (2,), "(V, 2)"), ("segments", (2, 2), "(m, 2, 2)")):
        value = getattr(claim, name)
        if value is not None and not _is_places(value, shape):
            raise InputError(f"Claim.{name} must be {_places(text)}, not {_said(value)}; {_REMEDY}")
    for name, least in (("patterns", 0 if claim.two_valued else -1), ("vertex_signs", -1)):
        value = getattr(claim, name)
        if value is not None and not _is_signs(value, least):
            signs = "0 and 1" if least == 0 else "-1, 0 and 1"
            raise InputError(
                f"Claim.{name} must be an int8 array (rows, units) of {signs}, not {_said(value)}; {_REMEDY}"
            )
    edges = claim.edges
    if edges is not None and not (type(edges) in _PLAIN and edges.dtype == np.int64 and edges.shape[1:] == (2,)):
        raise InputError(f"Claim.edges must be an int64 array (E, 2) of vertex numbers, not {_said(edges)}; {_REMEDY}")
    if claim.counts is not None:
        counts_of(claim.counts)
    if not isinstance(claim.two_valued, bool):
        raise InputError(f"Claim.two_valued must be True or False, not {brief(claim.two_valued)}")
    if not isinstance(claim.source, str):
        raise InputError(f"Claim.source must be a text, not {brief(claim.source)}")


def counts_of(counts: object) -> dict[str, int]:
    """The numbers of a dict such as {"A": 5}. Raises InputError for anything else."""
    if not isinstance(counts, Mapping):
        raise InputError(f"counts are a dict such as {{'A': 5}}, not {brief(counts)}")
    found = {}
    for key, value in counts.items():
        count = whole(value)
        if key not in COUNTS or count is None or not 0 <= count < 2**63:
            raise InputError(f"a count is one of {', '.join(COUNTS)} with a number, not {brief(key)}: {brief(value)}")
        found[key] = count
    return found


def _is_places(value: object, shape: tuple[int, ...]) -> bool:
    """Whether these are float64 coordinates, or exact ones; rows of such a shape."""
    if type(value) not in _PLAIN or value.shape[1:] != shape:  # type: ignore[attr-defined]
        return False
    array: Any = value
    return array.dtype == np.float64 or (array.dtype == object and _are_exact(array.ravel().tolist()))


def _are_exact(entries: Iterable[object]) -> bool:
    return all(type(q) is _EXACT or (type(q) is float and q != q) for q in entries)


def _is_reason(value: object) -> bool:
    """Whether this stands for what is no cell."""
    return isinstance(value, np.ndarray) and value.shape == () and isinstance(value.item(), str)


def _is_signs(value: object, least: int) -> bool:
    if type(value) not in _PLAIN:
        return False
    array: Any = value
    right = array.dtype == np.int8 and array.ndim == 2
    return right and bool(array.min(initial=0) >= least and array.max(initial=0) <= 1)


def _places(shape: str) -> str:
    return f"an array {shape} of float64, or of objects that are mpq (NaN where there is no number)"


def _said(value: object) -> str:
    """An array by its type and shape, or what else it is."""
    if isinstance(value, np.ndarray):
        return f"a {type(value).__name__} of {value.dtype} of shape {value.shape}"
    return brief(value)
