"""Other tools' own result objects, and files: taken as they are, refused by place where they are damaged."""

from __future__ import annotations

import contextlib
import io
import json
import math
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faulty_tools
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import testing
from splinecam_exact.comparison import Claim, compare
from splinecam_exact.comparison.adapters import (
    canonicalpoly,
    edge_subdivision,
    geometries,
    read_claim,
    recognized,
    relucent,
    splinecam,
    syrenn,
)
from splinecam_exact.comparison.adapters.wkt import parse_wkt
from splinecam_exact.comparison.signs import vertex_signs as signs_at_vertices
from splinecam_exact.testing.brute_force import evaluate, relu_layers
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.degeneracies import build

SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
TRIANGLES = [np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[1.0, 0], [1, 1], [0, 1], [1, 0]])]


def generic_on_the_square(count: int) -> list[Problem]:
    found = [build("generic", Chooser(f"adapter {k}"), f"generic_{k}", size=4) for k in range(count)]
    return [Problem(problem.name, problem.category, problem.layers, SQUARE) for problem in found]


def widened(problem: Problem) -> Problem:
    """The same network on a square a thousand times as large: nearly the whole plane."""
    return Problem(problem.name, problem.category, problem.layers, [(1000 * x, 1000 * y) for x, y in SQUARE])


def with_output_units(problem: Problem) -> Problem:
    """The outputs as units, whose zero sets cut."""
    outputs = len(problem.layers[-1][1])
    return Problem(problem.name, "generic", (*problem.layers, ([[1] * outputs], [0])), problem.domain)


def truth(problem: Problem) -> set[tuple[int, ...]]:
    return {tuple(state - 1 for state in pattern) for pattern in problem.brute_force().cells}


def partitioned(problem: Problem) -> sx.Subdivision:
    return sx.partition(problem.network(), problem.polygon())


def vertex_signs(problem: Problem, part: sx.Subdivision) -> np.ndarray:
    layers = relu_layers([(weights.tolist(), bias.tolist()) for weights, bias in problem.layers])
    rows = [evaluate(layers, [Fraction(int(c.numerator), int(c.denominator)) for c in at])[1] for at in part.vertices]
    return np.array(rows, np.int8) - 1


def patterns_of(claim: Claim | None) -> set[tuple[int, ...]]:
    assert claim is not None
    assert claim.patterns is not None
    return set(map(tuple, claim.patterns.tolist()))


