"""Tensors of a network that is being built: which value of which node each entry is. Views only move entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.kernel.errors import InputError, NetworkError
from splinecam_exact.weights import Ints

Constant = np.ndarray[Any, Any]
"""Exact numbers in any shape: float64, each the dyadic rational it stores, or objects, each an mpq."""

MAX_VALUES = 1 << 24
"""No node or tensor may have more values, so that no file can ask for a huge allocation."""

_FLOAT64_INTS = 1 << 53


def constant(values: object, name: str = "constant") -> Constant:
    """The exact numbers in numbers, numpy arrays, exact arrays or nested lists, in their shape.

    Raises NetworkError for bools, complex numbers and ragged lists; NaN and infinities are found when they are used.

    >>> constant([1, "1/3"])
    array([mpq(1,1), mpq(1,3)], dtype=object)
    """
    if isinstance(values, ExactArray):
        if values.floats is not None:
            return values.floats
        den, flat = values.numerators()
        return _objects([mpq(n, den) for n in flat], values.shape)
    if isinstance(values, np.ndarray | np.generic):
        found = np.asarray(values)
        if found.dtype.kind == "f" and found.dtype.itemsize <= 8:
            return found.astype(np.float64)
        if found.dtype.kind in "iu" and (not found.size or int(abs(found).max()) < _FLOAT64_INTS > -int(found.min())):
            return found.astype(np.float64)
    else:
        found = np.array(values, dtype=object)
    try:
        return _objects([exact(v) for v in found.ravel().tolist()], found.shape)
    except InputError as error:
        raise NetworkError(f"{name}: {error}") from None


def exact_array(values: Constant, shape: tuple[int, ...], name: str) -> ExactArray:
    """The exact array of a constant, in a shape of one or two dimensions."""
    flat = values.reshape(shape)
    return ExactArray.of(flat if flat.dtype.kind == "f" else flat.tolist(), name)


def uniform(value: object, size: int, name: str = "constant") -> ExactArray:
    """The exact array of so many times one number."""
    found = constant(value, name)
    if found.size != 1:
        raise NetworkError(f"has a {name} of shape {found.shape} where one number is needed")
    one = exact_array(found, (1,), name)
    if one.floats is not None:
        return ExactArray.of(np.full(size, one.floats[0]))
    den, numerators = one.numerators()
    return ExactArray.from_numerators(den, numerators * size, (size,))


def objects(values: Constant) -> Constant:
    """The same numbers as mpq, which numpy's operators compute with exactly; infinities raise NetworkError."""
    return values if values.dtype == object else constant(values.astype(object))


def _objects(values: list[mpq], shape: tuple[int, ...]) -> Constant:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found.reshape(shape)


def check_size(shape: Sequence[int], what: str = "a tensor") -> None:
    """Raise NetworkError for an empty shape, or one with more values than a node may have."""
    if any(n < 1 for n in shape):
        raise NetworkError(f"makes {what} of shape {tuple(shape)}, which is empty")
    if math.prod(shape) > MAX_VALUES:
        raise NetworkError(f"makes {what} of shape {tuple(shape)}; {MAX_VALUES} values are the most")


def axis_of(dim: int, rank: int) -> int:
    """The dimension counted from 0; negative ones count from the end."""
    if not -rank <= dim < rank:
        raise NetworkError(f"names dimension {dim} of a tensor with {rank}")
    return dim % rank


def axes_of(dims: Sequence[int], rank: int) -> tuple[int, ...]:
    """Different dimensions, each counted from 0."""
    found = tuple(axis_of(d, rank) for d in dims)
    if len(set(found)) != len(found):
        raise NetworkError(f"names a dimension twice: {tuple(dims)}")
    return found


