"""What the pytest plugin does where a tool is named: a test item per problem, and the report card at the end."""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby
from typing import Any

import pytest

from splinecam_exact.kernel.errors import InputError, SplinecamError
from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import Limits
from splinecam_exact.testing.conformance.expected import load_expected
from splinecam_exact.testing.conformance.outcomes import Outcome, Truth, exact
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.runner import Runner
from splinecam_exact.testing.conformance.suite import label, suite

ROOT = "splinecam_exact"
"""What the names of all tests begin with."""

_REPORTED = "splinecam_exact_outcome"


class ConformanceError(Exception):
    """A tool did not give the right answer."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.line())
        self.outcome = outcome


class Category(pytest.Collector):
    """The problems of one category."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Nothing: the items are made by `ConformanceTests`."""
        return []


class ProblemItem(pytest.Item):
    """The tool, asked one problem."""

    def __init__(self, *, problem: Problem, runner: Runner, **options: Any) -> None:
        super().__init__(**options)
        self.problem = problem
        self.runner = runner
        self.outcome: Outcome | None = None
        self.add_marker("splinecam")

    def runtest(self) -> None:
        """Ask, and compare."""
        self.outcome = self.runner.run(self.problem)
        if self.outcome.status == "refused":
            pytest.skip(f"the tool refuses {self.outcome.label}: {self.outcome.message or 'no reason given'}")
        if self.outcome.failed:
            raise ConformanceError(self.outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The comparison's text, not a traceback of this package."""
        if not isinstance(excinfo.value, ConformanceError):
            return super().repr_failure(excinfo, style)
        outcome = excinfo.value.outcome
        return "\n".join(filter(None, (outcome.line(), outcome.text, outcome.text and outcome.output)))

    def reportinfo(self) -> tuple[str, None, str]:
        """Where the test stands: nowhere in a file."""
        return str(self.config.rootpath / ROOT), None, label(self.problem)


class ConformanceTests:
    """The hooks. Raises pytest.UsageError where the options name nothing that can be run."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        categories: list[str] | None = option("splinecam_category")
        truth: Truth = exact
        limits = Limits(option("splinecam_time"), option("splinecam_memory") << 20)
        try:
            if (path := option("splinecam_expected")) is not None:
                truth = expected = load_expected(path, keep=lambda p: categories is None or p.category in categories)
                self.problems = expected.problems
            else:
                self.problems = suite(option("splinecam_full"), categories)
            if not self.problems:
                raise InputError(f"there are no problems of the categories {', '.join(categories or ['any'])} to run")
            self.runner = Runner(option("splinecam_tool"), limits, truth=truth, tolerance=option("splinecam_tolerance"))
        except SplinecamError as error:
            raise pytest.UsageError(str(error)) from None
        self.limits = limits
        self.outcomes: list[Outcome] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add the problems, before -k and -m choose."""
        for name, problems in groupby(self.problems, key=lambda problem: problem.category):
            category = Category.from_parent(session, name=name, nodeid=f"{ROOT}::{name}")
            found = [ProblemItem.from_parent(category, name=p.name, problem=p, runner=self.runner) for p in problems]
            items.extend(found)
            report = pytest.CollectReport(category.nodeid, "passed", None, list(found))
            session.config.hook.pytest_collectreport(report=report)  # who counts the tests must know

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Where xdist distributes the tests, load the tool before that: what ends in a worker is an internal error."""
        if session.config.pluginmanager.has_plugin("dsession"):
            self._load()
            self.runner.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Load the tool first: what cannot be loaded is not a hundred failures."""
        config = session.config
        distributed = config.pluginmanager.has_plugin("dsession") or hasattr(config, "workerinput")
        alone = not distributed and not config.option.collectonly
        if alone and any(isinstance(item, ProblemItem) for item in session.items):
            self._load()

    def _load(self) -> None:
        try:
            self.runner.start()
        except InputError as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The outcome travels with the report, from wherever the test ran."""
        report = yield
        if call.when == "call" and isinstance(item, ProblemItem) and item.outcome is not None:
            setattr(report, _REPORTED, item.outcome.to_json())
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the outcome from the report."""
        said: dict[str, Any] | None = getattr(report, _REPORTED, None)
        if said is not None:
            problem = next(problem for problem in self.problems if label(problem) == said["problem"])
            fields = {name: value for name, value in said.items() if name not in ("problem", "digest")}
            self.outcomes.append(Outcome(problem, **fields))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the card."""
        if self.outcomes:
            terminalreporter.section("splinecam_exact conformance")
            order = {label(problem): k for k, problem in enumerate(self.problems)}
            outcomes = sorted(self.outcomes, key=lambda outcome: order[outcome.label])
            terminalreporter.write_line(Card(self.runner.tool, outcomes, self.limits).text())

    def pytest_sessionfinish(self) -> None:
        """End the tool's process."""
        self.runner.close()
