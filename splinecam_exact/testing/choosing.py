"""Who makes the free choices of a construction: a seed, or hypothesis.

Every degenerate family is built once, as a function of a `Chooser`, and serves both: a fixed suite that needs no
hypothesis, and a strategy that shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chooser:
    """Choices from a seed, the same on every machine and with every version of Python.

    Earlier options are the simpler ones; a chooser that shrinks prefers them.

    >>> Chooser("a seed").sample([1, 2, 3, 4], 2) == Chooser("a seed").sample([1, 2, 3, 4], 2)
    True
    """

    def __init__(self, seed: str = "") -> None:
        self._random = Random(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + int(self._random.random() * (high - low + 1))  # only `random()` is promised to stay as it is

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def flag(self) -> bool:
        """True or False."""
        return self.integer(0, 1) == 1

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different entries, in any order."""
        left = list(options)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(count)]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All entries, in any order."""
        return self.sample(options, len(options))

    def fraction(self, limit: int, parts: int) -> Fraction:
        """A multiple of 1/parts in [-limit, limit]."""
        return Fraction(self.integer(-limit * parts, limit * parts), parts)

    def sign(self) -> int:
        """1 or -1."""
        return self.pick((1, -1))
