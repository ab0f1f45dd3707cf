"""The bulk evaluation in digits and the signs decided with it, against the kernel's forms, one cell at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from gmpy2 import mpq, mpz, sign
from hypothesis import given, settings
from hypothesis import strategies as st

from splinecam_exact import Network, square
from splinecam_exact.decide import RELATIVE, Decider, Stages, decider, evaluate, maps, plan, rows, sliced
from splinecam_exact.decide.digits import from_digits, split, to_digits
from splinecam_exact.decide.plan import Plan, Precision
from splinecam_exact.domain import Slice
from splinecam_exact.kernel.dcel import line_through
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.kernel.program import Affine, Max, Op, PieceUnit, Piecewise, Program, UnitStep
from splinecam_exact.kernel.rational import homogeneous
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

Form = tuple[mpz, mpz, mpz]
ZERO, ONE = mpz(0), mpz(1)

more = settings(max_examples=3 * settings.default.max_examples)
SIDES = [line_through(homogeneous(*p), homogeneous(*q)) for p, q in pairwise([*square(1).corners, (-1, -1)])]

# -- programs and cells -----------------------------------------------------------------------------------------------

exponents = st.sampled_from([0, 0, 0, 1, 21, 40, 70, 300, 1074])
integers = st.builds(lambda n, e: mpz(n) << e, st.integers(-6, 6) | st.integers(-(2**60), 2**60), exponents)
small = st.integers(-3, 3).map(mpz)
numbers = st.one_of(small, small, integers)
positive = st.sampled_from([1, 1, 1, 2, 3, 6, 2**80]).map(mpz)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Up to five operations on two inputs, of integers of all sizes; each may read any earlier value, some twice."""
    ops: list[Op] = []
    known = 2
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from([affines, affines, piecewises, maxima]))
        op = draw(kind(known))
        ops.append(op)
        known += len(op.rows if isinstance(op, Affine) else op.units if isinstance(op, Piecewise) else op.groups)
    return Program(2, ops, range(known))


def earlier(known: int) -> st.SearchStrategy[int]:
    return st.integers(0, known - 1) | st.integers(max(0, known - 4), known - 1)


@st.composite
def affines(draw: st.DrawFn, known: int) -> Affine:
    rows = []
    for _ in range(draw(st.integers(0, 2))):
        indices = tuple(draw(st.lists(earlier(known), max_size=5)))
        for _ in range(draw(st.integers(1, 3))):
            rows.append((indices, tuple(draw(numbers) for _ in indices), draw(numbers)))
    return Affine(draw(positive), tuple(rows))


@st.composite
def piecewises(draw: st.DrawFn, known: int) -> Piecewise:
    units = []
    for _ in range(draw(st.integers(0, 4))):
        breakpoints = tuple(sorted(draw(st.sets(numbers, min_size=1, max_size=4))))
        relu = draw(st.booleans())
        slopes = (mpz(0), mpz(1)) if relu else tuple(draw(numbers) for _ in range(len(breakpoints) + 1))
        units.append(
            (draw(earlier(known)), (mpz(0),) if relu else breakpoints, slopes, mpz(0) if relu else draw(small))
        )
    return Piecewise(draw(positive), draw(positive), tuple(units))


def maxima(known: int) -> st.SearchStrategy[Max]:
    group = st.lists(earlier(known), min_size=1, max_size=9, unique=True).map(tuple)
    return st.lists(group, max_size=3).map(lambda groups: Max(tuple(groups)))


@st.composite
def patterns_of(draw: st.DrawFn, program: Program) -> list[bytes]:
    """A few patterns of any states that exist, many with a common beginning. Such cells need not exist."""
    found: list[bytes] = []
    for _ in range(draw(st.integers(1, 5))):
        states = b""
        for step in program.unit_steps():
            for unit in step.units:
                lowest = int(not isinstance(unit, PieceUnit))
                states += draw(st.integers(lowest, unit.states - 1)).to_bytes(step.width, "little")
        if found:
            size = len(states)
            keep = draw(st.sampled_from([step.byte for step in program.unit_steps()] + [size]))
            states = draw(st.sampled_from(found))[:keep] + states[keep:]
        found.append(states)
    return found


