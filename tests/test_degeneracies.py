"""Every degenerate family is what its name says, whoever chooses, and its truth is known twice over."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import testing
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.degeneracies import FAMILIES, build, description

Row = tuple[Fraction, Fraction, Fraction]
each_family = pytest.mark.parametrize("family", FAMILIES)


def rows_of(problem: Problem) -> list[Row]:
    """The first layer's breaklines."""
    weights, bias = problem.layers[0]
    return [(Fraction(a), Fraction(b), Fraction(c)) for (a, b), c in zip(weights.tolist(), bias.tolist(), strict=True)]


def heights(row: Row, problem: Problem) -> list[Fraction]:
    """A row's values at the domain's corners."""
    return [row[0] * Fraction(x) + row[1] * Fraction(y) + row[2] for x, y in problem.domain.tolist()]


def ratio(first: Row, second: Row) -> Fraction | None:
    """By what the one is a multiple of the other."""
    k = next((k for k in range(3) if first[k]), None)
    if k is None or not second[k]:
        return None
    factor = second[k] / first[k]
    return factor if all(factor * x == y for x, y in zip(first, second, strict=True)) else None


def det(first: Row, second: Row) -> Fraction:
    return first[0] * second[1] - first[1] * second[0]


def meet(p: Row, q: Row, r: Row) -> bool:
    """Whether three lines of different directions go through one point."""
    if not (det(p, q) and det(q, r) and det(p, r)):
        return False
    return p[2] * det(q, r) - q[2] * det(p, r) + r[2] * det(p, q) == 0


def touches(problem: Problem, zeros: int, both: bool) -> bool:
    """Whether a line goes through so many corners of the domain, with the domain on both of its sides or on one."""
    for row in rows_of(problem):
        values = heights(row, problem)
        if any(row[:2]) and values.count(0) >= zeros and (min(values) < 0 < max(values)) == both:
            return True
    return False


def pair(problem: Problem, holds: Callable[[Row, Row], bool]) -> bool:
    return any(holds(p, q) or holds(q, p) for p, q in combinations(rows_of(problem), 2))


def ulps(x: Fraction, y: Fraction) -> bool:
    """Whether two numbers are neighbours, as float32 or as float64."""
    return x != y and abs(x - y) <= max(abs(x), abs(y), Fraction(1, 2**10)) / 2**23


def smallest_share(problem: Problem) -> float:
    """Of the domain's area, that of the smallest cell."""
    areas = []
    for corners in problem.brute_force().cells.values():
        sides = zip(corners, corners[1:] + corners[:1], strict=True)
        areas.append(sum(p[0] * q[1] - q[0] * p[1] for p, q in sides))
    return float(min(areas) / sum(areas))


def touched_from_inside(problem: Problem) -> bool:
    """|a| + |b|: a unit of the second layer that reads two lines from both sides each, and has no bias."""
    if len(problem.layers) < 3:
        return False
    weights, bias = problem.layers[1]
    return any(b == 0 and np.count_nonzero(row) == 4 and (row >= 0).all() for row, b in zip(weights, bias, strict=True))


HOLDS: dict[str, Callable[[Problem], Any]] = {
    "generic": lambda p: len(p.units) >= 3,
    "concurrent": lambda p: any(meet(*three) for three in combinations(rows_of(p), 3)),
    "duplicate": lambda p: pair(p, lambda a, b: a == b),
    "scaled_duplicate": lambda p: pair(p, lambda a, b: (ratio(a, b) or 0) > 0),
    "opposite": lambda p: pair(p, lambda a, b: (ratio(a, b) or 0) < 0),
    "through_corner": lambda p: touches(p, 1, True),
    "along_edge": lambda p: touches(p, 2, False),
    "along_diagonal": lambda p: touches(p, 2, True),
    "tangency": lambda p: touches(p, 1, False) or touched_from_inside(p),
    "identically_zero": lambda p: any(1 in pattern for pattern in p.brute_force().cells),
    "dead_unit": lambda p: any(min(h) > 0 or max(h) < 0 for row in rows_of(p) if any(h := heights(row, p))),
    "constant": lambda p: any(not any(row[:2]) for row in rows_of(p)),
    "same_line_two_layers": lambda p: len(p.layers) == 3 and pair(p, lambda a, b: ratio(a, b) == -1),
    "bias_free": lambda p: not any(bias.any() for _, bias in p.layers),
    "near_parallel_ulp": lambda p: pair(
        p, lambda a, b: det(a, b) != 0 and (ulps(abs(a[0]), abs(b[0])) or ulps(abs(a[1]), abs(b[1])))
    ),
    "one_ulp_apart": lambda p: pair(
        p,
        lambda a, b: (
            det(a, b) == 0
            and (ulps(abs(a[2]), abs(b[2])) or sorted((abs(a[2]), abs(b[2]))) in ([0, 2**-23], [0, 2**-52]))
        ),
    ),
    "sliver": lambda p: smallest_share(p) < 2**-8,
    "large_scale": lambda p: max(abs(x) for row in rows_of(p) for x in row) >= 2**8 or np.abs(p.domain).max() >= 2**8,
    "small_scale": lambda p: min(max(map(abs, row)) for row in rows_of(p)) <= 2**-8 or np.abs(p.domain).max() <= 2**-8,
    "wide": lambda p: len(p.layers) == 2 and len(p.units) >= 6,
    "deep": lambda p: len(p.layers) >= 3,
}


@each_family
def test_fixed_examples_are_what_their_family_says(family: str) -> None:
    for seed in range(12):
        name = f"{family}_{seed}"
        problem = build(family, Chooser(name), name)
        assert HOLDS[family](problem), problem.to_json()


