"""Files appear whole or not at all, and numbers in them are read exactly."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

from splinecam_exact._files import atomic_write, parse_npy, read_bytes, read_json, read_text
from splinecam_exact._text import parse_number
from splinecam_exact.importers import load
from splinecam_exact.kernel.errors import FileFormatError, InputError


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    target = tmp_path / "x.json"
    target.write_text("old")

    def interrupted() -> None:
        with atomic_write(target) as file:
            file.write(b"new")
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_finished_write_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.write_text("old")
    with atomic_write(target) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing.*cannot be written"), atomic_write(tmp_path / "missing" / "x"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder.*cannot be written"), atomic_write(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    for path in (fifo, link):
        with pytest.raises(InputError, match=f"{path.name}: is not a regular file"), atomic_write(path) as file:
            file.write(b"new")
    assert fifo.is_fifo()
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("existing", [True, False])
def test_symlink_stays_and_its_target_is_written(tmp_path: Path, existing: bool) -> None:
    (tmp_path / "there").mkdir()
    target, link, chain = tmp_path / "there" / "x", tmp_path / "link", tmp_path / "chain"
    if existing:
        target.write_text("old")
    link.symlink_to("there/x")
    chain.symlink_to("link")
    with atomic_write(chain) as file:
        file.write(b"new")
    assert target.read_text() == "new"
    assert (chain.is_symlink(), link.is_symlink(), target.is_symlink()) == (True, True, False)
    assert list((tmp_path / "there").iterdir()) == [target]


def test_symlinks_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="a: cannot be written"), atomic_write(tmp_path / "a"):
        pass


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o755])
def test_existing_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    target.chmod(mode)
    with atomic_write(target) as file:
        assert not stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~mode  # never readable by more, not for a moment
        file.write(b"new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "x"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["", "/", ".", "a\0b", "a/", "\ud800"])
def test_names_that_no_file_can_have_are_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be written") as refused, atomic_write(name):
        pass
    assert str(refused.value).isprintable()
    with pytest.raises(InputError, match="cannot be read") as refused:
        read_bytes(name)
    assert str(refused.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_unprintable_names_are_shown_escaped(tmp_path: Path) -> None:
    for name, shown in (("a\udcff", "a\\udcff"), ("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J")):
        path = tmp_path / name
        with pytest.raises(InputError) as refused:
            read_text(path)
        assert f"{shown}: cannot be read" in str(refused.value)
        path.write_bytes(b"\xff")
        with pytest.raises(FileFormatError) as refused:
            read_json(path)
        assert f"{shown}, byte 0" in str(refused.value)
        path.write_bytes(b"[1.5]")
        with pytest.raises(FileFormatError) as refused:
            read_json(path)
        assert f"{shown}: the number" in str(refused.value)
        with pytest.raises(InputError) as refused, atomic_write(path / "x"):
            pass
        assert str(refused.value).isprintable()


def test_device_is_not_read() -> None:
    with pytest.raises(InputError, match=r"cannot be read \(a device\)"):
        read_bytes(os.devnull)  # its likes, /dev/zero above all, have no end


@pytest.mark.parametrize("suffix", ["json", "npz", "nnet", "onnx", "pt2"])
def test_pipe_is_not_waited_for(suffix: str, tmp_path: Path) -> None:
    if suffix == "onnx":
        pytest.importorskip("onnx", reason="needs the extra [onnx]")
    fifo = tmp_path / f"x.{suffix}"
    os.mkfifo(fifo)
    with pytest.raises(InputError, match=rf"x\.{suffix}: cannot be read \(a pipe\)"):
        load(fifo, normalize=True) if suffix == "nnet" else load(fifo)


def test_socket_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("x.json")
        with pytest.raises(InputError, match=r"x\.json: cannot be read \(a socket\)"):
            read_json("x.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1, "a": 1}', "'a' occurs twice"),
        (b"[0.5]", "0.5 is not allowed"),
        (b"[1e5]", "1e5 is not allowed"),
        (b"[NaN]", "NaN is not allowed"),
        (b"[-Infinity]", "-Infinity is not allowed"),
        (b"[" + b"9" * 5000 + b"]", r"9999\.\.\. is not allowed here: it has 5000 digits, 19 are the most"),
        (b"[-12345678901234567890]", "-12345678901234567890 is not allowed here: it has 20 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1', "line 1, column 8"),
        (b"[1] 2", "line 1, column 5"),
        (b"", "line 1, column 1"),
        (b'["\xff"]', "byte 2: is not UTF-8"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_json(path)


def test_json_numbers_with_a_fraction_go_to_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[0.10, 1e2, -3, -1234567890123456789]")
    assert read_json(path, str) == ["0.10", "1e2", -3, -1234567890123456789]


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_text(path)


@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", "<f2", "|i1", "<u8"])
def test_npy_round_trip(kind: str) -> None:
    array = np.arange(6, dtype=kind).reshape(2, 3)
    for same in (array, np.asfortranarray(array)):
        file = io.BytesIO()
        np.save(file, same)
        assert np.array_equal(parse_npy(file.getvalue(), "x"), array)


def test_hostile_npy_is_refused_before_allocating() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    good = file.getvalue()
    for bad in (
        good[:-1],
        good + b"0",
        good[:9],
        b"",
        good.replace(b"(3,)", b"(99999999999,)"),
        good.replace(b"(3,)", b"(-3)"),
        good.replace(b"(3,)", b"(-1, -3)"),
        good.replace(b"'<f8'", b"'|O8'"),
        good.replace(b"'<f8'", b"'<c8'"),
        good.replace(b"{'descr'", b"{(((((("),
        b"\x93NUMPY\x09\x00" + good[8:],
    ):
        with pytest.raises(FileFormatError):
            parse_npy(bad, "x")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_hex_floats_and_decimals_are_exact(x: float) -> None:
    assert parse_number(x.hex()) == mpq(Fraction(x))
    assert parse_number(repr(x)) == mpq(Fraction(repr(x)))
    assert parse_number(str(mpq(Fraction(x)))) == mpq(Fraction(x))


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1_0", " 1", "--1", "inf", "nan", "1e401", "1e-401", "1e9999999999", "٣"]
)
def test_texts_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_number(text)


@pytest.mark.parametrize("text", ["2/4", "1/0", "1/-2", "0.5/2", "1/1", "1" * 2000, "1" * 2000 + "/3", "0x1.8p"])
def test_unclear_or_huge_numbers_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_number(text)


def test_json_writer_and_reader_agree(tmp_path: Path) -> None:
    value = {"a": [1, "x", None, True], "b": {}}
    with atomic_write(tmp_path / "x.json") as file:
        file.write(json.dumps(value).encode())
    assert read_json(tmp_path / "x.json") == value
