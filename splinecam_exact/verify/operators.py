"""Linear maps in float64, applied to many vectors at once, with the norms that error bounds need.

Each has `norm`, an upper bound of its spectral norm; `sum`, one of the spectral norm of the map with the absolute
values of its coefficients; `rows`, those of the 2-norms of the rows; and `roundings`, how many a term of a row's sum
passes through. That is as many as there are terms where these are added in any order; long sums are added in parts.
`exact`: the coefficients are what they are, and not rounded. `add(y, x, out)` is y + x W^T for x of shape (vectors,
inputs), written to `out` where that is given; `transposed(y)` is y W, in whose sums a term passes through `back`
roundings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import Protocol

import numpy as np
import torch
from gmpy2 import mpq
from torch import Tensor

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.rounding import nearest
from splinecam_exact.verify.rigor import SAFE, TINY, norms, spectral_norm, transform_norm
from splinecam_exact.weights import Convolution, Selection, Weight

SMALLEST = 2.0**-900
"""Products of weights that are larger than this are rounded with relative accuracy."""

REMEMBERED = 256
"""So many norms of convolutions are remembered, for the next partition of the same network."""
_NORMS: dict[bytes, float] = {}

LONG = 256
"""Sums in matrix products of more terms than that are added in blocks of half as many or fewer."""
SHORT = 64
"""The same for convolutions."""


def roundings(terms: int, most: int) -> int:
    """How many roundings a term passes through in a sum that `summed` makes."""
    return terms if terms <= most else 1 + max(roundings(terms // 2, most), roundings(terms - terms // 2, most))


def summed(product: Callable[[slice], Tensor], first: int, stop: int, most: int) -> Tensor:
    """The sum of the products of the terms from `first` to `stop`: those of both halves, as long as they are many."""
    if stop - first <= most:
        return product(slice(first, stop))
    middle = first + (stop - first) // 2
    found = summed(product, first, middle, most)
    found += summed(product, middle, stop, most)
    return found


class Operator(Protocol):
    """A linear map: see the module."""

    rows: Tensor
    roundings: int
    back: int
    exact: bool

    @property
    def norm(self) -> float:
        """Of the map."""

    @property
    def sum(self) -> float:
        """Of the absolute values."""

    def add(self, y: Tensor, x: Tensor, out: Tensor | None) -> Tensor:
        """Y + x W^T."""

    def transposed(self, y: Tensor) -> Tensor:
        """Y W."""


class Dense:
    """A matrix (outputs, inputs)."""

    def __init__(self, matrix: Tensor, exact: bool = True) -> None:
        self.matrix, self.exact = matrix, exact
        self.sum = float(norms(matrix.reshape(1, -1)))
        self.rows, self.roundings = norms(matrix), 1 + roundings(matrix.shape[1], LONG)
        self.back = matrix.shape[0]

    @cached_property
    def norm(self) -> float:
        """Computed when it is asked for."""
        return spectral_norm(self.matrix)

    def add(self, y: Tensor, x: Tensor, out: Tensor | None) -> Tensor:
        """Y + x W^T."""
        terms = self.matrix.shape[1]
        if terms <= LONG:
            return torch.addmm(y, x, self.matrix.T, out=out)
        return torch.add(y, summed(lambda part: x[:, part] @ self.matrix[:, part].T, 0, terms, LONG), out=out)

    def transposed(self, y: Tensor) -> Tensor:
        """Y W."""
        return y @ self.matrix


class Diagonal:
    """A factor for each value."""

    def __init__(self, factors: Tensor, exact: bool = True) -> None:
        self.factors, self.exact = factors, exact
        self.norm = float(factors.abs().max()) + TINY
        self.sum = self.norm
        self.rows, self.roundings, self.back = factors.abs() + TINY, 1, 1

    def add(self, y: Tensor, x: Tensor, out: Tensor | None) -> Tensor:
        """Y + x W^T."""
        return torch.addcmul(y, x, self.factors, out=out)

    def transposed(self, y: Tensor) -> Tensor:
        """Y W."""
        return y * self.factors


class Selected:
    """A `Selection`."""

    def __init__(self, selection: Selection, device: torch.device) -> None:
        chosen, self.exact = selection.indices, True
        self.places = torch.from_numpy(np.maximum(chosen, 0)).to(device)
        self.missing = torch.from_numpy(chosen < 0).to(device) if (chosen < 0).any() else None
        self.inputs = selection.inputs
        self.back = int(np.bincount(chosen[chosen >= 0], minlength=1).max())
        self.norm = self.sum = math.sqrt(self.back) * SAFE + TINY
        self.rows, self.roundings = torch.ones(len(chosen), dtype=torch.float64, device=device), 1

    def add(self, y: Tensor, x: Tensor, out: Tensor | None) -> Tensor:
        """Y + x W^T."""
        found = x[:, self.places]
        if self.missing is not None:
            found.masked_fill_(self.missing, 0)
        return torch.add(y, found, out=out)

    def transposed(self, y: Tensor) -> Tensor:
        """Y W."""
        if self.missing is not None:
            y = y.masked_fill(self.missing, 0)
        return y.new_zeros(len(y), self.inputs).index_add_(1, self.places, y)


class Convolved:
    """A `Convolution`, whose kernel is given as floats: windows are gathered and multiplied by the kernel's matrix.

    `norm` is the smaller of two bounds: the product of the norms of both steps, where gathering repeats each value at
    most `overlap` times; and, if it shall be `close`, the largest norm of the kernel's Fourier transform.
    """

    def __init__(self, convolution: Convolution, flat: Tensor, close: bool, exact: bool) -> None:
        self.shape, self.close, self.exact = convolution, close, exact
        groups = convolution.groups
        self.matrix = flat.reshape(groups, convolution.channels // groups, flat.shape[1])
        self.rows = norms(flat).repeat_interleave(math.prod(convolution.output))
        self.roundings = 1 + roundings(flat.shape[1], SHORT)
        self.back = convolution.channels // groups + math.prod(convolution.window)
        self.margins: list[int] = []
        for size, count, window, stride, padding, dilation in zip(
            convolution.image[1:],
            convolution.output,
            convolution.window,
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            strict=True,
        ):
            end = (count - 1) * stride + (window - 1) * dilation + 1 - padding
            self.margins[:0] = (padding, max(0, end - size))

    @cached_property
    def norm(self) -> float:
        """The smaller bound."""
        repeats = math.sqrt(self.shape.overlap) * SAFE
        groups, channels, _ = self.matrix.shape
        flat = self.matrix.flatten(0, 1)
        single = float(norms(flat).max()) if channels == 1 else max(spectral_norm(part) for part in self.matrix)
        if groups > 1 or self.shape.overlap == 1 or not self.close:
            return single * repeats
        key = sha256(f"{flat.shape} {self.shape.window} {repeats}".encode() + flat.cpu().numpy().tobytes()).digest()
        if key not in _NORMS:
            if len(_NORMS) >= REMEMBERED:
                _NORMS.clear()
            _NORMS[key] = transform_norm(flat, self.shape.window, single * repeats)
        return _NORMS[key]

    @cached_property
    def sum(self) -> float:
        """The smaller of two bounds, with the kernel's absolute values, whose transform is largest at frequency 0."""
        gathered = float(norms(self.matrix.flatten(1)).max()) * math.sqrt(self.shape.overlap) * SAFE
        groups, channels, _ = self.matrix.shape
        if groups > 1 or not self.close:
            return gathered
        taps = self.matrix.abs().reshape(channels, self.shape.image[0], -1)
        return min(gathered, spectral_norm(taps.sum(2)) * SAFE)

    def add(self, y: Tensor, x: Tensor, out: Tensor | None) -> Tensor:
        """Y + x W^T."""
        shape, count = self.shape, len(x)
        image = torch.nn.functional.pad(x.reshape(count, *shape.image), self.margins)
        whole, channel, *steps = image.stride()
        windows = image.as_strided(
            (count, shape.image[0], *shape.window, *shape.output),
            (
                *(whole, channel),
                *(s * d for s, d in zip(steps, shape.dilation, strict=True)),
                *(s * d for s, d in zip(steps, shape.stride, strict=True)),
            ),
        )
        groups, channels, terms = self.matrix.shape
        places = math.prod(shape.output)
        columns = windows.reshape(count, groups, terms, places).permute(1, 2, 0, 3).reshape(groups, terms, -1)
        found = summed(lambda part: torch.bmm(self.matrix[:, :, part], columns[:, part]), 0, terms, SHORT)
        found = found.reshape(groups, channels, count, places)
        return torch.add(y, found.permute(2, 0, 1, 3).reshape(count, -1), out=out)

    def transposed(self, y: Tensor) -> Tensor:
        """Y W: what each place of the window gives to the image."""
        shape, count = self.shape, len(y)
        groups, channels, terms = self.matrix.shape
        columns = y.reshape(count, groups, channels, -1).permute(1, 2, 0, 3).reshape(groups, channels, -1)
        found = torch.bmm(self.matrix.transpose(1, 2), columns)
        found = found.reshape(groups, -1, math.prod(shape.window), count, *shape.output)
        before, after = reversed(self.margins[::2]), reversed(self.margins[1::2])
        sizes = [b + size + a for b, size, a in zip(before, shape.image[1:], after, strict=True)]
        image = y.new_zeros(groups, terms // math.prod(shape.window), count, *sizes)
        for k, place in enumerate(itertools.product(*map(range, shape.window))):
            image[(..., *map(_steps, place, shape.dilation, shape.stride, shape.output))] += found[:, :, k]
        inner = tuple(slice(b, b + size) for b, size in zip(shape.padding, shape.image[1:], strict=True))
        return image[(..., *inner)].flatten(0, 1).transpose(0, 1).reshape(count, -1)


def _steps(place: int, dilation: int, stride: int, count: int) -> slice:
    """Where a place of the window is in a padded image, for all outputs."""
    first = place * dilation
    return slice(first, first + (count - 1) * stride + 1, stride)


def operator(weight: Weight, device: torch.device, close: bool) -> Operator:
    """A weight in float64; the norms of convolutions take seconds if they shall be `close`."""
    if isinstance(weight, Selection):
        return Selected(weight, device)
    if isinstance(weight, Convolution):
        return Convolved(weight, floats(weight.kernel, device), close, weight.kernel.floats is not None)
    array, exact = floats(weight, device), weight.floats is not None
    return Dense(array, exact) if array.dim() == 2 else Diagonal(array, exact)


def scaled(weight: Weight, factors: Tensor, close: bool) -> Operator | None:
    """A weight followed by an exact factor for each output, rounded once; None where that has no such form.

    Nor has it where a product other than 0 is so small that it is not rounded to relative accuracy.
    """
    array = weight.kernel if isinstance(weight, Convolution) else weight
    if isinstance(array, Selection) or len(array.shape) == 1 or array.floats is None:
        return None
    rows, flat = factors.reshape(array.shape[0], -1), floats(array, factors.device)
    if not torch.equal(rows, rows[:, :1].expand_as(rows)):
        return None
    product = flat * rows[:, :1]
    if not bool(((product.abs() > SMALLEST) | (flat == 0) | (rows[:, :1] == 0)).all()):
        return None
    return Convolved(weight, product, close, False) if isinstance(weight, Convolution) else Dense(product, False)


def floats(array: ExactArray, device: torch.device) -> Tensor:
    """The float64 nearest to each entry."""
    if array.floats is not None:
        return torch.from_numpy(np.array(array.floats)).to(device)
    den, numerators = array.numerators()
    flat = np.array([nearest(n, den) for n in numerators])
    return torch.from_numpy(flat.reshape(array.shape)).to(device)


def parts(array: ExactArray, device: torch.device) -> list[Tensor]:
    """The same, and what it lacks, if it lacks anything."""
    found = [floats(array, device)]
    if array.floats is None:
        den, numerators = array.numerators()
        given = found[0].flatten().tolist()
        lacking = [
            mpq(n, den) - exact(f) if math.isfinite(f) else mpq(0) for n, f in zip(numerators, given, strict=True)
        ]
        flat = torch.tensor([nearest(q.numerator, q.denominator) for q in lacking], dtype=torch.float64, device=device)
        found.append(flat.reshape(found[0].shape))
    return found
