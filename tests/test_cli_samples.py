"""The command samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Runner, runner

import splinecam_exact as sx
from splinecam_exact import cli_samples
from splinecam_exact.cli import main

NET = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 2], [0, 0], [-5, 0]], [-1, 0, -5])])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runner:
    monkeypatch.chdir(tmp_path)
    NET.save("net.json")
    np.save("points.npy", np.array([[0.5, 0.25], [0.5, 0.3125], [-1, -1]], np.float32))
    Path("points.csv").write_text("# x, y\n0.5, 0.25\n\n0.5,3/10\n-1,-1e0\n")
    return runner(capfd)


def test_certify_save_draw_and_check(run: Runner) -> None:
    pytest.importorskip("matplotlib")
    words = ("net.json", "points.npy", "--output", "0", "--radius", "0.1", "-o", "v.json", "--plot", "v.png")
    found = run("samples", *words, "--json")
    assert found.code == 0
    assert found.json["counts"] == {"on": 1, "within": 1, "unproved": 1}
    assert (found.json["boundary"], found.json["radius"]) == ("output 0 = 0", "1/10")
    assert found.json["network"] == NET.digest
    assert found.json["points"]["status"] == ["on", "within", "unproved"]
    assert found.json["points"]["answer"] == [0, 1, -1]
    on, within, unproved = found.json["points"]["bound"]
    assert (on, unproved) == (0, None)
    assert 0 < within <= 0.1
    assert Path("v.png").read_bytes()[:4] == b"\x89PNG"
    for more in ((), ("points.npy",)):
        checked = run("samples", "net.json", *more, "--check", "v.json", "--json")
        assert (checked.code, checked.json["status"]) == (0, "verified")
        assert checked.json["counts"] == found.json["counts"]
    other = run("samples", "net.json", "points.csv", "--check", "v.json", "--json")
    assert (other.code, other.json["status"], other.json["place"]) == (1, "refuted", "points")


def test_a_false_claim_ends_with_1_and_a_malformed_file_with_3(run: Runner) -> None:
    run("samples", "net.json", "points.csv", "--classes", "0,1", "-o", "v.json")
    content = json.loads(Path("v.json").read_text())
    content["samples"][2]["answer"] = 1
    Path("v.json").write_text(json.dumps(content))
    found = run("samples", "net.json", "--check", "v.json")
    assert found.code == 1
    assert "refuted at samples[2].answer: is 1, but the network gives -1" in found.out
    Path("v.json").write_text("{}")
    found = run("samples", "net.json", "--check", "v.json", "--json")
    assert (found.code, found.json["error"]) == (3, "MalformedCertificate")


def test_decimals_in_a_csv_file_are_exact(run: Runner) -> None:
    Path("one.csv").write_text("0.7,0.15\n")  # 0.7 + 0.3 - 1; not with the floats nearest to these
    assert run("samples", "net.json", "one.csv", "--output", "0", "--json").json["counts"]["on"] == 1
    np.save("one.npy", np.array([[0.7, 0.15]]))
    assert run("samples", "net.json", "one.npy", "--output", "0", "--json").json["counts"]["within"] == 1


def test_csv_files_of_spreadsheets(run: Runner) -> None:
    Path("sheet.csv").write_bytes("\ufeff0.5,0.25\r\n  # a remark\r\n0.5,0.3\r\n".encode())
    found = run("samples", "net.json", "sheet.csv", "--output", "0", "--json")
    assert found.json["points"]["status"] == ["on", "within"]


def test_the_help_says_what_is_claimed_and_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["samples", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for phrase in ("commas between the numbers", 'without it "within" means at any', "more than 10,000 points"):
        assert phrase in text


def test_many_points_are_not_printed(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_samples, "MOST_POINTS", 2)
    assert run("samples", "net.json", "points.npy", "--json").json["points"] is None


def test_text_for_people(run: Runner) -> None:
    found = run("samples", "net.json", "points.npy", "--level", "1/2", "--output", "0")
    assert found.code == 0
    assert "boundary: output 0 = 1/2; 3 points" in found.out
    assert "two outputs are the largest" in run("samples", "net.json", "points.npy").out


HOSTILE = {
    "object.npy": "holds object entries",
    "fields.npy": "holds",
    "text.npy": "not a .npy array",
    "complex.npy": "holds complex128",
    "nan.npy": r"nan.npy[1][0]: nan is not a finite number",
    "wide.npy": "shape (2, 3); the network needs (n, 2)",
    "flat.npy": "shape (2,); the network needs (n, 2)",
    "empty.npy": "shape (0, 2)",
    "short.npy": "bytes",
    "huge.npy": "claims shape (1000000000000, 2)",
    "deep.npy": "claims the shape (1, 1, 1,",
    "negative.npy": "claims the shape (-1, -2)",
    "minus.npy": "claims the shape (-2, -1)",
    "true.npy": "claims the shape (True, 2)",
    "nothing.npy": "claims the shape (0, 1000000000000000000000000000000)",
    "void.npy": "claims the shape (0, 1099511627776, 1099511627776)",
    "hex.npy": "claims the shape",
    "none.npy": "cannot be read",
    "empty.csv": "holds no points",
    "wide.csv": "line 2: has 3 numbers; the network has 2 inputs",
    "nan.csv": "line 1: 'nan' is not a decimal number",
    "headings.csv": "line 1: 'x' is not a decimal number; if these are headings, put a # before them",
    "late.csv": "line 2: 'x' is not a decimal number",
    "semicolons.csv": "line 1: has 1 numbers; the network has 2 inputs; write commas between them, and decimals with",
    "power.csv": "exponent beyond",
    "binary.csv": "UTF-8",
    "points.txt": "read from .npy and .csv",
}


def write_npy(name: str, shape: str, data: bytes = b"") -> None:
    """A file whose header claims a shape, which numpy itself would not write."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    Path(name).write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_at_the_door(run: Runner, name: str) -> None:
    np.save("object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save("fields.npy", np.zeros(2, [("x", float), ("y", float)]))
    np.save("complex.npy", np.zeros((2, 2), complex))
    np.save("nan.npy", np.array([[0, 1], [np.nan, 2]]))
    np.save("wide.npy", np.zeros((2, 3)))
    np.save("flat.npy", np.zeros(2))
    np.save("empty.npy", np.zeros((0, 2)))
    whole = Path("points.npy").read_bytes()
    Path("short.npy").write_bytes(whole[:-3])
    Path("huge.npy").write_bytes(whole.replace(b"(3, 2), }          ", b"(1000000000000, 2)}"[:19].ljust(19)))
    write_npy("deep.npy", str((1,) * 70), bytes(8))
    write_npy("negative.npy", "(-1, -2)", bytes(16))
    write_npy("minus.npy", "(-2, -1)", bytes(16))
    write_npy("true.npy", "(True, 2)", bytes(16))
    write_npy("nothing.npy", f"(0, {10**30})")
    write_npy("void.npy", f"(0, {2**40}, {2**40})")
    write_npy("hex.npy", f"(0, 0x1{'0' * 4000})")  # more digits than Python writes
    Path("text.npy").write_text("1,2\n")
    Path("empty.csv").write_text("# nothing\n")
    Path("wide.csv").write_text("1,2\n1,2,3\n")
    Path("nan.csv").write_text("nan,1\n")
    Path("headings.csv").write_text("x,y\n1,2\n")
    Path("late.csv").write_text("1,2\nx,y\n")
    Path("semicolons.csv").write_text("0,5;1\n".replace(",", "."))
    Path("power.csv").write_text("1e999999999,1\n")
    Path("binary.csv").write_bytes(b"\xff\xff")
    Path("points.txt").write_text("1,2\n")
    found = run("samples", "net.json", name, "--json")
    assert found.code == 3
    assert HOSTILE[name] in found.json["message"]
    assert not Path("v.json").exists()


def test_hostile_planes_are_refused_too(run: Runner) -> None:
    write_npy("three.npy", "(-3, -2)", bytes(48))
    found = run("partition", "net.json", "--through", "three.npy")
    assert found.code == 3
    assert "three.npy: claims the shape (-3, -2)" in found.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "give a file of points"),
        (("points.npy", "--classes", f"{'9' * 5000},1"), f"there is no output {'9' * 57}..., only 0 to 2"),
        (("points.npy", "--classes", f"1,{'9' * 5000}"), f"there is no output {'9' * 57}..., only 0 to 2"),
        (("points.npy", "--classes", "0"), "--classes '0'"),
        (("points.npy", "--classes", "0,0"), "two different outputs"),
        (("points.npy", "--classes", "0,1", "--output", "0"), "not allowed with"),
        (("points.npy", "--output", "3"), "there is no output 3"),
        (("points.npy", "--level", "1"), "has no level"),
        (("points.npy", "--radius", "0"), "must be positive"),
        (("points.npy", "--radius", "x"), "--radius: 'x' is not a decimal number"),
        (("points.npy", "-o", "points.npy"), "is an input of this command"),
        (("points.npy", "-o", "none/v.json"), "cannot be written"),
        (("points.npy", "--time-limit", "0"), "--time-limit"),
        (("--check", "v.json", "--radius", "1"), "--radius does not go with --check"),
        (("--check", "none.json"), "cannot be read"),
    ],
)
def test_options_that_do_not_fit(run: Runner, words: tuple[str, ...], text: str) -> None:
    found = run("samples", "net.json", *words)
    assert found.code == 3
    assert text in found.err


def test_a_time_limit_ends_undecided(run: Runner) -> None:
    found = run("samples", "net.json", "points.npy", "--output", "0", "--time-limit", "1e-9", "--json")
    assert (found.code, found.json["status"]) == (2, "undecided")


def test_axes_of_any_number_are_refused(run: Runner) -> None:
    found = run("partition", "net.json", "--square", "1", "--axes", f"{'9' * 5000},1")
    assert found.code == 3
    assert f"there is no coordinate {'9' * 57}..., only 0 to 1" in found.err


def test_classes_with_a_space(run: Runner) -> None:
    assert run("samples", "net.json", "points.npy", "--classes", "0, 1").code == 0
