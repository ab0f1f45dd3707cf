"""The affine maps of single faces, evaluated in float64 with sharp bounds (proofs/fast.md, section 10).

On a face, the network is a chain of affine maps: what each node loses by rounding passes through the rest of this very
chain, whose transpose is applied to the outputs backwards. Bounds that multiply the norms of all layers are far larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from splinecam_exact.network import Network
from splinecam_exact.verify.live import schedule
from splinecam_exact.verify.rigor import LARGE, SAFE, TINY, UNIT, gamma, norms
from splinecam_exact.verify.steps import Bent, Field, Largest, Linear, Step


class Sized(Field):
    """The values at some points, and for each point a bound of their norm; they count as having no errors."""

    def __init__(self, value: Tensor, beyond: Tensor | float = 0.0) -> None:
        self.blocks = [value]
        self.size = (norms(value) + beyond) * SAFE
        self.error = self.lipschitz = 0.0


class Passed(NamedTuple):
    """How an output depends on a node's values: a vector for each point, and a bound of the 2-norm of its error."""

    value: Tensor
    error: Tensor

    def plus(self, other: Passed) -> Passed:
        """The sum."""
        total = self.value + other.value
        return Passed(total, (self.error + other.error + 2 * UNIT * norms(total)) * SAFE)


class Chain(NamedTuple):
    """What the nodes make of some points: the outputs; the pieces, or members, that units have; what each node loses.

    `losses` are bounds of 2-norms, and `fine` says at which points all numbers are in range.
    """

    outputs: Tensor
    pieces: dict[int, Tensor]
    losses: dict[int, Tensor]
    fine: Tensor


class FaceMaps:
    """A network's maps on faces, by the states of its units there."""

    def __init__(self, net: Network, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.order = [(number, kept) for number, _, kept in schedule(steps)]
        self.sizes = [0] * (len(steps) - len(net.nodes)) + list(net.sizes)
        self.columns: dict[int, slice] = {}
        first = 0
        for number, step in enumerate(steps, 1):
            if not isinstance(step, Linear):
                self.columns[number] = slice(first, first + self.sizes[number])
                first += self.sizes[number]

    def outputs(self, x: Tensor, near: Tensor, states: Tensor, columns: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Some outputs (points, columns) near points x (points, 2), and bounds of their errors.

        Point k is evaluated by the map of the face with the states[k], and the true place is within near[k] of it.
        """
        chain = self._forward(x, states)
        value = chain.outputs[:, list(columns)]
        errors = torch.stack([self._lost(chain, column, near) for column in columns], dim=1)
        sure = (value.abs() < LARGE) & (errors < LARGE) & chain.fine.unsqueeze(1)  # not where one is NaN
        return value, torch.where(sure, errors, torch.inf)

    def _forward(self, x: Tensor, states: Tensor) -> Chain:
        """The nodes at the points."""
        values, pieces, losses = {0: x}, {}, {}
        fine = norms(x) < LARGE
        for number, kept in self.order:
            step = self.steps[number - 1]
            inputs = [values[s] for s in step.sources]
            fields: list[Field]
            if isinstance(step, Linear):
                values[number], fields = step(inputs), [Sized(value) for value in inputs]
            else:
                on, here = inputs[0], states[:, self.columns[number]]
                found = on_pieces(step, on, here) if isinstance(step, Bent) else on_members(step, on, here)
                values[number], pieces[number], beyond = found
                fields = [Sized(on, 2 * norms(beyond))]
            loss, _ = step.bounds(fields)
            losses[number] = loss + torch.zeros_like(x[:, 0])
            for field in fields:
                fine = fine & (torch.as_tensor(field.size) < LARGE)
            values = {k: v for k, v in values.items() if k in kept}
        return Chain(values[len(self.steps)], pieces, losses, fine)

    def _lost(self, chain: Chain, column: int, near: Tensor) -> Tensor:
        """How far an output may be from the true one, for each point."""
        start = torch.zeros_like(chain.outputs)
        start[:, column] = 1
        passed = {len(self.steps): Passed(start, torch.zeros_like(near))}
        total = torch.zeros_like(near)
        for number, _ in reversed(self.order):
            step, mine = self.steps[number - 1], passed.pop(number)
            total = total + (norms(mine.value) + mine.error) * chain.losses[number]
            shares = self._shares(step, mine, chain.pieces.get(number, start))
            for source, share in zip(step.sources, shares, strict=True):
                passed[source] = passed[source].plus(share) if source in passed else share
        if 0 in passed:
            total = total + (norms(passed[0].value) + passed[0].error) * near
        return total * SAFE

    def _shares(self, step: Step, mine: Passed, pieces: Tensor) -> list[Passed]:
        """How it depends on the values of a node's sources, where units are on these pieces, or have these members."""
        value, size = mine.value, norms(mine.value)
        if isinstance(step, Linear):
            return [
                Passed(
                    w.transposed(value),
                    (w.norm * mine.error + gamma(w.back + 8) * w.sum * size + TINY * (1 + w.sum + size)) * SAFE,
                )
                for w in step.weights
            ]
        if isinstance(step, Largest):
            found = value.new_zeros(len(size), self.sizes[step.sources[0]]).scatter_add_(1, pieces, value)
            lost = (gamma(round(step.repeats**2)) * size + mine.error) * step.repeats
            return [Passed(found, lost * SAFE + TINY)]
        if step.relu:
            return [Passed(torch.where(pieces > 0, value, 0.0), mine.error)]
        slopes = step.slopes.expand(value.shape[1], -1).gather(1, pieces.T).T
        lost = step.steepest * (mine.error + 4 * UNIT * size) + TINY * (1 + size)
        return [Passed(value * slopes, lost * SAFE)]


def on_pieces(step: Bent, t: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Units on given pieces: their values, the pieces, and how far t is outside of these."""
    piece = states.long() // 2  # a unit that is on a breakpoint everywhere has the same value on both pieces beside it
    if step.relu:
        level = step.levels[:, 0]
        value = torch.where(piece > 0, t, level) - level.clamp(min=0)
        return value, piece, torch.where((t > level) == (piece > 0), 0.0, (t - level).abs())
    value, beyond = step.start.expand_as(t), torch.zeros_like(t)
    zero = torch.zeros_like(step.levels[:, 0])
    for k in range(step.places + 1):
        low = step.levels[:, k - 1] if k else None
        high = step.levels[:, k] if k < step.places else None
        on, end = piece == k, t
        for past, limit in ((piece > k, high), (piece < k, low)):
            end = end if limit is None else torch.where(past, limit, end)
        value = value + step.slopes[:, k] * (end - torch.clamp(zero, low, high))
        beyond = torch.where(on, (t - torch.clamp(t, low, high)).abs(), beyond)
    return value, piece, beyond


def on_members(step: Largest, t: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maxima that a given member attains: their values, the members, and how much less than the largest these are."""
    masks = states.long()
    place = step.number_of(masks & -masks)
    member = step.members.expand(len(t), -1, -1).gather(2, place.unsqueeze(2))[..., 0]
    shift = step.shift.expand(len(t), -1, -1).gather(2, place.unsqueeze(2))[..., 0]
    value = t.gather(1, member) + shift
    return value, member, ((t[:, step.members] + step.shift).amax(2) - value).abs()
