"""Check a certificate from scratch, by the theorem of proofs/certificate.md; no code of the builder is used.

The network is only ever *evaluated*, exactly, at the certificate's vertices: the value of a unit at a vertex does not
depend on the cell, so weak agreement of those true values with a cell's pattern at all its vertices proves the cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gmpy2 import mpq, mpz, pack, unpack

from splinecam_exact.kernel.certificate import Cell, Certificate
from splinecam_exact.kernel.errors import NetworkError, RefutedCertificate
from splinecam_exact.kernel.program import GroupUnit, PieceUnit, Program, Progress, RowStep
from splinecam_exact.kernel.rational import Point, homogeneous

BATCH, BATCH_BITS = 512, 1 << 16
"""At most so many vertices are evaluated together, packed into integers of about so many bits."""


class Statement(NamedTuple):
    """What a certificate is checked against; it comes from the caller, never from the certificate."""

    program: Program
    corners: Sequence[tuple[mpq, mpq]]
    network: str
    conventions: tuple[str, ...]
    domain: str


class Signs(NamedTuple):
    """What a pattern demands of the comparisons with 0 that the units make, a bit each.

    Only `at_least`: positive in the cell. Only `at_most`: negative. Both: identically zero.
    """

    at_least: mpz
    at_most: mpz


class Values(NamedTuple):
    """What the network does at one vertex: which comparisons are >= 0 and > 0, a bit each; and its integer outputs."""

    at_least: mpz
    above: mpz
    outputs: list[mpz]


def verify(certificate: Certificate, statement: Statement, progress: Progress | None = None) -> dict[str, int]:
    """Return the proved counts A, L, P, V, E, or raise RefutedCertificate with the place and the reason.

    The certificate must come from `parse` or `decode`, which vouch for its form, and the corners be strictly convex and
    counter-clockwise. Cost: one exact evaluation of the network per vertex, a few integer operations per corner.
    """
    if statement.program.inputs != 2:
        raise NetworkError(f"a certificate is about a program of 2 inputs, not {statement.program.inputs}")
    _check_statement(certificate, statement)
    points, cells = certificate.vertices, certificate.cells
    signs = decode_patterns(cells, statement.program)
    for i, cell in enumerate(cells):
        _check_convex(f"cells[{i}]", [points[v] for v in cell.polygon])
    left, boundary = _check_tiling(points, cells, statement.corners)
    values = _evaluate(statement.program, points, progress)
    for i, cell in enumerate(cells):
        _check_signs(statement.program, i, cell, signs[i], values)
    maps = [_affine_map(cell, points, values) for cell in cells]
    proved = {
        "A": len(cells),
        "L": _count_regions(maps, left, len(points)),
        "P": len(set(maps)),
        "V": len(points),
        "E": (len(left) + boundary) // 2,
    }
    for key, count in certificate.counts.items():
        if count != proved[key]:
            raise RefutedCertificate(f"counts.{key}", f"claims {count}, but there are {proved[key]}")
    return proved


def _check_statement(certificate: Certificate, statement: Statement) -> None:
    for key, claimed, given in (
        ("network", certificate.network, statement.network),
        ("conventions", certificate.conventions, statement.conventions),
        ("domain", certificate.domain, statement.domain),
    ):
        if claimed != given:
            raise RefutedCertificate(key, f"the certificate is about {claimed}, but what was given is {given}")


# -- patterns, condition (iii) ----------------------------------------------------------------------------------------


def _comparisons(program: Program) -> list[tuple[int, int, bool]]:
    """Per unit: its first comparison with 0, how many it makes, and whether it is a Max group.

    A Piecewise unit compares its input with each breakpoint, a Max group the largest member with each member.
    """
    units: list[tuple[int, int, bool]] = []
    count = 0
    for step in program.unit_steps():
        for unit in step.units:
            size = len(unit.members if isinstance(unit, GroupUnit) else unit.cuts)
            units.append((count, size, isinstance(unit, GroupUnit)))
            count += size
    return units


def decode_patterns(cells: Sequence[Cell], program: Program) -> list[Signs]:
    """The demands of every cell's pattern. Raises unless all states exist and all patterns are different."""
    units = _comparisons(program)
    count = sum(size for _, size, _ in units)
    zero = Signs(mpz(0), (mpz(1) << count) - 1)  # every state 0: below all breakpoints; no such state of a Max group
    found: list[Signs] = []
    owner: dict[Signs, int] = {}
    for i, cell in enumerate(cells):
        at_least, at_most = found[cell.base] if cell.base >= 0 else zero
        for unit, state in cell.changes:
            if unit >= len(units):
                raise RefutedCertificate(f"cells[{i}]", f"there is no unit {unit}: the network has {len(units)}")
            first, size, is_max = units[unit]
            if not (0 < state < 1 << size if is_max else state <= 2 * size):
                raise RefutedCertificate(f"cells[{i}]", f"unit {unit} has no state {state}")
            field = (mpz(1) << size) - 1
            if is_max:
                low, high = field, mpz(state)  # largest - member is 0 for those that attain it, else positive
            else:
                low, high = (mpz(1) << (state + 1) // 2) - 1, field & -(mpz(1) << state // 2)
            if (at_least >> first & field, at_most >> first & field) == (low, high):
                raise RefutedCertificate(f"cells[{i}]", f"unit {unit} has state {state} already in cell {cell.base}")
            keep = ~(field << first)
            at_least, at_most = at_least & keep | low << first, at_most & keep | high << first
        found.append(Signs(at_least, at_most))
        if owner.setdefault(found[-1], i) != i:
            raise RefutedCertificate(f"cells[{i}]", f"has the pattern of cells[{owner[found[-1]]}]")
    return found


# -- polygons and tiling, condition (ii) ------------------------------------------------------------------------------


def _turn(p: Point, q: Point, r: Point) -> mpz:
    """Positive if p, q, r turn left, 0 if they are in line."""
    (a, b, c), (d, e, f), (g, h, i) = p, q, r
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _ahead(p: Point, q: Point) -> bool:
    """Whether q follows p in lexicographic order."""
    across = q[0] * p[2] - p[0] * q[2]
    return across > 0 if across else q[1] * p[2] > p[1] * q[2]


def _check_convex(place: str, polygon: list[Point]) -> None:
    """Weakly convex, counter-clockwise, wound once: no right turn, no reversal, and two changes of direction."""
    n = len(polygon)
    ahead = [_ahead(polygon[k - 1], polygon[k]) for k in range(n)]
    for k in range(n):
        turn = _turn(polygon[k - 2], polygon[k - 1], polygon[k])
        if turn < 0 or (turn == 0 and ahead[k] != ahead[k - 1]):
            raise RefutedCertificate(place, f"the polygon does not turn left at its corner {(k - 1) % n}")
    if sum(ahead[k] != ahead[k - 1] for k in range(n)) != 2:
        raise RefutedCertificate(place, "the polygon winds around more than once")


def _check_tiling(
    points: list[Point], cells: Sequence[Cell], corners: Sequence[tuple[mpq, mpq]]
) -> tuple[dict[int, int], int]:
    """Every directed edge has one opposite edge, but those that cover the domain's boundary once.

    Returns the cell on the left of each directed edge (u, v), keyed by u * len(points) + v, and the number of
    boundary edges. Also raises where two vertices are one point, or a vertex is none of the subdivision's.
    """
    number = {point: v for v, point in enumerate(points)}
    if len(number) != len(points):
        twice = next(v for v, point in enumerate(points) if number[point] != v)
        raise RefutedCertificate(f"vertices[{twice}]", f"is the same point as vertices[{number[points[twice]]}]")
    n = len(points)
    left: dict[int, int] = {}
    uses = [0] * n
    for i, cell in enumerate(cells):
        for u, v in zip(cell.polygon, cell.polygon[1:] + cell.polygon[:1], strict=True):
            other = left.setdefault(u * n + v, i)
            if other != i:
                raise RefutedCertificate(f"cells[{i}]", f"the edge from vertex {u} to {v} belongs to cells[{other}]")
            uses[u] += 1
    boundary: dict[int, int] = {}
    for edge, i in left.items():
        u, v = divmod(edge, n)
        if v * n + u not in left:
            if u in boundary:
                raise RefutedCertificate(f"cells[{i}]", f"two edges without an opposite leave vertex {u}")
            boundary[u] = v
    count = len(boundary)
    fixed = _check_boundary(points, dict(boundary), [number.get(homogeneous(x, y), -1) for x, y in corners])
    for v, used in enumerate(uses):
        degree = used + (v in boundary)
        if degree < 2 or (degree == 2 and v not in fixed):
            raise RefutedCertificate(f"vertices[{v}]", f"has degree {degree}, and is no corner of the domain")
    return left, count


def _check_boundary(points: list[Point], following: dict[int, int], corners: list[int]) -> set[int]:
    """The edges without an opposite (from -> to) run once around the domain. Returns the domain's corners."""
    if -1 in corners:
        raise RefutedCertificate("vertices", f"corner {corners.index(-1)} of the domain is not among them")
    for k, end in enumerate(corners):
        here = corners[k - 1]
        forward = _ahead(points[here], points[end])
        while here != end:
            there = following.pop(here, -1)
            if there < 0:
                raise RefutedCertificate(f"vertices[{here}]", "no cell's edge goes on along the domain's boundary")
            if _turn(points[corners[k - 1]], points[end], points[there]) != 0:
                raise RefutedCertificate(f"vertices[{there}]", "an edge without an opposite leaves the boundary")
            if _ahead(points[here], points[there]) != forward:
                raise RefutedCertificate(f"vertices[{there}]", "an edge runs back along the domain's boundary")
            here = there
    for u, v in following.items():
        raise RefutedCertificate(f"vertices[{u}]", f"the edge to vertex {v} has no opposite")
    return set(corners)


# -- signs, condition (i) ---------------------------------------------------------------------------------------------


def _check_signs(program: Program, number: int, cell: Cell, signs: Signs, values: list[Values]) -> None:
    """Weak agreement of every comparison at every corner, and strict agreement of each that is not zero at some."""
    at_least, at_most = signs
    above, below = mpz(0), mpz(0)
    for v in cell.polygon:
        value = values[v]
        wrong = at_least & ~value.at_least | at_most & value.above
        if wrong:
            raise RefutedCertificate(
                f"cells[{number}]", f"{_unit_of(program, wrong)} is not in its state at vertex {v}"
            )
        above |= value.above
        below |= ~value.at_least
    flat = (at_least & ~at_most & ~above) | (at_most & ~at_least & ~below)
    if flat:
        raise RefutedCertificate(f"cells[{number}]", f"{_unit_of(program, flat)} is at a breakpoint at every corner")


def _unit_of(program: Program, comparisons: mpz) -> str:
    k = (comparisons & -comparisons).bit_length() - 1
    return f"unit {next(u for u, (first, size, _) in enumerate(_comparisons(program)) if first <= k < first + size)}"


def _evaluate(program: Program, points: list[Point], progress: Progress | None) -> list[Values]:
    """Evaluate the network exactly at every point; points of similar size together, for slots of their size."""
    sizes = [max(map(abs, point)).bit_length() for point in points]
    order = sorted(range(len(points)), key=sizes.__getitem__)
    growth = program.bound([mpz(1), mpz(1)], mpz(1)).bit_length()
    found: dict[int, Values] = {}
    while len(found) < len(order):
        if progress:
            progress("check: vertices evaluated", len(found), len(order))
        width = growth + sizes[order[min(len(found) + BATCH - 1, len(order) - 1)]] + 2
        batch = order[len(found) : len(found) + max(1, min(BATCH, BATCH_BITS // width))]
        found.update(zip(batch, _Batch([points[v] for v in batch], width).run(program), strict=True))
    return [found[v] for v in range(len(points))]


class _Batch:
    """Points side by side: one integer holds a signed number per point, each in a slot of `width` bits."""

    def __init__(self, points: list[Point], width: int) -> None:
        self.width, self.count = width, len(points)
        ones = pack([mpz(1)] * len(points), width)
        self.top = ones << (width - 1)
        self.below_top = self.top - ones
        x, y, w = (pack([p[k] + (mpz(1) << (width - 1)) for p in points], width) - self.top for k in range(3))
        self.values, self.one = [x, y], w
        self.at_least: list[mpz] = []  # bit k of a point's slot in entry j: comparison j * width + k is >= 0,
        self.above: list[mpz] = []  # and the same for > 0
        self.compared = 0

    def run(self, program: Program) -> Iterator[Values]:
        """The signs of all comparisons and the outputs, point by point."""
        for step in program.steps:
            if isinstance(step, RowStep):
                self.values += step.apply(self.values, self.one)
            else:
                self.values += [
                    self._piece(u)
                    if isinstance(u, PieceUnit)
                    else self._largest([m * self.values[j] for j, m in u.members])
                    for u in step.units
                ]
        masks = zip(self._masks(self.at_least), self._masks(self.above), strict=True)
        half = mpz(1) << (self.width - 1)
        outputs = [unpack(self.values[j] + self.top, self.width) for j in program.outputs]
        for k, (at_least, above) in enumerate(masks):
            yield Values(at_least, above, [field[k] - half for field in outputs])

    def _piece(self, unit: PieceUnit) -> mpz:
        x = self.values[unit.source]
        y = self._linear(unit.pieces[0], x)
        for cut, jump in zip(unit.cuts, unit.jumps, strict=True):
            y += jump * self._compare(self._linear(cut, x))
        return y

    def _linear(self, form: tuple[mpz, mpz], x: mpz) -> mpz:
        m, c = form
        return m * x + c * self.one if c else m * x

    def _largest(self, members: list[mpz]) -> mpz:
        largest = members[0]
        for member in members[1:]:
            largest += self._positive(member - largest)[1]
        for member in members:
            self._compare(largest - member)
        return largest

    def _positive(self, numbers: mpz) -> tuple[mpz, mpz]:
        """The slots that are >= 0, as their top bits, and max(number, 0) in every slot."""
        raised = numbers + self.top
        flags = raised & self.top
        whole = (flags << 1) - (flags >> (self.width - 1))
        return flags, (raised & whole) ^ flags

    def _compare(self, numbers: mpz) -> mpz:
        """Note the signs of one number per point; returns max(number, 0)."""
        flags, positive = self._positive(numbers)
        k = self.compared % self.width
        if k == 0:
            self.at_least.append(mpz(0))
            self.above.append(mpz(0))
        self.at_least[-1] |= flags >> (self.width - 1 - k)
        self.above[-1] |= ((positive + self.below_top) & self.top) >> (self.width - 1 - k)
        self.compared += 1
        return positive

    def _masks(self, slots: list[mpz]) -> list[mpz]:
        masks = [mpz(0)] * self.count
        for j, packed in enumerate(slots):
            for k, field in enumerate(unpack(packed, self.width)):
                masks[k] |= field << (j * self.width)
        return masks


# -- counts -----------------------------------------------------------------------------------------------------------


def _cross(p: Point, q: Point) -> Point:
    return p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]


def _affine_map(cell: Cell, points: list[Point], values: list[Values]) -> tuple[mpz, ...]:
    """The outputs' integer forms on a checked cell, from their values at three corners that are not in line."""
    corners = cell.polygon
    for k in range(len(corners)):
        u, v, w = corners[k - 2], corners[k - 1], corners[k]
        area = _turn(points[u], points[v], points[w])
        if area:
            break
    lines = _cross(points[v], points[w]), _cross(points[w], points[u]), _cross(points[u], points[v])
    found = []
    for f, g, h in zip(values[u].outputs, values[v].outputs, values[w].outputs, strict=True):
        for p, q, r in zip(*lines, strict=True):
            found.append((f * p + g * q + h * r) // area)  # exact: on a cell the outputs are integer forms
    return tuple(found)


def _count_regions(maps: list[tuple[mpz, ...]], left: dict[int, int], n: int) -> int:
    """Sets of cells with one affine map, connected through edges."""
    parent = list(range(len(maps)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    regions = len(maps)
    for edge, i in left.items():
        u, v = divmod(edge, n)
        j = left.get(v * n + u, i)
        if maps[i] == maps[j] and root(i) != root(j):
            parent[root(i)] = root(j)
            regions -= 1
    return regions
