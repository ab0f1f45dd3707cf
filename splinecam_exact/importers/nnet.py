"""The .nnet format (Kyle Julian, Stanford 2016): a text file with a header and one row of decimals a line.

Comments at the top; then the number of layers (with input, output and largest size), the sizes, an unused line, the
inputs' minima, maxima, means and ranges (the last two with the outputs' appended); then for each layer its weight
rows and its biases, one a line. ReLU follows each layer but the last. Files that carry no normalization have a single
0 on each of the four header lines.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpq, mpz

from splinecam_exact._files import PathLike, read_text
from splinecam_exact._text import decimal_value, parse_decimal
from splinecam_exact.arrays import ExactArray
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Node, Piecewise

_NUMBERS = {
    "decimal": ".nnet: decimals read exactly as decimals",
    "float64": ".nnet: decimals read as the nearest float64",
}
_NORMALIZED = ".nnet: the header's input and output normalization applied exactly, inputs not clipped to its ranges"
_PLAIN = ".nnet: network coordinates, the header's normalization not applied"


@dataclass(frozen=True)
class Header:
    """The header of a .nnet file, exact.

    `input_mins` and `input_maxes` (one a network input) are in the units of the unnormalized input; `means` and
    `ranges` have one more entry, for all outputs. The four are None where the file carries no normalization.
    """

    layer_sizes: tuple[int, ...]
    input_mins: tuple[mpq, ...] | None
    input_maxes: tuple[mpq, ...] | None
    means: tuple[mpq, ...] | None
    ranges: tuple[mpq, ...] | None


def read_header(path: PathLike, *, numbers: str = "decimal") -> Header:
    """The header alone: sizes, and the input box to choose a domain in. `numbers` as for `load`."""
    return _Reader(path, numbers).header()


def load(path: PathLike, *, normalize: bool | None, numbers: str = "decimal") -> Network:
    """The network in a .nnet file.

    `normalize=True` takes inputs and gives outputs in the units of the header: (x - mean) / range in front and
    y * range + mean behind, exactly. `normalize=False` takes the network as it stands between the two. The clipping
    of inputs to their minimum and maximum, which some readers apply, is never applied. `numbers="decimal"` reads 0.1 as one
    tenth, `numbers="float64"` as the float64 nearest to it. Both choices are recorded in the network's conventions.
    Raises FileFormatError naming the line, and InputError where a choice is missing or cannot be met.
    """
    if not isinstance(normalize, bool):
        raise InputError(
            f"{os.fspath(path)}: choose normalize=True (inputs and outputs in the header's units) or normalize=False "
            "(network coordinates)"
        )
    reader = _Reader(path, numbers)
    header = reader.header()
    nodes: list[Node] = []
    if normalize:
        means, ranges = _normalization(header, reader.place)
        inverse = [1 / r for r in ranges[:-1]]
        shift = [-m * w for m, w in zip(means, inverse, strict=False)]
        nodes.append(Affine((0,), (ExactArray.of(inverse),), ExactArray.of(shift)))
    reader.expect(sum(2 * size for size in header.layer_sizes[1:]))
    for k, (inputs, outputs) in enumerate(zip(header.layer_sizes, header.layer_sizes[1:], strict=False)):
        if k:
            nodes.append(Piecewise.relu(len(nodes)))
        weight, bias = reader.rows(outputs, inputs), reader.rows(outputs, 1)
        nodes.append(Affine((len(nodes),), (weight.array((outputs, inputs)),), bias.array((outputs,))))
    reader.end()
    if normalize:
        scale, offset = ([q] * header.layer_sizes[-1] for q in (ranges[-1], means[-1]))
        nodes.append(Affine((len(nodes),), (ExactArray.of(scale),), ExactArray.of(offset)))
    conventions = (_NUMBERS[numbers], _NORMALIZED if normalize else _PLAIN)
    return Network(header.layer_sizes[0], nodes, conventions)
