"""Lines, half-edges, and the rebuilding of subdivisions: laws, networks made by hand, the brute-force clipper."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from gmpy2 import mpq, mpz
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.kernel.dcel import OUTER, Dcel, line_through, meet
from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.kernel.program import Affine, Max, Program
from splinecam_exact.kernel.rational import Point
from splinecam_exact.kernel.rebuild import rebuild
from splinecam_exact.testing.brute_force import RELU, Curve, Layer
from splinecam_exact.testing.strategies import HARDTANH, PlainNetwork, degenerate_networks

Plane = tuple[tuple[Fraction, Fraction], ...]
more = settings(max_examples=3 * settings.default.max_examples)


def polygon(*corners: tuple[Any, Any]) -> Plane:
    return tuple((Fraction(x), Fraction(y)) for x, y in corners)


SQUARE = polygon((-1, -1), (1, -1), (1, 1), (-1, 1))
TRIANGLE = polygon((0, 0), (4, 0), (0, 4))


def layer(rows: Sequence[Sequence[Any]], curve: Curve | None = RELU, groups: tuple[tuple[int, ...], ...] = ()) -> Layer:
    """Rows are weights and then the bias."""
    exact = [tuple(map(Fraction, row)) for row in rows]
    curves = (curve,) * len(rows) if curve and not groups else ()
    return Layer(tuple(row[:-1] for row in exact), tuple(row[-1] for row in exact), curves, groups)


def maximum(rows: Sequence[Sequence[Any]], *groups: tuple[int, ...]) -> Layer:
    return layer(rows, None, groups or (tuple(range(len(rows))),))


def partitioned(corners: Plane, *layers: Layer) -> sx.Subdivision:
    """The partition, after comparing it with the clipper's, and its certificate checked."""
    plain = PlainNetwork(layers, corners)
    expected, part = plain.brute_force(), sx.partition(plain.network(), plain.domain())
    assert part.counts() == expected.counts
    found = {
        face.pattern: {
            (Fraction(int(x.numerator), int(x.denominator)), Fraction(int(y.numerator), int(y.denominator)))
            for x, y in face.polygon
        }
        for face in part.faces
    }
    assert found == {pattern: set(shape) for pattern, shape in expected.cells.items()}
    assert sx.check(sx.Certificate(part.certificate()), part.network, part.domain).status == "verified"
    assert_sound(rebuild(part.program, part.domain.corners))
    return part


def counted(corners: Plane, *layers: Layer) -> tuple[int, int, int]:
    counts = partitioned(corners, *layers).counts()
    return counts["A"], counts["V"], counts["E"]


# -- lines ------------------------------------------------------------------------------------------------------------

integers = st.integers(-9, 9).map(mpz) | st.integers(-(2**80), 2**80).map(mpz)
lines = st.tuples(integers, integers, integers).filter(lambda line: any(line[:2]))
points = st.tuples(integers, integers, st.integers(1, 9).map(mpz))


def value(line: Point, point: Point) -> mpz:
    return sum((a * x for a, x in zip(line, point, strict=True)), mpz(0))


@more
@given(lines, lines)
def test_two_lines_meet_on_both(p: Point, q: Point) -> None:
    assume(p[0] * q[1] != p[1] * q[0])
    point = meet(p, q)
    assert point[2] > 0
    assert value(p, point) == value(q, point) == 0
    assert meet(q, p) == point
    assert meet(tuple(-a for a in p), q) == point


@more
@given(points, points, points)
def test_line_through_two_points_has_the_left_on_its_positive_side(p: Point, q: Point, r: Point) -> None:
    (x, y), (u, v), (s, t) = ((mpq(a, w), mpq(b, w)) for a, b, w in (p, q, r))
    assume((x, y) != (u, v))
    line = line_through(p, q)
    assert value(line, p) == value(line, q) == 0
    turn = (u - x) * (t - y) - (v - y) * (s - x)
    assert (value(line, r) > 0) - (value(line, r) < 0) == (turn > 0) - (turn < 0)
    assert line_through(q, p) == tuple(-a for a in line)


# -- half-edges -------------------------------------------------------------------------------------------------------


def turn(p: Point, q: Point, r: Point) -> mpz:
    return value(line_through(p, q), r)


