"""Operations of torch programs that move entries, make constants, or change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np

from splinecam_exact.arrays import exact
from splinecam_exact.importers import onnx_constants
from splinecam_exact.importers.aten_pointwise import merged
from splinecam_exact.importers.aten_values import (
    Comparison,
    as_constant,
    as_number,
    several,
    shape_of,
    viewed,
)
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor, axis_of, check_size, objects
from splinecam_exact.kernel.errors import NetworkError

_END = (1 << 63) - 1
_MOST_PARTS = 4096
"""A tensor is split into so many parts at most."""
_INTS = range(1, 6), range(28, 29)
"""Where the numbers of torch's types of ints lie: uint8 to int64."""


def _view(view: Callable[..., Any], *defaults: Any) -> Any:
    """A handler of a view, with the defaults of its last arguments."""
    count = len(signature(view).parameters) - 1

    def apply(g: Graph, x: Any, *args: Any) -> Any:
        missing = count - len(args)
        return viewed(view, x, *args, *(defaults[-missing:] if defaults and missing > 0 else ()))

    return apply


def _reshape(t: Tensor, shape: Any) -> Tensor:
    return t.reshape(shape)


def _slice(t: Tensor, dim: int, start: int | None, end: int | None, step: int) -> Tensor:
    return t.slice(dim, start, None if end is not None and end >= _END else end, step)


def _narrow(t: Tensor, dim: int, start: int, length: int) -> Tensor:
    d = axis_of(dim, t.rank)
    start = start + t.shape[d] if start < 0 else start
    return t.slice(d, start, start + length)


def _squeeze(t: Tensor, dims: Any) -> Tensor:
    return t.squeeze(dims if dims is None or isinstance(dims, list | tuple) else [dims])


def _unflatten(t: Tensor, dim: int, sizes: Any) -> Tensor:
    d = axis_of(dim, t.rank)
    sizes = list(sizes)
    if -1 in sizes:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = t.shape[d] // max(rest, 1)
    return t.reshape((*t.shape[:d], *sizes, *t.shape[d + 1 :]))


def _split(t: Tensor, sizes: Any, dim: int) -> list[Tensor]:
    d = axis_of(dim, t.rank)
    if isinstance(sizes, int):
        if sizes < 1:
            raise NetworkError(f"splits into parts of {sizes}")
        starts = range(0, _few(t.shape[d], sizes), sizes)
        return [t.slice(d, k, k + sizes) for k in starts]
    _few(len(sizes))
    ends = np.cumsum([0, *sizes]).tolist()
    return [t.slice(d, a, b) for a, b in pairwise(ends)]


def _few(size: int, each: int = 1) -> int:
    """The size, after a check that there are not too many parts."""
    if size > _MOST_PARTS * each:
        raise NetworkError(f"splits a tensor into more than {_MOST_PARTS} parts")
    return size


