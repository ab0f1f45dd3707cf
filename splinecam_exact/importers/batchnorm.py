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


def errors(gamma: mpq, beta: mpq, mean: mpq, var: mpq, eps: mpq, scale: float, shift: float) -> tuple[mpq, mpq]:
    """Upper bounds, within a factor of 1 + 2**-60 or so, of the rounding errors of a folded scale and shift.

    >>> errors(mpq(1), mpq(1), mpq(2), mpq(3), mpq(1), 0.5, 0.0)
    (mpq(0,1), mpq(0,1))
    """
    total = var + eps
    return _distance(mpq(0), gamma, total, scale), _distance(beta, -mean * gamma, total, shift)


def bound_text(scale: mpq, shift: mpq) -> str:
    """The convention that states such bounds for a whole network.

    >>> bound_text(mpq(1, 3), mpq(0))
    'batchnorm bound: in each channel |folded - unrounded| <= 3.34e-1 |x| + 0'
    """
    return f"batchnorm bound: in each channel |folded - unrounded| <= {_upward(scale)} |x| + {_upward(shift)}"


def _upward(x: mpq) -> str:
    """Three decimal digits that are no less than x >= 0."""
    if x == 0:
        return "0"
    exponent = 2
    while x >= 1000:
        x, exponent = x / 10, exponent + 1
    while x < 100:
        x, exponent = x * 10, exponent - 1
    digits = int(-(-x.numerator // x.denominator))
    if digits == 1000:
        digits, exponent = 100, exponent + 1
    return f"{digits // 100}.{digits % 100:02}e{exponent}"


def _distance(p: mpq, q: mpq, v: mpq, rounded: float) -> mpq:
    low, high = _enclosed(p, q, v, 256)
    found = mpq(*rounded.as_integer_ratio())
    return max(abs(found - low), abs(found - high))


def _enclosed(p: mpq, q: mpq, v: mpq, bits: int) -> tuple[mpq, mpq]:
    """Both ends of an interval around p + q / sqrt(v); they are equal where that is rational."""
    n, d = v.numerator, v.denominator
    if q == 0:
        return p, p
    if n.is_square() and d.is_square():
        found = p + q * mpq(isqrt(d), isqrt(n))
        return found, found
    root = isqrt((n * d) << (2 * bits))
    return p + q * mpq(root, n << bits), p + q * mpq(root + 1, n << bits)


def _nearest(p: mpq, q: mpq, v: mpq) -> float:
    """The float64 nearest to p + q / sqrt(v), ties to even."""
    # 1 / sqrt(v) is rational, or irrational like the sum: then it is no float64 and no tie, so that both ends of a
    # small enough interval around it round alike.
    bits = 128
    while True:
        low, high = map(_rounded, _enclosed(p, q, v, bits))
        if low == high:
            return low
        bits *= 2


def _rounded(x: mpq) -> float:
    """The nearest float64, ties to even: Python's division of integers is correctly rounded, on every machine."""
    try:
        return int(x.numerator) / int(x.denominator) + 0.0
    except OverflowError:
        raise NetworkError("the folded scale or shift is beyond the range of float64") from None