class Reference:
    """The kernel's forms."""

    def __init__(self, program: Program, patterns: Sequence[bytes]) -> None:
        self.program = program
        self.cells = []
        for pattern in patterns:
            forms = Forms(program)
            forms.move(pattern, len(program.steps))
            self.cells.append([forms.unpack(value) for value in forms.values])
        steps = program.unit_steps()
        self.cuts = [(u.source, m, c) for s in steps for u in s.units if isinstance(u, PieceUnit) for m, c in u.cuts]

    def cut(self, cell: int, cut: int) -> Form:
        source, m, c = self.cuts[cut]
        x, y, z = self.cells[cell][source]
        return m * x, m * y, m * z + c

    def line(self, cell: int, line: int) -> Form:
        if line >= 0:
            return self.cut(cell, line)
        return SIDES[-1 - line]

    def meeting(self, cell: int, lines: Sequence[int]) -> int:
        (a, b, c), one, other = (self.line(cell, line) for line in lines)
        x, y, w = crossed(one, other)
        return sign(a * x + b * y + c * w) * sign(w)


def crossed(one: Form, other: Form) -> Form:
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


def parallel(first: Form, second: Form) -> bool:
    """Whether two forms are equal up to a positive factor."""
    (a, b, c), (d, e, f) = first, second
    same = a * e == b * d and a * f == c * d and b * f == c * e
    return same and [sign(v) for v in first] == [sign(v) for v in second]


def decided(program: Program, digits: Sequence[int] | None = None) -> Decider:
    return Decider(program, digits=digits)


def lowered(network: PlainNetwork) -> Program:
    domain = network.domain()
    return network.network().program(domain if isinstance(domain, Slice) else None)


def encoded(program: Program, states: Sequence[int]) -> bytes:
    steps = program.unit_steps()
    return b"".join(states[s.unit + k].to_bytes(s.width, "little") for s in steps for k in range(len(s.units)))


any_programs = st.one_of(programs(), programs(), degenerate_networks(max_cells=20).map(lowered))

# -- digits -----------------------------------------------------------------------------------------------------------


@more
@given(st.lists(st.integers(-(2**200), 2**200) | st.integers(-40, 40), max_size=6), st.integers(2, 26))
def test_digits_are_balanced_and_denote_the_integers(values: list[int], bits: int) -> None:
    digits = to_digits([mpz(v) for v in values], bits)
    assert np.abs(digits).max(initial=0) <= 2 ** (bits - 1)
    assert [sum(int(d) << bits * p for p, d in enumerate(column)) for column in digits.T] == values
    assert from_digits(digits.T, bits) == values
    assert len(digits) == 1 or not values or digits[-1].any()


@given(st.lists(st.lists(st.integers(-(2**25), 2**25), min_size=3, max_size=3), min_size=1, max_size=5))
def test_digits_beyond_the_base_are_carried(rows: list[list[int]]) -> None:
    bits = 26
    assert from_digits(np.array(rows, np.float64), bits) == [a + (b << bits) + (c << 2 * bits) for a, b, c in rows]


@given(st.lists(st.integers(-(2**53), 2**53), max_size=8), st.integers(2, 26))
def test_split_is_exact_and_balanced(values: list[int], bits: int) -> None:
    digits = np.empty(len(values))
    carries = split(np.array(values, np.float64), digits, bits)
    assert np.abs(digits).max(initial=0) <= 2 ** (bits - 1)
    assert [int(d) + (int(c) << bits) for d, c in zip(digits, carries, strict=True)] == values


# -- exact forms ------------------------------------------------------------------------------------------------------


@more
@given(st.data(), any_programs)
def test_values_and_forms_are_the_kernels(data: st.DataObject, program: Program) -> None:
    patterns = data.draw(patterns_of(program))
    reference, engine = Reference(program, patterns), decided(program)
    values = list(product(range(len(patterns)), range(len(program.denominator))))
    which, wanted = np.array(values, np.int64).T
    assert engine.values(patterns, wanted, which) == [reference.cells[cell][value] for cell, value in values]
    cuts = list(product(range(len(patterns)), range(len(reference.cuts))))
    which, wanted = np.array(cuts, np.int64).reshape(-1, 2).T
    found = engine.forms(patterns, wanted, which)
    assert all(parallel(form, reference.cut(*request)) for form, request in zip(found, cuts, strict=True))