def skeleton(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What skeletal_subdivision would return if it made no mistake: it cuts at the outputs' zero sets too."""
    asked = with_output_units(problem)
    part = partitioned(asked)
    vs = part.coordinates
    box = np.stack([vs[:, 0] != -1, vs[:, 1] != -1, vs[:, 0] != 1, vs[:, 1] != 1], axis=1).astype(np.int8)
    edges = np.array([edge.vertices for edge in part.edges])
    return vs, edges, np.hstack([box, vertex_signs(asked, part)])


@pytest.mark.parametrize("problem", generic_on_the_square(6), ids=lambda problem: problem.name)
def test_edge_subdivision_without_the_outputs_cuts(problem: Problem) -> None:
    result = skeleton(problem)
    claim = recognized(result, problem)
    assert claim is not None
    part = partitioned(problem)
    counts = part.counts()
    assert (len(claim.vertices), len(claim.edges)) == (counts["V"], counts["E"])  # type: ignore[arg-type]
    assert compare(claim, part).passed
    assert not compare(edge_subdivision(result), part).passed  # the outputs' zero sets cut as well


def test_edge_subdivision_takes_every_container() -> None:
    problem = generic_on_the_square(1)[0]
    vs, edges, signs = skeleton(problem)
    forms = [(vs, edges, signs), {"vs": vs, "edges": edges, "v_sv": signs}]
    forms += [SimpleNamespace(vs=vs, edges=edges, v_sv=signs, e_sv=None)]
    assert all(compare(edge_subdivision(form, problem), partitioned(problem)).passed for form in forms)
    with pytest.raises(sx.InputError, match="v_sv has 5 columns; for"):
        edge_subdivision((vs, edges, signs[:, :5]), problem)
    with pytest.raises(sx.InputError, match=r"returns \(vs, edges, v_sv\), not \(1, 2, 3\)"):
        edge_subdivision((1, 2, 3))


def test_edge_subdivision_with_lost_false_or_double_edges() -> None:
    part = sx.partition(sx.from_layers([([[-6, 3], [-5, 7]], [1.5, 1.75]), ([[1, 1]], [0])]), sx.square(1))
    vs = part.coordinates
    box = np.stack([vs[:, 0] != -1, vs[:, 1] != -1, vs[:, 0] != 1, vs[:, 1] != 1], axis=1)
    signs = np.hstack([box, signs_at_vertices(part, lambda *_: None)]).astype(np.int8)
    edges = np.array([edge.vertices for edge in part.edges])
    assert compare((vs, edges, signs), part).passed
    for k in range(len(edges)):
        assert compare((vs, np.delete(edges, k, 0), signs), part).kinds in (
            {"merged": 1, "count": 1},
            {"missing": 1, "count": 1},
        )
    pairs = {tuple(sorted(pair)) for pair in edges.tolist()}
    for a in range(len(vs)):
        for b in range(a):
            wrong = np.vstack([edges, [[b, a]]])
            assert compare((vs, wrong, signs), part).kinds["count"] == 1
            assert (b, a) in pairs or len(compare((vs, wrong, signs), part).kinds) > 1
    problem = generic_on_the_square(2)[1]
    vs, edges, signs = skeleton(problem)
    assert not compare(recognized((vs, edges[:-3], signs), problem), partitioned(problem)).passed


@pytest.mark.parametrize("category", [c for c in testing.CATEGORIES if c not in ("wide", "known_answers")])
def test_edge_subdivision_of_degenerate_networks(category: str) -> None:
    """What it gives for them, if it makes no mistake; units that are 0 on a whole cell among them."""
    square = {(-1, -1), (1, -1), (1, 1), (-1, 1)}
    for problem in testing.examples(category, 6, size=4):
        if {tuple(at) for at in problem.domain.tolist()} == square:
            result = skeleton(problem)
            for vs in (result[0], result[0].astype(np.float32)):
                found = compare(edge_subdivision((vs, *result[1:]), problem), partitioned(problem))
                assert found.passed, (problem.name, found.text())


@pytest.mark.parametrize("shape", ["1.0", "0.9"])
@pytest.mark.parametrize("category", ["generic", "concurrent", "through_corner", "along_edge", "sliver", "deep"])
def test_relucent_without_what_lies_beyond_the_domain(category: str, shape: str) -> None:
    for problem in testing.examples(category, 4, size=4):
        plane = [np.array(pattern, np.int8) for pattern in truth(widened(problem)) | truth(problem)]
        cells = [SimpleNamespace(ss=ss if shape == "1.0" else ss[None, :]) for ss in plane]
        # A pattern that no cell has is the tool's mistake, wherever it lies.
        impossible = next((-ss for ss in plane if tuple((-ss).tolist()) not in {*map(tuple, plane)}), None)
        assert patterns_of(recognized(cells, problem)) == truth(problem)
        assert len(patterns_of(relucent(cells))) == len(plane)
        if impossible is not None and problem.category == "concurrent" and len(problem.layers) == 2:
            assert tuple(impossible.tolist()) in patterns_of(
                relucent([*cells, SimpleNamespace(ss=impossible)], problem)
            )


def test_relucent_itself() -> None:
    tool = pytest.importorskip("relucent")
    problem = generic_on_the_square(1)[0]
    found = tool.Complex(problem.torch())
    found.bfs()
    assert patterns_of(recognized(found, problem)) == truth(problem)


def test_relucent_of_another_network_is_refused() -> None:
    with pytest.raises(sx.InputError, match="the sign sequences have 2 entries for 1 units"):
        relucent([SimpleNamespace(ss=[1, 1])], testing.one_layer([(1, 0, 0)]))
    with pytest.raises(sx.InputError, match="a relucent Complex is an iterable of polyhedra"):
        relucent(object())


@pytest.mark.parametrize("form", ["dict", "pair", "triple"])
def test_canonicalpoly_without_the_outputs_and_the_plane(form: str) -> None:
    problem = generic_on_the_square(1)[0]
    asked = widened(with_output_units(problem))
    part = partitioned(asked)
    signs, points = vertex_signs(asked, part), part.coordinates
    inner = (signs == 0).sum(axis=1) == 2  # the tool knows of no domain, so of no vertex on its boundary
    signs, points = signs[inner], points[inner]
    known = {tuple(row): at for row, at in zip(signs.tolist(), points, strict=True)}
    result = {"dict": known, "pair": (points, signs), "triple": (known, points, signs)}[form]
    claim = recognized(result, problem)
    assert patterns_of(claim) <= truth(problem)
    assert claim is not None
    assert claim.vertices is not None
    assert (abs(claim.vertices) <= 1).all()
    assert claim.vertex_signs is None  # those on the domain's boundary would be missing
    if form == "pair":
        with pytest.raises(sx.InputError, match="a point must have two coordinates"):
            canonicalpoly({(0, 0, 1): np.zeros(3)})


def test_two_polygons_are_not_canonicalpolys_pair() -> None:
    part = sx.partition(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), sx.square(1))
    left, right = np.array([(-1, -1), (0, -1), (0, 1), (-1, 1)]), np.array([(0, -1), (1, -1), (1, 1), (0, 1)])
    for kind in (float, int, np.float32):
        assert compare((left.astype(kind), right.astype(kind)), part).passed
    pair = np.array([[0.5, 0.25]]), np.zeros((1, 2), np.int8)
    claim = recognized(pair)
    assert claim is not None
    assert len(patterns_of(claim)) == 4
    assert recognized((pair[0], pair[1].astype(float))) is None
    assert len(patterns_of(canonicalpoly((pair[0], pair[1].astype(float))))) == 4  # asked for by name


