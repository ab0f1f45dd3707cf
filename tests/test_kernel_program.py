"""The kernel's program and its affine forms against a direct reading of the definitions, in fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import pytest
from gmpy2 import mpq, mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.kernel.evaluation import evaluate
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.kernel.patterns import Patterns
from splinecam_exact.kernel.program import MAX_GROUP, Affine, Max, Op, Piecewise, Program, RowStep
from splinecam_exact.kernel.rational import homogeneous

Rational = tuple[Fraction, Fraction]

# -- the definitions, read directly -----------------------------------------------------------------------------------


def reference(ops: Sequence[Op], point: Sequence[Fraction]) -> tuple[list[Fraction], list[int]]:
    """All values and all states."""
    values, states = list(point), []
    for op in ops:
        if isinstance(op, Affine):
            rows = []
            for indices, coefs, const in op.rows:
                terms = [int(c) * values[j] for j, c in zip(indices, coefs, strict=True)]
                rows.append((sum(terms) + Fraction(int(const))) / int(op.den))
            values += rows
        elif isinstance(op, Piecewise):
            new = [piecewise(op, unit, values) for unit in op.units]
            values += [value for value, _ in new]
            states += [state for _, state in new]
        else:
            largest = [max(values[j] for j in group) for group in op.groups]
            states += [
                sum(2**k for k, j in enumerate(group) if values[j] == top)
                for group, top in zip(op.groups, largest, strict=True)
            ]
            values += largest
    return values, states


def piecewise(op: Piecewise, unit: Any, values: Sequence[Fraction]) -> tuple[Fraction, int]:
    """The value by integrating the slopes from the first breakpoint, and the state by counting breakpoints."""
    index, breakpoints, slopes, anchor = unit
    x = values[index]
    at = [Fraction(int(b), int(op.breakpoint_den)) for b in breakpoints]
    slope = [Fraction(int(s), int(op.slope_den)) for s in slopes]
    value = Fraction(int(anchor), int(op.breakpoint_den * op.slope_den))
    state = sum(1 if x == b else 2 for b in at if x >= b)
    if x < at[0]:
        return value + slope[0] * (x - at[0]), state
    ends = [*at[1:], max(x, at[-1])]
    return value + sum(s * (min(x, q) - p) for s, p, q in zip(slope[1:], at, ends, strict=True) if x > p), state


def encoded(program: Program, states: Sequence[int]) -> bytes:
    """A pattern from the states of all units."""
    return b"".join(
        state.to_bytes(step.width, "little")
        for step in program.unit_steps()
        for state in states[step.unit : step.unit + len(step.units)]
    )


more = settings(max_examples=5 * settings.default.max_examples)

# -- strategies -------------------------------------------------------------------------------------------------------

small = st.integers(-4, 4).map(mpz)
positive = st.sampled_from([1, 1, 1, 2, 3, 6]).map(mpz)
coordinates = st.fractions(-4, 4, max_denominator=6)
points = st.tuples(coordinates, coordinates)


@st.composite
def operations(draw: st.DrawFn) -> list[Op]:
    """Up to four operations on two inputs; every one may read every earlier value."""
    ops: list[Op] = []
    known = 2
    for _ in range(draw(st.integers(1, 4))):
        op = draw(st.one_of(affines(known), piecewises(known), maxima(known)))
        ops.append(op)
        known += len(op.rows if isinstance(op, Affine) else op.units if isinstance(op, Piecewise) else op.groups)
    return ops


def values_of(known: int) -> st.SearchStrategy[int]:
    return st.integers(0, known - 1) | st.integers(max(0, known - 4), known - 1)


@st.composite
def affines(draw: st.DrawFn, known: int) -> Affine:
    """Rows that share their indices, and rows with their own; an index may occur twice."""
    rows = []
    for _ in range(draw(st.integers(1, 2))):
        indices = tuple(draw(st.lists(values_of(known), min_size=1, max_size=4)))
        for _ in range(draw(st.integers(1, 3))):
            rows.append((indices, tuple(draw(small) for _ in indices), draw(small)))
    return Affine(draw(positive), tuple(rows))


@st.composite
def piecewises(draw: st.DrawFn, known: int) -> Piecewise:
    units = []
    for _ in range(draw(st.integers(1, 4))):
        breakpoints = tuple(map(mpz, sorted(draw(st.sets(st.integers(-6, 6), min_size=1, max_size=4)))))
        slopes = tuple(draw(small) for _ in range(len(breakpoints) + 1))
        units.append((draw(values_of(known)), breakpoints, slopes, draw(small)))
    return Piecewise(draw(positive), draw(positive), tuple(units))


def maxima(known: int) -> st.SearchStrategy[Max]:
    group = st.lists(values_of(known), min_size=1, max_size=5, unique=True).map(tuple)
    return st.lists(group, min_size=1, max_size=3).map(lambda groups: Max(tuple(groups)))


def lowered(ops: Sequence[Op]) -> Program:
    """The program whose outputs are all its values."""
    counts = [len(op.rows if isinstance(op, Affine) else op[-1]) for op in ops]
    return Program(2, ops, range(2 + sum(counts)))


def exact(point: Sequence[Fraction]) -> list[mpq]:
    return [mpq(x.numerator, x.denominator) for x in point]


# -- evaluation -------------------------------------------------------------------------------------------------------


@more
@given(operations(), points)
def test_evaluation_and_pattern_follow_the_definitions(ops: list[Op], point: Rational) -> None:
    program = lowered(ops)
    values, states = reference(ops, point)
    assert program.evaluate(exact(point)) == exact(values)
    pattern = program.pattern(exact(point))
    assert pattern == encoded(program, states)
    assert (len(pattern), len(states)) == (program.pattern_size, program.unit_count)
    assert [s for step in program.unit_steps() for s in step.states(pattern)] == states


@more
@given(operations(), st.lists(points, min_size=1, max_size=5), st.integers(0, 200), st.integers(0, 200))
def test_packed_evaluation_follows_the_definitions(ops: list[Op], where: list[Rational], up: int, down: int) -> None:
    """The checker evaluates many points of any size at once: the signs of all comparisons, and the outputs."""
    program = lowered(ops)
    where = [where[0], *((x * 2**up / 3**down, y * 2**up) for x, y in where), *where]
    homogenized = [homogeneous(*exact(point)) for point in where]
    for (x, y), (_, _, w), found in zip(where, homogenized, evaluate(program, homogenized, int), strict=True):
        values, states = reference(ops, (x, y))
        assert [mpq(v, d * w) for v, d in zip(found.outputs, program.denominator, strict=True)] == exact(values)
        at_least, above = found.at_least, found.above
        for (_, size, is_max), state in zip(Patterns(program).units, states, strict=True):
            if is_max:
                assert at_least % 2**size == 2**size - 1
                assert above % 2**size == 2**size - 1 - state
            else:
                assert at_least % 2**size == 2 ** ((state + 1) // 2) - 1
                assert above % 2**size == 2 ** (state // 2) - 1
            at_least, above = at_least >> size, above >> size
        assert at_least == above == 0


@more
@given(operations(), points)
def test_bound_bounds_every_value_and_comparison(ops: list[Op], point: Rational) -> None:
    program = lowered(ops)
    x, y, w = homogeneous(*exact(point))
    bound = program.bound([abs(x), abs(y)], w)
    (found,) = evaluate(program, [(x, y, w)], int)
    assert max(map(abs, found.outputs)) <= bound
    for step in program.unit_steps():
        for unit in step.units:
            if hasattr(unit, "cuts"):
                assert all(abs(m * found.outputs[unit.source] + c * w) <= bound for m, c in unit.cuts)
            else:
                members = [m * found.outputs[j] for j, m in unit.members]
                assert max(members) - min(members) <= bound


def test_three_inputs_and_an_identity() -> None:
    program = Program(3, [Affine(mpz(2), (((0, 1, 2), (mpz(1), mpz(2), mpz(3)), mpz(4)),))], [3, 0])
    assert program.evaluate([mpq(1), mpq(1, 2), mpq(1, 3)]) == [mpq(7, 2), mpq(1)]
    assert program.pattern([mpq(0)] * 3) == b""
    with pytest.raises(NetworkError, match="3 inputs, the point has 2"):
        program.evaluate([mpq(0)] * 2)


@pytest.mark.parametrize("count", [1, 2, 126, 127, 128, 129, 300])
def test_states_of_units_with_many_breakpoints(count: int) -> None:
    """More than 127 breakpoints have more states than a byte."""
    slopes = tuple(mpz(k * k % 7 - 3) for k in range(count + 1))
    ops: list[Op] = [Piecewise(mpz(3), mpz(2), ((0, tuple(map(mpz, range(count))), slopes, mpz(5)),) * 2)]
    program = lowered(ops)
    assert program.unit_steps()[0].width == (1 if count <= 127 else 2)
    assert program.pattern_size == 2 * program.unit_steps()[0].width
    for k in (-1, *range(0, 2 * count, max(1, count // 5)), 2 * count - 2, 2 * count - 1):
        point = Fraction(k, 6), Fraction(0)
        values, states = reference(ops, point)
        assert states == [k + 1] * 2
        assert program.evaluate(exact(point)) == exact(values)
        assert program.pattern(exact(point)) == encoded(program, states)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 16, 17, 32, 33, 63])
def test_states_of_groups_with_many_members(size: int) -> None:
    rows = tuple(((0,), (mpz(k),), mpz(-k * k)) for k in range(size))  # the tangents of a parabola
    program = Program(2, [Affine(mpz(1), rows), Max((tuple(range(2, 2 + size)),) * 2)], [2 + size])
    width = next(w for w in (1, 2, 4, 8) if 2**size <= 256**w)
    assert program.unit_steps()[0].width == width
    for k in range(size - 1):
        tie, inside = exact((Fraction(2 * k + 1), Fraction(0))), exact((Fraction(2 * k), Fraction(0)))
        assert program.pattern(tie) == (3 << k).to_bytes(width, "little") * 2
        assert program.pattern(inside) == (1 << k).to_bytes(width, "little") * 2
        assert program.evaluate(inside) == [mpq(k * k)]


# -- forms ------------------------------------------------------------------------------------------------------------


@st.composite
def patterns(draw: st.DrawFn, program: Program) -> bytes:
    """Any states that exist, whether or not they occur together."""
    states = []
    for step in program.unit_steps():
        states += [draw(st.integers(int(not hasattr(unit, "cuts")), unit.states - 1)) for unit in step.units]
    return encoded(program, states)


@more
@given(st.data(), operations())
def test_moving_from_cell_to_cell_equals_starting_anew(data: st.DataObject, ops: list[Op]) -> None:
    program = lowered(ops)
    stop = data.draw(st.integers(0, len(program.steps)))
    moving = Forms(program)
    for pattern in data.draw(st.lists(patterns(program), min_size=1, max_size=6)):
        for new in (pattern, one_state_changed(data, program, pattern)):
            fresh = Forms(program)
            fresh.move(new, stop)
            moving.move(new, stop)
            assert moving.values == fresh.values


def one_state_changed(data: st.DataObject, program: Program, pattern: bytes) -> bytes:
    states = [s for step in program.unit_steps() for s in step.states(pattern)]
    other = [s for step in program.unit_steps() for s in step.states(data.draw(patterns(program)))]
    if states:
        k = data.draw(st.integers(0, len(states) - 1))
        states[k] = other[k]
    return encoded(program, states)


@more
@given(st.data(), st.integers(1, 12), st.booleans())
def test_moving_equals_starting_anew_in_wide_layers(data: st.DataObject, changed: int, repeated: bool) -> None:
    """With 30 units a move updates columns, or, where many units change, all rows."""
    seed = data.draw(st.integers(0, 10**6))
    numbers = [mpz((seed + 7919 * k * k + 31 * k) % 11 - 5) for k in range(3000)]
    take = iter(numbers)
    first = tuple(((0, 1), (next(take), next(take)), next(take)) for _ in range(30))
    relu = tuple((j, (mpz(0),), (mpz(0), mpz(1)), mpz(0)) for j in range(2, 32))
    wide = tuple(range(32, 62))
    indices = wide + wide[:3] * repeated
    second = tuple((indices, tuple(next(take) for _ in indices), next(take)) for _ in range(20))
    groups = tuple((62 + k, 62 + (k + 3) % 20, 62 + (k + 7) % 20) for k in range(20))
    third = tuple(((*range(82, 102), 0), tuple(next(take) for _ in range(21)), next(take)) for _ in range(5))
    program = lowered(
        [
            Affine(mpz(3), first),
            Piecewise(mpz(1), mpz(1), relu),
            Affine(mpz(2), second),
            Max(groups),
            Affine(mpz(1), third),
        ]
    )
    states = [2 * (k % 2) for k in range(30)] + [1] * 20
    moving = Forms(program)
    for _ in range(4):
        for k in data.draw(st.lists(st.integers(0, 49), min_size=changed, max_size=changed)):
            states[k] = 2 - states[k] if k < 30 else states[k] % 7 + 1
        fresh = Forms(program)
        for forms in (moving, fresh):
            forms.move(encoded(program, states), len(program.steps))
        assert moving.values == fresh.values


@more
@given(operations(), points)
def test_forms_of_a_points_pattern_have_the_points_values(ops: list[Op], point: Rational) -> None:
    """On every closed cell around a point the forms give the network's values there, at breakpoints and ties too."""
    program = lowered(ops)
    forms = Forms(program)
    forms.move(program.pattern(exact(point)), len(program.steps))
    values, _ = reference(ops, point)
    x, y = exact(point)
    for packed, den, value in zip(forms.values, program.denominator, exact(values), strict=True):
        a, b, c = forms.unpack(packed)
        assert a * x + b * y + c == value * den
        assert (a << 2 * forms.bits) + (b << forms.bits) + c == packed


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_packed_forms_hold_coefficients_up_to_the_bound(a: int, b: int, c: int) -> None:
    top = mpz(2) ** 70
    program = Program(2, [Affine(mpz(1), (((0, 1), (mpz(a), mpz(b)), mpz(c)), ((0,), (top,), top)))], [2])
    forms = Forms(program)
    forms.move(b"", 1)
    assert forms.unpack(forms.values[2]) == (a, b, c)
    assert forms.unpack(forms.values[3]) == (top, 0, top)
    assert forms.unpack(-forms.values[3]) == (-top, 0, -top)


