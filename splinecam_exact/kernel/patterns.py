"""Activation patterns as demands on signs."""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from splinecam_exact.kernel.certificate import Change
from splinecam_exact.kernel.errors import RefutedCertificate
from splinecam_exact.kernel.evaluation import Values
from splinecam_exact.kernel.program import GroupUnit, Program
from splinecam_exact.kernel.tiling import Face, Node, Signs


class Patterns:
    """A program's units: for each, its first comparison with 0, how many it makes, and whether it is a Max group.

    A Piecewise unit compares its input with each breakpoint, a Max group the largest member with each member.
    """

    def __init__(self, program: Program) -> None:
        self.units: list[tuple[int, int, bool]] = []
        count = 0
        for step in program.unit_steps():
            for unit in step.units:
                size = len(unit.members if isinstance(unit, GroupUnit) else unit.cuts)
                self.units.append((count, size, isinstance(unit, GroupUnit)))
                count += size
        # every state 0: below all breakpoints; no such state of a Max group
        self.zero = Signs(mpz(0), (mpz(1) << count) - 1)

    def changed(self, place: str, base: Face | None, changes: Sequence[Change]) -> Signs:
        """The demands of the base's pattern with some states changed. Raises unless these states exist."""
        at_least, at_most = base.signs if base else self.zero
        for unit, state in changes:
            if unit >= len(self.units):
                raise RefutedCertificate(place, f"there is no unit {unit}: the network has {len(self.units)}")
            first, size, is_max = self.units[unit]
            if not (0 < state < 1 << size if is_max else state <= 2 * size):
                raise RefutedCertificate(place, f"unit {unit} has no state {state}")
            field = (mpz(1) << size) - 1
            if is_max:
                low, high = field, mpz(state)  # largest - member is 0 for those that attain it, else positive
            else:
                low, high = (mpz(1) << (state + 1) // 2) - 1, field & -(mpz(1) << state // 2)
            if (at_least >> first & field, at_most >> first & field) == (low, high):
                raise RefutedCertificate(place, f"unit {unit} has state {state} in its base already")
            keep = ~(field << first)
            at_least, at_most = at_least & keep | low << first, at_most & keep | high << first
        return Signs(at_least, at_most)

    def piece(self, base: Face | None, unit: int) -> int:
        """The piece on which a Piecewise unit is."""
        first, size, _ = self.units[unit]
        below = (base.signs if base else self.zero).at_most >> first & (mpz(1) << size) - 1
        return size - below.bit_count()

    def check(self, face: Face, node: Node, values: Values) -> None:
        """Raise unless the signs at a vertex agree weakly with a pattern."""
        wrong = face.signs.at_least & ~values.at_least | face.signs.at_most & values.above
        if wrong:
            raise self.wrong(face, wrong, f"is not in its state at vertex {node.name}")

    def wrong(self, face: Face, comparisons: mpz, reason: str) -> RefutedCertificate:
        """The refutation of the first unit that makes one of these comparisons."""
        k = (comparisons & -comparisons).bit_length() - 1
        unit = next(u for u, (first, size, _) in enumerate(self.units) if first <= k < first + size)
        return RefutedCertificate(f"cells[{face.number}]", f"unit {unit} {reason}")
