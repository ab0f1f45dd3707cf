"""This package's own modes as tools: `splinecam_exact.testing.conformance.own:certified` and the like.

They are also the shortest examples of a tool: a function that takes a `Problem` and returns what it found.
"""

from __future__ import annotations

from splinecam_exact.partitioning import partition
from splinecam_exact.subdivision import Subdivision
from splinecam_exact.testing.conformance.problems import Problem


def rational(problem: Problem) -> Subdivision:
    """Integers only.

    >>> square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    >>> len(rational(Problem("cross", "generic", [([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])], square)).faces)
    4
    """
    return partition(problem.network(), problem.polygon(), "rational")


def certified(problem: Problem) -> Subdivision:
    """Float64 proposes, everything is verified. Needs torch."""
    return partition(problem.network(), problem.polygon(), "certified")


def float64(problem: Problem) -> Subdivision:
    """Float64 alone, where that is enough to decide everything; needs torch.

    Nothing vouches for a float64 result, and of a degenerate network it may be wrong: cells without area beside a
    breakline that is there twice, say. Where the certified mode needs more than float64 for any decision, and float64
    did not contradict itself (then its result is a certified one already), this tool refuses.
    """
    part = partition(problem.network(), problem.polygon(), "float64")
    if not part.certified:
        report = certified(problem).report._asdict()  # type: ignore[attr-defined]
        if report["wide"] or report["exact"] or report["repaired"]:
            raise NotImplementedError("float64 cannot decide everything here")
    return part
