"""Partitions on executors are the serial ones, to the bit; workers may die."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import splinecam_exact as sx
from splinecam_exact import scaling
from splinecam_exact.canonical import canonical
from splinecam_exact.kernel import errors
from splinecam_exact.scaling import WorkerDied, partition_many, partition_pieces
from splinecam_exact.stitching import cut_domain
from splinecam_exact.testing.known_answers import known_answers
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

SQUARE = sx.square(1)
NET = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
KNOWN = [(sx.from_layers(known.layers), sx.Polygon(known.domain)) for known in known_answers()]


def random_net(seed: int, *widths: int) -> sx.Network:
    random = np.random.default_rng(seed)
    pairs = pairwise(widths)
    return sx.from_layers([(random.standard_normal((n, m)), random.standard_normal(n)) for m, n in pairs])


DEEP = random_net(0, 3, 8, 8, 8, 2)
MODES = ["rational", *(["certified"] if find_spec("torch") else [])]
SLICES = [(DEEP, sx.Slice([k, 1, -1], [[1, 0, k], [0, 1, 1]])) for k in range(-3, 4)]


def content(part: sx.Subdivision) -> object:
    """Everything: the certificate has points, cells, patterns and counts."""
    return sx.Certificate(part.certificate()).to_text(), part.states.tobytes(), part.states.dtype, part.mode


@cache
def whole(net: sx.Network, domain: sx.Polygon | sx.Slice, mode: str) -> object:
    """What every way to compute a partition must come to."""
    return content(canonical(sx.partition(net, domain, mode)))


def processes(workers: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def dask() -> Iterator[Executor]:
    """The executor of a cluster of two processes, which gives a task up as soon as its worker has died."""
    distributed = pytest.importorskip("distributed", reason="the extra [distributed] is not installed")
    from dask import config

    with (
        config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with processes() as pool:
        yield pool


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as threads:
        yield threads


@pytest.fixture(params=["threads", "pool", "dask"])
def executor(request: pytest.FixtureRequest) -> Executor:
    return request.getfixturevalue(request.param)


# -- the same as serial -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_many_are_the_serial_ones(executor: Executor, mode: str) -> None:
    jobs = [*KNOWN, *SLICES] if mode == "rational" else [*KNOWN[::7], *SLICES[::3]]
    expected = [whole(net, domain, mode) for net, domain in jobs]
    parts = list(partition_many(jobs, executor, mode=mode))
    assert [content(part) for part in parts] == expected
    for (net, domain), part in zip(jobs, parts, strict=True):
        assert part.network is net
        assert part.domain is domain
    assert [content(part) for part in partition_many(jobs[-3:], executor, mode=mode, points=True)] == expected[-3:]


@pytest.mark.parametrize("mode", MODES)
def test_many_without_an_executor_are_the_same(mode: str) -> None:
    assert [content(part) for part in partition_many(SLICES, mode=mode)] == [whole(*job, mode) for job in SLICES]


@pytest.mark.parametrize("mode", MODES)
def test_pieces_are_the_whole(executor: Executor, mode: str) -> None:
    for net, domain in (SLICES[0], (random_net(1, 2, 30, 2), SQUARE)):
        for points in (False, True):
            part = partition_pieces(net, domain, 5, executor, points=points, mode=mode)
            assert content(part) == whole(net, domain, mode)
            assert part.locate((0, 0)) == canonical(sx.partition(net, domain, mode)).locate((0, 0))


def test_reports_are_added_up() -> None:
    pytest.importorskip("torch", reason="the mode 'certified' needs torch")
    pieces = list(partition_many([(NET, piece) for piece in cut_domain(SQUARE, 3)], mode="certified"))
    assert partition_pieces(NET, SQUARE, 3, mode="certified").report == tuple(
        map(sum, zip(*(piece.report for piece in pieces), strict=True))
    )
    assert partition_pieces(NET, SQUARE, 3, mode="rational").report is None


SCRIPT = """
import os, sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import splinecam_exact as sx
from splinecam_exact.canonical import canonical
from splinecam_exact.scaling import partition_pieces

sys.path.insert(0, {folder!r})
from test_scaling import content, random_net

net = random_net(4, 2, 300, 2)
part = canonical(sx.partition(net, sx.square(1)))
part.counts()
with ProcessPoolExecutor(2, get_context("fork")) as pool:
    assert content(partition_pieces(net, sx.square(1), 4, pool)) == content(part)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
