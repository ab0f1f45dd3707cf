"""ONNX files as a whole: constants, batch, inputs and outputs; what is broken, hostile or not piecewise linear."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx_models import agrees, model, read, saved

from splinecam_exact.importers import load, onnx_check, onnx_child, onnx_file, onnx_table
from splinecam_exact.importers.onnx_child import Crash, run_isolated
from splinecam_exact.importers.onnx_constants import fold
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.nodes import Affine, Piecewise

pytestmark = pytest.mark.usefixtures("in_this_process")

W = np.array([[1, -2, 3], [0.5, 4, -1]], dtype=np.float32)
B = np.array([1, -0.25], dtype=np.float32)
RELU = ("Relu", ["x"], ["y"], {})


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def real(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


# Constants


def test_shape_arithmetic_is_computed(tmp_path: Path) -> None:
    """Halve the channels into a new dimension, as exporters write it: integer division truncates towards zero."""
    nodes = [
        ("Shape", ["x"], ["s"], {}),
        ("Gather", ["s", "zero"], ["n"], {}),
        ("Gather", ["s", "one"], ["c"], {}),
        ("Div", ["c", "two"], ["half"], {}),
        ("Neg", ["half"], ["m"], {}),
        ("Div", ["m", "half"], ["minus"], {}),
        *(("Unsqueeze", [name, "axis"], [f"{name}1"], {}) for name in ("n", "half", "minus")),
        ("Concat", ["n1", "half1", "minus1"], ["shape"], {"axis": 0}),
        ("Reshape", ["x", "shape"], ["z"], {}),
        ("Transpose", ["z"], ["y"], {"perm": [0, 2, 1]}),
    ]
    constants = {"zero": np.int64(0), "one": np.int64(1), "two": np.int64(2), "axis": ints(0)}
    agrees(model(nodes, ["N", 6, 3], constants), tmp_path)


def test_floats_in_shape_arithmetic(tmp_path: Path) -> None:
    nodes = [
        ("Shape", ["x"], ["s"], {}),
        ("Cast", ["s"], ["f"], {"to": TensorProto.FLOAT}),
        ("Mul", ["f", "scale"], ["g"], {}),
        ("Floor", ["g"], ["h"], {}),
        ("Cast", ["h"], ["sizes"], {"to": TensorProto.INT64}),
        (
            "Resize",
            ["x", "", "", "sizes"],
            ["y"],
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
    ]
    agrees(model(nodes, [1, 2, 3, 2], {"scale": real(1, 1, 2.4, 2)}), tmp_path)


def test_expand_with_a_condition_on_the_shape(tmp_path: Path) -> None:
    nodes = [
        ("Shape", ["shape"], ["rank"], {}),
        ("ConstantOfShape", ["rank"], ["ones"], {"value": numpy_helper.from_array(ints(1))}),
        ("Mul", ["ones", "minus"], ["holes"], {}),
        ("Equal", ["shape", "holes"], ["equal"], {}),
        ("Where", ["equal", "ones", "shape"], ["wanted"], {}),
        ("Expand", ["x", "wanted"], ["y"], {}),
    ]
    agrees(model(nodes, [2, 1], {"shape": ints(3, -1, 4), "minus": np.int64(-1)}), tmp_path)


def test_constants_of_every_kind(tmp_path: Path) -> None:
    nodes = [
        ("Constant", [], ["a"], {"value": numpy_helper.from_array(W)}),
        ("Constant", [], ["b"], {"value_floats": [0.5, 2.0, -1.0]}),
        ("Constant", [], ["c"], {"value_float": 0.25}),
        ("Constant", [], ["start"], {"value_int": 2}),
        ("Constant", [], ["order"], {"value_ints": [1, 0]}),
        ("Range", ["start", "stop", "step"], ["turned"], {}),
        ("Gather", ["x", "turned"], ["r"], {"axis": 1}),
        ("Gather", ["a", "order"], ["d"], {}),
        ("Mul", ["d", "b"], ["e"], {}),
        ("Sub", ["e", "r"], ["f"], {}),
        ("Add", ["c", "f"], ["y"], {}),
    ]
    agrees(model(nodes, [2, 3], {"stop": np.int64(-1), "step": np.int64(-1)}), tmp_path)


@pytest.mark.parametrize("k", [-1, 0, 2, 2**40])
@pytest.mark.parametrize("upper", [0, 1])
def test_diagonals_and_triangles(k: int, upper: int, tmp_path: Path) -> None:
    nodes = [
        ("EyeLike", ["x"], ["e"], {"k": min(k, 2)}),
        ("EyeLike", ["c"], ["i"], {"k": -1, "dtype": TensorProto.INT64}),
        ("Cast", ["i"], ["j"], {"to": TensorProto.FLOAT}),
        ("Trilu", ["c", "k"], ["t"], {"upper": upper}),
        ("Mul", ["x", "t"], ["p"], {}),
        ("Sum", ["p", "e", "j"], ["y"], {}),
    ]
    content = model(nodes, [2, 3], {"c": W, "k": np.int64(min(k, 7))})
    agrees(content, tmp_path)


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 1.5, 0.5), (1, -1, -0.75), (0, 3, 2), (0, -1, 1)])
def test_ranges_of_floats(start: float, stop: float, step: float, tmp_path: Path) -> None:
    nodes = [("Range", ["a", "b", "c"], ["r"], {}), ("Concat", ["r", "x"], ["y"], {"axis": 0})]
    constants = {name: np.float32(v) for name, v in zip("abc", (start, stop, step), strict=True)}
    agrees(model(nodes, [1], constants), tmp_path)


def test_split_and_unused_parts(tmp_path: Path) -> None:
    nodes = [
        ("Split", ["x", "sizes"], ["a", "", "b"], {"axis": 1}),
        ("Split", ["b"], ["c", "d"], {"axis": 1, "num_outputs": 2}),
        ("Tanh", ["a"], ["unused"], {}),
        ("Sub", ["c", "d"], ["y"], {}),
    ]
    agrees(model(nodes, [1, 7], {"sizes": ints(1, 2, 4)}), tmp_path)


def test_output_that_is_constant(tmp_path: Path) -> None:
    net = agrees(model([("Add", ["a", "a"], ["y"], {})], [2], {"a": W}), tmp_path)
    assert net.evaluate([5, 7]) == [2, -4, 6, 1, 8, -2]


def test_quotients_of_constants_are_exact(tmp_path: Path) -> None:
    net = read(
        model([("Div", ["a", "b"], ["c"], {}), ("Mul", ["x", "c"], ["y"], {})], [2], {"a": real(1), "b": real(3, 7)}),
        tmp_path,
    )
    assert net.evaluate([1, 2]) == [mpq(1, 3), mpq(2, 7)]


@given(
    a=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4),
    b=st.lists(st.floats(-1e9, 1e9), min_size=4, max_size=4),
    op=st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min"]),
)
def test_arithmetic_of_floats_is_that_of_the_rationals(a: list[float], b: list[float], op: str) -> None:
    b = [y or 1.0 for y in b[: len(a)]]
    functions: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
        "Add": lambda x, y: x + y,
        "Sub": lambda x, y: x - y,
        "Mul": lambda x, y: x * y,
        "Div": lambda x, y: x / y,
        "Max": max,
        "Min": min,
    }
    found = fold(op, np.array(a), np.array(b))
    for x, y, z in zip(a, b, found.tolist(), strict=True):
        assert Fraction(z) == functions[op](Fraction(x), Fraction(y))


@given(
    a=st.integers(-(2**62), 2**62), b=st.integers(-9, 9).filter(bool), op=st.sampled_from(["Add", "Sub", "Mul", "Div"])
)
def test_arithmetic_of_ints_never_wraps(a: int, b: int, op: str) -> None:
    expected = {"Add": a + b, "Sub": a - b, "Mul": a * b, "Div": int(Fraction(a, b))}[op]
    if -(2**63) <= expected < 2**63:
        assert fold(op, ints(a), ints(b)).tolist() == [expected]
    else:
        with pytest.raises(NetworkError, match="no int64"):
            fold(op, ints(a), ints(b))


def test_squaring_again_and_again_ends(tmp_path: Path) -> None:
    nodes = [("Mul", [f"a{k}", f"a{k}"], [f"a{k + 1}"], {}) for k in range(64)]
    with pytest.raises(NetworkError, match="too many digits"):
        read(model([*nodes, ("Mul", ["x", "a64"], ["y"], {})], [1], {"a0": real(1.1)}), tmp_path)


# The input, the output, types


@pytest.mark.parametrize("shape", [[3], [1, 3], ["N", 3], [None, 3], [2, 3], [2, 2, 3]])
def test_batch_is_one_where_it_is_open(shape: list[Any], tmp_path: Path) -> None:
    content = model(
        [("MatMul", ["x", "w"], ["z"], {}), ("Add", ["z", "b"], ["h"], {}), ("Relu", ["h"], ["y"], {})],
        shape,
        {"w": W.T, "b": B},
    )
    net = agrees(content, tmp_path)
    assert net.input_size == 3 * int(np.prod([n for n in shape[:-1] if isinstance(n, int)]))


@pytest.mark.parametrize("first", [True, False])
def test_sum_after_a_product_is_its_bias(first: bool, tmp_path: Path) -> None:
    product = ("MatMul", ["w", "x"] if first else ["x", "w"], ["z"], {})
    content = model([product, ("Add", ["b", "z"], ["h"], {}), RELU_OF_H], [3], {"w": W if first else W.T, "b": B})
    assert [type(node) for node in agrees(content, tmp_path).nodes] == [Affine, Piecewise]


RELU_OF_H = ("Relu", ["h"], ["y"], {})


def test_sum_of_another_shape_is_no_bias(tmp_path: Path) -> None:
    nodes = [("MatMul", ["x", "w"], ["z"], {}), ("Add", ["z", "b"], ["y"], {})]
    agrees(model(nodes, [3], {"w": W.T, "b": np.stack([B, B])}), tmp_path)
    agrees(model(nodes, [2, 3], {"w": W[0], "b": B[:1]}), tmp_path)
    agrees(model([*nodes, ("Sub", ["y", "z"], ["v"], {})], [3], {"w": W.T, "b": B}, output="v"), tmp_path)


def test_models_in_float64(tmp_path: Path) -> None:
    w = W.astype(np.float64) + 2.0**-40
    nodes = [("Gemm", ["x", "w", "b"], ["h"], {"transB": 1}), RELU_OF_H]
    net = agrees(model(nodes, [1, 3], {"w": w, "b": B.astype(np.float64)}, kind=TensorProto.DOUBLE), tmp_path, 1e-12)
    assert net.evaluate([0, 0, 2**40]) == [3 * 2**40 + 2, 0]
    plain = [("Conv", ["x", "w"], ["y"], {})]  # which onnxruntime has in float32 alone
    content = model(plain, [1, 1, 3], {"w": w[:, np.newaxis]}, kind=TensorProto.DOUBLE)
    assert read(content, tmp_path).evaluate([1, 0, 0])[0] == 1 + mpq(1, 2**40)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_narrow_floats_are_what_they_store(kind: int, tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", kind, [1, 2], [0.1, 3.0])
    content = model([("Cast", ["w"], ["v"], {"to": 1}), ("Mul", ["x", "v"], ["y"], {})], [1, 2])
    content.graph.initializer.append(tensor)
    (tenth, three) = read(content, tmp_path).evaluate([1, 1])
    assert three == 3
    assert tenth == mpq(float(numpy_helper.to_array(tensor).astype(np.float64)[0, 0])) != mpq(0.1)


def test_casts_to_narrower_floats_are_recorded(tmp_path: Path) -> None:
    cast = model([("Cast", ["x"], ["y"], {"to": TensorProto.FLOAT16})], [2])
    assert read(cast, tmp_path).conventions == ("onnx: casts to float16 are left out, nothing is rounded",)
    same = model([("Cast", ["x"], ["y"], {"to": TensorProto.DOUBLE})], [2])
    assert read(same, tmp_path).conventions == ()


@pytest.mark.parametrize(
    ("op", "name"), [("Softmax", "softmax"), ("LogSoftmax", "log_softmax"), ("Sigmoid", "sigmoid")]
)
def test_output_is_stripped_on_request_only(op: str, name: str, tmp_path: Path) -> None:
    content = model([("MatMul", ["x", "w"], ["h"], {}), (op, ["h"], ["y"], {})], [1, 3], {"w": W.T})
    with pytest.raises(NetworkError, match=rf"node 'n1' \({op}\) is not piecewise linear.*strip_output=True"):
        read(content, tmp_path)
    net = read(content, tmp_path, strip_output=True)
    assert net.evaluate([1, 0, 0]) == [1, mpq(1, 2)]
    assert net.conventions == (f"output: the last {name} is left out",)
    with pytest.raises(NetworkError, match=r"strip_output leaves out a last Softmax.*the last operation is 'Relu'"):
        read(model([RELU], [2]), tmp_path, strip_output=True)


def test_what_was_read_is_compared_with_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(onnx_table.HANDLERS, "Relu", lambda call: call.graph.abs(call.tensor()))
    with pytest.raises(NetworkError, match=r"computes something else than the network that was read .*output \d at"):
        read(model([RELU], [2]), tmp_path)


def test_onnxruntime_is_run_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # of what runs it in this one
    path = saved(model([RELU], [2]), tmp_path)
    assert load(path).evaluate([-1, 1]) == [0, 1]
    monkeypatch.setitem(onnx_table.HANDLERS, "Relu", lambda call: call.graph.abs(call.tensor()))
    with pytest.raises(NetworkError, match=r"computes something else than the network that was read"):
        load(path)
    with pytest.raises(InputError, match=r"cannot be run by onnxruntime"):
        run_isolated(b"nonsense", np.zeros((1, 2)))


def test_crash_of_onnxruntime_ends_only_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    content = model(
        [("Split", ["x", "s"], ["a", "", "y"], {})], [3], {"s": ints(1, 1, 1)}
    )  # on which version 1.32 crashes
    with suppress(Crash):
        assert run_isolated(content.SerializeToString(), np.array([[1.0, 2, 3]]))[0].tolist() == [[3.0]]
    assert read(content, tmp_path).evaluate([1, 2, 3]) == [3]
    monkeypatch.setattr(onnx_child, "_START", "import os; os.abort()")
    with pytest.raises(Crash, match="ended with"):
        run_isolated(content.SerializeToString(), np.zeros((1, 3)))
    assert read(content, tmp_path).evaluate([1, 2, 3]) == [3]


def test_nothing_is_compared_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_check, "find_spec", lambda name: None)
    monkeypatch.setitem(onnx_table.HANDLERS, "Relu", lambda call: call.graph.abs(call.tensor()))
    assert read(model([RELU], [2]), tmp_path).evaluate([-1, 1]) == [1, 1]


def test_missing_onnx_is_named(tmp_path: Path) -> None:
    path = saved(model([RELU], [2]), tmp_path)
    script = f"import sys; sys.modules['onnx'] = None\nimport splinecam_exact as sx\nsx.load({str(path)!r})"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "MissingDependency: reading .onnx files needs onnx: pip install 'splinecam-exact[onnx]'" in ended.stderr


# What is refused


def changed(change: Callable[[Any], Any], nodes: Any = (RELU,), shape: Any = (2,), constants: Any = None) -> Any:
    content = model(nodes, list(shape), constants)
    change(content)
    return content


def nothing(content: Any) -> None:
    pass


def two_outputs(content: Any) -> None:
    content.graph.output.add(name="x")


def two_inputs(content: Any) -> None:
    content.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [2]))


def external(content: Any) -> None:
    tensor = content.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def int_input(content: Any) -> None:
    content.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def reference(content: Any) -> None:
    content.graph.node[0].attribute.add(name="to", ref_attr_name="a")


def domain(content: Any) -> None:
    content.graph.node[0].domain = "com.microsoft"


def version(content: Any) -> None:
    content.opset_import[0].version = 6


def one(op: str, shape: Any = (2,), constants: Any = None, inputs: Any = None, **attributes: Any) -> Any:
    """A change of nothing, and a model of one node."""
    names = ["x", *(constants or {})] if inputs is None else inputs
    return nothing, [(op, names, ["y"], attributes)], shape, constants


REFUSED: list[tuple[Any, type[InputError], str]] = [
    (one("Tanh"), NetworkError, r"model\.onnx: node 'n0' \(Tanh\) is not piecewise linear"),
    (one("Sigmoid"), NetworkError, r"node 'n0' \(Sigmoid\) .* strip_output=True"),
    (one("Sign"), NetworkError, r"\(Sign\) jumps"),
    (one("Loop"), NetworkError, r"\(Loop\) has a graph of its own"),
    (one("Unheard"), NetworkError, r"\(Unheard\) is not supported"),
    (one("Min", inputs=["x", ""]), NetworkError, r"\(Min\) lacks its input 1"),
    (one("Mul", inputs=["x", "x"]), NetworkError, "multiplies two values that both depend"),
    (one("Div", inputs=["x", "x"]), NetworkError, "divides two values that both depend"),
    (one("Div", constants={"c": real(1)}, inputs=["c", "x"]), NetworkError, "divides by a value that depends"),
    (one("Div", constants={"c": real(1, 0)}), NetworkError, "divides by zero"),
    (one("MatMul", inputs=["x", "x"]), NetworkError, "multiplies two values that both depend"),
    (one("Greater", constants={"c": real(1)}), NetworkError, "jumps"),
    (one("Pow", constants={"c": real(1, 2)}), NetworkError, r"\(Pow\) .*, and is not piecewise linear"),
    (one("Pow", constants={"c": real(1)}, inputs=["c", "x"]), NetworkError, r"\(Pow\) .*, and is not piecewise linear"),
    (one("Floor"), NetworkError, "not piecewise linear and continuous"),
    (one("Cast", to=TensorProto.INT64), NetworkError, r"\(Cast\) casts values that depend on the network's input"),
    (one("ThresholdedRelu", alpha=1.0), NetworkError, "jumps at its alpha"),
    (one("Reshape", constants={"s": ints(-1, 3)}), NetworkError, r"gives a tensor of shape \(2,\) the shape \(-1, 3\)"),
    (one("Reshape", inputs=["x", "x"]), NetworkError, "a shape that depends on the network's input"),
    (one("Gather", constants={"s": ints(2)}), NetworkError, "not among the 2 of dimension 0"),
    (one("Add", constants={"c": real(1, 2, 3)}), NetworkError, r"the shapes \(2,\) and \(3,\), which do not fit"),
    (one("Add", constants={"c": ints(1)}), NetworkError, "of type int64, where floats are needed"),
    (one("Clip", constants={"c": np.float32(float("nan"))}), NetworkError, "nan is not a finite number"),
    (one("Mul", constants={"c": real(1, float("nan"))}), NetworkError, "nan is not a finite number"),
    (one("Relu", other=1), NetworkError, "has the attribute 'other', which is not known here"),
    (one("LeakyRelu", alpha=2), NetworkError, "attribute 'alpha' of another type"),
    (one("Dropout", constants={"r": np.float32(0.5), "t": np.bool_(True)}), NetworkError, "is in training mode"),
    (one("MaxPool", [1, 1, 4], kernel_shape=[5]), NetworkError, "has a window of 5 where there are 4"),
    (one("MaxPool", [2, 2], kernel_shape=[1]), NetworkError, "needs images"),
    (one("Resize", [1, 1, 2, 2], {"r": real(), "s": real(1, 1, 2, 2)}, mode="linear"), NetworkError, "only nearest"),
    ((two_outputs,), NetworkError, r"has 2 outputs \('y', 'x'\).*extract_model"),
    ((two_inputs,), NetworkError, r"has 2 inputs \('x', 'other'\)"),
    ((int_input,), NetworkError, "input 'x' is int64; a tensor of floats is needed"),
    ((nothing, [RELU], (2, "M")), NetworkError, "leaves the size of dimension 1 open"),
    ((external, *one("Mul", constants={"c": real(1, 2)})[1:]), FileFormatError, "'c': is stored in another file"),
    ((nothing, [("Relu", ["z"], ["y"], {})]), FileFormatError, "node 'n0' .Relu. reads 'z', which nothing makes"),
    ((nothing, [("Relu", ["z"], ["y"], {}), ("Relu", ["y"], ["z"], {})]), FileFormatError, "has a cycle"),
    ((nothing, [("Relu", ["y"], ["y"], {})]), FileFormatError, "has a cycle"),
    ((nothing, [RELU, ("Abs", ["x"], ["y"], {})]), FileFormatError, "makes 'y' twice"),
    ((nothing, [("Relu", ["x"], ["x"], {})]), FileFormatError, "makes 'x' twice"),
    ((reference, *one("Cast")[1:]), NetworkError, "attribute 'to' of another type"),
    ((lambda m: m.opset_import.add(domain="", version=3),), FileFormatError, "one version of ONNX's operators"),
    ((version,), NetworkError, "version 6 of ONNX's"),
    ((domain,), NetworkError, "of the domain 'com.microsoft'"),
    ((lambda m: m.graph.ClearField("output"),), FileFormatError, "no graph with an output"),
    ((lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"),), NetworkError, "has no shape"),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(REFUSED)))
def test_refused_by_name(k: int, tmp_path: Path) -> None:
    arguments, kind, message = REFUSED[k]
    with pytest.raises(kind, match=message) as caught:
        read(changed(*arguments), tmp_path)
    assert type(caught.value) is kind
    assert "cannot be applied" not in str(caught.value)


HUGE = 2**62
BOMBS = [
    one("Expand", (1,), {"s": ints(HUGE)}),
    one("Expand", (1,), {"s": ints(2**16, 2**16, 2**16, 2**16)}),
    one("Tile", (1,), {"s": ints(HUGE)}),
    one("Pad", (1,), {"s": ints(HUGE, HUGE)}),
    one("Resize", (1, 1, 1), {"r": real(), "s": real(1, 1, 2**30)}, ["x", "", "s"]),
    one("Conv", (1, 1, 4), {"w": np.ones((1, 1, 2), np.float32)}, pads=[HUGE, HUGE]),
    one("Conv", (1, 1, 4), {"w": np.ones((1, 1, 2), np.float32)}, dilations=[HUGE]),
    one("ConvTranspose", (1, 1, 4), {"w": np.ones((1, 1, 2), np.float32)}, strides=[2**29]),
    one("MaxPool", (1, 1, 4), kernel_shape=[2**29], pads=[2**29, 2**29]),
    one("AveragePool", (1, 1, 4), kernel_shape=[2**29], pads=[2**29, 2**29]),
    one("Relu", (HUGE,)),
    one("Relu", (2**20, 2**20, 2**20, 2**20)),
    (nothing, [("ConstantOfShape", ["s"], ["y"], {})], (1,), {"s": ints(HUGE)}),
    (nothing, [("Range", ["a", "b", "c"], ["y"], {})], (1,), {"a": np.int64(0), "b": np.int64(HUGE), "c": np.int64(1)}),
    (
        nothing,
        [
            ("Expand", ["x", "s"], ["t0"], {}),
            *(("Abs", [f"t{k}"], [f"t{k + 1}"], {}) for k in range(99)),
            ("Relu", ["t99"], ["y"], {}),
        ],
        (1,),
        {"s": ints(2**22)},
    ),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(BOMBS)))
def test_huge_tensors_are_refused_before_they_are_made(k: int, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"entries are the most|entries together|has (pads|dilations)|sizes for 3|output"
    ):
        read(changed(*BOMBS[k]), tmp_path)


@pytest.mark.parametrize("dims", [[HUGE], [-1], [-2, -3], [3], [2**32, 2**32], [0, 6]])
@pytest.mark.parametrize("raw", [True, False])
def test_initializer_with_other_data_than_its_shape_needs(dims: list[int], raw: bool, tmp_path: Path) -> None:
    content = model([("Mul", ["x", "c"], ["y"], {})], [6], {"c": real(*range(6))})
    tensor = content.graph.initializer[0]
    if not raw:
        tensor.ClearField("raw_data")
        tensor.float_data.extend(range(6))
    tensor.ClearField("dims")
    tensor.dims.extend(dims)
    with pytest.raises(FileFormatError, match="initializer 'c': claims the shape"):
        read(content, tmp_path)


def test_long_chain_needs_no_deep_recursion(tmp_path: Path) -> None:
    nodes = [("Identity", [f"a{k}"], [f"a{k + 1}"], {}) for k in range(5000)]
    content = model([*reversed(nodes), ("Relu", ["a5000"], ["y"], {}), ("Abs", ["x"], ["a0"], {})], [2])
    path = saved(content, tmp_path)
    assert len(load(path).nodes) == 2


def test_files_of_very_many_nodes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MOST_NODES", 2)
    nodes = [("Relu", ["x"], ["a"], {}), ("Abs", ["a"], ["y"], {}), ("Abs", ["x"], ["unused"], {})]
    assert read(model(nodes, [2]), tmp_path).evaluate([-1, 1]) == [0, 1]
    with pytest.raises(NetworkError, match=r"model\.onnx: has more than 2 nodes, which are the most"):
        read(model([*nodes[:1], ("Neg", ["a"], ["b"], {}), ("Abs", ["b"], ["y"], {})], [2]), tmp_path)


def test_large_constants_are_not_used_often(tmp_path: Path) -> None:
    nodes = [
        ("ConstantOfShape", ["s"], ["w"], {"value": numpy_helper.from_array(real(0.5))}),
        ("Expand", ["x", "e"], ["a0"], {}),
        *(("MatMul", [f"a{k}", "w"], [f"a{k + 1}"], {}) for k in range(40)),
    ]
    content = model(nodes, [1, 1], {"s": ints(2048, 2048), "e": ints(1, 2048)}, output="a40")
    with pytest.raises(NetworkError, match=r"node 'n10' \(MatMul\): .* numbers together, far more than the file holds"):
        read(content, tmp_path)


def test_first_power_changes_nothing(tmp_path: Path) -> None:
    net = agrees(
        model([("Pow", ["x", "one"], ["h"], {}), RELU_OF_H], [2, 1], {"one": np.ones((1, 3), np.int64)}), tmp_path
    )
    assert net.output_size == 6


EXAMPLES = [
    model([("Gemm", ["x", "w", "b"], ["h"], {"transB": 1}), RELU_OF_H], [1, 3], {"w": W, "b": B}),
    model(
        [
            ("Conv", ["x", "w"], ["h"], {"pads": [1, 1], "strides": [1]}),
            ("MaxPool", ["h"], ["p"], {"kernel_shape": [2], "strides": [2]}),
            ("Reshape", ["p", "s"], ["q"], {}),
            ("Slice", ["q", "a", "b"], ["y"], {}),
        ],
        [1, 1, 6],
        {"w": W[:, np.newaxis], "s": ints(0, -1), "a": ints(0), "b": ints(9)},
    ),
]


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    for content in EXAMPLES:
        data = content.SerializeToString()
        for size in range(len(data)):
            try:
                load(saved(data[:size], tmp_path))
            except (FileFormatError, NetworkError):
                continue
            assert size > len(data) - 20  # all that is lost is the version of the operators' default domain


def test_damaged_files_give_a_network_or_a_clean_error(tmp_path: Path) -> None:
    seed = int(os.environ.get("SPLINECAM_EXACT_FUZZ", "0"))
    rng = random.Random(seed)
    refused = 0
    for _ in range(600):
        data = bytearray(rng.choice(EXAMPLES).SerializeToString())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            kind = rng.randrange(3)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                data[at:at] = rng.randbytes(rng.randint(1, 6))
            else:
                del data[at : at + rng.randint(1, 6)]
        try:
            load(saved(bytes(data), tmp_path))
        except (FileFormatError, NetworkError):
            refused += 1
    assert refused > 300


NUMBERS = [0, 1, -1, 2, 3, 7, 2**9, 2**31 - 1, 2**31, 2**62, -(2**31), -(2**63), 2**63 - 1]


def test_hostile_numbers_give_a_network_or_a_clean_error(tmp_path: Path) -> None:
    rng = random.Random(1)
    refused = 0
    for _ in range(400):
        content = ModelProto()
        content.CopyFrom(rng.choice(EXAMPLES))
        node, tensor = rng.choice(content.graph.node), rng.choice(content.graph.initializer)
        kind = rng.randrange(5)
        if kind == 0 and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice(NUMBERS)
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
        elif kind == 1:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
        elif kind == 2 and tensor.data_type == TensorProto.INT64:
            tensor.raw_data = np.array([rng.choice(NUMBERS) for _ in range(len(tensor.raw_data) // 8)]).tobytes()
        elif kind == 3:
            node.op_type = rng.choice(list(onnx_table.HANDLERS))
        else:
            content.graph.input[0].type.tensor_type.shape.dim[-1].dim_value = rng.choice(NUMBERS)
        try:
            load(saved(content, tmp_path))
        except (FileFormatError, NetworkError):
            refused += 1
    assert refused > 200
