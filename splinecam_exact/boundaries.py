"""`boundary`: where an output has a level, where two outputs are equal, where the arg-max of a classifier changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from gmpy2 import isqrt, mpq
from numpy.typing import NDArray

from splinecam_exact._files import PathLike
from splinecam_exact._text import brief, whole
from splinecam_exact.arrays import exact
from splinecam_exact.boundary_argmax import trace_argmax
from splinecam_exact.boundary_chains import Chain, chains, components, nesting
from splinecam_exact.boundary_duels import trace_duels
from splinecam_exact.boundary_files import write_boundary
from splinecam_exact.boundary_trace import Floats, Trace
from splinecam_exact.boundary_zeros import Function, trace_zeros
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.rounding import nearest
from splinecam_exact.subdivision import ExactPoint, Subdivision, View

PRECISION = 60
"""To so many bits the length is known before it is rounded."""


@dataclass(frozen=True)
class BoundarySegment:
    """One segment of a boundary, closed, exact, in slice coordinates.

    `faces` are the subdivision's faces on the left and on the right of the way from `ends[0]` to `ends[1]`: equal
    inside a face, -1 outside the domain. `classes` are the output whose level it is and -1, or the two outputs that are
    equal. Where the sign or the arg-max `changes` across it, f > 0 on the left: `classes[0]` is larger there. `affine`
    is (a, b, c): f = a x + b y + c, the output less its level, or the first of the two outputs less the second and the
    level, on the face on the left (or on the right, where the domain is there only).
    """

    index: int
    ends: tuple[ExactPoint, ExactPoint]
    faces: tuple[int, int]
    classes: tuple[int, int]
    changes: bool
    boundary: Boundary

    @property
    def affine(self) -> tuple[mpq, mpq, mpq]:
        """The exact affine function f on the face beside the segment. Cost: an exact evaluation of the network."""
        face = max(self.faces) if self.faces[0] < 0 else self.faces[0]
        if face < 0:
            raise InputError("the face beside the segment is not known in float64: use mode='certified'")
        matrix, offset = self.boundary.part.faces[face].affine
        a, b, c = (*matrix[self.classes[0]], offset[self.classes[0]])
        if self.classes[1] >= 0:
            (d, e), f = matrix[self.classes[1]], offset[self.classes[1]]
            a, b, c = a - d, b - e, c - f
        return a, b, c - self.boundary.level

    @property
    def squared_length(self) -> mpq:
        """The exact square of the length, in slice coordinates."""
        return _squared_length(*self.ends)


@dataclass(frozen=True)
class FilledArea:
    """A polygon, in slice coordinates, on all of which f is zero, or the two `classes` are both largest.

    `face` is the subdivision's face that it lies in, `polygon` its exact corners, counter-clockwise.
    """

    face: int
    polygon: tuple[ExactPoint, ...]
    classes: tuple[int, int]


@dataclass(frozen=True, eq=False, repr=False)
class Boundary:
    """The set of points of a domain at which a function f is zero: what `boundary` returns.

    `kind` is "level" (f is output `output` less `level`), "difference" (`output` less output `other` less `level`) or
    "argmax" (two or more outputs are larger than all others). The set consists of segments, which lie in faces of
    `part` or along edges; of filled areas, where it is two-dimensional (the segments around them are listed too, those
    between two of them only where other outputs are tied on the other side); and of isolated points, where f only
    touches zero.

    Points are numbered; arrays have the numbers. `ends`, `faces`, `classes` (k, 2) and `changes` (k,) say of every
    segment what a `BoundarySegment` says of one. All is exact unless `part` is a float64 result; what takes long is
    computed when it is first asked for.
    """

    part: Subdivision
    kind: str
    output: int
    level: mpq
    trace: Trace
    other: int = -1

    @property
    def certified(self) -> bool:
        """Whether this is exact, and not only float64's opinion."""
        return self.part.certified

    # -- points and segments ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.trace.ends)

    def __getitem__(self, index: int) -> BoundarySegment:
        return self.exact[index]

    @property
    def ends(self) -> Ints:
        """The numbers of the points at the ends of the segments, shape (k, 2)."""
        return self.trace.ends

    @property
    def faces(self) -> Ints:
        """The faces of `part` on the left and on the right of the segments, shape (k, 2)."""
        return self.trace.faces

    @property
    def classes(self) -> Ints:
        """The outputs, shape (k, 2): larger on the left, larger on the right; the second is -1 for one output."""
        return self.trace.classes

    @property
    def changes(self) -> NDArray[np.bool_]:
        """Whether the sign, or the arg-max, changes across each segment, shape (k,): f does not only touch zero."""
        return self.trace.changes

    @property
    def exact(self) -> View[BoundarySegment]:
        """The segments, exact."""
        return View(len(self), self._segment)

    def _segment(self, index: int) -> BoundarySegment:
        p, q = self.exact_points(self.ends[index])
        (left, right), (i, j) = self.faces[index].tolist(), self.classes[index].tolist()
        return BoundarySegment(index, (p, q), (left, right), (i, j), bool(self.changes[index]), self)

    @cached_property
    def points(self) -> list[ExactPoint]:
        """The exact points, in slice coordinates. Cost: some exact forms for each, in bulk."""
        return self.exact_points(np.arange(self.trace.places.total))

    def exact_points(self, numbers: Ints) -> list[ExactPoint]:
        """Some of the exact points, computed together."""
        if "points" in self.__dict__:
            return [self.points[n] for n in numbers.tolist()]
        return [(mpq(x, w), mpq(y, w)) for x, y, w in self.trace.places.exact(numbers)]

    @cached_property
    def coordinates(self) -> Floats:
        """The points as float64, shape (n, 2): each coordinate the float nearest to the exact one."""
        rows = [[nearest(q.numerator, q.denominator) for q in point] for point in self.points]
        return np.array(rows, np.float64).reshape(-1, 2)

    @cached_property
    def segments(self) -> Floats:
        """The ends of the segments as float64, shape (k, 2, 2): quick, and each within `slack` of the exact point."""
        fast = self.trace.places.fast
        return (self.coordinates if fast is None else fast)[self.ends]

    @property
    def slack(self) -> float:
        """A bound of the distance from `segments` to the exact ends; 0 where they are the nearest floats."""
        return self.trace.places.slack

    @property
    def triple_points(self) -> list[ExactPoint]:
        """Where three or more outputs are larger than all others; empty for other kinds than "argmax".

        Where they are so along a whole segment, or on a filled area, these are its ends, or its corners.
        """
        return self.exact_points(self.trace.triple)

    @property
    def isolated_points(self) -> list[ExactPoint]:
        """Where f touches zero in a point alone."""
        return self.exact_points(self.trace.isolated)

    @cached_property
    def filled(self) -> list[FilledArea]:
        """The polygons on which f is zero."""
        areas, trace = self.trace.filled, self.trace
        corners = self.exact_points(areas.corners)
        bounds = zip(areas.starts[:-1].tolist(), areas.starts[1:].tolist(), strict=True)
        rows = zip(trace.filled_faces.tolist(), bounds, trace.filled_classes.tolist(), strict=True)
        return [FilledArea(face, tuple(corners[s:t]), (i, j)) for face, (s, t), (i, j) in rows]

    # -- topology -----------------------------------------------------------------------------------------------------

    @cached_property
    def chains(self) -> list[Chain]:
        """The segments in as few rows as there can be: polylines and loops, which meet in junctions only."""
        return chains(self.ends, self.trace.places.total)

    @property
    def loops(self) -> list[Chain]:
        """The closed chains."""
        return [chain for chain in self.chains if chain.closed]

    @cached_property
    def nesting(self) -> list[int]:
        """For each of `loops`, the number of the innermost loop around it, or -1."""
        return nesting(self.loops, self.trace.places)

    @property
    def depth(self) -> int:
        """How many loops, at most, lie one inside the other."""
        depths: dict[int, int] = {-1: 0}

        def of(k: int) -> int:
            if k not in depths:
                depths[k] = of(self.nesting[k]) + 1
            return depths[k]

        return max(map(of, range(len(self.nesting))), default=0)

    @cached_property
    def component(self) -> Ints:
        """For each point, the number of the connected component that it lies in."""
        return components(self.ends, self.trace.filled, self.trace.places.total)

    @property
    def components(self) -> int:
        """The number of connected components: of segments, filled areas and isolated points together."""
        return int(self.component.max(initial=-1)) + 1

    # -- length -------------------------------------------------------------------------------------------------------

    @cached_property
    def length_bounds(self) -> tuple[mpq, mpq]:
        """Two rationals, with the length of all segments in slice coordinates between them: 60 bits are common."""
        squares = [_squared_length(self.points[p], self.points[q]) for p, q in self.ends.tolist()]
        if not squares:
            return mpq(0), mpq(0)
        longest = max(squares)
        size = (longest.numerator.bit_length() - longest.denominator.bit_length()) // 2
        bits = PRECISION + 2 + len(squares).bit_length() - size
        scale = mpq(4) ** bits
        least = sum(isqrt(q * scale // 1) for q in squares)
        unit = mpq(2) ** -bits
        return least * unit, (least + len(squares)) * unit

    @property
    def length(self) -> float:
        """The length of all segments, in slice coordinates: at most a unit in the last place off."""
        low, _ = self.length_bounds
        return nearest(low.numerator, low.denominator)

    def summary(self) -> dict[str, int]:
        """How many there are of each."""
        return {
            "segments": len(self),
            "components": self.components,
            "chains": len(self.chains),
            "loops": len(self.loops),
            "depth": self.depth,
            "triple points": len(self.trace.triple),
            "filled areas": len(self.trace.filled_faces),
            "isolated points": len(self.trace.isolated),
        }

    def save(self, path: PathLike) -> None:
        """Write all of it to a .json file, whole or not at all, the same bytes each time.

        `points` are pairs of exact numbers "p/q", in slice coordinates; all else names points by their numbers there:
        the `ends` of `segments` (with `faces`, `classes` and `changes`), the `points` of `chains` (a closed one's last
        is its first), the `polygon`s of `filled` areas, `triple_points` and `isolated_points`. `network` and `domain`
        are digests. Raises InputError for a float64 result, other names than .json, and where it cannot write.
        """
        write_boundary(self, path)

    def __repr__(self) -> str:
        mark = "" if self.certified else ", float64, uncertified"
        return f"<Boundary ({self.kind}): {len(self)} segments, {self.components} components{mark}>"


def boundary(
    part: Subdivision,
    output: int | None = None,
    *,
    classes: Sequence[int] | None = None,
    level: object = 0,
    progress: Progress | None = None,
    max_cells: int | None = None,
) -> Boundary:
    """The exact decision boundary, or level set, of the network of a subdivision.

    With `output`, where that output is equal to `level` (any exact number: a signed distance, say); with `classes` a
    pair (i, j), where output i is equal to output j plus `level`. With neither, the level of the only output, or, of
    several outputs, where two or more are larger than all others.

    It is as exact as `part`: in mode "float64" nothing vouches for it, and where f only touches zero it is found by
    chance. Raises InputError for outputs that do not exist and a level that is no number, NetworkError for an arg-max
    over more than 63 outputs, Undecided beyond `max_cells`. Cost: an evaluation of the network at all vertices in
    float64 and exact signs of what that leaves open (mode "rational": of all). For the arg-max, exact work on the cells
    that the boundary crosses and where outputs tie at corners, and one more partition in the other modes.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 1]], [-1])])     # |x| + |y| - 1
    >>> found = sx.boundary(sx.partition(net, sx.square(2)))
    >>> len(found), len(found.loops), found.length_bounds[0] ** 2 < 32 < found.length_bounds[1] ** 2
    (4, 1, True)
    >>> found[0].affine in {(1, 1, -1), (1, -1, -1), (-1, 1, -1), (-1, -1, -1)}
    True
    """
    if not isinstance(part, Subdivision):
        raise InputError(
            f"a {type(part).__name__} was given, not a Subdivision: first partition, as in "
            "boundary(partition(net, domain))"
        )
    value = exact(level)
    outputs = part.network.output_size
    if output is not None and classes is not None:
        raise InputError("choose one of output and classes: the level of an output, or the difference of two")
    if classes is not None:
        i, j = _pair(classes, outputs)
        return Boundary(part, "difference", i, value, trace_zeros(part, Function(i, j, value), progress), j)
    if output is not None or outputs == 1:
        output = _known(0 if output is None else output, outputs)
        return Boundary(part, "level", output, value, trace_zeros(part, Function(output, -1, value), progress))
    if value:
        raise InputError("an arg-max has no level: choose the output, or the two classes, that it is the level of")
    part.network.with_head("argmax")  # raises where there are too many outputs
    trace = trace_duels(part, progress) or trace_argmax(part, progress, max_cells)
    return Boundary(part, "argmax", -1, value, trace)


def _pair(classes: Sequence[int], outputs: int) -> tuple[int, int]:
    if isinstance(classes, np.ndarray) and classes.ndim == 1:
        classes = list(classes)
    if isinstance(classes, str) or not isinstance(classes, Sequence) or len(classes) != 2:
        raise InputError(f"classes must be two outputs, as in (0, 1), not {brief(classes)}")
    i, j = (_known(k, outputs) for k in classes)
    if i == j:
        raise InputError(f"classes must be two different outputs, both are {i}")
    return i, j


def _known(output: object, outputs: int) -> int:
    number = whole(output)
    if number is None or not 0 <= number < outputs:
        raise InputError(f"there is no output {brief(output)}, only 0 to {outputs - 1}")
    return number


def _squared_length(p: ExactPoint, q: ExactPoint) -> mpq:
    return (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2
