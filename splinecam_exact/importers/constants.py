"""What exact constants are: their types, shapes and sizes. `tensors.Constant` is their type."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from splinecam_exact.importers.tensors import Constant
from splinecam_exact.kernel.errors import NetworkError

MAX_VALUES = 1 << 22
"""No tensor may have more entries."""


def is_real(values: Constant) -> bool:
    """Whether constants are of a float type."""
    return values.dtype.kind in "fO"


def room(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape, after a check that it has no negative size and not too many entries to be made."""
    if any(n < 0 for n in shape):
        raise NetworkError(f"makes a tensor of shape {tuple(shape)}, with a negative size")
    if len(shape) > 32 or math.prod(shape) > MAX_VALUES:
        raise NetworkError(f"makes a tensor of shape {tuple(shape)[:33]}; {MAX_VALUES} entries are the most")
    return tuple(map(int, shape))


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape, by the rule of numpy and ONNX."""
    try:
        return room(np.broadcast_shapes(*shapes))
    except ValueError:
        raise NetworkError(f"combines the shapes {' and '.join(map(str, shapes))}, which do not fit") from None
