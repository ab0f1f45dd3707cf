"""Another tool's partition against the exact one: see `compare`.

`claims`, `checking` and `coordinates` take what the tool says, `cells` cleans it, `truth` is the exact side. `naming`
and `tracing` make cells of vertices and edges. `walking` locates points, `holding` finds witnesses in cells, `fitting`
compares corners, and `matching` makes of this who is who. What is wrong then: `topology` (with `covering` and `grid`),
`corners`, `signs` (with `standing`), `seams`, `segments`.
"""

from __future__ import annotations

from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.comparison.comparing import compare
from splinecam_exact.comparison.defects import KINDS, Defect
from splinecam_exact.comparison.result import Comparison

__all__ = ["KINDS", "Claim", "Comparison", "Defect", "claim_of", "compare"]
