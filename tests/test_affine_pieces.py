"""Residues decide exactly what the integers themselves would: which maps are equal, which values are 0."""

from __future__ import annotations

from itertools import islice
from math import prod

import numpy as np
import pytest
from gmpy2 import is_prime, mpq, mpz
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.affine_pieces import affine_pieces
from splinecam_exact.geometry import StateRows, pattern_of
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.kernel.program import Affine, GroupUnit, Max, Piecewise, Program
from splinecam_exact.nodes import Affine as AffineNode
from splinecam_exact.nodes import Node
from splinecam_exact.nodes import Piecewise as PiecewiseNode
from splinecam_exact.residues import EXACT, Integers, Residues, vanishing
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks
from splinecam_exact.weights import Convolution, Selection

networks = degenerate_networks()
often = settings(max_examples=5 * settings().max_examples)


def partition(plain: PlainNetwork) -> sx.Subdivision:
    return sx.partition(plain.network(), plain.domain(), mode="rational")


def exact_pieces(part: sx.Subdivision) -> list[int]:
    """The numbers of the exact maps, in order of first appearance."""
    number: dict[object, int] = {}
    return [number.setdefault(forms, len(number)) for forms in part.output_forms]


@often
@given(networks)
def test_pieces_are_those_of_the_exact_maps(plain: PlainNetwork) -> None:
    part = partition(plain)
    assert part.affine_piece.tolist() == exact_pieces(part)
    assert part.affine_piece.dtype == np.int64


