"""A picture of what was proved about samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from splinecam_exact._files import PathLike
from splinecam_exact.plotting import INK, RED, check_format, require_matplotlib, save_figure
from splinecam_exact.rounding import nearest
from splinecam_exact.samples import ON, UNPROVED, WITHIN, Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot(samples: Samples, ax: Axes | None = None, path: PathLike | None = None) -> Axes:
    """Draw how many points are within each distance: proved (a line), and estimated for those unproved (dashes)."""
    require_matplotlib()
    if path is not None:
        check_format(path)
    if ax is None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
    counts = samples.counts()
    proved = samples.bound[samples.status == WITHIN]
    guessed = samples.estimate[samples.status == UNPROVED]
    shares = ((proved, "-", RED, "within: proved distance"), (guessed, "--", INK, "unproved: estimate"))
    for distances, style, colour, name in shares:
        some = np.sort(distances[np.isfinite(distances) & (distances > 0)])
        first = counts[ON] if name.startswith("within") else 0
        label = f"{name} ({len(distances)})"
        ax.step(some, first + np.arange(1, len(some) + 1), style, color=colour, where="post", label=label)
    ax.axhline(counts[ON], color="#70747e", linewidth=0.8, label=f"exactly on ({counts[ON]})")
    radius = 0.0 if samples.radius is None else nearest(samples.radius.numerator, samples.radius.denominator)
    if 0 < radius < np.inf:
        ax.axvline(radius, color="#70747e", linestyle=":", label=f"radius {radius:.3g}")
    ax.set_xscale("log")
    ax.set_ylim(0, len(samples) * 1.05)
    ax.set_xlabel("distance to the boundary (2-norm)")
    ax.set_ylabel(f"points, of {len(samples)}")
    ax.set_title(samples.question.text(), parse_math=False)
    ax.legend(frameon=False, fontsize=9)
    if path is not None:
        save_figure(ax.figure.canvas.figure, path)
    return ax
