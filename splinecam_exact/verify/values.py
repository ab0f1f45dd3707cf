"""The network's values at the vertices of a mesh, with their bounds, as layers add vertices to it."""

from __future__ import annotations

import torch
from torch import Tensor

from splinecam_exact.verify.live import schedule
from splinecam_exact.verify.rigor import LARGE, LERP, RADII, SAFE, TINY, UNIT, chunk, larger, norms
from splinecam_exact.verify.steps import Bent, Field, Linear, Step


class Values:
    """The fields of the nodes that are still needed; `fields[0]` are the vertices' coordinates.

    `radius` bounds the coordinates. With `bounds` False the bounds are not computed (they are infinite). Once
    `anchored`, bounds of slopes hold on the mesh's faces, and no longer everywhere.
    """

    def __init__(self, steps: list[Step], x: Tensor, bounds: bool) -> None:
        self.steps = steps
        self.bounds = bounds
        self.anchored = False
        self.radius = float(x.abs().max()) * SAFE
        self.fields = {0: self._places(x)}

    @property
    def usable(self) -> bool:
        """Whether coordinates are neither too large nor too small for any claim."""
        return RADII[0] < self.radius < RADII[1]

    def _places(self, x: Tensor) -> Field:
        """The coordinates as a field."""
        return Field(x, 0.0 if self.usable else float("inf"), 1.0, 2 * self.radius)

    def step(self, number: int, alone: bool = False) -> None:
        """Compute the field of a node; its sources must be there, and are overwritten where nobody else reads them."""
        self.fields[number] = self._field(self.steps[number - 1], self.fields, alone)

    def _field(self, node: Step, fields: dict[int, Field], alone: bool) -> Field:
        inputs = [fields[s] for s in node.sources]
        error, lipschitz = node.bounds(inputs) if self.bounds else (float("inf"), float("inf"))
        if isinstance(node, Linear):
            found = self._linear(node, inputs, error, lipschitz)
        elif isinstance(node, Bent) and node.relu:
            source = inputs[0]
            blocks = [node([block], block if alone else None) for block in source.blocks]
            found = Field(blocks[0], error, lipschitz, source.size * SAFE)
            found.blocks = blocks
            found.rows_error = source.rows_error + node.lost(source.size)
            found.rows_lipschitz = source.rows_lipschitz
        else:
            value = node([f.value for f in inputs])
            found = Field(value, error, lipschitz, self.size(value))
        if not (found.size < LARGE and lipschitz < LARGE):
            found.loosen(1.0, 0.0, float("inf"))
        return found

    def _linear(self, node: Linear, inputs: list[Field], error: float, lipschitz: float) -> Field:
        """Some rows at a time, and their sizes while they are at hand."""
        sizes = [len(block) for block in inputs[0].blocks]
        for field in inputs[1:]:
            field.fit(sizes)
        value = inputs[0].blocks[0].new_empty((sum(sizes), len(node.bias)))
        size, done = 0.0, 0
        rows = chunk(value, len(node.bias))
        for k, count in enumerate(sizes):
            for low in range(0, count, rows):
                part = value[done + low : done + min(low + rows, count)]
                node([f.blocks[k][low : low + rows] for f in inputs], part)
                if self.bounds:
                    size = larger(size, self.size(part))
            done += count
        field = Field(value, error, lipschitz, size)
        if self.bounds:
            field.rows_error, field.rows_lipschitz = node.rows_bounds(inputs)
        return field

    def size(self, value: Tensor) -> float:
        """A bound of the values' norms, with room for what interpolation adds; infinite where it is not known."""
        found = float(torch.linalg.vector_norm(value, dim=1).max())
        if not 2.0**-400 < found < 2.0**400:
            found = float(norms(value).max())
        return found * (1 + 2.0**-7) + TINY if found < LARGE else float("inf")

    def run(self) -> Field:
        """Compute what the last node depends on, and drop what nobody reads any more; the field of the last."""
        for number, alone, kept in schedule(self.steps):
            self.step(number, alone)
            self.keep(kept)
        return self.fields[len(self.steps)]

    def keep(self, numbers: set[int]) -> None:
        """Drop all other fields but the coordinates."""
        self.fields = {k: f for k, f in self.fields.items() if k == 0 or k in numbers}

    def extend(self, x: Tensor, on_edges: Between, on_chords: Between) -> None:
        """Add vertices: first points between old ones, then points between those.

        `x` are the coordinates of all vertices, the new ones interpolated likewise.
        """
        first = len(self.fields[0].value)
        self.move(x)
        blur = 2 * LERP * UNIT * self.radius + TINY  # how far a point may be from the exact interpolation
        p, q, t = on_chords
        for number, field in self.fields.items():
            if number == 0:
                continue
            at_edges = interpolated(field.value, *on_edges)
            field.blocks += [at_edges, interpolated(at_edges, p - first, q - first, t)]
            for _ in range(2):
                field.loosen(1.0, blur, 2 * LERP * UNIT * field.size + TINY)

    def choose(self, vertices: Tensor) -> None:
        """Make the vertices these, in this order, the first block's as they are; `move` does it for coordinates."""
        for number, field in self.fields.items():
            if number:
                head, *rest = field.blocks
                tail = vertices[len(head) :]
                value = torch.cat([head[:1], *rest])[(tail - len(head) + 1).clamp(min=0)]
                field.blocks = [head, value]

    def move(self, x: Tensor) -> None:
        """Give the vertices these coordinates."""
        self.fields[0].blocks = [x]

    def put(self, number: int, vertices: Tensor, value: Tensor) -> None:
        """Replace the values of a node at some vertices."""
        head, *rest = self.fields[number].blocks
        old = vertices < len(head)
        head[vertices[old]] = value[old]
        if rest:
            rest[0][vertices[~old] - len(head)] = value[~old]

    def renew(self, vertices: Tensor) -> None:
        """Evaluate the network anew at vertices that have moved to the floats nearest to their exact places."""
        fresh = {0: self._places(self.fields[0].value[vertices])}
        for number in range(1, max(self.fields) + 1):
            fresh[number] = self._field(self.steps[number - 1], fresh, False)
        for number, field in self.fields.items():
            if number:
                self.put(number, vertices, fresh[number].value)
                # the true function at x and a cell's form there are both close to the value at the exact vertex
                fresh[number].loosen(1.0, 2 * (2 * UNIT * self.radius + TINY), 0.0)
                field.widen(fresh[number])


Between = tuple[Tensor, Tensor, Tensor]
"""Points at the fractions t of the way from vertices p to vertices q: (p, q, t)."""


def interpolated(value: Tensor, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
    """Rows of values at points between vertices, some at a time."""
    found = value.new_empty((len(p), value.shape[1]))
    rows = chunk(value, value.shape[1])
    for low in range(0, len(p), rows):
        part = slice(low, low + rows)
        torch.lerp(value[p[part]], value[q[part]], t[part].unsqueeze(1), out=found[part])
    return found
