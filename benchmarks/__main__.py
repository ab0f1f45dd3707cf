"""The table of `splinecam-exact bench`, with its options, on $SPLINECAM_EXACT_DATA/workloads where that is set.

SPLINECAM_EXACT_DATA=../shared/data python -m benchmarks [--workloads NAME ...] [--modes MODE ...] [--exact] [--json]
"""

from __future__ import annotations

import sys

from benchmarks import folder
from splinecam_exact.cli import main

data = folder()
sys.exit(main(["bench", *([] if data is None else [f"--data={data}"]), *sys.argv[1:]]))
