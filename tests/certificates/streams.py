"""Version 2: what its text says, every way to change one of its values, false ones made by hand, and hostile texts.

It knows the format, but nothing of the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from certificates.forge import (
    ALWAYS_ZERO,
    CLIPPED,
    CORNERS,
    CROSS,
    FLAT,
    HALVES,
    SQUARE,
    TIE,
    TIE_CELLS,
    A,
    B,
    C,
    D,
    Domain,
    E,
    N,
    O,
    Point,
    S,
    W,
    relu,
    vertex,
)

import splinecam_exact as sx

Values = list[Any]
"""The JSON values of a text's lines."""


def values_of(text: str) -> Values:
    return [json.loads(line) for line in text.splitlines()]


def text_of(values: Values) -> str:
    return "".join(json.dumps(value, separators=(",", ":")) + "\n" for value in values)


def copied(values: Values) -> Values:
    return json.loads(json.dumps(values))


# -- every way to change one value ------------------------------------------------------------------------------------


def mutants(values: Values) -> Iterator[tuple[str, Values]]:
    """Every number one more and one less, every string changed, every entry left out, doubled, or put elsewhere."""
    for path in _paths(values):
        *way, key = path
        for name, edit in _EDITS.items():
            new = copied(values)
            holder: Any = new
            for step in way:
                holder = holder[step]
            try:
                edit(holder, key)
            except (TypeError, IndexError, ValueError, AttributeError):
                continue
            if new != values:
                yield f"{name} {path}", new


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from _paths(inside, (*path, key))


def _step(by: int) -> Callable[[Any, Any], None]:
    def edit(holder: Any, key: Any) -> None:
        if isinstance(holder[key], bool):
            raise TypeError
        holder[key] = str(int(holder[key]) + by) if isinstance(holder[key], str) else holder[key] + by

    return edit


def _put(value: Any) -> Callable[[Any, Any], None]:
    return lambda holder, key: holder.__setitem__(key, value)


def _swap(holder: Any, key: Any) -> None:
    holder[key], holder[key + 1] = holder[key + 1], holder[key]


_EDITS: dict[str, Callable[[Any, Any], None]] = {
    "one more": _step(1),
    "one less": _step(-1),
    "zero": _put(0),
    "a large number": _put(10**19),
    "too large a number": _put(10**20),
    "text": lambda holder, key: holder.__setitem__(key, str(holder[key])),
    "null": _put(None),
    "true": _put(True),
    "a float": lambda holder, key: holder.__setitem__(key, float(holder[key])),
    "nothing": _put([]),
    "an object": _put({}),
    "in a list": lambda holder, key: holder.__setitem__(key, [holder[key]]),
    "left out": lambda holder, key: holder.__delitem__(key),
    "twice": lambda holder, key: holder.insert(key, holder[key]),
    "swapped with the next": _swap,
    "reversed": lambda holder, key: holder[key].reverse(),
    "another digest": lambda holder, key: holder.__setitem__(key, holder[key][1:] + holder[key][0]),
}


