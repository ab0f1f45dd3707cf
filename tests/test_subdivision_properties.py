"""Laws that every partition obeys, on networks whose degeneracy is constructed; and the same cells as the oracle's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.testing.brute_force import Pattern, canonical
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks
from splinecam_exact.testing.transformations import change_coordinates, permute_units, scale_units

Point = tuple[mpq, mpq]

networks = degenerate_networks()
small_networks = degenerate_networks(max_layers=2, max_width=4)
randoms = st.randoms(use_true_random=False)


@settings(max_examples=20 * settings().max_examples)
@given(networks)
def test_equals_the_brute_force_oracle(plain: PlainNetwork) -> None:
    """The main test: with the profile `thorough`, 10 000 networks."""
    expected, net, domain = plain.brute_force(), plain.network(), plain.domain()
    part = sx.partition(net, domain, mode="rational")
    assert part.counts() == expected.counts
    assert cells(part) == expected.cells
    for face in part.faces:
        matrix, offset = face.affine
        maps = tuple((*map(fraction, row), fraction(c)) for row, c in zip(matrix, offset, strict=True))
        assert maps == expected.maps[face.pattern]
    certificate = sx.certificate_of(part)
    for method in ("witness", "rebuild"):
        verdict = sx.check(certificate, net, domain, method=method)
        assert (verdict.status, verdict.reason) == ("verified", "")


@given(networks)
def test_euler_formula(plain: PlainNetwork) -> None:
    part = partition(plain)
    counts = part.counts()
    assert counts["V"] - counts["E"] + counts["A"] == 1
    assert (counts["V"], counts["E"], counts["A"]) == (len(part.vertices), len(part.edges), len(part.faces))
    assert 1 <= counts["P"] <= counts["L"] <= counts["A"]


@given(networks)
def test_areas_sum_to_the_area_of_the_domain(plain: PlainNetwork) -> None:
    part = partition(plain)
    assert all(face.area == area(face.polygon) > 0 for face in part.faces)
    assert sum(face.area for face in part.faces) == area(plain.domain().corners)


@given(networks)
def test_patterns_are_pairwise_distinct(plain: PlainNetwork) -> None:
    part = partition(plain)
    assert len({face.pattern for face in part.faces}) == len(part.faces)
    assert all(len(face.pattern) == part.network.unit_count for face in part.faces)


@given(networks)
def test_witness_lies_inside_and_has_the_pattern_of_its_face(plain: PlainNetwork) -> None:
    part = partition(plain)
    for face in part.faces:
        assert all(turn(p, q, face.witness) > 0 for p, q in sides(face.polygon))
        assert kernel_pattern(plain, face.witness) == face.pattern
        assert oracle_pattern(plain, face.witness) == face.pattern


@given(networks)
def test_units_of_an_edge_are_at_a_breakpoint_all_along_it(plain: PlainNetwork) -> None:
    part = partition(plain)
    is_max = [bool(layer.groups) for layer in plain.layers for _ in layer.groups or layer.curves]
    for edge in part.edges:
        p, q = (part.vertices[v] for v in edge.vertices)
        for point in (p, q, middle(p, q)):
            states = oracle_pattern(plain, point)
            assert states == kernel_pattern(plain, point)
            for unit in edge.units:
                assert states[unit].bit_count() >= 2 if is_max[unit] else states[unit] % 2


@given(networks)
def test_units_of_an_edge_are_those_whose_state_differs_across_it(plain: PlainNetwork) -> None:
    part = partition(plain)
    for edge in part.edges:
        if -1 in edge.faces:
            assert edge.units == ()
        else:
            left, right = (part.faces[face].pattern for face in edge.faces)
            assert edge.units == tuple(u for u, (s, t) in enumerate(zip(left, right, strict=True)) if s != t)
            assert edge.units


@given(networks)
def test_affine_map_of_a_face_is_the_network_on_it(plain: PlainNetwork) -> None:
    part, domain = partition(plain), plain.domain()
    for face in part.faces:
        matrix, offset = face.affine
        for x, y in (face.witness, *face.polygon, *(middle(face.witness, corner) for corner in face.polygon)):
            value = [a * x + b * y + c for (a, b), c in zip(matrix, offset, strict=True)]
            assert value == part.network.evaluate(domain.embed((x, y)))
            assert [fraction(v) for v in value] == list(plain.evaluate((fraction(x), fraction(y)))[0])


@given(networks)
def test_twin_is_an_involution_without_fixed_points(plain: PlainNetwork) -> None:
    half = partition(plain).half_edges
    everything = np.arange(len(half.twin))
    assert all(array.dtype == np.int64 for array in half)
    assert (half.twin[half.twin] == everything).all()
    assert (half.twin != everything).all()
    assert (half.face[half.twin] != half.face).all()


@given(networks)
def test_next_and_prev_are_inverse_and_stay_in_one_face(plain: PlainNetwork) -> None:
    half = partition(plain).half_edges
    everything = np.arange(len(half.next))
    assert (half.prev[half.next] == everything).all()
    assert (half.next[half.prev] == everything).all()
    assert (half.face[half.next] == half.face).all()
    assert (half.origin[half.next] == half.origin[half.twin]).all()


@given(networks)
def test_every_face_is_one_cycle_of_half_edges(plain: PlainNetwork) -> None:
    part = partition(plain)
    cycles = Counter(int(part.half_edges.face[cycle[0]]) for cycle in orbits(part))
    assert cycles == Counter(range(-1, len(part.faces)))
    for cycle in orbits(part):
        if (face := int(part.half_edges.face[cycle[0]])) >= 0:
            vertices = tuple(int(part.half_edges.origin[h]) for h in cycle)
            assert canonical_cycle(vertices) == canonical_cycle(part.faces[face].vertices)


@given(networks)
def test_bounded_faces_are_convex_and_counter_clockwise(plain: PlainNetwork) -> None:
    for face in partition(plain).faces:
        assert len(set(face.vertices)) == len(face.vertices) >= 3
        assert all(turn(p, q, corner) >= 0 for p, q in sides(face.polygon) for corner in face.polygon)
        assert area(face.polygon) > 0


@given(networks)
def test_outer_face_covers_the_boundary_of_the_domain_once(plain: PlainNetwork) -> None:
    part = partition(plain)
    (outer,) = (cycle for cycle in orbits(part) if part.half_edges.face[cycle[0]] == -1)
    boundary = [part.vertices[int(part.half_edges.origin[h])] for h in reversed(outer)]
    assert len(set(boundary)) == len(boundary)
    assert area(boundary) == area(plain.domain().corners)
    assert canonical(exact(boundary)) == canonical(plain.corners)
    assert len(boundary) == sum(-1 in edge.faces for edge in part.edges)


@given(networks)
def test_vertices_are_distinct_and_none_lies_in_a_straight_line(plain: PlainNetwork) -> None:
    part = partition(plain)
    assert len(set(part.vertices)) == len(part.vertices)
    assert np.array_equal(part.coordinates, [[float(x), float(y)] for x, y in part.vertices])
    degree = Counter(v for edge in part.edges for v in edge.vertices)
    corners = set(plain.domain().corners)
    assert all(degree[v] >= (2 if point in corners else 3) for v, point in enumerate(part.vertices))


@given(networks)
def test_edges_agree_with_half_edges(plain: PlainNetwork) -> None:
    part = partition(plain)
    half = part.half_edges
    ends = zip(half.origin.tolist(), half.origin[half.twin].tolist(), strict=True)
    faces = zip(half.face.tolist(), half.face[half.twin].tolist(), strict=True)
    directed = dict(zip(ends, faces, strict=True))
    assert len(directed) == 2 * len(part.edges)
    for edge in part.edges:
        assert directed[edge.vertices] == edge.faces


@given(networks)
def test_locate_finds_every_element_and_the_outside(plain: PlainNetwork) -> None:
    part = partition(plain)
    for face in part.faces:
        assert part.locate(face.witness) == sx.Location("face", face.index)
    for edge in part.edges:
        assert part.locate(middle(*(part.vertices[v] for v in edge.vertices))) == sx.Location("edge", edge.index)
    for index, vertex in enumerate(part.vertices):
        assert part.locate(vertex) == sx.Location("vertex", index)
    inside = part.faces[0].witness
    for corner in plain.domain().corners:
        beyond = tuple(c + (c - w) / 2**70 for c, w in zip(corner, inside, strict=True))
        assert part.locate(beyond).kind == "outside"


@given(networks)
def test_regions_are_faces_with_one_map_joined_through_edges(plain: PlainNetwork) -> None:
    part = partition(plain)
    maps = [face.affine for face in part.faces]
    region = list(range(len(maps)))
    for edge in part.edges:
        left, right = edge.faces
        if -1 not in edge.faces and maps[left] == maps[right]:
            old, new = region[left], region[right]
            region = [new if r == old else r for r in region]
    assert part.counts()["L"] == len(set(region))
    assert part.counts()["P"] == len(set(maps))


@given(plain=small_networks)
def test_save_and_load_round_trip(plain: PlainNetwork, tmp_path_factory: object) -> None:
    path = Path(str(tmp_path_factory.getbasetemp())) / "round_trip"  # type: ignore[attr-defined]
    part = partition(plain)
    part.save(path)
    again = sx.load_partition(path)
    assert again.counts() == part.counts()
    assert cells(again) == cells(part)
    assert list(again.vertices) == list(part.vertices)
    assert all(np.array_equal(a, b) for a, b in zip(again.half_edges, part.half_edges, strict=True))
    assert (again.network.digest, again.domain.digest) == (part.network.digest, part.domain.digest)


@given(small_networks, randoms)
def test_counts_invariant_under_unit_permutation(plain: PlainNetwork, random: Random) -> None:
    assert partition(permute_units(plain, random)).counts() == partition(plain).counts()


@given(small_networks, randoms)
def test_partition_invariant_under_positive_scaling(plain: PlainNetwork, random: Random) -> None:
    old, new = partition(plain), partition(scale_units(plain, random))
    assert new.counts() == old.counts()
    assert cells(new) == cells(old)


@given(small_networks, st.tuples(*[st.integers(-3, 3)] * 4), st.booleans())
def test_partition_invariant_under_unimodular_change_of_coordinates(
    plain: PlainNetwork, numbers: tuple[int, int, int, int], mirrored: bool
) -> None:
    a, b, tx, ty = numbers
    sign = -1 if mirrored else 1
    matrix = (p, q), (r, s) = (sign * (1 + a * b), a), (sign * b, 1)
    old, new = partition(plain), partition(change_coordinates(plain, matrix, (tx, ty)))
    assert new.counts() == old.counts()
    expected = {pattern: set(corners) for pattern, corners in cells(old).items()}
    images = ((pattern, {(p * u + q * v + tx, r * u + s * v + ty) for u, v in c}) for pattern, c in cells(new).items())
    assert dict(images) == expected


@given(small_networks, randoms)
def test_counts_invariant_under_insertion_order(plain: PlainNetwork, random: Random) -> None:
    """Each layer is built as two nodes, its units dealt out at random, so they are inserted in another order."""
    net = dealt(plain, random)
    part = sx.partition(net, plain.domain(), mode="rational")
    original = partition(plain)
    assert part.counts() == original.counts()
    assert sorted(cells(part).values()) == sorted(cells(original).values())
    assert sx.check(sx.certify(net, plain.domain()), net, plain.domain()).status == "verified"


def dealt(plain: PlainNetwork, random: Random) -> sx.Network:
    """The network with each layer's units dealt out to two parallel nodes."""
    nodes: list[Node] = []
    sources, columns = [0], [list(range(len(plain.layers[0].weights[0])))]
    for layer in plain.layers:
        units = len(layer.groups or layer.bias)
        deck = random.sample(range(units), units)
        cut = random.randint(1, units - 1) if units > 1 else 1
        next_sources, next_columns = [], []
        for hand in filter(None, (deck[:cut], deck[cut:])):
            rows = range(len(layer.bias)) if layer.groups else hand
            weights = [[[layer.weights[r][j] for j in chosen] for r in rows] for chosen in columns]
            nodes.append(Affine(tuple(sources), tuple(weights), [layer.bias[r] for r in rows]))  # type: ignore[arg-type]
            if layer.groups:
                nodes.append(Max(len(nodes), tuple(layer.groups[g] for g in hand)))
            elif layer.curves:
                curves = [layer.curves[r] for r in rows]
                breakpoints, slopes = [c.breakpoints for c in curves], [c.slopes for c in curves]
                nodes.append(Piecewise.of(breakpoints, slopes, [c.anchor for c in curves], len(nodes)))
            next_sources.append(len(nodes))
            next_columns.append(hand)
        sources, columns = next_sources, next_columns
    # The outputs of the last layer are gathered again, in their first order.
    width = sum(map(len, columns))
    gather = [[[int(j == output) for j in chosen] for output in range(width)] for chosen in columns]
    nodes.append(Affine(tuple(sources), tuple(gather), [0] * width))  # type: ignore[arg-type]
    return sx.Network(len(plain.layers[0].weights[0]), nodes)


