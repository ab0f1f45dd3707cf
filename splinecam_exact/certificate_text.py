"""Certificates as JSON values and as text: version 2, a line per cell, and version 1, one object.

Nothing here is trusted: the kernel checks the values of version 2 that come out of whatever is read or converted.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NoReturn

from splinecam_exact.kernel.certificate import (
    FORMAT,
    HEAD,
    VERSION,
    Cell,
    Certificate,
    Head,
    Vertex,
    decode,
    decode_cell,
    decode_vertex,
    read,
)
from splinecam_exact.kernel.checker import Statement, verify
from splinecam_exact.kernel.errors import InputError, MalformedCertificate, RefutedCertificate

START = f'{{"format":"{FORMAT}","version":{VERSION},'
"""What a text of version 2, and nothing else, begins with."""

MAX_DIGITS = 20
CHUNK = 4096
"""The vertices of so many cells are asked for together."""

Locate = Callable[[Sequence[int]], Sequence[Vertex]]
"""From numbers of vertices to the vertices."""

Skeleton = tuple[int, Sequence[tuple[int, int]], list[int]]
"""A cell of version 2, with -1 - v where vertex v comes first."""

_KEYS = (*HEAD, "vertices", "cells")
encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


# -- version 2 --------------------------------------------------------------------------------------------------------


def head_of(certificate: Certificate) -> Head:
    """The claim alone."""
    return Head(*certificate[:4])


def head_value(head: Head) -> dict[str, Any]:
    """The first line's value."""
    values = (FORMAT, VERSION, head.network, list(head.conventions), head.domain, head.counts)
    return dict(zip(HEAD, values, strict=True))


def skeletons(cells: Sequence[Cell]) -> Iterator[Skeleton]:
    """The cells as version 2 has them, but for the vertices.

    Version 2 allows a base only as long as it lacks a neighbour; where a cell is not beside its base, its pattern is
    written out. Raises RefutedCertificate where that would hide a change that changes nothing.
    """
    number: dict[int, int] = {}
    for i, (base, changes, polygon) in enumerate(cells):
        known = len(number)
        places = [number.setdefault(v, len(number)) for v in polygon]
        corners = [known - k if k < known else -1 - v for k, v in zip(places, polygon, strict=True)]
        if base >= 0 and not _beside(polygon, cells[base].polygon):
            before = dict(_pattern(cells, base))
            for unit, state in changes:
                if before.get(unit, 0) == state:
                    raise RefutedCertificate(f"cells[{i}]", f"unit {unit} has state {state} in its base already")
            base, changes = -1, tuple(_pattern(cells, i))
        yield i - base if base >= 0 else 0, changes, corners


def _beside(polygon: Sequence[int], other: Sequence[int]) -> bool:
    ends = set(zip(other, (*other[1:], other[0]), strict=True))
    return any(edge in ends for edge in zip((*polygon[1:], polygon[0]), polygon, strict=True))


def _pattern(cells: Sequence[Cell], cell: int) -> list[tuple[int, int]]:
    """All states of a cell that are not 0."""
    found: dict[int, int] = {}
    while cell >= 0:
        for unit, state in cells[cell].changes:
            found.setdefault(unit, state)
        cell = cells[cell].base
    return sorted((unit, state) for unit, state in found.items() if state)


def filled(cells: Iterable[Skeleton], locate: Locate) -> Iterator[list[Any]]:
    """The cells' values, their vertices put in."""
    rest = iter(cells)
    while some := list(islice(rest, CHUNK)):
        missing = [-1 - v for _, _, corners in some for v in corners if v < 0]
        located = iter(locate(missing))
        for back, changes, corners in some:
            yield [back, changes, [next(located) if v < 0 else v for v in corners]]


def values(certificate: Certificate) -> Iterator[Any]:
    """The values of version 2 that say what a certificate in memory says, but that A is the number of its cells.

    Raises MalformedCertificate where it is not of the form of a file.
    """
    try:
        head = head_value(head_of(certificate))
        counts = {**head["counts"], "A": len(certificate.cells)}
        cells = [_cell(cell, i, len(certificate.vertices)) for i, cell in enumerate(certificate.cells)]
    except (TypeError, ValueError, AttributeError) as error:  # whatever was put into it
        raise MalformedCertificate("certificate", f"is not one: {error}") from None
    for i, vertex in enumerate(certificate.vertices):
        if type(vertex) is not tuple:
            raise MalformedCertificate(f"vertices[{i}]", "is not a tuple")
    yield {**head, "counts": counts}
    yield from filled(skeletons(cells), lambda numbers: [certificate.vertices[v] for v in numbers])


