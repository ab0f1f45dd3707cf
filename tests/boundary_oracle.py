"""The boundary by another way: every cell's exact outputs, clipped against each other in rationals, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from gmpy2 import mpq

import splinecam_exact as sx

Point = tuple[mpq, mpq]
Form = tuple[mpq, mpq, mpq]
Segment = tuple[Point, Point]
Drawing = tuple[set[Segment], set[Point], mpq]
"""Maximal segments, sides of filled polygons included; the points that lie on none; the filled area."""


def zero_set(part: sx.Subdivision, plus: int, minus: int, level: object) -> Drawing:
    """Where output `plus` less output `minus` (none if -1) is `level`."""
    shapes = []
    for face in part.faces:
        forms = _forms(face)
        a, b, c = forms[plus] if minus < 0 else _less(forms[plus], forms[minus])
        f = a, b, c - mpq(level)
        shapes.append(_clipped(face.polygon, [f, _less((mpq(0),) * 3, f)]))
    return drawing(shapes)


def arg_max_set(part: sx.Subdivision) -> Drawing:
    """Where two or more outputs are largest."""
    shapes = []
    for face in part.faces:
        forms = _forms(face)
        for i, j in combinations(range(len(forms)), 2):
            equal = [_less(forms[i], forms[j]), _less(forms[j], forms[i])]
            shapes.append(_clipped(face.polygon, equal + [_less(forms[i], other) for other in forms]))
    return drawing(shapes)


def drawn(found: sx.Boundary) -> Drawing:
    """The same of a boundary."""
    shapes = [set(segment.ends) for segment in found.exact]
    shapes += [set(area.polygon) for area in found.filled] + [{point} for point in found.isolated_points]
    return drawing(shapes)


def drawing(shapes: Iterable[set[Point]]) -> Drawing:
    """What some points, segments and convex polygons, each given by its corners, look like together."""
    points, segments, areas = set(), set(), set()
    for shape in shapes:
        hull = convex_hull(shape)
        if len(hull) == 1:
            points.add(hull[0])
        elif len(hull) == 2:
            segments.add((hull[0], hull[1]))
        elif hull:
            areas.add(tuple(hull))
            segments |= set(zip(hull, hull[1:] + hull[:1], strict=True))
    whole = _joined(segments)
    return whole, {p for p in points if not any(_on(p, s) for s in whole)}, sum(map(_area, areas), mpq(0))


def convex_hull(points: Iterable[Point]) -> list[Point]:
    """The corners of the convex hull, counter-clockwise from the smallest on."""
    hull: list[Point] = []
    ordered = sorted(set(points))
    for run in (ordered, ordered[::-1]):
        half: list[Point] = []
        for p in run:
            while len(half) > 1 and turn(half[-2], half[-1], p) <= 0:
                half.pop()
            half.append(p)
        hull += half[:-1]
    return hull or ordered


def turn(p: Point, q: Point, r: Point) -> mpq:
    """Positive where r is on the left of the way from p to q."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def value(f: Form, p: Point) -> mpq:
    return f[0] * p[0] + f[1] * p[1] + f[2]


def _forms(face: sx.Face) -> list[Form]:
    matrix, offset = face.affine
    return [(a, b, c) for (a, b), c in zip(matrix, offset, strict=True)]


def _less(f: Form, g: Form) -> Form:
    return f[0] - g[0], f[1] - g[1], f[2] - g[2]


def _clipped(polygon: Sequence[Point], forms: Iterable[Form]) -> set[Point]:
    """The corners, and perhaps more, of the closed part of a convex polygon where all forms are >= 0."""
    corners = list(polygon)
    for f in forms:
        kept = []
        for p, q in zip(corners, corners[1:] + corners[:1], strict=True):
            u, v = value(f, p), value(f, q)
            if u >= 0:
                kept.append(p)
            if u * v < 0:
                kept.append((p[0] + u / (u - v) * (q[0] - p[0]), p[1] + u / (u - v) * (q[1] - p[1])))
        corners = kept
    return set(corners)


def _joined(segments: set[Segment]) -> set[Segment]:
    """Segments on one line that overlap or touch become one."""
    lines: dict[Form, list[Segment]] = {}
    for p, q in segments:
        a, b = q[1] - p[1], p[0] - q[0]
        scale = a or b
        lines.setdefault((a / scale, b / scale, (a * p[0] + b * p[1]) / scale), []).append((min(p, q), max(p, q)))
    found = set()
    for on_line in lines.values():
        (low, high), *rest = sorted(on_line)
        for p, q in rest:
            if p > high:
                found.add((low, high))
                low = p
            high = max(high, q) if p <= high else q
        found.add((low, high))
    return found


def _on(p: Point, segment: Segment) -> bool:
    return turn(*segment, p) == 0 and segment[0] <= p <= segment[1]


def _area(polygon: Sequence[Point]) -> mpq:
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return sum((p[0] * q[1] - q[0] * p[1] for p, q in pairs), mpq(0)) / 2
