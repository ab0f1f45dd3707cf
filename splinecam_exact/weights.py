"""Linear maps that are too large to write down as a matrix: convolutions, and copies of chosen values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
from gmpy2 import mpz

from splinecam_exact.arrays import ExactArray
from splinecam_exact.frozen import Frozen
from splinecam_exact.kernel.errors import NetworkError

Ints = np.ndarray[Any, np.dtype[np.int64]]

_MOST_TAPS = 1 << 28
"""The places in all windows of a convolution together are at most so many, 2 GB as they are kept."""

Terms = tuple[tuple[int, ...], tuple[mpz, ...]]
"""What one output is made of: numbers of values, and their integer coefficients."""


class Selection(Frozen):
    """Copies of some of `inputs` values: output k is value `indices[k]`, or 0 where that is -1.

    >>> Selection([2, 0, -1], 3)
    <Selection of 3 from 3>
    """

    def __init__(self, indices: Sequence[int] | Ints, inputs: int) -> None:
        found = np.array(indices)
        if found.ndim != 1 or not len(found) or found.dtype.kind not in "iu":
            raise NetworkError("a selection must be a list of ints that is not empty")
        if type(inputs) is not int or inputs < 1:
            raise NetworkError(f"a selection must be from a positive number of values, not {inputs!r}")
        bad = found[(found < -1) | (found >= inputs)]
        if len(bad):
            raise NetworkError(f"a selection names value {bad[0]}; there are 0 to {inputs - 1}, and -1 for none")
        self.inputs = inputs
        self.indices: Ints = found.astype(np.int64)
        self.indices.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        return len(self.indices), self.inputs

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return hashlib.sha256(f"selection {self.inputs}\n".encode() + self.indices.astype("<i8").tobytes()).digest()

    def numerators(self) -> tuple[mpz, list[mpz]]:
        """The denominator, and the one coefficient that there is."""
        return mpz(1), [mpz(1)]

    def terms(self, values: range, numerators: Sequence[mpz]) -> Iterator[Terms]:
        """The terms of each output, over values that are numbered so."""
        ones, nothing = tuple(numerators), (mpz(0),)
        for j in self.indices.tolist():
            yield ((values[j],), ones) if j >= 0 else ((values[0],), nothing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<Selection of {len(self.indices)} from {self.inputs}>"


@dataclass(frozen=True)
class Convolution:
    """A convolution over images with any number of dimensions, channels first, everything flattened row by row.

    `image` is (channels, *sizes) of the input, `output` the sizes of the output's images. `kernel` has shape
    (output channels, channels / groups * product of the window's sizes). Output (o, p) is the sum over the channels c
    of o's group and the places t in the window of kernel[o, (c, t)] * x[c, p * stride + t * dilation - padding]; what
    is outside the image counts as 0. So `padding` is that before the image, and `output` says how much comes after.

    >>> Convolution(ExactArray.of([[1, 2]]), (1, 3), (2,), (2,), (1,), (0,), (1,)).matrix()
    [[mpz(1), mpz(2), mpz(0)], [mpz(0), mpz(1), mpz(2)]]
    """

    kernel: ExactArray
    image: tuple[int, ...]
    output: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", ExactArray.of(self.kernel, "kernel"))
        for name in ("image", "output", "window", "stride", "padding", "dilation"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        dimensions = len(self.image) - 1
        for name in ("image", "output", "window", "stride", "padding", "dilation"):
            sizes = getattr(self, name)
            least = 0 if name == "padding" else 1
            fine = all(type(n) is int and least <= n < 1 << 30 for n in sizes)
            if len(sizes) != dimensions + (name == "image") or not fine:
                raise NetworkError(f"a convolution over {dimensions} dimensions has {name} {sizes}")
        if dimensions < 1:
            raise NetworkError(f"a convolution needs an image of channels and at least one size, not {self.image}")
        terms = math.prod(self.output) * math.prod(self.window)
        if terms > _MOST_TAPS:
            raise NetworkError(f"a convolution has {terms} places of windows; {_MOST_TAPS} are the most")
        channels = self.image[0]
        if type(self.groups) is not int or self.groups < 1 or channels % self.groups or self.channels % self.groups:
            raise NetworkError(f"{self.groups} groups do not divide {channels} and {self.channels} channels")
        needed = channels // self.groups * math.prod(self.window)
        if len(self.kernel.shape) != 2 or self.kernel.shape[1] != needed:
            raise NetworkError(f"a convolution has a kernel of shape {self.kernel.shape}; rows of {needed} are needed")

    @property
    def channels(self) -> int:
        """The number of output channels."""
        return self.kernel.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        return self.channels * math.prod(self.output), math.prod(self.image)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        sizes = (self.image, self.output, self.window, self.stride, self.padding, self.dilation, self.groups)
        return hashlib.sha256(f"convolution {sizes}\n".encode() + self.kernel.digest).digest()

    @cached_property
    def taps(self) -> Ints:
        """(output places, window places): the place in the image, row by row, that is read there; -1 is outside."""
        axes = []
        for size, count, window, stride, padding, dilation in zip(
            self.image[1:], self.output, self.window, self.stride, self.padding, self.dilation, strict=True
        ):
            at = np.arange(count)[:, np.newaxis] * stride + np.arange(window) * dilation - padding
            axes.append(np.where((at >= 0) & (at < size), at, -1))
        found = np.zeros((1, 1), np.int64)
        for axis, size in zip(axes, self.image[1:], strict=True):
            joined = found[:, np.newaxis, :, np.newaxis] * size + axis[:, np.newaxis]
            outside = (found[:, np.newaxis, :, np.newaxis] < 0) | (axis[:, np.newaxis] < 0)
            joined = np.where(outside, -1, joined)
            found = joined.reshape(found.shape[0] * axis.shape[0], found.shape[1] * axis.shape[1])
        return found

    def reads(self, first: int) -> Ints:
        """(groups, output places, terms): the values that the terms read, numbered from `first` on; -1 is outside."""
        places = math.prod(self.image[1:])
        channels = np.arange(self.image[0]).reshape(self.groups, 1, -1, 1) * places
        taps = self.taps[np.newaxis, :, np.newaxis]
        found: Ints = np.where(taps < 0, -1, first + channels + taps)
        return found.reshape(self.groups, len(self.taps), -1)

    @cached_property
    def overlap(self) -> int:
        """No input is read by more than so many output places."""
        count = 1
        for size, window, stride, dilation in zip(self.output, self.window, self.stride, self.dilation, strict=True):
            count *= min(size, -(-window * math.gcd(stride, dilation) // stride))
        return count

    def numerators(self) -> tuple[mpz, list[mpz]]:
        """The kernel's denominator and numerators."""
        return self.kernel.numerators()

    def terms(self, values: range, numerators: Sequence[mpz]) -> Iterator[Terms]:
        """The terms of each output, over values that are numbered so.

        Outputs that read the same values share one tuple of numbers, those with the same coefficients one of these.
        """
        window, places = math.prod(self.window), math.prod(self.image[1:])
        channels = self.image[0] // self.groups
        inside = self.taps >= 0
        masks, which = np.unique(inside, axis=0, return_inverse=True)
        kinds = which.reshape(-1).tolist()
        used = [np.tile(mask, channels).tolist() for mask in masks]
        columns = []
        for taps, kind in zip(self.taps, kinds, strict=True):
            taps = taps[masks[kind]]
            columns.append((np.arange(channels)[:, np.newaxis] * places + taps).reshape(-1))
        width = channels * window
        for group in range(self.groups):
            first = values.start + group * channels * places
            numbers = [tuple((first + column).tolist()) for column in columns]
            size = self.channels // self.groups
            for o in range(group * size, (group + 1) * size):
                row = numerators[o * width : (o + 1) * width]
                coefs = [tuple(compress(row, some)) for some in used]
                for indices, kind in zip(numbers, kinds, strict=True):
                    yield indices, coefs[kind]

    def matrix(self) -> list[list[mpz]]:
        """The numerators of the whole matrix; for small ones."""
        outputs, inputs = self.shape
        rows = [[mpz(0)] * inputs for _ in range(outputs)]
        for row, (indices, coefs) in zip(rows, self.terms(range(inputs), self.numerators()[1]), strict=True):
            for j, w in zip(indices, coefs, strict=True):
                row[j] += w
        return rows


Weight = ExactArray | Selection | Convolution


def weight_of(value: object, name: str) -> Weight:
    """A weight as it is, or the exact array of what is none."""
    return value if isinstance(value, Selection | Convolution) else ExactArray.of(value, name)
