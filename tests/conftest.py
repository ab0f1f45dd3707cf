"""Hypothesis profiles, and the folder of real networks that some tests read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A degenerate network takes tens of milliseconds to draw: its cells are computed on the way.
SLOW_TO_DRAW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)

settings.register_profile("dev", max_examples=20, deadline=None, suppress_health_check=SLOW_TO_DRAW)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=50, derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("dev"), max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime is run in this process, not in one for each file that is read: a hundred times as fast."""
    onnx_child = pytest.importorskip("splinecam_exact.importers.onnx_child")
    reference = pytest.importorskip("splinecam_exact.importers.onnx_reference").OnnxReference

    def run(model: bytes, points: Any, place: str = "the model") -> Any:
        found = reference(model, place)
        return found(points), found.roundoff

    monkeypatch.setattr(onnx_child, "run_isolated", run)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real networks, which are not part of this repository."""
    folder = os.environ.get("SPLINECAM_EXACT_DATA")
    if folder is None:
        pytest.skip("SPLINECAM_EXACT_DATA does not name the folder of real networks")
    if not Path(folder).is_dir():
        pytest.fail(f"SPLINECAM_EXACT_DATA={folder} is not a folder")
    return Path(folder)
