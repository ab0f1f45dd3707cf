"""Files of verdicts: what is saved is verified, and what is changed is refused or refuted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks, quarters

NET = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 2], [0, 0]], [-1, 0])])
POINTS = [[0.5, 0.25], [0.5, "3/10"], [-1, -1]]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    sx.certify_samples(NET, POINTS, output=0, radius="1/10").save(tmp_path / "verdicts.json")
    return tmp_path / "verdicts.json"


def test_what_is_saved_is_verified(saved: Path) -> None:
    for points in (None, POINTS):
        verdict = sx.check_samples(saved, NET, points)
        assert verdict.status == "verified"
        assert verdict.counts == {"on": 1, "within": 1, "unproved": 1}
        assert verdict.reason == "output 0 = 0, radius 1/10"
    other = sx.check_samples(saved, NET, [*POINTS[:2], [-1, -2]])
    assert (other.status, other.place) == ("refuted", "points")
    stranger = sx.check_samples(saved, sx.from_layers([([[1, 2], [0, 0]], [-1, 0])]))
    assert (stranger.status, stranger.place) == ("refuted", "network")


def test_a_verdict_says_that_there_was_no_radius(tmp_path: Path) -> None:
    reasons = []
    for points in (POINTS[:2], POINTS[:1]):
        sx.certify_samples(NET, points, output=0).save(tmp_path / "v.json")
        reasons.append(sx.check_samples(tmp_path / "v.json", NET).reason)
    claim = ': "within" claims no more than a boundary point before its end, here up to about 0.0448 away'
    assert reasons == [f"output 0 = 0, no radius{claim}", "output 0 = 0, no radius"]


@given(degenerate_networks(), st.lists(st.tuples(quarters(), quarters()), min_size=1, max_size=4))
@settings(max_examples=15)
def test_files_about_degenerate_networks_are_verified(
    tmp_path_factory: pytest.TempPathFactory, plain: PlainNetwork, rows: list[Any]
) -> None:
    net = plain.network()
    name = tmp_path_factory.mktemp("samples") / "verdicts.json"
    points = [[*row, *[0] * (net.input_size - 2)] for row in rows]
    for options in ({}, {"output": 0, "level": "1/2"}, {"radius": 1}):
        found = sx.certify_samples(net, points, **options)  # type: ignore[arg-type]
        found.save(name)
        verdict = sx.check_samples(name, net, points)
        assert (verdict.status, verdict.counts) == ("verified", found.counts())


def test_the_file_does_not_depend_on_how_numbers_are_given(tmp_path: Path) -> None:
    for name, points in (("a", [[0.5, 0.25]]), ("b", [["1/2", "1/4"]]), ("c", np.array([[0.5, 0.25]], np.float32))):
        sx.certify_samples(NET, points).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *path, last = key.split(".")
        at: Any = content
        for word in path:
            at = at[int(word) if word.isdigit() else word]
        at[int(last) if last.isdigit() else last] = value

    return change


FALSE = [
    ("network", "0" * 64, "network"),
    ("points", "0" * 64, "points"),
    ("boundary.level", "1/100", "samples[0].answer"),
    ("boundary", {"output": 1, "level": "0"}, "samples[1].answer"),
    ("boundary", {"classes": [1, 0], "level": "0"}, "samples[1].answer"),
    ("radius", "1/1000000", "samples[1].end"),
    ("samples.0.x.0", "1/3", "points"),
    ("samples.1.x.1", "1/3", "points"),
    ("samples.1.answer", -1, "samples[1].answer"),
    ("samples.2.answer", 1, "samples[2].answer"),
    ("samples.1.end", ["1/2", "29/100"], "samples[1].end"),
    ("samples.1.end", ["0", "0"], "samples[1].end"),
]


@pytest.mark.parametrize(("key", "value", "place"), FALSE)
def test_false_claims_are_refuted(saved: Path, key: str, value: Any, place: str) -> None:
    content = json.loads(saved.read_text())
    changed(key, value)(content)
    saved.write_text(json.dumps(content))
    verdict = sx.check_samples(saved, NET)
    assert (verdict.status, verdict.place) == ("refuted", place)
    assert verdict.reason


def test_a_claim_to_be_on_the_boundary_is_refuted(saved: Path) -> None:
    content = json.loads(saved.read_text())
    content["samples"][2].update(status="on", answer=0)
    saved.write_text(json.dumps(content))
    assert sx.check_samples(saved, NET)[:3] == ("refuted", "is 0, but the network gives -1", "samples[2].answer")


def removed(content: dict[str, Any]) -> None:
    del content["radius"]


def swapped(content: dict[str, Any]) -> None:
    content["format"] = content.pop("format")


def without_end(content: dict[str, Any]) -> None:
    del content["samples"][1]["end"]


MALFORMED = [
    (changed("format", "splinecam-exact samples 2"), "format"),
    (removed, "file"),
    (swapped, "file"),
    (without_end, "samples[1]"),
    (changed("more", 1), "file"),
    (changed("network", "A" * 64), "network"),
    (changed("network", 1), "network"),
    (changed("points", "00"), "points"),
    (changed("radius", "2/20"), "radius"),
    (changed("radius", 1), "radius"),
    (changed("radius", "-1"), "radius"),
    (changed("boundary", {"argmax": 1}), "boundary"),
    (changed("boundary", {"output": 5, "level": "0"}), "boundary"),
    (changed("boundary", {"output": True, "level": "0"}), "boundary"),
    (changed("boundary", {"output": None, "level": "0"}), "boundary"),
    (changed("boundary", {"classes": [0, 0], "level": "0"}), "boundary"),
    (changed("boundary", {"classes": "01", "level": "0"}), "boundary"),
    (changed("boundary.level", 0), "boundary.level"),
    (changed("boundary.level", "0.5"), "boundary.level"),
    (changed("samples", []), "samples"),
    (changed("samples", {}), "samples"),
    (changed("samples.0", []), "samples[0]"),
    (changed("samples.0.status", "within"), "samples[0]"),
    (changed("samples.0.status", "off"), "samples[0].status"),
    (changed("samples.0.status", ["on"]), "samples[0].status"),
    (changed("samples.0.answer", True), "samples[0].answer"),
    (changed("samples.0.answer", 1), "samples[0]"),
    (changed("samples.0.end", ["0", "0"]), "samples[0]"),
    (changed("samples.1.status", "unproved"), "samples[1]"),
    (changed("samples.1.end", ["0"]), "samples[1].end"),
    (changed("samples.1.end.0", "01"), "samples[1].end[0]"),
    (changed("samples.2.x", ["0", "0", "0"]), "samples[2].x"),
    (changed("samples.2.x.1", None), "samples[2].x[1]"),
    (changed("samples.2.x.1", [1]), "samples[2].x[1]"),
]


@pytest.mark.parametrize(("change", "place"), MALFORMED)
def test_malformed_files_are_refused(saved: Path, change: Callable[[dict[str, Any]], None], place: str) -> None:
    content = json.loads(saved.read_text())
    change(content)
    saved.write_text(json.dumps(content))
    with pytest.raises(sx.MalformedCertificate) as refusal:
        sx.check_samples(saved, NET)
    assert refusal.value.place.endswith(f": {place}")


def test_files_that_are_no_json(saved: Path) -> None:
    text = saved.read_text()
    for broken in (
        "",
        text[:-5],
        "[1.5]",
        "[" * 100_000,
        text.replace('"radius"', '"network"'),
        text.replace("-1", "-1.0"),
    ):
        saved.write_text(broken)
        with pytest.raises(sx.MalformedCertificate):
            sx.check_samples(saved, NET)
    saved.write_bytes(b"\xff\xfe")
    with pytest.raises(sx.MalformedCertificate, match="UTF-8"):
        sx.check_samples(saved, NET)
    with pytest.raises(sx.InputError, match="cannot be read"):
        sx.check_samples(saved.with_name("none.json"), NET)
    with pytest.raises(sx.InputError, match="a Network is needed"):
        sx.check_samples(saved, "net")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [3, None, b"verdicts.json", True])
def test_names_of_files_that_are_none(name: Any) -> None:
    with pytest.raises(sx.InputError, match="a file's name is needed"):
        sx.certify_samples(NET, POINTS).save(name)
    with pytest.raises(sx.InputError, match="a file's name is needed"):
        sx.check_samples(name, NET)


def test_an_argmax_of_one_output_is_no_boundary(tmp_path: Path) -> None:
    net = sx.from_layers([([[1]], [0])])
    sx.certify_samples(net, [[1]]).save(tmp_path / "v.json")
    content = json.loads((tmp_path / "v.json").read_text())
    content["boundary"] = {"argmax": True}
    (tmp_path / "v.json").write_text(json.dumps(content))
    with pytest.raises(sx.MalformedCertificate, match="several outputs"):
        sx.check_samples(tmp_path / "v.json", net)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "verdicts.json"
    target.write_text("old")
    found = sx.certify_samples(NET, POINTS)
    monkeypatch.setattr(type(found), "end", lambda self, i: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found.save(target)
    assert [p.name for p in tmp_path.iterdir()] == ["verdicts.json"]
    assert target.read_text() == "old"
