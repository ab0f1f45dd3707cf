"""Boundaries: level sets, differences, the arg-max; their topology; degenerate ones."""

from __future__ import annotations

import importlib
import json
import pickle
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from boundary_oracle import arg_max_set, drawn, turn, value, zero_set
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import models
from splinecam_exact.arrays import ExactArray
from splinecam_exact.boundary_argmax import trace_argmax
from splinecam_exact.boundary_chains import chains, components
from splinecam_exact.boundary_duels import trace_duels
from splinecam_exact.demo import subjects
from splinecam_exact.geometry import Polygons
from splinecam_exact.kernel.rational import parse_rational
from splinecam_exact.nodes import Affine
from splinecam_exact.subdivision import MODES
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

networks = degenerate_networks(max_layers=2, max_width=4)
SQUARE = sx.square(1)
EXACT_MODES = ("rational", "certified")
X_PLUS_ONE = sx.from_layers([([[1, 0]], [1], "identity")])
DISTANCE_TO_LINE = sx.from_layers([([[1, 0]], [0], "abs"), ([[1]], [0])])
DISTANCE_TO_POINT = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 1]], [0])])
COORDINATES = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "identity")])

pytest.importorskip("torch", reason="mode certified needs torch")


def extended(net: sx.Network) -> sx.Network:
    """The network with two more outputs, the constant 1/4 and the first output doubled."""
    n = net.output_size
    rows = [[int(j == k) for j in range(n)] for k in range(n + 1)] + [[2 * int(j == 0) for j in range(n)]]
    bias = ExactArray.of([0] * n + ["1/4", 0])
    return sx.Network(net.input_size, [*net.nodes, Affine((len(net.nodes),), (ExactArray.of(rows),), bias)])


def levels(part: sx.Subdivision, data: st.DataObject) -> mpq:
    """A level that the first output has at a vertex (so the boundary passes it), or another one."""
    vertex = data.draw(st.integers(0, len(part.vertices) - 1))
    there = part.network.evaluate(part.domain.embed(part.vertices[vertex]))[0]
    return data.draw(st.sampled_from([there, mpq(0), mpq(1, 3), there / 2]))


# -- it is the boundary -----------------------------------------------------------------------------------------------


@given(networks, st.sampled_from(EXACT_MODES), st.data())
def test_level_set_is_that_of_every_cells_affine_map(plain: PlainNetwork, mode: str, data: st.DataObject) -> None:
    part = sx.partition(plain.network(), plain.domain(), mode)
    level = levels(part, data)
    assert drawn(sx.boundary(part, 0, level=level)) == zero_set(part, 0, -1, level)


@given(networks, st.sampled_from(EXACT_MODES), st.data())
def test_difference_is_that_of_every_cells_affine_map(plain: PlainNetwork, mode: str, data: st.DataObject) -> None:
    part = sx.partition(extended(plain.network()), plain.domain(), mode)
    i, j = data.draw(st.permutations(range(part.network.output_size)))[:2]
    level = data.draw(st.sampled_from([mpq(0), mpq(1, 4)]))
    assert drawn(sx.boundary(part, classes=(i, j), level=level)) == zero_set(part, i, j, level)


@given(networks, st.sampled_from(EXACT_MODES))
def test_arg_max_boundary_is_where_two_outputs_are_largest(plain: PlainNetwork, mode: str) -> None:
    part = sx.partition(extended(plain.network()), plain.domain(), mode)
    found = sx.boundary(part)
    assert drawn(found) == arg_max_set(part)
    for point in found.triple_points:
        outputs = part.network.evaluate(part.domain.embed(point))
        assert outputs.count(max(outputs)) > 2
    for segment in found.exact:
        middle = midpoint(*segment.ends)
        outputs = part.network.evaluate(part.domain.embed(middle))
        assert outputs[segment.classes[0]] == outputs[segment.classes[1]] == max(outputs)


