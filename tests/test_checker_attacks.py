"""Attacks on the checker and on what reads its input: all are refused, with the place, in bounded time.

The false certificates themselves are in certificates/attacks.py, one or more against each step of the proof.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from certificates.attacks import ATTACKS
from certificates.forge import (
    CORNERS,
    CROSS,
    FLAT,
    QUADRANTS,
    SQUARE,
    TIE,
    TIE_CELLS,
    A,
    B,
    C,
    D,
    Domain,
    Tree,
    forge,
    honest,
    relu,
    version_1,
)
from certificates.hostile import HOSTILE
from gmpy2 import mpq, mpz

import splinecam_exact as sx
from splinecam_exact.certificate_text import values
from splinecam_exact.kernel import checker
from splinecam_exact.kernel.certificate import Cell
from splinecam_exact.kernel.errors import RefutedCertificate
from splinecam_exact.kernel.program import Program
from splinecam_exact.kernel.tiling import check_boundary
from splinecam_exact.nodes import Affine, Max

SECONDS = 20
"""No attack takes longer; most take milliseconds."""


@pytest.fixture(autouse=True)
def _bounded_time() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


@cache
def cross_text() -> str:
    return version_1(CROSS, SQUARE)


def checked(tree: Tree, net: sx.Network, dom: Domain, method: str = "witness") -> sx.Verdict:
    return sx.check(sx.Certificate.from_text(json.dumps(tree)), net, dom, method=method)


# -- false certificates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attack_is_refuted_where_it_is_false(name: str) -> None:
    net, dom, tree, place, reason = ATTACKS[name]()
    verdict = checked(tree, net, dom)
    assert verdict.status == "refuted"
    assert verdict.place == place
    assert reason in verdict.reason
    assert verdict.counts == {}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attack_is_refuted_where_every_vertex_is_evaluated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "OneLayer", lambda *_: None)
    net, dom, tree, _, _ = ATTACKS[name]()
    verdict = checked(tree, net, dom)
    assert verdict.status == "refuted"
    assert verdict.place


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attack_is_refuted_by_the_rebuild_method(name: str) -> None:
    net, dom, tree, _, _ = ATTACKS[name]()
    verdict = checked(tree, net, dom, "rebuild")
    assert verdict.status == "refuted"
    assert verdict.place


@pytest.mark.parametrize(
    "cells",
    [
        [*QUADRANTS[:3], QUADRANTS[0]],
        [((2, 2), QUADRANTS[3][1]), *QUADRANTS[:3]],
        [((2, 2), [A, B, C]), *QUADRANTS[:3]],
    ],
)
def test_rebuild_method_refutes_two_cells_of_one_pattern(cells: Any) -> None:
    tree = forge(CROSS, SQUARE, cells, extra=[B])
    tree = {**tree, "counts": honest(CROSS, SQUARE)["counts"]}
    assert len(tree["vertices"]) == 9
    assert checked(tree, CROSS, SQUARE, "witness").status == "refuted"
    assert checked(tree, CROSS, SQUARE, "rebuild").status == "refuted"


@pytest.mark.parametrize("method", ["witness", "rebuild"])
@pytest.mark.parametrize(
    ("net", "dom", "cells"),
    [
        (FLAT, SQUARE, [((), CORNERS)]),
        (CROSS, SQUARE, QUADRANTS),
        (TIE, SQUARE, TIE_CELLS),
        (relu((1, 0, -1)), SQUARE, [((0,), CORNERS)]),  # zero on one side only: off
        (relu((-1, 0, 1)), SQUARE, [((2,), CORNERS)]),  # zero on one side only: on
        (relu((1, 0, -5)), SQUARE, [((0,), CORNERS)]),
        (relu((0, 0, 0)), SQUARE, [((1,), CORNERS)]),
        (sx.from_layers([([[1, 0], [0, 1]], [0, 0])]), SQUARE, [((), CORNERS)]),
        (relu((3, 0, 1), (0, 0, 0)), sx.Polygon([(0, 0), (3, 0), (3, 3)]), [((2, 1), [(0, 0), (3, 0), (3, 3)])]),
    ],
)
def test_honest_certificates_made_by_hand_are_verified(net: sx.Network, dom: Domain, cells: Any, method: str) -> None:
    tree = forge(net, dom, cells)
    verdict = checked(tree, net, dom, method)
    assert (verdict.status, verdict.reason) == ("verified", "")
    assert verdict.counts == tree["counts"]


IN_ONE_POLYGON = (
    *("polygon that is not convex", "polygon with a spike", "clockwise polygon", "pentagram"),
    "cell that a unit cuts at one corner",
)


@pytest.mark.parametrize("name", IN_ONE_POLYGON)
def test_polygon_is_refuted_from_whichever_vertex_it_begins(name: str) -> None:
    net, dom, tree, place, reason = ATTACKS[name]()
    shape = tree["cells"][0][2]
    for k in range(len(shape)):
        tree["cells"][0][2] = shape[k:] + shape[:k]
        verdict = checked(tree, net, dom)
        assert (verdict.status, verdict.place) == ("refuted", place)
        head, _, corner = reason.partition(" at its corner ")
        assert head in verdict.reason
        if corner:
            # the spike turns back at this corner and at the next
            found = {(int(corner) + j - k) % len(shape) for j in (0, 1)[: 1 + ("spike" in name)]}
            assert int(verdict.reason.rpartition(" ")[2]) in found


def test_program_of_other_inputs_is_refused() -> None:
    certificate = sx.certify(CROSS, SQUARE).content
    statement = checker.Statement(Program(3, [], [0]), SQUARE.corners, CROSS.digest, (), SQUARE.digest)
    with pytest.raises(sx.NetworkError, match="2 inputs, not 3"):
        checker.verify(values(certificate), statement)


def test_boundary_must_not_run_back() -> None:
    """Convex tiles cannot make it do so; the walk along the boundary looks all the same."""
    line = [(mpz(x), mpz(-1), mpz(1)) for x in (-1, 1, 3, -3)]
    points = dict(enumerate([*line, (mpz(3), mpz(1), mpz(1)), (mpz(-3), mpz(1), mpz(1))]))
    corners = [3, 2, 4, 5]
    onward = {3: 0, 0: 1, 1: 2, 2: 4, 4: 5, 5: 3}
    assert check_boundary(points, dict(onward), corners) == {2, 3, 4, 5}
    with pytest.raises(RefutedCertificate, match=r"vertices\[0\]: an edge runs back along the domain's boundary"):
        check_boundary(points, {**onward, 3: 1, 1: 0, 0: 2}, corners)


def test_boundary_must_not_pass_a_corner() -> None:
    """Not even where it stops at another vertex that is the same point."""
    places = [(-1, -1), (1, -1), (1, 1), (-1, 1), (2, -1), (1, -1)]
    points = {k: (mpz(x), mpz(y), mpz(1)) for k, (x, y) in enumerate(places)}
    with pytest.raises(RefutedCertificate, match=r"vertices\[4\]: no cell's edge goes on"):
        check_boundary(points, {0: 4, 1: 2, 2: 3, 3: 0}, [0, 1, 2, 3])
    with pytest.raises(RefutedCertificate, match=r"vertices\[4\]: an edge without an opposite leaves"):
        check_boundary(points, {0: 1, 1: 4, 4: 2, 2: 3, 3: 0}, [0, 1, 2, 3])
    with pytest.raises(RefutedCertificate, match=r"vertices\[2\]: an edge without an opposite leaves"):
        check_boundary(points, {0: 5, 5: 2, 1: 2, 2: 3, 3: 0}, [0, 1, 2, 3])
    with pytest.raises(RefutedCertificate, match=r"vertices\[5\]: the edge to vertex 4 has no opposite"):
        check_boundary(points, {0: 1, 1: 2, 2: 3, 3: 0, 5: 4}, [0, 1, 2, 3])


@pytest.mark.parametrize("corner", range(4))
def test_refutation_names_the_missing_corner_by_its_number(corner: int) -> None:
    tree = forge(FLAT, SQUARE, [((), [p for p in CORNERS if p != CORNERS[corner]])])
    verdict = checked(tree, FLAT, SQUARE)
    assert (verdict.place, verdict.reason) == ("vertices", f"corner {corner} of the domain is not among them")


# -- slots: the packed evaluation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [1, 5, 40, 1000, 20_000])
@pytest.mark.parametrize("scale", [1, 3, 7, -3, -7])
def test_slots_hold_the_largest_values(scale: int, digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bits of a coordinate and of a weight set: the values are as near to their bounds as they come."""
    r = 2 ** (3 * digits) - 1
    tight = sx.from_layers([([[scale, 0], [0, scale]], None), ([[1, 0], [0, 1]], None)])
    loose = sx.from_layers([([[scale, 0], [0, scale], [scale, scale]], [0, 0, r]), ([[scale, scale, 1]], [scale])])
    monkeypatch.setattr(checker, "OneLayer", lambda *_: None)
    for net in (tight, loose):
        part = sx.partition(net, sx.square(r))
        verdict = sx.check(sx.Certificate(part.certificate()), net, sx.square(r))
        assert (verdict.status, verdict.counts) == ("verified", part.counts())


