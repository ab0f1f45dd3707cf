"""The conformance suite of splinecam_exact, run on the original SplineCam: how to try it, and how a tool is asked.

    python docs/splinecam_conformance.py

or, in the folder docs, `splinecam-exact conformance --tool splinecam_conformance:cells` (or `:partition`). SplineCam is
no package: its folder `splinecam` must be on PYTHONPATH, and graph-tool, igraph, networkx and torch be there. What it
returns is known to `splinecam_exact.comparison.adapters`.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import Limits
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.runner import run
from splinecam_exact.testing.conformance.suite import suite

LIMITS = Limits(time=60.0)
NEEDED = ("splinecam", "graph_tool", "igraph", "networkx", "torch", "tqdm")


def partition(problem: Problem) -> tuple[object, ...]:
    """What SplineCam finds: regions and decision boundary, asked in float64 as its README does."""
    import torch
    from splinecam import compute, wrappers

    if not torch.cuda.is_available():
        _without_cuda()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The slice is the input plane itself, so that no projection is rounded; the domain is closed, as SplineCam's
    # own domains are.
    plane = torch.eye(2, 3, dtype=torch.float64)
    domain = torch.tensor(problem.domain.tolist(), dtype=torch.float64)
    domain = torch.vstack([domain, domain[:1]])
    wrapped = wrappers.model_wrapper(
        problem.torch().eval(), input_shape=(2,), T=plane, dtype=torch.float64, device=device
    )
    if len(problem.layers[-1][1]) > 1:
        wrapped.layers[-1].to_decision_boundary()
    found: tuple[object, ...] = compute.get_partitions_with_db(domain.to(device), plane.to(device), wrapped)
    return found


def cells(problem: Problem) -> object:
    """Its regions alone, without the decision boundary."""
    return partition(problem)[0]


def _without_cuda() -> None:
    """SplineCam asks for CUDA by name, in many places: where there is none, that name means the CPU."""
    import torch

    if torch.Tensor.cuda is not _stay:
        to = torch.Tensor.to
        torch.Tensor.cuda = _stay
        torch.Tensor.to = lambda tensor, *where, **how: to(
            tensor, *("cpu" if isinstance(place, str) and place == "cuda" else place for place in where), **how
        )


def _stay(tensor: object, *_: object, **__: object) -> object:
    return tensor


def main() -> None:
    """Show the report card, or say what is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"SplineCam is skipped, for want of: {', '.join(missing)}")
        return
    os.chdir(Path(__file__).parent)  # where the tool's process finds this module
    for function in (cells, partition):
        tool = f"{Path(__file__).stem}:{function.__name__}"
        print(Card(tool, run(tool, suite(), LIMITS), LIMITS).text())


if __name__ == "__main__":
    main()
