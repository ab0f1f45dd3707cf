"""Sets of outputs as bits, and what a piece of boundary says of the sets that are largest beside it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.half_edges import Ints

Masks = NDArray[np.int64]
"""Sets of outputs: output k is bit k."""


def several(masks: Masks) -> NDArray[np.bool_]:
    """Whether there are two or more outputs in each set."""
    found: NDArray[np.bool_] = without_lowest(masks) != 0
    return found


def without_lowest(masks: Masks) -> Masks:
    """Each set without its lowest output."""
    return masks & (masks - 1)


def lowest(masks: Masks) -> Ints:
    """The lowest output of each set that is not empty."""
    found: Ints = np.frexp((masks & -masks).astype(np.float64))[1] - 1
    return found.astype(np.int64)


def listed(left: Masks, right: Masks, tied: Masks) -> NDArray[np.bool_]:
    """Whether an edge is boundary, `tied` being largest on it: not between two sides where the same ones are tied."""
    found: NDArray[np.bool_] = several(tied) & ~(several(left) & (left == right))
    return found


def changing(left: Masks, right: Masks) -> NDArray[np.bool_]:
    """Whether one output is largest on the left and another one on the right."""
    found: NDArray[np.bool_] = (left != right) & (right != 0) & ~several(left) & ~several(right)
    return found


def pairs(left: Masks, right: Masks, tied: Masks) -> Ints:
    """Two different outputs that are tied: the lowest that is largest on the left, and on the right, if that can be.

    A side that is empty lies outside the domain.
    """
    right = np.where(right == 0, left, right)
    first = np.where(left == right, tied, np.where(left & ~right, left & ~right, left))
    second = np.where(left == right, without_lowest(tied), right & ~(first & -first))
    second = np.where(second == 0, tied & ~(first & -first), second)
    return np.stack([lowest(first), lowest(second)], axis=1)


def replaced(masks: Masks, keys: Ints, table: Mapping[int, int]) -> Masks:
    """The masks, but what a table says for those whose keys it has."""
    if not table:
        return masks
    known, values = np.array(sorted(table.items()), np.int64).T
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, values[at], masks)
