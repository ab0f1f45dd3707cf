"""`compare`: planted faults, each reported as what it is; forms of claims; hostile input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.comparison.cells import Cells
from splinecam_exact.comparison.grid import Grid
from splinecam_exact.comparison.own import claim_of_partition, sign_rows
from splinecam_exact.comparison.pairing import Pairing
from splinecam_exact.comparison.polygons import common, convex_parts, twice_area, without
from splinecam_exact.comparison.signs import vertex_signs
from splinecam_exact.subdivision import Subdivision

RNG = np.random.default_rng(6)
LAYERS = [(RNG.normal(size=(8, 2)), RNG.normal(size=8) / 2), (RNG.normal(size=(6, 8)), RNG.normal(size=6) / 2)]
NET = sx.from_layers([*LAYERS, (RNG.normal(size=(1, 6)), [0.1])])


@pytest.fixture(scope="module")
def part() -> Subdivision:
    found = sx.partition(NET, sx.square(1), mode="rational")
    assert len(found.faces) > 20
    return found


@pytest.fixture
def polygons(part: Subdivision) -> list[Any]:
    return [np.array(polygon) for polygon in claim_of_partition(part).polygons or ()]


def large(part: Subdivision) -> int:
    return max(range(len(part.faces)), key=lambda f: part.faces[f].area)


def pair(part: Subdivision) -> tuple[int, int]:
    """Two neighbours, neither of them small."""
    areas = [face.area for face in part.faces]
    return max(map(tuple, part.dual_edges().tolist()), key=lambda fg: min(areas[fg[0]], areas[fg[1]]))


def union(part: Subdivision, f: int, g: int) -> Any:
    """The polygon around two neighbours."""
    left, right = list(part.faces[f].vertices), list(part.faces[g].vertices)
    shared = set(left) & set(right)
    k = next(k for k in range(len(left)) if left[k - 1] in shared and left[k] not in shared)
    left = left[k:] + left[:k]  # begins after the shared chain
    last = max(i for i, v in enumerate(left) if v not in shared)
    first, end = left[last + 1], left[-1]
    j = right.index(first)
    right = right[j:] + right[:j]
    ring = [end, *left[: last + 1], first, *(v for v in right[1:] if v not in shared)]
    return part.coordinates[ring]


# -- planted faults ---------------------------------------------------------------------------------------------------


def test_the_right_cells_pass(part: Subdivision, polygons: list[Any]) -> None:
    found = sx.compare(polygons, part, tolerance=1e-15)
    assert found.passed
    assert found.kinds == {}
    assert found.matches.tolist() == list(range(len(part.faces)))
    assert found.vertex_errors.max() == 0
    assert found.vertex_ulps.max() == 0
    assert "passed" in found.text()


def test_a_lost_cell_is_missing_with_its_exact_area(part: Subdivision) -> None:
    claim = claim_of_partition(part, exact=True)
    f = large(part)
    found = sx.compare([p for k, p in enumerate(claim.polygons or ()) if k != f], part)
    (defect,) = found.defects
    assert (defect.kind, defect.faces, defect.cells) == ("missing", (f,), ())
    assert defect.area == part.faces[f].area
    assert found.seams is not None
    assert found.seams.excess == -part.faces[f].area
    assert part.locate(defect.place or ()).index == f


def test_two_cells_in_one_are_merged(part: Subdivision, polygons: list[Any]) -> None:
    f, g = pair(part)
    ring = union(part, f, g)
    rest = [p for k, p in enumerate(polygons) if k not in (f, g)]
    found = sx.compare([*rest, ring], part)
    assert found.kinds == {"merged": 1}, found.text()
    assert sorted(found.defects[0].faces) == sorted((f, g))
    assert found.defects[0].cells == (len(rest),)


def test_a_cell_in_two_is_split(part: Subdivision, polygons: list[Any]) -> None:
    f = large(part)
    whole = polygons[f]
    middle = (whole[1] + whole[2]) / 2
    polygons[f] = np.array([whole[0], whole[1], middle])
    polygons.append(np.array([whole[0], middle, *whole[2:]]))
    found = sx.compare(polygons, part)
    assert found.kinds == {"split": 1}, found.text()
    assert found.defects[0].cells == (f, len(part.faces))
    assert found.defects[0].faces == (f,)
    assert found.defects[0].area == part.faces[f].area


def test_a_cell_given_twice_is_spurious(part: Subdivision, polygons: list[Any]) -> None:
    f = large(part)
    found = sx.compare([*polygons, polygons[f][::-1]], part)
    assert found.kinds == {"spurious": 1}
    assert found.defects[0].cells in ((f,), (len(part.faces),))
    assert found.defects[0].faces == (f,)


def test_a_cell_around_all_is_spurious(part: Subdivision, polygons: list[Any]) -> None:
    found = sx.compare([*polygons, [(-1, -1), (1, -1), (1, 1), (-1, 1)]], part)
    assert found.kinds == {"spurious": 1}


def test_one_cell_for_all_is_merged(part: Subdivision) -> None:
    found = sx.compare([[(-1, -1), (1, -1), (1, 1), (-1, 1)]], part)
    assert found.kinds == {"merged": 1}
    assert len(found.defects[0].faces) == len(part.faces)


def test_a_thin_cell_inside_another_is_a_sliver(part: Subdivision, polygons: list[Any]) -> None:
    f = large(part)
    a, b = polygons[f].mean(axis=0), polygons[f][0]
    found = sx.compare([*polygons, [a, b, (a + b) / 2 + [1e-7, 0]]], part)
    assert found.kinds == {"sliver": 1}
    assert found.defects[0].faces == (f,)


def test_a_cell_without_area(part: Subdivision, polygons: list[Any]) -> None:
    for flat in ([(0, 0), (0.5, 0.5)], [(0, 0), (0.5, 0.5), (0.25, 0.25)], [(0, 0)], [(0, 0), (0, 0), (0, 0)], []):
        found = sx.compare([*polygons, flat], part)
        assert found.kinds == {"zero_area": 1}, found.text()
        assert found.defects[0].area == 0


def test_a_cell_outside(part: Subdivision, polygons: list[Any]) -> None:
    found = sx.compare([*polygons, [(2, 2), (3, 2), (2, 3)]], part)
    assert found.kinds == {"outside": 1}
    assert found.defects[0].area == mpq(1, 2)


def test_a_cell_that_reaches_outside(part: Subdivision, polygons: list[Any]) -> None:
    f = next(f for f in range(len(part.faces)) if (polygons[f] == [1, 1]).all(axis=1).any())
    polygons[f][(polygons[f] == [1, 1]).all(axis=1)] = (3, 3)
    assert sx.compare(polygons, part).kinds == {"outside": 1}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan(part: Subdivision, polygons: list[Any], value: float) -> None:
    found = sx.compare([*polygons, [(0, 0), (1, value), (1, 1)]], part)
    assert found.kinds == {"nan": 1}
    assert found.defects[0].cells == (len(part.faces),)


@pytest.mark.parametrize(
    "cell", [None, "abc", 3, [1, 2], [[1, 2, 3]], [[0, 0], [1]], [[None, 1]], object(), [["1/0", 1]]]
)
def test_what_is_no_cell_is_malformed(part: Subdivision, polygons: list[Any], cell: object) -> None:
    found = sx.compare([*polygons, cell], part)
    assert found.kinds == {"malformed": 1}
    assert json.dumps(found.to_json())


def test_a_bow_tie_overlaps_itself(part: Subdivision, polygons: list[Any]) -> None:
    f = max((f for f in range(len(polygons)) if len(polygons[f]) == 4), key=lambda f: part.faces[f].area)
    polygons[f] = polygons[f][[0, 2, 1, 3]]
    found = sx.compare(polygons, part)
    assert found.kinds == {"self_overlap": 1}, found.text()
    assert found.defects[0].cells == (f,)


def test_a_pentagram_overlaps_itself() -> None:
    part = sx.partition(sx.from_layers([([[0, 0]], [1])]), sx.square(2))
    angles = 2 * np.pi * np.arange(5) * 2 / 5
    found = sx.compare([np.stack([np.cos(angles), np.sin(angles)], axis=1)], part)
    assert "self_overlap" in found.kinds


def test_a_dent_is_not_convex(part: Subdivision, polygons: list[Any]) -> None:
    f = large(part)
    whole = polygons[f]
    dent = (whole[0] + whole[1]) / 2 * 0.99 + whole.mean(axis=0) * 0.01
    polygons[f] = np.array([whole[0], dent, *whole[1:]])
    assert sx.compare(polygons, part).kinds == {"non_convex": 1}


def test_a_shifted_corner_is_measured_and_judged_by_tolerance_only(part: Subdivision, polygons: list[Any]) -> None:
    v = next(v for v in range(len(part.vertices)) if abs(part.coordinates[v]).max() < 0.7)
    moved = part.coordinates.copy()
    moved[v] += (3e-9, 4e-9)
    claim = {"vertices": moved, "faces": [list(face.vertices) for face in part.faces]}
    found = sx.compare(claim, part)
    assert found.passed
    assert found.vertex_errors.max() == pytest.approx(5e-9, rel=1e-6)
    assert sx.compare(claim, part, tolerance=6e-9).passed
    judged = sx.compare(claim, part, tolerance=4e-9)
    around = sum(v in face.vertices for face in part.faces)
    assert judged.kinds == {"vertex": around}
    assert judged.defects[0].place is None or judged.defects[0].place == part.vertices[v]


def test_a_cell_cut_down_leaves_a_gap(part: Subdivision, polygons: list[Any]) -> None:
    f = large(part)
    polygons[f] = polygons[f].mean(axis=0) + (polygons[f] - polygons[f].mean(axis=0)) / 2
    found = sx.compare(polygons, part)
    assert found.kinds == {"gap": 1}, found.text()
    assert float(found.defects[0].area or 0) == pytest.approx(float(part.faces[f].area) * 3 / 4, rel=1e-12)


def test_a_cell_blown_up_overlaps_its_neighbours() -> None:
    part = sx.partition(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), sx.square(1), mode="rational")
    left, right = [(-1, -1), (0.25, -1), (0.25, 1), (-1, 1)], [(0, -1), (1, -1), (1, 1), (0, 1)]
    found = sx.compare([left, right], part)
    assert found.kinds == {"overlap": 1}
    assert found.defects[0].area == mpq(1, 2)
    assert found.defects[0].cells == (0, 1)
    assert found.seams is not None
    assert found.seams.excess == mpq(1, 2)


# -- patterns, counts, vertices ---------------------------------------------------------------------------------------


def test_a_flipped_sign_is_named(part: Subdivision, polygons: list[Any]) -> None:
    signs = sign_rows(part, np.arange(len(part.faces)))
    assert sx.compare({"polygons": polygons, "patterns": signs}, part).passed
    signs[3, 5] *= -1
    found = sx.compare({"polygons": polygons, "patterns": signs}, part)
    assert found.kinds == {"pattern": 1}
    assert found.defects[0].cells == found.defects[0].faces == (3,)
    assert "unit 5" in found.defects[0].message


def test_two_valued_patterns(part: Subdivision, polygons: list[Any]) -> None:
    on = sign_rows(part, np.arange(len(part.faces))) > 0
    assert sx.compare({"polygons": polygons, "patterns": on}, part).passed
    assert sx.compare({"patterns": on}, part).passed
    on[0, 0] ^= True
    assert sx.compare({"polygons": polygons, "patterns": on}, part).kinds == {"pattern": 1}


def test_two_valued_tools_may_call_a_zero_as_they_like() -> None:
    net = sx.from_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, 0]], [0]), ([[1]], [0])])  # the last unit is 0 on the left
    part = sx.partition(net, sx.square(1))
    signs = sign_rows(part, np.arange(2))
    assert (signs == 0).any()
    for value in (False, True):
        on = np.where(signs == 0, value, signs > 0)
        assert sx.compare({"patterns": on}, part).passed
        assert sx.compare({"polygons": claim_of_partition(part).polygons, "patterns": on}, part).passed
    assert not sx.compare(np.where(signs == 0, 1, signs), part).passed


def test_patterns_alone_are_compared_as_sets(part: Subdivision) -> None:
    signs = sign_rows(part, np.arange(len(part.faces)))
    assert sx.compare(signs[::-1], part).passed
    assert sx.compare(signs[1:], part).kinds == {"missing": 1}
    assert sx.compare(signs[[0, *range(len(signs))]], part).kinds == {"spurious": 1}
    assert sx.compare(-signs, part).kinds["missing"] > 1
    assert sx.compare(signs[:, 1:], part).kinds == {"malformed": 1}


def test_counts(part: Subdivision) -> None:
    counts = part.counts()
    assert sx.compare(counts["A"], part).passed
    assert sx.compare(counts, part).passed
    found = sx.compare({**counts, "L": counts["L"] + 1}, part)
    assert found.kinds == {"count": 1}
    assert "L" in found.defects[0].message
    assert sx.compare(np.int64(3), part).kinds == {"count": 1}


def test_vertices_and_edges_are_traced_to_cells(part: Subdivision) -> None:
    edges = [edge.vertices for edge in part.edges]
    claim = {"vertices": part.coordinates, "edges": edges, "vertex_signs": vertex_signs(part, lambda *_: None)}
    found = sx.compare(claim, part)
    assert found.passed
    assert found.traced
    assert sorted(found.matches.tolist()) == list(range(len(part.faces)))
    inner = next(k for k, edge in enumerate(part.edges) if min(edge.faces) >= 0)
    fewer = {**claim, "edges": edges[:inner] + edges[inner + 1 :]}
    assert sx.compare(fewer, part).kinds == {"merged": 1, "count": 1}
    wrong = {**claim, "edges": [*edges, (0, 10**6), (1, 1)]}
    assert sx.compare(wrong, part).kinds == {"malformed": 2, "count": 1}


def test_sign_vectors_of_vertices(part: Subdivision) -> None:
    signs = vertex_signs(part, lambda *_: None)
    assert sx.compare({"vertex_signs": signs[::-1]}, part).passed
    found = sx.compare({"vertex_signs": signs[1:]}, part)
    assert found.kinds == {"vertex_missing": 1}
    assert found.defects[0].place is not None
    assert sx.compare({"vertex_signs": np.concatenate([signs, signs[:1]])}, part).kinds == {"vertex_spurious": 1}
    flipped = signs.copy()
    zero = np.flatnonzero((signs == 0).any(axis=1))[0]
    flipped[zero, np.flatnonzero(signs[zero] == 0)[0]] = 1
    assert sx.compare({"vertex_signs": flipped}, part).kinds == {"vertex_missing": 1, "vertex_spurious": 1}


# -- boundary ---------------------------------------------------------------------------------------------------------


def test_boundary_segments(part: Subdivision) -> None:
    boundary = sx.boundary(part)
    segments = np.array(boundary.segments)
    assert len(segments) > 4

    def compare(some: Any, tolerance: float | None = None) -> Any:
        return sx.compare({"segments": some}, part, boundary=boundary, tolerance=tolerance)

    found = compare(segments[:, ::-1], 1e-14)
    assert found.passed
    assert found.segments is not None
    assert found.segments.summary()["matched"] == len(segments)
    long = int(np.hypot(*(segments[:, 1] - segments[:, 0]).T).argmax())
    lost = compare(np.delete(segments, long, axis=0))
    assert lost.kinds == {"boundary_missing": 1}
    low, high = lost.segments.missing_length
    assert low**2 <= boundary[long].squared_length <= high**2
    halves = [[segments[long, 0], segments[long].mean(axis=0)], [segments[long].mean(axis=0), segments[long, 1]]]
    assert compare(np.concatenate([np.delete(segments, long, axis=0), halves])).passed
    assert compare(np.concatenate([np.delete(segments, long, axis=0), halves[:1]])).kinds == {"boundary_missing": 1}
    assert compare([*segments, [(-1, -1), (1, 1)]]).kinds == {"boundary_spurious": 1}
    assert compare([*segments, [(5, 5), (6, 6)]]).kinds == {"boundary_spurious": 1}
    assert compare([*segments, [(np.nan, 5), (6, 6)]]).kinds == {"malformed": 1}
    moved = segments + np.array([1e-6, 0])
    assert compare(moved).passed
    assert set(compare(moved, 1e-9).kinds) == {"boundary_segment"}
    assert compare([]).kinds == {"boundary_missing": len(segments)}


# -- reports ----------------------------------------------------------------------------------------------------------


def test_reports(part: Subdivision, polygons: list[Any], tmp_path: Path) -> None:
    found = sx.compare(polygons[1:], part, tolerance=1e-9)
    path = tmp_path / "report.json"
    found.save(path)
    report = json.loads(path.read_text())
    assert report["kinds"] == {"missing": 1}
    assert report["passed"] is False
    assert report["defects"][0]["faces"] == [0]
    assert mpq(report["defects"][0]["area"]) == found.defects[0].area
    assert "missing" in found.text()
    assert repr(found) == "<Comparison: 1 missing>"
    with pytest.raises(sx.InputError, match="must end in"):
        found.save(tmp_path / "report.txt")


def test_picture(part: Subdivision, polygons: list[Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    signs = sign_rows(part, np.arange(len(part.faces)))[1:]
    signs[2, 1] *= -1
    claims: list[object] = [
        {"polygons": polygons[1:], "patterns": signs},
        [
            *polygons,
            [(0, 0)],
            [(np.nan, 1)],
            None,
            [(1e300, 0), (0, 1e300), (1e300, 1e300)],
            [(0, 0), (1e-12, 0), (0, 1)],
        ],
        polygons,
        7,
        [],
    ]
    for k, claim in enumerate(claims):
        found = sx.compare(claim, part)
        found.plot(tmp_path / f"{k}.png")
        assert (tmp_path / f"{k}.png").stat().st_size > 10_000
        first = (tmp_path / f"{k}.png").read_bytes()
        found.plot(tmp_path / f"{k}.png")
        assert (tmp_path / f"{k}.png").read_bytes() == first


@pytest.mark.parametrize(
    ("claim", "absent"),
    [
        ([(10**400, 0), (0, 10**400), (5, 5)], True),
        ([(10**400, 10**400), (10**400 + 1, 10**400), (10**400, 10**400 + 1)], True),
        ([(-(10**400), -(10**400)), (10**400, -(10**400)), (0, 10**400)], False),
        ([(0, 0), (np.nan, 0), (0, 1)], True),
        ([(0.0, 0.0), (1e308, 0.0), (0.0, 1e308)], False),
    ],
)
def test_picture_of_what_is_far_from_the_domain(
    part: Subdivision, polygons: list[Any], claim: Any, absent: bool, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    axes = sx.compare([*polygons, claim], part).plot(tmp_path / "far.png")
    texts = [text.get_text() for text in axes.texts]
    assert ("not in the picture: 1 of 1 defects, far from the domain or nowhere" in texts) is absent


# -- hostile input ----------------------------------------------------------------------------------------------------


class Hostile:
    def __len__(self) -> int:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "other",
    [
        *(
            None,
            "abc",
            b"x",
            1.5,
            True,
            -1,
            {},
            {"foo": 1},
            {"A": -1},
            {"A": "5"},
            {1: 2},
            object(),
            Hostile(),
            Ellipsis,
        ),
        *(np.zeros(3), np.zeros((3, 2)), np.zeros((2, 3, 4, 5)), [(0, 0), (1, 0), (0, 1)], {"patterns": [[7]]}),
        *(
            {"faces": [[0, 1, 2]]},
            {"polygons": "abc"},
            {"polygons": 5},
            {"patterns": [[0, 1], [1]]},
            {"edges": [[1, 2, 3]]},
        ),
        *({"polygons": [], "cells": []}, {"segments": [[1, 2]]}, {"vertices": [[1, 2, 3]]}, {"counts": 5}),
        *({"patterns": Hostile()}, {"segments": Hostile()}, {"vertex_signs": np.array([[1.5]])}),
    ],
)
def test_what_is_no_claim_is_refused(part: Subdivision, other: object) -> None:
    with pytest.raises(sx.InputError):
        sx.compare(other, part)


def test_empty_claims_miss_everything(part: Subdivision) -> None:
    for nothing in ([], (), np.zeros((0, 0, 2)), {"polygons": []}, iter([])):
        assert sx.compare(nothing, part).kinds == {"missing": len(part.faces)}
    assert sx.compare(np.zeros((0, 14), int), part).kinds == {"missing": len(part.faces)}


def test_padded_arrays(part: Subdivision, polygons: list[Any]) -> None:
    padded = np.full((len(polygons), max(map(len, polygons)) + 2, 2), np.nan)
    for row, polygon in zip(padded, polygons, strict=True):
        row[: len(polygon)] = polygon
    assert sx.compare(padded, part).passed
    assert sx.compare(padded.astype(np.float32), part).passed
    padded[0, 1] = np.nan
    assert sx.compare(padded, part).kinds == {"missing": 1, "nan": 1}


@pytest.mark.parametrize("size", [1e308, 5e-324, 1e-200, 1e200])
def test_coordinates_of_any_size(part: Subdivision, polygons: list[Any], size: float) -> None:
    found = sx.compare([*polygons, [(0, 0), (size, 0), (0, size)]], part)
    assert len(found.defects) == 1
    assert set(found.kinds) <= {"spurious", "sliver"}


@pytest.mark.parametrize("radius", [mpq(2) ** 1000, mpq(2) ** -1000, mpq(10) ** -30, mpq(1, 3)])
def test_domains_of_any_size(radius: mpq) -> None:
    net = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [0, 0, -radius]), ([[1, 1, -2]], [0])])
    part = sx.partition(net, sx.square(radius), mode="rational")
    claim = claim_of_partition(part)
    assert sx.compare(claim, part).passed
    assert sx.compare(claim, part, tolerance=0.0).passed == (radius.denominator % 5 > 0 and radius.denominator != 3)
    assert sx.compare((claim.polygons or ())[1:], part).kinds == {"missing": 1}


def test_a_million_corners(part: Subdivision, polygons: list[Any]) -> None:
    angles = np.linspace(0, 2 * np.pi, 10**6, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 2
    found = sx.compare([*polygons, circle], part)
    assert found.kinds == {"spurious": 1}
    star = circle[::20] * np.where(np.arange(10**6 // 20) % 2, 1, 0.5)[:, np.newaxis]
    assert not sx.compare([*polygons, star], part).passed


def test_garbage_never_crashes(part: Subdivision) -> None:
    rng = np.random.default_rng(1)
    for scale in (1.0, 1e-3, 1e6):
        cells = [np.round(rng.normal(size=(rng.integers(0, 9), 2)) * 4) / 4 * scale for _ in range(60)]
        found = sx.compare(cells, part, tolerance=1e-9)
        assert not found.passed
        assert found.text()
        assert json.dumps(found.to_json())


def test_what_compare_refuses(part: Subdivision, polygons: list[Any]) -> None:
    with pytest.raises(sx.InputError, match="not a Subdivision"):
        sx.compare(polygons, 5)  # type: ignore[arg-type]
    for bad in (-1.0, np.nan, np.inf, "1", True):
        with pytest.raises(sx.InputError, match="tolerance"):
            sx.compare(polygons, part, tolerance=bad)  # type: ignore[arg-type]
    other = sx.partition(NET, sx.square(2), mode="rational")
    with pytest.raises(sx.InputError, match="boundary"):
        sx.compare(polygons, part, boundary=sx.boundary(other))
    pytest.importorskip("torch")
    fast = sx.partition(NET, sx.square(1), mode="float64")
    with pytest.raises(sx.InputError, match="no standard"):
        sx.compare(polygons, fast)
    pooled = sx.from_layers([([[1, 0]], [0], sx.from_layers([([[1]], [0], "hardtanh")]).nodes[1]), ([[1]], [0])])
    with pytest.raises(sx.InputError, match="one breakpoint"):
        sx.compare(np.ones((3, 1), int), sx.partition(pooled, sx.square(2)))


def test_progress_can_stop_it(part: Subdivision, polygons: list[Any]) -> None:
    stages = []
    sx.compare(polygons, part, progress=lambda stage, done, total: stages.append((stage, done <= total)))
    assert len(stages) > 5
    assert all(fine for _, fine in stages)

    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sx.compare(polygons, part, progress=stop)


# -- exact polygons ---------------------------------------------------------------------------------------------------


def test_pieces_add_up() -> None:
    square = [(mpq(x), mpq(y)) for x, y in ((0, 0), (4, 0), (4, 4), (0, 4))]
    for other in (
        [(1, 1), (3, 1), (2, 3)],
        [(-1, -1), (2, 2), (-1, 5)],
        [(5, 5), (6, 5), (6, 6)],
        [(0, 0), (4, 0), (4, 4), (0, 4)],
        [(-9, -9), (9, -9), (9, 9), (-9, 9)],
    ):
        hole = [(mpq(x), mpq(y)) for x, y in other]
        both = common(square, hole)
        shared = twice_area(both) if len(both) > 2 else mpq(0)
        assert shared + sum(map(twice_area, without([square], hole)), mpq(0)) == 32
    dart = [(mpq(x), mpq(y)) for x, y in ((0, 0), (4, 1), (0, 2), (1, 1))]
    assert sum(map(twice_area, convex_parts(dart)), mpq(0)) == twice_area(dart)


@given(st.integers(0, 10**6))
def test_boxes_that_meet_are_found_in_a_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (rng.integers(0, 100), 2)
    low = rng.normal(size=size) * rng.choice([0.1, 1, 5])
    high = low + abs(rng.normal(size=size)) * rng.choice([0, 0.01, 0.1, 3], size=(size[0], 1))
    low[:1], high[:1], high[1:2] = -np.inf, np.inf, 1e308
    grid = Grid(low, high, rng.uniform(-1, 1, (10, 2)) * rng.choice([0, 1], size=2, p=[0.1, 0.9]))
    corners = rng.normal(size=(5, 2))
    for a, b in [*((a, a + 0.3) for a in corners), *zip(high, high, strict=True)]:
        assert grid.meeting(a, b).tolist() == np.flatnonzero(((low <= b) & (high >= a)).all(axis=1)).tolist()


def test_a_cell_makes_room_for_another() -> None:
    """Faces 0 and 1: cell 0 may be both, cell 1 only face 0, which cell 0 has."""
    cell, face = np.array([0, -1]), np.array([0, -1])
    options = {0: {0: 0.0, 1: 1.0}, 1: {0: 2.0}}
    pairing = Pairing(cell, face, options.__getitem__, None)
    pairing.run(np.array([1]), lambda done: None)
    assert (face.tolist(), cell.tolist()) == ([1, 0], [1, 0])
    assert pairing.found == {0: 1.0, 1: 2.0}


def test_patterns_settle_which_of_two_thin_cells_is_which() -> None:
    """Two strips thinner than a float64: their rounded polygons are all but alike."""
    net = sx.from_layers([([[1, 0]] * 3, [0.3, 0.3 + 2**-53, 0.3 + 2**-52]), ([[1, 1, 1]], [0])])
    part = sx.partition(net, sx.square(1), mode="rational")
    claim = claim_of_partition(part)
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [3, 1, 2, 0]):
        polygons = [(claim.polygons or ())[k] for k in order]
        found = sx.compare({"polygons": polygons, "patterns": sign_rows(part, np.array(order))}, part)
        assert found.passed, found.text()
        assert found.matches.tolist() == order
    thin = [k for k in range(4) if part.faces[k].area < 1e-10]
    assert sx.compare([p for k, p in enumerate(claim.polygons or ()) if k != thin[0]], part).kinds == {"missing": 1}


# -- what a defect is called ------------------------------------------------------------------------------------------

QUARTERS = [
    [(-1, -1), (0, -1), (0, 0), (-1, 0)],
    [(0, -1), (1, -1), (1, 0), (0, 0)],
    [(-1, 0), (0, 0), (0, 1), (-1, 1)],
]


@pytest.fixture(scope="module")
def quartered() -> Subdivision:
    """Four squares; `QUARTERS` are all but the last, from (0, 0) to (1, 1)."""
    return sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), sx.square(1))


@pytest.mark.parametrize("share", [1 / 2, 1 / 32, 1 / 65, 1 / 1000])
def test_parts_of_a_cell_are_split_however_small_one_is(quartered: Subdivision, share: float) -> None:
    small = [(0, 0), (share, 0), (share, 1), (0, 1)]
    parts = [[(share, 0), (1, 0), (1, 1), (share, 1)], small]
    assert sx.compare([*QUARTERS, *parts], quartered).kinds == {"split": 1}
    whole = [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert sx.compare([*QUARTERS, whole, small], quartered).kinds == {"spurious": 1}


def test_a_bow_tie_is_one_defect(quartered: Subdivision) -> None:
    """However it lies, and though sides cross halfway between all heights and its area is 0."""
    for tie in (
        [(0, 0), (1, 0), (0, 1), (1, 1)],
        [(0, 0), (1, 1), (1, 0), (0, 1)],
        [(0, 0), (1, 0), (0.1, 1), (1, 1)],
        [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5), (0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)],
    ):
        assert sx.compare([*QUARTERS, tie], quartered).kinds == {"self_overlap": 1}


@pytest.mark.parametrize("step", [1, -1, 3])
def test_areas_of_polygons_with_many_corners_are_exact(step: int) -> None:
    """Also of one that runs clockwise, or three times around."""
    angle = step * np.arange(1201) / 1201 * 2 * np.pi
    circle = np.stack([np.cos(angle), np.sin(angle) * 2.0**-300], axis=1)
    cells = Cells([circle], 0)
    rounded = [(mpq(x), mpq(y)) for x, y in circle.tolist()]
    assert cells.exact_area(0) == abs(twice_area(rounded)) / 2
    assert Cells([circle[:3]], 0).exact_area(0) == abs(twice_area(rounded[:3])) / 2
