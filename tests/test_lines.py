"""A network along a segment: against exact evaluation, and against the partition of a plane through it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.local_maps import states
from splinecam_exact.models import path
from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.questions import Question, question
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks, quarters


def exact_states(net: sx.Network, x: object) -> tuple[int, ...]:
    program = net.program()
    return states(program, program.pattern(x))


def answer_at(found: sx.Line, t: mpq) -> int | tuple[int, ...]:
    """The sign, or all classes on top, by exact evaluation of the whole network."""
    outputs = found.net.evaluate(found.point(t))
    if found.question.is_argmax:
        return tuple(k for k, y in enumerate(outputs) if y == max(outputs))
    return found.question.answer(outputs)


def check_laws(found: sx.Line) -> None:
    pieces = found.pieces
    assert (pieces[0].start, pieces[-1].stop) == (0, 1)
    for piece in pieces:
        assert piece.start < piece.stop
        for k in (0, 1, 3, 7):
            t = piece.start + (piece.stop - piece.start) * mpq(k, 7)
            assert list(piece.outputs(t)) == found.net.evaluate(found.point(t)) == list(found.outputs(t))
            if k in (1, 3):
                assert exact_states(found.net, found.point(t)) == piece.pattern
    for (one, other), breakpoint in zip(pairwise(pieces), found.breakpoints, strict=True):
        assert one.stop == other.start == breakpoint.t
        assert breakpoint.changes
        at = exact_states(found.net, found.point(breakpoint.t))
        changed = {c.unit: (c.before, c.after) for c in breakpoint.changes}
        for unit, (a, b, c) in enumerate(zip(one.pattern, at, other.pattern, strict=True)):
            assert (changed[unit] == (a, c)) if unit in changed else a == c
            assert (unit in breakpoint.touched) == (a == c != b)
    check_crossings(found)


def check_crossings(found: sx.Line) -> None:
    asked, end, last = found.question, mpq(0), None
    for crossing in found.crossings:
        if crossing.before is None:
            assert crossing.start == 0
            assert last is None
        else:
            assert end < crossing.start
            check_between(found, end, crossing.start, crossing.before)
        for k in range(4):
            t = crossing.start + (crossing.stop - crossing.start) * mpq(k, 3)
            assert asked.on_boundary(asked.answer(found.net.evaluate(found.point(t))))
        end, last = crossing.stop, crossing
    if last is None or last.after is not None:
        check_between(found, end, mpq(1), None if last is None else last.after)
    else:
        assert end == 1


def check_between(found: sx.Line, low: mpq, high: mpq, expected: int | tuple[int, ...] | None) -> None:
    """There is one answer, and it is no zero or tie, inside an interval, at pieces' ends too."""
    inside = [p.stop for p in found.pieces if low < p.stop < high]
    inside += [low + (high - low) * mpq(k, 5) for k in (1, 2, 4)]
    answers = {answer_at(found, t) for t in inside}
    assert len(answers) == 1
    (answer,) = answers
    assert expected in (None, answer)
    assert answer != 0
    assert not isinstance(answer, tuple) or len(answer) == 1


@st.composite
def segments(draw: st.DrawFn) -> tuple[PlainNetwork, list[Fraction], list[Fraction]]:
    plain = draw(degenerate_networks())
    size = plain.network().input_size
    p, q = (draw(st.lists(quarters(), min_size=size, max_size=size)) for _ in range(2))
    if p == q:
        q[0] += 1
    return plain, p, q


@given(segments())
def test_pieces_breakpoints_and_crossings_of_degenerate_networks(
    drawn: tuple[PlainNetwork, list[Fraction], list[Fraction]],
) -> None:
    plain, p, q = drawn
    net = plain.network()
    check_laws(sx.line(net, p, q))
    check_laws(sx.line(net, p, q, output=net.output_size - 1, level=net.evaluate(p)[-1]))
    if net.output_size > 1:
        check_laws(sx.line(net, p, q, classes=(0, 1)))


@given(degenerate_networks(), st.tuples(quarters(), quarters(), quarters(), quarters()))
@settings(max_examples=15)
def test_the_partition_of_a_plane_has_the_same_cells(plain: PlainNetwork, ends: tuple[Fraction, ...]) -> None:
    net, dom = plain.network(), plain.domain()
    part = sx.partition(net, dom, "rational")
    middle = [sum(xs) / len(xs) for xs in zip(*part.faces[0].polygon, strict=True)]
    p, q = middle, list(part.faces[-1].polygon[0])
    found = sx.line(net, dom.embed(p), dom.embed(q))
    seen = []
    for piece in found.pieces:
        t = (piece.start + piece.stop * 2) / 3
        place = part.locate([a + t * (b - a) for a, b in zip(p, q, strict=True)])
        if place.kind != "face":
            return  # along an edge, where a pattern of the plane is another one
        assert part.faces[place.index].pattern == piece.pattern
        seen.append(place.index)
    assert len(set(seen)) == len(seen)  # cells are convex