# -- what is refused --------------------------------------------------------------------------------------------------

ONE, ZERO = mpz(1), mpz(0)
RELU = (0, (ZERO,), (ZERO, ONE), ZERO)


@pytest.mark.parametrize(
    ("ops", "outputs", "message"),
    [
        ([Affine(ZERO, ())], [0], r"operation 0 \(Affine\): the denominator 0"),
        ([Affine(mpz(-2), ())], [0], r"the denominator -2"),
        ([Affine(ONE, (((0, 1), (ONE,), ZERO),))], [0], r"more indices than coefficients"),
        ([Affine(ONE, (((0,), (ONE, ONE), ZERO),))], [0], r"more indices than coefficients"),
        ([Affine(ONE, (((2,), (ONE,), ZERO),))], [0], r"operation 0 \(Affine\): value 2 does not exist yet"),
        ([Affine(ONE, (((0,), (ONE,), ZERO), ((2,), (ONE,), ZERO)))], [0], r"value 2 does not exist yet"),
        ([Affine(ONE, (((-1,), (ONE,), ZERO),))], [0], r"value -1 does not exist"),
        ([Piecewise(ZERO, ONE, (RELU,))], [0], r"operation 0 \(Piecewise\): a denominator"),
        ([Piecewise(ONE, mpz(-1), (RELU,))], [0], r"a denominator is not positive"),
        ([Piecewise(ONE, ONE, ((0, (), (ONE,), ZERO),))], [0], r"unit 0: n breakpoints"),
        ([Piecewise(ONE, ONE, (RELU, (0, (ZERO,), (ONE,), ZERO)))], [0], r"unit 1: n breakpoints"),
        ([Piecewise(ONE, ONE, ((0, (ZERO,), (ONE,) * 3, ZERO),))], [0], r"n breakpoints \(n > 0\) need n \+ 1 slopes"),
        ([Piecewise(ONE, ONE, ((0, (ZERO, ZERO), (ONE,) * 3, ZERO),))], [0], r"not strictly increasing"),
        ([Piecewise(ONE, ONE, ((0, (ONE, ZERO), (ONE,) * 3, ZERO),))], [0], r"not strictly increasing"),
        ([Piecewise(ONE, ONE, ((2, *RELU[1:]),))], [0], r"value 2 does not exist yet"),
        ([Piecewise(ONE, ONE, (RELU, (2, *RELU[1:])))], [0], r"value 2 does not exist yet"),
        ([Max(((),))], [0], r"operation 0 \(Max\), group 0: a group has 1 to 63"),
        ([Max(((0,), (0, 1, 0)))], [0], r"group 1: a group has 1 to 63 different members"),
        ([Max(((0, 2),))], [0], r"value 2 does not exist yet"),
        ([Max(((0, 1), (1, 2)))], [0], r"group 1: value 2 does not exist yet"),
        (
            [Affine(ONE, (((0,), (ONE,), ZERO),) * 64), Max((tuple(range(2, 66)),))],
            [0],
            r"operation 1 \(Max\), group 0",
        ),
        ([], [2], r"outputs: value 2 does not exist"),
        ([], [-1], r"outputs: value -1 does not exist"),
        ([None], [0], r"operation 0 is of type NoneType"),
        ([RELU], [0], r"operation 0 is of type tuple"),
    ],
)
def test_program_refuses_what_is_not_well_formed(ops: list[Any], outputs: list[int], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Program(2, ops, outputs)


def test_largest_group_is_accepted() -> None:
    rows = (((0,), (ONE,), ZERO),) * MAX_GROUP
    program = Program(2, [Affine(ONE, rows), Max((tuple(range(2, 2 + MAX_GROUP)),))], [2 + MAX_GROUP])
    assert program.pattern([mpq(0)] * 2) == (2**MAX_GROUP - 1).to_bytes(8, "little")


@given(operations())
def test_numbering_of_values_units_and_bytes(ops: list[Op]) -> None:
    program = lowered(ops)
    assert len(program.denominator) == len(program.outputs)
    assert all(den > 0 for den in program.denominator)
    counts = [step.count if isinstance(step, RowStep) else len(step.units) for step in program.steps]
    assert [step.first for step in program.steps] == list(accumulate(counts, initial=2))[:-1]
    steps = program.unit_steps()
    assert all(b.byte == a.stop and b.unit == a.unit + len(a.units) for a, b in pairwise(steps))
    assert all(step.stop - step.byte == step.width * len(step.units) for step in steps)
