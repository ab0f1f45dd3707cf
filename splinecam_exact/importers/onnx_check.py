"""A network that was read from an ONNX file compared with what onnxruntime computes, where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from onnx import ModelProto, TensorProto

from splinecam_exact.arrays import Floats
from splinecam_exact.importers import onnx_child
from splinecam_exact.importers.onnx_file import Model
from splinecam_exact.importers.verify_import import require_import
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.network import Network

_REMEDY = "please report it, and build the network from its weights with Network meanwhile"
_ROUNDOFFS = {TensorProto.FLOAT: 2.0**-24, TensorProto.DOUBLE: 2.0**-53}
_LACKING = ("NotImplemented", "not supported")
"""What onnxruntime says of a right model that it cannot run."""


def refuse_other_values(net: Network, model: Model, place: str, magnitudes: Mapping[int, Floats]) -> None:
    """Raise NetworkError where onnxruntime computes something else than the network, FileFormatError where it cannot.

    Nothing is compared where onnxruntime is not installed, crashes, or lacks an operator for the type of floats; nor,
    with a warning, where the network is too large.
    """
    if find_spec("onnxruntime") is None or model.kind not in _ROUNDOFFS:
        return
    try:
        require_import(net, _Reference(model), _REMEDY, magnitudes)
    except onnx_child.Crash:
        return
    except NetworkError as error:
        raise NetworkError(f"{place}: {error}") from None
    except InputError as error:
        if not any(text in str(error) for text in _LACKING):
            raise FileFormatError(place, str(error).removeprefix("the model: ")) from None


class _Reference:
    """What was read of a model as a function of points."""

    def __init__(self, model: Model) -> None:
        self._data: bytes = read_part(model).SerializeToString()
        self.roundoff = _ROUNDOFFS[model.kind]

    def __call__(self, points: Floats) -> Floats:
        return onnx_child.run_isolated(self._data, points)[0]


def read_part(model: Model) -> Any:
    """The model with nothing but what was read of it: its nodes in order, and their constants."""
    made = ModelProto(ir_version=8)
    made.opset_import.add(domain="", version=model.opset)
    graph = made.graph
    graph.name = "read"
    graph.node.extend(model.nodes)
    for k, node in enumerate(graph.node):
        for j, name in enumerate(node.output):
            node.output[j] = name or f" {k} {j}"  # onnxruntime crashes where an output in the middle is left out
    used = {name for node in model.nodes for name in node.input}
    graph.initializer.extend(tensor for name, tensor in model.tensors.items() if name in used | {model.output_name})
    graph.input.extend(entry for entry in model.proto.graph.input if entry.name == model.input_name)
    graph.output.add(name=model.output_name)
    return made
