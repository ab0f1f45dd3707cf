"""Operations of torch programs that are layers: linear maps, convolutions, BatchNorm, pooling, padding, upsampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from splinecam_exact.importers import onnx_constants
from splinecam_exact.importers.aten_pointwise import add, mul
from splinecam_exact.importers.aten_refused import curved
from splinecam_exact.importers.aten_values import Missing, as_number, several, viewed
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import NetworkError

_NO_INDICES = Missing("the place of a maximum", "use only the pooled values")
_NO_STATISTICS = Missing("the statistics of a BatchNorm", "use only its output")


def linear(g: Graph, input: Any, weight: Any, bias: Any = None) -> Any:
    if not isinstance(input, Tensor) or isinstance(weight, Tensor):
        found = matmul(g, input, viewed(lambda t: t.permute(range(t.rank)[::-1]), weight))
        return found if bias is None else add(g, found, bias)
    matrix = as_number(weight)
    if matrix.ndim == 1:
        return g.linear(input, matrix[np.newaxis], None if bias is None else as_number(bias)).squeeze((-1,))
    return g.linear(input, matrix, None if bias is None else as_number(bias))


def matmul(g: Graph, x: Any, other: Any) -> Any:
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        raise NetworkError(curved("a product"))
    if not isinstance(x, Tensor) and not isinstance(other, Tensor):
        return onnx_constants.product(as_number(x), as_number(other))
    if isinstance(x, Tensor):
        right = as_number(other)
        if right.ndim == 1:
            return g.linear(x, right[np.newaxis]).squeeze((-1,))
        if right.ndim == 2:
            return g.linear(x, right.T)
        row = x.unsqueeze(0) if x.rank == 1 else x
        found = _batches(g, row, right, lambda a, b: g.linear(a, b.T))
        return found.squeeze((-2,)) if x.rank == 1 else found
    left = as_number(x)
    if left.ndim == 1:
        return matmul(g, left[np.newaxis], other).squeeze((-1 if other.rank == 1 else -2,))
    if left.ndim == 2 or other.rank == 1:
        if left.ndim == 2:
            return g.matmul_left(left, other)
        return matmul(g, left, other.unsqueeze(-1)).squeeze((-1,))
    return _batches(g, other, left, lambda a, b: g.matmul_left(b, a))


def _batches(g: Graph, t: Tensor, matrices: Any, product: Any) -> Tensor:
    """The products of the matrices in a tensor with constant ones, batch by batch."""
    try:
        lead = np.broadcast_shapes(t.shape[:-2], matrices.shape[:-2])
    except ValueError:
        raise NetworkError(f"multiplies batches of matrices of shapes {t.shape} and {matrices.shape}") from None
    t = t.expand((*lead, *t.shape[-2:])).reshape((-1, *t.shape[-2:]))
    flat = np.broadcast_to(matrices, (*lead, *matrices.shape[-2:])).reshape(-1, *matrices.shape[-2:])
    found = g.stack([product(t.select(0, k), matrix) for k, matrix in enumerate(flat)], 0)
    return found.reshape((*lead, *found.shape[1:]))


def addmm(g: Graph, x: Any, mat1: Any, mat2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    if isinstance(mat1, Tensor) and not isinstance(x, Tensor) and not isinstance(mat2, Tensor) and beta == alpha == 1:
        matrix, bias = as_number(mat2), as_number(x)
        if matrix.ndim == 2 and bias.ndim == 1:
            return g.linear(mat1, matrix.T, bias)
    product = mul(g, matmul(g, mat1, mat2), alpha) if alpha != 1 else matmul(g, mat1, mat2)
    return add(g, product, mul(g, x, beta) if beta != 1 else x)


def _convolved(g: Graph, x: Any, weight: Any, bias: Any, build: Any, transposed: bool = False) -> Any:
    kernel = as_number(weight)
    dimensions = kernel.ndim - 2
    if not isinstance(x, Tensor):
        raise NetworkError("convolves a constant: store its result as a buffer")
    single = x.rank == dimensions + 1
    found = build(x.unsqueeze(0) if single else x, kernel, None if bias is None else as_number(bias), dimensions)
    return found.squeeze((0,)) if single else found


def conv(
    g: Graph,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    def build(t: Tensor, kernel: Any, shift: Any, d: int) -> Tensor:
        steps, spread = several(stride, d), several(dilation, d)
        if padding == "same":
            around = [f * (k - 1) for f, k in zip(spread, kernel.shape[2:], strict=True)]
            pairs = [(a // 2, a - a // 2) for a in around]
        else:
            pairs = [(p, p) for p in several(0 if padding == "valid" else padding, d)]
        return g.conv(t, kernel, shift, steps, pairs, spread, groups)

    return _convolved(g, input, weight, bias, build)


def conv_transpose(
    g: Graph,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    def build(t: Tensor, kernel: Any, shift: Any, d: int) -> Tensor:
        steps, cut, more, spread = (several(v, d) for v in (stride, padding, output_padding, dilation))
        return g.conv_transpose(t, kernel, shift, steps, cut, more, spread, groups)

    return _convolved(g, input, weight, bias, build)


def convolution(
    g: Graph,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *flags: Any,
) -> Any:
    if transposed:
        return conv_transpose(g, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(g, input, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    g: Graph,
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Any:
    if training or running_mean is None or running_var is None:
        raise NetworkError(
            "computes statistics of its batch: use a BatchNorm in evaluation mode, with track_running_stats=True"
        )
    gamma, beta = (None if v is None else as_number(v) for v in (weight, bias))
    return g.batch_norm(input, gamma, beta, as_number(running_mean), as_number(running_var), eps)


def native_batch_norm(g: Graph, input: Any, weight: Any, bias: Any, mean: Any, var: Any, *rest: Any) -> Any:
    training, momentum, eps = (False, *rest) if len(rest) == 2 else rest
    return batch_norm(g, input, weight, bias, mean, var, training, momentum, eps), _NO_STATISTICS, _NO_STATISTICS


def _windows(d: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[Any, Any, Any]:
    window = several(kernel_size, d)
    steps = window if stride is None or stride == [] else several(stride, d)
    return window, steps, [(p, p) for p in several(padding, d)]


def max_pool(d: int, tuple_: bool = False) -> Any:
    def apply(
        g: Graph,
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Any:
        window, steps, pairs = _windows(d, kernel_size, stride, padding)
        found = g.max_pool(x, window, steps, pairs, several(dilation, d), ceil_mode)
        return (found, _NO_INDICES) if tuple_ else found

    return apply


def avg_pool(d: int) -> Any:
    def apply(
        g: Graph,
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        window, steps, pairs = _windows(d, kernel_size, stride, padding)
        return g.avg_pool(x, window, steps, pairs, ceil_mode, count_include_pad, divisor_override)

    return apply


def adaptive_avg_pool(d: int) -> Any:
    return lambda g, x, output_size: g.adaptive_avg_pool(x, several(output_size, d))


def adaptive_max_pool(d: int) -> Any:
    return lambda g, x, output_size: (g.adaptive_max_pool(x, several(output_size, d)), _NO_INDICES)


def _around(x: Any, pads: Any) -> list[tuple[int, int]]:
    """torch's list of paddings, last dimension first, as pairs for each dimension."""
    pairs = [(pads[k], pads[k + 1]) for k in range(0, len(pads) - 1, 2)][::-1]
    return [(0, 0)] * (x.rank - len(pairs)) + pairs


