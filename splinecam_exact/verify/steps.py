"""The nodes of a network in float64, and rigorous bounds of what they lose.

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
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from gmpy2 import mpq
from torch import Tensor

from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.fast.heights import Heights, breakpoint_of
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.rounding import nearest
from splinecam_exact.verify.operators import Dense, Diagonal, Operator, floats, operator, parts, scaled
from splinecam_exact.verify.rigor import LERP, SAFE, TINY, UNIT, gamma, larger, norms


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


class Joined(NamedTuple):
    """What an affine node does to the values of another one, in one step with that: multiply, and add."""

    before: int
    factors: Tensor


class Linear:
    """An affine node in float64: y = sum of x_i W_i^T + b."""

    def __init__(self, sources: tuple[int, ...], weights: Sequence[Operator], bias: Tensor) -> None:
        self.sources, self.weights, self.bias = sources, weights, bias
        self.added = [bias]
        """What is added to the products, exactly, or but for the rounding of its last part."""
        self.joined: Joined | None = None
        self.reference: Tensor | None = None
        self.bounded(bias.abs(), 0.0)
        self.unbiased = False
        """Whether the true bias is known to be 0; one that is not may round to 0."""
        terms = sum(w.roundings for w in weights)
        self.rounding = gamma(terms + len(weights) + 6)  # with the rounding of weights that are no floats

    def bounded(self, offsets: Tensor, blunt: Tensor | float) -> None:
        """Set bounds of what is rounded of the bias, and of how far it is from the true one otherwise."""
        self.offset = float(norms(offsets.reshape(1, -1)))
        self.offsets, self.blunt = offsets, blunt
        self.blunted = float(norms(blunt.reshape(1, -1))) if isinstance(blunt, Tensor) else 0.0

    def __call__(self, inputs: list[Tensor], out: Tensor | None = None) -> Tensor:
        y = self.bias
        for x, w in zip(inputs, self.weights, strict=True):
            y = w.add(y, x, out)
        return y

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian."""
        pairs = list(zip(self.weights, inputs, strict=True))
        size = sum(w.sum * f.size for w, f in pairs) + self.offset
        passed = sum(w.norm * f.error for w, f in pairs)
        steep = sum(w.norm * f.lipschitz for w, f in pairs)
        return (passed + self.rounding * size + self.blunted + self._lost(inputs)) * SAFE, steep * SAFE + TINY

    def _lost(self, inputs: list[Field]) -> float:
        """What underflow can lose: of a product, less than TINY times 1 or either factor."""
        return TINY * (1 + sum(w.sum for w in self.weights) + sum(f.size for f in inputs))

    def rows_bounds(self, inputs: list[Field]) -> tuple[Tensor, Tensor]:
        """The same for each value alone."""
        error = self.rounding * self.offsets + self.blunt + self._lost(inputs)
        steep = torch.zeros_like(error)
        for weight, field in zip(self.weights, inputs, strict=True):
            error = error + weight.rows * ((field.error + self.rounding * field.size) * SAFE)
            steep = steep + weight.rows * field.lipschitz
        return error * SAFE, steep * SAFE + TINY


_RELU = Piecewise.relu().breakpoints, Piecewise.relu().slopes, Piecewise.relu().anchor


