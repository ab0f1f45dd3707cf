"""A limit on time: what stops a long computation with the answer "undecided"."""

from __future__ import annotations

from time import monotonic

from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.kernel.program import Progress


def with_time_limit(progress: Progress | None, seconds: float | None) -> Progress | None:
    """A progress callback that raises Undecided once `seconds` have passed, and otherwise calls `progress`."""
    if seconds is None:
        return progress
    end = monotonic() + seconds

    def watch(stage: str, done: int, total: int) -> None:
        if monotonic() > end:
            raise Undecided(f"the time limit of {seconds:g} s was reached: {stage}, {done} of {total} done")
        if progress is not None:
            progress(stage, done, total)

    return watch
