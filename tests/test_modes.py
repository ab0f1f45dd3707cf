"""The three modes of `partition`: one answer, and limits that are kept."""

from __future__ import annotations

import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import splinecam_exact as sx
from splinecam_exact import partitioning
from splinecam_exact.certification import canonical_form
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.verify.reach import within_reach

pytest.importorskip("torch")

MODES = ("float64", "certified", "rational")


def random_network(*widths: int, seed: int = 0) -> sx.Network:
    rng = np.random.default_rng(seed)
    layers = [(rng.normal(size=(m, n)), rng.normal(size=m) / 4) for n, m in pairwise(widths)]
    return sx.from_layers(layers)


def concurrent_network(lines: int) -> sx.Network:
    """Lines through (1/3, 1/3), which no float is."""
    normals = [(Fraction(k), Fraction(lines - 2 * k)) for k in range(1, lines + 1)]
    biases = [-(a + b) / 3 for a, b in normals]
    return sx.from_layers([(normals, biases), ([[1] * lines], [0])])


def test_modes_agree_where_nothing_is_degenerate() -> None:
    net = random_network(2, 12, 12, 12, 1)
    parts = {mode: sx.partition(net, sx.square(1), mode) for mode in MODES}
    assert parts["float64"].counts() == parts["certified"].counts() == parts["rational"].counts()
    assert canonical_form(parts["certified"]) == canonical_form(parts["rational"])
    assert sorted(map(bytes, parts["float64"].states)) == sorted(map(bytes, parts["rational"].states))


def test_only_float64_is_uncertified() -> None:
    net = random_network(2, 6, 6, 1)
    marks = {mode: sx.partition(net, sx.square(1), mode).certified for mode in MODES}
    assert marks == {"float64": False, "certified": True, "rational": True}


THIRD = 1 / 3
DELICATE = {
    "twice": [([1, 0.3], 0.1), ([1, 0.3], 0.1)],
    "scaled": [([1, 0.3], 0.1), ([3, 3 * 0.3], 3 * 0.1)],
    "through a corner": [([1, -1], 0), ([0.3, 0.7], 0.1)],
    "along a side": [([-1, 0], 1), ([1, 0], -1)],
    "touches a corner": [([1, 1], -2), ([-1, -1], 2)],
    "three through a point": [([1, 0], -THIRD), ([0, 1], -THIRD), ([1, 1], -2 * THIRD)],
    "an ulp apart": [([1, 0.3], 0.1), ([1, 0.3], 0.1 + 2.0**-55)],
}


@pytest.mark.parametrize("name", DELICATE)
def test_float64_leaves_delicate_cells_to_the_certified_mode(name: str) -> None:
    lines = DELICATE[name]
    net = sx.from_layers([([w for w, _ in lines], [b for _, b in lines]), ([[1] * len(lines)], [0])])
    part = sx.partition(net, sx.square(1), "float64")
    assert part.mode == "certified"
    assert canonical_form(part) == canonical_form(sx.partition(net, sx.square(1), "rational"))


@pytest.mark.parametrize("radius", [2.0**-50, 1, 2.0**50])
def test_float64_stays_float64_in_general_position(radius: float) -> None:
    random = np.random.default_rng(0)
    layers = [(random.normal(size=(30, n)), random.normal(size=30) * radius) for n in (2, 30)]
    part = sx.partition(sx.from_layers([*layers, (np.ones((1, 30)), [0])]), sx.square(radius), "float64")
    assert part.mode == "float64"


def test_concurrent_lines_come_out_right() -> None:
    """The float64 engine contradicts itself, or proposes nonsense: it says so, and the kernel repairs."""
    part = sx.partition(concurrent_network(16), sx.square(1))
    assert (len(part.faces), part.mode) == (32, "certified")
    assert part.report.repaired == 1  # type: ignore[attr-defined]
    assert part.counts()["V"] - part.counts()["E"] == -31


def test_every_predicate_is_counted_once() -> None:
    net = random_network(2, 10, 10, 1)
    report = sx.partition(net, sx.square(1), "certified").report
    assert report.repaired == report.wide == report.exact == 0  # type: ignore[attr-defined]
    assert report.float64 > 4 * 10  # type: ignore[attr-defined]


def test_networks_with_maxima_are_certified_in_every_mode() -> None:
    net = sx.Network(2, [Affine((0,), ([[1, 0], [0, 1], [1, 1]],), [0, 0, "1/3"]), Max(1, ((0, 1, 2),))])  # type: ignore[arg-type]
    parts = [sx.partition(net, sx.square(1), mode) for mode in MODES]
    assert [part.mode for part in parts] == ["certified", "certified", "rational"]
    assert all(canonical_form(part) == canonical_form(parts[2]) for part in parts)


def test_certified_survives_a_round_trip_through_a_certificate() -> None:
    net, domain = random_network(2, 8, 8, 3), sx.square(1)
    part = sx.partition(net, domain, "certified")
    assert sx.check(sx.Certificate(part.certificate()), net, domain).status == "verified"


def test_points_are_located_exactly_in_a_certified_result() -> None:
    part = sx.partition(random_network(2, 8, 8, 1), sx.square(1), "certified")
    for face in part.faces:
        assert part.locate(face.witness).index == face.index
    for index, vertex in enumerate(part.vertices):
        location = part.locate(vertex)
        assert (location.kind, location.index) == ("vertex", index)


