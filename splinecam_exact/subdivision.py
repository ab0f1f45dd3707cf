"""`Subdivision`: the exact partition of a domain into a network's activation cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

import numpy as np
from gmpy2 import mpq, mpz
from numpy.typing import NDArray

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.half_edges import OUTER, HalfEdges, Ints, half_edges
from splinecam_exact.kernel.certificate import Cell, Certificate
from splinecam_exact.kernel.errors import MissingDependency
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import Point
from splinecam_exact.locate import Location, locate
from splinecam_exact.network import Network
from splinecam_exact.regions import count_regions
from splinecam_exact.rounding import nearest
from splinecam_exact.statistics import Statistics, statistics

if TYPE_CHECKING:
    import networkx

    from splinecam_exact._files import PathLike

ExactPoint = tuple[mpq, mpq]
T = TypeVar("T")


class AffineMap(NamedTuple):
    """outputs = matrix @ point + offset, in slice coordinates: a row of two rationals per output, and the offsets."""

    matrix: tuple[tuple[mpq, mpq], ...]
    offset: tuple[mpq, ...]


class Face:
    """One activation cell: an open convex polygon on which the network is affine. Everything about it is exact."""

    def __init__(self, part: Subdivision, index: int) -> None:
        self._part = part
        self.index = index

    @property
    def vertices(self) -> tuple[int, ...]:
        """The vertex numbers, counter-clockwise."""
        return self._part.cells[self.index].polygon

    @property
    def polygon(self) -> tuple[ExactPoint, ...]:
        """The corners as exact points in slice coordinates, counter-clockwise."""
        return tuple(self._part.vertices[v] for v in self.vertices)

    @property
    def pattern(self) -> tuple[int, ...]:
        """The state of every unit: 2k on open piece k, 2k + 1 at breakpoint k; for a Max, the bit mask of the largest.

        For a ReLU: 0 off, 1 identically zero on the whole cell, 2 on.
        """
        return tuple(self._part.states[self.index].tolist())

    @property
    def affine(self) -> AffineMap:
        """The network's exact affine map on the cell, in slice coordinates."""
        forms = [self._part.unpack(packed) for packed in self._part.output_forms[self.index]]
        dens = self._part.output_denominators
        return AffineMap(
            tuple((mpq(a, den), mpq(b, den)) for (a, b, _), den in zip(forms, dens, strict=True)),
            tuple(mpq(c, den) for (_, _, c), den in zip(forms, dens, strict=True)),
        )

    @property
    def area(self) -> mpq:
        """The exact area, in slice coordinates."""
        polygon = self.polygon
        pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
        return sum((p[0] * q[1] - q[0] * p[1] for p, q in pairs), mpq(0)) / 2

    @property
    def witness(self) -> ExactPoint:
        """A rational point strictly inside: the middle of three corners that are not in line."""
        polygon = self.polygon
        for k in range(len(polygon)):
            (a, b), (c, d), (e, f) = polygon[k - 2], polygon[k - 1], polygon[k]
            if (c - a) * (f - b) != (e - a) * (d - b):
                break
        return (a + c + e) / 3, (b + d + f) / 3

    def __repr__(self) -> str:
        return f"<Face {self.index}: {len(self.vertices)} vertices>"


@dataclass(frozen=True)
class Edge:
    """One edge: its two vertices, the faces on its left and right (-1: outside), and the units that change across it.

    On the domain's boundary no unit changes: `units` is empty.
    """

    index: int
    vertices: tuple[int, int]
    faces: tuple[int, int]
    units: tuple[int, ...]


class View(Sequence[T], Generic[T]):
    """A read-only sequence whose items are made when asked for."""

    def __init__(self, size: int, item: Callable[[int], T]) -> None:
        self._range = range(size)
        self._item = item

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._item(i) for i in self._range[index]]
        return self._item(self._range[index])

    def __iter__(self) -> Iterator[T]:
        return map(self._item, self._range)


