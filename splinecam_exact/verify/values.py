"""The network's values at the vertices of a mesh, in float64, with a rigorous bound of their error.

A vertex v of the mesh has float coordinates x_v near the true vertex. A *field* holds the values of one node of the
network at all vertices, and three bounds (proofs/fast.md, section 3):

- `error`: for every cell at v, the cell's affine form of the node, evaluated at x_v, is this close (2-norm);
- `lipschitz`: no cell's form has a larger Jacobian (spectral norm);
- `size`: a bound of the values' 2-norm;

and per value, where it is known better: `rows_error` and `rows_lipschitz` for that value alone.

The bounds hold for any order of summation, with or without fused multiply-add.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from gmpy2 import mpq
from torch import Tensor

from splinecam_exact.arrays import ExactArray
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.rounding import nearest

UNIT = 2.0**-53
"""The unit roundoff of float64."""
TINY = 2.0**-800
"""More than all that underflow can lose in one operation of this module, whether it is gradual or to zero."""
LARGE = 2.0**600
"""Where values or slopes may be larger, nothing is claimed: their error bound is infinite."""
RADII = (2.0**-100, 2.0**100)
"""Nor is it where the domain's radius is not between these."""
SAFE = 1 + 2.0**-20
"""Covers the rounding of the bounds themselves."""
CHUNK = {"cpu": 1 << 18}
"""How many values are worked on at a time: on a CPU, so many as stay in its cache."""
LERP = 8
"""A linear interpolation is off by at most so many unit roundoffs of the larger end."""


def larger(a: float, b: float) -> float:
    """The larger of two bounds, infinite where one is not known."""
    return max(a, b) if a == a and b == b else float("inf")


