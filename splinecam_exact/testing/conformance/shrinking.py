"""Simpler problems that are like a given one: what the minimiser tries.

A problem is simpler when it has fewer units, then fewer layers, outputs and corners, then fewer numbers that are not 0,
then shorter numbers. Every step of the minimiser makes it strictly simpler, so it ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.problems import Problem

Floats = NDArray[np.float64]
Layers = list[tuple[Floats, Floats]]

_DOMAINS = ([(0, 0), (1, 0), (0, 1)], [(-1, -1), (1, -1), (1, 1), (-1, 1)])
_BITS = (1, 2, 4, 8, 16, 26)


def complexity(problem: Problem) -> tuple[int, ...]:
    """What makes a problem large, in the order in which it counts.

    >>> square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    >>> complexity(Problem("p", "generic", [([[1, 0.75]], [0]), ([[1]], [0])], square))
    (1, 2, 1, 4, 11, 3)
    """
    numbers = [abs(x) for layer in problem.layers for array in layer for x in array.ravel().tolist() if x]
    corners = [abs(x) for x in problem.domain.ravel().tolist() if x]
    outputs = len(problem.layers[-1][1])
    size = sum(_length(x) for x in numbers + corners)
    return (
        len(problem.units),
        len(problem.layers),
        outputs,
        len(problem.domain),
        len(numbers) + len(corners),
        size,
    )


def _length(value: float) -> int:
    """About how long a float is to write: the bits of its odd part, and its exponent, beyond those of 1."""
    mantissa, exponent = math.frexp(value)
    odd = int(mantissa * 2**53)
    zeros = (odd & -odd).bit_length() - 1
    return (odd >> zeros).bit_length() - 1 + abs(exponent - 53 + zeros)


def simpler(problem: Problem) -> Iterator[Problem]:
    """Problems that are strictly simpler, the boldest first. They are made when asked for."""
    limit = complexity(problem)
    seen = {problem.digest}
    for layers, corners in _changed([(w.copy(), b.copy()) for w, b in problem.layers], problem.domain.copy()):
        try:
            candidate = Problem(problem.name, problem.category, tuple(layers), corners)
        except InputError:  # no convex polygon any more, say
            continue
        if complexity(candidate) < limit and candidate.digest not in seen:
            seen.add(candidate.digest)
            yield candidate


def _changed(layers: Layers, domain: Floats) -> Iterator[tuple[Layers, Floats]]:
    for changed in _fewer_layers(layers):
        yield changed, domain
    for changed in _fewer_units(layers):
        yield changed, domain
    yield _with_plain_output(layers), domain
    for corners in _DOMAINS:
        yield layers, np.array(corners, np.float64)
    for k in range(len(domain)):
        yield layers, np.delete(domain, k, axis=0)
    for changed in _shorter_arrays(layers):
        yield changed, domain
    for changed in _shorter_numbers(layers):
        yield changed, domain
    for bits in _BITS:
        yield layers, _rounded(domain, bits)


def _fewer_layers(layers: Layers) -> Iterator[Layers]:
    """Without the layers behind some one, or with two layers made one, its units left out."""
    for k in range(1, len(layers) - 1):
        yield _with_plain_output(layers[: k + 1])
    for k in range(len(layers) - 1):
        (w, b), (v, c) = layers[k], layers[k + 1]
        with np.errstate(all="ignore"):
            product, bias = v @ w, v @ b + c
        if np.isfinite(product).all() and np.isfinite(bias).all() and len(layers) > 2:
            yield [*layers[:k], (product, bias), *layers[k + 2 :]]


def _fewer_units(layers: Layers) -> Iterator[Layers]:
    """Without a run of units of a layer: half of them, a quarter, ... one."""
    for k, (w, b) in enumerate(layers[:-1]):
        size = len(b) // 2
        while size:
            for first in range(0, len(b), size):
                drop = slice(first, first + size)
                if len(b) > size:
                    v, c = layers[k + 1]
                    smaller = (np.delete(w, drop, axis=0), np.delete(b, drop)), (np.delete(v, drop, axis=1), c)
                    yield [*layers[:k], *smaller, *layers[k + 2 :]]
            size //= 2


def _with_plain_output(layers: Layers) -> Layers:
    """With one output: the sum of the last units."""
    inputs = layers[-1][0].shape[1]
    return [*layers[:-1], (np.ones((1, inputs)), np.zeros(1))]


def _shorter_arrays(layers: Layers) -> Iterator[Layers]:
    """With all numbers of an array, of a layer, of the network shorter."""
    for bits in _BITS:
        yield [(_rounded(w, bits), _rounded(b, bits)) for w, b in layers]
        for k, (w, b) in enumerate(layers):
            for pair in ((_rounded(w, bits), b), (w, _rounded(b, bits))):
                yield [*layers[:k], pair, *layers[k + 1 :]]
    for k, (w, b) in enumerate(layers):
        yield [*layers[:k], (w, np.zeros_like(b)), *layers[k + 1 :]]
        yield [*layers[:k], (_scaled(w, b)), *layers[k + 1 :]]


def _shorter_numbers(layers: Layers) -> Iterator[Layers]:
    """With one number 0, or shorter."""
    for k, layer in enumerate(layers):
        for part, array in enumerate(layer):
            for index in np.argwhere(array):
                place = tuple(index)
                for bits in (0, *_BITS):
                    changed = array.copy()
                    changed[place] = _rounded(array[place], bits) if bits else 0
                    pair = (changed, layer[1]) if part == 0 else (layer[0], changed)
                    yield [*layers[:k], pair, *layers[k + 1 :]]


def _rounded(array: Floats, bits: int) -> Floats:
    """Every number to so many significant bits."""
    mantissas, exponents = np.frexp(array)
    with np.errstate(over="ignore", under="ignore"):
        rounded: Floats = np.ldexp(np.rint(np.ldexp(mantissas, bits)), exponents - bits)
    return np.where(np.isfinite(rounded), rounded, array)


def _scaled(w: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Every row times a power of two that brings its largest weight into [1, 2): the same breaklines."""
    largest = np.abs(w).max(axis=1)
    powers = 1 - np.frexp(np.where(largest > 0, largest, 1.0))[1]
    with np.errstate(over="ignore", under="ignore"):
        scaled, bias = np.ldexp(w, powers[:, None]), np.ldexp(b, powers)
    return (scaled, bias) if np.isfinite(scaled).all() and np.isfinite(bias).all() else (w, b)
