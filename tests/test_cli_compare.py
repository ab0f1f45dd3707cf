"""The command compare."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import NET, Runner, runner

import splinecam_exact as sx
from splinecam_exact import cli_compare

WORDS = ("net.json", "--square", "1", "--mode", "rational")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runner:
    monkeypatch.chdir(tmp_path)
    NET.save("net.json")
    part = sx.partition(NET, sx.square(1), mode="rational")
    cells = [[[float(x), float(y)] for x, y in face.polygon] for face in part.faces]
    Path("right.json").write_text(json.dumps(cells))
    Path("lost.json").write_text(json.dumps(cells[1:]))
    moved = [[[x + 1e-9, y] for x, y in cell] for cell in cells]
    Path("moved.json").write_text(json.dumps(moved))
    Path("count.json").write_text(json.dumps({"counts": {"A": 7}}))
    segments = sx.boundary(part).segments
    Path("segments.json").write_text(json.dumps({"polygons": cells, "segments": np.array(segments).tolist()}))
    return runner(capfd)


def test_right_cells_are_verified(run: Runner) -> None:
    found = run("compare", "right.json", *WORDS[1:], "--json")
    assert found.code == 3  # the model comes first
    found = run("compare", "net.json", "right.json", *WORDS[1:], "--json")
    assert found.code == 0
    assert found.json["status"] == "verified"
    assert found.json["defects"] == []
    assert found.json["matched"] == found.json["exact_cells"] == 5
    assert "passed" in run("compare", "net.json", "right.json", *WORDS[1:]).out


def test_defects_refute(run: Runner) -> None:
    found = run("compare", "net.json", "lost.json", *WORDS[1:], "-o", "report.json", "--json")
    assert found.code == 1
    assert found.json["kinds"] == {"missing": 1}
    report = json.loads(Path("report.json").read_text())
    assert report["defects"] == found.json["defects"]
    assert run("compare", "net.json", "count.json", *WORDS[1:], "--json").json["kinds"] == {"count": 1}


def test_tolerance(run: Runner) -> None:
    assert run("compare", "net.json", "moved.json", *WORDS[1:]).code == 0
    assert run("compare", "net.json", "moved.json", *WORDS[1:], "--tolerance", "1e-8").code == 0
    found = run("compare", "net.json", "moved.json", *WORDS[1:], "--tolerance", "1e-10", "--json")
    assert found.code == 1
    assert found.json["kinds"] == {"vertex": 5}


def test_boundary(run: Runner) -> None:
    found = run("compare", "net.json", "segments.json", *WORDS[1:], "--boundary", "--json")
    assert found.code == 0
    assert found.json["boundary"]["missing"] == 0
    assert run("compare", "net.json", "right.json", *WORDS[1:], "--boundary").code == 3


def test_picture(run: Runner) -> None:
    pytest.importorskip("matplotlib")
    assert run("compare", "net.json", "lost.json", *WORDS[1:], "--plot", "defects.svg").code == 1
    assert Path("defects.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    "words",
    [
        ("absent.json",),
        ("net.json",),
        ("right.json", "-o", "right.json"),
        ("right.json", "-o", "report.txt"),
        ("right.json", "--plot", "report.txt"),
        ("right.json", "--tolerance", "-1"),
        ("right.json", "--tolerance", "nan"),
        ("right.json", "--tolerance", "x"),
        (),
    ],
)
def test_bad_input_costs_no_partition(run: Runner, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setattr(cli_compare, "partition", lambda *_, **__: pytest.fail("it was partitioned"))
    found = run("compare", "net.json", *words, "--square", "1", "--json")
    assert found.code == 3
    assert found.json["status"] == "error"
