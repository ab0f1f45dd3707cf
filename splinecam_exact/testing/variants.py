"""Changes to a problem that must not change its partition, every number staying a float64.

Each makes a `Variant`: the changed problem, and what becomes of the patterns. A change that no float64 can express
(a translation that needs more bits, say) raises InputError: there is no such variant of that problem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from splinecam_exact.testing.choosing import Chooser
from splinecam_exact.testing.conformance.problems import Problem

Matrix = list[list[Fraction]]
Vector = list[Fraction]
Corners = list[tuple[Fraction, Fraction]]

OFF = -1


class Variant(NamedTuple):
    """A changed problem: its pattern's column k is the old column `columns[k]`, or a unit that is off everywhere."""

    problem: Problem
    columns: tuple[int, ...]


Change = Callable[[Problem, Chooser], Variant]


def permute_units(problem: Problem, chooser: Chooser) -> Variant:
    """The units of every hidden layer in another order."""
    layers, columns, first = exact_layers(problem), [], 0
    for k in range(len(layers) - 1):
        weights, bias = layers[k]
        order = chooser.shuffled(range(len(bias)))
        layers[k] = ([weights[i] for i in order], [bias[i] for i in order])
        after, constants = layers[k + 1]
        layers[k + 1] = ([[row[i] for i in order] for row in after], constants)
        columns += [first + i for i in order]
        first += len(bias)
    return _variant(problem, layers, "units permuted", columns)


def scale_units(problem: Problem, chooser: Chooser) -> Variant:
    """Each hidden unit multiplied by a power of two, and divided by it in the next layer: no rounding anywhere."""
    layers = exact_layers(problem)
    for k in range(len(layers) - 1):
        weights, bias = layers[k]
        factors = [Fraction(2) ** chooser.integer(-6, 6) for _ in bias]
        layers[k] = (
            [[s * w for w in row] for s, row in zip(factors, weights, strict=True)],
            [s * b for s, b in zip(factors, bias, strict=True)],
        )
        after, constants = layers[k + 1]
        layers[k + 1] = ([[w / s for w, s in zip(row, factors, strict=True)] for row in after], constants)
    return _variant(problem, layers, "units scaled")


def add_dead_unit(problem: Problem, chooser: Chooser) -> Variant:
    """A unit more in the first layer that is off on the whole domain, and is read by the next layer."""
    layers = exact_layers(problem)
    weights, bias = layers[0]
    far = max(abs(x) + abs(y) for x, y in exact_corners(problem))
    limit = Fraction(2) ** (far.numerator.bit_length() - far.denominator.bit_length() + 2)
    at = chooser.integer(0, len(bias)) if len(layers) > 1 else 0
    columns = [*range(at), OFF, *range(at, len(problem.units))]
    layers[0] = (_inserted(weights, at, [Fraction(1), Fraction(-1)]), _inserted(bias, at, -limit))
    after, constants = layers[1]
    layers[1] = ([_inserted(row, at, Fraction(chooser.sign())) for row in after], constants)
    return _variant(problem, layers, "a dead unit added", columns)


def duplicate_unit(problem: Problem, chooser: Chooser) -> Variant:
    """A hidden unit split into two halves of the same breakline: r(h) = r(h)/2 + r(h)/2."""
    layers, columns = exact_layers(problem), list(range(len(problem.units)))
    unit = chooser.integer(0, len(columns) - 1)
    k, row = problem.units[unit]
    weights, bias = layers[k]
    layers[k] = ([*weights, weights[row]], [*bias, bias[row]])
    after, constants = layers[k + 1]
    halved = [[w / 2 if i == row else w for i, w in enumerate(line)] + [line[row] / 2] for line in after]
    layers[k + 1] = (halved, constants)
    return _variant(problem, layers, "a unit doubled", _inserted(columns, unit - row + len(bias), unit))


def mirror(problem: Problem, chooser: Chooser) -> Variant:
    """The domain and the network mirrored: x to -x."""
    return _moved(problem, ((-1, 0), (0, 1)), (Fraction(0), Fraction(0)), "mirrored")


def rotate(problem: Problem, chooser: Chooser) -> Variant:
    """The domain and the network turned by 90 degrees."""
    return _moved(problem, ((0, -1), (1, 0)), (Fraction(0), Fraction(0)), "turned by 90 degrees")


