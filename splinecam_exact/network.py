"""`Network`: a continuous piecewise linear network as an exact object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
from gmpy2 import lcm, mpq, mpz

from splinecam_exact._files import PathLike
from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.frozen import Frozen
from splinecam_exact.kernel import program as kernel
from splinecam_exact.kernel.errors import InputError, NetworkError
from splinecam_exact.nodes import Affine, Max, Node, Piecewise

if TYPE_CHECKING:
    from splinecam_exact.domain import Slice

_ACTIVATIONS = {
    "identity": None,
    "relu": Piecewise.relu(),
    "abs": Piecewise.absolute(),
    "relu6": Piecewise.relu6(),
    "hardtanh": Piecewise.hardtanh(-1, 1),
}


class Network(Frozen):
    """An immutable network of `Affine`, `Piecewise` and `Max` nodes, exact in every parameter.

    `nodes` are numbered from 1, node 0 is the input; each reads earlier nodes, and the last one is the output.
    `conventions` are the choices made on the way from a file or module to these nodes (such as the rounding of a
    BatchNorm); they are part of the digest. Raises NetworkError, naming the node, where shapes do not fit.

    >>> net = Network.from_layers([([[1, -1], [0.5, "1/3"]], [0, -1]), ([[1, 1]], None)])
    >>> net
    <Network: 2 inputs, 1 output, 3 nodes, 2 units>
    >>> net.evaluate([3, 1])
    [mpq(17,6)]
    """

    def __init__(self, input_size: int, nodes: Iterable[Node], conventions: Iterable[str] = ()) -> None:
        if type(input_size) is not int or input_size < 1:
            raise NetworkError(f"the input size must be a positive int, not {input_size!r}")
        sizes = [input_size]
        fitted: list[Node] = []
        for number, node in enumerate(nodes, start=1):
            if not isinstance(node, Affine | Piecewise | Max):
                raise NetworkError(f"node {number} is of type {type(node).__name__}, not Affine, Piecewise or Max")
            try:
                fitted.append(node.fitted(sizes))
            except NetworkError as error:
                raise NetworkError(f"node {number} ({type(node).__name__}) {error}") from None
            sizes.append(node.size(sizes))
        if not fitted:
            raise NetworkError("a network needs at least one node")
        self.nodes: tuple[Node, ...] = tuple(fitted)
        self.sizes: tuple[int, ...] = tuple(sizes)
        if isinstance(conventions, str):
            raise NetworkError("conventions must be a list of texts, not one text")
        self.conventions: tuple[str, ...] = tuple(conventions)
        for text in self.conventions:
            if not isinstance(text, str) or any("\ud800" <= c <= "\udfff" for c in text):
                raise NetworkError(f"the convention {text!r} is not a text that UTF-8 can write")
        self._programs: dict[str, kernel.Program] = {}

    @classmethod
    def from_layers(cls, layers: Sequence[Sequence[object]], conventions: Iterable[str] = ()) -> Network:
        """A feed-forward network from (W, b) pairs, ReLU after each but the last.

        W has shape (outputs, inputs), b (outputs,) or is None; both are anything `ExactArray.of` takes: nested
        lists or numpy arrays of int, float, Fraction, mpq. An optional third item says what follows the layer
        instead: "relu", "abs", "relu6", "hardtanh", "identity", or a `Piecewise`. Raises NetworkError naming the layer.
        """
        if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
            raise NetworkError("layers must be a non-empty list of (W, b) pairs")
        nodes: list[Node] = []
        input_size = width = 0
        for k, layer in enumerate(layers):
            name = f"layer {k}"
            if not isinstance(layer, Sequence) or len(layer) not in (2, 3):
                raise NetworkError(f"{name} must be (W, b) or (W, b, activation)")
            weight = ExactArray.of(layer[0], f"{name}: W")
            if len(weight.shape) != 2:
                raise NetworkError(f"{name}: W has shape {weight.shape}; (outputs, inputs) is needed")
            outputs, inputs = weight.shape
            bias = ExactArray.of([0] * outputs if layer[1] is None else layer[1], f"{name}: b")
            if bias.shape != (outputs,):
                raise NetworkError(f"{name}: b has shape {bias.shape}, W has {outputs} rows")
            if k == 0:
                input_size = inputs
            elif inputs != width:
                raise NetworkError(f"{name}: W has {inputs} columns, layer {k - 1} has {width} outputs")
            nodes.append(Affine((len(nodes),), (weight,), bias))
            width = outputs
            unit = _activation(name, layer[2] if len(layer) == 3 else "relu" if k < len(layers) - 1 else "identity")
            if unit is not None:
                nodes.append(unit.moved(len(nodes)))
        return cls(input_size, nodes, conventions)

    @property
    def input_size(self) -> int:
        """The number of inputs."""
        return self.sizes[0]

    @property
    def output_size(self) -> int:
        """The number of outputs."""
        return self.sizes[-1]

    @cached_property
    def unit_count(self) -> int:
        """The number of units: one for each Piecewise value and each Max group, in node order."""
        return sum(n for n, node in zip(self.sizes[1:], self.nodes, strict=True) if not isinstance(node, Affine))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the exact content: the nodes, every value, the conventions.

        It depends on the values only, not on whether they came as floats, ints or fractions.

        >>> a = Network.from_layers([([[0.5, 2.0]], [0.0])])
        >>> b = Network.from_layers([([[mpq(1, 2), 2]], None)])
        >>> a.digest == b.digest
        True
        """
        content = hashlib.sha256()
        head = f"splinecam-exact network 1: {self.input_size} inputs, {len(self.nodes)} nodes"
        parts = [part for node in self.nodes for part in node.parts]
        for part in (head.encode(), *parts, *(text.encode() for text in self.conventions)):
            content.update(len(part).to_bytes(8, "little") + part)
        return content.hexdigest()

    def evaluate(self, x: Sequence[object] | np.ndarray) -> list[mpq]:
        """The exact outputs at a point of `input_size` coordinates: int, float, Fraction, mpq, numpy's included.

        A float denotes the dyadic rational it stores. Raises InputError for a point of another size or kind.
        """
        if isinstance(x, str) or not isinstance(x, Iterable):
            raise InputError(f"a point is a list of {self.input_size} numbers, not a {type(x).__name__}")
        coordinates = list(x)
        if len(coordinates) != self.input_size:
            raise InputError(f"the network has {self.input_size} inputs, the point has {len(coordinates)} coordinates")
        return self.program().evaluate([exact(c) for c in coordinates])

    def program(self, slice: Slice | None = None) -> kernel.Program:
        """The kernel's program: of this network, or of this network on a slice, which then has two inputs.

        Kept for the latest slice. A million weights take about a second.
        """
        key = slice.digest if slice is not None else ""
        program = self._programs.get(key)
        if program is None:
            program = self._lowered(slice)
            for other in self._programs.keys() - {""}:
                self._programs.pop(other, None)  # another thread may have been faster
            self._programs[key] = program
        return program

    def _lowered(self, slice: Slice | None) -> kernel.Program:
        ops: list[kernel.Op] = []
        first = 0
        if slice is not None:
            slice.check_fits(self)
            ops.append(_slice_op(slice))
            first = 2
        ends = list(accumulate(self.sizes, initial=first))
        values = [range(start, stop) for start, stop in pairwise(ends)]
        ops += [node.lower(values) for node in self.nodes]
        return kernel.Program(first or self.input_size, ops, values[-1])

    def with_head(self, kind: str, output: int = 0) -> Network:
        """This network with a unit appended whose states show the decision: its output is that unit's value.

        "argmax": a Max over all outputs (its state is the set of the largest ones). "sign": a ReLU on one output.
        """
        last = len(self.nodes)
        if kind == "argmax":
            if not 2 <= self.output_size <= kernel.MAX_GROUP:
                raise NetworkError(
                    f"an argmax head needs 2 to {kernel.MAX_GROUP} outputs, the network has {self.output_size}"
                )
            head: tuple[Node, ...] = (Max(last, (tuple(range(self.output_size)),)),)
        elif kind == "sign":
            if type(output) is not int or not 0 <= output < self.output_size:
                raise NetworkError(f"there is no output {output!r}, only 0 to {self.output_size - 1}")
            chosen = ExactArray.of([[int(j == output) for j in range(self.output_size)]])
            head = (Affine((last,), (chosen,), ExactArray.of([0])), Piecewise.relu(last + 1))
        else:
            raise InputError(f"the head must be 'argmax' or 'sign', not {kind!r}")
        return Network(self.input_size, self.nodes + head, self.conventions)

    def save(self, path: PathLike) -> None:
        """Write the network as the project's own JSON, whole or not at all; `splinecam_exact.load` reads it back."""
        from splinecam_exact.importers.native import write

        write(self, path)

    def __reduce__(self) -> tuple[Callable[[str], Network], tuple[str]]:
        """Pickled as its JSON: without the programs it keeps, and its digest is compared when it is read."""
        from splinecam_exact.importers.native import to_json

        return _unpickled, (json.dumps(to_json(self)),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        counts = ((self.input_size, "input"), (self.output_size, "output"), (len(self.nodes), "node"))
        shown = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in (*counts, (self.unit_count, "unit")))
        return f"<Network: {shown}>"


def _unpickled(text: str) -> Network:
    from splinecam_exact.importers.native import from_json

    return from_json(json.loads(text), "the pickled network")


def _activation(name: str, chosen: object) -> Piecewise | None:
    if isinstance(chosen, Piecewise):
        return chosen
    if not isinstance(chosen, str) or chosen not in _ACTIVATIONS:
        raise NetworkError(
            f"{name}: the activation {chosen!r} is unknown; use {', '.join(_ACTIVATIONS)} or a Piecewise"
        )
    return _ACTIVATIONS[chosen]


def _slice_op(slice: Slice) -> kernel.Affine:
    """x = origin + s * basis[0] + t * basis[1] as an operation on the values 0 (s) and 1 (t)."""
    columns = (*slice.basis, slice.origin)
    den = lcm(mpz(1), *(q.denominator for column in columns for q in column))
    u, v, origin = ([q.numerator * (den // q.denominator) for q in column] for column in columns)
    plane = (0, 1)
    return kernel.Affine(den, tuple((plane, pair, c) for pair, c in zip(zip(u, v, strict=True), origin, strict=True)))
