"""Many partitions, or one in pieces, on any `concurrent.futures.Executor`: processes, threads, a Dask cluster.

A network travels as its JSON, a domain as its corners, a subdivision as arrays. What a job raises is its answer and
comes back as it is; a job that gets no answer, because a worker died or was taken away, is run again.
"""

from __future__ import annotations

import multiprocessing
import pickle
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import closing, contextmanager
from functools import cached_property, partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

import numpy as np
from gmpy2 import mpz

from splinecam_exact.canonical import Renumbered, canonical
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import Geometry, ListGeometry, States
from splinecam_exact.half_edges import OUTER, Ints
from splinecam_exact.kernel.certificate import Cell
from splinecam_exact.kernel.errors import InputError, SplinecamError, Undecided
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point
from splinecam_exact.network import Network
from splinecam_exact.partitioning import partition
from splinecam_exact.pooled import submitted
from splinecam_exact.stitching import cut_domain, stitch
from splinecam_exact.subdivision import Subdivision

Domain = Polygon | Slice
Answer = tuple[Geometry, str, object]
R = TypeVar("R")

AHEAD = 64
"""How many jobs are given to an executor before the first of them is done with: results wait for their turn."""


class WorkerDied(SplinecamError):
    """A job got no answer, time after time: its worker died (of too little memory, say) or was taken away."""


def partition_many(
    jobs: Iterable[tuple[Network, Domain]],
    executor: Executor | None = None,
    *,
    points: bool = False,
    retries: int = 2,
    progress: Progress | None = None,
    **options: Any,
) -> Generator[Subdivision]:
    """The partitions of many (network, domain) pairs, in order.

    Each is `canonical(partition(net, dom, **options))`: its certificate is the same, to the byte, for every executor
    and without one. (A float64 result is as `partition` makes it where it runs.) `executor` is any
    `concurrent.futures.Executor`: a ProcessPoolExecutor, a ThreadPoolExecutor, that of a Dask cluster
    (`Client.get_executor()`); without one, the jobs run here, one after another. With `points`, the workers also
    compute the exact vertices and the cells of the certificate, which can take longer than the partition; without, that
    is done here, when they are asked for. `progress` is called here, with ("partitions", done, of how many).

    The first error that a job raises is raised here, in the order of the jobs. A job whose worker dies is run again up
    to `retries` times, the last time alone, and then WorkerDied names it; a broken ProcessPoolExecutor is replaced.
    When the iterator is closed, or interrupted by an error or Ctrl-C, the jobs that have not begun are cancelled.
    Raises InputError where `jobs` are not pairs. Cost: at most `AHEAD` results are held at a time; a worker process
    uses one torch thread.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> [len(part.faces) for part in partition_many([(net, sx.square(1)), (net, sx.Polygon([(1, 0), (2, 0), (1, 1)]))])]
    [4, 1]
    """
    pairs = [_checked_job(job, f"job {k}") for k, job in enumerate(jobs)]
    _check_retries(retries)
    return _partitions(pairs, executor, (points, False), retries, progress, options)


def partition_pieces(
    net: Network,
    dom: Domain,
    pieces: int,
    executor: Executor | None = None,
    *,
    points: bool = False,
    retries: int = 2,
    progress: Progress | None = None,
    max_cells: int | None = None,
    **options: Any,
) -> Subdivision:
    """The partition of one domain, computed in convex pieces and stitched exactly.

    The result is `canonical(partition(net, dom))`: the certificate is the same, to the byte, for any number of pieces
    and any executor. The pieces lie between vertical and horizontal lines at short rationals; a few more of them than
    there are workers share the work more evenly. Parameters and errors are those of `partition_many` and `partition`,
    and InputError in mode "float64", whose rounded coordinates cannot be stitched. `max_memory` is for each piece, and
    so is `max_cells` before the cells of a maximum are merged. Cost: that of the pieces, shared by the workers, and a
    few sorts of the half-edges here.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> partition_pieces(net, sx.square(1), 3).counts()
    {'A': 4, 'L': 4, 'P': 4, 'V': 9, 'E': 12}
    """
    if type(pieces) is not int or pieces < 1:
        raise InputError(f"pieces must be a positive int, not {pieces!r}")
    if options.get("mode") == "float64":
        raise InputError("mode 'float64' has no exact coordinates to stitch pieces by: use 'certified' or 'rational'")
    _checked_job((net, dom), "the input")
    _check_retries(retries)
    options["max_cells"] = max_cells
    jobs = [(net, piece) for piece in cut_domain(dom, pieces)]
    whole = stitch(dom, list(_partitions(jobs, executor, (points, True), retries, progress, options)), progress)
    if max_cells is not None and len(whole.faces) > max_cells:
        raise Undecided(f"more than {max_cells} cells: raise the limit, or take a smaller domain")
    return whole


