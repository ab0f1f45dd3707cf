"""Colours for the cells of a picture, such that neighbours differ where that is easily possible."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.half_edges import Ints

Colours = NDArray[np.float64]

HUES = (0.585, 0.10, 0.40, 0.76, 0.50, 0.90, 0.24, 0.04)
"""Of the classes, in this order: blue, amber, green, violet, teal, pink, lime, orange. Red is the boundary's."""

SHADES = ((0.90, 0.75), (0.865, 0.73), (0.83, 0.70), (0.935, 0.78), (0.79, 0.62))
"""(lightness, saturation) of the cells of one class; the one in the middle is shown in the legend."""

PASTELS = 9
UNDECIDED = (0.82, 0.0)
"""(lightness, saturation) of cells on which there is a tie."""


def distinct_colours(groups: Ints, neighbours: Ints) -> Colours:
    """A pastel RGB colour per cell, shape (cells, 3): one for each group, different for groups that share an edge.

    `groups` numbers the cells' groups from 0; `neighbours` are pairs of cells. Deterministic. Where a group has more
    neighbours than there are colours, two may agree.
    """
    pairs = groups[neighbours]
    palette = np.array([colorsys.hls_to_rgb(k / PASTELS, 0.87, 0.62) for k in range(PASTELS)])
    return palette[_greedy(int(groups.max()) + 1, pairs, PASTELS)[groups]]


def class_colours(classes: Ints, names: int, neighbours: Ints) -> tuple[Colours, Colours]:
    """An RGB colour per cell, shape (cells, 3): the hue of its class (-1: grey), in a shade unlike its neighbours'.

    Also returns the colours for a legend, shape (names + 1, 3): of each class, and of a tie.
    """
    shades = _greedy(len(classes), neighbours, len(SHADES))
    hues = [HUES[k % len(HUES)] for k in range(names)]
    table = np.array(
        [[colorsys.hls_to_rgb(hue, *shade) for shade in SHADES] for hue in hues]
        + [[colorsys.hls_to_rgb(0, *UNDECIDED)] * len(SHADES)]  # the last row, which -1 finds
    )
    return table[classes, shades], table[:, 2]


def _greedy(nodes: int, pairs: Ints, colours: int) -> Ints:
    """A colour number per node: the first that no neighbour has yet, starting from one that looks random."""
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    first = np.searchsorted(both[:, 0], np.arange(nodes + 1)).tolist()
    targets = both[:, 1].tolist()
    found = [-1] * nodes
    for node in range(nodes):
        taken = {found[other] for other in targets[first[node] : first[node + 1]]}
        start = (node * 2654435761 >> 7) % colours  # Knuth's multiplicative hash
        found[node] = next((c for k in range(colours) if (c := (start + k) % colours) not in taken), start)
    return np.array(found, np.int64)
