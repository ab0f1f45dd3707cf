"""What `compare` is given: exact and rounded graphs, and claims that are none."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq

import splinecam_exact as sx
from splinecam_exact.comparison.adapters.plain import plain
from splinecam_exact.comparison.claims import claim_of
from splinecam_exact.kernel.errors import InputError

THIRD = Fraction(1, 3)
TRIANGLE = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]


def lines(rows: Any, constants: Any) -> sx.Subdivision:
    return sx.partition(sx.from_layers([(rows, constants), ([[1] * len(rows)], [0])]), sx.square(1))


def edges(part: sx.Subdivision) -> list[tuple[int, ...]]:
    starts, corners = part.geometry.polygons
    faces = [corners[starts[f] : starts[f + 1]].tolist() for f in range(len(part.faces))]
    return sorted({tuple(sorted((face[k - 1], face[k]))) for face in faces for k in range(len(face))})


def test_exact_vertices_closer_than_floats() -> None:
    e = Fraction(1, 10**16)
    part = lines([[1, 0], [7, 1], [1, 1]], [-THIRD, -8 * THIRD - e, -2 * THIRD - 2 * e])
    assert sx.compare({"vertices": list(part.vertices), "edges": edges(part)}, part).passed


def test_rounded_vertices_that_coincide() -> None:
    part = lines([[1, 0], [0, 1], [1, 1]], [-THIRD, -THIRD, -2 * THIRD - Fraction(1, 10**20)])
    rounded = np.array([[float(x), float(y)] for x, y in part.vertices])
    assert sx.compare({"vertices": rounded, "edges": edges(part)}, part).passed


ROWS = [[3, 1], [2, 5], [1, 1]], [[3, 1], [7, 1], [1, 1]], [[3, 1], [2, 5], [1, 3]], [[1, 0], [3, -2], [1, -1]]


@pytest.mark.parametrize(("rows", "size"), list(zip(ROWS, [10, 30, 30, 1], strict=True)))
def test_rounded_vertices_beyond_other_edges(rows: list[list[int]], size: int) -> None:
    """Three lines all but through one point: float32 vertices are past each other's lines."""
    e = size * Fraction(1, 10**9)
    part = lines(rows, [-THIRD * sum(row) - k * e for k, row in enumerate(rows)])
    for rounded in (part.coordinates, part.coordinates.astype(np.float32)):
        assert sx.compare({"vertices": rounded, "edges": edges(part)}, part).passed


def test_rounded_vertices_that_no_edge_joins_coincide() -> None:
    """Six vertices in one place, of two small triangles; named by their neighbours elsewhere."""
    e = Fraction(1, 10**20)
    rows = [[1, 0], [0, 1], [1, 1], [1, -1], [1, 2]]
    part = lines(rows, [-THIRD * sum(row) - k * k * e for k, row in enumerate(rows)])
    rounded = np.array([[float(x), float(y)] for x, y in part.vertices])
    order = np.random.default_rng(0).permutation(len(rounded))
    place = np.argsort(order)
    claimed = place[np.array(edges(part))]
    assert sx.compare({"vertices": rounded[order], "edges": claimed}, part).passed
    for k in range(len(claimed)):
        other = (claimed[k, 0], next(v for v in order if v not in claimed[(claimed == claimed[k, 0]).any(axis=1)]))
        wrong = np.concatenate([np.delete(claimed, k, axis=0), [other]])
        assert not sx.compare({"vertices": rounded[order], "edges": wrong}, part).passed


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


def recursive() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "other",
    [
        {"segments": [1]},
        {"segments": np.array([1.0, 2.0])},
        {"type": [], "A": 4},
        {"patterns": [[1]], "two_valued": np.array([0, 1])},
        {"patterns": [[1]], "two_valued": "no"},
        {"A": 4, "source": 3},
        {"A": 10**5000},
        10**5000,
        recursive(),
        Hostile(),
        [Hostile()],
        {"patterns": np.ma.masked_equal([[1, 0]], 0)},
    ],
    ids=[str(k) for k in range(12)],
)
def test_no_claim(other: object) -> None:
    with pytest.raises(InputError):
        claim_of(other)


def test_tensor_without_an_array() -> None:
    class Tensor:
        def numpy(self) -> None:
            raise TypeError

    with pytest.raises(InputError, match="Tensor"):
        plain(Tensor())


