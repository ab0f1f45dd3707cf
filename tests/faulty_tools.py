"""Toy partition tools for the arbiter to judge: one that is right, and many with one plain fault each.

Each tool is a function from a `Problem` to polygons (or whatever it claims), so `faulty_tools:right` names one for the
conformance suite. All share one simple algorithm, polygons split by breaklines layer by layer; a fault is a `Rules`
object or a few lines more. The faults are those that were measured in real tools; no code is theirs.
"""

from __future__ import annotations

import itertools
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from splinecam_exact.testing.conformance.problems import Problem

Number = Any  # Fraction, float or numpy.float32
Point = tuple[Number, Number]
Map = tuple[Number, Number, Number]  # a x + b y + c
Polygons = list[np.ndarray]


@dataclass(frozen=True)
class Cell:
    """A polygon, the signs of the units so far, and the maps of the values before and after the current layer."""

    corners: tuple[Point, ...]
    pattern: tuple[int, ...]
    inputs: tuple[Map, ...]
    outputs: tuple[Map, ...] = ()


Splitter = Callable[[tuple[Point, ...], list[Number]], tuple[tuple[Point, ...], tuple[Point, ...]]]


@dataclass(frozen=True)
class Rules:
    """How a tool computes: its numbers, how it splits a polygon, which cuts it leaves out, which cells it keeps."""

    number: Callable[[Any], Number]
    split: Splitter
    refused: Callable[[Cell, list[Number], tuple[Point, ...], tuple[Point, ...]], bool] = lambda *_: False
    kept: Callable[[tuple[Point, ...]], tuple[Point, ...]] = lambda corners: corners


def cells_of(problem: Problem, rules: Rules, layers: int | None = None) -> list[Cell]:
    """The cells after all hidden layers, or after the first `layers` layers; the maps are those of the next inputs."""
    one, zero = rules.number(1.0), rules.number(0.0)
    corners = tuple((rules.number(x), rules.number(y)) for x, y in problem.domain.tolist())
    cells = [Cell(corners, (), ((one, zero, zero), (zero, one, zero)))]
    for weights, bias in problem.layers[:-1] if layers is None else problem.layers[:layers]:
        for row, constant in zip(weights.tolist(), bias.tolist(), strict=True):
            cells = [part for cell in cells for part in cut(cell, row, constant, rules)]
        cells = [Cell(cell.corners, cell.pattern, cell.outputs) for cell in cells]
    return cells


def cut(cell: Cell, row: list[float], constant: float, rules: Rules) -> Iterator[Cell]:
    """The one or two cells that a unit makes of a cell."""
    h = combined(cell, row, constant, rules.number)
    heights = [at(h, corner) for corner in cell.corners]
    below, above = rules.split(cell.corners, heights)
    if below and above and rules.refused(cell, heights, below, above):
        below, above = ((), cell.corners) if sum(heights) > 0 else (cell.corners, ())
    zero = rules.number(0.0)
    flat = not below and not above  # identically 0
    if flat:
        yield Cell(cell.corners, (*cell.pattern, 0), cell.inputs, (*cell.outputs, (zero, zero, zero)))
    for part, sign, value in ((below, -1, (zero, zero, zero)), (above, 1, h)):
        if part and (corners := rules.kept(part)):
            yield Cell(corners, (*cell.pattern, sign), cell.inputs, (*cell.outputs, value))


def combined(cell: Cell, row: list[float], constant: float, number: Callable[[Any], Number]) -> Map:
    """The affine map of a row on a cell."""
    a = b = number(0.0)
    c = number(constant)
    for weight, (p, q, r) in zip(map(number, row), cell.inputs, strict=True):
        a, b, c = a + weight * p, b + weight * q, c + weight * r
    return a, b, c


def at(h: Map, point: Point) -> Number:
    return h[0] * point[0] + h[1] * point[1] + h[2]


def between(p: Point, q: Point, u: Number, v: Number) -> Point:
    """Where a function that is u at p and v at q is 0."""
    t = u / (u - v)
    return p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])


