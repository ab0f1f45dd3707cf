"""Attacks on files of partitions: none is loaded whose certificate is not true of its network and domain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from certificates.attacks import ATTACKS
from certificates.corruptions import KINDS
from certificates.forge import CROSS, HALVES, SQUARE, SUBJECTS, Tree

import splinecam_exact as sx
from splinecam_exact.importers.native import to_json
from splinecam_exact.nodes import Affine, Max

REFUSALS = (sx.FileFormatError, sx.RefutedCertificate)


@cache
def partition_tree() -> str:
    part = sx.partition(*SUBJECTS["plain"], "rational")
    return json.dumps(
        {
            "format": "splinecam-exact subdivision",
            "version": 1,
            "network": network_tree(part.network),
            "domain": part.domain.to_json(),
            "certificate": json.loads(sx.Certificate(part.certificate()).to_text(1)),
        }
    )


def network_tree(net: sx.Network) -> Tree:
    return json.loads(json.dumps(to_json(net)))


def loads(path: Path, tree: Any) -> sx.Subdivision:
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    return sx.load_partition(path)


def test_partition_file_as_saved_is_read(tmp_path: Path) -> None:
    part = sx.partition(*SUBJECTS["plain"], "rational")
    part.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved").read_text()) == json.loads(partition_tree())
    assert loads(tmp_path / "x", partition_tree()).counts() == part.counts()


@pytest.mark.parametrize("kind", list(KINDS))
def test_partition_file_with_a_corrupt_certificate_is_refused(kind: str, tmp_path: Path) -> None:
    tree = json.loads(partition_tree())
    said = json.dumps(tree["certificate"])
    for label, certificate in KINDS[kind](tree["certificate"]):
        if json.dumps(certificate) != said:
            try:
                loads(tmp_path / "x", {**tree, "certificate": certificate})
            except REFUSALS as error:
                assert error.place  # noqa: PT017 - the error is one of two
            else:
                pytest.fail(f"accepted: {label}")


@pytest.mark.parametrize("name", list(ATTACKS))
def test_partition_file_with_a_false_certificate_is_refused(name: str, tmp_path: Path) -> None:
    net, dom, certificate, place, _ = ATTACKS[name]()
    tree = {**json.loads(partition_tree()), "network": network_tree(net), "domain": dom.to_json()}
    with pytest.raises(sx.RefutedCertificate) as error:
        loads(tmp_path / "x", {**tree, "certificate": certificate})
    assert error.value.place == place


def test_partition_file_with_another_network_or_domain_is_refused(tmp_path: Path) -> None:
    tree = json.loads(partition_tree())
    for net in (CROSS, HALVES, SUBJECTS["max with ties"][0], sx.Network(2, SUBJECTS["plain"][0].nodes, ["so"])):
        with pytest.raises(sx.RefutedCertificate, match="network"):
            loads(tmp_path / "x", {**tree, "network": network_tree(net)})
    for dom in (sx.square(2), sx.square("1/2"), SUBJECTS["deep"][1], sx.Slice([0, 0], [[1, 0], [0, 1]], SQUARE)):
        with pytest.raises(sx.RefutedCertificate, match="domain"):
            loads(tmp_path / "x", {**tree, "domain": dom.to_json()})
    with pytest.raises(sx.FileFormatError, match="domain"):
        loads(tmp_path / "x", {**tree, "domain": SUBJECTS["slice"][1].to_json()})


def test_partition_file_with_anything_else_in_a_place_is_refused(tmp_path: Path) -> None:
    tree = json.loads(partition_tree())
    values = (None, 0, 2, -1, "", "x", [], {}, [[]], [{}], {"a": 1}, "\ud800", "0" * 64, False, 10**17)
    for path in paths(tree):
        *way, key = path
        new = json.loads(partition_tree())
        parent = new
        for step in way:
            parent = parent[step]
        old = parent[key]
        for value in values:
            if (value, type(value)) != (old, type(old)):
                parent[key] = value
                with pytest.raises(REFUSALS) as error:
                    loads(tmp_path / "x", new)
                assert error.value.place
        del parent[key]
        with pytest.raises(REFUSALS):
            loads(tmp_path / "x", new)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a JSON tree; of a list of more than four entries, to the first four."""
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:4] if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from paths(inside, (*path, key))


def test_partition_file_with_other_keys_is_refused(tmp_path: Path) -> None:
    tree = json.loads(partition_tree())
    order = list(tree)
    for keys in (order[::-1], [*order[1:], order[0]], order[:-1]):
        with pytest.raises(sx.FileFormatError):
            loads(tmp_path / "x", {key: tree[key] for key in keys})
    with pytest.raises(sx.FileFormatError):
        loads(tmp_path / "x", {**tree, "extra": 0})


@pytest.mark.parametrize(("old", "new"), [("[0, 1, 2, 3]", "[-0, 1, 2, 3]"), ('"sources": [0]', '"sources": [-0]')])
def test_minus_zero_in_a_partition_file_is_refused(old: str, new: str, tmp_path: Path) -> None:
    assert old in partition_tree()
    with pytest.raises(sx.FileFormatError):
        loads(tmp_path / "x", partition_tree().replace(old, new, 1))


def test_partition_file_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    text = partition_tree()
    for size in (*range(0, len(text), 50), len(text) - 1):
        with pytest.raises(sx.FileFormatError):
            loads(tmp_path / "x", text[:size])


def test_deeply_nested_partition_files_are_refused(tmp_path: Path) -> None:
    text = partition_tree()
    for depth in (100, 900, 960, 970, 980, 985, 990, 995, 1000, 10**5):
        for where in ('"-1"', "[0, 1, 2, 3]", "[]", '"piecewise"', "2"):
            assert where in text
            with pytest.raises(REFUSALS):
                loads(tmp_path / "x", text.replace(where, "[" * depth + "]" * depth, 1))


def test_partition_file_of_version_true_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sx.FileFormatError):
        loads(tmp_path / "x", {**json.loads(partition_tree()), "version": True})


def test_lone_surrogate_in_a_convention_is_refused(tmp_path: Path) -> None:
    tree = json.loads(partition_tree())
    tree["network"]["conventions"] = ["\ud800"]
    with pytest.raises(REFUSALS):
        loads(tmp_path / "x", tree)


def test_partition_with_a_large_max_group_can_be_saved_and_loaded(tmp_path: Path) -> None:
    net = sx.Network(2, [Affine((0,), ([[0, 0]] * 61,), list(range(61))), Max(1, (tuple(range(61)),))])
    part = sx.partition(net, SQUARE, "rational")
    assert part.faces[0].pattern == (2**60,)
    part.save(tmp_path / "x")
    assert sx.load_partition(tmp_path / "x").counts() == part.counts()
