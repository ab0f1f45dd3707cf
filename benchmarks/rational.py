"""One row of the table that `python -m benchmarks` prints: a network on the square [-1, 1]^2, in this process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

import splinecam_exact as sx

T = TypeVar("T")

LARGEST_CERTIFIED = 50_000
"""Only up to so many cells are certified and checked here: beyond it the text alone is over 10 MB."""


def timed(job: Callable[[], T]) -> tuple[float, T]:
    """Seconds and result."""
    start = time.perf_counter()
    result = job()
    return time.perf_counter() - start, result


def yardstick() -> float:
    """Seconds of one float64 product (200 000 x 256) . (256 x 256), the better of three."""
    a, b = np.ones((200_000, 256)), np.ones((256, 256))
    return min(timed(lambda: a @ b)[0] for _ in range(3))


def main(path: Path) -> None:
    """Measure and print."""
    net, square = sx.load(path), sx.square(1)
    build, part = timed(lambda: sx.partition(net, square))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sizes = f"{len(part.faces):>8}{len(part.vertices):>8}{len(part.edges):>8}"
    print(f"{path.stem:<12}{sizes}{build:>8.2f}s{build / yardstick():>9.1f}{peak:>7.2f}GB", end="", flush=True)
    if len(part.faces) > LARGEST_CERTIFIED:
        print()
        return
    certify, certificate = timed(lambda: sx.certify(net, square))
    check, verdict = timed(lambda: sx.check(certificate, net, square))
    rebuild, second = timed(lambda: sx.check(certificate, net, square, method="rebuild"))
    if not (verdict and second):
        raise SystemExit(f"{path}: {verdict} {second}")
    size = len(certificate.to_text()) / 1e6
    print(f"{certify:>8.2f}s{check:>8.2f}s{check / certify:>15.2f}{rebuild / check:>15.2f}{size:>7.2f}MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
