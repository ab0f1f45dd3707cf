"""BatchNorm folding: each result is the float64 nearest to the exact real number."""

from __future__ import annotations

import math
from fractions import Fraction

import gmpy2
import pytest
from gmpy2 import mpq, mpz
from hypothesis import example, given
from hypothesis import strategies as st

from splinecam_exact.importers.batchnorm import CONVENTION, fold
from splinecam_exact.kernel.errors import NetworkError

FLOATS = (
    st.floats(-1e6, 1e6) | st.floats(-1, 1, width=32) | st.sampled_from([0.0, 1.0, -1.0, 2.0, 5e-324, 1e300, -1e300])
)
VARIANCES = (
    st.floats(0, 1e6) | st.floats(0, 1, width=32) | st.integers(0, 40).map(float) | st.sampled_from([1e-300, 5e-324])
)
EPSILONS = st.sampled_from([1e-5, 1e-3, 0.0, 1.0, 1e-12])


def q(x: float) -> mpq:
    return mpq(*x.as_integer_ratio())


def at_400_bits(gamma: float, beta: float, mean: float, var: float, eps: float) -> tuple[float, float]:
    """Each result from mpfr with 400 bits, rounded to float64 at the end."""
    with gmpy2.context(precision=400, emin=-100_000, emax=100_000):
        ratio = gmpy2.mpfr(q(gamma)) / gmpy2.sqrt(gmpy2.mpfr(q(var) + q(eps)))
        shift = gmpy2.mpfr(q(beta)) - gmpy2.mpfr(q(mean)) * ratio
    with gmpy2.ieee(64):
        return float(gmpy2.mpfr(ratio, 53)), float(gmpy2.mpfr(shift, 53))


@given(FLOATS, FLOATS, FLOATS, VARIANCES, EPSILONS)
@example(1.0, 0.0, 1.0, 2.0, 0.0)
@example(3.0, 1.0, 3.0, 1.0, 0.0)
@example(0.0, 0.5, 7.0, 2.0, 1e-5)
def test_agrees_with_mpfr_at_400_bits(gamma: float, beta: float, mean: float, var: float, eps: float) -> None:
    if var + eps == 0:
        return
    expected = at_400_bits(gamma, beta, mean, var, eps)
    if any(map(math.isinf, expected)):
        with pytest.raises(NetworkError, match="beyond the range of float64"):
            fold(*map(q, (gamma, beta, mean, var, eps)))
    else:
        assert fold(*map(q, (gamma, beta, mean, var, eps))) == expected


@given(FLOATS, st.floats(2**-20, 1e6), EPSILONS)
def test_scale_is_the_nearest_by_squares_alone(gamma: float, var: float, eps: float) -> None:
    """|scale| is nearest to g / sqrt(v) iff the midpoints around it, squared, enclose g^2 / v. No square root."""
    scale, _ = fold(q(gamma), mpq(0), mpq(0), q(var), q(eps))
    assert math.copysign(1, scale) == (math.copysign(1, gamma) if scale else 1)
    size = abs(scale)
    square = Fraction(gamma) ** 2 / (Fraction(var) + Fraction(eps))
    above = (Fraction(size) + Fraction(math.nextafter(size, math.inf))) / 2
    below = (Fraction(size) + Fraction(math.nextafter(size, 0))) / 2
    assert below**2 <= square <= above**2


def test_rational_square_roots_round_once_and_ties_go_to_even() -> None:
    ulp = mpq(1, 2**52)
    assert fold(mpq(3), mpq(0), mpq(0), mpq(4), mpq(0)) == (1.5, 0.0)
    # 1 + ulp / 2 and 1 + 3 ulp / 2 lie exactly half-way between two floats.
    assert fold(1 + ulp / 2, mpq(0), mpq(0), mpq(1), mpq(0))[0] == 1.0
    assert fold(1 + 3 * ulp / 2, mpq(0), mpq(0), mpq(1), mpq(0))[0] == float(1 + 2 * ulp)
    assert fold(mpq(1), mpq(1), -ulp, mpq(1, 4) * 16, mpq(0))[1] == 1.0
    assert fold(mpq(1), mpq(1), -3 * ulp, mpq(4), mpq(0))[1] == float(1 + 2 * ulp)


def test_cancelling_shift_keeps_all_its_bits() -> None:
    """beta is the float nearest to mean / sqrt(2): a shift from the rounded scale would lose every digit."""
    beta = 3 / math.sqrt(2)
    _, shift = fold(mpq(1), q(beta), mpq(3), mpq(2), mpq(0))
    assert shift == at_400_bits(1.0, beta, 3.0, 2.0, 0.0)[1]
    assert shift != beta - 3 * fold(mpq(1), mpq(0), mpq(0), mpq(2), mpq(0))[0]


@pytest.mark.parametrize("bits", [100, 130, 300, 1000])
@pytest.mark.parametrize("above", [0, 1])
def test_a_hair_beside_a_tie_is_decided(bits: int, above: int) -> None:
    """The shift is 1 + 2**-53 (half-way between two floats) plus or minus less than 2**-bits."""
    root = mpq(gmpy2.isqrt(mpz(2) ** (2 * bits - 1)) + above, mpz(2) ** bits)  # just below or above 1 / sqrt(2)
    _, shift = fold(mpq(1), 1 + mpq(1, 2**53) - root, mpq(-1), mpq(2), mpq(0))
    assert shift == (1.0 if above else 1.0 + 2**-52)


def test_zero_is_never_negative() -> None:
    scale, shift = fold(mpq(-1), mpq(0), mpq(0), mpq(10**6) ** 200, mpq(0))
    assert (math.copysign(1, scale), math.copysign(1, shift)) == (1, 1)


@pytest.mark.parametrize(("var", "eps"), [(0, 0), (-1, 0), (mpq(-1, 10), mpq(1, 100))])
def test_variance_must_be_positive(var: mpq, eps: mpq) -> None:
    with pytest.raises(NetworkError, match="var \\+ eps"):
        fold(mpq(1), mpq(0), mpq(0), mpq(var), mpq(eps))


def test_rule_is_named() -> None:
    assert "batchnorm-rn64-v1" in CONVENTION
