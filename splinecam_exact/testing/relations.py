"""Metamorphic relations: what must stay the same when a problem changes, whatever the right answer is.

They need no exact partition and no other tool, so they test any tool, on problems of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters import recognized
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing import variants
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.variants import OFF, Change, Variant

PartitionFunction = Callable[[Problem], object]
"""A tool: its result is anything that `claim_of` or an adapter takes; None or NotImplementedError: it refuses."""

CHANGES: dict[str, Change] = {
    "permute_units": variants.permute_units,
    "scale_units": variants.scale_units,
    "add_dead_unit": variants.add_dead_unit,
    "duplicate_unit": variants.duplicate_unit,
    "mirror": variants.mirror,
    "rotate": variants.rotate,
    "translate": variants.translate,
    "zoom": variants.zoom,
}
RELATIONS = (*CHANGES, "split_domain")
"""The names of all relations."""

NEAR = Fraction(1, 10**6)
"""A vertex this near to the line that splits the domain, relative to its extent, may be on either side of it."""


class Violation(NamedTuple):
    """A relation that does not hold: its name, what was found, and the changed problem on which it was found."""

    relation: str
    message: str
    problem: Problem


def check_relations(
    partition_function: PartitionFunction,
    problem: Problem,
    relations: Iterable[str] | None = None,
    seed: int = 0,
) -> list[Violation]:
    """The relations that a tool violates on one problem, each with a readable message; [] is what a right tool gives.

    The tool is asked about the problem and about one variant for each of `relations` (names in `RELATIONS`, all by
    default; `split_domain` asks twice). The numbers of cells must agree, and where it gives patterns, these. An
    exception in one of these calls is a violation; where the tool refuses, nothing is checked. `seed` chooses other
    variants. Variants that need more than a float64 do not exist and are left out. Raises InputError for a relation
    that does not exist, and where what the tool returns is no partition or has no cells.

    >>> from splinecam_exact.testing.degeneracies import one_layer
    >>> problem = one_layer([(1, 0, 0), (0, 1, 0), (1, 0, 0)])
    >>> check_relations(lambda asked: asked.brute_force().counts["A"], problem)
    []
    >>> for violation in check_relations(lambda asked: len(asked.units) + 1, problem):
    ...     print(violation.message)
    a dead unit added: 5 cells, 4 before
    a unit doubled: 5 cells, 4 before
    """
    wanted = list(RELATIONS) if relations is None else list(relations)
    for name in wanted:
        if name not in RELATIONS:
            raise InputError(f"there is no relation {brief(name)}; the relations are {', '.join(RELATIONS)}")
    found: list[Violation] = []
    before = _asked(partition_function, problem, "the problem itself", found)
    if before is None:
        return found
    for name in wanted:
        chooser = Chooser(f"{name} {seed} {problem.digest}")
        if name == "split_domain":
            _check_halves(partition_function, problem, before, chooser, found)
        else:
            _check_change(partition_function, problem, before, name, chooser, found)
    return found


def cell_count(claim: Claim) -> int:
    """How many cells a claim has, however it says so. Raises InputError where it does not."""
    if claim.polygons is not None:
        return len(claim.polygons)
    if claim.patterns is not None:
        return len(claim.patterns)
    if claim.counts is not None and "A" in claim.counts:
        return claim.counts["A"]
    raise InputError(f"{claim} says nothing of cells, so nothing can be compared")


def _asked(tool: PartitionFunction, problem: Problem, relation: str, found: list[Violation]) -> Claim | None:
    """What a tool claims; None where it refuses, or fails, which is then a violation."""
    try:
        result = tool(problem)
    except NotImplementedError:
        return None
    except Exception as error:
        found.append(Violation(relation, f"{_how(problem)}: {type(error).__name__}: {brief(str(error))}", problem))
        return None
    if result is None:
        return None
    claim = recognized(result, problem)
    return claim_of(result) if claim is None else claim


def _check_change(
    tool: PartitionFunction, problem: Problem, before: Claim, name: str, chooser: Chooser, found: list[Violation]
) -> None:
    try:
        variant = CHANGES[name](problem, chooser)
    except InputError:
        return
    after = _asked(tool, variant.problem, name, found)
    if after is None:
        return
    old, new = cell_count(before), cell_count(after)
    if old != new:
        message = f"{_how(variant.problem)}: {new} cells, {old} before"
        found.append(Violation(name, message, variant.problem))
    elif before.patterns is not None and after.patterns is not None:
        expected, claimed = _patterns(before, variant), _patterns(after)
        if expected != claimed:
            lost, added = len(expected - claimed), len(claimed - expected)
            message = f"{_how(variant.problem)}: {lost} patterns are gone and {added} are new"
            found.append(Violation(name, message, variant.problem))


def _patterns(claim: Claim, variant: Variant | None = None) -> set[bytes]:
    """A claim's patterns, or what becomes of them."""
    patterns = claim.patterns
    if patterns is None:
        return set()
    if variant is not None:
        off = np.full((len(patterns), 1), 0 if claim.two_valued else -1, np.int8)
        columns = [patterns.shape[1] if column == OFF else column for column in variant.columns]
        patterns = np.hstack([patterns, off])[:, columns]
    return {row.tobytes() for row in np.ascontiguousarray(patterns)}


