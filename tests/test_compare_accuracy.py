"""How accurate a claim is must not decide what is wrong with it: an inaccurate tool is not its own standard."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from gmpy2 import mpq

import splinecam_exact as sx
from splinecam_exact.arrays import exact
from splinecam_exact.comparison.naming import named
from splinecam_exact.comparison.own import sign_rows
from splinecam_exact.comparison.signs import vertex_signs
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.testing.known_answers import known_answers

LINES = [-0.53, 0.07, 0.41]
GRID = sx.partition(
    sx.from_layers([([[1, 0]] * 3 + [[0, 1]] * 3, [-x for x in LINES] * 2), ([[1] * 6], [0])]), sx.square(1)
)
SIDES = list(pairwise([-1, *LINES, 1]))
CELLS = [np.array([(a, c), (b, c), (b, d), (a, d)]) for a, b in SIDES for c, d in SIDES]


def shrunk(cell: np.ndarray, share: float) -> np.ndarray:
    return (cell - cell.mean(0)) * share + cell.mean(0)


def test_the_grid_itself_passes() -> None:
    assert sx.compare(CELLS, GRID).passed


@pytest.mark.parametrize("share", [0.5, 3.0, 1e6])
def test_a_single_cell_of_another_size_is_wrong(share: float) -> None:
    part = sx.partition(sx.from_layers([([[1, 0]], [-5]), ([[1]], [0])]), sx.square(1))
    square = np.array([(-1.0, -1), (1, -1), (1, 1), (-1, 1)])
    assert not sx.compare([square * share], part).passed


def test_cells_that_are_all_wrong_are_wrong() -> None:
    assert sx.compare([shrunk(cell, 0.6) for cell in CELLS], GRID).kinds == {"gap": 16}
    assert "outside" in sx.compare([cell * 1.2 for cell in CELLS], GRID).kinds
    assert {"gap", "outside"} <= sx.compare([cell + np.array([0.07, 0]) for cell in CELLS], GRID).kinds.keys()


@pytest.mark.parametrize("cell", range(16))
def test_some_wrong_cells_do_not_excuse_another(cell: int) -> None:
    claim = [shrunk(c, 0.5) if k in (0, 5, 9) else c for k, c in enumerate(CELLS)]
    others = [CELLS[(cell + 1) % 16], CELLS[cell][[0, 2, 1, 3]], CELLS[cell][:2], shrunk(CELLS[cell], 0.9)]
    expected = sx.compare(claim, GRID).kinds
    for other in others:
        found = sx.compare([other if k == cell else c for k, c in enumerate(claim)], GRID).kinds
        assert found != expected or cell in (0, 5, 9)
        assert found


def test_numbers_with_few_digits_are_not_taken_for_float32() -> None:
    """Of a grid in a domain a million times as large as its cells, every corner counts."""
    known = next(known for known in known_answers() if known.name == "grid_3x4")
    part = sx.partition(sx.from_layers(known.layers), sx.Polygon(known.domain))
    cells = [part.coordinates[list(face.vertices)] for face in part.faces]
    assert sx.compare(cells, part).passed
    for k, cell in enumerate(cells):
        for corner in range(len(cell)):
            assert not sx.compare([*cells[:k], np.delete(cell, corner, 0), *cells[k + 1 :]], part).passed


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (0, 1, 3, 2)])
def test_cells_that_cross_themselves_evenly_are_not_flat(order: tuple[int, ...]) -> None:
    part = sx.partition(sx.from_layers([([[1, 0], [1, 0], [0, 1]], [0, 0, 0]), ([[1, 1, 1]], [0])]), sx.square(1))
    cells = [part.coordinates[list(face.vertices)] for face in part.faces]
    for k, cell in enumerate(cells):
        found = sx.compare([*cells[:k], cell[list(order)], *cells[k + 1 :]], part)
        assert "self_overlap" in found.kinds
        assert "zero_area" not in found.kinds


@pytest.mark.parametrize(
    "claim", [sx.Claim(), {"vertices": [(5, 5)]}, {"edges": [[0, 1]]}, {"segments": [[(5, 5), (6, 6)]]}]
)
def test_claims_that_say_nothing_are_refused(claim: object) -> None:
    with pytest.raises(sx.InputError, match="nothing that is claimed can be compared"):
        sx.compare(claim, GRID)


def test_inaccurate_corners_are_spoken_of_where_no_tolerance_judges_them() -> None:
    far = [cell + np.array([2e-3, 0]) for cell in CELLS]
    found = sx.compare(far, GRID)
    assert found.passed
    assert found.text().splitlines()[:3] == [
        "verdict      passed: no cell is wrong, but corners are inaccurate",
        "accuracy     corners are off by up to 0.002, more than float32 rounding, 3.8e-06:",
        "             give a tolerance (tolerance=, --tolerance) to judge that",
    ]
    assert found.summary()["vertices"]["beyond_float32"]
    assert "accuracy" not in sx.compare(far, GRID, tolerance=1e-2).text()
    for accurate in (CELLS, [cell.astype(np.float32) for cell in CELLS], [cell + 1e-6 for cell in CELLS]):
        assert "accuracy" not in sx.compare(accurate, GRID).text()


def test_corners_that_are_left_out_are_counted() -> None:
    claim = [np.delete(cell, 2, 0) if k in (3, 7) else cell for k, cell in enumerate(CELLS)]
    found = sx.compare(claim, GRID)
    assert found.summary()["vertices"]["left_out"] == 2
    assert found.summary()["vertices"]["worst"] > 0.2
    assert "and 2 are left out, up to 0." in found.text()
    assert sx.compare(CELLS, GRID).summary()["vertices"]["left_out"] == 0


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        (CELLS, "the cells fit together exactly"),
        (CELLS[:15], "the areas sum up to 0.348 too little"),
        ([*CELLS, CELLS[15]], "the areas sum up to 0.348 too much"),
        ([cell + 2.0**-9 for cell in CELLS], "sides do not fit together, though the areas sum up exactly"),
    ],
)
def test_seams_in_words(claim: list[np.ndarray], text: str) -> None:
    assert f"seams        {text}\n" in sx.compare(claim, GRID).text() + "\n"


def grid_of(lines: list[float], corner: float, side: float) -> tuple[sx.Subdivision, list[np.ndarray]]:
    """A grid in the square from (corner, 0) on, and its cells."""
    bias = [*(-corner - x for x in lines), *(-x for x in lines)]
    net = sx.from_layers([([[1, 0]] * len(lines) + [[0, 1]] * len(lines), bias), ([[1] * len(bias)], [0])])
    part = sx.partition(net, sx.Polygon([(corner, 0), (corner + side, 0), (corner + side, side), (corner, side)]))
    return part, [part.coordinates[list(face.vertices)] for face in part.faces]


@pytest.mark.parametrize("exponent", [-18, -20, -30, -40])
def test_tiny_cells_of_few_digits_are_not_lost_in_a_rounding_that_nobody_did(exponent: int) -> None:
    tiny = 2.0**exponent
    part = sx.partition(
        sx.from_layers([([[1, 0]] * 4 + [[0, 1]] * 4, [0, -tiny, -2 * tiny, -3 * tiny] * 2), ([[1] * 8], [0])]),
        sx.square(1),
    )
    cells = [part.coordinates[list(face.vertices)] for face in part.faces]
    small = [k for k, cell in enumerate(cells) if np.ptp(cell, axis=0).max() <= tiny]
    assert len(small) == 9
    assert sx.compare(cells, part).passed
    for change, kinds in (
        (lambda cell: cell[:1].repeat(3, axis=0), {"missing", "zero_area"}),
        (lambda cell: cell[[0, 2, 1, 3]], {"self_overlap"}),
        (lambda cell: cell[:3], {"gap"}),
        (lambda cell: cell + 4 * tiny, {"missing"}),
    ):
        claim = [change(cell) if k in small else cell for k, cell in enumerate(cells)]
        assert kinds <= sx.compare(claim, part).kinds.keys()


@pytest.mark.parametrize("corner", [1e3, 1e5, 1e6])
def test_far_from_the_origin_float32_is_no_excuse_for_half_a_cell(corner: float) -> None:
    part, cells = grid_of([0.25], corner, 0.5)
    rounded = [cell.astype(np.float32).astype(np.float64) for cell in cells]
    assert len(cells) == 4
    assert sx.compare(rounded, part).passed
    assert sx.compare([cell[:3] for cell in cells], part).kinds == {"gap": 4}
    assert sx.compare([cell[:1].repeat(3, axis=0) for cell in cells], part).kinds == {"missing": 4, "zero_area": 4}


@pytest.mark.parametrize("exponent", [-16, -20, -30])
def test_a_tiny_boundary_of_few_digits_is_judged_segment_by_segment(exponent: int) -> None:
    tiny = 2.0**exponent
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 1]], [-tiny])])
    part = sx.partition(net, sx.square(1))
    level = sx.boundary(part)
    right = [[(float(x), float(y)) for x, y in segment.ends] for segment in level.exact]
    assert len(right) == 4

    def kinds(segments: list) -> set[str]:
        return set(sx.compare(sx.Claim(segments=np.array(segments)), part, boundary=level).kinds)

    assert not kinds(right)
    assert "boundary_missing" in kinds(right[1:])
    assert "boundary_spurious" in kinds([*right, right[0]])
    assert "boundary_missing" in kinds([[p, p] for p, _ in right])
    text = sx.compare(sx.Claim(segments=np.array(right)), part, boundary=level).text()
    assert "off by 0 at most" in text


def test_vertices_and_edges_in_float32_may_be_rounded_once_or_twice() -> None:
    """1 + 2^-24 + 2^-60: its nearest float64 is in the middle of two float32 numbers, it is not."""
    place = exact(1 + 2.0**-24) + exact(2.0**-60)
    net = sx.from_layers([([[1, 0], [0, 1], [1, 0]], [-place, -place, 0]), ([[1, 1, 1]], [0])])
    part = sx.partition(net, sx.square(2), "rational")
    edges = np.array([edge.vertices for edge in part.edges])
    for up in (1.0, 1.0 + 2.0**-23):
        vertices = np.array([[up if q == place else float(q) for q in v] for v in part.vertices])
        assert named(vertices, edges, Truth(part)) is not None
        assert sx.compare(sx.Claim(vertices=vertices, edges=edges), part).passed


@pytest.mark.parametrize("lines", [42, 48])
def test_many_cells_that_float32_makes_flat_are_paired(lines: int) -> None:
    """A right claim, whose cells are narrower than a float32 far from the origin: long chains of cells must move on."""
    part, cells = grid_of([(2 * k + 1) / lines for k in range(lines)], 1e6, 2.0)
    assert len(cells) == (lines + 1) ** 2
    assert sx.compare([cell.astype(np.float32).astype(np.float64) for cell in cells], part).passed


@pytest.mark.parametrize("corner", [0.0, 1e6])
def test_inaccurate_places_are_said_to_be_inaccurate_whatever_the_format(corner: float) -> None:
    part, cells = grid_of([0.5], corner, 1.0)
    moved = [np.where(cell - [corner, 0] == 0.5, cell + 1e-3 / 3, cell) for cell in cells]
    assert "float32 rounding" in sx.compare(moved, part).text()
    assert "inaccurate" not in sx.compare(cells, part).text()


def test_inaccurate_boundaries_are_said_to_be_inaccurate() -> None:
    part = sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 0]], ["-1/2"])]), sx.square(1))
    level = sx.boundary(part)
    right = np.array([[[float(q) for q in end] for end in segment.ends] for segment in level.exact])
    for off, said in ((0.0, False), (1e-8 / 3, False), (1e-4 / 3, True)):
        found = sx.compare(sx.Claim(segments=right + np.array([off, 0])), part, boundary=level)
        assert found.passed
        assert ("boundary segments are inaccurate" in found.text()) == said


def test_places_that_nobody_measures_are_named() -> None:
    part, _ = grid_of([0.5], 0.0, 1.0)
    claim = sx.Claim(vertices=part.coordinates + 1e-3, vertex_signs=vertex_signs(part, lambda *_: None))
    assert "how far vertices are off" in sx.compare(claim, part).unjudged


@pytest.mark.parametrize("exponent", [30, 52, 55, 80])
def test_exact_claims_are_judged_exactly_however_thin_cells_are(exponent: int) -> None:
    width, count = mpq(1, 2**exponent), 4
    bias = [-mpq(1, 3) - width * k for k in range(count)]
    part = sx.partition(sx.from_layers([([[1, 0]] * count, bias), ([[1] * count], [0])]), sx.square(1), "rational")
    cells = [[tuple(part.vertices[v]) for v in face.vertices] for face in part.faces]
    patterns = sign_rows(part, np.arange(len(cells)))
    assert sx.compare({"polygons": cells, "patterns": patterns}, part).passed
    assert sx.compare([[*cell[1:], cell[0], cell[0], cell[1]][::-1] for cell in cells], part).passed
    thin = [f for f, cell in enumerate(cells) if max(p[0] for p in cell) - min(p[0] for p in cell) == width]
    assert len(thin) == 3
    twice = [cells[thin[1]] if f == thin[0] else cell for f, cell in enumerate(cells)]
    assert sx.compare(twice, part).kinds == {"missing": 1, "spurious": 1}
    always = [cells[thin[1]] if f in thin else cell for f, cell in enumerate(cells)]
    assert sx.compare(always, part).kinds == {"missing": 2, "spurious": 2}
    patterns[[thin[0], thin[1]]] = patterns[[thin[1], thin[0]]]
    assert sx.compare({"polygons": cells, "patterns": patterns}, part).kinds == {"pattern": 2}
