"""The graph builder: every operation is torch's, exactly, on float64 data that torch adds up without rounding."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import assume, given
from hypothesis import strategies as st

from splinecam_exact.importers import tensors
from splinecam_exact.importers.graph import Graph
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.nodes import Affine, Max, Piecewise

torch = pytest.importorskip("torch", reason="needs the extra [torch]")
F = torch.nn.functional

DIVISIBLE = lcm(*range(1, 17))
"""Means of up to 16 multiples of this are integers."""

Build = Callable[[Graph, Tensor], Tensor]


def numbers(draw: st.DrawFn, shape: tuple[int, ...], scale: int = 1) -> Any:
    """Small integers, so that ties are common."""
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float64) * scale


# Ways to come to a tensor, so that operations meet entries in any order, repeated ones, and values that are left out.
STARTS: dict[str, tuple[Build, Callable[[Any], Any]]] = {
    "plain": (lambda g, t: t, lambda x: x),
    "flipped": (lambda g, t: t.flip((-1,)), lambda x: x.flip(-1)),
    "doubled": (lambda g, t: t.repeat_entries(-1, 2), lambda x: x.repeat_interleave(2, dim=-1)),
    "cut": (lambda g, t: t.slice(-1, 1, None), lambda x: x[..., 1:]),
    "transposed": (lambda g, t: t.transpose(-1, -2), lambda x: x.transpose(-1, -2)),
    "later": (lambda g, t: g.sub(g.relu(t), 1), lambda x: torch.relu(x) - 1),
}


def agree(draw: st.DrawFn, x: Any, build: Build, law: Callable[[Any], Any], starts: tuple[str, ...] = ()) -> Graph:
    """Check that a graph on x computes what the law does, in its shape; x comes to it in one of the ways above."""
    before, torch_before = STARTS[draw(st.sampled_from(starts or tuple(STARTS)))]
    graph = Graph(x.shape)
    expected = law(torch_before(torch.tensor(x)))
    made = build(graph, before(graph, graph.input))
    assert made.shape == tuple(expected.shape)
    assert graph.network(made).evaluate(x.ravel()) == [mpq(v) for v in expected.flatten().tolist()]
    return graph


SHAPES = st.lists(st.integers(2, 4), min_size=2, max_size=4).map(tuple)
UNITS: dict[str, tuple[Build, Callable[[Any], Any]]] = {
    "relu": (Graph.relu, F.relu),
    "abs": (Graph.abs, torch.abs),
    "neg": (Graph.neg, torch.neg),
    "leaky": (lambda g, t: g.leaky_relu(t, 0.25), lambda x: F.leaky_relu(x, 0.25)),
    "one prelu": (lambda g, t: g.prelu(t, [-0.5]), lambda x: F.prelu(x, torch.tensor([-0.5], dtype=x.dtype))),
    "hardtanh": (lambda g, t: g.hardtanh(t, -1, 2), lambda x: F.hardtanh(x, -1, 2)),
    "clamp to a number": (lambda g, t: g.clamp(t, 2, -1), lambda x: x.clamp(2, -1)),
    "clamp below": (lambda g, t: g.clamp(t, low=1), lambda x: x.clamp(min=1)),
    "clamp above": (lambda g, t: g.clamp(t, high=-1), lambda x: x.clamp(max=-1)),
    "threshold": (lambda g, t: g.threshold(t, 1, 1), lambda x: F.threshold(x, 1, 1)),
    "scale": (lambda g, t: g.scale_shift(t, 0.5, -3), lambda x: 0.5 * x - 3),
    "more": (lambda g, t: g.add(t, [[[[1]]]]), lambda x: x + torch.ones(1, 1, 1, 1)),
}


@given(st.data(), SHAPES, st.sampled_from(sorted(UNITS)))
def test_one_value_at_a_time(data: st.DataObject, shape: tuple[int, ...], name: str) -> None:
    agree(data.draw, numbers(data.draw, shape), *UNITS[name])


@given(st.data(), SHAPES)
def test_constants_broadcast(data: st.DataObject, shape: tuple[int, ...]) -> None:
    draw = data.draw
    x = numbers(draw, shape)
    rank = draw(st.integers(0, len(shape)))
    sizes = tuple(draw(st.sampled_from([1, n])) for n in shape[len(shape) - rank :])
    a, b = numbers(draw, sizes), numbers(draw, sizes)
    first, second = torch.tensor(a), torch.tensor(b)
    pairs: list[tuple[Build, Callable[[Any], Any]]] = [
        (lambda g, t: g.scale_shift(t, a, b), lambda x: x * first + second),
        (lambda g, t: g.add(t, a), lambda x: x + first),
        (lambda g, t: g.sub(t, a), lambda x: x - first),
        (lambda g, t: g.maximum(t, a), lambda x: torch.maximum(x, first)),
        (lambda g, t: g.minimum(t, a), lambda x: torch.minimum(x, first)),
        (lambda g, t: g.clamp(t, a, b), lambda x: torch.clamp(x, first, second)),
    ]
    agree(draw, x, *draw(st.sampled_from(pairs)), ("plain", "flipped", "later"))


@given(st.data(), SHAPES)
def test_two_tensors(data: st.DataObject, shape: tuple[int, ...]) -> None:
    draw = data.draw
    x = numbers(draw, shape)
    sides: list[tuple[Build, Callable[[Any], Any]]] = [
        (lambda g, t: t, lambda x: x),
        (lambda g, t: t.flip((0,)), lambda x: x.flip(0)),
        (lambda g, t: t.slice(-1, 0, 1), lambda x: x[..., :1]),
        (lambda g, t: g.relu(t).select(0, 0), lambda x: torch.relu(x)[0]),
        (lambda g, t: g.abs(t.flip((-1,))), lambda x: torch.abs(x.flip(-1))),
    ]
    left, torch_left = draw(st.sampled_from(sides))
    right, torch_right = draw(st.sampled_from(sides))
    pairs: list[tuple[Any, Any]] = [
        (Graph.add, torch.add),
        (Graph.sub, torch.sub),
        (Graph.maximum, torch.maximum),
        (Graph.minimum, torch.minimum),
    ]
    op, law = draw(st.sampled_from(pairs))
    agree(draw, x, lambda g, t: op(g, left(g, t), right(g, t)), lambda x: law(torch_left(x), torch_right(x)))


@given(st.data(), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2))
def test_linear_over_the_last_dimension(data: st.DataObject, inputs: int, outputs: int, more: int) -> None:
    draw = data.draw
    x = numbers(draw, (*draw(st.sampled_from([(1, 1), (1, 3), (2, 2)]))[:more], inputs))
    weight, again = numbers(draw, (outputs, inputs)), numbers(draw, (2, outputs))
    bias = draw(st.sampled_from([None, numbers(draw, (outputs,))]))
    vector = None if bias is None else torch.tensor(bias)
    starts = ("plain", "flipped", "later") if len(x.shape) == 1 or inputs != x.shape[-2] else ("plain", "transposed")
    agree(
        draw,
        x,
        lambda g, t: g.linear(g.relu(g.linear(t, weight, bias)), again),
        lambda x: F.linear(F.relu(F.linear(x, torch.tensor(weight), vector)), torch.tensor(again)),
        starts if inputs > 1 or "transposed" in starts else ("plain", "flipped"),
    )
    if len(x.shape) > 1:
        left = numbers(draw, (outputs, x.shape[-2]))
        agree(draw, x, lambda g, t: g.matmul_left(left, t), lambda x: torch.tensor(left) @ x, ("plain", "later"))


@given(st.data(), SHAPES)
def test_reductions(data: st.DataObject, shape: tuple[int, ...]) -> None:
    draw = data.draw
    x = numbers(draw, shape, DIVISIBLE)
    dims = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=2, unique=True))
    keep = draw(st.booleans())
    pairs = [(Graph.sum, torch.sum), (Graph.mean, torch.mean), (Graph.amax, torch.amax), (Graph.amin, torch.amin)]
    op, law = draw(st.sampled_from(pairs))
    start = ("plain", "flipped", "transposed")
    agree(draw, x, lambda g, t: op(g, t, dims, keep), lambda x: law(x, dim=dims, keepdim=keep), start)


def drawn_windows(draw: st.DrawFn, dimensions: int) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """Sizes of an image, and window, stride, padding, dilation that fit it."""
    sizes, window, stride, padding, dilation = [], [], [], [], []
    for _ in range(dimensions):
        n, k = draw(st.integers(1, 6 if dimensions < 3 else 4)), draw(st.integers(1, 3))
        f, p = draw(st.integers(1, 2)), draw(st.integers(0, 2))
        assume(n + 2 * p >= f * (k - 1) + 1)
        sizes.append(n)
        window.append(k)
        stride.append(draw(st.integers(1, 3)))
        padding.append(p)
        dilation.append(f)
    return sizes, window, stride, padding, dilation


@given(st.data(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
def test_convolutions(data: st.DataObject, dimensions: int, groups: int, width: int, batch: int) -> None:
    draw = data.draw
    sizes, window, stride, padding, dilation = drawn_windows(draw, dimensions)
    outputs = groups * draw(st.integers(1, 2))
    x, weight = numbers(draw, (batch, groups * width, *sizes)), numbers(draw, (outputs, width, *window))
    bias = draw(st.sampled_from([None, numbers(draw, (outputs,))]))
    law = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dimensions]
    vector = None if bias is None else torch.tensor(bias)
    agree(
        draw,
        x,
        lambda g, t: g.conv(t, weight, bias, stride, [(p, p) for p in padding], dilation, groups),
        lambda x: law(x, torch.tensor(weight), vector, stride, padding, dilation, groups),
        ("plain", "flipped", "later"),
    )


@given(st.data(), st.integers(1, 2), st.integers(-2, 2), st.integers(-2, 2))
def test_padding_of_a_convolution_may_differ_and_crop(data: st.DataObject, stride: int, low: int, high: int) -> None:
    draw = data.draw
    x, weight = numbers(draw, (1, 2, 6)), numbers(draw, (1, 2, 2))
    agree(
        draw,
        x,
        lambda g, t: g.conv(t, weight, None, [stride], [(low, high)], [1]),
        lambda x: F.conv1d(F.pad(x, (low, high)), torch.tensor(weight), None, stride),
        ("plain", "flipped"),
    )


@given(st.data(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
def test_transposed_convolutions(data: st.DataObject, dimensions: int, groups: int, width: int) -> None:
    draw = data.draw
    sizes = draw(st.lists(st.integers(1, 3), min_size=dimensions, max_size=dimensions))
    window = draw(st.lists(st.integers(1, 3), min_size=dimensions, max_size=dimensions))
    stride = draw(st.lists(st.integers(1, 3), min_size=dimensions, max_size=dimensions))
    dilation = draw(st.lists(st.integers(1, 2), min_size=dimensions, max_size=dimensions))
    padding = draw(st.lists(st.integers(0, 2), min_size=dimensions, max_size=dimensions))
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
    reached = [
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(*(sizes, stride, padding, dilation, window, extra), strict=True)
    ]
    assume(min(reached) > 0)
    x, weight = numbers(draw, (1, groups * width, *sizes)), numbers(draw, (groups * width, 2, *window))
    bias = draw(st.sampled_from([None, numbers(draw, (2 * groups,))]))
    law = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[dimensions]
    vector = None if bias is None else torch.tensor(bias)
    agree(
        draw,
        x,
        lambda g, t: g.conv_transpose(t, weight, bias, stride, padding, extra, dilation, groups),
        lambda x: law(x, torch.tensor(weight), vector, stride, padding, extra, groups, dilation),
        ("plain", "flipped"),
    )


@given(st.data(), st.integers(1, 3), st.booleans())
def test_max_pooling(data: st.DataObject, dimensions: int, ceil_mode: bool) -> None:
    draw = data.draw
    sizes, window, stride, _, dilation = drawn_windows(draw, dimensions)
    padding = [draw(st.integers(0, k // 2)) for k in window]
    assume(all(n + 2 * p >= f * (k - 1) + 1 for n, p, f, k in zip(sizes, padding, dilation, window, strict=True)))
    # A window may lie in the padding as a whole; torch then gives -inf.
    law = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[dimensions]
    x = numbers(draw, (1, 2, *sizes))
    assume(law(torch.tensor(x), window, stride, padding, dilation, ceil_mode).isfinite().all())
    agree(
        draw,
        x,
        lambda g, t: g.max_pool(t, window, stride, [(p, p) for p in padding], dilation, ceil_mode),
        lambda x: law(x, window, stride, padding, dilation, ceil_mode),
        ("plain", "flipped", "later"),
    )


@given(st.data(), st.integers(1, 3), st.booleans(), st.booleans())
def test_average_pooling(data: st.DataObject, dimensions: int, ceil_mode: bool, include: bool) -> None:
    draw = data.draw
    sizes, window, stride, _, _ = drawn_windows(draw, dimensions)
    window = [min(k, 2) for k in window] if dimensions == 3 else window
    padding = [draw(st.integers(0, k // 2)) for k in window]
    assume(all(n + 2 * p >= k for n, p, k in zip(sizes, padding, window, strict=True)))
    divisor = draw(st.sampled_from([None, 3])) if dimensions > 1 else None
    more = {} if dimensions == 1 else {"divisor_override": divisor}
    # torch refuses some images of three dimensions.
    assume(dimensions < 3 or all(n >= k for n, k in zip(sizes, window, strict=True)))
    law = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[dimensions]
    agree(
        draw,
        numbers(draw, (1, 2, *sizes), DIVISIBLE),
        lambda g, t: g.avg_pool(t, window, stride, [(p, p) for p in padding], ceil_mode, include, divisor),
        lambda x: law(x, window, stride, padding, ceil_mode, include, **more),
        ("plain", "flipped"),
    )


@given(st.data(), st.integers(1, 2))
def test_adaptive_pooling(data: st.DataObject, dimensions: int) -> None:
    draw = data.draw
    sizes = draw(st.lists(st.integers(1, 4), min_size=dimensions, max_size=dimensions))
    wanted = draw(st.lists(st.integers(1, 5), min_size=dimensions, max_size=dimensions))
    mean, largest = {
        1: (F.adaptive_avg_pool1d, F.adaptive_max_pool1d),
        2: (F.adaptive_avg_pool2d, F.adaptive_max_pool2d),
    }[dimensions]
    x = numbers(draw, (1, 2, *sizes), DIVISIBLE)
    agree(draw, x, lambda g, t: g.adaptive_avg_pool(t, wanted), lambda x: mean(x, wanted), ("plain", "flipped"))
    agree(draw, x, lambda g, t: g.adaptive_max_pool(t, wanted), lambda x: largest(x, wanted), ("plain", "flipped"))


@given(st.data(), st.sampled_from(["constant", "reflect", "replicate", "circular"]))
def test_padding(data: st.DataObject, mode: str) -> None:
    draw = data.draw
    pads = draw(st.lists(st.integers(-1 if mode == "constant" else 0, 2), min_size=4, max_size=4))
    value = draw(st.sampled_from([0, 2])) if mode == "constant" else 0
    agree(
        draw,
        numbers(draw, (1, 2, 3, 4)),
        lambda g, t: g.pad(t, [(0, 0), (0, 0), (pads[2], pads[3]), (pads[0], pads[1])], mode, value),
        lambda x: F.pad(x, pads, mode, value),
        ("plain", "flipped", "later"),
    )


@given(st.data(), SHAPES)
def test_views_make_no_node(data: st.DataObject, shape: tuple[int, ...]) -> None:
    draw = data.draw
    x = numbers(draw, shape)
    d = draw(st.integers(0, len(shape) - 1))
    order = draw(st.permutations(range(len(shape))))
    pairs: list[tuple[Build, Callable[[Any], Any]]] = [
        (lambda g, t: t.permute(order), lambda x: x.permute(order)),
        (lambda g, t: t.reshape((-1, shape[-1])), lambda x: x.reshape(-1, shape[-1])),
        (lambda g, t: t.flatten(d), lambda x: x.flatten(d)),
        (lambda g, t: t.select(d, -1), lambda x: x.select(d, -1)),
        (lambda g, t: t.slice(d, -2, 9), lambda x: x.narrow(d, shape[d] - 2, 2)),
        (lambda g, t: t.unsqueeze(d).squeeze(), lambda x: x.unsqueeze(d).squeeze()),
        (lambda g, t: t.unsqueeze(0).expand((3, *(-1,) * len(shape))), lambda x: x.expand(3, *shape)),
        (lambda g, t: t.repeat((2, *(1,) * len(shape))), lambda x: x.repeat(2, *(1,) * len(shape))),
        (lambda g, t: t.take(d, np.array([[1, 0]])), lambda x: x.flip(d).narrow(d, shape[d] - 2, 2).unsqueeze(d)),
        (lambda g, t: g.concat([t, t.flip((d,))], d), lambda x: torch.cat([x, x.flip(d)], d)),
        (lambda g, t: g.stack([t, t], d), lambda x: torch.stack([x, x], d)),
    ]
    build, law = draw(st.sampled_from(pairs))
    graph = Graph(shape)
    build(graph, graph.input)
    assert graph.nodes == []
    agree(draw, x, build, law, ("plain",))


@given(st.data(), st.integers(1, 9), st.integers(1, 30))
def test_nearest_upsampling(data: st.DataObject, size: int, wanted: int) -> None:
    x = np.arange(2.0 * size).reshape(1, 2, size)
    agree(data.draw, x, lambda g, t: t.upsample((wanted,)), lambda x: F.interpolate(x, size=wanted), ("plain",))


@given(st.data(), st.sampled_from([0.5, 1.5, 2.0, 2.5, 3.0, 0.3, 1.7]))
def test_nearest_upsampling_by_a_scale(data: st.DataObject, scale: float) -> None:
    x = np.arange(24.0).reshape(1, 1, 4, 6)
    wanted = (int(4 * scale), int(6 * scale))
    agree(
        data.draw,
        x,
        lambda g, t: t.upsample(wanted, (scale, scale)),
        lambda x: F.interpolate(x, scale_factor=scale),
        ("plain",),
    )


@given(st.data(), st.integers(1, 3))
def test_pixel_shuffles(data: st.DataObject, r: int) -> None:
    x = numbers(data.draw, (1, 2 * r * r, 2 * r, r))
    agree(data.draw, x, lambda g, t: t.pixel_shuffle(r), lambda x: F.pixel_shuffle(x, r), ("plain",))
    agree(data.draw, x, lambda g, t: t.pixel_unshuffle(r), lambda x: F.pixel_unshuffle(x, r), ("plain",))


@given(st.data(), st.integers(1, 3))
def test_concatenation_with_constants(data: st.DataObject, width: int) -> None:
    x, c = numbers(data.draw, (2, 3)), numbers(data.draw, (2, width))
    agree(
        data.draw,
        x,
        lambda g, t: g.concat([c, g.relu(t), t], 1),
        lambda x: torch.cat([torch.tensor(c), torch.relu(x), x], 1),
        ("plain", "flipped", "later"),
    )


def test_hard_sigmoid_and_means_are_exact() -> None:
    graph = Graph((3,))
    net = graph.network(graph.concat([graph.hardsigmoid(graph.input), graph.mean(graph.input, keepdim=True)], 0))
    assert net.evaluate([-4, 1, 2]) == [0, mpq(2, 3), mpq(5, 6), mpq(-1, 3)]


def test_units_of_permuted_and_repeated_entries_are_made_once() -> None:
    graph = Graph((2, 3))
    graph.relu(graph.input.transpose(0, 1).repeat_entries(0, 2))
    assert [type(node) for node in graph.nodes] == [Piecewise]
    assert graph.sizes == [6, 6]


def test_maximum_counts_an_entry_once_and_large_groups_have_two_levels() -> None:
    graph = Graph((1, 130))
    assert graph.maximum(graph.input, graph.input).node == 0
    net = graph.network(graph.amax(graph.input, (1,)))
    assert [node.groups for node in net.nodes if isinstance(node, Max)] == [
        (tuple(range(63)), tuple(range(63, 126)), tuple(range(126, 130))),
        ((0, 1, 2),),
    ]
    x = [Fraction(k * 37 % 130, 7) for k in range(130)]
    assert net.evaluate(x) == [mpq(129, 7)]


def test_only_the_nodes_that_are_needed_are_kept() -> None:
    graph = Graph((2,))
    kept = graph.relu(graph.input)
    graph.abs(graph.input)
    graph.conventions += ["a", "a"]
    net = graph.network(kept)
    assert len(net.nodes) == 1
    assert net.conventions == ("a",)
    same = Graph((2,))
    assert same.network(same.input).evaluate(["1/3", 2]) == [mpq(1, 3), 2]


def test_convolution_is_kept_as_one() -> None:
    graph = Graph((1, 3, 8, 8))
    made = graph.conv(graph.input, np.ones((4, 3, 3, 3)), None, (1, 1), [(1, 1), (1, 1)], (1, 1))
    (node,) = graph.network(made).nodes
    assert isinstance(node, Affine)
    assert node.weights[0].shape == (256, 192)


def error_of(build: Build, shape: tuple[int, ...] = (1, 2, 4)) -> str:
    graph = Graph(shape)
    with pytest.raises(NetworkError) as caught:
        graph.network(build(graph, graph.input))
    return str(caught.value)


K = np.ones((2, 2, 3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda g, t: t.reshape((3, -1)), "shape (1, 2, 4) the shape (3, -1)"),
        (lambda g, t: t.permute((0, 1)), "puts 3 dimensions in the order (0, 1)"),
        (lambda g, t: t.permute((0, 1, 1)), "names a dimension twice"),
        (lambda g, t: t.select(3, 0), "names dimension 3 of a tensor with 3"),
        (lambda g, t: t.select(1, 2), "reads outside a tensor of shape (1, 2, 4)"),
        (lambda g, t: t.slice(2, 3, 3), "shape (1, 2, 0), which is empty"),
        (lambda g, t: t.expand((1, 3, 4)), "expands a tensor of shape (1, 2, 4)"),
        (lambda g, t: t.expand((1 << 40, 1, 2, 4)), f"{tensors.MAX_VALUES} values are the most"),
        (lambda g, t: t.repeat((1 << 40, 1, 1)), f"{tensors.MAX_VALUES} values are the most"),
        (lambda g, t: t.upsample((1 << 40,)), f"{tensors.MAX_VALUES} values are the most"),
        (lambda g, t: t.pixel_shuffle(2), "shuffles pixels by 2 where there are 1 channels"),
        (lambda g, t: g.linear(t, np.ones((2, 3))), "has a weight of shape (2, 3) for a tensor of shape (1, 2, 4)"),
        (lambda g, t: g.linear(t, np.ones((2, 4)), np.ones(3)), "has 3 biases for 2 outputs"),
        (lambda g, t: g.linear(t, np.full((2, 4), np.nan)), "weight[0][0]: nan is not a finite number"),
        (lambda g, t: g.add(t, np.ones(3)), "combines shapes (1, 2, 4) and (3,)"),
        (lambda g, t: g.add(t, t.select(1, 0).slice(1, 0, 3)), "combines shapes (1, 2, 4) and (1, 3)"),
        (lambda g, t: g.concat([t, t.slice(1, 0, 1)], 2), "joins shapes (1, 2, 4), (1, 1, 4) along dimension 2"),
        (lambda g, t: g.threshold(t, 1, 0), "jumps to 0 at 1"),
        (lambda g, t: g.prelu(t, [1, 2, 3]), "has 3 slopes for 2 channels"),
        (lambda g, t: g.leaky_relu(t, float("nan")), "nan is not a finite number"),
        (lambda g, t: g.pad(t, [(0, 0), (0, 0), (4, 0)], "reflect"), "pads 4 entries by (4, 0)"),
        (lambda g, t: g.pad(t, [(0, 0), (0, 0), (5, 0)], "circular"), "pads 4 entries by (5, 0)"),
        (lambda g, t: g.pad(t, [(0, 0), (0, 0), (1, 0)], "mirror"), "pads in mode 'mirror'"),
        (lambda g, t: g.pad(t, [(0, 0), (0, 0), (1 << 40, 0)]), f"{tensors.MAX_VALUES} values are the most"),
        (lambda g, t: g.conv(t, K, None, [1], [(0, 0)], [2]), "has a window of 5 where there are 4 places"),
        (lambda g, t: g.conv(t, np.ones((2, 3, 1)), None, [1], [(0, 0)], [1]), "groups for 2 channels"),
        (lambda g, t: g.conv(t, K, None, [0], [(0, 0)], [1]), "has stride (0,)"),
        (lambda g, t: g.conv(t, K, None, [1, 1], [(0, 0)], [1]), "has stride (1, 1) over 1 dimensions"),
        (lambda g, t: g.conv(t, K, None, [1], [(1 << 29, 0)], [1]), "are the most"),
        (lambda g, t: g.conv(t, K[0], None, [1], [(0, 0)], [1]), "has a weight of shape (2, 3)"),
        (lambda g, t: g.conv_transpose(t, K, None, [1 << 29], [0], [0], [1]), "are the most"),
        (lambda g, t: g.max_pool(t, [5], [1], [(0, 0)]), "has a window of 5 where there are 4 places"),
        (lambda g, t: g.max_pool(t, [1], [1], [(3, 0)]), "takes the maximum of no values"),
        (lambda g, t: g.avg_pool(t, [1], [1], [(3, 0)], False, False), "takes the mean of no values"),
        (lambda g, t: g.adaptive_avg_pool(t, [0]), "pools to (0,) places"),
        (lambda g, t: g.adaptive_max_pool(t, [1 << 29]), "pools to (536870912,) places, for which more"),
        (lambda g, t: g.batch_norm(t, None, None, [0] * 3, [1] * 3, 0), "has 3 running means for 2 channels"),
        (lambda g, t: g.batch_norm(t, None, [0], [0, 0], [1, 1], 0), "has parameters of sizes 2, 1, 2, 2"),
        (lambda g, t: g.batch_norm(t, None, None, [0, 0], [1, -1], 0), "channel 1: var + eps is -1.0"),
    ],
)
def test_what_does_not_fit_is_told(build: Build, message: str) -> None:
    assert message in error_of(build)