def test_canonicalpoly_of_concurrent_lines_claims_cells_that_are_none() -> None:
    claim = canonicalpoly({(0, 0, 0): np.zeros(2)}, testing.one_layer([(1, 0, 0), (0, 1, 0), (1, 1, 0)]))
    assert len(patterns_of(claim)) == 8


def test_splinecam_and_its_missing_boundary() -> None:
    problem = generic_on_the_square(1)[0]
    result = faulty_tools.splinecam(problem)
    claim = recognized(result, problem)
    assert claim is not None
    assert (claim.source, claim.patterns) == ("splinecam", None)
    assert claim.polygons is not None
    assert len(claim.polygons) == partitioned(problem).counts()["A"]
    assert claim.segments is not None
    assert claim.segments.shape[1:] == (2, 2)
    assert splinecam((TRIANGLES, [None])).segments is None
    assert splinecam((TRIANGLES, np.zeros((3, 2, 2)), None, None)).segments.shape == (3, 2, 2)  # type: ignore[union-attr]
    with pytest.raises(sx.InputError, match="SplineCam returns"):
        splinecam(TRIANGLES)


def test_splinecams_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(cell, requires_grad=True) for cell in TRIANGLES]
    for result in ((tensors, [torch.zeros(2, 2), None], torch.zeros(2, 1, 3)), tensors):
        claim = recognized(result)
        assert claim is not None
        assert claim.polygons is not None
        assert [cell.tolist() for cell in claim.polygons] == [cell.tolist() for cell in TRIANGLES]


def test_syrenns_pairs_points_and_combinations() -> None:
    corners = np.array(SQUARE, np.float64)
    combinations = [
        np.eye(4, dtype=np.float32)[:3],
        np.array([[0, 0, 1, 0], [0, 0, 0, 1], [0.5, 0.5, 0, 0]], np.float32),
    ]
    problem = testing.one_layer([(1, 0, 0)])
    asked = recognized([(rows, np.zeros((3, 2))) for rows in combinations], problem)
    assert asked is not None
    assert asked.polygons is not None
    assert asked.polygons[1].tolist() == [[1, 1], [-1, 1], [0, -1]]
    points = [(rows @ corners, np.zeros((3, 2))) for rows in combinations]
    for claim in (recognized(points, problem), syrenn([pre for pre, _ in points]), syrenn(combinations, corners)):
        assert claim is not None
        assert claim.polygons is not None
        assert [cell.tolist() for cell in claim.polygons] == [cell.tolist() for cell in asked.polygons]
    with pytest.raises(sx.InputError, match="must combine the plane's 4 vertices"):
        syrenn([pre for pre, _ in points], corners)
    assert repr(recognized(combinations[:1] * 2, problem)) == "<Claim of syrenn: 2 polygons>"
    with pytest.raises(sx.InputError, match="pass its vertices as `plane`"):
        syrenn(combinations)