def with_zeros(corners: tuple[Point, ...], heights: list[Number]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """The parts below and above 0, with a corner at 0 in both; a part that only touches is no part."""
    parts = []
    for side in (-1, 1):
        part: list[Point] = []
        for k, (q, v) in enumerate(zip(corners, heights, strict=True)):
            p, u = corners[k - 1], heights[k - 1]
            if (u > 0 > v) or (u < 0 < v):
                part.append(between(p, q, u, v))
            if side * v >= 0:
                part.append(q)
        parts.append(tuple(part) if any(side * v > 0 for v in heights) else ())
    return parts[0], parts[1]


def without_zeros(corners: tuple[Point, ...], heights: list[Number]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """`> 0` and nothing else: a corner at 0 is off, and the edge from it to one above is cut at its very end."""
    parts: tuple[list[Point], list[Point]] = ([], [])
    for k, (q, v) in enumerate(zip(corners, heights, strict=True)):
        p, u = corners[k - 1], heights[k - 1]
        if (u > 0) != (v > 0):
            crossing = between(p, q, u, v)
            parts[0].append(crossing)
            parts[1].append(crossing)
        parts[int(v > 0)].append(q)
    return tuple(parts[0]), tuple(parts[1])


EXACT = Rules(Fraction, with_zeros)
DOUBLE = Rules(float, with_zeros)


def polygons(cells: list[Cell], dtype: type = np.float64) -> Polygons:
    return [np.array([[float(x), float(y)] for x, y in cell.corners], dtype) for cell in cells]


def area(corners: tuple[Point, ...]) -> Number:
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum(p[0] * q[1] - q[0] * p[1] for p, q in pairs) / 2


def exact_claim(cells: list[Cell]) -> dict[str, Any]:
    """Exact polygons and patterns."""
    return {"polygons": [[[str(x), str(y)] for x, y in cell.corners] for cell in cells], "patterns": patterns(cells)}


def patterns(cells: list[Cell]) -> np.ndarray:
    return np.array([cell.pattern for cell in cells], np.int8).reshape(len(cells), -1)


def right(problem: Problem) -> object:
    """No fault: exact polygons, and patterns with their zero state."""
    return exact_claim(cells_of(problem, EXACT))


def rounded(problem: Problem) -> object:
    """No fault of topology: what is right, with coordinates rounded to float64 at the end."""
    return polygons(cells_of(problem, EXACT))


def inaccurate(problem: Problem) -> object:
    """The right cells, with vertices that are off by a thousandth of the domain."""
    return [np.round(cell + 1e-3 * abs(problem.domain).max(), 12) for cell in polygons(cells_of(problem, EXACT))]


def double(problem: Problem) -> object:
    """Plain float64 with a zero case: right where nothing is degenerate."""
    return polygons(cells_of(problem, DOUBLE))


def single(problem: Problem) -> object:
    """Everything in float32."""
    return polygons(cells_of(problem, Rules(np.float32, with_zeros)), np.float32)


def flushes_denormals(problem: Problem) -> object:
    """Exact, but denormal numbers are read as 0, as fast processors and compilers do."""

    def flushed(x: float | int) -> Fraction:
        return Fraction(x) if abs(x) >= sys.float_info.min else Fraction(0)

    return polygons(cells_of(problem, replace(EXACT, number=flushed)))


def reads_sign_bits(problem: Problem) -> object:
    """Below 0 is what has a minus sign, and that includes -0.0."""

    def split(corners: tuple[Point, ...], heights: list[float]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        return with_zeros(corners, [v if v or math.copysign(1, v) > 0 else -sys.float_info.min for v in heights])

    cells = cells_of(problem, replace(DOUBLE, split=split))
    return {"polygons": polygons(cells), "patterns": patterns(cells)}


def tolerance_dedup(problem: Problem) -> object:
    """Vertices are hashed by their coordinates to 1e-7: what is closer is one vertex, and cells may lose their area."""

    def hashed(corners: tuple[Point, ...]) -> tuple[Point, ...]:
        places = dict.fromkeys((round(x, 7), round(y, 7)) for x, y in corners)
        return tuple(places) if len(places) > 2 else ()

    return polygons(cells_of(problem, replace(DOUBLE, kept=hashed)))


def dropped_tangencies(problem: Problem) -> object:
    """A line through a corner of a cell does not cut it."""

    def touches(_: Cell, heights: list[Number], *parts: tuple[Point, ...]) -> bool:
        return 0 in heights

    return polygons(cells_of(problem, replace(EXACT, refused=touches)))


def merged_slivers(problem: Problem) -> object:
    """A cut that would leave a part smaller than 1e-6 of the domain is not made."""
    least = abs(area(tuple((x, y) for x, y in problem.domain.tolist()))) / 10**6

    def thin(_: Cell, __: list[Number], *parts: tuple[Point, ...]) -> bool:
        return min(abs(area(part)) for part in parts) < least

    return polygons(cells_of(problem, replace(EXACT, refused=thin)))


def wrong_twin(problem: Problem) -> object:
    """Where two cells share an edge, the walk around the first one goes on around the second for one vertex."""
    cells = cells_of(problem, EXACT)
    claimed = polygons(cells)
    for i, j in itertools.combinations(range(len(cells)), 2):
        first, second = cells[i].corners, cells[j].corners
        for k, corner in enumerate(first):
            before = first[k - 1]
            if corner in second and before in second:
                stranger = next(p for p in second if p not in first)
                claimed[i][k] = [float(stranger[0]), float(stranger[1])]
                return claimed
    return claimed


def no_zero_case(problem: Problem) -> object:
    """Signs are `> 0` or not: cells without area where a line only touches."""
    return polygons(cells_of(problem, replace(EXACT, split=without_zeros)))


def output_cuts(problem: Problem) -> object:
    """The zero sets of the outputs cut as if they were units."""
    return polygons(cells_of(problem, EXACT, len(problem.layers)))


def forgets_a_cell(problem: Problem) -> object:
    """The last cell is lost."""
    return polygons(cells_of(problem, EXACT))[:-1]


def says_it_twice(problem: Problem) -> object:
    """The first cell is there twice."""
    claimed = polygons(cells_of(problem, EXACT))
    return [*claimed, claimed[0]]


def two_states(problem: Problem) -> object:
    """Patterns know no zero state, but pretend to: a unit that is 0 on a cell is called off."""
    claim = exact_claim(cells_of(problem, EXACT))
    claim["patterns"][claim["patterns"] == 0] = -1
    return claim


def miscounts(problem: Problem) -> object:
    """Only a number of cells, and one too many."""
    return len(cells_of(problem, EXACT)) + 1


SAME = 1e-7
"""SplineCam's absolute tolerance."""
ROUNDED = 1e-12
"""Crossings along a chord that are closer, and not the same number, are put in the wrong order."""


def splinecam(problem: Problem) -> object:
    """Much as the original SplineCam behaves, asked in float64: (regions, db_segments, Abw).

    What is closer than 1e-7 is the same; `> 0` without a zero case, so a unit that is there twice, or is another's
    opposite, makes cells without area; a ValueError "sorting issue" where a line only touches a corner, runs through
    two, or through one and across another line, and where rounding parts lines that meet in one point; polygons open
    and closed, of both orientations; no patterns; all pairs of outputs as boundary, but not where that runs along an
    edge. Of 154 problems 112 end as with the original: right, wrong or crash.
    """
    rules = Rules(float, without_zeros, kept=_clean)
    for depth in range(len(problem.layers) - 1):
        for cell in cells_of(problem, rules, depth):
            _check_sorting(cell, problem, depth)
    cells = cells_of(problem, rules)
    regions = []
    for k, region in enumerate(polygons(cells)):
        region = region[::-1] if k % 3 == 1 else region
        regions.append(np.vstack([region, region[:1]]) if k % 2 else region)
    segments = list(_boundary(problem, cells))
    return regions, segments or [None], np.zeros((len(cells), 2, 3))


def _clean(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    """The corners without those that are the same as the one before, as long as three are left."""
    left = tuple(p for k, p in enumerate(corners) if math.dist(p, corners[k - 1]) > SAME)
    return left if len(left) > 2 else corners


def _check_sorting(cell: Cell, problem: Problem, depth: int) -> None:
    """Crossings along a chord are sorted by their distance from its end: two that are nearly the same have no order.

    Two that are the same to the last digit are one. A chord's end in a corner has no order among that corner's edges,
    but where nothing is sorted along the chord.
    """
    weights, bias = problem.layers[depth]
    chords: list[tuple[Map, list[Point], int]] = []
    for row, constant in zip(weights.tolist(), bias.tolist(), strict=True):
        h = combined(cell, row, constant, float)
        heights = [at(h, corner) for corner in cell.corners]
        zeros = heights.count(0)
        if max(heights) > 0 == min(heights) and zeros == 1:
            raise ValueError("sorting issue")
        if max(heights) > 0 > min(heights):
            chords.append((h, _ends(cell.corners, heights), zeros))
    for h, ends, zeros in chords:
        places = [p for p in (_meeting(h, g) for g, _, _ in chords if g is not h) if p is not None]
        stops = set(ends) | {p for p in places if _contains(cell.corners, p)}
        if zeros > 1 or (zeros and len(stops) > 2):
            raise ValueError("sorting issue")
        if any(math.dist(p, q) <= ROUNDED for p, q in itertools.combinations(stops, 2)):
            raise ValueError("sorting issue")


def _ends(corners: tuple[Point, ...], heights: list[Number]) -> list[Point]:
    """Where a line enters and leaves a cell."""
    return [
        between(corners[k - 1], q, heights[k - 1], v)
        for k, (q, v) in enumerate(zip(corners, heights, strict=True))
        if (heights[k - 1] > 0) != (v > 0)
    ]


def _meeting(h: Map, g: Map) -> Point | None:
    """Where two lines meet; None where they are parallel or the same."""
    (a, b, c), (p, q, r) = ([float(x) for x in line] for line in (h, g))
    det = a * q - b * p
    return None if det == 0 else ((b * r - c * q) / det, (c * p - a * r) / det)


def _contains(corners: tuple[Point, ...], p: Point) -> bool:
    sides = zip(corners, corners[1:] + corners[:1], strict=True)
    return all((x[0] - w[0]) * (p[1] - w[1]) - (x[1] - w[1]) * (p[0] - w[0]) > -SAME for w, x in sides)


def _boundary(problem: Problem, cells: list[Cell]) -> Iterator[np.ndarray]:
    weights, bias = problem.layers[-1]
    rows = [(row, constant) for row, constant in zip(weights.tolist(), bias.tolist(), strict=True)]
    if len(rows) > 1:
        rows = [
            ([x - y for x, y in zip(v, w, strict=True)], c - d) for (v, c), (w, d) in itertools.combinations(rows, 2)
        ]
    for cell, (row, constant) in itertools.product(cells, rows):
        h = combined(cell, row, constant, float)
        heights = [at(h, corner) for corner in cell.corners]
        ends = [
            between(cell.corners[k - 1], q, heights[k - 1], v)
            for k, (q, v) in enumerate(zip(cell.corners, heights, strict=True))
            if heights[k - 1] * v < 0
        ]
        if len(ends) == 2:  # a zero at a corner, or along an edge, is no change of sign
            yield np.array(ends)


def nan(problem: Problem) -> object:
    """0/0 in the interpolation: an edge along a line is cut like one that crosses it."""

    def interpolated(corners: tuple[Point, ...], heights: list[Number]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        below, above = with_zeros(corners, heights)
        if any(v == heights[k - 1] == 0 for k, v in enumerate(heights)):
            below, above = ((*part, (math.nan, math.nan)) if part else () for part in (below, above))
        return below, above

    return polygons(cells_of(problem, replace(EXACT, split=interpolated)))


def hangs(problem: Problem) -> object:
    """Never comes back."""
    while True:
        time.sleep(60)


def eats_memory(problem: Problem) -> object:
    """Takes all the memory that there is, 64 MB at a time."""
    return [np.ones(2**23) for _ in itertools.count()]


def segfaults(problem: Problem) -> object:
    """Dies as a tool written in C does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return None


def exits(problem: Problem) -> object:
    """Leaves without a word, as if all were well."""
    os._exit(0)


def raises(problem: Problem) -> object:
    """An exception with a message that is hard to print."""
    raise RuntimeError("sorting issue \x1b[31m\ud800\n" * 3)


def prints(problem: Problem) -> object:
    """Right, after a great deal of garbage on both streams."""
    for stream in (sys.stdout, sys.stderr):
        stream.write("\x00\x1b]0;garbage\x07{]\n" * 10_000)
    os.write(1, bytes(range(256)) * 100)
    return right(problem)


def garbage(problem: Problem) -> object:
    """Returns what is no partition."""
    return {"surprise": object()}


def refuses(problem: Problem) -> object:
    """Knows its limits: only networks of one layer."""
    if len(problem.layers) > 2:
        raise NotImplementedError("one layer only")
    return right(problem)
