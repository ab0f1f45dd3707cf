"""`line`: a network on the segment between two inputs, exactly: breakpoints, affine pieces, boundary crossings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from gmpy2 import mpq

from splinecam_exact.arrays import exact
from splinecam_exact.kernel.errors import InputError, Undecided
from splinecam_exact.kernel.program import Program
from splinecam_exact.line_pieces import Sweep, Whole, changes, tied, tops
from splinecam_exact.local_maps import Vector, checked, states
from splinecam_exact.network import Network
from splinecam_exact.questions import Question, question


@dataclass(frozen=True)
class Piece:
    """An interval [start, stop] of t between two breakpoints; there the outputs are slope * t + offset."""

    start: mpq
    stop: mpq
    slope: Vector
    offset: Vector
    _states: bytes = field(repr=False)
    _program: Program = field(repr=False, compare=False)

    @property
    def pattern(self) -> tuple[int, ...]:
        """The states of all units on the open interval, as in `Face.pattern`; 2k + 1: at breakpoint k all along it."""
        return states(self._program, self._states)

    def outputs(self, t: object) -> Vector:
        """The outputs of this piece's map at t."""
        at = exact(t)
        return tuple(a * at + b for a, b in zip(self.slope, self.offset, strict=True))


class Change(NamedTuple):
    """A unit's number and its states before and after a breakpoint."""

    unit: int
    before: int
    after: int


class Breakpoint(NamedTuple):
    """A parameter t in the open segment at which units change their states, and the units that change.

    `touched` are the units that are at a breakpoint of theirs, or tied, at t alone, and have the same state on both
    sides.
    """

    t: mpq
    changes: tuple[Change, ...]
    touched: tuple[int, ...]


class Crossing(NamedTuple):
    """Where the segment is on the boundary: at t = start = stop, or all along [start, stop].

    `before` and `after` are the signs on either side, or, for the arg-max, the classes on top, those in a tie all
    together; None where the segment ends.
    """

    start: mpq
    stop: mpq
    before: int | tuple[int, ...] | None
    after: int | tuple[int, ...] | None

    @property
    def kind(self) -> str:
        """One of "crosses", "touches" (the same answer on both sides), "fills" (an interval), "ends" (t is 0 or 1)."""
        if self.start < self.stop:
            return "fills"
        if self.before is None or self.after is None:
            return "ends"
        return "touches" if self.before == self.after else "crosses"