TWO_LAYERS = Problem(
    "two_layers",
    "generic",
    [
        ([[1.875, -3.125], [1, 0.125]], [0.625, 0.25]),
        ([[1.875, 0], [-0.5, 0.625]], [0.25, -0.125]),
        ([[-0.25, 0.75]], [0.375]),
    ],
    SQUARE,
)
A, B = [-0.2558139534883721, 0.04651162790697674], [-0.06976744186046516, 0.15813953488372093]
C, D, E, F = (
    [1.0, 0.36190476190476195],
    [-0.17500000000000002, 1.0],
    [-0.2310077519379845, -0.15193798449612403],
    [1, 0.8],
)
G = [0.45116279069767445, 0.25736434108527134]


def test_what_splinecam_itself_returned() -> None:
    """`get_partitions_with_db` of SplineCam (compute.py of commit 8a8f358, torch 2.13 on a CPU), `TWO_LAYERS`, closed
    domain: cells at the domain's first corner are closed, the others open; a tensor of segments.
    """
    regions = [
        [[-0.125, -1], A, B, C, [1, -1]],
        [B, F, C],
        [F, B, D, [1, 1]],
        [B, A, [-0.375, 1], D],
        [[-1, -1], [-0.125, -1], A, [-1, -0.4], [-1, -1]],
        [A, [-0.375, 1], [-1, 1], [-1, -0.4]],
    ]
    segments = [[E, G], [[1, 0.4840579710144927], G], [E, [-0.9999999999999999, -0.6133333333333333]]]
    result = [np.array(region, np.float64) for region in regions], np.array(segments)
    part = partitioned(TWO_LAYERS)
    found = compare(result, part, boundary=sx.boundary(part))
    assert (found.kinds, len(found.matches)) == ({}, 6)
    assert found.segments is not None
    assert len(found.segments.match) == len(segments)
    assert compare((*result, np.zeros((6, 1, 3))), part).passed  # with Abw, as its forks return it


def test_what_splinecam_itself_returned_for_the_absolute_value() -> None:
    """The same SplineCam, |x| as two units: a cell without area, and the boundary twice."""
    regions = [
        [[-1, -1], [0, -1], [-0.0, 1], [-1, 1], [-1, -1]],
        [[0, -1], [-0.0, -1], [0, 1], [-0.0, 1]],
        [[-0.0, -1], [1, -1], [1, 1], [0, 1]],
    ]
    segments = np.array([[[-0.0, -1], [0, 1]], [[0, -1], [-0.0, 1]]])
    problem = testing.one_layer([(1, 0, 0), (-1, 0, 0)])
    part = partitioned(Problem("absolute", "opposite", problem.layers, SQUARE))
    found = compare(([np.array(region, np.float64) for region in regions], segments), part)
    assert found.kinds == {"zero_area": 1}


def test_splinecams_projection_is_undone() -> None:
    """`get_proj_mat` of the closed square returns this T: the origin is the mean of five corners."""
    projection = np.array([[1, 0, -0.2], [0, 1, -0.2]])
    cells = [
        np.array(cell) for cell in ([[-0.8, -0.8], [1.2, -0.8], [1.2, 1.2]], [[-0.8, -0.8], [1.2, 1.2], [-0.8, 1.2]])
    ]
    claim = splinecam((cells, [np.array([[-0.8, -0.8], [1.2, 1.2]])]), projection)
    part = sx.partition(sx.from_layers([([[1, -1]], [0]), ([[1]], [0])]), sx.square(1))
    assert compare(claim, part).passed
    assert not compare(splinecam((cells, [None])), part).passed
    assert claim.segments is not None
    assert np.allclose(claim.segments.astype(np.float64), [[[-1, -1], [1, 1]]])
    for odd in (np.eye(3), "T", np.full((2, 3), np.nan), 5):
        with pytest.raises(sx.InputError, match=r"SplineCam's T of shape \(2, 3\)"):
            splinecam((cells, [None]), odd)


def test_splinecams_odd_boundaries() -> None:
    for none in ([None], [], np.zeros((0, 2, 2))):
        assert splinecam((TRIANGLES, none)).segments is None
    for odd in (
        [np.int64(0), np.int64(1)],
        np.arange(2),
        5,
        [np.zeros((3, 2))],
    ):  # batch_size=-1 gives numbers of cells
        with pytest.raises(sx.InputError, match="batch_size is -1"):
            splinecam((TRIANGLES, odd))


