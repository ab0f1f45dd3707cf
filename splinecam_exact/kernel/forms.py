"""The affine forms of a network's values on one cell after another."""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from splinecam_exact.kernel.program import Program, RowStep


class Forms:
    """Affine forms of a two-input program's values on one cell after another.

    A value's form (a, b, c) is packed into one integer, (a << 2 * bits) + (b << bits) + c with signed fields, so that
    one multiplication does the work of three. Moving to the next cell recomputes only what the patterns' difference
    touches; neighbouring cells make that a few columns.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.bits = program.bound([mpz(1)] * program.inputs, mpz(1)).bit_length() + 2
        self.one = mpz(1)
        self.values: list[mpz] = [mpz(1) << 2 * self.bits, mpz(1) << self.bits]
        self._states: list[Sequence[int]] = []
        self._half = mpz(1) << (self.bits - 1)
        self._mask = (mpz(1) << self.bits) - 1
        self._offset = self._half * (1 + (mpz(1) << self.bits) + (mpz(1) << 2 * self.bits))

    def unpack(self, packed: mpz) -> tuple[mpz, mpz, mpz]:
        """The coefficients (a, b, c) of a packed form."""
        q = packed + self._offset
        bits, mask, half = self.bits, self._mask, self._half
        return (q >> 2 * bits) - half, ((q >> bits) & mask) - half, (q & mask) - half

    def move(self, pattern: bytes, stop: int) -> None:
        """Make `values` current for a cell with this pattern, for the first `stop` steps; `stop` never falls."""
        values = self.values
        changed: dict[int, mpz] = {}  # value number -> how much it grew
        number = 0
        for step in self.program.steps[:stop]:
            known = step.first < len(values)
            if isinstance(step, RowStep):
                if not known:
                    values.extend(step.apply(values, self.one))
                elif changed:
                    self._update_rows(step, changed)
                continue
            states = step.states(pattern)
            if not known:
                values += [u.value(values, self.one, s) for u, s in zip(step.units, states, strict=True)]
                self._states.append(states)
            else:
                old, self._states[number] = self._states[number], states
                stale = {k for k, (s, t) in enumerate(zip(states, old, strict=True)) if s != t}
                if changed:
                    stale.update(k for k, u in enumerate(step.units) if any(j in changed for j in u.sources))
                for k in sorted(stale):
                    self._set(step.first + k, step.units[k].value(values, self.one, states[k]), changed)
            number += 1

    def _set(self, number: int, value: mpz, changed: dict[int, mpz]) -> None:
        if value != self.values[number]:
            changed[number] = value - self.values[number]
            self.values[number] = value

    def _update_rows(self, step: RowStep, changed: dict[int, mpz]) -> None:
        moved = step.inputs.intersection(changed)
        if 3 * len(moved) > len(step.inputs):
            for k, value in enumerate(list(step.apply(self.values, self.one))):
                self._set(step.first + k, value, changed)
            return
        growth: dict[int, mpz] = {}
        for j in moved:
            delta = changed[j]
            for number, coef in step.column(j):
                growth[number] = growth.get(number, 0) + coef * delta
        for number, delta in growth.items():
            if delta:
                changed[number] = delta
                self.values[number] += delta
