"""How far the values of units are above their breakpoints, computed where it is asked for, and not stored."""

from __future__ import annotations

import torch
from torch import Tensor


class Heights:
    """The heights of cuts at vertices. Units have values `value` (V, n), and breakpoints `levels` (1 or n, m).

    Cut k * m + j is unit k at breakpoint j. Lists of vertices and of cuts are indices, as of a tensor (V, n * m).
    Without levels, each unit has one, at 0.
    """

    def __init__(self, value: Tensor, levels: Tensor | None = None) -> None:
        self.value, self.levels = value, levels
        self.shape = value.shape[0], value.shape[1] * (1 if levels is None else levels.shape[1])

    def __getitem__(self, at: tuple[Tensor, Tensor]) -> Tensor:
        vertices, cuts = at
        if self.levels is None:
            return self.value[vertices, cuts]
        unit, level = breakpoint_of(self.levels, cuts)
        return self.value[vertices, unit] - level

    def rows(self, low: int, high: int) -> Tensor:
        """All heights at the vertices from `low` to `high`."""
        part = self.value[low:high]
        return part if self.levels is None else (part.unsqueeze(2) - self.levels).flatten(1)


def breakpoint_of(levels: Tensor, cuts: Tensor) -> tuple[Tensor, Tensor]:
    """The unit and the breakpoint of each of some cuts."""
    rows, places = levels.shape
    units = torch.div(cuts, places, rounding_mode="floor")
    return units, levels[units % rows, cuts - units * places]
