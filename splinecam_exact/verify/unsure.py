"""The exact breaklines of the units that are not known to be in one state on a face (proofs/fast.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.decide import Decider
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.kernel.dcel import Line
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, UnitStep
from splinecam_exact.verify.history import Bools, Ints, States

PREFIX = 4
"""How many bytes of a pattern tell faces apart while they are rebuilt."""

NOWHERE: dict[int, Line] = {s: (mpz(0), mpz(0), mpz(s)) for s in (-1, 0, 1)}
"""Lines of constants: what stands for a breakline of a known sign."""


class Unsure(NamedTuple):
    """What is known of a layer's units on some faces: `states` (faces, units), but for the `unknown` ones (bool)."""

    unknown: Bools
    states: States


def of_cuts(positive: Bools, doubtful: Ints, corners: Ints, starts: Ints, places: int) -> Unsure:
    """Units whose cuts have different signs at the corners of a face, or a doubtful one.

    `positive` (vertices, cuts) are the signs, `doubtful` (n, 2) vertices and cuts. The corners of face f are the
    vertices `corners[starts[f] : starts[f + 1]]`.
    """
    above = positive[corners]
    low, high = (np.logical_and.reduceat(above, starts[:-1]), np.logical_or.reduceat(above, starts[:-1]))
    unknown = low != high
    order = np.argsort(corners, kind="stable")
    begin, end = (np.searchsorted(corners[order], doubtful[:, 0], side) for side in ("left", "right"))
    count = end - begin
    at = np.repeat(end - np.cumsum(count), count) + np.arange(count.sum())
    face = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    unknown[face[order[at]], np.repeat(doubtful[:, 1], count)] = True
    shape = (len(unknown), unknown.shape[1] // places, places)
    states = 2 * low.reshape(shape).sum(2, dtype=np.min_scalar_type(2 * places))
    return Unsure(unknown.reshape(shape).any(2), states)


class Question:
    """The units that are unknown on any of some faces, as a layer of the kernel, and its breaklines on each face.

    `faces` are those that `patterns` belong to, `first_cut` the number of the layer's first cut.
    """

    def __init__(self, layer: UnitStep, unsure: Unsure, patterns: list[bytes], first_cut: int) -> None:
        self.layer, self.unsure, self.patterns, self.first_cut = layer, unsure, patterns, first_cut
        self.chosen: Ints = np.flatnonzero(unsure.unknown.any(0))
        self.step = UnitStep(0, [layer.units[k] for k in self.chosen.tolist()], 0, PREFIX)

    def lines(self, decider: Decider) -> Iterator[list[Line]]:
        """The breaklines on each face, exactly; those of known units as lines of constants."""
        face, place = np.nonzero(self.unsure.unknown[:, self.chosen])
        units = self.chosen[place]
        exact = iter(self._exact(decider, face, units))
        rows = self.unsure.states[:, self.chosen]
        for row, unknown in zip(rows.tolist(), self.unsure.unknown[:, self.chosen].tolist(), strict=True):
            cuts: list[Line] = []
            for unit, state, open_ in zip(self.step.units, row, unknown, strict=True):
                cuts += next(exact) if open_ else _known(unit, state)
            yield cuts

    def _exact(self, decider: Decider, face: Ints, units: Ints) -> list[list[Line]]:
        """The breaklines of some units, each on a face."""
        members = [self.layer.units[k].sources for k in units.tolist()]
        if members and isinstance(self.layer.units[0], GroupUnit):
            sizes = [len(m) for m in members]
            numbers = np.array([j for m in members for j in m], np.int64)
            found = iter(decider.values(self.patterns, numbers, np.repeat(face, sizes)))
            groups = [self.layer.units[k] for k in units.tolist()]
            return [_pairs(group, [next(found) for _ in m]) for group, m in zip(groups, members, strict=True)]
        places = len(self.layer.units[0].cuts) if units.size else 1  # type: ignore[union-attr]
        cuts = self.first_cut + units[:, np.newaxis] * places + np.arange(places)
        forms = decider.forms(self.patterns, cuts.ravel(), np.repeat(face, places))
        return [forms[k : k + places] for k in range(0, len(forms), places)]

    def states(self, made: list[bytes], parent: list[int]) -> States:
        """The states of all units of the layer, from what the kernel made of the chosen ones."""
        found = self.unsure.states[parent]
        width = self.step.width
        raw = np.frombuffer(b"".join(pattern[PREFIX:] for pattern in made), f"<u{width}")
        found[:, self.chosen] = raw.reshape(len(made), len(self.chosen))
        return found

    @property
    def names(self) -> list[bytes]:
        """A pattern for each face, different from the others."""
        return [f.to_bytes(PREFIX, "little") for f in range(len(self.patterns))]


def _pairs(group: PieceUnit | GroupUnit, forms: list[Line]) -> list[Line]:
    """The differences of the members of a group."""
    scaled = [(m * a, m * b, m * c) for (_, m), (a, b, c) in zip(_members(group), forms, strict=True)]
    return [(a - d, b - e, c - f) for (a, b, c), (d, e, f) in combinations(scaled, 2)]


def _members(group: PieceUnit | GroupUnit) -> tuple[tuple[int, mpz], ...]:
    return group.members if isinstance(group, GroupUnit) else ()


def _known(unit: PieceUnit | GroupUnit, state: int) -> list[Line]:
    """Lines of constants that put a unit in a state: it is on an open piece; those that lose do not matter."""
    if isinstance(unit, PieceUnit):
        return [NOWHERE[1 if 2 * k < state else -1] for k in range(len(unit.cuts))]
    largest = [state >> k & 1 for k in range(len(unit.members))]
    return [NOWHERE[j - k] for j, k in combinations(largest, 2)]


def corners_of(mesh: Mesh, faces: Ints) -> tuple[Ints, Ints]:
    """The vertices of some faces, one face after another, and where each begins; the total comes last."""
    start = mesh.start.cpu().numpy()
    sizes = np.diff(start)[faces]
    ends = np.cumsum(sizes)
    at = np.repeat(start[faces] - ends + sizes, sizes) + np.arange(ends[-1] if len(ends) else 0)
    return mesh.origin.cpu().numpy()[at], np.concatenate([[0], ends])
