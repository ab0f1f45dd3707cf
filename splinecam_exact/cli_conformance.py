"""The command `conformance`: another tool, tested on the suite."""

from __future__ import annotations

import argparse
import json
import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from splinecam_exact._files import atomic_write, shown
from splinecam_exact.cli_commands import wrote
from splinecam_exact.cli_inputs import check_outputs
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.cli_parser import UsageError
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.badge import badge
from splinecam_exact.testing.conformance.card import Card
from splinecam_exact.testing.conformance.exchange import Limits
from splinecam_exact.testing.conformance.expected import Expected, load_expected
from splinecam_exact.testing.conformance.minimize import minimize
from splinecam_exact.testing.conformance.outcomes import Truth, exact
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.reproducer import write_reproducer
from splinecam_exact.testing.conformance.runner import Runner, run
from splinecam_exact.testing.conformance.suite import label, suite


def conformance(args: argparse.Namespace, output: Output) -> Result:
    """List the problems, store what is right, test a tool: whatever the options say."""
    _check(args)
    if args.list:
        return _listed(suite(args.full, args.category), output)
    problems, truth, result = _problems(args, output)
    if args.tool is None:
        return {"status": "done", **result}
    limits = Limits(args.time, args.memory << 20)
    with output.progress() as progress, _ended_by_sigterm():
        outcomes = run(
            args.tool, problems, limits, jobs=args.jobs, truth=truth, tolerance=args.tolerance, progress=progress
        )
    card = Card(args.tool, outcomes, limits)
    for line in card.text().splitlines():
        output.say(line)
    if card.passed and card.totals["refused"]:
        output.say("Nothing is wrong, but what was refused was not tested.")
    result = {"status": "done" if card.passed else "refuted", **card.to_json(), **result}
    if args.output is not None:
        _write(args.output, json.dumps(card.to_json(), indent=1) + "\n")
        result["saved"] = wrote(output, "card", args.output)
    if args.badge is not None:
        _write(args.badge, badge(card))
        result["badge"] = wrote(output, "badge", args.badge)
    if args.minimize is not None:
        result["reproducers"] = _minimized(args, card, limits, output)
    return result


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM, which CI sends to cancel a job, ends what the tool has started, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt) if current_thread() is main_thread() else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _check(args: argparse.Namespace) -> None:
    if args.tool is None:
        if not args.list and args.store is None:
            raise UsageError("nothing to do: give --tool, --store or --list")
        for option in ("output", "badge", "minimize", "expected"):
            if getattr(args, option) is not None:
                raise UsageError(f"--{option} needs a --tool")
    if args.full and args.expected is not None:
        raise UsageError("--full does not go with --expected: the problems are those in the file")
    if args.tolerance is not None and not 0 <= args.tolerance < math.inf:
        raise InputError(f"--tolerance must be a number of at least 0, not {args.tolerance:g}")
    if args.badge is not None and not args.badge.endswith(".svg"):
        raise InputError(f"--badge saves .svg, not {shown(args.badge)}")
    if args.jobs < 1:
        raise InputError(f"--jobs must be positive, not {args.jobs}")
    check_outputs(args, [args.output, args.badge, args.store])
    if args.minimize is not None and Path(args.minimize).exists() and not Path(args.minimize).is_dir():
        raise InputError(f"{shown(args.minimize)}: is not a folder")


def _listed(problems: list[Problem], output: Output) -> Result:
    for problem in problems:
        output.say(f"{label(problem)}: {len(problem.units)} units")
    output.say(f"{len(problems)} problems")
    return {"status": "done", "problems": [{"problem": label(p), "digest": p.digest} for p in problems]}


def _problems(args: argparse.Namespace, output: Output) -> tuple[list[Problem], Truth, Result]:
    """The problems, who knows what is right, and what was stored."""
    with output.progress() as progress:
        if args.expected is not None:
            wanted = args.category
            found = load_expected(
                args.expected, progress=progress, keep=lambda p: wanted is None or p.category in wanted
            )
            if not found.problems:
                raise InputError(f"{shown(args.expected)}: holds no problem of these categories")
            return found.problems, found, {}
        problems = suite(args.full, args.category)
        if args.store is None:
            return problems, exact, {}
        stored = Expected((problem, exact(problem)) for problem in problems)
        sizes = stored.save(args.store)
    cells = sum(len(stored(problem).faces) for problem in problems)
    largest = max(sizes, key=lambda name: sizes[name])
    path = wrote(output, "expected", args.store)
    output.row("problems", f"{len(problems):,} with {cells:,} cells; the largest, {largest}: {sizes[largest]:,} bytes")
    return problems, stored, {"stored": path, "sizes": sizes}


def _minimized(args: argparse.Namespace, card: Card, limits: Limits, output: Output) -> list[Result]:
    """The smallest failure of each category, made as simple as it can be."""
    found: list[Result] = []
    with Runner(args.tool, limits, tolerance=args.tolerance) as runner, output.progress() as progress:
        for category in card.categories:
            for failed in card.failures(category)[:1]:
                small = minimize(runner, failed, progress=progress)
                paths = write_reproducer(small.outcome, args.tool, args.minimize)
                units = len(small.outcome.problem.units)
                output.row("reproducer", f"{paths[1]} ({units} {'unit' if units == 1 else 'units'})")
                found.append({**small.outcome.to_json(), "files": [str(path) for path in paths]})
    return found


def _write(path: str, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
