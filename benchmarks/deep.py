"""Deep networks, whose error bounds wear out: mode "certified" against "float64", and against "rational" where asked.

    python -m benchmarks.deep [WIDTHxDEPTH ...] [--rational]

Random networks on [-1, 1]^2, of gain 1 a layer. "again" is how often all cells got new bounds; "repaired" how many
cells, over all layers, the exact kernel cut. The last columns are times over that of mode "float64".
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from time import perf_counter

import numpy as np
import torch

import splinecam_exact as sx
from splinecam_exact.verify.engine import Engine


def network(width: int, depth: int, seed: int = 0) -> sx.Network:
    """A ReLU network whose values neither grow nor shrink from layer to layer."""
    random = np.random.default_rng(seed)
    widths = [2, *[width] * depth, 1]
    weights = [random.normal(size=(m, n)) * (2 / n) ** 0.5 for n, m in pairwise(widths)]
    return sx.from_layers([(w, random.normal(size=len(w)) / 10) for w in weights])


def row(width: int, depth: int, rational: bool) -> str:
    """One network's line."""
    start = perf_counter()
    cells = len(sx.partition(network(width, depth), sx.square(1), "float64").faces)
    fast = perf_counter() - start
    start = perf_counter()
    engine = Engine(network(width, depth), sx.square(1), torch.device("cpu"), True)
    engine.run()
    sure = perf_counter() - start
    report = engine.report
    text = (
        f"{f'{width}x{depth}':<8}{engine.mesh.faces:>9}{fast:>9.2f} s{sure:>10.2f} s{engine.refreshed:>7}"
        f"{report.repaired:>10}{sure / fast:>10.1f}"
    )
    if cells != engine.mesh.faces:
        text += f"  (float64: {cells} cells)"
    if rational:
        start = perf_counter()
        sx.partition(network(width, depth), sx.square(1), "rational")
        text += f"{(perf_counter() - start) / fast:>10.1f}"
    return text


def main(words: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deep", description="Deep networks.")
    parser.add_argument("shapes", metavar="WIDTHxDEPTH", nargs="*", default=["16x10", "16x20", "16x40", "8x30"])
    parser.add_argument("--rational", action="store_true", help="also mode rational, which takes long")
    args = parser.parse_args(words)
    sx.partition(network(4, 2), sx.square(1), "certified")  # loads what is loaded once
    print(f"{'':<8}{'A':>9}{'float64':>11}{'certified':>12}{'again':>7}{'repaired':>10}{'ratio':>10}", end="")
    print(f"{'rational':>10}" if args.rational else "", flush=True)
    for shape in args.shapes:
        width, depth = map(int, shape.split("x"))
        print(row(width, depth, args.rational), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
