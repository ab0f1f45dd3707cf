"""Well-known text: POLYGON ((0 0, 1 0, 0 1, 0 0)) and its relatives, read into GeoJSON mappings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from splinecam_exact.comparison.adapters.geometry import MAX_DEPTH
from splinecam_exact.kernel.errors import FileFormatError

_TOKEN = re.compile(r"\s*([A-Za-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+](?:inf|nan)|[(),;])", re.ASCII)
_TYPES = {
    name.upper(): (name, depth)
    for name, depth in (
        ("Point", 0),
        ("LineString", 1),
        ("Polygon", 2),
        ("MultiPoint", 1),
        ("MultiLineString", 2),
        ("MultiPolygon", 3),
    )
}
_NUMBER = re.compile(r"[-+]?(\d|\.\d|inf|nan)", re.ASCII | re.IGNORECASE)


def parse_wkt(text: str, place: str) -> list[Any]:
    """The geometries of a text, one after another, with blanks, new lines or semicolons between, as GeoJSON mappings.

    Coordinates become float64, the nearest to what is written. "nan" and "inf" are taken: they are what a tool claims.
    Raises FileFormatError, naming line and column.

    >>> parse_wkt("POLYGON ((0 0, 1 0, 0 1, 0 0))", "a text")[0]["coordinates"]
    [[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]
    """
    reader = _Reader(text, place)
    found = []
    while reader.token:
        if reader.token == ";":
            reader.advance()
        else:
            found.append(reader.geometry(0))
    return found


class _Reader:
    """The tokens of a text, one at a time; "" at its end."""

    def __init__(self, text: str, place: str) -> None:
        self.text, self.place, self.start, self.end = text, place, 0, 0
        self.token = ""
        self.advance()

    def advance(self) -> str:
        """The token that was current; the next one becomes it."""
        passed = self.token
        match = _TOKEN.match(self.text, self.end)
        if match is None and self.text[self.end :].strip():
            self.start = self.end + len(self.text[self.end :]) - len(self.text[self.end :].lstrip())
            self.refuse("is no part of well-known text")
        self.token = match[1] if match else ""
        self.start = match.start(1) if match else len(self.text)
        self.end = match.end() if match else len(self.text)
        return passed

    def refuse(self, reason: str) -> NoReturn:
        line = self.text.count("\n", 0, self.start) + 1
        column = self.start - (self.text.rfind("\n", 0, self.start) + 1) + 1
        shown = self.text[self.start : self.start + 20].split("\n")[0]
        raise FileFormatError(f"{self.place}, line {line}, column {column}", f"{shown!r}: {reason}")

    def expect(self, token: str) -> None:
        if self.token != token:
            self.refuse(f"{token!r} is expected here")
        self.advance()

    def geometry(self, depth: int) -> dict[str, Any]:
        kind = self.token.upper()
        if depth > MAX_DEPTH:
            self.refuse(f"more than {MAX_DEPTH} collections lie in one another")
        if kind != "GEOMETRYCOLLECTION" and kind not in _TYPES:
            self.refuse("is no type of geometry")
        self.advance()
        if self.token.upper() in {"Z", "M", "ZM"}:
            self.refuse("points have two coordinates here")
        if kind == "GEOMETRYCOLLECTION":
            parts = [] if self._empty() else list(self._listed(lambda: self.geometry(depth + 1)))
            return {"type": "GeometryCollection", "geometries": parts}
        name, nesting = _TYPES[kind]
        if self._empty():
            return {"type": f"Multi{name.removeprefix('Multi')}", "coordinates": []}
        if nesting == 0:
            self.expect("(")
            point = self._point()
            self.expect(")")
            return {"type": name, "coordinates": point}
        return {"type": name, "coordinates": self._nested(nesting)}

    def _empty(self) -> bool:
        empty = self.token.upper() == "EMPTY"
        if empty:
            self.advance()
        return empty

    def _nested(self, nesting: int) -> list[Any]:
        return list(self._listed(self._point if nesting == 1 else lambda: self._nested(nesting - 1)))

    def _listed(self, item: Any) -> Iterator[Any]:
        self.expect("(")
        yield item()
        while self.token == ",":
            self.advance()
            yield item()
        self.expect(")")

    def _point(self) -> list[float]:
        bracket = self.token == "("  # MULTIPOINT ((0 0), (1 1))
        if bracket:
            self.advance()
        point = []
        for _ in range(2):
            if not _NUMBER.match(self.token):
                self.refuse("a number is expected here")
            point.append(float(self.advance()))
        if bracket:
            self.expect(")")
        return point