def _chunk(t: Tensor, chunks: int, dim: int) -> list[Tensor]:
    return _split(t, -(-t.shape[axis_of(dim, t.rank)] // max(chunks, 1)), dim)


def _tensor_split(t: Tensor, sections: Any, dim: int) -> list[Tensor]:
    n = t.shape[axis_of(dim, t.rank)]
    if isinstance(sections, int):
        small, more = divmod(n, max(_few(sections), 1))
        return _split(t, [small + (k < more) for k in range(sections)], dim)
    ends = [0, *sections, n]
    return _split(t, [b - a for a, b in pairwise(ends)], dim)


def _unbind(t: Tensor, dim: int) -> list[Tensor]:
    return [t.select(dim, k) for k in range(_few(t.shape[axis_of(dim, t.rank)]))]


def _movedim(t: Tensor, source: Any, destination: Any) -> Tensor:
    index = np.moveaxis(t.index, source, destination)
    return t.view(index)


def _roll(t: Tensor, shifts: Any, dims: Any) -> Tensor:
    if not dims:
        return t.view(np.roll(t.index, several(shifts, 1)[0]))
    return t.view(np.roll(t.index, several(shifts, len(dims)), tuple(dims)))


def _repeat_interleave(t: Tensor, repeats: int, dim: int | None, output_size: Any) -> Tensor:
    return t.flatten().repeat_entries(0, repeats) if dim is None else t.repeat_entries(dim, repeats)


def _tile(t: Tensor, counts: Any) -> Tensor:
    return t.repeat((*(1,) * (t.rank - len(counts)), *counts))


def _unfold(t: Tensor, dim: int, size: int, step: int) -> Tensor:
    n = t.shape[axis_of(dim, t.rank)] if t.rank else 0
    if not 0 < size <= n or step < 1:
        raise NetworkError(f"unfolds {n} entries by windows of {size} and step {step}")
    d = axis_of(dim, t.rank)
    starts = np.arange(0, n - size + 1, step)
    return t.take(d, starts[:, np.newaxis] + np.arange(size)).moved_last([d + 1])


def _index(t: Tensor, indices: Any) -> Tensor:
    key = tuple(slice(None) if i is None else _places(i) for i in indices)
    try:
        check_size(np.broadcast_shapes(*(k.shape for k in key if isinstance(k, np.ndarray))))
    except ValueError:
        raise NetworkError("reads entries at places whose shapes do not fit") from None
    return t[key]


def _places(indices: Any) -> Any:
    if isinstance(indices, Tensor | Comparison):
        raise NetworkError("reads entries at places that depend on the input, which jumps")
    array = as_constant(indices)
    if array.dtype.kind not in "ib":
        raise NetworkError(f"reads entries at places of type {array.dtype}")
    return array


def _index_select(t: Tensor, dim: int, index: Any) -> Tensor:
    return t.take(dim, np.atleast_1d(_places(index)))


def _gather(t: Tensor, dim: int, index: Any, sparse_grad: Any) -> Tensor:
    try:
        return t.view(np.take_along_axis(t.index, _places(index), axis_of(dim, t.rank)))
    except (IndexError, ValueError) as error:
        raise NetworkError(f"gathers outside the tensor: {error}") from None


def _diagonal(t: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    return t.view(np.diagonal(t.index, offset, dim1, dim2))


def _channel_shuffle(t: Tensor, groups: int) -> Tensor:
    lead, c, *rest = t.shape
    return t.reshape((lead, groups, c // groups, *rest)).transpose(1, 2).reshape(t.shape)


def cat(g: Graph, tensors: Any, dim: int = 0) -> Any:
    parts = [p for p in tensors if shape_of(p) != (0,)]
    if any(isinstance(p, Tensor) for p in parts):
        return g.concat([p if isinstance(p, Tensor) else as_number(p) for p in parts], dim)
    return np.concatenate([as_constant(p) for p in parts], axis=dim)


def stack(g: Graph, tensors: Any, dim: int = 0) -> Any:
    return cat(g, [viewed(Tensor.unsqueeze, t, dim) for t in tensors], dim)


def slice_scatter(
    g: Graph, x: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    return _written(g, x, src, dim, slice(start, end, step))


def select_scatter(g: Graph, x: Any, src: Any, dim: int, index: int) -> Any:
    return _written(g, x, viewed(Tensor.unsqueeze, src, dim), dim, slice(index, index + 1 or None))


def _written(g: Graph, x: Any, src: Any, dim: int, part: slice) -> Any:
    shape = shape_of(x)
    inside = np.zeros(shape, np.bool_)
    key: Any = (slice(None),) * axis_of(dim, len(shape)) + (part,)
    inside[key] = True
    places = np.zeros(shape, np.int64)
    wanted = places[key].shape
    places[key] = np.arange(math.prod(wanted)).reshape(wanted)
    spread = viewed(lambda t: t.expand(wanted).reshape((-1,)).take(0, places), src)
    return merged(g, spread, x, inside, shape)


def copy(g: Graph, x: Any, src: Any, non_blocking: bool = False) -> Any:
    return viewed(Tensor.expand, src, shape_of(x))


def expand_like(g: Graph, x: Any, other: Any) -> Any:
    return viewed(Tensor.expand, x, shape_of(other))


def reshape_like(g: Graph, x: Any, other: Any) -> Any:
    return viewed(Tensor.reshape, x, shape_of(other))


def same(g: Graph, x: Any, *args: Any, **keywords: Any) -> Any:
    return x


def converted(g: Graph, x: Any, *args: Any, **keywords: Any) -> Any:
    """Of another type or device: a number stays what it is, but is cut to an int where that is asked for."""
    kinds = [a for a in (*args, *keywords.values()) if isinstance(a, DType)]
    if not kinds:
        return x
    if isinstance(x, Tensor):
        if not kinds[0].is_float:
            raise NetworkError(f"turns values into {kinds[0].name}, which jumps")
        g.casts.add(kinds[0].name)
        return x
    if isinstance(x, Comparison):
        raise NetworkError("turns a comparison into numbers, which jump")
    array = as_constant(x)
    if kinds[0].is_float:
        g.casts.add(kinds[0].name)
        return as_number(array)
    if kinds[0].name == "bool":
        return array != 0
    return array.astype(np.int64) if array.dtype.kind in "bi" else onnx_constants.rounded(array)


def dropout(g: Graph, x: Any, p: float = 0.5, train: bool | None = False, *args: Any) -> Any:
    if train:
        raise NetworkError("drops values at random (training mode): call .eval() before exporting")
    return x


class DType:
    """A number type of torch, by its name, such as float32."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_float = "float" in name


def arange(g: Graph, *args: Any, **keywords: Any) -> Any:
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    kind = keywords.get("dtype")
    whole = all(type(n) is int for n in (start, stop, step))
    first, last, by = map(exact, (start, stop, step))
    if by == 0:
        raise NetworkError("counts by 0")
    count = max(0, int(-((first - last) // by)))
    check_size((max(1, count),))
    if whole and (kind is None or not kind.is_float):
        return np.arange(count) * step + start
    return onnx_constants.simplest(objects(np.arange(count)) * by + first)


def eye(g: Graph, n: int, m: int | None = None, **keywords: Any) -> Any:
    check_size((n, n if m is None else m))
    return np.eye(n, m)


def full(g: Graph, size: Any, fill_value: Any, dtype: Any = None, **keywords: Any) -> Any:
    check_size(size)
    value = as_constant(fill_value)
    if dtype is not None and dtype.is_float:
        value = as_number(value)
    return np.full(tuple(size), value.item(), dtype=value.dtype)


def zeros(g: Graph, size: Any, dtype: Any = None, **keywords: Any) -> Any:
    return full(g, size, 0 if dtype is not None and not dtype.is_float else 0.0)


def ones(g: Graph, size: Any, dtype: Any = None, **keywords: Any) -> Any:
    return full(g, size, 1 if dtype is not None and not dtype.is_float else 1.0)


def size_of(g: Graph, x: Any, dim: int) -> Any:
    shape = shape_of(x)
    return shape[axis_of(dim, len(shape))]


VIEWS: dict[str, Any] = {
    **dict.fromkeys(("reshape", "view", "_unsafe_view", "view_copy", "_reshape_alias"), _view(_reshape)),
    **dict.fromkeys(("permute", "permute_copy"), _view(Tensor.permute)),
    **dict.fromkeys(("transpose", "transpose_copy", "swapaxes", "swapdims"), _view(Tensor.transpose)),
    **dict.fromkeys(("t", "numpy_T", "t_copy"), _view(lambda t: t.permute(range(t.rank)[::-1]))),
    **dict.fromkeys(("mT", "adjoint"), _view(lambda t: t.transpose(-1, -2))),
    **dict.fromkeys(("squeeze", "squeeze_copy"), _view(_squeeze, None)),
    **dict.fromkeys(("unsqueeze", "unsqueeze_copy"), _view(Tensor.unsqueeze)),
    **dict.fromkeys(("slice", "slice_copy"), _view(_slice, 0, None, None, 1)),
    **dict.fromkeys(("select", "select_copy"), _view(Tensor.select)),
    **dict.fromkeys(("split", "split_with_sizes", "split_copy", "split_with_sizes_copy"), _view(_split, 0)),
    **dict.fromkeys(("unbind", "unbind_copy"), _view(_unbind, 0)),
    **dict.fromkeys(("expand", "expand_copy"), lambda g, x, size, implicit=False: viewed(Tensor.expand, x, size)),
    **dict.fromkeys(("movedim", "moveaxis"), _view(_movedim)),
    **dict.fromkeys(("diagonal", "diagonal_copy"), _view(_diagonal, 0, 0, 1)),
    "broadcast_to": _view(Tensor.expand),
    "expand_as": expand_like,
    "view_as": reshape_like,
    "reshape_as": reshape_like,
    "flatten": _view(Tensor.flatten, 0, -1),
    "ravel": _view(Tensor.flatten),
    "unflatten": _view(_unflatten),
    "narrow": _view(_narrow),
    "chunk": _view(_chunk, 0),
    "tensor_split": _view(_tensor_split, 0),
    "unfold": _view(_unfold),
    **dict.fromkeys(("contiguous", "detach", "alias", "identity", "positive", "to", "type_as", "lift"), converted),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), dropout),
}
"""What may share its memory with its first argument."""

HANDLERS: dict[str, Any] = {
    **VIEWS,
    **dict.fromkeys(("clone", "lift_fresh", "lift_fresh_copy", "detach_copy", "alias_copy"), same),
    **dict.fromkeys(("cat", "concat", "concatenate"), cat),
    **dict.fromkeys(("full_like",), lambda g, x, value, **k: full(g, shape_of(x), value, k.get("dtype"))),
    **dict.fromkeys(("zeros_like",), lambda g, x, **k: zeros(g, shape_of(x), k.get("dtype"))),
    **dict.fromkeys(("ones_like",), lambda g, x, **k: ones(g, shape_of(x), k.get("dtype"))),
    "new_full": lambda g, x, size, value, **k: full(g, size, value, k.get("dtype")),
    "new_zeros": lambda g, x, size, **k: zeros(g, size, k.get("dtype")),
    "new_ones": lambda g, x, size, **k: ones(g, size, k.get("dtype")),
    "full": full,
    "zeros": zeros,
    "ones": ones,
    "scalar_tensor": lambda g, value, **k: full(g, (), value, k.get("dtype")),
    "arange": arange,
    **dict.fromkeys(("eye", "eye.m"), eye),
    "native_dropout": lambda g, x, p, train: (dropout(g, x, p, train), None),
    "_to_copy": converted,
    "stack": stack,
    "repeat": _view(Tensor.repeat),
    "tile": _view(_tile),
    "repeat_interleave": _view(_repeat_interleave, None, None),
    "flip": _view(Tensor.flip),
    "fliplr": _view(lambda t: t.flip((1,))),
    "flipud": _view(lambda t: t.flip((0,))),
    "roll": _view(_roll, []),
    "index": _view(_index),
    "_unsafe_index": _view(_index),
    "index_select": _view(_index_select),
    "gather": _view(_gather, False),
    "slice_scatter": slice_scatter,
    "select_scatter": select_scatter,
    "copy": copy,
    "pixel_shuffle": _view(Tensor.pixel_shuffle),
    "pixel_unshuffle": _view(Tensor.pixel_unshuffle),
    "channel_shuffle": _view(_channel_shuffle),
    "native_channel_shuffle": _view(_channel_shuffle),
    "sym_size": size_of,
    "_assert_tensor_metadata": lambda g, *args, **keywords: None,
    "_assert_scalar": lambda g, *args, **keywords: None,
    "sym_constrain_range_for_size": lambda g, *args, **keywords: None,
}
