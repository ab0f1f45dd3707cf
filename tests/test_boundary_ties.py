"""Arg-max boundaries where outputs tie: read off the vertices, and by one more partition, they are the same lists."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from boundary_oracle import arg_max_set, drawn
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.arrays import ExactArray
from splinecam_exact.boundary_agreeing import rows
from splinecam_exact.boundary_argmax import trace_argmax
from splinecam_exact.boundary_cells import vertex_values
from splinecam_exact.boundary_duels import trace_duels
from splinecam_exact.boundary_identical import identical
from splinecam_exact.nodes import Affine, Piecewise
from splinecam_exact.testing.strategies import degenerate_networks

pytest.importorskip("torch", reason="mode certified needs torch")

SQUARE = sx.square(1)
IDENTITY = [[1, 0], [0, 1]]
SMALL = st.integers(-2, 2)


def same(net: sx.Network, dom: sx.Polygon | sx.Slice) -> sx.Boundary:
    """The boundary, after its lists were compared with those that one more partition gives."""
    part = sx.partition(net, dom, "certified")
    found = sx.boundary(part)
    by_corners = trace_duels(part, None)
    assert by_corners is not None
    assert lists(replace(found, trace=by_corners)) == lists(replace(found, trace=trace_argmax(part, None, None)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("splinecam_exact.boundary_duels.vertex_values", nothing_known)
        exactly = trace_duels(part, None)
    assert exactly is not None
    assert lists(replace(found, trace=exactly)) == lists(found)
    for segment in found.exact:
        check_classes(part, segment)
    if found.slack:
        for (x, y), (u, v) in zip(found.points, found.trace.places.fast.tolist(), strict=True):
            assert (mpq(u) - x) ** 2 + (mpq(v) - y) ** 2 <= mpq(found.slack) ** 2
    return found


def nothing_known(net: sx.Network, part: sx.Subdivision, compared: bool, kept: object) -> object:
    """Values as float64 has them where it says nothing: all must be decided exactly."""
    shape = part.geometry.vertex_count, net.output_size
    values, errors = np.zeros(shape), np.full(shape, np.inf)
    return SimpleNamespace(values=values, errors=errors, sharpen=lambda vertices, outputs: None)


def barely_known(net: sx.Network, part: sx.Subdivision, compared: bool, kept: object) -> object:
    """Values that are off by as much as their errors allow: what is read off them must not be."""
    known = vertex_values(net, part, compared)
    assert known is not None
    random = np.random.default_rng(part.geometry.vertex_count)
    noise = float(abs(known.values).max()) * 2.0 ** random.uniform(-30, -4) * random.uniform(-1, 1, known.values.shape)
    values, errors = known.values + noise, (known.errors + abs(noise)) * (1 + 2.0**-40)
    return SimpleNamespace(values=values, errors=errors, sharpen=lambda vertices, outputs: None)


@pytest.mark.parametrize("seed", range(60))
def test_values_that_are_barely_known_give_the_same_lists(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    outputs = int(random.integers(3, 6))
    layers = [
        (random.normal(size=(6, 2)), random.normal(size=6)),
        (random.normal(size=(outputs, 6)), np.zeros(outputs)),
    ]
    part = sx.partition(sx.from_layers(layers), SQUARE, "certified")
    found = sx.boundary(part)
    monkeypatch.setattr("splinecam_exact.boundary_duels.vertex_values", barely_known)
    trace = trace_duels(part, None)
    assert trace is not None
    assert lists(replace(found, trace=trace)) == lists(found)


def test_outputs_beyond_float64_meet() -> None:
    huge = 2**1000
    signs = [([[huge, 0], [0, huge], [-huge, 0], [0, -huge]], [0] * 4)]
    net = sx.from_layers([*signs, ([[huge, 0, -huge, 0], [0, huge, 0, -huge], [-huge, -huge, huge, huge]], [1, 2, 3])])
    assert len(same(net, SQUARE).triple_points) == 1


def lists(found: sx.Boundary) -> dict[str, list[object]]:
    """All that a boundary says, in an order and a direction that do not depend on how it was found."""
    segments: list[object] = []
    for s in found.exact:
        flip = s.ends[0] > s.ends[1]
        order = slice(None, None, -1 if flip else 1)
        segments.append((s.ends[order], s.faces[order], s.changes, s.classes[order] if s.changes else ()))
    filled: list[object] = []
    for area in found.filled:
        k = area.polygon.index(min(area.polygon))
        filled.append((area.face, area.polygon[k:] + area.polygon[:k], area.classes))
    return {
        "segments": sorted(segments),  # type: ignore[type-var]
        "filled": sorted(filled),  # type: ignore[type-var]
        "isolated": sorted(found.isolated_points),
        "triple": sorted(found.triple_points),
        "points": sorted(found.points),
    }


def check_classes(part: sx.Subdivision, segment: sx.BoundarySegment) -> None:
    """The two classes are different and largest on the segment."""
    (a, b), (c, d) = segment.ends
    outputs = part.network.evaluate(part.domain.embed(((a + c) / 2, (b + d) / 2)))
    i, j = segment.classes
    assert i != j
    assert outputs[i] == outputs[j] == max(outputs)


@st.composite
def tied_networks(draw: st.DrawFn) -> tuple[sx.Network, sx.Polygon | sx.Slice]:
    """Two to five outputs on top of a degenerate network: copies, constants, small multiples of its values added to one
    row, and biases that make outputs equal at one or two vertices, at the middle of an edge, or inside a face."""
    plain = draw(degenerate_networks(max_layers=2, max_width=4, max_cells=20))
    below, dom = plain.network(), plain.domain()
    size, outputs = below.output_size, draw(st.integers(2, 5))
    base = draw(st.lists(SMALL, min_size=size, max_size=size))
    rows: list[list[int]] = []
    for _ in range(outputs):
        recipe = draw(st.sampled_from(["near", "near", "near", "free", "constant", "copy"]))
        row = list(base)
        if recipe == "near":
            row[draw(st.integers(0, size - 1))] += draw(st.integers(-1, 1))
        elif recipe == "constant":
            row = [0] * size
        elif recipe == "free":
            row = draw(st.lists(SMALL, min_size=size, max_size=size))
        elif rows:
            row = draw(st.sampled_from(rows))
        rows.append(row)
    bias = [mpq(0)] * outputs
    if draw(st.booleans()):
        bias = [mpq(b, 4) for b in draw(st.lists(SMALL, min_size=outputs, max_size=outputs))]
    net = topped(below, rows, bias)
    spots = draw(st.integers(0, 2))
    if spots:
        places = meeting_places(sx.partition(below, dom, "certified"))
        some = draw(st.lists(st.integers(0, outputs - 1), min_size=outputs, max_size=outputs))
        for k in range(spots):
            there = net.evaluate(dom.embed(draw(st.sampled_from(places))))
            chosen = [i for i in range(outputs) if k == 0 or some[i] == some[0]]  # the second time not all move
            bias = [b - there[i] * (i in chosen) for i, b in enumerate(bias)]
            net = topped(below, rows, bias)
    return net, dom


def meeting_places(part: sx.Subdivision) -> list[tuple[mpq, mpq]]:
    """Vertices, middles of edges, points inside faces."""
    ends = [[part.vertices[v] for v in edge.vertices] for edge in part.edges]
    middles = [tuple((p + q) / 2 for p, q in zip(*two, strict=True)) for two in ends]
    return [*part.vertices, *middles, *(face.witness for face in part.faces)]  # type: ignore[list-item]


def topped(below: sx.Network, rows: list[list[int]], bias: list[mpq]) -> sx.Network:
    """A network with one more affine layer."""
    last = Affine((len(below.nodes),), (ExactArray.of(rows),), ExactArray.of(bias))
    return sx.Network(below.input_size, [*below.nodes, last])


@given(tied_networks())
def test_ties_give_the_same_lists_as_one_more_partition(drawn_network: tuple[sx.Network, sx.Polygon]) -> None:
    same(*drawn_network)


@given(tied_networks())
def test_ties_give_the_set_where_two_outputs_are_largest(drawn_network: tuple[sx.Network, sx.Polygon]) -> None:
    part = sx.partition(*drawn_network, "certified")
    assert drawn(sx.boundary(part)) == arg_max_set(part)


@st.composite
def integer_networks(draw: st.DrawFn) -> sx.Network:
    """Small integers everywhere, perhaps no biases: many ties, at the origin above all."""
    sizes = (2, *draw(st.lists(st.integers(1, 5), min_size=1, max_size=2)), draw(st.integers(2, 5)))
    biased = draw(st.booleans())
    layers = []
    for a, b in pairwise(sizes):
        weights = draw(st.lists(st.lists(SMALL, min_size=a, max_size=a), min_size=b, max_size=b))
        layers.append((weights, draw(st.lists(SMALL, min_size=b, max_size=b)) if biased else [0] * b))
    return sx.from_layers(layers)


@given(integer_networks(), st.sampled_from([SQUARE, sx.square(2), sx.Polygon([(0, 0), (2, 0), (0, 1)])]))
def test_integer_networks_give_the_same_lists(net: sx.Network, dom: sx.Polygon) -> None:
    same(net, dom)


# -- one kind of tie each ---------------------------------------------------------------------------------------------


def summary(found: sx.Boundary) -> tuple[int, int, int, int]:
    numbers = found.summary()
    return tuple(numbers[k] for k in ("segments", "filled areas", "isolated points", "triple points"))  # type: ignore


@pytest.mark.parametrize(
    ("name", "weights", "bias", "expected"),
    [
        ("all identical", [[1, 2]] * 3, [1] * 3, (4, 1, 0, 4)),
        ("all constant", [[0, 0]] * 2, [5] * 2, (4, 1, 0, 0)),
        ("one is above", [[0, 0], [1, 0], [1, 0]], [2, 0, 0], (0, 0, 0, 0)),
        ("a copy on top on one half", [[0, 0], [1, 0], [1, 0]], [0, 0, 0], (4, 1, 0, 2)),
        ("copies on both halves", [[-1, 0], [-1, 0], [1, 0], [1, 0]], [0] * 4, (7, 2, 0, 2)),
        ("a third touches along the line", [[-1, 0], [1, 0], [0, 0]], [0] * 3, (1, 0, 0, 2)),
        ("four meet in a point inside", [[1, 0], [0, 1], [-1, 0], [0, -1]], [0] * 4, (4, 0, 0, 1)),
        ("five meet in a point inside", [[1, 0], [0, 1], [-1, 0], [0, -1], [0, 0]], [0] * 5, (4, 0, 0, 1)),
        ("tie at a corner of the domain", [[1, 1], [0, 0]], [2, 0], (0, 0, 1, 0)),
        ("three tie at a corner of the domain", [[1, 1], [0, 0], [1, 2]], [2, 0, 3], (1, 0, 0, 1)),
        ("tie along a side of the domain", [[1, 0], [0, 0]], [1, 0], (1, 0, 0, 0)),
        ("three tie along a side of the domain", [[1, 0], [0, 0], [2, 0]], [1, 0, 2], (1, 0, 0, 2)),
        ("three meet on a side of the domain", [[1, 1], [-1, 1], [0, 0]], [1, 1, 0], (1, 0, 0, 1)),
        ("diagonal, through corners", [[1, 0], [0, 1]], [0, 0], (1, 0, 0, 0)),
    ],
)
def test_ties_of_affine_outputs(
    name: str, weights: list[list[int]], bias: list[int], expected: tuple[int, int, int, int]
) -> None:
    found = same(sx.from_layers([(weights, bias, "identity")]), SQUARE)
    assert summary(found) == expected, name


def test_tie_along_an_edge_of_a_face_that_is_crossed_elsewhere() -> None:
    """ReLU(x), ReLU(-x) and 3 x - 1: the first two change at x = 0, an edge, the first and the third at x = 1/2."""
    net = sx.from_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, 0], [0, 1], [3, -3]], [0, 0, -1])])
    found = same(net, SQUARE)
    assert [(s.ends[0][0], s.changes, sorted(s.classes)) for s in sorted(found.exact, key=lambda s: s.ends[0][0])] == [
        (0, True, [0, 1]),
        (mpq(1, 2), True, [0, 2]),
    ]


@pytest.mark.parametrize("copies", [1, 2])
def test_tie_that_only_touches(copies: int) -> None:
    """0 and -|x| are equal on a line; 0 and -|x| - |y| in a point."""
    line = same(
        sx.from_layers([(IDENTITY, [0, 0], "abs"), ([[0, 0]] + [[-1, 0]] * copies, [0] * (1 + copies))]), SQUARE
    )
    assert summary(line) == (2, 0, 0, 0 if copies == 1 else 3)
    assert not line.changes.any()
    point = same(
        sx.from_layers([(IDENTITY, [0, 0], "abs"), ([[0, 0]] + [[-1, -1]] * copies, [0] * (1 + copies))]), SQUARE
    )
    assert summary(point) == (0, 0, 1, copies - 1)


@pytest.mark.parametrize("activation", ["abs", "relu", "hardtanh"])
@pytest.mark.parametrize("shift", [0, "1/3", -1])
@pytest.mark.parametrize(
    "tops",
    [
        [[0, 0], [-1, 0]],
        [[0, 0], [-1, -1]],
        [[1, 0], [1, -1], [1, 0]],
        [[1, 1], [0, 1], [1, 0], [0, 0]],
        [[1, -1], [-1, 1], [0, 0]],
        [[1, 0], [0, 1], [0, 0], [1, 1]],
        [[1, 0], [1, 0], [1, 1], [1, 1], [0, 0]],
    ],
)
def test_ties_along_breaklines(tops: list[list[int]], shift: object, activation: str) -> None:
    net = sx.from_layers([(IDENTITY, [shift, 0], activation), (tops, [0] * len(tops))])
    same(net, SQUARE)


def test_outputs_that_are_equal_on_a_cell_only() -> None:
    """ReLU(x) + ReLU(y) is x, or y, or 0 on three of the quadrants."""
    net = sx.from_layers([(IDENTITY, [0, 0]), ([[1, 1], [1, 0], [0, 1]], [0] * 3)])
    found = same(net, SQUARE)
    assert [(area.classes, len(area.polygon)) for area in found.filled] == [((0, 1), 4), ((0, 1), 4), ((0, 2), 4)]
    assert sorted(found.triple_points) == [(-1, -1), (-1, 0), (0, -1), (0, 0)]


# -- what it is made of -----------------------------------------------------------------------------------------------


def test_triple_points_are_cut_by_float64_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In general position no exact number is computed, and the lists are the same."""
    rng = np.random.default_rng(3)
    parts = []
    for outputs in (3, 10, 10):
        layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise((2, 12, 12, outputs))]
        there = np.array([float(y) for y in sx.from_layers(layers).evaluate(rng.uniform(-1, 1, 2))])
        layers[-1] = layers[-1][0], layers[-1][1] - there + rng.normal(size=outputs) / 20
        net = sx.from_layers(layers)
        same(net, SQUARE)
        parts.append(sx.partition(net, SQUARE, "certified"))
    monkeypatch.setattr("splinecam_exact.boundary_cells.lowered", None)
    monkeypatch.setattr("splinecam_exact.boundary_cells.Cells.decider", None)
    assert sum(len(sx.boundary(part).trace.triple) for part in parts) > 10


