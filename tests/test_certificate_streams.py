"""Version 2 of the certificate: what is true is verified, whatever else is refused, and little is kept in memory."""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from fractions import Fraction
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from certificates.corruptions import meaning
from certificates.forge import BUMP, CROSS, SQUARE, SUBJECTS, TRIANGLE, relu, version_1
from certificates.streams import (
    HOSTILE_STREAMS,
    ROUND_TEXT,
    STREAM_ATTACKS,
    grid_around,
    mutants,
    stream,
    text_of,
    values_of,
)
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import certificate_files, pooled
from splinecam_exact.canonical import canonical
from splinecam_exact.certification import certificate_of, write_certificate
from splinecam_exact.kernel import checker, tiling
from splinecam_exact.kernel.certificate import read
from splinecam_exact.nodes import Affine, Piecewise
from splinecam_exact.partitioning import lowered
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

each_subject = pytest.mark.parametrize("name", list(SUBJECTS))


@cache
def text(name: str) -> str:
    return sx.certify(*SUBJECTS[name]).to_text()


@pytest.fixture
def force(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With "vertices", networks of one layer are evaluated at every vertex, as others are."""
    if request.param == "vertices":
        evaluate_everywhere(monkeypatch)


def evaluate_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "OneLayer", lambda *_: None)


each_way = pytest.mark.parametrize("force", ["edges", "vertices"], indirect=True)


def statement(net: sx.Network, dom: sx.Polygon | sx.Slice) -> checker.Statement:
    return checker.Statement(lowered(net, dom), dom.corners, net.digest, net.conventions, dom.digest)


def judge(said: str, net: sx.Network, dom: sx.Polygon | sx.Slice, **options: Any) -> tuple[str, str]:
    """("malformed" or the verdict's status, place), read line by line."""
    try:
        counts = checker.verify(read(io.StringIO(said, newline="\n")), statement(net, dom), **options)
    except sx.MalformedCertificate as malformed:
        return "malformed", malformed.place
    except sx.RefutedCertificate as refuted:
        return "refuted", refuted.place
    assert counts == values_of(said)[0]["counts"]
    return "verified", ""


def meaning_of(said: str, net: sx.Network, dom: sx.Polygon | sx.Slice) -> object:
    return meaning(json.loads(sx.Certificate.from_text(said).with_coordinates(net, dom).to_text(1)))


# -- what is true -----------------------------------------------------------------------------------------------------


@each_way
@each_subject
@pytest.mark.usefixtures("force")
def test_true_certificate_is_verified(name: str, tmp_path: Path) -> None:
    net, dom = SUBJECTS[name]
    assert judge(text(name), net, dom) == ("verified", "")
    for path in (tmp_path / "x.cert", tmp_path / "x.cert.gz"):
        sx.Certificate.from_text(text(name)).save(path)
        assert sx.check(path, net, dom).status == "verified"
        assert sx.check(path, net, dom, method="rebuild").status == "verified"
        assert sx.Certificate.load(path).to_text() == text(name)
    assert (tmp_path / "x.cert").read_bytes() == text(name).encode()
    assert gzip.decompress((tmp_path / "x.cert.gz").read_bytes()) == text(name).encode()


@each_subject
def test_both_versions_say_the_same(name: str) -> None:
    net, dom = SUBJECTS[name]
    first = sx.Certificate.from_text(version_1(net, dom))
    assert (
        meaning(json.loads(first.to_text(1)))
        == meaning_of(text(name), net, dom)
        == meaning_of(first.to_text(), net, dom)
    )
    assert first.to_text(1) == version_1(net, dom)
    assert judge(first.to_text(), net, dom) == ("verified", "")
    assert sx.Certificate.from_text(first.to_text()) == first


@given(degenerate_networks(max_layers=2, max_width=4, max_cells=20), st.randoms(use_true_random=False))
def test_cells_may_come_in_any_order_in_version_1(plain: PlainNetwork, random: Random) -> None:
    """Where a base would have all its neighbours, version 2 writes the pattern out."""
    net, dom = plain.network(), plain.domain()
    true = sx.certify(net, dom)
    cells = true.content.cells
    order = random.sample(range(len(cells)), len(cells))
    patterns = sx.Certificate.from_text(true.to_text()).content
    states = [dict(_pattern(patterns.cells, i)) for i in order]
    shuffled = []
    for i, (cell, mine) in enumerate(zip(order, states, strict=True)):
        base = random.randrange(-1, i)
        theirs = states[base] if base >= 0 else {}
        changes = sorted((u, mine.get(u, 0)) for u in mine.keys() | theirs.keys() if mine.get(u, 0) != theirs.get(u, 0))
        shuffled.append(cells[cell]._replace(base=base, changes=tuple(changes)))
    mixed = sx.Certificate(true.content._replace(cells=tuple(shuffled)))
    if all(state for _, changes, _ in shuffled for _, state in changes):
        assert sx.check(mixed, net, dom).status == "verified"
        assert judge(mixed.to_text(), net, dom) == ("verified", "")


def _pattern(cells: Any, i: int) -> Iterator[tuple[int, int]]:
    found: dict[int, int] = {}
    while i >= 0:
        for unit, state in cells[i].changes:
            found.setdefault(unit, state)
        i = cells[i].base
    return ((unit, state) for unit, state in found.items() if state)


@given(degenerate_networks(max_layers=2, max_width=4, max_cells=30))
def test_vertices_given_by_lines_are_the_exact_vertices(plain: PlainNetwork) -> None:
    net, dom = plain.network(), plain.domain()
    part = canonical(sx.partition(net, dom))
    certificate = certificate_of(part)
    assert list(certificate.with_coordinates(net, dom).content.vertices) == part.points
    one_layer = len(net.nodes) <= 3 and all(isinstance(node, Affine | Piecewise) for node in net.nodes)
    assert not one_layer or all(len(vertex) == 2 for vertex in certificate.content.vertices)


@given(degenerate_networks(max_layers=1, max_width=5, max_cells=40))
def test_looking_at_edges_is_as_good_as_evaluating_everywhere(plain: PlainNetwork) -> None:
    net, dom = plain.network(), plain.domain()
    said = sx.certify(net, dom).to_text()
    assert judge(said, net, dom) == ("verified", "")
    with pytest.MonkeyPatch.context() as patch:
        evaluate_everywhere(patch)
        assert judge(said, net, dom) == ("verified", "")


def test_certificate_is_what_the_files_say(tmp_path: Path) -> None:
    for name, (net, dom) in SUBJECTS.items():
        part = sx.partition(net, dom)
        for path in (tmp_path / f"{name}.cert", tmp_path / f"{name}.gz"):
            write_certificate(part, path)
            assert sx.Certificate.load(path) == certificate_of(part) == sx.certify(net, dom)


def test_only_the_version_that_is_asked_for_is_written() -> None:
    certificate = sx.certify(CROSS, SQUARE)
    with pytest.raises(sx.InputError, match="version 3"):
        certificate.to_text(3)
    with pytest.raises(sx.InputError, match="coordinates"):
        certificate.to_text(1)


# -- what is false ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(STREAM_ATTACKS))
def test_false_stream_is_refuted_where_it_is_false(name: str, tmp_path: Path) -> None:
    net, dom, values, place, reason = STREAM_ATTACKS[name]()
    path = tmp_path / "x.cert"
    path.write_text(text_of(values))
    verdict = sx.check(path, net, dom)
    assert (verdict.status, verdict.place, verdict.counts) == ("refuted", place, {})
    assert reason in verdict.reason


@pytest.mark.parametrize("name", list(STREAM_ATTACKS))
def test_false_stream_is_refuted_where_every_vertex_is_evaluated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate_everywhere(monkeypatch)
    net, dom, values, _, _ = STREAM_ATTACKS[name]()
    assert judge(text_of(values), net, dom)[0] == "refuted"


@pytest.mark.parametrize("name", list(HOSTILE_STREAMS))
def test_hostile_stream_is_malformed(name: str, tmp_path: Path) -> None:
    said = HOSTILE_STREAMS[name](ROUND_TEXT)
    assert said != ROUND_TEXT
    path = tmp_path / "x.cert"
    path.write_bytes(said.encode())
    for read_it in (lambda: sx.check(path, CROSS, SQUARE), lambda: sx.Certificate.from_text(said)):
        with pytest.raises(sx.MalformedCertificate) as error:
            read_it()
        assert error.value.place
        assert len(str(error.value)) < 400


@each_way
@pytest.mark.parametrize(
    "name", ["plain", "deep", "zero units", "max with ties", "several breakpoints", "slice", "regions"]
)
@pytest.mark.usefixtures("force")
def test_every_changed_value_is_refused(name: str) -> None:
    net, dom = SUBJECTS[name]
    true = meaning_of(text(name), net, dom)
    tried = 0
    for label, values in mutants(values_of(text(name))):
        tried += 1
        said = text_of(values)
        status, place = judge(said, net, dom)
        if status == "verified":  # another line through a vertex, another base, another vertex to begin with
            assert meaning_of(said, net, dom) == true, label
        else:
            assert place, label
    assert tried > 300


@given(degenerate_networks(max_layers=2, max_width=4, max_cells=15), st.randoms(use_true_random=False))
def test_verified_only_if_the_stream_means_the_same(plain: PlainNetwork, random: Random) -> None:
    net, dom = plain.network(), plain.domain()
    said = sx.certify(net, dom).to_text()
    true = meaning_of(said, net, dom)
    every = list(mutants(values_of(said)))
    for _, values in random.sample(every, min(40, len(every))):
        changed = text_of(values)
        for everywhere in (False, True):
            with pytest.MonkeyPatch.context() as patch:
                if everywhere:
                    evaluate_everywhere(patch)
                if judge(changed, net, dom)[0] == "verified":
                    assert meaning_of(changed, net, dom) == true


def test_stream_cut_off_anywhere_is_malformed(tmp_path: Path) -> None:
    data = text("plain").encode()
    packed = gzip.compress(data)
    path = tmp_path / "x.cert"
    for whole in (data, packed):
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            with pytest.raises(sx.MalformedCertificate):
                sx.check(path, *SUBJECTS["plain"])


def test_lines_in_another_order_are_refused_or_true() -> None:
    net, dom = SUBJECTS["deep"]
    head, *lines = text("deep").splitlines(keepends=True)
    true = meaning_of(text("deep"), net, dom)
    random = Random(0)
    for _ in range(200):
        said = "".join([head, *random.sample(lines, len(lines))])
        if judge(said, net, dom)[0] == "verified":
            assert meaning_of(said, net, dom) == true


# -- hostile files ----------------------------------------------------------------------------------------------------


def test_line_without_an_end_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_files, "LONGEST", 10_000)
    path = tmp_path / "x.cert"
    head = ROUND_TEXT.splitlines(keepends=True)[0].encode()
    for start in (head, head[:-1]):
        for write in (path.write_bytes, lambda data: path.write_bytes(gzip.compress(data))):
            write(start + b"1" * 10**7)
            with pytest.raises(sx.MalformedCertificate, match="bytes"):
                sx.check(path, CROSS, SQUARE)


def test_compressed_file_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """A thousand million bytes in a small file: the second line is wrong."""
    path = tmp_path / "x.cert"
    with gzip.open(path, "wb") as file:
        file.write(ROUND_TEXT.splitlines(keepends=True)[0].encode())
        for _ in range(100):
            file.write(b"[0,[],[]]\n" * 10**5)
    with pytest.raises(sx.MalformedCertificate, match=r"cells\[0\]"):
        sx.check(path, CROSS, SQUARE)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"x", version_1(CROSS, SQUARE).encode()])
