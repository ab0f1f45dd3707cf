"""Networks under construction: every operation that importers translate to.

A module or file becomes a network by one call for each of its operations. Reshaping, transposing, slicing and the like
are views of `Tensor`s and make no node. Everything is exact; BatchNorm alone is rounded, as `batchnorm` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers import batchnorm, windows
from splinecam_exact.importers.elementwise import Elementwise, filled, per_channel
from splinecam_exact.importers.tensors import Constant, Tensor, axes_of, check_size, constant, exact_array, objects
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.weights import Convolution, Ints


class Graph(Elementwise):
    """A network under construction: operations take and return tensors, and add the nodes that they need.

    They raise NetworkError, without a place, where shapes do not fit.

    >>> graph = Graph((1, 1, 4))
    >>> pooled = graph.max_pool(graph.relu(graph.input), (2,), (2,), [(0, 0)])
    >>> graph.network(pooled.flatten(1)).evaluate([1, 2, -3, -4])
    [mpq(2,1), mpq(0,1)]
    """

    def linear(self, t: Tensor, weight: object, bias: object = None) -> Tensor:
        """weight @ x + bias over the last dimension; weight is (outputs, inputs). The other dimensions stay."""
        matrix = constant(weight, "weight")
        if matrix.ndim != 2 or not t.rank or matrix.shape[1] != t.shape[-1]:
            raise NetworkError(f"has a weight of shape {matrix.shape} for a tensor of shape {t.shape}")
        outputs, inputs = matrix.shape
        lead, count = t.shape[:-1], t.index.size // inputs
        kernel = exact_array(matrix, matrix.shape, "weight")
        rows = _biases(bias, outputs, count)
        if count == 1:
            return self.affine([(t, kernel)], rows, (*lead, outputs))
        columns = t.moved_last(range(t.rank - 1))
        if self.is_whole(columns):  # as another linear map leaves it
            t, image, window = columns, (inputs, count), 1
        else:
            image, window = (1, count * inputs), inputs
        map_ = Convolution(kernel, image, (count,), (window,), (window,), (0,), (1,))
        return self.affine([(t, map_)], rows, (outputs, count)).transpose(0, 1).reshape((*lead, outputs))

    def matmul_left(self, weight: object, t: Tensor) -> Tensor:
        """weight @ x over the last two dimensions (or the only one); weight is a matrix."""
        return self.linear(t, weight) if t.rank < 2 else self.linear(t.transpose(-1, -2), weight).transpose(-1, -2)

    def sum(self, t: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
        """The sum over some dimensions, or over all."""
        return self._weighted(t, dims, keepdim, 1)

    def mean(self, t: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
        """The mean over some dimensions, or over all, with the exact factor 1/n."""
        return self._weighted(t, dims, keepdim, mpq(1, _rows(t, dims, keepdim)[0].shape[1]))

    def _weighted(self, t: Tensor, dims: Sequence[int] | None, keepdim: bool, factor: object) -> Tensor:
        rows, shape = _rows(t, dims, keepdim)
        return self.linear(rows, filled(constant(factor), (1, rows.shape[1]))).reshape(shape)

    def amax(self, t: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
        """The maximum over some dimensions, or over all; of more than 63 values as `max_rows` says."""
        rows, shape = _rows(t, dims, keepdim)
        return self.max_rows(t.node, rows.index).reshape(shape)

    def amin(self, t: Tensor, dims: Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
        """The minimum over some dimensions, or over all."""
        return self.neg(self.amax(self.neg(t), dims, keepdim))

    def batch_norm(
        self, t: Tensor, gamma: object, beta: object, mean: object, var: object, eps: object, channel_dim: int = 1
    ) -> Tensor:
        """A BatchNorm in evaluation mode, folded to a scale and a shift a channel; gamma and beta may be None."""
        means, variances = objects(constant(mean, "mean")).reshape(-1), objects(constant(var, "var")).reshape(-1)
        n = len(means)
        gammas = [mpq(1)] * n if gamma is None else objects(constant(gamma, "weight")).reshape(-1).tolist()
        betas = [mpq(0)] * n if beta is None else objects(constant(beta, "bias")).reshape(-1).tolist()
        if not len(variances) == len(gammas) == len(betas) == n:
            raise NetworkError(f"has parameters of sizes {len(gammas)}, {len(betas)}, {n}, {len(variances)}")
        shape = per_channel(t, n, channel_dim, "running means")
        added = objects(constant(eps, "eps")).item()
        folded, terms = [], []
        for k, channel in enumerate(zip(gammas, betas, means, variances, strict=True)):
            try:
                folded.append(batchnorm.fold(*channel, added))
            except NetworkError as error:
                raise NetworkError(f"channel {k}: {error}") from None
            errors = batchnorm.errors(*channel, added, *folded[-1])
            known = self.rounded or (mpq(0), mpq(0))
            self.rounded = max(known[0], errors[0]), max(known[1], errors[1])
            terms.append(abs(float(channel[2]) * folded[-1][0]) + abs(float(channel[1])))
        scales, shifts = np.array(folded).T
        made = self.scale_shift(t, scales.reshape(shape), shifts.reshape(shape))
        sums = np.empty(made.index.size)
        sums[made.index.reshape(-1)] = np.broadcast_to(np.reshape(terms, shape), made.shape).reshape(-1)
        self.cancelling[made.node] = sums
        return made

    def conv(
        self,
        t: Tensor,
        weight: object,
        bias: object,
        stride: Sequence[int],
        padding: windows.Pairs,
        dilation: Sequence[int],
        groups: int = 1,
    ) -> Tensor:
        """A convolution over (batch, channels, *sizes); weight is (outputs, channels / groups, *window).

        `padding` is (before, after) for each size; negative padding crops.
        """
        kernel = self._kernel(t, weight, stride, padding, dilation, groups)
        outputs, _, *window = kernel.shape
        batch, channels, *sizes = t.shape
        if channels != kernel.shape[1] * groups or outputs % groups:
            raise NetworkError(f"has a weight of shape {kernel.shape} and {groups} groups for {channels} channels")
        cropped = [(min(0, low), min(0, high)) for low, high in padding]
        t = self.pad(t, [(0, 0), (0, 0), *cropped])
        sizes = list(t.shape[2:])
        padding = [(max(0, low), max(0, high)) for low, high in padding]
        counts = windows.output_sizes(sizes, window, stride, padding, dilation)
        check_size((batch, outputs, *counts))
        starts = [low for low, _ in padding]
        flat = exact_array(kernel, (outputs, -1), "weight")
        rows = _biases(bias, outputs, batch * math.prod(counts))
        if batch == 1:
            plain = Convolution(
                flat, (channels, *sizes), counts, tuple(window), tuple(stride), tuple(starts), tuple(dilation), groups
            )
            return self.affine([(t, plain)], rows, (1, outputs, *counts))
        along = Convolution(  # the batch as one more dimension, over which the window does not spread
            *(flat, (channels, batch, *sizes), (batch, *counts), (1, *window), (1, *stride), (0, *starts)),
            *((1, *dilation), groups),
        )
        return self.affine([(t.transpose(0, 1), along)], rows, (outputs, batch, *counts)).transpose(0, 1)

    def conv_transpose(
        self,
        t: Tensor,
        weight: object,
        bias: object,
        stride: Sequence[int],
        padding: Sequence[int] | windows.Pairs,
        output_padding: Sequence[int],
        dilation: Sequence[int],
        groups: int = 1,
    ) -> Tensor:
        """A transposed convolution over (batch, channels, *sizes); weight is (channels, outputs / groups, *window).

        It is a convolution of stride 1 by the flipped kernel, with zeros put between the entries. `padding` is what is
        cut at both ends of each size, or pairs of (before, after).
        """
        pairs = [p if isinstance(p, tuple) else (p, p) for p in padding]
        kernel = self._kernel(t, weight, stride, pairs, dilation, groups)
        channels, outputs, *window = kernel.shape
        if t.shape[1] != channels or channels % groups:
            raise NetworkError(f"has a weight of shape {kernel.shape} and {groups} groups for {t.shape[1]} channels")
        windows.check_windows(window, output_padding=output_padding)
        spread = tuple((n - 1) * s + 1 for n, s in zip(t.shape[2:], stride, strict=True))
        reach = [f * (k - 1) for f, k in zip(dilation, window, strict=True)]
        around = [(r - lo, r - hi + o) for r, (lo, hi), o in zip(reach, pairs, output_padding, strict=True)]
        cut = [(max(0, -low), max(0, high) if low < 0 else 0) for low, high in around]  # a cut may exceed the image
        around = [(max(0, low), min(0, high) if low < 0 else high) for low, high in around]
        grown = [n + more for n, (_, more) in zip(spread, cut, strict=True)]
        check_size((*t.shape[:2], *(n - less for n, (less, _) in zip(grown, cut, strict=True))))
        check_size((*t.shape[:2], *grown))
        inside: Any = (..., *(slice(less, None) for less, _ in cut))
        if t.shape[2:] == tuple(grown):
            t = t[inside]
        else:
            places: Any = (..., *(slice(0, n, s) for n, s in zip(spread, stride, strict=True)))
            index = np.full((*t.shape[:2], *grown), -1)
            index[places] = t.index
            t = self.selected(t.node, index[inside])
        d = len(window)
        kernel = np.flip(kernel, tuple(range(2, 2 + d)))
        kernel = kernel.reshape((groups, channels // groups, outputs, *window)).swapaxes(1, 2)
        kernel = kernel.reshape((groups * outputs, channels // groups, *window))
        return self.conv(t, kernel, bias, (1,) * d, around, dilation, groups)

    def _kernel(
        self,
        t: Tensor,
        weight: object,
        stride: Sequence[int],
        padding: windows.Pairs,
        dilation: Sequence[int],
        groups: int,
    ) -> Constant:
        kernel = constant(weight, "weight")
        if kernel.ndim < 3 or kernel.ndim != t.rank:
            raise NetworkError(f"has a weight of shape {kernel.shape} for a tensor of shape {t.shape}")
        if type(groups) is not int or groups < 1:
            raise NetworkError(f"has {groups!r} groups")
        check_size(kernel.shape, "a weight")
        windows.check_windows(kernel.shape[2:], stride=stride, padding=padding, dilation=dilation)
        return kernel

    def max_pool(
        self,
        t: Tensor,
        window: Sequence[int],
        stride: Sequence[int],
        padding: windows.Pairs,
        dilation: Sequence[int] | None = None,
        ceil_mode: bool = False,
    ) -> Tensor:
        """The maximum in each window over the last dimensions; places outside the image do not count."""
        dilation = (1,) * len(window) if dilation is None else dilation
        lead, image = _image(t, len(window))
        windows.check_windows(image, window=window, stride=stride, padding=padding, dilation=dilation)
        counts = windows.output_sizes(image, window, stride, padding, dilation, ceil_mode)
        places = windows.sliding(image, counts, window, stride, padding, dilation)
        return self._maxima(t, len(window), places, (*lead, *counts))

    def adaptive_max_pool(self, t: Tensor, sizes: Sequence[int]) -> Tensor:
        """The maximum in each of the windows that cut the last dimensions into so many; only the values."""
        lead, image = _image(t, len(sizes))
        return self._maxima(t, len(sizes), windows.adaptive(image, sizes), (*lead, *sizes))

    def _maxima(self, t: Tensor, dimensions: int, places: Ints, shape: tuple[int, ...]) -> Tensor:
        rows = _seen(t, dimensions, places)
        return self.max_rows(t.node, rows.reshape(-1, rows.shape[-1])).reshape(shape)

    def avg_pool(
        self,
        t: Tensor,
        window: Sequence[int],
        stride: Sequence[int],
        padding: windows.Pairs,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        """The mean of each window over the last dimensions, with exact factors.

        Where not all windows have as many places that count, the sums are divided by a diagonal.
        """
        lead, image = _image(t, len(window))
        windows.check_windows(image, window=window, stride=stride, padding=padding)
        ones = (1,) * len(window)
        counts = windows.output_sizes(image, window, stride, padding, ones, ceil_mode)
        if divisor_override is not None:
            sizes = np.full(math.prod(counts), divisor_override)
        elif count_include_pad:
            room = [n + low + high for n, (low, high) in zip(image, padding, strict=True)]
            sizes = _sizes(windows.sliding(room, counts, window, stride, [(0, 0)] * len(image), ones))
        else:
            sizes = _sizes(windows.sliding(image, counts, window, stride, padding, ones))
        if not sizes.all():
            raise NetworkError("takes the mean of no values")
        channels = math.prod(lead)
        check_size((channels, *counts))
        even = bool((sizes == sizes[0]).all())
        kernel = filled(constant(mpq(1, int(sizes[0])) if even else 1), (channels, math.prod(window)))
        map_ = Convolution(
            *(exact_array(kernel, kernel.shape, "weight"), (channels, *image), counts, tuple(window), tuple(stride)),
            *(tuple(low for low, _ in padding), ones, channels),
        )
        summed = self.affine([(t, map_)], None, (*lead, *counts))
        return summed if even else self.scale_shift(summed, _inverses(sizes).reshape(counts))

    def adaptive_avg_pool(self, t: Tensor, sizes: Sequence[int]) -> Tensor:
        """The mean of each of the windows that cut the last dimensions into so many."""
        lead, image = _image(t, len(sizes))
        if all(type(m) is int and m > 0 and n % m == 0 for n, m in zip(image, sizes, strict=True)):
            window = tuple(n // m for n, m in zip(image, sizes, strict=True))
            return self.avg_pool(t, window, window, [(0, 0)] * len(window))
        places = windows.adaptive(image, sizes)
        summed = self.sum(self.selected(t.node, _seen(t, len(sizes), places)), (-1,)).reshape((*lead, *sizes))
        return self.scale_shift(summed, _inverses(_sizes(places)).reshape(tuple(sizes)))


def _biases(bias: object, outputs: int, count: int) -> ExactArray:
    """A bias for each output, repeated for all its places."""
    check_size((outputs, count))
    values = np.zeros(outputs) if bias is None else constant(bias, "bias").reshape(-1)
    if len(values) != outputs:
        raise NetworkError(f"has {len(values)} biases for {outputs} outputs")
    return exact_array(np.repeat(values, count), (outputs * count,), "bias")


def _rows(t: Tensor, dims: Sequence[int] | None, keepdim: bool) -> tuple[Tensor, tuple[int, ...]]:
    """The entries as (kept, reduced), and the shape of what is left when these dimensions are reduced."""
    chosen = tuple(range(t.rank)) if dims is None else axes_of(dims, t.rank)
    kept = [n for d, n in enumerate(t.shape) if d not in chosen]
    count = math.prod(kept)
    rows = t.moved_last(chosen).reshape((count, t.index.size // count))
    return rows, tuple(1 if d in chosen else n for d, n in enumerate(t.shape)) if keepdim else tuple(kept)


def _image(t: Tensor, dimensions: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The leading sizes (batch and channels), and the last ones, of an image."""
    if not 1 <= dimensions <= t.rank:
        raise NetworkError(f"slides over {dimensions} dimensions of a tensor of shape {t.shape}")
    return t.shape[: t.rank - dimensions], t.shape[t.rank - dimensions :]


def _seen(t: Tensor, dimensions: int, places: Ints) -> Ints:
    """(channels, windows, places): the positions in the node that each window over an image sees; -1 is none."""
    lead, image = _image(t, dimensions)
    check_size((math.prod(lead), *places.shape), "windows")
    flat = t.index.reshape(-1, math.prod(image))
    seen: Ints = np.where(places < 0, -1, flat[:, places])
    return seen


def _sizes(places: Ints) -> Ints:
    sizes: Ints = (places >= 0).sum(axis=1)
    return sizes


def _inverses(sizes: Ints) -> Constant:
    return constant([mpq(1, n) for n in sizes.tolist()])
