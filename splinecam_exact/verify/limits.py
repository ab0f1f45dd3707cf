"""The mesh, and what its owner may use: limits, and who is told of progress."""

from __future__ import annotations

import torch

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.kernel.program import Progress
from splinecam_exact.network import Network
from splinecam_exact.verify.state import State

BYTES = 320
"""How much memory the arrays of one half-edge take while a layer is put together and checked."""


class Limited(State):
    """A state that reports what is done with it, and raises Undecided where a limit would be passed."""

    def __init__(
        self,
        net: Network,
        dom: Polygon | Slice,
        device: torch.device,
        certified: bool,
        progress: Progress | None = None,
        max_cells: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        super().__init__(net, dom, device, certified)
        self.progress, self.max_cells, self.max_memory = progress, max_cells, max_memory
        self.stage = ""

    def _watch(self, what: str, faces: int, half_edges: int) -> None:
        """Report progress; stop where a limit would be passed."""
        self._tell(what, self.mesh.faces, max(faces, self.mesh.faces))
        if not self.certified:  # what is proposed is the result
            self._limit(faces)
        self._afford(half_edges * BYTES)

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(f"{self.stage}: {what}", done, total)

    def _limit(self, cells: int) -> None:
        if self.max_cells is not None and cells > self.max_cells:
            raise Undecided(f"more than {self.max_cells} cells: raise the limit, or take a smaller domain")

    def _afford(self, size: int) -> None:
        if self.max_memory is not None and size > self.max_memory:
            raise Undecided(
                f"{self.stage} needs about {size / 2**30:.1f} GiB, max_memory is {self.max_memory / 2**30:.1f} GiB: "
                "raise it, or take the domain in pieces (partition_pieces)"
            )
