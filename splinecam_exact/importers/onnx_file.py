"""An ONNX file as checked data: its one input, its one output, its constants, and the nodes that the output needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, numpy_helper

from splinecam_exact._files import printable
from splinecam_exact.kernel.errors import FileFormatError, NetworkError

OPSETS = range(7, 29)
"""The versions of ONNX's operators whose meaning this package knows."""

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
"""The types whose values are dyadic rationals."""

_FIELDS = {
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.DOUBLE: (8, "double_data"),
    TensorProto.FLOAT16: (2, "int32_data"),
    TensorProto.BFLOAT16: (2, "int32_data"),
    TensorProto.BOOL: (1, "int32_data"),
    TensorProto.INT8: (1, "int32_data"),
    TensorProto.INT16: (2, "int32_data"),
    TensorProto.INT32: (4, "int32_data"),
    TensorProto.INT64: (8, "int64_data"),
    TensorProto.UINT8: (1, "int32_data"),
    TensorProto.UINT16: (2, "int32_data"),
    TensorProto.UINT32: (4, "uint64_data"),
    TensorProto.UINT64: (8, "uint64_data"),
}
"""Of each type that is read: the bytes of an entry, and the field that holds entries which are not in raw_data."""

MOST_NODES = 10_000
"""A model whose output needs more nodes is not read; the largest known networks have some thousands."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Model:
    """What was found in a file.

    `nodes` are in an order in which each reads only what earlier ones make; `kind` is the input's type of floats,
    and `stripped` is the last operation where it is left out, or "".
    """

    proto: Any
    opset: int
    input_name: str
    input_shape: tuple[int, ...]
    output_name: str
    tensors: dict[str, Any]
    nodes: tuple[Any, ...]
    kind: int
    stripped: str


def name_of(text: str) -> str:
    """A name in a file, short and printable, in quotes."""
    return repr(printable(text if len(text) <= 60 else f"{text[:60]}..."))


def node_place(node: Any) -> str:
    """How errors call a node."""
    named = f"node {name_of(node.name)}" if node.name else f"the node that makes {name_of(next(iter(node.output), ''))}"
    return f"{named} ({printable(node.op_type[:40])})"


def parse(data: bytes, place: str, stripped: Sequence[str] = ()) -> Model:
    """The model in the bytes of a file.

    Raises FileFormatError for what is no consistent model, and NetworkError for one that this package does not read:
    several inputs or outputs, an input that is not of floats or has no fixed size, unknown versions. `stripped` names
    the operations of which the last one is to be left out; it must be one of these, unless there are none.
    """
    proto = ModelProto()
    try:
        proto.ParseFromString(data)
        return _model(proto, place, stripped)
    except (FileFormatError, NetworkError):
        raise
    except Exception as error:  # protobuf's decoders have several kinds
        raise FileFormatError(place, f"is not a readable ONNX file ({error})") from None


def _model(proto: Any, place: str, stripped: Sequence[str]) -> Model:
    graph = proto.graph
    if not all(isinstance(text, str) for text in _texts(proto)):
        raise FileFormatError(place, "holds a name that is not UTF-8 text")
    if not proto.HasField("graph") or not graph.output:
        raise FileFormatError(place, "is not a readable ONNX file (it holds no graph with an output)")
    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise FileFormatError(place, f"must name one version of ONNX's operators; it names {versions or 'none'}")
    if versions[0] not in OPSETS:
        raise NetworkError(
            f"{place}: is written in version {versions[0]} of ONNX's operators; {OPSETS[0]} to {OPSETS[-1]} are read: "
            "convert it with onnx.version_converter"
        )
    if graph.sparse_initializer:
        raise NetworkError(f"{place}: has sparse initializers, which are not supported: store them dense")
    tensors: dict[str, Any] = {}
    for tensor in graph.initializer:
        if tensor.name in tensors:
            raise FileFormatError(place, f"has two initializers {name_of(tensor.name)}")
        tensors[tensor.name] = tensor
    inputs = [entry for entry in graph.input if entry.name not in tensors]
    for kind, entries in (("input", inputs), ("output", list(graph.output))):
        if len(entries) != 1:
            names = ", ".join(name_of(entry.name) for entry in entries[:8])
            raise NetworkError(
                f"{place}: has {len(entries)} {kind}s ({names or 'none'}) where one is needed: cut the part with one "
                f"{kind} out with onnx.utils.extract_model, or export it so"
            )
    (source,) = inputs
    output, shape = graph.output[0].name, _input_shape(source, place)
    nodes = tuple(islice(_needed(graph.node, output, {source.name, *tensors}, place), MOST_NODES + 1))
    if len(nodes) > MOST_NODES:
        raise NetworkError(
            f"{place}: has more than {MOST_NODES} nodes, which are the most: simplify the model with onnxsim or "
            "onnxruntime's optimizer"
        )
    kind, last = source.type.tensor_type.elem_type, ""
    if stripped:
        last = nodes[-1].op_type if nodes else "none"
        if last not in stripped or len(nodes[-1].input) != 1:
            raise NetworkError(
                f"{place}: strip_output leaves out a last {', '.join(stripped)}; the last operation is {name_of(last)}"
            )
        output, nodes = nodes[-1].input[0], nodes[:-1]
    return Model(proto, versions[0], source.name, shape, output, tensors, nodes, kind, last)


def _texts(proto: Any) -> Iterator[object]:
    """The names in a model; protobuf hands out bytes where they are not UTF-8."""
    graph = proto.graph
    for entries in (graph.initializer, graph.input, graph.output):
        yield from (entry.name for entry in entries)
    yield from (entry.domain for entry in proto.opset_import)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)


def _input_shape(entry: Any, place: str) -> tuple[int, ...]:
    """The sizes of the input; a first one that is left open is the batch, which is 1."""
    name = f"{place}: input {name_of(entry.name)}"
    kind = entry.type.tensor_type
    if entry.type.WhichOneof("value") != "tensor_type" or kind.elem_type not in FLOATS:
        types = {number: text for text, number in TensorProto.DataType.items()}
        found = types.get(kind.elem_type, "no tensor").lower()
        raise NetworkError(f"{name} is {found}; a tensor of floats is needed: export it with a float input")
    if not kind.HasField("shape"):
        raise NetworkError(f"{name} has no shape: set one with onnx.tools.update_model_dims")
    sizes = [entry.dim_value if entry.HasField("dim_value") else 0 for entry in kind.shape.dim]
    if sizes and sizes[0] < 1:
        sizes[0] = 1
    for d, size in enumerate(sizes):
        if size < 1:
            raise NetworkError(
                f"{name} leaves the size of dimension {d} open; only that of a batch in front may be: set it with "
                "onnx.tools.update_model_dims"
            )
    return tuple(sizes)


def _needed(nodes: Iterable[Any], output: str, given: set[str], place: str) -> Iterator[Any]:
    """The nodes that the output depends on, each after those that it reads."""
    makers: dict[str, Any] = {}
    for node in nodes:
        for name in filter(None, node.output):
            if name in makers or name in given:
                raise FileFormatError(place, f"makes {name_of(name)} twice")
            makers[name] = node
    done: set[str] = set(given)
    entered: set[str] = set()
    stack = [(output, "the output")]
    while stack:
        name, reader = stack[-1]
        node = makers.get(name)
        if name in done:
            stack.pop()
        elif node is None:
            raise FileFormatError(place, f"{reader} reads {name_of(name)}, which nothing makes")
        elif name in entered:
            waiting = [other for other in filter(None, node.input) if other not in done]
            if waiting:
                raise FileFormatError(place, f"has a cycle: {node_place(node)} needs its own output")
            done.update(node.output)
            stack.pop()
            yield node
        else:
            entered.update(node.output)
            stack += [(other, node_place(node)) for other in filter(None, node.input) if other not in done]


def decode(tensor: Any) -> Array:
    """The values of a tensor: float64 for every type of floats (which is exact), int64 for ints, or bool.

    Its size is compared with the data before anything is made. Raises NetworkError.
    """
    shape = tuple(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise NetworkError(
            "is stored in another file, which is not read: save the model in one file, with "
            "onnx.save_model(onnx.load(path), path, save_as_external_data=False)"
        )
    if tensor.data_type not in _FIELDS or tensor.HasField("segment"):
        types = {number: text for text, number in TensorProto.DataType.items()}
        raise NetworkError(f"holds entries of type {types.get(tensor.data_type, tensor.data_type)}, not floats or ints")
    size, field = _FIELDS[tensor.data_type]
    count = math.prod(shape) if all(n >= 0 for n in shape) else -1
    raw, entries = len(tensor.raw_data), len(getattr(tensor, field))
    if tensor.HasField("raw_data") and (raw or not entries):
        fits = raw == count * size and not entries
    else:
        fits = entries == count
    if not fits:
        raise NetworkError(f"claims the shape {list(shape)}, and holds {raw} bytes and {entries} entries")
    try:
        found = numpy_helper.to_array(tensor).reshape(shape)
    except Exception as error:  # numpy has several kinds
        raise NetworkError(f"cannot be read ({error})") from None
    if tensor.data_type in FLOATS:
        with np.errstate(invalid="ignore"):  # of a NaN, which is refused where it is used
            return np.asarray(found, np.float64)
    if tensor.data_type == TensorProto.BOOL:
        return np.asarray(found, np.bool_)
    if found.dtype == np.uint64 and found.size and int(found.max()) >= 1 << 63:
        raise NetworkError("holds an int that is no int64")
    return np.asarray(found, np.int64)


class Attributes:
    """The attributes of a node, each with its type; `finish` refuses what nobody asked for."""

    def __init__(self, attributes: Iterable[Any] = ()) -> None:
        self._left: dict[str, Any] = {}
        for attribute in attributes:
            if attribute.name in self._left:
                raise NetworkError(f"has the attribute {name_of(attribute.name)} twice")
            self._left[attribute.name] = attribute

    def _take(self, name: str, kind: int, field: str) -> Any:
        attribute = self._left.pop(name, None)
        if attribute is None:
            return None
        if attribute.type != kind or attribute.ref_attr_name:
            raise NetworkError(f"has the attribute {name!r} of another type than it must have")
        return getattr(attribute, field)

    def integer(self, name: str, default: int) -> int:
        """An int."""
        found = self._take(name, AttributeProto.INT, "i")
        return default if found is None else int(found)

    def flag(self, name: str, default: bool = False) -> bool:
        """An int that is 0 or 1."""
        found = self.integer(name, int(default))
        if found not in (0, 1):
            raise NetworkError(f"has {name} = {found}; 0 or 1 is needed")
        return bool(found)

    def index(self, name: str) -> int:
        """An int that must be there."""
        found = self._take(name, AttributeProto.INT, "i")
        if found is None:
            raise NetworkError(f"lacks the attribute {name!r}")
        return int(found)

    def has(self, name: str) -> bool:
        """Whether there is such an attribute that nobody asked for yet."""
        return name in self._left

    def ints(self, name: str) -> tuple[int, ...] | None:
        """A list of ints, None where it is left out."""
        found = self._take(name, AttributeProto.INTS, "ints")
        return None if found is None else tuple(map(int, found))

    def real(self, name: str, default: float | None = None) -> float | None:
        """A float32, which a float64 holds exactly; so is the default, as the standard's type is float32."""
        found = self._take(name, AttributeProto.FLOAT, "f")
        if found is None:
            return None if default is None else float(np.float32(default))
        return float(found)

    def reals(self, name: str) -> tuple[float, ...] | None:
        """A list of float32, None where it is left out."""
        found = self._take(name, AttributeProto.FLOATS, "floats")
        return None if found is None else tuple(map(float, found))

    def text(self, name: str, default: str) -> str:
        """A text."""
        found = self._take(name, AttributeProto.STRING, "s")
        return default if found is None else printable(found.decode("utf-8", "replace"))

    def array(self, name: str) -> Array | None:
        """A tensor, None where it is left out."""
        found = self._take(name, AttributeProto.TENSOR, "t")
        return None if found is None else decode(found)

    def ignore(self, *names: str) -> None:
        """Attributes that have no influence."""
        for name in names:
            self._left.pop(name, None)

    def finish(self) -> None:
        """Raise NetworkError where an attribute is left, as it may change what the node does."""
        if self._left:
            raise NetworkError(f"has the attribute {name_of(next(iter(self._left)))}, which is not known here")