@given(networks, st.sampled_from(["level", "argmax"]), st.data())
def test_segments_lie_where_they_say(plain: PlainNetwork, kind: str, data: st.DataObject) -> None:
    """In their face or on an edge between their faces; f is zero at their ends, and positive on the left."""
    part = sx.partition(extended(plain.network()), plain.domain())
    found = sx.boundary(part, 0, level=levels(part, data)) if kind == "level" else sx.boundary(part)
    for segment in found.exact:
        p, q = segment.ends
        left, right = segment.faces
        place = part.locate(midpoint(p, q))
        if left == right:
            assert place.kind == "face"
            assert place.index == left
        else:
            assert place.kind == "edge"
            assert set(part.edges[place.index].faces) == {left, right}
        f = segment.affine
        assert value(f, p) == value(f, q) == 0
        face = part.faces[left if left >= 0 else right]
        x, y = face.witness
        outputs = part.network.evaluate(part.domain.embed((x, y)))
        i, j = segment.classes
        assert value(f, (x, y)) == outputs[i] - (outputs[j] if j >= 0 else 0) - found.level
        if segment.changes:
            assert all(turn(p, q, corner) * value(f, corner) >= 0 for corner in face.polygon)
        assert segment.squared_length == (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 > 0


def midpoint(p: tuple[mpq, mpq], q: tuple[mpq, mpq]) -> tuple[mpq, mpq]:
    return (p[0] + q[0]) / 2, (p[1] + q[1]) / 2


@given(networks, st.data())
def test_float_segments_are_as_near_as_they_say(plain: PlainNetwork, data: st.DataObject) -> None:
    part = sx.partition(plain.network(), plain.domain(), "certified")
    found = sx.boundary(part, 0, level=levels(part, data))
    if not found.slack:
        assert (found.segments == found.coordinates[found.ends]).all()  # each rounded once
        return
    for ends, near in zip(found.ends.tolist(), found.segments.tolist(), strict=True):
        for (x, y), (u, v) in zip((found.points[p] for p in ends), near, strict=True):
            assert (mpq(u) - x) ** 2 + (mpq(v) - y) ** 2 <= mpq(found.slack) ** 2


@pytest.mark.parametrize("scale", [mpq(10) ** -k for k in (4, 15, 30)])
@pytest.mark.parametrize("kind", ["argmax", "difference"])
def test_float_segments_are_right_on_tiny_slices(kind: str, scale: mpq) -> None:
    rng = np.random.default_rng(1)
    net = sx.from_layers([(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise((20, 30, 30, 4))])
    path = sx.line(net, rng.normal(size=20) * 3, rng.normal(size=20) * 3)
    point = path.point(next(crossing.start for crossing in path.crossings if crossing.kind == "crosses"))
    basis = [[scale * mpq(float(v)) for v in row] for row in rng.normal(size=(2, 20))]
    outputs = net.evaluate(point)
    i, j = sorted(range(4), key=lambda k: -outputs[k])[:2]
    part = sx.partition(net, sx.Slice(list(point), basis, SQUARE), "certified")
    found = sx.boundary(part, classes=(i, j) if kind == "difference" else None)
    assert len(found)
    assert abs(found.segments - found.coordinates[found.ends]).max() <= found.slack < 1e-5


def test_modes_agree_on_a_generic_network() -> None:
    rng = np.random.default_rng(5)
    for outputs in (1, 3):
        sizes = (2, 20, 20, outputs)
        layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise(sizes)]
        there = np.array([float(y) for y in sx.from_layers(layers).evaluate([0.1, 0.2])])
        layers[-1] = layers[-1][0], layers[-1][1] - there  # so that about (0.1, 0.2) is on the boundary
        net = sx.from_layers(layers)
        found = {mode: sx.boundary(sx.partition(net, SQUARE, mode)) for mode in MODES}
        assert len(found["rational"]) > 10
        assert len({str(f.summary()) for f in found.values()}) == 1
        assert drawn(found["certified"]) == drawn(found["rational"])
        rows = {mode: sorted(map(sorted, f.segments.tolist())) for mode, f in found.items()}
        assert np.allclose(rows["float64"], rows["rational"], atol=1e-9)
        assert np.allclose(rows["certified"], rows["rational"], atol=1e-9)
        assert "uncertified" in repr(found["float64"])
        assert not found["float64"].certified
        assert found["certified"].certified


@pytest.mark.parametrize("outputs", [2, 3, 10])
def test_arg_max_is_the_same_by_corners_and_by_one_more_partition(outputs: int) -> None:
    rng = np.random.default_rng(outputs)
    triple = 0
    for _ in range(4):
        sizes = (2, 12, 12, outputs)
        layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise(sizes)]
        there = np.array([float(y) for y in sx.from_layers(layers).evaluate(rng.uniform(-1, 1, 2))])
        layers[-1] = layers[-1][0], layers[-1][1] - there + rng.normal(size=outputs) / 20
        part = sx.partition(sx.from_layers(layers), SQUARE, "certified")
        found = sx.boundary(part)
        by_corners, by_partition = trace_duels(part, None), trace_argmax(part, None, None)
        assert by_corners is not None
        assert found.summary() == replace(found, trace=by_partition).summary()
        assert drawn(found) == drawn(replace(found, trace=by_partition)) == arg_max_set(part)
        assert sorted(found.triple_points) == sorted(replace(found, trace=by_partition).triple_points)
        assert (abs(found.segments - found.coordinates[found.ends]) <= found.slack).all()
        triple += len(found.triple_points)
    assert triple > 0 or outputs == 2


