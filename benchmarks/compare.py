"""Comparing another tool's cells with the exact ones: time and memory, against the partition's own.

    SPLINECAM_EXACT_DATA=../shared/data python -m benchmarks.compare [WORKLOAD ...]

On the networks in $SPLINECAM_EXACT_DATA/workloads. "float64" claims our cells with their patterns, "polygons" without
these, "float32" with rounded corners, "shuffled" in another order and reversed; "faulty" loses one cell in a hundred,
and claims another one twice. "memory" is what there was
before the comparison, and the most that the process ever had.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from time import perf_counter

import numpy as np

import splinecam_exact as sx
from benchmarks import folder
from splinecam_exact.comparison.own import claim_of_partition

FORMS = ("float64", "polygons", "float32", "shuffled", "faulty")


def claimed(claim: sx.Claim, form: str) -> sx.Claim:
    """A claim in one of the forms."""
    polygons = claim.polygons or ()
    if form == "float64":
        return claim
    if form == "float32":
        return sx.Claim(polygons=tuple(p.astype(np.float32).astype(np.float64) for p in polygons))
    if form == "shuffled":
        order = np.random.default_rng(0).permutation(len(polygons)).tolist()
        return sx.Claim(polygons=tuple(polygons[k][::-1] for k in order))
    if form == "faulty":
        kept = [p for k, p in enumerate(polygons) if k % 100]
        return sx.Claim(polygons=(*kept, *polygons[1::100]))
    return sx.Claim(polygons=polygons)


def peak() -> float:
    """The most memory that this process had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def held() -> float:
    """The memory that this process has now, in GiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**30


def measure(workload: str, form: str) -> None:
    """Print one line."""
    net = sx.load(f"{folder()}/{workload}.npz")
    sx.partition(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), sx.square(1))  # loads torch
    start = perf_counter()
    part = sx.partition(net, sx.square(1))
    partition = perf_counter() - start
    claim = claimed(claim_of_partition(part), form)
    before, start = held(), perf_counter()
    found = sx.compare(claim, part)
    seconds = perf_counter() - start
    print(
        f"{workload:<12} {form:<9} {len(part.faces):>8,} cells  partition {partition:7.2f} s  compare {seconds:7.2f} s"
        f"  memory {before:.2f}, at most {peak():.2f} GiB  {found!r}",
        flush=True,
    )


def main(workloads: list[str]) -> None:
    """Print a line for each workload and form, each measured in a process of its own."""
    for workload in workloads:
        for form in FORMS:
            subprocess.run([sys.executable, "-m", "benchmarks.compare", workload, "--form", form], check=True)


if __name__ == "__main__":
    if folder() is None:
        sys.exit("SPLINECAM_EXACT_DATA must name the folder of workloads")
    if "--form" in sys.argv:
        measure(sys.argv[1], sys.argv[3])
    else:
        main(sys.argv[1:] or ["small", "wide300", "wide1000"])
