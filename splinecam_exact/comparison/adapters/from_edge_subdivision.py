"""What relu_edge_subdivision returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.plain import is_array, plain
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, signs_of
from splinecam_exact.kernel.errors import InputError

if TYPE_CHECKING:
    from splinecam_exact.testing.conformance.problems import Problem

Signs = NDArray[np.int8]
Edges = NDArray[np.int64]
BOX = 4
"""The first columns of `v_sv`: the sides of its box in two dimensions, 0 on the side and 1 inside."""


def edge_subdivision(result: object, problem: Problem | None = None) -> Claim:
    """The claim in what `skeletal_subdivision` returns: (vs, edges, v_sv), or an object with these attributes.

    `vs` (V, 2) are the vertices, `edges` (E, 2) their numbers, `v_sv` (V, 4 + units) their signs with respect to the
    four sides of the box, which are not claimed, and to each unit. It also cuts at the zero sets of the network's
    outputs: pass the `problem`, and what these cuts add (columns, vertices, edges) is taken out again. There are no
    faces: `compare` traces them, so that an edge too few or too many is noticed. Raises InputError for anything else.

    >>> vs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    >>> v_sv = np.array([[0, 0, 1, 1, 1], [1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [0, 1, 1, 0, 1]], np.int8)
    >>> edge_subdivision((vs, np.array([[0, 1], [1, 2], [2, 3], [3, 0]]), v_sv))
    <Claim of edge_subdivision: 4 vertex signs, 4 vertices, 4 edges>
    """
    with reading("skeletal_subdivision", "(vs, edges, v_sv)"):
        if not looks_like(result):
            raise InputError(f"skeletal_subdivision returns (vs, edges, v_sv), not {brief(result)}")
        return _claim(*_checked(result), problem)


def _checked(result: object) -> tuple[NDArray[np.float64], Edges, Signs]:
    vs, edges, signs = (plain(part) for part in _parts(result))
    if vs.dtype.kind not in "fiu":
        raise InputError(f"vs must be an array (V, 2) of numbers, not of {vs.dtype}")
    if edges.size and not 0 <= edges.min() <= edges.max() < len(vs):
        raise InputError(f"edges must name the vertices 0 to {len(vs) - 1}, not {edges.min()} to {edges.max()}")
    return vs.astype(np.float64), edges.astype(np.int64), signs_of(signs, "v_sv")


def _claim(vs: NDArray[np.float64], edges: Edges, signs: Signs, problem: Problem | None) -> Claim:
    box, units = _columns(signs.shape[1], problem)
    if box + units < signs.shape[1]:
        signs, outputs = signs[:, : box + units], signs[:, box + units :]
        zero = (signs == 0) & ~(signs == 0).all(axis=0)  # a unit that is 0 everywhere cuts nothing
        cut = (outputs == 0).any(axis=1)
        edges = edges[zero[edges].all(axis=1).any(axis=1) | ~(outputs[edges] == 0).all(axis=1).any(axis=1)]
        kept = ~(cut & ((zero.sum(axis=1) < 2) | _amid(zero, edges)))
        edges = _without(edges, kept)
        number = np.cumsum(kept) - 1
        vs, signs, edges = vs[kept], signs[kept], number[edges]
    return Claim(vertex_signs=signs[:, box:], vertices=vs, edges=edges, source="edge_subdivision")


def looks_like(result: object) -> bool:
    """Whether a result has this shape."""
    parts = _parts(result)
    if parts is None or not all(is_array(part) and len(part.shape) == 2 for part in parts):
        return False
    vs, edges, signs = parts
    return bool(
        vs.shape[1] == 2
        and edges.shape[1] == 2
        and "int" in str(edges.dtype)
        and "int8" in str(signs.dtype)
        and len(vs) == len(signs)
        and signs.shape[1] > BOX
    )


def _parts(result: Any) -> Any:
    if isinstance(result, tuple | list):
        return tuple(result) if len(result) == 3 else None
    names = ("vs", "edges", "v_sv")
    if isinstance(result, dict):
        return tuple(result[name] for name in names) if set(result) >= set(names) else None
    return tuple(getattr(result, name) for name in names) if all(hasattr(result, name) for name in names) else None


def _columns(width: int, problem: Problem | None) -> tuple[int, int]:
    """How many of the columns are the box's sides, and how many units'."""
    if problem is None:
        return BOX, width - BOX
    units, outputs = len(problem.units), len(problem.layers[-1][1])
    for box in (BOX, 0):
        if width in (box + units, box + units + outputs):
            return box, units
    raise InputError(f"v_sv has {width} columns; for {units} units and {outputs} outputs {BOX + units} are expected")


def _amid(zero: NDArray[np.bool_], edges: Edges) -> NDArray[np.bool_]:
    """Which vertices lie in the middle of a line of (maybe several) units: these are 0 on both edges there."""
    ends = np.concatenate([edges[:, 0], edges[:, 1]])
    both = zero[edges].all(axis=1)
    same = (np.concatenate([both, both]) == zero[ends]).all(axis=1)
    count = len(zero)
    return np.asarray((np.bincount(ends, minlength=count) == 2) & (np.bincount(ends[same], minlength=count) == 2))


def _without(edges: Edges, kept: NDArray[np.bool_]) -> Edges:
    """The edges with those joined that meet in a vertex that is not kept."""
    at: dict[int, list[int]] = {}
    ends = [list(pair) for pair in edges.tolist()]
    for k, pair in enumerate(ends):
        for vertex in pair:
            if not kept[vertex]:
                at.setdefault(vertex, []).append(k)
    gone = set()
    for vertex, pair in at.items():
        if len(pair) == 2 and pair[0] != pair[1]:
            first, second = pair
            (far,) = [v for v in ends[second] if v != vertex] or [vertex]
            ends[first][ends[first].index(vertex)] = far
            gone.add(second)
            if far in at:
                at[far][at[far].index(second)] = first
    left = [pair for k, pair in enumerate(ends) if k not in gone and kept[pair[0]] and kept[pair[1]]]
    return np.array(left, np.int64).reshape(-1, 2)