def test_without_torch_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    part = sx.partition(DISTANCE_TO_POINT, SQUARE, "certified")
    with_torch = drawn(sx.boundary(part, level="1/2"))
    monkeypatch.setattr("splinecam_exact.boundary_cells.find_spec", lambda name: None)
    assert drawn(sx.boundary(part, level="1/2")) == with_torch


# -- degenerate boundaries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_zero_set_on_a_breakline_is_found_once(mode: str) -> None:
    touching = sx.boundary(sx.partition(DISTANCE_TO_LINE, SQUARE, mode))
    assert [set(s.ends) for s in touching.exact] == [{(0, -1), (0, 1)}]
    assert set(touching.faces[0].tolist()) == {0, 1}
    assert not touching.changes.any()
    net = sx.from_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, -2]], [0])])
    crossing = sx.boundary(sx.partition(net, SQUARE, mode))
    assert [set(s.ends) for s in crossing.exact] == [{(0, -1), (0, 1)}]
    assert crossing.changes.all()


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_zero_set_that_fills_a_face_is_reported(mode: str) -> None:
    part = sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), SQUARE, mode)
    found = sx.boundary(part)
    (area,) = found.filled
    assert set(area.polygon) == {(-1, -1), (0, -1), (0, 0), (-1, 0)}
    assert part.faces[area.face].polygon == area.polygon
    assert len(found) == 4
    assert len(found.loops) == 1
    assert found.components == 1
    assert not found.changes.any()
    flat = sx.boundary(sx.partition(sx.from_layers([([[0, 0]], [0], "identity")]), SQUARE, mode))
    assert len(flat.filled) == 1
    assert len(flat) == 4


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_edges_between_filled_faces_are_no_boundary(mode: str) -> None:
    net = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [0, 0, -1]), ([[0, 0, 1]], [0])])
    found = sx.boundary(sx.partition(net, SQUARE, mode))
    assert len(found.filled) == 4
    for segment in found.exact:
        x, y = midpoint(*segment.ends)
        assert x + y == 1 or max(abs(x), abs(y)) == 1


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_tie_that_fills_a_face_is_reported(mode: str) -> None:
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1], [1, 1]], [0, 0, -2])])
    found = sx.boundary(sx.partition(net, SQUARE, mode))
    (area,) = found.filled
    assert area.classes == (0, 1)
    assert set(area.polygon) == {(-1, -1), (0, -1), (0, 0), (-1, 0)}


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_boundary_through_a_vertex_has_one_point_there(mode: str) -> None:
    net = sx.from_layers([([[1, 0], [0, 1], [-1, 0], [0, -1]], [0] * 4), ([[1, 1, -1, -1]], [0])])
    found = sx.boundary(sx.partition(net, SQUARE, mode))
    assert sorted(map(str, found.points)) == sorted(map(str, [(mpq(-1), mpq(1)), (mpq(0), mpq(0)), (mpq(1), mpq(-1))]))
    assert len(found) == 2
    assert len(found.chains) == 1


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_isolated_zero_is_a_point(mode: str) -> None:
    found = sx.boundary(sx.partition(DISTANCE_TO_POINT, SQUARE, mode))
    assert found.isolated_points == [(0, 0)]
    assert len(found) == 0
    assert found.components == 1
    assert found.segments.shape == (0, 2, 2)
    assert found.length == 0
    corner = sx.boundary(sx.partition(sx.from_layers([([[1, 1]], [2], "identity")]), SQUARE, mode))
    assert corner.isolated_points == [(-1, -1)]


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_zero_along_the_domains_side_is_found(mode: str) -> None:
    found = sx.boundary(sx.partition(X_PLUS_ONE, SQUARE, mode))
    assert [set(s.ends) for s in found.exact] == [{(-1, -1), (-1, 1)}]
    assert sorted(found.faces[0].tolist()) == [-1, 0]
    assert not found.changes.any()
    assert found[0].affine == (1, 0, 1)


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_tie_that_only_touches_is_found(mode: str) -> None:
    net = sx.from_layers([([[1, 0]], [0], "abs"), ([[1], [0]], [0, 0])])
    found = sx.boundary(sx.partition(net, SQUARE, mode))
    assert [set(s.ends) for s in found.exact] == [{(0, -1), (0, 1)}]
    assert set(found.classes[0].tolist()) == {0, 1}
    assert not found.changes.any()


