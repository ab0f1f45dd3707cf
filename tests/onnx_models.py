"""ONNX models made for tests, and what onnxruntime says that they compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from splinecam_exact.importers import load
from splinecam_exact.network import Network

Array = np.ndarray[Any, Any]
Node = tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]
"""Operation, inputs, outputs, attributes."""


def model(
    nodes: Sequence[Node],
    shape: Sequence[Any],
    constants: Mapping[str, Array] | None = None,
    opset: int = 18,
    kind: int = TensorProto.FLOAT,
    as_inputs: bool = False,
    output: str = "y",
) -> Any:
    """A model with the input x and the output y; the constants are initializers, with `as_inputs` inputs as well."""
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants or {}).items()]
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    if as_inputs:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in tensors]
    made = [helper.make_node(op, list(i), list(o), name=f"n{k}", **a) for k, (op, i, o, a) in enumerate(nodes)]
    outputs = [helper.make_tensor_value_info(output, kind, None)]
    graph = helper.make_graph(made, "made", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def saved(content: Any, folder: Path) -> Path:
    """The model in a file."""
    path = folder / "model.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def read(content: Any, folder: Path, **options: Any) -> Network:
    """The network in a model."""
    return load(saved(content, folder), **options)


def run(content: Any, points: Sequence[Array]) -> list[Array]:
    """The output at some points, by onnxruntime without optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    named = onnx.ModelProto()
    named.CopyFrom(content)
    for k, node in enumerate(named.graph.node):
        node.output[:] = [name or f"{k} {j}" for j, name in enumerate(node.output)]  # it crashes without
    session = onnxruntime.InferenceSession(named.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run([content.graph.output[0].name], {"x": point})[0] for point in points]


def points(shape: Sequence[int], count: int = 4, seed: int = 0, dtype: Any = np.float32) -> list[Array]:
    """Points with different small whole coordinates, so that float32 arithmetic on them is exact."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape, dtype=int))
    return [rng.permutation(np.arange(size) - size // 2).reshape(shape).astype(dtype) for _ in range(count)]


def agrees(content: Any, folder: Path, tolerance: float = 0.0, **options: Any) -> Network:
    """Load the model; raise AssertionError unless it gives onnxruntime's values at whole points."""
    net = read(content, folder, **options)
    entry = next(v for v in content.graph.input if v.name == "x").type.tensor_type
    shape = [max(1, d.dim_value) for d in entry.shape.dim]
    places = points(shape, dtype=helper.tensor_dtype_to_np_dtype(entry.elem_type))
    for point, expected in zip(places, run(content, places), strict=True):
        found = np.array([float(v) for v in net.evaluate(point.reshape(-1).astype(np.float64))])
        assert found.shape == expected.reshape(-1).shape
        assert np.abs(found - expected.reshape(-1)).max() <= tolerance * max(1.0, float(np.abs(found).max())), (
            found,
            expected,
        )
    return net
