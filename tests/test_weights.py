"""Convolutions and selections: what they are, how they are lowered, and what bounds them in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.decide import Decider, Windows, rows
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Piecewise
from splinecam_exact.weights import Convolution, Selection


@st.composite
def convolutions(draw: st.DrawFn, dimensions: int | None = None) -> Convolution:
    """Of 1 to 3 dimensions, with strides, padding, dilation and groups; weights are small integers or thirds."""
    count = dimensions or draw(st.integers(1, 3))
    groups, ins, outs = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))

    def sizes(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    image, window, padding, dilation = sizes(1, 4), sizes(1, 3), sizes(0, 2), sizes(1, 2)
    width = ins * int(np.prod(window))
    scale = draw(st.sampled_from([mpq(1), mpq(1, 3)]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kernel = [[scale * int(w) for w in row] for row in random.integers(-3, 4, (groups * outs, width))]
    shape = (groups * ins, *image)
    return Convolution(kernel, shape, sizes(1, 4), window, sizes(1, 3), padding, dilation, groups)


def matrix(convolution: Convolution) -> list[list[mpq]]:
    """From the definition, without `terms`."""
    shape, outputs = convolution.image, convolution.output
    den, flat = convolution.kernel.numerators()
    table = np.array([mpq(w, den) for w in flat], object).reshape(convolution.channels, -1, *convolution.window)
    found = np.full((convolution.channels, *outputs, *shape), mpq(0), object)
    for o in range(convolution.channels):
        group = o // (convolution.channels // convolution.groups)
        for c in range(table.shape[1]):
            for p in np.ndindex(*outputs):
                for t in np.ndindex(*convolution.window):
                    at = [
                        i * s + k * d - q
                        for i, s, k, d, q in zip(
                            p, convolution.stride, t, convolution.dilation, convolution.padding, strict=True
                        )
                    ]
                    if all(0 <= a < n for a, n in zip(at, shape[1:], strict=True)):
                        found[(o, *p, group * table.shape[1] + c, *at)] += table[(o, c, *t)]
    return found.reshape(convolution.shape).tolist()  # type: ignore[no-any-return]


def network(convolution: Convolution, seed: int) -> Network:
    bias = np.random.default_rng(seed).integers(-2, 3, convolution.shape[0]).astype(float)
    return Network(convolution.shape[1], [Affine((0,), (convolution,), bias)])


@given(convolutions(), st.integers(0, 2**32))
def test_lowering_commutes_with_evaluation(convolution: Convolution, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-3, 4, convolution.shape[1]).tolist()
    net = network(convolution, seed)
    dense = Network(net.input_size, [Affine((0,), (matrix(convolution),), net.nodes[0].bias)])  # type: ignore[union-attr]
    assert net.evaluate(x) == dense.evaluate(x)
    assert [[w != 0 for w in row] for row in convolution.matrix()] == [
        [w != 0 for w in row] for row in matrix(convolution)
    ]
    assert max(sum(w != 0 for w in column) for column in zip(*matrix(convolution), strict=True)) <= (
        convolution.overlap * convolution.channels // convolution.groups
    )


@given(convolutions())
def test_rows_share_what_is_equal(convolution: Convolution) -> None:
    """No more tuples than places and borders need: a convolution is never a dense matrix."""
    terms = list(convolution.terms(range(5, 5 + convolution.shape[1]), convolution.numerators()[1]))
    places = int(np.prod(convolution.output))
    assert len({id(indices) for indices, _ in terms}) <= places * convolution.groups
    kinds = len(np.unique(convolution.taps >= 0, axis=0))
    assert len({id(coefs) for _, coefs in terms}) <= convolution.channels * kinds


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=8))
def test_selections_copy(indices: list[int]) -> None:
    net = Network(5, [Affine((0,), (Selection(indices, 5),), [0] * len(indices))])
    assert net.evaluate([10, 20, 30, 40, 50]) == [10 * (k + 1) for k in indices]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Selection([], 3), "not empty"),
        (lambda: Selection([3], 3), "names value 3"),
        (lambda: Selection([0.5], 3), "ints"),  # type: ignore[list-item]
        (lambda: Selection([0], 0), "positive number"),
        (lambda: Convolution([[1, 2]], (1, 3), (2,), (3,), (1,), (0,), (1,)), "rows of 3 are needed"),
        (lambda: Convolution([[1]], (2, 3), (2,), (1,), (1,), (0,), (1,), 2), "2 groups do not divide"),
        (lambda: Convolution([[1]], (1, 3), (2,), (1,), (0,), (0,), (1,)), "stride"),
        (lambda: Convolution([[1]], (1, 3), (2, 2), (1,), (1,), (0,), (1,)), "output"),
        (lambda: Convolution([[1]], (1,), (), (), (), (), ()), "at least one size"),
        (lambda: Convolution([[1]], (1, 3), (2,), (1,), (1,), (2**40,), (1,)), "padding"),
    ],
)
def test_what_is_no_weight_is_refused(make: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        make()


@settings(max_examples=max(10, settings().max_examples // 4))
@given(convolutions(), convolutions(), st.integers(0, 2**32), st.booleans())
def test_structure_changes_no_form(first: Convolution, second: Convolution, seed: int, known: bool) -> None:
    """The exact forms of a network of convolutions, diagonals and selections, with and without their structure."""
    random = np.random.default_rng(seed)
    outputs, wanted = first.shape[0], second.shape[1]
    chosen = Selection(random.integers(-1, outputs, wanted), outputs)
    factors = [mpq(int(k), 3) for k in random.integers(-3, 4, outputs)]
    nodes = [
        Affine((0,), (first,), random.integers(-2, 3, outputs).astype(float)),
        Affine((1,), (factors,), np.repeat(random.integers(-2, 3, 1), outputs).astype(float)),
        Piecewise.relu(2),
        Affine((3,), (chosen,), [0] * wanted),
        Affine((4,), (second,), random.normal(size=second.shape[0])),
    ]
    size = first.shape[1]
    basis = [[1] * size, [int(k) for k in random.integers(-2, 3, size)]] if size > 1 else [[1], [0]]
    net = Network(size, nodes)
    program = net.program(sx.Slice([0] * size, basis, sx.square(1)))
    patterns = [program.pattern([mpq(int(p), 7), mpq(int(q), 5)]) for p, q in random.integers(-5, 6, (3, 2))]
    windows = {}
    if known:
        windows = {1: Windows(first.reads(2)), 5: Windows(second.reads(program.steps[4].first))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "SHARING", 1)
        structured = Decider(program, windows=windows)
        patch.setattr(rows, "row_groups", None)
        patch.setattr("splinecam_exact.decide.plan.row_groups", lambda step, windows: rows.merged_rows(step))
        plain = Decider(program)
    numbers = random.integers(0, len(program.denominator), 40)
    which = random.integers(0, 3, 40)
    assert structured.values(patterns, numbers, which) == plain.values(patterns, numbers, which)


def test_a_window_that_the_program_does_not_have_is_refused() -> None:
    convolution = Convolution([[1, 2]], (1, 16), (15,), (2,), (1,), (0,), (1,))
    net = Network(16, [Affine((0,), (convolution,), [0.0] * 15)])
    program = net.program(sx.Slice([0] * 16, [[1] * 16, [*range(16)]], sx.square(1)))
    with pytest.raises(sx.InputError, match="other values"):
        Decider(program, windows={1: Windows(convolution.reads(3))})


def test_differences_of_values() -> None:
    """The numbers of `compare` behave like those of cuts, also where the two values' denominators differ."""
    net = Network(2, [Affine((0,), ([["1/3", 0], [0, 1]],), [0, 0]), Piecewise.relu(1), Affine((2,), ([[1, 1]],), [0])])
    decider = Decider(net.program())
    first = decider.compare(np.array([[2, 3], [0, 2], [6, 0]]))
    patterns = [bytes([2, 2])]
    (a, b, c), (d, e, f), (g, h, i) = decider.forms(patterns, np.arange(first, first + 3), np.zeros(3, np.int64))
    assert (a * 3, c, e, f, i) == (-b, 0, 0, 0, 0)
    assert a > 0
    assert d > 0
    assert (3 * g, h > 0) == (-2 * h, True)