def test_more_units_than_bits_in_a_slot_and_more_vertices_than_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "OneLayer", lambda *_: None)
    grid = [(1, 0, -k) for k in range(1, 30)] + [(0, 1, -k) for k in range(1, 30)]
    net, dom = relu(*grid), sx.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)])
    certificate = sx.certify(net, dom)
    assert certificate.counts == {"A": 900, "L": 900, "P": 900, "V": 961, "E": 1860}
    assert sx.check(certificate, net, dom).counts == certificate.counts
    states = [list(cell.changes) for cell in certificate.content.cells]
    far = next(i for i, changes in enumerate(states) if changes and changes[-1][0] == 57)
    wrong = certificate.content.cells[far]._replace(changes=((57, 1),))
    cells = [wrong if i == far else cell for i, cell in enumerate(certificate.content.cells)]
    verdict = sx.check(sx.Certificate(certificate.content._replace(cells=tuple(cells))), net, dom)
    assert (verdict.status, verdict.place) == ("refuted", f"cells[{far}]")
    assert "unit 57 is not in its state" in verdict.reason


def test_largest_max_group_is_certified() -> None:
    net = sx.Network(2, [Affine((0,), ([[0, 0]] * 63,), [*range(61), 61, 61]), Max(1, (tuple(range(63)),))])
    certificate = sx.certify(net, SQUARE)
    assert certificate.content.cells[0].changes == ((0, 2**61 + 2**62),)
    for method in ("witness", "rebuild"):
        assert sx.check(certificate, net, SQUARE, method=method).status == "verified"
    assert sx.partition(net, SQUARE).faces[0].affine.offset == (mpq(61),)