# -- texts made by hand -----------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A cell to be written: how many lines back its base is, the changes, and corners.

    A corner is a point, which becomes a new vertex where it comes first; or an int or a list, written as it is; or
    ("new", point), which becomes a new vertex though it is none.
    """

    back: int
    changes: Sequence[Sequence[int]]
    corners: Sequence[Any]


def stream(net: sx.Network, dom: Domain, lines: Sequence[Line], **counts: int) -> Values:
    """The values of a certificate with these lines. The counts are those that the cells suggest, if not given."""
    number: dict[Point, int] = {}
    vertices = 0
    cells: Values = []
    for back, changes, corners in lines:
        known, entries = vertices, []
        for corner in corners:
            forced = isinstance(corner, tuple) and corner[0] == "new"
            point = corner[1] if forced else corner
            if not isinstance(point, tuple):
                entries.append(point)
                vertices += isinstance(point, list)
                continue
            x, y = place = Fraction(point[0]), Fraction(point[1])
            if place in number and not forced:
                entries.append(known - number[place])
                continue
            number[place] = vertices
            vertices += 1
            entries.append(vertex(x, y))
        cells.append([back, [list(change) for change in changes], entries])
    faces = len(cells)
    implied = {"A": faces, "L": faces, "P": faces, "V": vertices, "E": vertices + faces - 1}
    return [head(net, dom, **{**implied, **counts}), *cells]


def head(net: sx.Network, dom: Domain, **counts: int) -> dict[str, Any]:
    return {
        "format": "splinecam-exact certificate",
        "version": 2,
        "network": net.digest,
        "conventions": list(net.conventions),
        "domain": dom.digest,
        "counts": counts,
    }


class StreamAttack(NamedTuple):
    """A false certificate of version 2, what it is about, and the place and reason (a part of it)."""

    net: sx.Network
    dom: Domain
    values: Values
    place: str
    reason: str


STREAM_ATTACKS: dict[str, Callable[[], StreamAttack]] = {}


def attack(function: Callable[[], StreamAttack]) -> Callable[[], StreamAttack]:
    STREAM_ATTACKS[function.__name__.replace("_", " ")] = function
    return function


ON, OFF = [[0, 2], [1, 2]], []
ROUND = [  # the four quadrants, each beside the one before
    Line(0, [[0, 2], [1, 2]], [O, E, C, N]),
    Line(1, [[0, 0]], [N, D, W, O]),
    Line(1, [[1, 0]], [O, W, A, S]),
    Line(1, [[0, 2]], [S, B, E, O]),
]


@attack
def vertex_named_after_it_is_complete() -> StreamAttack:
    """The middle is complete after four cells; a fifth one names it."""
    lines = [*ROUND, Line(1, [[0, 1]], [O, E, C])]
    return StreamAttack(CROSS, SQUARE, stream(CROSS, SQUARE, lines), "cells[4]", "cells on all sides already")


@attack
def vertex_introduced_again_after_it_is_complete() -> StreamAttack:
    """The middle once more, as a new vertex, in a cell upon others."""
    lines = [*ROUND, Line(1, [[0, 1]], [("new", O), E, C])]
    return StreamAttack(CROSS, SQUARE, stream(CROSS, SQUARE, lines), "cells[4]", "belongs to cells[0]")


@attack
def domain_covered_again_with_new_vertices() -> StreamAttack:
    """After all cells the whole domain once more, with vertices of its own."""
    lines = [Line(0, [], CORNERS), Line(0, [], [("new", p) for p in CORNERS])]
    return StreamAttack(FLAT, SQUARE, stream(FLAT, SQUARE, lines, V=8, E=8), "vertices[0]", "has no opposite")


@attack
def triangle_upon_others_with_new_vertices() -> StreamAttack:
    new = [("new", p) for p in (("1/4", "1/4"), ("1/2", "1/4"), ("1/4", "1/2"))]
    lines = [*ROUND, Line(0, [[0, 2], [1, 2]], new)]
    return StreamAttack(CROSS, SQUARE, stream(CROSS, SQUARE, lines), "vertices[9]", "has no opposite")


@attack
def vertex_introduced_twice() -> StreamAttack:
    """The middle of the left side as two vertices, one for each of the cells there."""
    lines = [*ROUND[:2], Line(1, [[1, 0]], [O, ("new", W), A, S]), ROUND[3]]
    values = stream(CROSS, SQUARE, lines)
    return StreamAttack(CROSS, SQUARE, values, "vertices[0]", "an edge without an opposite leaves the boundary")


@attack
def vertex_introduced_twice_in_one_polygon() -> StreamAttack:
    lines = [Line(0, [], [A, B, C, ("new", C), D])]
    values = stream(FLAT, SQUARE, lines)
    return StreamAttack(FLAT, SQUARE, values, "cells[0]", "one point twice, at its corner 3")


@attack
def edge_that_never_closes() -> StreamAttack:
    """A slit: the edge between the two upper quadrants is a different one for each of them."""
    slit = ("new", N)
    lines = [ROUND[0], Line(1, [[0, 0]], [slit, D, W, O]), *ROUND[2:]]
    return StreamAttack(CROSS, SQUARE, stream(CROSS, SQUARE, lines), "vertices[0]", "leaves the boundary")


@attack
def gap_in_the_middle() -> StreamAttack:
    """The cell that fills it comes last, and is left out."""
    net = relu((1, 0, "1/2"), (1, 0, "-1/2"), (0, 1, "1/2"), (0, 1, "-1/2"))
    steps = [-1, Fraction(-1, 2), Fraction(1, 2), 1]
    lines = []
    for i, j in ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        states = [2 * (i > 0), 2 * (i > 1), 2 * (j > 0), 2 * (j > 1)]
        (x, s), (y, t) = (steps[i : i + 2], steps[j : j + 2])
        lines.append(Line(0, [[u, state] for u, state in enumerate(states) if state], [(x, y), (s, y), (s, t), (x, t)]))
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "vertices[2]", "has no opposite")


@attack
def base_that_is_complete() -> StreamAttack:
    """A cell inside has its four neighbours; then it serves as a base."""
    net, lines = grid_around()
    lines[5] = lines[5]._replace(back=5, changes=[[0, 2], [2, 2]])
    return StreamAttack(
        net, SQUARE, stream(net, SQUARE, lines), "cells[5]", "its base, cells[0], has neighbours on all"
    )


def grid_around() -> tuple[sx.Network, list[Line]]:
    """Nine squares, the one in the middle first, then its neighbours, then those in the corners."""
    net = relu((1, 0, "1/2"), (1, 0, "-1/2"), (0, 1, "1/2"), (0, 1, "-1/2"))
    steps = [-1, Fraction(-1, 2), Fraction(1, 2), 1]
    lines = []
    for i, j in ((1, 1), (1, 0), (2, 1), (1, 2), (0, 1), (0, 0), (2, 0), (2, 2), (0, 2)):
        states = [2 * (i > 0), 2 * (i > 1), 2 * (j > 0), 2 * (j > 1)]
        (x, s), (y, t) = (steps[i : i + 2], steps[j : j + 2])
        lines.append(Line(0, [[u, state] for u, state in enumerate(states) if state], [(x, y), (s, y), (s, t), (x, t)]))
    return net, lines


@attack
def neighbours_of_one_pattern() -> StreamAttack:
    lines = [Line(0, [], [A, B, C]), Line(1, [], [A, C, D])]
    return StreamAttack(FLAT, SQUARE, stream(FLAT, SQUARE, lines, L=1, P=1), "cells[1]", "has the pattern of cells[0]")


@attack
def one_pattern_for_cells_that_are_apart() -> StreamAttack:
    """The strips on the left and on the right: no neighbours, so it is their states that are wrong."""
    net = relu((1, 0, "1/2"), (1, 0, "-1/2"))
    strips = [("-1", "-1/2"), ("-1/2", "1/2"), ("1/2", "1")]
    lines = [
        Line(0, changes, [(x, -1), (s, -1), (s, 1), (x, 1)])
        for changes, (x, s) in zip(([], [[0, 2]], []), strips, strict=True)
    ]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "cells[2]", "unit 0 is not in its state at vertex 6")


@attack
def state_that_changes_across_another_line() -> StreamAttack:
    lines = [Line(0, [], [A, ("1/2", -1), ("1/2", 1), D]), Line(1, [[0, 2]], [("1/2", -1), B, C, ("1/2", 1)])]
    return StreamAttack(HALVES, SQUARE, stream(HALVES, SQUARE, lines), "cells[0]", "unit 0 is not in its state at")


@attack
def state_that_changes_the_wrong_way() -> StreamAttack:
    lines = [Line(0, [[0, 2]], [A, S, N, D]), Line(1, [[0, 0]], [S, B, C, N])]
    return StreamAttack(HALVES, SQUARE, stream(HALVES, SQUARE, lines), "cells[0]", "unit 0 is not in its state at")


@attack
def state_that_does_not_change() -> StreamAttack:
    """The unit's line crosses the domain, and no state changes at it: one corner gives it away."""
    net = relu((1, 1, "3/2"), (1, 0, 0))
    lines = [Line(0, [[0, 2]], [A, S, N, D]), Line(1, [[1, 2]], [S, B, C, N])]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "cells[0]", "unit 0 is not in its state at vertex 0")


