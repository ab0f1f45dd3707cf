"""`partition`: from a network and a domain to the subdivision."""

from __future__ import annotations

from importlib.util import find_spec

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import ListGeometry, Polygons, cells_of, states_of
from splinecam_exact.half_edges import half_edges
from splinecam_exact.kernel.dcel import Dcel
from splinecam_exact.kernel.errors import DomainError, InputError, MissingDependency, NetworkError
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import Point, primitive
from splinecam_exact.kernel.rebuild import rebuild
from splinecam_exact.network import Network
from splinecam_exact.subdivision import MODES, Subdivision


def partition(
    net: Network,
    dom: Polygon | Slice,
    mode: str | None = None,
    *,
    device: str | None = None,
    progress: Progress | None = None,
    max_cells: int | None = None,
    max_memory: int | None = None,
) -> Subdivision:
    """The subdivision of a domain into the network's activation cells.

    `mode` is one of

    - "certified" (the default where torch is installed): float64 proposes, every decision is proved by a bound of the
      rounding error or made exactly, and what is wrong or degenerate is cut by the exact kernel. The result is exact.
      `report` says how many decisions each stage made.
    - "rational" (the default without torch): everything in integers; slower, and the reference.
    - "float64": as certified, but nothing is proved, and the result says so. Where float64 contradicts itself, or makes
      a cell that is so thin or a side that is so short that rounding may have made it, where products of weights may
      leave its range, and for networks with Max groups, the result is a certified one after all.

    `device` ("cpu", "cuda", …; the default is "cpu") and `max_memory` (bytes, about; the default is half of the
    machine's) are for the first and the last; mode "rational" refuses them. `progress` is called now and then with
    (stage, done, total) and may raise to interrupt. Raises DomainError where network and domain do not fit,
    MissingDependency without torch, Undecided beyond `max_cells` cells or `max_memory`. Cost: about ten sorts of the
    half-edges and one matrix product per layer; mode "rational": quadratic in the breaklines of a cell, linear in
    cells, with integers whose length grows with depth.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 1], [1, 1]], [0, -1]), ([[1, -2]], [0])])
    >>> sx.partition(net, sx.Polygon([(0, 0), (1, 0), (1, 1), (0, 1)]), "rational").counts()
    {'A': 2, 'L': 2, 'P': 2, 'V': 4, 'E': 5}
    """
    if mode is None:
        mode = "certified" if find_spec("torch") else "rational"
    if mode not in MODES:
        raise InputError(f"there is no mode {mode!r}; the modes are {', '.join(MODES)}")
    for name, limit in (("max_cells", max_cells), ("max_memory", max_memory)):
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InputError(f"{name} must be a positive int, not {limit!r}")
    fitting(net, dom)
    if mode != "rational":
        return _speculate(net, dom, mode, device, progress, max_cells, max_memory)
    for name, given in (("device", device), ("max_memory", max_memory)):
        if given is not None:
            raise InputError(f"mode 'rational' has no {name}: leave it out")
    program = lowered(net, dom)
    dcel = rebuild(program, dom.corners, progress, max_cells)
    points, polygons = _polygons(dcel)
    cells = cells_of(
        polygons,
        half_edges(*polygons, len(points)),
        program.unit_count,
        lambda faces: states_of(program, [dcel.patterns[face] for face in faces.tolist()]),
    )
    return Subdivision(net, dom, ListGeometry(points, cells, program), progress=progress)


def _speculate(
    net: Network,
    dom: Polygon | Slice,
    mode: str,
    device: str | None,
    progress: Progress | None,
    max_cells: int | None,
    max_memory: int | None,
) -> Subdivision:
    try:
        from splinecam_exact.verify.result import speculate
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependency(
            f"mode {mode!r} needs torch: pip install 'splinecam-exact[torch]', or use mode='rational'"
        ) from None
    return speculate(net, dom, mode == "certified", device, progress, max_cells, max_memory)


def fitting(net: Network, dom: Polygon | Slice) -> None:
    """Raises unless network and domain are what they should be, and fit."""
    if not isinstance(net, Network):
        raise NetworkError(f"{type(net).__name__} is not a Network: use load, from_torch or from_layers")
    if not isinstance(dom, Polygon | Slice):
        raise DomainError(f"{type(dom).__name__} is not a domain: use square, Polygon or Slice")
    dom.check_fits(net)


def lowered(net: Network, dom: Polygon | Slice) -> Program:
    """The network on the domain as the kernel sees it. Raises unless they are what they should be, and fit."""
    fitting(net, dom)
    return net.program(dom if isinstance(dom, Slice) else None)


def _polygons(dcel: Dcel) -> tuple[list[Point], Polygons]:
    """The vertices in use, renumbered in the order in which the faces meet them, and the faces' polygons."""
    number: dict[int, int] = {}
    polygons = [tuple(number.setdefault(dcel.origin[h], len(number)) for h in dcel.cycle(edge)) for edge in dcel.edge]
    return [primitive(dcel.points[v]) for v in number], Polygons.of(polygons)
