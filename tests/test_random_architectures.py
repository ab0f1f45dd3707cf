"""Random graphs of all kinds of layers on a slice: every mode against the clipper of `testing.brute_force`.

The clipper knows sequences of dense layers only. So each node becomes a layer that carries all earlier values along.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Piecewise
from splinecam_exact.testing.brute_force import Curve, Layer, Pattern, brute_force
from splinecam_exact.weights import Selection

MODES = ("certified", "float64", "rational") if find_spec("torch") else ("rational",)
FAR = Fraction(10**12)
"""No value is as large: a curve with this breakpoint is the identity, and cuts nothing."""


def rows_of(array: ExactArray, count: int) -> list[list[Fraction]]:
    den, flat = array.numerators()
    width = len(flat) // array.shape[0]
    rows = [[Fraction(int(n), int(den)) for n in flat[k : k + width]] for k in range(0, len(flat), width)]
    return rows * count if len(rows) == 1 else rows


def matrix_of(weight: Any) -> list[list[Fraction]]:
    if isinstance(weight, Selection):
        return [[Fraction(int(j == k)) for k in range(weight.inputs)] for j in weight.indices.tolist()]
    if not isinstance(weight, ExactArray):
        den = int(weight.numerators()[0])
        return [[Fraction(int(w), den) for w in row] for row in weight.matrix()]
    rows = rows_of(weight, 1)
    if len(weight.shape) == 2:
        return rows
    return [[row[0] if j == k else Fraction(0) for k in range(len(rows))] for j, row in enumerate(rows)]


def dense(net: Network, dom: sx.Slice) -> tuple[list[Layer], list[bool]]:
    """The network's nodes as layers on the plane, and which entries of their patterns are of units of the network."""
    columns = [[Fraction(int(q.numerator), int(q.denominator)) for q in v] for v in (*dom.basis, dom.origin)]
    layers = [Layer(tuple(zip(columns[0], columns[1], strict=True)), tuple(columns[2]))]
    own: list[bool] = []
    ends = [0, net.input_size]
    for node, size in zip(net.nodes, net.sizes[1:], strict=True):
        width = ends[-1]
        kept = [[Fraction(int(j == k)) for k in range(width)] for j in range(width)]
        bias = [Fraction(0)] * width
        if isinstance(node, Affine):
            rows = [[Fraction(0)] * width for _ in range(size)]
            for source, weight in zip(node.sources, node.weights, strict=True):
                for row, part in zip(rows, matrix_of(weight), strict=True):
                    for k, w in enumerate(part, ends[source]):
                        row[k] += w
            bias += [row[0] for row in rows_of(node.bias, 1)]
            layers.append(Layer(tuple(map(tuple, kept + rows)), tuple(bias)))
        elif isinstance(node, Piecewise):
            rows = kept[ends[node.source] : ends[node.source + 1]]
            arrays = (rows_of(a, size) for a in (node.breakpoints, node.slopes, node.anchor))
            curves = [Curve(tuple(b), tuple(s), a[0]) for b, s, a in zip(*arrays, strict=True)]
            carried = [Curve((FAR,), (Fraction(1), Fraction(1)), FAR)] * width
            layers.append(
                Layer(tuple(map(tuple, kept + rows)), tuple(bias + [Fraction(0)] * size), (*carried, *curves))
            )
            own += [False] * width + [True] * size
        else:
            first = ends[node.source]
            groups = tuple(tuple(first + j for j in group) for group in node.groups)
            alone = tuple((k,) for k in range(width))
            layers.append(Layer(tuple(map(tuple, kept)), tuple(bias), (), alone + groups))
            own += [False] * width + [True] * size
        ends.append(width + size)
    return layers, own


Step = Callable[[Graph, Tensor, np.random.Generator], Tensor]