def test_what_edge_subdivision_itself_returned() -> None:
    """`skeletal_subdivision` of relu_edge_subdivision (commit 9ff10d1, torch 2.13, CPU), `TWO_LAYERS`, bbox (-1, 1):
    float32, and vertices and edges on the output's zero set.
    """
    vs = [[-1, -1], [-1, 1], [1, -1], [1, 1], [-1, -0.3999999761581421], [1, 0.7999999523162842], [-0.125, -1]]
    vs += [[-0.375, 1], [-0.2558140158653259, 0.046511560678482056], [1, 0.36190474033355713]]
    vs += [[-0.17499995231628418, 1], [-0.06976747512817383, 0.15813952684402466], [-1, -0.6133333444595337]]
    vs += [[-0.23100781440734863, -0.1519380807876587], [1, 0.4840579628944397]]
    vs += [[0.45116275548934937, 0.25736433267593384]]
    edges = [[1, 4], [3, 5], [0, 6], [1, 7], [4, 8], [2, 6], [7, 8], [2, 9], [3, 10], [5, 11], [7, 10], [8, 11]]
    edges += [[10, 11], [0, 12], [6, 13], [5, 14], [9, 15], [4, 12], [8, 13], [9, 14], [11, 15], [12, 13]]
    edges += [[13, 15], [14, 15]]
    signs = "00+++-+-- 0++0--+-+ +00++++-- ++00-++++ 0+++0-+-+ ++0+0++++ +0+++0+-- +++0-0+-+ ++++00+-+ "
    signs += "++0++++0- +++0-++0+ ++++0++0+ 0++++-+-0 +++++0+-0 ++0+++++0 +++++++00"
    v_sv = np.array([["-0+".index(sign) - 1 for sign in row] for row in signs.split()], np.int8)
    claim = recognized((np.array(vs, np.float32), np.array(edges), v_sv), TWO_LAYERS)
    found = compare(claim, partitioned(TWO_LAYERS))
    assert (found.kinds, len(found.matches)) == ({}, 6)


def test_edge_subdivision_of_numbers_that_name_nothing() -> None:
    vs, edges, signs = skeleton(TWO_LAYERS)
    for wrong in (edges - 1, edges + 1):
        with pytest.raises(sx.InputError, match="edges must name the vertices 0 to 15"):
            edge_subdivision((vs, wrong, signs))
    with pytest.raises(sx.InputError, match="v_sv must be an array"):
        edge_subdivision((vs, edges, 2 * signs))
    with pytest.raises(sx.InputError, match="vs must be an array"):
        edge_subdivision((vs.astype(str), edges, signs))


@pytest.mark.parametrize("tensors", [False, True])
def test_what_canonicalpoly_itself_returned(tensors: bool) -> None:
    """`get_full_complex_fast` of canonicalpoly2.0 (commit 01097dc, torch 2.13), a 2-3-1 network: float32 points in the
    whole plane, signs of the output at the end; the keys are tuples of tensors, the signs need a gradient.
    """
    layers = [([[0.25, -0.5], [-0.375, -2.5], [1.75, 1.125]], [-0.125, 0.375, 0.125]), ([[-0.5, 1, -0.25]], [-0.125])]
    rows = [[0, 0, 1, -1], [0, 1, 0, 1], [-1, 0, 0, -1], [-1, 1, 0, 0], [0, 1, 1, 0]]
    places = [[0.6153846979141235, 0.057692304253578186], [0.06756757944822311, -0.21621623635292053]]
    places += [[-0.18577076494693756, 0.17786560952663422], [-0.15019762516021729, 0.12252964079380035]]
    places += [[0.41489359736442566, -0.042553190141916275]]
    signs, points = np.array(rows, np.float32), np.array(places, np.float32)
    result: Any = {tuple(row.astype(np.int32)): at for row, at in zip(signs, points, strict=True)}, points, signs
    if tensors:
        torch = pytest.importorskip("torch")
        on_grad = torch.tensor(signs, requires_grad=True)
        keyed = {tuple(row): at for row, at in zip(on_grad, torch.tensor(points), strict=True)}
        result = keyed, torch.tensor(points), on_grad
    problem = Problem("three_lines", "generic", layers, SQUARE)
    for form in (result, result[0], result[1:]):
        claim = recognized(form, problem)
        assert patterns_of(claim) == truth(problem)
        assert compare(claim, partitioned(problem)).passed
        assert len(patterns_of(canonicalpoly(form))) > len(truth(problem))


class Odd:
    """Looks like much, and raises whatever it is asked."""

    ssm = index2poly = dtype = None

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise OSError("no")