def _checked_job(job: tuple[Network, Domain], place: str) -> tuple[Network, Domain]:
    match job:
        case (Network() as net, (Polygon() | Slice()) as dom):
            dom.check_fits(net)
            return net, dom
    raise InputError(f"{place} is not a pair of a Network and a domain (a Polygon or a Slice)")


def _check_retries(retries: int) -> None:
    if type(retries) is not int or retries < 0:
        raise InputError(f"retries must be an int that is not negative, not {retries!r}")


def _partitions(
    jobs: list[tuple[Network, Domain]],
    executor: Executor | None,
    wanted: tuple[bool, bool],
    retries: int,
    progress: Progress | None,
    options: dict[str, Any],
) -> Generator[Subdivision]:
    parts = _here(jobs, progress, options)
    if executor is not None:
        parts = _away(jobs, executor, wanted, retries, progress, options)
    with closing(parts):
        for done, part in enumerate(parts, 1):
            if progress:
                progress("partitions", done, len(jobs))
            yield part


def _here(
    jobs: list[tuple[Network, Domain]], progress: Progress | None, options: dict[str, Any]
) -> Generator[Subdivision]:
    for net, dom in jobs:
        part = partition(net, dom, progress=progress, **options)
        geometry = _numbered(part)
        yield Subdivision(net, dom, geometry, mode=part.mode, report=part.report, progress=progress)


def _away(
    jobs: list[tuple[Network, Domain]],
    executor: Executor,
    wanted: tuple[bool, bool],
    retries: int,
    progress: Progress | None,
    options: dict[str, Any],
) -> Generator[Subdivision]:
    def name(k: int) -> str:
        return f"job {k} ({jobs[k][0]!r} on {repr(jobs[k][1])[:100]})"

    calls = [(net, dom, *wanted, options) for net, dom in jobs]
    with closing(_Jobs(_partition, calls, executor, retries, name).results()) as answers:
        for (net, dom), (geometry, mode, report) in zip(jobs, answers, strict=True):
            yield Subdivision(net, dom, geometry, mode=mode, report=report, progress=progress)


def _numbered(part: Subdivision) -> Geometry:
    """How a float64 engine numbers things depends on its rounding; canonical numbers do not."""
    return canonical(part).geometry if part.certified else part.geometry


# -- what travels -----------------------------------------------------------------------------------------------------


def _partition(net: Network, dom: Domain, points: bool, rim: bool, options: dict[str, Any]) -> Answer:
    """A job: the partition, in a form that travels, with all exact `points` or at least those on the `rim`.

    The network is a copy, with a lowered program of its own: programs fill caches as they go, which threads must not
    share.
    """
    with _one_thread(options):
        part = partition(Network(net.input_size, net.nodes, net.conventions), dom, **options)
    geometry = _numbered(part)
    if isinstance(part.geometry, ListGeometry) or (points and part.certified):
        geometry = _Arrays(geometry)
    elif rim and isinstance(geometry, Renumbered):
        geometry.remember(np.unique(geometry.half_edges.origin[geometry.half_edges.face == OUTER]))
    for used in (part.geometry, geometry):
        vars(used).pop("half_edges", None)  # computed again where it is needed
    return geometry, part.mode, part.report


@contextmanager
def _one_thread(options: dict[str, Any]) -> Iterator[None]:
    """In a process that was started to work beside others, torch uses one thread: after a fork, more would hang."""
    if multiprocessing.parent_process() is None or options.get("mode") == "rational" or find_spec("torch") is None:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Arrays(Geometry):
    """A geometry with its exact points and its cells, as arrays and a list of ints: quick to send and to receive."""

    def __init__(self, geometry: Geometry) -> None:
        self.polygons = geometry.polygons
        self.vertex_count = geometry.vertex_count
        self.unit_count = geometry.unit_count
        self._numbers = [int(x) for point in geometry.points for x in point]
        cells = geometry.cells
        self._bases = np.array([cell.base for cell in cells])
        self._ends = np.cumsum([len(cell.changes) for cell in cells])
        self._units = np.array([unit for cell in cells for unit, _ in cell.changes], np.int64)
        dtype = geometry.state_rows(np.array([0])).dtype
        self._states = np.array([state for cell in cells for _, state in cell.changes], dtype)

    @cached_property
    def points(self) -> list[Point]:
        """The exact vertices."""
        numbers = map(mpz, self._numbers)
        return list(zip(numbers, numbers, numbers, strict=True))

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the certificate."""
        changes = list(zip(self._units.tolist(), self._states.tolist(), strict=True))
        bounds = pairwise([0, *self._ends.tolist()])
        return [
            Cell(base, tuple(changes[first:end]), self.polygons.face(face))
            for face, (base, (first, end)) in enumerate(zip(self._bases.tolist(), bounds, strict=True))
        ]

    @cached_property
    def states(self) -> States:
        """The states of all units on all faces."""
        states = np.zeros((len(self._bases), self.unit_count), self._states.dtype)
        bounds = pairwise([0, *self._ends.tolist()])
        for face, (base, (first, end)) in enumerate(zip(self._bases.tolist(), bounds, strict=True)):
            if base >= 0:
                states[face] = states[base]
            states[face, self._units[first:end]] = self._states[first:end]
        return states

    def state_rows(self, faces: Ints) -> States:
        """The states of all units on some faces."""
        return self.states[faces]


# -- jobs on an executor ----------------------------------------------------------------------------------------------


class _Outcome(NamedTuple):
    """What a job came to: a result, or the error that it raised and the text of its traceback."""

    result: Any
    error: Exception | None = None
    trace: str = ""


class _TraceOfWorker(Exception):
    """The cause of an error that was raised in a worker: its traceback there."""


def _attempt(function: Callable[..., Any], arguments: tuple[Any, ...], token: str) -> _Outcome:
    """Run a job in a worker. So whatever else a future raises, the job did not raise it.

    No two attempts have one `token`: Dask takes equal calls for one, and would answer a retry with the old failure.
    """
    try:
        return _Outcome(function(*arguments))
    except Exception as error:
        return _Outcome(None, _portable(error), traceback.format_exc())


def _portable(error: Exception) -> Exception:
    """An error that can be pickled and read: itself, if it can."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return SplinecamError(f"{type(error).__name__}: {error}")
    return error


