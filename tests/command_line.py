"""Runs the command line for the tests: in this process, and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import splinecam_exact as sx
from splinecam_exact.cli import main

NET = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [0, 0, -1]), ([[1, 1, -2]], [0])])
"""On the square of radius 1 it has `COUNTS`."""

COUNTS = {"A": 5, "L": 5, "P": 5, "V": 9, "E": 13}

NNET = """// header
1,2,1,2,
2,1,
0,
0,-2,
10,2,
5,0,0,
10,4,1,
1,1,
0.1,
"""


class Run:
    """How a command line ended, and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        assert self.out.count("\n") == 1
        found: dict[str, Any] = json.loads(self.out, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
        return found


Runner = Callable[..., Run]


def runner(capfd: pytest.CaptureFixture[str]) -> Runner:
    """Runs command lines in this process."""

    def run(*words: str) -> Run:
        capfd.readouterr()
        code = main(words)
        return Run(code, *capfd.readouterr())

    return run


def write_inputs(folder: Path) -> None:
    """The networks net.json, cube.npz (three inputs) and box.nnet, and points.npy to lay a plane through."""
    NET.save(folder / "net.json")
    arrays = {"W0": np.eye(3), "b0": np.zeros(3), "W1": np.array([[1.0, 1, 1], [1, 0, 0]]), "b1": np.zeros(2)}
    np.savez(folder / "cube.npz", **arrays)
    np.save(folder / "points.npy", np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0.5]]))
    (folder / "box.nnet").write_text(NNET)


def spawn(folder: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    """A process of its own. Where the tests run in the background, Ctrl-C is ignored unless it is turned on again."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from splinecam_exact.cli import main; sys.exit(main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(sx.__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-c", program, *words], cwd=folder, env=environment, text=True, **pipes)
