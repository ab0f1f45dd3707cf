"""torch modules turned into exact networks."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

import numpy as np

from splinecam_exact.importers.aten import Operation, Ref, record_casts, translate
from splinecam_exact.importers.aten_values import SharedMemory
from splinecam_exact.importers.aten_views import DType
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import MAX_VALUES
from splinecam_exact.kernel.errors import InputError, MissingDependency, NetworkError
from splinecam_exact.network import Network

try:
    import torch
    from torch import nn
except ImportError:
    raise MissingDependency("from_torch needs torch: pip install 'splinecam-exact[torch]'") from None

from splinecam_exact.importers import torch_checks
from splinecam_exact.importers.aten_reference import AtenReference
from splinecam_exact.importers.torch_reference import TorchReference, float64_copy
from splinecam_exact.importers.verify_import import require_import

_REMEDY = (
    "its forward does something else each time, or depends on what torch.export does not see; change that, or build "
    "the network from its weights with Network"
)


def from_torch(module: nn.Module, input_shape: Sequence[int] | None = None, *, strip_output: bool = False) -> Network:
    """The exact network of any torch module in evaluation mode that is continuous and piecewise linear.

    The module is traced by `torch.export` on a batch of one input of shape `input_shape` (without the batch dimension),
    so its `forward` may be any code whose course does not depend on the input's values: functional calls, residual
    blocks, constant buffers, arithmetic with shapes. The network computes, over the reals, what the module computes on
    a batch of one; inputs and outputs are flattened row by row. Where `input_shape` is None, a vector is taken, as long
    as the first Linear or BatchNorm1d needs it.

    Parameters in float16, bfloat16, float32 or float64 are the dyadic rationals they store, and so are Python floats
    such as a LeakyReLU's slope. BatchNorm is folded as `importers.batchnorm` says, which the network's conventions
    record, as they do casts to narrower floats, which are left out. With `strip_output`, a softmax, log_softmax or
    sigmoid that is the last operation is left out.

    Raises NetworkError, naming the layer, for what is not continuous and piecewise linear or not supported, and for
    hooks, replaced methods, parametrizations, training mode, NaN or infinity, and shapes that do not fit. At the end a
    float64 copy of the module is run on eight points and must give the network's values, but for rounding; where its
    forward makes float32 numbers, that is done by the exported program, and more coarsely by the module. The first call
    takes some seconds longer, in which torch loads its compiler.

    >>> import torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.5, -1.0]])), layer.bias.fill_(0.25)
    >>> from_torch(torch.nn.Sequential(layer, torch.nn.ReLU()).eval()).evaluate([3, 1])
    [mpq(3,4)]
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"from_torch needs a torch.nn.Module, not {type(module).__name__}")
    torch_checks.refuse_global_hooks()
    torch_checks.refuse_changed_module(module)
    shape = _input_shape(module, input_shape)
    place = torch_checks.place_of("", module)
    try:
        copy = float64_copy(module)
    except InputError as error:
        raise NetworkError(f"{place}: {error}") from None
    with _quiet():
        exported, reference = _exported(module, copy, shape, place)
        try:
            graph, output, run = _translated(exported, module, shape, strip_output)
        except NetworkError as first:
            # Writes to parts of tensors, and operations made of others, are simpler after decomposition.
            try:
                graph, output, run = _translated(exported.run_decompositions(), module, shape, strip_output)
            except Exception as second:
                raise NetworkError(str(second if isinstance(first, SharedMemory) else first)) from None
    record_casts(graph, any(p.dtype == torch.float64 for p in (*module.parameters(), *module.buffers())))
    net = graph.network(output)
    rounded = {getattr(torch, name) for name in graph.casts} | {reference.dtype}
    reference.roundoff = max(torch.finfo(dtype).eps for dtype in rounded) * (0.5 if rounded == {torch.float64} else 2)
    try:
        if strip_output or rounded != {torch.float64}:
            require_import(net, run, _REMEDY, graph.magnitudes)
        if not strip_output:
            require_import(net, reference, _REMEDY, graph.magnitudes)
    except NetworkError as error:
        raise NetworkError(f"{place} {error}") from None
    except InputError as error:
        raise NetworkError(f"{place}: {error}") from None
    return net


