"""Nodes of a network under construction, and which of their values tensors are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, Floats
from splinecam_exact.importers import batchnorm
from splinecam_exact.importers.tensors import Constant, Tensor, check_size, exact_array
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.weights import Ints, Selection, Weight

_MOST_WORK = 1 << 27
"""All nodes together, each counted by `_work`: up to about a minute."""


class Builder:
    """Nodes over an input of shape `input_shape`, a batch dimension of 1 included where the framework has one."""

    def __init__(self, input_shape: Sequence[int]) -> None:
        shape = tuple(map(int, input_shape))
        check_size(shape, "an input")
        self.nodes: list[Node] = []
        self.sizes = [math.prod(shape)]
        self.conventions: list[str] = []
        self.casts: set[str] = set()
        """The float types that the model casts to; nothing is rounded here."""
        self._work = 0
        self.input = Tensor(0, np.arange(self.sizes[0]).reshape(shape))
        self.rounded: tuple[mpq, mpq] | None = None
        """The largest errors of a BatchNorm's scale and shift, where there is one."""
        self.cancelling: dict[int, Floats] = {}
        """By node, sums of absolute terms that were added up before the node was made, and may have cancelled."""
        self._renamed: dict[int, int] = {}
        self._materialized: dict[tuple[int, bytes], int] = {}

    def network(self, output: Tensor) -> Network:
        """The network whose outputs are the entries of a tensor, row by row; nodes that it does not need are left out.

        An output that is the input itself gets a node that changes nothing, as a network has at least one.
        """
        last = self.materialize(output)
        if last == 0:
            last = self.affine([(self.input, ones(self.sizes[0]))], None, self.input.shape).node
        needed = {last}
        for number in range(last, 0, -1):
            if number in needed:
                node = self.nodes[number - 1]
                needed.update(node.sources if isinstance(node, Affine) else (node.source,))
        kept = sorted(needed | {0})
        self._renamed = {old: new for new, old in enumerate(kept)}
        nodes = [_moved(self.nodes[number - 1], self._renamed) for number in kept[1:]]
        rounded = () if self.rounded is None else (batchnorm.CONVENTION, batchnorm.bound_text(*self.rounded))
        return Network(self.sizes[0], nodes, dict.fromkeys((*rounded, *self.conventions)))

    @property
    def magnitudes(self) -> dict[int, Floats]:
        """`cancelling` by the numbers of the nodes in the network that was made last, as `verify_import` takes it."""
        return {self._renamed[k]: v for k, v in self.cancelling.items() if k in self._renamed}

    def add_node(self, node: Node, shape: Sequence[int]) -> Tensor:
        """The output of a new node, in a shape."""
        size = node.size(self.sizes)
        check_size((size,), "a node")
        self._work += _work(node, size)
        if self._work > _MOST_WORK:
            raise NetworkError("makes the network too large to be read: make the model or its input smaller")
        try:
            self.nodes.append(node.fitted(self.sizes))
        except NetworkError as error:
            raise NetworkError(f"makes a node that {error}") from None
        self.sizes.append(size)
        return Tensor(len(self.nodes), np.arange(size).reshape(tuple(shape)))

    def affine(self, parts: Sequence[tuple[Tensor, Weight]], bias: ExactArray | None, shape: Sequence[int]) -> Tensor:
        """A new Affine node over tensors, each flattened row by row and with its weight."""
        sources = tuple(self.materialize(t) for t, _ in parts)
        weights = tuple(w for _, w in parts)
        return self.add_node(Affine(sources, weights, zeros(weights[0].shape[0]) if bias is None else bias), shape)

    def materialize(self, t: Tensor) -> int:
        """The number of a node whose flat output is the tensor row by row; made where there is none."""
        return t.node if self.is_whole(t) else self.selected(t.node, t.index).node

    def selected(self, node: int, index: Ints) -> Tensor:
        """The values at these positions of a node, and 0 where the position is -1, as a node of their own."""
        flat = np.ascontiguousarray(index).reshape(-1)
        key = node, hashlib.sha256(flat.data).digest()
        if key not in self._materialized:
            made = Affine((node,), (Selection(flat, self.sizes[node]),), zeros(len(flat)))
            self._materialized[key] = self.add_node(made, flat.shape).node
        return Tensor(self._materialized[key], np.arange(index.size).reshape(index.shape))

    def is_whole(self, t: Tensor) -> bool:
        """Whether the tensor is its node's output row by row."""
        size = self.sizes[t.node]
        return t.index.size == size and bool((t.index.reshape(-1) == np.arange(size)).all())

    def is_order(self, t: Tensor) -> bool:
        """Whether each value of the tensor's node is one entry of it."""
        size = self.sizes[t.node]
        return t.index.size == size and bool((np.bincount(t.index.reshape(-1), minlength=size) == 1).all())

    def used(self, t: Tensor) -> Tensor:
        """The same tensor over a node without other values, so that an operation on each may be done on the node."""
        flat = t.index.reshape(-1)
        read = np.zeros(self.sizes[t.node], np.bool_)
        read[flat] = True
        places = np.flatnonzero(read)
        if len(places) == self.sizes[t.node]:
            return t
        node = self.materialize(Tensor(t.node, places))
        return Tensor(node, np.searchsorted(places, flat).reshape(t.shape))

    def ordered(self, t: Tensor) -> Tensor:
        """The same tensor over a node of which each value is one entry."""
        return t if self.is_order(t) else Tensor(self.materialize(t), np.arange(t.index.size).reshape(t.shape))

    def copies(self, t: Tensor) -> tuple[int, Weight]:
        """A node and the weight that copies the tensor from it."""
        size = self.sizes[t.node]
        return t.node, ones(size) if self.is_whole(t) else Selection(t.index.reshape(-1), size)

    def placed(self, t: Tensor, values: Constant, name: str) -> ExactArray:
        """A number for each value of the node of `t`, of which `t` is an order; `values` are broadcast to `t`."""
        found = np.empty(t.index.size, dtype=values.dtype)
        found[t.index.reshape(-1)] = np.broadcast_to(values, t.shape).reshape(-1)
        return exact_array(found, (t.index.size,), name)


def ones(size: int) -> ExactArray:
    """The diagonal that changes nothing."""
    return ExactArray.of(np.ones(size))


def zeros(size: int) -> ExactArray:
    """A bias of zeros."""
    return ExactArray.of(np.zeros(size))


def _work(node: Node, size: int) -> int:
    """How long a node takes to make and to check, in values that are all treated alike."""
    if isinstance(node, Affine):
        rational = [w for w in node.weights if isinstance(w, ExactArray) and len(w.shape) == 1 and w.floats is None]
        return size * (1 + 16 * len(rational))
    if isinstance(node, Max):
        return size + 4 * sum(map(len, node.groups))
    return size * (8 if node.slopes.shape[0] > 1 or node.breakpoints.shape[0] > 1 else 1)


def _moved(node: Node, renamed: dict[int, int]) -> Node:
    if isinstance(node, Affine):
        return Affine(tuple(renamed[s] for s in node.sources), node.weights, node.bias)
    if isinstance(node, Piecewise):
        return node.moved(renamed[node.source])
    return Max(renamed[node.source], node.groups)
