"""The conformance suite of splinecam_exact, run on relucent (pip install relucent): an example, and how to try it.

    python docs/relucent_conformance.py

or, in the folder docs, `splinecam-exact conformance --tool relucent_conformance:partition`. relucent explores the
activation cells of a network in the whole plane; what it returns is known to `splinecam_exact.comparison.adapters`.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import Limits
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.runner import run
from splinecam_exact.testing.conformance.suite import suite

LIMITS = Limits(time=20.0)
REFUSALS = ("NonGenericArrangementError", "AmbiguousGeometryError")
"""What relucent raises where it says itself that it cannot answer."""

STARTS = 10


def partition(problem: Problem) -> object:
    """The cells that relucent finds, by breadth-first search from a point inside the domain on no breakline."""
    import relucent

    cells = relucent.Complex(list(problem.layers))
    radius = float(np.abs(problem.domain).max())
    for weights in np.random.default_rng(0).random((STARTS, len(problem.domain))):
        start = weights @ problem.domain / weights.sum()
        try:
            cells.bfs(start[None], cube_radius=radius, cube_mode="intersect", nworkers=1, verbose=0)
        except Exception as error:
            if type(error).__name__ in REFUSALS:
                raise NotImplementedError(f"{type(error).__name__}: {error}") from None
            if "Start point must not be on a hyperplane" not in str(error):
                raise
        else:
            return cells
    raise NotImplementedError("no start point that is on no hyperplane: a unit is 0 all over")


def main() -> None:
    """Show the report card, or say that relucent is not there."""
    if find_spec("relucent") is None:
        print("relucent is not installed, so it is skipped: pip install relucent")
        return
    os.chdir(Path(__file__).parent)  # where the tool's process finds this module
    tool = f"{Path(__file__).stem}:{partition.__name__}"
    print(f"relucent {version('relucent')}")
    print(Card(tool, run(tool, suite(), LIMITS), LIMITS).text())


if __name__ == "__main__":
    main()
