"""Other libraries' arrays as numpy arrays, without importing those libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.kernel.errors import InputError


def is_array(value: object) -> bool:
    """Whether this is an array of numpy, or a tensor of torch or alike."""
    return isinstance(value, np.ndarray) or (hasattr(value, "shape") and hasattr(value, "dtype"))


def plain(value: Any) -> NDArray[Any]:
    """The numpy array of an array, a tensor on any device, or nested lists.

    >>> plain([[0, 1]]).shape
    (1, 2)

    Raises InputError where there is none: for tensors of bfloat16, sparse ones, ones without numbers.
    """
    if isinstance(value, np.ndarray):
        return value
    kind = type(value).__name__
    try:
        for step in ("detach", "cpu", "numpy"):
            method = getattr(value, step, None)
            if callable(method):
                value = method()
        return np.asarray(value)
    except Exception as error:  # tensors without numbers, or of a type that numpy does not have
        raise InputError(f"the {kind} is not to be had as a numpy array ({type(error).__name__})") from None
