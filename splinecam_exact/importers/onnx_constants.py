"""Constants of a file or program computed exactly: the arithmetic of shapes, and of numbers over the rationals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gmpy2 import is_square, isqrt, lcm, mpq, mpz

from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers.constants import broadcast, is_real
from splinecam_exact.importers.tensors import Constant, objects
from splinecam_exact.kernel.errors import NetworkError

_MOST = 1 << 20
"""So many entries are computed as rationals at most; each takes about a microsecond and a hundred bytes."""
_LONGEST, _MOST_BITS = 1 << 14, 1 << 28
"""The most bits of a numerator, and of the common denominators of all entries together."""


def fold(op: str, a: Constant, b: Constant) -> Constant:
    """An operation on two constants of one type, entry by entry. Floats are exact rationals, and so is the result.

    >>> fold("Div", np.array([1.0]), np.array([3.0]))
    array([mpq(1,3)], dtype=object)
    >>> fold("Div", np.array([-7]), np.array([2]))
    array([-3])
    """
    if a.dtype.kind != b.dtype.kind and not (is_real(a) and is_real(b)):
        raise NetworkError(f"combines constants of types {a.dtype} and {b.dtype}")
    shape = broadcast([a.shape, b.shape])
    if op in _COMPARED:
        return np.asarray(_COMPARED[op](*_comparable(a, b)), dtype=np.bool_)
    if a.dtype == np.bool_:
        raise NetworkError("computes with bools as with numbers")
    if is_real(a):
        fast = _rounded_never(op, a, b)
        if fast is not None:
            return fast
    _few(shape)
    x, y = (objects(v) if is_real(v) else v.astype(object) for v in (a, b))
    if op in ("Div", "Mod") and any(v == 0 for v in y.reshape(-1)):
        raise NetworkError("divides by zero")
    if op == "Div" and not is_real(a):
        return _ints(np.asarray(np.frompyfunc(_towards_zero, 2, 1)(x, y), dtype=object))
    if op == "Pow":
        if not is_real(a):
            raise NetworkError("raises ints to a power")
        found = np.frompyfunc(_power, 2, 1)(x, y)
    else:
        found = _COMPUTED[op](x, y)
    found = np.asarray(found, dtype=object).reshape(shape)
    return simplest(found) if is_real(a) else _ints(found)


def changed(op: str, a: Constant) -> Constant:
    """An operation on each entry of a constant."""
    if op == "Not":
        if a.dtype != np.bool_:
            raise NetworkError("negates what is no bool")
        return ~a
    if a.dtype == np.bool_:
        raise NetworkError("computes with bools as with numbers")
    if op in ("Neg", "Abs"):
        found = np.asarray(-a if op == "Neg" else abs(a))
        if not is_real(a) and bool((a == np.iinfo(np.int64).min).any()):
            raise NetworkError("computes an int that is no int64")
        return found
    if not is_real(a):
        raise NetworkError(f"reads constants of type {a.dtype}, where floats are needed")
    _few(a.shape)
    found = np.empty(a.size, dtype=object)
    found[:] = [_CHANGED[op](v) for v in objects(a).reshape(-1)]
    return simplest(found.reshape(a.shape))


def rounded(values: Constant) -> Constant:
    """Floats towards zero, as a cast to ints does it; NaN and infinities raise NetworkError."""
    _few(values.shape)
    found = np.empty(values.size, dtype=object)
    found[:] = [_towards_zero(int(v.numerator), int(v.denominator)) for v in objects(values).reshape(-1)]
    return _ints(found.reshape(values.shape))


def simplest(values: Constant) -> Constant:
    """The same numbers as float64 where each is exactly one. Raises NetworkError for fractions that are too long.

    A weight is stored over one denominator, so that of thousands of different fractions is too long.
    """
    if not values.size:
        return np.zeros(values.shape)
    flat = values.reshape(-1)
    den = mpz(1)
    for each in {v.denominator for v in flat}:
        den = lcm(den, each)
        if den.bit_length() * len(flat) > _MOST_BITS:
            break
    if den.bit_length() * len(flat) > _MOST_BITS or max(v.numerator.bit_length() for v in flat) > _LONGEST:
        raise NetworkError(f"computes {len(flat)} constants with too many digits: store the result as an initializer")
    floats = ExactArray.of(list(values.reshape(-1))).floats
    return values if floats is None else floats.reshape(values.shape).copy()


def product(a: Constant, b: Constant) -> Constant:
    """The matrix product of two constants, as numpy's matmul."""
    if not (is_real(a) and is_real(b)):
        raise NetworkError("multiplies matrices that are not of floats")
    _few((*a.shape, *b.shape[-1:]))
    _few((*b.shape, *a.shape[:1]))
    try:
        return simplest(np.asarray(np.matmul(objects(a), objects(b)), dtype=object))
    except ValueError:
        raise NetworkError(f"multiplies matrices of shapes {a.shape} and {b.shape}") from None


