"""Hypothesis strategies that construct degeneracy: small networks on which exact geometry is hard to get right.

Random weights meet a degenerate case with probability zero, so the degenerate cases are built on purpose. While a
network is drawn its cells are computed with the brute-force oracle, and the next unit may be aimed at what exists
already: its breakline through a vertex, through two, along an edge or along a side of the domain, on top of an
earlier breakline, parallel to it or one unit in the last place away. Whole layers may be free of biases, concurrent,
parallel or coincident; units may be dead, constant, or identically at their breakpoint on some cells or on all.

Needs the extra `[testing]` (hypothesis).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from hypothesis import strategies as st

from splinecam_exact.arrays import ExactArray
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.testing.brute_force import (
    ONE,
    RELU,
    BruteForce,
    Cell,
    Corners,
    Curve,
    Layer,
    Pattern,
    Point,
    advance,
    brute_force,
    evaluate,
    split_by_unit,
    start,
)

Row = tuple[tuple[Fraction, ...], Fraction]
"""Weights and bias of one unit."""

ULP = Fraction(1, 2**52)
SCALES = tuple(Fraction(scale) for scale in ("1", "2", "1/3", "3", "1099511627776", "1/1048576"))
TEMPLATES: tuple[Corners, ...] = tuple(
    tuple((Fraction(x), Fraction(y)) for x, y in corners)
    for corners in (
        ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        ((0, 0), (1, 0), (1, 1), (0, 1)),
        ((-1, -1), (1, -1), (0, 1)),
        ((0, 0), (1, 0), (0, 1)),
        ((-1, 0), (0, -1), (1, 0), (0, 1)),
        ((-1, "-1/3"), ("1/2", -1), (1, "1/4"), ("1/7", 1), ("-3/4", "2/3")),
        ((-1, 0), ("-1/2", -1), ("1/2", -1), (1, 0), ("1/2", 1), ("-1/2", 1)),
    )
)
ABSOLUTE = Curve((Fraction(0),), (Fraction(-1), Fraction(1)))
LEAKY = Curve((Fraction(0),), (Fraction(1, 4), Fraction(1)))
HARDTANH = Curve((Fraction(-1), Fraction(1)), (Fraction(0), Fraction(1), Fraction(0)), Fraction(-1))
RELU6 = Curve((Fraction(0), Fraction(6)), (Fraction(0), Fraction(1), Fraction(0)))


@dataclass(frozen=True)
class PlainNetwork:
    """A network and its domain as plain fractions, for any tool to read.

    `corners` is a strictly convex, counter-clockwise polygon in the plane. `layers` read points of the plane, or,
    when there is an `embedding` (an affine layer from the plane into the input space), points of the input space.
    """

    layers: tuple[Layer, ...]
    corners: Corners
    embedding: Layer | None = None

    def network(self) -> Network:
        """The same network for this package."""
        nodes: list[Node] = []
        for layer in self.layers:
            weight, bias = ExactArray.of(layer.weights), ExactArray.of(layer.bias)
            nodes.append(Affine((len(nodes),), (weight,), bias))
            if layer.groups:
                nodes.append(Max(len(nodes), layer.groups))
            elif layer.curves:
                breakpoints, slopes = [c.breakpoints for c in layer.curves], [c.slopes for c in layer.curves]
                nodes.append(Piecewise.of(breakpoints, slopes, [c.anchor for c in layer.curves], len(nodes)))
        return Network(len(self.layers[0].weights[0]), nodes)

    def domain(self) -> Polygon | Slice:
        """The same domain for this package: a slice when there is an embedding."""
        polygon = Polygon(self.corners)
        if self.embedding is None:
            return polygon
        return Slice(self.embedding.bias, zip(*self.embedding.weights, strict=True), polygon)

    @property
    def lowered(self) -> tuple[Layer, ...]:
        """The layers as functions on the plane: the embedding, if any, in front."""
        return self.layers if self.embedding is None else (self.embedding, *self.layers)

    def brute_force(self) -> BruteForce:
        """The oracle's answer; exact, and slow."""
        return brute_force(self.lowered, self.corners)

    def evaluate(self, point: Point) -> tuple[tuple[Fraction, ...], Pattern]:
        """The exact outputs and states at a point of the plane."""
        return evaluate(self.lowered, point)


