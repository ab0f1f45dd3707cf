"""Pictures of a subdivision. Here exact numbers become float64, at the very end; nothing is decided by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._files import PathLike, atomic_write, named, shown
from splinecam_exact.arrays import exact
from splinecam_exact.decision import Decision, Segments, decision
from splinecam_exact.half_edges import OUTER
from splinecam_exact.kernel.errors import InputError, MissingDependency
from splinecam_exact.palette import class_colours, distinct_colours
from splinecam_exact.rounding import nearest
from splinecam_exact.subdivision import Subdivision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Suffixes of pictures, with the metadata that makes two runs write the same bytes."""

COLOUR_BY = ("cell", "region", "class", "none")
RED = "#e2001a"
INK = "#26282e"

_LONGEST = 7.0  # inches, of the longer side of a new figure
_MOST_OBLONG = 4  # beyond this ratio of its sides a domain is stretched
_LARGEST = 1e100  # matplotlib multiplies coordinates
_FINEST = 1e-9  # width over distance from 0: float64 coordinates are too coarse below that


def require_matplotlib() -> None:
    """Raise MissingDependency, with the remedy, where there is no matplotlib."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingDependency("pictures need matplotlib: pip install 'splinecam-exact[plot]'") from None


def plot(
    part: Subdivision,
    *,
    ax: Axes | None = None,
    boundary: str | Decision | Segments | None = None,
    points: Sequence[Sequence[object]] | None = None,
    labels: Sequence[object] | None = None,
    color_by: str | None = None,
    classes: Sequence[object] | None = None,
    title: str | None = None,
    path: PathLike | None = None,
) -> Axes:
    """Draw a subdivision in slice coordinates: cells filled with pale colours, thin edges, the boundary in red.

    `boundary` is "argmax", "sign" (which partition once more, with the head that decides), a `decision` made before,
    or segments of shape (k, 2, 2). `points` (slice coordinates) are marked, each with its entry of `labels`.
    `color_by` is "cell" (neighbours differ), "region" (one colour for cells with one affine map), "class" (a hue for
    each answer, cells in shades of it, a legend; `classes` names the outputs) or "none"; where it is not given,
    "class" with a decision and otherwise "cell". The sides have one scale unless the domain is oblong beyond 4 : 1. A
    float64 result is marked as uncertified.

    Draws on `ax`, or on a new figure that no backend and no pyplot knows; returns the axes. With `path` (.png, .svg,
    .pdf) the figure is saved, whole or not at all, the same bytes each time. Raises MissingDependency without
    matplotlib, InputError for the rest. Cost: about a second for 10 000 cells.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 1], [1, -1]], [0, 0]), ([[1, -1], [0, 1]], [0, 0])])
    >>> axes = sx.plot(sx.partition(net, sx.square(1)), boundary="argmax", points=[(0, 0)], labels=["origin"])
    >>> [text.get_text() for text in axes.texts]
    ['origin']
    """
    require_matplotlib()
    if not isinstance(part, Subdivision):
        raise InputError(
            f"a {type(part).__name__} was given, not a Subdivision: first partition, as in plot(partition(net, domain))"
        )
    if path is not None:
        check_format(path)
    if isinstance(boundary, str):
        boundary = decision(part.network, part.domain, boundary)
    if isinstance(boundary, Decision) and boundary.part.domain != part.domain:
        raise InputError("the decision was computed on another domain than the subdivision")
    if color_by is None:
        color_by = "class" if isinstance(boundary, Decision) else "cell"
    marks = _marks(points, labels)
    extent = _extent(part.coordinates)
    if ax is None:
        ax = _new_axes(*extent)
    filled = _fill(ax, part, boundary, color_by, classes)
    _edges(ax, part)
    if boundary is not None:
        _red(ax, boundary.segments if isinstance(boundary, Decision) else boundary)
    _mark(ax, marks, extent)
    _dress(ax, extent, filled, title, part.certified)
    if path is not None:
        save_figure(ax.figure.canvas.figure, path)
    return ax


def check_format(path: PathLike) -> None:
    """Raise InputError unless the suffix is one of a picture."""
    if Path(named(path)).suffix.lower() not in FORMATS:
        raise InputError(f"{shown(path)}: a picture's name must end in one of {', '.join(FORMATS)}")


def save_figure(figure: Figure, path: PathLike) -> None:
    """Write a figure to a .png, .svg or .pdf file, whole or not at all, the same bytes each time."""
    import matplotlib

    check_format(path)
    suffix = Path(path).suffix.lower()
    buffer = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "splinecam-exact"}):
        figure.savefig(
            buffer, format=suffix[1:], dpi=200, bbox_inches="tight", pad_inches=0.12, metadata=FORMATS[suffix]
        )
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def _new_axes(low: NDArray[np.float64], high: NDArray[np.float64]) -> Axes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sides = high - low
    if sides.max() > _MOST_OBLONG * sides.min():
        sides = np.array([3, 2])
    figure = Figure(figsize=tuple(_LONGEST * sides / sides.max()), facecolor="white")
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1))


def _extent(coordinates: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    size = abs(coordinates).max()
    if not size < _LARGEST:
        raise InputError("the domain is too large to draw in float64")
    if size < 1 / _LARGEST:
        raise InputError("the domain is too small to draw in float64")
    width = (high - low).min()
    if width <= _FINEST * size or width < 1 / _LARGEST:
        raise InputError("the domain is too narrow, or too small so far from 0, to draw in float64")
    return low, high


def _marks(
    points: Sequence[Sequence[object]] | None, labels: Sequence[object] | None
) -> list[tuple[float, float, str]]:
    points = [] if points is None else points
    labels = [""] * len(points) if labels is None else labels
    if len(labels) != len(points):
        raise InputError(f"there are {len(points)} points and {len(labels)} labels")
    found = []
    for k, (point, label) in enumerate(zip(points, labels, strict=True)):
        if len(point) != 2:
            raise InputError(f"points[{k}] has {len(point)} coordinates; two slice coordinates are needed")
        x, y = (nearest(q.numerator, q.denominator) for q in map(exact, point))
        if not max(abs(x), abs(y)) < _LARGEST:
            raise InputError(f"points[{k}] is too far away for a picture in float64")
        found.append((x, y, str(label)))
    return found


def _fill(
    ax: Axes,
    part: Subdivision,
    boundary: Decision | Segments | None,
    color_by: str,
    classes: Sequence[object] | None,
) -> list[tuple[str, Any]]:
    """Fill the cells; returns the legend's entries, (text, colour)."""
    from matplotlib.collections import PolyCollection

    legend: list[tuple[str, Any]] = []
    if color_by == "class":
        if not isinstance(boundary, Decision):
            raise InputError("colours by class need a decision: boundary='argmax' or boundary='sign'")
        part = boundary.part  # the boundary cuts cells: of this subdivision, each cell has one class
        names, numbers = boundary.classes(classes)
        shades, swatches = class_colours(numbers, len(names), part.dual_edges())
        if (numbers < 0).any():
            names.append("zero" if boundary.kind == "sign" else "tie")
        legend = [(name, tuple(colour)) for name, colour in zip(names, swatches, strict=False)]
    elif color_by == "cell":
        shades = distinct_colours(np.arange(len(part.faces)), part.dual_edges())
    elif color_by == "region":
        shades = distinct_colours(part.affine_piece, part.dual_edges())
    elif color_by == "none":
        shades = np.ones((len(part.faces), 3))
    else:
        raise InputError(f"there is no color_by {color_by!r}; choose one of {', '.join(COLOUR_BY)}")
    starts, corners = part.geometry.polygons
    polygons = np.split(part.coordinates[corners], starts[1:-1])
    # Edges in the cell's own colour close the hairlines that antialiasing leaves between neighbours.
    ax.add_collection(PolyCollection(polygons, facecolors=shades, edgecolors="face", linewidths=0.3), autolim=False)
    return legend


