"""What is simpler in the first layer, where every unit's input is one affine function of the plane.

Its breaklines are known beforehand. So a vertex on two of them need not be written out; and where there is no further
layer, it is enough to look at edges: a state may change across an edge only if the edge lies on the unit's breakline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gmpy2 import mpz

from splinecam_exact.kernel.certificate import Change, Vertex
from splinecam_exact.kernel.errors import RefutedCertificate
from splinecam_exact.kernel.evaluation import Values
from splinecam_exact.kernel.patterns import Patterns
from splinecam_exact.kernel.program import PieceUnit, Program, RowStep, UnitStep
from splinecam_exact.kernel.rational import Point, primitive
from splinecam_exact.kernel.tiling import Closed, Face, Node, cross


class Lines:
    """The lines known beforehand: `cuts` of the first layer (none where it is of Max groups), and the domain's `sides`.

    `units` has the first layer's units, each with the affine form of its input.
    """

    def __init__(self, program: Program, corners: list[Point]) -> None:
        self.corners = corners
        self.sides = [cross(p, q) for p, q in zip(corners, corners[1:] + corners[:1], strict=True)]
        # At (1, 0, 0), (0, 1, 0) and (0, 0, 1) a linear function of (X, Y, W) has the values of its coefficients
        columns = [
            _values(program.steps, [mpz(x), mpz(y)], mpz(one)) for x, y, one in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        ]
        forms = list(zip(*columns, strict=True))
        units = [unit for step in program.unit_steps()[:1] for unit in step.units]
        self.units = [(unit, forms[unit.source]) for unit in units if isinstance(unit, PieceUnit)]
        cuts = [_of(cut, form) for unit, form in self.units for cut in unit.cuts]
        self.cuts = [primitive(cut) if any(cut) else cut for cut in cuts]

    def locate(self, vertex: Vertex, place: str) -> tuple[Point, Sequence[int]]:
        """A vertex's point, and the lines on which it lies by definition."""
        if len(vertex) == 3:
            return vertex, ()
        if vertex[0] < -len(self.sides) or vertex[1] >= len(self.cuts):
            raise RefutedCertificate(place, f"the lines {vertex[0]} and {vertex[1]} do not both exist")
        x, y, w = cross(*(self.cuts[k] if k >= 0 else self.sides[-1 - k] for k in vertex))
        if w == 0:
            raise RefutedCertificate(place, f"the lines {vertex[0]} and {vertex[1]} do not meet in one point")
        return primitive((x, y, w) if w > 0 else (-x, -y, -w)), vertex


def _values(steps: Iterable[RowStep | UnitStep], values: list[mpz], one: mpz) -> list[mpz]:
    """The values up to the next units."""
    for step in steps:
        if isinstance(step, UnitStep):
            break
        values.extend(step.apply(values, one))
    return values


def _of(linear: tuple[mpz, mpz], form: Point) -> Point:
    """The form m * x + c, of a form x."""
    (m, c), (x, y, w) = linear, form
    return m * x, m * y, m * w + c


class OneLayer:
    """Checks the signs and finds the affine maps of a network that has no units but those of the first layer."""

    def __init__(self, program: Program, lines: Lines, patterns: Patterns) -> None:
        self.cuts, self.patterns = lines.cuts, patterns
        self.flat = _mask(not any(cut) for cut in self.cuts)
        self.corners = {p: self._signs(p) for p in lines.corners}
        (layer,) = program.unit_steps()
        after = program.steps[program.steps.index(layer) + 1 :]
        self.shares: list[list[list[mpz]]] = []
        """Per unit and piece: what the outputs' forms get from it."""
        for k, (unit, form) in enumerate(lines.units):
            values = [mpz(0)] * (layer.first + k) + [mpz(1)] + [mpz(0)] * (len(lines.units) - k - 1)
            weights = [_values(after, values, mpz(0))[j] for j in program.outputs]
            self.shares.append([[w * c for w in weights for c in _of(piece, form)] for piece in unit.pieces])

    def check(
        self, face: Face, nodes: list[Node], closed: list[Closed], base: Face | None, changes: Sequence[Change]
    ) -> None:
        """Check a cell against its neighbours so far and the domain's corners, and find its affine map."""
        at_least, at_most = face.signs
        zero = at_least & at_most
        if zero & ~self.flat:
            raise self.patterns.wrong(face, zero & ~self.flat, "is not in its state, which is that of a constant input")
        if self.flat & ~zero:
            raise self.patterns.wrong(face, self.flat & ~zero, "is at a breakpoint at every corner")
        for node in nodes:
            if node.uses == 1 and node.point in self.corners:
                node.values, node.asked = self.corners[node.point], True
            if node.asked:
                self.patterns.check(face, node, node.values)
        for other, u, v in closed:
            changed = at_most ^ other.signs.at_most  # and so at_least, but where both are set in both
            while changed:
                k = changed.bit_length() - 1
                changed = changed.bit_clear(k)
                for node in (u, v):
                    if k not in node.lines:
                        self._check_zero(k, node, face, other)
        shares = [mpz(0)] * len(self.shares[0][0]) if base is None else base.affine
        for unit, state in changes:
            new, old = self.shares[unit][state // 2], self.shares[unit][self.patterns.piece(base, unit)]
            shares = [share + n - o for share, n, o in zip(shares, new, old, strict=True)]
        face.affine = tuple(shares)

    def _check_zero(self, k: int, node: Node, face: Face, other: Face) -> None:
        """Raise unless comparison k, of which two neighbours demand different signs, is 0 at a vertex of both."""
        (a, b, c), (x, y, w) = self.cuts[k], node.point
        if a * x + b * y + c * w:
            for cell in (face, other):
                self.patterns.check(cell, node, self._signs(node.point))
            raise self.patterns.wrong(face, mpz(1) << k, f"changes its state at vertex {node.name}")
        node.lines.add(k)

    def _signs(self, point: Point) -> Values:
        x, y, w = point
        heights = [a * x + b * y + c * w for a, b, c in self.cuts]
        return Values(_mask(h >= 0 for h in heights), _mask(h > 0 for h in heights), [])


def _mask(bits: Iterable[bool]) -> mpz:
    return sum((mpz(bit) << k for k, bit in enumerate(bits)), mpz(0))
