"""ONNX files turned into exact networks."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from splinecam_exact._files import PathLike, read_bytes, shown
from splinecam_exact.importers.constants import is_real, room
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import FileFormatError, MissingDependency, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.weights import Convolution, Selection, Weight

try:
    from onnx import TensorProto
except ImportError:
    raise MissingDependency("reading .onnx files needs onnx: pip install 'splinecam-exact[onnx]'") from None

from splinecam_exact.importers import onnx_check, onnx_file, onnx_table
from splinecam_exact.importers.onnx_call import Call, Value, shape_of
from splinecam_exact.importers.onnx_file import Attributes, Model, name_of, node_place

_MOST_ENTRIES = 1 << 25
"""So many entries may all tensors have together."""
_MOST_STORED = 1 << 25
"""So many numbers may the matrices and convolutions of all nodes store together, and as many more as the file has
bytes: a small file may use one large constant often."""


def load(path: PathLike, *, strip_output: bool = False) -> Network:
    """The network in an .onnx file.

    It computes, over the reals, what the model says: every stored float, of 16, 32 or 64 bits, is the rational that it
    stores, and so is an attribute, whose type is float32. The inputs and outputs are the tensors' entries row by row.
    A first dimension whose size is left open is taken for the batch, and is 1. BatchNorm is folded as
    `importers.batchnorm` says. Shapes and constants are computed exactly. `strip_output` leaves out a last Softmax,
    LogSoftmax or Sigmoid, which the conventions record, as they do casts to narrower floats.

    Raises FileFormatError for a file that is broken, and NetworkError, naming the node, for what is not continuous and
    piecewise linear or not supported; external data, subgraphs and operators of other domains are not read, nor are
    models of more than 10 000 nodes, or with tensors of more than 33 million entries together. Where
    onnxruntime is installed (and has the operators for this type of floats) it is run on random points, in a process of
    its own, and must give the network's values within a bound on its rounding errors (a warning says where the network
    is too large for that); otherwise, call `verify_import` where it is.
    """
    place = shown(path)
    data = read_bytes(path)
    model = onnx_file.parse(data, place, tuple(onnx_table.STRIPPED) if strip_output else ())
    translation = _Translation(model, place, _MOST_STORED + len(data))
    net = translation.network()
    onnx_check.refuse_other_values(net, model, place, translation.graph.magnitudes)
    return net


class _Translation:
    """The values of the names in a model, each kept while a node is left that reads it."""

    def __init__(self, model: Model, place: str, most_stored: int) -> None:
        self.model = model
        self.most_stored = most_stored
        self.stored = self.counted = 0
        self.place = place
        try:
            self.graph = Graph(room(model.input_shape))
        except NetworkError as error:
            raise NetworkError(f"{place}: the input {error}") from None
        if model.stripped:
            self.graph.conventions.append(f"output: the last {onnx_table.STRIPPED[model.stripped]} is left out")
        self.values: dict[str, Value] = {model.input_name: self.graph.input}
        self.reader = {name: node for node in model.nodes for name in node.input}
        self.readers = Counter(name for node in model.nodes for name in node.input)
        self.readers[model.output_name] += 1
        self.entries = 0
        self.added: dict[str, str] = {}  # the output of an Add that was done already, and the name of its value

    def network(self) -> Network:
        for node in self.model.nodes:
            self._node(node)
        output = self._value(self.model.output_name, "the output")
        try:
            if not isinstance(output, Tensor):
                if not is_real(output):
                    raise NetworkError(f"is a constant of type {output.dtype}, where floats are needed")
                output = Call(self.graph, self.model.opset, "", [], Attributes(), 1).lifted(output)
            return self.graph.network(output)
        except NetworkError as error:
            raise NetworkError(f"{self.place}: the output {error}") from None

    def _node(self, node: Any) -> None:
        place = f"{self.place}: {node_place(node)}"
        outputs = list(node.output)
        try:
            found = self._translated(node, place)
        except FileFormatError:
            raise
        except NetworkError as error:
            raise NetworkError(f"{place} {error}") from None
        except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
            raise FileFormatError(place, f"cannot be applied ({type(error).__name__}: {error})") from None
        for name, value in zip(outputs, found if isinstance(found, tuple) else (found,), strict=False):
            self.entries += math.prod(shape_of(value))
            if self.entries > _MOST_ENTRIES:
                raise NetworkError(f"{place}: the model's tensors have more than {_MOST_ENTRIES} entries together")
            self.values[name] = value
        for made in self.graph.nodes[self.counted :]:
            self.stored += sum(map(_stored, made.weights)) if isinstance(made, Affine) else 0
        self.counted = len(self.graph.nodes)
        if self.stored > self.most_stored:
            raise NetworkError(
                f"{place}: the network's matrices and convolutions have more than {self.most_stored} numbers together, "
                "far more than the file holds"
            )
        for name in node.input:
            self.readers[name] -= 1
            if not self.readers[name]:
                self.values.pop(name, None)

    def _translated(self, node: Any, place: str) -> Value | tuple[Value, ...]:
        if node.output[0] in self.added:
            return self._value(self.added[node.output[0]], place)
        if node.domain not in ("", "ai.onnx"):
            raise NetworkError(
                f"is of the domain {name_of(node.domain)}, which is not supported: export the model with ONNX's own "
                "operators, or inline its functions with onnx.inliner"
            )
        handler = onnx_table.HANDLERS.get(node.op_type)
        if handler is None:
            raise NetworkError(onnx_table.refusal(node.op_type))
        inputs = [self._value(name, place) if name else None for name in node.input]
        call = Call(
            self.graph,
            self.model.opset,
            node.op_type,
            inputs,
            Attributes(node.attribute),
            len(node.output),
            self.model.kind == TensorProto.DOUBLE,
        )
        following = self._following_add(node)
        if following is not None:
            call.bias = self._constant(next(name for name in following.input if name != node.output[0]))
        found = handler(call)
        call.attributes.finish()
        if following is not None and call.bias_used:
            self.added[following.output[0]] = node.output[0]
        return found

    def _following_add(self, node: Any) -> Any:
        """The Add that alone reads the output of a MatMul, None where there is none."""
        if node.op_type != "MatMul" or len(node.output) != 1 or self.readers[node.output[0]] != 1:
            return None
        other = self.reader.get(node.output[0])
        return other if other is not None and other.op_type == "Add" and len(other.input) == 2 else None

    def _constant(self, name: str) -> Any:
        """The value of a name, where it is known by now, and a constant of a float type."""
        if name not in self.values and name not in self.model.tensors:
            return None
        found = self._value(name, self.place)
        return found if not isinstance(found, Tensor) and is_real(found) else None

    def _value(self, name: str, reader: str) -> Value:
        if name not in self.values:
            if name not in self.model.tensors:
                raise NetworkError(f"reads {name_of(name)}, an output that is not supported")
            try:
                self.values[name] = onnx_file.decode(self.model.tensors[name])
            except NetworkError as error:
                raise FileFormatError(f"{self.place}: initializer {name_of(name)}", str(error)) from None
        return self.values[name]


def _stored(weight: Weight) -> int:
    """How many numbers a weight stores, beside one for each output."""
    if isinstance(weight, Convolution):
        return math.prod(weight.kernel.shape) + math.prod(weight.output) * math.prod(weight.window)
    return 0 if isinstance(weight, Selection) or len(weight.shape) == 1 else math.prod(weight.shape)
