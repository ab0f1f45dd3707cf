"""The command bench: honest numbers, in a process of their own, and a row for whatever cannot be measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Runner, runner

import splinecam_exact as sx
from splinecam_exact import bench
from splinecam_exact.cli_output import Output
from splinecam_exact.subdivision import MODES

HERE = MODES if find_spec("torch") else ("rational",)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    """Runs a command line."""
    return runner(capfd)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A yardstick of no length, in this process, and as few runs as there may be."""
    monkeypatch.setattr(bench, "SHAPE", (2, 2, 2))
    monkeypatch.setattr(bench, "ENOUGH", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small networks, one with three inputs, and a file that is none."""
    rng = np.random.default_rng(0)
    for name, inputs in (("one", 2), ("two", 2), ("cube", 3)):
        np.savez(
            tmp_path / f"{name}.npz",
            W0=rng.normal(size=(5, inputs)),
            b0=rng.normal(size=5),
            W1=rng.normal(size=(1, 5)),
            b1=np.zeros(1),
        )
    (tmp_path / "wrong.npz").write_text("wrong")
    return tmp_path


def task(data: Path | None, workload: str, mode: str, **options: Any) -> dict[str, Any]:
    """What a process is asked."""
    return {"data": data and str(data), "workload": workload, "mode": mode, "device": "cpu", "exact": False, **options}


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let processes not be started; the list gets what they would have been asked."""
    asked: list[dict[str, Any]] = []

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return bench.answer(question)

    monkeypatch.setattr(bench, "_asked", answer)
    return asked


# -- one row ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", HERE)
def test_row_is_consistent(quick: None, folder: Path, mode: str) -> None:
    row = bench.answer(task(folder, "one", mode))
    part = sx.partition(sx.load(folder / "one.npz"), sx.square(1), mode)
    assert [row[key] for key in "AVE"] == [len(part.faces), len(part.vertices), len(part.edges)]
    assert (row["certified"], row["report"] is None) == (mode != "float64", mode != "certified")
    assert len(row["runs"]) == bench.RUNS
    assert row["seconds"] == min(row["runs"])
    assert row["yardstick"] == min(row["yardsticks"])
    assert row["relative"] == row["seconds"] / row["yardstick"]
    assert row["cells_per_second"] == row["A"] / row["seconds"]
    assert 0 <= row["added_bytes"] < row["peak_bytes"]
    assert bench.spread(row) >= 1


@pytest.mark.parametrize("mode", HERE)
def test_exact_data_is_timed_apart(quick: None, mode: str) -> None:
    row = bench.answer(task(None, "sdf", mode, exact=True))
    assert set(row["exact"]) == {"points", "counts", "L", "P"}
    assert row["exact"]["L"] == row["exact"]["P"] == row["A"] == 1333


def test_long_runs_are_not_repeated(quick: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "LONG", 0.0)
    row = bench.answer(task(folder, "one", "rational"))
    assert row["runs"] == [row["first"]]


def test_every_run_begins_with_a_fresh_network(quick: None, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A network keeps what was made of it, so the second partition of the same one would do less."""
    seen: list[sx.Network] = []

    def watched(net: sx.Network, *args: Any, **options: Any) -> sx.Subdivision:
        seen.append(net)
        return sx.partition(net, *args, **options)

    monkeypatch.setattr(bench, "partition", watched)
    bench.answer(task(folder, "one", "rational"))
    assert len({id(net) for net in seen}) == len(seen) == 1 + bench.RUNS


@pytest.mark.parametrize("workload", ["cube", "wrong"])
def test_file_that_is_no_workload_is_left_out(folder: Path, workload: str) -> None:
    assert set(bench.answer(task(folder, workload, "rational"))) == {"left_out"}


@pytest.mark.parametrize(
    ("mode", "error", "expected"),
    [
        ("rational", sx.Undecided("more than 50000 cells"), {"left_out": "more than 50000 cells"}),
        ("certified", sx.Undecided("too large"), {"undecided": "too large"}),
        ("float64", MemoryError(), {"undecided": "there is not enough memory"}),
        ("certified", sx.InputError("no such device"), {"error": "no such device"}),
    ],
)
def test_failure_is_an_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str, error: Exception, expected: dict[str, str]
) -> None:
    if mode not in HERE:
        pytest.skip("needs torch")

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(bench, "partition", failing)
    assert bench.answer(task(folder, "one", mode)) == expected


def test_large_networks_are_left_out_of_the_rational_mode(
    quick: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "RATIONAL_CELLS", 3)
    assert set(bench.answer(task(folder, "one", "rational"))) == {"left_out"}
    asked = in_this_process(monkeypatch)
    rows = list(bench.measured(str(folder), ["one"], HERE, "cpu", False))
    assert [row["mode"] for row in rows] == list(HERE)
    assert "left_out" in rows[-1]
    assert len(asked) == max(1, len(HERE) - 1)


def test_rational_mode_is_always_on_the_cpu(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(bench, "_asked", lambda question: {"A": 1})
    names = bench.names_of(str(folder), ["two", "one"])
    rows = bench.measured(str(folder), names, ("rational", "float64"), "cuda", False)
    assert [(row["workload"], row["mode"], row["device"]) for row in rows] == [
        ("one", "float64", "cuda"),
        ("one", "rational", "cpu"),
        ("two", "float64", "cuda"),
        ("two", "rational", "cpu"),
    ]


def test_modes_depend_on_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda name: object())
    assert bench.default_modes("cpu") == MODES
    assert bench.default_modes("cuda") == ("float64", "certified")
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    assert bench.default_modes("cpu") == ("rational",)


# -- what is measured with --------------------------------------------------------------------------------------------


def test_memory_is_that_of_this_process() -> None:
    before, more = bench.memory("VmHWM"), 1 << 28
    block = np.ones((before - bench.memory("VmRSS") + more) // 8)
    after = bench.memory("VmHWM")
    assert after >= before + 0.8 * more
    assert after < before + 4 * more
    assert block.nbytes > more // 2
    assert 0 < bench.memory("VmRSS") <= after


def test_memory_of_the_parent_does_not_count() -> None:
    """`ru_maxrss` of a new process begins with the parent's."""
    block = np.ones(50_000_000)
    program = "from splinecam_exact.bench import memory; print(memory('VmHWM'))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    if Path("/proc/self/status").exists():
        assert int(ended.stdout) < block.nbytes


@pytest.mark.parametrize("torch", [True, False])
def test_yardstick_needs_no_torch(quick: None, monkeypatch: pytest.MonkeyPatch, torch: bool) -> None:
    if torch and "certified" not in HERE:
        pytest.skip("needs torch")
    monkeypatch.setattr(bench, "find_spec", lambda name: name if torch else None)
    assert bench.yardstick() > 0


def test_missing_gpu_is_said(quick: None, folder: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert "no CUDA device" in bench.answer(task(folder, "one", "float64", device="cuda"))["error"]


# -- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exact", [False, True])
def test_columns_stand_below_their_names(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exact: bool
) -> None:
    in_this_process(monkeypatch)
    args = Namespace(data=None, workloads=["sdf"], modes=list(HERE), device="cpu", exact=exact)
    result = bench.bench(args, Output(as_json=False))
    lines = capsys.readouterr().out.splitlines()
    assert result["status"] == "done"
    assert [row["mode"] for row in result["rows"]] == list(HERE)
    assert ("points" in lines[0]) == exact
    for line, row in zip(lines[1:], result["rows"], strict=False):
        for key in "AVE":
            end = lines[0].index(f" {key}") + 2
            assert line[:end].split()[-1] == str(row[key])
        assert (f"{row['mode']}*" in line) == (row["mode"] == "float64")


def test_undecided_rows_end_undecided(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "_asked", lambda question: {"undecided": "too large"})
    args = Namespace(data=str(folder), workloads=["one"], modes=["rational"], device="cpu", exact=False)
    assert bench.bench(args, Output(as_json=False))["status"] == "undecided"
    assert "undecided: too large" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "check"),
    [
        ("kill -9 $$", lambda run: run.code == 2 and "ended by signal 9" in run.out),
        ("echo broken >&2; exit 1", lambda run: run.code == 70 and "broken" in run.err),
        ("""echo '{"error": "no such device"}'""", lambda run: run.code == 3 and "no such device" in run.err),
        ("""echo '{"left_out": "not today"}'""", lambda run: run.code == 0 and "left out: not today" in run.out),
    ],
)
def test_whatever_becomes_of_the_process_is_reported(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, check: Callable[[Any], bool]
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    found = run("bench", "--workloads", "sdf", "--modes", "rational")
    assert check(found), found.out + found.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--workloads", "three"), "no workload 'three'; there are digits, digits_cnn, sdf"),
        (("--data", "missing"), "missing: there is no .npz file"),
        (("--modes", "float32"), "invalid choice"),
    ],
)
def test_bad_usage_ends_in_one_line(run: Runner, words: tuple[str, ...], message: str) -> None:
    found = run("bench", *words)
    assert (found.code, found.out, found.err.count("\n")) == (3, "", 1)
    assert message in found.err


def test_module_measures_in_processes_of_their_own(folder: Path) -> None:
    """`python -m benchmarks`, from end to end."""
    words = ["-m", "benchmarks", "--workloads", "one", "wrong", "--modes", "rational", "--json"]
    (folder / "workloads").mkdir()
    for name in ("one", "wrong"):
        os.rename(folder / f"{name}.npz", folder / "workloads" / f"{name}.npz")
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=Path(bench.__file__).parents[1],
        env={**os.environ, "SPLINECAM_EXACT_DATA": str(folder)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["status"] == "done"
    assert "left_out" in found["rows"][1]
    assert found["rows"][0]["A"] == len(sx.partition(sx.load(folder / "workloads/one.npz"), sx.square(1)).faces)
    assert found["rows"][0]["peak_bytes"] < 150_000_000  # the yardstick takes 820 MB


def test_short_runs_are_repeated_for_a_while(quick: None, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(bench, "ENOUGH", 0.2)
    runs = bench.answer(task(folder, "one", "rational"))["runs"]
    assert sum(runs) >= 0.2
    assert sum(runs[:-1]) < 0.2 or len(runs) == bench.RUNS
