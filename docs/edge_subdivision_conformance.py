"""The conformance suite of splinecam_exact, run on relu_edge_subdivision: how to try it, and how a tool is asked.

    python docs/edge_subdivision_conformance.py

or, in the folder docs, `splinecam-exact conformance --tool edge_subdivision_conformance:partition`. The tool is no
package: its folder, with edge_subdivision.py and NN.py, must be on PYTHONPATH, and torch be there. It divides a square;
other domains are refused here. What it returns is known to `splinecam_exact.comparison.adapters`.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import Limits
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.runner import run
from splinecam_exact.testing.conformance.suite import suite

LIMITS = Limits(time=20.0)
NEEDED = ("edge_subdivision", "NN", "torch")


def partition(problem: Problem) -> object:
    """The skeleton that edge subdivision finds in a square, with the network in its own class, in float32."""
    import torch
    from edge_subdivision import skeletal_subdivision
    from NN import Net

    low, high = float(problem.domain.min()), float(problem.domain.max())
    square = {(low, low), (high, low), (high, high), (low, high)}
    if {(float(x), float(y)) for x, y in problem.domain} != square:
        raise NotImplementedError("the domain is no square [a, b] x [a, b]")
    network = Net([2, *(len(bias) for _, bias in problem.layers)])
    with torch.no_grad():
        for linear, (weights, bias) in zip(network.fcs, problem.layers, strict=True):
            linear.weight.copy_(torch.from_numpy(np.array(weights)))
            linear.bias.copy_(torch.from_numpy(np.array(bias)))
        return skeletal_subdivision(network, bbox=(low, high), verbose=False)


def main() -> None:
    """Show the report card, or say what is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"relu_edge_subdivision is skipped, for want of: {', '.join(missing)}")
        return
    os.chdir(Path(__file__).parent)  # where the tool's process finds this module
    tool = f"{Path(__file__).stem}:{partition.__name__}"
    print(Card(tool, run(tool, suite(), LIMITS), LIMITS).text())


if __name__ == "__main__":
    main()
