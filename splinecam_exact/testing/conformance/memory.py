"""How much memory processes hold, as Linux tells it; elsewhere nothing is known, which is 0."""

from __future__ import annotations

import os
import resource

_PAGE = resource.getpagesize()


def process_memory(pid: int) -> int:
    """The bytes of a process that are in memory, those of shared files left out; 0 where that is not known."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = file.read().split()
    except (OSError, ValueError):  # it has ended, or there is no such file system
        return 0
    return (int(resident) - int(shared)) * _PAGE


def group_memory(group: int) -> int:
    """The same of all processes of a group. Pages that forked processes share count for each."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return 0
    return sum(process_memory(pid) for pid in pids if _group(pid) == group)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1
