"""`certify_samples`: whether given points are on a decision boundary, or provably near it; in any input dimension."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gmpy2 import mpq

from splinecam_exact._files import PathLike
from splinecam_exact._text import brief
from splinecam_exact.arrays import Floats, exact
from splinecam_exact.brackets import Found, search
from splinecam_exact.deciding import Decider
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.local_maps import Projection, Vector, projection, states
from splinecam_exact.network import Network
from splinecam_exact.questions import Question, question
from splinecam_exact.sample_points import Given, Points, exact_row, points_of
from splinecam_exact.weights import Ints

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ON, WITHIN, UNPROVED = STATUSES = ("on", "within", "unproved")
_SHARES = (0, 0.25, 0.5, 0.75, 1)


class Witness(NamedTuple):
    """Two exact points with different exact answers: the boundary meets the segment between them.

    Or `end` is itself on the boundary. `squared` is the square of their distance.
    """

    point: Vector
    end: Vector
    answers: tuple[int, int]
    squared: mpq


class Detail(NamedTuple):
    """A point's status, the exact `Samples.value`, and the distances of `Samples.nearest`, None where there is none.

    `squared` is that of the 2-norm; `l1` and `linf` are of the same boundary point, not the nearest in these norms.
    """

    status: str
    value: mpq
    squared: mpq | None
    l1: mpq | None
    linf: mpq | None


class Samples:
    """What is proved about n points. Arrays have one entry for each point; methods take a point's number.

    - `status` (n,): "on", exactly on the boundary; "within", proved to be within `radius` of it (or, where that is
      None, within `bound`); "unproved", neither.
    - `answers` (n,) int64, exact: the sign, -1, 0 or 1; for the arg-max the class on top, -1 where several are.
    - `bound` (n,) float64: a proved upper bound of the distance (2-norm) to the boundary; infinite where unproved.
    - `estimate` (n,) float64: |f| / |gradient|, which nothing is proved about.
    - `decided_exactly`: how many evaluations took exact arithmetic; `decided_in_pairs`: how many took pairs of float64.
      All others were decided by float64 bounds.
    """

    def __init__(
        self, net: Network, asked: Question, points: Points, radius: mpq | None, found: Found, decider: Decider
    ) -> None:
        self.net, self.question, self.points, self.radius = net, asked, points, radius
        self.answers: Ints = found.answers
        self.bound: Floats = found.bound
        self.estimate: Floats = found.estimate
        self.decided_exactly, self.decided_in_pairs = decider.exact, decider.close
        self._found = found

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def status(self) -> np.ndarray[Any, Any]:
        """The verdicts."""
        return np.where(self.bound == 0, ON, np.where(np.isfinite(self.bound), WITHIN, UNPROVED))

    def counts(self) -> dict[str, int]:
        """How many points have each status."""
        return {status: int((self.status == status).sum()) for status in STATUSES}

    def point(self, i: int) -> Vector:
        """A point, exactly."""
        return tuple(self.points.row(self._number(i)))

    def value(self, i: int) -> mpq:
        """The exact value of the function whose zeros are the boundary: see `questions.Question.value`."""
        return self.question.value(self.net.program().evaluate(self.point(i)))

    def pattern(self, i: int) -> tuple[int, ...]:
        """The exact state of every unit at a point: 2k on open piece k, 2k + 1 at breakpoint k; of a Max, a mask."""
        program = self.net.program()
        return states(program, program.pattern(self.point(i)))

    def nearest(self, i: int) -> Projection | None:
        """The nearest boundary point in the point's own closed cell, exactly, where it is the projection; else None."""
        found = projection(self.net, self.point(i), self.question)
        return found if found is not None and found.in_cell else None

    def details(self, indices: Iterable[int] | None = None) -> list[Detail]:
        """The exact value and distances of some points, in this order; by default of all.

        Cost: two to three exact evaluations a point; for the arg-max, some more for each class.
        """
        found = []
        for i in range(len(self)) if indices is None else indices:
            near = self.nearest(i)
            distances = (None, None, None) if near is None else (near.squared, near.l1, near.linf)
            found.append(Detail(str(self.status[i]), self.value(i), *distances))
        return found

    def end(self, i: int) -> Vector | None:
        """The second point of what proves that a point is "within"; None for other points."""
        i = self._number(i)
        if i in self._found.touching:
            return self._found.touching[i].point
        return tuple(exact_row(self._found.ends[i])) if self._found.bracketed[i] else None

    def bracket(self, i: int) -> Witness | None:
        """The same with both answers and the distance. Cost: an exact evaluation."""
        point, end = self.point(i), self.end(i)
        if end is None:
            return None
        there = self.question.answer(self.net.program().evaluate(end))
        squared = sum(((a - b) ** 2 for a, b in zip(point, end, strict=True)), mpq(0))
        return Witness(point, end, (int(self.answers[i]), there), squared)

    def table(self) -> str:
        """The verdicts as text: how many there are, and quantiles of the proved distances."""
        counts = self.counts()
        within = "" if self.radius is None else f" {self.radius}"
        names = {ON: "on", WITHIN: f"within{within}", UNPROVED: "unproved"}
        lines = [f"boundary: {self.question.text()}; {len(self)} points"]
        lines += [f"{names[s]:<20} {n:>9} {100 * n / len(self):6.2f} %" for s, n in counts.items()]
        for name, some in (("proved distance", self.bound[self.status != UNPROVED]), ("estimate", self.estimate)):
            some = some[np.isfinite(some)]
            if len(some):
                low, *_, high = marks = np.quantile(some, _SHARES).tolist()
                quantiles = ", ".join(f"{q:.3g}" for q in marks[1:-1])
                lines.append(f"{name:<20} {low:.3g} to {high:.3g}, quartiles {quantiles}")
        return "\n".join(lines)

    def save(self, path: PathLike) -> None:
        """Write the verdicts and what proves them as JSON, whole or not at all; `check_samples` reads it.

        About 40 bytes for each coordinate of a point and of an end. Nothing is evaluated again.
        """
        from splinecam_exact.sample_files import save

        save(self, path)

    def plot(self, *, ax: Axes | None = None, path: PathLike | None = None) -> Axes:
        """Draw the sorted distances, by verdict; needs matplotlib. Raises InputError for another suffix of `path`."""
        from splinecam_exact.sample_pictures import plot

        return plot(self, ax, path)

    def _number(self, i: int) -> int:
        if isinstance(i, bool) or not isinstance(i, int | np.integer) or not -len(self) <= i < len(self):
            raise InputError(f"there is no point {brief(i)}, only 0 to {len(self) - 1}")
        return int(i) % len(self)

    def __repr__(self) -> str:
        return f"<Samples: {', '.join(f'{n} {status}' for status, n in self.counts().items())}>"


