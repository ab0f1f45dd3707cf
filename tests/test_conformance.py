"""The suite, the report card, and our own modes, which are right everywhere."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.badge import badge
from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import LIMITS
from splinecam_exact.testing.conformance.outcomes import STATUSES, exact
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.runner import run
from splinecam_exact.testing.conformance.suite import label, suite
from splinecam_exact.testing.degeneracies import CATEGORIES
from splinecam_exact.testing.known_answers import known_answers

HERE = Path(__file__).parent

MIXED = """
import hostile_tools

TOOLS = {"duplicate": "number_of_cells", "opposite": "raises", "tangency": "refuses", "sliver": "wrong_on_two_or_more"}

def mixed(problem):
    return getattr(hostile_tools, TOOLS[problem.category])(problem)
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """The card of a tool that fails by category."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "mixed.py").write_text(MIXED)
    (folder / "hostile_tools.py").write_text((HERE / "hostile_tools.py").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        problems = suite(categories=["tangency", "sliver", "opposite", "duplicate"])
        return Card("mixed:mixed", run("mixed:mixed", problems), LIMITS)


@pytest.mark.parametrize("mode", ["float64", "certified", "rational"])
def test_own_modes_are_right_everywhere(mode: str) -> None:
    if mode != "rational":
        pytest.importorskip("torch", reason="the engine needs torch")
    outcomes = run(f"splinecam_exact.testing.conformance.own:{mode}", suite())
    assert [outcome.line() for outcome in outcomes if outcome.status != "right"] == []


def test_suite_has_every_category_and_no_name_twice() -> None:
    quick, full = suite(), suite(full=True)
    for problems in (quick, full):
        assert {problem.category for problem in problems} == set(CATEGORIES)
        assert len(set(map(label, problems))) == len(problems)
    assert set(map(label, quick)) < set(map(label, full))
    by_label = {label(problem): problem for problem in full}
    assert all(by_label[label(problem)] == problem for problem in quick)


def test_problems_stay_as_they_are() -> None:
    """Report cards and stored results are compared by these names; a problem that must change gets another name."""
    content = "".join(f"{label(problem)} {problem.digest}\n" for problem in suite(full=True))
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == "9a925bd7503e7d12"


def test_suite_of_chosen_categories_is_in_their_order() -> None:
    assert [p.category for p in suite(categories=["wide", "deep", "wide"])] == ["wide"] * 4 + ["deep"] * 4
    with pytest.raises(InputError, match="no category"):
        suite(categories=["nonsense"])


def test_exact_answers_are_those_known_by_other_means() -> None:
    counts = {known.name: known.counts for known in known_answers()}
    problems = suite(categories=["known_answers"])
    assert len(problems) > 15
    for problem in problems:
        assert exact(problem).counts() == counts[problem.name]


def test_card_counts_by_category(mixed: Card) -> None:
    assert not mixed.passed
    assert {name: {o.status for o in outcomes} for name, outcomes in mixed.categories.items()} == {
        "tangency": {"refused"},
        "sliver": {"wrong"},
        "opposite": {"crash"},
        "duplicate": {"right"},
    }
    assert sum(mixed.totals.values()) == len(mixed.outcomes)


def test_card_as_text_names_what_failed(mixed: Card) -> None:
    text = mixed.text()
    assert text.startswith(f"mixed:mixed: {mixed.line()}\n")
    assert f"opposite: ValueError in {len(mixed.categories['opposite'])}" in text
    assert f"{len(mixed.categories['tangency'])} refused: no ReLU here" in text
    assert max(map(len, text.splitlines())) <= 110
    table = text.split("\n\n")[1].splitlines()
    assert table[0].split() == ["right", "wrong", "crash", "refused"]
    assert [line.split()[0] for line in table[1:]] == ["tangency", "sliver", "opposite", "duplicate", "all"]
    assert [line.endswith("<-") for line in table[1:]] == [False, True, True, False, True]


def test_card_lists_the_smallest_failures_first(mixed: Card) -> None:
    sizes = [len(outcome.problem.units) for outcome in mixed.failures("sliver")]
    assert sizes == sorted(sizes)
    assert mixed.failures("duplicate") == mixed.failures("tangency") == []


def test_card_as_json(mixed: Card) -> None:
    card = json.loads(json.dumps(mixed.to_json(), allow_nan=False))
    assert card["passed"] is False
    assert card["summary"] == mixed.line()
    assert set(card["totals"]) == set(STATUSES)
    assert [problem["problem"] for problem in card["problems"]] == [outcome.label for outcome in mixed.outcomes]
    assert card["categories"]["opposite"] == {"crash": len(mixed.categories["opposite"])}


def test_badge_is_a_picture_in_the_color_of_the_result(mixed: Card) -> None:
    refused = [outcome for outcome in mixed.outcomes if outcome.status in ("refused", "right")]
    right = [outcome for outcome in refused if outcome.status == "right"]
    colors = []
    for outcomes in (mixed.outcomes, refused, right):
        card = Card("a:b", outcomes, LIMITS)
        root = ElementTree.fromstring(badge(card))
        words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert words == ["splinecam_exact", f"{len(right)} of {len(outcomes)} right"]
        colors.append(root.find("{http://www.w3.org/2000/svg}path").attrib["fill"])  # type: ignore[union-attr]
    assert colors == ["#c0392b", "#b07d00", "#3c8c1e"]


def test_segments_are_judged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.py").write_text(
        "def right(problem):\n    return {'A': 2, 'segments': [[(0.5, -1), (0.5, 1)]]}\n"
        "def wrong(problem):\n    return {'A': 2, 'segments': [[(-0.9, -1), (-0.9, 1)]]}\n"
    )
    layers = (([[1, 0]], [0]), ([[1]], [-0.5]))
    problem = Problem("level", "generic", layers, [(-1, -1), (1, -1), (1, 1), (-1, 1)])  # type: ignore[arg-type]
    (right,), (wrong,) = run("lines:right", [problem]), run("lines:wrong", [problem])
    assert right.status == "right"
    assert wrong.status == "wrong"
    assert any(kind.startswith("boundary") for kind in wrong.kinds)
