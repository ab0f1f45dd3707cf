"""A network's outputs at the vertices, where an engine carries them along (proofs/fast.md, section 10)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from gmpy2 import mpq

from splinecam_exact.arrays import Floats, exact
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.rounding import nearest
from splinecam_exact.verify.accuracy import SLIGHT
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT
from splinecam_exact.verify.slopes import Slopes
from splinecam_exact.verify.state import State
from splinecam_exact.weights import Convolution, Selection

DEAR = 1 << 12
"""Outputs are carried along where evaluating a network takes so many times as many products as its last units are."""


class Kept(NamedTuple):
    """Outputs at the exact vertices: `values` (V, outputs) + `reference` (outputs,), each within `errors` of the true.

    Errors are infinite where nothing is known.
    """

    values: Floats
    errors: Floats
    reference: Floats

    @np.errstate(over="ignore", invalid="ignore")
    def difference(self, plus: int, minus: int, level: mpq) -> Kept:
        """Output `plus` less output `minus` (none if it is -1) less `level`, likewise, as the only output.

        The reference is rounded once.
        """
        values, errors = self.values[:, plus], self.errors[:, plus]
        reference = exact(float(self.reference[plus])) - level
        if minus >= 0:
            values, errors = values - self.values[:, minus], errors + self.errors[:, minus]
            reference -= exact(float(self.reference[minus]))
        errors = (errors + UNIT * abs(values)) * SAFE + TINY
        found = np.array([nearest(reference.numerator, reference.denominator)])
        return Kept(values[:, np.newaxis], errors[:, np.newaxis], found)


def dear(net: Network) -> bool:
    """Whether to evaluate a network again, at all vertices, takes far longer than to carry its outputs along."""
    units = [size for size, node in zip(net.sizes[1:], net.nodes, strict=True) if not isinstance(node, Affine)]
    products = 0
    for node in net.nodes:
        for weight in node.weights if isinstance(node, Affine) else ():
            if isinstance(weight, Convolution):
                products += math.prod(weight.kernel.shape) * math.prod(weight.output)
            elif not isinstance(weight, Selection):
                products += math.prod(weight.shape)
    return bool(units) and products > DEAR * units[-1]


def kept(state: State) -> Kept | None:
    """The outputs of a state, which has been through all layers; None where they were not carried along."""
    last = len(state.values.steps)
    field = state.values.fields.get(last)
    if field is None:
        return None
    slopes, near = Slopes(state.mesh, field), state.accuracy.ball * SLIGHT
    everywhere = torch.arange(len(near), device=state.device)
    errors = [
        field.rows_error[k] + near * slopes.at(everywhere, torch.full_like(everywhere, k)) for k in range(field.width)
    ]
    found = torch.stack(errors, dim=1) * SAFE
    reference = state.values.steps[-1].reference
    return Kept(
        field.value.cpu().numpy(),
        torch.where(found < torch.inf, found, torch.inf).cpu().numpy(),  # not where it is NaN
        np.zeros(field.width) if reference is None else reference.cpu().numpy(),
    )
