"""Real ONNX files: read right, as onnxruntime says, or refused for a reason; and partitioned, certified, on a slice.

They need the folder of real networks, named by the environment variable SPLINECAM_EXACT_DATA.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx

import splinecam_exact as sx
from splinecam_exact.certification import canonical_form
from splinecam_exact.importers.onnx_reference import OnnxReference

pytestmark = pytest.mark.usefixtures("in_this_process")

ZOO = (
    *("add", "batchnorm", "cast_int_to_float", "constant", "conv", "dropout", "dropout_training_mode_false", "flatten"),
    *("gemm", "identity", "leakyRelu", "matmul", "maxpool", "relu", "reshape", "reshape_with_dimension_inference"),
    *("squeeze", "squeeze_with_axes", "sub", "transpose", "unsqueeze"),
)
SIZES = {
    "acasxu/ACASXU_run2a_1_1_batch_2000": (5, 5, 300),
    "acasxu/ACASXU_run2a_3_3_batch_2000": (5, 5, 300),
    "marabou/onnx/KJ_TinyTaxiNet": (128, 2, 32),
    "marabou/onnx/cnn_max_mninst2": (784, 10, 7452),
    "marabou/onnx/conv_mp1": (192, 5, 672),
    "marabou/onnx/fc1": (2, 2, 75),
    "marabou/onnx/fc_2-2-3": (2, 3, 2),
    "marabou/onnx/linear2-3_bn1-linear3-1": (2, 1, 0),
    "marabou/onnx/mnist2x10": (784, 10, 20),
    "marabou/onnx/mnist5x20_leaky_relu": (784, 10, 120),
}
"""Inputs, outputs and units of the larger files."""

REFUSED = {
    "marabou/layer_zoo/dropout_training_mode_true": r"node that makes 'y' \(Dropout\) is in training mode",
    "marabou/layer_zoo/sigmoid": r"node that makes 'y' \(Sigmoid\) is not piecewise linear",
    "marabou/layer_zoo/tanh": r"node that makes 'y' \(Tanh\) is not piecewise linear",
    "marabou/onnx/oneInput_twoBranches": r"has 2 outputs \('Y', 'add1'\) where one is needed",
}
LOADED = (*(f"marabou/layer_zoo/{name}" for name in ZOO), *SIZES)

RADII = {
    "acasxu/ACASXU_run2a_1_1_batch_2000": mpq(1, 8),
    "acasxu/ACASXU_run2a_3_3_batch_2000": mpq(1, 16),
    "marabou/onnx/cnn_max_mninst2": mpq(1, 1024),
    "marabou/onnx/conv_mp1": mpq(1, 32),
}
"""Half the sides of the squares that are partitioned, where it is not 1."""

LEAST_CELLS = {
    **dict.fromkeys(RADII, 20),
    "marabou/onnx/KJ_TinyTaxiNet": 20,
    "marabou/onnx/fc1": 50,
    "marabou/onnx/fc_2-2-3": 2,
    "marabou/onnx/mnist2x10": 20,
    "marabou/onnx/mnist5x20_leaky_relu": 100,
    **{f"marabou/layer_zoo/{name}": 2 for name in ("leakyRelu", "maxpool", "relu")},
}


def test_every_file_is_in_the_lists(data_dir: Path) -> None:
    found = {str(path.relative_to(data_dir).with_suffix("")) for path in data_dir.rglob("*.onnx")}
    assert found == {*LOADED, *REFUSED}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_for_a_reason(name: str, data_dir: Path) -> None:
    with pytest.raises(sx.NetworkError, match=REFUSED[name]):
        sx.load(data_dir / f"{name}.onnx")


@pytest.mark.parametrize("name", LOADED)
def test_loaded_file_computes_what_onnxruntime_computes(name: str, data_dir: Path) -> None:
    path = data_dir / f"{name}.onnx"
    net = sx.load(path)
    run = OnnxReference(path.read_bytes())
    points = np.random.default_rng(7).standard_normal((2, net.input_size)).astype(np.float32).astype(np.float64)
    for point, expected in zip(points, run(points), strict=True):
        found = np.array([float(y) for y in net.evaluate(point)])
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-5 * max(1.0, np.abs(found).max())
    if name in SIZES:
        assert (net.input_size, net.output_size, net.unit_count) == SIZES[name]


def test_each_branch_of_two_outputs_is_read_when_it_is_cut_out(data_dir: Path, tmp_path: Path) -> None:
    model = onnx.load(data_dir / "marabou" / "onnx" / "oneInput_twoBranches.onnx")
    networks = []
    for name in ("Y", "add1"):
        part = onnx.ModelProto()
        part.CopyFrom(model)
        del part.graph.output[:]
        part.graph.output.extend(entry for entry in model.graph.output if entry.name == name)
        onnx.save(part, tmp_path / f"{name}.onnx")
        networks.append(sx.load(tmp_path / f"{name}.onnx"))
    assert [(net.input_size, net.output_size) for net in networks] == [(12, 12), (12, 12)]


@pytest.mark.parametrize("name", LOADED)
def test_loaded_file_is_partitioned_and_certified(name: str, data_dir: Path) -> None:
    pytest.importorskip("torch", reason="the certified mode needs torch")
    net = sx.load(data_dir / f"{name}.onnx")
    domain = square_through_random_points(net.input_size, RADII.get(name, mpq(1)))
    part = sx.partition(net, domain, "certified")
    assert part.certified
    cells, vertices, edges = len(part.faces), len(part.vertices), len(part.edges)
    assert vertices - edges + cells == 1
    assert cells >= LEAST_CELLS.get(name, 1)
    if cells < 100 and net.unit_count < 100:
        assert canonical_form(part) == canonical_form(sx.partition(net, domain, "rational"))


def square_through_random_points(inputs: int, radius: mpq) -> sx.Slice | sx.Polygon:
    """A square in the plane through some points with coordinates in eighths, which float32 holds exactly."""
    square = sx.square(radius)
    if inputs == 2:
        return square
    if inputs == 1:
        return sx.Slice([0], [[1], [0]], square)
    origin, first, second = np.random.default_rng(0).integers(-8, 9, (3, inputs)) / 8
    return sx.Slice(origin.tolist(), [first.tolist(), second.tolist()], square)
