"""A picture of a comparison: the exact cells, the defects marked and numbered, the first ones zoomed in on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from gmpy2 import mpq

from splinecam_exact._files import PathLike
from splinecam_exact.comparison.coordinates import Array
from splinecam_exact.comparison.defects import KINDS, Defect
from splinecam_exact.comparison.polygons import clipped
from splinecam_exact.plotting import INK, RED, check_format, plot, require_matplotlib, save_figure
from splinecam_exact.rounding import nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from splinecam_exact.comparison.result import Comparison

Box = tuple[float, float, float, float]
"""The middle, and half the width and height, of a part of the plane."""

MOST_ZOOMED = 6
"""So many defects get a frame of their own."""
MOST_MARKED = 500
MARGIN = 0.6
"""Around a defect, as a share of its size."""
LEAST = 2.0**-30
"""A frame is at least so much of the domain wide: matplotlib's ticks need digits."""


def draw(comparison: Comparison, path: PathLike | None = None, ax: Axes | None = None) -> Axes:
    """Draw the exact cells with the defects in red, numbered as in `defects`, and zoom in on the first of them.

    Claimed cells that defects speak of are outlined in red, exact ones are hatched. Of what reaches beyond the domain
    only the part near it is drawn; a line below says how many defects have no place there. With `path` (.png, .svg,
    .pdf) the figure is saved, whole or not at all. With `ax` only the picture of the whole domain is drawn, there.
    Returns its axes. Raises MissingDependency without matplotlib, InputError for the rest. Cost: that of `plot`, and of
    a frame for each of the first six defects.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if path is not None:
        check_format(path)
    shown = [(k, d, box) for k, d in enumerate(comparison.defects) if (box := _box(comparison, d)) is not None]
    frames = _different(shown)[:MOST_ZOOMED]
    if ax is None:
        rows = -(-len(frames) // 2)
        figure = Figure(figsize=(7 + 2.6 * min(2, len(frames)), 7), facecolor="white")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(max(1, rows), 3, width_ratios=(6, 2, 2)) if len(frames) > 1 else None
        if grid is None:
            pair = figure.add_gridspec(1, 2, width_ratios=(6, 3 if frames else 0.01))
            ax, places = figure.add_subplot(pair[0]), [pair[1]]
        else:
            ax, places = figure.add_subplot(grid[:, 0]), [grid[k // 2, 1 + k % 2] for k in range(len(frames))]
        zooms = [figure.add_subplot(place) for place, _ in zip(places, frames, strict=False)]
    else:
        zooms = []
    plot(comparison.part, ax=ax, color_by="none", title="passed" if comparison.passed else _words(comparison))
    _outline(ax, comparison, [d for _, d, _ in shown[:MOST_MARKED]], 1.2)
    for k, _, (x, y, *_) in shown[:MOST_MARKED]:
        ax.plot([x], [y], "o", color=RED, markersize=9, fillstyle="none", zorder=8)
        if k < 30:
            ax.annotate(str(k), (x, y), (6, 6), textcoords="offset points", color=RED, fontsize=8, zorder=9)
    if absent := len(comparison.defects) - len(shown):
        text = f"not in the picture: {absent:,} of {len(comparison.defects):,} defects, far from the domain or nowhere"
        ax.annotate(
            text, (0.5, 0), (0, -6), "axes fraction", "offset points", color=RED, fontsize=8, ha="center", va="top"
        )
    for zoom, (k, defect, box) in zip(zooms, frames, strict=False):
        _zoom(zoom, comparison, k, defect, box)
    if path is not None:
        save_figure(ax.figure.canvas.figure, path)
    return ax


def _words(comparison: Comparison) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in comparison.kinds.items())


def _different(shown: list[tuple[int, Defect, Box]]) -> list[tuple[int, Defect, Box]]:
    """The defects, the first of each kind before the second of any."""
    rank: dict[str, int] = dict.fromkeys(KINDS, 0)
    order = []
    for row in shown:
        order.append((rank[row[1].kind], row[0], row))
        rank[row[1].kind] += 1
    return [row for *_, row in sorted(order, key=lambda entry: entry[:2])]


def _rings(comparison: Comparison, defect: Defect) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The claimed and the exact cells of a defect, as float64 polygons; of the former what is near the domain."""
    cells = (
        []
        if defect.kind.startswith(("boundary", "vertex_"))
        else [c for c in defect.cells if c < len(comparison.polygons)]
    )
    part = comparison.part
    low, high, size = _extent(comparison)
    claimed = [_clipped(comparison.polygons[c], low - size, high + size) for c in cells]
    faces = [] if defect.kind == "vertex_missing" else [f for f in defect.faces if f < len(part.faces)]
    exact = [part.coordinates[list(part.faces[f].vertices)] for f in faces]
    return [ring for ring in claimed if len(ring)], exact