@more
@given(st.data(), any_programs)
def test_only_the_units_that_a_value_depends_on_are_looked_at(data: st.DataObject, program: Program) -> None:
    """Everything else in a pattern may be missing or wrong, and every request may have its own."""
    (pattern, *_) = data.draw(patterns_of(program))
    count = len(program.denominator)
    patterns = []
    for need in dependencies(program):
        rest = data.draw(st.sampled_from([b"", b"\xff" * 1000, bytes(len(pattern) - need)]))
        patterns.append(pattern[:need] + rest)
    found = decided(program).values(patterns, np.arange(count), np.arange(count))
    assert found == Reference(program, [pattern]).cells[0]


def dependencies(program: Program) -> list[int]:
    """For each value, the end of the last state that it depends on."""
    read: list[set[int]] = [set(), set()]
    for step in program.steps:
        if isinstance(step, UnitStep):
            for k, unit in enumerate(step.units):
                read.append({step.byte + step.width * (k + 1)}.union(*(read[j] for j in unit.sources)))
        else:
            for indices, matrix, _ in step.blocks:
                read += [set().union(*(read[j] for j in indices))] * len(matrix)
    return [max(ends, default=0) for ends in read]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (evaluate, "MEMORY", 1),
        (evaluate, "FEW", 0),
        (evaluate, "FEW", 10**9),
        (sliced, "CACHED", 1),
        (rows, "MERGED", 1),
        (rows, "GATHERED", 1),
        (rows, "SHARING", 1),
        (plan, "EXACT", 1 << 20),
    ],
)
@settings(max_examples=max(5, settings.default.max_examples // 3))
@given(data=st.data(), program=programs())
def test_no_tuning_changes_an_integer(
    place: object, name: str, value: int, data: st.DataObject, program: Program
) -> None:
    patterns = data.draw(patterns_of(program))
    requests = [(i, j) for i in range(len(patterns)) for j in data.draw(st.sets(values_of(program), max_size=3))]
    which, wanted = np.array(requests, np.int64).reshape(-1, 2).T
    expected = decided(program).values(patterns, wanted, which)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, value)
        assert decided(program).values(patterns, wanted, which) == expected


def values_of(program: Program) -> st.SearchStrategy[int]:
    return st.integers(0, len(program.denominator) - 1)


def network_of(widths: Sequence[int], seed: int, scale: int = 0) -> Program:
    """A random ReLU network; with `scale`, the weights of different rows differ by up to 2^scale."""
    random = np.random.default_rng(seed)
    layers = []
    for outputs, columns in zip(widths[1:], widths, strict=False):
        weights = random.normal(size=(outputs, columns)) / columns**0.5
        powers = 2.0 ** random.integers(-scale // 2, scale // 2 + 1, (outputs, 1))
        layers.append((weights * powers, random.normal(size=outputs) / 3))
    return Network.from_layers(layers).program()


def walk(program: Program, count: int) -> list[bytes]:
    """The patterns at some points on a line."""
    return [program.pattern([mpq(2 * k + 1, count) - 1, mpq(1, 7)]) for k in range(count)]


@pytest.mark.parametrize("scale", [0, 60])
def test_forms_of_wide_layers(scale: int) -> None:
    """Long sums: the largest that the choice of the digits allows."""
    program = network_of([2, 300, 40, 5, 1], 1, scale)
    patterns = walk(program, 7)
    reference = Reference(program, patterns)
    cuts = np.arange(len(reference.cuts))
    for cell in range(len(patterns)):
        found = decided(program).forms(patterns, cuts, np.full(len(cuts), cell))
        assert found == [reference.cut(cell, cut) for cut in cuts]


@pytest.mark.parametrize("terms", [1, 63, 64, 255, 256, 257, 1000])
def test_largest_sums_of_products(terms: int) -> None:
    """All digits of one sign and as large as they get, in every product of a sum."""
    for bits in (20, 45, 90):
        top = (mpz(1) << bits) - 1
        first = tuple(((0, 1), (s * top, top), -s * top) for s in (1, -1) for _ in range(terms))
        rows = tuple((range(2, 2 + 2 * terms), (top,) * terms + (s * top,) * terms, top) for s in (1, -1))
        program = Program(2, [Affine(mpz(1), first), Affine(mpz(1), rows)], [2 + 2 * terms])
        reference = Reference(program, [b""]).cells[0]
        for engine in (decided(program), decided(program, [2])):
            assert engine.values([b""], np.arange(len(reference)), np.zeros(len(reference), np.int64)) == reference


# -- the wide stage ---------------------------------------------------------------------------------------------------


def outside(program: Program, patterns: Sequence[bytes], digits: int) -> int:
    """How many coefficients the enclosures of the wide stage miss."""
    prepared = Plan(program)
    precision = prepared.truncated(digits)
    reference = Reference(program, patterns)
    cells, wanted = np.array(list(product(range(len(patterns)), range(len(program.denominator))))).T
    found = evaluate.evaluate(prepared, precision, patterns, cells, wanted)
    missed = 0
    for form, cell, value, step in zip(found, cells.tolist(), wanted, prepared.steps_of(wanted), strict=True):
        unit = mpz(1) << prepared.bits * precision.low[step]
        pairs = zip(form, reference.cells[cell][value], strict=True)
        missed += sum(abs(middle * unit - true) > precision.radius[value] * unit for middle, true in pairs)
    return missed


@more
@given(st.data(), any_programs, st.integers(1, 5))
def test_enclosures_contain_the_exact_forms(data: st.DataObject, program: Program, digits: int) -> None:
    patterns = list(dict.fromkeys(data.draw(patterns_of(program))))
    assert outside(program, patterns, digits) == 0


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_enclosures_of_values_that_are_kept_to_different_digits(digits: int) -> None:
    """Rows that read all earlier layers at once, as skip connections do."""
    ops: list[Op] = []
    values = 2
    for k in range(4):
        rows = tuple((range(values), tuple(mpz(7 + i * j + k) ** 20 for i in range(values)), mpz(j)) for j in range(3))
        units = tuple((values + j, (mpz(0),), (mpz(0), mpz(1)), mpz(0)) for j in range(3))
        ops += [Affine(mpz(1), rows), Piecewise(mpz(1), mpz(1), units)]
        values += 6
    program = Program(2, ops, range(values))
    assert len(set(Plan(program).truncated(digits).low)) > 3
    assert outside(program, [b"\2" * 12, b"\2\0\2" * 4, b"\0\2\2" * 4], digits) == 0


def consistent(build: Callable[[int], Program]) -> Program:
    """A program made for the bits of the digits that it is cut into."""
    return next(build(bits) for bits in range(26, 1, -1) if Plan(build(bits)).bits == bits)


def losing(bits: int) -> mpz:
    """Three digits, as large as they get: nearly half of the next digit."""
    return sum((mpz((1 << bits - 1) - 1) << bits * p for p in range(3)), mpz(0))


def test_errors_add_up() -> None:
    """A hundred errors of one sign, each half of what it may be."""

    def build(bits: int) -> Program:
        rows = tuple(((0,), (mpz(1) << 4 * bits,), losing(bits)) for _ in range(100))
        return Program(2, [Affine(mpz(1), rows), Affine(mpz(1), ((range(2, 102), (mpz(1),) * 100, mpz(0)),))], [102])

    program = consistent(build)
    assert Plan(program).truncated(2).low == [0, 3, 3]
    assert outside(program, [b""], 2) == 0
    assert Plan(program).truncated(2).radius[102] <= 102


@pytest.mark.parametrize("digits", [1, 2, 3, 5])
@pytest.mark.parametrize("scale", [0, 60])
def test_enclosures_of_networks(digits: int, scale: int) -> None:
    program = network_of([2, 40, 40, 40, 2], 2, scale)
    assert outside(program, walk(program, 5), digits) == 0


def cuts_outside(program: Program, patterns: Sequence[bytes], digits: int) -> int:
    """How many coefficients the wide stage's enclosures of cuts' lines miss."""
    engine, reference, prepared = decided(program), Reference(program, patterns), Plan(program)
    if not reference.cuts:
        return 0
    precision = prepared.truncated(digits)
    cells, cuts = np.array(list(product(range(len(patterns)), range(len(reference.cuts))))).T
    missed = 0
    for line, cell, cut in zip(engine._lines(patterns, cuts, cells, precision), cells, cuts, strict=True):
        step = prepared.steps_of(np.array([reference.cuts[cut][0]]))[0]
        unit = mpz(1) << prepared.bits * precision.low[step]
        pairs = zip(line.form, reference.cut(cell, cut), strict=True)
        missed += sum(abs(middle * unit - true) > line.radius * unit for middle, true in pairs)
    return missed


@more
@given(st.data(), any_programs, st.integers(1, 4))
def test_enclosures_contain_the_lines_of_cuts(data: st.DataObject, program: Program, digits: int) -> None:
    assert cuts_outside(program, data.draw(patterns_of(program)), digits) == 0


@pytest.mark.parametrize("den", [1, 7])
def test_offsets_are_enclosed(den: int) -> None:
    """Both a form and the offset of its cut lose nearly all they may, in the same direction."""

    def build(bits: int) -> Program:
        row = Affine(mpz(1), (((0,), (mpz(1) << 4 * bits + 5,), losing(bits)),))
        return Program(
            2, [row, Piecewise(mpz(den), mpz(1), ((2, (1 - (mpz(1) << 3 * bits),), (ZERO, ONE), ZERO),))], [3]
        )

    program = consistent(build)
    assert Plan(program).truncated(2).low[1] == 3
    assert cuts_outside(program, [b"\2"], 2) == 0


def test_enclosures_are_narrow() -> None:
    """The wide stage is worth its while: with 110 bits, it is right to 60 bits and more after eight layers."""
    prepared = Plan(network_of([2, *[32] * 8, 1], 3))
    precision = prepared.truncated(-(-110 // prepared.bits))
    step = len(prepared.counts) - 1
    unit = mpz(1) << prepared.bits * precision.low[step]
    assert precision.low[step] > 0
    assert 0 < precision.radius[-1] * unit << 60 < prepared.sizes[-1]


@pytest.mark.parametrize("name", ["_dropped", "_bounds"])
def test_planted_errors_in_the_bound_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the products that are dropped, or without what the layers make of earlier errors, truth is outside."""
    program = network_of([2, 40, 40, 40, 2], 2)
    patterns = walk(program, 5)
    assert outside(program, patterns, 3) == 0
    true = getattr(Plan, name)

    def wrong(self: Plan, *args: object) -> object:
        found = true(self, *args)
        if name == "_dropped":
            return found >> 12
        return found if args[-1] == 1 else [v >> 20 for v in found]

    monkeypatch.setattr(Plan, name, wrong)
    assert outside(program, patterns, 3) > 0


# -- maps in float64 ---------------------------------------------------------------------------------------------------


def far_off(program: Program, patterns: Sequence[bytes], digits: Sequence[int] | None) -> int:
    """How many coefficients of the maps of all steps are not where they are said to be."""
    reference, engine = Reference(program, patterns), decided(program, digits)
    ends = [step.first for step in program.steps] + [len(program.denominator)]
    steps = range(len(program.steps) + 1)
    seen: list[int] = []
    wrong = 0
    for cells, values, loss in engine.maps(patterns, dict.fromkeys(steps)):
        seen += cells.tolist()
        for n, (first, stop) in enumerate(pairwise([0, *ends])):
            assert values[n].shape == (len(cells), 3, stop - first)
            for row, cell in zip(values[n], cells.tolist(), strict=True):
                for k in range(stop - first):
                    room = mpq(float(loss[n][k])) + mpq(1, 1 << 980)
                    for found, true in zip(row[:, k].tolist(), reference.cells[cell][first + k], strict=True):
                        if np.isfinite(found):
                            off = abs(mpq(found) - mpq(true, program.denominator[first + k]))
                            wrong += off > mpq(RELATIVE) * abs(mpq(found)) + room
    assert sorted(seen) == list(range(len(patterns)))
    return wrong


@more
@given(st.data(), any_programs, st.sampled_from([None, (), (1,), (2, 4)]))
def test_maps_are_as_close_as_they_say(data: st.DataObject, program: Program, digits: tuple[int, ...] | None) -> None:
    assert far_off(program, data.draw(patterns_of(program)), digits) == 0


@pytest.mark.parametrize("digits", [None, (), (1,), (3,)])
def test_maps_of_networks(digits: tuple[int, ...] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    program = network_of([2, 7, 7, 7, 1], 3)
    patterns = walk(program, 30)
    assert far_off(program, patterns, digits) == 0
    monkeypatch.setattr(maps, "MEMORY", 1)
    monkeypatch.setattr(maps, "CLOSE", 2.0**200)
    assert far_off(program, patterns, digits) == 0


def test_planted_errors_in_the_maps_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    program = network_of([2, 7, 7, 7, 1], 3)
    patterns = walk(program, 30)
    monkeypatch.setattr(maps, "CLOSE", 2.0**200)
    with monkeypatch.context() as patch:
        patch.setattr(maps, "_loss", lambda plan, precision, step: np.zeros(plan.counts[step]))
        assert far_off(program, patterns, (1,)) > 0
    assert far_off(program, patterns, (1,)) == 0


@given(st.data(), any_programs, st.sampled_from([None, (), (1,), (2, 4)]))
def test_enclosed_lines_are_as_close_as_they_say(
    data: st.DataObject, program: Program, digits: tuple[int, ...] | None
) -> None:
    patterns = data.draw(patterns_of(program))
    reference = Reference(program, patterns)
    if not reference.cuts:
        return
    cell, cut = st.integers(0, len(patterns) - 1), st.integers(0, len(reference.cuts) - 1)
    requests = data.draw(st.lists(st.tuples(cell, cut), min_size=1, max_size=12))
    assert_enclosed(reference, decided(program, digits), patterns, requests)


def test_enclosed_lines_of_a_deep_network() -> None:
    program = network_of([2, *[16] * 12, 1], 5)
    patterns = walk(program, 10)
    reference = Reference(program, patterns)
    requests = [(cell, len(reference.cuts) - 1 - cell) for cell in range(10)]
    assert assert_enclosed(reference, decided(program), patterns, requests) > 5


def assert_enclosed(
    reference: Reference, engine: Decider, patterns: Sequence[bytes], requests: list[tuple[int, int]]
) -> int:
    """Returns how many of the enclosures are not exact."""
    which, cuts = np.array(requests, np.int64).T
    found = engine.enclosures(patterns, cuts, which)
    for (cell, cut), (form, radius) in zip(requests, found, strict=True):
        true = reference.cut(cell, cut)
        assert radius or parallel(form, true)
        assert radius == 0 or radius << 64 <= max(map(abs, form[:2]))
        # so there is a factor > 0 that takes the true form to within the radius
        low, high = mpq(0), mpq(10**400)
        for exact, near in zip(true, form, strict=True):
            if exact:
                ends = sorted(mpq(near + r, exact) for r in (-radius, radius))
                low, high = max(low, ends[0]), min(high, ends[1])
            else:
                assert abs(near) <= radius
        assert low <= high
    return sum(radius > 0 for _, radius in found)


# -- signs ------------------------------------------------------------------------------------------------------------

few = st.integers(-4, 4).map(mpz)
radii = st.sampled_from([0, 0, 1, 1, 2]).map(mpz)
lines_near = st.tuples(st.tuples(few, few, few), radii, st.tuples(*[st.sampled_from([-1, 0, 1])] * 3))
"""A line, the radius of its coefficients, and which of them are moved by it, down or up."""


@settings(max_examples=50 * settings.default.max_examples)
@given(st.tuples(lines_near, lines_near, lines_near), st.tuples(few, few, few.map(abs)))
def test_no_line_within_the_radii_has_another_sign(near: tuple[tuple[Form, mpz, Form], ...], point: Form) -> None:
    middle = [decider.Enclosure(form, radius) for form, radius, _ in near]
    true = [tuple(v + s * radius for v, s in zip(form, moves, strict=True)) for form, radius, moves in near]
    (a, b, c), (d, e, f), (g, h, i) = true
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    assert decider._determinant(*middle) in (None, sign(determinant))
    x, y, w = point
    turn = sign(d * h - e * g)
    assert decider._crossing(*middle[1:]) in (None, turn)
    assert decider._at_meeting(*middle) in (None, sign(determinant) * turn)
    assert decider._height(middle[0], (x, y, w + 1)) in (None, sign(a * x + b * y + c * (w + 1)))
    if not any(line.radius for line in middle):
        assert decider._at_meeting(*middle) is not None
        assert decider._height(middle[0], point) is not None


stages = st.sampled_from([None, (), (1,), (2, 3), (4,), (1, 100)])


@more
@given(st.data(), any_programs, stages)
def test_signs_at_meetings_are_exact(data: st.DataObject, program: Program, digits: tuple[int, ...] | None) -> None:
    patterns = data.draw(patterns_of(program))
    reference = Reference(program, patterns)
    line = st.integers(-len(SIDES), max(-1, len(reference.cuts) - 1))
    cell = st.integers(0, len(patterns) - 1)
    requests = data.draw(st.lists(st.tuples(cell, line, line, line), min_size=1, max_size=12))
    which, *lines = np.array(requests, np.int64).T
    signs, counts = decided(program, digits).meetings(patterns, np.stack(lines, 1), which, SIDES)
    assert signs.tolist() == [reference.meeting(cell, three) for cell, *three in requests]
    assert signs.dtype == np.int8
    assert sum(counts) == len(requests)
    assert digits != () or counts.wide == 0


@more
@given(st.data(), degenerate_networks(max_cells=20), stages)
def test_heights_at_the_vertices_of_degenerate_networks(
    data: st.DataObject, network: PlainNetwork, digits: tuple[int, ...] | None
) -> None:
    """At the exact corners of the cells; many cuts pass through one."""
    program = lowered(network)
    cells = network.brute_force().cells
    patterns = [encoded(program, pattern) for pattern in cells]
    reference = Reference(program, patterns)
    if not reference.cuts:
        return
    requests = []
    for cell, corners in enumerate(cells.values()):
        for x, y in corners:
            w = mpz(x.denominator * y.denominator)
            point = mpz(x * int(w)), mpz(y * int(w)), w
            requests += [(cell, cut, point) for cut in range(len(reference.cuts))]
    requests = data.draw(st.lists(st.sampled_from(requests), min_size=1, max_size=40))
    which, cuts = (np.array(column, np.int64) for column in list(zip(*requests, strict=True))[:2])
    points = [point for *_, point in requests]
    signs, counts = decided(program, digits).heights(patterns, cuts, points, which)
    expected = [
        sign(sum(u * v for u, v in zip(reference.cut(cell, cut), point, strict=True))) for cell, cut, point in requests
    ]
    assert signs.tolist() == expected
    assert sum(counts) == len(requests)


@pytest.mark.parametrize("digits", [None, (), (3,), (8,)])
@pytest.mark.parametrize("scale", [mpq(1), mpq(1, 3), mpq(2) ** 300, mpq(1, 2**300), mpq(5e-324)])
def test_lines_that_all_but_meet(digits: tuple[int, ...] | None, scale: mpq) -> None:
    """Three lines through the point (1/3, 1/5), in the third layer; and one of them 1e-40 to either side."""
    first = [[scale, 0], [0, scale], [scale, scale / 3]], [scale * 7, scale * 9, scale * 11]
    second = [[1, 0, mpq(1, 7)], [0, 1, mpq(1, 9)], [1, 1, 1]], [0, 0, 0]
    rows = [[3, 4, 0], [-5, 12, 0], [8, -15, 1]]
    x, y, z = Network.from_layers([first, second]).evaluate([mpq(1, 3), mpq(1, 5)])
    for shift in (mpq(-1, 10**40), mpq(0), mpq(1, 10**40)):
        offsets = [-(a * x + b * y + c * z) * (1 + shift * (k == 2)) for k, (a, b, c) in enumerate(rows)]
        program = Network.from_layers([first, second, (rows, offsets, "relu")]).program()
        pattern = program.pattern([mpq(0), mpq(0)])
        expected = Reference(program, [pattern]).meeting(0, (6, 7, 8))
        signs, counts = decided(program, digits).meetings([pattern], np.array([[6, 7, 8]]), np.array([0]))
        assert signs.tolist() == [expected]
        assert (expected == 0) == (shift == 0)
        if shift and digits is not None:
            assert counts == (Stages(1, 0) if digits == (8,) else Stages(0, 1))


def test_deep_networks_are_decided_by_the_wide_stage() -> None:
    program = network_of([2, *[16] * 12, 1], 5)
    patterns = walk(program, 40)
    reference = Reference(program, patterns)
    random = np.random.default_rng(0)
    lines = np.array([random.choice(16, 3, replace=False) + len(reference.cuts) - 16 for _ in patterns])
    signs, counts = decided(program).meetings(patterns, lines, np.arange(len(patterns)))
    assert signs.tolist() == [reference.meeting(cell, three) for cell, three in enumerate(lines.tolist())]
    assert counts.wide >= 36
    assert sum(counts) == 40


def test_answers_do_not_depend_on_how_requests_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    program = network_of([2, 12, 12, 1], 6)
    patterns = walk(program, 9)[::-1]
    random = np.random.default_rng(1)
    lines, which = random.integers(-4, 24, (200, 3)), random.integers(0, 9, 200)
    for digits in [(), (2,), (99,)]:
        expected, counts = decided(program, digits).meetings(patterns, lines, which, SIDES)
        with monkeypatch.context() as patch:
            patch.setattr(decider, "REQUESTS", 7)
            found, again = decided(program, digits).meetings(patterns, lines, which, SIDES)
        assert (found == expected).all()
        assert again == counts
        assert sum(counts) == 200
    assert counts == Stages(200, 0)


def test_planted_errors_in_the_radius_give_wrong_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The radii are what keeps the wide stage from guessing: without them, it answers what it does not know."""
    program = network_of([2, *[16] * 6, 1], 5)
    patterns = walk(program, 60)
    random = np.random.default_rng(0)
    lines, which = random.integers(64, 96, (60, 3)), np.arange(60)
    expected, _ = decided(program, ()).meetings(patterns, lines, which, SIDES)
    found, counts = decided(program, (1,)).meetings(patterns, lines, which, SIDES)
    assert (found == expected).all()
    assert counts.exact > 50
    true = Plan.truncated
    monkeypatch.setattr(
        Plan, "truncated", lambda plan, digits: Precision(true(plan, digits).low, plan.exactly().radius)
    )
    found, counts = decided(program, (1,)).meetings(patterns, lines, which, SIDES)
    assert (found != expected).any()
    assert counts.exact == 0


# -- what is refused, and the rest ------------------------------------------------------------------------------------

RELUS = Network.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1], [1, -1]], [0, 0]), ([[1, 1]], [0])]).program()


