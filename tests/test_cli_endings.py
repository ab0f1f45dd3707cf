"""How the command line ends, whatever happens: exit codes, one line or one object, whole files or none."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from command_line import Runner, runner, spawn, write_inputs
from gmpy2 import mpq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
import splinecam_exact.cli_commands
from splinecam_exact.cli import main, parser
from splinecam_exact.kernel.errors import SplinecamError


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs a command line in a folder that holds the inputs of `write_inputs`."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    return runner(capfd)


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("fly",), ("check", "x"), ("certify", "net.json", "--square", "1"), ("--fast",)])
def test_bad_usage_ends_with_code_3(run: Runner, words: Sequence[str]) -> None:
    found = run(*words)
    assert (found.code, found.out, found.err.count("\n")) == (3, "", 1)
    assert "--help" in found.err
    assert run("--json", *words).json["error"] == "UsageError"


def test_malformed_certificate_is_bad_input_not_a_refutation(run: Runner) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    text = Path("net.cert").read_text()
    Path("cut.cert").write_text(text[: len(text) // 2])
    found = run("check", "cut.cert", "--model", "net.json", "--square", "1", "--json")
    assert (found.code, found.json["error"]) == (3, "MalformedCertificate")
    assert found.json["message"].startswith("cut.cert: ")


hostile = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"", b"{}", b"[" * 5000, b'{"format": 1}', b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"NaN", b"1" * 5000]
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile, st.sampled_from([".json", ".npz", ".nnet"]))
def test_hostile_files_end_in_one_line(run: Runner, content: bytes, suffix: str) -> None:
    Path(f"evil{suffix}").write_bytes(content)
    for words in (
        ("info", f"evil{suffix}"),
        ("partition", "net.json", "--slice", f"evil{suffix}"),
        ("partition", "net.json", "--through", f"evil{suffix}"),
        ("check", f"evil{suffix}", "--model", "net.json", "--square", "1"),
    ):
        found = run(*words)
        assert (found.code, found.out, found.err.count("\n")) == (3, "", 1)
        assert found.err[:-1].isprintable()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.sampled_from(["--square", "--polygon", "--axes", "--slice", "--through"]))
def test_hostile_options_end_in_one_line(run: Runner, text: str, option: str) -> None:
    if "\0" in text or any(0xD800 <= ord(c) < 0xE000 for c in text):
        return  # no operating system passes these on
    found = run("partition", "cube.npz", f"{option}={text}", "--json")
    assert found.code == 3
    assert found.json["status"] == "error"
    assert found.err.count("\n") == 1


# -- output -----------------------------------------------------------------------------------------------------------


def test_json_may_stand_before_or_after_the_command(run: Runner) -> None:
    after = run("info", "net.json", "--json").json
    assert run("--json", "info", "net.json").json == after


def test_with_json_people_read_stderr(run: Runner) -> None:
    plain, both = run("info", "net.json"), run("info", "net.json", "--json")
    assert both.err == plain.out


def test_version(run: Runner) -> None:
    assert run("--version").out == f"splinecam-exact {sx.__version__}\n"
    assert run("--version", "--json").json == {"status": "done", "version": sx.__version__}


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    commands = ("demo", "info", "partition", "certify", "check", "plot", "bench")
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert f"  splinecam-exact {command} " in text.split("example")[-1]
        for line in text.split("example")[-1].splitlines()[1:]:
            parser().parse_args(shlex.split(line)[1:])


def test_progress_is_shown_when_asked_for_and_goes_to_stderr(run: Runner) -> None:
    found = run("partition", "net.json", "--square", "1", "--progress", "--json")
    assert found.json["status"] == "done"
    assert "%|" in found.err
    assert "%|" not in run("partition", "net.json", "--square", "1").err


def test_bug_is_shown_and_has_a_code_of_its_own(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug\x1b")

    monkeypatch.setattr(splinecam_exact.cli_commands, "partition_of", broken)
    found = run("partition", "net.json", "--square", "1")
    assert (found.code, found.out) == (70, "")
    assert found.err.startswith("Traceback (most recent call last):\n")
    assert "ZeroDivisionError: a bug\\x1b\n" in found.err
    assert "report" in found.err.splitlines()[-1]
    as_json = run("partition", "net.json", "--square", "1", "--json")
    assert (as_json.code, as_json.err) == (70, found.err)
    assert as_json.json == {"status": "error", "error": "ZeroDivisionError", "message": "a bug\x1b"}


def test_bug_in_the_result_is_a_bug_too(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splinecam_exact.cli_commands, "show_time", lambda *_: mpq(1))  # json.dumps knows no mpq
    found = run("partition", "net.json", "--square", "1", "--json")
    assert (found.code, found.json["error"]) == (70, "TypeError")


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split("exit codes: ")[1].split())
    for code in ("0 verified or done", "1 refuted", "2 undecided", "3 bad input", "70 a bug", "130 interrupted"):
        assert code in text


def test_errors_of_the_package_end_with_a_code(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def every(kind: type[SplinecamError]) -> set[type[SplinecamError]]:
        return {kind}.union(*map(every, kind.__subclasses__()))

    for kind in every(SplinecamError):
        error = kind("place", "reason") if issubclass(kind, sx.FileFormatError | sx.RefutedCertificate) else kind("x")

        def failing(*_: object, error: SplinecamError = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(splinecam_exact.cli_commands, "partition_of", failing)
        found = run("partition", "net.json", "--square", "1", "--json")
        assert found.code == (2 if kind is sx.Undecided else 3)
        assert found.json["status"] == ("undecided" if kind is sx.Undecided else "error")


def test_reader_that_goes_away_changes_no_verdict(run: Runner, tmp_path: Path) -> None:
    run("certify", "net.json", "--square", "1", "-o", "net.cert")
    for radius, code in (("1", 0), ("2", 1)):
        reader, writer = os.pipe()
        os.close(reader)
        process = spawn(tmp_path, "check", "net.cert", "--model", "net.json", "--square", radius, stdout=writer)
        os.close(writer)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to write to")
@pytest.mark.parametrize("option", ["--json", "--no-progress"])
def test_full_disk_under_stdout_is_an_error(run: Runner, tmp_path: Path, option: str) -> None:
    with open("/dev/full", "w") as full:
        process = spawn(tmp_path, "partition", "net.json", "--square", "1", option, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.endswith("splinecam-exact: error: the output cannot be written (No space left on device)\n")


def test_file_that_stdout_goes_to_is_not_replaced(run: Runner, tmp_path: Path) -> None:
    with open("out.txt", "w") as out:
        process = spawn(tmp_path, "partition", "net.json", "--square", "1", "--save", "out.txt", stdout=out)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "out.txt: cannot be written (what this command prints goes there)" in err


# -- interruption -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose partition takes minutes."""
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(200, n)), rng.normal(size=200)) for n in (2, 200, 200, 200)]
    path = tmp_path_factory.mktemp("large") / "large.npz"
    arrays = {f"{letter}{k}": array for k, pair in enumerate(layers) for letter, array in zip("Wb", pair, strict=True)}
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("existing", [b"", b"what was there before"])
def test_ctrl_c_leaves_no_half_written_file(large: Path, tmp_path: Path, existing: bytes, as_json: bool) -> None:
    target = tmp_path / "x.cert"
    if existing:
        target.write_bytes(existing)
    words = ["certify", str(large), "--square", "1", "-o", "x.cert", "--progress", *["--json"] * as_json]
    process = spawn(tmp_path, *words)
    assert process.stderr is not None
    seen = ""
    while "layer 1" not in seen:  # at work
        seen += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("splinecam-exact: error: interrupted\n")
    assert "Traceback" not in err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [existing] * bool(existing)
    if as_json:
        assert json.loads(out) == {"status": "error", "error": "KeyboardInterrupt", "message": "interrupted"}
    else:
        assert out == ""


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(28, "No space left on device"), 3, "x.cert: cannot be written (No space left on device)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failure_while_writing_leaves_what_was_there(
    run: Runner, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException, code: int, message: str
) -> None:
    Path("x.cert").write_text("before")
    before = sorted(os.listdir())

    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, failing)
    found = run("certify", "net.json", "--square", "1", "-o", "x.cert")
    assert (found.code, found.err) == (code, f"splinecam-exact: error: {message}\n")
    assert (Path("x.cert").read_text(), sorted(os.listdir())) == ("before", before)