def test_other_compressed_files_are_malformed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.cert"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(sx.MalformedCertificate, match="not of version 2"):
        sx.check(path, CROSS, SQUARE)


def test_damaged_compressed_file_is_malformed(tmp_path: Path) -> None:
    data = gzip.compress(text("deep").encode(), mtime=0)
    path = tmp_path / "x.cert"
    for k in range(len(data)):
        path.write_bytes(data[:k] + bytes([data[k] ^ 0xFF]) + data[k + 1 :])
        try:
            verdict = sx.check(path, *SUBJECTS["deep"])
        except sx.InputError:
            continue
        assert verdict.status == "refuted" or 4 <= k <= 9, k  # time and system in the header


# -- memory -----------------------------------------------------------------------------------------------------------


def test_only_the_frontier_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 30
    net = relu(*[(1, 0, -k) for k in range(1, n)], *[(0, 1, -k) for k in range(1, n)])
    dom = sx.Polygon([(0, 0), (n, 0), (n, n), (0, n)])
    most = {"nodes": 0, "faces": 0, "edges": 0}
    add = tiling.Tiling.add

    def watched(self: tiling.Tiling, *args: Any) -> Any:
        for name in most:
            most[name] = max(most[name], len(getattr(self, name)))
        return add(self, *args)

    monkeypatch.setattr(tiling.Tiling, "add", watched)
    assert judge(sx.certify(net, dom).to_text(), net, dom) == ("verified", "")
    assert max(most.values()) <= 6 * n < n * n / 4


