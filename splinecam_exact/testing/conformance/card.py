"""The report card: how a tool did on a suite, by category, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from splinecam_exact._files import printable
from splinecam_exact.testing.conformance.exchange import Limits
from splinecam_exact.testing.conformance.outcomes import FAILURES, STATUSES, Outcome

FORMAT = "splinecam-exact report card"
VERSION = 1

SMALLEST = 3
"""So many failures of each category are shown, the smallest ones."""

_WIDTH = 110


@dataclass(frozen=True)
class Card:
    """The outcomes of a tool, named "module:function", within limits.

    >>> card = Card("tool:partition", (), Limits())
    >>> card.line(), card.passed
    ('0 of 0 right', True)
    """

    tool: str
    outcomes: Sequence[Outcome]
    limits: Limits

    @cached_property
    def totals(self) -> Counter[str]:
        """How many problems ended in each status."""
        return Counter(outcome.status for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong. What was refused is not wrong."""
        return not any(outcome.failed for outcome in self.outcomes)

    @cached_property
    def categories(self) -> dict[str, list[Outcome]]:
        """The outcomes by category, in the order of the suite."""
        found: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.problem.category, []).append(outcome)
        return found

    def failures(self, category: str) -> list[Outcome]:
        """What went wrong in a category, the smallest problems first."""
        return sorted(
            (outcome for outcome in self.categories[category] if outcome.failed),
            key=lambda outcome: (len(outcome.problem.units), outcome.cells, outcome.label),
        )

    def line(self) -> str:
        """The card in one line."""
        counts = [f"{self.totals[status]} {status}" for status in STATUSES[1:] if self.totals[status]]
        return ", ".join([f"{self.totals['right']} of {len(self.outcomes)} right", *counts])

    def text(self) -> str:
        """The card for people, with lines of at most some 110 characters."""
        seconds = sum(outcome.seconds for outcome in self.outcomes)
        memory = max((outcome.memory for outcome in self.outcomes), default=0)
        lines = [
            f"{printable(self.tool)}: {self.line()}",
            f"{seconds:.1f} s in all, {memory / 2**20:,.0f} MiB at most "
            f"(limits for each problem: {self.limits.time:g} s, {self.limits.memory / 2**20:,.0f} MiB)",
            *self._accuracy(),
            "",
            *self._table(),
        ]
        for category in self.categories:
            if failures := self.failures(category):
                lines += ["", f"{category}: {_kinds(failures)}"]
                lines += [_cut(f"  {_size(outcome)}  {_described(outcome)}") for outcome in failures[:SMALLEST]]
                if len(failures) > SMALLEST:
                    lines.append(f"  ... and {len(failures) - SMALLEST} larger ones")
        refused: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.status == "refused":  # reasons that begin alike are one
                refused.setdefault(outcome.message.partition(":")[0], []).append(outcome.message)
        lines += [""] * bool(refused)
        lines += [_cut(f"{len(reasons)} refused: {reasons[0] or 'no reason given'}") for reasons in refused.values()]
        return "\n".join(lines)

    def _accuracy(self) -> list[str]:
        """How far corners are off, at most, of the coordinates of the problem."""
        shares = [
            outcome.vertex_error / float(abs(outcome.problem.domain).max())
            for outcome in self.outcomes
            if outcome.status == "right" and outcome.vertex_error is not None
        ]
        lines = [f"where it is right, corners are off by {max(shares):.1g} of the domain at most"] if shares else []
        if count := sum(outcome.status == "right" and outcome.unjudged for outcome in self.outcomes):
            places = f"{count} problem{'s' * (count > 1)}"
            lines.append(f"in {places} by more than float32 rounding: give a tolerance (--tolerance) to judge that")
        return lines

    def _table(self) -> list[str]:
        """A line for each category, a column for each status that occurs."""
        columns = ["right", *(status for status in STATUSES[1:] if self.totals[status])]
        rows = [(name, Counter(o.status for o in outcomes)) for name, outcomes in self.categories.items()]
        rows.append(("all", self.totals))
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':{width}}  " + "  ".join(f"{status:>{max(5, len(status))}}" for status in columns)]
        for name, counts in rows:
            cells = (f"{counts[status] or '.':>{max(5, len(status))}}" for status in columns)
            mark = "" if not any(counts[status] for status in FAILURES) else "   <-"
            lines.append(f"{name:{width}}  {'  '.join(cells)}{mark}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """The card as a JSON object."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "splinecam_exact": version("splinecam-exact"),
            "tool": self.tool,
            "passed": self.passed,
            "summary": self.line(),
            "limits": self.limits._asdict(),
            "totals": {status: self.totals[status] for status in STATUSES},
            "categories": {
                name: {status: count for status in STATUSES if (count := sum(o.status == status for o in outcomes))}
                for name, outcomes in self.categories.items()
            },
            "problems": [outcome.to_json() for outcome in self.outcomes],
        }


def _kinds(outcomes: Iterable[Outcome]) -> str:
    """In how many problems each kind of defect is."""
    kinds = Counter(kind for outcome in outcomes for kind in outcome.kinds)
    return ", ".join(f"{kind} in {count}" for kind, count in kinds.most_common())


def _size(outcome: Outcome) -> str:
    units = len(outcome.problem.units)
    claimed = "" if outcome.claimed is None else f", {outcome.claimed} claimed"
    return f"{units} {'unit' if units == 1 else 'units'}, {outcome.cells} cells{claimed}:"


def _described(outcome: Outcome) -> str:
    reason = f": {outcome.message}" if outcome.message else ""
    return f"{outcome.problem.name} {outcome.status}{reason}"


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
