"""A network's integer program modulo primes, on many cells at once: float64 matrix products of small integers.

Every product and every partial sum is an integer below 2^53, so float64 computes it exactly, in whatever order. A
residue that is not 0 proves that an integer is not 0; residues 0 modulo primes whose product exceeds the integer's
absolute value prove that it is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import isqrt

import numpy as np
from gmpy2 import is_prime, mpz
from numpy.typing import NDArray

from splinecam_exact.geometry import StateRows, States, chunks
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, Program, RowStep, UnitStep
from splinecam_exact.kernel.rational import Point

Floats = NDArray[np.float64]
Index = slice | Ints

BUDGET = 1 << 20
"""How many values, of 8 bytes each, are computed at a time."""

SHARING = 2
"""Rows are taken together where that makes of so many blocks at most one."""

FEW = 2
"""Rows of so few coefficients are compared by value, such as those of a BatchNorm."""

EXACT = 1 << 52
"""No sum of absolute values exceeds this; up to twice as far, all integers are float64s."""


class Integers:
    """An array of integers of any size, kept as 16-bit digits: its residues are one product of integer matrices.

    >>> Integers([mpz(-1), mpz(10) ** 30], (2,)).modulo(7).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, values: Sequence[mpz], shape: tuple[int, ...]) -> None:
        digits = max((v.bit_length() for v in values), default=0) // 16 + 1
        raw = b"".join(int(v).to_bytes(2 * digits, "little", signed=True) for v in values)
        self._digits = np.frombuffer(raw, "<u2").reshape(-1, digits)
        self._shape = shape

    def modulo(self, prime: int) -> Floats:
        """The residues between -prime / 2 and prime / 2."""
        count = self._digits.shape[1]
        powers = _powers(prime, 1 << (count - 1).bit_length())[:count]
        found = self._digits[:, :-1] @ powers[:-1]  # in int64: products of 16 by at most 28 bits
        found += self._digits[:, -1].view("<i2") * powers[-1]
        found %= prime
        found[found > prime // 2] -= prime
        residues: Floats = found.astype(np.float64).reshape(self._shape)
        return residues


@lru_cache(maxsize=16)
def _powers(prime: int, count: int) -> Ints:
    """The first powers of 2^16 modulo a prime."""
    return np.array([pow(1 << 16, k, prime) for k in range(count)], np.int64)


class Residues:
    """A program, to be evaluated modulo one prime after another."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._steps: list[_Rows | _Shared | _Units] = []
        for step in program.steps:
            self._steps += _blocks(step) if isinstance(step, RowStep) else [_Units(step)]
        self._linear = next((k for k, step in enumerate(self._steps) if isinstance(step, _Units)), len(self._steps))
        starts = (step.rows.start for step in self._steps if isinstance(step, _Units))
        self._known: int = next(starts, len(program.denominator))
        # A residue is at most prime / 2 + 1, and no sum has more than `width` products of two.
        width = max((step.width for step in self._steps), default=1)
        self._largest = 2 * (isqrt(EXACT // width) - 2)

    def primes(self, bits: int) -> Iterator[int]:
        """Primes for which every computation is exact, from the largest on, whose product exceeds 2^bits."""
        product = mpz(1)
        for prime in range(self._largest, 2, -1):
            if product >> bits:
                return
            if is_prime(prime):
                product *= prime
                yield prime
        raise Undecided(f"there are not enough primes for integers of {bits} bits")

    def outputs(
        self,
        prime: int,
        point: Callable[[Ints], Floats],
        states: StateRows,
        numbers: Ints,
        watch: Callable[[int], object] = lambda done: None,
    ) -> Ints:
        """The integer outputs modulo a prime, shape (outputs, len(numbers)), between 0 and prime - 1.

        For some of the numbers, `point` says the inputs and `one` modulo the prime, shape (inputs + 1, len or 1), and
        `states` the states. `watch` is called now and then with how many are done; it may raise.
        """
        steps = [step.modulo(prime) for step in self._steps]
        count = len(self.program.denominator)
        found = np.empty((len(self.program.outputs), len(numbers)), np.int64)
        done = 0
        for some in chunks(numbers, max(1, BUDGET // count)):
            watch(done)
            columns = np.ascontiguousarray(states(some).T)
            start = _reduced(np.array(point(some)), prime)
            one = start[-1:]
            linear = np.empty((self._known, start.shape[1]))  # where all start at one point, these values are the same
            linear[: self.program.inputs] = start[:-1]
            for step in steps[: self._linear]:
                step(linear, one, columns)
            values = np.empty((count, len(some)))
            values[: self._known] = linear
            for step in steps[self._linear :]:
                step(values, one, columns)
            found[:, done : done + len(some)] = values[list(self.program.outputs)]
            done += len(some)
        return found % prime


Evaluation = Callable[[Floats, Floats, States], None]
"""Computes a step's values, in place, from the earlier values, `one` and the states: an array with a row for each."""


class _Rows:
    """Rows of a step over the same inputs."""

    def __init__(self, first: int, indices: Sequence[int], matrix: list[Sequence[mpz]], constants: list[mpz]) -> None:
        self.rows = slice(first, first + len(matrix))
        self.inputs = _index(indices)
        self.matrix = Integers([w for row in matrix for w in row], (len(matrix), len(indices)))
        self.constants = Integers(constants, (len(matrix), 1))
        self.width = len(indices) + 1

    def modulo(self, prime: int) -> Evaluation:
        matrix, constants = self.matrix.modulo(prime), self.constants.modulo(prime)

        def evaluate(values: Floats, one: Floats, states: States) -> None:
            mine = values[self.rows]
            np.matmul(matrix, values[self.inputs], out=mine)
            mine += constants * one
            _reduced(mine, prime)

        return evaluate


class _Shared:
    """Rows with the same coefficients at several places, as those of a convolution.

    Row `rows[c, p]` has coefficients number c over the values `numbers[:, p]`.
    """

    def __init__(self, rows: Ints, numbers: Ints, coefs: list[Sequence[mpz]], constants: list[mpz]) -> None:
        self.numbers, self._places = rows, numbers
        self.matrix = Integers(list(chain(*coefs)), (len(coefs), len(numbers)))
        self.constants = Integers(constants, rows.shape)
        self.width = len(numbers) + 1

    def modulo(self, prime: int) -> Evaluation:
        matrix, constants = self.matrix.modulo(prime), self.constants.modulo(prime)
        terms, places = self._places.shape

        def evaluate(values: Floats, one: Floats, states: States) -> None:
            size = max(1, BUDGET // (terms * values.shape[1]))
            for start in range(0, places, size):
                some = slice(start, start + size)
                mine = matrix @ values[self._places[:, some]].reshape(terms, -1)
                mine = mine.reshape(len(matrix), -1, values.shape[1])
                mine += constants[:, some, np.newaxis] * one
                values[self.numbers[:, some]] = _reduced(mine, prime)

        return evaluate


def _blocks(step: RowStep) -> Iterator[_Rows | _Shared]:
    if len(step.blocks) >= SHARING and all(indices for indices, _, _ in step.blocks):
        shared = _shared(step)
        if len(shared) * SHARING <= len(step.blocks):
            yield from shared
            return
    first = step.first
    for indices, matrix, constants in step.blocks:
        yield _Rows(first, indices, matrix, constants)
        first += len(matrix)


def _shared(step: RowStep) -> list[_Shared]:
    """The rows of a step, those together that have the same coefficients, or the same inputs as such."""
    rows = [(js, ws, c) for js, matrix, constants in step.blocks for ws, c in zip(matrix, constants, strict=True)]
    alike: dict[object, list[int]] = {}
    for k, (_, ws, _) in enumerate(rows):
        alike.setdefault(tuple(ws) if len(ws) <= FEW else id(ws), []).append(k)  # equal ones may well be one object
    families: dict[tuple[int, ...], list[list[int]]] = {}
    for numbers in alike.values():
        families.setdefault(tuple(id(rows[k][0]) for k in numbers), []).append(numbers)
    return [
        _Shared(
            step.first + np.array(channels, np.int64),
            np.array([rows[k][0] for k in channels[0]], np.int64).T,
            [rows[numbers[0]][1] for numbers in channels],
            [rows[k][2] for k in chain(*channels)],
        )
        for channels in families.values()
    ]


class _Units:
    """The units of a step: the sum of their branches, each multiplier * source + constant * one, where it is chosen.

    A Piecewise unit's branch k is what its piece k adds to the piece before, and is chosen from that piece on. A Max
    group's branch k is its member k, and is chosen where it is the first member that is largest.
    """

    def __init__(self, step: UnitStep) -> None:
        self.rows = slice(step.first, step.first + len(step.units))
        self.units = slice(step.unit, step.unit + len(step.units))
        self.groups = not all(isinstance(unit, PieceUnit) for unit in step.units)
        tables = [_branches(unit) for unit in step.units]
        nothing = (0, mpz(0), mpz(0))
        self.branches = []
        for k in range(max(map(len, tables), default=0)):
            sources, multipliers, constants = zip(*(t[k] if k < len(t) else nothing for t in tables), strict=True)
            if any(multipliers) or any(constants):
                shape = (len(tables), 1)
                self.branches.append((k, _index(sources), Integers(multipliers, shape), Integers(constants, shape)))
        self.width = max(1, 2 * len(self.branches))

    def modulo(self, prime: int) -> Evaluation:
        branches = [(k, source, m.modulo(prime), c.modulo(prime)) for k, source, m, c in self.branches]

        def evaluate(values: Floats, one: Floats, states: States) -> None:
            mine, total = states[self.units], values[self.rows]
            if self.groups:
                mine = mine & (~mine + 1)
            total[:] = 0
            for k, source, multiplier, constant in branches:
                branch = multiplier * values[source]
                branch += constant * one
                branch *= mine == 1 << k if self.groups else mine >= 2 * k
                total += branch
            _reduced(total, prime)

        return evaluate


def _branches(unit: PieceUnit | GroupUnit) -> list[tuple[int, mpz, mpz]]:
    """(source, multiplier, constant) of every branch."""
    if isinstance(unit, GroupUnit):
        return [(j, m, mpz(0)) for j, m in unit.members]
    steps = zip(unit.pieces, ((mpz(0), mpz(0)), *unit.pieces), strict=False)
    return [(unit.source, m - before, c - offset) for (m, c), (before, offset) in steps]


def _index(numbers: Sequence[int]) -> Index:
    """What picks some values: a slice, which makes no copy, where they follow one another."""
    first = numbers[0] if numbers else 0
    if list(numbers) == list(range(first, first + len(numbers))):
        return slice(first, first + len(numbers))
    return np.array(numbers, np.int64)


def _reduced(values: Floats, prime: int) -> Floats:
    """The residues of integers up to `EXACT`, in place: at most prime / 2 + 1 in absolute value."""
    quotients = values * (1 / prime)
    np.rint(quotients, out=quotients)
    quotients *= prime
    values -= quotients
    return values


def vanishing(program: Program, points: Sequence[Point], states: StateRows) -> NDArray[np.bool_]:
    """Whether a program of two inputs and one output is exactly 0 at each of some points, shape (points,).

    `states` says the states at some of the points: of any cell that the point is in, or at the rim of. Cost: an
    evaluation modulo one prime for every point, and modulo as many primes as it takes for those that are zeros.
    """
    largest = [max(map(abs, coordinate)) for coordinate in zip(*points, strict=True)]
    bits = program.bound(largest[:2], largest[2]).bit_length()
    residues = Residues(program)
    zeros = np.arange(len(points))
    for prime in residues.primes(bits):

        def point(numbers: Ints, prime: int = prime) -> Floats:
            return np.array([[c % prime for c in points[k]] for k in numbers.tolist()], np.float64).T

        (values,) = residues.outputs(prime, point, states, zeros)
        zeros = zeros[values == 0]
    found = np.zeros(len(points), np.bool_)
    found[zeros] = True
    return found