def translate(problem: Problem, chooser: Chooser) -> Variant:
    """The domain and the network moved by a quarter of the domain's size, rounded to a power of two."""
    xs, ys = zip(*exact_corners(problem), strict=True)
    size = max(max(xs) - min(xs), max(ys) - min(ys))
    step = Fraction(2) ** (size.numerator.bit_length() - size.denominator.bit_length() - 2)
    shift = step * chooser.sign() * chooser.integer(1, 3), step * chooser.sign() * chooser.integer(0, 3)
    return _moved(problem, ((1, 0), (0, 1)), shift, "moved")


def zoom(problem: Problem, chooser: Chooser) -> Variant:
    """The domain, and every bias with it, multiplied by 2^-24 or 2^24: no matter, unless a tolerance is absolute."""
    factor = Fraction(2) ** (24 * chooser.sign())
    layers = [(weights, [factor * b for b in bias]) for weights, bias in exact_layers(problem)]
    corners = [(factor * x, factor * y) for x, y in exact_corners(problem)]
    return Variant(_with(problem, layers, corners, "zoomed"), tuple(range(len(problem.units))))


def halves(problem: Problem, chooser: Chooser) -> tuple[Problem, Problem, tuple[Fraction, Fraction, Fraction]]:
    """The same network on the two parts of the domain left and right of a line, and the line: a x + b y + c.

    It runs from a corner to the midpoint of a side that does not end there, so the parts' corners are float64 too.
    """
    corners = exact_corners(problem)
    k = chooser.integer(0, len(corners) - 1)
    corners = corners[k:] + corners[:k]
    side = chooser.integer(1, len(corners) - 2)
    p, (v, w), (x, y) = corners[0], corners[side], corners[side + 1]
    middle = ((v + x) / 2, (w + y) / 2)
    a, b = p[1] - middle[1], middle[0] - p[0]
    layers = exact_layers(problem)
    right = _with(problem, layers, [*corners[: side + 1], middle], "right half")
    left = _with(problem, layers, [p, middle, *corners[side + 1 :]], "left half")
    return left, right, (a, b, -(a * p[0] + b * p[1]))


def exact_layers(problem: Problem) -> list[tuple[Matrix, Vector]]:
    """The weights and biases as fractions."""
    return [
        ([[Fraction(w) for w in row] for row in weights.tolist()], [Fraction(b) for b in bias.tolist()])
        for weights, bias in problem.layers
    ]


def exact_corners(problem: Problem) -> Corners:
    """The domain's corners as fractions."""
    return [(Fraction(x), Fraction(y)) for x, y in problem.domain.tolist()]


def _moved(
    problem: Problem, matrix: tuple[tuple[int, int], tuple[int, int]], shift: tuple[Fraction, Fraction], how: str
) -> Variant:
    """New coordinates: matrix (x, y) + shift, the matrix being orthogonal."""
    (p, q), (r, s) = matrix
    layers = exact_layers(problem)
    weights, bias = layers[0]
    turned = [[a * p + b * q, a * r + b * s] for a, b in weights]
    layers[0] = turned, [c - a * shift[0] - b * shift[1] for (a, b), c in zip(turned, bias, strict=True)]
    corners = [(p * x + q * y + shift[0], r * x + s * y + shift[1]) for x, y in exact_corners(problem)]
    return Variant(_with(problem, layers, corners, how), tuple(range(len(problem.units))))


def _variant(
    problem: Problem, layers: list[tuple[Matrix, Vector]], how: str, columns: Sequence[int] | None = None
) -> Variant:
    chosen = range(len(problem.units)) if columns is None else columns
    return Variant(_with(problem, layers, exact_corners(problem), how), tuple(chosen))


def _with(problem: Problem, layers: list[tuple[Matrix, Vector]], corners: Corners, how: str) -> Problem:
    return Problem(f"{problem.name}, {how}", problem.category, tuple(layers), corners)  # type: ignore[arg-type]


def _inserted(values: Sequence[object], at: int, value: object) -> list:  # type: ignore[type-arg]
    return [*values[:at], value, *values[at:]]
