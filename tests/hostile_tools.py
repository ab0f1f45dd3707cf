"""Tools that do what a runner must survive. Each is one way to misbehave; `right` is the plain truth."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import threading
import time
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from splinecam_exact.partitioning import partition
from splinecam_exact.testing.conformance.problems import Problem


def right(problem: Problem) -> object:
    return partition(problem.network(), problem.polygon(), "rational")


def number_of_cells(problem: Problem) -> int:
    return len(right(problem).faces)  # type: ignore[attr-defined]


def wrong_on_two_or_more(problem: Problem) -> int:
    """One cell too many where there are three or more."""
    cells = number_of_cells(problem)
    return cells + (cells > 2)


def exact_polygons(problem: Problem) -> list[list[tuple[Fraction, ...]]]:
    faces = right(problem).faces  # type: ignore[attr-defined]
    return [[tuple(Fraction(int(x.numerator), int(x.denominator)) for x in p) for p in f.polygon] for f in faces]


def refuses(problem: Problem) -> NoReturn:
    raise NotImplementedError("no ReLU here")


def says_nothing(problem: Problem) -> None:
    return None


def raises(problem: Problem) -> NoReturn:
    raise ValueError("sorting issue\nof two lines")


def raises_what_cannot_be_shown(problem: Problem) -> NoReturn:
    class Evil(Exception):
        def __str__(self) -> str:
            raise SystemExit

    raise Evil


def exits(problem: Problem) -> NoReturn:
    sys.exit(0)


def exits_at_once(problem: Problem) -> NoReturn:
    os._exit(0)


def interrupts(problem: Problem) -> NoReturn:
    raise KeyboardInterrupt


def segfaults(problem: Problem) -> object:
    return ctypes.string_at(0)


def hangs(problem: Problem) -> NoReturn:
    while True:
        pass


def stops_itself(problem: Problem) -> object:
    os.kill(os.getpid(), signal.SIGSTOP)
    return right(problem)


def prints_forever(problem: Problem) -> NoReturn:
    while True:
        os.write(1, b"y\n" * 1000)


def prints_and_is_right(problem: Problem) -> object:
    os.write(1, b"\xff\x00garbage" * 50_000)
    print("from Python")
    sys.stderr.write("an error\n")
    return right(problem)


def eats_memory(problem: Problem) -> NoReturn:
    eaten = []
    while True:
        eaten.append(np.ones(2_000_000))
        time.sleep(0.002)


def eats_memory_in_a_child(problem: Problem) -> object:
    if os.fork() == 0:
        eats_memory(problem)
    time.sleep(100)
    return None


def eats_memory_in_a_child_that_has_left(problem: Problem) -> object:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            eats_memory(problem)
        os._exit(0)
    time.sleep(100)
    return None


def eats_shared_memory(problem: Problem) -> NoReturn:
    eaten = []
    while True:
        eaten.append(mmap.mmap(-1, 1 << 24))
        eaten[-1].write(b"x" * (1 << 24))
        time.sleep(0.002)


def asks_for_too_much(problem: Problem) -> object:
    return np.ones((1 << 40, 3, 2))


def has_a_nan(problem: Problem) -> object:
    return [np.array([[0.0, 0.0], [1.0, np.nan], [1.0, 1.0]])]


def writes_into_every_pipe(problem: Problem) -> object:
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    return right(problem)


def closes_everything(problem: Problem) -> object:
    os.closerange(0, 100)
    return right(problem)


def changes_folder(problem: Problem) -> object:
    os.chdir("/")
    return right(problem)


def forks_and_both_return(problem: Problem) -> object:
    """The child is faster, and wrong."""
    if os.fork() == 0:
        return 1000
    time.sleep(0.2)
    return right(problem)


def answers_late(problem: Problem) -> object:
    """A thread repeats the answer to the first problem when the second one is asked."""
    if not hasattr(np, "asked"):
        np.asked = True  # type: ignore[attr-defined]
        write = os.write

        def twice(descriptor: int, data: bytes) -> int:
            threading.Timer(0.2, lambda: write(descriptor, bytes(data))).start()
            return write(descriptor, data)

        os.write = twice  # type: ignore[assignment]
        return right(problem)
    time.sleep(0.5)
    return right(problem)


def leaves_a_child(problem: Problem) -> NoReturn:
    if os.fork() == 0:
        time.sleep(100)
    os._exit(5)


def returns_itself(problem: Problem) -> object:
    cells: list[Any] = []
    cells.append(cells)
    return cells


def lies_about_length(problem: Problem) -> object:
    class Liar(list[Any]):
        def __len__(self) -> int:
            return 5

    return Liar([[(0, 0), (1, 0), (0, 1)]])


def raises_when_read(problem: Problem) -> object:
    class Trap(list[Any]):
        def __getitem__(self, index: object) -> NoReturn:
            raise SystemExit(3)

        def __iter__(self) -> NoReturn:
            raise SystemExit(3)

    return Trap([1, 2, 3])


def breaks_numpy(problem: Problem) -> object:
    np.asarray = lambda *a, **k: 1 / 0  # type: ignore[assignment]
    return right(problem)


def returns_a_text(problem: Problem) -> object:
    return "four cells"


def returns_a_function(problem: Problem) -> object:
    return lambda: problem


def returns_far_too_much(problem: Problem) -> object:
    return [np.zeros((3, 2))] * 40_000


def returns_far_too_many_empty_cells(problem: Problem) -> object:
    return [[]] * 200_000


def returns_vertices_alone(problem: Problem) -> object:
    return {"vertices": np.array([[9.0, 9.0]] * 4)}


def returns_giant_numbers(problem: Problem) -> object:
    return [[(10**5000, 0), (1, 0), (0, 1)]]


not_callable = 3
