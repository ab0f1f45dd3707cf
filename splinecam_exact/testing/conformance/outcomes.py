"""What came of one problem: how the tool's answer compares with the exact partition."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from splinecam_exact.boundaries import boundary
from splinecam_exact.comparison import compare
from splinecam_exact.comparison.claims import Claim
from splinecam_exact.comparison.corners import Corners
from splinecam_exact.kernel.errors import InputError, Undecided
from splinecam_exact.limits import with_time_limit
from splinecam_exact.partitioning import partition
from splinecam_exact.subdivision import Subdivision
from splinecam_exact.testing.conformance.exchange import Answer
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.suite import label

STATUSES = ("right", "wrong", "nan", "malformed", "crash", "timeout", "memory", "refused")
"""How a problem can end. All but the first and the last are failures."""

FAILURES = STATUSES[1:-1]

COMPARISON_TIME = 60.0
"""Seconds for one comparison."""

EXCESS, FREE = 20, 10_000
"""A claim of more corners than EXCESS times the exact number, and FREE more, is not compared corner by corner."""

Truth = Callable[[Problem], Subdivision]
"""Who knows the exact partitions."""


@dataclass(frozen=True)
class Outcome:
    """How a tool did on one problem.

    `status` is one of `STATUSES`; `kinds` counts the defects by kind (of a crash, its type: an exception, a signal),
    `message` says what happened in a line, `text` at length. `cells` are the exact cells, `claimed` the tool's, where
    it gave cells or their number. `vertex_error` is how far the corners of its cells are off at most, in coordinates of
    the domain, those that a cell leaves out among them, where cells were matched; `unjudged`, whether that is more than
    float32 rounding, and no tolerance was given to judge it. `seconds` and `memory` (bytes) are what the tool took,
    `output` what it printed.
    """

    problem: Problem
    status: str
    kinds: dict[str, int] = field(default_factory=dict)
    message: str = ""
    text: str = ""
    cells: int = 0
    claimed: int | None = None
    seconds: float = 0.0
    memory: int = 0
    output: str = ""
    vertex_error: float | None = None
    unjudged: bool = False

    @property
    def label(self) -> str:
        """The problem's category and name."""
        return label(self.problem)

    @property
    def failed(self) -> bool:
        """Whether the tool did not give the right answer, and did not refuse."""
        return self.status in FAILURES

    def line(self) -> str:
        """The outcome in one line."""
        reason = f": {self.message}" if self.message else ""
        return f"{self.label}: {self.status}{reason}"

    def to_json(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        return {
            "problem": self.label,
            "digest": self.problem.digest,
            "status": self.status,
            "kinds": self.kinds,
            "message": self.message,
            "cells": self.cells,
            "claimed": self.claimed,
            "seconds": round(self.seconds, 3),
            "memory": self.memory,
            "output": self.output,
            "vertex_error": self.vertex_error,
            "unjudged": self.unjudged,
        }


def exact(problem: Problem) -> Subdivision:
    """The exact partition of a problem, by the reference: integers only, no torch."""
    return partition(problem.network(), problem.polygon(), "rational")


def judge(problem: Problem, answer: Answer, truth: Truth = exact, tolerance: float | None = None) -> Outcome:
    """Compare an answer with the exact partition. `tolerance` judges coordinates only: see `compare`.

    Whatever the answer is, the result is an outcome.
    """
    part = truth(problem)
    status, kinds, message, text, corners = _judged(problem, answer, part, tolerance)
    known = corners is not None and len(corners.errors) > 0 and corners.worst < sys.float_info.max
    return Outcome(
        problem,
        status,
        kinds,
        message,
        text,
        vertex_error=corners.worst if corners is not None and known else None,
        unjudged=corners is not None and tolerance is None and corners.inaccurate,
        cells=len(part.faces),
        claimed=None if answer.claim is None else _claimed(answer.claim),
        seconds=answer.seconds,
        memory=answer.memory,
        output=answer.output,
    )


def _judged(
    problem: Problem, answer: Answer, part: Subdivision, tolerance: float | None
) -> tuple[str, dict[str, int], str, str, Corners | None]:
    """Status, kinds, message, text, the corners that were matched."""
    claim = answer.claim
    if claim is None:
        kinds = {answer.kind or answer.status: 1} if answer.status != "refused" else {}
        return answer.status, kinds, answer.reason, "\n".join(filter(None, (answer.reason, answer.output))), None
    corners = sum(len(cell) if cell.ndim else 0 for cell in claim.polygons or ())
    given = (claim.polygons, claim.patterns, claim.vertex_signs, claim.segments, claim.edges, claim.vertices)
    rows = max((len(a) for a in given if a is not None), default=0)
    if max(corners, rows) > EXCESS * len(part.half_edges.twin) + FREE:
        message = f"{max(corners, rows):,} corners or rows are too many: there are {len(part.faces):,} cells"
        return "wrong", {"count": 1}, message, message, None
    try:
        limit = with_time_limit(None, COMPARISON_TIME)
        line = None if claim.segments is None else boundary(part)
        found = compare(claim, part, tolerance=tolerance, boundary=line, progress=limit)
        text = found.text()
    except InputError as error:
        return "malformed", {"malformed": 1}, brief_line(error), str(error), None
    except Undecided:
        message = f"it could not be compared within {COMPARISON_TIME:g} s"
        return "malformed", {"malformed": 1}, message, message, None
    except Exception as error:  # one odd answer must not end a run
        message = f"comparing it failed, a bug in splinecam_exact, please report it: {brief_line(error)}"
        return "malformed", {"malformed": 1}, message, traceback.format_exc(), None
    if found.passed:
        return "right", {}, "", text, found.corners
    kinds = dict(found.kinds)
    status = next((kind for kind in ("nan", "malformed") if kind in kinds), "wrong")
    message = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return status, kinds, message, text, found.corners


def brief_line(error: Exception) -> str:
    """An error's text in one short line."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."


def _claimed(claim: Claim) -> int | None:
    for cells in (claim.polygons, claim.patterns):
        if cells is not None:
            return len(cells)
    return (claim.counts or {}).get("A")
