"""Polygons, states and cells as arrays and as lists: one content, whichever form it comes in."""

from __future__ import annotations

import numpy as np
import pytest
from gmpy2 import mpq, mpz
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import geometry
from splinecam_exact.canonical import canonical
from splinecam_exact.geometry import FloatGeometry, ListGeometry, Polygons, cells_of, pattern_of, states_of
from splinecam_exact.half_edges import half_edges
from splinecam_exact.kernel import program as kernel
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

networks = degenerate_networks(max_layers=2)


def partition(plain: PlainNetwork) -> sx.Subdivision:
    return sx.partition(plain.network(), plain.domain(), mode="rational")


def as_floats(part: sx.Subdivision) -> FloatGeometry:
    """The same content as arrays, its points rounded."""
    states = part.states
    return FloatGeometry(part.geometry.polygons, part.coordinates, states.shape[1], lambda faces: states[faces])


@given(networks)
def test_cells_say_the_states_that_they_were_made_from(plain: PlainNetwork) -> None:
    part = partition(plain)
    cells = as_floats(part).cells
    assert cells == part.cells
    assert np.array_equal(ListGeometry(part.points, cells, part.program).states, part.states)
    assert [cell.polygon for cell in cells] == [face.vertices for face in part.faces]


@given(networks)
def test_base_is_the_last_of_the_earlier_neighbours(plain: PlainNetwork) -> None:
    part = partition(plain)
    pairs = part.dual_edges().tolist()
    for face, cell in enumerate(part.cells):
        neighbours = {f for pair in pairs if face in pair for f in pair}
        assert cell.base == max((f for f in neighbours if f < face), default=face - 1)


@given(networks, st.sampled_from(["certified", "rational"]), st.integers(0, 9))
def test_first_states_are_the_first_of_all_states(plain: PlainNetwork, mode: str, units: int) -> None:
    part = canonical(sx.partition(plain.network(), plain.domain(), mode))
    faces = np.arange(len(part.faces))[::-1]
    assert np.array_equal(part.geometry.first_states(faces, units), part.states[faces, :units])


@given(networks, st.integers(1, 40))
def test_cells_do_not_depend_on_how_many_are_compared_at_a_time(plain: PlainNetwork, size: int) -> None:
    part = partition(plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "CHUNK", size)
        assert as_floats(part).cells == part.cells


def test_states_that_do_not_fit_a_byte_are_kept() -> None:
    polygons = Polygons.of([(0, 1, 2), (2, 1, 3)])
    states = np.array([[2**63, 300], [2**63, 0]], np.uint64)
    cells = cells_of(polygons, half_edges(*polygons, 4), 2, lambda faces: states[faces])
    assert cells == [(-1, ((0, 2**63), (1, 300)), (0, 1, 2)), (0, ((1, 0),), (2, 1, 3))]


@given(networks, st.randoms(use_true_random=False))
def test_half_edges_are_the_same_however_the_vertices_are_numbered(plain: PlainNetwork, random: object) -> None:
    part = partition(plain)
    starts, corners = part.geometry.polygons
    number = np.array(random.sample(range(len(part.points)), len(part.points)))  # type: ignore[attr-defined]
    origin, *others = half_edges(starts, number[corners], len(number))
    assert np.array_equal(origin, number[part.half_edges.origin])
    assert all(np.array_equal(a, b) for a, b in zip(others, part.half_edges[1:], strict=True))


@given(networks)
def test_half_edges_are_the_same_where_the_twins_are_known(plain: PlainNetwork) -> None:
    part = partition(plain)
    dcel, inner = part.half_edges, len(part.geometry.polygons.corners)
    twins = np.where(dcel.twin[:inner] < inner, dcel.twin[:inner], -1)
    known = FloatGeometry(part.geometry.polygons, part.coordinates, 0, lambda faces: part.states[faces], twins)
    assert all(np.array_equal(a, b) for a, b in zip(known.half_edges, dcel, strict=True))


def test_known_twins_are_believed() -> None:
    """Two faces may share two vertices twice in float64; then the sort could not tell which edge is whose."""
    polygons = Polygons.of([(0, 1, 2), (2, 1, 0)])
    apart = FloatGeometry(polygons, np.zeros((3, 2)), 0, lambda faces: np.zeros((2, 0), np.uint8), np.full(6, -1))
    assert apart.half_edges.twin[:6].tolist() == list(range(6, 12))


@given(networks)
def test_pattern_and_states_are_inverse(plain: PlainNetwork) -> None:
    part = partition(plain)
    patterns = [part.program.pattern(face.witness) for face in part.faces]
    states = states_of(part.program, patterns)
    assert np.array_equal(states, part.states)
    assert [pattern_of(part.program, row) for row in states] == patterns
    assert [part.pattern_bytes(face) for face in range(len(part.faces))] == patterns


def test_pattern_and_states_are_inverse_for_states_of_all_widths() -> None:
    groups = [tuple(range(n)) for n in (1, 8, 9, 33, 63)]
    ops = [kernel.Affine(mpz(1), [((0, 1), (mpz(1), mpz(0)), mpz(k)) for k in range(63)])]
    program = kernel.Program(2, [*ops, *(kernel.Max([tuple(2 + j for j in group)]) for group in groups)], [0])
    states = np.array([[1, 2**7, 2**8, 2**32, 2**62]], np.uint64)
    pattern = pattern_of(program, states[0])
    assert pattern == program.pattern([mpq(0), mpq(0)])
    assert np.array_equal(states_of(program, [pattern]), states)


@given(st.lists(st.tuples(*[st.floats(-1e300, 1e300)] * 2), min_size=1))
def test_points_of_float_coordinates_are_what_the_floats_denote(coordinates: list[tuple[float, float]]) -> None:
    polygons = Polygons.of([tuple(range(len(coordinates)))])
    found = FloatGeometry(polygons, np.array(coordinates), 0, lambda faces: np.zeros((1, 0), np.uint8))
    assert [(mpq(x, w), mpq(y, w)) for x, y, w in found.points] == [(mpq(x), mpq(y)) for x, y in coordinates]
    assert all(w > 0 and np.gcd.reduce([int(x), int(y), int(w)], dtype=object) == 1 for x, y, w in found.points)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_float_coordinates_that_are_not_finite_are_named(bad: float) -> None:
    coordinates = np.array([[0, 0], [1, 0], [0, bad]])
    found = FloatGeometry(Polygons.of([(0, 1, 2)]), coordinates, 0, lambda faces: np.zeros((1, 0), np.uint8))
    assert found.point(1) == (1, 0, 1)
    with pytest.raises(sx.InputError, match=r"vertex 2 .* mode='certified'"):
        found.points  # noqa: B018


@given(networks, st.integers(0, 2**32), st.sampled_from([2.0**-40, 0.25, 3.0]))
def test_points_are_located_where_coordinates_are_off(plain: PlainNetwork, seed: int, slack: float) -> None:
    exact = partition(plain)
    off = partition(plain)
    error = np.random.default_rng(seed).uniform(-slack, slack, exact.coordinates.shape) / 2
    off.geometry.coordinates = exact.coordinates + error
    off.geometry.slack = slack + float(abs(exact.coordinates).max()) * 2.0**-50
    for face in exact.faces:
        assert off.locate(face.witness) == sx.Location("face", face.index)
    for index, vertex in enumerate(exact.vertices):
        assert off.locate(vertex) == sx.Location("vertex", index)
