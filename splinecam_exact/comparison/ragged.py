"""Arrays of rows of unequal length: what both the claimed cells and the exact faces are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.half_edges import Ints

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNIT = 2.0**-53
"""The unit roundoff of float64."""
TINY = 2.0**-800
"""More than what underflow loses, in coordinates of about 1."""
SAFE = 1 + 2.0**-20
"""Covers the rounding of the bounds themselves."""
AT_ONCE = 1 << 21
"""About so many entries are worked on at a time."""


def ranges(first: Ints, sizes: Ints) -> Ints:
    """The numbers first[0], first[0] + 1, ... (sizes[0] of them), first[1], ...

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(first - ends + sizes, sizes)


def owners(sizes: Ints) -> Ints:
    """For each entry the number of its row."""
    return np.repeat(np.arange(len(sizes)), sizes)


def following(starts: Ints) -> Ints:
    """For each entry the next one in its row, cyclically."""
    found = np.arange(1, starts[-1] + 1)
    full = np.flatnonzero(np.diff(starts))
    found[starts[full + 1] - 1] = starts[full]
    return found


def offsets(sizes: Ints) -> Ints:
    """Where the rows of such sizes start, and the end."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def portions(sizes: Ints) -> Iterator[slice]:
    """The rows, so many at a time that they have about AT_ONCE entries."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + AT_ONCE, "right")))
        yield slice(first, last)
        first = last


def reduce(ufunc: np.ufunc, values: NDArray[Any], starts: Ints, empty: object) -> NDArray[Any]:
    """A ufunc's reduction of each row of values; `empty` for rows that are."""
    found = np.full(len(starts) - 1, empty, values.dtype)
    full = np.flatnonzero(np.diff(starts))
    if len(full):
        found[full] = ufunc.reduceat(values, starts[full])
    return found


def cross(p: Floats, q: Floats) -> Floats:
    """The cross products of vectors."""
    found: Floats = p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]
    return found


def cross_bound(p: Floats, q: Floats, ball: Floats | float = 0.0) -> Floats:
    """A bound of the error of `cross`, where both vectors are rounded differences, with ends off by up to `ball`."""
    size = abs(p[..., 0] * q[..., 1]) + abs(p[..., 1] * q[..., 0])
    long = abs(p).sum(axis=-1) + abs(q).sum(axis=-1)
    found: Floats = (8 * UNIT * size + 2 * ball * (long + 2 * ball) + TINY) * SAFE
    return found


def length(p: Floats) -> Floats:
    """The lengths of vectors."""
    found: Floats = np.hypot(p[..., 0], p[..., 1])
    return found