def small(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.integers(-2, 3, shape).astype(float)


def convolution(graph: Graph, t: Tensor, random: np.random.Generator) -> Tensor:
    channels, groups = t.shape[1], int(random.integers(1, 3))
    groups = groups if channels % groups == 0 else 1
    window = [int(min(k, n)) for k, n in zip(random.integers(1, 3, 2), t.shape[2:], strict=True)]
    kernel = small(random, (groups, channels // groups, *window))
    low = [(int(a), int(b)) for a, b in random.integers(0, 2, (2, 2))]
    return graph.conv(t, kernel, small(random, (groups,)), (1, int(random.integers(1, 3))), low, (1, 1), groups)


def transposed(graph: Graph, t: Tensor, random: np.random.Generator) -> Tensor:
    kernel = small(random, (t.shape[1], 1, 2, 2))
    return graph.conv_transpose(t, kernel, None, (1, 1), [(0, 0), (0, 0)], (0, 0), (1, 1), 1)


def skipped(graph: Graph, t: Tensor, random: np.random.Generator) -> Tensor:
    branch = graph.relu(graph.scale_shift(t, small(random, (1, t.shape[1], 1, 1)), 1))
    return graph.add(branch, t) if random.integers(0, 2) else graph.sub(branch, graph.relu(t))


def cancelled(graph: Graph, t: Tensor, random: np.random.Generator) -> Tensor:
    return graph.add(graph.sub(graph.relu(t), graph.relu(graph.neg(t))), graph.neg(t))  # relu(x) - relu(-x) - x = 0


def normalized(graph: Graph, t: Tensor, random: np.random.Generator) -> Tensor:
    n = t.shape[1]
    return graph.batch_norm(t, small(random, (n,)), small(random, (n,)), small(random, (n,)), np.full(n, 3.0), 1.0)


STEPS: dict[str, Step] = {
    "convolution": convolution,
    "transposed convolution": transposed,
    "relu": lambda graph, t, random: graph.relu(t),
    "leaky relu": lambda graph, t, random: graph.leaky_relu(t, "1/10"),
    "abs": lambda graph, t, random: graph.abs(t),
    "hardtanh": lambda graph, t, random: graph.hardtanh(t, -1, 1),
    "hardsigmoid": lambda graph, t, random: graph.hardsigmoid(t),
    "clamp": lambda graph, t, random: graph.clamp(t, None, 1),
    "max pooling": lambda graph, t, random: graph.max_pool(t, (2, 2), (1, 1), [(1, 0), (0, 1)]),
    "average pooling": lambda graph, t, random: graph.avg_pool(t, (2, 1), (1, 1), [(1, 0), (0, 0)]),
    "batch norm": normalized,
    "skip connection": skipped,
    "branches that cancel": cancelled,
    "concatenation": lambda graph, t, random: graph.concat([t, graph.neg(t)], 1),
    "maximum of two": lambda graph, t, random: graph.maximum(t, t.flip([2])),
    "minimum of two": lambda graph, t, random: graph.minimum(graph.relu(t), t.flip([3])),
    "largest channel": lambda graph, t, random: graph.amax(t, [1], keepdim=True),
    "slice": lambda graph, t, random: t.slice(2, 0, max(1, t.shape[2] - 1)),
    "transpose": lambda graph, t, random: t.transpose(2, 3),
    "padding": lambda graph, t, random: graph.pad(t, [(0, 0), (0, 0), (0, 1), (1, 0)], "constant", 1),
    "upsampling": lambda graph, t, random: t.upsample([t.shape[2], 2 * t.shape[3]]),
}

architectures = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4)


def built(names: list[str], seed: int) -> tuple[Network, sx.Slice]:
    random = np.random.default_rng(seed)
    graph = Graph((1, 1, 2, 2))
    t = graph.input
    for name in names:
        t = STEPS[name](graph, t, random)
    origin, u, v = small(random, (3, 4))
    u[:2], v[:2] = (1, 0), (0, 1)  # so that they are independent
    return graph.network(t), sx.Slice(origin, [u, v], sx.square(1))


def cells_of(part: sx.Subdivision) -> dict[Pattern, set[tuple[Fraction, Fraction]]]:
    return {
        face.pattern: {tuple(Fraction(int(c.numerator), int(c.denominator)) for c in v) for v in face.polygon}  # type: ignore[misc]
        for face in part.faces
    }


def assert_equal_to_the_clipper(net: Network, dom: sx.Slice) -> None:
    layers, own = dense(net, dom)
    corners = [(Fraction(x), Fraction(y)) for x, y in [(-1, -1), (1, -1), (1, 1), (-1, 1)]]
    expected = brute_force(layers, corners)
    cells = {
        tuple(state for state, mine in zip(pattern, own, strict=True) if mine): set(shape)
        for pattern, shape in expected.cells.items()
    }
    for mode in MODES:
        part = sx.partition(net, dom, mode)
        if part.certified:
            assert cells_of(part) == cells
            assert {key: part.counts()[key] for key in "AVE"} == {key: expected.counts[key] for key in "AVE"}


@settings(max_examples=max(20, settings().max_examples // 3))
@given(architectures, st.integers(0, 2**32))
def test_random_architectures_equal_the_clipper(names: list[str], seed: int) -> None:
    net, dom = built(names, seed)
    assume(net.unit_count <= 24)
    assert_equal_to_the_clipper(net, dom)


@pytest.mark.parametrize("name", STEPS)
def test_every_layer_before_and_behind_units_equals_the_clipper(name: str) -> None:
    for seed in range(2):
        assert_equal_to_the_clipper(*built(["relu", name, "relu"], seed))
        assert_equal_to_the_clipper(*built([name, "max pooling"], seed))
