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
    """Float64 alone; certified after all where cells are so thin that rounding may have made them. Needs torch."""
    return partition(problem.network(), problem.polygon(), "float64")
