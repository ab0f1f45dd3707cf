"""What a subdivision is made of: polygons, points and states, as arrays or as lists, each computed when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from splinecam_exact.half_edges import OUTER, HalfEdges, Ints, half_edges
from splinecam_exact.kernel.certificate import Cell
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Program
from splinecam_exact.kernel.rational import Point
from splinecam_exact.rounding import nearest

if TYPE_CHECKING:
    from splinecam_exact.decide import Decider
    from splinecam_exact.verify.outputs import Kept

States = NDArray[np.unsignedinteger]
"""Shape (faces, units): see `Face.pattern`."""

StateRows = Callable[[Ints], States]
"""The states on some faces, given by their numbers: a new array with a row for each."""

CHUNK = 1 << 24
"""How many states are compared at a time."""


class Polygons(NamedTuple):
    """The faces' polygons: face f has the vertices `corners[starts[f]:starts[f + 1]]`, counter-clockwise.

    Both are int64 arrays: `starts` of shape (faces + 1,), `corners` of shape (half-edges,).

    >>> polygons = Polygons.of([(0, 1, 2, 3), (2, 1, 4)])
    >>> polygons.starts.tolist(), polygons.face(1)
    ([0, 4, 7], (2, 1, 4))
    """

    starts: Ints
    corners: Ints

    @classmethod
    def of(cls, polygons: Sequence[Sequence[int]]) -> Polygons:
        """The arrays that hold some polygons."""
        starts = np.zeros(len(polygons) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, polygons), np.int64, len(polygons)), out=starts[1:])
        return cls(starts, np.fromiter(chain.from_iterable(polygons), np.int64, int(starts[-1])))

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return len(self.starts) - 1

    def face(self, index: int) -> tuple[int, ...]:
        """The vertices of a face."""
        return tuple(self.corners[self.starts[index] : self.starts[index + 1]].tolist())


class Geometry(ABC):
    """The content of a `Subdivision`. A subclass sets the three attributes, and says what points and states are.

    Everything else follows from these, and is computed once, when it is first asked for; a subclass may know it better.
    `vertex_count` and `unit_count` are the numbers of vertices and of units. Where `coordinates` are not the floats
    nearest to the exact ones, `slack` bounds their distance from these.
    """

    polygons: Polygons
    vertex_count: int
    unit_count: int
    slack: float = 0.0
    exact: bool = True
    """Whether points and states are exact, and not only float64's opinion."""

    @property
    @abstractmethod
    def points(self) -> list[Point]:
        """The exact vertices, primitive: what the certificate has."""

    @abstractmethod
    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces, a new array of shape (len(faces), units)."""

    def first_states(self, faces: Ints, units: int) -> States:
        """The states of the first so many units. A subclass may know them better than by all states."""
        return self.state_rows(faces)[:, :units]

    def places(self, vertices: Ints) -> list[Point]:
        """Some exact vertices. Where they must be computed first, they are so together, up to 200 times faster."""
        points = self.points
        return [points[v] for v in vertices.tolist()]

    def distances(self) -> NDArray[np.float64]:
        """Per vertex, a bound of the distance of `coordinates` from the exact one, but for their rounding: `slack`."""
        return np.full(self.vertex_count, self.slack)

    def outputs(self) -> Kept | None:
        """The outputs at the vertices in float64, with bounds of their errors, where these are at hand."""
        return None

    def decider(self) -> Decider | None:
        """Exact signs and forms of the network on the faces, where these are at hand."""
        return None

    def point(self, vertex: int) -> Point:
        """One exact vertex."""
        return self.places(np.array([vertex]))[0]

    @cached_property
    def coordinates(self) -> NDArray[np.float64]:
        """The vertices as float64, shape (V, 2): each coordinate the float nearest to the exact one, or see `slack`."""
        return np.array([(nearest(x, w), nearest(y, w)) for x, y, w in self.points], np.float64).reshape(-1, 2)

    @cached_property
    def states(self) -> States:
        """The states of all units on all faces."""
        return self.state_rows(np.arange(self.polygons.faces))

    @cached_property
    def half_edges(self) -> HalfEdges:
        """The DCEL."""
        return half_edges(*self.polygons, self.vertex_count)

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the certificate."""
        return cells_of(self.polygons, self.half_edges, self.unit_count, self.state_rows)


class ListGeometry(Geometry):
    """Points and cells as a certificate has them. The cells must be well formed: `kernel.checker.decode_patterns`."""

    def __init__(self, points: list[Point], cells: list[Cell], program: Program) -> None:
        self.polygons = Polygons.of([cell.polygon for cell in cells])
        self.vertex_count = len(points)
        self.unit_count = program.unit_count
        self._points = points
        self._cells = cells
        self._program = program

    @property
    def points(self) -> list[Point]:
        """The points that were given."""
        return self._points

    @property
    def cells(self) -> list[Cell]:
        """The cells that were given."""
        return self._cells

    @cached_property
    def states(self) -> States:
        """The states that the cells' bases and changes say."""
        states = np.zeros((len(self._cells), self.unit_count), states_of(self._program, []).dtype)
        for i, cell in enumerate(self._cells):
            if cell.base >= 0:
                states[i] = states[cell.base]
            for unit, state in cell.changes:
                states[i, unit] = state
        return states

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        return self.states[faces]


