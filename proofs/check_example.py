"""A second checker of certificates, for plain ReLU networks. It was written from proofs/format.md alone.

It uses the standard library only, and of it `fractions` for all arithmetic. It takes another road than the package's
checker where there is one: rational coordinates, no packed integers, and a different test of convexity.

    python proofs/check_example.py CERTIFICATE STATEMENT

It reads both versions, and a whole certificate at a time: the streaming of version 2 changes nothing in what it says.

STATEMENT is a JSON file {"layers": [{"W": [["1", "-1/2"], ...], "b": ["0", ...]}, ...], "domain": [["-1", "-1"], ...]}:
a ReLU follows each layer but the last; the domain's corners are strictly convex and counter-clockwise. With the further
keys "origin" and "basis" the domain is a slice. Exit codes: 0 verified, 1 refuted, 3 not a certificate.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

Point = tuple[Fraction, Fraction]
Matrix = list[list[Fraction]]
Layer = tuple[Matrix, list[Fraction]]

HEAD = ["format", "version", "network", "conventions", "domain", "counts"]
KEYS = [*HEAD, "vertices", "cells"]
COUNTS = ["A", "L", "P", "V", "E"]
VERSION_2 = '{"format":"splinecam-exact certificate","version":2,'


class Malformed(Exception):
    """The text is not a certificate."""


class Refuted(Exception):
    """The certificate claims something false."""


class Statement(NamedTuple):
    """What is to be certified: `layers` is the network, `plane` the slice in front of it or None."""

    layers: list[Layer]
    corners: list[Point]
    plane: Layer | None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Statement:
        """The statement that a JSON object makes."""
        layers = [(_matrix(layer["W"]), _vector(layer["b"])) for layer in data["layers"]]
        corners = [(Fraction(x), Fraction(y)) for x, y in data["domain"]]
        n = len(corners)
        if n < 3 or any(turn(corners[k - 2], corners[k - 1], corners[k]) <= 0 for k in range(n)):
            raise ValueError("the domain is not strictly convex and counter-clockwise")
        plane = None
        if "origin" in data:
            plane = [list(pair) for pair in zip(*_matrix(data["basis"]), strict=True)], _vector(data["origin"])
        first = corners.index(min(corners))
        return cls(layers, corners[first:] + corners[:first], plane)

    def digests(self) -> dict[str, object]:
        """What a certificate of this statement says it is about."""
        return {"network": network_digest(self), "conventions": [], "domain": domain_digest(self)}


def _vector(strings: list[str]) -> list[Fraction]:
    return [Fraction(text) for text in strings]


def _matrix(rows: list[list[str]]) -> Matrix:
    return [_vector(row) for row in rows]


def verify(text: str, statement: Statement) -> dict[str, int]:
    """The proved counts; raises Malformed or Refuted."""
    data = read_lines(text) if text.startswith(VERSION_2) else read(text)
    for key, given in statement.digests().items():
        refute(data[key] != given, f"{key}: the certificate is about {data[key]}, what was given is {given}")
    points = [locate(vertex, statement) for vertex in data["vertices"]]
    if data["version"] == 2:
        check_bases(data["cells"])
    polygons = [polygon for _, _, polygon in data["cells"]]
    states = decode_patterns(data["cells"], sum(len(bias) for _, bias in statement.layers[:-1]))
    for i, polygon in enumerate(polygons):
        check_convex(i, [points[v] for v in polygon])
    left = check_tiling(points, polygons, statement.corners)
    signs, outputs = zip(*(evaluate(statement, point) for point in points), strict=True)
    for i, polygon in enumerate(polygons):
        for u, state in enumerate(states[i]):
            found = {signs[v][u] for v in polygon}
            refute(not {state - 1} <= found <= {0, state - 1}, f"cells[{i}]: unit {u} is not in state {state}")
    maps = [affine_map([(points[v], outputs[v]) for v in polygon]) for polygon in polygons]
    edges = {(min(e), max(e)) for e in left}
    counts = {"A": len(maps), "L": regions(maps, left), "P": len(set(maps)), "V": len(points), "E": len(edges)}
    for key in COUNTS:
        refute(data["counts"][key] != counts[key], f"counts.{key}: is {counts[key]}, not {data['counts'][key]}")
    return counts


def refute(false: bool, reason: str) -> None:
    """Raise Refuted where the claim is false."""
    if false:
        raise Refuted(reason)


# -- the form ---------------------------------------------------------------------------------------------------------


def need(condition: bool, place: str) -> None:
    """Raise Malformed where the text is no certificate."""
    if not condition:
        raise Malformed(place)


def natural(value: object) -> bool:
    """Whether a JSON value is a number that is not negative, of at most 20 digits."""
    return type(value) is int and 0 <= value < 10**20


def read(text: str) -> dict[str, Any]:
    """The JSON object of a certificate of version 1, its form checked; vertices as integers."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(items)) == len(items), "a key occurs twice")
        return dict(items)

    def refuse(number: str) -> None:
        need(False, f"the number {number}")

    def integer(number: str) -> int:
        need(number != "-0" and len(number) <= 20, "the number -0, or one of over 20 characters")
        return int(number)

    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_int=integer, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from None
    need(isinstance(data, dict) and list(data) == KEYS, "keys")
    check_head(data, 1)
    for key in ("vertices", "cells"):
        need(isinstance(data[key], list), key)
    data["vertices"] = [read_point(vertex, f"vertices[{i}]") for i, vertex in enumerate(data["vertices"])]
    for i, cell in enumerate(data["cells"]):
        need(isinstance(cell, list) and len(cell) == 3, f"cells[{i}]")
        need(type(cell[0]) is int and -1 <= cell[0] < i, f"cells[{i}]: base")
        need(isinstance(cell[2], list) and all(map(natural, cell[2])), f"cells[{i}]: polygon")
        need(max(cell[2], default=0) < max(1, len(data["vertices"])), f"cells[{i}]: polygon")
        check_cell(i, cell)
    return dict(data)


