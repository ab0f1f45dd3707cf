"""Outputs that are equal on a whole face because its states say so: they differ only in units that are zero there.

That is how outputs tie on areas in practice, if not everywhere: where units are off. It takes the states of the last
units, and no geometry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from gmpy2 import mpq
from numpy.typing import NDArray

from splinecam_exact.arrays import ExactArray
from splinecam_exact.geometry import CHUNK, Geometry, chunks
from splinecam_exact.half_edges import Ints
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Piecewise

Bools = NDArray[np.bool_]
Numbers = NDArray[np.object_] | NDArray[np.float64]


class Rows(NamedTuple):
    """The outputs as sums of a constant and multiples of units.

    `weights` (outputs, units) and `constants` (outputs,) are equal where the true numbers are. `first` is the number of
    the first unit, `zero` (units or 1, states) says in which states units are zero.
    """

    weights: Numbers
    constants: Numbers
    first: int
    zero: Bools

    def alike(self, geometry: Geometry, vertices: Ints, pairs: Ints) -> Bools:
        """Whether outputs pairs[r], shape (n, 2), are surely equal on a face around vertices[r]."""
        corners, size = geometry.polygons.corners, len(self.constants)
        different, asked = _numbered(vertices, geometry.vertex_count)
        face = np.repeat(np.arange(geometry.polygons.faces), np.diff(geometry.polygons.starts))
        around = np.flatnonzero(asked[corners] >= 0)
        around = around[np.argsort(asked[corners[around]], kind="stable")]  # vertex after vertex
        starts = np.searchsorted(asked[corners[around]], np.arange(len(different)))
        faces, row = _numbered(face[around], geometry.polygons.faces)
        compared, column = _numbered(pairs[:, 0] * size + pairs[:, 1], size**2)
        alike = self.on_faces(geometry, faces, np.stack([compared // size, compared % size], axis=1))
        at_vertices = np.logical_or.reduceat(alike[row[face[around]]], starts)
        found: Bools = at_vertices[asked[vertices], column[pairs[:, 0] * size + pairs[:, 1]]]
        return found

    def on_faces(self, geometry: Geometry, faces: Ints, pairs: Ints) -> Bools:
        """Whether pairs of outputs differ only in units that are zero, on some faces; shape (faces, pairs)."""
        i, j = pairs.T
        differ = np.asarray(self.weights[i] != self.weights[j], np.float32).T
        constant = np.asarray(self.constants[i] == self.constants[j], bool)
        units = np.flatnonzero(differ[:, constant].any(axis=1))
        found = []
        for some in chunks(faces, max(1, CHUNK // geometry.unit_count)):
            states = geometry.state_rows(some)[:, self.first + units]
            on = ~self.zero[units % len(self.zero), states]
            found.append((on.astype(np.float32) @ differ[units] == 0) & constant)
        return np.concatenate(found)


def _numbered(some: Ints, total: int) -> tuple[Ints, Ints]:
    """The different ones of some numbers below a total, and for each number below it which of them it is, or -1."""
    place = np.full(total, -1)
    place[some] = 0
    different = np.flatnonzero(place == 0)
    place[different] = np.arange(len(different))
    return different, place


def rows(net: Network) -> Rows | None:
    """A network's outputs as sums over its last units; None where they are not that, or no two have equal constants."""
    node, number = net.nodes[-1], len(net.nodes)
    weights: Numbers = np.eye(net.output_size)
    constants: Numbers = np.zeros(net.output_size)
    if isinstance(node, Affine):
        weight, number = node.weights[0], node.sources[0]
        if len(node.weights) > 1 or not isinstance(weight, ExactArray) or len(weight.shape) < 2:
            return None
        weights, constants = _entries(weight), _entries(node.bias)
    units = net.nodes[number - 1] if number else None
    if not isinstance(units, Piecewise) or len(set(constants.tolist())) == len(constants):
        return None
    first = sum(
        size for size, other in zip(net.sizes[1:number], net.nodes, strict=False) if not isinstance(other, Affine)
    )
    return Rows(weights, constants, first, _zero(units))


def _entries(array: ExactArray) -> Numbers:
    """Numbers that are equal where the entries are."""
    if array.floats is not None:
        return array.floats
    return np.array(array.numerators()[1], object).reshape(array.shape)


def _zero(units: Piecewise) -> Bools:
    """In which states units are zero: at a breakpoint, or on a piece of slope 0 beside one, where the value is that."""
    breakpoints, slopes, anchor = map(_rationals, (units.breakpoints, units.slopes, units.anchor))
    count = breakpoints.shape[1]
    value = anchor[:, 0]
    found = [(slopes[:, 0] == 0) & (value == 0)]
    for p in range(count):
        if p:
            value = value + slopes[:, p] * (breakpoints[:, p] - breakpoints[:, p - 1])
        found += [value == 0, (slopes[:, p + 1] == 0) & (value == 0)]
    columns: Bools = np.stack(np.broadcast_arrays(*found), axis=1).astype(bool)
    return columns


def _rationals(array: ExactArray) -> NDArray[np.object_]:
    """The entries as a table with as many rows."""
    den, numerators = array.numerators()
    return np.array([mpq(n, den) for n in numerators], object).reshape(array.shape[0], -1)
