"""The command `conformance`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from command_line import Runner, runner

from splinecam_exact.testing.conformance.suite import label, suite

HERE = Path(__file__).parent


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs `splinecam-exact conformance` in a folder with a tool."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools.py").write_text((HERE / "hostile_tools.py").read_text())
    run = runner(capfd)
    return lambda *words: run("conformance", *words)


SOME = ("--category", "sliver", "--category", "opposite")


def test_exit_codes_say_how_it_ended(command: Runner) -> None:
    assert command("--tool", "tools:right", *SOME).code == 0
    refused = command("--tool", "tools:refuses", *SOME)
    assert refused.code == 0
    assert "what was refused was not tested" in refused.out
    for tool in ("wrong_on_two_or_more", "raises", "has_a_nan"):
        assert command("--tool", f"tools:{tool}", *SOME).code == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "nothing to do"),
        (("--tool", "tools:none"), "cannot be loaded: the module tools has no none"),
        (("--tool", "none:none"), "cannot be loaded: ModuleNotFoundError"),
        (("--tool", "tools"), "module:function"),
        (("--tool", "tools:right", "--category", "none"), "there is no category 'none'"),
        (("--tool", "tools:right", "--time", "0"), "limits must be positive"),
        (("--tool", "tools:right", "--memory", "0"), "limits must be positive"),
        (("--tool", "tools:right", "--jobs", "0"), "--jobs must be positive"),
        (("--tool", "tools:right", "--tolerance", "-1"), "--tolerance must be"),
        (("--tool", "tools:right", "--expected", "none.gz"), "cannot be read"),
        (("--tool", "tools:right", "--expected", "tools.py"), "not compressed"),
        (("--tool", "tools:right", "--expected", "a", "--store", "b"), "not allowed with"),
        (("--tool", "tools:right", "--expected", "a", "--full"), "does not go with"),
        (("--tool", "tools:right", "-o", "no/where.json"), "no such folder"),
        (("--tool", "tools:right", "-o", "x.svg", "--badge", "x.svg"), "written twice"),
        (("--tool", "tools:right", "--minimize", "tools.py"), "is not a folder"),
        (("--store", "x", "-o", "y"), "--output needs a --tool"),
        (("--store", "x", "--minimize", "y"), "--minimize needs a --tool"),
    ],
)
def test_bad_usage(command: Runner, words: tuple[str, ...], reason: str) -> None:
    result = command(*words)
    assert result.code == 3
    assert reason in result.err
    assert result.out == ""


def test_list_names_the_problems(command: Runner) -> None:
    result = command("--list", *SOME, "--json")
    assert result.code == 0
    assert [entry["problem"] for entry in result.json["problems"]] == [
        label(problem) for problem in suite(categories=["sliver", "opposite"])
    ]


def test_card_badge_and_reproducers_are_written(command: Runner) -> None:
    words = ("--tool", "tools:wrong_on_two_or_more", *SOME, "-o", "card.json", "--badge", "b.svg", "--minimize", "new")
    result = command(*words, "--json")
    assert result.code == 1
    card = json.loads(Path("card.json").read_text())
    assert result.json["status"] == "refuted"
    assert card["problems"] == result.json["problems"]
    ElementTree.parse("b.svg")
    assert [entry["cells"] for entry in result.json["reproducers"]] == [3, 3]
    assert sorted(path.suffix for path in Path("new").iterdir()) == [".json", ".json", ".py", ".py"]


def test_stored_results_are_what_the_tool_is_compared_with(command: Runner) -> None:
    stored = command("--store", "expected.gz", *SOME, "--json")
    assert stored.code == 0
    assert set(stored.json["sizes"]) == {label(problem) for problem in suite(categories=["sliver", "opposite"])}
    again = command("--tool", "tools:right", "--expected", "expected.gz", "--category", "sliver", "--json")
    assert again.code == 0
    assert again.json["categories"] == {"sliver": {"right": len(suite(categories=["sliver"]))}}
    assert command("--tool", "tools:right", "--expected", "expected.gz", "--category", "deep").code == 3


def test_tool_may_print_what_it_likes(command: Runner) -> None:
    result = command("--tool", "tools:prints_and_is_right", "--category", "tangency", "--json")
    assert result.code == 0
    assert result.json["passed"] is True
