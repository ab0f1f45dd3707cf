"""The worker process of a tool, seen from the runner: started again when it is gone, killed with all that it started.

Everything that comes from it is read as what a stranger wrote. It is no sandbox: a tool that wants to can still remove
files, kill the runner, or hide a process (see `family`). Where the runner itself is killed, the worker ends with it,
but not what that had started. For Linux: nowhere else can all this be limited.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from threading import Event

import splinecam_exact
from splinecam_exact._files import printable
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.exchange import KEPT, Answer, Child, Exchange, Limits
from splinecam_exact.testing.conformance.family import end_family, mark
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.wire import Inbox, WireError, claim_of_message

STARTUP = 120.0
"""Seconds in which a tool must be imported."""

_START = "import sys; sys.path.append(sys.argv[1]); from splinecam_exact.testing.conformance.worker import main; main()"
_STATUSES = ("claim", "refused", "crash", "memory", "malformed")


class Worker:
    """A process with a tool in it. `ask` starts it when there is none; `close` ends it."""

    def __init__(self, tool: str, limits: Limits, stop: Event) -> None:
        self.tool = tool
        self.limits = limits
        self.stop = stop
        self._child: Child | None = None

    def start(self) -> Child:
        """Start the process and import the tool. Raises InputError, with the reason, where that fails."""
        if self._child is not None:
            return self._child
        if sys.platform != "linux":
            raise InputError(f"a tool can be run on Linux only, where it can be limited, not on {sys.platform}")
        self._child = child = _spawn()
        request = {"tool": self.tool, "memory": self.limits.memory, "path": sys.path}
        head, _, found = Exchange(child, request, self.limits._replace(time=STARTUP), None, self.stop).run()
        if head is None or head.get("status") != "ready":
            self.close()
            reason = found.reason if head is None else str(head.get("reason"))
            last = found.output.strip().rpartition("\n")[2][:200]
            also = f" ({last})" if last else ""
            raise InputError(f"the tool {self.tool} cannot be loaded: {printable(reason)[:KEPT]}{also}")
        return child

    def ask(self, problem: Problem) -> Answer:
        """The tool's answer to a problem, within the limits. Raises InputError where the tool cannot be loaded."""
        nonce = token_hex(16)
        request = {"nonce": nonce, "problem": problem.to_json()}
        head, body, found = Exchange(self.start(), request, self.limits, nonce, self.stop).run()
        if head is None:
            self.close()
            return found
        if head.get("status") not in _STATUSES:
            self.close()
            return found._replace(status="malformed", reason="something else than an answer was written")
        found = found._replace(
            status=head["status"],
            kind=printable(str(head.get("kind", "")))[:KEPT],
            reason=printable(str(head.get("reason", "")))[:KEPT],
        )
        if found.status == "memory":
            self.close()
        if found.status != "claim":
            return found
        try:
            return found._replace(claim=claim_of_message(head.get("claim"), body))
        except WireError as error:
            self.close()
            return found._replace(status="malformed", reason=printable(str(error))[:KEPT])

    def close(self) -> None:
        """Kill the process and all that it started."""
        child, self._child = self._child, None
        if child is None:
            return
        end_family(child.process.pid, child.mark)  # nobody has waited for it: the number is still its own
        child.process.wait()
        for descriptor in (child.requests, child.answers, child.printed):
            os.close(descriptor)


def _spawn() -> Child:
    root = str(Path(splinecam_exact.__file__).parents[1])
    variable = mark(token_hex(16))
    (take, ask), (answers, give), (printed, write) = os.pipe(), os.pipe(), os.pipe()
    words = [sys.executable, "-c", _START, root, str(take), str(give), str(os.getpid())]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=write,
            pass_fds=(take, give),
            start_new_session=True,
            env={**os.environ, "PYTHONHASHSEED": "0", variable: ""},
        )
    except BaseException:
        for descriptor in (ask, answers, printed):
            os.close(descriptor)
        raise
    finally:
        for descriptor in (take, give, write):
            os.close(descriptor)
    for descriptor in (ask, answers, printed):
        os.set_blocking(descriptor, False)
    return Child(process, ask, answers, printed, Inbox(), variable)
