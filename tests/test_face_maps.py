"""Affine maps of faces in float64: their bounds hold, on the face and far from it. Needs torch."""

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
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks  # noqa: E402
from splinecam_exact.verify import centre, outputs, rigor  # noqa: E402
from splinecam_exact.verify.centre import centred  # noqa: E402
from splinecam_exact.verify.engine import Engine  # noqa: E402
from splinecam_exact.verify.face_maps import FaceMaps  # noqa: E402
from splinecam_exact.verify.outputs import kept  # noqa: E402
from splinecam_exact.verify.steps import compiled, corners_of  # noqa: E402
from tests.test_centre import nodes_of_all_kinds  # noqa: E402

CPU = torch.device("cpu")
TURNS = [(1, 0), (-1, 0), (0, 1), (0, -1), (0, 0), (mpq(3, 5), mpq(-4, 5)), (mpq(-3, 5), mpq(4, 5))]


def shifted(seed: int, radius: Any) -> sx.Polygon:
    """A square somewhere."""
    x, y = (mpq(q) for q in np.random.default_rng(seed).normal(size=2).tolist())
    return sx.Polygon([(x + a * radius, y + b * radius) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


def maps(net: sx.Network, dom: Any, far: float) -> FaceMaps:
    """With references if `far` is 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(centre, "FAR", far)
        return FaceMaps(net, centred(compiled(net, dom, CPU), corners_of(dom.corners, CPU)))


def check(part: sx.Subdivision, seed: int, far: float) -> float:
    """Corners of faces and places anywhere, moved by as much as is said; how large the worst bound is on the faces."""
    random, found = Random(seed), maps(part.network, part.domain, far)
    reference = found.steps[-1].reference
    subtracted = [0.0] * part.network.output_size if reference is None else reference.tolist()
    worst = 0.0
    for face in random.sample(range(len(part.faces)), min(8, len(part.faces))):
        polygon = part.faces[face].polygon
        radius = float(max(abs(q) for corner in polygon for q in corner))
        inner = [[float(x), float(y)] for x, y in polygon]
        outer = [[random.gauss(0, 2 * radius), random.gauss(0, 2 * radius)] for _ in range(2)]
        near = [random.choice([0.0, 1e-16, 1e-9]) * radius for _ in inner + outer]
        x = torch.tensor(inner + outer, dtype=torch.float64)
        states = part.geometry.state_rows(np.full(len(x), face)).astype(np.int64)
        columns = list(range(part.network.output_size))
        values, errors = found.outputs(x, torch.tensor(near, dtype=torch.float64), torch.from_numpy(states), columns)
        matrix, offset = part.faces[face].affine
        for k, (point, ball) in enumerate(zip(x.tolist(), near, strict=True)):
            dx, dy = random.choice(TURNS)
            px, py = exact(point[0]) + dx * exact(ball), exact(point[1]) + dy * exact(ball)
            for (a, b), c, value, error, less in zip(
                matrix, offset, values[k].tolist(), errors[k].tolist(), subtracted, strict=True
            ):
                assert abs(exact(value) + exact(less) - (a * px + b * py + c)) <= exact(error)
                if k < len(inner) and ball <= 1e-16 * radius:
                    worst = max(worst, error)
    return worst


@settings(deadline=None)
@given(degenerate_networks(), st.sampled_from([0.0, 2.0**1000]), st.integers(0, 2**32))
def test_bounds_hold_for_degenerate_networks(plain: PlainNetwork, far: float, seed: int) -> None:
    assert check(sx.partition(plain.network(), plain.domain(), "rational"), seed, far) < np.inf


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("far", [0.0, 2.0**1000])
def test_bounds_hold_for_nodes_of_all_kinds(seed: int, far: float) -> None:
    for radius in (1, mpq(1, 10**8)):
        check(sx.partition(sx.Network(2, nodes_of_all_kinds(seed)), shifted(seed, radius), "certified"), seed, far)


@pytest.mark.parametrize("radius", [2.0**-40, 1.0, 2.0**30])
@pytest.mark.parametrize("depth", [2, 12])
def test_bounds_hold_for_random_networks_and_are_small(radius: float, depth: int) -> None:
    random = np.random.default_rng(depth)
    sizes = [2, *[8] * depth, 3]
    layers = [(random.normal(size=(n, m)), random.normal(size=n)) for m, n in pairwise(sizes)]
    part = sx.partition(sx.from_layers(layers), sx.square(radius), "certified")
    size = float(max(abs(q) for v in part.vertices for q in part.network.evaluate(v)))
    for far in (0.0, 2.0**1000):
        assert check(part, depth, far) < 1e-10 * size


def test_nothing_is_said_beyond_float64() -> None:
    huge = 2.0**700
    net = sx.from_layers([([[huge, 1], [1, huge]], [0, 0]), ([[huge, 1]], [0]), ([[1]], [0])])
    part = sx.partition(net, sx.square(1), "rational")
    found = maps(net, part.domain, 2.0**1000)
    states = torch.from_numpy(part.geometry.state_rows(np.arange(len(part.faces))).astype(np.int64))
    places = torch.full((len(part.faces), 2), 0.5, dtype=torch.float64)
    _, errors = found.outputs(places, torch.zeros(len(places), dtype=torch.float64), states, [0])
    on = states[:, 2] == 2
    assert bool(on.any())
    assert bool(torch.isinf(errors[on]).all())


# -- outputs that an engine carries along


def carried(net: sx.Network, dom: Any) -> Engine:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "DEAR", 0)
        patch.setattr(rigor, "CHUNK", {"cpu": 64})
        engine = Engine(net, dom, CPU, True)
        engine.run()
    return engine


def check_kept(net: sx.Network, dom: Any) -> None:
    """Outputs and differences at the exact vertices."""
    engine = carried(net, dom)
    found = kept(engine)
    if found is None:
        assert net.unit_count == 0
        return
    owner = engine.some_face()
    points = engine.exactly.places(np.arange(len(owner)), owner, engine.history.patterns)
    level = mpq(1, 3)
    last = net.output_size - 1
    combined = [found.difference(0, last, level), found.difference(last, -1, level)]
    for v, (a, b, w) in enumerate(points):
        true = net.evaluate(dom.embed((mpq(a, w), mpq(b, w))))
        rows = [(found, true), (combined[0], [true[0] - true[last] - level]), (combined[1], [true[last] - level])]
        for some, truth in rows:
            for value, error, reference, q in zip(
                some.values[v].tolist(), some.errors[v].tolist(), some.reference.tolist(), truth, strict=True
            ):
                rounded = 0 if some is found else abs(exact(reference)) * mpq(1, 1 << 53)
                assert error == np.inf or abs(exact(value) + exact(reference) - q) <= exact(error) + rounded


@settings(deadline=None)
@given(degenerate_networks(), st.sampled_from([0.0, 16.0]))
def test_kept_outputs_of_degenerate_networks(plain: PlainNetwork, far: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(centre, "FAR", far)
        check_kept(plain.network(), plain.domain())


@pytest.mark.parametrize("seed", range(8))
def test_kept_outputs_of_nodes_of_all_kinds(seed: int) -> None:
    for radius in (4, mpq(1, 10**8)):
        check_kept(sx.Network(2, nodes_of_all_kinds(seed)), shifted(seed, radius))


def test_kept_outputs_give_the_same_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    net = sx.from_torch(shown.resnet18(2), (3, 16, 16))
    dom = shown.slice_of(net.input_size, 0.01)
    found = []
    for dear in (0, 1 << 60):
        monkeypatch.setattr(outputs, "DEAR", dear)
        part = sx.partition(net, dom, "certified")
        assert (part.geometry.outputs() is None) == (dear > 0)
        for options in ({"classes": (0, 1)}, {"output": 2, "level": net.evaluate(dom.origin)[2]}, {}):
            found.append(sorted((s.ends, s.classes) for s in sx.boundary(part, **options).exact))
    assert found[:3] == found[3:]
    assert sum(map(len, found[:3])) > 0
