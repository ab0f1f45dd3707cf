"""The public face of `splinecam_exact.testing`: relations that any tool can be held to, parameters, lazy loading."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import faulty_tools
import pytest
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import testing
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.relations import CHANGES
from splinecam_exact.testing.variants import halves


def small(category: str) -> list[Problem]:
    return [problem for problem in testing.examples(category, 5) if len(problem.units) <= 12]


@pytest.mark.parametrize("category", testing.CATEGORIES)
def test_a_right_tool_violates_no_relation(category: str) -> None:
    for problem in small(category):
        assert testing.check_relations(faulty_tools.right, problem) == []


def partitioned(problem: Problem) -> sx.Subdivision:
    return sx.partition(problem.network(), problem.polygon())


@given(testing.networks())
def test_the_exact_partition_violates_no_relation(problem: Problem) -> None:
    assert testing.check_relations(partitioned, problem) == []


@pytest.mark.parametrize("relation", CHANGES)
@given(problem=testing.networks(size=3))
def test_variants_have_the_same_cells_by_the_oracle(relation: str, problem: Problem) -> None:
    try:
        variant = CHANGES[relation](problem, Chooser(relation))
    except sx.InputError:  # that needs more than a float64
        return
    before, after = problem.brute_force(), variant.problem.brute_force()
    assert {key: after.counts[key] for key in "AVE"} == {key: before.counts[key] for key in "AVE"}
    expected = {tuple(0 if column < 0 else old[column] for column in variant.columns) for old in before.cells}
    assert set(after.cells) == expected


@given(testing.networks(size=3))
def test_the_halves_of_a_domain_cover_it(problem: Problem) -> None:
    left, right, _ = halves(problem, Chooser(""))
    assert left.polygon().area + right.polygon().area == problem.polygon().area
    assert set(left.brute_force().cells) | set(right.brute_force().cells) == set(problem.brute_force().cells)


@pytest.mark.parametrize(
    ("tool", "category", "relation"),
    [
        (faulty_tools.tolerance_dedup, "generic", "zoom"),
        (faulty_tools.tolerance_dedup, "sliver", "zoom"),
        (faulty_tools.double, "scaled_duplicate", "translate"),
        (faulty_tools.single, "scaled_duplicate", "permute_units"),
        (faulty_tools.no_zero_case, "generic", "duplicate_unit"),
        (faulty_tools.dropped_tangencies, "concurrent", "split_domain"),
        (faulty_tools.splinecam, "generic", "duplicate_unit"),
        (faulty_tools.forgets_a_cell, "wide", "split_domain"),
    ],
)
def test_relations_show_faults(tool: Callable[[Problem], object], category: str, relation: str) -> None:
    found = [violation for problem in small(category) for violation in testing.check_relations(tool, problem)]
    assert relation in {violation.relation for violation in found}
    assert all(violation.message and isinstance(violation.problem, Problem) for violation in found)


def test_a_tool_that_is_wrong_consistently_violates_no_relation() -> None:
    """What relations cannot show: the output's zero set cuts, always. That takes the exact partition."""
    for problem in small("generic"):
        assert testing.check_relations(faulty_tools.output_cuts, problem) == []


def test_relations_compare_patterns_too() -> None:
    def forgetful(problem: Problem) -> object:
        """The right number of patterns, but all the same."""
        claim = faulty_tools.right(problem)
        assert isinstance(claim, dict)
        return {"patterns": claim["patterns"] * 0 + (1 if len(problem.units) % 2 else -1)}

    (violation,) = testing.check_relations(forgetful, testing.one_layer([(1, 0, 0)]), ["add_dead_unit"])
    assert violation.message == "a dead unit added: 1 patterns are gone and 1 are new"


def test_failures_of_a_tool_are_violations_and_refusals_are_not() -> None:
    problem = testing.one_layer([(1, 0, 0), (0, 1, 0)])
    (violation,) = testing.check_relations(faulty_tools.raises, problem)
    assert (violation.relation, violation.problem) == ("the problem itself", problem)
    assert "RuntimeError" in violation.message
    assert violation.message.isprintable()
    assert testing.check_relations(faulty_tools.refuses, testing.layered([[(1, 0, 0)], [(1, -1)]])) == []
    assert testing.check_relations(lambda _: None, problem) == []
    with pytest.raises(sx.InputError, match="no relation 'shear'; the relations are permute_units"):
        testing.check_relations(faulty_tools.right, problem, ["shear"])
    with pytest.raises(sx.InputError, match="says nothing of cells"):
        testing.check_relations(lambda _: {"counts": {"V": 9}}, problem)


@pytest.mark.parametrize(("problem", "counts"), testing.known_answer_params())
def test_known_answers_are_right(problem: Problem, counts: dict[str, int]) -> None:
    assert partitioned(problem).counts() == counts


def test_parameters_have_names() -> None:
    assert [parameter.id for parameter in testing.known_answer_params()][:2] == ["general_position_8", "bias_free_6"]
    assert len(testing.example_params("wide", "deep", count=3)) == 6
    assert len(list(testing.known_answers())) > len(testing.known_answer_params()) > 15


@given(st.data(), st.integers(2, 5))
def test_slices_are_planes(data: st.DataObject, inputs: int) -> None:
    plane = data.draw(testing.slices(inputs))
    assert len(plane.origin) == inputs
    net = sx.from_layers([([[1] * inputs, [Fraction(1, 3)] * inputs], [0, 1]), ([[1, 1]], [0])])
    assert sx.partition(net, plane).counts()["A"] >= 1


@given(testing.domains())
def test_domains_are_polygons(domain: sx.Polygon) -> None:
    assert domain.area > 0


def test_every_public_name_is_there() -> None:
    for name in testing.__all__:
        assert getattr(testing, name).__doc__ or name.isupper(), name
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        testing.nothing  # noqa: B018


def test_a_fixed_suite_needs_numpy_and_gmpy2_only() -> None:
    script = """
import sys
for name in ("hypothesis", "pytest", "_pytest", "torch", "matplotlib", "scipy"):
    sys.modules[name] = None
from splinecam_exact import MissingDependency, testing
problem, = testing.examples("sliver", 1)
assert testing.check_relations(lambda p: p.brute_force().counts["A"], problem) == []
assert testing.known_problems()
for name, needed in (("concurrent", "hypothesis"), ("degenerate_networks", "hypothesis"), ("example_params", "pytest")):
    try:
        getattr(testing, name)
    except MissingDependency as error:
        assert str(error) == f"{name} needs {needed}: pip install 'splinecam-exact[testing]'", error
    else:
        raise SystemExit(name)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
