"""Expected results in a file: what is written is read, equal results are equal bytes, what is false is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from test_trust_boundary import loaded_by

import splinecam_exact as sx
from splinecam_exact.kernel.errors import FileFormatError, InputError
from splinecam_exact.testing.conformance import expected as module
from splinecam_exact.testing.conformance.expected import Expected, load_expected
from splinecam_exact.testing.conformance.outcomes import exact
from splinecam_exact.testing.conformance.suite import label, suite

PROBLEMS = suite(categories=["sliver", "identically_zero", "deep"])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("expected") / "expected.json.gz"
    Expected((problem, exact(problem)) for problem in PROBLEMS).save(path)
    return path


def test_what_was_stored_is_read(stored: Path) -> None:
    found = load_expected(stored)
    assert [problem.to_json() for problem in found.problems] == [problem.to_json() for problem in PROBLEMS]
    for problem in PROBLEMS:
        part = found(problem)
        assert sx.certificate_of(part) == sx.certificate_of(exact(problem))
        assert part.counts() == exact(problem).counts()
        assert part.certified


def test_equal_results_are_equal_bytes(stored: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.gz"
    sizes = load_expected(stored).save(again)
    assert again.read_bytes() == stored.read_bytes()
    assert set(sizes) == set(map(label, PROBLEMS))
    assert sum(sizes.values()) < len(again.read_bytes()) < sum(sizes.values()) + 200


def test_only_what_is_asked_for_is_kept(stored: Path) -> None:
    found = load_expected(stored, keep=lambda problem: problem.category == "deep")
    assert {problem.category for problem in found.problems} == {"deep"}
    with pytest.raises(InputError, match="none of the problems"):
        found(PROBLEMS[0])


def test_neither_torch_nor_anything_else_heavy_is_needed() -> None:
    statement = "import splinecam_exact.testing.conformance.expected, splinecam_exact.testing.conformance.runner"
    assert loaded_by(statement, ("torch", "pytest", "hypothesis", "matplotlib", "scipy", "networkx")) == []


Lines = list[Any]


def changed(path: Path, folder: Path, change: Callable[[Lines], object], sealed: bool = True) -> Path:
    """A copy whose lines, parsed, were changed; with a new seal, or with the old one."""
    *lines, seal = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    change(lines)
    content = text_of(lines)
    copy = folder / "changed.gz"
    copy.write_bytes(gzip.compress(content + text_of([{"sha256": sha256(content).hexdigest()} if sealed else seal])))
    return copy


def text_of(lines: Lines) -> bytes:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def rename_all(lines: Lines) -> None:
    for line in lines:
        if isinstance(line, dict) and "problem" in line:
            line["problem"]["name"] = "same"
            line["problem"]["category"] = "same"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[0].update(format="x"), "is no file of the format"),
        (lambda v: v[0].update(version=1), "version 2 only"),
        (lambda v: v[0].update(version=2.0), "version 2 only"),
        (lambda v: v[0].update(problems=-1), "number of problems"),
        (lambda v: v[0].update(problems=10**9), "is missing"),
        (lambda v: v[0].update(problems=1), "goes on behind"),
        (lambda v: v[0].update(more=1), "is no file of the format"),
        (lambda v: v[1]["problem"]["domain"][0].__setitem__(0, "-2"), "another network or domain"),
        (lambda v: v[1]["problem"]["domain"][0].__setitem__(0, "1/3"), "not exactly a float64"),
        (lambda v: v[1]["problem"].pop("layers"), "no object with the keys"),
        (lambda v: v[1].update(lines=10**9), "is cut off"),
        (lambda v: v[1].update(lines=1), "number of lines"),
        (lambda v: v[1].update(lines="2"), "number of lines"),
        (lambda v: v[1].pop("lines"), "no object with the keys lines"),
        (lambda v: v[1]["problem"].update(name="\x1b[31m"), "cannot be printed"),
        (rename_all, "there are two of the name same/same"),
        (lambda v: v[2].update(network="0" * 64), "another network or domain"),
        (lambda v: v[2].update(domain="0" * 64), "another network or domain"),
        (lambda v: v[2]["counts"].update(A=10**6), "is missing"),
        (lambda v: v[3][1].append([10**6, 2]), "there is no unit"),
        (lambda v: v[3][1].append([0, 7]), "has no state 7"),
        (lambda v: v[3][2].__setitem__(0, [0, 1]), "has no coordinates"),
        (lambda v: v[3][2].__setitem__(0, 99), "neither a vertex"),
        (lambda v: v[3][2].__setitem__(0, ["2", "2", "2"]), "common factor"),
        (lambda v: v.pop(), "is cut off"),
        (lambda v: v.clear(), "is no file of the format"),
        (lambda v: v[3][2].__setitem__(0, ["1", "7", "3"]), "problem 0: cells"),
        (lambda v: v[2]["counts"].update(L=1000), "problem 0: counts.L: claims 1000"),
        (lambda v: v[2]["counts"].update(V=1000), "problem 0: counts.V: claims 1000"),
        (lambda v: v[3].__setitem__(2, v[3][2][::-1]), "problem 0: cells"),  # no boundary to begin the numbering at
    ],
)
def test_what_is_no_file_or_false_is_refused(
    stored: Path, tmp_path: Path, change: Callable[[Lines], object], message: str
) -> None:
    with pytest.raises(FileFormatError, match=rf"changed\.gz: .*{message}.*; store it again: .* --store FILE"):
        load_expected(changed(stored, tmp_path, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v[1]["problem"].update(name="another"),
        lambda v: v[1]["problem"].update(category="generic"),
        lambda v: (v[0].update(problems=1), v.__delitem__(slice(2 + v[1]["lines"], None))),
        lambda v: v[2]["counts"].update(L=1000),
    ],
)
def test_no_change_is_unnoticed(stored: Path, tmp_path: Path, change: Callable[[Lines], object]) -> None:
    load_expected(changed(stored, tmp_path, lambda _: None, sealed=False))
    path = changed(stored, tmp_path, change, sealed=False)
    with pytest.raises(FileFormatError, match="last line is not the SHA-256"):
        load_expected(path, keep=lambda problem: False)


def test_damage_under_a_new_seal_is_refused_or_does_not_matter(stored: Path, tmp_path: Path) -> None:
    content = b"".join(gzip.decompress(stored.read_bytes()).splitlines(keepends=True)[:-1])
    random = Random(0)
    path = tmp_path / "damaged.gz"
    for _ in range(60):
        data = bytearray(content)
        place = random.randrange(len(data))
        data[place : place + random.choice((0, 1, 1, 5))] = random.choice((b"", b"0", b"1", b"-", b"]", b"99", b'"1"'))
        path.write_bytes(gzip.compress(data + text_of([{"sha256": sha256(data).hexdigest()}]), 1))
        try:
            found = load_expected(path)
        except InputError:
            continue
        for problem in found.problems:
            assert sx.certificate_of(found(problem)) == sx.certificate_of(exact(problem))


def test_every_truncation_is_noticed(stored: Path, tmp_path: Path) -> None:
    data = stored.read_bytes()
    copy = tmp_path / "cut.gz"
    for size in [*range(0, len(data), 97), len(data) - 1]:
        copy.write_bytes(data[:size])
        with pytest.raises(FileFormatError):
            load_expected(copy)


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    for data in (b"text", gzip.compress(b"\xff\n"), gzip.compress(b"[" * 10**5 + b"\n"), gzip.compress(b"3\n")):
        path.write_bytes(data)
        with pytest.raises(FileFormatError):
            load_expected(path)
    monkeypatch.setattr(module, "LARGEST", 1000)
    path.write_bytes(gzip.compress(b"0" * 10**6))
    with pytest.raises(FileFormatError, match="unpacks to more than 1000 bytes"):
        load_expected(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_expected(tmp_path / "none")