class Bent:
    """A node of piecewise linear units in float64: of t = x - reference of its source, less its own reference.

    `levels` (1 or n, m) are the breakpoints of t, `slopes` (1 or n, m + 1) as the node has them, and `start` (1 or n)
    is what the units make of t = 0.
    """

    def __init__(self, source: int, node: Piecewise, device: torch.device, reference: Tensor | None = None) -> None:
        """`reference` (n,) is the source's, 0 if it is None."""
        self.sources, self.node = (source,), node
        self.slopes = floats(node.slopes, device)
        self.relu = (node.breakpoints, node.slopes, node.anchor) == _RELU
        if self.relu:
            zero = torch.zeros(1, dtype=torch.float64, device=device)
            self.levels = (zero if reference is None else -reference).unsqueeze(1)
            self.start, self.reference = zero, None if reference is None else reference.clamp(min=0)
        else:
            tables = moved(node, None if reference is None else reference.tolist())
            self.levels, high, low = (torch.tensor(a, dtype=torch.float64, device=device) for a in tables)
            self.start, self.reference = (high, None) if reference is None else (low, high)
        self.plain = not bool(self.levels.any())
        self.steepest = float(self.slopes.abs().max()) + TINY

    @property
    def states(self) -> int:
        """How many states each unit has."""
        return 2 * self.places + 1

    @property
    def places(self) -> int:
        """How many breakpoints each unit has."""
        return int(self.levels.shape[1])

    def heights(self, t: Tensor) -> Heights:
        """How far values are above each breakpoint, (V, n * m): cut unit * m + breakpoint."""
        return Heights(t, None if self.plain and self.places == 1 else self.levels)

    def breakpoint(self, cuts: Tensor) -> tuple[Tensor, Tensor]:
        """The unit and the breakpoint of each of some cuts."""
        return breakpoint_of(self.levels, cuts)

    def __call__(self, inputs: list[Tensor], out: Tensor | None = None) -> Tensor:
        (t,) = inputs
        if self.relu:
            bent = torch.clamp(t, min=0, out=out) if self.plain else torch.maximum(t, self.levels[:, 0], out=out)
            return bent if self.plain else bent.sub_(self.levels[:, 0].clamp(min=0))
        y, zero = self.start, torch.zeros_like(self.levels[:, 0])
        for k in range(self.places + 1):
            low = self.levels[:, k - 1] if k else None
            high = self.levels[:, k] if k < self.places else None
            y = y + self.slopes[:, k] * (torch.clamp(t, low, high) - torch.clamp(zero, low, high))
        return y

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian."""
        (field,) = inputs
        if self.relu:
            return field.error + self.lost(field.size), field.lipschitz
        start = float(self.start.abs().max()) * field.width**0.5
        size = self.steepest * field.size + start
        error = self.steepest * field.error + gamma(3 * self.places + 11) * size
        return (error + TINY * (1 + size + self.steepest)) * SAFE, self.steepest * field.lipschitz * SAFE + TINY

    def lost(self, size: float) -> float:
        """What a layer of ReLUs loses by rounding."""
        return 0.0 if self.plain else 2 * UNIT * size + TINY

    def cut_bounds(self, field: Field) -> tuple[Tensor, Tensor]:
        """For each cut, how far `heights` may be from the true heights, and how steep these may be."""
        error, steep = (t.repeat_interleave(self.places) for t in (field.rows_error, field.rows_lipschitz))
        levels = self.levels.abs().expand(field.width, -1).flatten()
        shift = 2 * UNIT * (field.size + 2 * levels) + TINY
        return (error + shift) * SAFE, steep * SAFE


def moved(node: Piecewise, references: list[float] | None) -> tuple[list[list[float]], list[float], list[float]]:
    """Units as functions of t = x - reference (0 if None), each row of parameters a unit if there are references.

    Returns the float64 nearest to the breakpoints of t, to the values at t = 0, and to what these lack.
    """
    tables = [rows(a) for a in (node.breakpoints, node.slopes, node.anchor)]
    count = max(map(len, tables)) if references is None else len(references)
    levels, values, rests = [], [], []
    for k in range(count):
        places, slopes, (value,) = (table[k % len(table)] for table in tables)
        x = mpq(0) if references is None else exact(references[k])
        for slope, low, high in zip(slopes, [None, *places], [*places, None], strict=True):
            if low is None:
                value += slope * min(x - places[0], mpq(0))
            elif x > low:
                value += slope * ((x if high is None else min(x, high)) - low)
        levels.append([nearest(d.numerator, d.denominator) for d in (b - x for b in places)])
        values.append(nearest(value.numerator, value.denominator))
        rest = value - exact(values[-1]) if math.isfinite(values[-1]) else mpq(0)
        rests.append(nearest(rest.numerator, rest.denominator))
    return levels, values, rests


def rows(array: ExactArray) -> list[list[mpq]]:
    """The rows of an exact array; each entry of a vector is one."""
    den, numbers = array.numerators()
    width = len(numbers) // array.shape[0]
    return [[mpq(n, den) for n in numbers[k : k + width]] for k in range(0, len(numbers), width)]


class Largest:
    """A node of maxima over groups in float64, of t = x - reference of its source, less its own reference.

    `members` (groups, members) are places in the source's output; where a group has fewer, its first one is repeated,
    and `padded` says so. A set of members is a mask of type `dtype`. `shift` (groups, members) is what the members'
    references are more than the group's own, the largest of them.
    """

    def __init__(
        self,
        source: int,
        groups: tuple[tuple[int, ...], ...],
        device: torch.device,
        reference: Tensor | None = None,
    ) -> None:
        """`reference` (n,) is the source's, 0 if it is None."""
        self.sources, self.groups = (source,), groups
        most = max(map(len, groups))
        self.members = torch.tensor([[*g, *(g[:1] * (most - len(g)))] for g in groups], device=device)
        counts = torch.tensor(list(map(len, groups)), device=device)
        places = torch.arange(most, device=device)
        self.padded = places >= counts.unsqueeze(1)
        self.bits = torch.ones_like(places) << places
        self.states = 1 << most
        sizes = ((8, torch.uint8), (15, torch.int16), (31, torch.int32), (63, torch.int64))
        self.dtype = next(dtype for size, dtype in sizes if most <= size)
        self.repeats = int(np.bincount([j for g in groups for j in g]).max()) ** 0.5
        self.centred = reference is not None
        self.of_source = torch.zeros(1, dtype=torch.float64, device=device) if reference is None else reference
        if reference is None:
            self.shift, self.reference = self.of_source.expand(self.members.shape), None
        else:
            self.reference = reference[self.members].amax(1)
            self.shift = reference[self.members] - self.reference.unsqueeze(1)

    def bit(self, places: Tensor) -> Tensor:
        """The masks of single members."""
        return self.bits[places].to(self.dtype)

    def number_of(self, masks: Tensor) -> Tensor:
        """The place of the only member of each mask."""
        return torch.frexp(masks.double()).exponent.long() - 1

    def gap(self, first: Tensor, second: Tensor) -> Tensor:
        """How much more the references of the first values of the source are than those of the second ones."""
        if not self.centred:
            return torch.zeros_like(first - second, dtype=torch.float64)
        return self.of_source[first] - self.of_source[second]

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        return (inputs[0][:, self.members] + self.shift).amax(2)

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian: a member may be in several groups."""
        (field,) = inputs
        error = field.error + 4 * UNIT * field.size * self.centred
        return error * self.repeats * SAFE, field.lipschitz * self.repeats * SAFE + TINY


Step = Linear | Bent | Largest


def compiled(net: Network, dom: Polygon | Slice | None, device: torch.device, close: bool = True) -> list[Step]:
    """The nodes of a network, node 1 first; on a slice, the slice's affine map is put before them.

    Node 0 is the point in slice coordinates; with a slice, the network's own nodes are numbered from 1 on after it. So
    they are where units read the point itself: a copy of it can be put on a breakpoint.
    """
    steps: list[Step] = []
    shift = 1
    if isinstance(dom, Slice):
        basis = np.array([[nearest(q.numerator, q.denominator) for q in v] for v in dom.basis])
        plane = Dense(torch.from_numpy(basis.T.copy()).to(device), exact=False)
        added = parts(ExactArray.of(dom.origin), device)
        first = Linear((0,), [plane], added[0])
        first.added = added
        steps.append(first)
    elif any(not isinstance(node, Affine) and node.source == 0 for node in net.nodes):
        zero = torch.zeros(net.input_size, dtype=torch.float64, device=device)
        steps.append(Linear((0,), [Diagonal(zero + 1)], zero))
    else:
        shift = 0
    for node in net.nodes:
        if isinstance(node, Affine):
            steps.append(_scaled(net, node, shift, device, close) or _linear(node, shift, device, close))
        elif isinstance(node, Piecewise):
            steps.append(Bent(node.source + shift, node, device))
        elif isinstance(node, Max):
            steps.append(Largest(node.source + shift, node.groups, device))
    return steps


def _linear(node: Affine, shift: int, device: torch.device, close: bool) -> Linear:
    weights = [operator(w, device, close) for w in node.weights]
    added = parts(node.bias, device)
    step = Linear(tuple(s + shift for s in node.sources), weights, added[0])
    step.added = added
    step.unbiased = node.bias.floats is not None and not node.bias.floats.any()
    return step


def _scaled(net: Network, node: Affine, shift: int, device: torch.device, close: bool) -> Linear | None:
    """A node that scales the outputs of another affine node, as BatchNorm does, in one step with that; else None."""
    (weight, *others), (source, *_) = node.weights, node.sources
    before = net.nodes[source - 1] if source else None
    if others or not isinstance(weight, ExactArray) or len(weight.shape) != 1:
        return None
    if not isinstance(before, Affine) or len(before.weights) != 1:
        return None
    if weight.floats is None or before.bias.floats is None:
        return None  # what rounds to 0 may be multiplied by something large
    factors = floats(weight, device)
    both = scaled(before.weights[0], factors, close)
    if both is None:
        return None
    product, added = factors * floats(before.bias, device), parts(node.bias, device)
    step = Linear((before.sources[0] + shift,), [both], product + added[0])
    step.bounded(product.abs() + added[0].abs(), 0.0)
    step.joined, step.added = Joined(source + shift, factors), added
    return step


def corners_of(corners: Iterable[tuple[mpq, mpq]], device: torch.device) -> Tensor:
    """The float64 points nearest to some exact ones."""
    pairs = [(nearest(x.numerator, x.denominator), nearest(y.numerator, y.denominator)) for x, y in corners]
    return torch.tensor(pairs, dtype=torch.float64, device=device)