@pytest.mark.parametrize("seed", range(10))
def test_four_meet_where_float64_cannot_tell(seed: int) -> None:
    """In a point inside a face whose corners are far from any tie: float64 may see two triple points instead."""
    angles = np.arange(4) * np.pi / 2 + np.random.default_rng(seed).uniform(0, 0.5, 4)
    weights = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    exactly = [[mpq(float(w)) for w in row] for row in weights]
    bias = [-a / 3 - b / 7 for a, b in exactly]
    found = same(sx.from_layers([(exactly, bias, "identity")]), SQUARE)
    assert found.triple_points == [(mpq(1, 3), mpq(1, 7))]
    assert len(found) == 4


@given(tied_networks())
def test_outputs_that_are_computed_alike_are_equal(drawn_network: tuple[sx.Network, sx.Polygon]) -> None:
    net, dom = drawn_network
    part = sx.partition(net, dom, "certified")
    found = rows(net)
    if found is None:
        return
    pairs = np.array(list(combinations(range(net.output_size), 2)))
    vertices = np.arange(len(part.vertices))
    asked = np.repeat(vertices, len(pairs)), np.tile(pairs, (len(vertices), 1))
    for vertex, (i, j), alike in zip(*asked, found.alike(part.geometry, *asked).tolist(), strict=True):
        outputs = net.evaluate(dom.embed(part.vertices[vertex]))
        assert not alike or outputs[i] == outputs[j]


