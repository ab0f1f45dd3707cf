"""`certify --resume`: killed at any moment, nothing that was certified is lost, and no file is half-written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import splinecam_exact as sx
from splinecam_exact import certificate_files
from splinecam_exact.certification import certificate_of, write_certificate
from splinecam_exact.kernel.certificate import Vertex

NET = sx.from_layers([([[1, 0], [0, 1], [1, 1], [2, -1]], [0, 0, -1, "1/3"]), ([[1, 1, -2, 3]], [0])])
DOM = sx.square(2)


@pytest.fixture
def part() -> sx.Subdivision:
    return sx.partition(NET, DOM)


@pytest.fixture
def whole(part: sx.Subdivision) -> bytes:
    return certificate_of(part).to_text().encode()


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_files, "CHUNK", 3)


@pytest.mark.parametrize("name", ["x.cert", "x.cert.gz"])
def test_result_is_the_same_and_nothing_else_is_left(
    part: sx.Subdivision, whole: bytes, name: str, tmp_path: Path
) -> None:
    write_certificate(part, tmp_path / name)
    once = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    write_certificate(part, tmp_path / name, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == once
    assert sx.check(tmp_path / name, NET, DOM).status == "verified"
    assert once == whole or name.endswith(".gz")


@pytest.mark.parametrize("name", ["x.cert", "x.cert.gz"])
def test_goes_on_from_any_byte(part: sx.Subdivision, whole: bytes, name: str, tmp_path: Path) -> None:
    path, partial = tmp_path / name, tmp_path / f"{name}.partial"
    write_certificate(part, path)
    once = path.read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == ord("\n")]
    for size in sorted({*range(0, len(whole), 23), *ends, *(end - 1 for end in ends), *(end + 1 for end in ends)}):
        partial.write_bytes(whole[:size])
        write_certificate(part, path, resume=True)
        assert path.read_bytes() == once
        assert not partial.exists()


def test_what_is_there_is_not_computed_again(
    part: sx.Subdivision, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    located: list[int] = []
    true = certificate_of(part)

    def locate(vertices: Sequence[int]) -> list[Vertex]:
        located.extend(vertices)
        return [true.content.vertices[v] for v in vertices]

    monkeypatch.setattr(sx.certification, "vertex_locator", lambda part: locate)
    for lines in range(len(true.content.cells) + 2):
        located.clear()
        (tmp_path / "x.partial").write_bytes(b"".join(whole.splitlines(keepends=True)[:lines]))
        write_certificate(part, tmp_path / "x", resume=True)
        known = {v for cell in true.content.cells[: max(0, lines - 1)] for v in cell.polygon}
        assert sorted(located) == [v for v in range(len(true.content.vertices)) if v not in known]


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: b"\0" * len(line),
        lambda line: line.replace(b"[", b"{", 1),
        lambda line: line.replace(b",", b", ", 1),
        lambda line: line[:5] + b"\n",
        lambda line: b"\n",
        lambda line: b"null\n",
        lambda line: b"[]\n",
        lambda line: b"[0,[],[1,2,3]]\n",
        lambda line: b"[" * 10**5 + b"\n",
        lambda line: line + line,
        lambda line: b"",
    ],
)
def test_damaged_lines_are_written_again(part: sx.Subdivision, whole: bytes, damage: object, tmp_path: Path) -> None:
    lines = whole.splitlines(keepends=True)
    for k in range(1, len(lines)):
        damaged = [*lines[:k], damage(lines[k]), *lines[k + 1 :]]  # type: ignore[operator]
        (tmp_path / "x.partial").write_bytes(b"".join(damaged))
        write_certificate(part, tmp_path / "x", resume=True)
        assert (tmp_path / "x").read_bytes() == whole


def test_other_certificates_are_not_taken_up(part: sx.Subdivision, tmp_path: Path) -> None:
    others = [
        sx.certify(NET, sx.square(1)).to_text(),
        sx.certify(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), DOM).to_text(),
        certificate_of(part).with_coordinates(NET, DOM).to_text(1),
        "a letter\n",
    ]
    for other in others:
        (tmp_path / "x.partial").write_text(other)
        with pytest.raises(sx.InputError, match=r"x\.partial: was begun for another"):
            write_certificate(part, tmp_path / "x", resume=True)
        assert (tmp_path / "x.partial").read_text() == other
        assert not (tmp_path / "x").exists()


def test_only_one_process_writes(part: sx.Subdivision, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with open(tmp_path / "x.partial", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(sx.InputError, match="another process is writing it"):
            write_certificate(part, tmp_path / "x", resume=True)
    write_certificate(part, tmp_path / "x", resume=True)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_at_the_end_leaves_what_was_there_and_can_be_resumed(
    part: sx.Subdivision, whole: bytes, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"before")

    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing)
        with pytest.raises(sx.InputError, match="No space left on device"):
            write_certificate(part, tmp_path / "x", resume=True)
    assert (tmp_path / "x").read_bytes() == b"before"
    assert (tmp_path / "x.partial").read_bytes() == whole
    write_certificate(part, tmp_path / "x", resume=True)
    assert (tmp_path / "x").read_bytes() == whole


def test_permissions_are_kept(part: sx.Subdivision, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"before")
    (tmp_path / "x").chmod(0o640)
    write_certificate(part, tmp_path / "x", resume=True)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_place_that_cannot_be_written_is_an_input_error(part: sx.Subdivision, tmp_path: Path) -> None:
    (tmp_path / "x.partial").mkdir()
    for path in (tmp_path / "x", tmp_path, tmp_path / "missing" / "x"):
        with pytest.raises(sx.InputError, match="cannot be written"):
            write_certificate(part, path, resume=True)


# -- kill -9 ----------------------------------------------------------------------------------------------------------

RUN = """
import sys, time
from splinecam_exact import certificate_files, cli, partitioning

partitioning.find_spec = lambda name: None  # torch takes seconds to load
certificate_files.CHUNK = 5
texts = certificate_files._texts

def slow(*args):
    print("writing", flush=True)
    for data in texts(*args):
        for k in range(0, len(data), 100):  # a line may be cut anywhere
            yield data[k : k + 100]
            time.sleep(0.005)

if "slow" in sys.argv:
    sys.argv.remove("slow")
    certificate_files._texts = slow
sys.exit(cli.main(sys.argv[1:]))
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    np.savez(
        tmp_path / "net.npz", W0=rng.normal(size=(24, 2)), b0=rng.normal(size=24) / 4, W1=np.ones((1, 24)), b1=[0.0]
    )
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, "run.py", "certify", "net.npz", "--square", "1"]

    def run(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    whole = run("-o", "whole.cert")
    assert whole.communicate(timeout=120)[1] == ""
    expected = (tmp_path / "whole.cert").read_bytes()
    partial = tmp_path / "x.cert.partial"
    sizes = []
    for seed in range(4):
        process = run("-o", "x.cert", "--resume", "slow")
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n", process.communicate()
        time.sleep(random.Random(seed).uniform(0.02, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        sizes.append(partial.stat().st_size)
        assert partial.read_bytes() == expected[: sizes[-1]]
    assert len(set(sizes)) > 1
    assert sizes == sorted(sizes)
    last = run("-o", "x.cert", "--resume")
    assert last.communicate(timeout=120)[1] == ""
    assert (tmp_path / "x.cert").read_bytes() == expected
    assert not partial.exists()
    assert sx.check(tmp_path / "x.cert", sx.load(tmp_path / "net.npz"), sx.square(1)).status == "verified"
