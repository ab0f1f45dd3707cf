"""The minimiser: what it finds still fails alike, is small, and is the same every time; its script stands alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.minimize import alike, minimize
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.reproducer import write_reproducer
from splinecam_exact.testing.conformance.runner import Runner
from splinecam_exact.testing.conformance.shrinking import complexity, simpler
from splinecam_exact.testing.conformance.suite import suite

HERE = Path(__file__).parent
WRONG = "hostile_tools:wrong_on_two_or_more"
LARGE = max(suite(categories=["generic"]), key=lambda problem: len(problem.units))


@pytest.fixture(autouse=True)
def _beside_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def test_every_candidate_is_strictly_simpler_and_new() -> None:
    for problem in suite(categories=["deep", "near_parallel_ulp"])[::3]:
        candidates = list(simpler(problem))
        assert all(complexity(candidate) < complexity(problem) for candidate in candidates)
        assert len({candidate.digest for candidate in candidates}) == len(candidates) > 10


def test_result_fails_alike_and_cannot_be_made_simpler() -> None:
    with Runner(WRONG) as runner:
        failed = runner.run(LARGE)
        small = minimize(runner, failed)
        assert small.complete
        assert alike(small.outcome, failed)
        assert small.outcome.cells == 3
        assert len(small.outcome.problem.units) == 2
        assert len(small.outcome.problem.layers) == 2
        assert len(small.outcome.problem.domain) == 3
        assert not any(alike(runner.run(p), failed) for p in simpler(small.outcome.problem))
        again = minimize(runner, failed)
        assert (again.runs, again.outcome.problem, again.outcome.line()) == (
            small.runs,
            small.outcome.problem,
            small.outcome.line(),
        )


def test_crash_is_minimized_to_nearly_nothing() -> None:
    with Runner("hostile_tools:raises") as runner:
        small = minimize(runner, runner.run(LARGE))
    assert len(small.outcome.problem.units) == 1
    assert not any(array.any() for layer in small.outcome.problem.layers for array in layer)


def test_budget_ends_the_search() -> None:
    with Runner(WRONG) as runner:
        failed = runner.run(LARGE)
        for budget in ({"runs": 3}, {"seconds": 0.0}):
            small = minimize(runner, failed, **budget)  # type: ignore[arg-type]
            assert not small.complete
            assert small.runs <= 3
            assert small.outcome.status == "wrong"
        with pytest.raises(InputError, match="there is nothing to minimize"):
            minimize(runner, runner.run(suite(categories=["tangency"])[0]))


def test_reproducer_files_say_the_same_and_the_script_stands_alone(tmp_path: Path) -> None:
    with Runner(WRONG) as runner:
        small = minimize(runner, runner.run(LARGE), runs=30).outcome
    data, script = write_reproducer(small, WRONG, tmp_path / "new")
    assert Problem.from_json(json.loads(data.read_text())) == small.problem
    text = script.read_text()
    statements = ast.parse(text).body
    assert len(statements) <= 14
    told = subprocess.run([sys.executable, script], cwd=HERE, check=True, capture_output=True, text=True).stdout
    assert f"expected {{'A': {small.cells}" in told
    assert f"got {small.claimed}" in told
    namespace: dict[str, object] = {"Problem": Problem}
    for statement in statements:
        if isinstance(statement, ast.Assign) and statement.targets[0].id in ("layers", "problem"):  # type: ignore[attr-defined]
            exec(compile(ast.Module([statement], []), "script", "exec"), namespace)
    assert namespace["problem"] == small.problem


def test_numbers_of_any_size_survive_in_the_script(tmp_path: Path) -> None:
    values = [5e-324, 1e22, -1.7976931348623157e308, 0.1, 3.0, 1e15, 2.0**60, -2.5]
    layers = [(np.array(values).reshape(4, 2), np.array([0.0, -0.0, -3.0, 0.0])), (np.ones((1, 4)), np.zeros(1))]
    problem = Problem("odd name/with *", "large_scale", tuple(layers), np.array([[0.0, 0], [1, 0], [0, 1e-9]]))
    with Runner("hostile_tools:raises") as runner:
        _, script = write_reproducer(runner.run(problem), "hostile_tools:raises", tmp_path)
    assert script.name == "large_scale-odd_name_with__.py"
    start = script.read_text().partition("layers = ")[2].partition("expected = ")[0]
    namespace: dict[str, object] = {"Problem": Problem}
    exec("layers = " + start, namespace)
    again = namespace["problem"]
    assert isinstance(again, Problem)
    assert again == problem
    assert np.signbit(again.layers[0][1]).tolist() == [False, True, True, False]