def _exported(module: nn.Module, copy: nn.Module, shape: tuple[int, ...], place: str) -> tuple[Any, TorchReference]:
    """The exported program, and what was exported: the float64 copy as it is, or else as torch.fx makes it.

    Where the forward makes float32 numbers, these do not go together with the copy, but with the module itself.
    """
    example = torch.zeros((1, *shape), dtype=torch.float64, device="cpu")
    with torch.no_grad():
        ways: tuple[Callable[[nn.Module], Any], ...] = (lambda m: m, torch.fx.symbolic_trace)
        for way in ways:
            with suppress(Exception):  # whatever the module's code raises
                copy(example)
                return torch.export.export(way(copy), (example,), strict=False), TorchReference(
                    copy, shape, copied=True
                )
        own = deepcopy(module).cpu()
        example = example.to(next((p.dtype for p in own.parameters() if p.is_floating_point()), torch.float32))
        try:
            return torch.export.export(own, (example,), strict=False), TorchReference(own, shape, True, example.dtype)
        except Exception as error:
            torch_checks.refuse_failing_layer(own, example, place)
            raise NetworkError(
                f"{place} cannot be traced on an input of shape {(1, *shape)} ({torch_checks.reason(error)}): the "
                "course of its forward must not depend on the input's values"
            ) from None


def _translated(
    exported: Any, module: nn.Module, shape: tuple[int, ...], strip_output: bool
) -> tuple[Graph, Any, AtenReference]:
    graph = Graph((1, *shape))
    place = torch_checks.place_of("", module)
    signature = exported.graph_signature
    stored = {**exported.state_dict, **exported.constants}
    values: dict[str, Any] = {}
    for spec in signature.input_specs:
        name: Any = getattr(spec.arg, "name", None)
        if spec.kind.name == "USER_INPUT":
            if name is not None:
                values[name] = getattr(spec.arg, "value", graph.input)
        elif spec.target is not None:
            values[name] = _constant(stored[spec.target], spec.target)
    outputs = [spec for spec in signature.output_specs if spec.kind.name == "USER_OUTPUT"]
    if any(spec.kind.name == "BUFFER_MUTATION" for spec in signature.output_specs):
        raise NetworkError(f"{place} changes its buffers when it is called")
    if len(outputs) != 1 or not hasattr(outputs[0].arg, "name"):
        raise NetworkError(f"{place} has {len(outputs)} outputs; exactly one tensor is supported")
    program = list(_operations(exported, module))
    output, name = translate(graph, values, program, outputs[0].arg.name, strip_output)
    return graph, output, AtenReference(values, program, name)


def _operations(exported: Any, module: nn.Module) -> Iterator[Operation]:
    for node in exported.graph_module.graph.nodes:
        if node.op == "call_function":
            target = node.target
            name = f"operator.{target.__name__}" if target.__module__ == "_operator" else str(target)
            stack = list((node.meta.get("nn_module_stack") or {}).values())
            path, kind = stack[-1] if stack else ("", type(module).__name__)
            kind = kind if isinstance(kind, str) else kind.__name__
            place = torch_checks.place(str(path), kind.rpartition(".")[2])
            keywords = {k: _argument(v) for k, v in node.kwargs.items()}
            yield Operation(name, tuple(map(_argument, node.args)), node.name, place, keywords)
        elif node.op == "get_attr":
            raise NetworkError(f"uses control flow of torch ({node.target}), which is not supported")


def _argument(value: Any) -> Any:
    if isinstance(value, torch.fx.Node):
        return Ref(value.name)
    if isinstance(value, list | tuple):
        return [_argument(v) for v in value]
    if isinstance(value, torch.dtype):
        return DType(str(value).removeprefix("torch."))
    return value


def _constant(tensor: Any, name: str) -> Any:
    if not isinstance(tensor, torch.Tensor):
        raise NetworkError(f"{name} is a {type(tensor).__name__}; a tensor is needed")
    array = tensor.detach()
    found: np.ndarray[Any, Any] = (array.double() if array.is_floating_point() else array).numpy()
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings and logs of torch's exporter, which speaks of its own internals."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _input_shape(module: nn.Module, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is not None:
        if not isinstance(given, Sequence) or not given or not all(type(n) is int and n > 0 for n in given):
            raise InputError(f"input_shape must be positive sizes without the batch dimension, not {given!r}")
        if math.prod(given) > MAX_VALUES:
            raise InputError(f"input_shape {tuple(given)} has more than {MAX_VALUES} values, the most that are read")
        return tuple(given)
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.BatchNorm1d):
            sized = layer.weight if isinstance(layer, nn.Linear) else layer.running_mean
            if isinstance(sized, torch.Tensor) and sized.ndim:
                return (sized.shape[-1],)
        elif next(layer.parameters(recurse=False), None) is not None and not isinstance(layer, nn.PReLU):
            break
    raise InputError(
        "the input's size cannot be inferred, as the first layer is no Linear or BatchNorm1d: give input_shape"
    )
