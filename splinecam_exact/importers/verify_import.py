"""Whether a network is what it was read from: compared at random points, within a bound of rounding errors."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import Floats, exact
from splinecam_exact.importers.rounding_bounds import rounding_bounds, terms
from splinecam_exact.kernel.errors import InputError, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max

FLOAT64, FLOAT32 = 2.0**-53, 2.0**-24
"""Unit roundoffs."""

_SLACK = 32
"""A reference's rounding errors are no more than so many times those that an enclosure allows for in float64, since it
does the same sums in any order, and at most 8 operations more for each value; see `rounding_bounds`."""
_MOST_EXACT = 20_000_000
"""So many multiplications are done exactly, about a second; networks that need more are enclosed in floats."""
_VALUE = 16
"""What a value counts as, and a member of a maximum."""


@dataclass(frozen=True)
class ImportCheck:
    """What `verify_import` found: `ok` is whether every output was within its bound.

    `difference` is the largest distance of an output of the reference from the exact one, `allowed` the largest bound;
    `text` says it in words, and where an output is not ok, which.
    """

    points: int
    difference: float
    allowed: float
    ok: bool
    text: str


def verify_import(
    net: Network,
    reference: Any,
    points: int = 8,
    seed: int = 0,
    *,
    input_shape: Sequence[int] | None = None,
    roundoff: float | None = None,
    magnitudes: Mapping[int, Floats] | None = None,
) -> ImportCheck:
    """Compare a network with what it was read from, at random points.

    `reference` is a torch module (a float64 copy is run, on one input of shape `input_shape` at a time), the path of an
    .onnx file (run by onnxruntime), or a function of float64 points (n, inputs) that returns (n, outputs), computed
    with unit roundoff `roundoff` (by default its attribute of that name, or that of float64). The points are 0 and
    some of growing scale, up to 64, with few binary digits. The network is evaluated exactly, or where that takes more
    than 20 million multiplications, in float64 with a rigorous bound of the error.

    The bound on a difference is one on the reference's rounding errors (see `rounding_bounds`), so that a right network
    always passes, if the reference does the network's operations in any order. It says nothing where numbers beyond the
    range of its floats occur. `magnitudes` is for importers whose reference adds up larger terms than the network.
    Raises InputError where the reference cannot be run.

    >>> net = Network.from_layers([([[0.1, 2], [1, -1]], [0, 0]), ([[1, 1]], [0.5])])
    >>> def relu_net(x):
    ...     return np.maximum(x @ np.array([[0.1, 1], [2, -1]]), 0) @ np.ones((2, 1)) + 0.5
    >>> verify_import(net, relu_net).ok, verify_import(net, lambda x: relu_net(x) + 1e-9).ok
    (True, False)
    """
    if type(points) is not int or points < 1:
        raise InputError(f"points must be a positive int, not {points!r}")
    run = _runner(reference, input_shape)
    unit = float(getattr(run, "roundoff", FLOAT64)) if roundoff is None else roundoff
    at = _points(net.input_size, points, seed)
    given = np.asarray(run(at), np.float64).reshape(points, -1)
    if given.shape[1] != net.output_size:
        text = f"it has {given.shape[1]} outputs, the network {net.output_size}"
        return ImportCheck(points, math.inf, 0.0, False, text)
    bounds = rounding_bounds(net, at, unit, magnitudes or {})
    differences, errors = _differences(net, at, given)
    with np.errstate(invalid="ignore"):
        if errors is not None:
            if _counted(net, magnitudes or {}):
                bounds = np.minimum(bounds, _SLACK * unit / FLOAT64 * errors[:, np.newaxis])
            bounds = bounds + errors[:, np.newaxis] + 2.0**-50 * abs(given)
        bad = np.isfinite(bounds) & ~(differences <= bounds)
    compared = np.isfinite(bounds) & np.isfinite(differences)
    largest = float(differences[compared].max(initial=0.0))
    allowed = float(bounds[np.isfinite(bounds)].max(initial=0.0))
    if bad.any():
        k, j = map(int, np.argwhere(bad)[0])
        text = (
            f"output {j} at check point {k} is {given[k, j]}, which is {differences[k, j]:.3g} from the network's; "
            f"{bounds[k, j]:.3g} is allowed for rounding"
        )
        return ImportCheck(points, float(np.nan_to_num(differences[bad], nan=math.inf).max()), allowed, False, text)
    text = f"{points} points agree: the largest difference is {largest:.3g}, {allowed:.3g} is allowed for rounding"
    return ImportCheck(points, largest, allowed, True, text)


def require_import(
    net: Network, run: Callable[[Floats], Floats], remedy: str, magnitudes: Mapping[int, Floats] | None = None
) -> None:
    """Raise NetworkError where the network is not what it was read from; `remedy` ends the message."""
    found = verify_import(net, run, magnitudes=magnitudes)
    if not found.ok:
        raise NetworkError(f"computes something else than the network that was read ({found.text}): {remedy}")


def _runner(reference: Any, input_shape: Sequence[int] | None) -> Callable[[Floats], Floats]:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(reference, torch.nn.Module):
        from splinecam_exact.importers.torch_reference import TorchReference

        return TorchReference(reference, input_shape)
    if isinstance(reference, str | os.PathLike):
        from splinecam_exact.importers.onnx_reference import OnnxReference

        return OnnxReference(reference)
    if not callable(reference):
        raise InputError(f"a reference is a torch module, an .onnx file or a function, not {type(reference).__name__}")
    return cast(Callable[[Floats], Floats], reference)


def _points(size: int, count: int, seed: int) -> Floats:
    """0, and points of mixed signs and growing scale, up to 64, that float32 and float16 hold exactly."""
    scattered = np.random.default_rng(seed).integers(-32, 32, (count, size)) + 0.5
    scales = np.array([0.0, *(2.0 ** (k % 8 - 2) for k in range(count - 1))])
    found: Floats = scattered / 32 * scales[:, np.newaxis]
    return found


def _counted(net: Network, magnitudes: Mapping[int, Floats]) -> bool:
    """Whether the terms that may cancel in the reference are not much larger than those that an enclosure counts."""
    for number, terms_ in magnitudes.items():
        node = net.nodes[number - 1]
        bias = node.bias.floats if isinstance(node, Affine) else None
        if bias is None or not np.linalg.norm(terms_) <= 16 * np.linalg.norm(bias):
            return False
    return True


def _differences(net: Network, points: Floats, given: Floats) -> tuple[Floats, Floats | None]:
    """The distances of the given outputs from the exact ones; where these are enclosed, bounds of the errors too."""
    if _work(net) * len(points) <= _MOST_EXACT or find_spec("torch") is None:
        plain = Network(net.input_size, net.nodes)  # the program made here is not kept
        found = [
            [_distance(v, y) for v, y in zip(row, plain.evaluate(point), strict=True)]
            for row, point in zip(given.tolist(), points, strict=True)
        ]
        return np.array(found), None
    from splinecam_exact.verify.enclose import enclose

    values, errors = enclose(net, points)
    with np.errstate(all="ignore"):
        return abs(given - values), errors


def _work(net: Network) -> int:
    """About how many multiplications an exact evaluation takes as long as; a value takes as long as some of them."""
    found = _VALUE * sum(net.sizes)
    for node, size in zip(net.nodes, net.sizes[1:], strict=True):
        if isinstance(node, Affine):
            found += sum(size * terms(weight) for weight in node.weights)
        elif isinstance(node, Max):
            found += _VALUE * sum(map(len, node.groups))
    return found


def _distance(value: float, expected: mpq) -> float:
    return float(abs(exact(value) - expected)) if math.isfinite(value) else math.nan