@given(networks, st.integers(1, 200))
def test_pieces_do_not_depend_on_how_many_cells_are_computed_at_a_time(plain: PlainNetwork, budget: int) -> None:
    part = partition(plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("splinecam_exact.residues.BUDGET", budget)
        assert part.affine_piece.tolist() == exact_pieces(part)


@given(networks)
def test_affine_map_of_one_face_needs_no_other(plain: PlainNetwork) -> None:
    part = partition(plain)
    part.output_forms = None  # type: ignore[assignment]
    for face in reversed(part.faces):
        value = [a * x + b * y + c for (x, y) in [face.witness] for (a, b), c in zip(*face.affine, strict=True)]
        assert value == part.network.evaluate(plain.domain().embed(face.witness))


@often
@given(networks, st.sampled_from([7, 2**13 - 1, None]))
def test_residues_are_those_of_the_exact_forms(plain: PlainNetwork, prime: int | None) -> None:
    part = partition(plain)
    residues = Residues(part.program)
    prime = prime or next(residues.primes(1))
    point = np.array([[3.0], [5.0], [2.0]])
    found = residues.outputs(prime, lambda _: point, part.geometry.state_rows, np.arange(len(part.faces)))
    assert point.tolist() == [[3], [5], [2]]
    for face, packed in enumerate(part.output_forms):
        forms = map(part.unpack, packed)
        assert found[:, face].tolist() == [(3 * a + 5 * b + 2 * c) % prime for a, b, c in forms]


HUGE = st.integers(-(2**200), 2**200)


@given(st.data())
def test_residues_of_any_program_are_exact(data: st.DataObject) -> None:
    """Not only of what a network lowers to: skips, units of different sizes, integers of any length."""
    numbers = st.lists(HUGE, min_size=3, max_size=3).map(lambda row: tuple(map(mpz, row)))
    rows = [((0, 1), data.draw(numbers)[:2], data.draw(numbers)[0]) for _ in range(4)]
    curves = []
    for source in (2, 5):
        breakpoints = sorted(data.draw(st.sets(HUGE, min_size=1, max_size=4)))
        slopes = data.draw(st.lists(HUGE, min_size=len(breakpoints) + 1, max_size=len(breakpoints) + 1))
        curves.append((source, tuple(map(mpz, breakpoints)), tuple(map(mpz, slopes)), mpz(data.draw(HUGE))))
    groups = [(3, 6), (7, 2, 4), (0,)]
    last = [((8, 10, 1), data.draw(numbers), mpz(data.draw(HUGE))), ((9, 3, 6), data.draw(numbers), mpz(0))]
    ops = [Affine(mpz(3), rows), Piecewise(mpz(2), mpz(7), curves), Max(groups), Affine(mpz(1), last)]
    program = Program(2, ops, [11, 12, 7])
    units = [unit for step in program.unit_steps() for unit in step.units]
    row = np.array([[data.draw(st.integers(isinstance(u, GroupUnit), u.states - 1)) for u in units]], np.uint8)
    forms = Forms(program)
    forms.move(pattern_of(program, row[0]), len(program.steps))
    residues = Residues(program)
    for prime in islice(residues.primes(10**4), 3):
        point = np.array([[1.0], [prime - 1.0], [4.0]])
        found = residues.outputs(prime, lambda _, point=point: point, lambda some: row[some], np.arange(1))
        exact = [forms.unpack(forms.values[j]) for j in program.outputs]
        assert found[:, 0].tolist() == [(a - b + 4 * c) % prime for a, b, c in exact]


def test_sums_as_large_as_they_may_be_are_exact() -> None:
    """Every weight and every value half a prime, of one sign: the sums come near to the bound, and not beyond."""
    for width in (1, 30, 1000):
        for prime in islice(Residues(wide(width, 1)).primes(200), 4):
            half = prime // 2
            assert EXACT * 0.99 < (width + 1) * (half + 1) ** 2 <= EXACT
            point = np.array([[half], [0], [half]], np.float64)
            found = Residues(wide(width, half)).outputs(prime, lambda _, point=point: point, no_states, np.arange(1))
            assert found[0, 0] == (width + 1) * half * half % prime


def test_units_with_many_pieces_are_exact() -> None:
    """On its last piece, a unit is the sum of what all its pieces add: here half a prime times half a prime, twice."""
    pieces = 50
    prime = next(Residues(bent(list(range(pieces + 1)), list(range(pieces)))).primes(1))
    half = prime // 2
    program = bent([k * half for k in range(pieces + 1)], [k * prime - 1 for k in range(pieces)])
    (unit,) = program.unit_steps()[0].units
    point = np.array([[half], [0], [half]], np.float64)
    found = Residues(program).outputs(
        prime, lambda _: point, lambda some: np.full((len(some), 1), 2 * pieces, np.uint8), np.arange(1)
    )
    assert found[0, 0] == unit.value([mpz(half)], mpz(half), 2 * pieces) % prime


def bent(slopes: list[int], breakpoints: list[int]) -> Program:
    """One unit on the first input."""
    unit = (0, tuple(map(mpz, breakpoints)), tuple(map(mpz, slopes)), mpz(0))
    return Program(2, [Piecewise(mpz(1), mpz(1), [unit])], [2])


def wide(width: int, weight: int) -> Program:
    """A row of `width` copies of the first input, and `one`, each times a weight."""
    copies = Affine(mpz(1), [((0,), (mpz(1),), mpz(0))] * width)
    total = Affine(mpz(1), [(range(2, 2 + width), (mpz(weight),) * width, mpz(weight))])
    return Program(2, [copies, total], [2 + width])


def no_states(numbers: np.ndarray) -> np.ndarray:
    return np.zeros((len(numbers), 0), np.uint8)


@given(st.lists(st.integers(-(2**300), 2**300) | st.integers(-2, 2), min_size=1), st.sampled_from([3, 101, 2**26 - 5]))
def test_integers_modulo_a_prime(values: list[int], prime: int) -> None:
    found = Integers([mpz(v) for v in values], (len(values),)).modulo(prime)
    assert (abs(found) <= prime // 2).all()
    assert [int(r) % prime for r in found] == [v % prime for v in values]


def test_primes_are_different_primes_whose_product_exceeds_the_bits() -> None:
    primes = list(Residues(wide(3, 1)).primes(1000))
    assert all(map(is_prime, primes))
    assert len(set(primes)) == len(primes)
    assert prod(primes) > 2**1000 >= prod(primes[:-1])


def test_too_few_primes_are_not_taken_for_enough() -> None:
    residues = Residues(wide(1, 1))
    residues._largest = 20
    with pytest.raises(sx.Undecided):
        list(residues.primes(100))


def multiple_of_primes(count: int) -> int:
    """A number that is 0 modulo the first primes that are tried on the networks below, and modulo no other."""
    net = sx.from_layers([([[1, 0]], [0]), ([[1]], [0])])
    return prod(islice(Residues(net.program()).primes(10**6), count))


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_maps_that_agree_modulo_the_first_primes_are_told_apart(count: int) -> None:
    net = sx.from_layers([([[1, 0]], [0]), ([[multiple_of_primes(count)]], [0])])
    part = sx.partition(net, sx.square(1), mode="rational")
    assert part.counts()["P"] == 2


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_values_that_vanish_modulo_the_first_primes_are_not_taken_for_zeros(count: int) -> None:
    n = multiple_of_primes(count)
    net = sx.from_layers([([[1, 0]], [0]), ([[n]], [0])])
    part = sx.partition(net, sx.square(1), mode="rational")
    zero = vanishing(part.program, part.points, states_at(part))
    assert zero.tolist() == [x <= 0 for x, _ in part.vertices]


def states_at(part: sx.Subdivision) -> StateRows:
    """The states of one of its faces, at each vertex."""
    face = {v: i for i, face in enumerate(part.faces) for v in face.vertices}
    return lambda vertices: part.states[[face[v] for v in vertices.tolist()]]


@often
@given(networks)
def test_zeros_are_where_the_exact_output_is_zero(plain: PlainNetwork) -> None:
    part = partition(plain)
    domain = plain.domain()
    exact = [part.network.evaluate(domain.embed(point))[0] == 0 for point in part.vertices]
    if part.network.output_size == 1:
        assert vanishing(part.program, part.points, states_at(part)).tolist() == exact


def test_many_cells_of_one_map_are_one_piece() -> None:
    """The outputs do not depend on the cell, or only on one breakpoint of three."""
    steps = PiecewiseNode.of([[-1, 0, "1/3"]], [[1, 1, 0, 0]], [0])
    net = sx.from_layers([([[1, 0], [1, 1], [1, -1]], [0, 0, 0], steps), ([[0, 0, 0], [5, 0, 0]], [7, 0])])
    part = sx.partition(net, sx.square(2), mode="rational")
    assert part.affine_piece.tolist() == exact_pieces(part)
    assert part.counts()["P"] == 2 < part.counts()["A"]


def test_progress_may_interrupt_the_comparison_of_maps() -> None:
    net = sx.from_layers([([[1, 0]], [0]), ([[1]], [0])])
    part = sx.partition(net, sx.square(1), mode="rational")

    def stop(stage: str, done: int, total: int) -> None:
        raise sx.Undecided(f"{stage}: {done} of {total}")

    with pytest.raises(sx.Undecided, match="affine maps: 0 of 2"):
        affine_pieces(part.program, part.geometry, stop)


def test_weights_of_every_magnitude_are_compared_exactly() -> None:
    tiny, huge = mpq(5e-324), mpq(1.7e308)
    net = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [0, 0, 0]), ([[1, huge, tiny]], [0])])
    part = sx.partition(net, sx.square(1), mode="rational")
    assert part.affine_piece.tolist() == exact_pieces(part)
    assert part.counts()["P"] == part.counts()["A"] == 6


