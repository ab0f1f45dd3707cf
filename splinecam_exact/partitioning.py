"""`partition`: from a network and a domain to the exact subdivision."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import numpy as np

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.kernel.certificate import Cell
from splinecam_exact.kernel.dcel import Dcel
from splinecam_exact.kernel.errors import DomainError, InputError, NetworkError
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import Point, primitive
from splinecam_exact.kernel.rebuild import rebuild
from splinecam_exact.network import Network
from splinecam_exact.subdivision import Subdivision, states_of

MODES = ("rational",)

CHUNK = 1 << 24
"""How many states are compared at a time."""


def partition(
    net: Network,
    dom: Polygon | Slice,
    mode: str = "rational",
    *,
    progress: Progress | None = None,
    max_cells: int | None = None,
) -> Subdivision:
    """The exact subdivision of a domain into the network's activation cells.

    `mode` "rational" computes everything with integers. `progress` is called now and then with (stage, done, total).
    Raises DomainError where network and domain do not fit, Undecided beyond `max_cells` cells (in a layer of Max
    groups, before the cells of one arg-max are merged). Cost: quadratic in the breaklines of a cell, linear in cells,
    with integers whose length grows with depth.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 1], [1, 1]], [0, -1]), ([[1, -2]], [0])])
    >>> sx.partition(net, sx.Polygon([(0, 0), (1, 0), (1, 1), (0, 1)])).counts()
    {'A': 2, 'L': 2, 'P': 2, 'V': 4, 'E': 5}
    """
    if mode not in MODES:
        raise InputError(f"there is no mode {mode!r}; the modes are {', '.join(MODES)}")
    if max_cells is not None and (type(max_cells) is not int or max_cells < 1):
        raise InputError(f"max_cells must be a positive int, not {max_cells!r}")
    program = lowered(net, dom)
    dcel = rebuild(program, dom.corners, progress, max_cells)
    points, polygons = _polygons(dcel)
    bases = [_base(dcel, face) for face in range(len(dcel.edge))]
    changes = _changes(program, dcel.patterns, bases)
    cells = [Cell(base, change, polygon) for base, change, polygon in zip(bases, changes, polygons, strict=True)]
    return Subdivision(net, dom, points, cells, progress)


def lowered(net: Network, dom: Polygon | Slice) -> Program:
    """The network on the domain as the kernel sees it. Raises unless they are what they should be, and fit."""
    if not isinstance(net, Network):
        raise NetworkError(f"{type(net).__name__} is not a Network: use load, from_torch or from_layers")
    if not isinstance(dom, Polygon | Slice):
        raise DomainError(f"{type(dom).__name__} is not a domain: use square, Polygon or Slice")
    dom.check_fits(net)
    return net.program(dom if isinstance(dom, Slice) else None)


def _polygons(dcel: Dcel) -> tuple[list[Point], list[tuple[int, ...]]]:
    """The vertices in use, renumbered in the order in which the faces meet them, and the faces' polygons."""
    number: dict[int, int] = {}
    polygons = [tuple(number.setdefault(dcel.origin[h], len(number)) for h in dcel.cycle(edge)) for edge in dcel.edge]
    return [primitive(dcel.points[v]) for v in number], polygons


def _base(dcel: Dcel, face: int) -> int:
    """An earlier face whose pattern is close: a neighbour if there is one."""
    neighbours = [dcel.face[h ^ 1] for h in dcel.cycle(dcel.edge[face])]
    return max((g for g in neighbours if 0 <= g < face), default=face - 1)


def _changes(program: Program, patterns: list[bytes], bases: list[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """For each face, the (unit, state) pairs in which its pattern differs from its base's."""
    size = max(1, program.pattern_size)
    rows = max(1, CHUNK // size)
    nothing = bytes(program.pattern_size)
    for first in range(0, len(patterns), rows):
        mine = patterns[first : first + rows]
        theirs = [patterns[b] if b >= 0 else nothing for b in bases[first : first + rows]]
        new = states_of(program, mine)
        face, unit = np.nonzero(new != states_of(program, theirs))
        pairs = zip(face.tolist(), unit.tolist(), new[face, unit].tolist(), strict=True)
        found = {i: tuple((u, s) for _, u, s in group) for i, group in groupby(pairs, itemgetter(0))}
        yield from (found.get(i, ()) for i in range(len(mine)))
