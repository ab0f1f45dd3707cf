"""The network's values at the vertices of a mesh, in float64, with a rigorous bound of their error.

A vertex v of the mesh has float coordinates x_v near the true vertex. A *field* holds the values of one node of the
network at all vertices, and three numbers (proofs/fast.md, section 3):

- `error`: for every cell at v, the cell's affine form of the node, evaluated at x_v, is this close (2-norm);
- `lipschitz`: no cell's form has a larger Jacobian (spectral norm);
- `size`: a bound of the values' 2-norm.

The bounds hold for any order of summation, with or without fused multiply-add.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
TINY = 2.0**-990
"""More than all that underflow can lose in one operation of this module, for sums of up to 2**30 products."""
SAFE = 1 + 2.0**-30
"""Covers the rounding of the bounds themselves."""
LERP = 8
"""A linear interpolation is off by at most so many unit roundoffs of the larger end."""


def gamma(n: int) -> float:
    """n unit roundoffs, compounded: the relative error of a sum of n products (Higham, 2002, section 3.1)."""
    return n * UNIT / (1 - n * UNIT)


def spectral_norm(matrix: Tensor) -> float:
    """An upper bound of a matrix's largest singular value, within a few percent."""
    frobenius = float(torch.linalg.vector_norm(matrix)) * SAFE
    if not 0 < frobenius < float("inf"):
        return frobenius
    scaled = matrix / frobenius
    gram = scaled @ scaled.T if scaled.shape[0] < scaled.shape[1] else scaled.T @ scaled
    norms, slack = [], gamma(max(matrix.shape) + 4)
    for _ in range(6):
        norms.append(float(torch.linalg.vector_norm(gram)) * SAFE)
        gram = gram / norms[-1]
        gram = gram @ gram
    bound = float(torch.linalg.vector_norm(gram)) * SAFE + slack
    for norm in reversed(norms):
        bound = norm * (bound**0.5) * SAFE + slack
    return min(frobenius, frobenius * bound**0.5 * SAFE)


@dataclass
class Field:
    """The values (V, n) of one node at all vertices, and the bounds described above."""

    value: Tensor
    error: float
    lipschitz: float
    size: float


