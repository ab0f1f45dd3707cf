"""BatchNorm in evaluation mode, folded to a scale and a shift that are rounded once, the same on every machine.

For exact inputs (each stored float is the dyadic rational it stores)

    scale = rn(gamma / sqrt(var + eps))        shift = rn(beta - mean * gamma / sqrt(var + eps))

where rn is the nearest float64, ties to even, of the exact real number. No intermediate result is rounded.
"""

from __future__ import annotations

from gmpy2 import isqrt, mpq

from splinecam_exact.kernel.errors import NetworkError

CONVENTION = "batchnorm: eval-mode scale and shift, each rounded once to nearest float64 (batchnorm-rn64-v1)"


def fold(gamma: mpq, beta: mpq, mean: mpq, var: mpq, eps: mpq) -> tuple[float, float]:
    """The scale and the shift of one channel. Raises NetworkError where var + eps <= 0 or a result overflows.

    >>> fold(mpq(1), mpq(1), mpq(2), mpq(3), mpq(1))
    (0.5, 0.0)
    """
    total = var + eps
    if total <= 0:
        raise NetworkError(f"var + eps is {float(total)}, not positive")
    return _nearest(mpq(0), gamma, total), _nearest(beta, -mean * gamma, total)


def _nearest(p: mpq, q: mpq, v: mpq) -> float:
    """The float64 nearest to p + q / sqrt(v), ties to even."""
    n, d = v.numerator, v.denominator
    if q == 0:
        return _rounded(p)
    if n.is_square() and d.is_square():
        return _rounded(p + q * mpq(isqrt(d), isqrt(n)))
    # 1 / sqrt(v) = sqrt(n * d) / n is irrational, and so is the sum: it is no float64 and no tie, so both ends of a
    # small enough interval around it round alike.
    bits = 128
    while True:
        root = isqrt((n * d) << (2 * bits))
        low, high = (_rounded(p + q * mpq(r, n << bits)) for r in (root, root + 1))
        if low == high:
            return low
        bits *= 2


def _rounded(x: mpq) -> float:
    """The nearest float64, ties to even: Python's division of integers is correctly rounded, on every machine."""
    try:
        return int(x.numerator) / int(x.denominator) + 0.0
    except OverflowError:
        raise NetworkError("the folded scale or shift is beyond the range of float64") from None
