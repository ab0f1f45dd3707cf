"""Exact numbers at the door: what a caller may pass as a rational, and the one way to write it down."""

from __future__ import annotations

import re
from fractions import Fraction

from gmpy2 import gcd, mpq, mpz

from splinecam_exact.kernel.errors import InputError

Point = tuple[mpz, mpz, mpz]
"""Homogeneous integer coordinates (X, Y, W) of the point (X/W, Y/W), with W > 0."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_RATIONAL = re.compile(r"(0|-?[1-9][0-9]*)(?:/([1-9][0-9]*))?", re.ASCII)


def parse_integer(text: str) -> mpz:
    """The integer that a canonical decimal string denotes.

    >>> parse_integer("-12")
    mpz(-12)
    """
    if not isinstance(text, str) or _INTEGER.fullmatch(text) is None:
        raise InputError(f"{_shown(text)} is not a canonical integer: write digits only, as in '-12'")
    return mpz(text)


def parse_rational(text: str) -> mpq:
    """The rational that a canonical string ("p" or "p/q", in lowest terms, q > 1) denotes.

    >>> parse_rational("-1/3")
    mpq(-1,3)
    """
    match = _RATIONAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InputError(f"{_shown(text)} is not a canonical rational: write 'p' or 'p/q'")
    numerator, denominator = mpz(match[1]), mpz(match[2] or 1)
    if match[2] is not None and (denominator == 1 or gcd(numerator, denominator) != 1):
        raise InputError(f"{_shown(text)} is not in lowest terms: write {format_rational(mpq(numerator, denominator))}")
    return mpq(numerator, denominator)


def format_rational(value: mpq) -> str:
    """The canonical string of a rational; `parse_rational` inverts it.

    >>> format_rational(mpq(6, -4))
    '-3/2'
    """
    return str(value)


def rational(value: object) -> mpq:
    """The exact rational that a number denotes: a float is the dyadic rational it stores.

    Accepts int, Fraction, mpz, mpq, float and canonical strings; refuses everything else, NaN and infinities
    included.

    >>> rational(0.1)
    mpq(3602879701896397,36028797018963968)
    """
    if isinstance(value, str):
        return parse_rational(value)
    if isinstance(value, float):
        try:
            return mpq(*value.as_integer_ratio())
        except (ValueError, OverflowError):
            raise InputError(f"{value} is not a finite number") from None
    if isinstance(value, int | mpz | mpq) and not isinstance(value, bool):
        return mpq(value)
    if isinstance(value, Fraction):
        return mpq(int(value.numerator), int(value.denominator))
    raise InputError(f"{_shown(value)} of type {type(value).__name__} is not an int, a float or a rational")


def homogeneous(x: mpq, y: mpq) -> Point:
    """The primitive integer triple of a rational point.

    >>> homogeneous(mpq(1, 2), mpq(1, 3))
    (mpz(3), mpz(2), mpz(6))
    """
    w = x.denominator * y.denominator // gcd(x.denominator, y.denominator)
    return x.numerator * (w // x.denominator), y.numerator * (w // y.denominator), w


def primitive(point: Point) -> Point:
    """The same point with gcd(X, Y, W) = 1: the one triple that two equal points share."""
    x, y, w = point
    common = gcd(gcd(x, y), w)
    return (x, y, w) if common == 1 else (x // common, y // common, w // common)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
