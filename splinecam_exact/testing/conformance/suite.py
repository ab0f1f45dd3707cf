"""The problems of the conformance suite: known answers, classic failures, every degeneracy, random networks.

A problem's name and content stay as they are from version to version, so that report cards can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable

from splinecam_exact._text import brief
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.degeneracies import CATEGORIES, classics, examples, known_problems

RANDOM = 4
RANDOM_IN_FULL = 12
"""How many random problems of each category there are beside the classics."""

LARGE: dict[str, tuple[int, ...]] = {"wide": (60, 150), "deep": (6, 9)}
"""Of which size large problems are added to the full suite; of the other categories, `LARGER`."""

LARGER = (12, 20)


def suite(full: bool = False, categories: Iterable[str] | None = None) -> list[Problem]:
    """The problems, category by category: the quick suite, or the full one, which begins with those of the quick one.

    `categories` are names (see `splinecam_exact.testing.degeneracies`), by default all of them. Raises InputError for
    one that does not exist.

    >>> [problem.name for problem in suite(categories=["tangency"])][:4]
    ['touches_a_corner', 'touches_from_outside', 'touches_a_vertex_inside', 'tangency_0_0']
    """
    wanted = list(CATEGORIES) if categories is None else list(dict.fromkeys(categories))
    for category in wanted:
        if category not in CATEGORIES:
            raise InputError(f"there is no category {brief(category)}; the categories are {', '.join(CATEGORIES)}")
    return [problem for category in wanted for problem in _of(category, full)]


def label(problem: Problem) -> str:
    """The name by which a problem is known everywhere: its category and its own.

    >>> label(suite(categories=["known_answers"])[0])
    'known_answers/general_position_8'
    """
    return f"{problem.category}/{problem.name}"


def _of(category: str, full: bool) -> list[Problem]:
    if category == "known_answers":
        return known_problems()
    found = examples(category, len(classics(category)) + (RANDOM_IN_FULL if full else RANDOM))
    if full:
        for size in LARGE.get(category, LARGER):
            found += examples(category, 1, seed=size, size=size)
    return found
