"""Constants and norms of the error bounds: what float64 can lose (proofs/fast.md, section 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

UNIT = 2.0**-53
"""The unit roundoff of float64."""
TINY = 2.0**-800
"""More than all that underflow can lose in one operation of this module, whether it is gradual or to zero."""
LARGE = 2.0**600
"""Where values or slopes may be larger, nothing is claimed: their error bound is infinite."""
RADII = (2.0**-100, 2.0**100)
"""Nor is it where the domain's radius is not between these."""
SAFE = 1 + 2.0**-20
"""Covers the rounding of the bounds themselves."""
CHUNK = {"cpu": 1 << 18}
"""How many values are worked on at a time: on a CPU, so many as stay in its cache."""
LERP = 8
"""A linear interpolation is off by at most so many unit roundoffs of the larger end."""


def larger(a: float, b: float) -> float:
    """The larger of two bounds, infinite where one is not known."""
    return max(a, b) if a == a and b == b else float("inf")


def chunk(values: Tensor, width: int) -> int:
    """How many rows of such a width to work on at a time, where `values` are."""
    return max(1, CHUNK.get(values.device.type, 1 << 24) // width)


def gamma(n: int) -> float:
    """n unit roundoffs, compounded: the relative error of a sum of n products (Higham, 2002, section 3.1)."""
    return n * UNIT / (1 - n * UNIT)


def norms(values: Tensor) -> Tensor:
    """Upper bounds of the 2-norms of a matrix's rows; squares that overflow or underflow do no harm."""
    largest = values.abs().amax(1)
    scaled = values / torch.where(largest > 0, largest, 1.0).unsqueeze(1)
    return torch.linalg.vector_norm(scaled, dim=1) * largest * SAFE + TINY


def spectral_norm(matrix: Tensor) -> float:
    """An upper bound of a matrix's largest singular value, within a few percent."""
    frobenius = float(norms(matrix.reshape(1, -1)))
    if not 2 * TINY < frobenius < LARGE:
        return frobenius
    scaled = matrix / frobenius
    gram = scaled @ scaled.T if scaled.shape[0] < scaled.shape[1] else scaled.T @ scaled
    lengths, slack = [], gamma(max(matrix.shape) + 4)
    for _ in range(6):
        gram = (gram + gram.T) / 2  # symmetric, whatever the product's rounding: so its square has the squared norm
        lengths.append(float(torch.linalg.vector_norm(gram)) * SAFE)
        gram = gram / lengths[-1]
        gram = gram @ gram
    bound: float = float(torch.linalg.vector_norm(gram)) * SAFE + slack
    for length in reversed(lengths):
        bound = length * math.sqrt(bound) * SAFE + slack
    return min(frobenius, frobenius * math.sqrt(bound) * SAFE)