def partition(plain: PlainNetwork) -> sx.Subdivision:
    return sx.partition(plain.network(), plain.domain(), mode="rational")


def cells(part: sx.Subdivision) -> dict[Pattern, tuple[tuple[Fraction, Fraction], ...]]:
    return {face.pattern: canonical(exact(face.polygon)) for face in part.faces}


def exact(polygon: Iterable[Point]) -> list[tuple[Fraction, Fraction]]:
    return [(fraction(x), fraction(y)) for x, y in polygon]


def orbits(part: sx.Subdivision) -> Iterable[list[int]]:
    """The cycles of `next`."""
    seen: set[int] = set()
    for start in range(len(part.half_edges.next)):
        cycle = []
        h = start
        while h not in seen:
            seen.add(h)
            cycle.append(h)
            h = int(part.half_edges.next[h])
        if cycle:
            yield cycle


def canonical_cycle(vertices: Sequence[int]) -> tuple[int, ...]:
    first = vertices.index(min(vertices))
    return (*vertices[first:], *vertices[:first])


def kernel_pattern(plain: PlainNetwork, point: Point) -> Pattern:
    domain = plain.domain()
    program = plain.network().program(domain if isinstance(domain, sx.Slice) else None)
    pattern = program.pattern(list(point))
    return tuple(int(state) for step in program.unit_steps() for state in step.states(pattern))


def oracle_pattern(plain: PlainNetwork, point: Point) -> Pattern:
    return plain.evaluate((fraction(point[0]), fraction(point[1])))[1]


def fraction(q: mpq) -> Fraction:
    return Fraction(int(q.numerator), int(q.denominator))


def middle(p: Point, q: Point) -> Point:
    return (p[0] + q[0]) / 2, (p[1] + q[1]) / 2


def sides(polygon: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return pairwise([*polygon, polygon[0]])


def turn(p: Point, q: Point, r: Point) -> mpq:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def area(polygon: Sequence[Point]) -> mpq:
    return sum((p[0] * q[1] - p[1] * q[0] for p, q in sides(polygon)), mpq(0)) / 2