def read_lines(text: str) -> dict[str, Any]:
    """The content of version 2 as that of version 1: but vertices may be pairs of lines' numbers."""
    lines = text.split("\n")
    need(lines.pop() == "", "the last line is cut off")
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(json.loads(line))
            need(json.dumps(values[-1], separators=(",", ":")) == line, f"line {number}")
        except (ValueError, RecursionError) as error:
            raise Malformed(f"line {number}: {error}") from None
    data = values.pop(0)
    need(isinstance(data, dict) and list(data) == HEAD, "keys")
    check_head(data, 2)
    need(len(values) == data["counts"]["A"], "the number of cells")
    data |= {"vertices": [], "cells": []}
    for i, value in enumerate(values):
        need(isinstance(value, list) and len(value) == 3, f"cells[{i}]")
        back, changes, corners = value
        need(natural(back) and back <= i, f"cells[{i}]: base")
        need(isinstance(corners, list), f"cells[{i}]: polygon")
        known, polygon = len(data["vertices"]), []
        for corner in corners:
            if isinstance(corner, list):
                polygon.append(len(data["vertices"]))
                data["vertices"].append(read_vertex(corner, f"vertices[{polygon[-1]}]"))
            else:
                need(natural(corner) and 1 <= corner <= known, f"cells[{i}]: polygon")
                polygon.append(known - corner)
        data["cells"].append([i - back if back else -1, changes, polygon])
        check_cell(i, data["cells"][-1])
    return data


def check_head(data: dict[str, Any], version: int) -> None:
    """Everything but vertices and cells."""
    need(data["format"] == "splinecam-exact certificate", "format")
    need(type(data["version"]) is int and data["version"] == version, "version")
    for key in ("network", "domain"):
        need(isinstance(data[key], str) and re.fullmatch("[0-9a-f]{64}", data[key]) is not None, key)
    need(isinstance(data["conventions"], list), "conventions")
    need(all(isinstance(convention, str) for convention in data["conventions"]), "conventions")
    need(isinstance(data["counts"], dict) and list(data["counts"]) == COUNTS, "counts")
    need(all(map(natural, data["counts"].values())), "counts")


def check_cell(i: int, cell: Any) -> None:
    """A cell's changes, and that its polygon has three or more different vertices."""
    _, changes, polygon = cell
    need(isinstance(changes, list), f"cells[{i}]: changes")
    for change in changes:
        need(isinstance(change, list) and len(change) == 2 and all(map(natural, change)), f"cells[{i}]: changes")
    need(all(p[0] < q[0] for p, q in pairwise(changes)), f"cells[{i}]: changes")
    need(len(polygon) >= 3 and len(set(polygon)) == len(polygon), f"cells[{i}]: polygon")


def read_vertex(value: list[Any], place: str) -> tuple[int, ...]:
    """Two numbers of lines, or a point."""
    if len(value) != 2:
        return read_point(value, place)
    need(all(type(k) is int and abs(k) < 10**20 for k in value) and value[0] < value[1], place)
    return tuple(value)


def read_point(value: Any, place: str) -> tuple[int, ...]:
    """Homogeneous coordinates."""
    need(isinstance(value, list) and len(value) == 3, place)
    need(all(isinstance(x, str) and re.fullmatch("0|-?[1-9][0-9]*", x) for x in value), place)
    x, y, w = map(int, value)
    need(w > 0 and math.gcd(x, y, w) == 1, place)
    return x, y, w