def test_processes_may_be_forked_when_torch_has_threads() -> None:
    """torch's threads do not live on in a forked process, which would wait for them for ever."""
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_more_jobs_than_are_begun_at_a_time_come_in_order(threads: Executor) -> None:
    jobs = [(NET, sx.square(k)) for k in range(1, 2 * scaling.AHEAD)]
    done: list[tuple[str, int, int]] = []
    parts = list(partition_many(iter(jobs), threads, mode="rational", progress=lambda *args: done.append(args)))
    assert [part.domain for part in parts] == [domain for _, domain in jobs]
    assert done == [("partitions", k, len(jobs)) for k in range(1, len(jobs) + 1)]


def test_no_two_jobs_share_a_network(threads: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network keeps its lowered program, and programs fill caches while they are used: one thread each."""
    used: list[sx.Network] = []

    def partition(net: sx.Network, *args: object, **options: object) -> sx.Subdivision:
        used.append(net)
        return sx.partition(net, *args, **options)

    monkeypatch.setattr(scaling, "partition", partition)
    list(partition_many(SLICES, threads, mode="rational"))
    assert used == [net for net, _ in SLICES]
    assert len({id(net) for net in [*used, DEEP]}) == len(SLICES) + 1


def test_float64_results_travel(pool: Executor) -> None:
    pytest.importorskip("torch", reason="the mode 'float64' needs torch")
    jobs = [(DEEP, SLICES[0][1]), *KNOWN]
    for net, domain in jobs:
        part = sx.partition(net, domain, "float64")
        (copy,) = partition_many([(net, domain)], pool, mode="float64")
        assert copy.mode == part.mode
        if part.certified:
            continue
        assert len(copy.faces) == len(part.faces)
        assert np.allclose(sorted(copy.coordinates.tolist()), sorted(part.coordinates.tolist()))
        assert {face.pattern for face in copy.faces} == {face.pattern for face in part.faces}


# -- errors -----------------------------------------------------------------------------------------------------------


def test_what_a_job_raises_is_raised_here(executor: Executor) -> None:
    jobs = [(NET, SQUARE), (random_net(1, 2, 30, 2), SQUARE), (NET, SQUARE)]
    parts = partition_many(jobs, executor, max_cells=10, mode="rational")
    assert next(parts).counts()["A"] == 4
    with pytest.raises(sx.Undecided, match="more than 10 cells") as caught:
        next(parts)
    assert type(caught.value) is sx.Undecided
    assert "rebuild" in str(caught.value.__cause__)  # the traceback in the worker
    with pytest.raises(StopIteration):
        next(parts)
    with pytest.raises(sx.InputError, match="no mode 'exact'"):
        partition_pieces(NET, SQUARE, 2, executor, mode="exact")


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_limit_on_cells_is_on_all_pieces_together(pieces: int) -> None:
    cells = len(sx.partition(*SLICES[0]).cells)
    assert len(partition_pieces(*SLICES[0], pieces, max_cells=cells).cells) == cells
    with pytest.raises(sx.Undecided, match=f"more than {cells - 1} cells: raise the limit"):
        partition_pieces(*SLICES[0], pieces, max_cells=cells - 1)


@pytest.mark.parametrize(
    "error",
    [
        *(kind("what", "why") for kind in (sx.FileFormatError, sx.MalformedCertificate, sx.RefutedCertificate)),
        *(kind("why") for kind in (sx.SplinecamError, sx.InputError, sx.NetworkError, sx.DomainError, sx.Undecided)),
        sx.MissingDependency("why"),
        WorkerDied("why"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_can_be_pickled(error: sx.SplinecamError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_no_error_is_left_out() -> None:
    tested = {type(error).__name__ for error in test_every_error_can_be_pickled.pytestmark[0].args[1]}
    assert tested == {name for name in vars(errors) if isinstance(getattr(errors, name), type)} | {"WorkerDied"}


class Unreadable(Exception):
    def __reduce__(self) -> str:
        raise TypeError("not to be pickled")


def fail_unreadably() -> None:
    raise Unreadable("why")


def test_errors_that_cannot_be_pickled_are_told(pool: Executor) -> None:
    with pytest.raises(sx.SplinecamError, match="Unreadable: why"):
        next(scaling._Jobs(fail_unreadably, [()], pool, 2, str).results())


@pytest.mark.parametrize("job", [(NET,), (SQUARE, NET), NET, (NET, SQUARE, 1), (NET, "square"), None])
def test_jobs_are_pairs_of_network_and_domain(job: object) -> None:
    with pytest.raises(sx.InputError, match="job 1 is not a pair"):
        partition_many([(NET, SQUARE), job])  # type: ignore[list-item]


@pytest.mark.parametrize("count", [-1, True, 1.5, "2"])
def test_counts_are_ints(count: object) -> None:
    with pytest.raises(sx.InputError, match="retries"):
        partition_many([], retries=count)  # type: ignore[arg-type]
    with pytest.raises(sx.InputError, match="pieces"):
        partition_pieces(NET, SQUARE, count)  # type: ignore[arg-type]


def test_domain_must_fit() -> None:
    with pytest.raises(sx.DomainError, match="choose a plane"):
        partition_many([(DEEP, SQUARE)])
    with pytest.raises(sx.DomainError, match="choose a plane"):
        partition_pieces(DEEP, SQUARE, 2)


# -- workers that die -------------------------------------------------------------------------------------------------


class Deadly(sx.Slice):
    """A domain that kills the process that works on it, unless it is this one, as often as a file has bytes."""

    file: Path

    def __reduce__(self) -> tuple[Callable[..., Deadly], tuple[object, ...]]:
        return deadly, (self.file, self.home)

    def check_fits(self, net: sx.Network) -> None:
        super().check_fits(net)
        if os.getpid() != self.home and (lives := self.file.read_bytes()):
            self.file.write_bytes(lives[1:])
            os._exit(1)


def deadly(file: Path, home: int) -> Deadly:
    domain = Deadly([0, 0], [[1, 0], [0, 1]])
    domain.file, domain.home = file, home
    return domain


@pytest.fixture(params=["processes", "dask"])
def mortal(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """An executor whose workers are processes."""
    if request.param == "dask":
        yield request.getfixturevalue("dask")
        return
    with processes() as pool:
        yield pool


def test_a_job_whose_worker_died_is_run_again(mortal: Executor, tmp_path: Path) -> None:
    file = tmp_path / "lives"
    file.write_bytes(b"x")
    jobs = [*SLICES[:2], (NET, deadly(file, os.getpid())), *SLICES[2:]]
    parts = list(partition_many(jobs, mortal, mode="rational"))
    assert file.read_bytes() == b""
    assert [content(part) for part in parts] == [whole(*job, "rational") for job in jobs]


def test_a_job_that_kills_every_worker_is_named(mortal: Executor, tmp_path: Path) -> None:
    file = tmp_path / "lives"
    file.write_bytes(b"x" * 9)
    jobs = [*SLICES[:2], (NET, deadly(file, os.getpid())), *SLICES[2:]]
    parts = partition_many(jobs, mortal, retries=1, mode="rational")
    assert [content(next(parts)) for _ in range(2)] == [whole(*job, "rational") for job in jobs[:2]]
    with pytest.raises(WorkerDied, match=r"^job 2 .*2 inputs.* on <Slice .* in 2 attempts, the last while no other"):
        next(parts)
    assert len(file.read_bytes()) == 7


def test_two_retries_are_three_attempts(tmp_path: Path) -> None:
    file = tmp_path / "lives"
    file.write_bytes(b"xx")
    jobs = [(NET, deadly(file, os.getpid())), *SLICES]
    with processes(1) as pool:
        assert [part.domain for part in partition_many(jobs, pool, mode="rational")] == [domain for _, domain in jobs]
    assert file.read_bytes() == b""


def test_without_retries_nobody_is_blamed(tmp_path: Path) -> None:
    file = tmp_path / "lives"
    file.write_bytes(b"x")
    with processes(1) as pool, pytest.raises(WorkerDied, match="it, or a job beside it"):
        list(partition_many([(NET, deadly(file, os.getpid()))], pool, retries=0, mode="rational"))


def test_a_pool_that_is_broken_from_the_start_is_replaced() -> None:
    with processes(1) as pool:
        assert isinstance(pool.submit(os._exit, 1).exception(), BrokenExecutor)
        assert len(list(partition_many(SLICES, pool, mode="rational"))) == len(SLICES)


class Unlucky(Executor):
    """Loses the first call `losses` times; the others end after a while. Who is still at work, at each attempt?"""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.first: object = None
        self.futures: list[Future[object]] = []
        self.at_work: list[int] = []

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:
        future: Future[object] = Future()
        assert isinstance(fn, partial)
        self.first = self.first or fn.args[1]
        if fn.args[1] is self.first:
            self.at_work.append(sum(not future.done() for future in self.futures))
            if len(self.at_work) <= self.losses:
                future.set_exception(OSError("lost"))
                return future
        self.futures.append(future)
        threading.Timer(0.1, lambda: future.set_result(fn(*args, **kwargs))).start()
        return future


def test_the_last_attempt_is_made_alone() -> None:
    for losses, retries, at_work in ((1, 1, [0, 0]), (1, 2, [0, 6]), (2, 2, [0, 6, 0])):
        unlucky = Unlucky(losses)
        parts = partition_many(SLICES, unlucky, retries=retries, mode="rational")
        assert [part.domain for part in parts] == [domain for _, domain in SLICES]
        assert unlucky.at_work == at_work
    with pytest.raises(WorkerDied, match=r"^job 0 .* 3 attempts, the last while no other job ran: OSError\('lost'\)"):
        next(partition_many(SLICES, Unlucky(3), retries=2, mode="rational"))


class Broken(Executor):
    def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        raise BrokenExecutor("for good")


def test_other_broken_executors_are_reported() -> None:
    with pytest.raises(BrokenExecutor, match="for good"):
        list(partition_many(SLICES, Broken()))


# -- cancelling -------------------------------------------------------------------------------------------------------


class Stalled(Executor):
    """Runs the first call, and never begins the others."""

    def __init__(self) -> None:
        self.futures: list[Future[object]] = []

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:
        self.futures.append(Future())
        if len(self.futures) == 1:
            self.futures[0].set_result(fn(*args, **kwargs))
        return self.futures[-1]


def test_closing_the_iterator_cancels_the_jobs() -> None:
    stalled = Stalled()
    parts = partition_many(SLICES, stalled, mode="rational")
    next(parts)
    assert not any(future.cancelled() for future in stalled.futures)
    parts.close()
    assert [future.cancelled() for future in stalled.futures] == [False] + [True] * (len(SLICES) - 1)


def test_an_error_in_progress_cancels_the_jobs() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise sx.Undecided("enough")

    stalled = Stalled()
    with pytest.raises(sx.Undecided, match="enough") as caught:
        next(partition_many(SLICES, stalled, progress=stop, mode="rational"))
    assert caught.tb is not None  # whoever keeps the traceback keeps the iterators
    assert all(future.cancelled() for future in stalled.futures[1:])


def test_ctrl_c_cancels_the_jobs() -> None:
    stalled = Stalled()
    parts = partition_many(SLICES, stalled, mode="rational")
    next(parts)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, a shell has it ignored
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(parts)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert all(future.cancelled() for future in stalled.futures[1:])


# -- what travels -----------------------------------------------------------------------------------------------------


@given(degenerate_networks())
def test_networks_and_domains_can_be_pickled(plain: PlainNetwork) -> None:
    for thing in (plain.network(), plain.domain()):
        copy = pickle.loads(pickle.dumps(thing))
        assert type(copy) is type(thing)
        assert (copy, copy.digest, vars(copy).keys()) == (thing, thing.digest, vars(thing).keys())


def test_caches_do_not_travel() -> None:
    net, plane = random_net(2, 3, 4, 1), sx.Slice([0, 0, 1], [[1, 0, 0], [0, 1, 0]], sx.square("1/3"))
    net = sx.Network(net.input_size, net.nodes, ["a convention, naïve"])
    fresh = pickle.dumps((net, plane))
    assert len(sx.partition(net, plane).faces) > 1
    assert (net.unit_count, plane.polygon.area, net.program().inputs) == (4, sx.square("1/3").area, 3)
    assert len({net.digest, plane.digest, plane.polygon.digest}) == 3
    assert pickle.dumps((net, plane)) == fresh
    assert pickle.loads(fresh)[0].conventions == net.conventions


def test_pickled_floats_cannot_be_made_writeable() -> None:
    floats = pickle.loads(pickle.dumps(DEEP)).nodes[0].weights[0].floats
    with pytest.raises(ValueError, match="WRITEABLE"):
        floats.flags.writeable = True


def test_pickled_networks_are_checked() -> None:
    text = pickle.dumps(random_net(3, 2, 1), 0).replace(b"affine", b"affinE")
    with pytest.raises(sx.FileFormatError, match="pickled network"):
        pickle.loads(text)


def test_executors_of_others_are_not_imported() -> None:
    script = "import sys, splinecam_exact.scaling\nprint(*{'distributed', 'torch', 'dask'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "\n"


def test_executor_that_was_shut_down_is_refused() -> None:
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [-1], "relu"), ([[1]], [0])])
    for executor in (ThreadPoolExecutor(1), ProcessPoolExecutor(1)):
        executor.shutdown()
        for job in (
            lambda: list(sx.partition_many([(net, sx.square(1))], executor)),  # noqa: B023
            lambda: sx.partition_pieces(net, sx.square(1), 2, executor),  # noqa: B023
            lambda: sx.check(sx.certify(net, sx.square(1)), net, sx.square(1), executor=executor),  # noqa: B023
        ):
            with pytest.raises(sx.InputError, match="shut down"):
                job()