PIECES: list[Any] = [
    None,
    5,
    math.nan,
    "x",
    [],
    {},
    object(),
    Odd(),
    TRIANGLES[0],
    TRIANGLES[0] * math.nan,
    [[0, 1], [2]],
]
PIECES += [np.array(["a", "b"]), np.zeros((0, 2)), np.zeros((3, 3)), np.array([[1j, 2]]), np.array(5.0)]
PIECES += [np.array([[0, 9]]), np.array([[2**62, 0]]), np.ones((3, 5), np.int8)]
PIECES += [SimpleNamespace(ss=None), SimpleNamespace(ss=[[1, 1]]), SimpleNamespace(shape=5, dtype=float)]
PIECES += [SimpleNamespace(__geo_interface__=5)]
with contextlib.suppress(ImportError):
    import torch

    PIECES += [torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, dtype=torch.bfloat16)]
    PIECES += [torch.zeros(3, 2, device="meta"), torch.zeros(3, 2).to_sparse()]


def odd_results(a: Any, b: Any) -> list[Any]:
    edges, signs = np.array([[0, 1], [1, 2], [2, 0]]), np.ones((3, 5), np.int8)
    found = [a, [a], (a, b), ([a], [b]), [(a, b)], (a, b, signs), (a, edges, b), (TRIANGLES[0], a, b)]
    found += [
        {(0, 0): a},
        {(None, 0): a},
        {(0, 7): a, (0,): b},
        ({(0, 0): a}, a, b),
        {"vs": a, "edges": b, "v_sv": signs},
    ]
    return [*found, {"type": a}, {"type": "Polygon", "coordinates": [a, b]}, {"type": "Feature", "geometry": a}]


@pytest.mark.parametrize(
    "adapter", [splinecam, syrenn, edge_subdivision, relucent, canonicalpoly, geometries, recognized]
)
def test_odd_objects_are_read_or_refused_with_the_remedy(adapter: Callable[..., object]) -> None:
    problem = testing.one_layer([(1, 0, 0), (0, 1, 0)])
    second = {"syrenn": [problem.domain, None], "splinecam": [], "geometries": []}.get(adapter.__name__, [problem])
    for a in PIECES:
        for b in PIECES:
            for result in odd_results(a, b):
                for arguments in ((result,), *((result, more) for more in second)):
                    with contextlib.suppress(sx.InputError):
                        adapter(*arguments)
    for odd in (None, 5, Odd(), [Odd()], object()):
        if adapter is not recognized:
            with pytest.raises(sx.InputError, match=r"return|Complex|geometry|this cannot be read"):
                adapter(odd)


@pytest.mark.parametrize(
    "other", [TRIANGLES, 5, {"A": 3}, np.zeros((2, 3, 2)), (np.zeros((3, 2)), [[0, 1, 2]]), None, "x"]
)
def test_plain_forms_are_no_tools_results(other: object) -> None:
    assert recognized(other) is None


FEATURES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"pattern": pattern},
            "geometry": {"type": "Polygon", "coordinates": [cell.tolist()]},
        }
        for pattern, cell in zip(("+-", "0+"), TRIANGLES, strict=True)
    ],
}


def test_geometries_of_every_kind() -> None:
    claim = geometries(FEATURES)
    assert patterns_of(claim) == {(1, -1), (0, 1)}
    shapes = [SimpleNamespace(__geo_interface__=feature["geometry"]) for feature in FEATURES["features"]]  # type: ignore[index]
    assert recognized(shapes) is not None
    several: dict[str, Any] = {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "MultiPolygon", "coordinates": [[cell.tolist()] for cell in TRIANGLES]},
            {"type": "LineString", "coordinates": [[0, 0], [1, 0], [1, 1]]},
            {"type": "Point", "coordinates": [0, 0]},
        ],
    }
    found = geometries(several)
    assert repr(found) == "<Claim of geometries: 2 polygons, 1 vertices, 2 segments>"


def test_a_hole_is_a_cell_that_is_none() -> None:
    ring = TRIANGLES[0].tolist()
    claim = geometries({"type": "Polygon", "coordinates": [ring, ring]})
    part = sx.partition(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), sx.square(1))
    assert compare(claim, part).kinds["malformed"] == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"type": "Circle", "coordinates": []}, "'Circle' is no type of geometry"),
        ({"type": "Polygon"}, "needs a list of coordinates"),
        ({"type": "GeometryCollection", "geometries": [5]}, r"geometries\[0\]: is no geometry but 5"),
        (
            {**FEATURES, "features": [*FEATURES["features"], {"type": "Polygon", "coordinates": [[]]}]},
            "2 patterns for 3",
        ),
        ({"type": "MultiPolygon", "coordinates": [7]}, "coordinates must be lists, not 7"),
    ],
)
def test_damaged_geometries_are_refused(value: object, message: str) -> None:
    with pytest.raises(sx.InputError, match=message):
        geometries(value)