@pytest.mark.parametrize(
    ("pattern", "lines", "which", "message"),
    [
        (b"\2\2\2\2", (0, 1, 4), 0, "no line 4: they go from -4 to 3"),
        (b"\2\2\2\2", (0, 1, -5), 0, "no line -5"),
        (b"\2\2\2\2", (0, 1, 2), 1, "no pattern 1"),
        (b"\2\2\2\2", (0, 1, 2), -1, "no pattern -1"),
        (b"\2", (0, 1, 2), 0, "pattern 0 has 1 bytes, 2 are needed"),
        (b"\2\3\2\2", (0, 1, 2), 0, "unit 1 has no state 3"),
    ],
)
def test_what_does_not_exist_is_refused(pattern: bytes, lines: tuple[int, int, int], which: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decided(RELUS).meetings([pattern], np.array([lines]), np.array([which]), SIDES)


def test_cuts_and_values_that_do_not_exist_are_refused() -> None:
    one = np.array([0])
    with pytest.raises(InputError, match="no cut -1"):
        decided(RELUS).forms([b"\2\2"], np.array([-1]), one)
    with pytest.raises(InputError, match="no cut 4"):
        decided(RELUS).heights([b"\2\2"], np.array([4]), [(mpz(0), mpz(0), mpz(1))], one)
    with pytest.raises(InputError, match="no value 11"):
        decided(RELUS).values([b"\2\2"], np.array([11]), one)
    with pytest.raises(InputError, match="no pattern 0"):
        decided(RELUS).values([], np.array([0]), one)
    with pytest.raises(InputError, match="3 inputs, not 2"):
        Decider(Program(3, [], [0]))


def test_nothing_asked_nothing_answered() -> None:
    none = np.zeros(0, np.int64)
    signs, counts = decided(RELUS).meetings([], np.zeros((0, 3), np.int64), none)
    assert (len(signs), counts) == (0, Stages(0, 0))
    assert decided(RELUS).forms([], none, none) == []
    signs, counts = decided(RELUS).heights([], none, [], none)
    assert (len(signs), counts) == (0, Stages(0, 0))


def test_known_lines_alone() -> None:
    lines = [[-1, -2, -3], [-1, -3, -2], [-1, -1, -4], [-2, -1, -3]]
    signs, counts = decided(RELUS).meetings([b""], np.array(lines), np.zeros(4, np.int64), SIDES)
    assert signs.tolist() == [1, 1, 0, 0]  # the first and the third side are parallel
    assert counts == Stages(0, 4)


def test_progress_is_told_and_may_interrupt() -> None:
    seen: list[tuple[str, int, int]] = []
    patterns = [b"\2\2", b"\0\2", b"\0\0"]
    Decider(RELUS, progress=lambda *told: seen.append(told)).forms(patterns, np.full(3, 2), np.arange(3))
    assert seen[-1][1:] == (3, 3)

    def interrupt(*told: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Decider(RELUS, progress=interrupt).forms(patterns, np.full(3, 2), np.arange(3))