def chunk(values: Tensor, width: int) -> int:
    """How many rows of such a width to work on at a time, where `values` are."""
    return max(1, CHUNK.get(values.device.type, 1 << 24) // width)


def gamma(n: int) -> float:
    """n unit roundoffs, compounded: the relative error of a sum of n products (Higham, 2002, section 3.1)."""
    return n * UNIT / (1 - n * UNIT)


def norms(values: Tensor) -> Tensor:
    """Upper bounds of the 2-norms of a matrix's rows; squares that overflow or underflow do no harm."""
    largest = values.abs().amax(1)
    scaled = values / torch.where(largest > 0, largest, 1.0).unsqueeze(1)
    return torch.linalg.vector_norm(scaled, dim=1) * largest * SAFE + TINY


def spectral_norm(matrix: Tensor) -> float:
    """An upper bound of a matrix's largest singular value, within a few percent."""
    frobenius = float(norms(matrix.reshape(1, -1)))
    if not 2 * TINY < frobenius < LARGE:
        return frobenius
    scaled = matrix / frobenius
    gram = scaled @ scaled.T if scaled.shape[0] < scaled.shape[1] else scaled.T @ scaled
    lengths, slack = [], gamma(max(matrix.shape) + 4)
    for _ in range(6):
        gram = (gram + gram.T) / 2  # symmetric, whatever the product's rounding: so its square has the squared norm
        lengths.append(float(torch.linalg.vector_norm(gram)) * SAFE)
        gram = gram / lengths[-1]
        gram = gram @ gram
    bound: float = float(torch.linalg.vector_norm(gram)) * SAFE + slack
    for length in reversed(lengths):
        bound = length * math.sqrt(bound) * SAFE + slack
    return min(frobenius, frobenius * math.sqrt(bound) * SAFE)


class Field:
    """The values (V, n) of one node at all vertices, and the bounds described above.

    `blocks` are the values of some vertices after another: a layer adds vertices without copying what is there.
    """

    def __init__(self, value: Tensor, error: float, lipschitz: float, size: float) -> None:
        self.blocks = [value]
        self.error, self.lipschitz, self.size = error, lipschitz, size
        self.rows_error = torch.full_like(value[0], error)
        self.rows_lipschitz = torch.full_like(value[0], lipschitz)

    @property
    def value(self) -> Tensor:
        """The values at all vertices."""
        if len(self.blocks) > 1:
            self.blocks = [torch.cat(self.blocks)]
        return self.blocks[0]

    def loosen(self, factor: float, distance: float, more: float) -> None:
        """Multiply the errors, and add what a point may move by, and more."""
        self.error = (self.error * factor + self.lipschitz * distance + more) * SAFE
        self.rows_error = (self.rows_error * factor + self.rows_lipschitz * distance + more) * SAFE

    def settle(self, gap: float) -> None:
        """Values have moved by up to `gap`, two at a vertex, onto breakpoints.

        Another unit's value is on the wrong side of its breakpoint by no more than `gap` and the rounding of two
        interpolations: room is made for twice that in the norm, which is what the change of slopes there can cost.
        """
        self.size += 2 * gap
        self.loosen(1.0, 0.0, 2 * gap * (1 + self.width**0.5) + 8 * LERP * UNIT * self.size + TINY)

    def widen(self, other: Field) -> None:
        """Make the bounds hold for another field's values too."""
        self.error, self.size = larger(self.error, other.error), larger(self.size, other.size)
        self.rows_error = torch.maximum(self.rows_error, other.rows_error)

    @property
    def width(self) -> int:
        """How many values there are at each vertex."""
        return int(self.blocks[0].shape[1])

    def fit(self, sizes: list[int]) -> None:
        """Make blocks of these sizes."""
        if [len(block) for block in self.blocks] != sizes:
            self.blocks = list(self.value.split(sizes))


class Linear:
    """An affine node in float64: y = sum of x_i W_i^T + b."""

    def __init__(self, sources: tuple[int, ...], weights: list[Tensor], bias: Tensor) -> None:
        self.sources, self.weights, self.bias = sources, weights, bias
        self.norms = [spectral_norm(w) if w.dim() == 2 else float(w.abs().max()) for w in weights]
        self.sums = [float(norms(w.reshape(1, -1))) for w in weights]
        self.rows = [norms(w) if w.dim() == 2 else w.abs() for w in weights]
        self.offset = float(norms(bias.reshape(1, -1)))
        fan_in = sum(w.shape[1] if w.dim() == 2 else 1 for w in weights)
        self.rounding = gamma(fan_in + len(weights) + 6)  # with the rounding of weights that are no floats

    def __call__(self, inputs: list[Tensor], out: Tensor | None = None) -> Tensor:
        y = self.bias
        for x, w in zip(inputs, self.weights, strict=True):
            y = torch.addmm(y, x, w.T, out=out) if w.dim() == 2 else torch.addcmul(y, x, w, out=out)
        return y

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian."""
        size = sum(s * f.size for s, f in zip(self.sums, inputs, strict=True)) + self.offset
        passed = sum(s * f.error for s, f in zip(self.norms, inputs, strict=True))
        steep = sum(s * f.lipschitz for s, f in zip(self.norms, inputs, strict=True))
        return (passed + self.rounding * size + self._lost(inputs)) * SAFE, steep * SAFE + TINY

    def _lost(self, inputs: list[Field]) -> float:
        """What underflow can lose: of a product, less than TINY times 1 or either factor."""
        return TINY * (1 + sum(self.sums) + sum(f.size for f in inputs))

    def rows_bounds(self, inputs: list[Field]) -> tuple[Tensor, Tensor]:
        """The same for each value alone."""
        error = self.rounding * self.bias.abs() + self._lost(inputs)
        steep = torch.zeros_like(error)
        for rows, field in zip(self.rows, inputs, strict=True):
            error = error + rows * ((field.error + self.rounding * field.size) * SAFE)
            steep = steep + rows * field.lipschitz
        return error * SAFE, steep * SAFE + TINY


class Bent:
    """A node of piecewise linear units in float64."""

    def __init__(self, source: int, breakpoints: Tensor, slopes: Tensor, anchor: Tensor) -> None:
        self.sources = (source,)
        self.breakpoints, self.slopes, self.anchor = breakpoints, slopes, anchor
        self.relu = bool((breakpoints == 0).all()) and torch.equal(slopes, torch.tensor([[0.0, 1.0]]).to(slopes))
        self.relu = self.relu and bool((anchor == 0).all())
        self.steepest = float(slopes.abs().max())

    @property
    def states(self) -> int:
        """How many states each unit has."""
        return 2 * self.places + 1

    @property
    def places(self) -> int:
        """How many breakpoints each unit has."""
        return int(self.breakpoints.shape[1])

    def heights(self, x: Tensor) -> Tensor:
        """The input minus each breakpoint, (V, n * m): cut unit * m + breakpoint."""
        if self.breakpoints.shape[1] == 1 and not bool(self.breakpoints.any()):
            return x
        return (x.unsqueeze(2) - self.breakpoints).flatten(1)

    def breakpoint(self, cuts: Tensor) -> tuple[Tensor, Tensor]:
        """The unit and the breakpoint of each of some cuts."""
        units = torch.div(cuts, self.places, rounding_mode="floor")
        return units, self.breakpoints[units % len(self.breakpoints), cuts - units * self.places]

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        x = inputs[0]
        if self.relu:
            return x.clamp(min=0)
        y = self.anchor + self.slopes[:, 0] * (x - self.breakpoints[:, 0]).clamp(max=0)
        for k in range(self.breakpoints.shape[1]):
            low = self.breakpoints[:, k]
            high = self.breakpoints[:, k + 1] if k + 1 < self.breakpoints.shape[1] else None
            y = y + self.slopes[:, k + 1] * (torch.clamp(x, low, high) - low)
        return y

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian."""
        (field,) = inputs
        if self.relu:
            return field.error, field.lipschitz
        pieces, width = self.slopes.shape[1], field.width
        reach = field.size + width**0.5 * float(self.breakpoints.abs().max())
        size = width**0.5 * float(self.anchor.abs().max()) + 2 * pieces * self.steepest * reach
        error = self.steepest * (field.error + 4 * UNIT * reach) + gamma(pieces + 8) * size
        return (error + TINY * (1 + size + self.steepest)) * SAFE, self.steepest * field.lipschitz * SAFE + TINY

    def cut_bounds(self, field: Field) -> tuple[Tensor, Tensor]:
        """For each cut, how far `heights` may be from the true heights, and how steep these may be."""
        error, steep = (t.repeat_interleave(self.places) for t in (field.rows_error, field.rows_lipschitz))
        shift = 2 * UNIT * (field.size + 2 * float(self.breakpoints.abs().max())) + TINY
        return (error + shift) * SAFE, steep * SAFE


class Largest:
    """A node of maxima over groups in float64."""

    def __init__(self, source: int, groups: tuple[tuple[int, ...], ...], device: torch.device) -> None:
        self.sources = (source,)
        most = max(map(len, groups))
        self.members = torch.tensor([[*g, *(g[:1] * (most - len(g)))] for g in groups], device=device)
        self.states = 1 << most
        self.repeats = max(np.bincount([j for g in groups for j in g])) ** 0.5

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0][:, self.members].amax(2)

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian: a member may be in several groups."""
        return inputs[0].error * self.repeats * SAFE, inputs[0].lipschitz * self.repeats * SAFE + TINY


Step = Linear | Bent | Largest


def floats(array: ExactArray, device: torch.device) -> Tensor:
    """The float64 nearest to each entry."""
    if array.floats is not None:
        return torch.from_numpy(np.array(array.floats)).to(device)
    den, numerators = array.numerators()
    flat = np.array([nearest(n, den) for n in numerators])
    return torch.from_numpy(flat.reshape(array.shape)).to(device)


def compiled(net: Network, dom: Polygon | Slice, device: torch.device) -> list[Step]:
    """The nodes of a network, node 1 first; on a slice, the slice's affine map is put before them.

    Node 0 is the point in slice coordinates; with a slice, the network's own nodes are numbered from 1 on after it. So
    they are where units read the point itself: a copy of it can be put on a breakpoint.
    """
    steps: list[Step] = []
    shift = 1
    if isinstance(dom, Slice):
        basis = np.array([[nearest(q.numerator, q.denominator) for q in v] for v in dom.basis])
        origin = np.array([nearest(q.numerator, q.denominator) for q in dom.origin])
        steps.append(Linear((0,), [torch.from_numpy(basis.T.copy()).to(device)], torch.from_numpy(origin).to(device)))
    elif any(not isinstance(node, Affine) and node.source == 0 for node in net.nodes):
        zero = torch.zeros(2, dtype=torch.float64, device=device)
        steps.append(Linear((0,), [zero + 1], zero))
    else:
        shift = 0
    for node in net.nodes:
        if isinstance(node, Affine):
            weights = [floats(w, device) for w in node.weights]
            steps.append(Linear(tuple(s + shift for s in node.sources), weights, floats(node.bias, device)))
        elif isinstance(node, Piecewise):
            arrays = (floats(a, device) for a in (node.breakpoints, node.slopes, node.anchor))
            steps.append(Bent(node.source + shift, *arrays))
        elif isinstance(node, Max):
            steps.append(Largest(node.source + shift, node.groups, device))
    return steps


def corners_of(corners: Iterable[tuple[mpq, mpq]], device: torch.device) -> Tensor:
    """The float64 points nearest to some exact ones."""
    pairs = [(nearest(x.numerator, x.denominator), nearest(y.numerator, y.denominator)) for x, y in corners]
    return torch.tensor(pairs, dtype=torch.float64, device=device)


class Values:
    """The fields of the nodes that are still needed; `fields[0]` are the vertices' coordinates.

    `radius` bounds the coordinates. With `bounds` False the bounds are not computed (they are infinite).
    """

    def __init__(self, steps: list[Step], x: Tensor, bounds: bool) -> None:
        self.steps = steps
        self.bounds = bounds
        self.radius = float(x.abs().max()) * SAFE
        self.fields = {0: self._places(x)}

    def _places(self, x: Tensor) -> Field:
        """The coordinates as a field."""
        usable = RADII[0] < self.radius < RADII[1]
        return Field(x, 0.0 if usable else float("inf"), 1.0, 2 * self.radius)

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
            blocks = [block.clamp_(min=0) if alone else block.clamp(min=0) for block in source.blocks]
            found = Field(blocks[0], error, lipschitz, source.size)
            found.blocks = blocks
        else:
            value = node([f.value for f in inputs])
            found = Field(value, error, lipschitz, self._size(value))
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
                    size = larger(size, self._size(part))
            done += count
        field = Field(value, error, lipschitz, size)
        if self.bounds:
            field.rows_error, field.rows_lipschitz = node.rows_bounds(inputs)
        return field

    def _size(self, value: Tensor) -> float:
        """A bound of the values' norms, with room for what interpolation adds; infinite where it is not known."""
        found = float(torch.linalg.vector_norm(value, dim=1).max())
        if not 2.0**-400 < found < 2.0**400:
            found = float(norms(value).max())
        return found * (1 + 2.0**-7) + TINY if found < LARGE else float("inf")

    def keep(self, numbers: set[int]) -> None:
        """Drop all other fields but the coordinates."""
        self.fields = {k: f for k, f in self.fields.items() if k == 0 or k in numbers}

    def extend(self, x: Tensor, on_edges: Between, on_chords: Between) -> None:
        """Add vertices: first points between old ones, then points between those.

        `x` are the coordinates of all vertices, the new ones interpolated likewise.
        """
        first = len(self.fields[0].value)
        self.fields[0].blocks = [x]
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
        """Make the vertices these, in this order, the first block's as they are; `renew` does it for coordinates."""
        for number, field in self.fields.items():
            if number:
                head, *rest = field.blocks
                tail = vertices[len(head) :]
                value = torch.cat([head[:1], *rest])[(tail - len(head) + 1).clamp(min=0)]
                field.blocks = [head, value]

    def renew(self, vertices: Tensor, x: Tensor) -> None:
        """Evaluate the network anew at vertices with new coordinates, nearest to their exact places.

        `x` are the coordinates of all vertices.
        """
        self.fields[0].blocks = [x]
        fresh = {0: self._places(x[vertices])}
        for number in range(1, max(self.fields) + 1):
            fresh[number] = self._field(self.steps[number - 1], fresh, False)
        for number, field in self.fields.items():
            if number:
                head, *rest = field.blocks
                old = vertices < len(head)
                head[vertices[old]] = fresh[number].value[old]
                if rest:
                    rest[0][vertices[~old] - len(head)] = fresh[number].value[~old]
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
