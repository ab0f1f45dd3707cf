"""Changes to a network that must not change its partition: the same counts, and the same cells up to the change.

Metamorphic tests need no oracle, so they also serve where a network is too large for one.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

from splinecam_exact.testing.brute_force import Curve, Layer
from splinecam_exact.testing.strategies import PlainNetwork

SCALES = (Fraction(1, 3), Fraction(1), Fraction(7), Fraction(2**70))


def permute_units(plain: PlainNetwork, random: Random) -> PlainNetwork:
    """The units of every layer, and the members and order of `Max` groups' rows, in a random order.

    Outputs are permuted too when the last layer is. All five counts stay.
    """
    layers = list(plain.layers)
    for k, layer in enumerate(layers):
        rows = _shuffled(len(layer.bias), random)
        place = {row: position for position, row in enumerate(rows)}
        units = _shuffled(len(layer.groups), random) if layer.groups else rows
        layers[k] = Layer(
            tuple(layer.weights[row] for row in rows),
            tuple(layer.bias[row] for row in rows),
            tuple(layer.curves[row] for row in rows) if layer.curves else (),
            tuple(tuple(place[row] for row in layer.groups[unit]) for unit in units) if layer.groups else (),
        )
        if k + 1 < len(layers):
            columns = tuple(tuple(row[unit] for unit in units) for row in layers[k + 1].weights)
            layers[k + 1] = replace(layers[k + 1], weights=columns)
    return PlainNetwork(tuple(layers), plain.corners, plain.embedding)


def scale_units(plain: PlainNetwork, random: Random) -> PlainNetwork:
    """Each unit multiplied by a random positive rational, its breakpoints with it, and divided out in the next layer.

    A layer of `Max` groups has one factor. The outputs are scaled when they are units. All five counts stay.
    """
    layers = list(plain.layers)
    for k, layer in enumerate(layers):
        common = random.choice(SCALES)
        by_row = [common if layer.groups else random.choice(SCALES) for _ in layer.bias]
        by_unit = [common] * len(layer.groups) if layer.groups else by_row
        layers[k] = Layer(
            tuple(tuple(s * w for w in row) for s, row in zip(by_row, layer.weights, strict=True)),
            tuple(s * b for s, b in zip(by_row, layer.bias, strict=True)),
            tuple(
                Curve(tuple(s * b for b in curve.breakpoints), curve.slopes, s * curve.anchor)
                for s, curve in zip(by_row, layer.curves, strict=False)
            ),
            layer.groups,
        )
        if k + 1 < len(layers):
            columns = tuple(tuple(w / s for w, s in zip(row, by_unit, strict=True)) for row in layers[k + 1].weights)
            layers[k + 1] = replace(layers[k + 1], weights=columns)
    return PlainNetwork(tuple(layers), plain.corners, plain.embedding)


def change_coordinates(
    plain: PlainNetwork, matrix: tuple[tuple[int, int], tuple[int, int]], shift: tuple[int, int]
) -> PlainNetwork:
    """The network and the domain in new coordinates (u, v), the old ones being matrix (u, v) + shift.

    The matrix may have any determinant but 0. All five counts stay, and each pattern's cell is the old one's preimage.
    """
    (p, q), (r, s) = matrix
    tx, ty = shift
    determinant = Fraction(p * s - q * r)
    first, *rest = plain.lowered
    moved = replace(
        first,
        weights=tuple((a * p + b * r, a * q + b * s) for a, b in first.weights),
        bias=tuple(bias + a * tx + b * ty for (a, b), bias in zip(first.weights, first.bias, strict=True)),
    )
    corners = [
        ((s * (x - tx) - q * (y - ty)) / determinant, (p * (y - ty) - r * (x - tx)) / determinant)
        for x, y in plain.corners
    ]
    if determinant < 0:
        corners.reverse()
    if plain.embedding is None:
        return PlainNetwork((moved, *rest), tuple(corners))
    return PlainNetwork(plain.layers, tuple(corners), moved)


def _shuffled(size: int, random: Random) -> list[int]:
    return random.sample(range(size), size)
