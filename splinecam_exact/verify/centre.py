"""All values as differences to those at one point of a small domain (proofs/fast.md, section 3).

On a slice of radius 1e-5 of a deep network, values differ in their last ten digits only, and these alone matter. So
each node gets a *reference*, its value at the domain's centre as a float64, and is replaced by the difference to it. An
affine node keeps its weights; its bias becomes the difference between its exact value at the references and its own
reference, which is computed to about 32 digits, once.
"""

from __future__ import annotations

import math
from copy import copy

import torch
from torch import Tensor

from splinecam_exact.verify.live import schedule
from splinecam_exact.verify.pairs import Pair, exact_product, pair_of
from splinecam_exact.verify.rigor import UNIT
from splinecam_exact.verify.steps import Bent, Largest, Linear, Step
from splinecam_exact.verify.values import Values

FAR = 16
"""Differences are worth their cost where some layer's values are so many times as large."""


def centred(steps: list[Step], corners: Tensor) -> list[Step]:
    """The same nodes less their references, where that gains something; else as they are. `corners` (n, 2)."""
    centre = corners.mean(0, keepdim=True)
    if not _near(steps, torch.cat([centre, corners])):
        return steps
    references = {0: torch.zeros_like(centre[0])}
    values: dict[int, Pair] = {}
    found: list[Step] = []
    for number, step in enumerate(steps, 1):
        new: Step
        if isinstance(step, Linear):
            new, values[number] = _affine(step, centre, references, values)
        elif isinstance(step, Bent):
            new = Bent(step.sources[0], step.node, corners.device, references[step.sources[0]])
        else:
            new = Largest(step.sources[0], step.groups, corners.device, references[step.sources[0]])
        if new.reference is None or not bool(torch.isfinite(new.reference).all()):
            return steps
        if isinstance(new, Linear) and not math.isfinite(new.blunted):
            return steps
        references[number] = new.reference
        found.append(new)
    return found


def _near(steps: list[Step], points: Tensor) -> bool:
    """Whether some units' inputs are far larger than their differences: at the first point, and to the others."""
    values = Values(steps, points, bounds=False)
    for number, _, kept in schedule(steps):
        step = steps[number - 1]
        if not isinstance(step, Linear):
            value = values.fields[step.sources[0]].value
            if float((value[1:] - value[0]).abs().max()) * FAR < float(value[0].abs().max()) < torch.inf:
                return True
        values.step(number)
        values.keep(kept)
    return False


def _affine(
    step: Linear, centre: Tensor, references: dict[int, Tensor], values: dict[int, Pair]
) -> tuple[Linear, Pair]:
    """An affine node less its reference, and its value at its sources' references, without those of the point."""
    if step.joined is None:
        value = pair_of(torch.zeros_like(step.bias))
    else:
        value = values[step.joined.before].times(step.joined.factors)
    for part in step.added:
        value = value.plus(part)
    value = value._replace(error=value.error + 2 * UNIT * step.added[-1].abs() * (len(step.added) > 1))
    there = torch.zeros_like(step.bias)
    for source, weight in zip(step.sources, step.weights, strict=True):
        if source == 0:
            there = weight.add(there.unsqueeze(0), centre, None)[0]
        elif step.joined is None:
            value = value.plus_pair(exact_product(weight, references[source]))
    new = copy(step)
    new.reference = value.high + there
    rest = value.plus(-new.reference)
    new.bias = rest.high
    new.bounded(rest.high.abs(), rest.low.abs() + rest.error)
    return new, value