class Line:
    """A network on the segment (1 - t) p + t q, t from 0 to 1. `pieces` are in order; see `line`."""

    def __init__(
        self, net: Network, p: Vector, q: Vector, asked: Question, found: list[Whole], met: dict[mpq, set[int]]
    ) -> None:
        self.net, self.p, self.q, self.question = net, p, q, asked
        program = net.program()
        self.pieces = [Piece(w.low, w.high, w.slopes, w.offsets, w.pattern, program) for w in found]
        self._met = met

    def point(self, t: object) -> Vector:
        """The exact input at t."""
        at = exact(t)
        return tuple(a + at * (b - a) for a, b in zip(self.p, self.q, strict=True))

    def outputs(self, t: object) -> Vector:
        """The exact outputs at t in [0, 1]."""
        at = exact(t)
        for piece in self.pieces:
            if piece.start <= at <= piece.stop:
                return piece.outputs(at)
        raise InputError(f"t must be between 0 and 1, not {at}")

    @cached_property
    def breakpoints(self) -> list[Breakpoint]:
        """Where units change, in order."""
        found = []
        for one, other in pairwise(self.pieces):
            pairs = enumerate(zip(one.pattern, other.pattern, strict=True))
            changed = tuple(Change(unit, a, b) for unit, (a, b) in pairs if a != b)
            touched = self._met.get(one.stop, set()).difference(c.unit for c in changed)
            found.append(Breakpoint(one.stop, changed, tuple(sorted(touched))))
        return found

    @cached_property
    def crossings(self) -> list[Crossing]:
        """Where the segment is on the boundary, in order."""
        places, answers, on = [mpq(0)], list[int | tuple[int, ...]](), list[bool]()
        for piece in self.pieces:
            forms = self._forms(piece)
            ends = [piece.start, *changes(forms, piece.start, piece.stop), piece.stop]
            on += [len(tied(forms, t)) > 1 for t in ends[:-1]]
            for low in ends[:-1]:
                answers.append(self._answer(tops(forms, low)))
            places += ends[1:]
        on.append(len(tied(self._forms(self.pieces[-1]), mpq(1))) > 1)
        found, k = [], 0
        while k < len(places):
            first = k
            if on[k]:
                while k < len(answers) and self._is_on(answers[k]):
                    k += 1
                before, after = answers[first - 1] if first else None, answers[k] if k < len(answers) else None
                found.append(Crossing(places[first], places[k], before, after))
            k += 1
        return found

    def _forms(self, piece: Piece) -> list[tuple[mpq, mpq]]:
        """Functions of which two are the largest where the segment is on the boundary: the outputs, or f and -f."""
        if self.question.is_argmax:
            return list(zip(piece.slope, piece.offset, strict=True))
        f = self.question._replace(level=mpq(0)).value(piece.slope), self.question.value(piece.offset)
        return [f, (-f[0], -f[1])]

    def _answer(self, on_top: list[int]) -> int | tuple[int, ...]:
        if self.question.is_argmax:
            return tuple(on_top)
        return 0 if len(on_top) == 2 else 1 - 2 * on_top[0]

    def _is_on(self, answer: int | tuple[int, ...]) -> bool:
        return len(answer) > 1 if isinstance(answer, tuple) else answer == 0

    def __repr__(self) -> str:
        return f"<Line: {len(self.pieces)} pieces>"


def line(
    net: Network,
    p: Sequence[object],
    q: Sequence[object],
    *,
    output: int | None = None,
    classes: tuple[int, int] | None = None,
    level: object = 0,
    max_pieces: int | None = None,
) -> Line:
    """A network on the segment from input p (t = 0) to input q (t = 1), in any input dimension, exactly.

    The result has the breakpoints, with the units that change there; the pieces between them, with the outputs as
    affine functions of t; and the crossings of the boundary, which is chosen as for `certify_samples`. A unit that is
    at its breakpoint all along a piece has the odd state in its pattern. A unit that only touches its breakpoint is
    `touched`; a zero of the output that is no change of sign is a crossing of the kind "touches", and one along an
    interval "fills" it. Raises InputError where p and q are no two different points, and Undecided beyond `max_pieces`.

    Exact in rationals. Cost: about an exact evaluation of a layer for each piece before it. Source: Sotoudeh and
    Thakur, Computing linear restrictions of neural networks, NeurIPS 2019 (ExactLine).

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], ["-1/4"])])
    >>> found = line(net, [-1, 0], [1, 0])
    >>> found.breakpoints
    [Breakpoint(t=mpq(1,2), changes=(Change(unit=0, before=0, after=2),), touched=())]
    >>> found.pieces[1]
    Piece(start=mpq(1,2), stop=mpq(1,1), slope=(mpq(2,1),), offset=(mpq(-5,4),))
    >>> found.pieces[1].pattern                           # unit 1 is identically zero
    (2, 1)
    >>> found.crossings[0], found.crossings[0].kind
    (Crossing(start=mpq(5,8), stop=mpq(5,8), before=-1, after=1), 'crosses')
    """
    asked = question(net, output, classes, level)
    first, last = (tuple(exact(c) for c in checked(net, x)) for x in (p, q))
    if first == last:
        raise InputError("the ends of the segment are the same point")
    if max_pieces is not None and (type(max_pieces) is not int or max_pieces < 1):
        raise InputError(f"max_pieces must be a positive int, not {max_pieces!r}")
    sweep = Sweep(net.program(), first, last)
    found = []
    for piece in sweep.pieces():
        found.append(piece)
        if max_pieces is not None and len(found) > max_pieces:
            raise Undecided(f"the segment has more than {max_pieces} pieces")
    return Line(net, first, last, asked, found, sweep.met)
