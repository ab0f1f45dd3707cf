"""ONNX operations on images: convolutions, pooling, and nearest resizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gmpy2 import mpq

from splinecam_exact.importers.constants import room
from splinecam_exact.importers.onnx_call import Call, Value, axis
from splinecam_exact.importers.onnx_file import Array
from splinecam_exact.importers.tensors import Tensor, objects
from splinecam_exact.kernel.errors import NetworkError

_SAME = ("SAME_UPPER", "SAME_LOWER")
_AUTO = ("NOTSET", "VALID", *_SAME)
_LONGEST = 1 << 16
"""A resized dimension has so many entries at most."""


@dataclass(frozen=True)
class Windows:
    """The window of an operation, with one entry for each size of the image."""

    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]


def image_of(t: Tensor) -> tuple[int, ...]:
    """The sizes after the batch and the channels."""
    if t.rank < 3:
        raise NetworkError(f"needs images, with a batch and channels in front; it reads a tensor of shape {t.shape}")
    return t.shape[2:]


def ones_or(call: Call, name: str, count: int, other: int = 1) -> tuple[int, ...]:
    """An attribute with an int for each size, all the same where it is left out."""
    found = call.attributes.ints(name)
    if found is None:
        return (other,) * count
    if len(found) != count or min(found) < other or max(found) >= 1 << 30:
        raise NetworkError(f"has {name} {list(found[:8])} over {count} dimensions")
    return found


def auto_pad(call: Call) -> str:
    """The attribute of that name."""
    found = call.attributes.text("auto_pad", "NOTSET")
    if found not in _AUTO:
        raise NetworkError(f"has auto_pad {found}; {', '.join(_AUTO)} are supported")
    return found


def pads(call: Call, count: int, automatic: str) -> tuple[tuple[int, int], ...]:
    """The attribute "pads" as (before, after) for each size."""
    found = ones_or(call, "pads", 2 * count, 0)
    if automatic != "NOTSET" and any(found):
        raise NetworkError(f"has both pads and auto_pad {automatic}")
    return tuple(zip(found[:count], found[count:], strict=True))


def same(total: int, automatic: str) -> tuple[int, int]:
    """Padding cut in half; the larger half comes last for SAME_UPPER, first for SAME_LOWER."""
    less = max(0, total) // 2
    more = max(0, total) - less
    return (less, more) if automatic == "SAME_UPPER" else (more, less)


def sliding(call: Call, image: Sequence[int], window: tuple[int, ...], channels: int = 1) -> Windows:
    """The window of a convolution or pooling; in all `channels`, the windows together must not be too many."""
    automatic = auto_pad(call)
    count = len(image)
    stride, dilation = ones_or(call, "strides", count), ones_or(call, "dilations", count)
    padding = pads(call, count, automatic)
    if automatic in _SAME:
        padding = tuple(
            same((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, automatic)
            for n, k, s, d in zip(image, window, stride, dilation, strict=True)
        )
    room([n + low + high for n, (low, high) in zip(image, padding, strict=True)])
    counts = (max(1, (n + sum(p)) // s + 1) for n, s, p in zip(image, stride, padding, strict=True))
    room([channels, *counts, *window])
    return Windows(window, stride, padding, dilation)


def kernel(call: Call, t: Tensor) -> tuple[Array, object]:
    """The constant kernel and the bias of a convolution; the attribute "kernel_shape" must agree."""
    call.count(2, 3)
    weight = call.real(1, "weight")
    window = call.attributes.ints("kernel_shape")
    image = image_of(t)
    if weight.ndim != t.rank or (window is not None and window != weight.shape[2:]):
        raise NetworkError(f"has a weight of shape {weight.shape} for a tensor of shape {t.shape}")
    if 0 in weight.shape or len(image) > 3:
        raise NetworkError(f"has a weight of shape {weight.shape}; one to three dimensions of a size are supported")
    return weight, call.real(2, "bias") if call.given(2) else None


def conv(call: Call) -> Value:
    t = call.tensor()
    weight, bias = kernel(call, t)
    w = sliding(call, image_of(t), weight.shape[2:])
    groups = call.attributes.integer("group", 1)
    return call.graph.conv(t, weight, bias, w.stride, w.padding, w.dilation, groups)


def conv_transpose(call: Call) -> Value:
    t = call.tensor()
    weight, bias = kernel(call, t)
    image, window = image_of(t), weight.shape[2:]
    count = len(image)
    automatic = auto_pad(call)
    stride, dilation = ones_or(call, "strides", count), ones_or(call, "dilations", count)
    extra = ones_or(call, "output_padding", count, 0)
    padding = pads(call, count, automatic)
    wanted = call.attributes.ints("output_shape")
    if wanted is not None and len(wanted) == count + 2:
        wanted = wanted[2:]
    if wanted is None and automatic in _SAME:
        wanted = tuple(n * s for n, s in zip(image, stride, strict=True))
    full = [
        s * (n - 1) + o + d * (k - 1) + 1 for n, k, s, d, o in zip(image, window, stride, dilation, extra, strict=True)
    ]
    room(full)
    if wanted is not None:
        if len(wanted) != count or any(not 0 < m <= n for m, n in zip(wanted, full, strict=True)):
            raise NetworkError(f"makes images of {list(wanted[:8])} of images that are {full} at most")
        side = automatic if automatic in _SAME else "SAME_LOWER"
        padding = tuple(same(n - m, side) for n, m in zip(full, wanted, strict=True))
    groups = call.attributes.integer("group", 1)
    return call.graph.conv_transpose(t, weight, bias, stride, padding, extra, dilation, groups)


def window_of(call: Call, image: Sequence[int]) -> tuple[int, ...]:
    """The attribute "kernel_shape"."""
    found = ones_or(call, "kernel_shape", len(image), 1)
    if len(image) > 3:
        raise NetworkError(f"slides over {len(image)} dimensions; three are the most")
    return found


def max_pool(call: Call) -> Value:
    call.count(1)
    t = call.tensor()
    image = image_of(t)
    call.attributes.ignore("storage_order")  # of the indices, which are a second output
    w = sliding(call, image, window_of(call, image), math.prod(t.shape[:2]))
    ceil = call.attributes.flag("ceil_mode")
    return call.graph.max_pool(t, w.window, w.stride, w.padding, w.dilation, ceil)


def average_pool(call: Call) -> Value:
    call.count(1)
    t = call.tensor()
    image = image_of(t)
    w = sliding(call, image, window_of(call, image), math.prod(t.shape[:2]))
    if set(w.dilation) != {1}:
        raise NetworkError(f"has dilations {w.dilation}, which are not supported in average pooling")
    ceil, count_pads = call.attributes.flag("ceil_mode"), call.attributes.flag("count_include_pad")
    return call.graph.avg_pool(t, w.window, w.stride, w.padding, ceil, count_pads)


def global_pool(call: Call) -> Value:
    call.count(1)
    t = call.tensor()
    dims = tuple(range(2, 2 + len(image_of(t))))
    return (call.graph.amax if call.op == "GlobalMaxPool" else call.graph.mean)(t, dims, True)


# Resizing

_Rule = Callable[[int, mpq, int, int], mpq]
"""From a place in the output, the scale, and the sizes before and after: the place in the input that it stands for."""

_COORDINATES: dict[str, _Rule] = {
    "asymmetric": lambda i, s, n, m: i / s,
    "half_pixel": lambda i, s, n, m: (i + mpq(1, 2)) / s - mpq(1, 2),
    "pytorch_half_pixel": lambda i, s, n, m: (i + mpq(1, 2)) / s - mpq(1, 2) if m > 1 else mpq(0),
    "align_corners": lambda i, s, n, m: mpq(i * (n - 1), m - 1) if m > 1 else mpq(0),
    "tf_half_pixel_for_nn": lambda i, s, n, m: (i + mpq(1, 2)) / s,
}


def _floor(x: mpq) -> int:
    return int(x.numerator // x.denominator)


_NEAREST: dict[str, Callable[[mpq], int]] = {
    "floor": _floor,
    "ceil": lambda x: -_floor(-x),
    "round_prefer_floor": lambda x: -_floor(mpq(1, 2) - x),
    "round_prefer_ceil": lambda x: _floor(x + mpq(1, 2)),
}


def resize(call: Call) -> Value:
    """Resize and Upsample, where each entry of the output is one of the input: the nearest, computed exactly."""
    t = call.tensor()
    given = call.attributes
    mode = given.text("mode", "nearest")
    rule, nearest = "asymmetric", "floor"
    if call.op == "Resize" and call.opset >= 11:
        rule = given.text("coordinate_transformation_mode", "half_pixel")
        nearest = given.text("nearest_mode", "round_prefer_floor")
        given.ignore("cubic_coeff_a", "exclude_outside", "extrapolation_value")
    if mode != "nearest" or given.flag("antialias"):
        raise NetworkError(f"resizes by the mode {mode}: only nearest is supported; use a transposed convolution")
    if given.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NetworkError("keeps the aspect ratio, which is not supported: give the sizes themselves")
    if rule not in _COORDINATES or nearest not in _NEAREST:
        raise NetworkError(f"resizes with {rule} and {nearest}; {', '.join((*_COORDINATES, *_NEAREST))} are supported")
    axes = given.ints("axes")
    dims = tuple(range(t.rank)) if axes is None else tuple(axis(d, t.rank) for d in axes)
    scales, sizes = _targets(call, [t.shape[d] for d in dims])
    room([dict(zip(dims, sizes, strict=True)).get(d, n) for d, n in enumerate(t.shape)])
    for d, scale, size in zip(dims, scales, sizes, strict=True):
        before = t.shape[d]
        if size == before and scale == 1:
            continue
        places = [_NEAREST[nearest](_COORDINATES[rule](i, scale, before, size)) for i in range(size)]
        t = t.take(d, np.clip(np.array(places, dtype=np.int64), 0, before - 1))
    return t


def _targets(call: Call, before: Sequence[int]) -> tuple[list[mpq], list[int]]:
    """The scale and the new size of each dimension."""
    place = 1 if call.op == "Upsample" or call.opset < 11 else 2
    found = call.attributes.reals("scales") if call.opset < 9 else None
    if found is not None:
        scales = objects(np.array(found)).reshape(-1).tolist()
    elif call.given(3):
        sizes = list(call.ints(3, "sizes"))
        scales = [mpq(m, n) for m, n in zip(sizes, before, strict=False)]
    elif call.given(place):
        scales = objects(call.real(place, "scales")).reshape(-1).tolist()
    else:
        raise NetworkError("lacks its scales or sizes")
    if len(scales) != len(before) or any(not 0 < s < _LONGEST for s in scales):
        raise NetworkError(f"has {len(scales)} scales or sizes for {len(before)} dimensions; each must be positive")
    if not call.given(3) or found is not None:
        sizes = [_floor(n * s) for n, s in zip(before, scales, strict=True)]
    if max(sizes, default=1) > _LONGEST or min(sizes, default=1) < 1:
        raise NetworkError(f"makes sizes of {sizes}; 1 to {_LONGEST} are supported")
    return scales, sizes
