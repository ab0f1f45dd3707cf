"""Integer affine forms of chosen values on many cells at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from splinecam_exact.decide.digits import Floats, Ints, from_digits
from splinecam_exact.decide.plan import Plan, Precision
from splinecam_exact.decide.sliced import Block, Store, Units
from splinecam_exact.kernel.program import UnitStep

Form = tuple[mpz, mpz, mpz]
Watch = Callable[[int, int], object]

MEMORY = 1 << 25
"""Bytes that the cells of a batch may take."""

FEW = 64
"""In the last step, rows are computed one by one if at most one in so many is asked for."""


def evaluate(
    plan: Plan, precision: Precision, keys: Sequence[bytes], key: Ints, number: Ints, watch: Watch | None = None
) -> list[Form]:
    """The form of value number[r] on the cell with pattern keys[key[r]], in units of its step's lowest digit.

    A key is a pattern, or as much of it as the values asked of it need. Keys with a common prefix share the steps that
    it decides. `watch` is called with how many keys are done, of how many; it may raise.
    """
    steps = plan.steps_of(number)
    last = np.zeros(len(keys), np.int64)
    np.maximum.at(last, key, steps)
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(keys))
    rank = rank[key]
    by_rank = np.argsort(rank, kind="stable")
    stop = int(last.max(initial=0))
    width = max((step.stop for step in plan.program.steps[:stop] if isinstance(step, UnitStep)), default=0)
    size = max(1, MEMORY // plan.cell_size(precision.low, stop))
    found: list[Form] = [(mpz(0), mpz(0), mpz(0))] * len(key)
    for start in range(0, len(keys), size):
        some = order[start : start + size]
        low, high = np.searchsorted(rank[by_rank], (start, start + size))
        mine = by_rank[low:high]
        raw = b"".join(keys[k][:width].ljust(width, b"\0") for k in some)
        patterns = np.frombuffer(raw, np.uint8).reshape(len(some), width)
        batch = Batch(plan, precision, patterns, last[some], rank[mine] - start, number[mine], steps[mine])
        for places, forms in batch.run():
            for r, form in zip(mine[places].tolist(), forms, strict=True):
                found[r] = form
        if watch is not None:
            watch(start + len(some), len(keys))
    return found


class Batch:
    """Sorted patterns, the last step each is needed in, and requests (pattern, value, its step)."""

    def __init__(
        self,
        plan: Plan,
        precision: Precision,
        patterns: NDArray[np.uint8],
        last: Ints,
        owner: Ints,
        number: Ints,
        steps: Ints,
    ) -> None:
        self.plan, self.low, self.patterns, self.last = plan, precision.low, patterns, last
        self.owner, self.number, self.steps = owner, number, steps
        self.cell = np.zeros(len(patterns), np.int64)  # of each pattern: the cell of its prefix so far
        self.cells = 1
        start = np.zeros((1, 3, 1, plan.program.inputs))
        start[0, [0, 1], 0, [0, 1]] = 1
        self.store: Store = {0: Block(start, 0)}
        self.stop = int(last.max(initial=0))

    def run(self) -> list[tuple[Ints, list[Form]]]:
        """(places of requests, their forms), step by step."""
        found = []
        for n in range(self.stop + 1):
            mine = np.flatnonzero(self.steps == n)
            owner, place = self.owner[mine], self.number[mine] - self.plan.firsts[n]
            if self._few(n, len(mine)):
                digits = self._rows(n, owner, place)
            else:
                if n:
                    self.advance(n)
                digits = self.store[n].data[self.cell[owner], :, :, place]
            if len(mine):
                numbers = iter(from_digits(digits.reshape(3 * len(mine), -1), self.plan.bits))
                found.append((mine, list(zip(numbers, numbers, numbers, strict=True))))
            self.forget(n)
        return found

    def forget(self, n: int) -> None:
        """Drop what is read by no step after n."""
        for k in [k for k in self.store if self.plan.last_read[k] <= n]:
            del self.store[k]

    def _few(self, n: int, count: int) -> bool:
        """Whether to compute only the rows that are asked for, one by one."""
        few = n == self.stop and count * FEW <= self.cells * self.plan.counts[n]
        return few and n > 0 and not isinstance(self.plan.operations[n - 1], Units)

    def _rows(self, n: int, owner: Ints, place: Ints) -> Floats:
        """The digits of single rows of a step, shape (rows, 3, digits)."""
        digits = np.zeros((len(place), 3, 1))
        for group in self.plan.groups(n):
            mine, rows = group.find(place)
            if not len(mine):
                continue
            x, cells = group.pick(self.store, self.cells), self.cell[owner[mine]]
            some = group.some(x, self.low[n], cells, rows)[..., 0]
            digits = _padded(digits, some.shape[2])
            digits[mine, :, : some.shape[2]] = some
        return digits

    def advance(self, n: int) -> None:
        """Compute all values of a step."""
        operation = self.plan.operations[n - 1]
        if isinstance(operation, Units):
            self._enter(n, operation)
            return
        digits = np.zeros((self.cells, 3, 1, self.plan.counts[n]))
        for group in operation:
            some = group(group.pick(self.store, self.cells), self.low[n])
            if len(operation) == 1 and isinstance(group.rows, slice):
                digits = some
                break
            digits = _padded(digits, some.shape[2])
            digits[:, :, : some.shape[2], group.rows] = some
        self.store[n] = Block(digits, self.low[n])

    def _enter(self, n: int, units: Units) -> None:
        """Tell the cells apart by the states of a step, keep those that are still needed, and compute its values."""
        alive = np.flatnonzero(self.last >= n)
        prefixes = self.patterns[alive, : units.step.stop]
        new = np.ones(len(alive), bool)
        new[1:] = (prefixes[1:] != prefixes[:-1]).any(1)
        parents = self.cell[alive[new]]
        x = units.pick(self.store, self.cells)
        self.cell[alive] = np.cumsum(new) - 1
        self.cells = len(parents)
        digits = units(x, parents, units.chosen(prefixes[new]), self.low[n])
        self.store = {k: Block(b.data[parents], b.low) for k, b in self.store.items() if self.plan.last_read[k] > n}
        self.store[n] = Block(digits, self.low[n])


def _padded(digits: Floats, count: int) -> Floats:
    """The same integers with at least so many digits."""
    missing = max(0, count - digits.shape[2])
    return np.pad(digits, [(0, missing if axis == 2 else 0) for axis in range(digits.ndim)])