class FloatGeometry(Geometry):
    """Float64 arrays, which nothing vouches for. The exact points are the dyadic ones that the coordinates denote.

    `coordinates` has shape (V, 2); `twins` are the polygons' half-edges' twins where they are known (-1: boundary).
    """

    def __init__(
        self,
        polygons: Polygons,
        coordinates: NDArray[np.float64],
        unit_count: int,
        state_rows: StateRows,
        twins: Ints | None = None,
    ) -> None:
        self.polygons = polygons
        self.vertex_count = len(coordinates)
        self.unit_count = unit_count
        self.coordinates = coordinates
        self._state_rows = state_rows
        self._twins = twins
        self.exact = False

    @cached_property
    def points(self) -> list[Point]:
        """The points that the coordinates denote. Raises InputError where one is not finite."""
        return self.places(np.arange(self.vertex_count))

    def places(self, vertices: Ints) -> list[Point]:
        """Some of the points."""
        return [self._place(v) for v in vertices.tolist()]

    def _place(self, vertex: int) -> Point:
        x, y = self.coordinates[vertex].tolist()
        try:
            (a, b), (c, d) = x.as_integer_ratio(), y.as_integer_ratio()
        except (ValueError, OverflowError):
            raise InputError(f"vertex {vertex} is at ({x}, {y}): beyond float64, so use mode='certified'") from None
        w = max(b, d)  # both are powers of two: primitive
        return mpz(a * (w // b)), mpz(c * (w // d)), mpz(w)

    @cached_property
    def half_edges(self) -> HalfEdges:
        """The DCEL."""
        return half_edges(*self.polygons, self.vertex_count, self._twins)

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        return self._state_rows(faces)


def states_of(program: Program, patterns: Sequence[bytes]) -> States:
    """The states of all units, shape (patterns, units), from the kernel's patterns."""
    rows = np.frombuffer(b"".join(patterns), np.uint8).reshape(len(patterns), program.pattern_size)
    columns = [np.empty((len(patterns), 0), np.uint8)]
    columns += [np.ascontiguousarray(rows[:, s.byte : s.stop]).view(f"<u{s.width}") for s in program.unit_steps()]
    return np.concatenate(columns, axis=1)


def pattern_of(program: Program, states: States) -> bytes:
    """The kernel's pattern, from the states of all units, shape (units,)."""
    return b"".join(
        states[step.unit : step.unit + len(step.units)].astype(f"<u{step.width}").tobytes()
        for step in program.unit_steps()
    )


def cells_of(polygons: Polygons, dcel: HalfEdges, units: int, state_rows: StateRows) -> list[Cell]:
    """The certificate's cells: of each face its base, in which units its states differ from the base's, its polygon.

    The base is an earlier face whose states are close: the last of the neighbours that are earlier, or else the face
    before. Cost: one comparison of all states, `CHUNK` at a time; a microsecond per cell and change.
    """
    corners = polygons.corners.tolist()
    edges = list(pairwise(polygons.starts.tolist()))
    bases = _bases(polygons, dcel)
    cells: list[Cell] = []
    for faces in chunks(np.arange(polygons.faces), max(1, CHUNK // max(1, units))):
        mine, theirs = state_rows(faces), state_rows(np.maximum(bases[faces], 0))
        theirs[bases[faces] < 0] = 0
        row, unit = np.nonzero(mine != theirs)
        changes = list(zip(unit.tolist(), mine[row, unit].tolist(), strict=True))
        ends = np.searchsorted(row, np.arange(len(faces) + 1)).tolist()
        for base, (i, j), (s, t) in zip(bases[faces].tolist(), pairwise(ends), edges[len(cells) :], strict=False):
            cells.append(Cell(base, tuple(changes[i:j]), tuple(corners[s:t])))
    return cells


def _bases(polygons: Polygons, dcel: HalfEdges) -> Ints:
    inner = slice(len(polygons.corners))
    across = dcel.face[dcel.twin[inner]]
    earlier = np.where(across < dcel.face[inner], across, OUTER)
    found: Ints = np.maximum.reduceat(earlier, polygons.starts[:-1])
    return np.where(found == OUTER, np.arange(polygons.faces) - 1, found)


def chunks(numbers: Ints, size: int) -> Iterator[Ints]:
    """The numbers, `size` at a time."""
    for first in range(0, len(numbers), size):
        yield numbers[first : first + size]