def quarters(limit: int = 2) -> st.SearchStrategy[Fraction]:
    """Multiples of 1/4 between `-limit` and `limit`: few values, so equal slopes and meeting points are common."""
    return st.integers(-4 * limit, 4 * limit).map(lambda n: Fraction(n, 4))


def weights() -> st.SearchStrategy[Fraction]:
    """Mostly multiples of 1/4; now and then a third, or a float with all its digits."""
    return st.one_of(
        quarters(),
        quarters(),
        st.integers(-4, 4).map(lambda n: Fraction(n, 3)),
        st.floats(-2, 2, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 2**-40).map(Fraction),
    )


@st.composite
def polygons(draw: st.DrawFn) -> Corners:
    """A strictly convex polygon with rational corners: a square, triangle, kite, pentagon or hexagon, perhaps
    sheared, moved, very large, very small or very thin."""
    corners = draw(st.sampled_from(TEMPLATES))
    sx = draw(st.sampled_from((ONE,) * 6 + SCALES))
    sy = draw(st.sampled_from((sx,) * 6 + SCALES))
    shear, dx, dy = draw(st.tuples(quarters(1), quarters(1), quarters(1)) | st.just((Fraction(0),) * 3))
    return tuple((sx * (x + shear * y + dx), sy * (y + dy)) for x, y in corners)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """A random continuous piecewise linear function with one to three breakpoints; neighbouring slopes may be equal."""
    breakpoints = tuple(sorted(draw(st.sets(quarters(1), min_size=1, max_size=3))))
    slopes = draw(st.lists(quarters(1), min_size=len(breakpoints) + 1, max_size=len(breakpoints) + 1))
    return Curve(breakpoints, tuple(slopes), draw(quarters(1)))


def activations(width: int) -> st.SearchStrategy[tuple[Curve, ...]]:
    """One curve for each of `width` units: all alike, or parametric (PReLU: one slope a unit)."""
    alike = st.one_of(*map(st.just, (RELU, RELU, RELU, ABSOLUTE, LEAKY, HARDTANH, RELU6)), curves())
    prelu = quarters(1).map(lambda slope: Curve((Fraction(0),), (slope, Fraction(1))))
    return alike.map(lambda curve: (curve,) * width) | st.tuples(*[prelu] * width)


@st.composite
def degenerate_networks(
    draw: st.DrawFn, max_layers: int = 3, max_width: int = 6, max_cells: int = 60, slices: bool = True
) -> PlainNetwork:
    """A small network with one to `max_layers` hidden layers, degenerate on purpose, and a polygon to cut.

    No more units are added once the polygon has `max_cells` cells, so the brute-force oracle takes well under a second.
    With `slices`, one network in a few reads three or four inputs through an affine slice.
    """
    corners = draw(polygons())
    embedding = draw(_embeddings()) if slices and draw(st.integers(0, 4)) == 4 else None
    cells = [start(corners)]
    if embedding is not None:
        cells = advance(cells, embedding)
    layers = []
    for _ in range(draw(_sizes(max_layers))):
        layer, cells = draw(_hidden_layer(cells, max_width, max_cells))
        layers.append(layer)
    if draw(st.integers(0, 3)) < 3:
        size = len(cells[0].inputs)
        row = st.tuples(st.tuples(*[weights()] * size), quarters())
        layers.append(_layer(draw(st.lists(row, min_size=1, max_size=2))))
    return PlainNetwork(tuple(layers), corners, embedding)


@st.composite
def _embeddings(draw: st.DrawFn) -> Layer:
    """An injective affine map into 3 or 4 inputs: two of the rows are the slice coordinates up to a shift."""
    fixed: list[tuple[Fraction, ...]] = [(Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))]
    others = draw(st.lists(st.tuples(quarters(), quarters()), min_size=1, max_size=2))
    rows = draw(st.permutations([*fixed, *others]))
    return _layer([(row, draw(quarters())) for row in rows])


