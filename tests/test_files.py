"""Files appear whole or not at all, and numbers in them are read exactly."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

from splinecam_exact._files import atomic_write, parse_npy, read_json, read_text
from splinecam_exact._text import parse_number
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1, "a": 1}', "'a' occurs twice"),
        (b"[0.5]", "0.5 is not allowed"),
        (b"[1e5]", "1e5 is not allowed"),
        (b"[NaN]", "NaN is not allowed"),
        (b"[-Infinity]", "-Infinity is not allowed"),
        (b"[" + b"9" * 5000 + b"]", "is not allowed"),
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
    path.write_text("[0.10, 1e2, -3]")
    assert read_json(path, str) == ["0.10", "1e2", -3]


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
