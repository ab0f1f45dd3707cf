"""Domains: a convex polygon, and a two-dimensional slice of an n-dimensional input space.

A polygon's `corners` run counter-clockwise from the lexicographically smallest one and are strictly convex; the polygon
is closed. A slice maps slice coordinates (s, t) to origin + s * basis[0] + t * basis[1]; its polygon is in slice
coordinates. Every number is an exact rational: a float denotes the dyadic rational it stores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact._text import brief
from splinecam_exact.arrays import exact
from splinecam_exact.frozen import Frozen
from splinecam_exact.kernel.errors import DomainError, InputError
from splinecam_exact.kernel.rational import format_rational

if TYPE_CHECKING:
    from splinecam_exact.network import Network

Corner = tuple[mpq, mpq]


class Polygon(Frozen):
    """A closed convex polygon with exact corners; by itself, the domain of a network with two inputs.

    `vertices` may run either way round. A last vertex equal to the first is dropped, and so is a vertex in the middle
    of a straight side: neither changes the set. Raises DomainError, naming the vertex, for other repeated vertices,
    fewer than three corners, zero area, and polygons that are not convex or intersect themselves.

    >>> Polygon([(0, 0), (0, 1), (1, 0.5)]).corners
    ((mpq(0,1), mpq(0,1)), (mpq(1,1), mpq(1,2)), (mpq(0,1), mpq(1,1)))
    """

    def __init__(self, vertices: Iterable[Sequence[object]]) -> None:
        if isinstance(vertices, str) or not isinstance(vertices, Iterable):
            raise DomainError(f"a polygon is a list of points (x, y), not a {type(vertices).__name__}")
        points = [_vector(vertex, f"vertex {k}", 2) for k, vertex in enumerate(vertices)]
        self.corners: tuple[Corner, ...] = _convex_corners([(x, y) for x, y in points])

    @property
    def polygon(self) -> Polygon:
        """The polygon itself, so that a domain always has a `polygon`."""
        return self

    @cached_property
    def area(self) -> mpq:
        """The exact area, in slice coordinates."""
        return _doubled_area(self.corners) / 2

    def embed(self, point: Sequence[object]) -> tuple[mpq, ...]:
        """The input-space point of a point of the plane: the same, made exact."""
        return _vector(point, "point", 2)

    def check_fits(self, net: Network) -> None:
        """Raise DomainError unless the network has two inputs."""
        if net.input_size != 2:
            raise DomainError(
                f"a polygon is a domain for 2 inputs, the network has {net.input_size}; choose a plane with Slice"
            )

    def to_json(self) -> dict[str, Any]:
        """The polygon as a JSON object of canonical strings; `from_json` inverts it."""
        return {"polygon": [[format_rational(x), format_rational(y)] for x, y in self.corners]}

    @classmethod
    def from_json(cls, obj: object) -> Polygon:
        """The polygon of a `to_json` object; DomainError for anything that is not in that very form."""
        polygon = cls(*_fields(obj, ["polygon"]))
        if polygon.to_json() != obj:
            raise DomainError(f"the polygon is not in canonical form, which is {json.dumps(polygon.to_json())[:200]}")
        return polygon

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the exact content."""
        return _digest(self.to_json())

    def __reduce__(self) -> tuple[type[Polygon], tuple[tuple[Corner, ...]]]:
        return Polygon, (self.corners,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polygon) and self.corners == other.corners

    def __hash__(self) -> int:
        return hash(self.corners)

    def __repr__(self) -> str:
        return f"Polygon([{', '.join(f'({x}, {y})' for x, y in self.corners)}])"