@st.composite
def _hidden_layer(draw: st.DrawFn, cells: list[Cell], max_width: int, max_cells: int) -> tuple[Layer, list[Cell]]:
    """A layer whose units are aimed, one after another, at the cells so far; and the cells after it."""
    width, size = draw(_sizes(max_width)), len(cells[0].inputs)
    recipes = draw(st.sampled_from(FLAVOURS))
    focus = draw(_spots(cells))
    rows: list[Row] = []
    if draw(st.integers(0, 5)) == 5:
        for _ in range(width):
            level = draw(st.sampled_from(rows)) if rows else _constant(Fraction(0), size)
            rows.append(draw(st.sampled_from(recipes))(draw, _Target(rows, level, cells, focus)))
        layer = _layer(rows, groups=draw(_groups(width)))
        return layer, advance(cells, layer)
    units = draw(activations(width))
    for row, curve in enumerate(units):
        if row and len(cells) > max_cells:
            break
        level = _constant(draw(st.sampled_from(curve.breakpoints)), size)
        rows.append(draw(st.sampled_from(recipes))(draw, _Target(rows, level, cells, focus)))
        layer = _layer(rows, units[: row + 1])
        cells = [part for cell in cells for part in split_by_unit(cell, layer, row)]
    return layer, [Cell(cell.corners, cell.pattern, cell.outputs) for cell in cells]


@st.composite
def _groups(draw: st.DrawFn, width: int) -> tuple[tuple[int, ...], ...]:
    """Groups of one to three rows that cover all rows, and now and then one more that overlaps them."""
    groups, first = [], 0
    while first < width:
        size = draw(st.integers(1, min(3, width - first)))
        groups.append(tuple(range(first, first + size)))
        first += size
    if draw(st.booleans()):
        groups.append(tuple(draw(st.permutations(range(width)))[:2]))
    return tuple(groups)


class _Spot(NamedTuple):
    """A point of a closed cell; the cell says what the layer's input values are there."""

    cell: Cell
    point: Point

    def values(self) -> list[Fraction]:
        x, y = self.point
        return [a * x + b * y + c for a, b, c in self.cell.inputs]


class _Target(NamedTuple):
    """What a new row can be aimed at: its breakline is the set where the row and `level` are equal.

    For a unit, `level` is one of its breakpoints; for a row of a `Max` layer it is another row.
    """

    rows: list[Row]
    level: Row
    cells: list[Cell]
    focus: _Spot


@st.composite
def _spots(draw: st.DrawFn, cells: list[Cell]) -> _Spot:
    """A corner of a cell, the midpoint of a side, or a point inside."""
    cell = draw(st.sampled_from(cells))
    corners = draw(st.permutations(cell.corners))[: draw(st.integers(1, 3))]
    x, y = (sum(coordinates, Fraction(0)) / len(corners) for coordinates in zip(*corners, strict=True))
    return _Spot(cell, (x, y))


def _sizes(most: int) -> st.SearchStrategy[int]:
    """1 to `most`, the larger sizes more often: small networks are rarely interesting."""
    return st.sampled_from([size for size in range(1, most + 1) for _ in range(size**2)])


def _plain(draw: st.DrawFn, target: _Target) -> Row:
    size = len(target.level[0])
    return tuple(draw(st.lists(weights(), min_size=size, max_size=size))), draw(quarters())


def _bias_free(draw: st.DrawFn, target: _Target) -> Row:
    return _plain(draw, target)[0], Fraction(0)


def _constant_row(draw: st.DrawFn, target: _Target) -> Row:
    """Zero weights: a dead unit, a unit that is always on, or one that is at its breakpoint everywhere."""
    return _constant(draw(st.sampled_from((target.level[1], Fraction(0), Fraction(-1), Fraction(7)))), _size(target))


def _dead(draw: st.DrawFn, target: _Target) -> Row:
    """A row that stays below its breakpoint on every domain but the largest."""
    return _plain(draw, target)[0], Fraction(-(10**9))


def _coincident(draw: st.DrawFn, target: _Target) -> Row:
    """The breakline of an earlier row of the layer: a copy, a negated or a scaled one."""
    if not target.rows:
        return _plain(draw, target)
    scale = draw(st.sampled_from(SCALES)) * draw(st.sampled_from((1, -1)))
    return _combine(scale, draw(st.sampled_from(target.rows)), 1 - scale, target.level)


def _parallel(draw: st.DrawFn, target: _Target) -> Row:
    if not target.rows:
        return _plain(draw, target)
    row, _ = draw(st.sampled_from(target.rows))
    return row, draw(quarters())


def _ulp_apart(draw: st.DrawFn, target: _Target) -> Row:
    """An earlier row with its bias or one weight changed in the last place."""
    if not target.rows:
        return _plain(draw, target)
    row, bias = draw(st.sampled_from(target.rows))
    at = draw(st.integers(-1, len(row) - 1))
    return tuple(w + ULP * (i == at) for i, w in enumerate(row)), bias + ULP * (at < 0)


