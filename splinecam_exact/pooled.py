"""Exact evaluation in other processes, on any `concurrent.futures.Executor`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.evaluation import Evaluate, Values, alike, evaluate
from splinecam_exact.kernel.program import Program
from splinecam_exact.kernel.rational import Point

R = TypeVar("R")

PART = 256
"""So many points are sent at a time."""

PATIENCE = 0.1
"""So many seconds pass before the limits are looked at again."""


def submitted(executor: Executor, function: Callable[..., R], *arguments: Any) -> Future[R]:
    """`executor.submit`. Raises InputError where the executor has been shut down, BrokenExecutor where it is broken."""
    try:
        return executor.submit(function, *arguments)
    except BrokenExecutor:
        raise
    except RuntimeError as error:
        raise InputError(f"the executor takes no jobs ({error}): give one that has not been shut down") from None


def pooled(executor: Executor, program: Program) -> Evaluate:
    """What evaluates a program on an executor. Where a worker dies, its part of the work is done here."""
    data = pickle.dumps(program)

    def run(program: Program, points: Sequence[Point], tick: Callable[[], object]) -> Iterator[Values]:
        order = sorted(range(len(points)), key=lambda v: alike(points[v]))
        parts = [[points[v] for v in order[k : k + PART]] for k in range(0, len(points), PART)]
        values: list[Values] = []
        futures: list[Future[list[Values]]] = []
        with suppress(BrokenExecutor):
            futures += (submitted(executor, _evaluate, data, part) for part in parts)
        try:
            for k, part in enumerate(parts):
                found = _result(futures[k], tick) if k < len(futures) else None
                values += evaluate(program, part, tick) if found is None else found
        finally:
            for future in futures:
                future.cancel()
        found_at = dict(zip(order, values, strict=True))
        return (found_at[v] for v in range(len(points)))

    return run


def _result(future: Future[list[Values]], tick: Callable[[], object]) -> list[Values] | None:
    while True:
        tick()
        try:
            return future.result(PATIENCE)
        except NotYet:
            continue
        except BrokenExecutor:
            return None


def _evaluate(data: bytes, points: Sequence[Point]) -> list[Values]:
    """In the worker."""
    return list(evaluate(_program(data), points, _nothing))


@lru_cache(1)
def _program(data: bytes) -> Program:
    program: Program = pickle.loads(data)
    return program


def _nothing() -> None:
    pass
