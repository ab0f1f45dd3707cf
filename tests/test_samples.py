"""What is proved about given points: against exact evaluation, by bounds and without them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import brackets, deciding, refining
from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.kernel.program import Progress
from splinecam_exact.models import path
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.questions import TIE
from splinecam_exact.samples import Samples
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks, quarters

DIGITS = sx.load(path("digits.npz"))
CORNER = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [-1])])


def check_laws(found: Samples) -> None:
    """Every claim about every point, by exact evaluation."""
    asked = found.question
    assert sum(found.counts().values()) == len(found)
    for i in range(len(found)):
        x = found.point(i)
        outputs = found.net.evaluate(x)
        if asked.is_argmax:
            on_top = [k for k, y in enumerate(outputs) if y == max(outputs)]
            answer = on_top[0] if len(on_top) == 1 else TIE
            on = len(on_top) > 1
            assert found.value(i) == sorted(outputs)[-1] - sorted(outputs)[-2]
        else:
            value = found.value(i)
            answer = (value > 0) - (value < 0)
            on = value == 0
        assert found.answers[i] == answer
        assert (found.status[i] == "on") == on == (found.bound[i] == 0)
        witness, nearest = found.bracket(i), found.nearest(i)
        assert (witness is not None) == (found.status[i] == "within")
        if witness is not None:
            end = found.net.evaluate(witness.end)
            assert witness.answers == (answer, asked.answer(end))
            assert witness.answers[0] != witness.answers[1]
            squared = sum((a - b) ** 2 for a, b in zip(x, witness.end, strict=True))
            assert squared == witness.squared <= exact(float(found.bound[i])) ** 2
            assert found.radius is None or squared <= found.radius**2
        elif not on:
            assert found.bound[i] == np.inf
        if nearest is not None:
            assert asked.on_boundary(asked.answer(found.net.evaluate(nearest.point)))
            moves = [b - a for a, b in zip(x, nearest.point, strict=True)]
            assert nearest.squared == sum(m * m for m in moves)
            assert nearest.l1 == sum(map(abs, moves))
            assert nearest.linf == max(map(abs, moves))


@st.composite
def problems(draw: st.DrawFn) -> tuple[PlainNetwork, list[list[Fraction]]]:
    """A network and points: some anywhere, some exactly on its boundary."""
    plain = draw(degenerate_networks())
    net = plain.network()
    size = net.input_size
    rows = draw(st.lists(st.lists(quarters(), min_size=size, max_size=size), min_size=2, max_size=5))
    if rows[0] != rows[1]:
        found = sx.line(net, rows[0], rows[1])
        zeros = [
            [Fraction(int(c.numerator), int(c.denominator)) for c in found.point(x.start)] for x in found.crossings
        ]
        rows += zeros[:3]
    return plain, rows


@given(problems(), st.sampled_from([None, "1/8", 10]), st.booleans())
def test_claims_about_degenerate_networks(
    drawn: tuple[PlainNetwork, list[list[Fraction]]], radius: object, in_floats: bool
) -> None:
    plain, rows = drawn
    net = plain.network()
    points = np.array(rows, float) if in_floats else rows
    check_laws(sx.certify_samples(net, points, radius=radius))
    check_laws(sx.certify_samples(net, points, net.evaluate(rows[0])[0], 0, radius=radius))
    if net.output_size > 1:
        check_laws(sx.certify_samples(net, points, "1/4", classes=(1, 0), radius=radius))


@given(problems())
@settings(max_examples=10)
def test_without_torch_the_answers_are_the_same(drawn: tuple[PlainNetwork, list[list[Fraction]]]) -> None:
    plain, rows = drawn
    net = plain.network()
    fast = sx.certify_samples(net, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "find_spec", lambda name: None)
        slow = sx.certify_samples(net, rows)
    check_laws(slow)
    assert fast.answers.tolist() == slow.answers.tolist()
    assert ((fast.status == "on") == (slow.status == "on")).all()


def test_without_torch_a_trained_network_has_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(1).random((20, 64))
    fast = sx.certify_samples(DIGITS, points, radius=0.1)
    monkeypatch.setattr(deciding, "find_spec", lambda name: None)
    slow = sx.certify_samples(DIGITS, points, radius=0.1)
    assert fast.status.tolist() == slow.status.tolist()
    assert {"within", "unproved"} == set(fast.status)
    assert slow.bound == pytest.approx(fast.bound, rel=1e-6)


def crossing_points(net: sx.Network, count: int) -> list[tuple[mpq, ...]]:
    random = np.random.default_rng(0)
    found: list[tuple[mpq, ...]] = []
    while len(found) < count:
        p, q = random.random((2, net.input_size))
        along = sx.line(net, p, q)
        found += [along.point(c.start) for c in along.crossings]
    return found[:count]


def test_points_as_splinecam_gives_them() -> None:
    """Boundary points, rounded to float32: they are near, and none of them is on the boundary."""
    zeros = crossing_points(DIGITS, 60)
    assert sx.certify_samples(DIGITS, zeros).counts() == {"on": 60, "within": 0, "unproved": 0}
    rounded = np.array([[float(c) for c in z] for z in zeros], np.float32)
    found = sx.certify_samples(DIGITS, rounded, radius=1e-6)
    assert found.counts() == {"on": 0, "within": 60, "unproved": 0}
    assert found.decided_exactly == 0
    assert 1e-9 < np.median(found.bound) < 1e-6
    closer = sx.certify_samples(DIGITS, rounded, radius=1e-8)
    assert 0 < closer.counts()["unproved"] < 60
    check_laws(found)


def test_a_float64_boundary_rounded_to_float32() -> None:
    """All of its segments are right, and no rounded point is on the boundary."""
    pytest.importorskip("torch")
    plane = sx.Slice.through(*np.load(path("digits_images.npz"))["images"])
    segments = sx.boundary(sx.partition(DIGITS, plane, "float64")).segments
    origin, *basis = (np.array([float(q) for q in v]) for v in (plane.origin, *plane.basis))
    points = origin + segments.mean(axis=1) @ np.array(basis)
    for some, radius in ((points, 1e-15), (points.astype(np.float32), 1e-6)):
        found = sx.certify_samples(DIGITS, some, radius=radius)
        assert found.counts() == {"on": 0, "within": len(segments), "unproved": 0}
    assert 1e-9 < np.median(found.bound) < 1e-7


def test_convolutions_and_max_pooling() -> None:
    net = sx.load(path("digits_cnn.json"))
    found = sx.certify_samples(net, np.random.default_rng(2).random((12, 64)), radius="1/2")
    check_laws(found)
    assert found.counts()["within"] > 3


def test_nearest_points_are_those_of_the_partition() -> None:
    """Independently: the affine map of the face of a subdivision, and school geometry."""
    net = sx.load(path("sdf.npz"))
    part = sx.partition(net, sx.square(1), "rational")
    inside = 0
    for x, y in np.random.default_rng(3).uniform(-1, 1, (25, 2)):
        face = part.faces[part.locate((x, y)).index]
        ((a, b),), (c,) = face.affine
        height = a * exact(x) + b * exact(y) + c
        expected = (exact(x) - a * height / (a * a + b * b), exact(y) - b * height / (a * a + b * b))
        found = sx.project(net, [x, y])
        assert found is not None
        assert found.point == expected
        corners = face.polygon
        sides = zip(corners, corners[1:] + corners[:1], strict=True)
        u, v = expected
        assert found.in_cell == all((q[0] - p[0]) * (v - p[1]) >= (q[1] - p[1]) * (u - p[0]) for p, q in sides)
        inside += found.in_cell
    assert 0 < inside < 25


def test_the_argmax_boundary_of_the_nearest_class() -> None:
    net = sx.from_layers([([[0, 0], [1, 0], [0, 10]], [0, -1, -1])])
    found = sx.project(net, [0.5, 0])  # class 1 is 1/2 away, class 2 only 1/10
    assert found is not None
    assert found.point == (mpq(1, 2), mpq(1, 10))


def test_a_boundary_that_is_only_touched_is_proved_by_the_nearest_point() -> None:
    net = sx.from_layers([([[3, 4]], [-5], "abs"), ([[1]], [0])])
    found = sx.certify_samples(net, [[0.625, 0.75], [3, 4]], radius=1)
    check_touched = found.nearest(0)
    assert check_touched is not None
    assert found.status.tolist() == ["within", "unproved"]
    assert found.answers.tolist() == [1, 1]
    witness = found.bracket(0)
    assert witness is not None
    assert (witness.end, witness.answers) == (check_touched.point, (1, 0))
    assert witness.squared == mpq(1, 8) ** 2 / 25 <= exact(float(found.bound[0])) ** 2


def test_a_radius_that_is_just_reached() -> None:
    net = sx.from_layers([([[1]], [0])])
    assert sx.certify_samples(net, [[0.25]], radius="1/4").status.tolist() == ["within"]
    assert sx.certify_samples(net, [[0.25]], radius=np.nextafter(0.25, 0)).status.tolist() == ["unproved"]


def test_a_bound_is_at_most_the_radius_rounded_up() -> None:
    net = sx.from_layers([([[1]], [0], "abs"), ([[1]], [0])])
    x, radius = mpq(1, 11 * 10**200), mpq(1, 11 * 10**150)
    found = sx.certify_samples(net, [[x], [radius]], radius=radius)
    assert found.status.tolist() == ["within", "within"]
    for bound, distance in zip(found.bound.tolist(), (x, radius), strict=True):
        assert distance <= exact(bound)
        assert np.nextafter(bound, 0) < radius
    assert sx.certify_samples(net, [[mpq(12, 11 * 10**150)]], radius=radius).status.tolist() == ["unproved"]


@pytest.mark.parametrize("power", [-330, -320, -300, -7, 0, 5, 300, 307])
def test_bounds_of_touched_boundaries_at_the_ends_of_the_range(power: int) -> None:
    distance = mpq(10) ** power / 3
    bound = brackets._root_up(distance * distance)
    assert distance <= exact(bound) <= distance * (1 + mpq(2) ** -48) + mpq(2) ** -1073
    assert brackets._root_up(mpq(10) ** 640) == np.inf


def test_points_at_breakpoints_whose_nearest_point_is_in_another_piece_than_in_floats() -> None:
    """|x| is on the piece below at 0, in exact arithmetic; in floats its gradient is 0."""
    hidden = [[1, 2], [2, -2], [-2, -1]]
    net = sx.from_layers([(hidden, [-1, 0, 0], "abs"), ([[1, 0, 0], [0, 1, -1]], [0, 0])])
    for options in ({}, {"output": 1, "level": "1/3"}, {"output": 1, "level": 1}, {"classes": (1, 0), "level": 1}):
        found = sx.certify_samples(net, [[1, 1]], radius=10 if "classes" in options else 1, **options)  # type: ignore[arg-type]
        assert found.nearest(0) is not None
        assert found.status.tolist() == ["within"]
        check_laws(found)


def test_only_so_many_points_are_tried_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = [[1, 2], [2, -2], [-2, -1]]
    net = sx.from_layers([(hidden, [-1, 0, 0], "abs"), ([[1, 0, 0], [0, 1, -1]], [0, 0])])
    monkeypatch.setattr(brackets, "_TRIES", 2)
    found = sx.certify_samples(net, [[1, 1]] * 5, radius=1)
    assert found.counts() == {"on": 0, "within": 2, "unproved": 3}
    assert found.decided_exactly == 2


def test_floats_that_are_too_coarse_for_the_radius() -> None:
    ulp = mpq(1, 2**52)
    net = sx.from_layers([([[1]], [0])])
    for radius, status in (("7/10", "unproved"), ("9/10", "within"), (1, "within")):
        found = sx.certify_samples(net, [[1.0]], level=1 + ulp * mpq(4, 5), radius=exact(radius) * ulp)
        assert found.status.tolist() == [status]
        check_laws(found)


def test_places_beyond_the_own_cell_are_found_by_walking() -> None:
    net = sx.Network(1, [Piecewise.of([[0]], [[1, "1/9"]], [0])])
    found = sx.certify_samples(net, [[-3]], level=1)  # slope 1 leads to 1, the zero is at 9
    assert found.status.tolist() == ["within"]
    assert 12 < found.bound[0] < 12.1


def test_constant_outputs_prove_nothing() -> None:
    net = sx.from_layers([([[0, 0]], [3])])
    found = sx.certify_samples(net, [[1, 2], [3, 4]])
    assert found.counts() == {"on": 0, "within": 0, "unproved": 2}
    assert found.estimate.tolist() == [np.inf, np.inf]
    assert found.nearest(0) is None
    assert sx.certify_samples(net, [[1, 2]], level=3).status.tolist() == ["on"]


def test_points_where_the_boundary_fills_a_cell() -> None:
    found = sx.certify_samples(CORNER, [[-1, -2], [-1, "-1/3"]], level=-1)
    assert found.status.tolist() == ["on", "on"]


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_numbers_at_the_ends_of_the_range_are_decided_exactly(scale: float) -> None:
    net = sx.from_layers([([[scale, 0], [0, scale]], [0, 0]), ([[1, -1]], [0])])
    check_laws(sx.certify_samples(net, [[1, 1], [1, np.nextafter(1, 2)], [0.5, 0.25], [1e-300, 1e300]]))


def test_a_last_place_decides() -> None:
    third = mpq(1, 3)
    net = sx.from_layers([([[3, -1]], [0])])
    found = sx.certify_samples(net, [[1 / 3, 1], [third, 1], [np.nextafter(1 / 3, 1), 1]])
    assert found.answers.tolist() == [-1, 0, 1]
    assert found.decided_exactly > 0
    check_laws(found)


def test_bounds_hold_and_are_those_of_each_point() -> None:
    pytest.importorskip("torch")
    from splinecam_exact.verify.enclose_many import Enclosure

    random = np.random.default_rng(4)
    nodes = [
        Affine((0,), ([["1/3", 2, "-5/7"], [1, "1/9", 0], [0.1, 0.2, 0.3]],), ["1/7", 0, -1]),  # type: ignore[arg-type, list-item]
        Piecewise.leaky_relu("1/10", 1),
        Max(2, ((0, 1), (1, 2), (0,))),
        Piecewise.hardtanh("-1/3", "5/3", 3),
        Affine((4, 0), (random.random((2, 3)), random.random((2, 3))), [0, "1/3"]),  # type: ignore[arg-type]
    ]
    points = random.normal(size=(50, 3)) * 10.0 ** random.integers(-9, 9, (50, 1))
    for net in (sx.Network(3, nodes[:k]) for k in range(1, 6)):
        outputs, errors = Enclosure(net).values(points, False)
        for x, row, error in zip(points, outputs, errors, strict=True):
            off = [exact(float(a)) - b for a, b in zip(row, net.evaluate(x), strict=True)]
            assert sum(d * d for d in off) <= exact(float(error)) ** 2
            assert error <= 1e-12 * (1 + abs(x).max())
    exact_points = [[mpq(int(a), 3) for a in x] for x in random.integers(-9, 9, (20, 3))]
    outputs, errors = Enclosure(net).values(np.array([[float(c) for c in x] for x in exact_points]), True)
    for x, row, error in zip(exact_points, outputs, errors, strict=True):
        off = [exact(float(a)) - b for a, b in zip(row, net.evaluate(x), strict=True)]
        assert sum(d * d for d in off) <= exact(float(error)) ** 2


@given(problems())
@settings(max_examples=10)
def test_refined_points_are_neighbours_with_different_answers(
    drawn: tuple[PlainNetwork, list[list[Fraction]]],
) -> None:
    plain, rows = drawn
    net = plain.network()
    try:
        found = sx.refine(net, rows[0])
    except sx.Undecided:
        return
    check_refined(net, found)


@pytest.mark.parametrize("level", [mpq(1, 10**300), mpq(-1, 10**400), mpq(10**300), mpq(1, 3)])
def test_refining_takes_few_evaluations_wherever_the_boundary_is(level: mpq, monkeypatch: pytest.MonkeyPatch) -> None:
    net, seen = sx.from_layers([([[1]], [0])]), []
    monkeypatch.setattr(refining, "_answer", lambda *given, known=refining._answer: seen.append(1) or known(*given))
    found = sx.refine(net, [1.0], level=level)
    assert found.answers[0] != found.answers[1] or found.answers[0] == 0
    assert len(seen) < 150


def check_refined(net: sx.Network, found: sx.Refined) -> None:
    asked = sx.certify_samples(net, [found.point]).question
    assert found.answers == (asked.answer(net.evaluate(found.point)), asked.answer(net.evaluate(found.other)))
    if asked.on_boundary(found.answers[0]):
        assert found.squared == 0
        return
    assert found.answers[0] != found.answers[1]
    (k,) = np.flatnonzero(found.point != found.other)
    assert np.nextafter(found.point[k], found.other[k]) == found.other[k]
    assert found.squared == (exact(float(found.point[k])) - exact(float(found.other[k]))) ** 2


def test_refining_images() -> None:
    for x in np.random.default_rng(5).random((5, 64)):
        found = sx.refine(DIGITS, x)
        check_refined(DIGITS, found)
        assert 0 < found.squared < 1e-31
    with pytest.raises(sx.Undecided, match="nearer"):
        sx.refine(sx.from_layers([([[0, 0]], [3])]), [0, 0])


def test_the_table_and_the_picture(tmp_path: object) -> None:
    found = sx.certify_samples(CORNER, [[0.5, 0.25], [0.5, 0.3], [-1, -1]], radius="1/10")
    assert found.table().splitlines()[:3] == [
        "boundary: output 0 = 0; 3 points",
        "on                           1  33.33 %",
        "within 1/10                  1  33.33 %",
    ]
    assert repr(found) == "<Samples: 1 on, 1 within, 1 unproved>"
    pytest.importorskip("matplotlib")
    name = f"{tmp_path}/distances.png"
    axes = found.plot(path=name)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "within: proved distance (1)",
        "unproved: estimate (1)",
        "exactly on (1)",
        "radius 0.1",
    ]
    with open(name, "rb") as file:
        assert file.read(4) == b"\x89PNG"
    sx.certify_samples(CORNER, [[0.5, 0.3]], radius=mpq(10) ** 400).plot(path=name)
    with pytest.raises(sx.InputError, match="must end in one of"):
        found.plot(path="distances.bmp")
    with pytest.raises(sx.InputError, match="a file's name is needed, not a int"):
        found.plot(path=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("points", "text"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\); the network needs \(n, 2\)"),
        (np.zeros(2), r"shape \(2,\); the network needs \(n, 2\)"),
        (np.zeros((0, 2)), r"shape \(0, 2\)"),
        ([], r"shape \(0,\)"),
        ([[1, 2], [3]], r"points\[1\]: not as long"),
        ([[1, 2], [3, np.nan]], r"points\[1\]\[1\]: nan is not a finite"),
        (np.array([[1, 2], [np.inf, 1]], np.float32), r"points\[1\]\[0\]: inf is not a finite"),
        ([["1/2", "2/4"]], "lowest terms"),
        ([[1, True]], "bool"),
        (np.array([[1j, 0]]), "complex"),
        (np.zeros((1, 2), [("x", float)]), "tuple|void|shape"),
        ("12", "not a str"),
        (3.0, "not a float"),
        ([[mpq(10) ** 400, 0]], "beyond the range"),
    ],
)
def test_points_that_are_none(points: object, text: str) -> None:
    with pytest.raises(sx.InputError, match=text):
        sx.certify_samples(CORNER, points)  # type: ignore[arg-type]


def test_options_that_are_none() -> None:
    several = sx.from_layers([([[1, 2], [2, 1]], [0, 0])])
    for options, text in (
        ({"output": 2}, "there is no output 2"),
        ({"output": True}, "there is no output True"),
        ({"classes": (0, 0)}, "two different outputs"),
        ({"classes": (0, 2)}, "there is no output 2"),
        ({"classes": 1}, "two different outputs"),
        ({"output": 0, "classes": (0, 1)}, "not both"),
        ({"level": 1}, "has no level"),
        ({"output": 10**5000}, r"there is no output 10{56}\.\.\., only 0 to 1"),
        ({"classes": (0, 10**5000)}, r"there is no output 10{56}\.\.\., only 0 to 1"),
        ({"classes": 10**5000}, "two different outputs, not 10"),
        ({"classes": (np.array([0, 1]), np.array([0, 1]))}, "there is no output array"),
        ({"classes": (0.0, 1)}, "there is no output 0.0"),
        ({"radius": 0}, "must be positive"),
        ({"radius": np.nan}, "not a finite"),
        ({"level": "x", "output": 0}, "canonical rational"),
    ):
        with pytest.raises(sx.InputError, match=text):
            sx.certify_samples(several, [[1, 2]], **options)  # type: ignore[arg-type]
    with pytest.raises(sx.InputError, match="a Network is needed, not int"):
        sx.certify_samples(3, [[1, 2]])  # type: ignore[arg-type]
    with pytest.raises(sx.InputError, match="there is no point 1"):
        sx.certify_samples(several, [[1, 2]]).value(1)


def test_details_of_many_points() -> None:
    found = sx.certify_samples(CORNER, [[0.5, 0.25], [0.5, 0.5], [-1, -1]])
    on, near, far = found.details()
    assert on == ("on", 0, 0, 0, 0)
    assert near == ("within", mpq(1, 2), mpq(1, 20), mpq(3, 10), mpq(1, 5))
    assert far == ("unproved", -1, None, None, None)
    assert found.details([2, np.int64(-3)]) == [far, on]  # type: ignore[list-item]
    with pytest.raises(sx.InputError, match="there is no point 3"):
        found.details([3])


@pytest.mark.parametrize(
    "number", ["a", 0.5, None, True, slice(0, 1), -2, pytest.param(10**5000, id="huge"), np.array([0])]
)
def test_numbers_of_points_that_are_none(number: object) -> None:
    found = sx.certify_samples(CORNER, [[0.5, 0.3]])
    for method in (found.point, found.value, found.pattern, found.nearest, found.end, found.bracket):
        with pytest.raises(sx.InputError, match="there is no point"):
            method(number)  # type: ignore[arg-type]
    assert found.point(np.int64(-1)) == found.point(0)  # type: ignore[arg-type]


def interrupting(wanted: str) -> Progress:
    def stop(stage: str, done: int, total: int) -> None:
        if (text := f"{stage}: {done} of {total}") == wanted:
            raise sx.Undecided(text)

    return stop


def test_progress_may_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    exactly = "samples: exact arithmetic: 0 of 1"
    with pytest.raises(sx.Undecided, match=exactly):
        sx.certify_samples(CORNER, [[0.5, 0.25]], progress=interrupting(exactly))
    monkeypatch.setattr(deciding, "find_spec", lambda name: None)
    with pytest.raises(sx.Undecided, match=exactly):
        sx.certify_samples(CORNER, [[0.5, 0.75]], progress=interrupting(exactly))


def test_progress_may_interrupt_float64_after_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from splinecam_exact.verify import enclose_many

    monkeypatch.setattr(enclose_many, "_AT_ONCE", 128)  # two rows of 64
    points, seen = np.random.default_rng(6).random((5, 64)), list[tuple[str, int, int]]()
    sx.certify_samples(DIGITS, points, progress=lambda *at: seen.append(at))
    blocks = [("samples: float64", done, 5) for done in (0, 2, 4)]
    assert seen[:6] == blocks * 2  # values, then slopes
    with pytest.raises(sx.Undecided, match="float64: 2 of 5"):
        sx.certify_samples(DIGITS, points, progress=interrupting("samples: float64: 2 of 5"))


def test_exact_points_keep_their_own_denominators(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No common denominator, whose size would grow with the number of points, is ever made."""
    rows = [[mpq(k, 10**6 + 2 * k + 1), mpq(1, 2)] for k in range(1, 200)]
    CORNER.program()
    monkeypatch.setattr(ExactArray, "from_numerators", None)
    found = sx.certify_samples(CORNER, rows)
    kept = [q for row in vars(found.points)["_rows"] for q in row]
    assert max(q.denominator.bit_length() for q in kept) == 20
    assert [list(found.point(i)) for i in range(len(rows))] == rows
    found.save(f"{tmp_path}/verdicts.json")
    assert sx.check_samples(f"{tmp_path}/verdicts.json", CORNER, rows).status == "verified"


def test_rationals_that_are_floats_are_not_rounded() -> None:
    for values in ([["1/2", 1]], np.array([[2**53, 1]]), [[mpq(1, 2**1074), -0.0]]):
        assert not sx.certify_samples(CORNER, values).points.rounded
    for values in ([["1/3", 1]], np.array([[2**53 + 1, 1]]), [[mpq(1, 2**1075), 1]]):
        assert sx.certify_samples(CORNER, values).points.rounded
