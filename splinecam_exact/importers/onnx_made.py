"""ONNX operations that make constants."""

from __future__ import annotations

import numpy as np
from gmpy2 import mpq, mpz
from onnx import TensorProto

from splinecam_exact.importers.constants import is_real, room
from splinecam_exact.importers.onnx_call import Call, Value, shape_of
from splinecam_exact.importers.onnx_constants import simplest
from splinecam_exact.importers.onnx_file import FLOATS
from splinecam_exact.importers.tensors import Tensor, objects
from splinecam_exact.kernel.errors import NetworkError


def constant_node(call: Call) -> Value:
    call.count(0)
    given = call.attributes
    if given.has("value_float"):
        return np.array(given.real("value_float"), np.float64)
    if given.has("value_floats"):
        return np.array(given.reals("value_floats"), np.float64)
    if given.has("value_int"):
        return np.array(given.index("value_int"), np.int64)
    if given.has("value_ints"):
        return np.array(given.ints("value_ints"), np.int64)
    found = given.array("value")
    if found is None:
        raise NetworkError("is no constant of ints or floats")
    return found


def constant_of_shape(call: Call) -> Value:
    call.count(1)
    sizes = room(call.ints(0, "a shape"))
    value = call.attributes.array("value")
    value = np.zeros(1) if value is None else value
    if value.size != 1:
        raise NetworkError(f"has a value of shape {value.shape}; one number is needed")
    return np.full(sizes, value.reshape(-1)[0])


def arange(call: Call) -> Value:
    call.count(3)
    ends = [call.constant(k, "bound") for k in range(3)]
    if any(end.size != 1 or (not is_real(end) and end.dtype != np.int64) for end in ends):
        raise NetworkError("makes a range of what are no numbers")
    if len({is_real(end) for end in ends}) > 1:
        raise NetworkError("makes a range of ints and floats")
    start, stop, step = (objects(end).item() if is_real(end) else mpz(end.item()) for end in ends)
    if step == 0:
        raise NetworkError("makes a range in steps of 0")
    (count,) = room((max(0, int(-((start - stop) // step))),))
    if is_real(ends[0]):
        return simplest(np.array([start + k * step for k in range(count)], dtype=object))
    return np.array([int(start + k * step) for k in range(count)], dtype=np.int64)


def eye_like(call: Call) -> Value:
    call.count(1)
    like = call.value(0)
    sizes = room(shape_of(like))
    if len(sizes) != 2:
        raise NetworkError(f"makes a diagonal like a tensor of shape {sizes}; two dimensions are needed")
    found = np.eye(*sizes, k=max(-sizes[0], min(call.attributes.integer("k", 0), sizes[1])))
    kind = call.attributes.integer("dtype", 0)
    if kind == 0:
        return found if isinstance(like, Tensor) or is_real(like) else found.astype(like.dtype)
    if kind == TensorProto.BOOL:
        return found.astype(np.bool_)
    return found if kind in FLOATS else found.astype(np.int64)


def triangle(call: Call) -> Value:
    """Trilu of a constant."""
    call.count(1, 2)
    values = call.constant(0, "matrix")
    k = call.ints(1, "a diagonal")[0] if call.given(1) and call.constant(1, "diagonal").size == 1 else 0
    if values.ndim < 2:
        raise NetworkError(f"takes a triangle of a tensor of shape {values.shape}")
    rows, columns = values.shape[-2:]
    above = np.arange(columns) - np.arange(rows)[:, np.newaxis]
    kept = above >= k if call.attributes.flag("upper", True) else above <= k
    found = values.copy()
    found[..., ~kept] = mpq(0) if values.dtype == object else 0
    return found
