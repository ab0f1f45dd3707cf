"""The tutorial docs/conformance.md: its tool, its commands and what they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from splinecam_exact.cli import main

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "conformance.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.M | re.S)
TOOL, REPRODUCER = (text for kind, text in BLOCKS if kind == "python")
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
MEASURED = re.compile(r"^.* s in all, .* MiB at most", re.M)


def test_tutorial_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mytool.py").write_text(TOOL)
    ran = []
    for command in COMMANDS:
        program, *words = shlex.split(command)
        if program == "pytest":
            told = subprocess.run([sys.executable, "-m", "pytest", *words], check=True, capture_output=True, text=True)
            assert "splinecam_exact conformance" in told.stdout
        else:
            ran.append((main(words), capsys.readouterr().out))
    assert [code for code, _ in ran] == [1, 1, 0, 0]
    shown = next(text for kind, text in BLOCKS if kind == "text")
    assert MEASURED.sub("", ran[0][1]) == MEASURED.sub("", shown)
    assert REPRODUCER in Path("failures/opposite-opposite_0_3.py").read_text()
    assert f"({round(Path('expected.json.gz').stat().st_size / 1000)} KB)" in TEXT
    assert {path.name for path in tmp_path.iterdir()} >= {"badge.svg", "card.json", "expected.json.gz", "failures"}


def test_workflow_runs_the_command_that_is_shown() -> None:
    (workflow,) = (text for kind, text in BLOCKS if kind == "yaml")
    command = re.search(r"run: (splinecam-exact .*)", workflow)
    assert command
    assert command[1] in [line.replace(" --category sliver", "") for line in COMMANDS]


def test_example_is_skipped_by_name_without_relucent(tmp_path: Path) -> None:
    script = DOCS / "relucent_conformance.py"
    program = (
        "import importlib.util, runpy, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'relucent' else find(name, *a)\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert told.stdout == "relucent is not installed, so it is skipped: pip install relucent\n"
