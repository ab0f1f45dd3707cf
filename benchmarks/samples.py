"""Certifying points, against evaluating them in plain float64.

    python -m benchmarks.samples [POINTS]

100 000 random points of the digits classifier, 64-50-50-50-10: its arg-max boundary, one output's level, and points
that are rounded to float32 or float64 from the exact boundary; these also of a network of the same size with random
weights. "ratio" is the time over that of one evaluation of them in numpy; "pairs" and "exactly" count evaluations.
"""

from __future__ import annotations

import sys
from itertools import pairwise
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
    """Exact points of the boundary on random segments, rounded to float64."""
    found: list[list[float]] = []
    while len(found) < count:
        p, q = random.random((2, net.input_size))
        along = sx.line(net, p, q)
        found += [[float(c) for c in along.point(crossing.start)] for crossing in along.crossings]
    return np.array(found[:count])


def random_network(random: np.random.Generator) -> sx.Network:
    """Normal weights that keep the size of values."""
    sizes = pairwise((64, 50, 50, 50, 10))
    return sx.from_layers([(random.normal(size=(b, a)) * (2 / a) ** 0.5, random.normal(size=b) / 10) for a, b in sizes])


def main(count: int) -> None:
    """Print the times."""
    file = np.load(path("digits.npz"))
    layers = [(file[f"W{k}"].astype(float), file[f"b{k}"].astype(float)) for k in range(4)]
    net = sx.load(path("digits.npz"))
    other = random_network(np.random.default_rng(1))
    random = np.random.default_rng(0)
    points = random.random((count, net.input_size))
    few, others = (np.resize(near_boundary(n, max(1, count // 100), random), points.shape) for n in (net, other))
    sx.certify_samples(net, points[:2])
    start = perf_counter()
    evaluate(layers, points)
    plain = perf_counter() - start
    print(f"plain float64: {plain:.2f} s for {count} points")
    cases = (
        ("arg-max", net, points, {}),
        ("arg-max, 1e-2", net, points, {"radius": "1/100"}),
        ("output 3 = 1/2", net, points, {"output": 3, "level": "1/2"}),
        ("float32, 1e-6", net, few.astype(np.float32), {"radius": "1/1000000"}),
        ("float64, 1e-12", net, few, {"radius": "1/1000000000000"}),
        ("random, 1e-12", other, others, {"radius": "1/1000000000000"}),
    )
    for name, one, some, options in cases:
        start = perf_counter()
        found = sx.certify_samples(one, some, **options)  # type: ignore[arg-type]
        seconds = perf_counter() - start
        counts = f"{found.decided_in_pairs} pairs, {found.decided_exactly} exactly"
        print(f"{name:<16} {seconds:6.2f} s  ratio {seconds / plain:5.1f}  {found}  {counts}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
