"""Outputs at exact vertices: what float64 says of them, and how well it knows. Needs torch."""

from __future__ import annotations

from itertools import pairwise
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
from splinecam_exact.boundary_values import VertexValues  # noqa: E402
from splinecam_exact.decide import Decider  # noqa: E402
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks  # noqa: E402
from splinecam_exact.verify import outputs  # noqa: E402


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
@given(degenerate_networks(), st.booleans())
def test_values_are_within_their_errors(plain: PlainNetwork, compared: bool) -> None:
    part = sx.partition(plain.network(), plain.domain(), "certified")
    values = VertexValues(part.network, part.domain, part.geometry, compared)
    before = values.errors.copy()
    within(values, part, compared)
    values.sharpen(np.arange(part.geometry.vertex_count))
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
        values.errors[:] = np.inf  # so that all are from the faces
        values.sharpen(np.arange(0, part.geometry.vertex_count, 2), [0, 2])
        within(values, part, compared)
        assert np.isfinite(values.errors[::2, [0, 2]]).all()
        assert np.isinf(values.errors[1::2]).all()
        assert np.isinf(values.errors[:, 1]).all()


def test_kept_outputs_may_have_other_references() -> None:
    """As where another device has computed them: what is compared is less the same number all the same."""
    random = np.random.default_rng(0)
    layers = [(random.normal(size=(6, 2)), random.normal(size=6)), (random.normal(size=(3, 6)), random.normal(size=3))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "DEAR", 0)
        part = sx.partition(sx.from_layers(layers), sx.square(1), "certified")
    kept = part.geometry.outputs()
    assert kept is not None
    kept = kept._replace(reference=kept.reference + np.array([0.5, 2.0, 0.25]))
    kept = kept._replace(values=kept.values - np.array([0.5, 2.0, 0.25]), errors=kept.errors + 1e-12)
    values = VertexValues(part.network, part.domain, part.geometry, True, kept)
    values.sharpen(np.arange(part.geometry.vertex_count), [1])
    assert (values.errors[:, 1] < 1e-13).all()
    within(values, part, True)


def test_maps_of_faces_know_what_slopes_do_not() -> None:
    """Behind the layers of a ResNet, bounds of slopes say nothing about the outputs at the vertices."""
    net = sx.from_torch(shown.resnet18(2), (3, 16, 16))
    part = sx.partition(net, shown.slice_of(net.input_size, 0.01), "certified")
    values = VertexValues(net, part.domain, part.geometry, True)
    spread = float(np.ptp(values.values, axis=0).max())
    assert values.errors.max() > spread
    values.sharpen(np.arange(part.geometry.vertex_count))
    assert np.median(values.errors) < spread * 2.0**-36
    assert values.errors.max() < spread * 2.0**-20
    within(values, part, True)


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
    values.sharpen(np.arange(len(values.values)))
    assert not np.isfinite(values.errors[~np.isfinite(values.values)]).any()


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