def test_triple_point_breaks_chains() -> None:
    net = sx.from_layers([([[1, 0], [0, 1], [-1, -1]], [0, 0, 0], "identity")])
    found = sx.boundary(sx.partition(net, SQUARE))
    assert found.triple_points == [(0, 0)]
    assert len(found.chains) == 3
    assert found.components == 1
    assert not found.loops
    assert {frozenset(pair) for pair in found.classes.tolist()} == {frozenset(c) for c in combinations(range(3), 2)}


def test_nothing_is_found_where_there_is_nothing() -> None:
    found = sx.boundary(sx.partition(DISTANCE_TO_POINT, SQUARE), level=-1)
    assert found.summary() == dict.fromkeys(found.summary(), 0)
    assert found.length_bounds == (0, 0)
    assert found.nesting == []


# -- topology ---------------------------------------------------------------------------------------------------------


def tents(depth: int) -> sx.Network:
    """T(T(...(|x| + |y|))), T(t) = 1 - |1 - 2t| on [0, 1], so that 1/2 is met 2^depth times between 0 and 1."""
    layers: list[tuple[object, ...]] = [([[1, 0], [0, 1]], [0, 0], "abs")]
    weights = [[1, 1], [1, 1]]
    for _ in range(depth):
        layers.append((weights, [0, "-1/2"]))
        weights = [[2, -4], [2, -4]]
    return sx.from_layers([*layers, ([[2, -4]], [0])])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("depth", range(1, 7))
def test_tents_have_nested_squares(depth: int, mode: str) -> None:
    count = 2**depth
    found = sx.boundary(sx.partition(tents(depth), SQUARE, mode), level="1/2")
    assert len(found.loops) == len(found.chains) == found.components == found.depth == count
    assert all(len(loop.segments) == 4 for loop in found.loops)
    radii = [max(abs(found.coordinates[p]).max() for p in loop.points) for loop in found.loops]
    assert sorted(radii) == [(k + 0.5) / count for k in range(count)]
    for k, around in enumerate(found.nesting):
        assert radii[around] == radii[k] + 1 / count if around >= 0 else radii[k] == max(radii)
    low, high = found.length_bounds  # each square of radius r is 4 sqrt(2) r long
    assert low**2 <= 8 * count**2 <= high**2
    assert high - low <= low * mpq(2) ** -58
    assert found.length == pytest.approx(8**0.5 * count, rel=1e-15)


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_nesting_beyond_float64(mode: str) -> None:
    size = mpq(10**350)
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 1]], [-3 * size / 8], "abs"), ([[1]], [-size / 8])])
    found = sx.boundary(sx.partition(net, sx.square(size), mode))  # |x| + |y| = size / 4 and size / 2
    assert sorted(found.nesting) == [-1, 0]
    assert found.depth == 2
    assert found.length == np.inf
    assert len(sx.sample_boundary(found, 5, "length", seed=0)) == 5
    with pytest.raises(sx.InputError, match="beyond float64"):
        _ = sx.sample_boundary(found, 1)[0].distance


