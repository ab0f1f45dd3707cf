"""The three kinds of layer: affine maps, continuous piecewise linear units, maxima of groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from gmpy2 import lcm, mpz

from splinecam_exact.arrays import ExactArray
from splinecam_exact.kernel import program as kernel
from splinecam_exact.kernel.errors import NetworkError
from splinecam_exact.weights import Terms, Weight, weight_of


@dataclass(frozen=True)
class Affine:
    """y = W_1 x_1 + ... + W_k x_k + b over the values x_i of earlier nodes.

    `sources` are node numbers (0 is the network's input). A weight is an array, of shape (outputs, inputs) for a matrix
    or (n,) for a diagonal, or a `Convolution` or `Selection`. `bias` has shape (outputs,). Arrays are converted with
    `ExactArray.of`.
    """

    sources: tuple[int, ...]
    weights: tuple[Weight, ...]
    bias: ExactArray

    def __post_init__(self) -> None:
        _set(self, "sources", tuple(self.sources))
        _set(self, "weights", tuple(weight_of(w, f"weights[{k}]") for k, w in enumerate(self.weights)))
        _set(self, "bias", ExactArray.of(self.bias, "bias"))

    def fitted(self, sizes: Sequence[int]) -> Affine:
        """This node, its shapes checked against the sizes of the nodes before it."""
        if not self.sources or len(self.sources) != len(self.weights):
            raise NetworkError(f"has {len(self.sources)} sources and {len(self.weights)} weights; one each is needed")
        if len(self.bias.shape) != 1:
            raise NetworkError(f"has a bias of shape {self.bias.shape}; one dimension is needed")
        size = self.bias.shape[0]
        for source, weight in zip(self.sources, self.weights, strict=True):
            needed = (size, _known(source, sizes))
            if weight.shape != needed and not (weight.shape == (size,) and needed == (size, size)):
                raise NetworkError(
                    f"has a weight of shape {weight.shape} where node {source} and the bias need {needed}"
                )
        return self

    def size(self, sizes: Sequence[int]) -> int:
        """The number of outputs."""
        return self.bias.shape[0]

    @property
    def parts(self) -> Iterator[bytes]:
        """The content, for the digest."""
        yield f"affine {self.sources} {[w.shape for w in self.weights]}".encode()
        yield from (array.digest for array in (*self.weights, self.bias))

    def lower(self, values: Sequence[range]) -> kernel.Affine:
        """The kernel's operation, `values[k]` being the value numbers of node k."""
        arrays = [array.numerators() for array in (*self.weights, self.bias)]
        common = lcm(*(den for den, _ in arrays))
        *scaled, constants = [flat if den == common else [n * (common // den) for n in flat] for den, flat in arrays]
        terms = [
            _terms(weight, values[source], flat)
            for weight, source, flat in zip(self.weights, self.sources, scaled, strict=True)
        ]
        rows = zip(terms[0] if len(terms) == 1 else _joined(terms), constants, strict=True)
        return kernel.Affine(common, tuple((indices, coefs, constant) for (indices, coefs), constant in rows))


@dataclass(frozen=True)
class Piecewise:
    """One continuous piecewise linear unit for each value of an earlier node.

    `breakpoints` has shape (1 or n, m), m >= 1, each row strictly increasing; `slopes` (1 or n, m + 1), from left to
    right; `anchor` (1 or n,) is the value at the first breakpoint. One row serves all n units.

    >>> Piecewise.hardtanh(-1, 1).slopes.numerators()
    (mpz(1), [mpz(0), mpz(1), mpz(0)])
    """

    source: int
    breakpoints: ExactArray
    slopes: ExactArray
    anchor: ExactArray

    def __post_init__(self) -> None:
        for name in ("breakpoints", "slopes", "anchor"):
            _set(self, name, ExactArray.of(getattr(self, name), name))

    @classmethod
    def of(cls, breakpoints: object, slopes: object, anchor: object, source: int = 0) -> Piecewise:
        """A node from anything `ExactArray.of` takes."""
        arrays = {"breakpoints": breakpoints, "slopes": slopes, "anchor": anchor}
        return cls(source, **{name: ExactArray.of(values, name) for name, values in arrays.items()})

    @classmethod
    def relu(cls, source: int = 0) -> Piecewise:
        """max(x, 0)."""
        return cls.of([[0]], [[0, 1]], [0], source)

    @classmethod
    def leaky_relu(cls, slope: object, source: int = 0) -> Piecewise:
        """x where x >= 0, slope * x elsewhere."""
        return cls.of([[0]], [[slope, 1]], [0], source)

    @classmethod
    def prelu(cls, slopes: Sequence[object], source: int = 0) -> Piecewise:
        """A leaky ReLU with a slope for each unit (or one for all)."""
        return cls.of([[0]], [[slope, 1] for slope in slopes], [0], source)

    @classmethod
    def hardtanh(cls, low: object, high: object, source: int = 0) -> Piecewise:
        """x clipped to [low, high]."""
        return cls.of([[low, high]], [[0, 1, 0]], [low], source)

    @classmethod
    def relu6(cls, source: int = 0) -> Piecewise:
        """x clipped to [0, 6]."""
        return cls.hardtanh(0, 6, source)

    @classmethod
    def absolute(cls, source: int = 0) -> Piecewise:
        """|x|."""
        return cls.of([[0]], [[-1, 1]], [0], source)

    def fitted(self, sizes: Sequence[int]) -> Piecewise:
        """This node checked against the sizes of the nodes before it; equal rows become one row."""
        n = _known(self.source, sizes)
        if len(self.breakpoints.shape) != 2:
            raise NetworkError(f"has breakpoints of shape {self.breakpoints.shape}; two dimensions are needed")
        m = self.breakpoints.shape[1]
        for name, row in (("breakpoints", (m,)), ("slopes", (m + 1,)), ("anchor", ())):
            shape = getattr(self, name).shape
            if shape not in ((1, *row), (n, *row)):
                raise NetworkError(f"has {name} of shape {shape}; {(1, *row)} or {(n, *row)} is needed")
        for k, breakpoints in enumerate(_rows(self.breakpoints)[1]):
            if any(p >= q for p, q in pairwise(breakpoints)):
                raise NetworkError(f"has breakpoints that are not strictly increasing (unit {k})")
        return Piecewise(self.source, _merged(self.breakpoints), _merged(self.slopes), _merged(self.anchor))

    def moved(self, source: int) -> Piecewise:
        """The same units on another node."""
        return replace(self, source=source)

    def size(self, sizes: Sequence[int]) -> int:
        """The number of outputs, and of units."""
        return sizes[self.source]

    @property
    def parts(self) -> Iterator[bytes]:
        """The content, for the digest."""
        yield f"piecewise {self.source}".encode()
        yield from (array.digest for array in (self.breakpoints, self.slopes, self.anchor))

    def lower(self, values: Sequence[range]) -> kernel.Piecewise:
        """The kernel's operation, `values[k]` being the value numbers of node k."""
        breakpoint_den, breakpoints = _rows(self.breakpoints)
        slope_den, slopes = _rows(self.slopes)
        anchor_den, anchors = self.anchor.numerators()
        den = lcm(breakpoint_den, anchor_den)
        breakpoints = [tuple(b * (den // breakpoint_den) for b in row) for row in breakpoints]
        anchors = [a * (den // anchor_den) * slope_den for a in anchors]
        units = tuple(
            (j, breakpoints[k % len(breakpoints)], slopes[k % len(slopes)], anchors[k % len(anchors)])
            for k, j in enumerate(values[self.source])
        )
        return kernel.Piecewise(den, slope_den, units)


@dataclass(frozen=True)
class Max:
    """The maximum of each group of values of an earlier node; `groups` holds positions in that node's output."""

    source: int
    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        _set(self, "groups", tuple(map(tuple, self.groups)))

    def fitted(self, sizes: Sequence[int]) -> Max:
        """This node, its groups checked against the sizes of the nodes before it."""
        n = _known(self.source, sizes)
        if not self.groups:
            raise NetworkError("has no groups; at least one is needed")
        for k, group in enumerate(self.groups):
            if not 1 <= len(group) <= kernel.MAX_GROUP or len(set(group)) != len(group):
                raise NetworkError(f"group {k} must have 1 to {kernel.MAX_GROUP} different members, not {len(group)}")
            for j in group:
                if type(j) is not int or not 0 <= j < n:
                    raise NetworkError(f"group {k}: node {self.source} has no value {j!r}, only 0 to {n - 1}")
        return self

    def size(self, sizes: Sequence[int]) -> int:
        """The number of outputs, and of units."""
        return len(self.groups)

    @property
    def parts(self) -> Iterator[bytes]:
        """The content, for the digest."""
        yield f"max {self.source} {self.groups}".encode()

    def lower(self, values: Sequence[range]) -> kernel.Max:
        """The kernel's operation, `values[k]` being the value numbers of node k."""
        return kernel.Max(tuple(tuple(values[self.source][j] for j in group) for group in self.groups))


Node = Affine | Piecewise | Max


def _set(node: Node, name: str, value: object) -> None:
    object.__setattr__(node, name, value)  # the way a frozen dataclass converts its fields


def _terms(weight: Weight, values: range, numerators: Sequence[mpz]) -> Iterator[Terms]:
    """The terms of each output; rows over the same values share one tuple of their numbers."""
    if not isinstance(weight, ExactArray):
        yield from weight.terms(values, numerators)
    elif len(weight.shape) == 1:
        yield from (((j,), (w,)) for j, w in zip(values, numerators, strict=True))
    else:
        indices, width = tuple(values), len(values)
        yield from ((indices, tuple(numerators[k : k + width])) for k in range(0, len(numerators), width))


def _joined(terms: Sequence[Iterator[Terms]]) -> Iterator[Terms]:
    """The terms of a sum; rows whose parts share their numbers share theirs."""
    known: dict[tuple[int, ...], tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]] = {}
    for parts in zip(*terms, strict=True):
        several = tuple(indices for indices, _ in parts)
        key = tuple(map(id, several))
        if key not in known:
            known[key] = several, tuple(chain(*several))  # what has an id in use is kept
        yield known[key][1], tuple(chain(*(coefs for _, coefs in parts)))


def _known(source: object, sizes: Sequence[int]) -> int:
    if type(source) is not int or not 0 <= source < len(sizes):
        raise NetworkError(f"reads node {source!r}, which is not an earlier node (0 is the input)")
    return sizes[source]


def _rows(array: ExactArray) -> tuple[mpz, list[tuple[mpz, ...]]]:
    den, flat = array.numerators()
    width = array.shape[1]
    return den, [tuple(flat[k : k + width]) for k in range(0, len(flat), width)]


def _merged(array: ExactArray) -> ExactArray:
    """The array with one row where all rows are equal, so that one content has one digest."""
    den, flat = array.numerators()
    width = len(flat) // array.shape[0]
    if flat != flat[:width] * array.shape[0]:
        return array
    return ExactArray.from_numerators(den, flat[:width], (1, *array.shape[1:]))
