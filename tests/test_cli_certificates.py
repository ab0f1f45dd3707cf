"""The command line's certificates: compressed, resumed, checked on a random share, in several processes."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from command_line import COUNTS, NET, Runner, runner, write_inputs

import splinecam_exact as sx
from splinecam_exact.certification import certificate_of


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs a command line in a folder that holds the inputs of `write_inputs`."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    return runner(capfd)


SUBJECT = ("--model", "net.json", "--square", "1")


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("name", ["net.cert", "net.cert.gz"])
def test_written_certificate_is_that_of_the_partition(run: Runner, name: str, resume: list[str]) -> None:
    before = set(os.listdir())
    found = run("certify", "net.json", "--square", "1", "-o", name, *resume, "--json").json
    assert (found["status"], found["counts"], found["certificate"]) == ("done", COUNTS, name)
    assert set(os.listdir()) - before == {name}
    data = Path(name).read_bytes()
    text = gzip.decompress(data) if name.endswith(".gz") else data
    assert text.decode() == certificate_of(sx.partition(NET, sx.square(1))).to_text()
    assert run("check", name, *SUBJECT, "--json").json["counts"] == COUNTS


def test_certificate_is_taken_up_where_it_stopped(run: Runner) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    whole = Path("net.cert").read_bytes()
    Path("net.cert").write_bytes(b"before")
    Path("net.cert.partial").write_bytes(whole[: len(whole) * 2 // 3])
    assert run("certify", "net.json", "--square", "1", "-o", "net.cert", "--resume").code == 0
    assert Path("net.cert").read_bytes() == whole
    assert not Path("net.cert.partial").exists()


def test_other_partial_file_is_bad_input(run: Runner) -> None:
    run("certify", "net.json", "--square", "2", "-o", "net.cert.partial")
    found = run("certify", "net.json", "--square", "1", "-o", "net.cert", "--resume")
    assert found.code == 3
    assert "net.cert.partial: was begun for another" in found.err
    assert run("certify", "net.json", "--square", "1", "-o", "net.cert").code == 0


@pytest.mark.parametrize("share", ["100%", "1", "1/2", "50%", "0.001", "1e-3%"])
def test_spot_check_is_undecided(run: Runner, share: str) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    words = ("check", "net.cert", *SUBJECT, "--spot", share, "--seed", "5")
    found = run(*words)
    assert found.code == 2
    assert "verified" not in found.out
    assert "undecided: spot check: " in found.out
    result = run(*words, "--json").json
    assert (result["status"], result["counts"]) == ("undecided", {})
    assert "of 5 cells checked exactly, none wrong" in result["reason"]
    assert "seed 5" in result["reason"]


def test_spot_check_refutes(run: Runner) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    lines = Path("net.cert").read_text().splitlines(keepends=True)
    Path("net.cert").write_text("".join([*lines[:2], lines[2].replace("[[0,2]]", "[[0,1]]"), *lines[3:]]))
    found = run("check", "net.cert", *SUBJECT, "--spot", "100%", "--json")
    assert (found.code, found.json["place"]) == (1, "cells[1]")


@pytest.mark.parametrize("share", ["0", "-1%", "101%", "2", "x", "%", "", "nan"])
def test_share_that_is_none_is_bad_input(run: Runner, share: str) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    found = run("check", "net.cert", *SUBJECT, f"--spot={share}")
    assert found.code == 3
    assert "--spot" in found.err


def test_spot_check_by_rebuilding_is_bad_input(run: Runner) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    assert run("check", "net.cert", *SUBJECT, "--spot", "1%", "--method", "rebuild").code == 3


def test_several_processes_change_nothing(run: Runner) -> None:
    sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1], [1, -1]], ["-1/3", "-1/4"]), ([[1, 1]], [0])]).save(
        "deep.json"
    )
    run("certify", "deep.json", "--square", "1", "-o", "deep.cert")
    words = ("check", "deep.cert", "--model", "deep.json", "--square", "1", "--json")
    one, two = run(*words).json, run(*words, "--jobs", "2").json
    assert one["status"] == "verified"
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    for jobs in ("0", "-1", "x"):
        assert run(*words, f"--jobs={jobs}").code == 3
