"""Problems as pytest parameters. Needs pytest: the extra `[testing]`."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from splinecam_exact.testing.degeneracies import CATEGORIES, examples
from splinecam_exact.testing.known_answers import known_answers


def known_answer_params() -> list[ParameterSet]:
    """(problem, counts) for `pytest.mark.parametrize`: the known answers whose every number is a float64, by name.

    `counts` is a dict with "A", "L", "P", "V" and "E".

    >>> parameter = known_answer_params()[0]
    >>> parameter.id, parameter.values[1]["A"]
    ('general_position_8', 37)
    """
    counts = {known.name: known.counts for known in known_answers()}
    return [
        pytest.param(problem, counts[problem.name], id=problem.name)
        for problem in examples("known_answers", len(counts))
    ]


def example_params(*categories: str, count: int = 5, seed: int = 0) -> list[ParameterSet]:
    """(problem,) for `pytest.mark.parametrize`: `count` fixed examples of each category, by default of every one.

    >>> [parameter.id for parameter in example_params("tangency", "sliver", count=1)]
    ['tangency/touches_a_corner', 'sliver/triangle_of_2e-60']
    """
    return [
        pytest.param(problem, id=f"{category}/{problem.name}")
        for category in categories or CATEGORIES
        for problem in examples(category, count, seed)
    ]
