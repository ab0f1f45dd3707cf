"""Certifying and checking: times of networks on the square [-1, 1]^2.

    python -m benchmarks.certificates NETWORK.npz ...

Y is the time of one float64 product (200 000 x 256).(256 x 256) in the same process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import splinecam_exact as sx
from splinecam_exact.bench import yardstick

T = TypeVar("T")


def timed(job: Callable[[], T]) -> tuple[float, T]:
    """Seconds and result."""
    start = perf_counter()
    result = job()
    return perf_counter() - start, result


def row(path: Path) -> str:
    """One network's line. Raises RuntimeError where a check does not say "verified"."""
    net, square = sx.load(path), sx.square(1)
    certify, certificate = timed(lambda: sx.certify(net, square))
    check, verdict = timed(lambda: sx.check(certificate, net, square))
    rebuild, second = timed(lambda: sx.check(certificate, net, square, method="rebuild"))
    if not (verdict and second):
        raise RuntimeError(f"{path}: {verdict} {second}")
    size, cells = len(certificate.to_text()), certificate.counts["A"]
    return (
        f"{path.stem:<12}{cells:>8}{certify:>9.2f}s{certify / yardstick():>8.1f}{check:>9.2f}s{check / certify:>15.2f}"
        f"{rebuild:>9.2f}s{size / 1e6:>9.2f} MB{size / cells:>10.0f} B"
    )


def main(paths: list[str]) -> None:
    """Print the table."""
    yardstick()  # loads torch
    print(f"{'network':<12}{'A':>8}{'certify':>10}{'/Y':>8}{'check':>10}{'check/certify':>15}", end="")
    print(f"{'rebuild':>10}{'size':>12}{'per cell':>12}", flush=True)
    for path in paths:
        print(row(Path(path)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