def verify_in_memory(certificate: Certificate, statement: Statement, *options: Any) -> dict[str, int]:
    """`verify` for a certificate in memory: what it refutes is named by the certificate's own numbers.

    Version 2 cannot say that a vertex is in no cell, or that A is not the number of the cells: that is checked here.
    """
    given = values(certificate)
    head = next(given)
    order = list(dict.fromkeys(v for cell in certificate.cells for v in cell.polygon))
    unused = set(range(len(certificate.vertices))).difference(order)
    if unused:
        raise RefutedCertificate(f"vertices[{min(unused)}]", "is no cell's vertex")

    def own(text: str) -> str:
        return re.sub(r"\b(vertices\[|vertex )(\d+)", lambda found: f"{found[1]}{order[int(found[2])]}", text)

    try:
        counts = verify(chain([head], given), statement, *options)
    except RefutedCertificate as refutation:
        raise RefutedCertificate(own(refutation.place), own(refutation.reason)) from None
    if certificate.counts["A"] != counts["A"]:
        raise RefutedCertificate("counts.A", f"claims {certificate.counts['A']}, but there are {counts['A']}")
    return counts


def lines(head: Head, cells: Sequence[Cell], locate: Locate) -> Iterator[str]:
    """The lines of version 2, each with its end."""
    yield encode(head_value(head)) + "\n"
    for value in filled(skeletons(cells), locate):
        yield encode(value) + "\n"


# -- any version ------------------------------------------------------------------------------------------------------


def parse(text: str) -> Certificate:
    """Read a text. Raises MalformedCertificate, naming the place, unless it is exactly of the specified form."""
    if not text.startswith(START):
        return from_json(_parse_object(text))
    return collect(read(io.StringIO(text, newline="\n")))


def collect(values: Iterable[Any]) -> Certificate:
    """The certificate in memory that the values of version 2 say. Raises MalformedCertificate."""
    head, tiles = decode(values)
    vertices: list[Vertex] = []
    cells = []
    for tile in tiles:
        vertices += tile.new.values()
        cells.append(tile.cell)
    return Certificate(*head, tuple(vertices), tuple(cells))


# -- version 1 --------------------------------------------------------------------------------------------------------


def serialize(certificate: Certificate) -> str:
    """The text of version 1, a line per vertex and per cell. Raises InputError where a vertex has no coordinates."""
    if not all(len(vertex) == 3 for vertex in certificate.vertices):
        raise InputError("version 1 has no vertices that are defined by lines: give them coordinates")
    head = head_value(head_of(certificate)) | {"version": 1}
    vertices = (json.dumps([str(x) for x in point]) for point in certificate.vertices)
    cells = map(encode, certificate.cells)
    parts = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    parts += [f'"vertices": [\n{_listed(vertices)}\n]', f'"cells": [\n{_listed(cells)}\n]']
    return "{" + ",\n".join(parts) + "}\n"


def _listed(items: Iterable[str]) -> str:
    return ",\n".join(items)


def from_json(data: Any) -> Certificate:
    """The certificate in a JSON value of version 1. Raises MalformedCertificate unless it is of the specified form."""
    if not isinstance(data, dict) or tuple(data) != _KEYS:
        raise MalformedCertificate("certificate", f"is not one object with the keys {', '.join(_KEYS)}, in this order")
    if type(data["version"]) is not int or data["version"] != 1:
        raise MalformedCertificate("version", "this program reads versions 1 and 2 only")
    head, _ = decode([{**{key: data[key] for key in HEAD}, "version": VERSION}])
    for key in ("vertices", "cells"):
        if type(data[key]) is not list:
            raise MalformedCertificate(key, "is not a list")
    vertices = []
    for i, vertex in enumerate(data["vertices"]):
        if type(vertex) is not list or len(vertex) != 3:
            raise MalformedCertificate(f"vertices[{i}]", "is not a list [X, Y, W]")
        vertices.append(decode_vertex(vertex, f"vertices[{i}]"))
    cells = [_cell(cell, i, len(vertices)) for i, cell in enumerate(data["cells"])]
    return Certificate(*head, tuple(vertices), tuple(cells))


def _cell(value: Any, number: int, vertices: int) -> Cell:
    """A cell in the form of version 1, where cells and vertices have numbers."""
    place = f"cells[{number}]"
    if type(value) not in (list, Cell) or len(value) != 3:
        raise MalformedCertificate(place, "is not a list [base, changes, polygon]")
    base, changes, polygon = value
    if type(base) is not int or not -1 <= base < number:
        raise MalformedCertificate(place, "base is neither -1 nor an earlier cell")
    if type(polygon) not in (list, tuple) or any(type(v) is not int or not 0 <= v < vertices for v in polygon):
        raise MalformedCertificate(place, "the polygon is not a list of vertices' numbers")
    back = number - base if base >= 0 else 0
    return decode_cell([back, changes, [vertices - v for v in polygon]], number, vertices).cell


def _parse_object(text: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_no_float, parse_constant=_no_float
        )
    except MalformedCertificate:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedCertificate("certificate", f"is not JSON: {error}") from None


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
