"""The processes that a tool starts, wherever they go: found on Linux by a mark in the environment that they inherit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic, sleep

PATIENCE = 5.0
"""Seconds for which processes that do not end, or start others as fast as they are ended, are waited for."""


def mark(token: str) -> str:
    """The variable that marks the processes of a worker: one of its own for each, since a tool may run a suite too."""
    return f"SPLINECAM_EXACT_WORKER_{token}"


def family(group: int, variable: str) -> Iterator[int]:
    """The processes of a group, and those with a mark: a child that has left the group has it still.

    What overwrites or empties its environment, and has left the group, is not found.
    """
    return (pid for pid in _processes() if _group(pid) == group or _is_marked(pid, variable))


def end_family(group: int, variable: str) -> None:
    """Kill a group, then all that have the mark, until there are none."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    until = monotonic() + PATIENCE
    while (marked := [pid for pid in _processes() if _is_marked(pid, variable)]) and monotonic() < until:
        for pid in marked:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        sleep(0.001)


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def _is_marked(pid: int, variable: str) -> bool:
    """Whether a process has the mark. One that has ended has no environment any more."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{variable}=".encode() in file.read()
    except OSError:  # it is gone, or another user's
        return False
