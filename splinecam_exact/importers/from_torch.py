"""torch modules turned into exact networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, Floats, exact
from splinecam_exact.importers import batchnorm
from splinecam_exact.kernel.errors import InputError, MissingDependency, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Node, Piecewise

try:
    import torch
    from torch import nn
except ImportError:
    raise MissingDependency("from_torch needs torch: pip install 'splinecam-exact[torch]'") from None

from splinecam_exact.importers import torch_checks

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_CURVED = (
    *(nn.GELU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.ELU, nn.SELU, nn.CELU, nn.Softplus, nn.Mish, nn.Softmax, nn.LogSoftmax),
    *(nn.Softmin, nn.LogSigmoid, nn.Softsign, nn.Tanhshrink, nn.GLU, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)


def from_torch(module: nn.Module, input_shape: Sequence[int] | None = None) -> Network:
    """The exact network of a torch module in evaluation mode: `nn.Sequential`, nested to any depth.

    Inside may be Linear, ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh, Flatten, Identity, Dropout, BatchNorm1d, and modules
    whose forward is exactly `return torch.abs(x)`, or the same with abs, x.abs() or relu. The network computes, over
    the reals, what the module computes on a batch of inputs of shape `input_shape` (without the batch dimension;
    flattened row by row); where it is None, a vector is taken, as long as the first Linear or BatchNorm1d needs it.
    Parameters in float16, bfloat16, float32 or float64 are the dyadic rationals they store, and so are Python floats
    such as a LeakyReLU's slope. BatchNorm is folded as `importers.batchnorm` says, which the network's conventions
    record.

    Raises NetworkError, naming the layer, for everything else: other modules (subclasses too, since their forward may
    differ), hooks, replaced methods, parametrizations, training mode, NaN or infinity, shapes that do not fit. At the
    end a float64 copy of the module is run on eight points and must give the network's values, but for rounding.

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
    layers = [(place, layer, _reader(place, layer)) for place, layer in _leaves("", module, ())]
    shape = _input_shape(layers, input_shape)
    state = _State(shape)
    for place, layer, read in layers:
        try:
            read(state, layer)
        except NetworkError as error:
            raise NetworkError(f"{place} {error}") from None
        state.place = place
    if not state.nodes:
        state.identity()
    net = Network(state.input_size, state.nodes, state.conventions)
    torch_checks.refuse_other_values(_place("", module), module, net, shape, state.magnitudes)
    return net


