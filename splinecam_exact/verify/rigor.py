"""Constants and norms of the error bounds: what float64 can lose (proofs/fast.md, section 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

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


OVERSHOOT = 0.95
"""A trigonometric polynomial is looked at so closely that this share of its largest value is seen."""
COSTLY = 1 << 38
"""So many multiplications, about, are the most that are spent on the norm of one convolution."""


def transform_norm(kernel: Tensor, window: Sequence[int], known: float) -> float:
    """An upper bound of the spectral norm of a convolution: of its Fourier transform at the worst frequency.

    `kernel` is (outputs, inputs * product of the window). A convolution of a finite image, with any stride, dilation
    and padding with zeros, is part of one of an infinite image, whose norm is the largest one of the matrices
    sum of W_t exp(i t f) over the frequencies f. Along each axis that is a trigonometric polynomial of degree
    n = (window - 1) / 2, apart from a factor of size 1, which at one of N equally spaced points attains cos(n pi / N)
    of its largest value (M. Riesz). `known` is returned where the work is too much.
    """
    outputs, places = kernel.shape[0], math.prod(window)
    inputs = kernel.shape[1] // places
    counts = [1 if k == 1 else math.ceil((k - 1) * math.pi / (2 * math.acos(OVERSHOOT))) for k in window]
    work = math.prod(counts) * 3 * min(outputs, inputs) ** 2 * max(outputs, inputs)
    if not 2.0**-400 < known < 2.0**400 or work > COSTLY:
        return known
    taps = (kernel / known).reshape(outputs, inputs, places)
    if outputs > inputs:
        taps = taps.transpose(0, 1)
    grid = torch.cartesian_prod(*(torch.arange(k) for k in window)).reshape(places, -1).double()
    square = 2.0**-20  # a bound of the largest eigenvalue of W W^H for the frequencies so far
    for steps in product(*map(range, counts)):
        if tuple(-s % c for s, c in zip(steps, counts, strict=True)) < steps:
            continue  # the conjugate of one that comes elsewhere
        turns = torch.tensor([2 * math.pi * s / c for s, c in zip(steps, counts, strict=True)], dtype=torch.float64)
        angles = (grid @ turns).to(kernel.device)
        matrix = torch.complex(taps @ torch.cos(angles), taps @ torch.sin(angles))
        gram = matrix @ matrix.conj().T
        while not _below(gram, square):
            square = max(square * 1.02, _power(gram) * 1.005)
            if not square < 4:
                return known
    size = len(taps)
    frobenius = float(norms(taps.reshape(1, -1))) ** 2 * places  # of any of the matrices, squared
    lost = gamma(64 * (places + inputs + outputs)) * frobenius + gamma(16 * (size + 4)) * (size * square + frobenius)
    share = math.prod(math.cos((k - 1) * math.pi / (2 * c)) for k, c in zip(window, counts, strict=True))
    return min(known, known * math.sqrt(square + lost) / share * SAFE)


def _below(gram: Tensor, bound: float) -> bool:
    """Whether a Hermitian matrix has no larger eigenvalue, but for rounding: bound - gram has a Cholesky factor.

    That is of a matrix whose distance to the difference is below gamma(n + 1) times the trace (Higham, 2002, theorem
    10.3), with complex numbers a few times that.
    """
    shifted = -gram
    shifted.diagonal().add_(bound)
    return int(torch.linalg.cholesky_ex(shifted).info) == 0


def _power(gram: Tensor) -> float:
    """About the largest eigenvalue."""
    v = torch.ones_like(gram[0])
    for _ in range(30):
        v = gram @ (v / torch.linalg.vector_norm(v))
    return float(torch.linalg.vector_norm(v))
