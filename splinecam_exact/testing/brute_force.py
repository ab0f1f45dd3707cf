"""An independent oracle: the exact partition of a small network by recursive polygon clipping, in `fractions` only.

It shares no code and no idea with the kernel: no half-edges, no determinants, no homogeneous coordinates. Every cell is
a list of corner points and the affine maps that reach it; every unit cuts every cell. That is slow (the number of cells
times the number of units) and easy to believe, which is the point: the test suites compare the two, cell by cell.

Conventions: polygons are strictly convex and counter-clockwise, the lexicographically smallest corner first. A unit
with breakpoints b_0 < b_1 < ... has state 2k on the open piece between b_(k-1) and b_k, and state 2k + 1 where it
equals b_k; the state of a `Max` group is the bit mask of the members that attain the maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

Number = int | float | str | Fraction
Point = tuple[Fraction, Fraction]
Corners = tuple[Point, ...]
AffineMap = tuple[Fraction, Fraction, Fraction]
"""(a, b, c): the function a*x + b*y + c of the slice coordinates."""
Pattern = tuple[int, ...]
"""One state per unit: layer by layer, in each layer row by row or group by group."""

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Curve:
    """A continuous piecewise linear function: `slopes[k]` right of `breakpoints[k - 1]`, `anchor` at the first one."""

    breakpoints: tuple[Fraction, ...]
    slopes: tuple[Fraction, ...]
    anchor: Fraction = ZERO

    def value_at(self, k: int) -> Fraction:
        """The function's value at breakpoint `k`."""
        steps = zip(self.slopes[1 : k + 1], pairwise(self.breakpoints), strict=False)
        return sum((slope * (right - left) for slope, (left, right) in steps), self.anchor)

    def piece(self, state: int) -> tuple[Fraction, Fraction]:
        """(slope, constant) of the function in a state; at a breakpoint it is a constant."""
        if state % 2:
            return ZERO, self.value_at(state // 2)
        k = state // 2
        nearest = max(k - 1, 0)
        return self.slopes[k], self.value_at(nearest) - self.slopes[k] * self.breakpoints[nearest]

    def state(self, h: Fraction) -> int:
        """The state of a unit whose pre-activation is `h`."""
        return sum(2 if h > breakpoint else int(h == breakpoint) for breakpoint in self.breakpoints)


RELU = Curve((ZERO,), (ZERO, ONE))


@dataclass(frozen=True)
class Layer:
    """y = activation(weights x + bias): one curve per row, or the maximum over groups of rows, or neither (affine)."""

    weights: tuple[tuple[Fraction, ...], ...]
    bias: tuple[Fraction, ...]
    curves: tuple[Curve, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Cell:
    """A convex cell under construction, with the affine maps of the values computed so far."""

    corners: Corners
    pattern: Pattern
    inputs: tuple[AffineMap, ...]
    outputs: tuple[AffineMap, ...] = ()


@dataclass(frozen=True)
class BruteForce:
    """The answer: `counts` holds A, L, P, V, E; `cells` and `maps` are keyed by activation pattern.

    Patterns are distinct, so A is `len(cells)`; `maps` holds the affine maps of the network's outputs.
    """

    counts: dict[str, int]
    cells: dict[Pattern, Corners]
    maps: dict[Pattern, tuple[AffineMap, ...]]


def relu_layers(layers: Iterable[tuple[Sequence[Sequence[Number]], Sequence[Number]]]) -> tuple[Layer, ...]:
    """Layers from (W, b) pairs of exact numbers, floats or strings: ReLU after each but the last."""
    exact = [
        Layer(tuple(tuple(Fraction(w) for w in row) for row in weights), tuple(Fraction(x) for x in bias))
        for weights, bias in layers
    ]
    hidden = [Layer(layer.weights, layer.bias, (RELU,) * len(layer.bias)) for layer in exact[:-1]]
    return (*hidden, exact[-1])


def evaluate(layers: Sequence[Layer], point: Sequence[Fraction]) -> tuple[tuple[Fraction, ...], Pattern]:
    """The exact outputs at a point, and the state of every unit there.

    >>> evaluate(relu_layers([([[1, 1], [1, -1]], [0, 0]), ([[2, 3]], [1])]), (ONE, ONE))
    ((Fraction(5, 1),), (2, 1))
    """
    values, pattern = list(point), []
    for layer in layers:
        h = [
            sum((w * x for w, x in zip(row, values, strict=True)), b)
            for row, b in zip(layer.weights, layer.bias, strict=True)
        ]
        values = h
        if layer.curves:
            states = [curve.state(value) for curve, value in zip(layer.curves, h, strict=True)]
            pieces = [curve.piece(state) for curve, state in zip(layer.curves, states, strict=True)]
            values = [slope * value + constant for (slope, constant), value in zip(pieces, h, strict=True)]
            pattern.extend(states)
        if layer.groups:
            values = [max(h[j] for j in group) for group in layer.groups]
            for group, top in zip(layer.groups, values, strict=True):
                pattern.append(sum(1 << bit for bit, j in enumerate(group) if h[j] == top))
    return tuple(values), tuple(pattern)


def brute_force(layers: Sequence[Layer], domain: Sequence[Point]) -> BruteForce:
    """The activation cells of a 2-input network on a convex polygon, and the five counts.

    >>> square = tuple((Fraction(x), Fraction(y)) for x, y in [(-1, -1), (1, -1), (1, 1), (-1, 1)])
    >>> brute_force(relu_layers([([[1, 0], [-1, 0]], [0, 0]), ([[1, -1]], [0])]), square).counts
    {'A': 2, 'L': 1, 'P': 1, 'V': 6, 'E': 7}
    """
    cells = [start(domain)]
    for layer in layers:
        cells = advance(cells, layer)
    by_pattern = {cell.pattern: canonical(cell.corners) for cell in cells}
    if len(by_pattern) != len(cells):
        raise ValueError(f"{len(cells)} cells share {len(by_pattern)} patterns")
    segments = _segments([cell.corners for cell in cells])
    maps = [cell.inputs for cell in cells]
    counts = {
        "A": len(cells),
        "L": _regions(maps, segments.values()),
        "P": len(set(maps)),
        "V": len({corner for cell in cells for corner in cell.corners}),
        "E": len(segments),
    }
    return BruteForce(counts, by_pattern, {cell.pattern: cell.inputs for cell in cells})


def start(domain: Sequence[Point]) -> Cell:
    """The one cell before the first layer: the whole domain, with the coordinates as values."""
    corners = tuple(domain)
    if len(corners) < 3 or any(_turn(*corner) <= 0 for corner in _triples(corners)):
        raise ValueError("the domain must be a strictly convex, counter-clockwise polygon")
    return Cell(corners, (), ((ONE, ZERO, ZERO), (ZERO, ONE, ZERO)))


def advance(cells: Iterable[Cell], layer: Layer) -> list[Cell]:
    """The cells after one more layer."""
    result = list(cells)
    if layer.groups:
        for group in layer.groups:
            result = [part for cell in result for part in split_by_max(cell, layer, group)]
    elif layer.curves:
        for row in range(len(layer.bias)):
            result = [part for cell in result for part in split_by_unit(cell, layer, row)]
    else:
        rows = range(len(layer.bias))
        result = [Cell(c.corners, c.pattern, c.inputs, tuple(preactivation(c, layer, r) for r in rows)) for c in result]
    return [Cell(cell.corners, cell.pattern, cell.outputs) for cell in result]


def split_by_unit(cell: Cell, layer: Layer, row: int) -> Iterator[Cell]:
    """Cut one cell at every breakpoint of one unit; a unit that is at a breakpoint on the whole cell cuts nothing."""
    h, curve = preactivation(cell, layer, row), layer.curves[row]
    rest = cell.corners
    for k, breakpoint in enumerate(curve.breakpoints):
        above = (h[0], h[1], h[2] - breakpoint)
        if all(_value(above, corner) == 0 for corner in rest):
            yield _with_unit(cell, rest, 2 * k + 1, h, curve.piece(2 * k + 1))
            return
        below = (-above[0], -above[1], -above[2])
        if part := clip(rest, below):
            yield _with_unit(cell, part, 2 * k, h, curve.piece(2 * k))
        rest = clip(rest, above)
        if not rest:
            return
    last = 2 * len(curve.breakpoints)
    yield _with_unit(cell, rest, last, h, curve.piece(last))


def split_by_max(cell: Cell, layer: Layer, group: Sequence[int]) -> Iterator[Cell]:
    """Cut one cell where the maximum of a group changes hands; members with one affine map win together."""
    members = [preactivation(cell, layer, row) for row in group]
    for top in dict.fromkeys(members):
        part = cell.corners
        for other in members:
            if other != top and part:
                part = clip(part, (top[0] - other[0], top[1] - other[1], top[2] - other[2]))
        if part:
            mask = sum(1 << bit for bit, member in enumerate(members) if member == top)
            yield _with_unit(cell, part, mask, top, (ONE, ZERO))


def preactivation(cell: Cell, layer: Layer, row: int) -> AffineMap:
    """The affine map, on a cell, of one row of the layer before its activation."""
    a, b, c = ZERO, ZERO, layer.bias[row]
    for weight, (p, q, r) in zip(layer.weights[row], cell.inputs, strict=True):
        a, b, c = a + weight * p, b + weight * q, c + weight * r
    return a, b, c


def clip(corners: Corners, h: AffineMap) -> Corners:
    """The part of a convex polygon where h >= 0, or () if that has no interior."""
    values = [_value(h, corner) for corner in corners]
    if max(values) <= 0:
        return ()
    kept: list[Point] = []
    for i, (p, u) in enumerate(zip(corners, values, strict=True)):
        q, v = corners[i - 1], values[i - 1]
        if u * v < 0:
            t = v / (v - u)
            kept.append((q[0] + t * (p[0] - q[0]), q[1] + t * (p[1] - q[1])))
        if u >= 0:
            kept.append(p)
    return tuple(kept)


def canonical(polygon: Sequence[Point]) -> Corners:
    """The corners of a counter-clockwise convex polygon, straight ones dropped, the lexicographically smallest first.

    Equal polygons become equal tuples, whichever vertices of their neighbours they list on their sides.
    """
    corners = [corner for before, corner, after in _triples(polygon) if _turn(before, corner, after) != 0]
    first = corners.index(min(corners))
    return (*corners[first:], *corners[:first])


def _with_unit(cell: Cell, corners: Corners, state: int, h: AffineMap, piece: tuple[Fraction, Fraction]) -> Cell:
    slope, constant = piece
    output = (slope * h[0], slope * h[1], slope * h[2] + constant)
    return Cell(corners, (*cell.pattern, state), cell.inputs, (*cell.outputs, output))


def _segments(polygons: Sequence[Corners]) -> dict[tuple[Point, Point], list[int]]:
    """Every edge of the subdivision, with the one or two polygons that it bounds.

    Each side is cut at every corner of any polygon that lies on it. No other vertex exists: a corner of a cell is
    strictly convex, so it is a corner of the domain or has degree 3 or more, and never lies in a straight line.
    """
    points = {corner for polygon in polygons for corner in polygon}
    on_line: dict[AffineMap, list[Point]] = {}
    segments: dict[tuple[Point, Point], list[int]] = {}
    for index, polygon in enumerate(polygons):
        for i, p in enumerate(polygon):
            low, high = sorted((polygon[i - 1], p))
            line = _line(low, high)
            if line not in on_line:
                on_line[line] = sorted(point for point in points if _value(line, point) == 0)
            stops = [point for point in on_line[line] if low <= point <= high]
            for segment in pairwise(stops):
                segments.setdefault(segment, []).append(index)
    if any(len(owners) > 2 for owners in segments.values()):
        raise ValueError("three cells share one edge: they overlap")
    return segments


def _regions(maps: Sequence[object], owners: Iterable[list[int]]) -> int:
    """The number of classes of cells that are joined through edges and have equal maps."""
    parent = list(range(len(maps)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for pair in owners:
        if len(pair) == 2 and maps[pair[0]] == maps[pair[1]]:
            parent[root(pair[0])] = root(pair[1])
    return sum(parent[i] == i for i in range(len(maps)))


def _line(p: Point, q: Point) -> AffineMap:
    """The line through two points, scaled so that equal lines are equal triples."""
    a, b = q[1] - p[1], p[0] - q[0]
    scale = a if a != 0 else b
    return a / scale, b / scale, -(a * p[0] + b * p[1]) / scale


def _value(h: AffineMap, point: Point) -> Fraction:
    return h[0] * point[0] + h[1] * point[1] + h[2]


def _turn(p: Point, q: Point, r: Point) -> Fraction:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def _triples(corners: Sequence[Point]) -> Iterator[tuple[Point, Point, Point]]:
    return ((corners[i - 2], corners[i - 1], corners[i]) for i in range(len(corners)))
