"""torch modules turned into exact networks."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.importers import batchnorm
from splinecam_exact.kernel.errors import InputError, MissingDependency, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Node, Piecewise

try:
    import torch
    import torch.fx
    from torch import nn
    from torch.nn.utils import parametrize
except ImportError:
    raise MissingDependency("from_torch needs torch: pip install 'splinecam-exact[torch]'") from None

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_CURVED = (
    *(nn.GELU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.ELU, nn.SELU, nn.CELU, nn.Softplus, nn.Mish, nn.Softmax, nn.LogSoftmax),
    *(nn.Softmin, nn.LogSigmoid, nn.Softsign, nn.Tanhshrink, nn.GLU, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)
# The operations of which a module with a forward of its own may apply one: functions, and methods by name.
_OPERATIONS: dict[object, Callable[[int], Piecewise]] = {
    **dict.fromkeys((operator.abs, torch.abs, torch.absolute, "abs", "absolute"), Piecewise.absolute),
    **dict.fromkeys((torch.relu, nn.functional.relu, "relu"), Piecewise.relu),
}


def from_torch(module: nn.Module, input_shape: Sequence[int] | None = None) -> Network:
    """The exact network of a torch module in evaluation mode: `nn.Sequential`, nested to any depth.

    Inside may be Linear, ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh, Flatten, Identity, Dropout, BatchNorm1d, and modules
    whose forward is a single abs or relu. The network computes, over the reals, what the module computes on a batch of
    inputs of shape `input_shape` (without the batch dimension; flattened row by row); where it is None, a vector is
    taken, as long as the first Linear or BatchNorm1d needs it. Parameters in float16, bfloat16, float32 or float64 are
    the dyadic rationals they store, and so are Python floats such as a LeakyReLU's slope. BatchNorm is folded as
    `importers.batchnorm` says, which the network's conventions record.

    Raises NetworkError, naming the layer, for everything else: other modules (subclasses too, since their forward may
    differ), hooks, parametrizations, training mode, NaN or infinity, shapes that do not fit.

    >>> import torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.5, -1.0]])), layer.bias.fill_(0.25)
    >>> from_torch(torch.nn.Sequential(layer, torch.nn.ReLU()).eval()).evaluate([3, 1])
    [mpq(3,4)]
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"from_torch needs a torch.nn.Module, not {type(module).__name__}")
    layers = [(place, layer, _reader(place, layer)) for place, layer in _leaves("", module)]
    state = _State(_input_shape(layers, input_shape))
    for place, layer, read in layers:
        try:
            read(state, layer)
        except NetworkError as error:
            raise NetworkError(f"{place} {error}") from None
        state.place = place
    return Network(state.input_size, state.nodes, state.conventions)


