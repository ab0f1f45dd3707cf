"""Numbers as people and files write them, read exactly."""

from __future__ import annotations

import re
from numbers import Integral
from operator import index

from gmpy2 import mpq, mpz

from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import parse_rational

_DECIMAL = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]{1,9}))?", re.ASCII)
_HEX_FLOAT = re.compile(r"(-?)0x([01])(?:\.([0-9a-f]{1,13}))?p([+-]?[0-9]{1,4})", re.ASCII)
_MAX_LENGTH = 1000  # characters of one number
_MAX_EXPONENT = 400  # a float64's decimal exponents lie within -324 and 308


def parse_decimal(text: str) -> tuple[mpz, int]:
    """(m, e) with m * 10**e the value of a decimal number such as "-6.5e-04", ".5" or "3.".

    Raises InputError for anything else, and for exponents beyond +-400: they would make integers of any size.

    >>> parse_decimal("-0.25e3")
    (mpz(-25), 1)
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise InputError(f"{_shown(text)} is not a decimal number")
    sign, whole, fraction, bare, exponent = match.groups(default="")
    fraction = fraction or bare
    power = int(exponent or 0)
    if abs(power) > _MAX_EXPONENT:
        raise InputError(f"{_shown(text)} has an exponent beyond +-{_MAX_EXPONENT}")
    return mpz(sign + whole + fraction), power - len(fraction)


def decimal_value(mantissa: mpz, exponent: int) -> mpq:
    """m * 10**e as a rational."""
    power = mpz(10) ** abs(exponent)
    return mpq(mantissa * power) if exponent >= 0 else mpq(mantissa, power)


def parse_number(text: str) -> mpq:
    """The exact value of "3", "-1/3" (lowest terms), a decimal "0.1" (one tenth) or a hex float "0x1.8p-1".

    >>> parse_number("0.1"), parse_number("-1/3"), parse_number("0x1.8p-1")
    (mpq(1,10), mpq(-1,3), mpq(3,4))
    """
    if "/" in text and len(text) <= _MAX_LENGTH:
        return parse_rational(text)
    if hex_float := _HEX_FLOAT.fullmatch(text):
        sign, whole, fraction, exponent = hex_float.groups(default="")
        power = int(exponent) - 4 * len(fraction)
        mantissa = mpz(sign + whole + fraction, 16)
        return mpq(mantissa << max(power, 0), mpz(1) << max(-power, 0))
    return decimal_value(*parse_decimal(text))


def whole(value: object) -> int | None:
    """The int that a value is, of whatever type (NumPy's, say); None for all else, and for truth values.

    >>> whole(3), whole(3.0), whole(True)
    (3, None, None)
    """
    return index(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def brief(value: object, length: int = 60) -> str:
    """A value for a message, of no great length, whatever it is: also an integer of any number of digits.

    >>> brief(10**5000, 20), brief([10**5000])
    ('10000000000000000...', 'a list')
    """
    try:
        text = str(mpz(value)) if type(value) is int else repr(value)
    except Exception:  # Python refuses to write integers of more than 4300 digits, and a caller's class may do anything
        return f"a {type(value).__name__}"
    return text if len(text) <= length else text[: length - 3] + "..."
