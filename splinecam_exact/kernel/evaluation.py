"""Exact evaluation of a network at many points: they lie side by side in one integer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gmpy2 import mpz, pack, unpack

from splinecam_exact.kernel.program import PieceUnit, Program, RowStep
from splinecam_exact.kernel.rational import Point

BATCH, BATCH_BITS = 256, 1 << 17
"""At most so many points are evaluated together, packed into integers of about so many bits."""


class Values(NamedTuple):
    """What the network does at one point: which comparisons are >= 0 and > 0, a bit each; and its integer outputs."""

    at_least: mpz
    above: mpz
    outputs: list[mpz]


Evaluate = Callable[[Program, Sequence[Point], Callable[[], object]], Iterable[Values]]
"""(program, points, tick): the values at the points, in order; `tick` is called now and then, and may raise."""


def evaluate(program: Program, points: Sequence[Point], tick: Callable[[], object]) -> Iterator[Values]:
    """Evaluate the network exactly at every point; those that are alike together."""
    sizes = [max(map(abs, point)).bit_length() for point in points]
    order = sorted(range(len(points)), key=lambda v: alike(points[v]))
    growth = program.bound([mpz(1), mpz(1)], mpz(1)).bit_length()
    found: dict[int, Values] = {}
    while len(found) < len(order):
        tick()
        width = growth + max(sizes[v] for v in order[len(found) : len(found) + BATCH]) + 2
        batch = order[len(found) : len(found) + max(1, min(BATCH, BATCH_BITS // width))]
        found.update(zip(batch, _Batch([points[v] for v in batch], width).run(program), strict=True))
    return (found[v] for v in range(len(points)))


def alike(point: Point) -> tuple[int, mpz]:
    """To sort by: at points of one size no slot is much too wide, and at neighbours more units are off at all."""
    return max(map(abs, point)).bit_length() // 64, (point[0] << 64) // point[2]


class _Batch:
    """Points side by side: one integer holds a signed number per point, each in a slot of `width` bits."""

    def __init__(self, points: list[Point], width: int) -> None:
        self.width, self.count = width, len(points)
        self.ones = pack([mpz(1)] * len(points), width)
        self.top = self.ones << (width - 1)
        x, y, w = (pack([p[k] + (mpz(1) << (width - 1)) for p in points], width) - self.top for k in range(3))
        self.values, self.one = [x, y], w
        self.at_least: list[mpz] = []  # bit k of a point's slot in entry j: comparison j * width + k is >= 0,
        self.above: list[mpz] = []  # and the same for > 0
        self.compared = 0

    def run(self, program: Program) -> Iterator[Values]:
        """The signs of all comparisons and the outputs, point by point."""
        for step in program.steps:
            if isinstance(step, RowStep):
                self.values += step.apply(self.values, self.one)
            else:
                self.values += [
                    self._piece(u)
                    if isinstance(u, PieceUnit)
                    else self._largest([m * self.values[j] for j, m in u.members])
                    for u in step.units
                ]
        masks = zip(self._masks(self.at_least), self._masks(self.above), strict=True)
        half = mpz(1) << (self.width - 1)
        outputs = [unpack(self.values[j] + self.top, self.width) for j in program.outputs]
        for k, (at_least, above) in enumerate(masks):
            yield Values(at_least, above, [field[k] - half for field in outputs])

    def _piece(self, unit: PieceUnit) -> mpz:
        x = self.values[unit.source]
        y = self._linear(unit.pieces[0], x)
        for cut, jump in zip(unit.cuts, unit.jumps, strict=True):
            y += jump * self._compare(self._linear(cut, x))
        return y

    def _linear(self, form: tuple[mpz, mpz], x: mpz) -> mpz:
        m, c = form
        y = x if m == 1 else m * x
        return y + c * self.one if c else y

    def _largest(self, members: list[mpz]) -> mpz:
        largest = members[0]
        for member in members[1:]:
            largest += self._positive(member - largest + self.top)[1]
        for member in members:
            self._compare(largest - member)
        return largest

    def _positive(self, raised: mpz) -> tuple[mpz, mpz]:
        """Of numbers raised by `top`: the slots that are >= 0, as their top bits, and max(number, 0) in every slot."""
        flags = raised & self.top
        return flags, raised & (flags - (flags >> (self.width - 1)))

    def _compare(self, numbers: mpz) -> mpz:
        """Note the signs of one number per point; returns max(number, 0)."""
        raised = numbers + self.top
        flags, positive = self._positive(raised)
        k = self.compared % self.width
        if k == 0:
            self.at_least.append(mpz(0))
            self.above.append(mpz(0))
        self.at_least[-1] |= flags >> (self.width - 1 - k)
        self.above[-1] |= ((raised - self.ones) & self.top) >> (self.width - 1 - k)
        self.compared += 1
        return positive

    def _masks(self, slots: list[mpz]) -> list[mpz]:
        masks = [mpz(0)] * self.count
        for j, packed in enumerate(slots):
            for k, field in enumerate(unpack(packed, self.width)):
                masks[k] |= field << (j * self.width)
        return masks