def test_lines_are_asked_for_one_by_one() -> None:
    net, lines = grid_around()
    lines[4] = lines[4]._replace(changes=[])
    values = stream(net, SQUARE, lines)
    asked = []

    def given() -> Iterator[Any]:
        for k in count():
            asked.append(k)
            yield values[k]

    with pytest.raises(sx.RefutedCertificate, match=r"cells\[4\]"):
        checker.verify(given(), statement(net, SQUARE))
    assert asked[-1] == 5


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    net, dom = SUBJECTS["deep"]
    for size in (1, 2, 3, 5, 1000):
        monkeypatch.setattr(checker, "CHUNK", size)
        assert judge(text("deep"), net, dom) == ("verified", "")


# -- limits -----------------------------------------------------------------------------------------------------------


class Enough(Exception):
    """Raised to interrupt."""


@each_way
@pytest.mark.usefixtures("force")
def test_check_can_be_interrupted_at_every_call_of_progress() -> None:
    n = 12
    net = relu(*[(1, 0, -k) for k in range(1, n)], *[(0, 1, -k) for k in range(1, n)])
    dom = sx.Polygon([(0, 0), (n, 0), (n, n), (0, n)])
    said = sx.certify(net, dom).to_text()
    calls = []
    assert judge(said, net, dom, progress=lambda *call: calls.append(call)) == ("verified", "")
    assert len(calls) >= 3
    assert all(0 <= done <= total == n * n for _, done, total in calls)
    for stop in range(len(calls)):
        left = iter(range(stop))

        def progress(*_: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Enough

        with pytest.raises(Enough):
            judge(said, net, dom, progress=progress)


def test_time_limit_is_looked_at_before_anything_is_evaluated() -> None:
    for name, (net, dom) in SUBJECTS.items():
        certificate = sx.Certificate.from_text(text(name))
        verdict = sx.check(certificate, net, dom, time_limit=1e-9)
        assert (verdict.status, "time limit" in verdict.reason) == ("undecided", True)


# -- spot checks ------------------------------------------------------------------------------------------------------


@each_subject
def test_spot_check_never_verifies(name: str) -> None:
    net, dom = SUBJECTS[name]
    certificate = sx.Certificate.from_text(text(name))
    cells = len(certificate.content.cells)
    for spot in (1e-9, 0.5, 1, Fraction(1, 3)):
        verdict = sx.check(certificate, net, dom, spot=spot, seed=7)
        assert (verdict.status, bool(verdict), verdict.counts) == ("undecided", False, {})
        checked = int(verdict.reason.split()[2])
        assert verdict.reason.startswith(f"spot check: {checked} of {cells} cells checked exactly, none wrong")
        assert "seed 7" in verdict.reason
        assert checked == {1e-9: 0, 1: cells}.get(spot, checked)
        assert verdict == sx.check(certificate, net, dom, spot=spot, seed=7)


def test_spot_check_finds_what_it_looks_at() -> None:
    net, dom = SUBJECTS["deep"]
    values = values_of(text("deep"))
    wrong = next(i for i, value in enumerate(values[1:]) if value[1] and value[1][-1][1] == 2)
    values[wrong + 1][1][-1][1] = 1
    for seed in range(30):
        verdict = sx.check(sx.Certificate.from_text(text_of(values)), net, dom, spot=0.5, seed=seed)
        sound = sx.check(sx.Certificate.from_text(text("deep")), net, dom, spot=0.5, seed=seed)
        assert sound.status == "undecided"
        assert verdict.status in ("undecided", "refuted")
        if verdict.status == "refuted":
            assert verdict.place.startswith("cells[")
    assert sx.check(sx.Certificate.from_text(text_of(values)), net, dom, spot=1).status == "refuted"


def test_spot_check_without_a_seed_is_not_foreseeable() -> None:
    certificate = sx.certify(CROSS, SQUARE)
    reasons = {sx.check(certificate, CROSS, SQUARE, spot=0.5).reason for _ in range(5)}
    assert len(reasons) == 5


@pytest.mark.parametrize("name", list(STREAM_ATTACKS))
def test_spot_check_of_all_cells_refutes_all_but_wrong_counts_of_maps(name: str) -> None:
    net, dom, values, _, _ = STREAM_ATTACKS[name]()
    verdict = sx.check(sx.Certificate.from_text(text_of(values)), net, dom, spot=1)
    about_maps = name in ("affine maps miscounted", "head: L one too many", "head: P one too many")
    assert verdict.status == ("undecided" if about_maps else "refuted")


@pytest.mark.parametrize("spot", [0, -0.1, 1.5, float("nan"), float("inf"), True, "1%", []])
def test_share_of_a_spot_check_is_a_share(spot: Any) -> None:
    with pytest.raises(sx.InputError, match="above 0 and at most 1"):
        sx.check(sx.certify(CROSS, SQUARE), CROSS, SQUARE, spot=spot)


def test_spot_check_belongs_to_the_witness() -> None:
    with pytest.raises(sx.InputError, match="witness"):
        sx.check(sx.certify(CROSS, SQUARE), CROSS, SQUARE, spot=0.5, method="rebuild")


# -- executors --------------------------------------------------------------------------------------------------------


class Broken(Executor):
    """Its workers die: those of the first `good` jobs after the work, the others before."""

    def __init__(self, good: int, at_submit: bool) -> None:
        self.good, self.at_submit = good, at_submit

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.good -= 1
        if self.good >= 0:
            future.set_result(fn(*args, **kwargs))
        elif self.at_submit:
            raise BrokenExecutor
        else:
            future.set_exception(BrokenExecutor())
        return future


@pytest.mark.parametrize("name", ["deep", "max with ties", "slice"])
def test_executor_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled, "PART", 3)
    monkeypatch.setattr(checker, "CHUNK", 4)
    net, dom = SUBJECTS[name]
    certificate = sx.Certificate.from_text(text(name))
    expected = sx.check(certificate, net, dom)
    with ThreadPoolExecutor(2) as executor:
        assert sx.check(certificate, net, dom, executor=executor) == expected
    for good in range(4):
        for at_submit in (False, True):
            assert sx.check(certificate, net, dom, executor=Broken(good, at_submit)) == expected


