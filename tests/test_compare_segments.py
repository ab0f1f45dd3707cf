"""Claimed boundary segments: correct claims pass, however they are cut and rounded; false ones are noticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import splinecam_exact as sx
from splinecam_exact import testing
from splinecam_exact.boundaries import Boundary
from splinecam_exact.testing.degeneracies import CATEGORIES

LINES = sx.from_layers([([[1, 0], [-1, 0], [1, 0], [1, 0]], [0.0, 0.0, 0.25, -0.25]), ([[1, -1, -2, 2]], [0.5])])


def judged(segments: Any, bound: Boundary, tolerance: float | None = None) -> dict[str, int]:
    return dict(sx.compare({"segments": segments}, bound.part, boundary=bound, tolerance=tolerance).kinds)


@pytest.fixture(scope="module")
def lines() -> Boundary:
    """The lines x = -1/2, 0 and 1/2."""
    return sx.boundary(sx.partition(LINES, sx.square(1)))


def upright(*places: float) -> np.ndarray:
    return np.array([[(x, -1), (x, 1)] for x in places])


def test_a_chord_from_line_to_line_is_spurious(lines: Boundary) -> None:
    right = lines.segments.tolist()
    assert judged(right, lines, 0.0) == {}
    for false in ([(-0.5, 0), (0.5, 0)], [(-0.5, -1), (0.5, 1)], [(0, -1), (0.001, 1)], [(0, 0), (0.0001, 0)]):
        assert judged([*right, false], lines, 0.0) == {"boundary_spurious": 1}


def test_lines_far_off_are_spurious_however_long(lines: Boundary) -> None:
    assert judged(upright(-0.1, 0.4, 0.9), lines) == {"boundary_missing": len(lines), "boundary_spurious": 3}
    assert judged(upright(-0.499, 0, 0.5), lines)["boundary_spurious"] == 1
    assert judged(upright(-0.5, 0, 0.5), lines, 0.0) == {}


def test_what_is_claimed_twice_is_spurious(lines: Boundary) -> None:
    right = upright(-0.5, 0, 0.5).tolist()
    for again in (right[:1], [right[1][::-1]], [[(0, -0.1), (0, 0.3)]], [[(0, 0), (0, 0.001)]]):
        found = sx.compare({"segments": right + again}, lines.part, boundary=lines)
        assert found.kinds == {"boundary_spurious": 1}
        assert "claimed twice" in found.defects[0].message
        assert found.defects[0].cells == (3,)
    assert judged([*right, *right], lines) == {"boundary_spurious": 3}
    assert judged([*right, [(0, 0.25), (0, 0.25)]], lines) == {}
    assert judged([*right, [(0.01, 0.25), (0.01, 0.25)]], lines) == {"boundary_spurious": 1}


def test_a_hole_in_the_claim_is_missing(lines: Boundary) -> None:
    parts = [[(0, -1), (0, 0.25)], [(0, 0.26), (0, 1)]]
    assert judged([*upright(-0.5, 0.5).tolist(), *parts], lines) == {"boundary_missing": 1}


@pytest.mark.parametrize("size", [2e-5, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("angle", [45, 60, 75, 85, 90])
def test_a_slanted_stub_is_spurious_however_short(lines: Boundary, size: float, angle: float) -> None:
    right, turn = lines.segments.tolist(), np.radians(angle)
    stub = [(0, 0.1), (size * np.sin(turn), 0.1 + size * np.cos(turn))]
    assert judged([*right, stub], lines) == {"boundary_spurious": 1}
    kink = [[(0, -1), (0, 0.1)], stub, [stub[1], (0, 0.1 + 3 * size)], [(0, 0.1 + 3 * size), (0, 1)]]
    heights = np.linspace(-1, 1, 17)
    others = [[(x, heights[k]), (x, heights[k + 1])] for x in (-0.5, 0.5) for k in range(16)]
    assert judged([*others, *kink], lines).get("boundary_spurious", 0) >= 1


def test_a_claim_that_is_off_all_over_has_no_spurious_stubs(lines: Boundary) -> None:
    """What is a false direction in an accurate claim is rounding where ends are off by as much as a segment is long."""
    places = [-1, *np.linspace(0, 2e-5, 5), 1]
    aside = np.where(np.arange(len(places)) % 2, 1e-5, -1e-5)
    zigzag = [[(aside[k], places[k]), (aside[k + 1], places[k + 1])] for k in range(len(places) - 1)]
    others = upright(-0.5 - 1e-5, 0.5 + 1e-5).tolist()
    assert judged([*others, *zigzag], lines) == {}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e308, 1e39, 10**400])
def test_segments_of_any_length(lines: Boundary, size: float) -> None:
    right = lines.segments.tolist()
    assert judged([*right, [(0, 0), (size, 0)], [(-size, size), (size, -size)]], lines) == {"boundary_spurious": 2}


def test_a_claim_may_leave_out_where_no_sign_changes() -> None:
    """An output that is 0 on a half of the square: nobody need draw the outline of that."""
    part = sx.partition(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), sx.square(1))
    bound = sx.boundary(part)
    assert len(bound) == 4
    assert not bound.changes.any()
    found = sx.compare({"segments": []}, part, boundary=bound)
    assert found.passed
    assert "4 exact ones need not be, as no sign changes there; 4 are not\n" in found.text() + "\n"
    found = sx.compare({"segments": bound.segments[1:]}, part, boundary=bound)
    assert (found.segments.summary()["optional"], found.segments.summary()["left_out"]) == (4, 1)
    assert judged(bound.segments, bound) == judged(bound.segments[:1], bound) == {}
    assert judged([*bound.segments, bound.segments[0]], bound) == {"boundary_spurious": 1}
    assert judged([*bound.segments, upright(0.5)[0]], bound) == {"boundary_spurious": 1}


def test_only_changes_of_sign_must_be_claimed() -> None:
    """Segments where the sign changes are missing without one of them, whatever else is 0 there."""
    net = sx.from_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, 1]], [-0.5]), ([[1]], [0]), ([[1]], [-0.25])])
    part = sx.partition(net, sx.square(1))
    bound = sx.boundary(part)
    assert bound.changes.all()
    assert judged(bound.segments[1:], bound) == {"boundary_missing": 1}
    flat = sx.from_layers([([[1, 0], [-1, 0]], [-0.5, -0.5]), ([[1, -1]], [0])])  # 0 between -1/2 and 1/2
    both = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0])])  # max(x, 0) - max(y, 0): 0 in a quarter
    for net in (flat, both):
        bound = sx.boundary(sx.partition(net, sx.square(1)))
        right = bound.segments
        assert len(right[~bound.changes]) > 0
        assert judged(right[bound.changes], bound) == {}
        for k in np.flatnonzero(bound.changes):
            assert judged(np.delete(right, k, axis=0), bound) == {"boundary_missing": 1}
    assert bound.changes.any()


def boundaries(category: str) -> Iterator[Boundary]:
    """Two levels of an output and an arg-max of each problem; of one of them in tiny and huge domains too."""
    rng = np.random.default_rng(3)
    for k, problem in enumerate(testing.examples(category, 6)):
        for scale in (1.0, 2.0**-40, 2.0**40)[: 3 if k == 1 else 1]:
            (weights, *more), *others = problem.layers
            layers = [(np.array(weights, float) / scale, *more), *others]
            domain = sx.Polygon([[float(x) * scale for x in corner] for corner in problem.domain])
            several = rng.integers(-3, 4, (3, np.shape(layers[-1][0])[1])).astype(float)
            part = sx.partition(sx.from_layers(layers), domain)
            yield from (sx.boundary(part, 0, level=level) for level in (0, 1))
            yield sx.boundary(sx.partition(sx.from_layers([*layers[:-1], (several, np.zeros(3))]), domain))


@pytest.mark.parametrize("category", CATEGORIES)
def test_right_claims_pass_and_wrong_ones_do_not(category: str) -> None:
    rng = np.random.default_rng(1)
    for bound in boundaries(category):
        right = bound.segments
        if not len(right):
            continue
        corners = np.array([[float(x) for x in p] for p in bound.part.domain.corners])
        size = float(np.ptp(corners, axis=0).max())
        middle = right.mean(axis=1)
        halves = np.concatenate([np.stack([right[:, 0], middle], 1), np.stack([middle, right[:, 1]], 1)])
        float32 = [right.astype(np.float32), halves.astype(np.float32)] if size > 1e-30 else []
        for claim in (right, right[::-1, ::-1], halves, *float32):
            assert judged(claim, bound) == {}, (bound, len(claim))
        assert judged(right, bound, 0.0 if size > 1e-300 else bound.slack) == {}
        long = np.hypot(*(right[:, 1] - right[:, 0]).T)
        usable = np.flatnonzero(long > 1e-4 * size)
        k = int(rng.choice(usable)) if len(usable) else -1
        if k < 0:
            continue
        assert judged(np.delete(right, k, axis=0), bound).get("boundary_missing", 0) == bound.changes[k]
        aside = np.array([-1, 1]) * (right[k, 1] - right[k, 0])[::-1] / long[k] * size / 100
        wrong = right.copy()
        wrong[k] += aside
        if not bound.filled:
            kinds = {"boundary_missing", "boundary_spurious"} if bound.changes[k] else {"boundary_spurious"}
            assert set(judged(wrong, bound)) == kinds
            assert judged([*right, right[k] + aside], bound) == {"boundary_spurious": 1}
        assert judged([*right, right[k]], bound) == {"boundary_spurious": 1}