@pytest.mark.parametrize("budget", [3000, 1 << 20])
def test_convolutions_share_their_residues(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two convolutions with a scale for each channel between them: few products, and the same maps."""
    monkeypatch.setattr("splinecam_exact.residues.BUDGET", budget)
    rng = np.random.default_rng(0)
    sizes = {"output": (6, 6), "window": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    nodes: list[Node] = []
    for inputs, outputs in ((1, 2), (2, 3)):
        kernel = rng.integers(-9, 10, (outputs, 9 * inputs)).astype(float)
        nodes += [
            AffineNode((len(nodes),), (Convolution(kernel, (inputs, 6, 6), **sizes),), rng.normal(size=36 * outputs)),
            AffineNode((len(nodes) + 1,), (np.repeat([0.5, 3, -1][:outputs], 36),), rng.normal(size=36 * outputs)),
            PiecewiseNode.relu(len(nodes) + 2),
        ]
    net = sx.Network(36, [*nodes, AffineNode((6,), (Selection(np.arange(0, 108, 9), 108),), [0] * 12)])
    part = sx.partition(net, sx.Slice(rng.normal(size=36), rng.normal(size=(2, 36)), sx.square("1/16")), "rational")
    assert len(part.faces) > 20
    assert part.affine_piece.tolist() == exact_pieces(part)
    assert len(Residues(part.program)._steps) < 30
