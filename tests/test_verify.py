"""Certified results: every bound holds in exact arithmetic, and the result is that of the exact kernel."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import cos, sin
from random import Random
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.decide import Decider, Enclosure, Maps
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.testing.known_answers import KnownAnswer, known_answers
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

torch = pytest.importorskip("torch")


from planted import exact_form  # noqa: E402

from splinecam_exact.verify import centre  # noqa: E402
from splinecam_exact.verify import engine as engine_module  # noqa: E402
from splinecam_exact.verify import refresh as refresh_module  # noqa: E402
from splinecam_exact.verify.engine import Engine  # noqa: E402
from splinecam_exact.verify.operators import Dense  # noqa: E402
from splinecam_exact.verify.refresh import _meeting, direction_of, refresh  # noqa: E402
from splinecam_exact.verify.rigor import norms, spectral_norm  # noqa: E402
from splinecam_exact.verify.steps import Bent, Field, Linear  # noqa: E402

CPU = torch.device("cpu")
INFINITE = float("inf")


def assert_certified_is_rational(net: Network, dom: Any) -> sx.Subdivision:
    part = sx.partition(net, dom, "certified")
    assert part.certified
    assert part.mode == "certified"
    assert exact_form(part) == exact_form(sx.partition(net, dom, "rational"))
    return part


def random_network(number: int, widths: tuple[int, ...], scales: tuple[float, ...] = ()) -> Network:
    """Layers of these widths, layer k's parameters about scales[k] times as large as usual."""
    random = np.random.default_rng(number)
    factor = 1.0
    layers = []
    for k, (n, m) in enumerate(pairwise(widths)):
        scale = scales[k] if k < len(scales) else 1.0
        factor = min(factor * scale, 1e300)
        layers.append((random.normal(size=(m, n)) * scale, random.normal(size=m) / 2 * factor))
    return sx.from_layers(layers)


# -- equal to the exact kernel


@settings(max_examples=max(10, settings().max_examples // 2))
@given(degenerate_networks())
def test_certified_is_rational_for_degenerate_networks(plain: PlainNetwork) -> None:
    assert_certified_is_rational(plain.network(), plain.domain())


@pytest.mark.parametrize("answer", list(known_answers()), ids=lambda answer: answer.name)
def test_certified_is_right_for_known_answers(answer: KnownAnswer) -> None:
    part = assert_certified_is_rational(sx.from_layers(answer.layers), sx.Polygon(answer.domain))
    assert part.counts() == answer.counts


@pytest.mark.parametrize("number", range(4))
def test_float64_decides_almost_everything_of_a_random_network(number: int) -> None:
    report = assert_certified_is_rational(random_network(number, (2, 8, 7, 6, 1)), sx.square(1)).report
    assert report.float64 > 500
    assert report.wide + report.exact + report.repaired == 0


SCALES = [
    (1e150,),
    (1e-150,),
    (1e150, 1e-150),
    (1e-150, 1e150),
    (1e-160, 1e160),
    (1e-200, 1e200),
    (1e200, 1e-200),
    (1e200, 1e200),
    (1e300,),
    (1e-300, 1e300),
    (1e-308,),
    (1e-320, 1e300),
    (1e-322,),
]


@pytest.mark.parametrize("scales", SCALES)
def test_certified_is_rational_for_huge_and_tiny_weights(scales: tuple[float, ...]) -> None:
    for number in range(3):
        assert_certified_is_rational(random_network(number, (2, 5, 4, 1), scales), sx.square(1))


@pytest.mark.parametrize(
    "radius", [Fraction(1, 10**400), 1e-310, 1e-160, 1e-60, 1e-20, 1e20, 1e60, 1e160, 1e300, 10**400]
)
def test_certified_is_rational_for_huge_and_tiny_domains(radius: object) -> None:
    size = Fraction(radius)  # type: ignore[arg-type]
    random = np.random.default_rng(5)
    first = [[Fraction(w) / size for w in row] for row in random.normal(size=(5, 2))]
    layers = [
        (first, random.normal(size=5) / 2),
        (random.normal(size=(4, 5)), random.normal(size=4)),
        ([[1] * 4], [0]),
    ]
    assert_certified_is_rational(sx.from_layers(layers), sx.square(size))


def test_domain_far_from_the_origin() -> None:
    for shift in (10**6, 10**12, 10**18):
        net = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [-shift, -shift, -2 * shift]), ([[1, -1, 1]], ["-1/3"])])
        corners = [(shift - 1, shift - 1), (shift + 1, shift - 1), (shift + 1, shift + 1), (shift - 1, shift + 1)]
        assert_certified_is_rational(net, sx.Polygon(corners))


