"""A picture of inputs that lie on the decision boundary exactly, between one class and another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from splinecam_exact.boundaries import boundary
from splinecam_exact.boundary_samples import BoundarySample, sample_boundary
from splinecam_exact.plotting import INK, save_figure
from splinecam_exact.subdivision import Subdivision

ROWS, COLUMNS = 3, 9
"""How many pairs of classes are shown, and how many images of each."""

DRAWN = 400
"""How many samples are drawn, of which those of the most frequent pairs are shown."""


def draw_samples(part: Subdivision, classes: Sequence[str], path: Path) -> dict[str, int]:
    """Draw images on the boundary of a classifier of 8x8 images; how many samples there were, and on how many the
    whole network, evaluated exactly, has two largest outputs that are equal.
    """
    from matplotlib.figure import Figure

    samples = sample_boundary(boundary(part), DRAWN, seed=0)
    rows = by_pair(samples)[:ROWS]
    figure = Figure(figsize=(COLUMNS, 1.22 * len(rows) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for axes, (pair, mine) in zip(grid, rows, strict=True):
        chosen = np.linspace(0, len(mine) - 1, min(COLUMNS, len(mine))).round().astype(int)
        for ax in axes:
            ax.set_axis_off()
        for ax, sample in zip(axes, [mine[k] for k in chosen], strict=False):
            ax.imshow(sample.nearest.reshape(8, 8), cmap="gray_r", interpolation="nearest")
        axes[0].set_title(f"{classes[pair[0]]} = {classes[pair[1]]}", loc="left", fontsize=10, color=INK)
    save_figure(figure, path)
    return {"drawn": len(samples), "tied": sum(map(ties, samples))}


def by_pair(samples: Sequence[BoundarySample]) -> list[tuple[tuple[int, int], list[BoundarySample]]]:
    """The samples of each pair of classes, the most frequent pair first, each pair's from one side to the other."""
    pairs: dict[tuple[int, int], list[BoundarySample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.point):
        i, j = sorted(sample.classes)
        pairs.setdefault((i, j), []).append(sample)
    return sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))


def ties(sample: BoundarySample) -> bool:
    """Whether the network, evaluated exactly, has the same output for both classes there, and none that is larger."""
    outputs = sample.boundary.part.network.evaluate(sample.x)
    i, j = sample.classes
    return outputs[i] == outputs[j] == max(outputs)
