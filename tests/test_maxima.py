"""Max groups and convolutions in the fast path: equal to the exact kernel, and every bound holds."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.weights import Convolution, Selection

torch = pytest.importorskip("torch")


from planted import STAGES, exact_form  # noqa: E402
from test_verify import watched  # noqa: E402

from splinecam_exact.verify import engine, maxima, rigor  # noqa: E402
from splinecam_exact.verify.engine import Engine  # noqa: E402
from splinecam_exact.verify.slopes import Slopes  # noqa: E402

CPU = torch.device("cpu")


def assert_certified_is_rational(net: Network, dom: Any) -> sx.Subdivision:
    part = sx.partition(net, dom, "certified")
    assert exact_form(part) == exact_form(sx.partition(net, dom, "rational"))
    return part


def numbers(random: np.random.Generator, shape: tuple[int, ...] | int, whole: bool) -> np.ndarray:
    return random.integers(-2, 3, shape).astype(float) if whole else random.normal(size=shape)


def maxout(seed: int, whole: bool = False, head: bool = False) -> tuple[Network, Any]:
    """Two layers of groups of 1 to 4 members; with `whole`, weights are small integers, so there are many ties."""
    random = np.random.default_rng(seed)
    nodes: list[Any] = []
    width = 2
    for _ in range(2):
        sizes = random.integers(1, 5, random.integers(2, 5)).tolist()
        total = sum(sizes)
        bias = numbers(random, total, whole) * random.integers(0, 2)
        nodes.append(Affine((len(nodes),), (numbers(random, (total, width), whole),), bias))
        ends = np.cumsum([0, *sizes]).tolist()
        nodes.append(Max(len(nodes), tuple(tuple(range(i, j)) for i, j in pairwise(ends))))
        width = len(sizes)
    net = Network(2, nodes)
    return (net.with_head("argmax") if head else net), sx.square(1)


def pooled(seed: int, whole: bool = False, units: Piecewise | None = None) -> tuple[Network, Any]:
    """A convolution, units, max pooling 2x2 with stride 1 or 2, a convolution, ReLU, on a slice."""
    random = np.random.default_rng(seed)
    first = Convolution(numbers(random, (2, 9), whole), (1, 4, 4), (4, 4), (3, 3), (1, 1), (1, 1), (1, 1))
    nodes: list[Any] = [Affine((0,), (first,), np.repeat(numbers(random, 2, whole), 16) * random.integers(0, 2))]
    if units is not None:
        nodes.append(units.moved(1))
    step = int(random.integers(1, 3))
    size = (4 - 2) // step + 1
    corners = [(c, i * step, j * step) for c in range(2) for i in range(size) for j in range(size)]
    windows = [tuple(16 * c + 4 * (i + a) + j + b for a in (0, 1) for b in (0, 1)) for c, i, j in corners]
    nodes.append(Max(len(nodes), tuple(windows)))
    second = Convolution(numbers(random, (2, 8), whole), (2, size, size), (1, 1), (2, 2), (2, 2), (0, 0), (1, 1))
    nodes += [Affine((len(nodes),), (second,), [0, 0]), Piecewise.relu(len(nodes) + 1)]
    origin, s, t = (numbers(random, 16, whole) for _ in range(3))
    s[0], t[0], t[1] = 1, 0, 1  # so that they are independent
    return Network(16, nodes), sx.Slice(origin, [s, t], sx.square(1))


UNITS = {
    "none": None,
    "relu": Piecewise.relu(),
    "leaky": Piecewise.leaky_relu("1/10"),
    "hardtanh": Piecewise.hardtanh(-1, 1),
    "abs": Piecewise.absolute(),
}


@settings(max_examples=max(10, settings().max_examples // 3))
@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_maxout_is_that_of_the_kernel(seed: int, whole: bool, head: bool) -> None:
    assert_certified_is_rational(*maxout(seed, whole, head))


@pytest.mark.parametrize("units", UNITS)
@settings(max_examples=max(5, settings().max_examples // 20))
@given(st.integers(0, 2**32), st.booleans())
def test_max_pooling_is_that_of_the_kernel(units: str, seed: int, whole: bool) -> None:
    assert_certified_is_rational(*pooled(seed, whole, UNITS[units]))


def test_few_cells_need_the_kernel() -> None:
    """Generic networks are cut by the fast engine, but for faces where three members meet."""
    parts = [sx.partition(*pooled(seed, False, Piecewise.relu())) for seed in range(8)]
    assert 0 < sum(part.report.repaired for part in parts) * 10 < sum(len(part.faces) for part in parts)
    assert sum(part.report.exact for part in parts) < 50


DEGENERATE = {
    "all members are one value": [Affine((0,), ([[1, 2]] * 3,), [1, 1, 1]), Max(1, ((0, 1, 2), (2, 0)))],
    "a tie on a diagonal": [Max(0, ((0, 1),))],
    "three meet in a corner": [Affine((0,), ([[1, 0], [0, 1], [1, 1]],), [1, 1, 2]), Max(1, ((0, 1, 2),))],
    "an island": [
        Affine((0,), ([[1, 0], [-1, 1], [-1, -1], [0, 0]],), [0, 0, 0, "1/4"]),
        Max(1, ((0, 1, 2, 3),)),
    ],
    "a strip": [Affine((0,), ([[4, 0], [-4, 0], [0, 0]],), [0, 0, 1]), Max(1, ((0, 1, 2),))],
    "a strip that one edge crosses twice": [
        Affine((0,), ([[4, 1], [-4, 1], [0, 0]],), [-1, -1, 0]),
        Max(1, ((0, 1, 2),)),
    ],
    "zeros of two units": [
        Affine((0,), ([[1, 0], [0, 1], [1, 1]],), [0, 0, -3]),
        Piecewise.relu(1),
        Max(2, ((0, 1, 2), (0, 2), (1,))),
    ],
    "a branch cancels": [
        Affine((0,), ([[1, 1], [1, -1]],), [0, 0]),
        Piecewise.relu(1),
        Affine((2, 2, 1), ([1, 1], [-1, -1], [0, 1]), [0, 0]),
        Max(3, ((0, 1),)),
        Piecewise.relu(4),
    ],
    "of maxima": [Affine((0,), ([[1, 0], [0, 1], [1, 1]],), [0, 0, 0]), Max(1, ((0, 1), (1, 2))), Max(2, ((0, 1),))],
    "nothing and copies": [
        Affine((0,), ([[1, 0], [0, 1]],), [0, 0]),
        Piecewise.relu(1),
        Affine((2,), (Selection([0, -1, 1, 0], 2),), [0, 0, 0, 0]),
        Max(3, ((0, 1), (0, 2, 3), (1,))),
    ],
    "a constant, and a kernel that is 0": [
        Affine((0,), (Convolution([[0, 0], [1, -1]], (1, 2), (1,), (2,), (1,), (0,), (1,)),), ["1/3", 0]),
        Max(1, ((0, 1),)),
    ],
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_groups(name: str) -> None:
    assert_certified_is_rational(Network(2, DEGENERATE[name]), sx.square(1))
    assert_certified_is_rational(Network(2, DEGENERATE[name]), sx.Polygon([(0, 0), (1, 0), ("1/2", 1)]))


@pytest.mark.parametrize("members", [8, 9, 16, 33, 63])
def test_states_of_every_width(members: int) -> None:
    """Tangents of a parabola: each is the largest on a strip."""
    slopes = [Fraction(k, members) for k in range(members)]
    first = Affine((0,), ([[2 * s, 0] for s in slopes],), [-s * s for s in slopes])
    part = sx.partition(Network(2, [first, Max(1, (tuple(range(members)),))]), sx.Polygon([(0, 0), (1, 0), (0, 1)]))
    assert part.counts()["A"] == members
    assert sorted(int(face.pattern[0]) for face in part.faces) == [1 << k for k in range(members)]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [(engine, "HOPELESS", 10**9), (engine, "WORN", 0.0), (rigor, "CHUNK", {"cpu": 1}), (engine, "OPEN", 10**9)],
)
def test_no_tuning_changes_a_result(place: object, name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [maxout(3), maxout(4, True), pooled(5, False, Piecewise.relu()), pooled(6, True, Piecewise.relu())]
    truth = [exact_form(sx.partition(net, dom, "rational")) for net, dom in cases]
    monkeypatch.setattr(place, name, value)
    assert [exact_form(sx.partition(net, dom, "certified")) for net, dom in cases] == truth


def test_without_what_is_known_to_be_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then ties of units that are off are decided exactly, or by the kernel."""
    net, dom = pooled(1, False, Piecewise.relu())
    truth = exact_form(sx.partition(net, dom, "rational"))
    monkeypatch.setattr(maxima, "zeros", lambda state, number: None)
    part = sx.partition(net, dom)
    assert exact_form(part) == truth
    assert part.report.exact + part.report.repaired > 50


