"""The obvious exact way, to compare with: split every cell by every unit's breakline, with mpq coordinates.

    python -m benchmarks.naive NETWORK.npz

It counts the cells of a plain ReLU network on [-1, 1]^2 and prints its time over that of `partition` in both exact
modes, in one process.
Vertices are kept once per cell, so nothing but the cells comes out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gmpy2 import mpq

import splinecam_exact as sx

Vector = list[mpq]
Cell = list[tuple[mpq, mpq]]


def split(cell: Cell, a: mpq, b: mpq, c: mpq) -> tuple[Cell, Cell]:
    """The parts of a convex polygon where a*x + b*y + c is at most, and at least, 0."""
    below: Cell = []
    above: Cell = []
    heights = [a * x + b * y + c for x, y in cell]
    for k, (p, h) in enumerate(zip(cell, heights, strict=True)):
        q, g = cell[k - 1], heights[k - 1]
        if (g < 0 < h) or (h < 0 < g):
            t = g / (g - h)
            cut = (q[0] + t * (p[0] - q[0]), q[1] + t * (p[1] - q[1]))
            below.append(cut)
            above.append(cut)
        if h <= 0:
            below.append(p)
        if h >= 0:
            above.append(p)
    return below, above


def cells(layers: list[tuple[list[Vector], Vector]], start: Cell) -> int:
    """The number of activation cells."""
    one, zero = mpq(1), mpq(0)
    todo = [(start, [[one, zero, zero], [zero, one, zero]])]  # cells, and the forms of the values there
    for weight, bias in layers[:-1]:
        done = []
        for polygon, forms in todo:
            heights = [
                [
                    sum((w * f[k] for w, f in zip(row, forms, strict=True)), zero) + (c if k == 2 else 0)
                    for k in range(3)
                ]
                for row, c in zip(weight, bias, strict=True)
            ]
            parts = [(polygon, [])]
            for a, b, c in heights:
                pieces = []
                for part, states in parts:
                    for side, on in zip(split(part, a, b, c), (False, True), strict=True):
                        if any(a * x + b * y + c != 0 for x, y in side):
                            pieces.append((side, [*states, on]))
                parts = pieces
            none = [zero] * 3
            done += [
                (part, [h if on else none for h, on in zip(heights, states, strict=True)]) for part, states in parts
            ]
        todo = done
    return len(todo)


def main(path: Path) -> None:
    """Time all three."""
    net = sx.load(path)
    layers = []
    for node in net.nodes[::2]:
        den, flat = node.weights[0].numerators()
        rows, columns = node.weights[0].shape
        weight = [[mpq(flat[i * columns + j], den) for j in range(columns)] for i in range(rows)]
        den, flat = node.bias.numerators()
        layers.append((weight, [mpq(x, den) for x in flat]))
    start = time.perf_counter()
    count = cells(layers, list(sx.square(1).corners))
    naive = time.perf_counter() - start
    print(f"{path.stem}: naive splitting {count} cells, {naive:.2f} s", end="")
    sx.partition(net, sx.square(1), "certified")  # loads torch
    for mode in ("rational", "certified"):
        fresh = sx.load(path)
        start = time.perf_counter()
        part = sx.partition(fresh, sx.square(1), mode)
        ours = time.perf_counter() - start
        print(f"; {mode} {len(part.faces)} cells, {ours:.3f} s, ratio {naive / ours:.1f}", end="")
    print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive", description="Against naive splitting.")
    parser.add_argument("network", metavar="NETWORK.npz", type=Path, help="a plain ReLU network with two inputs")
    main(parser.parse_args().network)