@pytest.mark.parametrize("third", [1, "1/3"])
@pytest.mark.parametrize(
    ("units", "zero"),
    [
        (Piecewise.relu(), [True, True, False]),
        (Piecewise.hardtanh(0, 1), [True, True, False, False, False]),
        (Piecewise.hardtanh(-1, 0), [False, False, False, True, True]),
        (Piecewise.of([[-1, 1]], [[1, 0, 1]], [0]), [False, True, True, True, False]),
        (Piecewise.absolute(), [False, True, False]),
        (Piecewise.leaky_relu("1/4"), [False, True, False]),
    ],
)
def test_zero_states_of_units(units: Piecewise, zero: list[bool], third: object) -> None:
    net = sx.from_layers([(IDENTITY, [0, 0], units), ([[third, 1], [third, 2], [third, 1]], [0, 0, 1])])
    found = rows(net)
    assert found is not None
    assert found.zero.tolist() == [zero]
    if any(zero[::2]):
        state = 2 * zero[::2].index(True)
        values = sx.partition(net, sx.square(3), "certified")
        faces = np.flatnonzero(values.states[:, 1] == state)
        alike = found.on_faces(values.geometry, np.arange(len(values.faces)), np.array([[0, 1], [0, 2]]))
        assert np.flatnonzero(alike[:, 0]).tolist() == faces.tolist()
        assert not alike[:, 1].any()


def test_outputs_are_grouped_by_their_weights() -> None:
    weights = [[1, "1/3"], [1, 0], [1, "1/3"], [1, 0], [1, 0]]
    found = identical(sx.from_layers([(weights, [0, 1, 0, 1, 2], "identity")]))
    assert (found.first.tolist(), found.outputs.tolist()) == ([0, 1, 4], [0b101, 0b1010, 0b10000])
    assert found.expanded(np.array([0b1, 0b110])).tolist() == [0b101, 0b11010]