# -- texts that are no certificates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_text_is_malformed_at_a_named_place(name: str) -> None:
    text = HOSTILE[name](cross_text())
    assert text != cross_text()
    with pytest.raises(sx.MalformedCertificate) as error:
        sx.Certificate.from_text(text)
    assert error.value.place.startswith(
        ("certificate", "version", "network", "domain", "counts.", "vertices[", "cells[")
    )
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("depth", range(880, 1020))
def test_every_depth_near_the_recursion_limit_is_malformed(depth: int) -> None:
    """What the JSON reader can still read must not be too deep for what comes after it."""
    for inside in ("[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth):
        for where in ("[0,1,2,3]", ",1,2,3]", '"0"'):
            with pytest.raises(sx.MalformedCertificate):
                sx.Certificate.from_text(cross_text().replace(where, inside + "]" * where.startswith(","), 1))


@pytest.mark.parametrize(
    ("old", "new"), [("[0,1,2,3]]", "[-0,1,2,3]]"), ("[0,[[0,2]]", "[-0,[[0,2]]"), ("[[0,2]]", "[[-0,2]]")]
)
def test_minus_zero_is_not_canonical(old: str, new: str) -> None:
    text = cross_text().replace(old, new)
    assert text != cross_text()
    with pytest.raises(sx.MalformedCertificate):
        sx.Certificate.from_text(text)


@pytest.mark.parametrize("method", ["witness", "rebuild"])
@pytest.mark.parametrize("size", [10**5, 3 * 10**5])
def test_huge_coordinates_are_refuted_in_bounded_time(size: int, method: str) -> None:
    huge = "1" + "0" * size
    for old, new in (('["0", "0", "1"]', ["0", "1", huge]), ('["1", "0", "1"]', [huge, "1", "1"])):
        text = cross_text().replace(old, json.dumps(new))
        verdict = sx.check(sx.Certificate.from_text(text), CROSS, SQUARE, method=method)
        assert verdict.status == "refuted"
        assert len(verdict.reason) < 400


@pytest.mark.parametrize("method", ["witness", "rebuild"])
def test_huge_states_and_units_are_refuted(method: str) -> None:
    tree = honest(CROSS, SQUARE)
    kept = tree["cells"][3][1][:1]
    for change in ([10**18, 1], [1, 10**18], [2**64 - 1, 1], [1, 2**64 - 1], [10**20 - 1, 1]):
        tree["cells"][3][1] = sorted([*kept, change])[-1:]
        verdict = checked(tree, CROSS, SQUARE, method)
        assert (verdict.status, verdict.place) == ("refuted", "cells[3]")
    for change in ([10**20, 1], [1, 10**20], [10**4000, 10**4000]):
        tree["cells"][3][1] = sorted([*kept, change])[-1:]
        with pytest.raises(sx.MalformedCertificate, match="no number this large"):
            checked(tree, CROSS, SQUARE, method)


@pytest.mark.parametrize("method", ["witness", "rebuild"])
def test_empty_lists_are_refuted(method: str) -> None:
    tree = honest(CROSS, SQUARE)
    for empty in ({"cells": []}, {"cells": [], "vertices": []}):
        assert checked({**tree, **empty}, CROSS, SQUARE, method).status == "refuted"
    with pytest.raises(sx.MalformedCertificate):
        checked({**tree, "vertices": []}, CROSS, SQUARE, method)


# -- files that are no certificates -----------------------------------------------------------------------------------


def test_certificate_truncated_anywhere_is_malformed(tmp_path: Path) -> None:
    data = cross_text().encode()
    path = tmp_path / "x.cert"
    for size in (*range(0, len(data), 50), len(data) - 1, len(data) - 2, len(data) - 3):
        path.write_bytes(data[:size])
        if data[:size].strip() == data.strip():
            continue
        with pytest.raises(sx.MalformedCertificate) as error:
            sx.check(path, CROSS, SQUARE)
        assert error.value.place


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        gzip.compress(b"{}", mtime=0),
        b"PK\x03\x04",
        b"\x80\x04}.",
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b'{"format": "\xed\xa0\x80"}',
        b'{"format": "\xc0\xaf"}',
        bytes(range(256)),
    ],
)
def test_files_of_other_kinds_are_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(content)
    for read in (lambda: sx.check(path, CROSS, SQUARE), lambda: sx.load_partition(path), lambda: sx.load(path)):
        with pytest.raises(sx.InputError) as error:
            read()
        assert len(str(error.value)) < 400