def states_of(program: Program, patterns: Sequence[bytes]) -> NDArray[np.unsignedinteger]:
    """The states of all units, shape (patterns, units), from the kernel's patterns."""
    rows = np.frombuffer(b"".join(patterns), np.uint8).reshape(len(patterns), program.pattern_size)
    columns = [np.empty((len(patterns), 0), np.uint8)]
    columns += [np.ascontiguousarray(rows[:, s.byte : s.stop]).view(f"<u{s.width}") for s in program.unit_steps()]
    return np.concatenate(columns, axis=1)


class Subdivision:
    """The exact subdivision of a domain into the activation cells of a network: what `partition` returns.

    `faces`, `edges` and `vertices` are sequences; `half_edges` is the DCEL as arrays. Coordinates are slice
    coordinates. `cells` and `points` are the raw material, as the certificate has it. What takes long (the affine maps,
    for `counts`) is computed when first asked for, and reports to `progress`.

    >>> import splinecam_exact as sx
    >>> part = sx.partition(sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])]), sx.square(1))
    >>> part.counts()
    {'A': 4, 'L': 4, 'P': 4, 'V': 9, 'E': 12}
    >>> part.faces[part.locate(("1/2", "1/3")).index].affine
    AffineMap(matrix=((mpq(1,1), mpq(1,1)),), offset=(mpq(0,1),))
    """

    def __init__(
        self,
        network: Network,
        domain: Polygon | Slice,
        points: list[Point],
        cells: list[Cell],
        progress: Progress | None = None,
    ) -> None:
        self.network = network
        self.domain = domain
        self.points = points
        self.cells = cells
        self._progress = progress

    @cached_property
    def program(self) -> Program:
        """The network on the slice, as the kernel sees it: two inputs."""
        return self.network.program(self.domain if isinstance(self.domain, Slice) else None)

    # -- cells, edges, vertices ---------------------------------------------------------------------------------------

    @property
    def faces(self) -> View[Face]:
        """The activation cells."""
        return View(len(self.cells), lambda i: Face(self, i))

    @property
    def vertices(self) -> View[ExactPoint]:
        """The exact vertices, in slice coordinates."""
        return View(len(self.points), self._vertex)

    def _vertex(self, index: int) -> ExactPoint:
        x, y, w = self.points[index]
        return mpq(x, w), mpq(y, w)

    @cached_property
    def coordinates(self) -> NDArray[np.float64]:
        """The vertices as float64, shape (V, 2), each coordinate the float nearest to the exact one."""
        return np.array([(nearest(x, w), nearest(y, w)) for x, y, w in self.points], np.float64).reshape(-1, 2)

    @cached_property
    def half_edges(self) -> HalfEdges:
        """The DCEL: arrays origin, twin, next, prev, face."""
        return half_edges([cell.polygon for cell in self.cells], len(self.points))

    @property
    def edges(self) -> View[Edge]:
        """The edges; edge i is the half-edge `edge_half_edges[i]` and its twin."""
        return View(len(self.edge_half_edges), self._edge)

    @cached_property
    def edge_half_edges(self) -> Ints:
        """One half-edge per edge, that with the smaller number."""
        twin = self.half_edges.twin
        return np.flatnonzero(np.arange(len(twin)) < twin)

    def _edge(self, index: int) -> Edge:
        dcel = self.half_edges
        h = int(self.edge_half_edges[index])
        t = int(dcel.twin[h])
        left, right = int(dcel.face[h]), int(dcel.face[t])
        units = () if right == OUTER else tuple(np.flatnonzero(self.states[left] != self.states[right]).tolist())
        return Edge(index, (int(dcel.origin[h]), int(dcel.origin[t])), (left, right), units)

    @cached_property
    def states(self) -> NDArray[np.unsignedinteger]:
        """The states of all units on all faces, shape (A, units): see `Face.pattern`."""
        states = np.zeros((len(self.cells), self.program.unit_count), states_of(self.program, []).dtype)
        for i, cell in enumerate(self.cells):
            if cell.base >= 0:
                states[i] = states[cell.base]
            for unit, state in cell.changes:
                states[i, unit] = state
        return states

    def pattern_bytes(self, face: int) -> bytes:
        """A face's pattern as the kernel writes it."""
        states = self.states[face]
        return b"".join(
            states[step.unit : step.unit + len(step.units)].astype(f"<u{step.width}").tobytes()
            for step in self.program.unit_steps()
        )

    # -- the network on the cells -------------------------------------------------------------------------------------

    @cached_property
    def output_forms(self) -> list[tuple[mpz, ...]]:
        """Per face, the outputs' affine forms over `output_denominators`, packed as the kernel does (`unpack`)."""
        forms = self._forms
        found = []
        for face in range(len(self.cells)):
            if self._progress and face % 256 == 0:
                self._progress("affine maps", face, len(self.cells))
            forms.move(self.pattern_bytes(face), len(self.program.steps))
            found.append(tuple(forms.values[j] for j in self.program.outputs))
        return found

    @cached_property
    def _forms(self) -> Forms:
        return Forms(self.program)

    def unpack(self, packed: mpz) -> tuple[mpz, mpz, mpz]:
        """The integer coefficients (a, b, c) of an entry of `output_forms`."""
        return self._forms.unpack(packed)

    @property
    def output_denominators(self) -> list[mpz]:
        """The denominators of the integer output forms, the same on every face."""
        return [self.program.denominator[j] for j in self.program.outputs]

    @cached_property
    def affine_piece(self) -> Ints:
        """Per face, the number of its affine map: equal numbers exactly where the maps are equal."""
        number: dict[tuple[mpz, ...], int] = {}
        return np.array([number.setdefault(forms, len(number)) for forms in self.output_forms], np.int64)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {
            "A": len(self.cells),
            "L": count_regions(self.affine_piece, self.dual_edges()),
            "P": int(self.affine_piece.max()) + 1,
            "V": len(self.points),
            "E": len(self.edge_half_edges),
        }

    def counts(self) -> dict[str, int]:
        """The exact counts: A activation cells, L linear regions, P affine pieces, V vertices, E edges.

        L are maximal unions of cells with one affine map, connected through edges; P are distinct affine maps.
        The outer face is not counted, so V - E + A = 1.
        """
        return dict(self._counts)

    def dual_edges(self) -> Ints:
        """The pairs of faces that share an edge, shape (k, 2): ready for `networkx.from_edgelist`."""
        dcel = self.half_edges
        pairs: Ints = np.stack([dcel.face[self.edge_half_edges], dcel.face[dcel.twin[self.edge_half_edges]]], axis=1)
        shared: Ints = pairs[pairs[:, 1] != OUTER]
        return shared

    def to_networkx(self) -> networkx.Graph:
        """The dual graph: a node per face, an edge (with its `units`) per shared edge. Needs networkx."""
        try:
            import networkx
        except ImportError:
            raise MissingDependency("the dual graph needs networkx: pip install 'splinecam-exact[proofs]'") from None

        graph = networkx.Graph()
        graph.add_nodes_from(range(len(self.cells)))
        graph.add_edges_from((*e.faces, {"units": e.units}) for e in self.edges if e.faces[1] != OUTER)
        return graph

    def locate(self, point: Sequence[object]) -> Location:
        """Where a point (slice coordinates; any exact numbers, floats included) lies: face, edge, vertex or outside."""
        return locate(self, point)

    def statistics(self) -> Statistics:
        """The paper's measures of the partition, exact where they are rational."""
        return statistics(self)

    # -- files --------------------------------------------------------------------------------------------------------

    def certificate(self) -> Certificate:
        """The certificate of this subdivision."""
        return Certificate(
            self.network.digest,
            self.network.conventions,
            self.domain.digest,
            self.counts(),
            self.points,
            self.cells,
        )

    def save(self, path: PathLike) -> None:
        """Write network, domain and subdivision to one JSON file, whole or not at all; `load_partition` reads it."""
        from splinecam_exact.partition_files import save_partition

        save_partition(self, path)

    def __repr__(self) -> str:
        return f"<Subdivision: {len(self.cells)} cells, {len(self.points)} vertices>"
