"""Points as a float32 tool gives them: of a float64 boundary, rounded, with residuals near 1e-7. Needs torch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import splinecam_exact as sx
from splinecam_exact.demo import Subject, subjects

COUNT = 300


def rounded(subject: Subject, dtype: type) -> np.ndarray:
    """Points of the input space on the segments of the boundary as mode float64 has it."""
    found = sx.boundary(sx.partition(subject.net, subject.domain, "float64"))
    random = np.random.default_rng(0)
    chosen, share = random.integers(0, len(found), COUNT), random.random((COUNT, 1))
    start, end = found.segments[chosen, 0], found.segments[chosen, 1]
    places = start + share * (end - start)
    return np.array([[float(q) for q in subject.domain.embed(place)] for place in places]).astype(dtype)


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.name)
def test_none_is_on_the_boundary_and_all_are_proved_to_be_near(subject: Subject) -> None:
    points = rounded(subject, np.float32)
    found = sx.certify_samples(subject.net, points, radius=1e-6)
    assert found.counts() == {"on": 0, "within": COUNT, "unproved": 0}
    residuals = [abs(float(found.value(i))) for i in range(20)]
    assert 1e-10 < max(residuals) < 1e-5
    for i in range(20):
        witness = found.bracket(i)
        assert witness is not None
        assert witness.answers[0] != witness.answers[1]
        assert witness.squared <= found.bound[i].item() ** 2 * (1 + 1e-9)
    assert found.bound.max() < 1e-6


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.name)
def test_nothing_is_proved_within_less_than_they_are_off_by(subject: Subject) -> None:
    """Their distance to the boundary of the own cell's map is far above 1e-14, for almost all of them."""
    found = sx.certify_samples(subject.net, rounded(subject, np.float32), radius=1e-14)
    assert found.counts()["unproved"] > 0.9 * COUNT


def test_float64_points_are_nearer() -> None:
    subject = subjects()[-1]
    found = sx.certify_samples(subject.net, rounded(subject, np.float64), radius=1e-12)
    assert found.counts()["on"] + found.counts()["within"] == COUNT
