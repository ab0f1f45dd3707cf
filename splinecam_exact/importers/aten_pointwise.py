"""Operations of torch programs on each entry: activations, arithmetic, comparisons, and reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.importers import onnx_constants
from splinecam_exact.importers.aten_refused import curved
from splinecam_exact.importers.aten_values import (
    Comparison,
    Missing,
    as_constant,
    as_number,
    changed,
    dims_of,
    fold,
    shape_of,
)
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor, axes_of, constant, exact_array, objects
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.nodes import Affine, Piecewise

_NO_INDICES = Missing("the place of a maximum", "use only its value")


def add(g: Graph, x: Any, other: Any, alpha: Any = 1) -> Any:
    other = other if alpha == 1 else mul(g, other, alpha)
    if isinstance(x, Tensor):
        return g.add(x, other if isinstance(other, Tensor) else as_number(other))
    return g.add(other, as_number(x)) if isinstance(other, Tensor) else fold("Add", x, other)


def sub(g: Graph, x: Any, other: Any, alpha: Any = 1) -> Any:
    other = other if alpha == 1 else mul(g, other, alpha)
    if isinstance(x, Tensor):
        return g.sub(x, other if isinstance(other, Tensor) else as_number(other))
    return g.scale_shift(other, -1, as_number(x)) if isinstance(other, Tensor) else fold("Sub", x, other)


def rsub(g: Graph, x: Any, other: Any, alpha: Any = 1) -> Any:
    return sub(g, other, x, alpha)


def mul(g: Graph, x: Any, other: Any) -> Any:
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        raise NetworkError(curved("a product"))
    if isinstance(x, Tensor):
        return g.scale_shift(x, as_number(other))
    return g.scale_shift(other, as_number(x)) if isinstance(other, Tensor) else fold("Mul", x, other)


def div(g: Graph, x: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is not None:
        raise NetworkError("rounds a quotient, which jumps")
    if isinstance(other, Tensor):
        raise NetworkError(curved("a division by them"))
    return g.scale_shift(x, fold("Div", 1, other)) if isinstance(x, Tensor) else fold("Div", x, other)


def neg(g: Graph, x: Any) -> Any:
    return g.neg(x) if isinstance(x, Tensor) else changed("Neg", x)


def absolute(g: Graph, x: Any) -> Any:
    return g.abs(x) if isinstance(x, Tensor) else changed("Abs", x)


def relu(g: Graph, x: Any) -> Any:
    return g.relu(x) if isinstance(x, Tensor) else fold("Max", x, 0)


def leaky_relu(g: Graph, x: Any, negative_slope: Any = 0.01) -> Any:
    return g.leaky_relu(_tensor(x), negative_slope)


def rrelu(
    g: Graph, x: Any, lower: Any = 0.125, upper: Any = 1 / 3, training: bool = False, generator: Any = None
) -> Any:
    if training:
        raise NetworkError("draws random slopes (training mode)")
    return g.leaky_relu(_tensor(x), (exact(lower) + exact(upper)) / 2)


def rrelu_with_noise(
    g: Graph, x: Any, noise: Any, lower: Any = 0.125, upper: Any = 1 / 3, training: bool = False, generator: Any = None
) -> Any:
    return rrelu(g, x, lower, upper, training)


def prelu(g: Graph, x: Any, weight: Any) -> Any:
    slopes = as_number(weight)
    return g.prelu(_tensor(x), slopes, 0 if _tensor(x).rank < 2 else 1)


def prelu_kernel(g: Graph, x: Any, weight: Any) -> Any:
    slopes = as_number(weight)  # which has as many dimensions as x
    found = [d for d, n in enumerate(slopes.shape) if n != 1]
    if len(found) > 1:
        raise NetworkError(f"has slopes of shape {slopes.shape}")
    return g.prelu(_tensor(x), slopes, found[0] if found else 0)


def relu6(g: Graph, x: Any) -> Any:
    return g.clamp(_tensor(x), 0, 6)


def hardtanh(g: Graph, x: Any, min_val: Any = -1, max_val: Any = 1) -> Any:
    return clamp(g, x, min_val, max_val)


def hardsigmoid(g: Graph, x: Any) -> Any:
    return g.hardsigmoid(_tensor(x))


def softshrink(g: Graph, x: Any, lambd: Any = 0.5) -> Any:
    if lambd == 0:
        return x
    return g.units(_tensor(x), Piecewise.of([[-exact(lambd), lambd]], [[1, 0, 1]], [0]))


def threshold(g: Graph, x: Any, threshold: Any, value: Any) -> Any:
    return g.threshold(_tensor(x), threshold, value)


def clamp(g: Graph, x: Any, min: Any = None, max: Any = None) -> Any:
    low, high = _bound(min, -math.inf), _bound(max, math.inf)
    if any(isinstance(bound, Tensor) for bound in (low, high)) or not isinstance(x, Tensor):
        x = x if low is None else maximum(g, x, low)
        return x if high is None else minimum(g, x, high)
    return g.clamp(x, None if low is None else as_number(low), None if high is None else as_number(high))


def clamp_min(g: Graph, x: Any, min: Any) -> Any:
    return clamp(g, x, min)


def clamp_max(g: Graph, x: Any, max: Any) -> Any:
    return clamp(g, x, None, max)


def maximum(g: Graph, x: Any, other: Any) -> Any:
    if isinstance(x, Tensor):
        return g.maximum(x, other if isinstance(other, Tensor) else as_number(other))
    return g.maximum(other, as_number(x)) if isinstance(other, Tensor) else fold("Max", x, other)


def minimum(g: Graph, x: Any, other: Any) -> Any:
    if isinstance(x, Tensor):
        return g.minimum(x, other if isinstance(other, Tensor) else as_number(other))
    return g.minimum(other, as_number(x)) if isinstance(other, Tensor) else fold("Min", x, other)


def max_dim(g: Graph, x: Any, dim: int, keepdim: bool = False) -> Any:
    return amax(g, x, dim, keepdim), _NO_INDICES


def min_dim(g: Graph, x: Any, dim: int, keepdim: bool = False) -> Any:
    return amin(g, x, dim, keepdim), _NO_INDICES


def amax(g: Graph, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return g.amax(x, dims_of(dim), keepdim) if isinstance(x, Tensor) else _total("Max", x, dim, keepdim)


def amin(g: Graph, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return g.amin(x, dims_of(dim), keepdim) if isinstance(x, Tensor) else _total("Min", x, dim, keepdim)


def total(g: Graph, x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return g.sum(x, dims_of(dim), keepdim) if isinstance(x, Tensor) else _total("Sum", x, dim, keepdim)


def mean(g: Graph, x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return g.mean(x, dims_of(dim), keepdim) if isinstance(x, Tensor) else _total("Mean", x, dim, keepdim)


def _total(op: str, x: Any, dim: Any, keepdim: bool) -> Any:
    array = as_constant(x)
    chosen = dims_of(dim)
    axes = tuple(range(array.ndim)) if chosen is None else axes_of(chosen, array.ndim)
    return onnx_constants.total(op, array, axes, keepdim)


def compared(op: str) -> Any:
    """A comparison; of a tensor it can only be the condition of a continuous choice, where equality does not matter."""

    def apply(g: Graph, x: Any, other: Any) -> Any:
        below = op.startswith("Less")
        if isinstance(x, Tensor) and isinstance(other, Tensor):
            return Comparison(g.sub(x, other), np.zeros(()), below)
        if isinstance(x, Tensor):
            return Comparison(x, as_number(other), below)
        return Comparison(other, as_number(x), not below) if isinstance(other, Tensor) else fold(op, x, other)

    return apply


def equal(g: Graph, x: Any, other: Any) -> Any:
    if any(isinstance(v, Tensor) for v in (x, other)):
        raise NetworkError("compares values that depend on the input with ==, which is not continuous")
    return fold("Equal", x, other)


def where(g: Graph, condition: Any, x: Any, other: Any) -> Any:
    """A choice by a comparison of a tensor with constants, between affine functions of that tensor that meet there."""
    if not isinstance(condition, Comparison):
        return _chosen(g, as_constant(condition), x, other)
    t = condition.tensor
    shape = np.broadcast_shapes(*map(shape_of, (t, condition.bound, x, other)))
    t = t.expand(shape)
    bound = objects(np.broadcast_to(condition.bound, shape)).reshape(-1)
    (first, first_shift), (second, second_shift) = _affine(g, x, t), _affine(g, other, t)
    if condition.below:
        first, first_shift, second, second_shift = second, second_shift, first, first_shift
    anchor = first * bound + first_shift
    if (anchor != second * bound + second_shift).any():
        raise NetworkError("chooses between two values that differ where the condition changes, so that it jumps")
    t = g.ordered(t)
    rows = [np.stack(c, axis=1) for c in ((bound,), (second, first))]
    place = np.argsort(t.index.reshape(-1))
    breakpoints, slopes = (exact_array(r[place], r.shape, "where") for r in rows)
    units = Piecewise(t.node, breakpoints, slopes, exact_array(anchor[place], anchor.shape, "where"))
    return Tensor(g.add_node(units, (t.index.size,)).node, t.index)


def _affine(g: Graph, value: Any, t: Tensor) -> tuple[Any, Any]:
    """(slopes, shifts) that make `value` of `t`, entry by entry."""
    size = t.index.size
    zeros = objects(np.zeros(size))
    if not isinstance(value, Tensor):
        return zeros, objects(np.broadcast_to(as_number(value), t.shape)).reshape(-1)
    value = value.expand(t.shape)
    places = t.index.reshape(-1)
    slopes, shifts, number = zeros + 1, zeros, value.node
    while (value.index == t.index).all():
        if number == t.node:
            return slopes, shifts
        node = g.nodes[number - 1] if number else None
        if not isinstance(node, Affine) or len(node.sources) != 1:
            break
        (weight,) = node.weights
        if not isinstance(weight, ExactArray) or len(weight.shape) != 1:
            break
        shifts = shifts + slopes * objects(constant(node.bias))[places]
        slopes = slopes * objects(constant(weight))[places]
        (number,) = node.sources
    raise NetworkError("chooses between values that are no multiples of what its condition compares")


def _chosen(g: Graph, condition: Any, x: Any, other: Any) -> Any:
    """A choice that does not depend on the input."""
    if condition.dtype != np.bool_:
        raise NetworkError("chooses by a condition that is no bool")
    shape = np.broadcast_shapes(condition.shape, shape_of(x), shape_of(other))
    chosen = np.broadcast_to(condition, shape)
    if not isinstance(x, Tensor) and not isinstance(other, Tensor):
        return np.where(chosen, as_number(x), as_number(other))
    return merged(g, x, other, chosen, shape)


def merged(g: Graph, x: Any, other: Any, chosen: Any, shape: tuple[int, ...]) -> Any:
    """The entries of x where `chosen` holds, those of the other elsewhere; each is a tensor or constants."""
    parts: list[Any] = [
        v.expand(shape).reshape((-1,)) if isinstance(v, Tensor) else np.broadcast_to(as_number(v), shape).reshape(-1)
        for v in (x, other)
    ]
    if all(isinstance(p, Tensor) for p in parts) and parts[0].node == parts[1].node:
        return Tensor(parts[0].node, np.where(chosen.reshape(-1), parts[0].index, parts[1].index).reshape(shape))
    joined = g.concat(parts, 0)
    size = chosen.size
    return joined[np.where(chosen.reshape(-1), 0, size) + np.arange(size)].reshape(shape)


def unary(op: str) -> Any:
    """An operation that is done on constants only."""

    def apply(g: Graph, x: Any) -> Any:
        if isinstance(x, Tensor):
            raise NetworkError(curved(op.lower()))
        return changed(op, as_number(x))

    return apply


def power(g: Graph, x: Any, exponent: Any) -> Any:
    if isinstance(x, Tensor) and exponent == 1:
        return x
    if isinstance(x, Tensor) or isinstance(exponent, Tensor):
        raise NetworkError(curved("a power"))
    return fold("Pow", as_number(x), as_number(exponent))


def piecewise_linear(g: Graph, x: Any, breakpoints: Any, slopes: Any, anchor: Any) -> Any:
    """The operator of `torch_op`: a unit for each column."""
    t = _tensor(x)
    arrays = [as_number(v) for v in (breakpoints, slopes, anchor)]
    if all(len(a) == 1 for a in arrays):
        return g.units(t, Piecewise.of(arrays[0], arrays[1], arrays[2]))
    t = g.ordered(t)
    column = np.argsort(t.index.reshape(-1)) % t.shape[-1]
    rows = [
        ExactArray.of(a[column] if a.dtype.kind == "f" else a[column].tolist()) if len(a) > 1 else ExactArray.of(a)
        for a in arrays
    ]
    return Tensor(g.add_node(Piecewise(t.node, *rows), (t.index.size,)).node, t.index)


def _tensor(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise NetworkError("is applied to a constant: store its result as a buffer")
    return x


def _bound(value: Any, none: float) -> Any:
    return None if value is None or (isinstance(value, float) and value == none) else value


HANDLERS: dict[str, Any] = {
    **dict.fromkeys(("abs", "absolute"), absolute),
    **dict.fromkeys(("sub", "subtract"), sub),
    **dict.fromkeys(("mul", "multiply"), mul),
    **dict.fromkeys(("div", "divide", "true_divide"), div),
    **dict.fromkeys(("neg", "negative"), neg),
    **dict.fromkeys(("clamp", "clip"), clamp),
    **dict.fromkeys(("maximum", "max.other"), maximum),
    **dict.fromkeys(("minimum", "min.other"), minimum),
    **dict.fromkeys(("gt", "greater"), compared("Greater")),
    **dict.fromkeys(("ge", "greater_equal"), compared("GreaterOrEqual")),
    **dict.fromkeys(("lt", "less"), compared("Less")),
    **dict.fromkeys(("le", "less_equal"), compared("LessOrEqual")),
    "add": add,
    "rsub": rsub,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "rrelu": rrelu,
    "rrelu_with_noise": rrelu_with_noise,
    "rrelu_with_noise_functional": rrelu_with_noise,
    "prelu": prelu,
    "_prelu_kernel": prelu_kernel,
    "relu6": relu6,
    "hardtanh": hardtanh,
    "hardsigmoid": hardsigmoid,
    "softshrink": softshrink,
    "threshold": threshold,
    "clamp_min": clamp_min,
    "clamp_max": clamp_max,
    "max": lambda g, x: amax(g, x),
    "min": lambda g, x: amin(g, x),
    "max.dim": max_dim,
    "min.dim": min_dim,
    "amax": amax,
    "amin": amin,
    "sum": total,
    "mean": mean,
    "eq": equal,
    "ne": lambda g, x, other: changed("Not", equal(g, x, other)),
    "logical_not": lambda g, x: changed("Not", x),
    "where": where,
    "sqrt": unary("Sqrt"),
    "reciprocal": unary("Reciprocal"),
    "pow": power,
    "square": lambda g, x: power(g, x, 2),
    "splinecam_exact.piecewise_linear": piecewise_linear,
}
