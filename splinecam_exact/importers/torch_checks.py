"""What from_torch makes sure of before it traces a module: that a call runs its own code, on numbers it can read."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FunctionType

import torch
from torch import nn
from torch.nn.utils import parametrize

from splinecam_exact.kernel.errors import NetworkError

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
_FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def place(name: str, kind: str) -> str:
    """How messages call a layer."""
    return f"layer {name} ({kind})" if name else f"the module ({kind})"


def place_of(name: str, module: object) -> str:
    """How messages call a layer."""
    return place(name, type(module).__name__)


def refuse_global_hooks() -> None:
    """Raise NetworkError where a hook on every module is registered, since it may change outputs."""
    for name in _GLOBAL_HOOKS:
        if getattr(nn.modules.module, name, None):
            raise NetworkError(
                f"torch has forward hooks on all modules ({name}), which may change every layer's output: "
                "call .remove() on the handles that registered them"
            )


def refuse_changed_module(module: nn.Module) -> None:
    """Raise NetworkError, naming the layer, where one cannot be traced as its classes have it, or be read exactly."""
    _refuse_inside("", module, ())


def _refuse_inside(name: str, module: object, around: tuple[nn.Module, ...]) -> None:
    if not isinstance(module, nn.Module):
        raise NetworkError(
            f"{place_of(name, module)} is not a torch.nn.Module: remove it, or put nn.Identity() in its place"
        )
    if any(module is outer for outer in around):
        raise NetworkError(f"{place_of(name, module)} contains itself: remove it from its own layers")
    if isinstance(module, torch.jit.ScriptModule):
        raise NetworkError(f"{place_of(name, module)} is of torch.jit: import the module as it was before torch.jit")
    if "_orig_mod" in module._modules:
        raise NetworkError(
            f"{place_of(name, module)} is compiled by torch.compile: import the original, module._orig_mod"
        )
    _refuse_changed_call(place_of(name, module), module)
    _refuse_unreadable(place_of(name, module), module)
    for key, child in module._modules.items():
        if child is not None or isinstance(module, nn.Sequential):  # a layer that is None is one left out
            _refuse_inside(f"{name}.{key}" if name else key, child, (*around, module))


def _refuse_changed_call(place: str, module: nn.Module) -> None:
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
        if name == "__call__" and kind in (nn.ParameterList, nn.ParameterDict):
            continue  # theirs only raises
        if not _is_written_in(base, kind, name, written):
            raise NetworkError(f"{place} overrides {name}, which may change its output: use nn.Module's own")
    if inspect.getattr_static(kind, "__getattribute__") is not vars(object)["__getattribute__"]:
        raise NetworkError(f"{place} overrides __getattribute__, which may change its output: use nn.Module's own")


def _is_written_in(base: type, kind: type, name: str, written: str) -> bool:
    """Whether kind.name is the function that the body of the torch class `base` defines under the name `written`."""
    found = inspect.getattr_static(kind, name)
    return (
        base.__module__.startswith("torch.nn.modules.")
        and type(found) is FunctionType
        and found.__globals__ is vars(sys.modules[base.__module__])  # functools.wraps copies names, but not this
        and found.__qualname__ == f"{base.__name__}.{written}"
    )


def _refuse_unreadable(place: str, module: nn.Module) -> None:
    """Raise NetworkError for a parameter or buffer that is no dense tensor of numbers, or holds NaN or infinity."""
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is None:
            continue
        is_float = tensor.dtype in _FLOATS
        whole = not is_float and not tensor.dtype.is_floating_point and not tensor.dtype.is_complex
        if tensor.is_meta or tensor.layout is not torch.strided or not (is_float or whole):
            raise NetworkError(
                f"{place} has a {name} of {tensor.dtype} on {tensor.device}; a dense floating-point tensor with "
                "data is needed"
            )
        if is_float and not tensor.isfinite().all():
            bad = (~tensor.detach().isfinite()).nonzero()[0].tolist()
            value = tensor.detach()[tuple(bad)].item()
            raise NetworkError(f"{place} {name}{''.join(f'[{k}]' for k in bad)}: {value} is not a finite number")


def refuse_failing_layer(module: nn.Module, example: torch.Tensor, place: str) -> None:
    """Raise NetworkError, naming the innermost layer, where the module itself cannot be run on an example."""
    running: list[tuple[str, str]] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda layer, inputs: running.append((place_of(name, layer), _shapes(inputs)))

    handles = []
    for name, layer in module.named_modules():
        handles.append(layer.register_forward_pre_hook(enter(name)))
        handles.append(layer.register_forward_hook(lambda *_: running.pop() and None))
    try:
        module(example)
    except Exception as error:  # whatever the module's code raises
        where, given = running[-1] if running else (place, _shapes((example,)))
        raise NetworkError(f"{where} cannot be applied to {given} ({reason(error)})") from None
    finally:
        for handle in handles:
            handle.remove()


def reason(error: Exception) -> str:
    """The kind of an error and its first line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def _shapes(inputs: tuple[object, ...]) -> str:
    shapes = [str(tuple(x.shape)) for x in inputs if isinstance(x, torch.Tensor)]
    return f"an input of shape {' and '.join(shapes)}" if shapes else "its inputs"
