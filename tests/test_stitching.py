"""Pieces stitched along seams are the whole, to the byte; and equal subdivisions have one canonical numbering."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from math import ceil, floor
from random import Random

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.canonical import canonical
from splinecam_exact.geometry import FloatGeometry, Geometry, Polygons
from splinecam_exact.scaling import partition_pieces
from splinecam_exact.stitching import cut_domain, simplest_between, stitch
from splinecam_exact.testing.known_answers import KnownAnswer, known_answers
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks, polygons

Domain = sx.Polygon | sx.Slice
MODES = ["rational", *(["certified"] if find_spec("torch") else [])]
networks = degenerate_networks()
randoms = st.randoms(use_true_random=False)
SQUARE = sx.square(1)


def text(part: sx.Subdivision) -> str:
    """The certificate."""
    return sx.Certificate(part.certificate()).to_text()


@pytest.mark.parametrize("mode", MODES)
@given(plain=networks, pieces=st.integers(1, 7))
def test_stitched_pieces_are_the_whole(mode: str, plain: PlainNetwork, pieces: int) -> None:
    net, domain = plain.network(), plain.domain()
    whole = canonical(sx.partition(net, domain, mode))
    part = partition_pieces(net, domain, pieces, mode=mode)
    assert text(part) == text(whole)
    for place, vertex in zip(part.coordinates.tolist(), part.vertices, strict=True):
        assert place == [*map(float, vertex)] or norm(place, vertex) <= part.geometry.slack


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=settings().max_examples // 2)
@given(plain=networks, random=randoms)
def test_seams_along_edges_and_through_vertices(mode: str, plain: PlainNetwork, random: Random) -> None:
    """Cuts through two vertices, of some tiles only: breaklines and other seams lie on them, and end on them."""
    net, domain = plain.network(), plain.domain()
    part = sx.partition(net, domain, mode)
    tiles = [domain]
    for _ in range(4):
        p, q = random.sample(list(part.vertices), 2)
        tiles = [half for tile in tiles for half in (cut(tile, p, q) if random.random() < 0.8 else [tile])]
    random.shuffle(tiles)
    assert text(stitch(domain, [sx.partition(net, tile, mode) for tile in tiles])) == text(canonical(part))


@pytest.mark.parametrize("left", [1, 4])
@pytest.mark.parametrize("axis", [0, 1])
def test_seams_that_end_on_one_side_of_a_seam(left: int, axis: int) -> None:
    """Two halves, one of them cut into strips across: many vertices inside one edge, which runs either way."""
    halves = [(mpq(-1), mpq(0), left), (mpq(0), mpq(1), 5 - left)]
    heights = {1: (-1, 1), 4: (-1, mpq(-2, 3), mpq(1, 5), mpq(1, 2), 1)}
    strips = [
        turned([(start, low), (end, low), (end, high), (start, high)], axis)
        for start, end, count in halves
        for low, high in pairwise(heights[count])
    ]
    for breaklines in ([], [[0, 0, 1]], [[1, 1, 0]], [[1, 0, 0], [0, 1, 0]], [[4, 0, 1], [0, 4, 1], [4, 0, -1]]):
        layer = [row[:2] for row in breaklines] or [[0, 0]], [row[2] for row in breaklines] or [1]
        net = sx.from_layers([layer, ([[1] * len(layer[1])], [0])])
        whole = canonical(sx.partition(net, SQUARE, "rational"))
        assert text(stitch(SQUARE, [sx.partition(net, strip, "rational") for strip in strips])) == text(whole)


@given(networks, st.integers(2, 7))
def test_certificate_of_stitched_pieces_is_verified(plain: PlainNetwork, pieces: int) -> None:
    part = partition_pieces(plain.network(), plain.domain(), pieces, mode="rational")
    assert sx.check(sx.Certificate(part.certificate()), part.network, part.domain).counts == part.counts()


@pytest.mark.parametrize("known", list(known_answers()), ids=lambda known: known.name)
def test_known_answers_in_pieces(known: KnownAnswer) -> None:
    net, domain = sx.from_layers(known.layers), sx.Polygon(known.domain)
    whole = text(canonical(sx.partition(net, domain, "rational")))
    for pieces in (2, 3, 4, 6):
        part = partition_pieces(net, domain, pieces, mode="rational")
        assert part.counts() == known.counts
        assert text(part) == whole


def test_edges_that_end_on_a_seam_from_one_side() -> None:
    """x = 0 is the seam and the first breakline; the second layer's breakline y = 0 exists on its right only."""
    net = sx.from_layers([([[1, 0], [0, 1], [0, -1]], [0, 5, 5]), ([[1, 1, 0], [1, 0, 0]], [-5, 0]), ([[1, 1]], [0])])
    whole = canonical(sx.partition(net, SQUARE, "rational"))
    assert [piece.corners[0] for piece in cut_domain(SQUARE, 2)] == [(-1, -1), (0, -1)]
    assert text(partition_pieces(net, SQUARE, 2, mode="rational")) == text(whole)