@dataclass(frozen=True, eq=False)
class Tensor:
    """Values of node `node`: each entry of `index`, in any shape, is a position in the node's flat output.

    >>> t = Tensor(0, np.arange(6).reshape(1, 2, 3))
    >>> t.permute((0, 2, 1))[0, 1:].index.tolist()
    [[1, 4], [2, 5]]
    """

    node: int
    index: Ints

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        shape: tuple[int, ...] = self.index.shape
        return shape

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return self.index.ndim

    def view(self, index: Ints) -> Tensor:
        """Other positions in the same node."""
        check_size(index.shape)
        return Tensor(self.node, index)

    def __getitem__(self, key: Any) -> Tensor:
        """What numpy's indexing with ints, slices and arrays of ints gives."""
        try:
            return self.view(np.asarray(self.index[key]))
        except IndexError as error:
            raise NetworkError(f"reads outside a tensor of shape {self.shape}: {error}") from None

    def reshape(self, shape: Sequence[int]) -> Tensor:
        """The same entries row by row in another shape; one size may be -1."""
        shape = tuple(map(int, shape))
        if shape.count(-1) == 1:
            rest = -math.prod(shape)
            if rest > 0 and self.index.size % rest == 0:
                shape = tuple(self.index.size // rest if n == -1 else n for n in shape)
        if any(n < 0 for n in shape) or math.prod(shape) != self.index.size:
            raise NetworkError(f"gives a tensor of shape {self.shape} the shape {shape}, of another size")
        return self.view(self.index.reshape(shape))

    def flatten(self, start: int = 0, end: int = -1) -> Tensor:
        """The dimensions from `start` to `end` made one; of a scalar, one is made."""
        if not self.rank:
            return self.reshape((1,))
        first, last = axis_of(start, self.rank), axis_of(end, self.rank)
        if first > last:
            raise NetworkError(f"flattens dimensions {start} to {end} of {self.rank}")
        return self.reshape((*self.shape[:first], math.prod(self.shape[first : last + 1]), *self.shape[last + 1 :]))

    def permute(self, dims: Sequence[int]) -> Tensor:
        """The dimensions in another order."""
        if len(dims) != self.rank:
            raise NetworkError(f"puts {self.rank} dimensions in the order {tuple(dims)}")
        return self.view(self.index.transpose(axes_of(dims, self.rank)))

    def transpose(self, a: int, b: int) -> Tensor:
        """Two dimensions exchanged."""
        order = list(range(self.rank))
        a, b = axis_of(a, self.rank), axis_of(b, self.rank)
        order[a], order[b] = b, a
        return self.permute(order)

    def moved_last(self, dims: Sequence[int]) -> Tensor:
        """These dimensions put last, in the order given."""
        chosen = axes_of(dims, self.rank)
        return self.permute((*(d for d in range(self.rank) if d not in chosen), *chosen))

    def squeeze(self, dims: Sequence[int] | None = None) -> Tensor:
        """Without those of the dimensions (or of all) that have size 1."""
        chosen = range(self.rank) if dims is None else axes_of(dims, self.rank)
        return self.reshape([n for d, n in enumerate(self.shape) if d not in chosen or n != 1])

    def unsqueeze(self, dim: int) -> Tensor:
        """With a new dimension of size 1 at place `dim`."""
        at = axis_of(dim, self.rank + 1)
        return self.reshape((*self.shape[:at], 1, *self.shape[at:]))

    def select(self, dim: int, at: int) -> Tensor:
        """One slice, without its dimension."""
        d = axis_of(dim, self.rank)
        return self[(slice(None),) * d + (int(at),)]

    def slice(self, dim: int, start: int | None, stop: int | None, step: int = 1) -> Tensor:
        """Every `step`-th entry of a dimension, as Python slices; the step may be negative."""
        if step == 0:
            raise NetworkError("slices with step 0")
        d = axis_of(dim, self.rank)
        return self[(slice(None),) * d + (slice(start, stop, step),)]

    def take(self, dim: int, places: Ints) -> Tensor:
        """The places of a dimension; an array of several dimensions takes that dimension's place."""
        d = axis_of(dim, self.rank)
        check_size((*self.shape[:d], *places.shape, *self.shape[d + 1 :]))
        return self[(slice(None),) * d + (places,)]

    def flip(self, dims: Sequence[int]) -> Tensor:
        """These dimensions in reverse."""
        return self.view(np.flip(self.index, axes_of(dims, self.rank)))

    def expand(self, shape: Sequence[int]) -> Tensor:
        """Dimensions of size 1 (and new ones in front) repeated; -1 keeps a size."""
        kept = (*(None,) * (len(shape) - self.rank), *self.shape)
        sizes = tuple(k if n == -1 and k is not None else int(n) for n, k in zip(shape, kept, strict=False))
        check_size(sizes)
        try:
            return self.view(np.broadcast_to(self.index, sizes))
        except ValueError:
            raise NetworkError(f"expands a tensor of shape {self.shape} to {tuple(shape)}") from None

    def repeat(self, counts: Sequence[int]) -> Tensor:
        """The whole tensor put side by side, so often in each dimension."""
        if len(counts) < self.rank:
            raise NetworkError(f"repeats {self.rank} dimensions {tuple(counts)} times")
        shape = (1,) * (len(counts) - self.rank) + self.shape
        check_size([n * c for n, c in zip(shape, counts, strict=True)])
        return self.view(np.tile(self.index, tuple(counts)))

    def repeat_entries(self, dim: int, count: int) -> Tensor:
        """Each entry of a dimension so often, one after the other."""
        d = axis_of(dim, self.rank)
        check_size((*self.shape[:d], self.shape[d] * count, *self.shape[d + 1 :]))
        return self.view(np.repeat(self.index, count, axis=d))

    def upsample(self, sizes: Sequence[int], scales: Sequence[float | None] | None = None) -> Tensor:
        """Nearest upsampling of the last dimensions, by the rule of torch's "nearest": place floor(i / scale)."""
        found = self
        for k, size in enumerate(sizes):
            dim = self.rank - len(sizes) + k
            if dim < 0:
                raise NetworkError(f"upsamples {len(sizes)} dimensions of a tensor with {self.rank}")
            check_size((size,))
            scale = None if scales is None else scales[k]
            step = self.shape[dim] / size if scale is None else 1 / scale
            # torch computes this step and the product with float32 numbers
            places = np.floor(np.arange(size, dtype=np.float32) * np.float32(step)).astype(np.int64)
            found = found.take(dim, np.minimum(places, self.shape[dim] - 1))
        return found

    def pixel_shuffle(self, factor: int) -> Tensor:
        """(..., c * r * r, h, w) to (..., c, h * r, w * r), as torch's pixel_shuffle."""
        *lead, c, h, w = self._image()
        if factor < 1 or c % (factor * factor):
            raise NetworkError(f"shuffles pixels by {factor} where there are {c} channels")
        split = self.reshape((*lead, c // factor**2, factor, factor, h, w))
        n = len(lead)
        split = split.permute((*range(n), n, n + 3, n + 1, n + 4, n + 2))
        return split.reshape((*lead, c // factor**2, h * factor, w * factor))

    def pixel_unshuffle(self, factor: int) -> Tensor:
        """The inverse of `pixel_shuffle`."""
        *lead, c, h, w = self._image()
        if factor < 1 or h % factor or w % factor:
            raise NetworkError(f"unshuffles pixels by {factor} in images of {h} x {w}")
        split = self.reshape((*lead, c, h // factor, factor, w // factor, factor))
        n = len(lead)
        split = split.permute((*range(n), n, n + 2, n + 4, n + 1, n + 3))
        return split.reshape((*lead, c * factor**2, h // factor, w // factor))

    def _image(self) -> tuple[int, ...]:
        if self.rank < 3:
            raise NetworkError(f"needs channels and two sizes, not shape {self.shape}")
        return self.shape
