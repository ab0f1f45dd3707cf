"""Periodic positional encodings of coordinates: sine and cosine waves made of linear pieces."""

from __future__ import annotations

import numpy as np
from gmpy2 import mpq

from splinecam_exact.arrays import ExactArray, Floats, exact
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.nodes import Piecewise

PERIOD = 2
STEEPNESS, HEIGHT = 21 / 8, 63 / 64
SINE, COSINE = (3, 5, 11, 13), (1, 7, 9, 15)
"""The knots of the waves, in sixteenths of a period."""

LARGEST = 1 << 20
"""Of a coordinate over half the shortest period, so that float32 holds every knot; and of breakpoints in all."""


def periodic_encoding(
    inputs: int, frequencies: int, low: object = -1, high: object = 1
) -> tuple[ExactArray, ExactArray, Piecewise]:
    """The layer (W, b, activation), for `Network.from_layers`, that encodes points with coordinates in [low, high].

    Its 2 * inputs * frequencies outputs are, for each coordinate x and each k from 0 to frequencies - 1, a sine and a
    cosine, near sin(2^k pi x) and cos(2^k pi x): trapezoids that rise or fall with slope 21/8 * 2^k between plateaus
    at 63/64 and -63/64, with knots at 3/16, 5/16, 11/16 and 13/16 of a period in the sine, and a quarter of a period
    earlier in the cosine. So either has 5 linear pieces from 0 to the period's end, as in the SplineCam paper (the
    last one goes on as the first one of the next period). All numbers are dyadic; the difference to sine and cosine
    is below 0.064. The waves go on over whole periods of the highest frequency, at least from low to high; what is
    beyond belongs to the first or last piece, which goes on linearly.

    The outputs are numbered (coordinate * frequencies + k) * 2, plus 1 for the cosine. Each has about
    2^(frequencies + 1) * (high - low) / 2 breakpoints. Raises InputError for sizes below 1, an empty range, and for
    frequencies or ranges that are too large.

    >>> from splinecam_exact import Network
    >>> net = Network.from_layers([periodic_encoding(1, 2)])
    >>> net.evaluate(["1/4"])
    [mpq(21,32), mpq(21,32), mpq(63,64), mpq(0,1)]
    """
    breakpoints, slopes = waves(inputs, frequencies, low, high)
    units = 2 * inputs * frequencies
    if units * inputs > 16 * LARGEST:
        raise InputError(f"{inputs} inputs are too many for a dense weight of {units} rows")
    weight = np.zeros((units, inputs))
    weight[np.arange(units), np.repeat(np.arange(inputs), 2 * frequencies)] = scales(inputs, frequencies)
    rows = (units // 2, 1)
    activation = Piecewise.of(np.tile(breakpoints, rows), np.tile(slopes, rows), np.array([HEIGHT]))
    return ExactArray.of(weight), ExactArray.of(np.zeros(units)), activation


def scales(inputs: int, frequencies: int) -> Floats:
    """What each output's coordinate is multiplied by; the wave that follows has period 2."""
    return np.tile(np.repeat(np.ldexp(1.0, np.arange(frequencies)), 2), inputs)


def waves(inputs: int, frequencies: int, low: object, high: object) -> tuple[Floats, Floats]:
    """Breakpoints (2, m) and slopes (2, m + 1) of the sine and the cosine of period 2; at the first one is HEIGHT."""
    for name, size in (("inputs", inputs), ("frequencies", frequencies)):
        if type(size) is not int or size < 1:
            raise InputError(f"{name} must be a positive int, not {size!r}")
    left, right = exact(low), exact(high)
    if not left < right:
        raise InputError(f"the range from {low!r} to {high!r} is empty; low must be below high")
    if frequencies < LARGEST.bit_length():
        scale = mpq(2 ** (frequencies - 1), PERIOD)
        first, last = int(left * scale // 1), -int(-right * scale // 1)
        knots = len(SINE) * (last - first) * 2 * inputs * frequencies
        if max(abs(first), abs(last)) <= LARGEST // PERIOD and knots <= LARGEST:
            periods = np.arange(first, last)[:, np.newaxis]
            breakpoints = [PERIOD * (periods + np.array(wave) / 16).ravel() for wave in (SINE, COSINE)]
            rises = np.tile([STEEPNESS, 0, -STEEPNESS, 0], last - first + 1)
            count = breakpoints[0].size + 1
            return np.array(breakpoints), np.array([rises[:count], np.roll(rises, -1)[:count]])
    raise InputError(
        f"{frequencies} frequencies of {inputs} inputs from {low!r} to {high!r} are too much: there would be more than "
        f"{LARGEST} breakpoints, or some that float32 cannot hold"
    )
