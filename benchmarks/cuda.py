"""CUDA against the CPU: the same results, and the table of `splinecam-exact bench` on both.

    SPLINECAM_EXACT_DATA=../shared/data python -m benchmarks.cuda [--workloads NAME ...] [--no-points] [--no-table]

Exit codes: 0, every certified result is the same on both; 1, one is not; 2, there is no GPU, so nothing was compared.
Float64 results are compared too, but they may differ: nothing vouches for them on either device.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

import splinecam_exact as sx
from benchmarks import folder
from splinecam_exact.bench import names_of, subject_of
from splinecam_exact.canonical import canonical
from splinecam_exact.cli import main as command_line
from splinecam_exact.geometry import chunks

ROWS = 4096
"""How many cells' states are looked at together."""


def sizes(part: sx.Subdivision) -> dict[str, int]:
    """A, V and E."""
    return {"A": len(part.faces), "V": len(part.vertices), "E": len(part.edges)}


def patterns(part: sx.Subdivision) -> Iterator[bytes]:
    """A digest of the states of each cell."""
    for faces in chunks(np.arange(len(part.faces)), ROWS):
        for row in part.geometry.state_rows(faces):
            yield blake2b(row.tobytes(), digest_size=16).digest()


def different_floats(one: sx.Subdivision, other: sx.Subdivision) -> list[str]:
    """In what two float64 results differ: counts and the set of patterns."""
    found = [f"{key}: {n} and {sizes(other)[key]}" for key, n in sizes(one).items() if n != sizes(other)[key]]
    if unique := set(patterns(one)) ^ set(patterns(other)):
        found.append(f"patterns that only one of them has: {len(unique)}")
    return found


def different(one: sx.Subdivision, other: sx.Subdivision, points: bool = True) -> list[str]:
    """In what two exact results differ: counts, polygons and states in canonical numbering, and exact points."""
    found = [f"{key}: {n} and {sizes(other)[key]}" for key, n in sizes(one).items() if n != sizes(other)[key]]
    if found:
        return found
    a, b = canonical(one), canonical(other)
    if not all(map(np.array_equal, a.geometry.polygons, b.geometry.polygons)):
        found.append("the polygons")
    if any(p != q for p, q in zip(patterns(a), patterns(b), strict=True)):
        found.append("the states")
    if points and a.points != b.points:
        found.append("the exact points")
    return found


def compare(net: sx.Network, dom: sx.Polygon | sx.Slice, device: str, points: bool = True) -> dict[str, list[str]]:
    """For each mode, in what the result on a device differs from that on the CPU."""
    parts = {
        mode: [sx.partition(net, dom, mode, device=place) for place in ("cpu", device)]
        for mode in ("float64", "certified")
    }
    return {
        "float64": different_floats(*parts["float64"]),
        "certified": different(*parts["certified"], points=points),
    }


def main(words: list[str]) -> int:
    """Compare, and print the tables."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description="CUDA against the CPU.")
    parser.add_argument("--data", metavar="FOLDER", default=folder(), help="of .npz networks; default: those that ship")
    parser.add_argument("--workloads", metavar="NAME", nargs="+")
    parser.add_argument("--no-points", action="store_true", help="do not compare the exact points, which takes longest")
    parser.add_argument("--no-table", action="store_true", help="compare only")
    args = parser.parse_args(words)
    if not torch.cuda.is_available():
        print(f"There is no GPU here (torch {torch.__version__} finds no CUDA device): nothing was compared.")
        print("What needs none is tested by tests/test_bench.py: the same comparison between pretended devices.")
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    same = True
    for name in names_of(args.data, args.workloads):
        found = compare(*subject_of(args.data, name), "cuda", points=not args.no_points)
        for mode, differences in found.items():
            verdict = f"DIFFERENT: {'; '.join(differences)}" if differences else "the same on CUDA and on the CPU"
            print(f"{name:<12} {mode:<10} {verdict}", flush=True)
        same = same and not found["certified"]
    torch.cuda.empty_cache()
    for device in () if args.no_table else ("cuda", "cpu"):
        print(f"\n{device}:", flush=True)
        options = [] if args.data is None else [f"--data={args.data}"]
        options += [] if args.workloads is None else ["--workloads", *args.workloads]
        command_line(["bench", "--device", device, "--modes", "float64", "certified", *options])
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
