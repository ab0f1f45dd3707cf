"""Outputs at exact vertices: what float64 says of them, and how well it knows. Needs torch."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import splinecam_exact as sx  # noqa: E402
from benchmarks import architectures as shown  # noqa: E402
from splinecam_exact.arrays import exact  # noqa: E402
from splinecam_exact.boundary_values import VertexValues, covering  # noqa: E402
from splinecam_exact.decide import Decider  # noqa: E402
from splinecam_exact.geometry import Polygons  # noqa: E402
from splinecam_exact.inner_points import at_corners, inner_points  # noqa: E402
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks  # noqa: E402


def within(values: VertexValues, part: sx.Subdivision, compared: bool) -> None:
    """All values are as near to the exact ones as they say; where they are compared, their differences are."""
    for v, (x, y) in enumerate(part.vertices):
        true = part.network.evaluate(part.domain.embed((x, y)))
        for i, q in enumerate(true):
            found, error = values.values[v, i], values.errors[v, i]
            other = exact(values.values[v, 0]) - true[0] if compared else mpq(0)
            slack = error + values.errors[v, 0] if compared else error
            if np.isfinite(slack):
                assert abs(exact(found) - q - other) <= exact(float(slack))


@settings(deadline=None, max_examples=40)
@given(degenerate_networks(), st.booleans(), st.booleans())
def test_values_are_within_their_errors(plain: PlainNetwork, compared: bool, closely: bool) -> None:
    part = sx.partition(plain.network(), plain.domain(), "certified")
    values = VertexValues(part.network, part.domain, part.geometry, compared)
    before = values.errors.copy()
    within(values, part, compared)
    values.sharpen(np.arange(part.geometry.vertex_count), closely)
    within(values, part, compared)
    assert (values.errors <= before).all()


@pytest.mark.parametrize("radius", [2.0**-40, 1.0, 2.0**30])
@pytest.mark.parametrize("depth", [2, 12])
def test_values_of_random_networks_are_within_their_errors(radius: float, depth: int) -> None:
    random = np.random.default_rng(depth)
    sizes = [2, *[8] * depth, 3]
    layers = [(random.normal(size=(n, m)), random.normal(size=n)) for m, n in pairwise(sizes)]
    part = sx.partition(sx.from_layers(layers), sx.square(radius), "certified")
    for compared in (False, True):
        values = VertexValues(part.network, part.domain, part.geometry, compared)
        within(values, part, compared)
        for closely in (False, True):
            values.errors[:] = np.inf  # so that all are from the faces
            values.sharpen(np.arange(0, part.geometry.vertex_count, 2), closely)
            within(values, part, compared)
            assert np.isfinite(values.errors[::2]).mean() > 0.9


def test_points_inside_faces_know_what_slopes_do_not() -> None:
    """Behind the layers of a ResNet, bounds of slopes say nothing about the outputs at the vertices."""
    net = sx.from_torch(shown.resnet18(2), (3, 16, 16))
    part = sx.partition(net, shown.slice_of(net.input_size, 0.01), "certified")
    values = VertexValues(net, part.domain, part.geometry, True)
    spread = float(np.ptp(values.values, axis=0).max())
    assert values.errors.max() > spread
    values.sharpen(np.arange(part.geometry.vertex_count))
    assert values.errors.max() < spread * 2.0**-10
    within(values, part, True)
    values.sharpen(np.arange(part.geometry.vertex_count), closely=True)
    assert values.errors.max() < spread * 2.0**-22
    within(values, part, True)


@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_few_faces_have_all_wanted_vertices(wanted: list[bool]) -> None:
    polygons = Polygons.of([(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (4, 5, 9, 8), (5, 6, 10, 9), (6, 7, 11, 10)])
    faces = covering(polygons, np.array(wanted)).tolist()
    found = {v for face in faces for v in polygons.face(face)}
    assert found >= {v for v, chosen in enumerate(wanted) if chosen}
    assert len(faces) <= min(6, sum(wanted))


M = 2.0**1023
OVERFLOWING = {
    "last": [([[0.125, -0.5], [0.125, 0], [0.5, 0.25]], [1.5, 1.25, 1.5]), ([[-M, 0.5 * M, M]], [0.0])],
    "both": [([[2.0**510, -(2.0**511)], [2.0**509, 0]], [0, 2.0**511]), ([[-(2.0**512), 2.0**513]], [2.0**1022])],
}


@pytest.mark.parametrize("name", OVERFLOWING)
def test_outputs_beyond_float64_are_left_to_exact_numbers(name: str) -> None:
    net = sx.from_layers(OVERFLOWING[name])
    found, expected = (sx.boundary(sx.partition(net, sx.square(1), mode)) for mode in ("certified", "rational"))
    assert {frozenset(s.ends) for s in found.exact} == {frozenset(s.ends) for s in expected.exact}
    values = VertexValues(net, found.part.domain, found.part.geometry, False)
    for closely in (False, True):
        values.sharpen(np.arange(len(values.values)), closely)
        assert not np.isfinite(values.errors[~np.isfinite(values.values)]).any()


def moved(random: Random, x: Any, near: Any) -> list[list[mpq]]:
    """Exact places in the balls around some float64 points, most often on their rims."""
    found = []
    for point, size in zip(x.tolist(), near.tolist(), strict=True):
        dx, dy = random.choice(
            [(1, 0), (-1, 0), (0, 1), (0, -1), (0, 0), (mpq(3, 5), mpq(-4, 5)), (mpq(-3, 5), mpq(4, 5))]
        )
        found.append([exact(point[0]) + dx * exact(size), exact(point[1]) + dy * exact(size)])
    return found


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32), st.integers(3, 9), st.integers(1, 40), st.integers(0, 60), st.integers(-60, 60))
def test_inner_points_are_inside_and_determine_the_corners(
    seed: int, count: int, blur: int, flat: int, size: int
) -> None:
    random, numbers = Random(seed), np.random.default_rng(seed)
    angles = np.sort(numbers.uniform(0, 2 * np.pi, count))
    turn = numbers.normal(size=(2, 2))
    circle = np.stack([np.cos(angles), np.sin(angles) * 2.0**-flat], axis=1)
    x = (circle @ turn * np.sign(np.linalg.det(turn)) + numbers.normal(size=2)) * 2.0**size
    if np.linalg.det(turn) < 0:
        x = x[::-1].copy()
    near = np.full(count, 2.0 ** (size - blur))
    inner = inner_points(Polygons.of([tuple(range(count))]), x, near)
    if not len(inner.points):
        return
    true = moved(random, x, near)
    for px, py in inner.points[0].tolist():
        for (ax, ay), (bx, by) in zip(true, [*true[1:], true[0]], strict=True):
            assert (bx - ax) * (exact(py) - ay) > (by - ay) * (exact(px) - ax)
    a, b, c = (exact(float(q)) for q in numbers.normal(size=3))
    noise = abs(float(numbers.normal())) * 2.0 ** -random.randrange(60)
    height = [a * exact(px) + b * exact(py) + c for px, py in inner.points[0].tolist()]
    values = np.array([[[float(q) + random.choice([-1, 0, 1]) * noise] for q in height]])
    error = np.array([max(float(abs(exact(float(w)) - q)) for w, q in zip(values[0, :, 0], height, strict=True))])
    found, errors = at_corners(inner, x, near, values, error * (1 + 2.0**-50))
    for (px, py), w, e in zip(true, found[:, 0].tolist(), errors[:, 0].tolist(), strict=True):
        assert e == np.inf or abs(exact(w) - (a * px + b * py + c)) <= exact(e)


def test_inner_points_of_a_square_are_found() -> None:
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    assert len(inner_points(Polygons.of([(0, 1, 2, 3)]), corners, np.full(4, 2.0**-6)).points) == 1
    assert len(inner_points(Polygons.of([(0, 1, 2, 3)]), corners, np.full(4, 0.5)).points) == 0


@settings(deadline=None, max_examples=30)
@given(degenerate_networks(max_layers=2, max_width=4), st.fractions(-2, 2, max_denominator=12))
def test_differences_and_levels_are_decided_as_evaluation_says(plain: PlainNetwork, level: Any) -> None:
    """`Decider.compare` with a level, with and without a second value, exact and with few digits."""
    part = sx.partition(plain.network(), plain.domain(), "rational")
    program = part.program
    first, second = program.outputs[-1], program.outputs[0]
    faces = range(min(len(part.faces), 12))
    patterns = [part.pattern_bytes(f) for f in faces]
    corners = [(f, v) for f in faces for v in part.faces[f].vertices]
    points, which = [part.points[v] for _, v in corners], np.array([f for f, _ in corners])
    true = [part.network.evaluate(part.domain.embed(part.vertices[v])) for _, v in corners]
    for digits in ((), (1, 2)):
        decider = Decider(program, digits=digits)
        for other in (-1, second):
            value = [q[-1] - (q[0] if other >= 0 else 0) for q in true]
            for offset in (mpq(level), value[0]):
                cut = decider.compare(np.array([[first, other]]), offset)
                found, _ = decider.heights(patterns, np.full(len(corners), cut), points, which)
                assert found.tolist() == [(q > offset) - (q < offset) for q in value]
