"""Windows that slide over images: how many there are, and which places each one sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splinecam_exact.importers.tensors import MAX_VALUES
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.weights import Ints

Pairs = Sequence[tuple[int, int]]


def check_windows(image: Sequence[int], **options: Sequence[object]) -> None:
    """Raise NetworkError unless each option has an entry for each size of the image, and ints are not absurd."""
    for name, values in options.items():
        if len(values) != len(image):
            raise NetworkError(f"has {name} {tuple(values)} over {len(image)} dimensions")
        numbers = np.array(values, dtype=object).reshape(-1).tolist()
        least = 0 if name in ("padding", "output_padding") else 1
        if not all(type(n) is int and (least <= n or name == "padding") and abs(n) < 1 << 30 for n in numbers):
            raise NetworkError(f"has {name} {tuple(values)}")


def output_sizes(
    image: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    padding: Pairs,
    dilation: Sequence[int],
    ceil_mode: bool = False,
) -> tuple[int, ...]:
    """How many windows fit in each dimension; with `ceil_mode` a last one may hang over, if it starts inside."""
    found = []
    for n, k, s, (low, high), d in zip(image, window, stride, padding, dilation, strict=True):
        room = n + low + high - d * (k - 1) - 1
        count = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + low:
            count -= 1
        if room < 0 or count < 1:
            raise NetworkError(
                f"has a window of {d * (k - 1) + 1} where there are {n} places and padding ({low}, {high})"
            )
        found.append(count)
    if math.prod(found) * math.prod(window) > MAX_VALUES:
        raise NetworkError(f"has {math.prod(found)} windows of {math.prod(window)} places; {MAX_VALUES} are the most")
    return tuple(found)


def joined_places(axes: Sequence[Ints], image: Sequence[int]) -> Ints:
    """(windows, places): the place in the image, row by row, from those of each dimension; -1 is outside."""
    found = np.zeros((1, 1), np.int64)
    for axis, size in zip(axes, image, strict=True):
        before, after = found[:, np.newaxis, :, np.newaxis], axis[:, np.newaxis]
        joined = np.where((before < 0) | (after < 0), -1, before * size + after)
        found = joined.reshape(found.shape[0] * axis.shape[0], found.shape[1] * axis.shape[1])
    return found


def sliding(
    image: Sequence[int],
    output: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    padding: Pairs,
    dilation: Sequence[int],
) -> Ints:
    """(windows, places) of windows at regular distances."""
    axes = []
    for n, count, k, s, (low, _), d in zip(image, output, window, stride, padding, dilation, strict=True):
        at = np.arange(count)[:, np.newaxis] * s + np.arange(k) * d - low
        axes.append(np.where((at >= 0) & (at < n), at, -1))
    return joined_places(axes, image)


def adaptive(image: Sequence[int], output: Sequence[int]) -> Ints:
    """(windows, places) of adaptive pooling: window i of m sees places floor(i n / m) to ceil((i + 1) n / m) - 1."""
    if not all(type(m) is int and 1 <= m < 1 << 30 for m in output):
        raise NetworkError(f"pools to {tuple(output)} places")
    if math.prod(n + 2 * m for n, m in zip(image, output, strict=True)) > MAX_VALUES:  # as many, or more
        raise NetworkError(f"pools to {tuple(output)} places, for which more than {MAX_VALUES} values are needed")
    axes = []
    for n, m in zip(image, output, strict=True):
        first, stop = np.arange(m) * n // m, -(-(np.arange(m) + 1) * n // m)
        at = first[:, np.newaxis] + np.arange(int((stop - first).max()))
        axes.append(np.where(at < stop[:, np.newaxis], at, -1))
    return joined_places(axes, image)
