"""The project's own JSON: one way to write a network, and nothing else is read."""

from __future__ import annotations

import base64
import copy
import json
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers import load
from splinecam_exact.kernel.errors import FileFormatError, InputError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.weights import Convolution, Selection

NET = Network(
    2,
    [
        Affine((0,), (ExactArray.of([[0.5, -1], [2, 3]]),), ExactArray.of([0.1, 0])),
        Piecewise.of([[0], ["1/3"]], [[0, 1], ["1/7", 2]], [0, 1], 1),
        Affine((2, 0), (ExactArray.of([[1, 2], [3, 4]]), ExactArray.of(["1/3", 1])), ExactArray.of([0, 1])),
        Max(3, ((0, 1), (1,))),
    ],
    ["a rule"],
)
SLIDING = Network(
    6,
    [
        Affine(
            (0,),
            (Convolution(ExactArray.of([[1, 2], [0.5, -1]]), (1, 6), (3,), (2,), (2,), (0,), (1,)),),
            ExactArray.of([0] * 6),
        ),
        Piecewise.relu(1),
        Affine((2,), (Selection([0, 5, -1, 3], 6),), ExactArray.of([0] * 4)),
    ],
)


@pytest.fixture
def content(tmp_path: Path) -> Any:
    NET.save(tmp_path / "net.json")
    return json.loads((tmp_path / "net.json").read_text())


def read(tmp_path: Path, content: Any) -> Network:
    path = tmp_path / "x.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load(path)


def test_round_trip(tmp_path: Path, content: Any) -> None:
    assert read(tmp_path, content) == NET
    assert read(tmp_path, json.dumps(content, separators=(",", ":"), sort_keys=True)) == NET
    assert content["digest"] == NET.digest
    assert list(content) == ["format", "version", "input_size", "nodes", "conventions", "digest"]


def test_floats_are_base64_and_rationals_integers(content: Any) -> None:
    weight = content["nodes"][0]["weights"][0]
    assert weight == {"shape": [2, 2], "float64": base64.b64encode(struct.pack("<4d", 0.5, -1, 2, 3)).decode()}
    assert content["nodes"][2]["weights"][1] == {"shape": [2], "denominator": "3", "numerators": ["1", "3"]}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    found = copy.deepcopy(content)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    if value is DELETED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


DELETED = object()
VALUES = [
    DELETED,
    None,
    True,
    -1,
    0,
    7,
    2**29,
    2**62,
    10**30,
    "x",
    "0",
    "-1/2",
    [],
    {},
    [[]],
    [0],
    [2**29],
    [2**29, 2**29],
    ["1"],
    {"kind": "max"},
    "AAAAAAAA8D8=",
]


def test_every_change_of_every_field_is_refused(tmp_path: Path, content: Any) -> None:
    assert refuse_changes(tmp_path, content, ()) > 500


def test_every_change_of_convolutions_and_selections_is_refused(tmp_path: Path) -> None:
    SLIDING.save(tmp_path / "net.json")
    content = json.loads((tmp_path / "net.json").read_text())
    assert read(tmp_path, content) == SLIDING
    assert refuse_changes(tmp_path, content, ("nodes", 0, "weights", 0)) > 400
    assert refuse_changes(tmp_path, content, ("nodes", 2, "weights", 0)) > 40


def refuse_changes(tmp_path: Path, content: Any, start: tuple[Any, ...]) -> int:
    """How many changes of what is at a place and in it were refused, as all must be."""
    count = 0
    for path in places(content):
        for value in VALUES if path[: len(start)] == start else ():
            if path == () and value is DELETED:
                continue
            try:
                different = changed(content, path, value)
                if different == content and not isinstance(value, bool):
                    continue
                with pytest.raises(FileFormatError) as caught:
                    read(tmp_path, different)
            except TypeError:
                raise AssertionError((path, value)) from None
            assert "x.json" in caught.value.place
            count += 1
    return count