class Slice(Frozen):
    """A convex polygon on a plane in input space: the points origin + s * basis[0] + t * basis[1].

    `origin` and the two vectors of `basis` have the network's input size. A network of one input takes a basis such as
    [[1], [0]], which makes its pieces strips; otherwise the basis is independent. Without a `polygon` (in slice
    coordinates) the square [-1, 1]^2 is taken. Raises DomainError for vectors of different sizes or dependent ones.

    >>> plane = Slice([0, 0, 1], [[1, 0, 0], [0, 0.5, 0]])
    >>> plane.embed((2, 3))
    (mpq(2,1), mpq(3,2), mpq(1,1))
    >>> plane.gram
    ((mpq(1,1), mpq(0,1)), (mpq(0,1), mpq(1,4)))
    """

    def __init__(
        self, origin: Iterable[object], basis: Iterable[Iterable[object]], polygon: Polygon | None = None
    ) -> None:
        self.origin: tuple[mpq, ...] = _vector(origin, "origin")
        vectors = [_vector(vector, f"basis[{k}]", len(self.origin)) for k, vector in enumerate(basis)]
        if len(vectors) != 2:
            raise DomainError(f"the basis has {len(vectors)} vectors; two are needed")
        self.basis: tuple[tuple[mpq, ...], tuple[mpq, ...]] = (vectors[0], vectors[1])
        self.polygon: Polygon = square(1) if polygon is None else polygon
        if not isinstance(self.polygon, Polygon):
            raise DomainError(f"the polygon is of type {type(polygon).__name__}; a Polygon is needed")
        if _dependent(*vectors) and not (len(self.origin) == 1 and any(v for (v,) in vectors)):
            raise DomainError("the two basis vectors are linearly dependent: they span no plane")

    @classmethod
    def through(
        cls, a: Iterable[object], b: Iterable[object], c: Iterable[object], polygon: Polygon | None = None
    ) -> Slice:
        """The plane through three points: a is (0, 0), b is (1, 0), c is (0, 1) in slice coordinates.

        Without a `polygon` the square [-1/4, 5/4]^2 is taken, which has the three points inside. Raises DomainError
        where two points coincide or all lie on one line.

        >>> Slice.through([1, 1, 1], [2, 1, 1], [1, 3, 1]).basis[1]
        (mpq(0,1), mpq(2,1), mpq(0,1))
        """
        first = _vector(a, "a")
        second, third = _vector(b, "b", len(first)), _vector(c, "c", len(first))
        for names, same in (("a and b", first == second), ("a and c", first == third), ("b and c", second == third)):
            if same:
                raise DomainError(f"the points {names} coincide: they span no plane")
        u, v = ([q - p for p, q in zip(first, point, strict=True)] for point in (second, third))
        if _dependent(u, v):
            raise DomainError("the points a, b and c lie on one line: they span no plane")
        low, high = mpq(-1, 4), mpq(5, 4)
        box = [(low, low), (high, low), (high, high), (low, high)]
        return cls(first, (u, v), Polygon(box) if polygon is None else polygon)

    @classmethod
    def axes(cls, i: int, j: int, at: Sequence[object], polygon: Polygon | None = None) -> Slice:
        """The plane on which inputs i and j vary and the others stay at `at`.

        Slice coordinates are the inputs i and j themselves, so `polygon` is written in their units, and entries i and
        j of `at` (which may be None) are not used. Without a `polygon` the square [-1, 1]^2 is taken.

        >>> Slice.axes(2, 0, [None, 7, None]).embed((5, 6))
        (mpq(6,1), mpq(7,1), mpq(5,1))
        """
        if isinstance(at, str) or not isinstance(at, Sequence | np.ndarray):
            raise DomainError(f"`at` is a list with an entry for every input, not a {type(at).__name__}")
        size = len(at)
        for axis in (i, j):
            if type(axis) is not int or not 0 <= axis < size:
                raise DomainError(f"there is no coordinate {brief(axis)}, only 0 to {size - 1}")
        if i == j:
            raise DomainError(f"the two coordinates must differ, both are {i}")
        origin = [0 if k in (i, j) else at[k] for k in range(size)]
        return cls(origin, [[int(k == axis) for k in range(size)] for axis in (i, j)], polygon)

    @property
    def corners(self) -> tuple[Corner, ...]:
        """The polygon's corners, in slice coordinates."""
        return self.polygon.corners

    @cached_property
    def gram(self) -> tuple[Corner, Corner]:
        """The exact inner products of the basis vectors; sqrt(det) scales slice areas to input-space areas."""
        u, v = self.basis
        uv = _dot(u, v)
        return (_dot(u, u), uv), (uv, _dot(v, v))

    def embed(self, point: Sequence[object]) -> tuple[mpq, ...]:
        """The exact input-space point of slice coordinates (s, t)."""
        s, t = _vector(point, "point", 2)
        return tuple(o + s * u + t * v for o, u, v in zip(self.origin, *self.basis, strict=True))

    def check_fits(self, net: Network) -> None:
        """Raise DomainError unless the slice lies in the network's input space."""
        if net.input_size != len(self.origin):
            raise DomainError(
                f"the slice lies in {len(self.origin)} dimensions, the network has {net.input_size} inputs"
            )

    def to_json(self) -> dict[str, Any]:
        """The slice as a JSON object of canonical strings; `from_json` inverts it."""
        vectors = [list(map(format_rational, vector)) for vector in (self.origin, *self.basis)]
        return {"origin": vectors[0], "basis": vectors[1:], **self.polygon.to_json()}

    @classmethod
    def from_json(cls, obj: object) -> Slice:
        """The slice of a `to_json` object; DomainError for anything that is not in that very form."""
        origin, basis, polygon = _fields(obj, ["origin", "basis", "polygon"])
        plane = cls(origin, basis, Polygon.from_json({"polygon": polygon}))
        if plane.to_json() != obj:
            raise DomainError("the slice is not in canonical form: numbers must be strings 'p' or 'p/q'")
        return plane

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the exact content."""
        return _digest(self.to_json())

    def __reduce__(self) -> tuple[type[Slice], tuple[object, ...]]:
        return Slice, (self.origin, self.basis, self.polygon)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slice) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<Slice of {len(self.origin)}-dimensional space, polygon with {len(self.corners)} corners>"


def square(r: object) -> Polygon:
    """The square with corners (+-r, +-r), r > 0.

    >>> square(1).area
    mpq(4,1)
    """
    (half,) = _vector([r], "r")
    if half <= 0:
        raise DomainError(f"a square needs r > 0, not {half}")
    return Polygon([(-half, -half), (half, -half), (half, half), (-half, half)])


def _convex_corners(points: list[Corner]) -> tuple[Corner, ...]:
    if len(points) > 1 and points[0] == points[-1]:
        points = points[:-1]
    if len(points) < 3:
        raise DomainError(f"a polygon needs three corners, there are {len(points)}")
    first_at: dict[Corner, int] = {}
    for k, point in enumerate(points):
        if first_at.setdefault(point, k) != k:
            raise DomainError(f"{_named(points, k)} repeats vertex {first_at[point]}")
    n = len(points)
    sides = [(x - v, y - w) for (v, w), (x, y) in zip(points, points[1:] + points[:1], strict=True)]
    turns = [_cross(sides[k - 1], sides[k]) for k in range(n)]
    if not any(turns):
        raise DomainError("all vertices lie on one line: the polygon has no area")
    for k in range(n):
        if turns[k] == 0 and _dot(sides[k - 1], sides[k]) < 0:
            raise DomainError(f"at {_named(points, k)} the boundary turns back on itself: not a convex polygon")
    orientation = _doubled_area(points) or next(filter(None, turns))
    for k in range(n):
        if turns[k] * orientation < 0:
            raise DomainError(f"at {_named(points, k)} the boundary turns the other way: not a convex polygon")
    kept = [k for k in range(n) if turns[k]]
    if orientation < 0:
        kept.reverse()
    corners = [points[k] for k in kept]
    # It turns left everywhere; so does a pentagram. Once around, the direction enters the upper half only once.
    upper = [(y, x) > (w, v) for (v, w), (x, y) in zip(corners, corners[1:] + corners[:1], strict=True)]
    entered = [k for k, before, after in zip(kept, upper[-1:] + upper[:-1], upper, strict=True) if after and not before]
    if len(entered) > 1:
        place = _named(points, entered[1])
        raise DomainError(f"the boundary winds {len(entered)} times (again at {place}): it intersects itself")
    smallest = corners.index(min(corners))
    return tuple(corners[smallest:] + corners[:smallest])


def _named(points: list[Corner], k: int) -> str:
    return f"vertex {k} ({points[k][0]}, {points[k][1]})"


def _cross(u: Corner, v: Corner) -> mpq:
    return u[0] * v[1] - u[1] * v[0]


def _dot(u: Iterable[mpq], v: Iterable[mpq]) -> mpq:
    return sum((a * b for a, b in zip(u, v, strict=True)), mpq(0))


def _dependent(u: Sequence[mpq], v: Sequence[mpq]) -> bool:
    return _dot(u, u) * _dot(v, v) == _dot(u, v) ** 2


def _doubled_area(corners: Sequence[Corner]) -> mpq:
    """Twice the signed area, positive when counter-clockwise."""
    return sum((_cross(p, q) for p, q in zip(corners, [*corners[1:], corners[0]], strict=True)), mpq(0))


def _vector(values: Iterable[object], name: str, size: int | None = None) -> tuple[mpq, ...]:
    found: list[mpq] = []
    try:
        for value in [] if isinstance(values, str) else values:
            found.append(exact(value))
    except InputError as error:
        raise DomainError(f"{name}[{len(found)}]: {error}") from None
    except TypeError:
        raise DomainError(f"{name} is of type {type(values).__name__}; a sequence of numbers is needed") from None
    if not found or (size is not None and len(found) != size):
        raise DomainError(f"{name} has {len(found)} coordinates; {size or 'some'} are needed")
    return tuple(found)


def _fields(obj: object, names: Sequence[str]) -> list[list[Any]]:
    if not isinstance(obj, dict) or set(obj) != set(names):
        raise DomainError(f"a domain is a JSON object with exactly the keys {', '.join(names)}")
    for name in names:
        if not isinstance(obj[name], list):
            raise DomainError(f"{name} must be a JSON list")
    return [obj[name] for name in names]


def _digest(obj: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(obj, sort_keys=True).encode()).hexdigest()
