"""A network's exact affine map around a point, and the nearest point of the boundary that this map has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from gmpy2 import lcm, mpq, mpz

from splinecam_exact.arrays import exact
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, Program, RowStep
from splinecam_exact.network import Network
from splinecam_exact.questions import Question, question

Vector = tuple[mpq, ...]


class Projection(NamedTuple):
    """The point nearest to x (in the 2-norm) at which the affine map of x's cell is on the boundary.

    `point` is exact, and so are its distances from x: the square of the 2-norm, the 1-norm, the maximum norm. `in_cell`
    says whether it lies in the same closed cell; then the network itself is on the boundary there, exactly.
    """

    point: Vector
    squared: mpq
    l1: mpq
    linf: mpq
    in_cell: bool


def project(
    net: Network,
    x: Sequence[object],
    *,
    output: int | None = None,
    classes: tuple[int, int] | None = None,
    level: object = 0,
) -> Projection | None:
    """The nearest boundary point of the affine map of x's cell: along the gradient, exactly.

    `x` is a point of the input space; a float denotes the rational that it stores. The boundary is chosen as for
    `certify_samples`; for the arg-max, it is that to the nearest other class. Where x is at a unit's breakpoint, on
    several cells, the piece below it is taken; of a maximum that is tied, the first member. None where the map is
    constant and not on the boundary. If `in_cell`, no point of the closed cell that is on the boundary is nearer.
    Raises InputError.

    Exact in rationals. Cost: a few exact evaluations of the network; for the arg-max, one for each class.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [-1])])
    >>> project(net, [0.5, 0.5])
    Projection(point=(mpq(2,5), mpq(3,10)), squared=mpq(1,20), l1=mpq(3,10), linf=mpq(1,5), in_cell=True)
    """
    asked = question(net, output, classes, level)
    return projection(net, [exact(c) for c in checked(net, x)], asked)


def checked(net: Network, x: object) -> list[object]:
    """The coordinates of a point of a network's input space. Raises InputError for anything else."""
    unordered = isinstance(x, str | bytes | bytearray | memoryview | Set | Mapping)
    if unordered or not isinstance(x, Iterable) or not hasattr(x, "__len__") or getattr(x, "ndim", 1) != 1:
        raise InputError(f"a point is a list of {net.input_size} numbers, not a {_kind(x)}")
    coordinates = list(x)
    if len(coordinates) != net.input_size:
        raise InputError(f"the network has {net.input_size} inputs, the point has {len(coordinates)} coordinates")
    return coordinates


def _kind(x: object) -> str:
    dimensions = getattr(x, "ndim", 1)
    return type(x).__name__ + (f" of {dimensions} dimensions" if dimensions != 1 else "")


def projection(net: Network, x: Sequence[mpq], asked: Question) -> Projection | None:
    """The same for an exact point."""
    program = net.program()
    outputs, pattern = program.evaluate(x), program.pattern(x)
    if asked.on_boundary(asked.answer(outputs)):
        return Projection(tuple(x), mpq(0), mpq(0), mpq(0), True)
    found: tuple[mpq, Vector] | None = None
    for coefficients in _functions(asked, outputs):
        value = sum((c * outputs[k] for k, c in coefficients.items()), mpq(0)) - asked.level
        slope = gradient(program, pattern, coefficients)
        steepness = sum((g * g for g in slope), mpq(0))
        if steepness and (found is None or value * value / steepness < found[0]):
            step = value / steepness
            found = value * step, tuple(-step * g for g in slope)
    if found is None:
        return None
    squared, move = found
    point = tuple(a + b for a, b in zip(x, move, strict=True))
    sizes = [abs(b) for b in move]
    return Projection(point, squared, sum(sizes, mpq(0)), max(sizes), agrees(program, pattern, program.pattern(point)))


def _functions(asked: Question, outputs: Sequence[mpq]) -> list[dict[int, mpq]]:
    """The combinations of outputs that are `level` on the boundary."""
    one = mpq(1)
    if asked.positive is not None:
        return [{asked.positive: one} | ({} if asked.negative is None else {asked.negative: -one})]
    top = asked.answer(outputs)
    return [{top: one, k: -one} for k in range(len(outputs)) if k != top]


def gradient(program: Program, pattern: bytes, coefficients: dict[int, mpq]) -> Vector:
    """The gradient of a combination of outputs where the units are in these states: by the chain rule, backwards."""
    parts = {program.outputs[k]: c / program.denominator[program.outputs[k]] for k, c in coefficients.items()}
    common = lcm(mpz(1), *(c.denominator for c in parts.values()))
    slopes = [mpz(0)] * len(program.denominator)
    for k, c in parts.items():
        slopes[k] = c.numerator * (common // c.denominator)
    for step in reversed(program.steps):
        if isinstance(step, RowStep):
            number = step.first
            for indices, matrix, _ in step.blocks:
                for coefs in matrix:
                    if slope := slopes[number]:
                        for j, w in zip(indices, coefs, strict=True):
                            slopes[j] += slope * w
                    number += 1
            continue
        for number, (unit, state) in enumerate(zip(step.units, step.states(pattern), strict=True), step.first):
            if slope := slopes[number]:
                j, factor = _chosen(unit, state)
                slopes[j] += slope * factor
    return tuple(mpq(slope, common) for slope in slopes[: program.inputs])


def _chosen(unit: PieceUnit | GroupUnit, state: int) -> tuple[int, mpz]:
    """The value that a unit passes on in a state, and its factor."""
    if isinstance(unit, PieceUnit):
        return unit.source, unit.pieces[state >> 1][0]
    return unit.members[(state & -state).bit_length() - 1]


def agrees(program: Program, chosen: bytes, other: bytes) -> bool:
    """Whether a point with the states `other` lies where the pieces hold that `gradient` takes for `chosen`."""
    for step in program.unit_steps():
        for unit, state, found in zip(step.units, step.states(chosen), step.states(other), strict=True):
            if isinstance(unit, PieceUnit):
                if abs(found - 2 * (state >> 1)) > 1:
                    return False
            elif not found & state & -state:
                return False
    return True


def states(program: Program, pattern: bytes) -> tuple[int, ...]:
    """The states of all units, in the network's order: those of `Face.pattern`."""
    return tuple(state for step in program.unit_steps() for state in step.states(pattern))
