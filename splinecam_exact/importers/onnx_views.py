"""ONNX operations that only move entries, and those of shapes: they make no unit, and most make no node."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splinecam_exact.importers.constants import broadcast, is_real, room
from splinecam_exact.importers.onnx_call import Call, Value, axis, shape_of
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import NetworkError


def flatten(call: Call) -> Value:
    call.count(1)
    x = call.value(0)
    shape = shape_of(x)
    at = call.attributes.integer("axis", 1)
    if not -len(shape) <= at <= len(shape):
        raise NetworkError(f"flattens from dimension {at} on, of {len(shape)}")
    at = at + len(shape) if at < 0 else at
    return reshaped(call, x, (math.prod(shape[:at]), math.prod(shape[at:])))


def reshape(call: Call) -> Value:
    call.count(2)
    x, wanted = call.value(0), call.ints(1, "a shape")
    shape = shape_of(x)
    zero = call.attributes.flag("allowzero")
    if not zero and any(n == 0 and d >= len(shape) for d, n in enumerate(wanted)):
        raise NetworkError(f"keeps a size of the shape {shape} that is not there: the new shape is {wanted}")
    return reshaped(call, x, [shape[d] if n == 0 and not zero else n for d, n in enumerate(wanted)])


def reshaped(call: Call, x: Value, shape: Sequence[int]) -> Value:
    """The same entries row by row; one size may be -1."""
    size, known = math.prod(shape_of(x)), math.prod(n for n in shape if n != -1)
    free = list(shape).count(-1)
    if len(shape) > 32 or free > 1 or min(shape, default=0) < -1 or (free and (known == 0 or size % known)):
        raise NetworkError(f"gives a tensor of shape {shape_of(x)} the shape {tuple(shape)[:33]}")
    sizes = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(sizes) != size:
        raise NetworkError(f"gives a tensor of shape {shape_of(x)} the shape {sizes}, of another size")
    return call.moved(x, lambda a: a.reshape(sizes))


def transpose(call: Call) -> Value:
    call.count(1)
    x = call.value(0)
    rank = len(shape_of(x))
    order = call.attributes.ints("perm") or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise NetworkError(f"puts {rank} dimensions in the order {order}")
    return call.moved(x, lambda a: a.transpose(order))


def squeeze(call: Call) -> Value:
    call.count(1, 2)
    x = call.value(0)
    shape = shape_of(x)
    axes = call.axes()
    chosen = {d for d, n in enumerate(shape) if n == 1} if axes is None else {axis(d, len(shape)) for d in axes}
    for d in chosen:
        if shape[d] != 1:
            raise NetworkError(f"drops dimension {d} of the shape {shape}, whose size is not 1")
    return reshaped(call, x, [n for d, n in enumerate(shape) if d not in chosen])


def unsqueeze(call: Call) -> Value:
    call.count(1, 2)
    x, axes = call.value(0), call.axes()
    if axes is None:
        raise NetworkError("lacks its axes")
    shape = shape_of(x)
    rank = len(shape) + len(axes)
    chosen = {axis(d, rank) for d in axes}
    if len(chosen) != len(axes):
        raise NetworkError(f"names a dimension twice: {axes}")
    rest = iter(shape)
    return reshaped(call, x, [1 if d in chosen else next(rest) for d in range(rank)])


def concat(call: Call) -> Value:
    call.count(1, 1 << 16)
    parts = [call.value(k) for k in range(len(call.inputs))]
    return joined(call, parts, call.attributes.index("axis"))


def joined(call: Call, parts: Sequence[Value], at: int) -> Value:
    """The values one after the other along a dimension."""
    shapes = [shape_of(p) for p in parts]
    d = axis(at, len(shapes[0]))
    if any((*s[:d], *s[d + 1 :]) != (*shapes[0][:d], *shapes[0][d + 1 :]) for s in shapes):
        raise NetworkError(f"puts shapes {', '.join(map(str, shapes[:8]))} side by side along dimension {d}")
    room((*shapes[0][:d], sum(s[d] for s in shapes), *shapes[0][d + 1 :]))
    constants = [p for p in parts if not isinstance(p, Tensor)]
    if len({p.dtype.kind for p in constants if not is_real(p)} | {"f" for p in constants if is_real(p)}) > 1:
        raise NetworkError("puts constants of different types side by side")
    if len(constants) == len(parts):
        return np.concatenate(constants, axis=d)
    if constants and not is_real(constants[0]):
        raise NetworkError("puts constants that are not floats beside values of the network")
    filled = [p for p, s in zip(parts, shapes, strict=True) if math.prod(s)]
    return call.graph.concat(filled, d)


def split(call: Call) -> tuple[Value, ...]:
    call.count(1, 2)
    x = call.value(0)
    shape = shape_of(x)
    d = axis(call.attributes.integer("axis", 0), len(shape))
    sizes = call.attributes.ints("split")
    count = call.attributes.integer("num_outputs", call.outputs)
    if call.given(1):
        sizes = call.ints(1, "sizes of the parts")
    if sizes is None:
        if count < 1 or count > max(1, shape[d]):
            raise NetworkError(f"splits {shape[d]} entries into {count} parts")
        most = -(-shape[d] // count)
        sizes = tuple(max(0, min(most, shape[d] - k * most)) for k in range(count))
        if call.opset < 18 and len(set(sizes)) > 1:
            raise NetworkError(f"splits {shape[d]} entries into {count} equal parts")
    if len(sizes) != call.outputs or sum(sizes) != shape[d] or min(sizes) < 0:
        raise NetworkError(f"splits {shape[d]} entries into parts of {sizes[:8]}, and has {call.outputs} outputs")
    ends = np.cumsum(sizes).tolist()
    places = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return tuple(call.moved(x, lambda a, s=s: a[(slice(None),) * d + (s,)]) for s in places)  # type: ignore[misc]


def slices(call: Call) -> Value:
    x = call.value(0)
    shape = shape_of(x)
    if call.opset < 10:
        call.count(1)
        starts, ends, axes = (call.attributes.ints(name) for name in ("starts", "ends", "axes"))
        steps = None
    else:
        call.count(3, 5)
        starts, ends = call.ints(1, "starts"), call.ints(2, "ends")
        axes = call.ints(3, "axes") if call.given(3) else None
        steps = call.ints(4, "steps") if call.given(4) else None
    if starts is None or ends is None:
        raise NetworkError("lacks its starts or ends")
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise NetworkError(f"slices from {starts} to {ends} of dimensions {axes} in steps of {steps}")
    cut = [slice(None)] * len(shape)
    for start, end, at, step in zip(starts, ends, axes, steps, strict=True):
        d = axis(at, len(shape))
        if cut[d] != slice(None):
            raise NetworkError(f"names a dimension twice: {axes}")
        cut[d] = slice(max(start, -shape[d]), end, step)  # ONNX stops at the ends, Python wraps below
    return call.moved(x, lambda a: a[tuple(cut)])


def gather(call: Call) -> Value:
    call.count(2)
    x, places = call.value(0), call.constant(1, "list of indices")
    shape = shape_of(x)
    d = axis(call.attributes.integer("axis", 0), len(shape))
    if places.dtype != np.int64 or bool(((places < -shape[d]) | (places >= shape[d])).any()):
        raise NetworkError(f"gathers entries that are not among the {shape[d]} of dimension {d}")
    room((*shape[:d], *places.shape, *shape[d + 1 :]))
    return call.moved(x, lambda a: a[(slice(None),) * d + (places % max(1, shape[d]),)])


def expand(call: Call) -> Value:
    call.count(2)
    x, wanted = call.value(0), call.ints(1, "a shape")
    shape = broadcast([shape_of(x), room(wanted)])
    return call.moved(x, lambda a: np.broadcast_to(a, shape))


def tile(call: Call) -> Value:
    call.count(2)
    x, counts = call.value(0), call.ints(1, "counts")
    shape = shape_of(x)
    if len(counts) != len(shape) or min(counts, default=0) < 0:
        raise NetworkError(f"repeats a tensor of shape {shape} {counts} times")
    room([n * c for n, c in zip(shape, counts, strict=True)])
    return call.moved(x, lambda a: np.tile(a, counts))


def pad(call: Call) -> Value:
    x = call.value(0)
    shape = shape_of(x)
    mode = call.attributes.text("mode", "constant")
    if call.opset < 11:
        call.count(1)
        pads = call.attributes.ints("pads")
        value: object = call.attributes.real("value", 0.0)
    else:
        call.count(2, 4)
        pads = call.ints(1, "pads")
        value = 0 if not call.given(2) else call.constant(2, "value").reshape(-1)[:1]
    axes = call.ints(3, "axes") if call.given(3) else tuple(range(len(shape)))
    if pads is None or len(pads) != 2 * len(axes):
        raise NetworkError(f"has pads {pads} for {len(axes)} dimensions; two each are needed")
    pairs = [(0, 0)] * len(shape)
    for d, low, high in zip((axis(d, len(shape)) for d in axes), pads[: len(axes)], pads[len(axes) :], strict=True):
        pairs[d] = (low, high)
    if mode not in _PADS:
        raise NetworkError(f"pads by the mode {mode}; {', '.join(_PADS)} are supported")
    room([n + max(0, low) + max(0, high) for n, (low, high) in zip(shape, pairs, strict=True)])
    if isinstance(x, Tensor):
        return call.graph.pad(x, pairs, _PADS[mode], value)
    if mode != "constant" or min(pads, default=0) < 0:
        raise NetworkError(f"pads a constant by {pads} with the mode {mode}: store the result as an initializer")
    return np.pad(x, pairs, constant_values=np.asarray(value).reshape(-1)[0])


_PADS = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def depth_to_space(call: Call) -> Value:
    call.count(1)
    x, size = call.value(0), call.attributes.integer("blocksize", 0)
    shape = shape_of(x)
    mode = call.attributes.text("mode", "DCR")
    if len(shape) != 4 or size < 1 or shape[1] % (size * size) or mode not in ("DCR", "CRD"):
        raise NetworkError(f"makes blocks of {size} x {size} of the channels of a tensor of shape {shape}, mode {mode}")
    n, c, h, w = shape
    block = (size, size, c // size**2) if mode == "DCR" else (c // size**2, size, size)
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    made = (n, c // size**2, h * size, w * size)
    return call.moved(x, lambda a: a.reshape((n, *block, h, w)).transpose(order).reshape(made))


def space_to_depth(call: Call) -> Value:
    call.count(1)
    x, size = call.value(0), call.attributes.integer("blocksize", 0)
    shape = shape_of(x)
    if len(shape) != 4 or size < 1 or shape[2] % size or shape[3] % size:
        raise NetworkError(f"takes a tensor of shape {shape} apart into blocks of {size} x {size}")
    n, c, h, w = shape
    split_shape, made = (n, c, h // size, size, w // size, size), (n, c * size**2, h // size, w // size)
    return call.moved(x, lambda a: a.reshape(split_shape).transpose((0, 3, 5, 1, 2, 4)).reshape(made))


def where(call: Call) -> Value:
    call.count(3)
    chosen = call.constant(0, "condition")
    a, b = call.value(1), call.value(2)
    if chosen.dtype != np.bool_:
        raise NetworkError("has a condition that is no bool")
    shape = broadcast([chosen.shape, shape_of(a), shape_of(b)])
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        if is_real(a) != is_real(b):
            raise NetworkError("chooses between constants of different types")
        return np.where(chosen, a, b)
    parts = [reshaped(call, call.moved(v, lambda c: np.broadcast_to(c, shape)), (-1,)) for v in (a, b)]
    places = np.arange(math.prod(shape)).reshape(shape)
    places = np.where(chosen, places, places + places.size)
    return call.moved(joined(call, parts, 0), lambda c: c[places])


def shape(call: Call) -> Value:
    call.count(1)
    sizes = shape_of(call.value(0))
    start, end = call.attributes.integer("start", 0), call.attributes.integer("end", len(sizes))
    return np.array(sizes[start:end], dtype=np.int64)


def size(call: Call) -> Value:
    call.count(1)
    return np.array(math.prod(shape_of(call.value(0))), dtype=np.int64)


def identity(call: Call) -> Value:
    call.count(1)
    return call.value(0)


def dropout(call: Call) -> Value:
    call.count(1, 3)
    call.attributes.ignore("ratio", "seed", "is_test")
    if call.given(2) and bool(call.constant(2, "training mode").any()):
        raise NetworkError("is in training mode, so its output is random: export the model in evaluation mode")
    return call.value(0)
