"""ONNX operations that compute: sums, products with constants, piecewise linear functions, reductions, matrices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from gmpy2 import mpq
from onnx import TensorProto

from splinecam_exact.importers import onnx_constants
from splinecam_exact.importers.constants import broadcast, is_real
from splinecam_exact.importers.onnx_call import Call, Value, axis, shape_of
from splinecam_exact.importers.onnx_file import FLOATS, Array
from splinecam_exact.importers.onnx_views import joined, reshaped
from splinecam_exact.importers.tensors import Tensor, constant
from splinecam_exact.kernel.errors import NetworkError

_INTS = {
    TensorProto.INT8: (-(1 << 7), 1 << 7),
    TensorProto.UINT8: (0, 1 << 8),
    TensorProto.INT16: (-(1 << 15), 1 << 15),
    TensorProto.UINT16: (0, 1 << 16),
    TensorProto.INT32: (-(1 << 31), 1 << 31),
    TensorProto.UINT32: (0, 1 << 32),
    TensorProto.INT64: (-(1 << 63), 1 << 63),
    TensorProto.UINT64: (0, 1 << 63),
}
_NARROW = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16", TensorProto.FLOAT: "float32"}
MATMUL_MOST = 1 << 10
"""A product with a batch of constant matrices is made of so many products at most."""


# One and two operands


def binary(call: Call) -> Value:
    """Add, Sub, Mul, Div, and the comparisons and Mod of constants."""
    call.count(2)
    a, b = call.value(0), call.value(1)
    if call.op == "Mod" and call.attributes.flag("fmod"):
        raise NetworkError("has fmod = 1: only the remainder of ints is computed")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        if call.op == "Mod" and is_real(a):
            raise NetworkError("takes a remainder of floats")
        return onnx_constants.fold(call.op, a, b)
    if call.op == "Pow":
        return power(call)
    if call.op not in ("Add", "Sub", "Mul", "Div"):
        raise NetworkError("depends on the network's input, and jumps: the network would not be continuous")
    a, b = call.number(0), call.number(1)
    broadcast([shape_of(a), shape_of(b)])
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return two(call, a, b)
    if isinstance(a, Tensor):
        return with_constant(call, a, b)  # type: ignore[arg-type]
    return constant_first(call, a, b)  # type: ignore[arg-type]


def power(call: Call) -> Tensor:
    """The first power of values of the network, the only one that is piecewise linear."""
    exponent = call.value(1)
    if isinstance(exponent, Tensor) or not (exponent == 1).all():
        raise NetworkError("depends on the network's input, and is not piecewise linear unless its exponent is 1")
    base = call.tensor()
    shape = broadcast([base.shape, exponent.shape])
    return base.view(np.broadcast_to(base.index, shape))


def two(call: Call, a: Tensor, b: Tensor) -> Tensor:
    if call.op == "Add":
        return call.graph.add(a, b)
    if call.op == "Sub":
        return call.graph.sub(a, b)
    verb = "multiplies" if call.op == "Mul" else "divides"
    raise NetworkError(f"{verb} two values that both depend on the network's input, which is not piecewise linear")


def with_constant(call: Call, t: Tensor, c: Array) -> Tensor:
    """t + c, t - c, t * c, t / c."""
    if call.op == "Add":
        return call.graph.add(t, c)
    if call.op == "Sub":
        return call.graph.sub(t, c)
    return call.graph.scale_shift(t, c if call.op == "Mul" else onnx_constants.changed("Reciprocal", c))


def constant_first(call: Call, c: Array, t: Tensor) -> Tensor:
    """c + t, c - t, c * t."""
    if call.op == "Sub":
        return call.graph.scale_shift(t, -1, c)
    if call.op == "Div":
        raise NetworkError("divides by a value that depends on the network's input, which is not piecewise linear")
    return with_constant(call, t, c)


def sums(call: Call) -> Value:
    """Sum and Mean of any number of operands."""
    call.count(1, 1 << 10)
    parts = [call.number(k) for k in range(len(call.inputs))]
    broadcast([shape_of(p) for p in parts])
    found = parts[0]
    for part in parts[1:]:
        if isinstance(found, Tensor):
            found = call.graph.add(found, part)
        elif isinstance(part, Tensor):
            found = call.graph.add(part, found)
        else:
            found = onnx_constants.fold("Add", found, part)
    if call.op == "Sum":
        return found
    share = constant(mpq(1, len(parts)))
    return (
        call.graph.scale_shift(found, share) if isinstance(found, Tensor) else onnx_constants.fold("Mul", found, share)
    )


def extremes(call: Call) -> Value:
    """Max and Min: one unit for all operands that depend on the input, one more for all the constants."""
    call.count(1, 1 << 10)
    parts = [call.value(k) for k in range(len(call.inputs))]
    shape = broadcast([shape_of(p) for p in parts])
    constants = [p for p in parts if not isinstance(p, Tensor)]
    tensors = [p for p in parts if isinstance(p, Tensor)]
    limit = constants[0] if constants else None
    for other in constants[1:]:
        limit = onnx_constants.fold(call.op, limit, other)  # type: ignore[arg-type]
    if not tensors:
        return limit  # type: ignore[return-value]
    if limit is not None and not is_real(limit):
        raise NetworkError(f"compares with constants of type {limit.dtype}")
    found = tensors[0]
    graph = call.graph
    if len(tensors) > 1:
        together = joined(call, [t.expand(shape).unsqueeze(0) for t in tensors], 0)
        reduce = graph.amax if call.op == "Max" else graph.amin
        found = reduce(together, (0,))  # type: ignore[arg-type]
    if limit is None:
        return found
    return graph.maximum(found, limit) if call.op == "Max" else graph.minimum(found, limit)


def single(call: Call) -> Value:
    """Neg and Abs, and Floor, Ceil, Sqrt, Reciprocal and Not of constants."""
    call.count(1)
    x = call.value(0)
    if not isinstance(x, Tensor):
        return onnx_constants.changed(call.op, x)
    if call.op == "Neg":
        return call.graph.neg(x)
    if call.op == "Abs":
        return call.graph.abs(x)
    raise NetworkError("depends on the network's input, and is not piecewise linear and continuous")


def cast(call: Call) -> Value:
    call.count(1)
    x = call.value(0)
    kind = call.attributes.integer("to", 0)
    call.attributes.ignore("saturate", "round_mode")
    if isinstance(x, Tensor):
        if kind not in FLOATS:
            raise NetworkError(
                "casts values that depend on the network's input to another type than floats, which jumps"
            )
        narrowed(call, kind)
        return x
    if kind in FLOATS:
        if is_real(x):
            narrowed(call, kind)
            return x
        return constant(x.astype(np.int64))
    if kind == TensorProto.BOOL:
        return np.asarray(x != 0, dtype=np.bool_)
    if kind not in _INTS:
        raise NetworkError("casts to a type that is neither of floats nor of ints")
    found = onnx_constants.rounded(x) if is_real(x) else x.astype(np.int64)
    low, high = _INTS[kind]
    if any(not low <= v < high for v in found.reshape(-1).tolist()):
        raise NetworkError("casts a number to a type of ints that does not hold it")
    return found


def narrowed(call: Call, kind: int) -> None:
    """Record a cast to a float type in which not every float64 is a number: over the reals it changes nothing."""
    if kind in _NARROW:
        text = f"onnx: casts to {_NARROW[kind]} are left out, nothing is rounded"
        if text not in call.graph.conventions and (kind != TensorProto.FLOAT or call.wide):
            call.graph.conventions.append(text)


# Piecewise linear functions


def relu(call: Call) -> Value:
    call.count(1)
    return call.graph.relu(call.tensor())


def leaky_relu(call: Call) -> Value:
    call.count(1)
    return call.graph.leaky_relu(call.tensor(), call.attributes.real("alpha", 0.01))


def prelu(call: Call) -> Value:
    call.count(2)
    t, slopes = call.tensor(), call.real(1, "slope")
    if broadcast([t.shape, slopes.shape]) != t.shape:
        raise NetworkError(f"has slopes of shape {slopes.shape} for values of shape {t.shape}")
    if slopes.size == 1:
        return call.graph.prelu(t, slopes)
    rows = np.broadcast_to(slopes, t.shape).reshape(-1)
    flat = t.reshape((-1,))
    return call.graph.prelu(flat, rows, 0).reshape(t.shape)


def clip(call: Call) -> Value:
    t = call.number(0)
    if call.opset < 11:
        call.count(1)
        low, high = (call.attributes.real(name) for name in ("min", "max"))
    else:
        call.count(1, 3)
        low, high = call.scalar(1, "min"), call.scalar(2, "max")  # type: ignore[assignment]
    low = None if low == -math.inf else low
    high = None if high == math.inf else high
    t = t if isinstance(t, Tensor) else call.lifted(t)
    return call.graph.clamp(t, low, high) if low is not None or high is not None else t


def hard_sigmoid(call: Call) -> Value:
    call.count(1)
    alpha, beta = call.attributes.real("alpha", 0.2), call.attributes.real("beta", 0.5)
    return call.graph.hardsigmoid(call.tensor(), alpha, beta)


def thresholded_relu(call: Call) -> Value:
    call.count(1)
    if call.attributes.real("alpha", 1.0) != 0:
        raise NetworkError("jumps at its alpha, which is not 0: the network would not be continuous")
    return call.graph.relu(call.tensor())


# Reductions and normalization


def reduction(call: Call) -> Value:
    """ReduceSum, ReduceMean, ReduceMax, ReduceMin, and ReduceProd of constants."""
    call.count(1, 2)
    x, axes = call.value(0), call.axes()
    keep = call.attributes.flag("keepdims", True)
    if call.attributes.flag("noop_with_empty_axes") and not axes:
        return x
    rank = len(shape_of(x))
    chosen = tuple(sorted({axis(d, rank) for d in axes})) if axes else tuple(range(rank))
    kind = call.op.removeprefix("Reduce")
    if not isinstance(x, Tensor):
        return onnx_constants.total(kind, x, chosen, keep)
    if kind == "Prod":
        raise NetworkError("multiplies values that depend on the network's input, which is not piecewise linear")
    graph = call.graph
    if kind == "L1":
        x, kind = graph.abs(x), "Sum"
    functions: dict[str, Callable[..., Tensor]] = {
        "Sum": graph.sum,
        "Mean": graph.mean,
        "Max": graph.amax,
        "Min": graph.amin,
    }
    return functions[kind](x, chosen, keep) if rank else x


def batch_norm(call: Call) -> Value:
    call.count(5)
    call.attributes.ignore("momentum")
    if call.attributes.flag("training_mode") or (call.opset < 14 and call.outputs > 1):
        raise NetworkError(
            "is in training mode, so its output depends on the batch: export the model in evaluation mode"
        )
    if call.attributes.integer("spatial", 1) != 1:
        raise NetworkError("has spatial = 0, which is not supported: convert the model with onnx.version_converter")
    t = call.tensor()
    gamma, beta, mean, var = (call.real(k + 1, name) for k, name in enumerate(("scale", "bias", "mean", "variance")))
    return call.graph.batch_norm(t, gamma, beta, mean, var, call.attributes.real("epsilon", 1e-5))


# Matrices


def gemm(call: Call) -> Value:
    call.count(2, 3)
    a, b = call.number(0), call.number(1)
    alpha, beta = call.attributes.real("alpha", 1.0), call.attributes.real("beta", 1.0)
    if len(shape_of(a)) != 2 or len(shape_of(b)) != 2:
        raise NetworkError(f"multiplies shapes {shape_of(a)} and {shape_of(b)}; matrices are needed")
    if call.attributes.flag("transA"):
        a = call.moved(a, lambda m: m.T)
    if call.attributes.flag("transB"):
        b = call.moved(b, lambda m: m.T)
    if shape_of(a)[1] != shape_of(b)[0]:
        raise NetworkError(f"multiplies matrices of shapes {shape_of(a)} and {shape_of(b)}")
    if not isinstance(b, Tensor):
        b = scaled(call, b, alpha)
    elif not isinstance(a, Tensor):
        a = scaled(call, a, alpha)
    added = scaled(call, call.number(2), beta) if call.given(2) and beta != 0 else None
    shape = (shape_of(a)[0], shape_of(b)[1])
    if added is not None and broadcast([shape, shape_of(added)]) != shape:
        raise NetworkError(f"adds a tensor of shape {shape_of(added)} to a matrix of shape {shape}")
    bias = None
    if isinstance(a, Tensor) and not isinstance(added, Tensor | None) and added.size in (1, *added.shape[-1:]):
        bias, added = np.broadcast_to(added.reshape(-1), shape[1:]), None
    found: Value
    if isinstance(a, Tensor) and not isinstance(b, Tensor):
        found = call.graph.linear(a, b.T, bias)
    else:
        found = product(call, a, b)
    if added is None:
        return found
    if isinstance(found, Tensor):
        return call.graph.add(found, added)
    return call.graph.add(added, found) if isinstance(added, Tensor) else onnx_constants.fold("Add", found, added)


def scaled(call: Call, x: Value, factor: float | None) -> Value:
    if factor == 1 or factor is None:
        return x
    number = np.array(factor)
    return call.graph.scale_shift(x, number) if isinstance(x, Tensor) else onnx_constants.fold("Mul", x, number)


def matmul(call: Call) -> Value:
    call.count(2)
    a, b = call.number(0), call.number(1)
    if not shape_of(a) or not shape_of(b):
        raise NetworkError("multiplies by a number: use Mul")
    return product(call, a, b)


def product(call: Call, a: Value, b: Value) -> Value:
    """The matrix product as numpy's matmul; one factor is constant."""
    left, right = shape_of(a), shape_of(b)
    if not isinstance(a, Tensor) and isinstance(b, Tensor) and (len(left), len(right)) == (2, 1):
        return call.graph.linear(b, a, call.added_bias(left[0]))
    call.bias = call.bias if len(right) > 1 else None  # or the sum may have one dimension more than the product
    a = reshaped(call, a, (1, *left)) if len(left) == 1 else a
    b = reshaped(call, b, (*right, 1)) if len(right) == 1 else b
    if shape_of(a)[-1] != shape_of(b)[-2]:
        raise NetworkError(f"multiplies matrices of shapes {left} and {right}")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        found: Value = onnx_constants.product(a, b)
    else:
        found = _product(call, a, b)
    shape = shape_of(found)
    dropped = (*shape[:-2], *shape[-2:-1] * (len(left) > 1), *shape[-1:] * (len(right) > 1))
    return reshaped(call, found, dropped)


