"""Which cells have one affine map, exactly, from residues alone: no map is written down.

A map's coefficients are packed into one integer, as `kernel.forms` does, by evaluating it at the point
(4^bits, 2^bits). So maps are equal exactly where these values are, and modulo a prime they are numbers for one matrix
product over all cells. Cells whose values differ modulo a prime have different maps. The first prime or two tell almost
all cells apart; those that agree modulo primes whose product exceeds any difference have one map.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from gmpy2 import mpz

from splinecam_exact.geometry import Geometry
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.residues import Floats, Residues


def affine_pieces(program: Program, geometry: Geometry, progress: Progress | None = None) -> Ints:
    """Per face, the number of its affine map, in order of first appearance: equal exactly where the maps are.

    `program` has two inputs. Cost: float64 matrix products, one evaluation of the network per cell, and for cells that
    share a map one more for each prime, about one for every seven bits of an integer form.
    """
    bits = program.bound([mpz(1)] * program.inputs, mpz(1)).bit_length() + 2
    residues = Residues(program)
    group = np.zeros(geometry.polygons.faces, np.int64)
    groups = 1
    alike = np.arange(len(group))  # the faces that share their group with another

    def watch(done: int) -> None:
        if progress:
            progress("affine maps", done, len(alike))

    for prime in residues.primes(3 * bits):
        if len(alike) < 2:
            break
        point = np.array([[pow(4, bits, prime)], [pow(2, bits, prime)], [1.0]])
        values = residues.outputs(prime, partial(_always, point), geometry.state_rows, alike, watch)
        columns = np.arange(len(alike))
        for row in values:
            key = group[alike[columns]] * prime + row[columns]
            _, number, sizes = np.unique(key, return_inverse=True, return_counts=True)
            group[alike[columns]] = groups + number
            groups += len(sizes)
            columns = columns[sizes[number] > 1]
        alike = alike[columns]
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number]


def _always(point: Floats, faces: Ints) -> Floats:
    return point
