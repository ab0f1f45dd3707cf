"""Each faulty toy tool is caught, with the right status, by the right kind of defect, in the right categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import LIMITS, Limits
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.runner import run
from splinecam_exact.testing.conformance.suite import suite
from splinecam_exact.testing.degeneracies import CATEGORIES


@pytest.fixture(autouse=True)
def _beside_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)


def card_of(tool: str, *categories: str, limits: Limits = LIMITS) -> Card:
    problems = suite(categories=categories or None)
    return Card(tool, run(f"faulty_tools:{tool}", problems, limits), limits)


def test_tool_without_a_fault_is_right_everywhere() -> None:
    card = card_of("rounded")
    assert card.totals["right"] == len(card.outcomes), card.text()


@pytest.mark.parametrize(
    ("tool", "kinds", "caught", "right"),
    [
        (
            "tolerance_dedup",
            ("missing", "merged"),
            ("sliver", "one_ulp_apart", "near_parallel_ulp"),
            ("generic", "wide"),
        ),
        ("single", ("zero_area", "sliver", "missing"), ("concurrent", "one_ulp_apart"), ("generic", "through_corner")),
        (
            "double",
            ("zero_area", "sliver"),
            ("concurrent", "scaled_duplicate", "large_scale"),
            ("generic", "wide", "through_corner"),
        ),
        ("flushes_denormals", ("merged", "missing"), ("small_scale",), ("generic", "sliver", "large_scale")),
        ("reads_sign_bits", ("pattern",), ("identically_zero",), ("generic", "through_corner")),
        ("dropped_tangencies", ("merged",), ("through_corner", "along_diagonal", "concurrent"), ("generic",)),
        ("merged_slivers", ("merged", "missing"), ("sliver", "one_ulp_apart"), ("generic", "concurrent", "wide")),
        ("wrong_twin", ("overlap", "gap", "spurious"), ("generic", "tangency", "wide"), ()),
        ("no_zero_case", ("zero_area",), ("duplicate", "tangency", "along_edge", "opposite"), ("generic",)),
        ("output_cuts", ("split", "spurious", "sliver"), ("generic", "wide"), ()),
        ("forgets_a_cell", ("missing",), ("generic", "tangency"), ()),
        ("says_it_twice", ("spurious",), ("generic", "tangency"), ()),
        ("two_states", ("pattern",), ("identically_zero", "constant"), ("generic", "sliver", "tangency", "wide")),
        ("miscounts", ("count",), ("generic", "tangency"), ()),
        ("nan", ("nan", "gap"), ("concurrent", "duplicate", "identically_zero"), ("generic", "wide")),
    ],
)
def test_each_fault_is_caught_in_its_category(
    tool: str, kinds: tuple[str, ...], caught: tuple[str, ...], right: tuple[str, ...]
) -> None:
    wanted = [name for name in CATEGORIES if name in caught or name in right]
    card = card_of(tool, *wanted)
    for category in caught:
        found = {kind for outcome in card.failures(category) for kind in outcome.kinds}
        assert found & set(kinds), f"{category}: {found}"
    assert [outcome.line() for name in right if name in card.categories for outcome in card.failures(name)] == []


@pytest.mark.parametrize(
    ("tool", "status"),
    [
        ("hangs", "timeout"),
        ("eats_memory", "memory"),
        ("segfaults", "crash"),
        ("exits", "crash"),
        ("raises", "crash"),
        ("prints", "right"),
        ("garbage", "malformed"),
    ],
)
def test_each_bad_ending_is_a_status(tool: str, status: str) -> None:
    limits = Limits(1.0 if status == "timeout" else 20.0, 400 << 20)
    (outcome,) = run(f"faulty_tools:{tool}", suite(categories=["along_diagonal"])[:1], limits)
    assert outcome.status == status, outcome.line()


def test_refusals_are_not_failures() -> None:
    card = card_of("refuses", "deep", "tangency")
    assert card.passed
    assert {outcome.message for outcome in card.outcomes if outcome.status == "refused"} == {"one layer only"}
    assert {outcome.status for outcome in card.outcomes} == {"right", "refused"}


def test_card_says_where_nobody_judged_that_corners_are_off() -> None:
    layers = [(np.eye(2), np.zeros(2)), (np.ones((1, 2)), np.zeros(1))]
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    problems = [Problem(name, "generic", layers, square * size) for name, size in (("one", 1), ("eight", 8))]
    outcomes = run("faulty_tools:inaccurate", problems)
    assert [(outcome.status, outcome.unjudged) for outcome in outcomes] == [("right", True)] * 2
    told = "in 2 problems by more than float32 rounding: give a tolerance (--tolerance) to judge that"
    lines = Card("", outcomes, Limits()).text().splitlines()
    assert lines[2:4] == ["where it is right, corners are off by 0.001 of the domain at most", told]
    judged = run("faulty_tools:inaccurate", problems, tolerance=1.0)
    assert [(outcome.status, outcome.unjudged) for outcome in judged] == [("right", False)] * 2
    assert "float32" not in Card("", judged, Limits()).text()
    assert {outcome.status for outcome in run("faulty_tools:inaccurate", problems, tolerance=1e-6)} == {"wrong"}
    assert "float32" not in Card("", run("faulty_tools:rounded", problems), Limits()).text()


def test_card_of_a_tool_like_splinecam_shows_what_was_measured() -> None:
    """It crashes where lines meet or end in corners ("sorting issue"), and makes cells without area of duplicates."""
    crashed, flat = ("concurrent", "bias_free", "along_diagonal", "tangency"), ("duplicate", "opposite", "along_edge")
    card = card_of("splinecam", "generic", "dead_unit", *crashed, *flat)
    assert card.totals["crash"] > card.totals["right"]
    for category in crashed:
        assert any("ValueError: sorting issue" in outcome.message for outcome in card.failures(category)), category
    for category in flat:
        assert any("zero_area" in outcome.kinds for outcome in card.failures(category)), category
    ends = {outcome.problem.name: outcome.status for outcome in card.outcomes}
    assert (ends["two_lines_one_doubled"], ends["absolute_value"]) == ("wrong", "wrong")
    assert (ends["one_diagonal"], ends["three_lines_at_a_third"]) == ("crash", "crash")
    assert not card.failures("generic")
    assert not card.failures("dead_unit")
    assert "ValueError in " in card.text()
