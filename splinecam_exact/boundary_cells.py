"""Signs of functions at a subdivision's vertices, and their exact forms on its cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from gmpy2 import mpq

from splinecam_exact.boundary_trace import some_face
from splinecam_exact.decide import Decider, Signs
from splinecam_exact.decide.evaluate import Form
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import Geometry, pattern_of
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.network import Network
from splinecam_exact.partitioning import lowered
from splinecam_exact.subdivision import Subdivision

if TYPE_CHECKING:
    from splinecam_exact.boundary_values import VertexValues
    from splinecam_exact.verify.outputs import Kept


class Cells:
    """A network whose outputs are decided on its cells.

    The program is made when something must be decided exactly; the geometry's decider is taken, where it has one.
    """

    def __init__(self, net: Network, dom: Polygon | Slice, geometry: Geometry, progress: Progress | None) -> None:
        self.net, self.dom, self.geometry, self.progress = net, dom, geometry, progress
        self._named: dict[tuple[int, int, mpq], int] = {}

    def __getstate__(self) -> dict[str, object]:
        state = {name: value for name, value in self.__dict__.items() if name not in ("program", "decider")}
        return {**state, "progress": None, "_named": {}}

    @cached_property
    def program(self) -> Program:
        """The network on the domain in integers."""
        return lowered(self.net, self.dom)

    @cached_property
    def decider(self) -> Decider:
        """Exact signs and forms."""
        return self.geometry.decider() or Decider(self.program, progress=self.progress)

    def cut(self, plus: int, minus: int, level: mpq) -> int:
        """The decider's number of output `plus` less output `minus` (none if it is -1) less `level`."""
        function = (plus, minus, level)
        if function not in self._named:
            outputs = self.program.outputs
            pair = np.array([[outputs[plus], outputs[minus] if minus >= 0 else -1]])
            self._named[function] = self.decider.compare(pair, level)
        return self._named[function]

    def signs(self, cuts: Ints, vertices: Ints) -> Signs:
        """The exact signs of cuts[r] at vertices[r]."""
        faces = some_face(self.geometry)[vertices]
        different, again = np.unique(vertices, return_inverse=True)
        places = self.geometry.places(different)
        patterns, which = self._patterns(faces)
        return self.decider.heights(patterns, cuts, [places[k] for k in again.tolist()], which)[0]

    def forms(self, cuts: Ints, faces: Ints) -> list[Form]:
        """The exact integer forms of cuts[r] on faces[r], up to positive factors."""
        patterns, which = self._patterns(faces)
        return self.decider.forms(patterns, cuts, which)

    def values(self, numbers: Sequence[int], faces: Ints) -> list[Form]:
        """The exact integer forms of some values of the program, on each of some faces: its denominators' multiples."""
        patterns, which = self._patterns(faces)
        return self.decider.values(patterns, np.tile(numbers, len(faces)), np.repeat(which, len(numbers)))

    def _patterns(self, faces: Ints) -> tuple[list[bytes], Ints]:
        rows, which = np.unique(faces, return_inverse=True)
        return [pattern_of(self.program, row) for row in self.geometry.state_rows(rows)], which


def vertex_values(
    net: Network, part: Subdivision, compared: bool = False, kept: Kept | None = None
) -> VertexValues | None:
    """The outputs at the vertices in float64, with bounds of the errors (proved, at the exact vertices).

    None where only exact numbers are used: in mode "rational", and without torch. Where outputs are only `compared`
    with each other, all are less the same number. `kept` are outputs that are at hand.
    """
    if part.mode == "rational" or not find_spec("torch"):
        return None
    from splinecam_exact.boundary_values import VertexValues

    return VertexValues(net, part.domain, part.geometry, compared, kept)