@attack
def state_that_does_not_change_around_a_hole() -> StreamAttack:
    """Two units change across the edges of a square inside. One of them has another line there, all the way round."""
    net, lines = grid_around()
    lines[0] = lines[0]._replace(changes=[[0, 2], [1, 2], [2, 2]])
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "cells[0]", "unit 1 is not in its state at vertex 0")


@attack
def zero_where_a_unit_is_not() -> StreamAttack:
    lines = [Line(0, [], [A, S, N, D]), Line(1, [[0, 1]], [S, B, C, N])]
    return StreamAttack(HALVES, SQUARE, stream(HALVES, SQUARE, lines), "cells[1]", "unit 0 is not in its state")


@attack
def unit_without_a_line_marked_off() -> StreamAttack:
    net = relu((0, 0, 0))
    return StreamAttack(
        net, SQUARE, stream(net, SQUARE, [Line(0, [], CORNERS)]), "cells[0]", "is at a breakpoint at every"
    )


@attack
def constant_unit_marked_on() -> StreamAttack:
    net = relu((0, 0, -1))
    lines = [Line(0, [[0, 2]], CORNERS)]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "cells[0]", "unit 0 is not in its state at vertex 0")


@attack
def breakpoints_in_the_wrong_order() -> StreamAttack:
    cells = [(0, "-1", "-1/2"), (4, "-1/2", "1/2"), (2, "1/2", "1")]
    lines = [Line(0, [[0, s]] if s else [], [(x, -1), (t, -1), (t, 1), (x, 1)]) for s, x, t in cells]
    return StreamAttack(CLIPPED, SQUARE, stream(CLIPPED, SQUARE, lines), "cells[1]", "unit 0 is not in its state at")


