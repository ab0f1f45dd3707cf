"""Certifying points, against evaluating them in plain float64.

    python -m benchmarks.samples [POINTS]

100 000 random points of the digits classifier, 64-50-50-50-10: its arg-max boundary, one output's level, and points
that are rounded to float32 from the exact boundary. "ratio" is the time over that of one evaluation of them in numpy.
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np

import splinecam_exact as sx
from splinecam_exact.arrays import Floats
from splinecam_exact.models import path


def evaluate(layers: list[tuple[Floats, Floats]], x: Floats) -> Floats:
    """Plain float64."""
    for k, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        if k < len(layers) - 1:
            x = np.maximum(x, 0)
    return x


def near_boundary(net: sx.Network, count: int, random: np.random.Generator) -> Floats:
    """Exact points of the boundary on random segments, rounded to float32."""
    found: list[list[float]] = []
    while len(found) < count:
        p, q = random.random((2, net.input_size))
        along = sx.line(net, p, q)
        found += [[float(c) for c in along.point(crossing.start)] for crossing in along.crossings]
    return np.array(found[:count], np.float32)


def main(count: int) -> None:
    """Print the times."""
    file = np.load(path("digits.npz"))
    layers = [(file[f"W{k}"].astype(float), file[f"b{k}"].astype(float)) for k in range(4)]
    net = sx.load(path("digits.npz"))
    random = np.random.default_rng(0)
    points = random.random((count, net.input_size))
    few = near_boundary(net, max(1, count // 100), random)
    sx.certify_samples(net, points[:2])
    start = perf_counter()
    evaluate(layers, points)
    plain = perf_counter() - start
    print(f"plain float64: {plain:.2f} s for {count} points")
    cases = (
        ("arg-max", points, {}),
        ("arg-max, 1e-2", points, {"radius": "1/100"}),
        ("output 3 = 1/2", points, {"output": 3, "level": "1/2"}),
        ("float32, 1e-6", np.resize(few, points.shape), {"radius": "1/1000000"}),
    )
    for name, some, options in cases:
        start = perf_counter()
        found = sx.certify_samples(net, some, **options)  # type: ignore[arg-type]
        seconds = perf_counter() - start
        print(f"{name:<16} {seconds:6.2f} s  ratio {seconds / plain:5.1f}  {found}  {found.decided_exactly} exactly")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