def assert_sound(dcel: Dcel) -> None:
    """Every law of a doubly connected edge list of strictly convex faces."""
    live = [h for h in range(len(dcel.next)) if dcel.next[h] >= 0]
    assert all(dcel.next[h ^ 1] >= 0 for h in live)
    for h in live:
        g = dcel.next[h]
        assert dcel.prev[g] == h
        assert dcel.next[dcel.prev[h]] == h
        assert dcel.face[g] == dcel.face[h] != dcel.face[h ^ 1]
        assert dcel.origin[g] == dcel.origin[h ^ 1] != dcel.origin[h]
        assert value(dcel.line[h >> 1], dcel.points[dcel.origin[h]]) == 0
    faces: dict[int, list[list[int]]] = {}
    seen: set[int] = set()
    for h in live:
        if h not in seen:
            cycle = list(dcel.cycle(h))
            seen.update(cycle)
            faces.setdefault(dcel.face[h], []).append(cycle)
    assert set(faces) == {OUTER, *range(len(dcel.edge))}
    assert all(len(cycles) == 1 for cycles in faces.values())
    assert [dcel.face[h] for h in dcel.edge] == list(range(len(dcel.edge)))
    assert len(dcel.patterns) == len(set(dcel.patterns)) == len(dcel.edge)
    for f, (cycle,) in faces.items():
        corners = [dcel.points[dcel.origin[h]] for h in cycle]
        turns = [turn(corners[k - 2], corners[k - 1], corners[k]) for k in range(len(corners))]
        assert max(turns) <= 0 if f == OUTER else min(turns) > 0
    used = {dcel.origin[h] for h in live}
    places = {(mpq(x, w), mpq(y, w)) for x, y, w in (dcel.points[v] for v in used)}
    assert len(places) == len(used)
    assert len(used) - len(live) // 2 + len(dcel.edge) == 1


def unit_square() -> Dcel:
    return Dcel([(mpq(0), mpq(0)), (mpq(1), mpq(0)), (mpq(1), mpq(1)), (mpq(0), mpq(1))])


def test_dcel_starts_as_the_polygon() -> None:
    dcel = unit_square()
    assert_sound(dcel)
    assert list(dcel.cycle(0)) == [0, 2, 4, 6]
    assert list(dcel.cycle(1)) == [1, 7, 5, 3]
    assert [dcel.origin[h] for h in (0, 2, 4, 6)] == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("inner", [True, False])
def test_split_puts_vertices_in_order_along_a_half_edge(side: int, count: int, inner: bool) -> None:
    dcel = unit_square()
    h = 2 * side + (not inner)
    p, q = (dcel.points[dcel.origin[g]] for g in (h, h ^ 1))
    first, last = dcel.origin[h], dcel.origin[h ^ 1]
    new = [
        dcel.add_vertex((p[0] * (count + 1 - k) + q[0] * k, p[1] * (count + 1 - k) + q[1] * k, mpz(count + 1)))
        for k in range(1, count + 1)
    ]
    dcel.split(h, new)
    assert dcel.origin[h] == first
    walk = list(dcel.cycle(h))
    assert [dcel.origin[g] for g in walk[: count + 2]] == [first, *new, last]
    back = list(dcel.cycle(dcel.prev[h] ^ 1))
    assert len(walk) == len(back) == 4 + count
    assert {dcel.face[g] for g in walk} == {0 if inner else OUTER}
    for g in range(len(dcel.next)):
        assert dcel.prev[dcel.next[g]] == g
        assert dcel.origin[dcel.next[g]] == dcel.origin[g ^ 1]
        assert dcel.face[dcel.next[g]] == dcel.face[g]
        assert value(dcel.line[g >> 1], dcel.points[dcel.origin[g]]) == 0


def test_split_twice_and_by_nothing() -> None:
    dcel = unit_square()
    dcel.split(0, [])
    assert list(dcel.cycle(0)) == [0, 2, 4, 6]
    dcel.split(0, [dcel.add_vertex((mpz(1), mpz(0), mpz(2)))])
    dcel.split(0, [dcel.add_vertex((mpz(1), mpz(0), mpz(4)))])
    assert [dcel.origin[h] for h in dcel.cycle(0)] == [0, 5, 4, 1, 2, 3]
    assert [dcel.origin[h ^ 1] for h in dcel.cycle(1)] == [0, 3, 2, 1, 4, 5]


