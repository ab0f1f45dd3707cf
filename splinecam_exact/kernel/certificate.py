"""The certificate: what it holds, and its one text form. The specification is proofs/format.md.

A certificate is the subdivision itself: the vertices, and for each activation cell its polygon and its pattern. The
pattern is written as the changes from an earlier cell's, so that the size grows with the cells, not cells times units.
Parsing checks the form only; whether the content is true is the checker's business.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn

from gmpy2 import gcd

from splinecam_exact.kernel.errors import InputError, MalformedCertificate
from splinecam_exact.kernel.rational import Point, parse_integer

FORMAT = "splinecam-exact certificate"
VERSION = 1
COUNTS = ("A", "L", "P", "V", "E")
_KEYS = ("format", "version", "network", "conventions", "domain", "counts", "vertices", "cells")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

MAX_DIGITS = 20
"""The most digits of a JSON integer: counts, indices and states; coordinates are strings, of any length."""

Change = tuple[int, int]
"""(unit number, state)."""


class Cell(NamedTuple):
    """One activation cell: pattern = that of the earlier cell `base` (-1: every state 0) with `changes` applied."""

    base: int
    changes: tuple[Change, ...]
    polygon: tuple[int, ...]


class Certificate(NamedTuple):
    """A claim (digests and counts) and its witness (vertices and cells)."""

    network: str
    conventions: tuple[str, ...]
    domain: str
    counts: dict[str, int]
    vertices: list[Point]
    cells: list[Cell]


def serialize(certificate: Certificate) -> str:
    """The text of a certificate, a line per vertex and per cell; `parse` inverts it."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "network": certificate.network,
        "conventions": certificate.conventions,
        "domain": certificate.domain,
        "counts": certificate.counts,
    }
    vertices = (json.dumps([str(x) for x in point]) for point in certificate.vertices)
    cells = (json.dumps(cell, separators=(",", ":")) for cell in certificate.cells)
    parts = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    parts += [f'"vertices": [\n{_lines(vertices)}\n]', f'"cells": [\n{_lines(cells)}\n]']
    return "{" + ",\n".join(parts) + "}\n"


def _lines(items: object) -> str:
    return ",\n".join(items)  # type: ignore[arg-type]


def parse(text: str) -> Certificate:
    """Read a certificate. Raises MalformedCertificate, naming the place, unless it is exactly of the specified form."""
    try:
        data = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_no_float, parse_constant=_no_float
        )
    except MalformedCertificate:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedCertificate("certificate", f"is not JSON: {error}") from None
    return decode(data)


def decode(data: object) -> Certificate:
    """The certificate in a JSON value. Raises MalformedCertificate unless it is exactly of the specified form."""
    if not isinstance(data, dict) or tuple(data) != _KEYS:
        raise MalformedCertificate("certificate", f"is not one object with the keys {', '.join(_KEYS)}, in this order")
    if data["format"] != FORMAT:
        raise MalformedCertificate("format", f"is not {FORMAT!r}")
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise MalformedCertificate("version", f"this program reads version {VERSION} only")
    for key in ("network", "domain"):
        if not isinstance(data[key], str) or _DIGEST.fullmatch(data[key]) is None:
            raise MalformedCertificate(key, "is not a digest of 64 hexadecimal digits")
    conventions = [text for text in _list(data["conventions"], "conventions") if isinstance(text, str)]
    if len(conventions) != len(data["conventions"]):
        raise MalformedCertificate("conventions", "are not all strings")
    counts = data["counts"]
    if not isinstance(counts, dict) or tuple(counts) != COUNTS:
        raise MalformedCertificate("counts", f"is not an object with the keys {', '.join(COUNTS)}, in this order")
    for key in COUNTS:
        _natural(counts[key], f"counts.{key}")
    vertices = [_point(v, f"vertices[{i}]") for i, v in enumerate(_list(data["vertices"], "vertices"))]
    cells = [_cell(c, i, len(vertices)) for i, c in enumerate(_list(data["cells"], "cells"))]
    return Certificate(data["network"], tuple(conventions), data["domain"], counts, vertices, cells)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedCertificate("certificate", "an object names a key twice")
    return found


def _integer(text: str) -> int:
    if text == "-0" or len(text) > MAX_DIGITS:
        raise MalformedCertificate("certificate", f"holds {text[:40]}: write 0 for -0, and no number this large")
    return int(text)


def _no_float(text: str) -> NoReturn:
    raise MalformedCertificate("certificate", f"holds {text[:40]}, which is neither an integer nor a string")


def _list(value: object, place: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedCertificate(place, "is not a list")
    return value


def _natural(value: object, place: str) -> int:
    if type(value) is not int or value < 0:
        raise MalformedCertificate(place, "is not a natural number")
    return value


def _point(value: object, place: str) -> Point:
    if not isinstance(value, list) or len(value) != 3:
        raise MalformedCertificate(place, "is not a list [X, Y, W]")
    try:
        x, y, w = (parse_integer(text) for text in value)
    except InputError as error:
        raise MalformedCertificate(place, str(error)) from None
    if w <= 0 or gcd(gcd(x, y), w) != 1:
        raise MalformedCertificate(place, "W is not positive, or X, Y and W have a common factor")
    return x, y, w


def _cell(value: object, number: int, vertices: int) -> Cell:
    place = f"cells[{number}]"
    if not isinstance(value, list) or len(value) != 3:
        raise MalformedCertificate(place, "is not a list [base, changes, polygon]")
    base, changes, polygon = value
    if type(base) is not int or not -1 <= base < number:
        raise MalformedCertificate(place, "base is neither -1 nor an earlier cell")
    pairs: list[Change] = []
    for change in _list(changes, place):
        if not isinstance(change, list) or len(change) != 2:
            raise MalformedCertificate(place, "a change is not a list [unit, state]")
        unit, state = _natural(change[0], place), _natural(change[1], place)
        if pairs and unit <= pairs[-1][0]:
            raise MalformedCertificate(place, f"unit {unit} does not follow unit {pairs[-1][0]}")
        pairs.append((unit, state))
    corners = _list(polygon, place)
    if len(corners) < 3 or len({v for v in corners if type(v) is int}) != len(corners):
        raise MalformedCertificate(place, "the polygon is not a list of three or more different vertices")
    for v in corners:
        if _natural(v, place) >= vertices:
            raise MalformedCertificate(place, f"there is no vertex {v}")
    return Cell(base, tuple(pairs), tuple(corners))  # type: ignore[arg-type]
