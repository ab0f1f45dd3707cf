"""Domains as people write them, on a command line or in a file, read exactly."""

from __future__ import annotations

import math
from typing import Any

from gmpy2 import mpq

from splinecam_exact._files import PathLike, parse_npy, read_bytes, read_json, shown
from splinecam_exact._text import parse_number
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.kernel.errors import DomainError, FileFormatError, InputError
from splinecam_exact.kernel.rational import format_rational

_SHAPES = ({"origin", "basis"}, {"through"}, {"axes", "at"})


def parse_polygon(text: str) -> Polygon:
    """The polygon of a text "x,y x,y ...", each number exact: "0.1" is one tenth, "1/3" a third.

    >>> parse_polygon("0,0 1,0 0,0.1").corners[2]
    (mpq(0,1), mpq(1,10))
    """
    vertices = []
    for k, pair in enumerate(text.split()):
        numbers = pair.split(",")
        if len(numbers) != 2:
            raise DomainError(f"vertex {k} is {pair[:60]!r}; write it as x,y")
        try:
            vertices.append([parse_number(number) for number in numbers])
        except InputError as error:
            raise DomainError(f"vertex {k}: {error}") from None
    return Polygon(vertices)


def slice_from_npy(path: PathLike, polygon: Polygon | None = None) -> Slice:
    """The slice through the three rows of a .npy array of shape (3, d), each float being what it stores."""
    place = shown(path)
    points = parse_npy(read_bytes(path), place)
    if points.ndim != 2 or len(points) != 3:
        raise FileFormatError(place, f"has shape {points.shape}; (3, d) is needed, a point in each row")
    a, b, c = points
    return Slice.through(a, b, c, polygon)


def read_slice(path: PathLike) -> Slice:
    """The slice that a JSON file describes.

    {"origin": [...], "basis": [[...], [...]]}, {"through": [a, b, c]} or {"axes": [i, j], "at": [...]}, each with an
    optional "polygon": [[x, y], ...] in slice coordinates. A number is a JSON integer, or a string: "1/3", "0.1" (one
    tenth), or a hex float. A JSON number with a fraction is taken only where its decimal value is exactly a float64,
    so that it means the same to every reader: 0.5 is, 0.1 is not. Raises FileFormatError and DomainError.
    """
    place = shown(path)

    def fraction(text: str) -> mpq:
        return _unambiguous(text, place)

    obj = read_json(path, fraction)
    if not isinstance(obj, dict) or set(obj) - {"polygon"} not in _SHAPES:
        raise FileFormatError(
            place, 'the keys must be "origin" and "basis", or "through", or "axes" and "at", and perhaps "polygon"'
        )
    polygon = None
    if "polygon" in obj:
        polygon = Polygon([_numbers(pair, f"{place}: polygon[{k}]") for k, pair in _items(obj, "polygon", place)])
    if "through" in obj:
        points = [_numbers(point, f"{place}: through[{k}]") for k, point in _items(obj, "through", place)]
        if len(points) != 3:
            raise FileFormatError(f"{place}: through", f"holds {len(points)} points; three are needed")
        a, b, c = points
        return Slice.through(a, b, c, polygon)
    if "axes" in obj:
        axes = obj["axes"]
        if not isinstance(axes, list) or len(axes) != 2:
            raise FileFormatError(f"{place}: axes", "must be two coordinates' numbers, counted from 0")
        at = [x if x is None else _number(x, f"{place}: at[{k}]") for k, x in _items(obj, "at", place)]
        for k, x in enumerate(at):
            if x is None and k not in axes:
                raise FileFormatError(
                    f"{place}: at[{k}]", f"is null, but only the inputs {axes[0]} and {axes[1]} vary: give its value"
                )
        return Slice.axes(axes[0], axes[1], at, polygon)
    basis = [_numbers(vector, f"{place}: basis[{k}]") for k, vector in _items(obj, "basis", place)]
    return Slice(_numbers(obj["origin"], f"{place}: origin"), basis, polygon)


def _items(obj: dict[str, Any], key: str, place: str) -> enumerate[Any]:
    if not isinstance(obj[key], list):
        raise FileFormatError(f"{place}: {key}", "must be a list")
    return enumerate(obj[key])


def _numbers(values: object, place: str) -> list[mpq]:
    if not isinstance(values, list):
        raise FileFormatError(place, "must be a list of numbers")
    return [_number(value, f"{place}[{k}]") for k, value in enumerate(values)]


def _number(value: object, place: str) -> mpq:
    if isinstance(value, mpq):
        return value
    if type(value) is int:
        return mpq(value)
    if isinstance(value, str):
        try:
            return parse_number(value)
        except InputError as error:
            raise FileFormatError(place, str(error)) from None
    raise FileFormatError(place, "must be a number: an integer, or a string such as '1/3'")


def _unambiguous(text: str, place: str) -> mpq:
    """The value of a JSON number with a fraction, where the decimal number and the float64 agree."""
    try:
        value = parse_number(text)
    except InputError as error:
        raise FileFormatError(place, str(error)) from None
    stored = float(text)
    if math.isfinite(stored) and mpq(*stored.as_integer_ratio()) == value:
        return value
    raise FileFormatError(
        place,
        f"{text} is not exactly a float64, so readers differ about it: write the string "
        f"{format_rational(value)!r} for the decimal number, or {stored.hex()!r} for the float64",
    )
