"""Values as differences to those at the domain's centre, and sums of two float64. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import splinecam_exact as sx  # noqa: E402
from splinecam_exact.arrays import ExactArray  # noqa: E402
from splinecam_exact.certification import canonical_form  # noqa: E402
from splinecam_exact.network import Network  # noqa: E402
from splinecam_exact.nodes import Affine, Max, Piecewise  # noqa: E402
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks  # noqa: E402
from splinecam_exact.verify import centre  # noqa: E402
from splinecam_exact.verify.engine import Engine  # noqa: E402
from splinecam_exact.verify.operators import operator  # noqa: E402
from splinecam_exact.verify.pairs import exact_product, pair_of, two_product, two_sum  # noqa: E402
from splinecam_exact.verify.rigor import norms  # noqa: E402
from splinecam_exact.verify.steps import Bent, Field, moved  # noqa: E402
from splinecam_exact.weights import Convolution, Selection  # noqa: E402

CPU = torch.device("cpu")
numbers = st.floats(-(2.0**300), 2.0**300).filter(lambda q: q == 0 or abs(q) > 2.0**-300)


@given(numbers, numbers)
def test_sums_and_products_of_floats_are_exact(a: float, b: float) -> None:
    p, q = torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)
    for (high, low), true in (
        (two_sum(p, q), Fraction(a) + Fraction(b)),
        (two_product(p, q), Fraction(a) * Fraction(b)),
    ):
        assert Fraction(float(high)) + Fraction(float(low)) == true
        assert float(high) == float(true)


@given(st.lists(st.tuples(st.booleans(), numbers), max_size=8))
def test_pairs_hold_what_they_say(steps: list[tuple[bool, float]]) -> None:
    found, true = pair_of(torch.tensor([1 / 3], dtype=torch.float64)), Fraction(1 / 3)
    for product, q in steps:
        number = torch.tensor([q], dtype=torch.float64)
        found, true = (found.times(number), true * Fraction(q)) if product else (found.plus(number), true + Fraction(q))
        if not bool(torch.isfinite(found.high + found.low + found.error)):
            return
        high, low, error = (Fraction(float(part)) for part in found)
        assert abs(high + low - true) <= error


def weights(random: Any, scale: float) -> Iterator[Any]:
    yield ExactArray.of(random.normal(size=(3, 700)) * scale)
    yield ExactArray.of(random.normal(size=(4, 5)) * 10.0 ** random.integers(-12, 3, size=(4, 5)) * scale)
    yield ExactArray.of([[Fraction(int(p), 3) for p in row] for row in random.integers(-9, 9, size=(4, 5))])
    yield ExactArray.of(random.normal(size=5) * scale)
    yield ExactArray.of([Fraction(1, 3), Fraction(2, 7)])
    yield Selection([2, -1, 0, 0, 4], 5)
    for groups in (1, 2):
        yield Convolution(
            random.normal(size=(4, 36 // groups)) * scale, (4, 6, 5), (3, 4), (3, 3), (2, 1), (1, 0), (1, 1), groups
        )


def rows_of(weight: Any, inputs: int) -> list[list[Fraction]]:
    """A weight as a matrix."""
    size = weight.shape[0]
    found = [[Fraction(0)] * inputs for _ in range(size)]
    for j in range(inputs):
        unit = [0] * inputs
        unit[j] = 1
        net = Network(inputs, [Affine((0,), (weight,), [0] * size)])
        for row, value in zip(found, net.evaluate(unit), strict=True):
            row[j] = Fraction(int(value.numerator), int(value.denominator))
    return found


@pytest.mark.parametrize("scale", [1.0, 1e-60, 1e80])
def test_products_with_vectors_are_close_to_the_exact_ones(scale: float) -> None:
    random = np.random.default_rng(0)
    for weight in weights(random, scale):
        inputs = weight.shape[-1]
        matrix, op = rows_of(weight, inputs), operator(weight, CPU, False)
        for spread in (0, 6, 40):
            vector = random.normal(size=inputs) * 10.0 ** random.integers(-spread, spread + 1, size=inputs)
            found = exact_product(op, torch.from_numpy(vector))
            x = [Fraction(q) for q in vector.tolist()]
            largest = max(abs(q) for q in x)
            for row, high, low, error in zip(matrix, *(part.tolist() for part in found), strict=True):
                true = sum((w * q for w, q in zip(row, x, strict=True)), Fraction(0))
                assert abs(Fraction(high) + Fraction(low) - true) <= Fraction(error)
                if op.exact:
                    assert (
                        Fraction(error)
                        <= max(map(abs, row)) * largest * inputs * Fraction(2) ** -83 + Fraction(2) ** -700
                    )


@pytest.mark.parametrize("huge", [1e-200, 1e200])
def test_nothing_is_said_out_of_range(huge: float) -> None:
    op = operator(ExactArray.of([[huge, 1.0]]), CPU, False)
    small = operator(ExactArray.of([[huge, huge]]), CPU, False)
    assert not bool(torch.isfinite(exact_product(small, torch.ones(2, dtype=torch.float64)).error).all())
    vector = torch.tensor([huge, huge], dtype=torch.float64)
    assert not bool(torch.isfinite(exact_product(op, vector).error).all())


def test_moved_units() -> None:
    random = Random(0)
    for _ in range(100):
        m = random.choice((1, 2, 4))
        places = sorted(random.sample([Fraction(k, 7) for k in range(-20, 20)], m))
        slopes = [Fraction(random.randrange(-9, 9), 3) for _ in range(m + 1)]
        node = Piecewise.of([places], [slopes], [Fraction(1, 3)])
        references = [random.choice((0.0, float(random.choice(places)), random.gauss(0, 3))) for _ in range(3)]
        levels, high, low = moved(node, references)
        for r, row, first, rest in zip(references, levels, high, low, strict=True):
            (true,) = Network(1, [node]).evaluate([r])
            assert row == [float(p - Fraction(r)) for p in places]
            assert first == float(true)
            assert rest == float(Fraction(int(true.numerator), int(true.denominator)) - Fraction(first))


@pytest.mark.parametrize("seed", range(60))
def test_rounding_of_units_with_references(seed: int) -> None:
    """Values and heights against exact ones, at breakpoints and beside them."""
    random = Random(seed)
    scale = random.choice((1.0, 1e-10, 1e10, 1e-200, 1e100))
    count = random.choice((1, 2, 4))
    places = sorted({Fraction(random.gauss(0, 1) * scale) / 3 for _ in range(count)})
    node = Piecewise.of([places], [[Fraction(random.randrange(-9, 9), 3) for _ in range(count + 1)]], ["1/3"])
    if seed % 3 == 0:
        node, places = Piecewise.relu(), [Fraction(0)]
    for reference in (float(places[0]), float(places[0]) * (1 + 2**-40), random.gauss(0, 1) * scale, -1e3 * scale):
        units = Bent(0, node, CPU, torch.tensor([reference], dtype=torch.float64))
        near = [float(p - Fraction(reference)) * f for p in places for f in (0.3, 1, 1 + 2**-52, 1 - 2**-52, -2, 7)]
        for t in near:
            point = torch.tensor([[t]], dtype=torch.float64)
            field = Field(point, 0.0, 1.0, float(norms(point)))
            x = Fraction(t) + Fraction(reference)
            (true,) = Network(1, [node]).evaluate([x])
            true = Fraction(int(true.numerator), int(true.denominator)) - Fraction(float(units.reference[0]))
            assert abs(Fraction(float(units([point]))) - true) <= Fraction(units.bounds([field])[0])
            (errors, _), heights = units.cut_bounds(field), units.heights(point).rows(0, 1)[0]
            for height, error, place in zip(heights.tolist(), errors.tolist(), places, strict=True):
                assert abs(Fraction(height) - (x - place)) <= Fraction(error)


def test_no_references_where_they_are_known_too_badly() -> None:
    """A weight out of range: values are as before, with bounds."""
    first = [[1.0, 2.0], [0.5, 1.0]]
    net = sx.from_layers([(first, [1, 1]), ([[1e-95, 1e-95], [2e-95, 1e-95]], [1e-95, 1e-95]), ([[1, 1]], [0])])
    dom = sx.Polygon([("1/3", "1/3"), ("1/2", "1/3"), ("1/3", "1/2")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(centre, "FAR", 0)
        engine = Engine(net, dom, CPU, True)
    assert all(step.reference is None for step in engine.values.steps)


# -- the same subdivision, with and without


def subdivisions(net: Network, dom: Any) -> tuple[Any, list[Any]]:
    """In mode rational, and in mode certified with and without references; whether they were used is asserted."""
    truth, found = sx.partition(net, dom, "rational"), []
    for far in (0, 2.0**1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(centre, "FAR", far)
            found.append(sx.partition(net, dom, "certified"))
    return truth, found


@settings(max_examples=max(5, settings().max_examples // 2))
@given(degenerate_networks())
def test_degenerate_networks(plain: PlainNetwork) -> None:
    truth, found = subdivisions(plain.network(), plain.domain())
    for part in found:
        assert canonical_form(part) == canonical_form(truth)


def nodes_of_all_kinds(seed: int) -> list[Any]:
    """Convolutions that are scaled, units of many shapes, maxima of overlapping groups, a skip connection."""
    random = np.random.default_rng(seed)
    first = Affine((0,), (random.normal(size=(32, 2)),), random.normal(size=32) * 5)
    kernel = Convolution(random.normal(size=(2, 18)), (2, 4, 4), (4, 4), (3, 3), (1, 1), (1, 1), (1, 1))
    convolved = Affine((1,), (kernel,), random.normal(size=32) * 9)
    scaled = Affine((2,), (random.normal(size=2).repeat(16),), random.normal(size=32))
    units = random.choice(np.array(["relu", "leaky", "tanh", "abs", "prelu"]))
    bent = {
        "relu": Piecewise.relu(3),
        "leaky": Piecewise.leaky_relu("1/100", 3),
        "tanh": Piecewise.hardtanh(-1, "7/3", 3),
        "abs": Piecewise.absolute(3),
        "prelu": Piecewise.prelu(random.normal(size=32).tolist(), 3),
    }[str(units)]
    groups = tuple((k, k + 1, (k + 5) % 32) for k in range(0, 31, 2))
    last = Affine((5, 4), (random.normal(size=(6, 16)), random.normal(size=(6, 32))), random.normal(size=6))
    return [first, convolved, scaled, bent, Max(4, groups), last, Piecewise.relu(6), Max(7, ((0, 1, 2), (3, 4, 5)))]


@pytest.mark.parametrize("radius", ["1/2", "1/1000", "1/100000000"])
@pytest.mark.parametrize("seed", range(4))
def test_nodes_of_all_kinds_on_small_domains(seed: int, radius: str) -> None:
    """The domain is around a vertex of a subdivision, so there is something to cut."""
    net = Network(2, nodes_of_all_kinds(seed))
    points = [tuple(map(int, q)) for q in sx.partition(net, sx.square(4), "rational").geometry.points]
    inside = [(Fraction(x, w), Fraction(y, w)) for x, y, w in points if max(abs(x), abs(y)) < 4 * w]
    x, y = inside[len(inside) // 2]
    r = Fraction(radius)
    dom = sx.Polygon([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)])
    truth, found = subdivisions(net, dom)
    assert len(truth.faces) > 1
    for part in found:
        assert canonical_form(part) == canonical_form(truth)


class Noted(Engine):
    """An engine that remembers the bounds before each layer of units."""

    def _cut(self, step: Any, field: Any, *rest: Any) -> None:
        self.errors = [*getattr(self, "errors", []), field.error]
        super()._cut(step, field, *rest)


def test_deep_networks_on_small_slices_have_small_bounds() -> None:
    random = np.random.default_rng(3)
    widths = [40, *[64] * 12, 3]
    layers = [(random.normal(size=(m, n)) * (2 / n) ** 0.5, random.normal(size=m)) for n, m in pairwise(widths)]
    net = sx.from_layers(layers)
    dom = sx.Slice(random.normal(size=40) * 10, random.normal(size=(2, 40)), sx.square(0.03))
    engines = []
    for far in (2.0**1000, centre.FAR):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(centre, "FAR", far)
            engines.append(Noted(net, dom, CPU, True))
        engines[-1].run()
    plain, small = engines
    assert plain.mesh.faces == small.mesh.faces > 1
    assert len(small.errors) == 12
    assert all(q < p / 50 for p, q in zip(plain.errors, small.errors, strict=True))


def test_values_are_as_before_where_the_domain_is_not_small() -> None:
    engine = Engine(sx.from_layers([([[1, 2], [3, 4]], [0.5, 0]), ([[1, 1]], [0])]), sx.square(1), CPU, True)
    assert all(step.reference is None for step in engine.values.steps)