class _Job:
    """A call, how often it was begun, and its latest future."""

    def __init__(self, number: int, arguments: tuple[Any, ...]) -> None:
        self.number = number
        self.arguments = arguments
        self.runs = 0
        self.future: Future[_Outcome] = Future()

    def failed(self) -> bool:
        """Whether it ended without an answer."""
        return self.future.done() and (self.future.cancelled() or self.future.exception() is not None)


class _Jobs(Generic[R]):
    """Calls of one function on an executor; their results in order.

    When a process pool breaks, all its calls fail, and nothing says which of them broke it. They are begun again
    together; those that are then at their last attempt get it alone, so that only the guilty one is blamed.
    """

    def __init__(
        self,
        function: Callable[..., R],
        calls: Iterable[tuple[Any, ...]],
        executor: Executor,
        retries: int,
        name: Callable[[int], str],
    ) -> None:
        self._function = function
        self._waiting = deque(_Job(k, arguments) for k, arguments in enumerate(calls))
        self._begun: deque[_Job] = deque()
        self._executor = self._given = executor
        self._retries = retries
        self._name = name

    def results(self) -> Generator[R]:
        """The results. Raises what a call raised, or WorkerDied; cancels what is left when it ends, however it ends."""
        try:
            while self._waiting or self._begun:
                while self._waiting and len(self._begun) < AHEAD:
                    self._begun.append(self._waiting.popleft())
                    self._begin(self._begun[-1])
                outcome = self._outcome(self._begun[0])
                self._begun.popleft()
                if outcome.error is not None:
                    raise outcome.error from _TraceOfWorker(outcome.trace)
                yield outcome.result
        finally:
            for job in self._begun:
                job.future.cancel()
            if self._executor is not self._given:
                self._executor.shutdown(wait=False, cancel_futures=True)

    def _outcome(self, job: _Job) -> _Outcome:
        """What the first job that was begun comes to."""
        while True:
            try:
                return job.future.result()
            except Exception as loss:
                if job.runs > self._retries:
                    raise WorkerDied(f"{self._name(job.number)} {_blame(job.runs)}: {loss!r}") from loss
            for other in self._begun:
                if other.failed() and other.runs < self._retries:
                    self._begin(other)
            if job.failed():
                wait([other.future for other in self._begun])
                self._begin(job)

    def _begin(self, job: _Job) -> None:
        job.runs += 1
        call = partial(_attempt, self._function, job.arguments, uuid4().hex)
        try:
            job.future = submitted(self._executor, call)
        except BrokenExecutor:
            if not isinstance(self._executor, ProcessPoolExecutor):
                raise
            self._executor = _another(self._executor)
            job.future = submitted(self._executor, call)


def _blame(runs: int) -> str:
    if runs == 1:
        return "got no answer (it, or a job beside it, may have killed a worker; see `retries`)"
    return f"got no answer in {runs} attempts, the last while no other job ran"


def _another(broken: ProcessPoolExecutor) -> ProcessPoolExecutor:
    """A process pool like the one that broke, which cannot be used again; only the pool knows how it was made."""
    return ProcessPoolExecutor(
        broken._max_workers,  # type: ignore[attr-defined]
        broken._mp_context,
        broken._initializer,
        broken._initargs,
    )
