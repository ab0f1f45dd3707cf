"""A float64 result says that it is one, and breaks down nowhere, whatever its cells have shrunk to."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import subdivision
from splinecam_exact.geometry import FloatGeometry
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks


def as_float64(part: sx.Subdivision, digits: int = 53) -> sx.Subdivision:
    """The same cells with float64 coordinates, of so many binary digits after the point."""
    states, coordinates = part.states, part.coordinates
    if digits < 53:
        coordinates = np.round(coordinates * 2.0**digits) / 2.0**digits
    geometry = FloatGeometry(part.geometry.polygons, coordinates, states.shape[1], lambda faces: states[faces])
    return sx.Subdivision(part.network, part.domain, geometry, mode="float64", report="none")


def sliver(gap: object) -> sx.Subdivision:
    """Three cells, the one in the middle as wide as the gap."""
    net = sx.from_layers([([[1, 0], [1, 0]], ["-1/3", mpq("-1/3") - mpq(gap)]), ([[1, 2]], [0])])
    return sx.partition(net, sx.square(1), mode="rational")


FINE = sliver("1/8")
FLAT = as_float64(sliver(mpq(1, 2**80)))


@pytest.mark.parametrize(
    ("mode", "certified", "shown"),
    [
        ("rational", True, "<Subdivision: 3 cells, 8 vertices>"),
        ("certified", True, "<Subdivision: 3 cells, 8 vertices>"),
        ("float64", False, "<Subdivision: 3 cells, 8 vertices, float64, uncertified>"),
    ],
)
def test_results_say_whether_they_are_certified(mode: str, certified: bool, shown: str) -> None:
    part = sx.Subdivision(FINE.network, FINE.domain, FINE.geometry, mode=mode)
    assert (part.mode, part.certified, repr(part)) == (mode, certified, shown)


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(sx.InputError, match="no mode 'float32'"):
        sx.Subdivision(FINE.network, FINE.domain, FINE.geometry, mode="float32")


def test_report_is_kept() -> None:
    assert FINE.report is None
    assert as_float64(FINE).report == "none"


def test_float64_results_have_no_certificate(tmp_path: Path) -> None:
    part = as_float64(FINE)
    for attempt in (part.certificate, lambda: part.save(tmp_path / "x")):
        with pytest.raises(sx.InputError, match=r"uncertified.*mode='certified'"):
            attempt()
    assert not list(tmp_path.iterdir())


def test_loaded_partitions_are_certified(tmp_path: Path) -> None:
    FINE.save(tmp_path / "x")
    assert sx.load_partition(tmp_path / "x").mode == "certified"


def test_sizes_do_not_cost_the_affine_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subdivision, "affine_pieces", None)
    part = sx.partition(FINE.network, FINE.domain, mode="rational")
    assert (len(part.faces), len(part.vertices), len(part.edges)) == (3, 8, 10)
    with pytest.raises(TypeError):
        part.counts()


def test_vertices_of_a_float64_result_are_those_that_its_floats_denote() -> None:
    part = as_float64(FINE)
    assert list(part.vertices) == [(mpq(x), mpq(y)) for x, y in part.coordinates.tolist()]
    assert mpq(1, 3) in {x for x, _ in FINE.vertices}
    assert mpq(1 / 3) in {x for x, _ in part.vertices}


def test_counts_of_a_float64_result_are_those_of_its_cells() -> None:
    assert FLAT.counts() == as_float64(FINE).counts() == FINE.counts()


def test_cell_without_area_has_no_witness() -> None:
    areas = [face.area for face in FLAT.faces]
    (flat,) = (i for i, area in enumerate(areas) if area == 0)
    assert sum(areas) == 4
    with pytest.raises(sx.InputError, match=f"face {flat} has no inside"):
        _ = FLAT.faces[flat].witness


def test_cell_with_two_vertices_at_one_point_has_no_statistics() -> None:
    with pytest.raises(sx.InputError, match="are one point in float64: use mode='certified'"):
        FLAT.statistics()


@pytest.mark.parametrize(
    ("point", "kinds"),
    [
        ((0, 0), {"face"}),
        ((0.9, 0), {"face"}),
        ((1 / 3, 0.25), {"edge"}),
        ((1 / 3, 1), {"vertex"}),
        ((0, 1), {"edge"}),
        ((1 / 3, 2), {"outside"}),
    ],
)
def test_points_are_located_beside_cells_without_area(point: tuple[float, float], kinds: set[str]) -> None:
    assert FLAT.locate(point).kind in kinds


@settings(max_examples=2 * settings().max_examples)
@given(degenerate_networks(max_layers=2, max_width=4), st.integers(0, 53))
def test_float64_results_answer_or_raise_clear_errors(plain: PlainNetwork, digits: int) -> None:
    """Cells rounded to nothing, turned over or overlapping: only what is asked of such a cell itself may fail."""
    exact = sx.partition(plain.network(), plain.domain(), mode="rational")
    part = as_float64(exact, digits)
    assert part.counts() == exact.counts()
    assert [edge.units for edge in part.edges] == [edge.units for edge in exact.edges]
    assert [face.pattern for face in part.faces] == [face.pattern for face in exact.faces]
    assert [face.affine for face in part.faces] == [face.affine for face in exact.faces]
    assert part.cells == exact.cells
    assert part.to_networkx().number_of_nodes() == len(exact.faces)
    for vertex in part.vertices:
        part.locate(vertex)
    for edge in part.edges:
        (a, b), (c, d) = (part.vertices[v] for v in edge.vertices)
        part.locate(((a + c) / 2, (b + d) / 2))
    for face in part.faces:
        try:
            part.locate(face.witness)
        except sx.InputError:
            (a, b), *others = face.polygon
            assert all((c - a) * (f - b) == (d - b) * (e - a) for c, d in others for e, f in others)
    repeated = any(len(set(face.polygon)) < len(face.polygon) for face in part.faces)
    try:
        part.statistics()
    except sx.InputError:
        assert repeated
    else:
        assert not repeated


def test_cells_without_area_are_drawn() -> None:
    pytest.importorskip("matplotlib")
    for colour in ("cell", "region", "none"):
        sx.plot(FLAT, color_by=colour)


def test_float64_geometry_is_never_certified() -> None:
    part = sx.partition(FINE.network, FINE.domain, mode="float64")
    for mode in ("rational", "certified", "float64"):
        assert not sx.Subdivision(FINE.network, FINE.domain, part.geometry, mode=mode).certified
    part.mode = "certified"
    with pytest.raises(sx.InputError, match="uncertified"):
        sx.certificate_of(part)


def test_results_forget_who_watched_when_they_are_pickled() -> None:
    part = sx.partition(FINE.network, FINE.domain, mode="rational", progress=lambda *_: None)
    assert pickle.loads(pickle.dumps(part)).counts() == part.counts()