def test_collections_within_collections_have_an_end() -> None:
    nested: Any = {"type": "Point", "coordinates": [0, 0]}
    for _ in range(50):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    with pytest.raises(sx.InputError, match="more than 16 collections lie in one another"):
        geometries(nested)
    with pytest.raises(sx.FileFormatError, match=r"line 1, column \d+.*more than 16 collections"):
        parse_wkt("GEOMETRYCOLLECTION (" * 50, "text")


WKT = """POLYGON ((0 0, 1 0, 0 1, 0 0))
MULTIPOLYGON (((1 0, 1 1, 0 1)), ((2e0 .5, 3 -1.5E-1, +4. nan)));
LINESTRING (0 0, 1 1) POINT (0 0) MULTIPOINT ((0 0), (1 1))
POLYGON EMPTY"""


def test_well_known_text(tmp_path: Path) -> None:
    path = tmp_path / "cells.wkt"
    path.write_text(WKT.replace("nan", "+nan"), encoding="utf-8")
    claim = read_claim(path)
    assert repr(claim) == "<Claim of geometries: 3 polygons, 3 vertices, 1 segments>"
    assert claim.polygons is not None
    assert claim.polygons[2][0].tolist() == [2.0, 0.5]
    assert math.isnan(claim.polygons[2][2, 1])


def write_npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_files_of_every_form_claim_the_same(tmp_path: Path) -> None:
    cells = [TRIANGLES[0], TRIANGLES[1][:3]]
    plain = [cell.tolist() for cell in cells]
    mesh = {"vertices": [[0, 0], [1, 0], [0, 1], [1, 1]], "faces": [[0, 1, 2], [1, 3, 2]]}
    files: dict[str, object] = {
        "list.json": plain,
        "exact.json": [[[str(int(x)), str(int(y))] for x, y in cell] for cell in plain],
        "entries.json": {"regions": plain},
        "mesh.json": mesh,
        "features.json": FEATURES,
        "features.geojson": FEATURES,
    }
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value), encoding="utf-8")
    (tmp_path / "cells.txt").write_text("POLYGON ((0 0, 1 0, 0 1)) POLYGON ((1 0, 1 1, 0 1))", encoding="utf-8")
    padded = np.full((2, 5, 2), np.nan)
    padded[:, :3] = cells
    write_npz(tmp_path / "padded.npz", polygons=padded, A=np.array(2))
    write_npz(tmp_path / "offsets.npz", vertices=np.vstack(cells), offsets=np.array([0, 3, 6]))
    write_npz(tmp_path / "mesh.npz", vertices=np.array(mesh["vertices"]), faces=np.array(mesh["faces"]))
    np.savez(tmp_path / "numbered.npz", *cells)
    for path in sorted(tmp_path.iterdir()):
        claim = read_claim(path)
        assert claim.polygons is not None
        found = [cell[:3].astype(np.float64).tolist() for cell in claim.polygons]
        assert found == plain, path


def test_numbers_that_are_none_are_part_of_the_claim(tmp_path: Path) -> None:
    path = tmp_path / "nan.json"
    path.write_text("[[[0, NaN], [1, null], [Infinity, 0.1]]]", encoding="utf-8")
    claim = read_claim(path)
    assert claim.polygons is not None
    assert np.isnan(claim.polygons[0][:2, 1].astype(float)).all()
    part = sx.partition(sx.from_layers([([[1, 0]], [0]), ([[1]], [0])]), sx.square(1))
    assert "nan" in compare(claim, part).kinds


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return exec, ("raise SystemExit('unpickled')",)


def bytes_of_npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def pickled() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        member = io.BytesIO()
        np.lib.format.write_array(member, np.array([Bomb()], object), allow_pickle=True)
        archive.writestr("polygons.npy", member.getvalue())
    return file.getvalue()