def total(op: str, values: Constant, axes: tuple[int, ...], keepdims: bool) -> Constant:
    """The sum, product, mean, maximum or minimum of constants over some dimensions."""
    _few(values.shape)
    exact = objects(values) if is_real(values) else values.astype(object)
    if values.dtype == np.bool_ or not values.size:
        raise NetworkError("reduces constants that are bools or empty")
    functions: dict[str, Any] = {
        "Sum": np.add,
        "Mean": np.add,
        "Prod": np.multiply,
        "Max": np.maximum,
        "Min": np.minimum,
    }
    found = exact
    for d in sorted(axes, reverse=True):
        found = np.asarray(functions[op].reduce(found, axis=d, keepdims=keepdims))
    if op == "Mean":
        if not is_real(values):
            raise NetworkError("takes the mean of ints")
        found = np.asarray(found * mpq(found.size, values.size))
    return simplest(np.asarray(found, dtype=object)) if is_real(values) else _ints(found)


def _rounded_never(op: str, a: Constant, b: Constant) -> Constant | None:
    """What float64 arithmetic gives, where it can be seen that it does not round."""
    if a.dtype == object or b.dtype == object:
        return None
    with np.errstate(all="ignore"):
        if op == "Mul" and (a == a.astype(np.float32)).all() and (b == b.astype(np.float32)).all():
            return np.asarray(a * b)  # two mantissas of 24 bits: 48, and no exponent of theirs is out of range
        if op in ("Add", "Sub"):
            b = b if op == "Add" else -b
            found = np.asarray(a + b)
            moved = found - a
            error = (a - (found - moved)) + (b - moved)  # of a sum, by Knuth, exactly
            return found if np.isfinite(found).all() and (error == 0).all() else None
    return None


def _few(shape: tuple[int, ...]) -> None:
    if int(np.prod(shape, dtype=object)) > _MOST:
        raise NetworkError(
            f"computes {shape} constants as rationals; {_MOST} are the most: simplify the model first, with onnxsim "
            "or onnxruntime's optimizer"
        )


def _ints(values: Constant) -> Constant:
    if any(not -(1 << 63) <= v < 1 << 63 for v in values.reshape(-1)):
        raise NetworkError("computes an int that is no int64")
    return values.astype(np.int64)


def _comparable(a: Constant, b: Constant) -> tuple[Constant, Constant]:
    if a.dtype == b.dtype:
        return a, b
    return objects(a), objects(b)


def _towards_zero(a: int, b: int) -> int:
    found = abs(a) // abs(b)
    return found if (a < 0) == (b < 0) else -found


def _power(a: mpq, b: mpq) -> mpq:
    if b.denominator == 1 and abs(b) * max(a.numerator.bit_length(), a.denominator.bit_length()) <= _LONGEST:
        if b < 0 and a == 0:
            raise NetworkError("divides by zero")
        return a ** int(b.numerator)
    if b == mpq(1, 2):
        return _root(a)
    raise NetworkError(f"raises {float(a)} to the power {float(b)}; small ints and exact square roots are computed")


def _root(a: mpq) -> mpq:
    if a < 0 or not (is_square(a.numerator) and is_square(a.denominator)):
        raise NetworkError(
            f"takes the square root of {float(a)}, which is not rational: store the result as a constant"
        )
    return mpq(isqrt(a.numerator), isqrt(a.denominator))


def _inverse(a: mpq) -> mpq:
    if a == 0:
        raise NetworkError("divides by zero")
    return 1 / a


def _floor(a: mpq) -> mpq:
    return mpq(a.numerator // a.denominator)


_COMPUTED: dict[str, Callable[[Constant, Constant], Constant]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.true_divide,
    "Mod": np.mod,
    "Max": np.maximum,
    "Min": np.minimum,
}
_COMPARED: dict[str, Callable[[Constant, Constant], Constant]] = {
    "Equal": np.equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}
_CHANGED: dict[str, Callable[[mpq], mpq]] = {
    "Floor": _floor,
    "Ceil": lambda a: -_floor(-a),
    "Sqrt": _root,
    "Reciprocal": _inverse,
}
