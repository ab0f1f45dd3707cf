"""Time and peak memory of the exact path, each network in a process of its own.

    SPLINECAM_EXACT_DATA=../shared/data python -m benchmarks [NETWORK ...]

The networks are the workloads `W0, b0, W1, b1, ...` in $SPLINECAM_EXACT_DATA/workloads, or .npz paths; without the
variable, the two that ship with the package. Times are also given in units of Y, one float64 matrix product
(200 000 x 256) . (256 x 256) timed in the same process, so that they can be compared between machines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WORKLOADS = ("small", "wide100", "digits50x3", "deep64x4", "sdf64x4", "wide300", "wide1000")


def paths(names: list[str]) -> list[Path]:
    """The files to measure."""
    data = os.environ.get("SPLINECAM_EXACT_DATA")
    if data is None and not names:
        return [Path(__file__).parents[1] / "splinecam_exact/models/sdf.npz"]
    return [Path(n) if n.endswith(".npz") else Path(data or "") / "workloads" / f"{n}.npz" for n in names or WORKLOADS]


def main() -> None:
    """Measure each network and print a table."""
    print(f"{'network':<12}{'A':>8}{'V':>8}{'E':>8}{'build':>9}{'build/Y':>9}{'peak':>9}", end="")
    print(f"{'certify':>9}{'check':>9}{'check/certify':>15}{'rebuild/check':>15}{'cert':>9}", flush=True)
    for path in paths(sys.argv[1:]):
        subprocess.run([sys.executable, "-m", "benchmarks.rational", str(path)], check=True)


main()