def test_convolutions_and_max_pooling() -> None:
    net = sx.load(path("digits_cnn.json"))
    images = np.load(path("digits_images.npz"))["images"]
    found = sx.line(net, images[0], images[2])
    assert len(found.pieces) > 20
    for piece in found.pieces[::7]:
        middle = found.point((piece.start + piece.stop) / 2)
        assert exact_states(net, middle) == piece.pattern
        assert list(found.outputs((piece.start + piece.stop) / 2)) == net.evaluate(middle)
    (crossing,) = found.crossings
    first, second, *_ = sorted(net.evaluate(found.point(crossing.start)), reverse=True)
    assert first == second
    assert crossing.kind == "crosses"


def test_reversed_segment_has_the_same_pieces() -> None:
    net = sx.load(path("digits.npz"))
    images = np.load(path("digits_images.npz"))["images"]
    there, back = sx.line(net, images[0], images[1]), sx.line(net, images[1], images[0])
    assert [p.stop for p in there.pieces] == [1 - p.start for p in reversed(back.pieces)]
    assert [p.pattern for p in there.pieces] == [p.pattern for p in reversed(back.pieces)]


def test_a_zero_that_is_touched_is_no_crossing() -> None:
    net = sx.from_layers([([[1]], [0], "abs"), ([[1]], [0])])
    (crossing,) = sx.line(net, [-1], [3]).crossings
    assert crossing == (mpq(1, 4), mpq(1, 4), 1, 1)
    assert crossing.kind == "touches"


def test_zeros_along_an_interval_and_at_the_ends() -> None:
    net = sx.from_layers([([[1], [-1]], [-1, -1]), ([[1, -1]], [0])])  # 0 between -1 and 1
    (crossing,) = sx.line(net, [-2], [2]).crossings
    assert (crossing, crossing.kind) == ((mpq(1, 4), mpq(3, 4), -1, 1), "fills")
    (crossing,) = sx.line(net, [1], [2]).crossings
    assert (crossing, crossing.kind) == ((0, 0, None, 1), "ends")
    (crossing,) = sx.line(net, [0], ["1/2"]).crossings
    assert crossing == (0, 1, None, None)


def test_a_unit_that_is_zero_all_along_and_breakpoints_that_coincide() -> None:
    net = sx.from_layers([([[1, 0], [2, 0], [0, 1], [1, 1]], [0, 0, 0, 0]), ([[1, 1, 1, -1]], [0])])
    found = sx.line(net, [-1, 0], [1, 0])
    (breakpoint,) = found.breakpoints
    assert (breakpoint.t, breakpoint.changes) == (mpq(1, 2), ((0, 0, 2), (1, 0, 2), (3, 0, 2)))
    assert [p.pattern for p in found.pieces] == [(0, 0, 1, 0), (2, 2, 1, 2)]


def test_a_unit_that_touches_its_breakpoint() -> None:
    nodes = [Piecewise.absolute(), Affine((1,), ([[1]],), [0]), Piecewise.relu(2)]  # type: ignore[arg-type, list-item]
    (breakpoint,) = sx.line(sx.Network(1, nodes), [-1], [1]).breakpoints
    assert breakpoint == (mpq(1, 2), ((0, 0, 2),), (1,))


def test_ties_of_a_maximum_on_the_way() -> None:
    net = sx.Network(2, [Max(0, ((0, 1),))])
    found = sx.line(net, [0, 1], [1, 0])
    assert [p.pattern for p in found.pieces] == [(2,), (1,)]
    assert sx.line(net, [0, 0], [1, 1]).pieces[0].pattern == (3,)


def test_the_argmax_boundary_leaves_out_pairs_below_the_top() -> None:
    net = sx.from_layers([([[1], [-1], [0]], [0, 0, 2])])
    found = sx.line(net, [-3], [3])
    assert [(c.start, c.before, c.after) for c in found.crossings] == [
        (mpq(1, 6), (1,), (2,)),
        (mpq(5, 6), (2,), (0,)),
    ]


def test_bad_arguments() -> None:
    net = sx.from_layers([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])])
    with pytest.raises(sx.InputError, match="same point"):
        sx.line(net, [1, 0.5], [1, "1/2"])
    with pytest.raises(sx.InputError, match="2 inputs, the point has 1"):
        sx.line(net, [1], [1, 2])
    with pytest.raises(sx.InputError, match="nan is not a finite number"):
        sx.line(net, [1, np.nan], [1, 2])
    with pytest.raises(sx.InputError, match="a point is a list of 2 numbers, not a int"):
        sx.line(net, 3, [1, 2])  # type: ignore[arg-type]
    with pytest.raises(sx.InputError, match="max_pieces"):
        sx.line(net, [1, 1], [1, 2], max_pieces=0)
    with pytest.raises(sx.InputError, match="t must be between 0 and 1"):
        sx.line(net, [1, 1], [1, 2]).outputs(2)
    with pytest.raises(sx.Undecided, match="more than 1 pieces"):
        sx.line(net, [-1, 0], [1, 1], max_pieces=1)
    assert isinstance(question(net), Question)


@pytest.mark.parametrize("point", [np.array(1.0), np.zeros((2, 2)), {1, 2}, {1: 2, 3: 4}, b"12", bytearray(2), "12", 3])
def test_points_that_are_none(point: object) -> None:
    net = sx.from_layers([([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])])
    for call in (lambda x: sx.line(net, x, [5, 7]), lambda x: sx.project(net, x), lambda x: sx.refine(net, x)):
        with pytest.raises(sx.InputError, match="a point is a list of 2 numbers, not a"):
            call(point)
