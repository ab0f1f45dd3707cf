"""`sample_boundary`: random points that lie on a boundary exactly, and the floats beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, nextafter
from typing import NamedTuple

import numpy as np
from gmpy2 import isqrt, mpq, mpz
from numpy.typing import NDArray

from splinecam_exact._text import brief, whole
from splinecam_exact.arrays import exact
from splinecam_exact.boundaries import Boundary, boundary
from splinecam_exact.half_edges import Ints
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.local_maps import gradient
from splinecam_exact.rounding import nearest
from splinecam_exact.subdivision import ExactPoint, Subdivision

FRACTIONS = 1 << 20
"""A sample divides its segment at a multiple of one in so many parts."""

DOUBLINGS = 40
"""How often the step of the search for a bracket is doubled, from a rounding of the sample on."""

MOST = 10_000_000
"""More samples are not made at once."""

BY = ("length", "component", "segment")
DTYPES = ("float64", "float32")


class Bracket(NamedTuple):
    """Two float points of the input space between which f changes its sign, or the arg-max its class.

    f > 0 at `above` and f < 0 at `below`, exactly: evaluated in rationals. (Of an arg-max: the first of the two classes
    is larger than all others at `above`, the second at `below`.) Both are at most the square root of
    `squared_distance`, a rational, from the exact sample.
    """

    above: NDArray[np.floating]
    below: NDArray[np.floating]
    squared_distance: mpq


@dataclass(frozen=True, eq=False, repr=False)
class BoundarySample:
    """A point of a boundary: exact, and the nearest float point of the input space with proofs of how near it is.

    `point` are its slice coordinates and `x` its coordinates in the input space, all rational: f(x) = 0. It lies inside
    segment `segment` of `boundary`, not at an end. `dtype` is that of the floats, "float64" or "float32".
    """

    boundary: Boundary
    segment: int
    point: ExactPoint
    x: tuple[mpq, ...]
    dtype: str

    @property
    def classes(self) -> tuple[int, int]:
        """The pair of outputs that are equal here; (output, -1) on the level of one output."""
        i, j = self.boundary.classes[self.segment].tolist()
        return i, j

    @cached_property
    def nearest(self) -> NDArray[np.floating]:
        """The nearest point with float64 (or float32) coordinates, shape (inputs,)."""
        return np.array([_rounded(q, self.dtype) for q in self.x], self.dtype)

    @property
    def squared_distance(self) -> mpq:
        """The exact square of the distance from `nearest` to the exact sample: so the boundary is no further."""
        return _squared(self.nearest, self.x)

    @property
    def distance(self) -> float:
        """A bound of that distance: its float64, rounded up."""
        return _root_above(self.squared_distance)

    @cached_property
    def bracket(self) -> Bracket | None:
        """Two float points close by between which f changes its sign; None where it only touches zero here.

        They are looked for along the gradient of f in the input space, in steps that double. None too where there is
        none within 2^40 roundings, as where a third output is larger. Cost: some exact evaluations of the network.
        """
        if not self.boundary.changes[self.segment]:
            return None
        i, j = self.classes
        terms = {i: mpq(1)} if j < 0 else {i: mpq(1), j: mpq(-1)}
        program = self.boundary.part.network.program()
        slope = gradient(program, program.pattern(self.x), terms)
        steepest = max(map(abs, slope)) or mpq(1)
        upwards = np.array([nearest(q.numerator, q.denominator) for q in (g / steepest for g in slope)])
        above, below = self._beside(upwards, 1), self._beside(-upwards, -1)
        if above is None or below is None:
            return None
        return Bracket(above, below, max(_squared(above, self.x), _squared(below, self.x)))

    def _beside(self, direction: NDArray[np.float64], wanted: int) -> NDArray[np.floating] | None:
        start = self.nearest.astype(np.float64)
        step = float(np.finfo(self.dtype).eps) * (float(abs(start).max()) or 1.0) / 4
        for _ in range(DOUBLINGS):
            place = (start + step * direction).astype(self.dtype)
            if np.isfinite(place).all() and self._side(place) == wanted:
                return place
            step *= 2
        return None

    def _side(self, place: NDArray[np.floating]) -> int:
        """The sign of f at a float point; of an arg-max, 1 or -1 where the first or second class alone is largest."""
        outputs = self.boundary.part.network.evaluate(place)
        i, j = self.classes
        if self.boundary.kind == "argmax":
            largest = [k for k, value in enumerate(outputs) if value == max(outputs)]
            return (largest == [i]) - (largest == [j])
        f = outputs[i] - (outputs[j] if j >= 0 else 0) - self.boundary.level
        return (f > 0) - (f < 0)

    def __repr__(self) -> str:
        s, t = (nearest(q.numerator, q.denominator) for q in self.point)
        return f"<BoundarySample on segment {self.segment}, at about ({s:.6g}, {t:.6g})>"


def sample_boundary(
    part_or_boundary: Subdivision | Boundary,
    n: int,
    by: str = "length",
    *,
    seed: int | None = None,
    dtype: str = "float64",
) -> list[BoundarySample]:
    """`n` random points (10^7 at most) of a boundary, each exactly on it, strictly inside one of its segments.

    Give a `Boundary`, or a `Subdivision` for its `boundary` without further arguments. `by` says how segments are
    drawn: "length" in proportion to their lengths in slice coordinates (as float64 knows them), "component" first a
    connected component, each as likely as the others, then by length in it, or "segment", each as likely. On its
    segment a point is uniform among the multiples of 2^-20 of the way. The same `seed` gives the same points. `dtype`
    is that of the floats beside the samples, "float64" or "float32".

    Raises InputError where the boundary has no segments, for a float64 result, and for other arguments than these.
    Cost: the exact ends of the segments that are drawn, in bulk; brackets are looked for when they are asked for.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 3]], [-1])])     # |x| + 3 |y| - 1
    >>> sample = sx.sample_boundary(sx.boundary(sx.partition(net, sx.square(2))), 5, seed=0)[0]
    >>> net.evaluate(sample.x)
    [mpq(0,1)]
    >>> sample.distance < 1e-16, net.evaluate(sample.bracket.below)[0] < 0 < net.evaluate(sample.bracket.above)[0]
    (True, True)
    """
    for name, value, known in (("by", by, BY), ("dtype", dtype, DTYPES)):
        if not isinstance(value, str) or value not in known:
            raise InputError(f"there is no {name} {brief(value)}; choose one of {', '.join(known)}")
    n = check_count(n)
    if seed is not None and ((start := whole(seed)) is None or start < 0):
        raise InputError(f"the seed must be an int that is not negative, not {brief(seed)}")
    found = part_or_boundary if isinstance(part_or_boundary, Boundary) else _of(part_or_boundary)
    if not found.certified:
        raise InputError("samples of a float64 result would prove nothing: use mode='certified'")
    if not len(found):
        raise InputError(f"there is nothing to sample: {_why_empty(found)}")
    rng = np.random.default_rng(whole(seed))
    segments = _drawn(found, n, by, rng)
    fractions = rng.integers(1, FRACTIONS, n).tolist()
    ends = found.exact_points(found.ends[segments].ravel())
    samples = []
    for segment, k, (a, b), (c, d) in zip(segments.tolist(), fractions, ends[::2], ends[1::2], strict=True):
        t = mpq(k, FRACTIONS)
        point = a + t * (c - a), b + t * (d - b)
        samples.append(BoundarySample(found, segment, point, found.part.domain.embed(point), dtype))
    return samples


def check_count(n: object) -> int:
    """The number of samples; InputError unless there can be so many."""
    count = whole(n)
    if count is None or not 0 < count <= MOST:
        raise InputError(f"the number of samples must be a positive int, at most {MOST}, not {brief(n)}")
    return count


def _of(part: Subdivision) -> Boundary:
    if isinstance(part, Subdivision) and not part.certified:
        raise InputError("samples of a float64 result would prove nothing: use mode='certified'")
    return boundary(part)


def _why_empty(found: Boundary) -> str:
    areas, isolated = len(found.trace.filled_faces), len(found.trace.isolated)
    if areas:
        return f"the boundary is two-dimensional and fills {areas} whole cells (see Boundary.filled)"
    if isolated:
        return f"the boundary is {isolated} isolated points (see Boundary.isolated_points)"
    if found.kind == "argmax":
        return "one output is the largest on all of the domain"
    what = f"output {found.output}" if found.kind == "level" else "the difference of the two outputs"
    return f"{what} is nowhere {found.level} on the domain (or it is constant)"


def _drawn(found: Boundary, n: int, by: str, rng: np.random.Generator) -> Ints:
    """The segments of n samples."""
    count = len(found)
    weights = np.ones(count)
    if by != "segment":
        with np.errstate(invalid="ignore", over="ignore"):
            sides = found.segments[:, 1] - found.segments[:, 0]
            lengths = np.hypot(sides[:, 0], sides[:, 1])
        if not np.isfinite(lengths).all() or not lengths.any():
            lengths = _relative_lengths(found)
        # A segment too short for float64 is as likely as the shortest one that is not.
        weights = np.where(lengths > 0, lengths, lengths[lengths > 0].min(initial=1.0))
        weights /= weights.max()
    if by == "component":
        of = np.unique(found.component[found.ends[:, 0]], return_inverse=True)[1].reshape(-1)
        weights /= np.bincount(of, weights)[of]
    drawn: Ints = rng.choice(count, n, p=weights / weights.sum())
    return drawn


def _relative_lengths(found: Boundary) -> NDArray[np.float64]:
    """The lengths of all segments, as parts of the longest: for where they are beyond float64."""
    squares = [segment.squared_length for segment in found.exact]
    longest = max(squares)
    return np.sqrt([nearest(q.numerator, q.denominator) for q in (square / longest for square in squares)])


def _rounded(value: mpq, dtype: str) -> float:
    """The nearest float64, or float32; of two that are equally near, either."""
    double = nearest(value.numerator, value.denominator)
    if not -inf < double < inf:
        raise InputError("the sample is beyond float64")
    if dtype == "float64":
        return double
    with np.errstate(over="ignore"):
        single = np.float32(double)
    near = [single, np.nextafter(single, np.float32(-inf)), np.nextafter(single, np.float32(inf))]
    finite = [float(x) for x in near if np.isfinite(x)]
    if not np.isfinite(single):
        raise InputError("the sample is beyond float32: choose dtype='float64'")
    return min(finite, key=lambda x: abs(exact(x) - value))


def _squared(place: NDArray[np.floating], x: tuple[mpq, ...]) -> mpq:
    """The exact square of the distance of a float point to an exact one."""
    return sum(((exact(p) - q) ** 2 for p, q in zip(place.tolist(), x, strict=True)), mpq(0))


def _root_above(square: mpq) -> float:
    """A float64 that is at least the square root."""
    if square == 0:
        return 0.0
    shift = max(0, 64 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2)
    root = mpq(isqrt((square * mpz(4) ** shift) // 1) + 1, mpz(2) ** shift)
    return nextafter(nearest(root.numerator, root.denominator), inf)