def test_convolution_with_more_terms_than_memory_holds_is_refused(tmp_path: Path) -> None:
    n = 1 << 15
    kernel, bias = (base64.b64encode(bytes(8 * n)).decode() for _ in range(2))
    sizes = {"image": [1, n], "output": [n], "window": [n], "stride": [1], "padding": [n // 2], "dilation": [1]}
    weight = {"convolution": {"kernel": {"shape": [1, n], "float64": kernel}, **sizes, "groups": 1}}
    node = {"kind": "affine", "sources": [0], "weights": [weight], "bias": {"shape": [n], "float64": bias}}
    content = {"format": "splinecam-exact network", "version": 1, "input_size": n, "nodes": [node], "conventions": []}
    with pytest.raises(FileFormatError, match=r"convolution: .* places of windows; .* are the most"):
        read(tmp_path, {**content, "digest": ""})


def test_added_keys_are_refused(tmp_path: Path, content: Any) -> None:
    for path in places(content):
        inner = content
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict):
            with pytest.raises(FileFormatError, match="unknown key 'more'"):
                read(tmp_path, changed(content, (*path, "more"), 1))


FLOATS = ("nodes", 0, "bias")
RATIONALS = ("nodes", 2, "weights", 1)


def encoded(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}d", *values)).decode()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (FLOATS, {"shape": [2], "float64": encoded(0.1, -0.0)}, r"nodes\[0\]\.bias: is not in canonical form"),
        (FLOATS, {"shape": [2], "float64": encoded(0.1, float("nan"))}, r"nodes\[0\]\.bias: .*nan is not a finite"),
        (FLOATS, {"shape": [2], "float64": encoded(0.1, float("inf"))}, r"nodes\[0\]\.bias: .*inf is not a finite"),
        (FLOATS, {"shape": [2], "float64": encoded(0.1)}, r"bias\.float64: holds 8 bytes, .* needs 16"),
        (FLOATS, {"shape": [2], "float64": encoded(0.1, 0) + "\n"}, r"bias\.float64: is not base64"),
        (FLOATS, {"shape": [2], "float64": encoded(0.1, 0)[:-1]}, r"bias\.float64: is not base64"),
        (FLOATS, {"shape": [2], "float64": "é" * 24}, r"bias\.float64: is not base64"),
        (FLOATS, {"shape": [10**17], "float64": encoded(0.1, 0)}, r"needs 8" + "0" * 17),
        (FLOATS, {"shape": [1, 1, 2], "float64": encoded(0.1, 0)}, r"bias\.shape: must be one or two"),
        (FLOATS, {"shape": [-2], "float64": encoded(0.1, 0)}, r"bias\.shape: must be one or two positive"),
        (FLOATS, {"shape": [True, 2], "float64": encoded(0.1, 0)}, r"bias\.shape\[0\]: must be an integer"),
        (RATIONALS, {"shape": [2], "denominator": "6", "numerators": ["2", "6"]}, "is not in canonical form"),
        (RATIONALS, {"shape": [2], "denominator": "2", "numerators": ["1", "3"]}, "is not in canonical form"),
        (RATIONALS, {"shape": [2], "denominator": "-3", "numerators": ["1", "3"]}, "must be positive"),
        (RATIONALS, {"shape": [2], "denominator": "0", "numerators": ["1", "3"]}, "must be positive"),
        (RATIONALS, {"shape": [2], "denominator": "03", "numerators": ["1", "3"]}, "denominator: '03' is not"),
        (RATIONALS, {"shape": [2], "denominator": "3", "numerators": ["+1", "3"]}, r"numerators\[0\]: '\+1' is not"),
        (RATIONALS, {"shape": [2], "denominator": "3", "numerators": ["1"]}, "numerators: holds 1 numbers"),
        (RATIONALS, {"shape": [2], "denominator": 3, "numerators": ["1", "3"]}, "denominator: must be a string"),
        (("version",), 2, "has version 2; this program reads version 1"),
        (("version",), True, "version: must be an integer"),
        (("format",), "another", 'the key "format" must be'),
        (("digest",), "0" * 64, "digest: is not that of the content, [0-9a-f]{64}: the file was changed"),
        (("conventions",), ["another rule"], "digest: is not that of the content"),
        (("nodes", 0, "kind"), "conv", 'must be an object with the key "kind", one of affine, piecewise, max'),
        (("nodes", 0, "kind"), [], 'must be an object with the key "kind"'),
        (("nodes", 3, "groups"), [[0, 2]], r"node 4 \(Max\) group 0: node 3 has no value 2"),
        (("nodes", 3, "groups", 0), [0.0, 1], r"the number 0\.0 is not allowed"),
    ],
)
def test_fault_is_named_by_its_place(tmp_path: Path, content: Any, path: Any, value: Any, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read(tmp_path, changed(content, path, value))


def test_broken_json_is_refused(tmp_path: Path, content: Any) -> None:
    text = json.dumps(content)
    for size in range(0, len(text), 5):
        with pytest.raises(FileFormatError):
            read(tmp_path, text[:size])
    for other in (
        text + text,
        text.replace('"version": 1', '"version": 1, "version": 1'),
        "[" * 10**5,
        "null",
        "[]",
        "1",
    ):
        with pytest.raises(FileFormatError):
            read(tmp_path, other)


def test_integers_of_any_size(tmp_path: Path) -> None:
    huge = Network.from_layers([([[10**6000 + 1, "1/3"]], [Fraction(1, 10**5000)])])
    huge.save(tmp_path / "huge.json")
    assert load(tmp_path / "huge.json") == huge


def test_file_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.json: cannot be read"):
        load(tmp_path / "missing.json")
    with pytest.raises(InputError, match="cannot be written"):
        NET.save(tmp_path / "missing" / "x.json")