class _State:
    """What has been read so far: the nodes, the shape of the last one's output, and the layer it came from."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.input_size = math.prod(shape)
        self.place = "the input"
        self.nodes: list[Node] = []
        self.conventions: tuple[str, ...] = ()
        self.magnitudes: dict[int, Floats] = {}  # of the terms that a module adds up and its node does not

    def flat(self, needed: int) -> None:
        """Check that the last output is a vector of the size needed."""
        if self.shape != (needed,):
            remedy = "; put nn.Flatten() before it" if math.prod(self.shape) == needed else ""
            raise NetworkError(f"needs {needed} features, but {self.place} gives shape {self.shape}{remedy}")

    def affine(self, weight: ExactArray, bias: ExactArray) -> None:
        self.nodes.append(Affine((len(self.nodes),), (weight,), bias))
        self.shape = bias.shape

    def identity(self) -> None:
        """A node that changes nothing, as a network has at least one."""
        self.nodes.append(Affine((0,), (ExactArray.of([1] * self.input_size),), ExactArray.of([0] * self.input_size)))

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
    moved = np.array([abs(float(m)) for m in mean]) * np.abs(scales)
    state.magnitudes[len(state.nodes)] = moved + [abs(float(b)) for b in beta]
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
    units = Piecewise.hardtanh(layer.min_val, layer.max_val)
    if not layer.min_val < layer.max_val:
        raise NetworkError(f"clips to [{layer.min_val}, {layer.max_val}]; min_val must be below max_val")
    state.units(units)


def _flatten(state: _State, layer: nn.Flatten) -> None:
    # Row-major order is what flattening keeps, so only the shape changes; dimension 0 is the batch.
    rank = len(state.shape) + 1
    if not type(layer.start_dim) is type(layer.end_dim) is int:
        raise NetworkError(f"flattens dimensions {layer.start_dim!r} to {layer.end_dim!r}; ints are needed")
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
    nn.ReLU6: _hardtanh,  # a Hardtanh whose bounds are 0 and 6, unless they were set to others
    nn.LeakyReLU: _leaky_relu,
    nn.PReLU: _prelu,
    nn.Hardtanh: _hardtanh,
    nn.Flatten: _flatten,
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
}


def _place(name: str, module: object) -> str:
    return f"layer {name} ({type(module).__name__})" if name else f"the module ({type(module).__name__})"


def _leaves(name: str, module: object, around: tuple[nn.Module, ...]) -> Iterator[tuple[str, nn.Module]]:
    """The layers in the order they apply, each with its place; a shared one comes as often as it applies."""
    place = _place(name, module)
    if not isinstance(module, nn.Module):
        raise NetworkError(f"{place} is not a torch.nn.Module: remove it, or put nn.Identity() in its place")
    if any(module is outer for outer in around):
        raise NetworkError(f"{place} contains itself: remove it from its own layers")
    torch_checks.refuse_changed_call(place, module)
    if type(module) is not nn.Sequential:
        yield place, module
        return
    torch_checks.refuse_changed_forward(place, module)
    for key, child in module._modules.items():
        yield from _leaves(f"{name}.{key}" if name else key, child, (*around, module))


def _reader(place: str, layer: nn.Module) -> _Reader:
    if type(layer) in _READERS:
        torch_checks.refuse_changed_forward(place, layer)
        return _READERS[type(layer)]
    if isinstance(layer, _CURVED):
        raise NetworkError(f"{place} is not piecewise linear, so the network has no partition into affine cells")
    units = torch_checks.single_operation(layer)
    if units is None:
        for kind in _READERS:
            if isinstance(layer, kind):
                raise NetworkError(
                    f"{place} is a subclass of {kind.__name__}, so its forward may differ: use that class"
                )
        known = ", ".join(sorted(kind.__name__ for kind in _READERS))
        raise NetworkError(
            f"{place} is not supported: use nn.Sequential of {known}, and modules whose forward is exactly "
            "`return torch.abs(x)` (or abs(x), x.abs(), torch.relu(x), x.relu()); or build the network from nodes, "
            "such as Piecewise.absolute(), with Network"
        )
    return lambda state, layer: state.units(units)


def _input_shape(layers: list[tuple[str, Any, _Reader]], given: Sequence[int] | None) -> tuple[int, ...]:
    if given is not None:
        if not isinstance(given, Sequence) or not given or not all(type(n) is int and n > 0 for n in given):
            raise InputError(f"input_shape must be positive sizes without the batch dimension, not {given!r}")
        return tuple(given)
    for _, layer, read in layers:
        sized = layer.weight if read is _linear else layer.running_mean if read is _batch_norm else None
        if isinstance(sized, torch.Tensor) and sized.ndim:
            return (sized.shape[-1],)
    raise InputError("the input's size cannot be inferred without a Linear or BatchNorm1d: give input_shape")


def _array(tensor: object, name: str) -> ExactArray:
    if not isinstance(tensor, torch.Tensor):
        raise NetworkError(f"has a {name} of type {type(tensor).__name__}; a tensor is needed")
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.dtype not in _DTYPES:
        raise NetworkError(
            f"has a {name} of {tensor.dtype} on {tensor.device}; a dense floating-point tensor with data is needed"
        )
    return ExactArray.of(tensor.detach().to("cpu", torch.float64).numpy(), name)


def _entries(tensor: object, name: str) -> list[mpq]:
    den, flat = _array(tensor, name).numerators()
    return [mpq(n, den) for n in flat]
