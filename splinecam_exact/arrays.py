"""Exact arrays: what a network's parameters are stored in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from gmpy2 import gcd, lcm, mpq, mpz

from splinecam_exact.frozen import Frozen
from splinecam_exact.kernel.errors import InputError, NetworkError
from splinecam_exact.kernel.rational import rational

Floats = np.ndarray[Any, np.dtype[np.float64]]

_MANTISSA = 53  # bits of a float64's integer mantissa
_LEAST = -1074  # exponent of the smallest float64 above 0
_GREATEST = 1024  # every float64 is below 2**1024


def exact(value: object) -> mpq:
    """The exact rational that a number denotes, numpy's scalars included; see `kernel.rational.rational`.

    >>> import numpy as np
    >>> exact(np.float32(0.5)), exact(np.int64(-3)), exact("1/3")
    (mpq(1,2), mpq(-3,1), mpq(1,3))
    """
    if isinstance(value, np.integer):
        return mpq(int(value))
    if isinstance(value, np.floating):
        try:
            return mpq(*map(int, value.as_integer_ratio()))
        except (ValueError, OverflowError):
            raise InputError(f"{value} is not a finite number") from None
    return rational(value)


class ExactArray(Frozen):
    """An immutable array of rationals, of one or two dimensions and not empty.

    It is stored as float64 when every entry is exactly a float64 (then -0.0 becomes 0.0), and otherwise as integer
    numerators over the least common denominator. So the storage, the digest and equality depend on the values
    alone, never on the types they came in. Build one with `ExactArray.of` or `ExactArray.from_numerators`.

    >>> from fractions import Fraction
    >>> ExactArray.of([0.5, 2]) == ExactArray.of([Fraction(1, 2), 2.0])
    True
    >>> ExactArray.of([[0.5, Fraction(1, 3)]]).numerators()
    (mpz(6), [mpz(3), mpz(2)])
    """

    __slots__ = ("_denominator", "_floats", "_numerators", "shape")

    shape: tuple[int, ...]

    def __init__(self, shape: tuple[int, ...], floats: Floats | None, den: mpz, numerators: tuple[mpz, ...]) -> None:
        self.shape = shape
        self._floats = floats
        self._denominator = den
        self._numerators = numerators

    @classmethod
    def of(cls, values: object, name: str = "array") -> ExactArray:
        """The exact array of some numbers.

        `values` is a numpy array of any real dtype, or nested sequences (one or two deep) of int, float,
        Fraction, mpq, canonical strings or numpy scalars. Each float denotes the dyadic rational it stores.
        Raises NetworkError, with `name` and the entry's indices, for NaN, infinities, bools, complex numbers, ragged
        or empty input. A million floats take about 0.03 s as a numpy array, 0.3 s as lists.
        """
        if isinstance(values, ExactArray):
            return values
        if isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.dtype.itemsize <= 8:
            _refuse_subclass(values, name)
            return cls._from_floats(values.astype(np.float64), name)
        shape, flat = flatten(values, name)
        types = set(map(type, flat))
        if types == {float}:
            return cls._from_floats(np.array(flat, dtype=np.float64).reshape(shape), name)
        rationals = []
        for k, value in enumerate(flat):
            try:
                rationals.append(exact(value))
            except InputError as error:
                raise NetworkError(f"{name}{indices(k, shape)}: {error}") from None
        den = lcm(mpz(1), *{q.denominator for q in rationals})
        return cls.from_numerators(den, [q.numerator * (den // q.denominator) for q in rationals], shape)

    @classmethod
    def from_numerators(cls, den: mpz, numerators: Sequence[mpz], shape: tuple[int, ...]) -> ExactArray:
        """The array of numerators / den, in row-major order; den > 0, not necessarily least."""
        common = den
        for n in numerators:
            if common == 1:
                break
            common = gcd(common, n)
        if common != 1:
            den, numerators = den // common, [n // common for n in numerators]
        floats = _as_floats(den, numerators)
        if floats is not None:
            return cls._from_floats(floats.reshape(shape), "array")
        return cls(shape, None, den, tuple(numerators))

    @classmethod
    def _from_floats(cls, floats: Floats, name: str) -> ExactArray:
        _check_shape(floats.shape, name)
        finite = np.isfinite(floats)
        if not finite.all():
            k = int(np.argmin(finite.ravel()))
            raise NetworkError(f"{name}{indices(k, floats.shape)}: {floats.flat[k]} is not a finite number")
        own = (np.ascontiguousarray(floats) + 0.0).tobytes()  # bytes stay read-only; -0.0 + 0.0 is 0.0
        return cls(floats.shape, np.frombuffer(own).reshape(floats.shape), mpz(1), ())

    @property
    def floats(self) -> Floats | None:
        """The float64 array (read-only) that holds exactly these values, or None where there is none."""
        return self._floats

    def numerators(self) -> tuple[mpz, list[mpz]]:
        """The least common denominator, and the row-major numerators over it. A million floats take 0.3 s."""
        if self._floats is None:
            return self._denominator, list(self._numerators)
        fractions, exponents = np.frexp(self._floats.ravel())
        mantissas = np.ldexp(fractions, _MANTISSA).astype(np.int64)
        exponents = exponents.astype(np.int64) - _MANTISSA
        zero = mantissas == 0
        lowest_bit = np.where(zero, 1, mantissas & -mantissas)
        trailing = np.frexp(lowest_bit.astype(np.float64))[1] - 1
        mantissas >>= trailing
        exponents = np.where(zero, 0, exponents + trailing)
        shift = max(0, -int(exponents.min()))
        shifts = np.where(zero, 0, exponents + shift)
        return mpz(1) << shift, [mpz(m) << s for m, s in zip(mantissas.tolist(), shifts.tolist(), strict=True)]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the shape and the values: equal values give equal digests, on every machine."""
        if self._floats is not None:
            kind, content = "float64", self._floats.astype("<f8").tobytes()
        else:
            kind, content = "rational", " ".join(map(str, (self._denominator, *self._numerators))).encode()
        return hashlib.sha256(f"{kind} {self.shape}\n".encode() + content).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExactArray) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        kind = "float64" if self._floats is not None else "rational"
        return f"<ExactArray {' x '.join(map(str, self.shape))}, {kind}>"


