"""Other tools' coordinates, taken as they are: float64 where that is exact, otherwise exact rationals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from gmpy2 import mpq
from numpy.typing import NDArray

from splinecam_exact._text import brief, whole
from splinecam_exact.arrays import exact
from splinecam_exact.kernel.errors import InputError

Array = NDArray[Any]
"""Coordinates: float64, or objects that are mpq, with NaN for what is not finite."""


def as_cells(cells: Any) -> tuple[Array, ...]:
    """One array for each cell: see `Claim`. In one array (cells, k, 2), NaN at the end of a cell is padding."""
    cells = unmasked(cells)
    if isinstance(cells, np.ndarray) and cells.dtype != object:
        if cells.ndim != 3:
            raise InputError(f"polygons must be an array (cells, k, 2), not one of shape {cells.shape}")
        return tuple(_unpadded(as_cell(cell)) for cell in cells)
    return tuple(as_cell(cell) for cell in cells)


def as_cell(cell: object) -> Array:
    """The coordinates (k, 2) of a cell's corners; an array of no dimension, with the reason, where it is no cell.

    >>> as_cell([(0, 0), (0.5, 0), (0, 1)]).dtype, as_cell([(0, 0), ("1/3", 0), (0, 1)]).dtype
    (dtype('float64'), dtype('O'))
    >>> as_cell([1, 2]).item()
    'has shape (2,), not (k, 2)'
    """
    try:
        if isinstance(cell, list | tuple):
            cell = [unmasked(row) for row in cell]
        cell = unmasked(cell)
        if isinstance(cell, np.ndarray):
            array = np.asarray(cell, order="C")
        else:
            # Python's numbers become float64 only where each already is one: numpy would round an int or a Fraction.
            array = np.array(cell) if _are_floats(cell) else np.array(cell, object)
    except Exception:  # ragged, or a caller's class that does as it likes
        return _no_cell("is not an array of shape (k, 2)")
    if array.size == 0 and array.ndim <= 2:
        return np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        return _no_cell(f"has shape {array.shape}, not (k, 2)")
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64)
    if array.dtype.kind in "iu" and (abs(array.astype(np.float64)) <= 2**53).all():
        return array.astype(np.float64)
    try:
        return _rationals(array)
    except InputError as error:
        return _no_cell(f"has a coordinate that is no number: {error}")


def _are_floats(cell: Any) -> bool:
    return all(
        isinstance(row, np.ndarray) or (isinstance(row, list | tuple) and all(isinstance(x, float) for x in row))
        for row in cell
    )


def _rationals(array: Array) -> Array:
    """The same numbers as float64 where each is one, otherwise as mpq; NaN for NaN and for infinities."""
    entries = [_rational(value) for value in array.ravel().tolist()]
    rounded = np.array([float(value) if _fits(value) else math.nan for value in entries])
    if all(q != q or (math.isfinite(f) and mpq(f) == q) for q, f in zip(entries, rounded.tolist(), strict=True)):
        return rounded.reshape(array.shape)
    found = np.empty(len(entries), object)
    found[:] = entries
    return found.reshape(array.shape)


def _fits(value: Any) -> bool:
    return bool(value == value and abs(value) < 2**1023)


def _rational(value: object) -> Any:
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        return math.nan
    return exact(value)


def _no_cell(reason: str) -> Array:
    found = np.empty((), object)
    found[()] = reason
    return found


def _unpadded(cell: Array) -> Array:
    """The cell without the rows of NaN at its end."""
    if cell.dtype == object or cell.ndim != 2:
        return cell
    real: NDArray[np.bool_] = ~np.isnan(cell).all(axis=1).reshape(-1)
    return cell[: len(real) - int(real[::-1].argmax())] if real.any() else cell[:1]


def unmasked(value: Any) -> Any:
    """A masked array as a plain one, NaN for what is masked; all else as it is."""
    if not isinstance(value, np.ma.MaskedArray) or value.ndim == 0:
        return value
    if not np.ma.getmaskarray(value).any():
        return value.data
    found = np.array(value.data, None if value.dtype.kind == "f" else object)
    found[np.ma.getmaskarray(value)] = math.nan
    return found


def is_single(numbers: NDArray[np.float64]) -> bool:
    """Whether all are float32 numbers."""
    with np.errstate(over="ignore"):
        return bool((numbers.astype(np.float32) == numbers).all())


def refuse_masked(value: object, name: str) -> None:
    """Raise InputError for numbers some of which are masked: only coordinates may be missing."""
    rows = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(row, np.ma.MaskedArray) and np.ma.getmaskarray(row).any() for row in rows):
        raise InputError(f"{name}: some entries are masked")


def as_places(value: object, name: str) -> Array:
    """Points (n, 2)."""
    array = as_cell(value)
    if array.ndim != 2:
        raise InputError(f"{name}: {array.item()}")
    return array


def of_indices(vertices: Array, faces: Sequence[Any]) -> tuple[Array, ...]:
    """The polygons of faces that are lists of vertex numbers; -1 at the end of a face is padding."""
    found = []
    for face in faces:
        refuse_masked(face, "faces")
        numbers = face.tolist() if isinstance(face, np.ndarray) else face
        try:
            numbers = [whole(number) for number in numbers]
            while numbers and numbers[-1] == -1:
                numbers.pop()
            if any(number is None or not 0 <= number < len(vertices) for number in numbers):
                raise ValueError
        except (TypeError, ValueError):
            found.append(_no_cell(f"has vertex numbers that are none: {brief(face)}"))
        else:
            found.append(vertices[np.array(numbers, np.int64)])
    return tuple(found)
