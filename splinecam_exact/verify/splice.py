"""Put exactly cut faces in the place of those parts of a refinement that are not proved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.verify.repair import Repaired

Ints = NDArray[np.int64]


class Arrays(NamedTuple):
    """A mesh as numpy arrays, face after face, with the parent of each face and the old half-edge (-1: of a chord)."""

    start: Ints
    origin: Ints
    twin: Ints
    line: Ints
    parent: Ints
    old: Ints
    forward: NDArray[np.bool_]


class Spliced(NamedTuple):
    """The result: `arrays`, and how it came about.

    Vertex v was `vertex[v]` of the refinement, or was made by the kernel: `exact[v]` is its number there, else -1. Face
    f was `face[f]` of the refinement, or is number -1 - face[f] of the kernel's.
    """

    arrays: Arrays
    vertex: Ints
    exact: Ints
    face: Ints


def splice(
    fine: Arrays,
    bad: NDArray[np.bool_],
    given: Ints,
    mothers: Ints,
    made: Repaired,
    shared: Ints,
    old_vertices: int,
    lines: int,
) -> Spliced:
    """Join the good faces of a refinement and the kernel's.

    `bad` says which old faces the kernel cut, `given` the vertices that it was given, `mothers` the old half-edges,
    `shared[k]` the vertex of the refinement that its vertex k is (-1: none). Old vertices keep their numbers, and all
    old vertices stay; the kernel's lines are numbered from `lines` on.
    """
    size = np.diff(fine.start)
    good_face = ~bad[fine.parent]
    good = np.repeat(good_face, size)
    faces = np.flatnonzero(good_face)

    kernel_origin = np.array(made.origin, np.int64)
    used = np.zeros(len(made.points), bool)
    used[kernel_origin] = True
    fresh = np.flatnonzero(used & (shared < 0))
    keep = np.zeros(max(old_vertices, int(fine.origin.max()) + 1), bool)
    keep[:old_vertices] = True
    keep[fine.origin[good]] = True
    kept = np.flatnonzero(keep)
    number = np.full(len(keep), -1)
    number[kept] = np.arange(len(kept))
    of_kernel = np.full(len(made.points), -1)
    of_kernel[shared >= 0] = number[shared[shared >= 0]]
    of_kernel[fresh] = len(kept) + np.arange(len(fresh))

    mother = np.array(made.mother, np.int64)
    on_old = mother >= 0
    old = np.where(on_old, mothers[np.maximum(mother, 0)], -1)
    line = np.where(on_old, -1, lines - 1 - mother)
    start = np.concatenate([[0], np.cumsum(np.concatenate([size[faces], np.array(made.sizes, np.int64)]))])
    origin = np.concatenate([number[fine.origin[good]], of_kernel[kernel_origin]])
    arrays = Arrays(
        start,
        origin,
        _twins(fine.twin, good, start, origin, len(kept) + len(fresh)),
        np.concatenate([fine.line[good], line]),
        np.concatenate([fine.parent[faces], given[np.array(made.parent, np.int64)]]),
        np.concatenate([fine.old[good], old]),
        np.concatenate([fine.forward[good], np.zeros(len(old), bool)]),
    )
    exact = np.full(len(kept) + len(fresh), -1)
    used_kernel = np.flatnonzero(used)
    exact[of_kernel[used_kernel]] = used_kernel
    vertex = np.concatenate([kept, np.full(len(fresh), -1)])
    return Spliced(arrays, vertex, exact, np.concatenate([faces, -1 - np.arange(len(made.sizes))]))


def _twins(twin: Ints, good: NDArray[np.bool_], start: Ints, origin: Ints, vertices: int) -> Ints:
    """The opposite of every half-edge, -1 where there is none: good ones keep theirs where it is good too."""
    place = np.cumsum(good) - 1
    old = twin[good]
    found = np.where((old >= 0) & good[old], place[old], -1)
    found = np.concatenate([found, np.full(len(origin) - len(found), -1)])
    open_ends = np.concatenate([np.flatnonzero((old >= 0) & ~good[old]), np.arange(len(old), len(origin))])
    following = np.arange(1, len(origin) + 1)
    following[start[1:] - 1] = start[:-1]
    here, there = origin[open_ends], origin[following[open_ends]]
    key, back = here * vertices + there, there * vertices + here
    order = np.argsort(key)
    at = order[np.minimum(np.searchsorted(key, back, sorter=order), len(key) - 1)]
    found[open_ends] = np.where(key[at] == back, open_ends[at], -1)
    return found