def _as_floats(den: mpz, numerators: Sequence[mpz]) -> Floats | None:
    """The float64 array of numerators / den where every quotient is exactly one; den is the least denominator."""
    if den & (den - 1):
        return None
    halvings = den.bit_length() - 1
    floats = np.zeros(len(numerators))
    for k, n in enumerate(numerators):
        if n:
            odd = n >> (n.bit_scan1(0) or 0)
            exponent = (n.bit_scan1(0) or 0) - halvings
            bits = odd.bit_length()
            if bits > _MANTISSA or exponent < _LEAST or bits + exponent > _GREATEST:
                return None
            floats[k] = math.ldexp(int(odd), exponent)
    return floats


def flatten(values: object, name: str) -> tuple[tuple[int, ...], list[object]]:
    """The shape and the entries, row by row, of nested sequences and arrays, one or two deep. Raises NetworkError."""
    shape: list[int] = []
    level = [values]
    while any(isinstance(v, list | tuple | np.ndarray) for v in level):
        rows: list[Any] = []
        for k, v in enumerate(level):
            if isinstance(v, np.ndarray):
                _refuse_subclass(v, name)
                v = v.tolist()
            if not isinstance(v, list | tuple) or len(v) != len(rows[0] if rows else v):
                raise NetworkError(f"{name}{indices(k, tuple(shape))}: not as long as the rows before it")
            rows.append(v)
        shape.append(len(rows[0]))
        level = [entry for row in rows for entry in row]
        if len(shape) > 2:
            break
    _check_shape(tuple(shape), name)
    return tuple(shape), level


def _refuse_subclass(values: np.ndarray[Any, Any], name: str) -> None:
    # A masked array's mask would be dropped in silence.
    if type(values) not in (np.ndarray, np.memmap):
        raise NetworkError(f"{name}: is a {type(values).__name__}; pass a plain numpy array")


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) not in (1, 2) or 0 in shape:
        raise NetworkError(f"{name}: has shape {shape}; one or two dimensions and at least one entry are needed")


def indices(k: int, shape: tuple[int, ...]) -> str:
    """The place of entry k, for a message.

    >>> indices(3, (2, 2))
    '[1][1]'
    """
    return "".join(f"[{int(i)}]" for i in np.unravel_index(k, shape)) if shape else ""
