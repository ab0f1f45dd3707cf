"""Runs a tool over problems: each in a worker process, within limits, whatever the tool does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Event
from types import TracebackType

from splinecam_exact._text import whole
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.program import Progress
from splinecam_exact.testing.conformance.exchange import LIMITS, Limits, Stopped
from splinecam_exact.testing.conformance.outcomes import Outcome, Truth, exact, judge
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.process import Worker


class Runner:
    """A tool, named as "module:function", and the process that it runs in; a context manager, which ends that.

    The function takes a `Problem` and returns anything that `claim_of` takes, or another tool's own result (see
    `comparison.adapters`); it refuses by raising NotImplementedError or returning None. Modules in the current folder
    come first. Everything else that it does, a crash, `os._exit`, an endless loop, NaN, is an outcome of that problem.
    `truth` says what the exact partitions are, `tolerance` judges coordinates: see `compare`. All calls must come from
    one thread; another one may set `stop`, and the call that is under way raises Stopped.
    """

    def __init__(
        self,
        tool: str,
        limits: Limits = LIMITS,
        *,
        truth: Truth = exact,
        tolerance: float | None = None,
        stop: Event | None = None,
    ) -> None:
        if not 0 < limits.time < float("inf") or limits.memory < 1:
            raise InputError(f"limits must be positive, not {limits.time:g} s and {limits.memory} bytes")
        if tolerance is not None and not 0 <= tolerance < float("inf"):
            raise InputError(f"the tolerance must be a distance, not {tolerance}")
        self.tool = tool
        self._truth = truth
        self._tolerance = tolerance
        self._worker = Worker(tool, limits, stop or Event())

    def run(self, problem: Problem) -> Outcome:
        """What comes of one problem. Raises InputError where the tool cannot be loaded."""
        return judge(problem, self._worker.ask(problem), self._truth, self._tolerance)

    def start(self) -> None:
        """Load the tool. Raises InputError, with the reason, where that fails."""
        self._worker.start()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run(
    tool: str,
    problems: Sequence[Problem],
    limits: Limits = LIMITS,
    *,
    jobs: int = 1,
    truth: Truth = exact,
    tolerance: float | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """The outcomes of problems, in their order; see `Runner`.

    `jobs` processes run at a time: the tool's times are then those of a busy machine. `progress` is called with
    ("problems", done, of how many). Ctrl-C, and any other error, ends all processes. Raises InputError where the tool
    cannot be loaded.

    >>> from splinecam_exact.testing.conformance.suite import suite
    >>> [outcome.line() for outcome in run("splinecam_exact.testing.conformance.own:rational", suite()[:1])]
    ['generic/generic_0_0: right']
    """
    if whole(jobs) is None or jobs < 1:
        raise InputError(f"jobs must be a positive int, not {jobs!r}")
    if jobs == 1:
        with Runner(tool, limits, truth=truth, tolerance=tolerance) as runner:
            return [runner.run(problem) for problem in _counted(problems, progress)]
    return _side_by_side(partial(Runner, tool, limits, truth=truth, tolerance=tolerance), problems, jobs, progress)


def _counted(problems: Sequence[Problem], progress: Progress | None) -> Iterator[Problem]:
    for k, problem in enumerate(problems):
        if progress:
            progress("problems", k, len(problems))
        yield problem


def _side_by_side(
    make: Callable[..., Runner], problems: Sequence[Problem], jobs: int, progress: Progress | None
) -> list[Outcome]:
    """With a thread for each of the runners, which waits for its process."""
    queue: SimpleQueue[tuple[int, Problem] | None] = SimpleQueue()
    for item in [*enumerate(problems), *[None] * jobs]:
        queue.put(item)
    outcomes: dict[int, Outcome] = {}
    stop = Event()

    def serve() -> None:
        with make(stop=stop) as runner, suppress(Stopped):
            while (item := queue.get()) is not None and not stop.is_set():
                outcomes[item[0]] = runner.run(item[1])

    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[None]] = {pool.submit(serve) for _ in range(min(jobs, len(problems)))}
        try:
            while running:
                done, running = wait(running, 0.2, FIRST_COMPLETED)
                for future in done:
                    future.result()
                if progress:
                    progress("problems", len(outcomes), len(problems))
        finally:
            stop.set()
    return [outcomes[k] for k in range(len(problems))]
