"""Check a certificate from scratch, by the theorem of proofs/certificate.md; no code of the builder is used.

Cells come one by one, and only what is not finished is kept. The network is only ever *evaluated*, exactly, at the
certificate's vertices: the value of a unit at a vertex does not depend on the cell, so weak agreement of those true
values with a cell's pattern at all its vertices proves the cell. A network of one layer is not even evaluated: see
`one_layer`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from gmpy2 import mpq, mpz

from splinecam_exact.kernel.certificate import decode
from splinecam_exact.kernel.errors import NetworkError, RefutedCertificate, Undecided
from splinecam_exact.kernel.evaluation import Evaluate, evaluate
from splinecam_exact.kernel.one_layer import Lines, OneLayer
from splinecam_exact.kernel.patterns import Patterns
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import homogeneous
from splinecam_exact.kernel.tiling import Face, Node, Tiling, cross, turn

CHUNK = 4096
"""The vertices of so many cells are evaluated together."""


class Statement(NamedTuple):
    """What a certificate is checked against; it comes from the caller, never from the certificate."""

    program: Program
    corners: Sequence[tuple[mpq, mpq]]
    network: str
    conventions: tuple[str, ...]
    domain: str


def verify(
    values: Iterable[Any],
    statement: Statement,
    progress: Progress | None = None,
    evaluate: Evaluate = evaluate,
    chosen: Callable[[int], bool] | None = None,
) -> dict[str, int]:
    """Return the proved counts A, L, P, V, E, or raise RefutedCertificate with the place and the reason.

    `values` are the JSON values of a certificate's lines, as `read` gives them; they are asked for one by one, and
    MalformedCertificate is raised where there is no certificate. The corners must be strictly convex and
    counter-clockwise. `evaluate` evaluates the network. With `chosen`, a function of cell numbers, patterns are
    compared with the network on these cells only: where nothing is refuted, Undecided is raised.

    Cost: one exact evaluation of the network per vertex (for one layer, of two rows of it), a few integer operations
    per corner. Memory: the frontier, an integer for each cell, and the different affine maps.
    """
    program = statement.program
    if program.inputs != 2:
        raise NetworkError(f"a certificate is about a program of 2 inputs, not {program.inputs}")
    head, tiles = decode(values)
    for key in ("network", "conventions", "domain"):
        if getattr(head, key) != getattr(statement, key):
            given = f"{getattr(head, key)}, but what was given is {getattr(statement, key)}"
            raise RefutedCertificate(key, f"the certificate is about {given}")
    corners = [homogeneous(x, y) for x, y in statement.corners]
    patterns, tiling, pieces = Patterns(program), Tiling(), Pieces()
    lines = Lines(program, corners)
    one_layer = OneLayer(program, lines, patterns) if lines.cuts and len(program.unit_steps()) == 1 else None
    waiting: list[tuple[Face, list[Node], list[Face]]] = []
    count = checked = 0

    def tick() -> None:
        if progress:
            progress("check: cells", count, head.counts["A"])

    def check_waiting() -> None:
        """Evaluate the network where it has not been, and check the cells that wait."""
        nodes = list({node: None for _, around, _ in waiting for node in around if not node.asked})
        for node, found in zip(nodes, evaluate(program, [node.point for node in nodes], tick), strict=True):
            node.values, node.asked = found, True
        for face, around, neighbours in waiting:
            _check_signs(patterns, face, around)
            if not chosen:
                face.affine = _affine_map(around)
                pieces.add(face, neighbours)
        waiting.clear()

    for cell, new in tiles:
        if count % 64 == 0:
            tick()
        place = f"cells[{count}]"
        base = tiling.faces.get(cell.base)
        if base is None and cell.base >= 0:
            raise RefutedCertificate(place, f"its base, cells[{cell.base}], has neighbours on all sides already")
        face = Face(count, patterns.changed(place, base, cell.changes))
        for name, vertex in new.items():
            tiling.put(Node(name, *lines.locate(vertex, f"vertices[{name}]")))
        nodes, closed = tiling.add(face, cell.polygon)
        for other, _, _ in closed:
            if other.signs == face.signs:
                raise RefutedCertificate(place, f"has the pattern of cells[{other.number}], which is beside it")
        neighbours = [other for other, _, _ in closed]
        count += 1
        if chosen is None and one_layer:
            one_layer.check(face, nodes, closed, base, cell.changes)
            pieces.add(face, neighbours)
        elif chosen is None or chosen(face.number):
            checked += 1
            waiting.append((face, nodes, neighbours))
            if len(waiting) == CHUNK:
                check_waiting()
    tiling.finish(corners)
    check_waiting()
    proved = {"A": count, "V": tiling.vertex_count, "E": tiling.edge_count}
    if not chosen:
        proved |= {"L": pieces.regions, "P": len(pieces.number)}
    for key, n in proved.items():
        if head.counts[key] != n:
            raise RefutedCertificate(f"counts.{key}", f"claims {head.counts[key]}, but there are {n}")
    if chosen:
        raise Undecided(f"spot check: {checked} of {count} cells checked exactly, none wrong")
    return {key: proved[key] for key in head.counts}


def _check_signs(patterns: Patterns, face: Face, nodes: list[Node]) -> None:
    """Weak agreement of every comparison at every corner, and strict agreement of each that is not zero at some."""
    at_least, at_most = face.signs
    above, below = mpz(0), mpz(0)
    for node in nodes:
        patterns.check(face, node, node.values)
        above |= node.values.above
        below |= ~node.values.at_least
    flat = (at_least & ~at_most & ~above) | (at_most & ~at_least & ~below)
    if flat:
        raise patterns.wrong(face, flat, "is at a breakpoint at every corner")


def _affine_map(nodes: list[Node]) -> tuple[mpz, ...]:
    """The outputs' integer forms on a checked cell, from their values at three corners that are not in line."""
    for k in range(len(nodes)):
        u, v, w = nodes[k - 2], nodes[k - 1], nodes[k]
        area = turn(u.point, v.point, w.point)
        if area:
            break
    lines = cross(v.point, w.point), cross(w.point, u.point), cross(u.point, v.point)
    found = []
    for f, g, h in zip(u.values.outputs, v.values.outputs, w.values.outputs, strict=True):
        for p, q, r in zip(*lines, strict=True):
            found.append((f * p + g * q + h * r) // area)  # exact: on a cell the outputs are integer forms
    return tuple(found)


class Pieces:
    """The different affine maps (P), and the sets of cells with one map that hang together (L)."""

    def __init__(self) -> None:
        self.number: dict[tuple[mpz, ...], int] = {}
        self.parent = array("q")
        self.regions = 0

    def add(self, face: Face, neighbours: list[Face]) -> None:
        """The next cell, and those of its neighbours that came before."""
        face.piece = self.number.setdefault(face.affine, len(self.number))
        self.parent.append(face.number)
        self.regions += 1
        for other in neighbours:
            i, j = self._root(face.number), self._root(other.number)
            if face.piece == other.piece and i != j:
                self.parent[i] = j
                self.regions -= 1

    def _root(self, i: int) -> int:
        parent = self.parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i
