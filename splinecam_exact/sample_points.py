"""Points of an input space as callers and files give them, each exact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gmpy2 import mpq, mpz

from splinecam_exact._files import PathLike, parse_npy, read_bytes, read_text, shown
from splinecam_exact._text import parse_number
from splinecam_exact.arrays import ExactArray, Floats, exact
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.rounding import nearest


class Points:
    """Exact points (n, inputs). `floats` are the float64 nearest to them; `rounded` says that some differ."""

    def __init__(self, values: object, inputs: int, name: str = "points") -> None:
        if not isinstance(values, list | tuple | np.ndarray | ExactArray):
            raise InputError(f"{name} must be a numpy array or nested lists, not a {type(values).__name__}")
        try:
            self.array = ExactArray.of(values, name)
        except NetworkError as error:
            raise InputError(str(error)) from None
        if len(self.array.shape) != 2 or self.array.shape[1] != inputs:
            raise InputError(f"{name}: has shape {self.array.shape}; the network needs (n, {inputs})")
        self.rounded = self.array.floats is None
        self._denominator, self._numerators = mpz(1), list[mpz]()
        if self.array.floats is not None:
            self.floats: Floats = self.array.floats
        else:
            self._denominator, self._numerators = self.array.numerators()
            flat = [nearest(n, self._denominator) for n in self._numerators]
            self.floats = np.array(flat).reshape(self.array.shape)
            if not np.isfinite(self.floats).all():
                raise InputError(f"{name}: a number is beyond the range of float64")

    def __len__(self) -> int:
        return self.array.shape[0]

    def row(self, i: int) -> list[mpq]:
        """One point, exactly."""
        if not self.rounded:
            return exact_row(self.floats[i])
        width = self.array.shape[1]
        return [mpq(n, self._denominator) for n in self._numerators[i * width : (i + 1) * width]]


Given = Sequence[Sequence[object]] | np.ndarray[Any, Any] | Points
"""Points (n, inputs) as they may be given."""


def points_of(values: Given, inputs: int) -> Points:
    """The points that a caller gives; those that are read already as they are."""
    return Points(values.array, inputs) if isinstance(values, Points) else Points(values, inputs)


def exact_row(point: Floats) -> list[mpq]:
    """The coordinates that floats denote."""
    return [exact(x) for x in point.tolist()]


def read_points(path: PathLike, inputs: int) -> Points:
    """The points in a .npy file, an array (n, inputs), or in a .csv file, a point on each line.

    In a .npy file a float is the dyadic rational that it stores. In a .csv file numbers are exact: 0.1 is one tenth,
    1/3 a third; blank lines and lines that begin with # are left out. Raises FileFormatError, naming the line, and
    InputError, naming the row.
    """
    place = shown(path)
    kind = Path(path).suffix.lower()
    if kind == ".npy":
        return Points(parse_npy(read_bytes(path), place), inputs, place)
    if kind != ".csv":
        raise InputError(f"{place}: points are read from .npy and .csv files")
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(",")
        if len(words) != inputs:
            raise FileFormatError(
                f"{place}, line {number}", f"has {len(words)} numbers; the network has {inputs} inputs"
            )
        try:
            rows.append([parse_number(word.strip()) for word in words])
        except InputError as error:
            raise FileFormatError(f"{place}, line {number}", str(error)) from None
    if not rows:
        raise FileFormatError(place, "holds no points")
    return Points(rows, inputs, place)
