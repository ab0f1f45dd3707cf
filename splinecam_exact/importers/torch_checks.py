"""What from_torch makes sure of: calling the module runs the code that was read, and computes what the network does."""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from gmpy2 import mpq
from torch import nn
from torch.nn.utils import parametrize

from splinecam_exact.arrays import ExactArray, Floats
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Piecewise

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_GLOBAL_HOOKS = ("_global_forward_pre_hooks", "_global_forward_hooks", "_global_forward_hooks_always_called")
# What runs between module(x) and module.forward(x): the class that defines each, and the name it is written under.
_CALL: tuple[tuple[str, type, str], ...] = (
    ("__call__", nn.Module, "_wrapped_call_impl"),
    ("_wrapped_call_impl", nn.Module, "_wrapped_call_impl"),
    ("_call_impl", nn.Module, "_call_impl"),
    ("_slow_forward", nn.Module, "_slow_forward"),
    ("__getattr__", nn.Module, "__getattr__"),
)
# The operations of which a module with a forward of its own may apply one: functions, and methods of a tensor.
_FUNCTIONS: tuple[tuple[object, Piecewise], ...] = (
    *((function, Piecewise.absolute()) for function in (abs, operator.abs, torch.abs, torch.absolute)),
    *((function, Piecewise.relu()) for function in (torch.relu, nn.functional.relu)),
)
_METHODS = {"abs": Piecewise.absolute(), "absolute": Piecewise.absolute(), "relu": Piecewise.relu()}
_KINDS_OF_FUNCTION = (
    *(inspect.CO_VARARGS, inspect.CO_VARKEYWORDS, inspect.CO_GENERATOR, inspect.CO_COROUTINE),
    *(inspect.CO_ITERABLE_COROUTINE, inspect.CO_ASYNC_GENERATOR),
)


def refuse_global_hooks() -> None:
    """Raise NetworkError where a hook on every module is registered, since it may change outputs."""
    for name in _GLOBAL_HOOKS:
        if getattr(nn.modules.module, name, None):
            raise NetworkError(
                f"torch has forward hooks on all modules ({name}), which may change every layer's output: "
                "call .remove() on the handles that registered them"
            )


def refuse_changed_call(place: str, module: nn.Module) -> None:
    """Raise NetworkError unless module(x) runs type(module).forward in evaluation mode, and nothing around it."""
    kind = type(module)
    if module.training:
        raise NetworkError(f"{place} is in training mode: call .eval() on the whole module first")
    if parametrize.is_parametrized(module):
        raise NetworkError(f"{place} has a parametrization: remove it with torch.nn.utils.parametrize")
    if any(getattr(module, hooks) for hooks in _HOOKS):
        raise NetworkError(f"{place} has hooks, which may change its output: remove them")
    for name in vars(module):
        if callable(getattr(kind, name, None)):
            raise NetworkError(
                f"{place} has a replaced {name}, which may change its output: del module.{name}, or import the module "
                "as it was before it was wrapped"
            )
    if module._compiled_call_impl is not None:
        raise NetworkError(f"{place} is compiled, so other code runs: import the module before .compile()")
    for name, base, written in _CALL:
        if not _is_written_in(base, kind, name, written):
            raise NetworkError(f"{place} overrides {name}, which may change its output: use nn.Module's own")
    if inspect.getattr_static(kind, "__getattribute__") is not vars(object)["__getattribute__"]:
        raise NetworkError(f"{place} overrides __getattribute__, which may change its output: use nn.Module's own")


def refuse_changed_forward(place: str, module: nn.Module) -> None:
    """Raise NetworkError where the class of a module of torch's own has another forward than torch gave it."""
    base = next(base for base in type(module).__mro__ if "forward" in vars(base))
    if not _is_written_in(base, type(module), "forward", "forward"):
        raise NetworkError(
            f"{place} runs a forward put in place of torch's own (nn.{base.__name__}.forward was assigned): undo that"
        )


def _is_written_in(base: type, kind: type, name: str, written: str) -> bool:
    """Whether kind.name is the function that the body of the torch class `base` defines under the name `written`."""
    found = inspect.getattr_static(kind, name)
    return (
        base.__module__.startswith("torch.nn.modules.")
        and type(found) is FunctionType
        and found.__globals__ is vars(sys.modules[base.__module__])  # functools.wraps copies names, but not this
        and found.__qualname__ == f"{base.__name__}.{written}"
    )


def single_operation(module: nn.Module) -> Piecewise | None:
    """The units of a module whose forward is `return torch.abs(x)` or the like, None for any other forward.

    No code of the module is run, and its source is not needed: the bytecode of its forward is compared with that of
    the few forwards that are known, and the names in it are looked up.
    """
    forward = inspect.getattr_static(type(module), "forward", None)
    if type(forward) is not FunctionType or forward.__code__.co_argcount != 2:
        return None
    code = forward.__code__
    path = (*code.co_freevars, *code.co_names)
    if not path:
        return None
    x = code.co_varnames[1]
    if len(path) == 1 and path[0] in _METHODS and _is_compiled_from(code, f"{x}.{path[0]}()"):
        return _METHODS[path[0]]
    for options in ("", ", inplace=False", ", inplace=True"):
        if _is_compiled_from(code, f"{'.'.join(path)}({x}{options})"):
            called = _looked_up(forward, path)
            return next((units for function, units in _FUNCTIONS if function is called), None)
    return None


