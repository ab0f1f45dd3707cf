"""Exact arrays: what may go in, and that only the values matter."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from gmpy2 import mpq, mpz
from hypothesis import given
from hypothesis import strategies as st

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.kernel.errors import InputError, NetworkError

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
RATIONALS = st.fractions() | FLOATS.map(Fraction)


def entries(array: ExactArray) -> list[mpq]:
    den, numerators = array.numerators()
    return [mpq(n, den) for n in numerators]


@given(st.lists(RATIONALS | FLOATS | st.integers(), min_size=1))
def test_entries_are_the_values_that_went_in(values: list[Fraction | float | int]) -> None:
    assert entries(ExactArray.of(values)) == [mpq(Fraction(value)) for value in values]


@given(st.lists(FLOATS, min_size=1))
def test_type_of_the_numbers_does_not_matter(values: list[float]) -> None:
    array = ExactArray.of(values)
    for same in (
        np.array(values),
        [Fraction(v) for v in values],
        [exact(v) for v in values],
        tuple(map(np.float64, values)),
    ):
        assert ExactArray.of(same).digest == array.digest
        assert ExactArray.of(same) == array


@given(st.lists(RATIONALS, min_size=1), st.integers(0, 10), RATIONALS)
def test_digests_differ_where_values_differ(values: list[Fraction], k: int, other: Fraction) -> None:
    changed = list(values)
    changed[k % len(values)] = other
    assert (ExactArray.of(changed) == ExactArray.of(values)) == (changed == values)


@given(st.lists(RATIONALS, min_size=1))
def test_denominator_is_the_least(values: list[Fraction]) -> None:
    den, numerators = ExactArray.of(values).numerators()
    assert den == math.lcm(*(v.denominator for v in values))
    assert math.gcd(int(den), *map(int, numerators)) == 1


@given(st.lists(RATIONALS, min_size=1), st.integers(1, 100))
def test_numerators_need_not_be_in_lowest_terms(values: list[Fraction], factor: int) -> None:
    array = ExactArray.of(values)
    den, numerators = array.numerators()
    assert ExactArray.from_numerators(den * factor, [n * factor for n in numerators], array.shape) == array


@given(st.lists(RATIONALS, min_size=1))
def test_stored_as_floats_exactly_where_all_are_floats(values: list[Fraction]) -> None:
    def is_float(value: Fraction) -> bool:
        try:
            return Fraction(float(value)) == value
        except OverflowError:
            return False

    floats = ExactArray.of(values).floats
    assert (floats is not None) == all(map(is_float, values))
    if floats is not None:
        assert [Fraction(x) for x in floats.tolist()] == values


@pytest.mark.parametrize(
    ("value", "is_float"),
    [
        (Fraction(1, 2**1074), True),
        (Fraction(1, 2**1075), False),
        (Fraction(2**53 + 1), False),
        (Fraction(2**54 + 2), False),
        (Fraction(2**1024 - 2**971), True),
        (Fraction(2**1024), False),
        (Fraction(2**1023 * 3, 2), True),
        (Fraction(3, 2**1074), True),
    ],
)
def test_limits_of_float64(value: Fraction, is_float: bool) -> None:
    array = ExactArray.of([value])
    assert (array.floats is not None) == is_float
    assert entries(array) == [mpq(value)]


@pytest.mark.parametrize(
    "kind", [np.float16, np.float32, np.float64, np.longdouble, ">f8", np.int8, np.uint64, np.int64]
)
def test_numpy_types_are_exact(kind: type) -> None:
    values = np.array([1, 0, 3], dtype=kind) / np.array(1, dtype=kind)
    values = values.astype(kind)
    assert entries(ExactArray.of(values)) == [1, 0, 3]
    assert entries(ExactArray.of(list(values))) == [1, 0, 3]
    assert exact(values[2]) == 3


def test_float32_denotes_what_it_stores() -> None:
    assert entries(ExactArray.of(np.array([0.1], dtype=np.float32))) == [mpq(13421773, 2**27)]
    assert exact(np.float32(0.1)) == mpq(13421773, 2**27)
    assert exact(np.longdouble(1) / 3) != mpq(1, 3)
    assert entries(ExactArray.of(np.array([2**63 + 1], dtype=np.uint64))) == [2**63 + 1]


def test_minus_zero_is_zero() -> None:
    assert ExactArray.of([-0.0]) == ExactArray.of(np.array([-0.0])) == ExactArray.of([0])


def test_later_changes_of_the_input_do_not_show() -> None:
    values = np.ones((2, 2))
    array = ExactArray.of(values)
    values[0, 0] = 7
    assert entries(array) == [1, 1, 1, 1]
    assert array.floats is not None
    assert not array.floats.flags.writeable


def test_row_major_whatever_the_memory_order() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert ExactArray.of(np.asfortranarray(values)) == ExactArray.of(values)
    assert ExactArray.of(values.T) == ExactArray.of([[0, 3], [1, 4], [2, 5]])


def test_shape_is_part_of_the_value() -> None:
    assert ExactArray.of([[1, 2]]) != ExactArray.of([1, 2])
    assert ExactArray.of([[1, 2]]) != ExactArray.of([[1], [2]])
    assert ExactArray.of([["1/3", 2]]) != ExactArray.of([["1/3"], [2]])
    assert ExactArray.of([np.array([1.0, 2.0]), [3, 4]]).shape == (2, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, math.nan], r"W\[1\]: nan is not a finite number"),
        (np.array([[1.0, 2.0], [math.inf, 0.0]]), r"W\[1\]\[0\]: inf is not a finite number"),
        ([Fraction(1, 3), math.inf], r"W\[1\]: inf is not a finite number"),
        ([[1, True]], r"W\[0\]\[1\]: True"),
        (np.array([True]), r"W\[0\]: True"),
        ([1j], r"W\[0\]"),
        (np.array([1j]), r"W\[0\]"),
        (["0.1"], r"W\[0\]: '0.1' is not a canonical rational"),
        ([None], r"W\[0\]: None"),
        ([[1, 2], [3]], r"W\[1\]: not as long"),
        ([[1, 2], 3], r"W\[1\]: not as long"),
        ([1, [2]], r"W\[0\]: not as long"),
        ([], "W: has shape"),
        ([[]], "W: has shape"),
        (np.zeros((0, 2)), "W: has shape"),
        (np.zeros((1, 1, 1)), "W: has shape"),
        ([[[1]]], "W: has shape"),
        (1.0, "W: has shape"),
        (np.float64(1.0), "W: has shape"),
        ("1", "W: has shape"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "W: is a MaskedArray"),
    ],
)
def test_what_is_no_exact_array_is_refused(values: object, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        ExactArray.of(values, "W")


@pytest.mark.parametrize(
    "value", [math.nan, np.float32(math.inf), np.longdouble(math.nan), np.bool_(True), 1j, None, b"1"]
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        exact(value)


def test_repr_is_short() -> None:
    assert repr(ExactArray.of(np.zeros((300, 2)))) == "<ExactArray 300 x 2, float64>"
    assert repr(ExactArray.of([mpq(1, 3), mpz(2)])) == "<ExactArray 2, rational>"
