"""The .nnet format (Kyle Julian, Stanford 2016): a text file with a header and one row of decimals a line.

Comments at the top; then the number of layers (with input, output and largest size), the sizes, an unused line, the
inputs' minima, maxima, means and ranges (the last two with the outputs' appended); then for each layer its weight
rows and its biases, one a line. ReLU follows each layer but the last. Files that carry no normalization have a single
0 on each of the four header lines.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from itertools import pairwise

from gmpy2 import mpq

from splinecam_exact._files import PathLike, read_text
from splinecam_exact._text import decimal_value, parse_decimal
from splinecam_exact.arrays import ExactArray, exact
from splinecam_exact.kernel.errors import FileFormatError, InputError
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
    `ranges` have one more entry, for all outputs, which some files leave out. The four are None where the file carries
    no normalization.
    """

    layer_sizes: tuple[int, ...]
    input_mins: tuple[mpq, ...] | None
    input_maxes: tuple[mpq, ...] | None
    means: tuple[mpq, ...] | None
    ranges: tuple[mpq, ...] | None


def read_header(path: PathLike, *, numbers: str = "decimal") -> Header:
    """The header alone: sizes, and the input box to choose a domain in. `numbers` as for `load`."""
    return _header(_Lines(path, numbers))


def load(path: PathLike, *, normalize: bool | None, numbers: str = "decimal") -> Network:
    """The network in a .nnet file.

    `normalize=True` takes inputs and gives outputs in the units of the header: (x - mean) / range in front and
    y * range + mean behind, exactly. `normalize=False` takes the network as it stands between the two. The clipping
    of inputs to their minimum and maximum, which some readers apply, is never applied. `numbers="decimal"` reads 0.1
    as one tenth, `numbers="float64"` as the float64 nearest to it. Both choices are recorded in the network's
    conventions. Raises FileFormatError naming the line, and InputError where a choice is missing or cannot be met.
    Cost: about 3 s for a million weights.
    """
    if not isinstance(normalize, bool):
        raise InputError(
            f"{os.fspath(path)}: choose normalize=True (inputs and outputs in the header's units) or normalize=False "
            "(network coordinates)"
        )
    lines = _Lines(path, numbers)
    header = _header(lines)
    sizes = header.layer_sizes
    lines.expect(sum(2 * size for size in sizes[1:]))
    nodes: list[Node] = []
    if normalize:
        means, ranges = _normalization(header, lines.place)
        inverses = [1 / r for r in ranges[:-1]]
        nodes.append(_diagonal(0, inverses, [-m * w for m, w in zip(means[:-1], inverses, strict=True)]))
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        if k:
            nodes.append(Piecewise.relu(len(nodes)))
        weight, bias = lines.array(outputs, inputs), lines.array(outputs)
        nodes.append(Affine((len(nodes),), (weight,), bias))
    if normalize:
        nodes.append(_diagonal(len(nodes), [ranges[-1]] * sizes[-1], [means[-1]] * sizes[-1]))
    return Network(sizes[0], nodes, (_NUMBERS[numbers], _NORMALIZED if normalize else _PLAIN))


def _diagonal(source: int, scale: list[mpq], shift: list[mpq]) -> Affine:
    return Affine((source,), (ExactArray.of(scale),), ExactArray.of(shift))


def _normalization(header: Header, place: str) -> tuple[tuple[mpq, ...], tuple[mpq, ...]]:
    if header.means is None or header.ranges is None:
        raise InputError(f"{place}: carries no normalization; use normalize=False")
    if len(header.ranges) == header.layer_sizes[0]:
        raise InputError(f"{place}: carries no normalization of the outputs; use normalize=False")
    for k, r in enumerate(header.ranges):
        if r <= 0:
            raise InputError(f"{place}: range {k} is {r}, so it cannot normalize; use normalize=False")
    return header.means, header.ranges


def _header(lines: _Lines) -> Header:
    counts = lines.integers()
    sizes = lines.integers()
    if len(counts) not in (1, 4) or len(sizes) != counts[0] + 1 or len(sizes) < 2 or 0 in sizes:
        raise lines.error(f"{counts} announces {counts[0]} layers, the sizes are {sizes}")
    if len(counts) == 4 and counts[1:3] != [sizes[0], sizes[-1]]:
        raise lines.error(f"{counts} announces {counts[1]} inputs and {counts[2]} outputs, the sizes are {sizes}")
    lines.next()  # a flag that no reader uses
    rows = [lines.numbers() for _ in range(4)]
    if rows == [[mpq(0)]] * 4:
        return Header(tuple(sizes), None, None, None, None)
    found, n = [len(row) for row in rows], sizes[0]
    if found not in ([n, n, n + 1, n + 1], [n, n, n, n]):
        raise lines.error(f"the four header rows have {found} numbers; {[n, n, n + 1, n + 1]} are needed")
    mins, maxes, means, ranges = map(tuple, rows)
    return Header(tuple(sizes), mins, maxes, means, ranges)


class _Lines:
    """The lines of a file, taken from the top; every error names the file and the line."""

    def __init__(self, path: PathLike, numbers: str) -> None:
        if numbers not in _NUMBERS:
            raise InputError(f"numbers must be 'decimal' or 'float64', not {numbers!r}")
        self.place = os.fspath(path)
        self._numbers = numbers
        self._lines = [line.strip(" \t\r") for line in read_text(path).split("\n")]
        while self._lines and not self._lines[-1]:
            self._lines.pop()
        self._taken = 0
        while self._taken < len(self._lines) and self._lines[self._taken].startswith("//"):
            self._taken += 1

    def error(self, reason: str) -> FileFormatError:
        return FileFormatError(f"{self.place}, line {self._taken}", reason)

    def next(self) -> str:
        if self._taken == len(self._lines):
            raise self.error("the file ends too early")
        self._taken += 1
        return self._lines[self._taken - 1]

    def expect(self, count: int) -> None:
        """Check that so many lines are left, before anything of the announced size is read."""
        left = len(self._lines) - self._taken
        if left != count:
            raise self.error(f"the layer sizes need {count} lines of weights and biases, {left} are left")

    def _tokens(self) -> list[str]:
        return [token.strip(" \t") for token in self.next().removesuffix(",").split(",")]

    def integers(self) -> list[int]:
        tokens = self._tokens()
        if not all(re.fullmatch("[0-9]{1,9}", token, re.ASCII) for token in tokens):
            raise self.error(f"counts and sizes are needed, not {','.join(tokens)[:60]!r}")
        return [int(token) for token in tokens]

    def numbers(self) -> list[mpq]:
        return [exact(value) for value in self._values(self._tokens())]

    def array(self, rows: int, columns: int | None = None) -> ExactArray:
        """The next `rows` lines: of `columns` numbers each, or of one number each and then a vector."""
        values: list[list[mpq] | list[float]] = []
        for _ in range(rows):
            tokens = self._tokens()
            if len(tokens) != (columns or 1):
                raise self.error(f"{columns or 1} numbers are needed, there are {len(tokens)}")
            values.append(self._values(tokens))
        return ExactArray.of([row[0] for row in values] if columns is None else values)

    def _values(self, tokens: list[str]) -> list[mpq] | list[float]:
        try:
            decimals = [parse_decimal(token) for token in tokens]
        except InputError as error:
            raise self.error(str(error)) from None
        if self._numbers == "decimal":
            return [decimal_value(*decimal) for decimal in decimals]
        floats = list(map(float, tokens))
        if not all(map(math.isfinite, floats)):
            raise self.error("a number is beyond the range of float64")
        return floats