# -- the statement's digests ------------------------------------------------------------------------------------------


def array_digest(shape: tuple[int, ...], values: list[Fraction]) -> bytes:
    """The digest of an array, given in row-major order."""
    den = math.lcm(*(q.denominator for q in values))
    kind, content = "rational", " ".join(map(str, [den, *(q * den for q in values)])).encode()
    try:
        floats = [float(q) for q in values]
    except OverflowError:
        floats = []
    if floats == values:
        kind, content = "float64", struct.pack(f"<{len(floats)}d", *floats)
    return hashlib.sha256(f"{kind} {shape}\n".encode() + content).digest()


def network_digest(statement: Statement) -> str:
    """The digest of a plain ReLU network, as lower-case hexadecimal."""
    relu = [array_digest(s, [Fraction(x) for x in v]) for s, v in (((1, 1), (0,)), ((1, 2), (0, 1)), ((1,), (0,)))]
    parts: list[bytes] = []
    for k, (weights, bias) in enumerate(statement.layers):
        shape = (len(bias), len(weights[0]))
        parts.append(f"affine {(2 * k,)} {[shape]}".encode())
        parts += [array_digest(shape, [w for row in weights for w in row]), array_digest((len(bias),), bias)]
        if k < len(statement.layers) - 1:
            parts += [f"piecewise {2 * k + 1}".encode(), *relu]
    inputs, nodes = len(statement.layers[0][0][0]), 2 * len(statement.layers) - 1
    parts.insert(0, f"splinecam-exact network 1: {inputs} inputs, {nodes} nodes".encode())
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).hexdigest()


def domain_digest(statement: Statement) -> str:
    """The digest of a polygon or a slice, as lower-case hexadecimal."""
    content: dict[str, Any] = {"polygon": [[str(x), str(y)] for x, y in statement.corners]}
    if statement.plane is not None:
        basis, origin = statement.plane
        content |= {"origin": list(map(str, origin)), "basis": [list(map(str, b)) for b in zip(*basis, strict=True)]}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# -- the content ------------------------------------------------------------------------------------------------------


def decode_patterns(cells: list[Any], units: int) -> list[list[int]]:
    """The states of all units on every cell; they must exist, and no two cells may agree."""
    states: list[list[int]] = []
    for i, (base, changes, _) in enumerate(cells):
        mine = list(states[base]) if base >= 0 else [0] * units
        for unit, state in changes:
            refute(unit >= units or state > 2, f"cells[{i}]: there is no unit {unit} with a state {state}")
            refute(mine[unit] == state, f"cells[{i}]: unit {unit} does not change")
            mine[unit] = state
        states.append(mine)
    refute(len(set(map(tuple, states))) != len(states), "cells: two have one pattern")
    return states


def locate(vertex: tuple[int, ...], statement: Statement) -> Point:
    """The point that a vertex is: given by coordinates, or where two lines meet."""
    if len(vertex) == 3:
        x, y, w = vertex
        return Fraction(x, w), Fraction(y, w)
    (a, b, c), (d, e, f) = (line(k, statement) for k in vertex)
    refute(a * e == b * d, f"vertices: the lines {vertex} do not meet in one point")
    return (b * f - c * e) / (a * e - b * d), (c * d - a * f) / (a * e - b * d)


def line(number: int, statement: Statement) -> tuple[Fraction, Fraction, Fraction]:
    """(a, b, c) with a x + b y + c = 0 on the line: of a unit of the first layer, or of a side of the domain."""
    corners, (weights, bias) = statement.corners, statement.layers[0]
    cuts = len(bias) if len(statement.layers) > 1 else 0
    refute(not -len(corners) <= number < cuts, f"vertices: there is no line {number}")
    if number < 0:
        (x, y), (s, t) = corners[-1 - number], corners[-number % len(corners)]
        return y - t, s - x, x * t - s * y
    row, offset = weights[number], bias[number]
    if statement.plane is not None:
        basis, origin = statement.plane
        offset = offset + sum(w * o for w, o in zip(row, origin, strict=True))
        row = [sum((w * pair[k] for w, pair in zip(row, basis, strict=True)), Fraction(0)) for k in (0, 1)]
    return row[0], row[1], offset


def check_bases(cells: list[Any]) -> None:
    """A base must lack a neighbour when it is used."""
    waiting: dict[tuple[int, int], int] = {}
    for i, (base, _, polygon) in enumerate(cells):
        refute(base >= 0 and base not in waiting.values(), f"cells[{i}]: its base, cells[{base}], is complete")
        for k, v in enumerate(polygon):
            if waiting.pop((v, polygon[k - 1]), None) is None:
                waiting[polygon[k - 1], v] = i


