"""The minimiser: a problem on which a tool fails, made as simple as it can be while the tool still fails alike."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.testing.conformance.outcomes import Outcome
from splinecam_exact.testing.conformance.runner import Runner
from splinecam_exact.testing.conformance.shrinking import simpler

RUNS = 600
SECONDS = 60.0
"""How often, and for how long, the tool is run for one reproducer."""


@dataclass(frozen=True)
class Minimized:
    """The simplest problem that was found, and what came of it; `complete` unless the search was cut off."""

    outcome: Outcome
    runs: int
    complete: bool


def minimize(
    runner: Runner,
    failed: Outcome,
    *,
    runs: int = RUNS,
    seconds: float = SECONDS,
    progress: Progress | None = None,
) -> Minimized:
    """Shrink a failing problem while the status stays the same, and one kind of defect is shared.

    Whatever makes the problem simpler is taken at once, and the search begins again, until nothing does or the budget
    of `runs` or of `seconds` is used up. The same tool gives the same result, but for a budget of seconds. Where the
    problem does not fail again (a tool that does as it likes), the result is what it was. Raises InputError where
    nothing failed.
    """
    if not failed.failed:
        raise InputError(f"{failed.label} is {failed.status}: there is nothing to minimize")
    begin = monotonic()
    best, used = failed, 0
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in simpler(best.problem):
            if used >= runs or monotonic() - begin > seconds:
                return Minimized(best, used, False)
            if progress:
                progress(f"minimizing {failed.label}", used, runs)
            used += 1
            outcome = runner.run(candidate)
            if alike(outcome, failed):
                best, shrunk = outcome, True
                break
    return Minimized(best, used, True)


def alike(outcome: Outcome, failed: Outcome) -> bool:
    """Whether two outcomes are failures of one sort: the same status, and a kind of defect that both have."""
    return outcome.status == failed.status and bool(outcome.kinds.keys() & failed.kinds.keys())
