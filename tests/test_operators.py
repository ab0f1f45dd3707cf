"""Weights in float64: each operator is its matrix, and its norms are upper bounds."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

from splinecam_exact.arrays import ExactArray
from splinecam_exact.weights import Convolution, Selection

torch = pytest.importorskip("torch")


from splinecam_exact.verify import operators, rigor  # noqa: E402
from splinecam_exact.verify.operators import operator, roundings, scaled, summed  # noqa: E402
from splinecam_exact.verify.rigor import transform_norm  # noqa: E402

CPU = torch.device("cpu")


@st.composite
def weights(draw: st.DrawFn) -> Any:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["dense", "diagonal", "selection", "convolution"]))
    if kind == "dense":
        return ExactArray.of(random.normal(size=(3, draw(st.integers(1, 6)))))
    if kind == "diagonal":
        return ExactArray.of(random.normal(size=4))
    if kind == "selection":
        return Selection(random.integers(-1, 4, 7), 4)
    dimensions, groups = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    window = tuple(random.integers(1, 4, dimensions).tolist())
    sizes = [tuple(random.integers(1, high, dimensions).tolist()) for high in (5, 5, 3, 3)]
    channels = groups * int(random.integers(1, 3))
    kernel = random.normal(size=(groups * 2, channels // groups * prod(window)))
    padding = tuple(random.integers(0, 3, dimensions).tolist())
    image, output, stride, dilation = sizes
    return Convolution(kernel, (channels, *image), output, window, stride, padding, dilation, groups)


def matrix(weight: Any) -> np.ndarray:
    if isinstance(weight, Selection):
        return np.array([[float(j == k) for k in range(weight.inputs)] for j in weight.indices.tolist()])
    if isinstance(weight, Convolution):
        den = weight.numerators()[0]
        return np.array([[float(mpq(w, den)) for w in row] for row in weight.matrix()])
    return np.array(weight.floats) if len(weight.shape) == 2 else np.diag(weight.floats)


@settings(max_examples=max(30, settings().max_examples))
@given(weights(), st.integers(1, 6), st.booleans(), st.integers(0, 2**32))
def test_operators_are_their_matrices(weight: Any, most: int, close: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    found, truth = operator(weight, CPU, close), matrix(weight)
    x, y = random.normal(size=(3, truth.shape[1])), random.normal(size=truth.shape[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operators, "LONG", most)
        patch.setattr(operators, "SHORT", most)
        sums = found.add(torch.from_numpy(y), torch.from_numpy(x), None)
    assert np.allclose(sums.numpy(), y + x @ truth.T, atol=1e-12)
    back = random.normal(size=(2, truth.shape[0]))
    assert np.allclose(found.transposed(torch.from_numpy(back)).numpy(), back @ truth, atol=1e-12)
    assert found.back >= np.count_nonzero(truth, axis=0).max() or isinstance(weight, Convolution)
    assert np.linalg.norm(truth, 2) <= found.norm
    assert np.linalg.norm(abs(truth), 2) <= found.sum
    assert (np.linalg.norm(truth, axis=1) <= found.rows.numpy()).all()


@pytest.mark.parametrize("window", [(1,), (2,), (3,), (5,), (11,), (3, 3), (2, 3), (7, 7), (3, 3, 3)])
@pytest.mark.parametrize("kind", ["random", "smooth", "alternating", "one"])
def test_norms_of_convolutions_are_close_upper_bounds(window: tuple[int, ...], kind: str) -> None:
    """Against the largest singular value of the transform on a fine grid."""
    random = np.random.default_rng(len(window))
    kernel = random.normal(size=(3, 2, *window))
    if kind != "random":
        signs = np.indices(window).sum(0)
        kernel = np.broadcast_to({"smooth": 1.0, "alternating": (-1.0) ** signs, "one": signs == 0}[kind], kernel.shape)
    fine = [1 if k == 1 else {1: 512, 2: 48, 3: 16}[len(window)] for k in window]
    transform = np.moveaxis(np.fft.fftn(kernel, fine, axes=range(2, 2 + len(window))), (0, 1), (-2, -1))
    truth = np.linalg.norm(transform, 2, axis=(-2, -1)).max()
    flat = torch.from_numpy(np.array(kernel, float).reshape(3, -1))
    found = transform_norm(flat, window, 1e3)
    assert truth <= found <= 1.03 * truth / rigor.OVERSHOOT ** len(window)


def test_norms_that_cost_too_much_or_are_out_of_range_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = torch.ones((2, 9), dtype=torch.float64)
    assert transform_norm(kernel, (3, 3), 2.0**500) == 2.0**500
    assert transform_norm(kernel, (3, 3), 1.0) == 1.0  # the norm is larger: what is known is kept
    monkeypatch.setattr(rigor, "COSTLY", 1)
    assert transform_norm(kernel, (3, 3), 100.0) == 100.0


@given(st.integers(1, 300), st.integers(1, 70))
def test_sums_in_parts_have_every_term_once_and_pass_so_many_roundings(terms: int, most: int) -> None:
    ones = torch.ones((1, terms), dtype=torch.float64)
    depth: dict[int, int] = {}

    def product(part: slice) -> Any:
        for k in range(part.start, part.stop):
            depth[k] = depth.get(k, 0) + part.stop - part.start
        return ones[:, part].sum(1)

    assert float(summed(product, 0, terms, most)) == terms
    assert sorted(depth) == list(range(terms))
    assert max(depth.values()) <= min(terms, most)
    parts = -(-terms // most)
    assert max(depth.values()) <= roundings(terms, most) <= most + max(0, (2 * parts - 1).bit_length())


def test_factors_are_joined_only_where_products_keep_relative_accuracy() -> None:
    convolution = Convolution([[1.0, 2.0]], (1, 3), (2,), (2,), (1,), (0,), (1,))
    joined = scaled(convolution, torch.tensor([3.0, 3.0], dtype=torch.float64), True)
    assert joined is not None
    assert joined.add(torch.zeros(2), torch.tensor([[1.0, 1, 1]], dtype=torch.float64), None).tolist() == [[9.0, 9.0]]
    for weight, factors in (
        (convolution, [3.0, 4.0]),
        (convolution, [2.0**-950, 2.0**-950]),
        (ExactArray.of([["1/3", 1]]), [1.0]),
        (ExactArray.of([1.0]), [1.0]),
        (Selection([0], 1), [1.0]),
    ):
        assert scaled(weight, torch.tensor(factors, dtype=torch.float64), True) is None
