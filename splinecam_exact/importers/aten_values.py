"""The values in a torch program while it is translated, and the exact arithmetic of those that are constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splinecam_exact.importers import onnx_constants
from splinecam_exact.importers.tensors import Constant, Tensor, constant
from splinecam_exact.kernel.errors import NetworkError


class SharedMemory(NetworkError):
    """A program writes to a part of a tensor, or to one that has two names."""


class Unsupported(NetworkError):
    """A program has an operation that is not known here."""


@dataclass(frozen=True)
class Comparison:
    """Where a tensor is above (or, if `below`, under) constants: the condition of a `where`."""

    tensor: Tensor
    bound: Constant
    below: bool


@dataclass(frozen=True)
class Missing:
    """A value that cannot be had: `what` says what it is, `remedy` what can be done."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Stripped:
    """The output of a last softmax or the like: the tensor before it, called `source`, is taken instead."""

    tensor: Tensor
    name: str
    source: str


def as_constant(value: object) -> Constant:
    """A number or a constant array, as an array of float64 or mpq, of ints or of bools. Tensors raise NetworkError."""
    if isinstance(value, Tensor | Comparison):
        raise NetworkError("needs a constant where it has values that depend on the input")
    if isinstance(value, np.ndarray):
        return value
    return np.asarray(value) if isinstance(value, bool | int) else constant(value)


def as_number(value: object) -> Constant:
    """The same as float64 or mpq, ints included."""
    found = as_constant(value)
    if found.dtype == np.bool_:
        return found.astype(np.float64)
    return constant(found)


def fold(op: str, a: object, b: object) -> Constant:
    """An operation of `onnx_constants.fold` on two constants, as torch does it: ints are divided to floats."""
    x, y = as_constant(a), as_constant(b)
    x, y = (v.astype(np.int64) if v.dtype == np.bool_ else v for v in (x, y))
    if x.dtype.kind != y.dtype.kind or op == "Div":
        x, y = constant(x), constant(y)
    found: Constant = onnx_constants.fold(op, x, y)
    return found


def changed(op: str, a: object) -> Constant:
    """An operation of `onnx_constants.changed` on a constant."""
    found: Constant = onnx_constants.changed(op, as_constant(a))
    return found


def viewed(view: Callable[..., Any], value: Any, *args: Any) -> Any:
    """What a view of tensors makes of a tensor, or of a constant, whose entries are moved in the same way."""
    if isinstance(value, Comparison):
        raise NetworkError("moves the entries of a comparison: compare after that")
    if isinstance(value, Tensor):
        return view(value, *args)
    array = as_constant(value)
    if not array.size:
        raise NetworkError("has an empty constant")
    moved = view(Tensor(-1, np.arange(array.size).reshape(array.shape)), *args)
    flat = array.reshape(-1)
    return [flat[t.index] for t in moved] if isinstance(moved, list) else flat[moved.index]


def shape_of(value: object) -> tuple[int, ...]:
    """The shape of a tensor or a constant."""
    return value.shape if isinstance(value, Tensor) else as_constant(value).shape


def several(value: object, count: int) -> tuple[int, ...]:
    """An int, or a list of ints of which one serves all, for each of some dimensions."""
    found = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(found) == 1:
        found *= count
    if len(found) != count or not all(type(n) is int for n in found):
        raise NetworkError(f"has {value!r} for {count} dimensions")
    return found


def dims_of(dim: Any) -> Sequence[int] | None:
    """The dimensions that a reduction names, None for all."""
    if dim is None or dim == []:
        return None
    return [dim] if isinstance(dim, int) else list(dim)
