"""What is asked of a network's outputs at a point: a sign, or which classes are on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpq, mpz

from splinecam_exact._text import brief
from splinecam_exact.arrays import Floats, exact
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.network import Network
from splinecam_exact.rounding import nearest
from splinecam_exact.weights import Ints

TIE = -1
"""The answer of an arg-max question where several classes are on top."""


class Question(NamedTuple):
    """Where the boundary is: the zero set of `positive` output - `negative` output - `level`, or the arg-max boundary.

    `negative` is None where one output is meant. `positive` is None for the arg-max boundary: the points at which at
    least two outputs are the largest.
    """

    positive: int | None
    negative: int | None
    level: mpq

    @property
    def is_argmax(self) -> bool:
        """Whether the question is which classes are on top."""
        return self.positive is None

    def value(self, outputs: Sequence[mpq]) -> mpq:
        """The function whose zeros are the boundary: for the arg-max, how far the largest output is above the next."""
        if self.positive is None:
            first, second = sorted(outputs)[-1:-3:-1]
            return first - second
        other = 0 if self.negative is None else outputs[self.negative]
        return outputs[self.positive] - other - self.level

    def answer(self, outputs: Sequence[mpq]) -> int:
        """The sign, -1, 0 or 1; for the arg-max the class on top, or `TIE`."""
        if self.positive is None:
            return top_class(outputs)
        value = self.value(outputs)
        return (value > 0) - (value < 0)

    def on_boundary(self, answer: int) -> bool:
        """Whether an answer says that the point is on the boundary."""
        return answer == (TIE if self.is_argmax else 0)

    def proves(self, first: int, second: int) -> bool:
        """Whether the answers at two points prove that the boundary meets the segment between them."""
        return first != second or self.on_boundary(first)

    def guess(self, outputs: Floats, errors: Floats) -> tuple[Ints, Floats, np.ndarray]:
        """Answers (n,) from outputs (n, m) whose errors have 2-norms <= errors (n,), the values, and which are sure.

        A value is off by less than 2 * error and 4 roundings of the largest number that it is made of.
        """
        rows = np.arange(len(outputs))
        if self.positive is None:
            answers = outputs.argmax(1)
            rest = outputs.copy()
            rest[rows, answers] = -np.inf
            terms = [outputs[rows, answers], rest.max(1)]
            values = terms[0] - terms[1]
        else:
            level = nearest(self.level.numerator, self.level.denominator)
            first = outputs[:, self.positive]
            second = np.zeros(len(outputs)) if self.negative is None else outputs[:, self.negative]
            terms = [first, second, np.full(len(outputs), level)]
            values = first - second - level
            answers = np.sign(np.nan_to_num(values)).astype(np.int64)
        sizes = np.sum(np.abs(terms), axis=0)
        with np.errstate(invalid="ignore", over="ignore"):
            sure = abs(values) > (2 * errors + 2.0**-50 * sizes) * (1 + 2.0**-20) + 2.0**-800
        return answers, values, sure & np.isfinite(values)

    def text(self) -> str:
        """The boundary in words.

        >>> Question(0, None, mpq(1, 2)).text()
        'output 0 = 1/2'
        """
        if self.positive is None:
            return "two outputs are the largest"
        other = "" if self.negative is None else f" - output {self.negative}"
        return f"output {self.positive}{other} = {self.level}"


def question(net: Network, output: object = None, classes: object = None, level: object = 0) -> Question:
    """The question that options name: of one output, or the difference of two, at a level, or of the arg-max.

    By default output 0 of a network with one output, and the arg-max of one with several. Raises InputError.
    """
    if not isinstance(net, Network):
        raise InputError(f"a Network is needed, not {type(net).__name__}")
    height = exact(level)
    if output is not None and classes is not None:
        raise InputError("give an output or two classes, not both")
    if classes is not None:
        if not isinstance(classes, tuple | list) or len(classes) != 2:
            raise InputError(f"classes must be two different outputs, not {brief(classes)}")
        first, second = (_output(net, number) for number in classes)
        if first == second:
            raise InputError(f"classes must be two different outputs, not {brief(classes)}")
        return Question(first, second, height)
    if output is not None or net.output_size == 1:
        return Question(_output(net, 0 if output is None else output), None, height)
    if height:
        raise InputError("the arg-max boundary has no level: choose an output or two classes")
    return Question(None, None, height)


def top_class(outputs: Sequence[mpq] | Sequence[mpz]) -> int:
    """The class of the largest output, or `TIE`."""
    largest = max(outputs)
    first = outputs.index(largest)
    return TIE if largest in outputs[first + 1 :] else first


def _output(net: Network, number: object) -> int:
    if isinstance(number, np.integer):
        number = int(number)
    if type(number) is not int or not 0 <= number < net.output_size:
        raise InputError(f"there is no output {brief(number)}, only 0 to {net.output_size - 1}")
    return number
