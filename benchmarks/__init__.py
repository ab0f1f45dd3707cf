"""Scripts that measure. Nothing here is asserted, but for `cuda`, which compares results between devices.

- `python -m benchmarks`: `splinecam-exact bench` on the workloads in $SPLINECAM_EXACT_DATA/workloads, where that is set
- `python -m benchmarks.certificates`: certifying and checking
- `python -m benchmarks.naive`: against splitting every cell by every unit
- `python -m benchmarks.networks`: VGG, ResNet, a U-Net and others (`benchmarks.architectures`) on small slices
- `python -m benchmarks.deep`: networks so deep that error bounds wear out
- `python -m benchmarks.samples`: certifying points, against evaluating them in float64
- `python -m benchmarks.compare`: comparing other tools' cells with the exact ones
- `python -m benchmarks.cuda`: CUDA against the CPU
"""

from __future__ import annotations

import os


def folder() -> str | None:
    """The folder of workloads that the environment names, or None."""
    data = os.environ.get("SPLINECAM_EXACT_DATA")
    return None if data is None else os.path.join(data, "workloads")
