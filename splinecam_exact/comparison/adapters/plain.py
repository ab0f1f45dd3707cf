"""Other libraries' arrays as numpy arrays, without importing those libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_array(value: object) -> bool:
    """Whether this is an array of numpy, or a tensor of torch or alike."""
    return isinstance(value, np.ndarray) or (hasattr(value, "shape") and hasattr(value, "dtype"))


def plain(value: Any) -> NDArray[Any]:
    """The numpy array of an array, a tensor on any device, or nested lists.

    >>> plain([[0, 1]]).shape
    (1, 2)
    """
    if isinstance(value, np.ndarray):
        return value
    for step in ("detach", "cpu", "numpy"):
        method = getattr(value, step, None)
        if callable(method):
            value = method()
    return np.asarray(value)