@attack
def zero_unit_of_a_second_layer_marked_on() -> StreamAttack:
    lines = [Line(0, [[1, 2]], CORNERS)]
    values = stream(ALWAYS_ZERO, SQUARE, lines)
    return StreamAttack(ALWAYS_ZERO, SQUARE, values, "cells[0]", "unit 1 is at a breakpoint at every corner")


@attack
def affine_maps_miscounted() -> StreamAttack:
    net = sx.from_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, -1]], [0])])  # x = relu(x) - relu(-x)
    lines = [Line(0, [[1, 2]], [A, S, N, D]), Line(1, [[0, 2], [1, 0]], [S, B, C, N])]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines, L=1), "counts.P", "claims 2, but there are 1")


@attack
def lines_that_are_parallel() -> StreamAttack:
    net = relu((1, 0, 0), (1, 0, "-1/2"))
    lines = [Line(0, [], [[0, 1], B, C, D])]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "vertices[0]", "0 and 1 do not meet in one point")


@attack
def lines_that_coincide() -> StreamAttack:
    net = relu((1, 0, 0), (2, 0, 0))
    lines = [Line(0, [], [[0, 1], B, C, D])]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "vertices[0]", "0 and 1 do not meet in one point")


@attack
def line_of_a_constant_unit() -> StreamAttack:
    net = relu((1, 0, 0), (0, 0, 1))
    lines = [Line(0, [], [[0, 1], B, C, D])]
    return StreamAttack(net, SQUARE, stream(net, SQUARE, lines), "vertices[0]", "0 and 1 do not meet in one point")


@attack
def line_of_a_unit_that_does_not_exist() -> StreamAttack:
    lines = [Line(0, [], [[-1, 2], B, C, D])]
    return StreamAttack(CROSS, SQUARE, stream(CROSS, SQUARE, lines), "vertices[0]", "-1 and 2 do not both exist")


@attack
def side_that_does_not_exist() -> StreamAttack:
    lines = [Line(0, [], [[-5, 0], B, C, D])]
    return StreamAttack(CROSS, SQUARE, stream(CROSS, SQUARE, lines), "vertices[0]", "-5 and 0 do not both exist")


@attack
def line_of_the_second_layer() -> StreamAttack:
    lines = [Line(0, [], [[0, 1], B, C, D])]
    return StreamAttack(ALWAYS_ZERO, SQUARE, stream(ALWAYS_ZERO, SQUARE, lines), "vertices[0]", "do not both exist")


@attack
def line_of_a_maximum() -> StreamAttack:
    lines = [Line(0, [[0, 5]], [[-1, 0], B, C])]
    return StreamAttack(TIE, SQUARE, stream(TIE, SQUARE, lines), "vertices[0]", "-1 and 0 do not both exist")


@attack
def vertex_defined_by_other_lines() -> StreamAttack:
    """The corner (1, 1) where (-1, 1) must be."""
    lines = [Line(0, [], [[-4, -1], [-2, -1], [-3, -2], ("new", (0, 1))])]
    values = stream(FLAT, SQUARE, lines)
    return StreamAttack(FLAT, SQUARE, values, "vertices", "corner 3 of the domain is not among them")


@attack
def ties_swapped() -> StreamAttack:
    lines = [Line(0, [[0, 2]], TIE_CELLS[0][1]), Line(0, [[0, 5]], TIE_CELLS[1][1])]
    return StreamAttack(TIE, SQUARE, stream(TIE, SQUARE, lines), "cells[0]", "unit 0 is not in its state at vertex 1")


