"""Corrupt a valid certificate, one thing at a time: it is malformed, or refuted with a place, and never verified.

A corruption that leaves the statement equally true (another first vertex of a polygon, another numbering of the
vertices or the cells) is accepted: the format fixes one text per numbering, not the numbering.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, NamedTuple

import pytest
from certificates.corruptions import KINDS, Tree, copied, edited, meaning, patterns_of, polygons_of, with_cells
from certificates.forge import SUBJECTS, version_1
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import certification
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks


class Subject(NamedTuple):
    """What certificates are corrupted, and the text of the valid one."""

    net: sx.Network
    dom: sx.Polygon | sx.Slice
    text: str

    @property
    def tree(self) -> Tree:
        return json.loads(self.text)


@cache
def subject(name: str) -> Subject:
    net, dom = SUBJECTS[name]
    return Subject(net, dom, version_1(net, dom))


each_subject = pytest.mark.parametrize("name", list(SUBJECTS))


@pytest.fixture
def _rebuilt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method "rebuild" partitions anew for each mutant; once is enough here."""
    known: dict[tuple[str, str], sx.Subdivision] = {}

    def once(net: sx.Network, dom: sx.Polygon | sx.Slice, mode: str | None = None, **options: object) -> sx.Subdivision:
        key = net.digest, dom.digest
        if key not in known:
            known[key] = sx.partition(net, dom, mode)
        return known[key]

    monkeypatch.setattr(certification, "partition", once)


def judge(tree: Tree, net: sx.Network, dom: sx.Polygon | sx.Slice, method: str) -> tuple[str, str]:
    """("malformed" or the verdict's status, place)."""
    try:
        certificate = sx.Certificate.from_text(json.dumps(tree))
    except sx.MalformedCertificate as malformed:
        return "malformed", malformed.place
    verdict = sx.check(certificate, net, dom, method=method)
    assert bool(verdict.reason) == bool(verdict.place) == (verdict.status != "verified")
    return verdict.status, verdict.place


# -- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_rebuilt_once")
@pytest.mark.parametrize("method", ["witness", "rebuild"])
@pytest.mark.parametrize("kind", list(KINDS))
@each_subject
def test_every_corruption_is_refused(name: str, kind: str, method: str) -> None:
    net, dom, text = subject(name)
    tree = json.loads(text)
    said, text_of_tree = meaning(tree), json.dumps(tree)
    tried = equal = 0
    for label, mutant in KINDS[kind](tree):
        if json.dumps(mutant) == text_of_tree:
            continue
        tried += 1
        status, place = judge(mutant, net, dom, method)
        if status == "verified" and kind in ("bases", "changes"):
            # a unit of three states and more: the same pattern may be reached from another base
            equal += 1
            assert meaning(mutant) == said, label
            continue
        assert status in ("malformed", "refuted"), label
        assert place, label
        if method == "witness" and kind not in ("counts", "head"):
            assert not place.startswith("counts."), f"{label}: only the counts gave it away"
    single, triangles = len(tree["cells"]) == 1, all(len(polygon) == 3 for polygon in polygons_of(tree))
    assert tried or (kind in ("cells merged", "patterns swapped") and single) or (kind == "cells split" and triangles)
    assert equal <= tried // 20


@pytest.mark.parametrize("method", ["witness", "rebuild"])
@each_subject
def test_equally_true_certificates_are_verified(name: str, method: str) -> None:
    """Polygons from another first vertex, vertices and cells in another order, patterns written out."""
    net, dom, text = subject(name)
    tree = json.loads(text)
    patterns, shapes = patterns_of(tree), polygons_of(tree)
    variants = [tree, with_cells(tree, patterns, shapes)]
    for i, shape in enumerate(shapes):
        variants += [
            edited(tree, lambda t, i=i, s=shape, k=k: t["cells"][i].__setitem__(2, s[k:] + s[:k]))
            for k in range(len(shape))
        ]
    random = Random(1)
    for _ in range(5):
        order = random.sample(range(len(shapes)), len(shapes))
        place = random.sample(range(len(tree["vertices"])), len(tree["vertices"]))
        moved = [tree["vertices"][place.index(v)] for v in range(len(place))]
        variants.append(
            with_cells(tree, [patterns[i] for i in order], [[place[v] for v in shapes[i]] for i in order], moved)
        )
    for variant in variants:
        assert meaning(variant) == meaning(tree)
        assert judge(variant, net, dom, method) == ("verified", "")