def _extent(comparison: Comparison) -> tuple[np.ndarray, np.ndarray, float]:
    """The least and the greatest coordinates of the domain, and its size."""
    low, high = comparison.part.coordinates.min(axis=0), comparison.part.coordinates.max(axis=0)
    return low, high, float((high - low).max())


def _clipped(polygon: Array, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The float64 corners of what is between two corners of a frame; none of what is no finite polygon."""
    rows = polygon.tolist() if polygon.ndim == 2 else []
    if not all(abs(q) < np.inf for row in rows for q in row):  # nor NaN
        return np.zeros((0, 2))
    (a, b), (c, d) = low.tolist(), high.tolist()
    if not all(a <= x <= c and b <= y <= d for x, y in rows):
        rows = [(mpq(x), mpq(y)) for x, y in rows]
        frame = [(mpq(x), mpq(y)) for x, y in ((a, b), (c, b), (c, d), (a, d))]
        for k, corner in enumerate(frame):
            rows = clipped(rows, frame[k - 1], corner)
    return np.array([_float64(row) for row in rows]).reshape(-1, 2)


def _float64(place: Iterable[Any]) -> list[float]:
    return [nearest(mpq(q).numerator, mpq(q).denominator) for q in place]


def _box(comparison: Comparison, defect: Defect) -> Box | None:
    """Where a defect is: around its cells, or its place. None where it is nowhere."""
    rings = [ring for both in _rings(comparison, defect) for ring in both]
    low, high, size = _extent(comparison)
    if not rings:
        if defect.place is None:
            return None
        place = np.array(_float64(defect.place))
        if not ((place >= low - size) & (place <= high + size)).all():
            return None
        return place[0], place[1], size / 16, size / 16
    corners = np.concatenate(rings)
    (a, b), (c, d) = corners.min(axis=0), corners.max(axis=0)
    least = LEAST * max(size, float(abs(corners).max()))
    return (a + c) / 2, (b + d) / 2, max((c - a) / 2, least), max((d - b) / 2, least)


def _outline(ax: Axes, comparison: Comparison, defects: list[Defect], width: float) -> None:
    from matplotlib.collections import PolyCollection

    claimed, exact = [], []
    for defect in defects:
        first, second = _rings(comparison, defect)
        claimed += first
        exact += second
    # matplotlib wants lists that are not empty
    if exact:
        ax.add_collection(
            PolyCollection(exact, facecolors=(0.89, 0, 0.1, 0.12), edgecolors=INK, linewidths=width / 2), autolim=False
        )
    if claimed:
        ax.add_collection(
            PolyCollection(claimed, facecolors="none", edgecolors=RED, linewidths=width, zorder=5), autolim=False
        )


def _zoom(ax: Axes, comparison: Comparison, k: int, defect: Defect, box: Box) -> None:
    from matplotlib.collections import PolyCollection

    part = comparison.part
    x, y, width, height = box
    # a sliver's frame is stretched across it: otherwise there would be nothing to see
    low = np.array([x - width * (1 + MARGIN), y - height * (1 + MARGIN)])
    high = np.array([x + width * (1 + MARGIN), y + height * (1 + MARGIN)])
    starts, corners = part.geometry.polygons
    points = part.coordinates[corners]
    mins, maxs = np.minimum.reduceat(points, starts[:-1]), np.maximum.reduceat(points, starts[:-1])
    near = np.flatnonzero(((mins <= high) & (maxs >= low)).all(axis=1))[:2000]
    rings = [points[starts[f] : starts[f + 1]] for f in near.tolist()]
    if rings:
        ax.add_collection(PolyCollection(rings, facecolors="white", edgecolors=INK, linewidths=0.8), autolim=False)
    _outline(ax, comparison, [defect], 1.8)
    if defect.place is not None:
        (x, y) = _float64(defect.place)
        ax.plot([x], [y], "+", color=RED, markersize=10, zorder=8)
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_title(f"{k}: {defect.kind}", fontsize=9, color=RED, parse_math=False)
    ax.tick_params(length=0, labelsize=6, colors="#70747e")
    ax.locator_params(nbins=3)