def certify_samples(
    net: Network,
    points: Given,
    level: object = 0,
    output: int | None = None,
    classes: tuple[int, int] | None = None,
    radius: object | None = None,
    *,
    progress: Progress | None = None,
) -> Samples:
    """What can be proved about points that should lie on a decision boundary, in any input dimension.

    `points` (n, inputs) are a numpy array or nested lists; a float denotes the rational that it stores, and ints,
    Fractions, mpq and strings such as "1/3" themselves. The boundary is where `output` equals `level`; with
    `classes=(i, j)`, where output i - output j does; by default of a network with several outputs, where at least two
    of them are the largest. With `radius`, a point is "within" only if a boundary point at most so far away (2-norm) is
    proved. See `Samples`.

    Each answer is exact. A boundary point near a point is proved by a second point with another answer, along the
    gradient or a few steps that follow it; or it is the exact nearest one of the point's own cell. That none is found
    proves nothing. Raises InputError for points of another width, that are not finite, or none at all; the message
    names the row. `progress` may raise to interrupt: it is called before each block of points.

    Cost: with torch, ten to fifty evaluations of the network in float64, with bounds; in pairs of float64, each as much
    as some twenty, for points within rounding errors of the boundary; and exact arithmetic (some ms each for small
    networks) for those that are on it, exactly, or seem so. 100 000 points of a 64-50-50-50-10 network that are no
    zeros take seconds. Without torch, all is exact: the same answers, and perhaps
    others that are proved to be near. Source: proofs/samples.md.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [-1])])
    >>> found = sx.certify_samples(net, [[0.5, 0.25], [0.5, 0.3], [-1, -1]], radius="1/10")
    >>> found.status.tolist(), found.answers.tolist()
    (['on', 'within', 'unproved'], [0, 1, -1])
    >>> found.nearest(0).point, found.value(2), found.pattern(2)
    ((mpq(1,2), mpq(1,4)), mpq(-1,1), (0, 0))
    """
    asked = question(net, output, classes, level)
    given = points_of(points, net.input_size)
    distance = None if radius is None else exact(radius)
    if distance is not None and distance <= 0:
        raise InputError(f"the radius must be positive, not {distance}")
    if progress is not None and not callable(progress):
        raise InputError(f"progress must be a function of three arguments, or None, not {brief(progress)}")
    decider = Decider(net, asked, progress)
    found = search(decider, given, distance)
    return Samples(net, asked, given, distance, found, decider)