HOSTILE = {
    "cut.json": (b"[[[0, 0], [1,", "line 1, column"),
    "deep.json": (b"[" * 100_000, "nested too deeply"),
    "twice.json": (b'{"A": 1, "A": 2}', "the key 'A' occurs twice"),
    "long.json": (b"[" + b"9" * 100 + b"]", "is not allowed here: it has 100 digits"),
    "text.json": (b'"cells"', "is neither a list of polygons"),
    "nothing.json": (b"{}", "this claims nothing"),
    "unknown.json": (b'{"surprise": 1}', "a claim has no entry 'surprise'"),
    "bytes.json": (b"\xff\xfe", "byte 0: is not UTF-8"),
    "plain.geojson": (b"[[[0, 0], [1, 0], [0, 1]]]", "is no geometry"),
    "empty.wkt": (b"  ", "holds no geometry"),
    "circle.wkt": (b"POLYGON ((0 0))\nCIRCLE (0 0, 1)", "line 2, column 1: 'CIRCLE"),
    "open.wkt": (b"POLYGON ((0 0, 1 0", "'' *: '\\)' is expected here"),
    "solid.wkt": (b"POLYGON Z ((0 0 0))", "points have two coordinates here"),
    "odd.wkt": (b"POLYGON ((0 0, 1 #))", "column 18: '#\\)\\)': is no part of well-known text"),
    "no.npz": (b"PK\5\6", "is not a readable zip archive|does not end in"),
    "pickle.npz": (pickled(), "polygons: .*(object|header)"),
    "pickle.json": (pickle.dumps([1]), "is not UTF-8|line 1"),
    "shape.npz": (bytes_of_npz(polygons=np.zeros((2, 2))), "must be an array \\(cells, k, 2\\)"),
    "signs.npz": (bytes_of_npz(patterns=np.array([[7]])), "the signs -1, 0 and 1"),
    "offsets.npz": (bytes_of_npz(vertices=np.zeros((3, 2)), offsets=np.array([0, 9])), "offsets: must rise from 0"),
    "orphan.npz": (bytes_of_npz(offsets=np.array([0, 9])), "offsets say which rows"),
    "falling.npz": (bytes_of_npz(vertices=np.zeros((3, 2)), offsets=np.array([0, 4, 3])), "must rise"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_by_name_and_place(name: str, tmp_path: Path) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(sx.FileFormatError, match=message) as caught:
        read_claim(path)
    assert str(path) in str(caught.value)


def test_what_is_no_file_of_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sx.InputError, match=r"a partition is read from \.json"):
        read_claim(tmp_path / "cells.pkl")
    with pytest.raises(sx.InputError, match=r"cannot be read \(No such file"):
        read_claim(tmp_path / "missing.json")


SOURCES = {name: content for name, (content, _) in HOSTILE.items() if len(content) < 5000} | {
    "good.wkt": WKT.encode(),
    "good.json": json.dumps(FEATURES).encode(),
    "good.npz": bytes_of_npz(polygons=np.zeros((2, 3, 2)), patterns=np.zeros((2, 3), np.int8)),
}


@given(st.data())
def test_damaged_files_never_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SOURCES)))
    content = bytearray(SOURCES[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content)
    with contextlib.suppress(sx.FileFormatError):
        read_claim(path)


@pytest.mark.parametrize("depth", [10, 300, 600, 990])
def test_nested_lists_are_no_trouble(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "nested.json"
    path.write_text("[" * depth + "]" * depth, encoding="utf-8")
    with contextlib.suppress(sx.FileFormatError):  # whether it is nested too deeply depends on Python's version
        claim = read_claim(path)
        assert claim.polygons is not None
        assert claim.polygons[0].ndim == 0


def test_compare_takes_tools_own_results() -> None:
    problem = generic_on_the_square(1)[0]
    part = partitioned(problem)
    found = compare(faulty_tools.splinecam(problem), part)
    assert (found.claim.source, len(found.matches)) == ("splinecam", part.counts()["A"])
    assert compare([SimpleNamespace(ss=np.array(signs)) for signs in truth(problem)], part).passed


@pytest.mark.parametrize(
    ("script", "missing"),
    [("splinecam_conformance", "splinecam, graph_tool"), ("edge_subdivision_conformance", "edge_subdivision, NN")],
)
def test_examples_are_skipped_by_name_without_their_tools(script: str, missing: str, tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "docs" / f"{script}.py"
    program = (
        "import importlib.util, runpy\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *a: None if name in {missing.split(', ')} else find(name, *a)\n"
        f"runpy.run_path({str(path)!r}, run_name='__main__')\n"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert f"is skipped, for want of: {missing}" in told.stdout
