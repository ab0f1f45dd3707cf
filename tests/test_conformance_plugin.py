"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_trust_boundary import loaded_by

from splinecam_exact.cli import main
from splinecam_exact.testing.conformance.suite import suite

HERE = Path(__file__).parent
PLUGIN = "splinecam_exact.testing.conformance.plugin"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools.py").write_text((HERE / "hostile_tools.py").read_text())
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    return tmp_path


def run_pytest(*words: str, code: int) -> str:
    command = [sys.executable, "-m", "pytest", "-W", "error", "--strict-markers", "-p", "no:hypothesispytest"]
    found = subprocess.run([*command, *words], check=False, capture_output=True, text=True)
    assert found.returncode == code, found.stdout + found.stderr
    return found.stdout + found.stderr


def test_without_the_option_nothing_heavy_is_loaded(folder: Path) -> None:
    heavy = ("numpy", "gmpy2", "torch", "hypothesis", f"{PLUGIN}_items", "splinecam_exact.network")
    assert loaded_by(f"import {PLUGIN}", heavy) == []
    told = run_pytest("-q", code=0)
    assert "1 passed" in told
    assert "splinecam" not in told


def test_each_problem_is_a_test_that_marker_and_name_choose(folder: Path) -> None:
    words = ("--splinecam-tool", "tools:right", "--splinecam-category", "sliver", "-v")
    count = len(suite(categories=["sliver"]))
    told = run_pytest(*words, code=0)
    assert f"{count + 1} passed" in told
    assert "splinecam_exact::sliver::strip_of_1e-9 PASSED" in told
    assert f"tools:right: {count} of {count} right" in told
    told = run_pytest(*words, "-m", "splinecam", "-k", "strip_of", code=0)
    assert f"1 passed, {count} deselected" in told


def test_failures_show_the_comparison_and_refusals_are_skipped(folder: Path) -> None:
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = source\n")  # the tool's process finds it there too
    (folder / "source").mkdir()
    (folder / "source" / "mixed.py").write_text(
        "import tools\ndef mixed(problem):\n"
        "    tool = tools.refuses if problem.category == 'tangency' else tools.wrong_on_two_or_more\n"
        "    return tool(problem)\n"
    )
    words = ("-m", "splinecam", "--splinecam-category", "duplicate", "--splinecam-category", "tangency", "-rs")
    told = run_pytest("--splinecam-tool", "mixed:mixed", *words, code=1)
    assert "duplicate/two_lines_one_doubled: wrong: 1 count" in told
    assert "Traceback" not in told
    assert "the tool refuses tangency/touches_a_corner: no ReLU here" in told
    assert re.search(r"\d failed, .*\d skipped", told)


def test_limits_and_stored_results_are_options(folder: Path) -> None:
    assert main(["conformance", "--store", "expected.gz", "--category", "tangency", "--category", "wide"]) == 0
    words = ("-m", "splinecam", "--splinecam-expected", "expected.gz", "--splinecam-category", "tangency", "-x")
    (folder / "slow.py").write_text(
        "import tools\ndef slow(problem):\n"
        "    return tools.hangs(problem) if problem.name == 'touches_from_outside' else tools.right(problem)\n"
    )
    told = run_pytest("--splinecam-tool", "slow:slow", *words, "--splinecam-time", "0.5", code=1)
    assert "no answer within 0.5 s" in told
    assert "slow:slow: 1 of 2 right, 1 timeout" in told


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--splinecam-tool", "tools:none"), "the module tools has no none"),
        (("--splinecam-tool", "tools:right", "--splinecam-category", "x"), "there is no category 'x'"),
    ],
)
def test_bad_usage_is_one_error(folder: Path, words: tuple[str, ...], reason: str) -> None:
    told = run_pytest(*words, code=4)
    assert reason in told
    assert "failed" not in told


@pytest.mark.parametrize("how", [("-n", "2"), ("--dist", "load", "--tx", "2*popen")])
def test_xdist_runs_each_problem_once_and_outcomes_come_back(folder: Path, how: tuple[str, ...]) -> None:
    pytest.importorskip("xdist", reason="the test distributes tests")
    words = ("--splinecam-tool", "tools:wrong_on_two_or_more", "--splinecam-category", "opposite", "-v", *how)
    told = run_pytest(*words, code=1)
    ran = re.findall(r"(?:PASSED|FAILED) splinecam_exact::opposite::(\w+) $", told, re.M)
    assert sorted(ran) == sorted(problem.name for problem in suite(categories=["opposite"]))
    assert re.search(r"tools:wrong_on_two_or_more: \d of 6 right, \d wrong", told)


@pytest.mark.parametrize("how", [("-n", "2"), ("--dist", "load", "--tx", "2*popen")])
def test_xdist_with_a_tool_that_cannot_be_loaded_is_a_usage_error(folder: Path, how: tuple[str, ...]) -> None:
    pytest.importorskip("xdist", reason="the test distributes tests")
    told = run_pytest("--splinecam-tool", "tools:none", *how, code=4)
    assert "ERROR: the tool tools:none cannot be loaded: the module tools has no none" in told
    assert "INTERNALERROR" not in told


@pytest.mark.parametrize("option", [("--splinecam-tolerance", "-1"), ("--splinecam-category", "nope")])
def test_options_that_name_nothing_are_usage_errors(folder: Path, option: tuple[str, str]) -> None:
    assert run_pytest("--splinecam-tool", "tools:right", *option, code=4)