def test_faces_of_one_pattern_are_merged_and_straight_vertices_vanish() -> None:
    rows = [(1, 0, 0), (0, 1, 0), (1, 1, "1/3"), (1, -2, "1/5")]
    part = partitioned(SQUARE, layer(rows))
    dcel = rebuild(part.program, part.domain.corners)
    dcel.patterns = [b"same"] * len(dcel.edge)
    dcel.merge_equal_faces()
    assert_sound(dcel)
    assert [dcel.origin[h] for h in dcel.cycle(dcel.edge[0])] in (
        [0, 1, 2, 3],
        [1, 2, 3, 0],
        [2, 3, 0, 1],
        [3, 0, 1, 2],
    )


@given(degenerate_networks(max_layers=2, max_width=5))
def test_rebuilt_subdivision_is_a_sound_dcel(plain: PlainNetwork) -> None:
    part = sx.partition(plain.network(), plain.domain())
    dcel = rebuild(part.program, part.domain.corners)
    assert_sound(dcel)
    assert len(dcel.edge) == part.counts()["A"]


# -- networks made by hand --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 12])
def test_concurrent_lines_make_two_cells_each(k: int) -> None:
    """k lines through (1/7, 1/11), none through a corner: 2k cells."""
    slopes = [(2 * j - k, 2 * j + 1 - k) for j in range(k)]
    rows = [(a, b, -Fraction(a, 7) - Fraction(b, 11)) for a, b in slopes]
    part = partitioned(SQUARE, layer(rows))
    assert part.counts()["A"] == 2 * k
    assert part.counts()["V"] == 4 + 2 * k + (k > 1)
    assert sum(vertex == (mpq(1, 7), mpq(1, 11)) for vertex in part.vertices) == (k > 1)


def test_lines_through_corners() -> None:
    assert counted(SQUARE, layer([(1, 1, 0)])) == (2, 4, 5)
    assert counted(SQUARE, layer([(1, 1, 0), (1, -1, 0)])) == (4, 5, 8)
    assert counted(SQUARE, layer([(1, 1, 0), (1, -1, 0), (1, 0, 0), (0, 1, 0)])) == (8, 9, 16)
    assert counted(SQUARE, layer([(1, 1, -2)])) == (1, 4, 4)  # touches the corner (1, 1) only
    assert counted(SQUARE, layer([(2, -1, 1), (2, 1, 1), (1, 0, 0)])) == (5, 7, 11)  # they meet on the sides
    assert counted(TRIANGLE, layer([(1, -1, 0), (1, 2, -4), (2, 1, -4)])) == (6, 7, 12)  # the medians


