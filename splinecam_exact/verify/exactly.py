"""The exact side of a mesh: which lines its vertices lie on, and their exact places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from splinecam_exact.decide import Decider, Enclosure, Signs, Stages, Windows
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.kernel.dcel import Line, line_through, meet
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import Point, homogeneous, primitive
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine
from splinecam_exact.weights import Convolution

Ints = NDArray[np.int64]

CHUNK = 1 << 15
"""How many vertices are computed together."""

EXACT = -(1 << 40)
"""In place of a cut: the line is known exactly."""

PAIRS = 1 << 40
"""In place of a cut: this plus the number of a pair of values, whose difference is 0 on the line."""

Patterns = Callable[[Ints], list[bytes]]
"""The patterns of some faces."""


class Exactly:
    """Exact lines and points. Lines and vertices are numbered as in the mesh.

    `cut` per line: the number of the cut whose form's zero set it is, on any face that it bounds; PAIRS + k for pair k
    of those compared; -1 - i for side i of the domain; or EXACT. `lines` (V, 2): two lines that meet in each vertex (-1
    where the point is in `points`).
    """

    def __init__(self, net: Network, dom: Polygon | Slice) -> None:
        sides = [homogeneous(*c) for c in dom.corners]
        self.net, self.dom = net, dom
        self.cut = -1 - np.arange(len(sides))
        self.known_lines: dict[int, Line] = {
            i: line_through(p, q) for i, (p, q) in enumerate(zip(sides, [*sides[1:], sides[0]], strict=True))
        }
        self.lines = np.full((len(sides), 2), -1)
        self.points: dict[int, Point] = dict(enumerate(sides))
        self.progress: Progress | None = None
        self.pairs = np.empty((0, 3), np.int64)  # (node, first member, second member): places in the node's output
        self._named = np.empty(0, np.int64)

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("program", "decider")} | {
            "progress": None,
            "_named": np.empty(0, np.int64),
        }

    @cached_property
    def program(self) -> Program:
        """The network on the domain in integers, made when something must be decided exactly."""
        return self.net.program(self.dom if isinstance(self.dom, Slice) else None)

    @cached_property
    def decider(self) -> Decider:
        """Exact signs and forms, made ready when they are needed."""
        return Decider(self.program, progress=self._tell, windows=self._windows())

    def _windows(self) -> dict[int, Windows]:
        """The convolutions among the program's steps."""
        found = {}
        for number, node in enumerate(self.net.nodes, 1):
            if isinstance(node, Affine) and len(node.weights) == 1 and isinstance(node.weights[0], Convolution):
                first = self.first_value(node.sources[0])
                found[self._step(number)] = Windows(node.weights[0].reads(first))
        return found

    def _step(self, node: int) -> int:
        """The program's step that a node is; -1 where it is the program's inputs."""
        return node if isinstance(self.dom, Slice) else node - 1

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(what, done, total)

    def compare(self, node: int, members: Ints) -> Ints:
        """The numbers, like those of cuts, of pairs of values of one of the network's nodes."""
        first = len(self.pairs)
        self.pairs = np.concatenate([self.pairs, np.insert(members, 0, node, axis=1)])
        return PAIRS + np.arange(first, len(self.pairs))

    def first_value(self, node: int) -> int:
        """The program's number of a node's first value; node 0 is the network's input."""
        step = self._step(node)
        return self.program.steps[step].first if step >= 0 else 0

    def _cuts(self, cuts: Ints) -> Ints:
        """The decider's numbers of cuts and of pairs; others stay as they are."""
        if len(self._named) < len(self.pairs):
            new = self.pairs[len(self._named) :]
            firsts = {node: self.first_value(node) for node in np.unique(new[:, 0]).tolist()}
            shift = np.array([firsts[node] for node in new[:, 0].tolist()], np.int64)
            named = self.decider.compare(new[:, 1:] + shift[:, np.newaxis])
            self._named = np.concatenate([self._named, named + np.arange(len(new))])
        found = cuts.copy()
        found[cuts >= PAIRS] = self._named[cuts[cuts >= PAIRS] - PAIRS]
        return found

    def add_lines(self, cuts: Ints) -> None:
        """More lines, which are the zero sets of cuts."""
        self.cut = np.concatenate([self.cut, cuts])

    def add_known_lines(self, lines: Sequence[Line]) -> None:
        """More lines, which are known."""
        self.known_lines.update(enumerate(lines, len(self.cut)))
        self.cut = np.concatenate([self.cut, np.full(len(lines), EXACT)])

    def places(self, vertices: Ints, faces: Ints, patterns: Patterns) -> list[Point]:
        """The exact places of some vertices, each a corner of the face beside it."""
        found = [self.points.get(v) for v in vertices.tolist()]
        unknown = np.array([i for i, point in enumerate(found) if point is None], np.int64)
        unknown = unknown[np.argsort(faces[unknown], kind="stable")]
        for low in range(0, len(unknown), CHUNK):
            some = unknown[low : low + CHUNK]
            rows, which = np.unique(faces[some], return_inverse=True)
            mine = patterns(rows)
            pair = self.lines[vertices[some]]
            sides = [self._forms(pair[:, k], mine, which) for k in (0, 1)]
            for i, p, q in zip(some.tolist(), *sides, strict=True):
                found[i] = primitive(meet(p, q))
        return found  # type: ignore[return-value]

    def signs(self, cuts: Ints, vertices: Ints, faces: Ints, patterns: Patterns) -> tuple[Signs, Stages]:
        """The signs of cuts[r] at vertices[r], a corner of faces[r], and how they were decided."""
        rows, which = np.unique(faces, return_inverse=True)
        mine = patterns(rows)
        cuts = self._cuts(cuts)
        found = np.zeros(len(cuts), np.int8)
        points = [self.points.get(v) for v in vertices.tolist()]
        at = np.array([r for r, point in enumerate(points) if point is not None], np.int64)
        found[at], first = self.decider.heights(mine, cuts[at], [p for p in points if p is not None], which[at])
        at = np.array([r for r, point in enumerate(points) if point is None], np.int64)
        lines = self.lines[vertices[at]]
        numbers = self._cuts(self.cut[lines])
        given, place = np.unique(lines[numbers < 0], return_inverse=True)
        numbers[numbers < 0] = -1 - place
        request = np.concatenate([cuts[at, np.newaxis], numbers], axis=1)
        known = [self.known_lines[i] for i in given.tolist()]
        found[at], second = self.decider.meetings(mine, request, which[at], known)
        return found, Stages(first.wide + second.wide, first.exact + second.exact)

    def enclosures(self, lines: Ints, faces: Ints, patterns: Patterns) -> list[Enclosure]:
        """Some lines, each that of an edge of the face beside it, as integer forms with a radius."""
        cuts = self._cuts(self.cut[lines])
        asked = np.flatnonzero(cuts >= 0)
        found: list[Enclosure | None] = [None] * len(lines)
        for i in np.flatnonzero(cuts < 0).tolist():
            found[i] = Enclosure(self.known_lines[int(lines[i])], mpz(0))
        asked = asked[np.argsort(faces[asked], kind="stable")]
        for low in range(0, len(asked), CHUNK):
            some = asked[low : low + CHUNK]
            rows, which = np.unique(faces[some], return_inverse=True)
            for i, line in zip(some.tolist(), self.decider.enclosures(patterns(rows), cuts[some], which), strict=True):
                found[i] = line
        return found  # type: ignore[return-value]

    def _forms(self, lines: Ints, patterns: list[bytes], which: Ints) -> list[Line]:
        cuts = self._cuts(self.cut[lines])
        asked = cuts >= 0
        forms = iter(self.decider.forms(patterns, cuts[asked], which[asked]))
        return [next(forms) if a else self.known_lines[i] for a, i in zip(asked.tolist(), lines.tolist(), strict=True)]
