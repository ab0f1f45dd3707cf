"""Whatever a tool does is an outcome: nothing kills the runner or makes it believe a lie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.exchange import LIMITS, Limits
from splinecam_exact.testing.conformance.runner import Runner, run
from splinecam_exact.testing.conformance.suite import suite
from splinecam_exact.testing.conformance.wire import Inbox, WireError, claim_message, claim_of_message, frame

PROBLEM = suite(categories=["duplicate"])[0]
LIMITS_FOR = {"timeout": Limits(time=1.0), "memory": Limits(time=30.0, memory=300 << 20)}
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _beside_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


@pytest.mark.parametrize(
    ("tool", "status", "kind", "message"),
    [
        ("right", "right", "", ""),
        ("number_of_cells", "right", "", ""),
        ("exact_polygons", "right", "", ""),
        ("prints_and_is_right", "right", "", ""),
        ("changes_folder", "right", "", ""),
        ("forks_and_both_return", "right", "", ""),
        ("refuses", "refused", "", "no ReLU here"),
        ("says_nothing", "refused", "", ""),
        ("raises", "crash", "ValueError", "ValueError: sorting issue of two lines (hostile_tools.py, line "),
        ("raises_what_cannot_be_shown", "crash", "Evil", "its message cannot be read"),
        ("exits", "crash", "SystemExit", "SystemExit: 0"),
        ("exits_at_once", "crash", "exit", "exit code 0"),
        ("interrupts", "crash", "KeyboardInterrupt", ""),
        ("segfaults", "crash", "SIGSEGV", "SIGSEGV"),
        ("closes_everything", "crash", "exit", "exit code 1"),
        ("leaves_a_child", "crash", "exit", "exit code 5"),
        ("hangs", "timeout", "timeout", "no answer within 1 s"),
        ("stops_itself", "timeout", "timeout", "no answer within 1 s"),
        ("prints_forever", "timeout", "timeout", "no answer within 1 s"),
        ("eats_memory", "memory", "memory", ""),
        ("eats_memory_in_a_child", "memory", "memory", "more than 300 MiB"),
        ("eats_memory_in_a_child_that_has_left", "memory", "memory", "more than 300 MiB"),
        ("eats_shared_memory", "memory", "memory", "more than 300 MiB"),
        ("asks_for_too_much", "memory", "memory", "MemoryError"),
        ("has_a_nan", "nan", "nan", ""),
        ("writes_into_every_pipe", "malformed", "malformed", "something else than an answer was written"),
        ("returns_itself", "malformed", "malformed", ""),
        ("raises_when_read", "malformed", "malformed", "SystemExit"),
        ("breaks_numpy", "malformed", "malformed", "ZeroDivisionError"),
        ("returns_a_text", "malformed", "malformed", "four cells"),
        ("returns_a_function", "malformed", "malformed", "is no partition"),
        ("lies_about_length", "wrong", "", ""),
        ("returns_giant_numbers", "wrong", "", ""),
        ("returns_far_too_much", "wrong", "count", "120,000 corners"),
        ("returns_far_too_many_empty_cells", "wrong", "count", "200,000 corners or rows"),
        ("returns_vertices_alone", "malformed", "malformed", "nothing that is claimed can be compared"),
    ],
)
def test_each_misbehaviour_is_an_outcome(tool: str, status: str, kind: str, message: str) -> None:
    with Runner(f"hostile_tools:{tool}", LIMITS_FOR.get(status, LIMITS)) as runner:
        outcome = runner.run(PROBLEM)
        assert outcome.status == status, outcome.line()
        assert not kind or kind in outcome.kinds
        assert message in outcome.message
        assert outcome.failed == (status not in ("right", "refused"))
        if status != "timeout":  # the next problem is asked as if nothing had been
            assert runner.run(PROBLEM).status == status


def test_answers_to_other_questions_are_dropped() -> None:
    outcomes = run("hostile_tools:answers_late", suite(categories=["duplicate"])[:2])
    assert [outcome.status for outcome in outcomes] == ["right", "right"]


@pytest.mark.parametrize("leaving", ["", "os.setsid()", "os.setsid() or os.fork() and os._exit(0)"])
def test_what_a_tool_started_is_ended_with_it(leaving: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaving.py").write_text(
        "import os, time\ndef leave(problem):\n    if os.fork() == 0:\n"
        f"        {leaving}\n        open('pid', 'w').write(str(os.getpid()))\n        time.sleep(100)\n"
        "    time.sleep(100)\n"
    )
    with Runner("leaving:leave", Limits(time=1.0)) as runner:
        assert runner.run(PROBLEM).status == "timeout"
        pid = int((tmp_path / "pid").read_text())
        until = time.monotonic() + 5
        while is_running(pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process has not ended; if it has, nobody may have waited for it yet."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_tool_prints_is_kept_and_shortened() -> None:
    with Runner("hostile_tools:prints_and_is_right") as runner:
        output = runner.run(PROBLEM).output
    assert output.endswith("from Python\nan error")
    assert "bytes ...]" in output
    assert len(output) < 5000


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("hostile_tools", "a tool is named as module:function"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("hostile_tools:no_such", "has no no_such"),
        ("hostile_tools:not_callable", "is a int, not a function"),
        ("os:_exit.nothing", "has no _exit.nothing"),
    ],
)
def test_tool_that_cannot_be_loaded_is_an_error(tool: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        run(tool, [PROBLEM])


def test_elsewhere_than_on_linux_the_error_is_clear() -> None:
    program = (
        "import sys; sys.platform = 'darwin'; sys.modules['resource'] = None\n"
        "from splinecam_exact.testing.conformance import runner, suite\n"
        "runner.run('hostile_tools:right', suite.suite()[:1])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.stderr.endswith("InputError: a tool can be run on Linux only, where it can be limited, not on darwin\n")


def test_jobs_change_nothing() -> None:
    problems = suite(categories=["duplicate", "sliver"])
    one, two = (run("hostile_tools:wrong_on_two_or_more", problems, jobs=jobs) for jobs in (1, 2))
    assert [o.line() for o in one] == [o.line() for o in two]
    assert {o.status for o in one} == {"right", "wrong"}


def test_jobs_and_limits_must_be_positive() -> None:
    for jobs in (0, -1, 1.5):
        with pytest.raises(InputError, match="jobs"):
            run("hostile_tools:right", [PROBLEM], jobs=jobs)  # type: ignore[arg-type]
    for limits in (Limits(time=0), Limits(time=float("nan")), Limits(memory=0)):
        with pytest.raises(InputError, match="limits"):
            Runner("hostile_tools:right", limits)
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="tolerance"):
            Runner("hostile_tools:right", tolerance=tolerance)


def test_how_far_corners_are_off_is_told() -> None:
    (outcome,) = run("splinecam_exact.testing.conformance.own:rational", [PROBLEM])
    assert outcome.vertex_error is not None
    assert outcome.vertex_error < 1e-15
    (outcome,) = run("hostile_tools:number_of_cells", [PROBLEM])
    assert outcome.vertex_error is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt_ends_all_processes(jobs: int, tmp_path: Path) -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from splinecam_exact.testing.conformance.runner import run\n"
        "from splinecam_exact.testing.conformance.suite import suite\n"
        f"run('hanging:hang', suite()[:4], jobs={jobs})"
    )
    (tmp_path / "hanging.py").write_text(
        "import os, time\ndef hang(problem):\n    open(f'pid{os.getpid()}', 'w').close()\n    time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 30
        while len(list(tmp_path.glob("pid*"))) < jobs and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=5)
    assert b"KeyboardInterrupt" in errors
    pids = [int(path.name[3:]) for path in tmp_path.glob("pid*")]
    assert len(pids) == jobs
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_comes_from_a_tool_can_be_printed() -> None:
    claim = Claim(polygons=(np.array("\x1b[31m", object),), source="\x07\n")
    arrived = sent(claim)
    assert arrived.source == "\\x07\\n"
    assert arrived.polygons is not None
    assert arrived.polygons[0].item() == "\\x1b[31m"


# -- the wire ---------------------------------------------------------------------------------------------------------


def sent(claim: Claim) -> Claim:
    """The claim as the other side reads it."""
    head, body = claim_message(claim)
    ((head, body),) = Inbox().feed(frame(head, body))
    return claim_of_message(head, body)


@pytest.mark.parametrize(
    "plain",
    [
        [[(0, 0), (0.1, 0), (0, 1)], np.zeros((0, 2)), "no cell"],
        [[(0, 0), ("1/3", 0), (0, float("nan"))]],
        {"patterns": [[1, 0, -1]], "counts": {"A": 3}},
        {"patterns": np.array([[True, False]])},
        {"vertices": [(0, 0), ("1/3", 1)], "edges": [(0, 1)], "vertex_signs": [[0], [1]]},
        {"segments": [[(0, 0), (1, 1)]], "E": 5},
        {"polygons": [np.float32([[0, 0], [0.1, 0], [0, 1]])], "source": "a tool"},
    ],
)
def test_claims_arrive_as_they_were(plain: object) -> None:
    claim = claim_of(plain)
    arrived = sent(claim)
    for field in Claim.__dataclass_fields__:
        here, there = getattr(claim, field), getattr(arrived, field)
        if field == "polygons" and here is not None:
            assert len(here) == len(there)
            for a, b in zip(here, there, strict=True):
                assert (a.dtype, a.shape, str(a.tolist())) == (b.dtype, b.shape, str(b.tolist()))
        elif isinstance(here, np.ndarray):
            assert (here.dtype, str(here.tolist())) == (there.dtype, str(there.tolist()))
        else:
            assert here == there


@pytest.mark.parametrize(
    "change",
    [
        {"arrays": 3},
        {"arrays": [["polygons", "<f8", [2, 2], 10**9]]},
        {"arrays": [["polygons", "<f8", [2, 2], -1]]},
        {"arrays": [["polygons", "<f8", [1 << 61, 2], 0]]},
        {"arrays": [["polygons", "|O8", [1, 2], 16]]},
        {"arrays": [["polygons", "numbers", [1], 3]]},
        {"arrays": [["nonsense", "<f8", [0], 0]]},
        {"arrays": [["patterns", "<f8", [1, 1], 8], ["patterns", "<f8", [1, 1], 8]]},
        {"arrays": [[1]]},
        {"counts": {"A": 0.5}},
        {"counts": {"Z": 1}},
        {"counts": [1]},
        {"source": 3},
    ],
)
def test_forged_messages_are_refused(change: dict[str, object]) -> None:
    head, body = claim_message(claim_of([[(0.5, 0), (1, 0), (0, 1)]]))
    with pytest.raises(WireError):
        claim_of_message(head | change, body)
    for nonsense in (None, [], {}, "text", 3):
        with pytest.raises(WireError):
            claim_of_message(nonsense, body)


@pytest.mark.parametrize("data", [b"\xff" * 16, b"\x02" + b"\0" * 15 + b"[]", b"\x01" + b"\0" * 15 + b"{"])
def test_forged_frames_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        list(Inbox().feed(data))
