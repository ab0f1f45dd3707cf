"""`Subdivision`: the exact partition of a domain into a network's activation cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

import numpy as np
from gmpy2 import mpq, mpz
from numpy.typing import NDArray

from splinecam_exact.affine_pieces import affine_pieces
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import Geometry, States, pattern_of
from splinecam_exact.half_edges import OUTER, HalfEdges, Ints
from splinecam_exact.kernel.certificate import Cell, Certificate
from splinecam_exact.kernel.errors import InputError, MissingDependency
from splinecam_exact.kernel.forms import Forms
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import Point
from splinecam_exact.locate import Location, locate
from splinecam_exact.network import Network
from splinecam_exact.regions import count_regions
from splinecam_exact.statistics import Statistics, statistics

if TYPE_CHECKING:
    import networkx

    from splinecam_exact._files import PathLike

ExactPoint = tuple[mpq, mpq]
T = TypeVar("T")

MODES = ("float64", "certified", "rational")
"""How a subdivision can have been computed."""


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
        return self._part.geometry.polygons.face(self.index)

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
        forms = [self._part.unpack(packed) for packed in self._part.output_forms_on(self.index)]
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
        """A rational point strictly inside: the middle of three corners that are not in line.

        Raises InputError where all are, which can happen in a float64 result.
        """
        polygon = self.polygon
        for k in range(len(polygon)):
            (a, b), (c, d), (e, f) = polygon[k - 2], polygon[k - 1], polygon[k]
            if (c - a) * (f - b) != (e - a) * (d - b):
                return (a + c + e) / 3, (b + d + f) / 3
        raise InputError(f"face {self.index} has no inside in float64: use mode='certified'")

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


class Subdivision:
    """The subdivision of a domain into the activation cells of a network: what `partition` returns.

    `faces`, `edges` and `vertices` are sequences; `half_edges` is the DCEL as arrays. Coordinates are slice
    coordinates. `geometry` holds the content; what takes long (exact points, `cells`, `states`, the affine maps, L and
    P in `counts`) is computed when first asked for, and reports to `progress`.

    `mode` says how the cells were found: "rational" and "certified" are exact. A "float64" result is not: nothing
    vouches for its cells, its exact vertices are those that its float coordinates denote, cells may even be without
    area, and it has no certificate; `certified` is False. `report` says how the mode came to its decisions, if it does.

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
        geometry: Geometry,
        *,
        mode: str = "rational",
        report: object = None,
        progress: Progress | None = None,
    ) -> None:
        if mode not in MODES:
            raise InputError(f"there is no mode {mode!r}; the modes are {', '.join(MODES)}")
        self.network = network
        self.domain = domain
        self.geometry = geometry
        self.mode = mode
        self.report = report
        self._progress = progress

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_progress": None}

    @property
    def certified(self) -> bool:
        """Whether this is exact, and not only float64's opinion."""
        return self.mode != "float64" and self.geometry.exact

    @cached_property
    def program(self) -> Program:
        """The network on the slice, as the kernel sees it: two inputs."""
        return self.network.program(self.domain if isinstance(self.domain, Slice) else None)

    # -- cells, edges, vertices ---------------------------------------------------------------------------------------

    @property
    def faces(self) -> View[Face]:
        """The activation cells."""
        return View(self.geometry.polygons.faces, lambda i: Face(self, i))

    @property
    def vertices(self) -> View[ExactPoint]:
        """The exact vertices, in slice coordinates."""
        return View(self.geometry.vertex_count, self._vertex)

    def _vertex(self, index: int) -> ExactPoint:
        x, y, w = self.geometry.point(index)
        return mpq(x, w), mpq(y, w)

    @property
    def points(self) -> list[Point]:
        """The exact vertices as the certificate has them: primitive integer triples."""
        return self.geometry.points

    @property
    def cells(self) -> list[Cell]:
        """The faces as the certificate has them: an earlier cell, what changes from it, the polygon."""
        return self.geometry.cells

    @property
    def coordinates(self) -> NDArray[np.float64]:
        """The vertices as float64, shape (V, 2): each coordinate the float nearest to the exact one.

        Where `geometry.slack` is not 0, it is not the nearest, but nearer than that.
        """
        return self.geometry.coordinates

    @property
    def half_edges(self) -> HalfEdges:
        """The DCEL: arrays origin, twin, next, prev, face."""
        return self.geometry.half_edges

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

    @property
    def states(self) -> States:
        """The states of all units on all faces, shape (A, units): see `Face.pattern`."""
        return self.geometry.states

    def pattern_bytes(self, face: int) -> bytes:
        """A face's pattern as the kernel writes it."""
        return pattern_of(self.program, self.geometry.state_rows(np.array([face]))[0])

    # -- the network on the cells -------------------------------------------------------------------------------------

    def output_forms_on(self, face: int) -> tuple[mpz, ...]:
        """The outputs' affine forms on a face, over `output_denominators`, packed as the kernel does (`unpack`).

        Cost: an exact evaluation of the network, or less where the pattern is close to that of the latest face.
        """
        self._forms.move(self.pattern_bytes(face), len(self.program.steps))
        return tuple(self._forms.values[j] for j in self.program.outputs)

    @cached_property
    def output_forms(self) -> list[tuple[mpz, ...]]:
        """Per face, `output_forms_on` it."""
        found = []
        for face in range(len(self.faces)):
            if self._progress and face % 256 == 0:
                self._progress("affine maps", face, len(self.faces))
            found.append(self.output_forms_on(face))
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
        return affine_pieces(self.program, self.geometry, self._progress)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {
            "A": len(self.faces),
            "L": count_regions(self.affine_piece, self.dual_edges()),
            "P": int(self.affine_piece.max()) + 1,
            "V": len(self.vertices),
            "E": len(self.edges),
        }

    def counts(self) -> dict[str, int]:
        """The counts: A activation cells, L linear regions, P affine pieces, V vertices, E edges.

        L are maximal unions of cells with one affine map, connected through edges; P are distinct affine maps.
        The outer face is not counted, so V - E + A = 1. The lengths of `faces`, `vertices` and `edges` are A, V and E
        without the cost of L and P: matrix products over all cells, see `affine_pieces`.
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
        graph.add_nodes_from(range(len(self.faces)))
        graph.add_edges_from((*e.faces, {"units": e.units}) for e in self.edges if e.faces[1] != OUTER)
        return graph

    def locate(self, point: Sequence[object]) -> Location:
        """Where a point (slice coordinates; any exact numbers, floats included) lies: face, edge, vertex or outside."""
        return locate(self, point)

    def statistics(self) -> Statistics:
        """The paper's measures of the partition, exact where they are rational.

        Raises InputError where two vertices of a cell are one point, which can happen in a float64 result.
        """
        return statistics(self)

    # -- files --------------------------------------------------------------------------------------------------------

    def certificate(self) -> Certificate:
        """The certificate of this subdivision. Raises InputError for a float64 result, which has none."""
        if not self.certified:
            raise InputError(
                "a float64 result is uncertified, so it has no certificate and is not saved: use mode='certified'"
            )
        return Certificate(
            self.network.digest,
            self.network.conventions,
            self.domain.digest,
            self.counts(),
            self.points,
            self.cells,
        )

    def save(self, path: PathLike) -> None:
        """Write network, domain and subdivision to one JSON file, whole or not at all; `load_partition` reads it.

        Raises InputError for a float64 result: what such a file says is true.
        """
        from splinecam_exact.partition_files import save_partition

        save_partition(self, path)

    def __repr__(self) -> str:
        mark = "" if self.certified else ", float64, uncertified"
        return f"<Subdivision: {len(self.faces)} cells, {len(self.vertices)} vertices{mark}>"