@attack
def other_network_under_this_ones_name() -> StreamAttack:
    other = relu((1, 0, 0), (0, 1, "1/1000000007"))
    y = "-1/1000000007"
    lines = [
        Line(0, [[0, 2], [1, 2]], [(0, y), (1, y), C, N]),
        Line(1, [[0, 0]], [N, D, (-1, y), (0, y)]),
        Line(1, [[1, 0]], [(0, y), (-1, y), A, S]),
        Line(1, [[0, 2]], [S, B, (1, y), (0, y)]),
    ]
    values = stream(CROSS, SQUARE, lines)
    assert stream(other, SQUARE, lines)[1:] == values[1:]
    return StreamAttack(CROSS, SQUARE, values, "cells[1]", "unit 1 is not in its state at vertex 0")


for _key, _place in (("network", HALVES.digest), ("domain", sx.square(2).digest), ("conventions", ["rounded"])):

    def _other(key: str = _key, said: Any = _place) -> StreamAttack:
        values = stream(CROSS, SQUARE, ROUND)
        values[0][key] = said
        return StreamAttack(CROSS, SQUARE, values, key, "the certificate is about")

    STREAM_ATTACKS[f"head: other {_key}"] = _other

for _key in "LPVE":

    def _count(key: str = _key) -> StreamAttack:
        values = stream(CROSS, SQUARE, ROUND)
        values[0]["counts"][key] += 1
        return StreamAttack(CROSS, SQUARE, values, f"counts.{key}", "claims ")

    STREAM_ATTACKS[f"head: {_key} one too many"] = _count


# -- texts that are no certificates -----------------------------------------------------------------------------------

ROUND_TEXT = text_of(stream(CROSS, SQUARE, ROUND))
LAST = ROUND_TEXT.splitlines()[-1]
MANY = "1" * 5000


def _line(number: int, edit: Callable[[str], str]) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        lines[number] = edit(lines[number])
        return "".join(lines)

    return change


