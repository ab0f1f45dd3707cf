"""How much memory a process holds, as Linux tells it."""

from __future__ import annotations

_COUNTED = (b"RssAnon:", b"RssShmem:")


def process_memory(pid: int) -> int:
    """The bytes of a process that are in memory, shared memory too, but not those of files; 0 where it has ended.

    What several processes share counts for each.
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return sum(1024 * int(line.split()[1]) for line in file if line.startswith(_COUNTED))
    except OSError:
        return 0
