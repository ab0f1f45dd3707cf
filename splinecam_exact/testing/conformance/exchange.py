"""One question to a worker process and its answer, within limits of time and memory."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
from threading import Event
from time import monotonic
from typing import Any, NamedTuple

from splinecam_exact._files import printable
from splinecam_exact.comparison.claims import Claim
from splinecam_exact.testing.conformance.family import family
from splinecam_exact.testing.conformance.memory import process_memory
from splinecam_exact.testing.conformance.wire import Inbox, WireError

POLL = 0.02
FAMILY_POLL = 0.25
"""Seconds between two looks at a worker's memory, and at that of all processes that it started."""

KEPT = 1000
"""So many bytes of what a tool prints are kept, of the beginning and of the end."""

_CHUNK = 1 << 16


class Limits(NamedTuple):
    """What a tool may take for one problem: seconds, and bytes of memory for all its processes together."""

    time: float = 10.0
    memory: int = 2 << 30


LIMITS = Limits()


class Stopped(Exception):
    """Another thread wants the exchange to end."""


class Child(NamedTuple):
    """A process, this side's ends of its pipes, which never block, and what marks the processes that it starts."""

    process: subprocess.Popen[bytes]
    requests: int
    answers: int
    printed: int
    inbox: Inbox
    mark: str


class Answer(NamedTuple):
    """How a tool answered: `status` is "claim", "refused", "crash", "timeout", "memory" or "malformed".

    `kind` is the type of a crash (an exception's name, a signal's name, "exit"), `reason` its text; `memory` is the
    largest that was seen, in bytes; `output` what the tool printed, shortened.
    """

    status: str
    claim: Claim | None = None
    kind: str = ""
    reason: str = ""
    seconds: float = 0.0
    memory: int = 0
    output: str = ""


class Exchange:
    """A question and its answer: what was sent, what came, what was printed meanwhile, how much memory was seen."""

    def __init__(self, child: Child, request: dict[str, Any], limits: Limits, nonce: str | None, stop: Event) -> None:
        self.child = child
        self.pid = child.process.pid
        self.left = memoryview(json.dumps(request).encode() + b"\n")
        self.limits = limits
        self.nonce = nonce
        self.stop = stop
        self.memory = 0
        self.first = bytearray()
        self.last = bytearray()
        self.printed = 0

    def run(self) -> tuple[dict[str, Any] | None, bytes, Answer]:
        """The head and the body of the answer, and what was measured; no head where none came, and why."""
        begin = monotonic()
        status, kind, reason = "crash", "", ""
        found: tuple[dict[str, Any], bytes] | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self.child.answers, selectors.EVENT_READ)
            selector.register(self.child.printed, selectors.EVENT_READ)
            selector.register(self.child.requests, selectors.EVENT_WRITE)
            family_look = begin
            while True:
                if self.stop.is_set():
                    raise Stopped
                ended = _has_ended(self.pid)  # before the last look at the pipes: what it wrote is in them
                ready = [key.fd for key, _ in selector.select(0 if ended else POLL)]
                if self.child.requests in ready:
                    self._write(selector)
                if self.child.printed in ready:
                    self._read_printed(selector)
                now = monotonic()
                try:
                    found = self._read_answer(selector) if self.child.answers in ready else None
                except WireError as error:
                    status, reason = "malformed", str(error)
                    break
                size = process_memory(self.pid)
                if now - family_look >= FAMILY_POLL:
                    size, family_look = sum(map(process_memory, family(self.pid, self.child.mark))), now
                self.memory = max(self.memory, size)
                if found is not None:
                    break
                if now - begin > self.limits.time:
                    status, reason = "timeout", f"no answer within {self.limits.time:g} s"
                    break
                if size > self.limits.memory:
                    status, reason = "memory", f"more than {self.limits.memory / 2**20:,.0f} MiB"
                    break
                if ended and self.child.answers not in ready:
                    kind, reason = _ending(self.pid)
                    break
            if found is not None and self.child.printed in {key.fd for key in selector.get_map().values()}:
                self._read_printed(selector)
        answer = Answer(status, None, kind, reason, monotonic() - begin, self.memory, self._output())
        return (None, b"", answer) if found is None else (*found, answer)

    def _write(self, selector: selectors.BaseSelector) -> None:
        try:
            self.left = self.left[os.write(self.child.requests, self.left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads
            self.left = self.left[:0]
        if not self.left:
            selector.unregister(self.child.requests)

    def _read_answer(self, selector: selectors.BaseSelector) -> tuple[dict[str, Any], bytes] | None:
        """The answer, if it is complete. What answers another question (a thread's, a forked process's) is dropped."""
        data = os.read(self.child.answers, 1 << 20)
        if not data:
            selector.unregister(self.child.answers)
        for head, body in self.child.inbox.feed(data):
            if head.get("nonce") == self.nonce:
                return head, body
        return None

    def _read_printed(self, selector: selectors.BaseSelector) -> None:
        """Take what was printed; only the beginning and the end are kept. At most a chunk: it may never stop."""
        try:
            data = os.read(self.child.printed, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            selector.unregister(self.child.printed)
        self.printed += len(data)
        room = KEPT - len(self.first)
        self.first += data[:room]
        self.last = (self.last + data[room:])[-KEPT:]

    def _output(self) -> str:
        cut = self.printed - len(self.first) - len(self.last)
        middle = f"\n[... {cut} bytes ...]\n".encode() if cut else b""
        lines = bytes(self.first + middle + self.last).decode("utf-8", "replace").splitlines()
        return "\n".join(printable(line) for line in lines)


def _has_ended(pid: int) -> bool:
    """Whether the process has ended. It is left to be waited for, so that its number is not another's."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _ending(pid: int) -> tuple[str, str]:
    """The kind and the text of a process's end."""
    info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if info is None:
        return "exit", "the process ended"
    if info.si_code == os.CLD_EXITED:
        return "exit", f"the process ended with the exit code {info.si_status}"
    name = signal.Signals(info.si_status).name if info.si_status in set(signal.Signals) else str(info.si_status)
    return name, f"the process was ended by {name}"
