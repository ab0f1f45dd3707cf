"""Every degeneracy by name, as a hypothesis strategy for `Problem`s. Needs hypothesis: the extra `[testing]`.

Each draws the free choices of a family in `degeneracies`, so what it draws is degenerate by construction, and shrinks.
`size` is about the number of units that cut (see `degeneracies.build`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

from hypothesis import strategies as st

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.degeneracies import FAMILIES, build, known_problems
from splinecam_exact.testing.strategies import polygons, quarters

T = TypeVar("T")
Problems = st.SearchStrategy[Problem]


class DrawnChooser(Chooser):
    """Choices drawn by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


@st.composite
def problems(draw: st.DrawFn, category: str, size: int | None = None) -> Problem:
    """Problems of the family `category`, one of `degeneracies.FAMILIES`."""
    return build(category, DrawnChooser(draw), category, size)


def networks(size: int | None = None) -> Problems:
    """Problems of every family, from generic to degenerate: the general case first, so that it is shrunk to."""
    return st.sampled_from(list(FAMILIES)).flatmap(lambda category: problems(category, size))


def domains() -> st.SearchStrategy[Polygon]:
    """Convex polygons with rational corners: a square, triangle, kite, ..., perhaps moved, sheared, large or thin."""
    return polygons().map(Polygon)


@st.composite
def slices(draw: st.DrawFn, inputs: int = 3) -> Slice:
    """Planes in a space of `inputs` >= 2 dimensions, with a polygon: along two axes, through points, or nearly flat.

    Two rows of the basis are independent by construction; the other inputs are constant, or multiples of 1/4, or, in
    a plane that is nearly a line, differ in the last place only.
    """
    first, second = draw(st.permutations(range(inputs)))[:2]
    origin = draw(st.lists(quarters(), min_size=inputs, max_size=inputs))
    u = [Fraction(0)] * inputs
    v = [Fraction(0)] * inputs
    kind = draw(st.sampled_from(("axes", "sloping", "nearly flat")))
    if kind != "axes":
        u, v = (draw(st.lists(quarters(), min_size=inputs, max_size=inputs)) for _ in range(2))
    u[first], u[second], v[first], v[second] = Fraction(1), Fraction(0), Fraction(0), Fraction(1)
    if kind == "nearly flat":
        v = [x + y / 2**50 for x, y in zip(u, v, strict=True)]
    return Slice(origin, [u, v], draw(domains()))


def known() -> Problems:
    """The known answers whose every number is a float64."""
    return st.sampled_from(known_problems())


def generic(size: int | None = None) -> Problems:
    """Nothing degenerate."""
    return problems("generic", size)


def concurrent(size: int | None = None) -> Problems:
    """Three or more breaklines through one point."""
    return problems("concurrent", size)


def duplicate(size: int | None = None) -> Problems:
    """Units that are there twice."""
    return problems("duplicate", size)


def scaled_duplicate(size: int | None = None) -> Problems:
    """Units that are positive multiples of others."""
    return problems("scaled_duplicate", size)


def opposite(size: int | None = None) -> Problems:
    """Units that are negative multiples of others."""
    return problems("opposite", size)


def through_corner(size: int | None = None) -> Problems:
    """Breaklines through a corner of the domain."""
    return problems("through_corner", size)


def along_edge(size: int | None = None) -> Problems:
    """Breaklines along a side of the domain."""
    return problems("along_edge", size)


def along_diagonal(size: int | None = None) -> Problems:
    """Breaklines through two corners of the domain."""
    return problems("along_diagonal", size)


def tangency(size: int | None = None) -> Problems:
    """Breaklines that touch in a point only."""
    return problems("tangency", size)


def identically_zero(size: int | None = None) -> Problems:
    """Units that are 0 on a whole cell."""
    return problems("identically_zero", size)


def dead_unit(size: int | None = None) -> Problems:
    """Units that never change state in the domain."""
    return problems("dead_unit", size)


def constant(size: int | None = None) -> Problems:
    """Units without weights."""
    return problems("constant", size)


def same_line_two_layers(size: int | None = None) -> Problems:
    """Breaklines of the second layer along those of the first."""
    return problems("same_line_two_layers", size)


def bias_free(size: int | None = None) -> Problems:
    """No biases in any layer."""
    return problems("bias_free", size)


def near_parallel_ulp(size: int | None = None) -> Problems:
    """Breaklines that cross at an angle of one ulp."""
    return problems("near_parallel_ulp", size)


def one_ulp_apart(size: int | None = None) -> Problems:
    """Parallel breaklines one ulp apart."""
    return problems("one_ulp_apart", size)


def sliver(size: int | None = None) -> Problems:
    """Tiny triangles and thin strips."""
    return problems("sliver", size)


def large_scale(size: int | None = None) -> Problems:
    """Large rows, or a large domain."""
    return problems("large_scale", size)


def small_scale(size: int | None = None) -> Problems:
    """Small rows, or a small domain."""
    return problems("small_scale", size)


def wide(size: int | None = None) -> Problems:
    """One wide layer."""
    return problems("wide", size)


def deep(size: int | None = None) -> Problems:
    """Many narrow layers."""
    return problems("deep", size)
