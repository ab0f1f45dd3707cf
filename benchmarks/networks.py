"""Architectures that people have, partitioned on a small slice of their input: time and memory.

    python -m benchmarks.networks [NAME ...] [--mode MODE] [--device DEVICE] [--radius R] [--max-cells N]

The networks are those of `benchmarks.architectures`, with random weights. Each runs in a process of its own; "peak" is
the most memory that it took, importing torch included. The slice is [-R, R]^2 on a random plane in the input space.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from torch import nn

import splinecam_exact as sx
from benchmarks import architectures as shown
from splinecam_exact.bench import memory


class Case(NamedTuple):
    """How a network is made, the shape of its input, and the radius of its slice."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    radius: float


CASES = {
    "vgg11": Case(lambda: shown.vgg(shown.VGG11), (3, 64, 64), 3e-5),
    "vgg11-4096": Case(lambda: shown.vgg(shown.VGG11, hidden=(4096, 4096)), (3, 64, 64), 3e-5),
    "vgg16": Case(lambda: shown.vgg(shown.VGG16), (3, 64, 64), 2e-5),
    "resnet18": Case(shown.resnet18, (3, 64, 64), 2e-5),
    "unet": Case(shown.unet, (3, 32, 32), 1e-2),
    "maxout": Case(lambda: shown.maxout(16, 3), (2,), 1.0),
    "inr": Case(shown.inr, (2,), 1.0),
}


def measure(name: str, args: argparse.Namespace) -> None:
    """Print one network's line."""
    case = CASES[name]
    module = case.make()
    start = perf_counter()
    net = sx.from_torch(module, case.shape)
    seconds = [perf_counter() - start]
    radius = args.radius or case.radius
    domain = sx.square(radius) if net.input_size == 2 else shown.slice_of(net.input_size, radius)
    options = {} if args.device is None else {"device": args.device}
    start = perf_counter()
    try:
        part = sx.partition(net, domain, args.mode, max_cells=args.max_cells, **options)
        found = f"{len(part.faces)}"
        report = "" if part.report is None else f"  {part.report}"
    except sx.Undecided as error:
        found, report = "?", f"  {error}"
    seconds.append(perf_counter() - start)
    print(
        f"{name:<12}{net.unit_count:>9}{radius:>10.2g}{seconds[0]:>9.1f} s{found:>9}{seconds[1]:>10.2f} s"
        f"{memory('VmHWM') / 1e9:>8.2f} GB{report}"
    )


def main(words: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.networks", description="Architectures that people have."
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(CASES))
    parser.add_argument("--mode", default="certified", help="float64, certified or rational")
    parser.add_argument("--device", help="cpu or cuda")
    parser.add_argument("--radius", type=float, help="of the slice")
    parser.add_argument("--max-cells", type=int)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    for name in args.names:
        if name not in CASES:
            parser.error(f"there is no {name}, only {', '.join(CASES)}")
    if args.inside:
        measure(args.names[0], args)
        return
    print(f"{'':<12}{'units':>9}{'radius':>10}{'import':>11}{'A':>9}{args.mode:>12}{'peak':>11}", flush=True)
    options = [word for word in words if word not in args.names]
    for name in args.names or CASES:
        subprocess.run([sys.executable, "-m", "benchmarks.networks", "--inside", *options, name], check=False)


if __name__ == "__main__":
    main(sys.argv[1:])
