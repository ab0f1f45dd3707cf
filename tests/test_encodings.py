"""Periodic encodings: trapezoids near sine and cosine, exactly periodic, of 5 linear pieces a period."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.nodes import Piecewise

NET = sx.from_layers([sx.periodic_encoding(1, 3, -1, 2)])
dyadics = st.integers(-(2**20), 2**21).map(lambda n: Fraction(n, 2**20))


def waves(x: Fraction) -> list[Fraction]:
    """sine 0, cosine 0, sine 1, ... of x."""
    return [Fraction(int(y.numerator), int(y.denominator)) for y in NET.evaluate([x])]


def pieces(units: Piecewise, unit: int, start: Fraction, stop: Fraction) -> int:
    """The number of linear pieces of a unit between two points: one more than its breakpoints there."""
    den, knots = units.breakpoints.numerators()
    _, slopes = units.slopes.numerators()
    m = units.breakpoints.shape[1]
    row = [Fraction(int(b), int(den)) for b in knots[unit * m : (unit + 1) * m]]
    steps = slopes[unit * (m + 1) : (unit + 1) * (m + 1)]
    assert all(p != q for p, q in pairwise(steps))
    return 1 + sum(start < b < stop for b in row)


@pytest.mark.parametrize("unit", range(6))
def test_each_period_has_five_linear_pieces(unit: int) -> None:
    _, _, units = sx.periodic_encoding(1, 3, -1, 2)
    assert [pieces(units, unit, Fraction(2 * p), Fraction(2 * p + 2)) for p in range(-2, 4)] == [5] * 6


@pytest.mark.parametrize(
    ("sixteenth", "sine", "cosine"),
    [
        *((0, "0", "63/64"), (1, "21/64", "63/64"), (3, "63/64", "21/64"), (4, "63/64", "0"), (5, "63/64", "-21/64")),
        *((7, "21/64", "-63/64"), (8, "0", "-63/64"), (9, "-21/64", "-63/64"), (11, "-63/64", "-21/64")),
        *((12, "-63/64", "0"), (13, "-63/64", "21/64"), (15, "-21/64", "63/64"), (16, "0", "63/64")),
    ],
)
def test_values_at_the_knots(sixteenth: int, sine: str, cosine: str) -> None:
    for k in range(3):
        found = waves(Fraction(sixteenth, 8 * 2**k))[2 * k : 2 * k + 2]
        assert found == [Fraction(sine), Fraction(cosine)]


@given(dyadics, st.integers(0, 2))
def test_waves_are_periodic_and_odd_or_even(x: Fraction, k: int) -> None:
    period = Fraction(2, 2**k)
    for other in (x - period, x + period):
        if -1 <= other <= 2:
            assert waves(other)[2 * k :] == waves(x)[2 * k :]
    if abs(x) <= 1:
        assert waves(-x) == [-y if j % 2 == 0 else y for j, y in enumerate(waves(x))]
    if -1 <= x + period / 4 <= 2:
        assert waves(x + period / 4)[2 * k] == waves(x)[2 * k + 1]


@given(dyadics)
def test_waves_are_near_sine_and_cosine(x: Fraction) -> None:
    for k in range(3):
        angle = math.pi * 2**k * float(x)
        for y, smooth in zip(waves(x)[2 * k :], (math.sin(angle), math.cos(angle)), strict=False):
            assert abs(float(y) - smooth) < 0.064


@given(st.lists(dyadics, min_size=3, max_size=3))
def test_coordinates_are_encoded_one_after_another(point: list[Fraction]) -> None:
    net = sx.from_layers([sx.periodic_encoding(3, 3, -1, 2)])
    assert net.evaluate(point) == [y for x in point for y in NET.evaluate([x])]


def test_beyond_whole_periods_the_last_piece_goes_on() -> None:
    net = sx.from_layers([sx.periodic_encoding(1, 1, 0, 1)])
    assert net.evaluate([3]) == [mpq("21/8"), mpq("63/64")]
    assert net.evaluate([-1])[0] == mpq("-21/8")


def test_the_range_holds_the_waves() -> None:
    for low, high in ((-3, -2), ("-1/3", "1/7"), (0.1, 100)):
        _, _, units = sx.periodic_encoding(1, 2, low, high)
        den, knots = units.breakpoints.numerators()
        left, right = (2 * Fraction(end) for end in (low, high))
        assert min(knots) < den * (left // 2 * 2 + 1)
        assert max(knots) > den * (-(-right // 2) * 2 - 1)


def test_every_parameter_is_a_float32() -> None:
    *arrays, units = sx.periodic_encoding(2, 3, 2**17 - 1, 2**17)
    for array in (*arrays, units.breakpoints, units.slopes, units.anchor):
        assert array.floats is not None
        assert np.array_equal(array.floats, array.floats.astype(np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "inputs must be a positive int, not 0"),
        ((1, True), "frequencies must be a positive int, not True"),
        ((1, 1, 1, 1), "the range from 1 to 1 is empty"),
        ((1, 1, float("nan"), 1), "nan is not a finite number"),
        ((1, 40), "40 frequencies of 1 inputs from -1 to 1 are too much"),
        ((10**9, 1), "1 frequencies of 1000000000 inputs"),
        ((10**4, 1), "10000 inputs are too many"),
        ((1, 1, 2**30, 2**30 + 1), "some that float32 cannot hold"),
        ((1, 10**9), "are too much"),
        ((1, 1, -(10**300), 10**300), "are too much"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(sx.InputError, match=message):
        sx.periodic_encoding(*arguments)  # type: ignore[arg-type]


def test_modes_agree_on_an_encoded_network() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    net = sx.from_layers([sx.periodic_encoding(2, 2), (rng.normal(size=(6, 8)), rng.normal(size=6)), ([[1] * 6], [0])])
    parts = {mode: sx.partition(net, sx.square(1), mode) for mode in ("float64", "certified", "rational")}
    assert parts["float64"].counts() == parts["certified"].counts() == parts["rational"].counts()
    assert sx.certificate_of(parts["certified"]) == sx.certificate_of(parts["rational"])
