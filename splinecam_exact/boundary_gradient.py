"""The direction in which a combination of a network's outputs grows fastest, in the input space."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gmpy2 import lcm, mpq, mpz

from splinecam_exact.kernel.program import PieceUnit, Program, RowStep
from splinecam_exact.rounding import nearest


def gradient(program: Program, point: Sequence[mpq], terms: Sequence[tuple[int, int]]) -> list[float]:
    """The gradient of a sum of factor * output at a point, as floats whose largest absolute value is 1, or zeros.

    `terms` are (output, factor). It is exact but for that rounding, and that of one of the cells around the point.
    Cost: a pass over the weights of the network, in integers.

    >>> from splinecam_exact import Network
    >>> program = Network.from_layers([([[1, 2], [1, -1]], [0, 0]), ([[1, 1], [0, 1]], [0, 0])]).program()
    >>> gradient(program, [mpq(1), mpq(0)], [(0, 1), (1, -1)])
    [0.5, 1.0]
    """
    pattern = program.pattern(point)
    common = lcm(*(program.denominator[program.outputs[k]] for k, _ in terms))
    slopes: defaultdict[int, mpz] = defaultdict(mpz)
    for k, factor in terms:
        number = program.outputs[k]
        slopes[number] += factor * common // program.denominator[number]
    for step in reversed(program.steps):
        number = step.first
        if isinstance(step, RowStep):
            for indices, matrix, _ in step.blocks:
                for coefs in matrix:
                    if slope := slopes.get(number):
                        for j, w in zip(indices, coefs, strict=True):
                            slopes[j] += slope * w
                    number += 1
            continue
        for unit, state in zip(step.units, step.states(pattern), strict=True):
            if slope := slopes.get(number):
                if isinstance(unit, PieceUnit):
                    slopes[unit.source] += slope * unit.pieces[state >> 1][0]
                else:
                    j, w = unit.members[(state & -state).bit_length() - 1]
                    slopes[j] += slope * w
            number += 1
    found = [slopes[k] for k in range(program.inputs)]
    largest = max(map(abs, found)) or mpz(1)
    return [nearest(slope, largest) for slope in found]
