"""A network's outputs at the vertices of a subdivision, in float64 with proved bounds (proofs/fast.md, section 3)."""

from __future__ import annotations

import numpy as np
import torch

from splinecam_exact.boundary_trace import Floats
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.network import Network
from splinecam_exact.verify.centre import centred
from splinecam_exact.verify.rigor import SAFE, TINY, UNIT
from splinecam_exact.verify.steps import Field, compiled, corners_of
from splinecam_exact.verify.values import Values

AT_ONCE = 1 << 19
"""About so many values of a node are computed at a time: they stay in the cache."""


def enclosed(
    net: Network, dom: Polygon | Slice, coordinates: Floats, slack: float, compared: bool
) -> tuple[Floats, Floats]:
    """The outputs at some places, shape (V, outputs), and for each output a bound of all its errors, shape (outputs,).

    Each of the float64 `coordinates` is within `slack` of the true place, or the float64 nearest to it. The bounds are
    infinite where nothing is known. Where outputs are only `compared` with each other, all are less the same number:
    on a tiny domain, the largest at its centre, so that those that are nearly as large keep all their digits.
    """
    device = torch.device("cpu")
    steps = centred(compiled(net, dom, device), corners_of(dom.corners, device))
    rows = max(1, AT_ONCE // max(net.sizes))
    reference = steps[-1].reference
    if reference is not None and compared:
        reference = reference - reference.max()
    distance = slack + 4 * UNIT * float(abs(coordinates).max()) + TINY
    found = np.empty((len(coordinates), net.output_size))
    bound = np.zeros(net.output_size)
    values = Values(steps, torch.from_numpy(np.ascontiguousarray(coordinates)), True)
    places = values.fields[0]
    for low in range(0, len(coordinates), rows):
        x = places.value[low : low + rows]
        values.fields = {0: Field(x, places.error, places.lipschitz, places.size)}
        field = values.run()
        value = field.value if reference is None else field.value + reference
        error = (field.rows_error + field.rows_lipschitz * distance) * SAFE + 2 * UNIT * value.abs().amax(0) + TINY
        if reference is not None:
            error = error + 2 * UNIT * reference.abs()
        found[low : low + rows] = value.numpy()
        bound = np.maximum(bound, np.nan_to_num(error.numpy() * SAFE, nan=np.inf))
    return found, bound
