"""What relucent computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.plain import plain
from splinecam_exact.comparison.adapters.reach import concerns
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, signs_of
from splinecam_exact.kernel.errors import InputError

if TYPE_CHECKING:
    from splinecam_exact.testing.conformance.problems import Problem


def relucent(result: object, problem: Problem | None = None) -> Claim:
    """The claim in a relucent `Complex` after `bfs()`, or in a list of its polyhedra: the cells' patterns.

    Each polyhedron's sign sequence `ss`, of shape (units,) in relucent 1.0 and (1, units) in 0.9, is a pattern. The
    complex covers the whole plane: pass the `problem`, and patterns whose cell lies beyond its domain are left out
    (exactly, see `reach`); without it they are claimed too. Raises InputError for anything else.

    >>> from types import SimpleNamespace
    >>> relucent([SimpleNamespace(ss=[[1, -1]]), SimpleNamespace(ss=[[1, 1]])])
    <Claim of relucent: 2 patterns>
    """
    with reading("relucent", "a Complex after bfs()"):
        if not looks_like(result):
            raise InputError(
                f"a relucent Complex is an iterable of polyhedra with sign sequences `ss`, not {brief(result)}"
            )
        rows = [plain(cell.ss).ravel() for cell in result]  # type: ignore[attr-defined]
        patterns = signs_of(rows, "ss")
        if problem is not None and len(patterns):
            if patterns.shape[1] != len(problem.units):
                raise InputError(f"the sign sequences have {patterns.shape[1]} entries for {len(problem.units)} units")
            patterns = patterns[concerns(patterns, problem)]
        return Claim(patterns=patterns, source="relucent")


def looks_like(result: object) -> bool:
    """Whether a result is a complex or has its shape."""
    if hasattr(result, "ssm") and hasattr(result, "index2poly") and isinstance(result, Iterable):
        return True
    return isinstance(result, list | tuple) and bool(result) and all(hasattr(cell, "ss") for cell in result)