def turn(p: Point, q: Point, r: Point) -> Fraction:
    """Positive where the way from p by q to r turns left."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def check_convex(i: int, polygon: list[Point]) -> None:
    """All corners lie on the left of every edge or on its line (and no point is there twice: see check_tiling)."""
    turns = [turn(polygon[k - 1], p, q) for k, p in enumerate(polygon) for q in polygon]
    refute(min(turns) < 0 or max(turns) == 0, f"cells[{i}]: is not a convex polygon, run through counter-clockwise")


def check_tiling(points: list[Point], polygons: list[list[int]], corners: list[Point]) -> dict[tuple[int, int], int]:
    """The polygons cover the domain once; returns the cell on the left of every directed edge."""
    refute(len(set(points)) != len(points), "vertices: one point occurs twice")
    left: dict[tuple[int, int], int] = {}
    degree = [0] * len(points)
    for i, polygon in enumerate(polygons):
        for k, v in enumerate(polygon):
            edge = polygon[k - 1], v
            refute(edge in left, f"cells[{i}]: the edge {edge} belongs to another cell too")
            left[edge] = i
            degree[v] += 1
    open_edges = {(points[u], points[v]) for u, v in left if (v, u) not in left}
    for here, end in zip(corners, corners[1:] + corners[:1], strict=True):
        # Among the edges on this side and in its direction, each begins where the one before it ends.
        side = [e for e in open_edges if turn(here, end, e[0]) == 0 == turn(here, end, e[1])]
        for p, q in sorted(side, reverse=here > end):
            refute(p != here or (p < q) != (here < end), "vertices: the domain's boundary is not covered once")
            here = q
        refute(here != end, "vertices: the domain's boundary is not covered")
        open_edges.difference_update(side)
    refute(bool(open_edges), "cells: an edge inside the domain has a cell on one side only")
    for u, v in left:
        degree[u] += (v, u) not in left  # on the boundary, which is one closed walk, there is one edge more than cells
    for v, d in enumerate(degree):
        refute(d < 2 or (d == 2 and points[v] not in corners), f"vertices[{v}]: is no vertex of the subdivision")
    return left


def evaluate(statement: Statement, point: Point) -> tuple[list[int], list[Fraction]]:
    """The sign of every unit's input, and the outputs, at a point of the plane."""
    values, signs = list(point), []
    if statement.plane is not None:
        values = affine(statement.plane, values)
    for layer in statement.layers[:-1]:
        h = affine(layer, values)
        signs += [(x > 0) - (x < 0) for x in h]
        values = [max(x, Fraction(0)) for x in h]
    return signs, affine(statement.layers[-1], values)


def affine(layer: Layer, values: list[Fraction]) -> list[Fraction]:
    """W x + b."""
    rows = zip(*layer, strict=True)
    return [sum((w * x for w, x in zip(row, values, strict=True)), b) for row, b in rows]


def affine_map(corners: list[tuple[Point, list[Fraction]]]) -> tuple[Fraction, ...]:
    """The coefficients of the outputs on a cell, from their values at three corners that are not in line."""
    for k in range(len(corners)):
        (p, f), (q, g), (r, h) = corners[k - 2], corners[k - 1], corners[k]
        if area := turn(p, q, r):
            break
    found: list[Fraction] = []
    for at_p, at_q, at_r in zip(f, g, h, strict=True):
        s, t = at_q - at_p, at_r - at_p
        a = (s * (r[1] - p[1]) - t * (q[1] - p[1])) / area
        b = (t * (q[0] - p[0]) - s * (r[0] - p[0])) / area
        found += [a, b, at_p - a * p[0] - b * p[1]]
    return tuple(found)


def regions(maps: list[tuple[Fraction, ...]], left: dict[tuple[int, int], int]) -> int:
    """The number of sets of cells that have one map and hang together through edges."""
    neighbours: list[list[int]] = [[] for _ in maps]
    for (u, v), i in left.items():
        j = left.get((v, u), i)
        if maps[i] == maps[j]:
            neighbours[i].append(j)
    seen: set[int] = set()
    count = 0
    for start in range(len(maps)):
        count += start not in seen
        queue = [start]
        while queue:
            if (i := queue.pop()) not in seen:
                seen.add(i)
                queue += neighbours[i]
    return count


def main(certificate: str, statement: str) -> int:
    """Check the certificate in one file against the statement in another."""
    given = Statement.from_json(json.loads(Path(statement).read_text(encoding="utf-8")))
    try:
        counts = verify(Path(certificate).read_text(encoding="utf-8"), given)
    except Refuted as refutation:
        print("refuted:", refutation)
        return 1
    except Malformed as error:
        print("malformed:", error)
        return 3
    print("verified:", *(f"{key}={count}" for key, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
