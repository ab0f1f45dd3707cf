"""Where two or more outputs are the largest: read off the partition of the network with a maximum over its outputs.

On a cell of that partition one set of outputs is largest. At a vertex all those are that are largest on a cell around
it, and perhaps more, which only touch the others there: these are looked for exactly. Along an edge those outputs are
largest that are so at both ends.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from splinecam_exact.boundary_cells import Cells, vertex_values
from splinecam_exact.boundary_masks import Masks, changing, listed, lowest, pairs, several, without_lowest
from splinecam_exact.boundary_trace import Places, Trace, places_of, some_polygons
from splinecam_exact.geometry import CHUNK, Geometry, States, chunks
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point
from splinecam_exact.partitioning import partition
from splinecam_exact.subdivision import Subdivision

TRIES = 3
"""How many hash functions are tried to tell patterns apart."""


def trace_argmax(part: Subdivision, progress: Progress | None, max_cells: int | None) -> Trace:
    """Where two or more outputs are the largest, on the cells of a subdivision."""
    net = part.network.with_head("argmax")
    headed = partition(net, part.domain, part.mode, progress=progress, max_cells=max_cells)
    polygons, dcel, half = headed.geometry.polygons, headed.half_edges, headed.edge_half_edges
    on_faces = _answers(headed)
    at_vertices = _tied(part, headed, on_faces, progress)
    tied = at_vertices[dcel.origin[half]] & at_vertices[dcel.origin[dcel.twin[half]]]
    answer = np.append(on_faces, 0)  # the outer face has the number -1
    left, right = dcel.face[half], dcel.face[dcel.twin[half]]
    chosen = listed(answer[left], answer[right], tied)
    edges, tied = half[chosen], tied[chosen]
    left, right = left[chosen], right[chosen]

    filled = np.flatnonzero(several(on_faces))
    areas = some_polygons(polygons, filled)
    ends = np.stack([dcel.origin[edges], dcel.origin[dcel.twin[edges]]], axis=1)
    met = np.flatnonzero(several(at_vertices))
    isolated = np.setdiff1d(met, np.concatenate([ends.ravel(), areas.corners]))
    used = np.unique(np.concatenate([ends.ravel(), areas.corners, isolated]))
    beside = np.unique(np.concatenate([left, right[right != OUTER], filled]))
    known = np.full(len(on_faces) + 1, OUTER)
    known[beside] = _faces_in(part, headed.geometry.state_rows(beside)[:, :-1])
    return Trace(
        _places(headed, used),
        np.searchsorted(used, ends),
        np.stack([known[left], known[right]], axis=1),
        pairs(answer[left], answer[right], tied),
        changing(answer[left], answer[right]),
        areas._replace(corners=np.searchsorted(used, areas.corners)),
        known[filled],
        pairs(on_faces[filled], on_faces[filled], on_faces[filled]),
        np.searchsorted(used, isolated),
        np.searchsorted(used, used[several(without_lowest(at_vertices[used]))]),
    )


def _places(headed: Subdivision, used: Ints) -> Places:
    geometry = headed.geometry
    exact = partial(_vertices, geometry, used)
    if headed.mode == "rational":
        return Places(len(used), exact, None, 0.0)
    fast = headed.coordinates[used]
    if not headed.certified:
        return Places(len(used), exact, fast, 0.0)
    return places_of(exact, fast, np.zeros(len(used)), geometry.slack)


def _vertices(geometry: Geometry, used: Ints, numbers: Ints) -> list[Point]:
    return geometry.places(used[numbers])


def _answers(headed: Subdivision) -> Masks:
    """Per face, the outputs that are largest on it."""
    faces = np.arange(len(headed.faces))
    size = max(1, CHUNK // headed.geometry.unit_count)
    return np.concatenate([headed.geometry.state_rows(some)[:, -1] for some in chunks(faces, size)]).astype(np.int64)


def _tied(part: Subdivision, headed: Subdivision, on_faces: Masks, progress: Progress | None) -> Masks:
    """Per vertex, the outputs that are largest there."""
    polygons = headed.geometry.polygons
    masks = np.zeros(headed.geometry.vertex_count, np.int64)
    np.bitwise_or.at(masks, polygons.corners, np.repeat(on_faces, np.diff(polygons.starts)))
    if not headed.certified:
        return masks
    outputs = part.network.output_size
    maybe = (masks[:, np.newaxis] >> np.arange(outputs)) & 1 == 0
    values = vertex_values(part.network, headed, compared=True)
    if values is not None:
        found, errors = values.values, values.errors
        with np.errstate(over="ignore", invalid="ignore"):
            maybe &= ~(found + errors < (found - errors).max(axis=1, keepdims=True))
    vertices, other = np.nonzero(maybe)
    if len(vertices):
        cells = Cells(headed.network, part.domain, headed.geometry, progress)
        (group,) = cells.program.unit_steps()[-1].units
        sources = np.array(group.sources)
        first = lowest(masks[vertices])
        compared, which = np.unique(np.stack([sources[first], sources[other]], axis=1), axis=0, return_inverse=True)
        cuts = cells.decider.compare(compared) + which.reshape(-1)
        equal = cells.signs(cuts, vertices) == 0
        np.bitwise_or.at(masks, vertices[equal], np.int64(1) << other[equal])
    return masks


def _faces_in(part: Subdivision, states: States) -> Ints:
    """The faces of a subdivision with these states, -1 where there is none (which is so of float64's only)."""
    geometry, found = part.geometry, np.full(len(states), -1)
    for seed in range(TRIES):
        left = np.flatnonzero(found < 0)
        if not len(left):
            break
        factors = np.random.default_rng(seed).integers(1, 1 << 63, states.shape[1], np.uint64)
        size = max(1, CHUNK // max(1, states.shape[1]))
        numbers = chunks(np.arange(geometry.polygons.faces), size)
        keys = np.concatenate([geometry.state_rows(some).astype(np.uint64) @ factors for some in numbers])
        order = np.argsort(keys)
        place = np.searchsorted(keys[order], states[left].astype(np.uint64) @ factors)
        face = order[np.minimum(place, len(order) - 1)]
        same = (geometry.state_rows(face) == states[left]).all(axis=1)
        found[left[same]] = face[same]
    return found