def _product(call: Call, a: Value, b: Value) -> Tensor:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        raise NetworkError(
            "multiplies two values that both depend on the network's input, which is not piecewise linear"
        )
    lead = broadcast([shape_of(a)[:-2], shape_of(b)[:-2]])
    matrix = b if isinstance(a, Tensor) else a
    if math.prod(shape_of(matrix)[:-2]) == 1:
        flat = np.asarray(matrix).reshape(shape_of(matrix)[-2:])
        if isinstance(a, Tensor):
            found = call.graph.linear(a, flat.T, call.added_bias(flat.shape[1]))
        else:
            found = call.graph.matmul_left(flat, b)  # type: ignore[arg-type]
        return found.reshape((*lead, *found.shape[-2:]))
    if math.prod(lead) > MATMUL_MOST:
        raise NetworkError(f"multiplies {math.prod(lead)} matrices; {MATMUL_MOST} are the most")
    many = [
        reshaped(call, call.moved(v, lambda m: np.broadcast_to(m, (*lead, *m.shape[-2:]))), (-1, *shape_of(v)[-2:]))
        for v in (a, b)
    ]
    products = []
    for k in range(math.prod(lead)):
        one, other = many[0][k], many[1][k]
        products.append(_product(call, one, other).unsqueeze(0))
    found = call.graph.concat(products, 0)
    return found.reshape((*lead, *found.shape[-2:]))
