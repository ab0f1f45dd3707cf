"""The demonstration: what it leaves in its folder stands on its own."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Run, Runner, runner

import splinecam_exact as sx
from splinecam_exact import models
from splinecam_exact.cli import main
from splinecam_exact.demo import subjects
from splinecam_exact.demo_samples import DRAWN

DRAWS = find_spec("matplotlib") is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "made by the demo"


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """What the demo prints with --json."""
    with redirect_stdout(StringIO()) as out:
        assert main(["demo", "-o", str(folder), "--json"]) == 0
    return Run(0, out.getvalue(), "").json


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return runner(capfd)


def test_everything_is_verified(found: dict[str, Any]) -> None:
    assert found["status"] == "verified"
    assert [network["name"] for network in found["networks"]] == ["digits", "digits_cnn", "sdf"]
    for network in found["networks"]:
        assert {check["status"] for check in network["checks"].values()} == {"verified"}
        assert network["counts"]["A"] > 1000


def test_files_are_what_is_said(found: dict[str, Any], folder: Path) -> None:
    named = {Path(path) for network in found["networks"] for path in network["files"].values()}
    assert named == set(folder.iterdir())
    assert {path.stem for path in named if path.suffix == ".png"} == (
        {"digits", "digits-boundary", "digits_cnn", "digits_cnn-boundary", "sdf"} if DRAWS else set()
    )
    for path in named:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not DRAWS, reason="matplotlib is not installed")
def test_images_are_exactly_on_the_decision_boundary(found: dict[str, Any]) -> None:
    samples = [network["samples"] for network in found["networks"]]
    assert samples == [{"drawn": DRAWN, "tied": DRAWN}] * 2 + [None]


def test_certificates_verify_by_the_commands_that_are_printed(found: dict[str, Any], run: Runner) -> None:
    for network in found["networks"]:
        words = shlex.split(network["command"])
        assert words[:2] == ["splinecam-exact", "check"]
        again = run(*words[1:], "--json")
        assert (again.code, again.json["counts"]) == (0, network["counts"])


def test_certificates_are_about_the_shipped_networks_and_images(found: dict[str, Any]) -> None:
    plane = sx.Slice.through(*np.load(models.path("digits_images.npz"))["images"])
    shipped = {
        "digits": ("digits.npz", plane),
        "digits_cnn": ("digits_cnn.json", plane),
        "sdf": ("sdf.npz", sx.square(1)),
    }
    for network in found["networks"]:
        file, domain = shipped[network["name"]]
        content = json.loads(Path(network["files"]["certificate"]).read_text().splitlines()[0])
        assert content["network"] == sx.load(models.path(file)).digest
        assert content["domain"] == domain.digest


def test_images_have_the_labels_that_the_picture_gives_them() -> None:
    shown = [subject for subject in subjects() if subject.images]
    assert len(shown) == 2
    for subject in shown:
        for image, label in zip(subject.images, subject.labels, strict=True):
            outputs = subject.net.evaluate(image.ravel())
            assert label == f"test image: {outputs.index(max(outputs))}"


def test_without_matplotlib_pictures_are_skipped_with_a_remedy(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    shown = run("demo", "-o", str(tmp_path))
    assert shown.code == 0
    assert "splinecam-exact[plot]" in shown.out
    assert shown.out.count("verdict      verified by ") == 6
    assert not list(tmp_path.glob("*.png"))


def test_folder_that_cannot_be_made_is_bad_input(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run("demo", "-o", str(tmp_path / "file"))
    assert (refused.code, refused.err.count("\n")) == (3, 1)
    assert "cannot be made a folder" in refused.err