@pytest.mark.parametrize("error", [ZeroDivisionError, OSError, EOFError, UnicodeError])
def test_error_in_a_worker_is_an_error(error: type[Exception], tmp_path: Path) -> None:
    """And no error of the file that is read."""

    class Failing(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(error())
            return future

    path = tmp_path / "x.cert"
    path.write_text(text("deep"))
    with pytest.raises(error):
        sx.check(path, *SUBJECTS["deep"], executor=Failing())


def test_time_limit_holds_while_workers_work() -> None:
    free = threading.Event()

    class Slow(ThreadPoolExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            return super().submit(free.wait)

    with Slow(1) as executor:
        verdict = sx.check(sx.Certificate.from_text(text("deep")), *SUBJECTS["deep"], executor=executor, time_limit=0.5)
        free.set()
    assert verdict.status == "undecided"


# -- the output's coefficients of a layer -----------------------------------------------------------------------------


@each_way
@pytest.mark.usefixtures("force")
def test_maps_are_counted_through_layers_without_units() -> None:
    """Linear layers before and after the units, units that no output reads, and a skip connection."""
    nodes = [
        Affine((0,), ([[1, 1], [1, -1]],), [0, 0]),
        Affine((1,), ([[1, 1], [1, -1], [1, 1]],), [0, "1/3", 0]),
        Piecewise.of([[0], ["-1/2"], [0]], [["1/2", 1], [0, 2], [1, 3]], [0, 1, 0], source=2),
        Affine((3,), ([[1, 1, 0], [0, -1, 0]],), [1, 0]),
        Affine((4, 0), ([[1, 1], [2, 0]], [[1, 0], [0, 1]]), [0, 0]),
    ]
    net = sx.Network(2, nodes)
    part = sx.partition(net, SQUARE)
    said = sx.certify(net, SQUARE).to_text()
    assert judge(said, net, SQUARE) == ("verified", "")
    assert sx.certify(net, SQUARE).counts == part.counts()
    for key in "LP":
        values = values_of(said)
        values[0]["counts"][key] -= 1
        assert judge(text_of(values), net, SQUARE) == ("refuted", f"counts.{key}")


def test_regions_are_counted_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for net in (BUMP, TRIANGLE, CROSS):
        said = sx.certify(net, SQUARE).to_text()
        assert judge(said, net, SQUARE) == ("verified", "")
        with pytest.MonkeyPatch.context() as patch:
            evaluate_everywhere(patch)
            assert judge(said, net, SQUARE) == ("verified", "")


def test_program_without_units_has_no_lines_but_the_sides() -> None:
    net = sx.from_layers([([[1, 2]], [3])])
    assert sx.certify(net, SQUARE).content.vertices == ((-4, -1), (-2, -1), (-3, -2), (-4, -3))