def pad(g: Graph, x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    if not isinstance(x, Tensor):
        widths = [(0, 0)] * (np.ndim(x) - len(pad) // 2) + _around(
            Tensor(0, np.zeros((1,) * (len(pad) // 2), int)), pad
        )
        if mode != "constant" or min(map(min, widths)) < 0:
            raise NetworkError("pads a constant: store its result as a buffer")
        return np.pad(as_number(x), widths, constant_values=0 if value is None else value)
    return g.pad(x, _around(x, pad), mode, 0 if value is None else value)


def padded(mode: str) -> Any:
    return lambda g, x, padding: pad(g, x, padding, mode)


def pad_enum(g: Graph, x: Any, pads: Any, mode: int, value: Any = None) -> Any:
    names = ("constant", "reflect", "replicate", "circular")
    if not 0 <= mode < len(names):
        raise NetworkError(f"pads by a mode of number {mode}")
    return pad(g, x, pads, names[mode], value)


def upsample(d: int) -> Any:
    def apply(g: Graph, input: Any, output_size: Any, *scales: Any) -> Any:
        if len(scales) == 1 and (d > 1 or isinstance(scales[0], list | tuple)):
            scales = tuple(scales[0] or ())
        factors = list(scales) if scales and None not in scales else None
        if output_size is None:
            if factors is None:
                raise NetworkError("upsamples to no size")
            output_size = [math.floor(n * s) for n, s in zip(input.shape[-d:], factors, strict=True)]
        return input.upsample(several(output_size, d), factors)

    return apply


HANDLERS: dict[str, Any] = {
    "linear": linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), matmul),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), addmm),
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), convolution),
    "batch_norm": batch_norm,
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit", "cudnn_batch_norm"),
        native_batch_norm,
    ),
    "pad": pad,
    "constant_pad_nd": lambda g, x, pads, value=0: pad(g, x, pads, "constant", value),
    "_pad_circular": padded("circular"),
    "_pad_enum": pad_enum,
    "_adaptive_avg_pool2d": adaptive_avg_pool(2),
    "_adaptive_avg_pool3d": adaptive_avg_pool(3),
    **{f"conv{d}d": conv for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": conv_transpose for d in (1, 2, 3)},
    **{f"max_pool{d}d": max_pool(d) for d in (1, 2, 3)},
    **{f"max_pool{d}d_with_indices": max_pool(d, True) for d in (1, 2, 3)},
    **{f"avg_pool{d}d": avg_pool(d) for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d": adaptive_avg_pool(d) for d in (1, 2, 3)},
    **{f"adaptive_max_pool{d}d": adaptive_max_pool(d) for d in (1, 2, 3)},
    **{f"reflection_pad{d}d": padded("reflect") for d in (1, 2, 3)},
    **{f"replication_pad{d}d": padded("replicate") for d in (1, 2, 3)},
    **{f"upsample_nearest{d}d": upsample(d) for d in (1, 2, 3)},
}
