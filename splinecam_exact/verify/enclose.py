"""A network's outputs at points of its whole input space, in float64 with a rigorous bound of the error."""

from __future__ import annotations

import numpy as np
import torch

from splinecam_exact.arrays import Floats
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.network import Network
from splinecam_exact.verify.steps import Field, compiled
from splinecam_exact.verify.values import Values


def enclose(net: Network, points: Floats) -> tuple[Floats, Floats]:
    """The outputs at points (n, inputs), shape (n, outputs), and for each point a bound of their error's 2-norm.

    The bound is infinite where nothing is known: beyond about 1e180. Raises InputError for points of another shape or
    that are not finite. Cost: that of evaluating the network in float64 once a point, one after another; norms of the
    weights.

    >>> net = Network.from_layers([([[1, 1], [1, -1]], [0, 0]), ([["1/3", 1]], [0])])
    >>> values, errors = enclose(net, np.array([[0.5, 0.25]]))
    >>> bool(abs(values[0, 0] - 0.5) <= errors[0] < 1e-13)
    True
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != net.input_size or not np.isfinite(points).all():
        raise InputError(f"points must be finite and of shape (n, {net.input_size}), not {points.shape}")
    steps = compiled(net, None, torch.device("cpu"), close=False)
    found, errors = np.empty((len(points), net.output_size)), np.empty(len(points))
    for k, point in enumerate(torch.from_numpy(points)):
        x = point.unsqueeze(0)
        values = Values(steps, x, True)
        values.fields = {0: Field(x, 0.0, 0.0, values.size(x))}
        field = values.run()
        found[k], errors[k] = field.value.numpy(), field.error
    return found, errors