TINY_BIAS = Fraction(1, 2**1200)


@pytest.mark.parametrize("weight", [[1, 1], Selection([0, 1], 2)], ids=["diagonal", "selection"])
@pytest.mark.parametrize(
    "corners", [[(-1, -1), ("-1/2", -1), ("-1/2", 1), (-1, 1)], [(-1, -1), (1, -1), (1, 1), (-1, 1)]]
)
def test_a_bias_that_rounds_to_zero_is_none(weight: Any, corners: Any) -> None:
    """Else units that are off would be known to tie."""
    nodes = [
        Affine((0,), ([[1, 0], [0, 1]],), [0, 0]),
        Piecewise.relu(1),
        Affine((2,), (weight,), [TINY_BIAS, 0]),
        Max(3, ((0, 1),)),
    ]
    assert_certified_is_rational(Network(2, nodes), sx.Polygon(corners))


@pytest.mark.parametrize("last", ["relu", "max"])
def test_slopes_of_values_whose_squares_underflow(last: str) -> None:
    """A unit 2^-560 (x - c) where two lines that are nearly parallel meet: its slope must not be taken for 0."""
    small = 2.0**-560
    for seed in range(12):
        random = Random(seed)
        slope, offset, shift = random.uniform(-1, 1), random.uniform(-0.3, 0.3), random.uniform(-0.5, 0.5)
        weight = [[-slope, 1.0], [-(slope + 1e-6), 1.0]]
        bias = [-offset, -offset + 1e-6 * shift]
        meeting = (Fraction(bias[1]) - Fraction(bias[0])) / (Fraction(weight[0][0]) - Fraction(weight[1][0]))
        place = float(meeting) + random.uniform(-3e-11, 3e-11)
        for _ in range(4):
            weight.append([random.gauss(0, 1), random.gauss(0, 1)])
            bias.append(random.gauss(0, 0.5))
        nodes = [Affine((0,), (weight,), bias), Piecewise.relu(1)]
        if last == "relu":
            nodes += [Affine((0,), ([[small, 0.0]],), [-place * small]), Piecewise.relu(3)]
        else:
            nodes += [Affine((0,), ([[small, 0.0], [0, 0]],), [-place * small, 0]), Max(3, ((0, 1),))]
        assert_certified_is_rational(Network(2, nodes), sx.square(1))


