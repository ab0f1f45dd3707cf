"""Whether a network is what it was read from: compared at random points, within a bound of rounding errors."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import Floats, exact
from splinecam_exact.importers.rounding_bounds import rounding_bounds, terms
from splinecam_exact.kernel.errors import InputError, NetworkError, SplinecamError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max

FLOAT64, FLOAT32 = 2.0**-53, 2.0**-24
"""Unit roundoffs."""

_SLACK = 32
"""A reference's rounding errors are no more than so many times those that an enclosure allows for in float64, since it
does the same sums in any order, and at most 8 operations more for each value; see `rounding_bounds`."""
_MOST_POINTS = 1000
_MOST_EXACT = 20_000_000
"""So many multiplications are done exactly, about a second; networks that need more are enclosed in floats."""
_MOST_EXACT_OF_ONE = 2 * _MOST_EXACT
"""A network that needs more for one point is not compared where it would have to be evaluated exactly."""
_MOST_ENCLOSED = 20_000_000_000
_MOST_ENCLOSED_OF_ONE = 50_000_000_000
"""The same of multiplications in floats."""
_MOST_VALUES = 1 << 22
"""So many values of a node are held at once, of all points; with a network that has larger ones, one point is taken."""
_VALUE = 16
"""What a value counts as, and a member of a maximum."""


class TooLarge(InputError):
    """A network takes too long to be compared with anything."""


@dataclass(frozen=True)
class ImportCheck:
    """What `verify_import` found: `ok` is whether every output was within its bound.

    `points` is how many were compared; `difference` is the largest distance of an output of the reference from the
    exact one, `allowed` the largest bound; `text` says it in words, and where an output is not ok, which.
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
    .onnx file (run by onnxruntime, in a process of its own), or a function of float64 points (n, inputs) that returns
    (n, outputs), computed with unit roundoff `roundoff` (by default its attribute of that name, or that of float64).
    The points are 0 and some of growing scale, up to 64, with few binary digits. The network is evaluated exactly, or
    where that takes more than 20 million multiplications, in float64 with a rigorous bound of the error, which needs
    torch. Of a large network fewer points are taken, from the last; the result says how many.

    The bound on a difference is one on the reference's rounding errors (see `rounding_bounds`), so that a right network
    always passes, if the reference does the network's operations in any order. It says nothing where numbers beyond the
    range of its floats occur. An .onnx file in float64 whose BatchNorm its exporter folded in float32 needs
    roundoff=2**-24. `magnitudes` is for importers whose reference adds up larger terms than the network.

    Raises InputError where an argument is no such thing, the reference cannot be run or does not return numbers for
    each point, a torch module is in training mode, or one point would take more than 50 billion multiplications (40
    million without torch).

    >>> net = Network.from_layers([([[0.1, 2], [1, -1]], [0, 0]), ([[1, 1]], [0.5])])
    >>> def relu_net(x):
    ...     return np.maximum(x @ np.array([[0.1, 1], [2, -1]]), 0) @ np.ones((2, 1)) + 0.5
    >>> verify_import(net, relu_net).ok, verify_import(net, lambda x: relu_net(x) + 1e-9).ok
    (True, False)
    """
    _refuse_arguments(net, points, seed, input_shape, roundoff)
    run = _runner(reference, input_shape)
    drawn, points = points, _affordable(net, points)
    at = _points(net.input_size, drawn, seed)[drawn - points :]
    given = _outputs(run, at)
    unit = float(getattr(run, "roundoff", FLOAT64)) if roundoff is None else float(roundoff)
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
    """Raise NetworkError where the network is not what it was read from; `remedy` ends the message.

    A network that is too large is not compared, which a warning says.
    """
    try:
        found = verify_import(net, run, magnitudes=magnitudes)
    except TooLarge as error:
        warnings.warn(f"the network was not compared with what it was read from: it {error}", stacklevel=2)
        return
    if not found.ok:
        raise NetworkError(f"computes something else than the network that was read ({found.text}): {remedy}")


def _runner(reference: Any, input_shape: Sequence[int] | None) -> Callable[[Floats], Floats]:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(reference, torch.nn.Module):
        from splinecam_exact.importers.torch_reference import TorchReference

        if any(module.training for module in reference.modules()):
            raise InputError(f"the module ({type(reference).__name__}) is in training mode: call .eval() on it first")
        return TorchReference(reference, input_shape)
    if isinstance(reference, str | os.PathLike):
        from splinecam_exact.importers.onnx_child import IsolatedReference

        return IsolatedReference(reference)
    if not callable(reference):
        raise InputError(f"a reference is a torch module, an .onnx file or a function, not {type(reference).__name__}")
    return cast(Callable[[Floats], Floats], reference)


def _refuse_arguments(net: object, points: object, seed: object, input_shape: object, roundoff: float | None) -> None:
    if not isinstance(net, Network):
        raise InputError(f"verify_import compares a Network, not {type(net).__name__}")
    if type(points) is not int or not 1 <= points <= _MOST_POINTS:
        raise InputError(f"points must be a positive int, at most {_MOST_POINTS}, not {points!r}")
    if type(seed) is not int or seed < 0:
        raise InputError(f"seed must be an int that is not negative, not {seed!r}")
    if input_shape is not None and not (
        isinstance(input_shape, Sequence) and all(type(n) is int and n > 0 for n in input_shape)
    ):
        raise InputError(f"input_shape must be positive sizes without the batch dimension, not {input_shape!r}")
    if roundoff is not None and not (isinstance(roundoff, int | float) and 0 < roundoff < 1):
        raise InputError(f"roundoff must be a number between 0 and 1, such as 2**-24, not {roundoff!r}")


def _outputs(run: Callable[[Floats], Floats], points: Floats) -> Floats:
    """(n, outputs): what a reference gives at the points."""
    try:
        found = run(points)
    except SplinecamError:
        raise
    except Exception as error:  # whatever the caller's function raises
        raise InputError(f"the reference raises {type(error).__name__}: {error}") from None
    try:
        if found is None or np.iscomplexobj(found):
            raise TypeError
        return np.asarray(found, np.float64).reshape(len(points), -1)
    except Exception:  # of what cannot be turned into an array
        shape = getattr(found, "shape", None)
        what = type(found).__name__ if shape is None else f"{type(found).__name__} of shape {tuple(shape)}"
        raise InputError(
            f"the reference must return numbers of shape ({len(points)}, outputs) for {len(points)} points; it returns "
            f"a {what}"
        ) from None


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
    if _is_exact(net, len(points)):
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


def _affordable(net: Network, points: int) -> int:
    """How many of so many points are compared."""
    work = _work(net)
    exactly = _is_exact(net, points)
    of_one = _MOST_EXACT_OF_ONE if exactly else _MOST_ENCLOSED_OF_ONE
    if work > of_one:
        raise TooLarge(
            f"takes about {work:.1g} multiplications at each point; {of_one:.1g} are the most"
            + (" without torch: pip install 'splinecam-exact[torch]'" if exactly else "")
        )
    most = min((_MOST_EXACT if exactly else _MOST_ENCLOSED) // work, _MOST_VALUES // max(net.sizes))
    return min(points, max(1, most))


def _is_exact(net: Network, points: int) -> bool:
    """Whether the network is evaluated exactly at so many points."""
    return _work(net) * points <= _MOST_EXACT or find_spec("torch") is None


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
