"""The process in which a tool runs: it takes problems, one at a time, and answers with claims.

The runner starts it, and believes nothing that it says: a tool shares this process, and can do here what it likes. File
descriptors 1 and 2 are the tool's, to print on; problems come and answers go through two others, a line of JSON for
each problem, a frame of `wire` for each answer.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from splinecam_exact.comparison.adapters import recognized
from splinecam_exact.comparison.claims import claim_of
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.wire import WireError, claim_message, frame

LONGEST = 300
"""So many characters of an error's text are kept."""

MAPPED = 1 << 30
"""Room above the memory limit for libraries that the tool loads while it works: they are mapped, but hardly used."""

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_PAGE = resource.getpagesize()

Tool = Callable[[Problem], object]


def main() -> None:
    """Serve the runner that started this process, until it closes the pipe. The arguments are set by `process`."""
    requests, answers = (int(word) for word in sys.argv[2:4])
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    _die_with_parent(int(sys.argv[4]))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    serve(os.fdopen(requests, "rb"), answers)


def serve(requests: BinaryIO, answers: int) -> None:
    """Load the tool that the first line names, then answer a line with a problem after the other."""
    owner, folder = os.getpid(), os.getcwd()
    first = json.loads(requests.readline())
    sys.path += [place for place in first["path"] if place not in sys.path]  # what the runner can import
    try:
        tool = load_tool(first["tool"])
    except BaseException as error:
        reason = _message(error) if type(error) is InputError else _told(error)
        _send(answers, owner, frame({"status": "unusable", "reason": reason}))
        return
    with suppress(ValueError, OSError):  # the system allows less already
        _limit_memory(first["memory"])
    _send(answers, owner, frame({"status": "ready"}))
    for line in requests:
        request = json.loads(line)
        problem = Problem.from_json(request["problem"])
        with suppress(OSError):
            os.chdir(folder)
        _seed()
        _send(answers, owner, answer(tool, problem, request["nonce"]))


def load_tool(name: str) -> Tool:
    """The function that "module:function" names; modules in the current folder come first. Raises InputError."""
    module, colon, function = name.partition(":")
    if not module or not colon or not function:
        raise InputError(f"a tool is named as module:function, not {name!r}")
    sys.path.insert(0, os.getcwd())
    found: Any = import_module(module)
    for part in function.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise InputError(f"the module {module} has no {function}") from None
    if not callable(found):
        raise InputError(f"{name} is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def answer(tool: Tool, problem: Problem, nonce: str) -> bytes:
    """The frame that says how a tool answered. Whatever the tool raises is an answer too."""
    head: dict[str, Any] = {"nonce": nonce}
    try:
        returned = tool(problem)
    except NotImplementedError as error:
        return frame(head | {"status": "refused", "reason": _message(error)})
    except MemoryError as error:
        return frame(head | {"status": "memory", "reason": _told(error)})
    except BaseException as error:
        kind = type(error).__name__[:LONGEST]
        return frame(head | {"status": "crash", "kind": kind, "reason": _told(error)})
    if returned is None:
        return frame(head | {"status": "refused", "reason": ""})
    try:
        claim = recognized(returned, problem)
        said, body = claim_message(claim_of(returned) if claim is None else claim)
        return frame(head | {"status": "claim", "claim": said}, body)
    except MemoryError as error:
        return frame(head | {"status": "memory", "reason": _told(error)})
    except (InputError, WireError) as error:
        return frame(head | {"status": "malformed", "reason": _message(error)})
    except BaseException as error:  # what it returned does as it likes
        return frame(head | {"status": "malformed", "reason": _told(error)})


def _told(error: BaseException) -> str:
    """An error in a line: its type, its message, where it was raised."""
    text = f"{type(error).__name__[:LONGEST]}: {_message(error)}"
    with suppress(Exception):
        last = traceback.extract_tb(error.__traceback__)[-1]
        if not last.filename.startswith("<"):
            text += f" ({os.path.basename(last.filename)}, line {last.lineno})"
    return text


def _message(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except BaseException:
        return "(its message cannot be read)"
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return text.encode("utf-8", "backslashreplace").decode()


def _send(answers: int, owner: int, data: bytes) -> None:
    """Write an answer. A process that the tool forked, and that came back here, has nothing to say."""
    if os.getpid() != owner:
        os._exit(0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):  # the tool may have put anything there
            stream.flush()
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(answers, view) :]
    except OSError:  # the runner is gone, or the tool has closed the pipe
        os._exit(1)


def _seed() -> None:
    """Choices by chance are the same each time, whatever ran before."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _limit_memory(size: int) -> None:
    with open("/proc/self/statm", "rb") as file:
        mapped = int(file.read().split()[0]) * _PAGE
    limit = mapped + size + MAPPED
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _die_with_parent(parent: int) -> None:
    """Where the system is Linux: end with the runner, even when that is killed and can stop nothing any more."""
    with suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
