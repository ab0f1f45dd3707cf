"""Every degeneracy by name: fixed examples of each, which need neither hypothesis nor pytest.

>>> for problem in examples("concurrent", 3):
...     print(problem.name, problem.brute_force().counts["A"])
three_lines_at_a_third 6
ten_lines 20
sixty_four_lines 128
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from splinecam_exact._text import brief
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing import families_lines, families_numbers, families_units
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.classic_networks import CLASSICS
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.constructing import SQUARE, Construction
from splinecam_exact.testing.known_answers import known_answers

Family = Callable[[Chooser, int], Construction]

FAMILIES: dict[str, Family] = {
    "generic": families_numbers.generic,
    "concurrent": families_lines.concurrent,
    "duplicate": families_lines.duplicate,
    "scaled_duplicate": families_lines.scaled_duplicate,
    "opposite": families_lines.opposite,
    "through_corner": families_lines.through_corner,
    "along_edge": families_lines.along_edge,
    "along_diagonal": families_lines.along_diagonal,
    "tangency": families_lines.tangency,
    "identically_zero": families_units.identically_zero,
    "dead_unit": families_units.dead_unit,
    "constant": families_units.constant,
    "same_line_two_layers": families_units.same_line_two_layers,
    "bias_free": families_units.bias_free,
    "near_parallel_ulp": families_numbers.near_parallel_ulp,
    "one_ulp_apart": families_numbers.one_ulp_apart,
    "sliver": families_numbers.sliver,
    "large_scale": families_numbers.large_scale,
    "small_scale": families_numbers.small_scale,
    "wide": families_numbers.wide,
    "deep": families_numbers.deep,
}
CATEGORIES = (*FAMILIES, "known_answers")
"""The names of all categories."""

KNOWN_ANSWERS = "Networks whose counts are theorems, hand computations or published constructions."


def description(category: str) -> str:
    """What a category is, in one line.

    >>> description("duplicate")
    'Units that are there twice or more often, weight for weight: one breakline, several units on its edges.'
    """
    if category == "known_answers":
        return KNOWN_ANSWERS
    text = (_family(category).__doc__ or "").split("\n\n")[0]
    return " ".join(text.split())


def build(category: str, chooser: Chooser, name: str, size: int | None = None) -> Problem:
    """One problem of a family, its free choices made by `chooser`.

    `size` is about the number of units that cut; by default three to six (two to four layers of `deep`), which makes
    4 to some 60 cells.
    """
    family = _family(category)
    if size is None:
        size = chooser.integer(2, 4) if category == "deep" else chooser.integer(3, 6)
    elif type(size) is not int or size < 1:
        raise InputError(f"the size must be a positive int, not {brief(size)}")
    layers, corners = family(chooser, size)
    pairs = [([list(row) for row, _ in rows], [bias for _, bias in rows]) for rows in layers]
    return Problem(name, category, tuple(pairs), corners)  # type: ignore[arg-type]


def examples(category: str, count: int = 5, seed: int = 0, size: int | None = None) -> list[Problem]:
    """Fixed problems of one category: the classics first, then random ones, the same for the same seed everywhere.

    Of the known answers there are no more than some twenty, those whose numbers are float64. With a `size` (see
    `build`) there are no classics. Raises InputError for a category that does not exist.
    """
    if category == "known_answers":
        return known_problems()[:count]
    found = classics(category)[:count] if size is None else []
    for k in range(count - len(found)):
        name = f"{category}_{seed}_{k}"
        found.append(build(category, Chooser(name), name, size))
    return found


def classics(category: str) -> list[Problem]:
    """The hand-made problems of one category: those on which other tools are known to fail."""
    _family(category)
    return [layered(layers, corners, name, category) for name, layers, corners in CLASSICS.get(category, ())]


def known_problems() -> list[Problem]:
    """The known answers whose every number is a float64."""
    found = []
    for known in known_answers():
        try:
            found.append(Problem(known.name, "known_answers", known.layers, known.domain))  # type: ignore[arg-type]
        except InputError:
            continue
    return found


def layered(
    layers: Sequence[Sequence[Sequence[float]]],
    corners: Sequence[Sequence[float | Fraction]] = SQUARE,
    name: str = "by hand",
    category: str = "generic",
) -> Problem:
    """A problem from the rows of its hidden layers, each row its weights and, last, its bias.

    The output is the sum of the last layer with the odd weights 1, 3, 5, ..., so that cells rarely share a map.

    >>> layered([[(1, 0, 0), (0, 1, 0)], [(1, 1, -1)]]).brute_force().counts["A"]
    5
    """
    pairs = [([row[:-1] for row in map(list, rows)], [row[-1] for row in rows]) for rows in layers]
    output = [list(range(1, 2 * len(layers[-1]), 2))]
    return Problem(name, category, (*pairs, (output, [0])), corners)  # type: ignore[arg-type]


def one_layer(rows: Sequence[Sequence[float]], corners: Sequence[Sequence[float | Fraction]] = SQUARE) -> Problem:
    """A problem of one hidden layer from rows (a, b, c): the units r(a x + b y + c)."""
    return layered([rows], corners)


def _family(category: str) -> Family:
    if category not in FAMILIES:
        raise InputError(f"there is no category {brief(category)}, only {', '.join(CATEGORIES)}")
    return FAMILIES[category]
