"""How well the corners of claimed cells fit those of exact faces, pair by pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splinecam_exact.comparison.cells import Cells
from splinecam_exact.comparison.ragged import (
    Bools,
    Floats,
    following,
    length,
    offsets,
    owners,
    portions,
    ranges,
    reduce,
)
from splinecam_exact.comparison.truth import Truth
from splinecam_exact.half_edges import Ints


class Fit(NamedTuple):
    """Of pairs of a cell and a face, in scaled coordinates.

    `gap` is how far, at most, a corner of one is from the boundary (or, where two corners are each other's nearest,
    from the corner) of the other; `cyclic` says whether such pairs of corners come in the same order. `vertex` and
    `error` have a row for each corner of the cells, pair after pair: the vertex that it is nearest to and its
    distance; -1 and the distance from the boundary for a corner that another one of the cell is nearer to. `lost` are
    the distances from corners of the faces, that are no corner's nearest, to the cells that leave them out.
    """

    gap: Floats
    cyclic: Bools
    vertex: Ints
    error: Floats
    lost: Floats


def fits(cells: Cells, truth: Truth, some: Ints, faces: Ints) -> Fit:
    """The fit of each of some cells with the face beside it. Cost: corners times corners, a few nanoseconds each."""
    sizes = cells.sizes[some] * (truth.starts[faces + 1] - truth.starts[faces])
    parts = [_fits(cells, truth, some[k], faces[k]) for k in portions(sizes)]
    if not parts:
        return Fit(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    return Fit(*map(np.concatenate, zip(*parts, strict=True)))


@np.errstate(all="ignore")
def _fits(cells: Cells, truth: Truth, some: Ints, faces: Ints) -> Fit:
    m, k = cells.sizes[some], truth.starts[faces + 1] - truth.starts[faces]
    mine, theirs = ranges(cells.starts[some], m), ranges(truth.starts[faces], k)
    p, v = cells.xy[mine], truth.x[truth.corners[theirs]]
    pair_of_p, pair_of_v = owners(m), owners(k)
    p_starts, v_starts = offsets(m), offsets(k)
    near_v, near_p = (
        _nearest(p, v, k[pair_of_p], v_starts[pair_of_p]),
        _nearest(v, p, m[pair_of_v], p_starts[pair_of_v]),
    )
    mutual = near_p[near_v] == np.arange(len(p))
    error = length(p - v[near_v])
    lonely = np.flatnonzero(~mutual)
    error[lonely] = _to_boundary(p, lonely, v, v_starts, pair_of_p)
    held = np.zeros(len(v), bool)
    held[near_v[mutual]] = True
    missed = np.flatnonzero(~held & truth.bends[theirs])
    lost = np.zeros(len(v))
    lost[missed] = _to_boundary(v, missed, p, p_starts, pair_of_v)
    gap = np.maximum(reduce(np.maximum, error, p_starts, np.inf), reduce(np.maximum, lost, v_starts, np.inf))
    vertex = np.where(mutual, truth.corners[theirs[near_v]], -1)
    cyclic = _cyclic(mutual, near_v, pair_of_p, len(some))
    return Fit(np.nan_to_num(gap, nan=np.inf, posinf=np.inf), cyclic, vertex, error, lost[missed])


def _nearest(p: Floats, v: Floats, sizes: Ints, first: Ints) -> Ints:
    """For each p the row of the nearest of the rows of v from `first` on, `sizes` of them."""
    rows = ranges(first, sizes)
    distance = length(np.repeat(p, sizes, axis=0) - v[rows])
    distance = np.nan_to_num(distance, nan=np.inf, posinf=np.inf)
    least = reduce(np.minimum, distance, offsets(sizes), np.inf)
    owner = owners(sizes)
    best = np.flatnonzero(distance == least[owner])
    found = first.copy()
    found[owner[best]] = rows[best]
    return found


def _to_boundary(p: Floats, which: Ints, v: Floats, starts: Ints, pair: Ints) -> Floats:
    """How far some of the points p are from the sides of the polygon in v that belongs to their pair."""
    first, sizes = starts[pair[which]], np.diff(starts)[pair[which]]
    rows, owner = ranges(first, sizes), owners(sizes)
    start = v[rows]
    side, way = v[following(starts)[rows]] - start, p[which[owner]] - start
    squared = (side**2).sum(axis=1)
    share = np.where(squared > 0, (side * way).sum(axis=1) / squared, 0.0).clip(0, 1)
    distance = length(way - share[:, np.newaxis] * side)
    found: Floats = reduce(np.minimum, np.nan_to_num(distance, nan=np.inf, posinf=np.inf), offsets(sizes), np.inf)
    return found


def _cyclic(mutual: Bools, near: Ints, pair: Ints, pairs: int) -> Bools:
    """Per pair, whether the corners that are each other's nearest come in the same cyclic order."""
    at = np.flatnonzero(mutual)
    starts = offsets(np.bincount(pair[at], minlength=pairs))
    rank = near[at]
    descents = rank[following(starts)] < rank if len(at) else np.zeros(0, bool)
    return np.asarray(reduce(np.add, descents.astype(np.int64), starts, 1) <= 1)