HOSTILE_STREAMS: dict[str, Callable[[str], str]] = {
    "no cells": lambda t: t.splitlines(keepends=True)[0],
    "one cell missing": lambda t: t.removesuffix(LAST + "\n"),
    "a cell too many": lambda t: t + LAST + "\n",
    "null at the end": lambda t: t + "null\n",
    "an empty line at the end": lambda t: t + "\n",
    "an empty line between": lambda t: t.replace("\n", "\n\n", 2),
    "no end of the last line": lambda t: t[:-1],
    "half of the last line": lambda t: t[:-10],
    "lines of another system": lambda t: t.replace("\n", "\r\n"),
    "a line with a blank": _line(2, lambda line: line.replace(",", ", ", 1)),
    "a line that ends in a blank": _line(2, lambda line: line[:-1] + " \n"),
    "a line that begins with a blank": _line(2, lambda line: " " + line),
    "a blank in the head": _line(0, lambda line: line.replace('"counts":', '"counts": ')),
    "two cells on one line": lambda t: t.replace("]]]\n[", "]]],["),
    "two lines joined": _line(2, lambda line: line[:-1]),
    "minus zero": _line(1, lambda line: line.replace("[0,", "[-0,", 1)),
    "a float": _line(2, lambda line: line.replace("[1,", "[1.0,", 1)),
    "an exponent": _line(2, lambda line: line.replace("[1,", "[1e0,", 1)),
    "a leading zero": _line(2, lambda line: line.replace("[1,", "[01,", 1)),
    "NaN": _line(2, lambda line: line.replace("[1,", "[NaN,", 1)),
    "an escape": _line(1, lambda line: line.replace('"0"', '"\\u0030"', 1)),
    "an escape in the head": _line(0, lambda line: line.replace('"counts"', '"\\u0063ounts"')),
    "a key twice": _line(0, lambda line: line.replace('"A":4', '"A":4,"A":4')),
    "another key": _line(0, lambda line: line.replace('"counts"', '"claims"')),
    "counts in another order": _line(0, lambda line: line.replace('"A":4,"L":4', '"L":4,"A":4')),
    "a count of 21 digits": _line(0, lambda line: line.replace('"L":4', '"L":100000000000000000000')),
    "more cells announced": _line(0, lambda line: line.replace('"A":4', '"A":5')),
    "fewer cells announced": _line(0, lambda line: line.replace('"A":4', '"A":3')),
    "endless cells announced": _line(0, lambda line: line.replace('"A":4', f'"A":{"9" * 20}')),
    "no cells announced": _line(0, lambda line: line.replace('"A":4', '"A":0')),
    "upper-case digest": _line(0, lambda line: line.replace(SQUARE.digest, SQUARE.digest.upper())),
    "a convention that is no text": _line(0, lambda line: line.replace('"conventions":[]', '"conventions":[1]')),
    "a version in text": _line(0, lambda line: line.replace('"version":2', '"version":"2"')),
    "version 3": _line(0, lambda line: line.replace('"version":2', '"version":3')),
    "version 1": _line(0, lambda line: line.replace('"version":2', '"version":1')),
    "version 1 after version 2": lambda t: t + '{"format": "splinecam-exact certificate",\n"version": 1}\n',
    "an object for a cell": _line(2, lambda line: "{}\n"),
    "a string for a cell": _line(2, lambda line: '"abc"\n'),
    "a string for changes": _line(2, lambda line: line.replace("[[0,0]]", '""')),
    "an object for changes": _line(2, lambda line: line.replace("[[0,0]]", "{}")),
    "a change of three": _line(2, lambda line: line.replace("[[0,0]]", "[[0,0,0]]")),
    "changes out of order": _line(1, lambda line: line.replace("[0,2],[1,2]", "[1,2],[0,2]")),
    "a unit twice": _line(1, lambda line: line.replace("[0,2],[1,2]", "[0,2],[0,2]")),
    "a negative state": _line(2, lambda line: line.replace("[[0,0]]", "[[0,-1]]")),
    "a base before the first": _line(1, lambda line: line.replace("[0,", "[1,", 1)),
    "a base after the cell": _line(2, lambda line: line.replace("[1,", "[-1,", 1)),
    "a base that is far": _line(2, lambda line: line.replace("[1,", f"[{'9' * 20},", 1)),
    "a number of many digits": _line(2, lambda line: line.replace("[1,", f"[{MANY},", 1)),
    "a corner 0": _line(2, lambda line: line[:-4] + "0]]\n"),
    "a negative corner": _line(2, lambda line: line[:-4] + "-1]]\n"),
    "a corner before the first": _line(2, lambda line: line[:-4] + "5]]\n"),
    "a corner that is true": _line(2, lambda line: line[:-4] + "true]]\n"),
    "a corner that is text": _line(2, lambda line: line[:-4] + '"4"]]\n'),
    "a corner twice": _line(2, lambda line: line[:-4] + "1]]\n"),
    "no corners": _line(2, lambda line: "[1,[[0,0]],[]]\n"),
    "two corners": _line(2, lambda line: "[1,[[0,0]],[1,2]]\n"),
    "a point of two strings": _line(1, lambda line: line.replace('["0","0","1"]', '["0","0"]')),
    "a point of four": _line(1, lambda line: line.replace('["0","0","1"]', '["0","0","1","1"]')),
    "a point of nothing": _line(1, lambda line: line.replace('["0","0","1"]', "[]")),
    "a point of numbers": _line(1, lambda line: line.replace('["0","0","1"]', "[0,0,1]")),
    "a point at infinity": _line(1, lambda line: line.replace('["0","0","1"]', '["0","0","0"]')),
    "a point not in lowest terms": _line(1, lambda line: line.replace('["0","0","1"]', '["0","0","2"]')),
    "a point with a plus": _line(1, lambda line: line.replace('["0","0","1"]', '["+0","0","1"]')),
    "lines in another order": _line(1, lambda line: line.replace('["0","0","1"]', "[1,0]")),
    "one line twice": _line(1, lambda line: line.replace('["0","0","1"]', "[1,1]")),
    "a line of 21 digits": _line(1, lambda line: line.replace('["0","0","1"]', f"[0,1{'0' * 20}]")),
    "a line that is true": _line(1, lambda line: line.replace('["0","0","1"]', "[0,true]")),
    "a point with brackets": _line(1, lambda line: line.replace('"0"', "[" * 500 + "]" * 500, 1)),
    "deep brackets": _line(2, lambda line: "[" * 100_000 + "]" * 100_000 + "\n"),
    "unclosed brackets": lambda t: t + "[" * 10**6,
    "a byte order mark": lambda t: "\ufeff" + t,
    "a NUL": _line(2, lambda line: line[:-1] + "\0\n"),
    "a separator of lines": _line(2, lambda line: line[:-1] + "\u2028\n"),
    "other digits": _line(2, lambda line: line.replace("[1,", "[\u0661,", 1)),
}
