"""The command line: what the commands do, on which domain, and what they refuse."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from command_line import COUNTS, NET, Runner, runner, write_inputs
from gmpy2 import mpq

import splinecam_exact as sx
import splinecam_exact.cli_commands
from splinecam_exact.nodes import Max, Piecewise


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs a command line in a folder that holds the inputs of `write_inputs`."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    return runner(capfd)


# -- what the commands do ---------------------------------------------------------------------------------------------


def test_partition_counts_in_words(run: Runner) -> None:
    found = run("partition", "net.json", "--square", "1", "--statistics")
    assert found.code == 0
    assert "A            5        activation cells" in found.out
    assert found.err == ""


def test_partition_as_json(run: Runner) -> None:
    found = run("partition", "net.json", "--square", "1", "--statistics", "--json").json
    assert (found["status"], found["counts"]) == ("done", COUNTS)
    assert (found["network"], found["domain"]) == (NET.digest, sx.square(1).digest)
    assert found["statistics"]["average_area"] == "4/5"
    assert found["polygon"][0] == ["-1", "-1"]


def test_saved_partition_is_the_partition(run: Runner) -> None:
    assert run("partition", "net.json", "--square", "1", "--save", "part.json").code == 0
    assert sx.load_partition("part.json").counts() == COUNTS


@pytest.mark.parametrize("mode", ["rational", "certified", "float64"])
def test_partition_says_what_vouches_for_it(run: Runner, mode: str) -> None:
    if mode != "rational":
        pytest.importorskip("torch")
    if mode == "float64":  # three lines of NET meet in one point: too delicate for it
        assert run("partition", "net.json", "--square", "1", "--mode", mode, "--json").json["mode"] == "certified"
        sx.from_layers([([[1, 0.3], [0.2, 1]], [0.1, 0.2]), ([[1, 1]], [0])]).save("net.json")
    words = ("partition", "net.json", "--square", "1", "--mode", mode)
    found = run(*words, "--json").json
    assert (found["mode"], found["certified"]) == (mode, mode != "float64")
    assert found["counts"] == COUNTS or mode == "float64"
    shown = run(*words).out
    assert ("UNCERTIFIED" in shown) == (mode == "float64")
    assert shown.startswith(f"mode         {mode}: ")
    if mode == "certified":
        assert set(found["report"]) == {"float64", "wide", "exact", "repaired"}
        assert found["report"]["float64"] > 0
        assert f"decided      {found['report']['float64']:,} predicates in float64 with proven bounds, " in shown
        assert f"repaired     {found['report']['repaired']:,} cells" in shown
    else:
        assert found["report"] is None


def test_partition_computes_where_and_within_what_it_is_told(run: Runner) -> None:
    pytest.importorskip("torch")
    words = ("partition", "net.json", "--square", "1", "--device")
    assert run(*words, "cpu", "--max-memory", "0.5").code == 0
    assert run(*words, "cpu", "--max-memory", "1e-6").code == 2
    assert "on the device 'nowhere'" in run(*words, "nowhere").err


@pytest.mark.parametrize("mode", ["rational", "certified"])
def test_exact_modes_are_certified(run: Runner, mode: str) -> None:
    if mode != "rational":
        pytest.importorskip("torch")
    assert run("certify", "net.json", "--square", "1", "--mode", mode, "-o", "net.cert").code == 0
    assert run("check", "net.cert", "--model", "net.json", "--square", "1").code == 0
    assert run("certify", "net.json", "--square", "1", "--mode", "float64", "-o", "new").code == 3


@pytest.mark.parametrize("method", ["witness", "rebuild"])
def test_certificate_is_verified(run: Runner, method: str) -> None:
    assert run("certify", "net.json", "--square", "1", "-o", "net.cert").code == 0
    found = run("check", "net.cert", "--model", "net.json", "--square", "1", "--method", method)
    assert found.code == 0
    assert "verdict      verified" in found.out
    as_json = run("check", "net.cert", "--model", "net.json", "--square", "1", "--method", method, "--json").json
    assert (as_json["status"], as_json["counts"]) == ("verified", COUNTS)


def test_certify_names_the_command_that_checks(run: Runner) -> None:
    for words in (
        ("box.nnet", "--no-normalize", "--numbers", "float64", "--polygon", "-1,-1 1,-1 0,1/3"),
        ("cube.npz", "--axes", "0,2", "--at", "_ 1/2 _", "--square", "2"),
        ("cube.npz", "--through", "points.npy"),
    ):
        command = run("certify", *words, "-o", "my cert", "--json").json["check"]
        assert run(*shlex.split(command)[1:]).code == 0


def test_command_that_checks_is_right_whatever_the_names(run: Runner) -> None:
    os.rename("cube.npz", "-it's mine.npz")
    os.rename("points.npy", "-points.npy")
    for words in (
        ("--axes", "1,2", "--at", "-1/2,_,_", "--square", "2"),
        ("--through", "-points.npy", "--polygon", "-1,0 0,0 0,1"),
    ):
        ended = run("certify", "-it's mine.npz", *words, "-o", "-a b.cert")
        assert ended.code == 0
        command = ended.out.split("check it")[1].strip()
        assert run(*shlex.split(command)[1:]).code == 0


def test_values_may_begin_with_a_minus(run: Runner) -> None:
    pytest.importorskip("matplotlib", reason="draws a picture")
    assert run("plot", "net.json", "--square", "1", "--mark", "-0.5,0.5", "-o", "-picture.png").code == 0
    assert run("plot", "net.json", "--square", "1", "--mark", "-.5,-1/2", "--output", "-a.svg").code == 0
    assert Path("-picture.png").stat().st_size > 1000
    for flag in ("-o", "--output"):  # -other.png is read as -o ther.png
        assert "write it as --output=-" in run("plot", "net.json", "--square", "1", flag, "-other.png").err
    assert run("plot", "net.json", "--square", "1", "--output=-other.png").code == 0


@pytest.mark.parametrize("method", ["witness", "rebuild"])
def test_false_certificate_is_refuted_at_a_place(run: Runner, method: str) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    text = Path("net.cert").read_text()
    Path("net.cert").write_text(text.replace('"V":9', '"V":10'))
    found = run("check", "net.cert", "--model", "net.json", "--square", "1", "--method", method)
    assert found.code == 1
    assert "refuted at " in found.out
    as_json = run("check", "net.cert", "--model", "net.json", "--square", "1", "--method", method, "--json")
    assert as_json.code == 1
    assert as_json.json["status"] == "refuted"
    assert as_json.json["place"]
    assert as_json.json["reason"]
    assert as_json.json["counts"] == {}


def test_certificate_of_another_domain_is_refuted(run: Runner) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    found = run("check", "net.cert", "--model", "net.json", "--square", "2", "--json")
    assert (found.code, found.json["place"]) == (1, "domain")


@pytest.mark.parametrize(
    "words",
    [
        ("certify", "net.json", "--square", "1", "--max-cells", "4", "-o", "new"),
        ("certify", "net.json", "--square", "1", "--time-limit", "1e-9", "-o", "new"),
        ("partition", "net.json", "--square", "1", "--time-limit", "1e-9", "--save", "new"),
        ("plot", "net.json", "--square", "1", "--max-cells", "4", "-o", "new.png"),
    ],
)
def test_limit_ends_undecided_and_writes_nothing(run: Runner, words: Sequence[str]) -> None:
    if words[0] == "plot":
        pytest.importorskip("matplotlib", reason="draws a picture")
    before = sorted(os.listdir())
    found = run(*words)
    assert found.code == 2
    assert "undecided: " in found.out
    assert (run(*words, "--json").json["status"], sorted(os.listdir())) == ("undecided", before)


def test_limit_of_a_check_ends_undecided(run: Runner) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    words = ("check", "net.cert", "--model", "net.json", "--square", "1", "--time-limit", "1e-9")
    assert run(*words).code == 2
    assert run(*words, "--json").json["status"] == "undecided"


def test_out_of_memory_is_undecided(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(splinecam_exact.cli_commands, "partition_of", no_memory)
    found = run("partition", "net.json", "--square", "1", "--json")
    assert (found.code, found.json["reason"]) == (2, "there is not enough memory")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_are_drawn(run: Runner, suffix: str) -> None:
    pytest.importorskip("matplotlib", reason="draws a picture")
    assert run("partition", "net.json", "--square", "1", "--plot", f"a.{suffix}").code == 0
    assert run("plot", "net.json", "--square", "1", "--mark", "0,0 -1/3,0.1", "-o", f"b.{suffix}").code == 0
    assert run("plot", "cube.npz", "--through", "points.npy", "--color-by", "region", "-o", f"c.{suffix}").code == 0
    assert min(Path(f"{name}.{suffix}").stat().st_size for name in "abc") > 1000


def test_argmax_over_too_many_outputs_is_not_drawn(run: Runner) -> None:
    pytest.importorskip("matplotlib", reason="draws a picture")
    sx.from_layers([(np.eye(2), None), (np.ones((70, 2)), None)]).save("wide.json")
    assert "63 outputs at most" in run("plot", "wide.json", "--square", "1", "-o", "x.png").out
    assert "63 outputs" in run("plot", "wide.json", "--square", "1", "--boundary", "argmax", "-o", "x.png").err


def test_missing_matplotlib_names_the_extra(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for words in (("partition", "net.json", "--plot", "x.png"), ("plot", "net.json", "-o", "x.png")):
        found = run(*words, "--square", "1")
        assert found.code == 3
        assert "splinecam-exact[plot]" in found.err


def test_info_tells_what_a_network_is(run: Runner) -> None:
    found = run("info", "net.json", "--json").json
    assert (found["digest"], found["units"], found["conventions"]) == (NET.digest, 3, [])
    assert [node["kind"] for node in found["nodes"]] == ["affine", "piecewise", "affine"]
    shown = run("info", "net.json").out
    assert NET.digest in shown
    assert "ReLU" in shown


def test_info_shows_every_kind_of_node(run: Runner) -> None:
    slopes = [[mpq(k, 10), 1] for k in range(5)]
    nodes = [
        *sx.from_layers([(np.ones((5, 2)), None, Piecewise.leaky_relu("1/3"))]).nodes,
        Piecewise.of([[0]], slopes, [0], 2),
        Piecewise.hardtanh(-2, 2, 3),
        Max(4, ((0, 1), (2, 3, 4))),
    ]
    sx.Network(2, nodes, ["a\tb"]).save("all.json")
    shown = run("info", "all.json").out
    for text in (r"a\tb", "slopes 1/3, 1 between breakpoints 0", "5 different units", "0, 1, 0", "groups of 2, 3"):
        assert text in shown


def test_output_is_stripped_on_request(run: Runner) -> None:
    onnx = pytest.importorskip("onnx")
    text = """<ir_version: 8, opset_import: ["": 18]> g (float[N, 2] x) => (float[N, 2] y)
        <float[2, 2] w = {1.0, 1.0, 0.0, 1.0}> { h = MatMul(x, w)  r = Relu(h)  y = Softmax(r) }"""
    onnx.save(onnx.parser.parse_model(text), "last.onnx")
    refused = run("info", "last.onnx")
    assert refused.code == 3
    assert "--strip-output" in refused.err
    assert "output: the last softmax is left out" in run("info", "last.onnx", "--strip-output").out
    words = ("last.onnx", "--strip-output", "--square", "1")
    assert run("partition", *words, "--json").json["counts"]["A"] == 4
    certified = run("certify", *words, "-o", "last.cert")
    assert certified.code == 0
    assert "--strip-output" in certified.out + certified.err
    assert run("check", "last.cert", "--model", *words).code == 0


def test_info_of_nnet_shows_the_input_box_and_both_choices(run: Runner) -> None:
    shown = run("info", "box.nnet").out
    assert "input 1      from -2 to 2" in shown
    assert "--normalize" in shown
    digests = {run("info", "box.nnet", flag, "--json").json["digest"] for flag in ("--normalize", "--no-normalize")}
    assert len(digests) == 2
    assert run("info", "box.nnet", "--normalize", "--json").json["input_ranges"] == [["0", "10"], ["-2", "2"]]


# -- domains ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "domain"),
    [
        (("net.json", "--square", "1/2"), sx.square("1/2")),
        (("net.json", "--square", "0.1"), sx.square("1/10")),
        (("net.json", "--polygon", "-1,-1 1,-1 0,1e-1"), sx.Polygon([(-1, -1), (1, -1), (0, "1/10")])),
        (("net.json", "--axes", "1,0"), sx.Slice.axes(1, 0, [None, None])),
        (("net.json", "--polygon", "-1,-1 1,-1 0,1"), sx.Polygon([(-1, -1), (1, -1), (0, 1)])),
        (("cube.npz", "--axes", "0,2", "--at", "_,-1/2,_"), sx.Slice.axes(0, 2, [None, "-1/2", None])),
        (("cube.npz", "--axes", "1,2", "--at", "-1/2,_,_"), sx.Slice.axes(1, 2, ["-1/2", None, None])),
        (("cube.npz", "--axes", "1,2", "--at=-1/2,_,_"), sx.Slice.axes(1, 2, ["-1/2", None, None])),
        (("cube.npz", "--axes", "0,2", "--at", "_ 0.5 7"), sx.Slice.axes(0, 2, [None, "1/2", None])),
        (("cube.npz", "--through", "points.npy"), sx.Slice.through([0, 0, 0], [1, 0, 0], [0, 1, 0.5])),
        (
            ("cube.npz", "--through", "points.npy", "--square", "3"),
            sx.Slice.through([0, 0, 0], [1, 0, 0], [0, 1, 0.5], sx.square(3)),
        ),
        (("cube.npz", "--slice", "slice.json"), sx.Slice([0, 0, 1], [[1, 0, 0], [0, 1, 0]])),
        (
            ("cube.npz", "--slice", "slice.json", "--polygon", "0,0 1,0 0,1"),
            sx.Slice([0, 0, 1], [[1, 0, 0], [0, 1, 0]], sx.Polygon([(0, 0), (1, 0), (0, 1)])),
        ),
        (
            ("box.nnet", "--normalize", "--axes", "0,1"),
            sx.Slice.axes(0, 1, [5, 0], sx.Polygon([(0, -2), (10, -2), (10, 2), (0, 2)])),
        ),
        (
            ("box.nnet", "--no-normalize", "--axes", "0,1"),
            sx.Slice.axes(
                0, 1, [0, 0], sx.Polygon([("-1/2", "-1/2"), ("1/2", "-1/2"), ("1/2", "1/2"), ("-1/2", "1/2")])
            ),
        ),
        (("box.nnet", "--normalize", "--axes", "0,1", "--square", "1"), sx.Slice.axes(0, 1, [5, 0], sx.square(1))),
    ],
)
def test_domain_is_the_one_that_the_options_name(
    run: Runner, words: Sequence[str], domain: sx.Polygon | sx.Slice
) -> None:
    Path("slice.json").write_text('{"origin": [0, 0, 1], "basis": [[1, 0, 0], [0, 1, 0]]}')
    assert run("partition", *words, "--json").json["domain"] == domain.digest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("net.json",), "no domain is given"),
        (("cube.npz",), "choose a plane with --slice, --through or --axes"),
        (("cube.npz", "--square", "1"), "choose a plane"),
        (("cube.npz", "--axes", "0,1"), "--at"),
        (("cube.npz", "--axes", "0,1", "--at", "1 2"), "2 entries"),
        (("cube.npz", "--axes", "0,1", "--at", "_ _ _"), "--at gives no value to input 2"),
        (("cube.npz", "--axes", "0,3", "--at", "_ _ _"), "no coordinate 3"),
        (("cube.npz", "--axes", "0,1", "--at", "0 0 nan"), "'nan' is not a decimal number"),
        (("cube.npz", "--axes", "0,3", "--at", "0 0 0"), "no coordinate 3"),
        (("cube.npz", "--axes", "0,0", "--at", "0 0 0"), "must differ"),
        (("cube.npz", "--axes", "0", "--at", "0 0 0"), "--axes '0'"),
        (("cube.npz", "--axes", "0,-1", "--at", "0 0 0"), "--axes '0,-1'"),
        (("net.json", "--square", "1", "--at", "0 0"), "--at belongs to --axes"),
        (("net.json", "--through", "points.npy"), "3 dimensions"),
        (("net.json", "--square", "0"), "r > 0"),
        (("net.json", "--square", "1/0"), "not a canonical rational"),
        (("net.json", "--square", "1", "--polygon", "0,0 1,0 0,1"), "not allowed with"),
        (("net.json", "--slice", "a", "--through", "b"), "not allowed with"),
        (("net.json", "--polygon", "0,0 1,1"), "three corners"),
        (("net.json", "--polygon", "0,0 2,0 2,2 1,1 0,2"), "not a convex polygon"),
        (("net.json", "--slice", "missing.json"), "missing.json: cannot be read"),
        (("net.json", "--through", "net.json"), "not a .npy array"),
        (("missing.npz", "--square", "1"), "missing.npz: cannot be read"),
        (("missing.onnx", "--square", "1"), "missing.onnx: cannot be read"),
        (("net.json", "--square", "1", "--strip-output"), ".onnx and .pt2 files only"),
        (("box.nnet", "--axes", "0,1"), "choose --normalize"),
        (("net.json", "--square", "1", "--normalize"), ".nnet files only"),
        (("net.json", "--square", "1", "--max-cells", "0"), "--max-cells must be positive"),
        (("net.json", "--square", "1", "--max-cells", "many"), "invalid int value"),
        (("net.json", "--square", "1", "--time-limit", "nan"), "--time-limit must be a positive"),
        (("net.json", "--square", "1", "--time-limit", "-1"), "--time-limit must be a positive"),
        (("net.json", "--square", "1", "--max-memory", "0"), "must be a positive number of GiB, not '0'"),
        (("net.json", "--square", "1", "--max-memory", "nan"), "must be a positive number of GiB"),
        (("net.json", "--square", "1", "--max-memory", "inf"), "must be a positive number of GiB"),
        (("net.json", "--square", "1", "--max-memory", "1e-12"), "must be a positive number of GiB"),
        (("net.json", "--square", "1", "--mode", "float32"), "invalid choice"),
        (("net.json", "--square", "1", "--mode", "rational", "--device", "cpu"), "has no device"),
        (("net.json", "--square", "1", "--mode", "float64", "--save", "x"), "--save is for exact results"),
        (("net.json", "--square", "1", "--sav", "x"), "unrecognized arguments"),
        (("net.json", "--square", "1", "--save", "missing/x"), "no such folder"),
        (("net.json", "--square", "1", "--save", "."), "a folder"),
        (("net.json", "--square", "1", "--save", "net.json"), "would be overwritten"),
        (("net.json", "--square", "1", "--save", "x.png", "--plot", "x.png"), "written twice"),
        (("net.json", "--square", "1", "--save", "x" * 300), "cannot be written"),
        (("net.json", "--square", "1", "--save", ""), "cannot be written"),
        (("net.json", "--square", "1", "--save", "/"), "a folder"),
        (("net.json", "--square", "1", "--save", "x\0"), "cannot be written"),
        (("net.json", "--square", "1", "--save", "fifo"), "fifo: is not a regular file"),
        (("net.json", "--square", "1", "--save", "to-fifo"), "to-fifo: is not a regular file"),
        (("net.json", "--square", "1", "--save", "to-net"), "would be overwritten"),
        (("net.json", "--square", "1", "--save", "to-new", "--plot", "new.png"), "written twice"),
        (("net.json", "--square", "1", "--save", "-o"), "write it as --save=-"),
        (("net.json", "--square", "1", "--save", "--x"), "write it as --save=-"),
        (("-h.json", "--square", "1"), "./-h.json"),
    ],
)
def test_bad_input_ends_in_one_line(run: Runner, words: Sequence[str], message: str) -> None:
    os.mkfifo("fifo")
    Path("-h.json").touch()
    for link, target in (("to-fifo", "fifo"), ("to-net", "net.json"), ("to-new", "new.png")):
        os.symlink(target, link)
    before = sorted(os.listdir())
    found = run("partition", *words)
    assert found.code == 3
    assert message in found.err
    assert found.err.startswith("splinecam-exact: error: ")
    assert found.err.count("\n") == 1
    assert found.out == ""
    as_json = run("partition", *words, "--json")
    assert as_json.code == 3
    assert as_json.json["status"] == "error"
    assert as_json.json["message"] in as_json.err
    assert sorted(os.listdir()) == before