def _check_halves(
    tool: PartitionFunction, problem: Problem, before: Claim, chooser: Chooser, found: list[Violation]
) -> None:
    """Every cell of the whole that the line cuts is there twice, the others once."""
    try:
        left, right, line = variants.halves(problem, chooser)
    except InputError:
        return
    parts = [_asked(tool, part, "split_domain", found) for part in (left, right)]
    if parts[0] is None or parts[1] is None:
        return
    whole, (a, b) = cell_count(before), (cell_count(part) for part in parts if part is not None)
    least, most = _cut(before, line, float(np.abs(problem.domain).max()))
    if not least <= a + b - whole <= most:
        cut = f"at most {most}" if a + b - whole > most else f"at least {least}"
        message = f"the two parts of the domain have {a} and {b} cells, the whole has {whole}: {cut} of these are cut"
        found.append(Violation("split_domain", message, left))
    elif before.patterns is not None and parts[0].patterns is not None and parts[1].patterns is not None:
        both, expected = _patterns(parts[0]) | _patterns(parts[1]), _patterns(before)
        if both != expected:
            lost, added = len(expected - both), len(both - expected)
            message = f"of the whole domain's patterns {lost} are in neither of its parts, and {added} are there only"
            found.append(Violation("split_domain", message, left))


def _cut(claim: Claim, line: tuple[Fraction, Fraction, Fraction], size: float) -> tuple[int, int]:
    """How many cells a line cuts, at least and at most; without polygons that may be any number of them.

    Coordinates are divided by `size`, the domain's: products of its own might be less than any float, or more.
    """
    if claim.polygons is None:
        return 0, cell_count(claim)
    steepest = max(abs(line[0]), abs(line[1]))
    a, b, c = (float(x / steepest) for x in (line[0], line[1], line[2] / Fraction(size)))
    ranges = []
    for polygon in claim.polygons:
        if polygon.ndim == 2 and len(polygon):
            points = polygon.astype(np.float64) / size
            heights = a * points[:, 0] + b * points[:, 1] + c
            ranges.append((float(heights.min()), float(heights.max())))
    extent = max((max(-low, high) for low, high in ranges), default=0.0)
    near = float(NEAR) * extent
    least = sum(low < -near and high > near for low, high in ranges)
    most = sum(not (low >= near or high <= -near) for low, high in ranges)
    return least, most + len(claim.polygons) - len(ranges)


def _how(problem: Problem) -> str:
    """What was done to a problem: the end of its name."""
    return problem.name.rpartition(", ")[2]