def test_hundred_megabytes_of_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    for start in (b"", b"0", b"[0", b'{"format": '):
        with path.open("wb") as file:
            file.write(start)
            file.truncate(10**8)
        with pytest.raises(sx.InputError):
            sx.check(path, CROSS, SQUARE)
    path.write_bytes(b"0" * 10**8)
    with pytest.raises(sx.InputError):
        sx.check(path, CROSS, SQUARE)


def test_folders_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", tmp_path / "missing" / "x", tmp_path / ("x" * 300)):
        for read in (lambda path: sx.check(path, CROSS, SQUARE), sx.load_partition, sx.Certificate.load):
            with pytest.raises(sx.InputError, match="cannot be read"):
                read(path)


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
def test_paths_that_no_file_can_have_are_input_errors(path: str) -> None:
    with pytest.raises(sx.InputError):
        sx.check(path, CROSS, SQUARE)


@pytest.mark.parametrize("other", [None, 3, {}, [], b"x.cert", CROSS, SQUARE])
def test_other_objects_are_refused(other: Any) -> None:
    with pytest.raises(sx.InputError):
        sx.check(other, CROSS, SQUARE)
    certificate = sx.Certificate.from_text(cross_text())
    if other is not CROSS:
        with pytest.raises(sx.InputError):
            sx.check(certificate, other, SQUARE)
    if other is not SQUARE:
        with pytest.raises(sx.InputError):
            sx.check(certificate, CROSS, other)
    with pytest.raises(sx.InputError):
        sx.check(certificate, CROSS, SQUARE, method="trust me")


def test_certificate_made_in_memory_is_held_to_the_same_form() -> None:
    """The top left corner twice, once as (-1, 1, 1) and once as (-2, 2, 2), with an edge without length between."""
    net = relu((1, 1, 0))
    true = sx.Certificate.from_text(json.dumps(forge(net, SQUARE, [((0,), [A, B, D]), ((2,), [B, C, D])]))).content
    x, y, w = true.vertices[2]
    false = true._replace(
        counts={**true.counts, "V": 5, "E": 6},
        vertices=[*true.vertices[:2], (2 * x, 2 * y, 2 * w), true.vertices[3], (x, y, w)],
        cells=[true.cells[0]._replace(polygon=(0, 1, 2, 4)), Cell(-1, ((0, 2),), (1, 3, 2))],
    )
    with suppress(sx.MalformedCertificate):
        assert sx.check(sx.Certificate(false), net, SQUARE).status == "refuted"
