"""Boundaries, against the partition that they are read off.

    python -m benchmarks.boundaries [--large]

Mode "certified", the better of two runs each; "ratio" is the time of the boundary over that of the partition. Networks
of floats and of integers, without ties and with pairs of equal outputs; `--large`: ResNet-18 and VGG11 at full width,
on small slices. Levels and differences are those at the middle.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
import torch

import splinecam_exact as sx
from benchmarks import architectures


def floats(*sizes: int, twice: bool = False) -> sx.Network:
    """Normal weights; with `twice` each of the second half of the outputs equals one of the first."""
    random = np.random.default_rng(0)
    layers = [
        (random.normal(size=(n, m)) * (2 / m) ** 0.5, random.normal(size=n) / 2) for m, n in pairwise((2, *sizes))
    ]
    if twice:
        for array in layers[-1]:
            array[len(array) // 2 :] = array[: len(array) // 2]
    return sx.from_layers(layers)


def integers(*sizes: int) -> sx.Network:
    """Weights from -3 to 3: many lines meet."""
    random = np.random.default_rng(0)
    return sx.from_layers(
        [(random.integers(-3, 4, size=(n, m)), random.integers(-3, 4, size=n)) for m, n in pairwise((2, *sizes))]
    )


def compare(
    name: str, net: sx.Network, dom: sx.Polygon | sx.Slice, runs: int, kind: str, outputs: Sequence[float]
) -> None:
    """Print the times of one network, with the outputs in the middle."""
    options: dict[str, Any] = {}
    if kind == "level":
        options = {"output": 0, "level": outputs[0]}
    elif kind == "difference":
        options = {"classes": (0, 1), "level": outputs[0] - outputs[1]}
    times = []
    for _ in range(runs):
        start = perf_counter()
        part = sx.partition(net, dom)
        middle = perf_counter()
        found = sx.boundary(part, **options)
        times.append((middle - start, perf_counter() - middle))
    cut, read = (min(column) for column in zip(*times, strict=True))
    print(
        f"{name:25} {kind:10} {len(part.faces):8} cells {len(found):6} segments   "
        f"partition {cut:8.3f} s   boundary {read:8.3f} s   ratio {read / cut:.2f}",
        flush=True,
    )


def main(arguments: Sequence[str]) -> None:
    """Print the times."""
    square = sx.square(2)
    for name, net, kind in (
        ("2-300-1", floats(300, 1), "level"),
        ("2-256-256-256-1", floats(256, 256, 256, 1), "level"),
        ("2-64x4-10", floats(64, 64, 64, 64, 10), "difference"),
        ("2-64x4-10", floats(64, 64, 64, 64, 10), "arg-max"),
        ("2-64x4-10, equal outputs", floats(64, 64, 64, 64, 10, twice=True), "arg-max"),
        ("2-300-10, equal outputs", floats(300, 10, twice=True), "arg-max"),
        ("2-100-10, integers", integers(100, 10), "arg-max"),
        ("2-8x40-1", floats(*[8] * 40, 1), "level"),
    ):
        compare(name, net, square, 2, kind, [float(y) for y in net.evaluate([0, 0])])
    if "--large" in arguments:
        for name, module, radius in (
            ("ResNet-18", architectures.resnet18(), 2e-5),
            ("VGG11", architectures.vgg(architectures.VGG11), 3e-5),
        ):
            net = sx.from_torch(module, (3, 64, 64))
            dom = architectures.slice_of(net.input_size, radius)
            middle = torch.tensor([float(q) for q in dom.origin], dtype=torch.float64)
            with torch.no_grad():
                outputs = module.double()(middle.reshape(1, 3, 64, 64)).flatten().tolist()
            for kind in ("level", "difference"):
                compare(name, net, dom, 1, kind, outputs)


if __name__ == "__main__":
    main(sys.argv[1:])
