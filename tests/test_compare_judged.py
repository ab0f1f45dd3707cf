"""`compare` judges all that is claimed, or says what it did not judge."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import splinecam_exact as sx
from splinecam_exact.cli import main
from splinecam_exact.comparison.matching import Matching
from splinecam_exact.comparison.own import sign_rows
from splinecam_exact.comparison.signs import vertex_signs

LAYERS = [([[1, 0], [0, 1], [1, 1]], [0.25, 0.1, -0.3]), ([[1, 1, 1]], [0])]
SEGMENTS = [[(0, 0), (1, 1)]]


@pytest.fixture(scope="module")
def part() -> sx.Subdivision:
    return sx.partition(sx.from_layers(LAYERS), sx.square(1))


def graph(part: sx.Subdivision) -> dict[str, Any]:
    return {"vertices": list(part.vertices), "edges": [edge.vertices for edge in part.edges]}


def cells(part: sx.Subdivision) -> list[Any]:
    starts, corners = part.geometry.polygons
    return [[part.vertices[v] for v in corners[starts[f] : starts[f + 1]]] for f in range(len(part.faces))]


def signs(part: sx.Subdivision) -> np.ndarray:
    return vertex_signs(part, lambda *_: None)


def test_patterns_beside_vertices_and_edges(part: sx.Subdivision) -> None:
    rows = sign_rows(part, np.arange(len(part.faces)))
    claim = graph(part)
    assert sx.compare({**claim, "patterns": rows[::-1]}, part).passed  # nobody knows which cell is the first
    assert sx.compare({**claim, "patterns": rows > 0}, part).passed
    assert sx.compare({**claim, "patterns": -rows}, part).kinds == {"pattern": 2}
    assert sx.compare({**claim, "patterns": rows[2:]}, part).kinds == {"pattern": 2}
    assert sx.compare({**claim, "patterns": np.vstack([rows, rows[:1]])}, part).kinds == {"pattern": 1}
    assert sx.compare({**claim, "patterns": np.ones((3, 99), int)}, part).kinds == {"malformed": 1}
    # a missing cell without a pattern is one mistake
    inner = next(k for k, edge in enumerate(part.edges) if min(edge.faces) < 0)
    found = sx.compare({**claim, "edges": np.delete(claim["edges"], inner, 0), "patterns": rows}, part)
    assert found.kinds == {"missing": 1, "count": 1}
    (f,) = next(defect.faces for defect in found.defects if defect.kind == "missing")
    assert sx.compare(
        {**claim, "edges": np.delete(claim["edges"], inner, 0), "patterns": np.delete(rows, f, 0)}, part
    ).kinds == {"missing": 1, "count": 1}


@pytest.mark.parametrize("kind", ["exact", "float64", "float32"])
@pytest.mark.parametrize("beside", ["edges", "polygons", "nothing"])
def test_sign_vectors_belong_to_places(part: sx.Subdivision, kind: str, beside: str) -> None:
    claim: dict[str, Any] = graph(part)
    if kind != "exact":
        claim["vertices"] = part.coordinates.astype(kind)
    if beside != "edges":
        del claim["edges"]
    if beside == "polygons":
        claim["polygons"] = cells(part)
    right = signs(part)
    order = np.random.default_rng(0).permutation(len(right))
    assert sx.compare({**claim, "vertex_signs": right}, part).passed
    if beside == "nothing":
        vertices = np.array(claim["vertices"])[order]
        assert sx.compare({"vertices": vertices, "vertex_signs": right[order]}, part).passed
    assert sx.compare({**claim, "vertex_signs": np.roll(right, 1, axis=0)}, part).kinds == {"vertex_spurious": 13}
    assert sx.compare({**claim, "vertex_signs": right[:1]}, part).kinds["malformed"] == 1
    if beside == "nothing":
        far = [(7 + k, 9) for k in range(len(right))]
        assert sx.compare({"vertices": far, "vertex_signs": right}, part).kinds == {"vertex_spurious": 13}
        far[0] = (float("nan"), 0)  # type: ignore[assignment]
        assert sx.compare({"vertices": far, "vertex_signs": right}, part).kinds == {"nan": 1, "vertex_spurious": 13}


def test_sign_vectors_where_vertices_share_a_place() -> None:
    """Three lines all but through one point: in float64 that is one place with three vertices, as a multiset."""
    third, e = Fraction(1, 3), Fraction(1, 10**20)
    net = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [-third, -third, -2 * third - e]), ([[1, 1, 1]], [0])])
    part = sx.partition(net, sx.square(1))
    close = [v for v, at in enumerate(part.coordinates) if abs(at - 1 / 3).max() < 1e-9]
    assert len(close) == 3
    right = signs(part)
    swapped, other = right.copy(), right.copy()
    swapped[close] = right[np.roll(close, 1)]
    other[[close[0], close[0] - 1]] = right[[close[0] - 1, close[0]]]
    double = right.copy()
    double[close[0]] = right[close[1]]
    floats = {**graph(part), "vertices": part.coordinates}
    assert sx.compare({**floats, "vertex_signs": swapped}, part).passed
    assert sx.compare({**floats, "vertex_signs": other}, part).kinds == {"vertex_spurious": 2}
    assert sx.compare({**floats, "vertex_signs": double}, part).kinds == {"vertex_missing": 1, "vertex_spurious": 1}
    # exact places are no rounded ones
    assert sx.compare({**graph(part), "vertex_signs": swapped}, part).kinds == {"vertex_spurious": 3}


def test_counts_and_rows_must_both_be_right(part: sx.Subdivision) -> None:
    claim = graph(part)
    vertices, edges = claim["vertices"], claim["edges"]
    right = {"V": len(vertices), "E": len(edges)}
    assert sx.compare({**claim, "counts": right}, part).passed
    assert sx.compare({**claim, "counts": {**right, "E": 3}}, part).kinds == {"count": 1}
    assert sx.compare({**claim, "edges": edges + edges[:1], "counts": right}, part).kinds == {"count": 1}
    assert sx.compare({**claim, "vertices": [*vertices, (0.3, 0.3)], "counts": right}, part).kinds == {"count": 1}


def test_edges_beside_polygons_that_name_nothing(part: sx.Subdivision) -> None:
    claim = {"polygons": cells(part), "vertices": list(part.vertices), "edges": [(0, 1), (99, 98), (1, 1)]}
    found = sx.compare(claim, part)
    assert found.kinds == {"malformed": 2}
    assert list(found.unjudged) == ["vertices", "edges"]


def test_what_is_not_judged_is_said(part: sx.Subdivision, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    polygons, rows = cells(part), sign_rows(part, np.arange(len(part.faces)))
    for claim, names in (
        ({"polygons": polygons, "segments": SEGMENTS}, ["segments"]),
        ({"polygons": polygons, "vertices": [(7, 9)]}, ["vertices"]),
        ({"polygons": polygons, "edges": [(0, 1)]}, ["edges"]),
        ({"patterns": rows, "vertices": [(7, 9)]}, ["vertices"]),
        ({"patterns": rows, "edges": [(7, 9)]}, ["edges"]),
        ({"A": 7, "segments": SEGMENTS}, ["segments"]),
        ({**graph(part), "vertex_signs": signs(part)}, []),
        ({"polygons": polygons, "vertices": list(part.vertices), "vertex_signs": signs(part)}, []),
    ):
        found = sx.compare(claim, part)
        assert found.passed
        assert list(found.unjudged) == list(found.summary()["not_judged"]) == names
        text = found.text()
        assert all(f"not judged   {name}: " in text for name in names)
        assert ("judged" in text.splitlines()[0]) == ("not judged" in repr(found)) == bool(names)
    boundary = sx.boundary(part)
    found = sx.compare({"polygons": polygons, "segments": SEGMENTS}, part, boundary=boundary)
    assert "boundary_spurious" in found.kinds
    assert not found.unjudged
    # the vertices that faces name are their corners; one that none names is not
    starts, corners = part.geometry.polygons
    mesh = {"vertices": list(part.vertices), "faces": [f.tolist() for f in np.split(corners, starts[1:-1])]}
    assert not sx.compare(mesh, part).unjudged
    assert list(sx.compare({**mesh, "vertices": [*part.vertices, (5, 5)]}, part).unjudged) == ["vertices"]

    sx.from_layers(LAYERS).save(tmp_path / "net.json")
    floats = [[[float(q) for q in at] for at in cell] for cell in polygons]
    (tmp_path / "claim.json").write_text(json.dumps({"polygons": floats, "segments": SEGMENTS}))
    arguments = ["compare", str(tmp_path / "net.json"), str(tmp_path / "claim.json"), "--square", "1"]
    assert main(arguments) == 0
    assert "not judged   segments: give the boundary" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["not_judged"]) == ["segments"]


@pytest.mark.parametrize("power", [-1000, -600, 520, 1000])
def test_thin_cells_of_huge_and_tiny_domains(power: int) -> None:
    size, e = Fraction(2) ** -power, Fraction(1, 2**70)
    rows, constants = [[1 / size, 0], [1 / size, 0]], [Fraction(1, 3), Fraction(1, 3) + e]
    square = sx.Polygon([(-size, -size), (size, -size), (size, size), (-size, size)])
    part = sx.partition(sx.from_layers([(rows, constants), ([[1, 1]], [0])]), square)
    assert sx.compare(cells(part), part).passed
    assert sx.compare(graph(part), part).passed


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_sign_vectors_of_inaccurate_vertices(part: sx.Subdivision, kind: str) -> None:
    """Places that are off by a thousandth of the domain, or one of them by more, are measured and not judged."""
    right = signs(part)
    noise = np.random.default_rng(1).normal(size=(len(right), 2)) / 1000
    one = np.zeros((len(right), 2))
    one[-1] = 0.02
    for off in (noise, one):
        for claim in (graph(part), {"polygons": cells(part)}, {}):
            claim = {**claim, "vertices": (part.coordinates + off).astype(kind), "vertex_signs": right}
            assert "vertex_spurious" not in sx.compare(claim, part).kinds


def test_sign_vectors_far_from_the_origin() -> None:
    """In a domain that is small beside its distance from the origin, rounding excuses no exchange of vertices."""
    far = 10**6
    net = sx.from_layers([([[1, 0], [0, 1]], [-far, -far]), ([[1, 1]], [0])])
    square = sx.Polygon([(far - 1, far - 1), (far + 1, far - 1), (far + 1, far + 1), (far - 1, far + 1)])
    part = sx.partition(net, square)
    right = signs(part)
    for kind in (np.float64, np.float32):
        claim = {**graph(part), "vertices": part.coordinates.astype(kind)}
        assert sx.compare({**claim, "vertex_signs": right}, part).passed
        assert sx.compare({**claim, "vertex_signs": np.roll(right, 1, axis=0)}, part).kinds == {"vertex_spurious": 9}


def test_cells_that_rounding_puts_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time and memory are in proportion to them: their candidates are looked for once. In float32, 676 cells far away
    are one point."""
    n, far = 25, 10**9
    constants = [-far - Fraction(2 * i - n + 1, 2 * n) for i in range(n)] * 2
    net = sx.from_layers([([[1, 0]] * n + [[0, 1]] * n, constants), ([[1] * 2 * n], [0])])
    square = sx.Polygon([(far - 1, far - 1), (far + 1, far - 1), (far + 1, far + 1), (far - 1, far + 1)])
    part = sx.partition(net, square)
    starts, corners = part.geometry.polygons
    polygons = np.split(part.coordinates.astype(np.float32)[corners], starts[1:-1])
    asked, candidates = [], Matching._candidates
    monkeypatch.setattr(Matching, "_candidates", lambda *given: asked.append(1) or candidates(*given))
    rows = sign_rows(part, np.arange(len(polygons)))
    order = np.random.default_rng(0).permutation(len(polygons))
    assert sx.compare(polygons, part).passed
    assert sx.compare({"polygons": [polygons[k] for k in order], "patterns": rows[order]}, part).passed
    assert sx.compare(polygons[7:], part).kinds == {"missing": 7}
    assert sx.compare(polygons + polygons, part).kinds == {"zero_area": len(polygons)}
    assert len(asked) < 16