def _through_spot(draw: st.DrawFn, target: _Target) -> Row:
    return _through(_plain(draw, target)[0], target.level, draw(_spots(target.cells)))


def _through_vertex(draw: st.DrawFn, target: _Target) -> Row:
    cell = draw(st.sampled_from(target.cells))
    return _through(_plain(draw, target)[0], target.level, _Spot(cell, draw(st.sampled_from(cell.corners))))


def _through_focus(draw: st.DrawFn, target: _Target) -> Row:
    """Through the one spot that all such rows of the layer share."""
    return _through(_plain(draw, target)[0], target.level, target.focus)


def _through_two(draw: st.DrawFn, target: _Target) -> Row:
    """Through two corners of one cell (along one of its sides, or across it) or of two."""
    cell = draw(st.sampled_from(target.cells))
    other = cell if draw(st.booleans()) else draw(st.sampled_from(target.cells))
    i = draw(st.integers(0, len(cell.corners) - 1))
    j = draw(st.integers(0, len(other.corners) - 1))
    first, second = _Spot(cell, cell.corners[i]), _Spot(other, other.corners[j])
    along = [p - q for p, q in zip(first.values(), second.values(), strict=True)]
    row = [w - v for w, v in zip(_plain(draw, target)[0], target.level[0], strict=True)]
    for k, step in enumerate(along):
        if step:
            row[k] -= sum((w * d for w, d in zip(row, along, strict=True)), Fraction(0)) / step
            break
    return _through(tuple(w + v for w, v in zip(row, target.level[0], strict=True)), target.level, first)


def _vanishing(draw: st.DrawFn, target: _Target) -> Row:
    """A row that equals its level on the whole of one cell, by a dependency between up to three input values."""
    spot = draw(_spots(target.cells))
    chosen = draw(st.permutations(range(_size(target))))[:3]
    flat = [i for i, (a, b, _) in enumerate(spot.cell.inputs) if a == b == 0]
    row = [Fraction(0)] * _size(target)
    if flat:
        row[draw(st.sampled_from(flat))] = Fraction(1)
    elif len(chosen) == 3:
        (a, b, _), (c, d, _), (e, f, _) = (spot.cell.inputs[i] for i in chosen)
        for i, coefficient in zip(chosen, (c * f - d * e, e * b - f * a, a * d - b * c), strict=True):
            row[i] = coefficient
    return _through(tuple(w + v for w, v in zip(row, target.level[0], strict=True)), target.level, spot)


Recipe = Callable[[st.DrawFn, _Target], Row]
_MIXED: tuple[Recipe, ...] = (
    *(_plain, _bias_free, _constant_row, _dead, _coincident, _parallel, _ulp_apart, _vanishing),
    *(_through_spot,) * 6,
    *(_through_vertex, _through_focus, _through_two) * 2,
)
FLAVOURS: tuple[tuple[Recipe, ...], ...] = (
    *(_MIXED,) * 6,
    (_plain, _through_spot),
    *((_through_spot,),) * 3,
    (_bias_free,),
    (_coincident,),
    (_parallel, _parallel, _ulp_apart),
    (_through_focus,),
    (_through_two, _through_vertex),
    (_vanishing, _through_spot),
)


def _through(row: tuple[Fraction, ...], level: Row, spot: _Spot) -> Row:
    """The row with the bias that makes it equal to its level at a spot."""
    values = spot.values()
    rise = sum(((v - w) * x for v, w, x in zip(level[0], row, values, strict=True)), Fraction(0))
    return row, level[1] + rise


def _combine(s: Fraction, first: Row, t: Fraction, second: Row) -> Row:
    return tuple(s * v + t * w for v, w in zip(first[0], second[0], strict=True)), s * first[1] + t * second[1]


def _constant(value: Fraction, size: int) -> Row:
    return (Fraction(0),) * size, value


def _size(target: _Target) -> int:
    return len(target.level[0])


def _layer(rows: Sequence[Row], curves: Sequence[Curve] = (), groups: tuple[tuple[int, ...], ...] = ()) -> Layer:
    return Layer(tuple(row for row, _ in rows), tuple(bias for _, bias in rows), tuple(curves), groups)