@given(networks, st.data())
def test_chains_are_as_long_as_they_can_be(plain: PlainNetwork, data: st.DataObject) -> None:
    part = sx.partition(extended(plain.network()), plain.domain())
    found = sx.boundary(part, 0, level=levels(part, data)) if data.draw(st.booleans()) else sx.boundary(part)
    assert sorted(s for chain in found.chains for s in chain.segments) == list(range(len(found)))
    degree = Counter(found.ends.ravel().tolist())
    for chain in found.chains:
        for segment, pair in zip(chain.segments, pairwise(chain.points), strict=True):
            assert set(pair) == set(found.ends[segment].tolist())
        assert all(degree[p] == 2 for p in chain.points[1:-1])
        assert chain.closed or all(degree[p] != 2 for p in (chain.points[0], chain.points[-1]))
    groups = {found.component[p] for p in range(len(found.points))}
    assert found.components == len(groups)
    assert all(found.component[p] == found.component[q] for p, q in found.ends.tolist())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda e: e[0] != e[1]), max_size=15))
def test_components_are_those_of_the_graph(edges: list[tuple[int, int]]) -> None:
    networkx = pytest.importorskip("networkx")
    graph = networkx.Graph(edges)
    graph.add_nodes_from(range(10))
    ends = np.array(edges, np.int64).reshape(-1, 2)
    found = components(ends, Polygons.of([]), 10)
    for group in networkx.connected_components(graph):
        assert len({found[p] for p in group}) == 1
    assert found.max() + 1 == networkx.number_connected_components(graph)


def test_two_loops_that_meet_in_a_point_are_two() -> None:
    ends = np.array([[0, 1], [1, 2], [2, 0], [0, 3], [3, 4], [4, 0]])
    assert [chain.closed for chain in chains(ends, 5)] == [True, True]


def test_many_segments_take_no_python_each() -> None:
    """No slow work for counts: a long level set of a wide network, whose exact points are never asked for."""
    rng = np.random.default_rng(0)
    net = sx.from_layers([(rng.normal(size=(100, 2)), rng.normal(size=100) / 2), (rng.normal(size=(1, 100)), [0])])
    found = sx.boundary(sx.partition(net, SQUARE, "certified"))
    assert found.summary()["segments"] == len(found.segments) > 50
    assert "points" not in found.__dict__


# -- demonstration networks -------------------------------------------------------------------------------------------


def test_arg_max_boundary_of_the_digits_has_real_segments_only() -> None:
    digits = subjects()[0]
    part = sx.partition(digits.net, digits.domain)
    found = sx.boundary(part)
    for segment in found.exact:
        outputs = digits.net.evaluate(digits.domain.embed(midpoint(*segment.ends)))
        top = max(outputs)
        assert {k for k, y in enumerate(outputs) if y == top} == set(segment.classes)
    pairs = [sx.boundary(part, classes=pair) for pair in combinations(range(10), 2)]
    assert 0 < len(found) < sum(map(len, pairs)) / 5
    for point in found.triple_points:
        outputs = digits.net.evaluate(digits.domain.embed(point))
        assert outputs.count(max(outputs)) == 3


