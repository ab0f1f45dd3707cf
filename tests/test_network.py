"""Networks: exact values, a digest of the values alone, and errors that name the layer."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

from splinecam_exact.arrays import ExactArray
from splinecam_exact.domain import Slice
from splinecam_exact.importers import load
from splinecam_exact.kernel.errors import DomainError, InputError, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise

Vector = list[Fraction]
Layers = list[tuple[list[Vector], Vector, str]]

NUMBERS = st.sampled_from([Fraction(n, d) for n in range(-6, 7) for d in (1, 3, 4)]) | st.floats(-4, 4).map(Fraction)
ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, 0),
    "abs": abs,
    "relu6": lambda x: min(max(x, 0), 6),
    "hardtanh": lambda x: min(max(x, -1), 1),
}


@st.composite
def layer_lists(draw: st.DrawFn) -> Layers:
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    return [
        (
            draw(st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=m, max_size=m)),
            draw(st.lists(NUMBERS, min_size=m, max_size=m)),
            draw(st.sampled_from(list(ACTIVATIONS))),
        )
        for n, m in pairwise(sizes)
    ]


def oracle(layers: Layers, x: Vector) -> Vector:
    for weight, bias, activation in layers:
        sums = [sum((w * v for w, v in zip(row, x, strict=True)), b) for row, b in zip(weight, bias, strict=True)]
        x = [ACTIVATIONS[activation](s) for s in sums]
    return x


def points(size: int) -> st.SearchStrategy[Vector]:
    return st.lists(NUMBERS, min_size=size, max_size=size)


@given(layer_lists(), st.data())
def test_evaluation_agrees_with_fractions(layers: Layers, data: st.DataObject) -> None:
    net = Network.from_layers(layers)
    x = data.draw(points(net.input_size))
    assert net.evaluate(x) == [mpq(y) for y in oracle(layers, x)]


@given(layer_lists(), st.data())
def test_program_on_a_slice_is_the_network_at_embedded_points(layers: Layers, data: st.DataObject) -> None:
    net = Network.from_layers(layers)
    if net.input_size < 2:
        return
    plane = Slice.axes(1, 0, data.draw(points(net.input_size)))
    st_point = [mpq(q) for q in data.draw(points(2))]
    assert net.program(plane).evaluate(st_point) == net.evaluate(plane.embed(st_point))
    assert net.program(plane) is net.program(Slice.from_json(plane.to_json()))


@given(layer_lists())
def test_digest_depends_on_the_values_alone(layers: Layers) -> None:
    net = Network.from_layers(layers)
    as_mpq = [([list(map(mpq, row)) for row in w], list(map(mpq, b)), a) for w, b, a in layers]
    as_objects = [(np.array(w, dtype=object), np.array(b, dtype=object), a) for w, b, a in layers]
    as_strings = [([list(map(str, row)) for row in w], tuple(map(str, b)), a) for w, b, a in layers]
    for same in (as_mpq, as_objects, as_strings):
        assert Network.from_layers(same).digest == net.digest
    if all(Fraction(float(q)) == q for w, b, _ in layers for row in [*w, b] for q in row):
        floats = [(np.array(w, dtype=float), list(map(float, b)), a) for w, b, a in layers]
        assert Network.from_layers(floats).digest == net.digest


@given(layer_lists(), st.data())
def test_digest_shows_every_change(layers: Layers, data: st.DataObject) -> None:
    net = Network.from_layers(layers)
    k = data.draw(st.integers(0, len(layers) - 1))
    weight, bias, activation = layers[k]
    other = data.draw(st.sampled_from(sorted(set(ACTIVATIONS) - {activation})))
    moved = [bias[0] + Fraction(1, 2**60), *bias[1:]]
    for change in ((weight, bias, other), (weight, moved, activation)):
        assert Network.from_layers([*layers[:k], change, *layers[k + 1 :]]) != net
    assert Network.from_layers(layers, ["a"]).digest != net.digest
    assert Network.from_layers(layers, ["a", "b"]).digest != Network.from_layers(layers, ["ab"]).digest


@given(layer_lists())
def test_save_and_load_keep_everything(tmp_path_factory: pytest.TempPathFactory, layers: Layers) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    net = Network.from_layers(layers, ["a rule", "ein größerer"])
    net.save(path)
    again = load(path)
    assert again.digest == net.digest
    assert again.conventions == net.conventions
    assert (again.sizes, again.unit_count) == (net.sizes, net.unit_count)
    assert pickle.loads(pickle.dumps(net)) == net


def test_digest_is_the_same_on_every_machine() -> None:
    net = Network.from_layers([([[0.5, "1/3"], [-1, 2]], [0.1, 0]), ([[1, 1]], None)], ["a rule"])
    assert net.digest == "06cb3bf43452ce342a7736efa84c68d97eff7384a699172b38baca2ea802d205"


def test_digest_does_not_depend_on_the_process() -> None:
    code = "from splinecam_exact.network import Network; print(Network.from_layers([([[1, '1/3']], [0.1])]).digest)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {Network.from_layers([([[1, "1/3"]], [0.1])]).digest.encode() + b"\n"}


def test_relu_follows_every_layer_but_the_last() -> None:
    net = Network.from_layers([([[1]], [0]), ([[1]], None), ([[-1]], [0])])
    assert [type(node) for node in net.nodes] == [Affine, Piecewise, Affine, Piecewise, Affine]
    assert net.evaluate([2]) == [-2]
    assert net.evaluate([-2]) == [0]
    assert (net.sizes, net.unit_count, net.input_size, net.output_size) == ((1, 1, 1, 1, 1, 1), 2, 1, 1)


def test_skip_connections_and_groups() -> None:
    net = Network(
        3,
        [
            Affine((0,), (ExactArray.of([[1, 0, -1], [0, 2, 0]]),), ExactArray.of([0, 1])),
            Piecewise.relu(1),
            Affine(
                (2, 0, 2),
                tuple(map(ExactArray.of, ([1, "1/3"], [[1, 1, 1], [0, 0, 1]], [[0, 1], [1, 0]]))),
                ExactArray.of(["1/7", 0]),
            ),
            Max(3, ((0, 1), (1,))),
        ],
    )
    x, y, z = Fraction(5, 3), Fraction(1, 2), Fraction(-2)
    h = [max(x - z, 0), max(2 * y + 1, 0)]
    a = [h[0] + x + y + z + h[1] + Fraction(1, 7), h[1] / 3 + z + h[0]]
    assert net.evaluate([x, y, z]) == [mpq(max(a)), mpq(a[1])]
    assert net.unit_count == 4


@given(NUMBERS, NUMBERS, NUMBERS.filter(bool))
def test_every_kind_of_unit(x: Fraction, slope: Fraction, width: Fraction) -> None:
    low, high = slope, slope + abs(width)
    kinds = {
        Piecewise.relu(): max(x, 0),
        Piecewise.leaky_relu(slope): x if x >= 0 else slope * x,
        Piecewise.prelu([slope]): x if x >= 0 else slope * x,
        Piecewise.hardtanh(low, high): min(max(x, low), high),
        Piecewise.relu6(): min(max(x, 0), 6),
        Piecewise.absolute(): abs(x),
        Piecewise.of([[low, high]], [[1, slope, -1]], ["1/3"]): Fraction(1, 3)
        + (x - low if x < low else slope * (min(x, high) - low) - max(x - high, 0)),
    }
    for units, expected in kinds.items():
        assert Network(1, [units]).evaluate([x]) == [mpq(expected)]


def test_units_of_their_own() -> None:
    net = Network(3, [Piecewise.of([[0], [1], [2]], [[0, 1], [1, 2], [-1, 1]], [0, 1, "1/2"])])
    assert net.evaluate([-1, 3, 1]) == [0, 5, mpq(3, 2)]


def test_equal_rows_have_the_digest_of_one() -> None:
    one = Network(2, [Piecewise.relu()])
    assert Network(2, [Piecewise.prelu([0, 0])]) == one
    assert Network(2, [Piecewise.of([[0], [0]], [[0, 1], [0, 1]], [0.0, -0.0])]) == one
    assert Network(2, [Piecewise.prelu([0, "1/2"])]) != one


def test_points_of_every_kind() -> None:
    net = Network.from_layers([([[1, 1]], [0])])
    tenth = mpq(*(0.1).as_integer_ratio())
    assert net.evaluate((0.1, "1/3")) == [tenth + mpq(1, 3)]
    assert net.evaluate(np.array([0.1, 1])) == [tenth + 1]
    assert net.evaluate(np.array([0.5, 1], dtype=np.float32)) == [mpq(3, 2)]
    assert net.evaluate([np.int64(2), Fraction(1, 2)]) == [mpq(5, 2)]
    bad: list[Any] = [[1], [1, 2, 3], [1, math.nan], [True, 1], [1, 1j], np.ones((2, 2)), ["0.1", 1]]
    for point in bad:
        with pytest.raises(InputError):
            net.evaluate(point)


def test_argmax_head_is_the_largest_output() -> None:
    net = Network.from_layers([([[1], [-1], [0]], [0, 0, 1])], ["a rule"])
    head = net.with_head("argmax")
    assert head.evaluate([3]) == [3]
    assert head.program().pattern([mpq(1)]) == bytes([0b101])
    assert (head.unit_count, head.output_size, head.conventions) == (1, 1, ("a rule",))


def test_sign_head_is_a_relu_on_one_output() -> None:
    net = Network.from_layers([([[1], [-1]], [0, 0])])
    assert net.with_head("sign", 1).evaluate([-3]) == [3]
    assert net.with_head("sign").evaluate([-3]) == [0]
    assert net.with_head("sign").digest != net.with_head("sign", 1).digest


@pytest.mark.parametrize(
    ("kind", "output", "message"),
    [
        ("sign", 2, "no output 2, only 0 to 1"),
        ("sign", -1, "no output -1"),
        ("sign", True, "no output True"),
        ("softmax", 0, "must be 'argmax' or 'sign'"),
    ],
)
def test_head_that_does_not_fit_is_refused(kind: str, output: int, message: str) -> None:
    net = Network.from_layers([([[1], [-1]], [0, 0])])
    with pytest.raises(InputError, match=message):
        net.with_head(kind, output)


def test_argmax_needs_two_outputs_and_at_most_63() -> None:
    for size in (1, 64):
        with pytest.raises(NetworkError, match=f"the network has {size}"):
            Network.from_layers([([[1]] * size, None)]).with_head("argmax")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "non-empty list"),
        ("relu", "non-empty list"),
        (None, "non-empty list"),
        ([([[1]],)], "layer 0 must be"),
        ([5], "layer 0 must be"),
        ([([[1, 2]], [0]), ([[1, 2]], [0])], "layer 1: W has 2 columns, layer 0 has 1 outputs"),
        ([([[1, 2]], [0, 1])], "layer 0: b has shape"),
        ([([[1, 2]], [[0]])], "layer 0: b has shape"),
        ([([1, 2], [0])], "layer 0: W has shape"),
        ([([[1]], [0]), ([[math.nan]], [0])], r"layer 1: W\[0\]\[0\]: nan"),
        ([([[1]], [math.inf])], r"layer 0: b\[0\]: inf"),
        ([([[1]], [0], "gelu")], "layer 0: the activation 'gelu' is unknown; use identity, relu"),
        ([([[1]], [0], 3)], "layer 0: the activation 3"),
        ([([[1], [2]], None, Piecewise.prelu([1, 2, 3]))], r"node 2 \(Piecewise\) has slopes of shape \(3, 2\)"),
    ],
)
def test_layers_that_do_not_fit_are_named(layers: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Network.from_layers(layers)


ONE = ExactArray.of([1])


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "at least one node"),
        ([None], "node 1 is of type NoneType"),
        ([Affine((1,), (ONE,), ONE)], r"node 1 \(Affine\) reads node 1"),
        ([Affine((-1,), (ONE,), ONE)], "reads node -1"),
        ([Affine((0, 0), (ONE,), ONE)], "2 sources and 1 weights"),
        ([Affine((), (), ONE)], "0 sources"),
        ([Affine((0,), (ExactArray.of([[1, 2]]),), ONE)], r"weight of shape \(1, 2\)"),
        ([Affine((0,), (ExactArray.of([1, 2]),), ExactArray.of([1, 2]))], r"weight of shape \(2,\)"),
        ([Affine((0,), (ONE,), ExactArray.of([[1]]))], "bias of shape"),
        ([Piecewise.relu(1)], r"node 1 \(Piecewise\) reads node 1"),
        (
            [Piecewise.relu(0), Piecewise.hardtanh(1, 1, 1)],
            r"node 2 \(Piecewise\) has breakpoints that are not strictly",
        ),
        ([Piecewise.of([[0]], [[1]], [0])], r"slopes of shape \(1, 1\); \(1, 2\)"),
        ([Piecewise.of([0], [[1, 2]], [0])], "breakpoints of shape"),
        ([Piecewise.of([[0]], [[1, 2]], [[0]])], "anchor of shape"),
        ([Max(0, ())], r"node 1 \(Max\) has no groups"),
        ([Max(0, ((),))], "group 0 must have 1 to 63 different members, not 0"),
        ([Max(0, ((0, 0),))], "group 0 must have"),
        ([Max(0, ((0,), (1,)))], "group 1: node 0 has no value 1"),
    ],
)
def test_nodes_that_do_not_fit_are_named(nodes: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Network(1, nodes)


def test_input_size_must_be_positive() -> None:
    for size in (0, -1, True, 1.0, None):
        with pytest.raises(NetworkError, match="input size"):
            Network(size, [Piecewise.relu()])  # type: ignore[arg-type]


def test_slice_of_another_dimension_is_refused() -> None:
    with pytest.raises(DomainError, match="3 dimensions, the network has 2 inputs"):
        Network.from_layers([([[1, 2]], [0])]).program(Slice.axes(0, 1, [0, 0, 0]))


def test_a_million_weights_are_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((1000, 2), (1000, 1000), (1, 1000))]
    net = Network.from_layers([(w, rng.normal(size=len(w))) for w in weights])
    assert net.program().denominator[-1] > 1
    net.save(tmp_path / "million.json")
    assert load(tmp_path / "million.json") == net


def test_repr_is_short() -> None:
    net = Network.from_layers([([[1, 2]] * 3, None), ([[1, 1, 1]], None)])
    assert repr(net) == "<Network: 2 inputs, 1 output, 3 nodes, 3 units>"
