"""verify_import: a right network always passes, a wrong one does not, whatever kinds of nodes it has."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers import verify_import as home
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.rounding_bounds import rounding_bounds
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.nodes import Affine, Piecewise


def random_net(seed: int) -> sx.Network:
    """A network with every kind of node and weight, and floats of all digits."""
    random = np.random.default_rng(seed)
    graph = Graph((1, 2, 4, 3))
    y = graph.conv(
        graph.input, random.normal(size=(4, 1, 2, 2)), random.normal(size=4), (1, 2), [(1, 0), (0, 1)], (1, 1), 2
    )
    y = graph.max_pool(graph.leaky_relu(y, 0.1), (2, 2), (2, 1), [(0, 0), (0, 0)])
    y = graph.batch_norm(y, *random.normal(size=(3, 4)), random.random(4), 1e-5)
    y = graph.concat([y.flatten(1), graph.relu(graph.input.flatten(1).flip((1,)))], 1)
    y = graph.linear(y, random.normal(size=(3, y.shape[1])), random.normal(size=3))
    return graph.network(graph.hardsigmoid(graph.add(y, graph.abs(y))))


def floats(net: sx.Network, dtype: Any) -> Any:
    """The network computed in floats of a type, node by node, from its dense matrices."""

    def array(values: ExactArray) -> Any:
        den, flat = values.numerators()
        return np.array([float(n) / float(den) for n in flat], dtype).reshape(values.shape)

    def matrix(weight: Any) -> Any:
        if isinstance(weight, ExactArray):
            return np.diag(array(weight)) if len(weight.shape) == 1 else array(weight)
        found = np.zeros(weight.shape, dtype)
        den, flat = weight.numerators()
        for row, (indices, coefs) in zip(found, weight.terms(range(weight.shape[1]), flat), strict=True):
            row[list(indices)] += [float(c) / float(den) for c in coefs]
        return found

    def run(points: Any) -> Any:
        values = [points.astype(dtype)]
        for node in net.nodes:
            if isinstance(node, Affine):
                parts = [values[s] @ matrix(w).T for s, w in zip(node.sources, node.weights, strict=True)]
                values.append(sum(parts[1:], parts[0]) + array(node.bias))
            elif isinstance(node, Piecewise):
                x, cuts, slopes = values[node.source], array(node.breakpoints), array(node.slopes)
                y = array(node.anchor) + slopes[:, 0] * np.minimum(x - cuts[:, 0], 0)
                for k in range(cuts.shape[1]):
                    width = cuts[:, k + 1] - cuts[:, k] if k + 1 < cuts.shape[1] else np.inf
                    y = y + slopes[:, k + 1] * np.clip(x - cuts[:, k], 0, width)
                values.append(y.astype(dtype))
            else:
                values.append(np.stack([values[node.source][:, list(g)].max(axis=1) for g in node.groups], axis=1))
        return values[-1].astype(np.float64)

    return run


@given(st.integers(0, 99), st.sampled_from([(np.float64, 2.0**-53), (np.float32, 2.0**-24)]))
def test_a_right_network_passes_and_one_that_differs_does_not(seed: int, kind: tuple[Any, float]) -> None:
    dtype, unit = kind
    net = random_net(seed)
    run = floats(net, dtype)
    found = sx.verify_import(net, run, seed=seed, roundoff=unit)
    assert found.ok
    assert found.difference <= found.allowed < (1e-9 if dtype == np.float64 else 1.0)
    assert found.text.startswith("8 points agree")
    wrong = sx.verify_import(net, lambda x: run(x) + 3 * found.allowed, seed=seed, roundoff=unit)
    assert not wrong.ok
    assert "which is" in wrong.text
    assert wrong.difference > wrong.allowed / 2


@given(st.integers(0, 99))
def test_bound_is_one_of_what_float32_does(seed: int) -> None:
    net = random_net(seed)
    points = np.random.default_rng(seed).integers(-64, 64, (3, net.input_size)) / 32
    difference = abs(floats(net, np.float32)(points) - floats(net, np.float64)(points))
    bound = rounding_bounds(net, points, 2.0**-24, {})
    assert (difference <= bound).all()


def test_large_networks_are_enclosed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs the extra [torch]")
    net = random_net(1)
    run = floats(net, np.float64)
    exactly = sx.verify_import(net, run)
    monkeypatch.setattr(home, "_MOST_EXACT", 0)
    monkeypatch.setattr(sx.Network, "evaluate", lambda *args: pytest.fail("evaluated exactly"))
    enclosed = sx.verify_import(net, run)
    assert enclosed.ok
    assert abs(enclosed.difference - exactly.difference) < 1e-12
    assert not sx.verify_import(net, lambda x: run(x) + 1e-9).ok


def test_points_are_zero_and_of_growing_scale() -> None:
    net = sx.from_layers([([[1] * 5], None)])
    seen: list[Any] = []
    sx.verify_import(net, lambda x: (seen.append(x), x.sum(axis=1))[1], points=9, seed=3)
    (points,) = seen
    assert points.shape == (9, 5)
    assert not points[0].any()
    assert 8 < abs(points[1:8]).max() < 64
    assert (points.astype(np.float16) == points).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_do_not_pass(value: float) -> None:
    net = sx.from_layers([([[1.0, 2.0]], None)])
    assert not sx.verify_import(net, lambda x: np.full(len(x), value)).ok


def test_beyond_the_range_of_floats_nothing_is_compared() -> None:
    net = sx.from_layers([([[1e300]], None), ([[1e300]], None)])
    found = sx.verify_import(net, lambda x: np.full(len(x), math.nan), points=3)
    assert not found.ok  # 0 is compared
    assert sx.verify_import(net, lambda x: np.where(x == 0, 0.0, math.nan), points=3).ok


def test_other_numbers_of_outputs_and_other_references() -> None:
    net = sx.from_layers([([[1.0, 2.0]], None)])
    assert sx.verify_import(net, lambda x: x).text == "it has 2 outputs, the network 1"
    with pytest.raises(InputError, match=r"a torch module, an \.onnx file or a function, not int"):
        sx.verify_import(net, 3)
    for points in (0, 1.5, True, 10**9):
        with pytest.raises(InputError, match="points must be a positive int, at most 1000"):
            sx.verify_import(net, lambda x: x, points=points)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": None}, "compares a Network, not NoneType"),
        ({"seed": "a"}, "seed must be an int that is not negative, not 'a'"),
        ({"seed": -1}, "seed must be an int"),
        ({"input_shape": 2}, "input_shape must be positive sizes"),
        ({"roundoff": "a"}, "roundoff must be a number between 0 and 1"),
        ({"reference": lambda x: None}, r"must return numbers of shape \(8, outputs\) .* returns a NoneType"),
        ({"reference": lambda x: x[:3, 0]}, r"returns a ndarray of shape \(3,\)"),
        ({"reference": lambda x: x[:, 0] * 1j}, "must return numbers"),
        ({"reference": lambda x: ["a"] * len(x)}, "must return numbers"),
        ({"reference": lambda x: 1 // 0}, "the reference raises ZeroDivisionError"),
    ],
)
def test_arguments_that_make_no_sense_are_named(change: dict[str, Any], message: str) -> None:
    net = sx.from_layers([([[1.0, 2.0]], None)])
    with pytest.raises(InputError, match=message):
        sx.verify_import(**{"net": net, "reference": lambda x: x @ [1, 2], **change})


def test_fewer_points_of_large_networks_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    net = sx.from_layers([([[1.0, 2.0]], None)])
    seen: list[Any] = []

    def run(x: Any) -> Any:
        seen.append(x)
        return x @ [1, 2]

    assert sx.verify_import(net, run).points == 8
    monkeypatch.setattr(home, "_MOST_VALUES", 4)
    assert sx.verify_import(net, run).points == 2
    assert (seen[1] == seen[0][-2:]).all()
    assert seen[1].any()
    monkeypatch.setattr(home, "find_spec", lambda name: None)
    monkeypatch.setattr(home, "_MOST_EXACT", 0)
    assert sx.verify_import(net, run).points == 1


def test_networks_that_take_too_long_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    net = sx.from_layers([([[1.0, 2.0]], None)])
    monkeypatch.setattr(home, "find_spec", lambda name: None)
    monkeypatch.setattr(home, "_MOST_EXACT_OF_ONE", 10)
    with pytest.raises(InputError, match=r"takes about 5e\+01 multiplications at each point; 1e\+01 .* without torch"):
        sx.verify_import(net, lambda x: pytest.fail("it was run"))
    with pytest.warns(UserWarning, match="was not compared with what it was read from"):
        home.require_import(net, lambda x: pytest.fail("it was run"), "")


def test_torch_modules_are_copied_and_run_in_float64() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra [torch]")
    module = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 2), torch.nn.ReLU(), torch.nn.Flatten()).eval()
    torch.nn.init.constant_(module[0].weight, 0.5)  # units that are off at all points would hide the change below
    torch.nn.init.constant_(module[0].bias, 1.0)
    net = sx.from_torch(module, (1, 3))
    found = sx.verify_import(net, module, points=20, seed=1, input_shape=(1, 3))
    assert found.ok
    assert found.points == 20
    assert module[0].weight.dtype == torch.float32
    with pytest.raises(InputError, match=r"the module could not be run on an input of shape \(1, 2\)"):
        sx.verify_import(net, torch.nn.Linear(3, 1).eval(), input_shape=(2,))
    with pytest.raises(InputError, match=r"the module \(Sequential\) is in training mode: call \.eval\(\)"):
        sx.verify_import(net, torch.nn.Sequential(*module).eval().append(torch.nn.Dropout()), input_shape=(1, 3))
    with torch.no_grad():
        module[0].weight[0, 0, 0] += 1e-6
    assert not sx.verify_import(net, module, input_shape=(1, 3)).ok


def test_onnx_files_are_run_by_onnxruntime(data_dir: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    file = data_dir / "marabou" / "layer_zoo" / "conv.onnx"
    net = sx.load(file)
    assert sx.verify_import(net, file).ok
    size = net.output_size
    halved = Affine((len(net.nodes),), (ExactArray.of([0.5] * size),), ExactArray.of([0] * size))
    assert not sx.verify_import(sx.Network(net.input_size, [*net.nodes, halved]), file).ok


def test_broken_onnx_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"x\.onnx: cannot be run by onnxruntime"):
        sx.verify_import(sx.from_layers([([[1.0]], None)]), tmp_path / "x.onnx")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "y.onnx")
        with pytest.raises(InputError, match=r"y\.onnx: cannot be read \(a pipe\)"):
            sx.verify_import(sx.from_layers([([[1.0]], None)]), tmp_path / "y.onnx")


def test_onnx_files_of_either_type_are_run_in_a_process_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    from onnx_models import model, saved

    from splinecam_exact.importers import onnx_child

    w = np.array([[0.1, 0.7]])
    net = sx.from_layers([(w, None)])
    for kind, dtype in ((onnx.TensorProto.DOUBLE, np.float64), (onnx.TensorProto.FLOAT, np.float32)):
        path = saved(model([("MatMul", ["x", "w"], ["y"], {})], [1, 2], {"w": w.T.astype(dtype)}, kind=kind), tmp_path)
        assert sx.verify_import(sx.load(path), path).ok
        assert not sx.verify_import(sx.from_layers([(w + 1e-5, None)]), path).ok
    assert sx.verify_import(net, path).allowed > 1e-7  # of float32
    monkeypatch.setattr(onnx_child, "_START", "import os; os.abort()")
    with pytest.raises(InputError, match=r"model\.onnx: cannot be run by onnxruntime \(onnxruntime's process ended"):
        sx.verify_import(net, path)
