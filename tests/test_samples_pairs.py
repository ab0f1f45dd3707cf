"""Points within rounding errors of a boundary: pairs of float64, whose bounds hold, decide nearly all of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

import splinecam_exact as sx
from splinecam_exact import deciding
from splinecam_exact.arrays import ExactArray, Floats, exact
from splinecam_exact.close_answers import CloseAnswers
from splinecam_exact.deciding import Decider
from splinecam_exact.kernel.program import Program
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.questions import question
from splinecam_exact.rounding import nearest
from splinecam_exact.same_cells import Cell
from splinecam_exact.sample_points import Points, exact_row
from splinecam_exact.samples import Samples
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks, quarters
from splinecam_exact.verify.enclose_pairs import PairEnclosure
from splinecam_exact.verify.paired import numbers
from splinecam_exact.verify.pairs import Pair
from splinecam_exact.weights import Convolution, Selection, Weight

SIZES = [64, 50, 50, 50, 10]


@pytest.fixture(autouse=True)
def even_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs are used for small networks and single points too."""
    monkeypatch.setattr(deciding, "LITTLE", 0)


def values(net: sx.Network, points: Floats, lows: Floats | None = None) -> Pair:
    """The outputs at all points."""
    found = list(PairEnclosure(net).values(points, lows))
    return Pair(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def check(net: sx.Network, points: Floats, lows: Floats | None = None, true: list[list[mpq]] | None = None) -> float:
    """Whether the bounds hold; how large they are, beside the outputs."""
    found, worst = values(net, points, lows), 0.0
    for i, x in enumerate(points):
        outputs = net.evaluate(x if true is None else true[i])
        size = max(map(abs, outputs))
        for k, y in enumerate(outputs):
            high, low, error = (float(part[i, k]) for part in found)
            if not error < np.inf:
                worst = np.inf
                continue
            assert abs(exact(high) + exact(low) - y) <= exact(error)
            share = exact(error) / size if size else mpq(error > 0)
            worst = max(worst, nearest(share.numerator, share.denominator))
    return worst


def scales() -> st.SearchStrategy[float]:
    """Powers of two: mostly moderate ones, and some that are at the ends of the range."""
    ends = (-1074, -1022, -900, -700, -500, -300, 300, 500, 599, 700, 1000)
    return st.one_of(st.integers(-60, 60), st.sampled_from(ends)).map(lambda k: 2.0**k)


def entries() -> st.SearchStrategy[mpq]:
    """Small integers, floats with many digits, such a little apart from one, and rationals that are no floats."""
    floats = st.floats(-2, 2, allow_subnormal=False).map(exact)
    small = st.sampled_from([mpq(0), mpq(1), mpq(-1), mpq(1, 3), mpq(-5, 7), 1 + mpq(1, 2**52), -1 + mpq(1, 2**53)])
    return st.one_of(small, floats, st.builds(lambda a, b: a + b / 2**90, small, floats))


@st.composite
def arrays(draw: st.DrawFn, *shape: int) -> ExactArray:
    """Exact entries, whole rows scaled."""
    rows = [[draw(entries()) for _ in range(shape[-1])] for _ in range(int(np.prod(shape[:-1])))]
    scaled = [[q * exact(draw(scales())) for q in row] if draw(st.integers(0, 4)) == 0 else row for row in rows]
    return ExactArray.of(scaled[0] if len(shape) == 1 else scaled)


@st.composite
def weights(draw: st.DrawFn, outputs: int, inputs: int) -> Weight:
    """Of each kind that has the shape."""
    kind = draw(st.integers(0, 3))
    if kind == 1 and outputs == inputs:
        return draw(arrays(outputs))
    if kind == 2:
        return Selection(draw(st.lists(st.integers(-1, inputs - 1), min_size=outputs, max_size=outputs)), inputs)
    if kind == 3 and outputs % 2 == 0 and inputs % 2 == 0:
        kernel = draw(arrays(2, 2))
        return Convolution(kernel, (2, inputs // 2), (outputs // 2,), (2,), (1,), (1,), (1,), groups=2)
    return draw(arrays(outputs, inputs))


@st.composite
def units(draw: st.DrawFn, source: int, width: int) -> Piecewise:
    """ReLU, or any units."""
    if draw(st.booleans()):
        return Piecewise.relu(source)
    count, rows = draw(st.integers(1, 3)), draw(st.sampled_from([1, width]))
    levels = [sorted(draw(st.lists(entries(), min_size=count, max_size=count, unique=True))) for _ in range(rows)]
    return Piecewise(source, ExactArray.of(levels), draw(arrays(rows, count + 1)), draw(arrays(rows)))


@st.composite
def networks(draw: st.DrawFn) -> sx.Network:
    """With skip connections, all kinds of layers, and numbers of all sizes."""
    sizes = [draw(st.integers(1, 4))]
    nodes: list[Node] = []
    for source in range(draw(st.integers(1, 5))):
        width, kind = sizes[source], draw(st.integers(0, 4))
        if kind == 0:
            nodes.append(draw(units(source, width)))
            sizes.append(width)
        elif kind == 1:
            group = st.lists(st.integers(0, width - 1), min_size=1, max_size=width, unique=True).map(tuple)
            groups = draw(st.lists(group, min_size=1, max_size=4))
            nodes.append(Max(source, tuple(groups)))
            sizes.append(len(groups))
        else:
            sources = (source, *([draw(st.integers(0, source))] if kind == 4 else []))
            size = draw(st.integers(1, 4))
            bias = draw(arrays(size))
            nodes.append(Affine(sources, tuple(draw(weights(size, sizes[s])) for s in sources), bias))
            sizes.append(size)
    return sx.Network(sizes[0], nodes)


@given(st.data())
def test_bounds_hold_at_any_scale(data: st.DataObject) -> None:
    net = data.draw(networks())
    width = net.input_size
    floats = st.builds(lambda x, scale: x * scale, st.floats(-1, 1), st.one_of(st.just(1.0), scales()))
    points = data.draw(st.lists(st.lists(floats, min_size=width, max_size=width), min_size=1, max_size=5))
    check(net, np.array(points))


@given(st.data())
def test_bounds_hold_at_rational_points(data: st.DataObject) -> None:
    net = data.draw(networks())
    point = [data.draw(entries()) * exact(data.draw(scales())) for _ in range(net.input_size)]
    x = numbers(point)
    if bool(torch.isfinite(x.high).all()):
        check(net, x.high.unsqueeze(0).numpy(), x.low.unsqueeze(0).numpy(), [point])


def test_points_are_as_good_as_their_rests() -> None:
    """Copies lose nothing: what is left is what two float64 lack of a point."""
    net = sx.Network(3, [Affine((0,), (Selection([2, 0, 1], 3),), [0, 0, 0])])  # type: ignore[arg-type]
    for point in ([mpq(1, 3), mpq(-2, 7), mpq(10**9, 11)], [mpq(1, 3) / 2**1000, mpq(0), 1 + mpq(1, 2**1074)]):
        x = numbers(point)
        assert check(net, x.high.unsqueeze(0).numpy(), x.low.unsqueeze(0).numpy(), [point]) < 2.0**-100


@given(st.data())
def test_products_of_pairs_that_are_off_by_their_errors(data: st.DataObject) -> None:
    shares = st.sampled_from([mpq(0), mpq(1), mpq(-1), mpq(1, 2)])
    errors = st.sampled_from([0.0, 2.0**-110, 2.0**-60, 0.5])
    drawn = [(data.draw(entries()), data.draw(errors), data.draw(shares)) for _ in range(2)]
    pair, other = (numbers([q])._replace(error=torch.tensor([error]).double()) for q, error, _ in drawn)
    true = [exact(float(p.high)) + exact(float(p.low)) for p in (pair, other)]
    a, b = (t + exact(error) * share for t, (_, error, share) in zip(true, drawn, strict=True))
    for found, value in ((pair.times_pair(other), a * b), (pair.plus_pair(other.negated()), a - b)):
        high, low, error = (exact(float(part)) for part in found)
        assert abs(high + low - value) <= error


@given(st.integers(1, 600), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_bounds_hold_where_sums_cancel(terms: int, seed: int) -> None:
    """Row k is followed by its opposite, but for the last bits: the sums are some 1e-16 or 1e-32 of their terms."""
    random = np.random.default_rng(seed)
    half = random.normal(size=(3, terms)) * 2.0 ** random.integers(-30, 30, (3, terms))
    weight = np.concatenate([half, np.nextafter(-half, 0)], axis=1)
    x = random.normal(size=(4, terms))
    points = np.concatenate([x, x * (1 + random.integers(-1, 2, x.shape) * 2.0**-52)], axis=1)
    bias = -(points[0] @ weight.T)
    last = random.normal(size=(2, 3))
    net = sx.from_layers([(weight, bias), (last, np.zeros(2))])
    check(net, points)


@pytest.mark.parametrize("terms", [1, 2, 3, 15, 63, 64, 255, 256, 1023])
def test_sums_of_products_of_slices_are_exact_when_they_are_as_large_as_can_be(terms: int) -> None:
    """Entries are nearly a power of two and have one sign, and many bits."""
    random = np.random.default_rng(terms)
    weight, points = 2 - random.random((5, terms)) / 64, 2 - random.random((5, terms)) / 64
    net = sx.Network(terms, [Affine((0,), (weight,), np.zeros(5))])  # type: ignore[arg-type]
    assert check(net, points) < 1e-25


def random_layers(random: np.random.Generator, sizes: list[int]) -> list[tuple[Floats, Floats]]:
    """Normal weights that keep the size of values."""
    return [(random.normal(size=(b, a)) * np.sqrt(2 / a), random.normal(size=b) / 10) for a, b in pairwise(sizes)]


def test_bounds_are_small_for_networks_of_all_kinds_of_layers() -> None:
    random = np.random.default_rng(0)
    kernel = ExactArray.of(random.normal(size=(6, 2 * 9)) / 4)
    convolution = Convolution(kernel, (2, 6, 6), (6, 6), (3, 3), (1, 1), (1, 1), (1, 1))
    nodes: list[Node] = [
        Affine((0,), (convolution,), random.normal(size=216)),  # type: ignore[arg-type]
        Affine((1,), (random.normal(size=216),), random.normal(size=216)),  # type: ignore[arg-type]
        Piecewise.leaky_relu("1/10", 2),
        Max(3, tuple((k, k + 1, k + 6, k + 7) for k in range(0, 208, 2))),
        Affine((4,), (random.normal(size=(20, 104)) / 10,), random.normal(size=20)),  # type: ignore[arg-type]
        Piecewise.absolute(5),
        Affine((6, 5), (random.normal(size=(20, 20)), Selection(range(20), 20)), ["1/3"] * 20),  # type: ignore[arg-type]
        Piecewise.hardtanh("-1/3", 20, 7),
    ]
    for count in range(1, len(nodes) + 1):
        assert check(sx.Network(72, nodes[:count]), random.normal(size=(3, 72))) < 1e-22


@pytest.mark.parametrize(
    "layers",
    [
        [([[1e200, 0], [0, 1]], [0, 0]), ([[1e200, 1]], [0])],
        [([[1e-300, 1e-300]], [0])],
        [([[mpq(10) ** 400, 0]], [0])],
        [([[5e-324, 1], [1, 1]], [0, 0]), ([[1e-300, 5e-324]], [0])],
        [([[1, 0]], [mpq(10) ** 400])],
    ],
)
def test_numbers_that_leave_the_range_are_left_open(layers: list[tuple[list[list[object]], list[object]]]) -> None:
    net = sx.from_layers(layers)
    close = CloseAnswers(net, question(net), lambda done, total: None)
    points = np.array([[1, 1], [1, 0.5], [1e300, 1], [np.inf, 1], [np.nan, 1]])
    assert not close.answers(points, None).sure.any()
    assert certified(net, points[:3]).decided_exactly > 0


def certified(net: sx.Network, points: Floats) -> Samples:
    """Verdicts, whose answers are the exact ones."""
    found = sx.certify_samples(net, points)
    assert found.answers.tolist() == [found.question.answer(net.evaluate(p)) for p in points]
    return found


def neighbours(net: sx.Network, point: Floats) -> Floats:
    """A point, and those one unit in the last place away along an axis."""
    found = [point]
    for k in range(net.input_size):
        for to in (-np.inf, np.inf):
            found.append(point.copy())
            found[-1][k] = np.nextafter(point[k], to)
    return np.array(found)


@given(degenerate_networks(), st.data())
def test_answers_near_and_on_the_boundary_are_the_exact_ones(drawn: PlainNetwork, data: st.DataObject) -> None:
    net = drawn.network()
    coordinates = st.floats(-2, 2).map(lambda x: x + 0.0)
    x = np.array(data.draw(st.lists(coordinates, min_size=net.input_size, max_size=net.input_size)))
    outputs = net.evaluate(x)
    asked = [question(net, output=k, level=y) for k, y in enumerate(outputs)]
    if net.output_size > 1:
        asked += [question(net), question(net, classes=(0, 1), level=outputs[0] - outputs[1])]
    points = neighbours(net, x)
    for one in asked:
        decider = Decider(net, one)
        answers = decider.answers(points)[0]
        assert answers.tolist() == [one.answer(net.evaluate(p)) for p in points]
        if not one.is_argmax:
            assert answers[0] == 0
            assert decider.exact >= 1


@given(degenerate_networks(), st.data())
def test_points_with_one_key_are_in_one_cell_whose_map_gives_the_exact_answers(
    drawn: PlainNetwork, data: st.DataObject
) -> None:
    net = drawn.network()
    program = net.program()
    point = st.lists(quarters(), min_size=net.input_size, max_size=net.input_size)
    points = np.array(data.draw(st.lists(point, min_size=20, max_size=40)), np.float64)
    level = net.evaluate(points[0])[-1]
    asked = [question(net, output=net.output_size - 1, level=level)]
    if net.output_size > 1:
        asked += [question(net), question(net, classes=(1, 0), level="1/3")]
    for one in asked:
        cells: dict[bytes, tuple[bytes, Cell]] = {}
        keys = CloseAnswers(net, one, lambda done, total: None).cells(points, None)
        assert len(keys) == len(points)
        for x, key in zip(points, keys, strict=True):
            row = exact_row(x)
            pattern, answer = program.pattern(row), one.answer(program.evaluate(row))
            if key is not None:
                known, cell = cells.setdefault(key, (pattern, Cell(program, one, row)))
                assert known == pattern
                assert cell.answer(row) == answer
    assert program.unit_steps() or None not in keys


def test_units_that_are_constant_do_not_hide_cells() -> None:
    net = sx.from_layers([([[1, 0], [0, 0], [0, 1]], [0, 0, 1]), ([[1, 5, -1]], [0])])
    first, second, other = CloseAnswers(net, question(net, None, None, 0), lambda done, total: None).cells(
        np.array([[1.0, 2], [2, 1], [-1, 2]]), None
    )
    assert first is not None
    assert first == second != other


@pytest.mark.parametrize("options", [{}, {"output": 0, "level": "1/7"}, {"classes": (0, 1)}])
def test_exact_points_of_a_boundary_take_few_evaluations(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = sx.from_layers(random_layers(np.random.default_rng(5), [2, 6, 6, 3]))
    boundary = sx.boundary(sx.partition(net, sx.square(2)), **options)  # type: ignore[arg-type]
    rows = [list(sample.x) for sample in sx.sample_boundary(boundary, 300, seed=0)]
    rows += [[q + mpq(sign, 2**200) for q in row] for row in rows[:100] for sign in (-1, 1)]
    expected = [question(net, **options).answer(net.evaluate(row)) for row in rows]  # type: ignore[arg-type]
    called = list[object]()
    evaluate = Program.evaluate
    monkeypatch.setattr(Program, "evaluate", lambda self, x: called.append(x) or evaluate(self, x))  # type: ignore[func-returns-value]
    found = Decider(net, question(net, **options))  # type: ignore[arg-type]
    points = Points(rows, 2)
    answers = found.answers(points.floats, points.row)[0]
    assert answers.tolist() == expected
    assert found.exact == 500
    assert len(called) < 100


def on_boundary(layers: list[tuple[Floats, Floats]], x: Floats, *, argmax: bool) -> Floats:
    """Points that Newton's method in float64 puts on the boundary: of output 0, or between the two on top."""
    rows = np.arange(len(x))
    for _ in range(30):
        y, masks = x, []
        for weight, bias in layers:
            y = y @ weight.T + bias
            masks.append(y > 0)
            y = y if len(masks) == len(layers) else np.maximum(y, 0)
        slope = np.zeros_like(y)
        if argmax:
            order = np.argsort(-y, axis=1)
            slope[rows, order[:, 0]], slope[rows, order[:, 1]] = 1, -1
        else:
            slope[:, 0] = 1
        value = (y * slope).sum(1)
        for k in range(len(layers) - 1, -1, -1):
            slope = slope @ layers[k][0] * (masks[k - 1] if k else 1)
        x = x - (value / np.square(slope).sum(1))[:, np.newaxis] * slope
    return x


@pytest.mark.parametrize("argmax", [False, True])
def test_hardly_any_float_point_on_a_boundary_is_left_to_exact_arithmetic(argmax: bool) -> None:
    random = np.random.default_rng(1)
    layers = random_layers(random, SIZES)
    net = sx.from_layers(layers)
    points = on_boundary(layers, random.normal(size=(400, 64)), argmax=argmax)
    found = sx.certify_samples(net, points, output=None if argmax else 0)
    assert found.counts()["within"] >= 399
    assert found.decided_in_pairs >= 350
    assert found.decided_exactly <= 1
    assert np.median(found.bound) < 1e-13  # so near are the ends: units in the last place
    for i in range(0, 400, 40):
        assert found.answers[i] == found.question.answer(net.evaluate(points[i]))


def test_rational_points_are_decided_in_pairs_too() -> None:
    random = np.random.default_rng(2)
    layers = random_layers(random, SIZES)
    net = sx.from_layers(layers)
    points = on_boundary(layers, random.normal(size=(20, 64)), argmax=False)
    rows = [[exact(c) + Fraction(1, 3 * 2**60) for c in row] for row in points.tolist()]
    found = sx.certify_samples(net, rows, output=0)
    assert found.points.rounded
    assert found.decided_exactly == 0
    assert found.decided_in_pairs >= 20
    assert found.answers.tolist() == [found.question.answer(net.evaluate(row)) for row in rows]


def test_single_points_of_small_networks_are_decided_exactly_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    layers = random_layers(np.random.default_rng(3), [4, 4, 1])
    points = on_boundary(layers, np.random.default_rng(4).normal(size=(1, 4)), argmax=False)
    decider = Decider(sx.from_layers(layers), question(sx.from_layers(layers)))
    decider.answers(points)
    assert (decider.exact, decider.close) == (1, 0)


def test_progress_may_interrupt_pairs_after_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from splinecam_exact.verify import enclose_many

    random = np.random.default_rng(3)
    layers = random_layers(random, [4, 4, 1])
    points = on_boundary(layers, random.normal(size=(5, 4)), argmax=False)
    points = points[np.abs(points).max(1) < 10][:1].repeat(5, 0)
    monkeypatch.setattr(enclose_many, "_AT_ONCE", 4 * 8 * 2)  # two rows
    seen = list[tuple[str, int, int]]()
    sx.certify_samples(sx.from_layers(layers), points, progress=lambda *at: seen.append(at))
    assert [at for at in seen if "pairs" in at[0]][:3] == [("samples: pairs of float64", k, 5) for k in (0, 2, 4)]


def test_progress_must_be_a_function() -> None:
    with pytest.raises(sx.InputError, match="progress must be a function of three arguments, or None, not 3"):
        sx.certify_samples(sx.from_layers([([[1]], [0])]), [[1]], progress=3)  # type: ignore[arg-type]
