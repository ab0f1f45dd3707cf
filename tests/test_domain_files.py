"""Domains as people write them: every number means one thing, or is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq

from splinecam_exact.domain import Polygon, Slice, square
from splinecam_exact.domain_files import parse_polygon, read_slice, slice_from_npy
from splinecam_exact.kernel.errors import DomainError, FileFormatError, InputError


def test_polygon_text_is_exact() -> None:
    assert parse_polygon(" 0,0  0.1,1/3\n-1e-1,0x1.8p-1 ") == Polygon(
        [(0, 0), (mpq(1, 10), mpq(1, 3)), (mpq(-1, 10), 0.75)]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0 1,0 0", "vertex 2 is '0'; write it as x,y"),
        ("0,0 1,0 0,1,2", "vertex 2"),
        ("0,0 1,0 0,x", "vertex 2: 'x' is not a decimal number"),
        ("0,0 1,0 0,", "vertex 2"),
        ("0,0 1,0 0,2/4", "vertex 2.*lowest terms"),
        ("", "three corners"),
    ],
)
def test_polygon_text_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        parse_polygon(text)


def read(tmp_path: Path, text: str) -> Slice:
    path = tmp_path / "slice.json"
    path.write_text(text)
    return read_slice(path)


def test_three_ways_to_write_a_slice(tmp_path: Path) -> None:
    box = '"polygon": [[0, 0], ["1/3", 0], [0, "0.1"]]'
    polygon = Polygon([(0, 0), (mpq(1, 3), 0), (0, mpq(1, 10))])
    assert read(tmp_path, '{"origin": [0, 0.5, "0x1p-3"], "basis": [[1, 0, 0], [0, 1, 0]]}') == Slice(
        [0, 0.5, 0.125], [[1, 0, 0], [0, 1, 0]]
    )
    assert read(tmp_path, f'{{"through": [[0, 0], [1, 0], [1, 1]], {box}}}') == Slice.through(
        [0, 0], [1, 0], [1, 1], polygon
    )
    assert read(tmp_path, f'{{"axes": [2, 0], "at": [null, "0.1", null], {box}}}') == Slice.axes(
        2, 0, [None, mpq(1, 10), None], polygon
    )


def test_a_slice_that_was_saved_is_read(tmp_path: Path) -> None:
    plane = Slice([0.1, "1/3", 7], [[1, 2, 3], [0, 0.5, -1]], square(3))
    assert read(tmp_path, json.dumps(plane.to_json())) == plane


@pytest.mark.parametrize("number", ["0.1", "1e-400", "1e300", "1e23", "1e400", "1e99999999999", "3.14159"])
def test_ambiguous_number_is_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(FileFormatError):
        read(tmp_path, f'{{"origin": [{number}, 0], "basis": [[1, 0], [0, 1]]}}')


def test_ambiguous_number_comes_with_both_ways_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, '{"origin": [0.1, 0], "basis": [[1, 0], [0, 1]]}')
    for way, value in (("1/10", mpq(1, 10)), ((0.1).hex(), mpq(*(0.1).as_integer_ratio()))):
        assert f"'{way}'" in str(caught.value)
        plane = read(tmp_path, f'{{"origin": ["{way}", 0], "basis": [[1, 0], [0, 1]]}}')
        assert plane.origin[0] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the keys must be"),
        ("{}", "the keys must be"),
        ('{"origin": [0, 0]}', "the keys must be"),
        ('{"through": [], "axes": [0, 1], "at": []}', "the keys must be"),
        ('{"through": [[0, 0], [1, 0]]}', "holds 2 points"),
        ('{"through": {"a": 1}}', "through: must be a list"),
        ('{"through": [[0, 0], [1, 0], [true, 1]]}', r"through\[2\]\[0\]: must be a number"),
        ('{"through": [[0, 0], [1, 0], [null, 1]]}', r"through\[2\]\[0\]: must be a number"),
        ('{"through": [[0, 0], [1, 0], 1]}', r"through\[2\]: must be a list of numbers"),
        ('{"through": [[0, 0], [1, 0], ["x", 1]]}', r"through\[2\]\[0\]: 'x' is not"),
        ('{"axes": [0], "at": [0, 0]}', "axes: must be two"),
        ('{"axes": [0, true], "at": [0, 0]}', "no coordinate True"),
        ('{"axes": [0, 1.0], "at": [0, 0]}', "no coordinate"),
        ('{"axes": [0, 1], "at": 5}', "at: must be a list"),
        ('{"origin": [0, 0], "basis": [[1, 0], [0, 1]], "polygon": [1]}', r"polygon\[0\]: must be a list"),
        ('{"origin": [0, 0], "basis": [[1, 0], [0, 1]], "polygon": [[0, 0]]}', "three corners"),
        ('{"origin": [0, 0], "basis": [[1, 0], [2, 0]]}', "linearly dependent"),
    ],
)
def test_what_describes_no_slice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_fixed_coordinate_without_a_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "slice.json"
    path.write_text('{"axes": [0, 1], "at": [null, 5, null]}')
    with pytest.raises(FileFormatError, match=r"at\[2\]: is null, but only the inputs 0 and 1 vary"):
        read_slice(path)


def test_npy_holds_three_points(tmp_path: Path) -> None:
    points = np.array([[0, 0, 0], [0.1, 0, 1], [0, 1, 0]], dtype=np.float32)
    np.save(tmp_path / "p.npy", points)
    assert slice_from_npy(tmp_path / "p.npy") == Slice.through(*points)
    assert slice_from_npy(tmp_path / "p.npy", square(1)).polygon == square(1)


def test_npy_of_another_kind_is_refused(tmp_path: Path) -> None:
    for bad in (
        np.zeros((2, 3)),
        np.zeros(3),
        np.array([[None]] * 3),
        np.array([["a"]] * 3),
        np.zeros((3, 2), complex),
    ):
        file = io.BytesIO()
        np.save(file, bad, allow_pickle=True)
        (tmp_path / "p.npy").write_bytes(file.getvalue())
        with pytest.raises(FileFormatError):
            slice_from_npy(tmp_path / "p.npy")
    with pytest.raises(InputError, match=r"missing.npy: cannot be read"):
        slice_from_npy(tmp_path / "missing.npy")