def test_lines_along_the_domains_edges() -> None:
    sides = [(1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
    part = partitioned(SQUARE, layer(sides))
    assert (part.counts()["A"], part.counts()["V"], part.counts()["E"]) == (1, 4, 4)
    assert part.faces[0].pattern == (2, 0, 2, 0)
    negated = [tuple(-a for a in side) for side in sides]
    assert partitioned(SQUARE, layer(negated)).faces[0].pattern == (0, 2, 0, 2)
    assert counted(SQUARE, layer([*sides, *negated, (1, 0, 0)])) == (2, 6, 7)
    assert counted(TRIANGLE, layer([(1, 1, -4), (1, 0, 0), (0, -3, 0)])) == (1, 3, 3)


@pytest.mark.parametrize("scales", [[1], [1, 1], [1, -1], [1, "1/3", -7, 5, "-1/1000000007"], [2**70, -(2**70), 1]])
def test_layer_whose_breaklines_all_coincide(scales: list[Any]) -> None:
    for row in ((1, 2, "1/5"), (1, 0, 0), (0, 1, "1/3"), (1, 1, 0)):
        same = [tuple(Fraction(s) * Fraction(a) for a in row) for s in scales]
        part = partitioned(SQUARE, layer(same))
        assert part.counts()["A"] == 2
        (edge,) = (e for e in part.edges if OUTER not in e.faces)
        assert edge.units == tuple(range(len(scales)))


def test_layers_on_top_of_each_other() -> None:
    """The second layer's breaklines are those of the first: relu(relu(x)) and relu(relu(x) - relu(-x))."""
    first = layer([(1, 0, 0), (-1, 0, 0), (0, 1, 0)])
    assert counted(SQUARE, first) == (4, 9, 12)
    assert counted(SQUARE, first, layer([(1, 0, 0, 0), (1, -1, 0, 0), (0, 0, 1, 0)])) == (4, 9, 12)
    again = layer([(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)])
    assert counted(SQUARE, first, again, again, again) == (4, 9, 12)


def test_later_lines_through_earlier_vertices_and_along_earlier_edges() -> None:
    first = layer([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)])  # |x| = h0 + h2, |y| = h1 + h3
    assert counted(SQUARE, first, layer([(1, -1, 1, -1, 0)])) == (8, 9, 16)  # the diagonals |x| = |y|
    assert counted(SQUARE, first, layer([(1, 1, 1, 1, -1)])) == (8, 9, 16)  # the diamond |x| + |y| = 1
    assert counted(SQUARE, first, layer([(1, 1, 1, 1, -1), (1, -1, 1, -1, 0)])) == (16, 13, 28)
    assert counted(SQUARE, first, layer([(1, 0, 1, 0, 0), (1, 0, 1, 0, -1)])) == (4, 9, 12)  # nothing new


def test_units_that_are_zero_everywhere_or_on_a_cell() -> None:
    part = partitioned(
        SQUARE, layer([(0, 0, 0), (1, 0, 0), (0, 0, 1), (0, 0, -1)]), layer([(1, 0, 0, 0, 0), (0, 1, 0, 0, 0)])
    )
    assert sorted(face.pattern for face in part.faces) == [(1, 0, 2, 0, 1, 1), (1, 2, 2, 0, 1, 2)]


def test_units_with_several_breakpoints() -> None:
    steps = Curve(tuple(Fraction(k, 4) for k in range(-3, 4)), tuple(Fraction(k) for k in range(8)), Fraction(1))
    assert counted(SQUARE, layer([(1, 0, 0)], steps)) == (8, 18, 25)
    assert counted(SQUARE, layer([(1, 0, 0), (0, 1, 0)], steps)) == (64, 81, 144)
    part = partitioned(SQUARE, layer([(2, 0, 0), (0, 0, 1), (0, 0, -3), (0, 0, "1/2")], HARDTANH))
    assert sorted(face.pattern for face in part.faces) == [(0, 3, 0, 2), (2, 3, 0, 2), (4, 3, 0, 2)]


# -- maxima -----------------------------------------------------------------------------------------------------------

weights = st.integers(-3, 3)
rows = st.tuples(weights, weights, weights)
members = st.lists(rows, min_size=3, max_size=6)


def test_upper_envelopes_by_hand() -> None:
    three = [(1, 0, 0), (0, 1, 0), (-1, -1, 0)]
    assert counted(SQUARE, maximum(three)) == (3, 7, 9)
    assert counted(SQUARE, maximum([(1, 0, 0), (1, 0, 0), (1, 0, 0)])) == (1, 4, 4)
    assert partitioned(SQUARE, maximum([(1, 0, 0), (1, 0, 0), (1, 0, -1)])).faces[0].pattern == (3,)
    # |x| as the largest of x, 0, -x: 0 is largest on a line only
    part = partitioned(SQUARE, maximum([(1, 0, 0), (0, 0, 0), (-1, 0, 0)]))
    assert sorted(face.pattern for face in part.faces) == [(1,), (4,)]
    # four members that are equal at the origin
    assert counted(SQUARE, maximum([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)])) == (4, 5, 8)
    # the tangents of a paraboloid on a grid of 3 x 3 points
    tangents = [(2 * i, 2 * j, -i * i - j * j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert counted(polygon((-2, -2), (2, -2), (2, 2), (-2, 2)), maximum(tangents)) == (9, 16, 24)


@more
@given(members)
def test_upper_envelope_of_three_to_six_members(rows: list[tuple[int, int, int]]) -> None:
    part = partitioned(SQUARE, maximum(rows))
    assert part.counts()["A"] <= len(set(rows))
    assert part.counts()["A"] >= part.counts()["L"] == part.counts()["P"]


@more
@given(members, st.lists(st.tuples(*[weights] * 3), min_size=2, max_size=2))
def test_maxima_that_share_members_and_layers_after_them(rows: list[tuple[int, int, int]], more_rows: Any) -> None:
    n = len(rows)
    groups = (tuple(range(n)), tuple(range(n))[::-1][:3], (0, n - 1), (1,))
    partitioned(SQUARE, maximum(rows, *groups[:2]), layer(more_rows))
    partitioned(SQUARE, maximum(rows, *groups[2:]), maximum(more_rows), layer([(1, -1)], HARDTANH))


@given(members, st.permutations(range(3)))
def test_order_of_the_members_only_renames_them(rows: list[tuple[int, int, int]], order: list[int]) -> None:
    moved = [rows[k] for k in order] + rows[3:]
    parts = [sx.partition(PlainNetwork((maximum(r),), SQUARE).network(), sx.square(1)) for r in (rows, moved)]
    assert parts[0].counts() == parts[1].counts()
    assert {face.polygon for face in parts[0].faces} == {rotated(face.polygon, parts[0]) for face in parts[1].faces}


def rotated(shape: tuple[Any, ...], like: sx.Subdivision) -> tuple[Any, ...]:
    """The same polygon as some face of `like` begins it."""
    return next((f.polygon for f in like.faces if set(f.polygon) == set(shape)), shape)


# -- limits and interruptions -----------------------------------------------------------------------------------------

GRID = [(1, 0, Fraction(k, 5)) for k in range(-4, 5)] + [(0, 1, Fraction(k, 7)) for k in range(-6, 7)]


@pytest.mark.parametrize(
    "layers",
    [
        (layer(GRID),),
        (layer([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)]), layer([(1, 1, 1, 1, -1), (1, -1, 1, -1, 0)])),
        (layer([(1, 0, 0), (0, 1, 0), (1, 1, 0)]),),
    ],
)
def test_limit_of_cells_is_exact(layers: tuple[Layer, ...]) -> None:
    plain = PlainNetwork(layers, SQUARE)
    net, dom = plain.network(), plain.domain()
    cells = sx.partition(net, dom).counts()["A"]
    for limit in {cells, cells + 1, 10 * cells}:
        assert sx.partition(net, dom, max_cells=limit).counts()["A"] == cells
    for limit in {1, cells // 2, cells - 1}:
        with pytest.raises(Undecided, match=f"more than {limit} cells"):
            sx.partition(net, dom, max_cells=limit)


def test_limit_of_cells_in_a_maximum_says_that_it_counts_before_merging() -> None:
    net = PlainNetwork((maximum([(k, 5 * k % 7 - 3, k % 3) for k in range(-3, 3)]),), SQUARE).network()
    cells = sx.partition(net, sx.square(1)).counts()["A"]
    with pytest.raises(Undecided, match=f"more than {cells} cells before those of one maximum are merged"):
        sx.partition(net, sx.square(1), max_cells=cells)


def test_progress_can_interrupt_at_any_time() -> None:
    plain = PlainNetwork((layer(GRID), layer([(1,) * len(GRID) + (-3,)])), SQUARE)
    net, dom = plain.network(), plain.domain()
    calls: list[tuple[str, int, int]] = []
    part = sx.partition(net, dom, progress=lambda *call: calls.append(call))
    assert {stage.partition(":")[0] for stage, _, _ in calls} == {"layer 1 of 2", "layer 2 of 2"}
    assert all(0 <= done <= total for _, done, total in calls)

    class Stop(Exception):
        pass

    for stop in range(len(calls)):
        count = 0

        def interrupt(stage: str, done: int, total: int, stop: int = stop) -> None:
            nonlocal count
            count += 1
            if count > stop:
                raise Stop

        with pytest.raises(Stop):
            sx.partition(net, dom, progress=interrupt)
    assert sx.partition(net, dom).counts() == part.counts()


def test_program_without_units_leaves_the_polygon_whole() -> None:
    for ops in ([], [Affine(mpz(1), (((0, 1), (mpz(1), mpz(1)), mpz(0)),))], [Max(((0,),))]):
        dcel = rebuild(Program(2, ops, [0]), [(mpq(0), mpq(0)), (mpq(1), mpq(0)), (mpq(0), mpq(1))])
        assert_sound(dcel)
        assert dcel.patterns == [b"\1" if ops and isinstance(ops[0], Max) else b""]
