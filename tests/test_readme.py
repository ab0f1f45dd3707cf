"""The README's code blocks run, and print what they say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from splinecam_exact import from_layers
from splinecam_exact.cli import main

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def test_python_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="the README reads an ONNX file")
    monkeypatch.chdir(tmp_path)
    text = "\n".join(block for kind, block in BLOCKS if kind == "python")
    examples = doctest.DocTestParser().get_doctest(text, {}, "README", str(README), 0)
    assert len(examples.examples) > 10
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the README draws a picture")
    monkeypatch.chdir(tmp_path)
    from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]).save("net.json")
    commands = [line.split()[1:] for line in COMMANDS if line.startswith("splinecam-exact")]
    assert len(commands) == 6
    for command in commands:
        assert main(command) == 0, command
    assert {path.name for path in tmp_path.iterdir()} == {"net.json", "net.cert", "net.png"}


def test_make_targets_exist() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for line in COMMANDS:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.M), line