class _State:
    """What has been read so far: the nodes, the shape of the last one's output, and the layer it came from."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.input_size = math.prod(shape)
        self.place = "the input"
        self.nodes: list[Node] = []
        self.conventions: tuple[str, ...] = ()

    def flat(self, needed: int) -> None:
        """Check that the last output is a vector of the size needed."""
        if self.shape != (needed,):
            remedy = "; put nn.Flatten() before it" if math.prod(self.shape) == needed else ""
            raise NetworkError(f"needs {needed} features, but {self.place} gives shape {self.shape}{remedy}")

    def affine(self, weight: ExactArray, bias: ExactArray) -> None:
        self.nodes.append(Affine((len(self.nodes),), (weight,), bias))
        self.shape = bias.shape

    def units(self, units: Piecewise) -> None:
        self.nodes.append(units.moved(len(self.nodes)))


def _linear(state: _State, layer: nn.Linear) -> None:
    weight = _array(layer.weight, "weight")
    if len(weight.shape) != 2:
        raise NetworkError(f"has a weight of shape {weight.shape}; (outputs, inputs) is needed")
    outputs, inputs = weight.shape
    bias = ExactArray.of([0] * outputs) if layer.bias is None else _array(layer.bias, "bias")
    if bias.shape != (outputs,):
        raise NetworkError(f"has a bias of shape {bias.shape}; its weight has {outputs} rows")
    state.flat(inputs)
    state.affine(weight, bias)


def _batch_norm(state: _State, layer: nn.BatchNorm1d) -> None:
    if layer.running_mean is None or layer.running_var is None:
        raise NetworkError("keeps no running statistics, so it depends on the batch: use track_running_stats=True")
    mean, var = _entries(layer.running_mean, "running_mean"), _entries(layer.running_var, "running_var")
    n = len(mean)
    gamma = [mpq(1)] * n if layer.weight is None else _entries(layer.weight, "weight")
    beta = [mpq(0)] * n if layer.bias is None else _entries(layer.bias, "bias")
    if not len(var) == len(gamma) == len(beta) == n:
        raise NetworkError(f"has parameters of different sizes: {n}, {len(var)}, {len(gamma)}, {len(beta)}")
    state.flat(n)
    try:
        eps = exact(layer.eps)
    except InputError as error:
        raise NetworkError(f"eps: {error}") from None
    folded = []
    for k, channel in enumerate(zip(gamma, beta, mean, var, strict=True)):
        try:
            folded.append(batchnorm.fold(*channel, eps))
        except NetworkError as error:
            raise NetworkError(f"channel {k}: {error}") from None
    scales, shifts = zip(*folded, strict=True)
    state.affine(ExactArray.of(scales), ExactArray.of(shifts))
    state.conventions = (batchnorm.CONVENTION,)


def _leaky_relu(state: _State, layer: nn.LeakyReLU) -> None:
    state.units(Piecewise.leaky_relu(layer.negative_slope))


def _prelu(state: _State, layer: nn.PReLU) -> None:
    slopes = _entries(layer.weight, "weight")
    if len(slopes) > 1:
        state.flat(len(slopes))
    state.units(Piecewise.prelu(slopes))


def _hardtanh(state: _State, layer: nn.Hardtanh) -> None:
    state.units(Piecewise.hardtanh(layer.min_val, layer.max_val))


def _flatten(state: _State, layer: nn.Flatten) -> None:
    # Row-major order is what flattening keeps, so only the shape changes; dimension 0 is the batch.
    rank = len(state.shape) + 1
    start, end = (d + rank if d < 0 else d for d in (layer.start_dim, layer.end_dim))
    if not 0 <= start <= end < rank:
        raise NetworkError(
            f"flattens dimensions {layer.start_dim} to {layer.end_dim}, {state.place} has {rank} with the batch"
        )
    if start == 0 and end > 0:
        raise NetworkError("flattens the batch dimension into the others: use start_dim=1")
    if start > 0:
        state.shape = (*state.shape[: start - 1], math.prod(state.shape[start - 1 : end]), *state.shape[end:])


def _nothing(state: _State, layer: nn.Module) -> None:
    pass


_Reader = Callable[[_State, Any], None]

_READERS: dict[type, _Reader] = {
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.ReLU: lambda state, layer: state.units(Piecewise.relu()),
    nn.ReLU6: lambda state, layer: state.units(Piecewise.relu6()),
    nn.LeakyReLU: _leaky_relu,
    nn.PReLU: _prelu,
    nn.Hardtanh: _hardtanh,
    nn.Flatten: _flatten,
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
}


def _place(name: str, module: object) -> str:
    return f"layer {name} ({type(module).__name__})" if name else f"the module ({type(module).__name__})"


def _leaves(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers in the order they apply, each with its place; a shared one comes as often as it applies."""
    place = _place(name, module)
    if module.training:
        raise NetworkError(f"{place} is in training mode: call .eval() on the whole module first")
    if parametrize.is_parametrized(module):
        raise NetworkError(f"{place} has a parametrization: remove it with torch.nn.utils.parametrize")
    if "forward" in vars(module) or any(getattr(module, hooks) for hooks in _HOOKS):
        raise NetworkError(f"{place} has hooks or a replaced forward, which may change its output: remove them")
    if type(module) is not nn.Sequential:
        yield place, module
        return
    for key, child in module._modules.items():
        yield from _leaves(f"{name}.{key}" if name else key, child)


def _reader(place: str, layer: nn.Module) -> _Reader:
    if type(layer) in _READERS:
        return _READERS[type(layer)]
    if isinstance(layer, _CURVED):
        raise NetworkError(f"{place} is not piecewise linear, so the network has no partition into affine cells")
    operation = _single_operation(layer)
    if operation is None:
        for kind in _READERS:
            if isinstance(layer, kind):
                raise NetworkError(
                    f"{place} is a subclass of {kind.__name__}, so its forward may differ: use that class"
                )
        known = ", ".join(sorted(kind.__name__ for kind in _READERS))
        raise NetworkError(
            f"{place} is not supported: use nn.Sequential of {known}, and modules that apply a single abs or relu"
        )
    units = operation(0)
    return lambda state, layer: state.units(units)


def _single_operation(layer: nn.Module) -> Callable[[int], Piecewise] | None:
    """The operation that a module's forward applies to its input, if it is a single one that is known."""
    try:
        nodes = list(torch.fx.symbolic_trace(layer).graph.nodes)
    except Exception:  # the module's own code runs here, on a stand-in for a tensor, and may raise anything
        return None
    if [node.op for node in nodes] not in (
        ["placeholder", kind, "output"] for kind in ("call_function", "call_method")
    ):
        return None
    x, applied, output = nodes
    if applied.args != (x,) or not set(applied.kwargs) <= {"inplace"} or output.args != (applied,):
        return None
    return _OPERATIONS.get(applied.target)


def _input_shape(layers: list[tuple[str, Any, _Reader]], given: Sequence[int] | None) -> tuple[int, ...]:
    if given is not None:
        if not isinstance(given, Sequence) or not given or not all(type(n) is int and n > 0 for n in given):
            raise InputError(f"input_shape must be positive sizes without the batch dimension, not {given!r}")
        return tuple(given)
    for _, layer, read in layers:
        if read is _linear:
            return (layer.weight.shape[-1],)
        if read is _batch_norm:
            return (layer.num_features,)
    raise InputError("the input's size cannot be inferred without a Linear or BatchNorm1d: give input_shape")


def _array(tensor: torch.Tensor, name: str) -> ExactArray:
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.dtype not in _DTYPES:
        raise NetworkError(
            f"has a {name} of {tensor.dtype} on {tensor.device}; a dense floating-point tensor with data is needed"
        )
    return ExactArray.of(tensor.detach().to("cpu", torch.float64).numpy(), name)


def _entries(tensor: torch.Tensor, name: str) -> list[mpq]:
    den, flat = _array(tensor, name).numerators()
    return [mpq(n, den) for n in flat]