def test_masked_corners_are_no_numbers() -> None:
    masked = np.ma.array(TRIANGLE, mask=[(0, 0), (1, 0), (0, 0)])
    for cells in ([masked], [list(masked)], np.ma.array([masked])):
        polygons = claim_of(cells).polygons
        assert polygons is not None
        assert np.isnan(polygons[0][1, 0])


def test_pickle() -> None:
    part = lines([[1, 0]], [0])
    found = sx.compare([TRIANGLE], part, progress=lambda *_: None)
    again = pickle.loads(pickle.dumps(found))
    assert again.to_json() == found.to_json()
    assert again.text() == found.text()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"polygons": [np.zeros((3, 2))]}, "polygons must be a tuple"),
        ({"polygons": np.zeros((2, 3, 2))}, "polygons must be a tuple"),
        ({"polygons": (np.zeros((3, 2)), TRIANGLE)}, r"polygons\[1\] must be"),
        ({"polygons": (np.zeros((3, 3)),)}, r"polygons\[0\] must be"),
        ({"polygons": (np.zeros((3, 2), np.float32),)}, r"polygons\[0\] must be"),
        ({"polygons": (np.zeros((3, 2), complex),)}, r"polygons\[0\] must be"),
        ({"polygons": (np.array([[0, np.inf]] * 3, object),)}, r"polygons\[0\] must be"),
        ({"polygons": (np.array([["0", "1"]] * 3, object),)}, r"polygons\[0\] must be"),
        ({"polygons": (np.array(3.0),)}, r"polygons\[0\] must be"),
        ({"polygons": (np.ma.array(TRIANGLE),)}, r"polygons\[0\] must be"),
        ({"vertices": TRIANGLE, "edges": np.zeros((0, 2), np.int64)}, "vertices must be"),
        ({"vertices": np.zeros(3), "edges": np.zeros((0, 2), np.int64)}, "vertices must be"),
        ({"vertices": np.zeros((3, 2)), "edges": [[0, 1]]}, "edges must be"),
        ({"vertices": np.zeros((3, 2)), "edges": np.zeros((3, 2))}, "edges must be"),
        ({"vertices": np.zeros((3, 2)), "edges": np.zeros(3, np.int64)}, "edges must be"),
        ({"patterns": [[1]]}, "patterns must be"),
        ({"patterns": np.ones((1, 1))}, "patterns must be"),
        ({"patterns": np.full((1, 1), 2, np.int8)}, "patterns must be"),
        ({"patterns": np.full((1, 1), -1, np.int8), "two_valued": True}, "patterns must be .* 0 and 1"),
        ({"patterns": np.ones(1, np.int8)}, "patterns must be"),
        ({"vertex_signs": np.ones((1, 1), np.int64)}, "vertex_signs must be"),
        ({"segments": np.zeros((1, 4))}, "segments must be"),
        ({"segments": [[(0, 0), (1, 1)]]}, "segments must be"),
        ({"counts": {"A": "5"}}, "a count is one of"),
        ({"counts": [5]}, "counts are a dict"),
        ({"counts": {"A": 1}, "two_valued": 1}, "two_valued must be"),
        ({"counts": {"A": 1}, "source": None}, "source must be"),
    ],
)
def test_claims_built_by_hand_are_checked(fields: dict[str, Any], message: str) -> None:
    part = lines([[1, 0]], [0])
    with pytest.raises(InputError, match=message):
        sx.compare(sx.Claim(**fields), part, boundary=sx.boundary(part))


def test_what_a_claim_may_say_is_no_bad_input() -> None:
    part = lines([[1, 0]], [0])
    cell, exact = np.array(TRIANGLE), np.array([[mpq(0), mpq(1, 3)], [mpq(1), math.nan], [mpq(2), mpq(1)]], object)
    claim = sx.Claim(polygons=(cell, cell * np.nan, exact, np.array("is none", object), np.zeros((0, 2))))
    assert sx.compare(claim, part).kinds.keys() >= {"malformed", "nan", "zero_area"}
    out = sx.Claim(vertices=cell, edges=np.array([[0, 1], [-1, 2], [5, 10**12]]))
    assert sx.compare(out, part).kinds["malformed"] == 2