def test_domain_without_breaklines_becomes_one_cell_again() -> None:
    net = sx.from_layers([([[1, 2]], [3])])
    for pieces in (1, 2, 4, 9):
        part = partition_pieces(net, SQUARE, pieces, mode="rational")
        assert (part.counts(), len(part.cells)) == ({"A": 1, "L": 1, "P": 1, "V": 4, "E": 4}, 1)


@given(networks, randoms)
def test_canonical_numbering_does_not_depend_on_the_numbering(plain: PlainNetwork, random: Random) -> None:
    part = sx.partition(plain.network(), plain.domain(), "rational")
    mixed = sx.Subdivision(part.network, part.domain, Mixed(part, random))
    assert mixed.counts() == part.counts()
    assert text(canonical(mixed)) == text(canonical(part))


@given(networks)
def test_canonical_numbering_changes_numbers_only(plain: PlainNetwork) -> None:
    part = sx.partition(plain.network(), plain.domain(), "rational")
    same = canonical(part)
    assert text(canonical(same)) == text(same)
    assert {face.pattern: cycle(face.polygon) for face in same.faces} == {
        face.pattern: cycle(face.polygon) for face in part.faces
    }
    assert sx.check(sx.Certificate(same.certificate()), part.network, part.domain, method="rebuild")
    assert same.vertices[0] == same.faces[0].polygon[0] == part.domain.corners[0]
    assert [same.geometry.point(v) for v in range(len(same.vertices))] == same.points


@given(polygons(), st.integers(1, 12))
def test_pieces_tile_the_domain(corners: Sequence[tuple[Fraction, Fraction]], pieces: int) -> None:
    domain = sx.Polygon(corners)
    tiles = cut_domain(domain, pieces)
    assert len(tiles) == pieces
    assert sum(tile.polygon.area for tile in tiles) == domain.area
    for tile in tiles:
        assert all(turn(p, q, r) >= 0 for r in tile.corners for p, q in sides(domain.corners))
    for k, tile in enumerate(tiles):
        for other in tiles[k + 1 :]:
            assert any(all(turn(p, q, r) <= 0 for r in other.corners) for p, q in sides(tile.corners))


def test_pieces_of_a_slice_lie_on_its_plane() -> None:
    plane = sx.Slice([1, 2, 3], [[1, 0, 0], [0, 1, 1]])
    for piece in cut_domain(plane, 3):
        assert isinstance(piece, sx.Slice)
        assert (piece.origin, piece.basis) == (plane.origin, plane.basis)


@given(st.fractions(-5, 5), st.fractions(0, 2))
def test_simplest_rational_has_the_smallest_denominator(low: Fraction, width: Fraction) -> None:
    high = low + width
    found = simplest_between(mpq(low), mpq(high))
    assert low <= found <= high
    assert all(floor(high * d) < ceil(low * d) for d in range(1, min(int(found.denominator), 200)))


