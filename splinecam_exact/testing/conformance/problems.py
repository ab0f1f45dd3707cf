"""`Problem`: what a partition tool is asked, as plain float64 data that every tool can read.

Every number is exactly a float64, so no tool can say that it was given another network than the one that it is judged
by; `float32` says whether the same holds for tools that read float32.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.arrays import ExactArray
from splinecam_exact.domain import Polygon
from splinecam_exact.kernel.errors import FileFormatError, InputError, MissingDependency
from splinecam_exact.kernel.rational import format_rational, parse_rational, rational
from splinecam_exact.network import Network
from splinecam_exact.testing.brute_force import BruteForce, brute_force, relu_layers

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]
Layers = tuple[tuple[Array, Array], ...]
_KEYS = {"name", "category", "layers", "domain"}


@dataclass(frozen=True, eq=False)
class Problem:
    """A ReLU network of two inputs and a convex polygon to cut, every number a float64.

    `layers` are (W, b) pairs, W of shape (outputs, inputs), b of shape (outputs,), with a ReLU after each layer but
    the last; the last one cuts nothing. `domain` has shape (corners, 2). Both may be given as anything that
    `Network.from_layers` and `Polygon` take (ints, Fractions, nested lists) as long as each number is exactly a
    float64; they are kept as read-only float64 arrays, weights and biases of -0.0 with their sign, the domain strictly
    convex and counter-clockwise from its lexicographically smallest corner. Raises InputError for other numbers,
    NetworkError and DomainError for shapes that do not fit. Two problems are equal when they ask the same, whatever
    they are called.

    >>> problem = Problem("axis", "generic", [([[1, 0]], [0]), ([[1]], [0])], [(-1, -1), (1, -1), (1, 1), (-1, 1)])
    >>> problem.units, problem.float32, problem.domain.shape
    (((0, 0),), True, (4, 2))
    """

    name: str
    category: str
    layers: Layers
    domain: Array

    def __post_init__(self) -> None:
        net = Network.from_layers(list(self.layers))
        if net.input_size != 2:
            raise InputError(f"{self.name}: the network has {net.input_size} inputs; a problem has two")
        layers = tuple(
            (self._floats(weights, f"layer {k}: W"), self._floats(bias, f"layer {k}: b"))
            for k, (weights, bias) in enumerate(self.layers)
        )
        corners = [list(corner) for corner in Polygon(self.domain).corners]
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "domain", self._floats(corners, "domain"))

    def _floats(self, given: object, place: str) -> Array:
        floats = ExactArray.of(given).floats
        if floats is None:
            raise InputError(f"{self.name}: {place}: holds a number that is not exactly a float64")
        if (minus := _is_minus_zero(np.array(given, object)).astype(bool)).any():
            floats = np.where(minus, -0.0, floats)
            floats.flags.writeable = False
        return floats

    @cached_property
    def units(self) -> tuple[tuple[int, int], ...]:
        """(layer, row) of every hidden ReLU, in the order of the columns of a pattern."""
        return tuple((k, row) for k, (_, bias) in enumerate(self.layers[:-1]) for row in range(len(bias)))

    @cached_property
    def float32(self) -> bool:
        """Whether every number is exactly a float32 too, so that a float32 tool is asked the same question."""
        arrays = [array for layer in self.layers for array in layer] + [self.domain]
        with np.errstate(over="ignore", under="ignore"):
            return all(np.array_equal(array.astype(np.float32).astype(np.float64), array) for array in arrays)

    def network(self) -> Network:
        """The network as an exact object."""
        return Network.from_layers(self.layers)

    def polygon(self) -> Polygon:
        """The domain as an exact object."""
        return Polygon(self.domain)

    def brute_force(self) -> BruteForce:
        """The answer of an independent oracle: exact, in plain fractions, and slow beyond some hundred cells.

        States are 0 (off), 1 (at the breakpoint on the whole cell), 2 (on).

        >>> problem = Problem("axis", "generic", [([[1, 0]], [0]), ([[1]], [0])], [(-1, -1), (1, -1), (1, 1), (-1, 1)])
        >>> problem.brute_force().counts
        {'A': 2, 'L': 2, 'P': 2, 'V': 6, 'E': 7}
        """
        layers = relu_layers([(weights.tolist(), bias.tolist()) for weights, bias in self.layers])
        return brute_force(layers, [(Fraction(x), Fraction(y)) for x, y in self.domain.tolist()])

    def torch(self) -> torch.nn.Sequential:
        """The network as float64 torch layers: Linear and ReLU in turn, Linear at the end.

        Raises MissingDependency where torch is not installed.
        """
        try:
            import torch
        except ImportError:
            raise MissingDependency("torch modules need torch: pip install 'splinecam-exact[torch]'") from None
        modules: list[torch.nn.Module] = []
        for weights, bias in self.layers:
            linear = torch.nn.Linear(weights.shape[1], weights.shape[0], dtype=torch.float64)
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(weights.tolist(), dtype=torch.float64))
                linear.bias.copy_(torch.tensor(bias.tolist(), dtype=torch.float64))
            modules += [linear, torch.nn.ReLU()]
        return torch.nn.Sequential(*modules[:-1])

    def named(self, name: str, category: str | None = None) -> Problem:
        """The same question under another name."""
        return replace(self, name=name, category=self.category if category is None else category)

    def to_json(self) -> dict[str, Any]:
        """The problem as a JSON object of canonical rational strings, and "-0" for -0.0; `from_json` inverts it.

        >>> problem = Problem("half", "generic", [([[0.5, 0]], [0]), ([[1]], [0])], [(0, 0), (1, 0), (0, 1)])
        >>> problem.to_json()["layers"][0]
        {'W': [['1/2', '0']], 'b': ['0']}
        >>> Problem.from_json(problem.to_json()) == problem
        True
        """
        layers = [{"W": list(map(_strings, weights)), "b": _strings(bias)} for weights, bias in self.layers]
        domain = list(map(_strings, self.domain))
        return {"name": self.name, "category": self.category, "layers": layers, "domain": domain}

    @classmethod
    def from_json(cls, obj: object, place: str = "the problem") -> Problem:
        """The problem of a `to_json` object; FileFormatError, naming the place, for anything else."""
        if not isinstance(obj, dict) or set(obj) != _KEYS:
            raise FileFormatError(place, f"is no object with the keys {', '.join(sorted(_KEYS))}")
        for key in ("name", "category"):
            if not isinstance(obj[key], str):
                raise FileFormatError(f"{place}: {key}", "is not a text")
        layers = []
        for k, layer in enumerate(_items(obj["layers"], f"{place}: layers")):
            where = f"{place}: layers[{k}]"
            if not isinstance(layer, dict) or set(layer) != {"W", "b"}:
                raise FileFormatError(where, "is no object with the keys W and b")
            layers.append((_matrix(layer["W"], f"{where}: W"), _numbers(layer["b"], f"{where}: b")))
        try:
            return cls(obj["name"], obj["category"], tuple(layers), _matrix(obj["domain"], f"{place}: domain"))  # type: ignore[arg-type]
        except FileFormatError:
            raise
        except InputError as error:
            raise FileFormatError(place, str(error)) from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of what is asked: the network and the domain, not the name."""
        return hashlib.sha256(f"{self.network().digest} {self.polygon().digest}".encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        widths = "-".join(str(size) for size in (2, *(len(bias) for _, bias in self.layers)))
        return f"<Problem {self.name} ({self.category}): {widths}, {len(self.domain)} corners>"


@partial(np.frompyfunc, nin=1, nout=1)
def _is_minus_zero(value: object) -> bool:
    return isinstance(value, float | np.floating) and value == 0 and math.copysign(1, value) < 0


def _strings(values: Iterable[np.float64]) -> list[str]:
    return ["-0" if _is_minus_zero(value) else format_rational(rational(float(value))) for value in values]


def _items(values: object, place: str) -> Sequence[object]:
    if not isinstance(values, list) or not values:
        raise FileFormatError(place, "is not a list with entries")
    return values


def _matrix(values: object, place: str) -> list[list[object]]:
    return [_numbers(row, f"{place}[{k}]") for k, row in enumerate(_items(values, place))]


def _numbers(values: object, place: str) -> list[object]:
    numbers: list[object] = []
    for k, text in enumerate(_items(values, place)):
        try:
            numbers.append(-0.0 if text == "-0" else parse_rational(text))  # type: ignore[arg-type]
        except InputError as error:
            raise FileFormatError(f"{place}[{k}]", str(error)) from None
    return numbers
