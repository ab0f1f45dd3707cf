"""Which patterns of a tool that looks at the whole plane concern the domain.

A tool without a domain also claims the cells beyond it, rightly, and these must not count as wrong. Whether a pattern
has a cell at all, in the domain or elsewhere, is computed exactly from the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.testing.brute_force import ONE, ZERO, AffineMap, Corners, clip

if TYPE_CHECKING:
    from splinecam_exact.testing.conformance.problems import Problem

Ray = tuple[Fraction, Fraction, Fraction]
"""The point (x/w, y/w), or with w = 0 the point at infinity in the direction (x, y)."""

QUADRANTS: tuple[tuple[Ray, ...], ...] = tuple(
    ((Fraction(x), ZERO, ZERO), (ZERO, Fraction(y), ZERO), (ZERO, ZERO, ONE)) for x in (1, -1) for y in (1, -1)
)


def concerns(patterns: NDArray[np.int8], problem: Problem) -> NDArray[np.bool_]:
    """False for each pattern that has a cell in the plane, but none in the domain; True for those with none anywhere.

    Exact, in `Fraction`s: some milliseconds for each pattern of a small network.
    """
    corners = tuple((Fraction(x), Fraction(y)) for x, y in problem.domain.tolist())
    return np.array([_concerns(pattern, problem, corners) for pattern in patterns.tolist()], bool)


def _concerns(pattern: Sequence[int], problem: Problem, corners: Corners) -> bool:
    sides = half_planes(pattern, problem)
    if sides is None:
        return True  # it is no cell's pattern
    part = corners
    for side in sides:
        if part:
            part = clip(part, side)
    return bool(part) or not any(_exists(quadrant, sides) for quadrant in QUADRANTS)


def half_planes(pattern: Sequence[int], problem: Problem) -> list[AffineMap] | None:
    """The functions that are positive on the cell of a pattern; None where no cell can have it.

    A unit that is 0 everywhere where the earlier states hold may have any state, since many tools have no name for it.
    """
    signs = iter(pattern)
    values: list[AffineMap] = [(ONE, ZERO, ZERO), (ZERO, ONE, ZERO)]
    sides: list[AffineMap] = []
    for weights, bias in problem.layers[:-1]:
        after = []
        for row, constant in zip(weights.tolist(), bias.tolist(), strict=True):
            a, b, c = (sum((Fraction(w) * v[k] for w, v in zip(row, values, strict=True)), ZERO) for k in range(3))
            h = (a, b, c + Fraction(constant))
            sign = next(signs)
            if any(h):
                if sign == 0:
                    return None
                sides.append((sign * h[0], sign * h[1], sign * h[2]))
            after.append(h if sign > 0 else (ZERO, ZERO, ZERO))
        values = after
    return sides


def _exists(cone: tuple[Ray, ...], sides: list[AffineMap]) -> bool:
    """Whether a cone of points, seen in the projective plane, has an open part where all sides are positive."""
    for side in sides:
        heights = [sum((s * x for s, x in zip(side, ray, strict=True)), ZERO) for ray in cone]
        if max(heights) <= 0:
            return False
        kept: list[Ray] = []
        for k, (ray, u) in enumerate(zip(cone, heights, strict=True)):
            before, v = cone[k - 1], heights[k - 1]
            if u * v < 0:
                x, y, w = (abs(v) * p + abs(u) * q for p, q in zip(ray, before, strict=True))
                kept.append((x, y, w))
            if u >= 0:
                kept.append(ray)
        cone = tuple(kept)
    return True
