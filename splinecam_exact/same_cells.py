"""Exact answers at many points of one cell: its affine map once, then a product for each point.

Points that were sampled on a boundary exactly are zeros at which no bound decides, but they are in few cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import mul

from gmpy2 import lcm, mpq, mpz

from splinecam_exact.kernel.program import Program
from splinecam_exact.local_maps import gradient
from splinecam_exact.network import Network
from splinecam_exact.questions import Question, top_class


class CellAnswers:
    """Answers one question at points whose cells are told apart by keys, if they are known, one key for each point."""

    def __init__(self, net: Network, asked: Question, keys: Sequence[bytes | None]) -> None:
        self._net, self._asked = net, asked
        self._counts = Counter(keys)
        self._few = worthwhile(asked, net.output_size)
        self._cells: dict[bytes, Cell] = {}

    def answer(self, x: Sequence[mpq], key: bytes | None) -> int:
        """The answer at one of the points."""
        program = self._net.program()
        if key is None or self._counts[key] < self._few:
            return self._asked.answer(program.evaluate(x))
        if key not in self._cells:
            self._cells[key] = Cell(program, self._asked, x)
        return self._cells[key].answer(x)


class Cell:
    """The values that a question compares, as integer forms on the open cell that a point is in."""

    def __init__(self, program: Program, asked: Question, x: Sequence[mpq]) -> None:
        self._is_argmax = asked.is_argmax
        outputs, pattern = program.evaluate(x), program.pattern(x)
        forms = []
        for coefficients in compared(asked, len(outputs)):
            slope = gradient(program, pattern, coefficients)
            value = sum((c * outputs[k] for k, c in coefficients.items()), -asked.level)
            forms.append([*slope, value - sum(map(mul, slope, x), mpq(0))])
        common = lcm(mpz(1), *(c.denominator for form in forms for c in form))
        self._forms = [[c.numerator * (common // c.denominator) for c in form] for form in forms]

    def answer(self, x: Sequence[mpq]) -> int:
        """The answer at a point of the same cell."""
        one = lcm(mpz(1), *(c.denominator for c in x))
        point = [*(c.numerator * (one // c.denominator) for c in x), one]
        values = [sum(map(mul, form, point), mpz(0)) for form in self._forms]
        return top_class(values) if self._is_argmax else (values[0] > 0) - (values[0] < 0)


def compared(asked: Question, outputs: int) -> list[dict[int, mpq]]:
    """The combinations of outputs that an answer depends on."""
    if asked.positive is None:
        return [{k: mpq(1)} for k in range(outputs)]
    return [{asked.positive: mpq(1)} | ({} if asked.negative is None else {asked.negative: mpq(-1)})]


def worthwhile(asked: Question, outputs: int) -> int:
    """At how many points of a cell its affine map costs less than an evaluation of the network at each."""
    return 2 * (2 + len(compared(asked, outputs)))
