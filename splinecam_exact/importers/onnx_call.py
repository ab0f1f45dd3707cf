"""One node of an ONNX file as its translation sees it: inputs, attributes, and the network that is being built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from splinecam_exact.importers.constants import is_real
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.onnx_file import Array, Attributes
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import NetworkError

Value = Tensor | Array
"""What a name stands for: values of the network, or constants. Constants are float64 or mpq (of float types), int64
(of int types) or bool."""


@dataclass
class Call:
    """A node to be translated.

    `wide` says that the model's input is float64; `bias` is the constant that an Add, alone to read the output, adds.
    """

    graph: Graph
    opset: int
    op: str
    inputs: list[Value | None]
    attributes: Attributes
    outputs: int
    wide: bool = False
    bias: Array | None = None
    bias_used: bool = False

    def count(self, least: int, most: int | None = None) -> None:
        """Raise NetworkError unless the number of inputs is one of these."""
        most = least if most is None else most
        if not least <= len(self.inputs) <= most:
            raise NetworkError(f"has {len(self.inputs)} inputs; {least} to {most} are needed")

    def given(self, k: int) -> bool:
        """Whether there is an input number k."""
        return k < len(self.inputs) and self.inputs[k] is not None

    def value(self, k: int) -> Value:
        """Input k."""
        found = self.inputs[k] if k < len(self.inputs) else None
        if found is None:
            raise NetworkError(f"lacks its input {k}")
        return found

    def number(self, k: int) -> Value:
        """Input k, of a float type."""
        found = self.value(k)
        if not isinstance(found, Tensor) and not is_real(found):
            raise NetworkError(f"reads input {k} of type {found.dtype}, where floats are needed")
        return found

    def tensor(self, k: int = 0) -> Tensor:
        """Input k as values of the network, constants too."""
        found = self.number(k)
        return found if isinstance(found, Tensor) else self.lifted(found)

    def lifted(self, values: Array) -> Tensor:
        """Constants as values of the network."""
        if not values.size:
            raise NetworkError("reads an empty tensor")
        zeros = self.graph.input.reshape((-1,))[np.zeros(values.size, np.int64)].reshape(values.shape)
        return self.graph.scale_shift(zeros, 0, values)

    def constant(self, k: int, what: str) -> Array:
        """Input k, which must be constant."""
        found = self.value(k)
        if isinstance(found, Tensor):
            raise NetworkError(
                f"has a {what} that depends on the network's input: only a constant one is supported; store it as an "
                "initializer"
            )
        return found

    def real(self, k: int, what: str) -> Array:
        """Input k, which must be constant and of a float type."""
        found = self.constant(k, what)
        if not is_real(found):
            raise NetworkError(f"has a {what} of type {found.dtype}, where floats are needed")
        return found

    def scalar(self, k: int, what: str) -> object:
        """Input k, which must be one constant number; None where it is left out."""
        if not self.given(k):
            return None
        found = self.real(k, what)
        if found.size != 1:
            raise NetworkError(f"has a {what} of shape {found.shape}; one number is needed")
        return found.reshape(-1)[0]

    def ints(self, k: int, what: str) -> tuple[int, ...]:
        """Input k, which must be constant ints in at most one dimension."""
        found = self.constant(k, what)
        if found.dtype != np.int64 or found.ndim > 1:
            raise NetworkError(f"has {what} of type {found.dtype} and shape {found.shape}; a list of ints is needed")
        return tuple(map(int, found.reshape(-1)))

    def axes(self, k: int = 1) -> tuple[int, ...] | None:
        """The attribute "axes", or input k, which took its place in later versions; None for neither."""
        found = self.attributes.ints("axes")
        if self.given(k):
            if found is not None:
                raise NetworkError("has axes both as an attribute and as an input")
            return self.ints(k, "axes")
        return found

    def added_bias(self, size: int) -> Array | None:
        """The bias of the following Add, where it is a vector of this size; then that Add is done here."""
        if self.bias is None or self.bias.shape != (size,):
            return None
        self.bias_used = True
        return self.bias

    def moved(self, value: Value, move: Callable[[Array], Array]) -> Value:
        """A value whose entries are moved, as an array's are by numpy."""
        if isinstance(value, Tensor):
            return value.view(np.asarray(move(value.index)))
        return np.asarray(move(value))


def shape_of(value: Value) -> tuple[int, ...]:
    """The sizes of the dimensions."""
    return tuple(value.shape)


def axis(dim: int, rank: int) -> int:
    """The dimension counted from 0; negative ones count from the end."""
    if not -rank <= dim < rank:
        raise NetworkError(f"names dimension {dim} of a tensor with {rank}")
    return dim % rank
