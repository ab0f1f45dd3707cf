"""Integers of any size as balanced digits to a base 2^bits, held in float64 arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gmpy2 import mpz, pack, unpack
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def to_digits(values: Sequence[mpz], bits: int) -> Floats:
    """The digits of some integers, shape (digits, len(values)), the lowest first.

    No digit exceeds 2^(bits - 1) in absolute value; `bits` is at least 2.

    >>> to_digits([mpz(-3), mpz(100)], 4).tolist()
    [[-3.0, 4.0], [0.0, 6.0]]
    """
    size = max((v.bit_length() for v in values), default=0)
    count = (size + 1) // bits + 1
    half = 1 << (bits - 1)
    offset = sum(mpz(half) << bits * p for p in range(count))
    fields = unpack(pack([v + offset for v in values], count * bits), bits)  # from 0 to 2 * half - 1
    flat = np.fromiter(map(int, fields), np.float64)[: count * len(values)]
    digits = (flat - half).reshape(len(values), count).T
    while count > 1 and not digits[count - 1].any():
        count -= 1
    return np.ascontiguousarray(digits[:count])


def from_digits(digits: Floats, bits: int) -> list[mpz]:
    """The integers whose digits, the lowest first, are the rows of an array of shape (n, digits).

    >>> from_digits(np.array([[-3.0, 0.0], [4.0, 6.0]]), 4)
    [mpz(-3), mpz(100)]
    """
    numbers, count = digits.shape
    fields = np.empty((numbers, count + 1), np.int64)
    fields[:, :count] = digits
    fields[:, count] = 1
    for p in range(count):  # the last field becomes 0 for a negative number and 1 for any other
        carry = fields[:, p] >> bits
        fields[:, p] -= carry << bits
        fields[:, p + 1] += carry
    shift = mpz(1) << bits * count
    found = unpack(pack(fields.ravel().tolist(), bits), bits * (count + 1))
    return [v - shift for v in found[:numbers]]


def split(totals: Floats, digits: Floats, bits: int) -> Floats:
    """Write integers below 2^53 as digit + 2^bits * carry: the digits go to an array, the carries are returned.

    >>> digits = np.empty(3)
    >>> split(np.array([-100.0, 7.0, 100.0]), digits, 4).tolist(), digits.tolist()
    ([-6.0, 0.0, 6.0], [-4.0, 7.0, 4.0])
    """
    carries = totals * 2.0**-bits
    np.rint(carries, out=carries)
    np.multiply(carries, -(2.0**bits), out=digits)
    digits += totals
    return carries
