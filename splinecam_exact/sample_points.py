"""Points of an input space as callers and files give them, each exact."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact._files import PathLike, parse_npy, read_bytes, read_text, shown
from splinecam_exact._text import parse_number
from splinecam_exact.arrays import ExactArray, Floats, exact, flatten, indices
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.rounding import nearest


class Points:
    """Exact points (n, inputs). `floats` are the float64 nearest to them; `rounded` says that some differ.

    Each coordinate is a rational of its own: points with large denominators have no common one of any use.
    """

    def __init__(self, values: object, inputs: int, name: str = "points") -> None:
        if not isinstance(values, list | tuple | np.ndarray):
            raise InputError(f"{name} must be a numpy array or nested lists, not a {type(values).__name__}")
        try:
            self.floats, self._rows = _read(values, name)
        except NetworkError as error:
            raise InputError(str(error)) from None
        self.rounded = self._rows is not None
        if self.floats.shape[1:] != (inputs,):
            raise InputError(f"{name}: has shape {self.floats.shape}; the network needs (n, {inputs})")
        if not np.isfinite(self.floats).all():
            raise InputError(f"{name}: a number is beyond the range of float64")

    def __len__(self) -> int:
        return len(self.floats)

    def row(self, i: int) -> list[mpq]:
        """One point, exactly."""
        return exact_row(self.floats[i]) if self._rows is None else list(self._rows[i])

    def digest(self) -> str:
        """That of all points: see `points_digest`."""
        return points_digest(self.row(i) for i in range(len(self)))


def _read(values: object, name: str) -> tuple[Floats, list[list[mpq]] | None]:
    """The nearest float64, and the rationals where some are no float64."""
    if not (isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.dtype.itemsize <= 8):
        shape, flat = flatten(values, name)
        if set(map(type, flat)) != {float}:
            return _rationals(shape, flat, name)
        values = np.array(flat, np.float64).reshape(shape)
    floats = ExactArray.of(values, name).floats
    if floats is None:
        raise InputError(f"{name}: are no floats")
    return floats, None


def _rationals(shape: tuple[int, ...], flat: list[object], name: str) -> tuple[Floats, list[list[mpq]] | None]:
    found = []
    for k, value in enumerate(flat):
        try:
            found.append(exact(value))
        except InputError as error:
            raise InputError(f"{name}{indices(k, shape)}: {error}") from None
    floats = np.array([nearest(q.numerator, q.denominator) for q in found]).reshape(shape) + 0.0
    if np.isfinite(floats).all() and all(exact(x) == q for x, q in zip(floats.flat, found, strict=True)):
        return floats, None
    width = shape[-1]
    return floats, [found[k : k + width] for k in range(0, len(found), width)]


def points_digest(rows: Iterable[Sequence[mpq]]) -> str:
    """SHA-256 of points' canonical texts, a point on each line, with spaces between its coordinates.

    >>> points_digest([[mpq(1, 2), mpq(-3)]]) == hashlib.sha256(b"1/2 -3\\n").hexdigest()
    True
    """
    digest = hashlib.sha256()
    for row in rows:
        digest.update(" ".join(map(format_rational, row)).encode() + b"\n")
    return digest.hexdigest()


Given = Sequence[Sequence[object]] | np.ndarray[Any, Any] | Points
"""Points (n, inputs) as they may be given."""


def points_of(values: Given, inputs: int) -> Points:
    """The points that a caller gives; those that are read already as they are."""
    if not isinstance(values, Points):
        return Points(values, inputs)
    if values.floats.shape[1] != inputs:
        raise InputError(f"points: has shape {values.floats.shape}; the network needs (n, {inputs})")
    return values


def exact_row(point: Floats) -> list[mpq]:
    """The coordinates that floats denote."""
    return [exact(x) for x in point.tolist()]


def read_points(path: PathLike, inputs: int) -> Points:
    """The points in a .npy file, an array (n, inputs), or in a .csv file, a point on each line.

    In a .npy file a float is the dyadic rational that it stores. In a .csv file numbers are exact: 0.1 is one tenth,
    1/3 a third. There are commas between them; blank lines and lines that begin with # are left out. Raises
    FileFormatError, naming the line, and InputError, naming the row.
    """
    place = shown(path)
    kind = Path(path).suffix.lower()
    if kind == ".npy":
        return Points(parse_npy(read_bytes(path), place), inputs, place)
    if kind != ".csv":
        raise InputError(f"{place}: points are read from .npy and .csv files")
    rows: list[list[mpq]] = []
    for number, line in enumerate(read_text(path).removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            rows.append(_numbers(line, inputs, not rows))
        except InputError as error:
            raise FileFormatError(f"{place}, line {number}", str(error)) from None
    if not rows:
        raise FileFormatError(place, "holds no points")
    return Points(rows, inputs, place)


def _numbers(line: str, inputs: int, is_first: bool) -> list[mpq]:
    words = [word.strip() for word in line.split(",")]
    if len(words) != inputs:
        remedy = "; write commas between them, and decimals with a point" if ";" in line else ""
        raise InputError(f"has {len(words)} numbers; the network has {inputs} inputs{remedy}")
    try:
        return [parse_number(word) for word in words]
    except InputError as error:
        remedy = "; if these are headings, put a # before them" if is_first else ""
        raise InputError(f"{error}{remedy}") from None
