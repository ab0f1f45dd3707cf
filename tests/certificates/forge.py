"""Certificates written by hand, and the small networks that the tests of the checker are about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import splinecam_exact as sx
from splinecam_exact.nodes import Affine, Max, Piecewise

Tree = dict[str, Any]
Domain = sx.Polygon | sx.Slice
Point = tuple[Any, Any]
CellWith = tuple[Sequence[int], Sequence[Point]]
"""(state of each unit, corners)."""


def forge(net: sx.Network, dom: Domain, cells: Iterable[CellWith], extra: Iterable[Point] = (), **counts: int) -> Tree:
    """The JSON tree of a certificate with these cells. The counts are those that the cells suggest, if not given."""
    number: dict[Point, int] = {}
    rows = []
    for states, polygon in cells:
        shape = [number.setdefault((Fraction(x), Fraction(y)), len(number)) for x, y in polygon]
        rows.append([-1, [[u, s] for u, s in enumerate(states) if s], shape])
    for x, y in extra:
        number.setdefault((Fraction(x), Fraction(y)), len(number))
    faces, vertices = len(rows), len(number)
    implied = {"A": faces, "L": faces, "P": faces, "V": vertices, "E": vertices + faces - 1}
    return {
        "format": "splinecam-exact certificate",
        "version": 1,
        "network": net.digest,
        "conventions": list(net.conventions),
        "domain": dom.digest,
        "counts": {**implied, **counts},
        "vertices": [vertex(x, y) for x, y in number],
        "cells": rows,
    }


def vertex(x: Fraction, y: Fraction) -> list[str]:
    w = lcm(x.denominator, y.denominator)
    return [str(x * w), str(y * w), str(w)]


def version_1(net: sx.Network, dom: Domain) -> str:
    """The text of the true certificate, in version 1."""
    return sx.certify(net, dom).with_coordinates(net, dom).to_text(1)


def honest(net: sx.Network, dom: Domain) -> Tree:
    """The true certificate's tree, its patterns written out."""
    tree = json.loads(version_1(net, dom))
    found: list[dict[int, int]] = []
    for base, changes, _ in tree["cells"]:
        found.append({**(found[base] if base >= 0 else {}), **dict(changes)})
    patterns = [[[u, s] for u, s in sorted(p.items()) if s] for p in found]
    tree["cells"] = [[-1, changes, cell[2]] for changes, cell in zip(patterns, tree["cells"], strict=True)]
    return tree


def relu(*rows: Sequence[Any]) -> sx.Network:
    """One ReLU per row (a, b, c) of coefficients of a*x + b*y + c, and their sum."""
    return sx.from_layers([([row[:2] for row in rows], [row[2] for row in rows]), ([[1] * len(rows)], [0])])


SQUARE = sx.square(1)
A, B, C, D = (-1, -1), (1, -1), (1, 1), (-1, 1)  # its corners, and the middles of its sides
S, E, N, W = (0, -1), (1, 0), (0, 1), (-1, 0)
O = (0, 0)  # noqa: E741 - the origin
CORNERS = [A, B, C, D]
FLAT = sx.from_layers([([[1, 2]], [3])])  # no units: one cell
HALVES = relu((1, 0, 0))
CROSS = relu((1, 0, 0), (0, 1, 0))
QUADRANTS: list[CellWith] = [
    ((2, 2), [O, E, C, N]),
    ((0, 2), [N, D, W, O]),
    ((0, 0), [O, W, A, S]),
    ((2, 0), [S, B, E, O]),
]
ALWAYS_ZERO = sx.from_layers([([[1, 0]], [-5]), ([[1]], [0]), ([[1]], [0])])  # relu(relu(x - 5)): unit 1 has input 0
CLIPPED = sx.from_layers([([[2, 0]], [0], "hardtanh")])
TIE = sx.Network(2, [Affine((0,), ([[1, 0], [0, 1], [1, 0]],), [0, 0, 0]), Max(1, ((0, 1, 2),))])  # max(x, y, x)
TIE_CELLS: list[CellWith] = [((5,), [A, B, C]), ((2,), [A, C, D])]
# a hat in x: the cells on the left and on the right have the map 0, and do not touch
BUMP = sx.from_layers([([[1, 0], [1, 0], [1, 0]], ["1/2", 0, "-1/2"]), ([[1, -2, 1]], [0])])
TRIANGLE = relu((0, 1, "1/2"), (1, 0, "1/2"), (1, 1, "-1/4"))  # three lines around the middle


def adjust(tree: Tree, **changes: int) -> None:
    """Change some counts by so much."""
    for key, change in changes.items():
        tree["counts"][key] += change


_PLAIN = [([[1, 0], [0, 1], [1, 1]], [0, 0, -1]), ([[1, 1, -2]], [0])]
_DEEP = [
    ([["1/2", 1], [1, "-1/3"]], ["1/5", 0]),
    ([[1, -1], [-1, 2]], ["-1/4", "-1/3"]),
    ([[1, 1], [-1, 2]], ["-1/7", "-1/5"]),
    ([[1, -3]], [0]),
]
_LEAKY = Piecewise.leaky_relu("1/4")
_STEPS = Piecewise.of([["-1/2", 0, "1/2"]], [[1, 0, 2, -1]], ["1/3"])
_WIDE = ([[1, 0, 2, 0, -2], [0, 1, 0, 1, 1], [1, 1, 1, -1, 1]], ["-3/2", "-1/2", -2])
_PLANE = [[1, 0, 0, 0, 1], [0, 1, "1/2", 0, 0]]

SUBJECTS: dict[str, tuple[sx.Network, Domain]] = {
    "plain": (sx.from_layers(_PLAIN), SQUARE),
    "no units": (FLAT, sx.Polygon([(0, 0), (3, 0), (1, "7/3")])),
    "deep": (sx.from_layers(_DEEP), sx.Polygon([(-1, -1), (1, -1), (2, 1), (0, 2)])),
    "zero units": (
        sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [1, -1]], [0, 0]), ([[1, 1]], [0])]),
        SQUARE,
    ),
    "max with ties": (
        sx.Network(
            2,
            [
                Affine((0,), ([[1, 0], [0, 1], [1, 0], [0, 0]],), [0, 0, 0, 0]),
                Max(1, ((0, 1, 2), (1, 3), (3,))),
                Affine((2,), ([[1, -1, 5], [0, 1, 0]],), ["-1/2", 0]),
                Piecewise.relu(3),
            ],
        ),
        SQUARE,
    ),
    "several breakpoints": (
        sx.from_layers([([[1, 0], [1, 1]], [0, 0], _STEPS), ([[1, 1]], [0], "hardtanh"), ([[1]], [0], _LEAKY)]),
        SQUARE,
    ),
    "slice": (
        sx.from_layers([_WIDE, ([[1, 2, 3]], [0])]),
        sx.Slice([0, 0, 1, "1/3", 0], _PLANE, sx.Polygon([(0, 0), (3, -2), (1, 3)])),
    ),
    "conventions": (sx.from_layers(_PLAIN, ["folded as float64", "inputs as given"]), sx.square("2/3")),
    "regions": (BUMP, SQUARE),
}
"""True statements: a certificate of each is what the tests corrupt."""