LINEAR = Affine((1,), ([[1, -1], [1, 1], [2, "1/3"]],), ["-1/4", "-1/2", "1/10"])
NETWORKS = {
    "units that read the point itself": [
        Piecewise.relu(0),
        LINEAR,
        Piecewise.relu(2),
        Affine((3,), ([[1, 1, 1]],), [0]),
    ],
    "absolute values of the point": [
        Piecewise.absolute(0),
        LINEAR,
        Piecewise.relu(2),
        Affine((3,), ([[1, 1, 1]],), [0]),
    ],
    "maxima of the point": [Max(0, ((0, 1), (0,))), LINEAR, Piecewise.hardtanh("-1/3", "1/5", 2)],
    "a skip connection": [
        Affine((0,), ([[1, 2], [3, -1]],), [0, "1/2"]),
        Piecewise.relu(1),
        Affine((2, 0, 1), ([[1, -1], [1, 1]], [1, "1/2"], [[2, 1], [0, 1]]), ["-1/7", "1/3"]),
        Piecewise.leaky_relu("1/10", 3),
        Affine((4, 3, 2), ([[1, -3]], [[1, 1]], [[-2, 1]]), ["1/9"]),
        Piecewise.relu(5),
    ],
    "units on units": [LINEAR.__class__((0,), LINEAR.weights, LINEAR.bias), Piecewise.relu(1), Piecewise.relu6(2)],
    "nothing to cut": [Affine((0,), ([[1, 1]],), [5]), Piecewise.relu(1)],
    "no units": [Affine((0,), ([[1, 1]],), [5])],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_certified_is_rational_whatever_reads_what(name: str) -> None:
    assert_certified_is_rational(Network(2, NETWORKS[name]), sx.square(1))


def two(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


TWICE = [
    Affine((0,), ([[1, 0], [1 + two(-60), 0]],), [0, 0]),
    Affine((1,), ([[-two(450), two(450)]],), [0]),  # 2^390 x, which float64 computes as 0
]
ROUNDED_AWAY = {
    "a breakpoint far away": [
        Affine((0,), ([[1, 0]],), [0]),
        Piecewise.of([[-two(1000)]], [[0, two(-1080)]], [0], 1),  # 2^-80 + 2^-1080 x
        Affine((2, 0), ([[1]], [[-two(-81) * 4 / 3, 0]]), [0]),
    ],
    "a weight of each value": [
        *TWICE,
        Affine((2,), ([two(-1080)],), [0]),
        Affine((3,), ([[two(590)]],), [-two(-100) * 3 / 2]),
    ],
    "slopes": [
        *TWICE,
        Piecewise.of([[0]], [[two(-1081), two(-1080)]], [0], 2),
        Affine((3,), ([[two(590)]],), [-two(-100) * 3 / 2]),
    ],
    "a slope that is nearly 1": [
        Affine((0,), ([[1, 0], [0, 1]],), [0, 0]),
        *(Piecewise.of([[0]], [[0, 1 + two(-54)]], [0], k) for k in range(1, 60)),
        Affine((60, 0), ([[1, -1]], [[-1, 1 + two(-48)]]), [0]),
    ],
}


@pytest.mark.parametrize("name", ROUNDED_AWAY)
def test_parameters_that_are_no_floats_are_not_taken_for_their_roundings(name: str) -> None:
    """Weights and slopes that round to 0 still multiply errors that are large; each network cuts at x = 3/2."""
    nodes = ROUNDED_AWAY[name]
    net = Network(2, [*nodes, Piecewise.relu(len(nodes))])
    assert_certified_is_rational(net, sx.Polygon([(1, 1), (2, 1), (2, 2), (1, 2)]))


def test_huge_weights_before_maxima() -> None:
    first = Affine((0,), ([[1e200, 1], [1, 1e200]],), [0, 0])
    last = Affine((2,), ([[1e200, -1e200]],), [1])
    assert_certified_is_rational(Network(2, [first, Max(1, ((0, 1), (0,))), last, Piecewise.relu(3)]), sx.square(1))


def test_result_of_a_slice() -> None:
    net = random_network(3, (4, 6, 5, 1))
    dom = sx.Slice([0, "1/3", 1, 0.1], [[1, 0, "1/7", 2], [0, 1, -1, 0.3]], sx.square(1))
    assert assert_certified_is_rational(net, dom).report.repaired == 0


# -- the bounds, in exact arithmetic


class Watched(Engine):
    """An engine that compares its bounds with exact arithmetic, at some vertices, whenever it has computed a node."""

    def __init__(self, net: Network, dom: Any, random: Random) -> None:
        super().__init__(net, dom, CPU, True)
        self.random, self.compared = random, 0
        step = self.values.step

        def watched(number: int, alone: bool = False) -> None:
            step(number, alone)
            self.compare({number: self.values.fields[number]})

        self.values.step = watched  # type: ignore[method-assign]

    def _layer(self, *arguments: Any) -> None:
        super()._layer(*arguments)
        self.compare({number: field for number, field in self.values.fields.items() if number})

    def compare(self, fields: dict[int, Field]) -> None:
        mesh, program = self.mesh, self.exactly.program
        done = max(fields, default=0)
        inserted = len(self.values.steps) - len(program.steps)
        face, following = mesh.face().tolist(), mesh.next().tolist()
        for h in self.random.sample(range(len(face)), min(12, len(face))):
            v, w = int(mesh.origin[h]), int(mesh.origin[following[h]])
            (pattern,) = self.history.patterns(np.array([face[h]]))
            forms = Forms(program)
            forms.move(pattern, max(0, done - inserted))
            x = [Fraction(c) for c in mesh.x[v].tolist()]
            for number, field in fields.items():
                if not (field.error < INFINITE and field.lipschitz < INFINITE):
                    continue
                place = number - inserted
                first = program.steps[place - 1].first if place else 0
                rows = []
                reference = self.values.steps[number - 1].reference
                for k in range(first, first + field.width):
                    a, b, c = (Fraction(int(q), int(program.denominator[k])) for q in forms.unpack(forms.values[k]))
                    c -= 0 if reference is None else Fraction(float(reference[k - first]))
                    rows.append((a, b, a * x[0] + b * x[1] + c))
                self.compare_field(field, [Fraction(q) for q in field.value[v].tolist()], rows)
            self.compare_place(h, v, w, face[h], x)

    def compare_field(
        self, field: Field, values: list[Fraction], rows: list[tuple[Fraction, Fraction, Fraction]]
    ) -> None:
        self.compared += 1
        gaps = [(value - true) ** 2 for value, (_, _, true) in zip(values, rows, strict=True)]
        assert sum(gaps) <= Fraction(field.error) ** 2
        assert sum(value**2 for value in values) <= Fraction(field.size) ** 2
        for gap, error, (a, b, _), steep in zip(
            gaps, field.rows_error.tolist(), rows, field.rows_lipschitz.tolist(), strict=True
        ):
            assert error == INFINITE or gap <= Fraction(error) ** 2
            assert a**2 + b**2 <= Fraction(steep) ** 2
        p, r = (sum(row[k] ** 2 for row in rows) for k in (0, 1))
        q = sum(a * b for a, b, _ in rows)
        most = Fraction(field.lipschitz) ** 2
        assert 2 * most >= p + r
        assert (most - p) * (most - r) >= q**2

    def compare_place(self, h: int, v: int, w: int, face: int, x: list[Fraction]) -> None:
        places = self.exactly.places(np.array([v, w]), np.array([face, face]), self.history.patterns)
        p, q = ((Fraction(int(a), int(c)), Fraction(int(b), int(c))) for a, b, c in places)
        accuracy, line = self.accuracy, int(self.mesh.line[h])
        ball, near, slack = float(accuracy.ball[v]), float(accuracy.near[v]), float(accuracy.slack[line])
        along = q[0] - p[0], q[1] - p[1]
        length = along[0] ** 2 + along[1] ** 2
        if ball < INFINITE:
            assert (x[0] - p[0]) ** 2 + (x[1] - p[1]) ** 2 <= Fraction(ball) ** 2
        if near < INFINITE:
            assert (along[0] * (x[1] - p[1]) - along[1] * (x[0] - p[0])) ** 2 <= Fraction(near) ** 2 * length
        if slack < 0.5:
            d, e = (Fraction(c) for c in accuracy.direction[line].tolist())
            assert (along[0] * e - along[1] * d) ** 2 <= Fraction(slack) ** 2 * (d * d + e * e) * length


def watched(net: Network, dom: Any, seed: int, usual: bool = False) -> Watched:
    """Also with all values less those at the domain's centre, which `usual` numbers allow, on any domain."""
    centred = False
    for far in (0, centre.FAR):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(centre, "FAR", far)
            engine = Watched(net, dom, Random(seed))
        engine.run()
        centred |= any(step.reference is not None for step in engine.values.steps)
    assert centred or not usual
    return engine


@settings(max_examples=max(5, settings().max_examples // 4))
@given(st.integers(0, 2**32), st.sampled_from([(2, 6, 5, 5, 1), (2, 3, 3, 3, 3, 3, 1), (2, 12, 4, 1)]))
def test_bounds_hold_for_random_networks(seed: int, widths: tuple[int, ...]) -> None:
    engine = watched(random_network(seed, widths), sx.square(1), seed, usual=True)
    assert engine.compared > 0
    assert all(field.error < 1e-9 for field in engine.values.fields.values())


@settings(max_examples=max(5, settings().max_examples // 4))
@given(degenerate_networks(), st.integers(0, 2**32))
def test_bounds_hold_for_degenerate_networks(plain: PlainNetwork, seed: int) -> None:
    watched(plain.network(), plain.domain(), seed)


@pytest.mark.parametrize("scales", SCALES)
def test_bounds_hold_for_huge_and_tiny_weights(scales: tuple[float, ...]) -> None:
    for seed in range(2):
        watched(random_network(seed, (2, 5, 4, 4, 1), scales), sx.square(1), seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_bounds_hold_whatever_reads_what(name: str) -> None:
    watched(Network(2, NETWORKS[name]), sx.square(1), 0)


MAGNITUDES = st.sampled_from([1.0, 1.0, 1e10, 1e-10, 1e150, 1e-150, 1e-170, 1e-300, 1e-310, 5e-324])


@st.composite
def matrices(draw: st.DrawFn, rows: int, columns: int) -> Any:
    """Numbers of one magnitude or of several."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    alone = draw(MAGNITUDES)
    scale = [[alone if draw(st.integers(0, 4)) else draw(MAGNITUDES) for _ in range(columns)] for _ in range(rows)]
    return torch.from_numpy(random.normal(size=(rows, columns)) * np.array(scale))


def squares(row: Any) -> Fraction:
    return sum((Fraction(q) ** 2 for q in row.flatten().tolist()), Fraction(0))


@given(matrices(3, 4))
def test_norms_are_upper_bounds(matrix: Any) -> None:
    for row, bound in zip(matrix, norms(matrix).tolist(), strict=True):
        assert squares(row) <= Fraction(bound) ** 2


@given(matrices(2, 5), st.booleans())
def test_spectral_norms_are_upper_bounds(matrix: Any, turned: bool) -> None:
    most = Fraction(spectral_norm(matrix.T.contiguous() if turned else matrix)) ** 2
    p, r = (squares(row) for row in matrix)
    q = sum((Fraction(a) * Fraction(b) for a, b in zip(*matrix.tolist(), strict=True)), Fraction(0))
    assert 2 * most >= p + r
    assert (most - p) * (most - r) >= q**2


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (64, 64)])
def test_spectral_norms_are_close(shape: tuple[int, int]) -> None:
    for number in range(5):
        matrix = torch.from_numpy(np.random.default_rng(number).normal(size=shape))
        assert 1 <= spectral_norm(matrix) / float(torch.linalg.matrix_norm(matrix, 2)) < 1.1
    assert spectral_norm(torch.eye(64, dtype=torch.float64)) < 1.1


@given(matrices(3, 4), matrices(1, 4), matrices(1, 3), st.booleans())
def test_rounding_of_an_affine_map(weight: Any, point: Any, bias: Any, flush: bool) -> None:
    """One vertex, whose values are exact: what is lost is what the node itself loses."""
    node = Linear((0,), [Dense(weight)], bias[0])
    field = Field(point, 0.0, 1.0, float(norms(point)))
    before = torch.set_flush_denormal(flush)
    try:
        (found,) = node([point])
        (error, _), (rows, _) = node.bounds([field]), node.rows_bounds([field])
    finally:
        torch.set_flush_denormal(False)
    assert before or not flush
    if not (field.size < 2.0**600 and bool(torch.isfinite(found).all())):
        return
    x = [Fraction(q) for q in point[0].tolist()]
    total = Fraction(0)
    for row, b, y, bound in zip(weight.tolist(), bias[0].tolist(), found.tolist(), rows.tolist(), strict=True):
        true = sum((Fraction(w) * q for w, q in zip(row, x, strict=True)), Fraction(b))
        assert bound == INFINITE or abs(Fraction(y) - true) <= Fraction(bound)
        total += (Fraction(y) - true) ** 2
    assert error == INFINITE or total <= Fraction(error) ** 2


def curves() -> Iterator[tuple[list[Fraction], list[Fraction], Fraction]]:
    for number in range(60):
        random = Random(number)
        size = random.choice((1.0, 1e10, 1e-10, 1e-200, 1e100))
        places = sorted(Fraction(random.gauss(0, 1) * size) for _ in range(random.choice((1, 2, 3))))
        slopes = [Fraction(random.gauss(0, 1)) for _ in range(len(places) + 1)]
        yield [p / 3 for p in places], [s / 3 for s in slopes], Fraction(random.gauss(0, 1) * size) / 3


def test_rounding_of_piecewise_units() -> None:
    """Parameters that are no floats, points on both sides of the breakpoints and next to them."""
    for places, slopes, anchor in curves():
        node = Bent(0, Piecewise.of([places], [slopes], [anchor]), torch.device("cpu"))
        near = torch.tensor(
            [float(p) * f for p in places for f in (0.3, 1, 1 + 2**-52, 1 - 2**-52, -2, 7)], dtype=torch.float64
        )[:, None]
        for point in near.split(1):
            field = Field(point, 0.0, 1.0, float(norms(point)))
            x = Fraction(float(point[0, 0]))
            true = anchor + slopes[0] * min(x - places[0], Fraction(0))
            for k, low in enumerate(places):
                high = min(x, places[k + 1]) if k + 1 < len(places) else x
                true += slopes[k + 1] * max(high - low, Fraction(0))
            assert abs(Fraction(float(node([point]))) - true) <= Fraction(node.bounds([field])[0])
            (errors, _), heights = node.cut_bounds(field), node.heights(point).rows(0, 1)[0]
            for height, error, place in zip(heights.tolist(), errors.tolist(), places, strict=True):
                assert abs(Fraction(height) - (x - place)) <= Fraction(error)


# -- what cannot be decided in float64 is decided exactly


def test_hopeless_networks_go_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancellation leaves no digit of the second layer in float64."""
    net = sx.from_layers([([[1, 0], [0, 1]], [2**60, 2**60]), ([[1, -1], [1, 1]], [0, -(2**61)]), ([[1, 1]], [0])])
    assert assert_certified_is_rational(net, sx.square(1)).report.repaired > 0
    monkeypatch.setattr(engine_module, "HOPELESS", 0)
    report = assert_certified_is_rational(net, sx.square(1)).report
    assert report.wide + report.exact > 0


# -- bounds that are worn out are made anew


@pytest.fixture
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer is refreshed, as if its bounds were worn out."""
    prove = Engine._prove

    def eager(engine: Engine, step: Bent, field: Field, worn: bool) -> Any:
        return None if worn and engine.certified else prove(engine, step, field, False)

    def compared(state: Any, fields: dict[int, Field]) -> None:
        refresh(state, fields)
        if isinstance(state, Watched):
            state.compare(fields)

    monkeypatch.setattr(Engine, "_prove", eager)
    monkeypatch.setattr(engine_module, "refresh", compared)


ONCE = settings(
    max_examples=max(10, settings().max_examples // 2), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.usefixtures("always_anew")
@ONCE
@given(degenerate_networks(), st.integers(0, 2**32))
def test_new_bounds_hold_and_change_nothing(plain: PlainNetwork, seed: int) -> None:
    net, dom = plain.network(), plain.domain()
    assert_certified_is_rational(net, dom)
    watched(net, dom, seed)


@pytest.mark.usefixtures("always_anew")
@pytest.mark.parametrize("seed", range(6))
def test_new_bounds_hold_for_random_networks(seed: int) -> None:
    net = deep_network(seed, 6, 6)
    engine = watched(net, sx.square(1), seed)
    assert engine.compared > 100
    assert all(field.error < 1e-12 for field in engine.values.fields.values())
    assert_certified_is_rational(net, sx.square(1))


@pytest.mark.usefixtures("always_anew")
@pytest.mark.parametrize("scales", SCALES)
def test_new_bounds_hold_for_huge_and_tiny_weights(scales: tuple[float, ...]) -> None:
    for number in range(2):
        net = random_network(number, (2, 5, 4, 4, 1), scales)
        assert_certified_is_rational(net, sx.square(1))
        watched(net, sx.square(1), number)


@pytest.mark.usefixtures("always_anew")
@pytest.mark.parametrize("name", NETWORKS)
def test_new_bounds_hold_whatever_reads_what(name: str) -> None:
    assert_certified_is_rational(Network(2, NETWORKS[name]), sx.square(1))
    watched(Network(2, NETWORKS[name]), sx.square(1), 0)


@pytest.mark.usefixtures("always_anew")
@pytest.mark.parametrize("answer", list(known_answers()), ids=lambda answer: answer.name)
def test_new_bounds_do_not_change_known_answers(answer: KnownAnswer) -> None:
    part = assert_certified_is_rational(sx.from_layers(answer.layers), sx.Polygon(answer.domain))
    assert part.counts() == answer.counts


def deep_network(number: int, width: int, depth: int) -> Network:
    random = np.random.default_rng(number)
    widths = [2, *[width] * depth, 1]
    weights = [random.normal(size=(m, n)) * (2 / n) ** 0.5 for n, m in pairwise(widths)]
    return sx.from_layers([(w, random.normal(size=len(w)) / 10) for w in weights])


def test_deep_networks_get_new_bounds() -> None:
    """After some thirty layers nothing is left of the first bounds; with new ones, float64 decides on."""
    net = deep_network(0, 6, 40)
    engine = Engine(net, sx.square(1), CPU, True)
    engine.run()
    assert engine.refreshed > 0
    assert engine.report.repaired < engine.mesh.faces / 10
    assert assert_certified_is_rational(net, sx.square(1)).report == engine.report


small = st.integers(-40, 40)
enclosed = st.tuples(st.tuples(small, small, small), st.integers(0, 3), st.tuples(*[st.sampled_from([-1, 0, 1])] * 3))
"""A line, the radius of its coefficients, and which of them are moved by it."""


@settings(max_examples=20 * settings().max_examples)
@given(st.tuples(enclosed, enclosed))
def test_meeting_points_and_directions_of_enclosed_lines(near: tuple[tuple[Any, int, Any], ...]) -> None:
    middle = [Enclosure(tuple(map(mpz, form)), mpz(radius)) for form, radius, _ in near]
    (a, b, c), (d, e, f) = ([v + radius * s for v, s in zip(form, moves, strict=True)] for form, radius, moves in near)
    place = _meeting(*middle)
    if place is not None:
        x, y, error = map(Fraction, place)
        p, q = Fraction(b * f - c * e, a * e - b * d), Fraction(c * d - a * f, a * e - b * d)
        rounding = (abs(x) + abs(y) + error) * Fraction(2.0**-52)
        assert (x - p) ** 2 + (y - q) ** 2 <= (error + rounding) ** 2
    (u, v), slack = direction_of(middle[0])
    if slack < 1:
        assert a or b
        sine = Fraction(u) * a + Fraction(v) * b
        assert sine**2 <= Fraction(slack) ** 2 * (a * a + b * b) * (Fraction(u) ** 2 + Fraction(v) ** 2)


def hostile(patch: pytest.MonkeyPatch, random: Random) -> None:
    """What new bounds are made from is as wrong as it says it may be, and that is much."""
    turn, move, shift = (random.choice((0.0, 1e-15, 1e-12, 1e-8, 1e-4)) for _ in range(3))
    meeting, maps, said = refresh_module._meeting, Decider.maps, {}

    def moved(one: Enclosure, other: Enclosure) -> Any:
        found = meeting(one, other)
        if found is None or not move:
            return found
        angle = random.uniform(0, 7)
        x, y = found[0] + 0.999 * move * cos(angle), found[1] + 0.999 * move * sin(angle)
        return x, y, found[2] + move + 1e-15

    def turned(line: Enclosure) -> Any:
        (u, v), slack = direction_of(line)
        angle = random.choice((-1, 1)) * 0.999 * turn
        return (u * cos(angle) - v * sin(angle), u * sin(angle) + v * cos(angle)), slack + turn + 1e-15

    def shifted(self: Decider, patterns: Any, steps: Any) -> Any:
        for cells, values, loss in maps(self, patterns, steps):
            for n in values:
                if n and shift:
                    signs = np.array([random.choice((-1, 1)) for _ in range(values[n].size)]).reshape(values[n].shape)
                    more = said.setdefault(n, np.array([shift * random.choice((0, 1e-4, 1)) for _ in loss[n]]))
                    loss = {**loss, n: loss[n] + more + 2.0**-52 * np.abs(values[n]).max(axis=(0, 1))}
                    values = {**values, n: values[n] + 0.999 * signs * more}
            yield Maps(cells, values, loss)

    patch.setattr(refresh_module, "_meeting", moved)
    patch.setattr(refresh_module, "direction_of", turned)
    patch.setattr(refresh_module, "FAR", 2.0**60)
    patch.setattr(Decider, "maps", shifted)


@pytest.mark.usefixtures("always_anew")
@pytest.mark.parametrize("seed", range(24))
def test_new_bounds_hold_whatever_is_lost(seed: int) -> None:
    random = Random(seed)
    net = deep_network(seed, random.choice((3, 5)), random.choice((3, 5)))
    if seed % 4 == 0:
        groups = Max(1, ((0, 1, 2), (1,), (2, 0)))
        last = Affine((3, 2), ([[1, -1, 1]], [[1] * net.sizes[1]]), [0])
        net = Network(2, [*net.nodes[:2], groups, last, Piecewise.relu(4)])
    with pytest.MonkeyPatch.context() as patch:
        hostile(patch, random)
        watched(net, sx.square(1), seed)
        assert_certified_is_rational(net, sx.square(1))