@pytest.mark.parametrize("mode", MODES)
def test_max_cells_is_a_limit(mode: str) -> None:
    net = random_network(2, 12, 1)
    cells = len(sx.partition(net, sx.square(1), mode).faces)
    assert len(sx.partition(net, sx.square(1), mode, max_cells=cells).faces) == cells
    with pytest.raises(sx.Undecided, match=f"more than {cells - 1} cells"):
        sx.partition(net, sx.square(1), mode, max_cells=cells - 1)


@pytest.mark.parametrize("mode", ["float64", "certified"])
def test_max_memory_is_a_limit(mode: str) -> None:
    with pytest.raises(sx.Undecided, match="max_memory"):
        sx.partition(random_network(2, 40, 40, 1), sx.square(1), mode, max_memory=1 << 16)


@pytest.mark.parametrize("mode", MODES)
def test_progress_can_interrupt(mode: str) -> None:
    seen: list[str] = []

    def stop(stage: str, done: int, total: int) -> None:
        seen.append(stage)
        assert 0 <= done <= total
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sx.partition(random_network(2, 12, 12, 1), sx.square(1), mode, progress=stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "no mode 'fast'; the modes are float64, certified, rational"),
        ({"mode": "float64", "device": "abacus"}, "device 'abacus'"),
        ({"mode": "certified", "device": "meta"}, "device 'meta'"),
        ({"mode": "rational", "device": "cpu"}, "has no device"),
        ({"max_memory": 0}, "max_memory must be a positive int"),
        ({"max_cells": 1.5}, "max_cells must be a positive int"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(sx.InputError, match=message):
        sx.partition(random_network(2, 3, 1), sx.square(1), **options)  # type: ignore[arg-type]


def test_without_torch_the_default_is_rational(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "find_spec", lambda name: None)
    assert sx.partition(random_network(2, 3, 1), sx.square(1)).mode == "rational"


def test_without_torch_the_other_modes_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith(("splinecam_exact.verify", "splinecam_exact.fast")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(sx.MissingDependency, match="mode='rational'"):
        sx.partition(random_network(2, 3, 1), sx.square(1), "certified")


def squared_scale(s: object) -> sx.Network:
    """Two lines and the diagonal, with weights whose products are s**2: five cells."""
    return sx.from_layers([([[s, 0], [0, s]], [0, 0]), ([[s, -s]], [0]), ([[1]], [0])])


@pytest.mark.parametrize("exponent", [520, 600, -550, -600])
def test_float64_leaves_products_beyond_its_range_to_the_certified_mode(exponent: int) -> None:
    net = squared_scale(2.0**exponent)
    part = sx.partition(net, sx.square(1), "float64")
    assert part.mode == "certified"
    assert part.counts() == sx.partition(net, sx.square(1), "rational").counts()
    assert len(part.faces) == 5


def weighty_network(kind: str) -> tuple[sx.Network, sx.Polygon | sx.Slice]:
    """With a weight, bias, breakpoint or slope that float64 cannot reach, or a domain."""
    big, tiny, one = Fraction(2) ** 1100, Fraction(1, 2**1100), [([[1, 0.3], [0.2, -1]], [0.1, 0])]
    return {
        "weight": (sx.from_layers([([[1, tiny], [0.2, 1]], [0, 0]), ([[1, 1]], [0])]), sx.square(1)),
        "bias": (sx.from_layers([([[1, 0.3], [0.2, 1]], [0, big]), ([[1, 1]], [0])]), sx.square(1)),
        "slope": (
            sx.from_layers([(*one[0], Piecewise.of([[0]], [[tiny, 1]], [0])), ([[1, 1]], [0]), ([[1]], [0])]),
            sx.square(1),
        ),
        "sum": (sx.from_layers([([[0, 0]], [0]), ([[1.7e308], [1]], [1.7e308, 0]), ([[1, 1]], [0])]), sx.square(1)),
        "domain": (sx.from_layers([*one, ([[1, 1]], [0])]), sx.square(tiny)),
        "basis": (sx.from_layers([*one, ([[1, 1]], [0])]), sx.Slice([0, 0], [[tiny, 0], [0, 1]])),
    }[kind]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["weight", "bias", "slope", "domain", "basis", "sum"])
def test_numbers_beyond_float64_are_out_of_reach(kind: str) -> None:
    assert not within_reach(*weighty_network(kind))


@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_deep_networks_with_tiny_and_dead_weights_are_within_reach(bias: float) -> None:
    """Twenty layers of normal weights; some are 1e-6 or 0, whole rows are dead. With biases, some are denormal."""
    random = np.random.default_rng(0)
    layers = []
    for n in (2, *[30] * 19):
        weights = random.normal(size=(30, n)) / n**0.5
        weights[random.random(weights.shape) < 0.1] = 0
        weights[random.random(weights.shape) < 0.1] = 1e-6 if not bias else 1e-310
        weights[random.integers(30)] = 0
        layers.append((weights, random.normal(size=30) * bias))
    net = sx.from_layers([*layers, (np.ones((1, 30)), [0])])
    assert within_reach(net, sx.square(1))
    assert within_reach(net, sx.Slice([0.5, 0], [[1, 0], [0, 1]], sx.square(1e-9)))
