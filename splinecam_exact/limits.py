"""A limit on time: what stops a long computation with the answer "undecided"."""

from __future__ import annotations

from math import inf
from time import monotonic

from splinecam_exact.kernel.errors import InputError, Undecided
from splinecam_exact.kernel.program import Progress


def with_time_limit(progress: Progress | None, seconds: float | None) -> Progress | None:
    """A progress callback that raises Undecided once `seconds` have passed, and otherwise calls `progress`."""
    if seconds is None:
        return progress
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < inf:
        raise InputError(f"the time limit must be a positive number of seconds, not {seconds!r}")
    end = monotonic() + seconds

    def watch(stage: str, done: int, total: int) -> None:
        if monotonic() > end:
            raise Undecided(f"the time limit of {seconds:g} s was reached: {stage}, {done} of {total} done")
        if progress is not None:
            progress(stage, done, total)

    return watch