def test_float64_results_are_refused() -> None:
    corners = Polygons.of([(0, 1, 2, 3)])
    geometry = FloatGeometry(corners, np.array(SQUARE.corners, float), 0, lambda faces: np.zeros((len(faces), 0), "u1"))
    part = sx.Subdivision(sx.from_layers([([[1, 2]], [3])]), SQUARE, geometry, mode="float64")
    with pytest.raises(sx.InputError, match="not exact"):
        canonical(part)
    with pytest.raises(sx.InputError, match="not exact"):
        stitch(SQUARE, [part])
    with pytest.raises(sx.InputError, match="stitch"):
        partition_pieces(part.network, SQUARE, 2, mode="float64")


class Mixed(Geometry):
    """A geometry in random numbers, each polygon from a random corner on."""

    def __init__(self, part: sx.Subdivision, random: Random) -> None:
        self._part = part
        self._faces = np.array(random.sample(range(len(part.faces)), len(part.faces)))
        vertices = random.sample(range(len(part.vertices)), len(part.vertices))
        polygons = []
        for face in self._faces.tolist():
            polygon = [vertices[v] for v in part.cells[face].polygon]
            first = random.randrange(len(polygon))
            polygons.append(polygon[first:] + polygon[:first])
        self.polygons = Polygons.of(polygons)
        self.vertex_count = len(vertices)
        self.unit_count = part.geometry.unit_count
        self.mixed = [part.points[vertices.index(v)] for v in range(len(vertices))]

    @property
    def points(self) -> list[tuple[mpq, mpq, mpq]]:
        return self.mixed

    def state_rows(self, faces: np.ndarray) -> np.ndarray:
        return self._part.geometry.state_rows(self._faces[faces])


def norm(place: Sequence[float], vertex: Sequence[mpq]) -> mpq:
    return max(abs(mpq(*c.as_integer_ratio()) - x) for c, x in zip(place, vertex, strict=True))


def turned(corners: Sequence[tuple[mpq, mpq]], axis: int) -> sx.Polygon:
    """The polygon, or its mirror image in the diagonal."""
    return sx.Polygon([corner[:: 1 - 2 * axis] for corner in corners])


def cut(tile: Domain, p: tuple[mpq, mpq], q: tuple[mpq, mpq]) -> list[Domain]:
    """The tile's two sides of the line through two points, or the tile where the line does not cross it."""
    halves = []
    for start, end in ((p, q), (q, p)):
        kept = []
        for a, b in sides(tile.corners):
            low, high = turn(start, end, a), turn(start, end, b)
            if low >= 0:
                kept.append(a)
            if low * high < 0:
                t = low / (low - high)
                kept.append((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))
        if all(turn(start, end, corner) <= 0 for corner in tile.corners):
            return [tile]
        polygon = sx.Polygon(kept)
        halves.append(polygon if isinstance(tile, sx.Polygon) else sx.Slice(tile.origin, tile.basis, polygon))
    return halves


def sides(corners: Sequence[tuple[mpq, mpq]]) -> list[tuple[tuple[mpq, mpq], tuple[mpq, mpq]]]:
    return list(zip(corners, [*corners[1:], corners[0]], strict=True))


def turn(p: tuple[mpq, mpq], q: tuple[mpq, mpq], r: tuple[mpq, mpq]) -> mpq:
    """Positive where r lies on the left of the way from p to q."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def cycle(polygon: Sequence[tuple[mpq, mpq]]) -> tuple[tuple[mpq, mpq], ...]:
    """The corners from the least one on."""
    first = polygon.index(min(polygon))
    return (*polygon[first:], *polygon[:first])


@pytest.mark.parametrize("size", [10**400, Fraction(1, 10**400)])
def test_canonical_numbering_of_a_domain_beyond_floats(size: int | Fraction) -> None:
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    part = sx.partition(net, sx.square(size))
    assert canonical(part).counts() == part.counts() == {"A": 4, "L": 4, "P": 4, "V": 9, "E": 12}
