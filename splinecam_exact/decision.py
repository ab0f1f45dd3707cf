"""What a network decides on a domain, and where it changes its mind: exact, by one more partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.network import Network
from splinecam_exact.partitioning import lowered, partition
from splinecam_exact.residues import vanishing
from splinecam_exact.subdivision import Subdivision

Segments = NDArray[np.float64]
"""Shape (k, 2, 2): the two ends of each segment, in slice coordinates."""

_OFF, _ON = 0, 2
"""The states of a ReLU on either side of its breakpoint; between them, it is identically zero on the cell."""


class Decision(NamedTuple):
    """The subdivision of a domain by a network and its decision: `part` is that of the network with a head.

    The last unit is the head's, so each of its cells has one answer. `kind` is "argmax" (the answer is the output
    that is largest) or "sign" (of output `output`).
    """

    kind: str
    output: int
    part: Subdivision

    @property
    def edges(self) -> Ints:
        """The numbers of the edges of `part` that are the decision boundary, exactly.

        "argmax": those on whose sides different sets of outputs are largest. "sign": those on which the output is
        zero: where its sign changes, where it only touches zero, and around and in cells on which it is zero.
        """
        dcel, half_edges = self.part.half_edges, self.part.edge_half_edges
        if self.kind == "sign":
            zero = self._zero_vertices()
            return np.flatnonzero(zero[dcel.origin[half_edges]] & zero[dcel.origin[dcel.twin[half_edges]]])
        left, right = dcel.face[half_edges], dcel.face[dcel.twin[half_edges]]
        answer = self.part.states[:, -1]
        return np.flatnonzero((right != OUTER) & (answer[left] != answer[right]))

    @property
    def segments(self) -> Segments:
        """The decision boundary for drawing: the float64 coordinates nearest to the exact ends."""
        dcel, half_edges = self.part.half_edges, self.part.edge_half_edges[self.edges]
        ends = np.stack([dcel.origin[half_edges], dcel.origin[dcel.twin[half_edges]]], axis=1)
        return self.part.coordinates[ends]

    def classes(self, names: Sequence[object] | None = None) -> tuple[list[str], Ints]:
        """The names of the answers that occur, and per cell of `part` which of them is its (-1 where there is a tie).

        `names` has a name for each output, or for "sign" the two of the negative and the positive side.
        """
        answer = self.part.states[:, -1]
        if self.kind == "sign":
            values = [_OFF, _ON]
            known: Sequence[object] = ("negative", "positive") if names is None else names
        else:
            outputs = self.part.network.sizes[-2]
            values = [1 << j for j in range(outputs)]
            known = [f"output {j}" for j in range(outputs)] if names is None else names
        if len(known) != len(values):
            raise InputError(f"there are {len(known)} names of classes; {len(values)} are needed")
        present = [k for k, value in enumerate(values) if (answer == value).any()]
        numbers = np.full(len(answer), -1)
        for number, k in enumerate(present):
            numbers[answer == values[k]] = number
        return [str(known[k]) for k in present], numbers

    def _zero_vertices(self) -> NDArray[np.bool_]:
        """Whether the output is exactly zero, per vertex. Between two such ends of an edge it is zero too."""
        headed, part = self.part.network, self.part
        program = lowered(Network(headed.input_size, headed.nodes[:-1], headed.conventions), part.domain)
        inner = slice(len(part.geometry.polygons.corners))
        face = np.empty(len(part.points), np.int64)
        face[part.half_edges.origin[inner]] = part.half_edges.face[inner]  # at a vertex any of its faces will do
        return vanishing(program, part.points, lambda vertices: part.geometry.state_rows(face[vertices])[:, :-1])


def decision(
    net: Network,
    dom: Polygon | Slice,
    kind: str | None = None,
    *,
    output: int = 0,
    progress: Progress | None = None,
    max_cells: int | None = None,
) -> Decision:
    """What a network decides on a domain: `kind` "argmax" over all outputs, or the "sign" of one output.

    Where it is not given, "sign" for a network of one output and otherwise "argmax". Errors and cost as for
    `partition`, and NetworkError where there is no such head.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0]], [0]), ([[2]], [-1])])
    >>> sorted(decision(net, sx.square(1)).segments[0].tolist())
    [[0.5, -1.0], [0.5, 1.0]]
    """
    kind = kind or ("sign" if net.output_size == 1 else "argmax")
    headed = net.with_head(kind, output)
    return Decision(kind, output, partition(headed, dom, progress=progress, max_cells=max_cells))


def boundary_segments(net: Network, dom: Polygon | Slice, kind: str | None = None, *, output: int = 0) -> Segments:
    """The exact decision boundary, rounded to float64 segments of shape (k, 2, 2) for drawing; see `decision`."""
    return decision(net, dom, kind, output=output).segments
