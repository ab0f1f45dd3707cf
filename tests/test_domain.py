"""Polygons and slices: exact, put in one form where that is unambiguous, refused otherwise."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import assume, given
from hypothesis import strategies as st

from splinecam_exact.certification import certify, check
from splinecam_exact.domain import Polygon, Slice, square
from splinecam_exact.kernel.errors import DomainError, InputError
from splinecam_exact.network import Network
from splinecam_exact.partitioning import partition

COORDINATES = st.fractions(-3, 3, max_denominator=8)
POINTS = st.tuples(COORDINATES, COORDINATES)
CORNERS = [(0, 0), (4, 0), (5, 3), (2, 6), (-1, 3)]


def hull(points: list[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
    """The strictly convex hull, counter-clockwise from the smallest point (Andrew's monotone chain)."""

    def half(ordered: list[tuple[Fraction, Fraction]]) -> list[tuple[Fraction, Fraction]]:
        chain: list[tuple[Fraction, Fraction]] = []
        for p in ordered:
            while len(chain) > 1 and turn(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    ordered = sorted(set(points))
    return half(ordered) + half(ordered[::-1])


def turn(p: tuple[Fraction, Fraction], q: tuple[Fraction, Fraction], r: tuple[Fraction, Fraction]) -> Fraction:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


@st.composite
def hulls(draw: st.DrawFn) -> list[tuple[Fraction, Fraction]]:
    found = hull(draw(st.lists(POINTS, min_size=3, max_size=12)))
    assume(len(found) > 2)
    return found


@given(hulls(), st.data())
def test_start_orientation_closing_and_straight_vertices_do_not_matter(
    corners: list[tuple[Fraction, Fraction]], data: st.DataObject
) -> None:
    vertices = []
    for p, q in zip(corners, corners[1:] + corners[:1], strict=True):
        vertices.append(p)
        for t in sorted(data.draw(st.sets(st.sampled_from([Fraction(1, 3), Fraction(1, 2), Fraction(7, 9)])))):
            vertices.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    start = data.draw(st.integers(0, len(vertices) - 1))
    vertices = vertices[start:] + vertices[:start]
    if data.draw(st.booleans()):
        vertices.reverse()
    if data.draw(st.booleans()):
        vertices.append(vertices[0])
    polygon = Polygon(vertices)
    assert polygon.corners == tuple((mpq(x), mpq(y)) for x, y in corners)
    assert polygon == Polygon(corners)
    assert polygon.digest == Polygon(corners).digest


@given(st.lists(POINTS, min_size=3, max_size=6, unique=True))
def test_accepted_exactly_where_every_vertex_lies_on_the_hull_in_order(points: list[tuple[Fraction, Fraction]]) -> None:
    corners = hull(points)
    try:
        found = Polygon(points).corners
    except DomainError:
        if len(corners) > 2:
            assert not around(points, corners)
        return
    assert len(corners) > 2
    assert found == tuple((mpq(x), mpq(y)) for x, y in corners)
    assert around(points, corners)


def around(points: list[tuple[Fraction, Fraction]], corners: list[tuple[Fraction, Fraction]]) -> bool:
    """Whether the points run once around the hull's boundary, one way or the other: by their place along it."""

    def place(p: tuple[Fraction, Fraction]) -> tuple[int, Fraction] | None:
        for k, (a, b) in enumerate(zip(corners, corners[1:] + corners[:1], strict=True)):
            d = (b[0] - a[0], b[1] - a[1])
            t = ((p[0] - a[0]) * d[0] + (p[1] - a[1]) * d[1]) / (d[0] ** 2 + d[1] ** 2)
            if turn(a, b, p) == 0 and 0 <= t < 1:
                return k, t
        return None

    places = [place(p) for p in points]
    if None in places:
        return False
    smallest = places.index(min(places))  # type: ignore[type-var]
    turned = places[smallest:] + places[:smallest]
    return turned in (sorted(places), [turned[0], *sorted(places, reverse=True)[:-1]])  # type: ignore[type-var]


@given(hulls())
def test_area_is_the_sum_of_a_fan(corners: list[tuple[Fraction, Fraction]]) -> None:
    fan = sum(turn(corners[0], q, r) for q, r in pairwise(corners[1:]))
    assert Polygon(corners).area == mpq(fan) / 2


PENTAGRAM = [CORNERS[k] for k in (0, 2, 4, 1, 3)]


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        (PENTAGRAM, r"winds 2 times \(again at vertex \d"),
        (PENTAGRAM[::-1], "winds 2 times"),
        (CORNERS * 2, "vertex 5 .* repeats vertex 0"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], r"vertex 1 \(1, 1\) .* turns the other way"),
        ([(0, 0), (4, 0), (1, 1), (0, 4)], r"vertex 2 \(1, 1\) .* turns the other way"),
        ([(0, 4), (1, 1), (4, 0), (0, 0)], r"vertex 1 \(1, 1\) .* turns the other way"),
        ([(0, 0), (2, 0), (1, 0), (1, 1)], r"vertex 1 \(2, 0\) .* turns back"),
        ([(0, 0), (0, 0), (1, 0), (0, 1)], r"vertex 1 \(0, 0\) repeats vertex 0"),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], r"vertex 2 \(1, 0\) repeats vertex 1"),
        ([(0, 0), (1, 0), (0, 0), (0, 1)], r"vertex 2 \(0, 0\) repeats vertex 0"),
        ([(0, 0), (1, 1), (2, 2)], "on one line: the polygon has no area"),
        ([(0, 0), (2, 2), (1, 1), (3, 3)], "on one line: the polygon has no area"),
        ([(0, 0), (1, 1)], "three corners, there are 2"),
        ([(0, 0), (1, 1), (0, 0)], "three corners, there are 2"),
        ([], "three corners, there are 0"),
        ([(0, 0), (1, math.nan), (0, 1)], r"vertex 1\[1\]: nan"),
        ([(0, 0), (1, 0, 0), (0, 1)], "vertex 1 has 3 coordinates; 2 are needed"),
        ([(0, 0), (1, True), (0, 1)], r"vertex 1\[1\]: True"),
        ([(0, 0), "10", (0, 1)], "vertex 1 has 0 coordinates"),
        ([(0, 0), 1, (0, 1)], "vertex 1 is of type int"),
    ],
)
def test_what_is_no_convex_polygon_is_refused(vertices: list[object], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        Polygon(vertices)  # type: ignore[arg-type]


def test_numpy_floats_are_exact() -> None:
    values = np.array([[0, 0], [0.1, 0], [0, 0.1]], dtype=np.float32)
    assert Polygon(values).corners[1] == (mpq(13421773, 2**27), 0)


def test_square_has_its_corners() -> None:
    assert square(0.5) == Polygon([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    for r in (0, -1, math.nan):
        with pytest.raises(DomainError):
            square(r)


VECTORS = st.lists(COORDINATES, min_size=3, max_size=3)


@given(VECTORS, VECTORS, VECTORS)
def test_slice_goes_through_its_points(a: list[Fraction], b: list[Fraction], c: list[Fraction]) -> None:
    cross = np.cross(np.array(b) - np.array(a), np.array(c) - np.array(a))
    if not cross.any():
        with pytest.raises(DomainError, match="span no plane"):
            Slice.through(a, b, c)
        return
    plane = Slice.through(a, b, c)
    for st_point, point in (((0, 0), a), ((1, 0), b), ((0, 1), c)):
        assert plane.embed(st_point) == tuple(map(mpq, point))
    assert plane.corners[0] == (mpq(-1, 4), mpq(-1, 4))
    assert plane.polygon.area == mpq(9, 4)
    (uu, uv), (vu, vv) = plane.gram
    assert uv == vu
    assert uu * vv - uv * vu == mpq(sum(cross**2))  # Lagrange's identity


@given(VECTORS, VECTORS, VECTORS, st.tuples(COORDINATES, COORDINATES))
def test_embedding_is_affine(
    o: list[Fraction], u: list[Fraction], v: list[Fraction], point: tuple[Fraction, Fraction]
) -> None:
    try:
        plane = Slice(o, [u, v])
    except DomainError:
        assert not np.cross(np.array(u), np.array(v)).any()
        return
    s, t = point
    assert plane.embed(point) == tuple(mpq(a + s * b + t * c) for a, b, c in zip(o, u, v, strict=True))
    assert plane.polygon == square(1)


def test_axes_are_the_inputs_own_coordinates() -> None:
    plane = Slice.axes(3, 1, [0.5, 99, "1/3", None], square(2))
    assert plane.embed((7, 8)) == (mpq(1, 2), 8, mpq(1, 3), 7)
    assert plane == Slice.axes(3, 1, [0.5, 0, mpq(1, 3), 0], square(2))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Slice([0, 0], [[1, 2], [2, 4]]), "linearly dependent"),
        (lambda: Slice([0, 0], [[1, 2], [0, 0]]), "linearly dependent"),
        (lambda: Slice([0], [[0], [0]]), "linearly dependent"),
        (lambda: Slice([0, 0, 0], [[1, 2], [0, 1]]), r"basis\[0\] has 2 coordinates; 3 are needed"),
        (lambda: Slice([0, 0], [[1, 2]]), "basis has 1 vectors"),
        (lambda: Slice([], [[], []]), "origin has 0 coordinates"),
        (lambda: Slice([0, 0], [[1, 0], [0, math.inf]]), r"basis\[1\]\[1\]: inf"),
        (lambda: Slice([0, 0], [[1, 0], [0, 1]], [(0, 0)]), "a Polygon is needed"),  # type: ignore[arg-type]
        (lambda: Slice.through([0, 0], [1, 0], [1, 0]), "points b and c coincide"),
        (lambda: Slice.through([0, 0], [0, 0], [1, 0]), "points a and b coincide"),
        (lambda: Slice.through([0, 0], [1, 0], [0, 0]), "points a and c coincide"),
        (lambda: Slice.through([0, 0], [1, 1], [3, 3]), "lie on one line"),
        (lambda: Slice.through([0, 0], [1, 1, 1], [3, 4]), "b has 3 coordinates; 2 are needed"),
        (lambda: Slice.axes(0, 2, [0, 0]), "no coordinate 2, only 0 to 1"),
        (lambda: Slice.axes(-1, 0, [0, 0]), "no coordinate -1"),
        (lambda: Slice.axes(1, 1, [0, 0]), "must differ"),
        (lambda: Slice.axes(0, 1, [0, 0, None]), r"origin\[2\]: None"),
        (lambda: square(1).embed((1, 2, 3)), "point has 3 coordinates; 2 are needed"),
    ],
)
def test_degenerate_slices_are_refused(build: object, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        build()  # type: ignore[operator]


def test_domain_must_fit_the_network() -> None:
    net = Network.from_layers([([[1, 2, 3]], [0])])
    with pytest.raises(DomainError, match="2 inputs, the network has 3"):
        square(1).check_fits(net)
    with pytest.raises(DomainError, match="4 dimensions, the network has 3 inputs"):
        Slice.axes(0, 1, [0] * 4).check_fits(net)
    Slice.axes(0, 1, [0] * 3).check_fits(net)


@given(hulls(), VECTORS)
def test_json_round_trip_keeps_content_and_digest(corners: list[tuple[Fraction, Fraction]], o: list[Fraction]) -> None:
    polygon = Polygon(corners)
    plane = Slice(o, [[1, "1/3", 0], [0, 0.1, 1]], polygon)
    for domain in (polygon, plane):
        again = type(domain).from_json(json.loads(json.dumps(domain.to_json())))
        assert again == domain
        assert hash(again) == hash(domain)
        assert again.digest == domain.digest
    assert plane.digest != polygon.digest


@pytest.mark.parametrize(
    "obj",
    [
        None,
        [],
        {},
        {"polygon": None},
        {"polygon": {}},
        {"polygon": [["0", "0"], ["1", "0"], ["0", "1"]], "more": 1},
        {"polygon": [["0", "0"], ["0", "1"], ["1", "0"]]},
        {"polygon": [["1", "0"], ["0", "1"], ["0", "0"]]},
        {"polygon": [["0", "0"], ["2/2", "0"], ["0", "1"]]},
        {"polygon": [["0", "0"], [1, 0], ["0", "1"]]},
        {"polygon": [["0", "0"], ["1", "0"], ["0", "1"], ["0", "0"]]},
    ],
)
def test_json_has_one_form(obj: object) -> None:
    with pytest.raises(DomainError):
        Polygon.from_json(obj)
    fields = obj if isinstance(obj, dict) else {}
    with pytest.raises(DomainError):
        Slice.from_json({"origin": ["0", "0"], "basis": [["1", "0"], ["0", "1"]], **fields})


def test_json_of_a_slice_has_one_form() -> None:
    good = Slice([0, 1, 2], [[1, 0, 0], [0, 1, 0]]).to_json()
    for change in ({"origin": [0, "1", "2"]}, {"origin": ["0", "1"]}, {"basis": good["basis"][:1]}, {"basis": "10"}):
        with pytest.raises(DomainError):
            Slice.from_json({**good, **change})


def test_repr_is_short() -> None:
    assert repr(square(1)) == "Polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)])"
    assert repr(Slice.axes(0, 1, [0] * 784)) == "<Slice of 784-dimensional space, polygon with 4 corners>"


def test_a_network_of_one_input_takes_a_plane_of_strips() -> None:
    net = Network.from_layers([([[1], [1]], [0, -1]), ([[1, -2]], [0])])
    plane = Slice([0], [[1], [0]], square(2))
    counts = partition(net, plane).counts()
    assert (counts["A"], counts["V"], counts["E"]) == (3, 8, 10)
    assert check(certify(net, plane), net, plane)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: Polygon(None),  # type: ignore[arg-type]
        lambda: Polygon("0,0 1,0 0,1"),
        lambda: Polygon(square(1)),  # type: ignore[arg-type]
        lambda: Slice.axes(0, 1, 3),  # type: ignore[arg-type]
        lambda: Network.from_layers([([[1, 2]], None)]).evaluate(5),  # type: ignore[arg-type]
        lambda: partition(Network.from_layers([([[1, 2]], None)]), square(1)).locate(None),  # type: ignore[arg-type]
        lambda: partition(Network.from_layers([([[1, 2]], None)]), square(1)).locate("12"),
    ],
)
def test_what_is_no_list_of_numbers_is_an_input_error(attempt: object) -> None:
    with pytest.raises(InputError):
        attempt()  # type: ignore[operator]
