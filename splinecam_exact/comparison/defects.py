"""`Defect`: one thing that is wrong with a claim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gmpy2 import mpq

from splinecam_exact.comparison.polygons import Place

KINDS = {
    "missing": "an exact cell that nobody claims",
    "merged": "a claimed cell that holds several exact ones",
    "split": "an exact cell that several claimed ones share",
    "spurious": "a claimed cell that is no exact one: a duplicate, or in the wrong place",
    "sliver": "a claimed cell that is no exact one, much smaller or thinner than the one it lies in",
    "zero_area": "a claimed cell without area",
    "non_convex": "a claimed cell with a corner that turns the wrong way",
    "self_overlap": "a claimed cell that crosses itself, or runs around twice",
    "overlap": "two claimed cells that share much of their area",
    "gap": "much of an exact cell that no claimed one covers",
    "outside": "a claimed cell that lies outside the domain, or much of it does",
    "nan": "a claimed cell with a coordinate that is not finite",
    "malformed": "what is claimed is no polygon, or no pattern of this network",
    "pattern": "a claimed cell with another sign vector than the exact one",
    "count": "a number that is not the exact one",
    "vertex": "a claimed corner that is farther from the exact one than the tolerance",
    "vertex_missing": "the sign vector of an exact vertex that nobody claims",
    "vertex_spurious": "a vertex whose sign vector no exact one has, or only one elsewhere",
    "boundary_missing": "a part of the exact boundary that nobody claims",
    "boundary_spurious": "a claimed boundary segment where there is no boundary",
    "boundary_segment": "a claimed boundary segment that is farther from the exact one than the tolerance",
}
"""All kinds of defects, in the order in which they are reported, and what each means."""


class Defect(NamedTuple):
    """One thing that is wrong: its kind (one of `KINDS`) and what it is, in words.

    `cells` are numbers of claimed cells (or vertices, or segments, where the kind is about these), `faces` numbers of
    exact ones, `area` the exact area concerned and `place` an exact point there, both in slice coordinates; None where
    there is none.
    """

    kind: str
    message: str
    cells: tuple[int, ...] = ()
    faces: tuple[int, ...] = ()
    area: mpq | None = None
    place: Place | None = None


def listed(numbers: Iterable[int], most: int = 6) -> str:
    """Some numbers, in words.

    >>> listed([1, 2, 3]), listed(range(9), 2)
    ('1, 2 and 3', '0, 1 and 7 others')
    """
    words = [str(n) for n in numbers]
    if len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