@pytest.mark.parametrize("method", ["witness", "rebuild"])
def test_change_to_the_same_state_is_refused(method: str) -> None:
    for new in redundant_changes():
        assert judge(new, *subject("plain")[:2], method) == ("refuted", "cells[1]")


def redundant_changes() -> Iterator[Tree]:
    tree = subject("plain").tree
    assert tree["cells"][0][:2] == [-1, []]
    assert tree["cells"][1][:2] == [0, [[0, 2]]]
    for changes in ([[0, 2], [1, 0]], [[0, 2], [2, 0]], [[0, 0]]):
        yield edited(tree, lambda t, c=changes: t["cells"].__setitem__(1, [0, c, tree["cells"][1][2]]))


@pytest.mark.parametrize("method", ["witness", "rebuild"])
def test_change_to_the_same_state_is_refused_where_the_base_is_not_beside_the_cell(method: str) -> None:
    """Version 2 cannot name such a base; nothing is lost on the way to it."""
    net, dom, text = subject("plain")
    tree = json.loads(text)
    assert tree["cells"][4][:2] == [3, [[2, 2]]]
    assert not set(tree["cells"][4][2]) & set(tree["cells"][0][2])
    for extra, answer in (([], ("verified", "")), ([[3, 0]], ("refuted", "cells[4]"))):
        changes = [[0, 2], [1, 2], [2, 2], *extra]
        assert (
            judge(edited(tree, lambda t, c=changes: t["cells"][4].__setitem__(slice(2), [0, c])), net, dom, method)
            == answer
        )
    doubled = edited(tree, lambda t: t["cells"][4].__setitem__(slice(2), [1, [[0, 2], [1, 2], [2, 2]]]))
    assert judge(doubled, net, dom, method) == ("refuted", "cells[4]")


@each_subject
def test_text_form_is_stable(name: str) -> None:
    """The text of the parsed text is the text, and the certificates are equal."""
    net, dom, text = subject(name)
    again = sx.Certificate.from_text(text)
    assert again.to_text(1) == text
    assert again == sx.certify(net, dom).with_coordinates(net, dom)
    assert again.counts == json.loads(text)["counts"]
    streamed = sx.certify(net, dom)
    for certificate in (again, streamed):
        assert sx.Certificate.from_text(certificate.to_text()) == certificate


# -- one random edit of the JSON tree ---------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON tree but the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from places(inside, (*path, key))


def random_edit(tree: Tree, random: Random) -> Tree:
    """Replace, remove, double, copy over or swap something; numbers by near ones, mostly."""
    new = copied(tree)
    *way, key = random.choice(list(places(new)))
    parent: Any = new
    for step in way:
        parent = parent[step]
    old = parent[key]
    edits = ["replace", "replace", "copy", "swap", "remove", "double"]
    edit = random.choice(edits if isinstance(parent, list) else edits[:4])
    other = random.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    if edit == "remove":
        del parent[key]
    elif edit == "double":
        parent.insert(other, copied(old))
    elif edit == "copy":
        parent[other] = copied(old)
    elif edit == "swap":
        parent[key], parent[other] = parent[other], old
    elif type(old) is int:
        parent[key] = random.choice([old + 1, old - 1, 0, random.randrange(12), -old, str(old), True, None])
    elif isinstance(old, str):
        near = str(int(old) + random.choice([-1, 1])) if old.lstrip("-").isdigit() and len(old) < 60 else old[::-1]
        parent[key] = random.choice([near, near, "0", "1", old + "0", old[1:], "-" + old, None])
    else:
        parent[key] = random.choice([[], {}, None, 0, [old], old[::-1] if isinstance(old, list) else old])
    return new


@pytest.mark.parametrize("method", ["witness", "rebuild"])
@settings(max_examples=2 * settings.default.max_examples)
@given(plain=degenerate_networks(max_layers=2, max_width=4, max_cells=20), random=st.randoms(use_true_random=False))
def test_verified_only_if_the_meaning_is_the_same(plain: PlainNetwork, random: Random, method: str) -> None:
    net, dom = plain.network(), plain.domain()
    tree = json.loads(version_1(net, dom))
    assert judge(tree, net, dom, method) == ("verified", "")
    true = meaning(tree)
    for _ in range(20):
        mutant = random_edit(tree, random)
        if judge(mutant, net, dom, method)[0] == "verified":
            assert meaning(mutant) == true
