"""Networks whose counts are known by other means: theorems, hand computation, or published constructions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import files
from typing import NamedTuple

Matrix = tuple[tuple[Fraction, ...], ...]
Vector = tuple[Fraction, ...]


class KnownAnswer(NamedTuple):
    """One network (ReLU after each layer but the last), its domain, and the counts that are right."""

    name: str
    layers: tuple[tuple[Matrix, Vector], ...]
    domain: tuple[tuple[Fraction, Fraction], ...]
    counts: dict[str, int]


def known_answers() -> Iterator[KnownAnswer]:
    """Yield every known answer, with exact rational weights, biases and domain corners (counter-clockwise).

    >>> next(known_answers()).counts
    {'A': 37, 'L': 37, 'P': 37, 'V': 48, 'E': 84}
    """
    text = files("splinecam_exact.testing").joinpath("known_answers.json").read_text(encoding="utf-8")
    for entry in json.loads(text):
        layers = tuple(
            (tuple(tuple(map(Fraction, row)) for row in layer["W"]), tuple(map(Fraction, layer["b"])))
            for layer in entry["layers"]
        )
        domain = tuple((Fraction(x), Fraction(y)) for x, y in entry["domain"])
        yield KnownAnswer(entry["name"], layers, domain, {key: entry[key] for key in "ALPVE"})