def _is_compiled_from(code: CodeType, expression: str) -> bool:
    """Whether a method is `return expression`, with or without a docstring."""
    docstring = repr(code.co_consts[0]) if code.co_consts and isinstance(code.co_consts[0], str) else ""
    outer = f"def outer({', '.join(code.co_freevars)}):\n  def forward({', '.join(code.co_varnames)}):\n"
    try:
        compiled = compile(f"{outer}   {docstring}\n   return {expression}", "<forward>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return any(_content(inner) == _content(code) for middle in _inner(compiled) for inner in _inner(middle))


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _content(code: CodeType) -> tuple[object, ...]:
    """What the function does; left out are its name, its place in the source, and where it is nested."""
    sizes = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code, code.co_consts, sizes, names, [code.co_flags & kind for kind in _KINDS_OF_FUNCTION]


def _looked_up(forward: Any, path: tuple[str, ...]) -> object:
    """What a dotted name is in a function: a variable around it, then attributes of Python modules."""
    cells = dict(zip(forward.__code__.co_freevars, forward.__closure__ or (), strict=True))
    first, *rest = path
    try:
        found = cells[first].cell_contents if first in cells else {**forward.__builtins__, **forward.__globals__}[first]
        for name in rest:
            if not isinstance(found, ModuleType):
                return None
            found = vars(found)[name]
    except (KeyError, ValueError):  # ValueError: a variable around it without a value yet
        return None
    return found


def refuse_other_values(
    place: str, module: nn.Module, net: Network, shape: tuple[int, ...], magnitudes: Mapping[int, Floats]
) -> None:
    """Raise NetworkError where a float64 copy of the module gives other values than the network at eight points.

    A last resort against code that the other checks do not know. The bound on the difference is one on the rounding
    errors, so a right network always passes: each node's is relative to the sum of the absolute values of the terms.
    `magnitudes` adds to those of a node, by its position, what the module computes in other terms than the network.
    Where that sum is beyond float64, so may be the module's values, and nothing is compared.
    """
    points = _points(net.input_size)
    try:
        copy = deepcopy(module).to("cpu", torch.float64)
        with torch.no_grad():
            output = copy(torch.tensor(points, dtype=torch.float64, device="cpu").reshape(len(points), *shape))
        given = output.detach().to("cpu", torch.float64).numpy().reshape(len(points), -1)
    except Exception as error:  # whatever the module's code raises
        raise NetworkError(
            f"{place} could not be run on a batch of shape {(len(points), *shape)} to check the network: "
            f"{type(error).__name__}: {error}"
        ) from None
    evaluated = Network(net.input_size, net.nodes)  # the program made here is not kept
    bounds = _rounding_bounds(net, points, magnitudes)
    for k, (point, values, bound) in enumerate(zip(points, given, bounds, strict=True)):
        expected = evaluated.evaluate(point)
        if len(values) != len(expected):
            _refuse(place, f"it has {len(values)} outputs, its layers {len(expected)}")
        for j, (y, value, most) in enumerate(zip(expected, values.tolist(), bound.tolist(), strict=True)):
            if np.isfinite(most) and not (np.isfinite(value) and abs(mpq(value) - y) <= most):
                _refuse(place, f"output {j} at check point {k} is {value}, by its layers {float(y)}")


def _refuse(place: str, difference: str) -> None:
    raise NetworkError(
        f"{place} computes something else than its layers say ({difference}): a class, function or mode of torch is "
        "patched; undo that, or build the network from its weights with Network.from_layers"
    )


def _points(size: int) -> Floats:
    """Eight points: 0, and seven of mixed signs and growing scale, up to 63."""
    steps = np.arange(8 * size, dtype=np.uint64).reshape(size, 8).T + np.uint64(1)
    scattered = (steps * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58)  # the golden ratio's multiples, modulo 1
    scales = np.array([[0.0], [0.25], [1], [2], [4], [8], [16], [32]])
    points: Floats = (scattered.astype(np.float64) - 31.5) / 16 * scales
    return points


def _rounding_bounds(net: Network, points: Floats, magnitudes: Mapping[int, Floats]) -> Floats:
    sizes = np.abs(points)
    operations = 0
    with np.errstate(all="ignore"):  # overflow is seen at the end
        for k, node in enumerate(net.nodes):
            if isinstance(node, Affine):
                weight, bias = _absolute(node.weights[0]), _absolute(node.bias)
                sizes = (sizes @ weight.T if weight.ndim == 2 else sizes * weight) + bias
                operations += 8 + weight.shape[-1] * (weight.ndim == 2)
            elif isinstance(node, Piecewise):
                slopes = _absolute(node.slopes).max(axis=1)
                sizes = slopes * (sizes + _absolute(node.breakpoints).max(axis=1)) + _absolute(node.anchor)
                operations += 8
            # Below the smallest normal number an error is not relative to the result any more.
            sizes = sizes + magnitudes.get(k, 0.0) + operations * sys.float_info.min
        bounds: Floats = 4 * operations * sys.float_info.epsilon * sizes
    return bounds


def _absolute(array: ExactArray) -> Floats:
    if array.floats is not None:
        positive: Floats = np.abs(array.floats)
        return positive
    den, flat = array.numerators()
    return np.array([abs(float(mpq(n, den))) for n in flat]).reshape(array.shape)