@pytest.mark.parametrize("scale", [1.0, 2.0**-640])
def test_bounds_hold_behind_maxima_whatever_is_proposed(scale: float) -> None:
    """The fast engine puts crossings anywhere; with the small scale, the squares of what that costs underflow."""
    module, attribute, make = STAGES["crossing anywhere"]
    honest = maxima.largest_values
    for seed in range(12):
        random = np.random.default_rng(seed)
        nodes = [
            Affine((0,), (random.normal(size=(4, 2)) * scale,), random.normal(size=4) * scale * 0.3),
            Max(1, ((0, 1), (2, 3))),
            Affine((2,), (random.normal(size=(3, 2)),), random.normal(size=3) * 0.1 * scale),
            Piecewise.relu(3),
        ]

        def compared(state: Any, step: Any, field: Any) -> Any:
            found = honest(state, step, field)
            state.compare({state.values.steps.index(step) + 1: found})
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "largest_values", compared)
            patch.setattr(module, attribute, make(Random(seed)))
            watched(Network(2, nodes), sx.square(1), seed)


@settings(max_examples=max(5, settings().max_examples // 10))
@given(st.integers(0, 2**32), st.booleans())
def test_bounds_hold_for_maxima_and_convolutions(seed: int, whole: bool) -> None:
    assert watched(*maxout(seed, whole), seed).compared > 0
    assert watched(*pooled(seed, whole, Piecewise.relu()), seed).compared > 0


@pytest.mark.parametrize("seed", range(3))
def test_slopes_are_those_of_the_faces_or_more(seed: int) -> None:
    net, dom = pooled(seed, False, Piecewise.relu())
    running = Engine(net, dom, CPU, True)
    running.run()
    random = Random(seed)
    mesh, number = running.mesh, len(net.nodes)
    field = running.values._field(running.values.steps[0], running.values.fields, False)  # the slice: affine everywhere
    slopes = Slopes(mesh, field)
    forms = Forms(running.exactly.program)
    (pattern,) = running.history.patterns(np.array([0]))
    forms.move(pattern, number)
    vertices = torch.tensor([random.randrange(len(mesh.x)) for _ in range(40)])
    values = torch.tensor([random.randrange(field.width) for _ in range(40)])
    found = slopes.at(vertices, values).tolist()
    for value, bound in zip(values.tolist(), found, strict=True):
        first = running.exactly.program.steps[0].first + value
        den = int(running.exactly.program.denominator[first])
        a, b, _ = (Fraction(int(q), den) for q in forms.unpack(forms.values[first]))
        assert a * a + b * b <= Fraction(bound) ** 2
        assert float(a * a + b * b) ** 0.5 * 1.5 + 1e-6 > bound  # and no more than a little more