def test_signed_distance_has_a_hole_in_a_star() -> None:
    net = sx.load(models.path("sdf.npz"))
    found = sx.boundary(sx.partition(net, SQUARE), output=0)
    assert sorted(found.nesting) == [-1, found.nesting.index(-1)]
    assert found.depth == 2 == len(found.loops) == found.components


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"output": 2}, "only 0 to 1"),
        ({"output": -1}, "only 0 to 1"),
        ({"output": True}, "only 0 to 1"),
        ({"output": np.True_}, "only 0 to 1"),
        ({"output": 1.0}, "only 0 to 1"),
        ({"output": 10**5000}, "no output 1000.*, only 0 to 1"),
        ({"output": [10**5000]}, "no output a list, only"),
        ({"classes": (10**5000, 1)}, "no output 1000"),
        ({"classes": (10**5000,)}, "two outputs"),
        ({"classes": (0, 0)}, "two different outputs"),
        ({"classes": (0, 2)}, "only 0 to 1"),
        ({"classes": (0,)}, "two outputs"),
        ({"classes": ()}, "two outputs"),
        ({"classes": "01"}, "two outputs"),
        ({"classes": (0, 1), "output": 0}, "choose one"),
        ({"output": 0, "level": float("nan")}, "finite"),
        ({"output": 0, "level": float("inf")}, "finite"),
        ({"output": 0, "level": "one"}, "rational"),
        ({"level": 1}, "no level"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(sx.InputError, match=words):
        sx.boundary(sx.partition(COORDINATES, SQUARE, "rational"), **arguments)  # type: ignore[arg-type]


def test_outputs_are_whole_numbers_of_any_kind() -> None:
    part = sx.partition(COORDINATES, SQUARE, "rational")
    assert sx.boundary(part, np.int64(1)).points == sx.boundary(part, 1).points
    for classes in ((np.uint8(0), np.int32(1)), np.array([0, 1])):
        found = sx.boundary(part, classes=classes)  # type: ignore[arg-type]
        assert found.points == sx.boundary(part, classes=(0, 1)).points
        assert type(found.output) is int


def test_other_things_are_refused() -> None:
    with pytest.raises(sx.InputError, match="first partition"):
        sx.boundary(COORDINATES)  # type: ignore[arg-type]
    with pytest.raises(sx.Undecided):
        sx.boundary(sx.partition(COORDINATES, SQUARE, "rational"), max_cells=1)


@given(networks, st.sampled_from(["level", "difference", "argmax"]), st.data())
def test_file_says_all(plain: PlainNetwork, kind: str, data: st.DataObject) -> None:
    part = sx.partition(extended(plain.network()), plain.domain())
    wanted = {"level": {"output": 0, "level": levels(part, data)}, "difference": {"classes": (1, 0)}, "argmax": {}}
    found = sx.boundary(part, **wanted[kind])  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        found.save(f"{folder}/boundary.json")
        content = json.loads(Path(f"{folder}/boundary.json").read_text())
    points = [(parse_rational(x), parse_rational(y)) for x, y in content["points"]]
    assert points == found.points
    assert (content["kind"], parse_rational(content["level"])) == (kind, found.level)
    assert (content["output"], content["classes"]) == (
        0 if kind == "level" else None,
        [1, 0] if kind == "difference" else None,
    )
    for segment, row in zip(found.exact, content["segments"], strict=True):
        assert segment.ends == tuple(points[p] for p in row["ends"])
        assert [list(segment.faces), list(segment.classes), segment.changes] == [
            row[key] for key in ("faces", "classes", "changes")
        ]
    for chain, row in zip(found.chains, content["chains"], strict=True):
        assert (row["closed"], row["points"], row["segments"]) == (chain.closed, list(chain[0]), list(chain[1]))
    for area, row in zip(found.filled, content["filled"], strict=True):
        assert area.polygon == tuple(points[p] for p in row["polygon"])
        assert (area.face, list(area.classes)) == (row["face"], row["classes"])
    assert [points[p] for p in content["triple_points"]] == found.triple_points
    assert [points[p] for p in content["isolated_points"]] == found.isolated_points
    assert content["summary"] == found.summary()
    assert tuple(map(parse_rational, content["length_bounds"])) == found.length_bounds
    assert (content["network"], content["domain"]) == (part.network.digest, part.domain.digest)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wanted", [{"output": 0}, {"classes": (0, 1)}, {}])
def test_boundaries_can_be_pickled(mode: str, wanted: dict[str, object]) -> None:
    for bias in (0, "1/3"):
        net = sx.from_layers([([[1, 2], [3, 1]], [0, "1/7"]), ([[1, 0], [0, 1], [1, -1]], [0, 0, bias])])
        part = sx.partition(net, SQUARE, mode, progress=lambda *_: None)
        found = sx.boundary(part, **wanted, progress=lambda *_: None)  # type: ignore[arg-type]
        again = pickle.loads(pickle.dumps(found))
        assert again.points == found.points
        assert again.summary() == found.summary()
        assert (again.segments == found.segments).all()
        assert [s.affine for s in again.exact] == [s.affine for s in found.exact]


def test_no_float64_result_is_saved(tmp_path: Path) -> None:
    found = sx.boundary(sx.partition(COORDINATES, SQUARE, "float64"), 0)
    with pytest.raises(sx.InputError, match="certified"):
        found.save(tmp_path / "boundary.json")
    assert not list(tmp_path.iterdir())


def test_name_is_the_function_whatever_was_imported_first() -> None:
    importlib.import_module("splinecam_exact.boundaries")
    assert callable(sx.boundary)
    assert sx.boundary.__name__ == "boundary"
