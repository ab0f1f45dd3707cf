"""The certificate: what it holds, and how it is read, a cell at a time. The specification is proofs/format.md.

A certificate is the subdivision itself: the vertices, and for each activation cell its polygon and its pattern. The
pattern is written as the changes from an earlier cell's, so that the size grows with the cells, not cells times units.
Reading checks the form only; whether the content is true is the checker's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from gmpy2 import gcd, mpz

from splinecam_exact.kernel.errors import InputError, MalformedCertificate
from splinecam_exact.kernel.rational import Point, parse_integer

FORMAT = "splinecam-exact certificate"
VERSION = 2
HEAD = ("format", "version", "network", "conventions", "domain", "counts")
COUNTS = ("A", "L", "P", "V", "E")
LARGEST = 10**20
"""Counts, indices and states are less; coordinates are strings, of any length."""

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FREE = re.compile(r"[\s\\]|-0")
_LISTS = (list, tuple)
_encode = json.JSONEncoder(separators=(",", ":")).encode

Change = tuple[int, int]
"""(unit number, state)."""

Vertex = Point | tuple[int, int]
"""A point, or two lines that meet in it: k stands for cut k of the first layer, -1 - i for the domain's side i."""


class Head(NamedTuple):
    """The claim: the cells are those of this network on this domain, and these are the counts."""

    network: str
    conventions: tuple[str, ...]
    domain: str
    counts: dict[str, int]


class Cell(NamedTuple):
    """One activation cell: pattern = that of the earlier cell `base` (-1: every state 0) with `changes` applied."""

    base: int
    changes: tuple[Change, ...]
    polygon: tuple[int, ...]


class Certificate(NamedTuple):
    """A certificate in memory: a `Head`, and the witness, where vertices and cells are numbered from 0."""

    network: str
    conventions: tuple[str, ...]
    domain: str
    counts: dict[str, int]
    vertices: Sequence[Vertex]
    cells: Sequence[Cell]


class Tile(NamedTuple):
    """A cell as the checker meets it, with the vertices that no earlier cell has."""

    cell: Cell
    new: dict[int, Vertex]


def read(lines: Iterable[str]) -> Iterator[Any]:
    """The JSON values on a text's lines, each of which must be written, with its end, in the one way specified.

    Raises MalformedCertificate, naming the line.
    """
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            # A cell has only one form without these; the rest of its form is `decode`'s business.
            strict = _encode(value) + "\n" == line if number == 1 else not _FREE.search(line, 0, len(line) - 1)
        except (ValueError, RecursionError):
            strict = False
        if not strict or line[-1] != "\n":
            raise MalformedCertificate(f"line {number}", "is cut off, or not written as specified")
        yield value


def decode(values: Iterable[Any]) -> tuple[Head, Iterator[Tile]]:
    """The head, at once, and the cells, as they are asked for, from the JSON values of the lines.

    Raises MalformedCertificate, naming the place, where one is not of the specified form. Coordinates may be mpz.
    """
    rest = iter(values)
    head = _head(next(rest, None))
    return head, _tiles(rest, head.counts["A"])


def _head(data: Any) -> Head:
    if not isinstance(data, dict) or tuple(data) != HEAD:
        raise MalformedCertificate("certificate", f"does not begin with an object of the keys {', '.join(HEAD)}")
    if data["format"] != FORMAT:
        raise MalformedCertificate("format", f"is not {FORMAT!r}")
    _number(data["version"], VERSION, VERSION + 1, "version")
    for key in ("network", "domain"):
        if not isinstance(data[key], str) or _DIGEST.fullmatch(data[key]) is None:
            raise MalformedCertificate(key, "is not a digest of 64 hexadecimal digits")
    conventions, counts = _list(data["conventions"], "conventions"), data["counts"]
    if not all(isinstance(text, str) for text in conventions):
        raise MalformedCertificate("conventions", "are not all strings")
    if not isinstance(counts, dict) or tuple(counts) != COUNTS:
        raise MalformedCertificate("counts", f"is not an object with the keys {', '.join(COUNTS)}, in this order")
    for key, count in counts.items():
        _number(count, 0, LARGEST, f"counts.{key}")
    return Head(data["network"], tuple(conventions), data["domain"], counts)


def _tiles(values: Iterator[Any], count: int) -> Iterator[Tile]:
    number = vertices = 0
    for number, value in enumerate(values, 1):
        if number > count:
            raise MalformedCertificate(f"cells[{count}]", f"is one too many: {count} are announced")
        tile = decode_cell(value, number - 1, vertices)
        vertices += len(tile.new)
        yield tile
    if number < count:
        raise MalformedCertificate(f"cells[{number}]", f"is missing: {count} are announced")


def decode_cell(value: Any, number: int, vertices: int) -> Tile:
    """A cell, where the earlier ones have so many vertices. Numbers of cells and vertices count backwards."""
    place = f"cells[{number}]"
    back, changes, corners = _list(value, place, 3)
    base = number - back if _number(back, 0, number + 1, place) else -1
    pairs: list[Change] = []
    for change in _list(changes, place):
        unit, state = _list(change, place, 2)
        _number(state, 0, LARGEST, place)
        pairs.append((_number(unit, pairs[-1][0] + 1 if pairs else 0, LARGEST, place), state))
    polygon: list[int] = []
    new: dict[int, Vertex] = {}
    for corner in _list(corners, place):
        if type(corner) is int and 0 < corner <= vertices:
            polygon.append(vertices - corner)
        elif type(corner) in _LISTS:
            name = vertices + len(new)
            new[name] = decode_vertex(corner, f"vertices[{name}]")
            polygon.append(name)
        else:
            raise MalformedCertificate(place, "a corner is neither a vertex nor the number of an earlier one")
    if len(set(polygon)) < max(3, len(polygon)):
        raise MalformedCertificate(place, "the polygon is not a list of three or more different vertices")
    return Tile(Cell(base, tuple(pairs), tuple(polygon)), new)


def decode_vertex(value: Any, place: str) -> Vertex:
    if len(value) == 2:
        j = _number(value[0], -LARGEST, LARGEST, place)
        return j, _number(value[1], j + 1, LARGEST, place)
    try:
        x, y, w = (c if type(c) is mpz else parse_integer(c) for c in _list(value, place, 3))
    except InputError as error:
        raise MalformedCertificate(place, str(error)) from None
    if w <= 0 or gcd(gcd(x, y), w) != 1:
        raise MalformedCertificate(place, "W is not positive, or X, Y and W have a common factor")
    return x, y, w


def _list(value: Any, place: str, size: int | None = None) -> Any:
    if type(value) not in _LISTS or size not in (None, len(value)):
        raise MalformedCertificate(place, "is, or holds, something else than a list" + f" of {size}" * bool(size))
    return value


def _number(value: Any, least: int, end: int, place: str) -> int:
    if type(value) is not int or not least <= value < end:
        raise MalformedCertificate(place, f"is or holds {value!r:.40}, not an integer from {least} on, below {end}")
    return value