def _edges(ax: Axes, part: Subdivision) -> None:
    from matplotlib.collections import LineCollection

    dcel, edges = part.half_edges, part.edge_half_edges
    segments = np.stack([part.coordinates[dcel.origin[edges]], part.coordinates[dcel.origin[dcel.twin[edges]]]], axis=1)
    rim = dcel.face[dcel.twin[edges]] == OUTER
    width = min(0.7, max(0.08, 15 / math.sqrt(len(part.faces))))
    ax.add_collection(LineCollection(segments[~rim], colors=INK, linewidths=width, alpha=0.75), autolim=False)
    ax.add_collection(
        LineCollection(segments[rim], colors=INK, linewidths=1.0, capstyle="projecting", zorder=4), autolim=False
    )


def _red(ax: Axes, segments: Segments) -> None:
    from matplotlib.collections import LineCollection

    ends = np.asarray(segments, np.float64)
    if ends.shape[1:] != (2, 2) or not np.isfinite(ends).all():
        raise InputError(f"the boundary has shape {ends.shape}; finite segments of shape (k, 2, 2) are needed")
    ax.add_collection(LineCollection(list(ends), colors=RED, linewidths=1.9, capstyle="round", zorder=3), autolim=False)


def _mark(
    ax: Axes, marks: list[tuple[float, float, str]], extent: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    from matplotlib.patheffects import withStroke

    if not marks:
        return
    ax.scatter(
        [x for x, _, _ in marks], [y for _, y, _ in marks], s=46, c="white", edgecolors=INK, linewidths=1.6, zorder=6
    )
    middle = (extent[0][0] + extent[1][0]) / 2
    for x, y, label in marks:
        if label:
            side = 1 if x <= middle else -1  # towards the middle, where there is room
            text = ax.annotate(
                label,
                (x, y),
                (9 * side, 7),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                color=INK,
                fontsize=11,
                fontweight="bold",
                zorder=7,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
            text.set_parse_math(False)  # a label is text, whatever signs it has


def _dress(
    ax: Axes,
    extent: tuple[NDArray[np.float64], NDArray[np.float64]],
    legend: list[tuple[str, Any]],
    title: str | None,
    certified: bool,
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    low, high = extent
    sides = high - low
    ax.update_datalim([low, high])
    ax.margins(0.012)
    ax.autoscale_view()
    if sides.max() <= _MOST_OBLONG * sides.min():
        ax.set_aspect("equal")
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, labelsize=9, colors="#70747e")
    ax.locator_params(nbins=6)
    if not certified:
        ax.set_title("float64, uncertified", loc="right", fontsize=9, color="#70747e", pad=10)
    if title is not None:
        ax.set_title(title, loc="left", fontsize=13, color=INK, pad=10, parse_math=False)
    if legend:
        handles: list[Patch | Line2D] = [
            Patch(facecolor=colour, edgecolor=INK, linewidth=0.4, label=name) for name, colour in legend
        ]
        handles.append(Line2D([], [], color=RED, linewidth=2, label="decision boundary"))
        box = ax.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.05),
            ncols=min(len(handles), 6),
            frameon=False,
            fontsize=10,
            handlelength=1.2,
            columnspacing=1.4,
        )
        for text in box.get_texts():
            text.set_parse_math(False)
