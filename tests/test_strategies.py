"""The strategies construct the degeneracies that they promise: a strategy that stopped doing so would hide bugs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from gmpy2 import mpq
from hypothesis import given, settings

import splinecam_exact as sx
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

PROMISED = {
    "a Max group with a tie on a cell",
    "a breakline along a side of the domain",
    "a breakline through a corner of the domain",
    "a cell tiny beside the domain",
    "a layer without biases",
    "a slice",
    "a unit at its breakpoint everywhere",
    "a unit at its breakpoint on some cells only",
    "coincident breaklines of one layer",
    "coincident breaklines of two layers",
    "one cell",
    "fewer affine pieces than regions",
    "fewer regions than cells",
    "four breaklines through one vertex",
    "more than 50 cells",
    "three breaklines through one vertex",
}


def test_every_promised_degeneracy_is_constructed() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=250, derandomize=True, database=None)
    @given(degenerate_networks())
    def draw(plain: PlainNetwork) -> None:
        seen.update(set(degeneracies(plain)))

    draw()
    assert set(seen) == PROMISED


def degeneracies(plain: PlainNetwork) -> Iterator[str]:
    part = sx.partition(plain.network(), plain.domain())
    counts = part.counts()
    layer_of = [k for k, layer in enumerate(plain.layers) for _ in layer.groups or layer.curves]
    is_max = [bool(plain.layers[k].groups) for k in layer_of]
    at_breakpoint: Counter[int] = Counter()
    for face in part.faces:
        odd = [unit for unit, state in enumerate(face.pattern) if not is_max[unit] and state % 2]
        at_breakpoint.update(odd)
        if any(is_max[unit] and state.bit_count() > 1 for unit, state in enumerate(face.pattern)):
            yield "a Max group with a tie on a cell"
        if face.area < plain.domain().polygon.area / 2**40:
            yield "a cell tiny beside the domain"
    for number in at_breakpoint.values():
        yield f"a unit at its breakpoint {'everywhere' if number == len(part.faces) else 'on some cells only'}"
    degree: Counter[int] = Counter()
    boundary: set[int] = set()
    for edge in part.edges:
        degree.update(edge.vertices)
        layers = {layer_of[unit] for unit in edge.units}
        if len(layers) > 1:
            yield "coincident breaklines of two layers"
        if len(edge.units) > len(layers):
            yield "coincident breaklines of one layer"
        if -1 in edge.faces:
            boundary.update(edge.vertices)
            (face_index,) = set(edge.faces) - {-1}
            (x0, y0), (x1, y1) = (map(as_fraction, part.vertices[v]) for v in edge.vertices)
            states = plain.evaluate(((x0 + x1) / 2, (y0 + y1) / 2))[1]
            pairs = zip(states, part.faces[face_index].pattern, strict=True)
            if any(a % 2 and not b % 2 and not is_max[unit] for unit, (a, b) in enumerate(pairs)):
                yield "a breakline along a side of the domain"
    corners = set(plain.domain().corners)
    for vertex, point in enumerate(part.vertices):
        if point in corners and degree[vertex] > 2:
            yield "a breakline through a corner of the domain"
        if vertex not in boundary and degree[vertex] >= 6:
            yield "three breaklines through one vertex"
        if vertex not in boundary and degree[vertex] >= 8:
            yield "four breaklines through one vertex"
    if counts["A"] == 1:
        yield "one cell"
    if counts["A"] > 50:
        yield "more than 50 cells"
    if counts["L"] < counts["A"]:
        yield "fewer regions than cells"
    if counts["P"] < counts["L"]:
        yield "fewer affine pieces than regions"
    if plain.embedding is not None:
        yield "a slice"
    if any(layer.curves and not any(layer.bias) for layer in plain.layers):
        yield "a layer without biases"


def as_fraction(q: mpq) -> Fraction:
    return Fraction(int(q.numerator), int(q.denominator))
