"""The corpus of certificates: each file gets the verdict that its folder says, at the place that index.json says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from certificates import make

import splinecam_exact as sx

CORPUS = Path(__file__).parent / "certificates"
INDEX: dict[str, dict[str, Any]] = json.loads((CORPUS / "index.json").read_text())
FOLDERS = {"valid": "verified", "refuted": "refuted", "malformed": "malformed"}
MADE = (*FOLDERS, "networks", "domains")


@cache
def network(file: str) -> sx.Network:
    return sx.load(CORPUS / file)


@cache
def domain(file: str) -> sx.Polygon | sx.Slice:
    tree = json.loads((CORPUS / file).read_text())
    return (sx.Slice if "origin" in tree else sx.Polygon).from_json(tree)


def of(verdict: str) -> Iterable[str]:
    return [file for file, entry in INDEX.items() if entry["verdict"] == verdict]


@pytest.mark.parametrize("method", ["witness", "rebuild"])
@pytest.mark.parametrize("file", of("verified"))
def test_valid_certificate_is_verified(file: str, method: str) -> None:
    entry = INDEX[file]
    verdict = sx.check(CORPUS / file, network(entry["network"]), domain(entry["domain"]), method=method)
    assert (verdict.status, verdict.reason, verdict.counts) == ("verified", "", entry["counts"])


@pytest.mark.parametrize("file", of("refuted"))
def test_false_certificate_is_refuted_at_its_place(file: str) -> None:
    entry = INDEX[file]
    verdict = sx.check(CORPUS / file, network(entry["network"]), domain(entry["domain"]))
    assert (verdict.status, verdict.place) == ("refuted", entry["place"])
    assert entry["reason"] in verdict.reason


@pytest.mark.parametrize("file", of("malformed"))
def test_text_that_is_no_certificate_is_malformed_at_its_place(file: str) -> None:
    entry = INDEX[file]
    with pytest.raises(sx.MalformedCertificate) as error:
        sx.check(CORPUS / file, network(entry["network"]), domain(entry["domain"]))
    assert error.value.place == entry["place"]


def test_index_names_every_file_and_its_folder() -> None:
    files = {path.relative_to(CORPUS).as_posix() for name in MADE for path in (CORPUS / name).iterdir()}
    named = {file for entry in INDEX.values() for file in (entry["network"], entry["domain"])} | set(INDEX)
    assert files == named
    assert all(entry["verdict"] == FOLDERS[file.split("/")[0]] for file, entry in INDEX.items())
    assert all(INDEX[file]["place"] for verdict in ("refuted", "malformed") for file in of(verdict))
    assert all(of(verdict) for verdict in FOLDERS.values())


def test_corpus_is_what_its_program_makes(tmp_path: Path) -> None:
    make.build(tmp_path)
    assert content(tmp_path) == content(CORPUS)


def content(folder: Path) -> dict[str, bytes]:
    files = [path for name in MADE for path in (folder / name).iterdir()] + [folder / "index.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_are_small() -> None:
    assert all(len(data) < 10_000 for file, data in content(CORPUS).items() if file != "index.json")
