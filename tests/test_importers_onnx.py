"""ONNX files: every operation computes what onnxruntime computes, and what is not read is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto
from onnx_models import agrees, model

from splinecam_exact.kernel.errors import NetworkError

pytestmark = pytest.mark.usefixtures("in_this_process")


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def reals(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


IMAGE = [1, 2, 5, 6]

Case = tuple[str, list[Any], dict[str, Any], list[Any], int]
"""Operation, the input's shape, attributes, the other inputs (None for one left out, "x" for the input), opset."""

CASES: list[Case] = [
    # One operand
    ("Relu", [1, 5], {}, [], 18),
    ("LeakyRelu", [1, 5], {"alpha": 0.25}, [], 18),
    ("PRelu", [1, 3, 4], {}, [weights(3, 1)], 18),
    ("PRelu", [1, 3, 4], {}, [weights(1, 3, 4)], 18),
    ("PRelu", [1, 3, 4], {}, [reals(0.5)], 18),
    ("Abs", [7], {}, [], 18),
    ("Neg", [2, 3], {}, [], 18),
    ("Clip", [9], {}, [np.float32(-1), np.float32(2)], 18),
    ("Clip", [9], {}, [None, np.float32(2)], 18),
    ("Clip", [9], {}, [np.float32(-1)], 18),
    ("Clip", [9], {}, [np.float32(2), np.float32(-1)], 18),
    ("Clip", [9], {}, [np.float32(-np.inf), np.float32(np.inf)], 18),
    ("Clip", [9], {}, [], 18),
    ("Clip", [9], {"min": 0.0, "max": 3.0}, [], 7),
    ("HardSigmoid", [9], {"alpha": 0.25, "beta": 0.5}, [], 18),
    ("ThresholdedRelu", [9], {"alpha": 0.0}, [], 18),
    ("Identity", [2, 2], {}, [], 18),
    ("Dropout", [2, 2], {}, [], 18),
    ("Dropout", [2, 2], {"ratio": 0.25}, [], 7),
    ("Dropout", [2, 2], {}, [np.float32(0.5), np.bool_(False)], 18),
    ("Cast", [2, 2], {"to": TensorProto.FLOAT}, [], 18),
    # Two and more operands
    ("Add", [2, 3], {}, [weights(3)], 18),
    ("Add", [3], {}, [weights(2, 1)], 18),
    ("Add", [2, 1], {}, [np.float32(2)], 18),
    ("Add", [2, 3], {}, ["x"], 18),
    ("Sub", [2, 3], {}, [weights(2, 3)], 18),
    ("Sub", [2, 3], {}, ["x"], 18),
    ("Mul", [2, 3], {}, [weights(2, 1)], 18),
    ("Div", [2, 3], {}, [reals(2, 4, -0.5)], 18),
    ("Sum", [2, 3], {}, ["x", weights(3), "x", weights(2, 3)], 18),
    ("Mean", [2, 3], {}, ["x", weights(3), weights(3)], 18),
    ("Max", [2, 3], {}, [weights(3), weights(2, 1)], 18),
    ("Max", [2, 3], {}, ["x"], 18),
    ("Min", [2, 3], {}, [weights(3)], 18),
    # Matrices
    ("Gemm", [1, 3], {"transB": 1}, [weights(4, 3), weights(4)], 18),
    ("Gemm", [1, 3], {}, [weights(3, 4), weights(1)], 18),
    ("Gemm", [2, 3], {"alpha": 0.5, "beta": 0.25}, [weights(3, 4), weights(2, 1)], 18),
    ("Gemm", [2, 3], {"alpha": 0.5, "beta": 0.25}, [weights(3, 4), weights(2, 4)], 18),
    ("Gemm", [3, 2], {"transA": 1, "transB": 1}, [weights(4, 3), weights(1, 4)], 18),
    ("Gemm", [3, 2], {"transA": 1, "beta": 0.0}, [weights(3, 4), weights(1, 4)], 18),
    ("MatMul", [3], {}, [weights(3)], 18),
    ("MatMul", [3], {}, [weights(3, 2)], 18),
    ("MatMul", [2, 3], {}, [weights(3, 2)], 18),
    ("MatMul", [2, 3], {}, [weights(3)], 18),
    ("MatMul", [2, 2, 3], {}, [weights(3, 4)], 18),
    ("MatMul", [2, 2, 3], {}, [weights(2, 3, 4)], 18),
    ("MatMul", [2, 3], {}, [weights(2, 3, 4)], 18),
    ("MatMul", [2, 3], {}, [weights(1, 3, 4)], 18),
    ("MatMul", [3], {}, [weights(2, 3, 4)], 18),
    ("MatMul", [2, 1, 2, 3], {}, [weights(2, 3, 4)], 18),
    # Convolutions
    ("Conv", [1, 2, 6], {}, [weights(3, 2, 3), weights(3)], 18),
    ("Conv", IMAGE, {}, [weights(3, 2, 3, 2)], 18),
    ("Conv", IMAGE, {"pads": [1, 0, 2, 1], "strides": [2, 1]}, [weights(3, 2, 3, 2), weights(3)], 18),
    ("Conv", IMAGE, {"dilations": [2, 3], "pads": [2, 3, 2, 3]}, [weights(3, 2, 3, 2)], 18),
    ("Conv", IMAGE, {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]}, [weights(4, 1, 3, 2)], 18),
    ("Conv", IMAGE, {"auto_pad": "SAME_LOWER", "strides": [2, 1]}, [weights(2, 2, 3, 4)], 18),
    ("Conv", IMAGE, {"auto_pad": "VALID", "kernel_shape": [2, 2]}, [weights(2, 2, 2, 2)], 18),
    ("Conv", [1, 1, 3, 4, 3], {"pads": [1, 1, 1, 0, 0, 0]}, [weights(2, 1, 2, 2, 2), weights(2)], 18),
    ("Conv", [2, 2, 4], {"pads": [1, 1]}, [weights(3, 2, 3)], 18),
    ("ConvTranspose", [1, 2, 4], {"strides": [2]}, [weights(2, 3, 3), weights(3)], 18),
    ("ConvTranspose", [1, 2, 3, 3], {"strides": [2, 3], "pads": [1, 0, 0, 1]}, [weights(2, 3, 3, 4)], 18),
    (
        "ConvTranspose",
        [1, 4, 3, 3],
        {"group": 2, "strides": [2, 2], "output_padding": [1, 1]},
        [weights(4, 1, 3, 3)],
        18,
    ),
    ("ConvTranspose", [1, 2, 3, 3], {"dilations": [2, 1], "pads": [1, 1, 1, 1]}, [weights(2, 1, 3, 3)], 18),
    ("ConvTranspose", [1, 2, 3, 3], {"strides": [2, 2], "output_shape": [6, 6]}, [weights(2, 1, 3, 3)], 18),
    ("ConvTranspose", [1, 2, 3, 3], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, [weights(2, 1, 3, 3)], 18),
    ("ConvTranspose", [1, 2, 3, 3], {"strides": [2, 2], "auto_pad": "SAME_LOWER"}, [weights(2, 1, 3, 3)], 18),
    # Pooling
    ("MaxPool", [1, 2, 7], {"kernel_shape": [3], "strides": [2], "pads": [1, 0]}, [], 18),
    ("MaxPool", IMAGE, {"kernel_shape": [2, 3]}, [], 18),
    ("MaxPool", IMAGE, {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, [], 18),
    ("MaxPool", IMAGE, {"kernel_shape": [2, 2], "dilations": [3, 2], "pads": [1, 1, 0, 1]}, [], 18),
    ("MaxPool", IMAGE, {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, [], 18),
    ("MaxPool", IMAGE, {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, [], 18),
    ("MaxPool", [1, 1, 4, 3, 3], {"kernel_shape": [2, 2, 2], "strides": [2, 1, 1]}, [], 18),
    ("MaxPool", IMAGE, {"kernel_shape": [2, 2], "storage_order": 1}, [], 8),
    ("AveragePool", IMAGE, {"kernel_shape": [2, 2], "strides": [1, 2]}, [], 18),
    ("AveragePool", IMAGE, {"kernel_shape": [3, 2], "pads": [1, 1, 0, 0]}, [], 18),
    ("AveragePool", IMAGE, {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0], "count_include_pad": 1}, [], 18),
    ("AveragePool", IMAGE, {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, [], 19),
    (
        "AveragePool",
        IMAGE,
        {"kernel_shape": [3, 4], "strides": [2, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1], "count_include_pad": 1},
        [],
        19,
    ),
    ("AveragePool", IMAGE, {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, [], 18),
    ("AveragePool", IMAGE, {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER", "count_include_pad": 1}, [], 18),
    ("GlobalAveragePool", [1, 3, 2, 2], {}, [], 18),
    ("GlobalMaxPool", [1, 2, 9, 8], {}, [], 18),
    # Reductions
    ("ReduceSum", [2, 3, 4], {}, [ints(1)], 18),
    ("ReduceSum", [2, 3, 4], {"keepdims": 0}, [ints(-1, 0)], 18),
    ("ReduceSum", [2, 3, 4], {}, [], 18),
    ("ReduceSum", [2, 3, 4], {"noop_with_empty_axes": 1}, [], 18),
    ("ReduceSum", [2, 3, 4], {"axes": [0, 2]}, [], 11),
    ("ReduceMean", [2, 3, 4], {"keepdims": 0}, [ints(2)], 18),
    ("ReduceMax", [2, 3, 4], {"axes": [1], "keepdims": 0}, [], 13),
    ("ReduceMin", [2, 3, 4], {}, [ints(0, 1)], 18),
    ("ReduceL1", [2, 3, 4], {}, [ints(0, 1)], 18),
    # Views
    ("Flatten", [2, 3, 2], {"axis": 2}, [], 18),
    ("Flatten", [2, 3, 2], {"axis": -1}, [], 18),
    ("Flatten", [2, 3, 2], {"axis": 0}, [], 18),
    ("Reshape", [2, 3, 2], {}, [ints(0, -1)], 18),
    ("Reshape", [2, 3, 2], {}, [ints(4, 3)], 18),
    ("Transpose", [2, 3, 2], {"perm": [2, 0, 1]}, [], 18),
    ("Transpose", [2, 3, 2], {}, [], 18),
    ("Squeeze", [1, 3, 1], {}, [], 18),
    ("Squeeze", [1, 3, 1], {}, [ints(-1)], 18),
    ("Squeeze", [1, 3, 1], {"axes": [0]}, [], 11),
    ("Unsqueeze", [2, 3], {}, [ints(0, -1)], 18),
    ("Unsqueeze", [2, 3], {"axes": [1]}, [], 11),
    ("Concat", [2, 3], {"axis": 0}, [weights(1, 3), "x"], 18),
    ("Concat", [2, 3], {"axis": -1}, ["x", "x"], 18),
    ("Slice", [4, 5], {}, [ints(1, -2), ints(3, 2**62)], 18),
    ("Slice", [4, 5], {}, [ints(-1, 7), ints(-(2**62), 0), ints(0, -1), ints(-1, -2)], 18),
    ("Slice", [4, 5], {}, [ints(-9), ints(-9), ints(1), ints(-1)], 18),
    ("Slice", [4, 5], {"starts": [1], "ends": [-1], "axes": [1]}, [], 9),
    ("Gather", [4, 5], {"axis": 1}, [np.array([[0, -1], [2, 2]])], 18),
    ("Gather", [4, 5], {}, [np.int64(1)], 18),
    ("Expand", [2, 1], {}, [ints(3, 1, 4)], 18),
    ("Tile", [2, 3], {}, [ints(2, 1)], 18),
    ("Pad", [2, 3], {}, [ints(1, 0, 0, 2)], 18),
    ("Pad", [2, 3], {}, [ints(1, -1, 0, 2), np.float32(7)], 18),
    ("Pad", [2, 4], {"mode": "reflect"}, [ints(0, 3, 0, 1)], 18),
    ("Pad", [2, 4], {"mode": "edge"}, [ints(2, 3, 0, 1)], 18),
    ("Pad", [2, 4], {"mode": "wrap"}, [ints(0, 3, 0, 1)], 19),
    ("Pad", [2, 4], {}, [ints(1, 2), np.float32(1), ints(-1)], 18),
    ("Pad", [2, 4], {"pads": [0, 1, 1, 0], "value": 2.0}, [], 10),
    ("DepthToSpace", [1, 8, 2, 3], {"blocksize": 2}, [], 18),
    ("DepthToSpace", [1, 8, 2, 3], {"blocksize": 2, "mode": "CRD"}, [], 18),
    ("SpaceToDepth", [1, 2, 4, 6], {"blocksize": 2}, [], 18),
    ("Upsample", [1, 1, 2, 3], {"scales": [1.0, 1.0, 2.0, 3.0]}, [], 7),
    ("Upsample", [1, 1, 2, 3], {}, [reals(1, 1, 2, 3)], 9),
    ("Resize", [1, 1, 2, 3], {}, [reals(1, 1, 2, 3)], 10),
    ("Resize", [1, 1, 2, 3], {}, [None, reals(1, 1, 2, 3)], 18),
    ("Resize", [1, 1, 2, 3], {}, [None, None, ints(1, 1, 4, 6)], 18),
    ("Resize", [1, 1, 4, 6], {"nearest_mode": "floor"}, [None, None, ints(1, 1, 2, 3)], 18),
    (
        "Resize",
        [1, 1, 2, 3],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        [None, reals(1, 1, 4, 2)],
        18,
    ),
    (
        "Resize",
        [1, 1, 3, 3],
        {"coordinate_transformation_mode": "align_corners", "nearest_mode": "ceil"},
        [None, None, ints(1, 1, 5, 5)],
        18,
    ),
    ("Where", [2, 3], {}, [], 18),
    ("BatchNormalization", [1, 2, 3], {}, [reals(2, 1), weights(2), weights(2, seed=3), reals(3, 0.25)], 18),
    ("BatchNormalization", [1, 2], {"epsilon": 0.5}, [reals(2, 1), weights(2), weights(2, seed=3), reals(3, 0)], 9),
]


def single(case: Case, as_inputs: bool = False) -> Any:
    op, shape, attributes, others, opset = case
    constants = {f"c{k}": value for k, value in enumerate(others) if not (value is None or isinstance(value, str))}
    names = ["x", *("" if v is None else v if isinstance(v, str) else f"c{k}" for k, v in enumerate(others))]
    if op == "Where":
        constants = {"c0": weights(2, 3) > 0, "c1": weights(3)}
        names = ["c0", "x", "c1"]
    return model([(op, names, ["y"], attributes)], shape, constants, opset, as_inputs=as_inputs)


@pytest.mark.parametrize("k", range(len(CASES)), ids=[f"{k}-{case[0]}" for k, case in enumerate(CASES)])
def test_operation_computes_what_onnxruntime_computes(k: int, tmp_path: Path) -> None:
    inexact = CASES[k][0] in ("BatchNormalization", "Mean", "ReduceMean", "AveragePool", "GlobalAveragePool")
    agrees(single(CASES[k], as_inputs=k % 2 == 0), tmp_path, tolerance=1e-6 if inexact else 0.0)


def draw_windows(draw: st.DrawFn, dimensions: int, least: int = 1) -> tuple[list[int], dict[str, Any]]:
    """Sizes of an image, and the attributes of a window that fits it."""
    image, attributes = [], {name: [] for name in ("kernel_shape", "strides", "dilations")}
    before, after = [], []
    for _ in range(dimensions):
        k, d = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        low, high = draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))
        image.append(draw(st.integers(max(least, d * (k - 1) + 1 - low - high), 7)))
        for name, value in (("kernel_shape", k), ("strides", draw(st.integers(1, 3))), ("dilations", d)):
            attributes[name].append(value)
        before.append(low)
        after.append(high)
    automatic = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER"]))
    if automatic != "NOTSET":
        attributes["dilations"] = [1] * dimensions  # which onnxruntime needs, and no stride beyond the window
        attributes["strides"] = list(map(min, attributes["strides"], attributes["kernel_shape"]))
    padding = {"pads": before + after} if automatic == "NOTSET" else {"auto_pad": automatic}
    return image, {**attributes, **padding}


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    image, attributes = draw_windows(draw, draw(st.integers(1, 2)))
    groups, inputs, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    others = [weights(outputs * groups, inputs, *attributes["kernel_shape"])]
    others += [weights(outputs * groups, seed=2)] * draw(st.integers(0, 1))
    return "Conv", [1, inputs * groups, *image], {**attributes, "group": groups}, others, 18


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> Case:
    image, attributes = draw_windows(draw, draw(st.integers(1, 2)))
    groups, inputs, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    attributes["pads"] = [0] * 2 * len(image)
    attributes.pop("auto_pad", None)
    for d, k in enumerate(attributes["kernel_shape"]):
        attributes["pads"][d] = draw(st.integers(0, (k - 1) // 2))
    attributes["output_padding"] = [draw(st.integers(0, s - 1)) for s in attributes["strides"]]
    weight = weights(inputs * groups, outputs, *attributes["kernel_shape"])
    return "ConvTranspose", [1, inputs * groups, *image], {**attributes, "group": groups}, [weight], 18


@st.composite
def poolings(draw: st.DrawFn) -> Case:
    image, attributes = draw_windows(draw, draw(st.integers(1, 2)))
    op = draw(st.sampled_from(["MaxPool", "AveragePool"]))
    if "pads" in attributes:
        attributes["ceil_mode"] = draw(st.integers(0, 1))
    if op == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
        attributes["dilations"] = [1] * len(image)
    return op, [1, 2, *image], attributes, [], 19


@given(st.one_of(convolutions(), transposed_convolutions(), poolings()))
def test_windows_of_any_shape_see_what_onnxruntime_sees(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    try:
        agrees(single(case), tmp_path_factory.getbasetemp(), tolerance=1e-6)
    except NetworkError as error:  # of a window that reads nothing but padding
        if not re.search("MaxPool.*the maximum of no values", str(error)):
            raise
        reject()
