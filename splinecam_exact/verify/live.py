"""Which nodes' values are still needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from splinecam_exact.verify.steps import Linear, Step


class Reader(Protocol):
    """A node of any kind."""

    @property
    def sources(self) -> tuple[int, ...]:
        """The nodes that it reads."""


def schedule(steps: Sequence[Reader]) -> list[tuple[int, bool, set[int]]]:
    """The nodes that the last one depends on, in order: each with whether it alone reads its first source, and what to
    keep after it.
    """
    wanted = {len(steps)}
    for number in range(len(steps), 0, -1):
        if number in wanted:
            wanted.update(steps[number - 1].sources)
    order = sorted(wanted - {0})
    readers = [source for number in order for source in steps[number - 1].sources]
    last = {source: number for number in order for source in steps[number - 1].sources} | {len(steps): len(steps) + 1}
    return [
        (number, readers.count(steps[number - 1].sources[0]) == 1, {n for n in wanted if n <= number < last.get(n, 0)})
        for number in order
    ]


class Liveness:
    """For a list of nodes (numbered from 1): which matter for a later layer of units, or as `outputs`, if these do."""

    def __init__(self, steps: list[Step], outputs: bool) -> None:
        self.readers: list[list[int]] = [[] for _ in range(len(steps) + 1)]
        for number, step in enumerate(steps, 1):
            for source in set(step.sources):
                self.readers[source].append(number)
        self.units = [number for number, step in enumerate(steps, 1) if not isinstance(step, Linear)]
        self._last = len(steps) if outputs else -1
        useful = [False] * (len(steps) + 1)
        self.read = [False] * (len(steps) + 1)
        """Whether a node's values matter to units after it, or as outputs."""
        for number in range(len(steps), -1, -1):
            self.read[number] = number == self._last or any(useful[r] for r in self.readers[number])
            useful[number] = self.read[number] or number in self.units
        self._useful = useful

    def during(self, number: int) -> set[int]:
        """The nodes whose values are needed once layer `number` has cut."""
        return self.after(number) | {
            j for j, readers in enumerate(self.readers[:number]) if number in readers and self.read[number]
        }

    def after(self, number: int) -> set[int]:
        """The nodes up to `number` whose values are needed after it."""
        return {
            j
            for j, readers in enumerate(self.readers[: number + 1])
            if j == self._last or any(r > number and self._useful[r] for r in readers)
        }
