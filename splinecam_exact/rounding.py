"""From exact numbers to the nearest float64: for pictures and for search, never for a decision."""

from __future__ import annotations

from math import inf

from gmpy2 import mpz


def nearest(numerator: mpz, denominator: mpz) -> float:
    """The float64 nearest to a quotient (ties to even), infinite where it is too large; order is kept.

    >>> nearest(mpz(1), mpz(10))
    0.1
    """
    try:
        return int(numerator) / int(denominator)
    except OverflowError:
        return inf if numerator > 0 else -inf