@each_family
@given(data=st.data())
def test_drawn_problems_are_what_their_family_says(family: str, data: st.DataObject) -> None:
    problem = data.draw(getattr(testing, family)())
    assert problem.category == family
    assert HOLDS[family](problem), problem.to_json()


@each_family
def test_exact_partition_agrees_with_the_oracle(family: str) -> None:
    for problem in testing.examples(family, 6):
        truth = problem.brute_force()
        part = sx.partition(problem.network(), problem.polygon())
        assert part.counts() == truth.counts, problem.name
        assert 1 <= truth.counts["A"] <= 130


@given(testing.networks())
def test_every_mode_agrees_with_the_oracle_on_drawn_networks(problem: Problem) -> None:
    truth = problem.brute_force().counts
    assert sx.partition(problem.network(), problem.polygon(), mode="rational").counts() == truth
    assert sx.partition(problem.network(), problem.polygon(), mode="certified").counts() == truth


@pytest.mark.parametrize("category", testing.CATEGORIES)
def test_examples_are_the_same_every_time(category: str) -> None:
    first, again = testing.examples(category, 6), testing.examples(category, 6)
    assert [problem.digest for problem in first] == [problem.digest for problem in again]
    assert len({problem.name for problem in first}) == len(first) == 6
    assert len(description(category)) > 20


def test_examples_stay_as_they_are() -> None:
    """Report cards of different versions and machines are compared problem by problem."""
    assert testing.examples("concurrent", 1, seed=3, size=5)[0].digest.startswith("a4f397fb1dc9")
    assert testing.examples("deep", 1, seed=3, size=3)[0].digest.startswith("a251086103cc")


@each_family
def test_size_makes_larger_problems(family: str) -> None:
    small, large = (testing.examples(family, 1, size=size)[0] for size in (3, 12))
    assert len(large.units) > len(small.units)


@each_family
def test_float32_tools_are_asked_the_same(family: str) -> None:
    asked = [problem.float32 for problem in testing.examples(family, 12, seed=1, size=4)]
    assert all(asked) or family in {"near_parallel_ulp", "one_ulp_apart", "sliver", "large_scale", "small_scale"}
    assert any(asked)


PUBLISHED = {
    "three_lines_at_a_third": 6,
    "ten_lines": 20,
    "sixty_four_lines": 128,
    "two_lines_one_doubled": 4,
    "touches_a_corner": 2,
    "one_diagonal": 2,
    "left_side": 2,
    "three_lines": 4,
    "strip_of_1e-9": 3,
    "the_first_line_again": 4,
    "zero_on_a_quadrant": 4,
}
"""Cells, counted by others or by hand."""


def test_classics_have_the_published_numbers_of_cells() -> None:
    found = {problem.name: problem for family in FAMILIES for problem in testing.classics(family)}
    assert {name: found[name].brute_force().counts["A"] for name in PUBLISHED} == PUBLISHED


def test_unknown_categories_and_sizes_are_refused() -> None:
    with pytest.raises(sx.InputError, match="there is no category 'parallel', only generic, concurrent"):
        testing.examples("parallel")
    with pytest.raises(sx.InputError, match="the size must be a positive int, not 0"):
        testing.examples("sliver", size=0)


@given(testing.networks())
def test_problems_survive_json(problem: Problem) -> None:
    again = Problem.from_json(problem.to_json())
    assert again == problem
    assert (again.name, again.category, again.units) == (problem.name, problem.category, problem.units)


def test_minus_zeros_keep_their_sign() -> None:
    for zero, negative in ((-0.0, True), (np.float32(-0.0), True), (0, False), (0.0, False)):
        problem = testing.one_layer([(zero, 1, zero)])
        for asked in (problem, Problem.from_json(problem.to_json())):
            weights, bias = asked.layers[0]
            assert np.signbit([weights[0, 0], bias[0]]).tolist() == [negative] * 2
            assert not weights.flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "the problem: name: is not a text"),
        ({"layers": []}, "the problem: layers: is not a list with entries"),
        ({"layers": [{"W": [["1", "0"]]}]}, r"the problem: layers\[0\]: is no object with the keys W and b"),
        (
            {"layers": [{"W": [["1", "0.5"]], "b": ["0"]}]},
            r"layers\[0\]: W\[0\]\[1\]: '0.5' is not a canonical rational",
        ),
        ({"layers": [{"W": [["1", "-0.0"]], "b": ["0"]}]}, "'-0.0' is not a canonical rational"),
        ({"layers": [{"W": [["1", "1/3"]], "b": ["0"]}]}, "not exactly a float64"),
        ({"layers": [{"W": [["1", "0", "0"]], "b": ["0"]}]}, "has 3 inputs; a problem has two"),
        ({"domain": [["0", "0"], ["1", "1"], ["2", "2"]]}, "all vertices lie on one line"),
        ({"extra": 1}, "is no object with the keys category, domain, layers, name"),
    ],
)
def test_damaged_json_is_refused_by_place(change: dict[str, Any], message: str) -> None:
    good = testing.one_layer([(1, 0, 0)]).to_json()
    with pytest.raises(sx.FileFormatError, match=message):
        Problem.from_json({**good, **change})


def test_problems_are_torch_networks_too() -> None:
    torch = pytest.importorskip("torch")
    problem = testing.examples("deep", 1)[0]
    points = np.array([[0.25, 0.125], [0.0, 0.5]])
    outputs = problem.torch()(torch.tensor(points)).detach().numpy()
    for point, output in zip(points, outputs, strict=True):
        assert [float(y) for y in problem.network().evaluate(point)] == pytest.approx(output)