class Linear:
    """An affine node in float64: y = sum of x_i W_i^T + b."""

    def __init__(self, sources: tuple[int, ...], weights: list[Tensor], bias: Tensor) -> None:
        self.sources, self.weights, self.bias = sources, weights, bias
        self.norms = [spectral_norm(w) if w.dim() == 2 else float(w.abs().max()) for w in weights]
        self.sums = [float(torch.linalg.vector_norm(w)) for w in weights]
        self.offset = float(torch.linalg.vector_norm(bias))
        fan_in = sum(w.shape[1] if w.dim() == 2 else 1 for w in weights)
        self.rounding = gamma(fan_in + len(weights) + 6)  # with the rounding of weights that are no floats

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        y = None
        for x, w in zip(inputs, self.weights, strict=True):
            if w.dim() == 2:
                y = torch.addmm(self.bias if y is None else y, x, w.T)
            else:
                y = torch.addcmul(self.bias if y is None else y, x, w)
        return y

    def bounds(self, inputs: list[Field]) -> tuple[float, float]:
        """Bounds of the result's error and Jacobian."""
        size = sum(s * f.size for s, f in zip(self.sums, inputs, strict=True)) + self.offset
        passed = sum(s * f.error for s, f in zip(self.norms, inputs, strict=True))
        steep = sum(s * f.lipschitz for s, f in zip(self.norms, inputs, strict=True))
        return (passed + self.rounding * size + TINY * (1 + sum(f.size for f in inputs))) * SAFE, steep * SAFE


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

    def breakpoint(self, units: Tensor, places: Tensor) -> Tensor:
        """The breakpoint of each of some cuts."""
        return self.breakpoints[units % len(self.breakpoints), places]

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
        pieces, width = self.slopes.shape[1], field.value.shape[1]
        reach = field.size + width**0.5 * float(self.breakpoints.abs().max())
        size = width**0.5 * float(self.anchor.abs().max()) + 2 * pieces * self.steepest * reach
        error = self.steepest * (field.error + 4 * UNIT * reach) + gamma(pieces + 8) * size + TINY * (1 + size)
        return error * SAFE, self.steepest * field.lipschitz * SAFE

    def cut_error(self, field: Field) -> float:
        """How far `heights` may be from the true heights, for one cut."""
        return (field.error + 2 * UNIT * (field.size + 2 * float(self.breakpoints.abs().max())) + TINY) * SAFE


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
        return inputs[0].error * self.repeats * SAFE, inputs[0].lipschitz * self.repeats * SAFE


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

    Node 0 is the point in slice coordinates; with a slice, the network's own nodes are numbered from 1 on after it.
    """
    steps: list[Step] = []
    shift = 0
    if isinstance(dom, Slice):
        basis = np.array([[nearest(q.numerator, q.denominator) for q in v] for v in dom.basis])
        origin = np.array([nearest(q.numerator, q.denominator) for q in dom.origin])
        steps.append(Linear((0,), [torch.from_numpy(basis.T.copy()).to(device)], torch.from_numpy(origin).to(device)))
        shift = 1
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
        self.fields = {0: Field(x, 0.0, 1.0, 2 * self.radius)}

    def step(self, number: int) -> None:
        """Compute the field of a node; its sources must be there."""
        node = self.steps[number - 1]
        inputs = [self.fields[s] for s in node.sources]
        value = node([f.value for f in inputs])
        if not self.bounds:
            self.fields[number] = Field(value, float("inf"), float("inf"), float("inf"))
            return
        error, lipschitz = node.bounds(inputs)
        self.fields[number] = Field(value, error, lipschitz, self._size(value))

    def _size(self, value: Tensor) -> float:
        return float(torch.linalg.vector_norm(value, dim=1).max()) * (1 + 2.0**-7) + TINY

    def keep(self, numbers: set[int]) -> None:
        """Drop all other fields but the coordinates."""
        self.fields = {k: f for k, f in self.fields.items() if k == 0 or k in numbers}

    def extend(self, x: Tensor, ends: list[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Add vertices: for each (p, q, t), points at the fractions t of the way from vertices p to vertices q.

        `x` are the coordinates of all vertices, the new ones interpolated likewise.
        """
        self.fields[0].value = x
        blur = 2 * LERP * UNIT * self.radius  # how far a point may be from the exact interpolation
        for number, field in self.fields.items():
            if number == 0:
                continue
            old = field.value
            field.value = torch.empty((len(x), old.shape[1]), dtype=old.dtype, device=old.device)
            field.value[: len(old)] = old
            done = len(old)
            for p, q, t in ends:
                torch.lerp(field.value[p], field.value[q], t.unsqueeze(1), out=field.value[done : done + len(p)])
                done += len(p)
                field.error = (field.error + 2 * LERP * UNIT * field.size + field.lipschitz * blur + TINY) * SAFE

    def choose(self, vertices: Tensor) -> None:
        """Make the vertices these, in this order."""
        for field in self.fields.values():
            field.value = field.value[vertices]

    def renew(self, vertices: Tensor, x: Tensor) -> None:
        """Give vertices new coordinates, nearest to their exact places, and evaluate the network there."""
        values = {0: x}
        needed = max(self.fields)
        ratio = 1.0
        for number in range(1, needed + 1):
            node = self.steps[number - 1]
            values[number] = node([values[s] for s in node.sources])
        for number, field in self.fields.items():
            field.value[vertices] = values[number]
            if number and self.bounds:
                size = self._size(values[number])
                ratio = max(ratio, size / field.size)
                field.size = max(field.size, size)
        for number, field in self.fields.items():
            if number:  # the true function at x and a cell's form there: both as close to the exact vertex
                field.error = (field.error * ratio + 2 * field.lipschitz * 2 * UNIT * self.radius) * SAFE
