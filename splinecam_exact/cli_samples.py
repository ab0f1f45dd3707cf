"""The command samples: what is proved about points near a decision boundary."""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
from gmpy2 import mpq, mpz

from splinecam_exact._text import brief, parse_number
from splinecam_exact.cli_commands import show_time, wrote
from splinecam_exact.cli_inputs import check_limits, check_outputs, read_network
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.limits import with_time_limit
from splinecam_exact.network import Network
from splinecam_exact.plotting import check_format, require_matplotlib
from splinecam_exact.sample_files import check_samples
from splinecam_exact.sample_points import read_points
from splinecam_exact.samples import Samples, certify_samples

MOST_POINTS = 10_000
"""So many points' verdicts are printed as JSON."""
_SAVED = ("output", "classes", "level", "radius", "save", "plot")


def samples(args: argparse.Namespace, output: Output) -> Result:
    """Certify points, or check verdicts that were saved."""
    check_limits(args)
    net = read_network(args)
    start = perf_counter()
    found = _certified(args, net, output) if args.check is None else _checked(args, net, output)
    named = {"model": args.model, "network": net.digest, "conventions": list(net.conventions)}
    return {**found, **named, "seconds": show_time(output, start)}


def _certified(args: argparse.Namespace, net: Network, output: Output) -> Result:
    if args.points is None:
        raise InputError("give a file of points, or --check with a file of verdicts")
    check_outputs(args, [args.save, args.plot])
    if args.plot is not None:
        require_matplotlib()
        check_format(args.plot)
    classes = None if args.classes is None else _classes(args.classes)
    level = None if args.level is None else _number(args.level, "--level")
    radius = None if args.radius is None else _number(args.radius, "--radius")
    points = read_points(args.points, net.input_size)
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        found = certify_samples(
            net, points, 0 if level is None else level, args.output, classes, radius, progress=watch
        )
    for line in found.table().splitlines():
        output.say(line)
    counts = f"{found.decided_exactly:,} in exact arithmetic, {found.decided_in_pairs:,} in pairs of float64"
    output.row("decided", f"{counts}, all others in float64, with bounds")
    result = {"status": "done", **_summary(found)}
    if args.save is not None:
        found.save(args.save)
        result["saved"] = wrote(output, "saved", args.save)
    if args.plot is not None:
        found.plot(path=args.plot)
        result["picture"] = wrote(output, "picture", args.plot)
    return result


def _checked(args: argparse.Namespace, net: Network, output: Output) -> Result:
    for name in _SAVED:
        if getattr(args, name) is not None:
            raise InputError(f"--{name} does not go with --check: the file says what it claims")
    points = None if args.points is None else read_points(args.points, net.input_size)
    with output.progress() as progress:
        verdict = check_samples(args.check, net, points, progress=with_time_limit(progress, args.time_limit))
    for status, count in verdict.counts.items():
        output.row(status, count)
    result = {
        "status": verdict.status,
        "place": verdict.place,
        "reason": verdict.reason,
        "counts": dict(verdict.counts),
    }
    output.verdict(result)
    return {**result, "file": args.check}


def _number(text: str, option: str) -> mpq:
    try:
        return parse_number(text)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def _classes(text: str) -> tuple[int, int]:
    words = text.split(",")
    if len(words) != 2 or not all(word.strip().isascii() and word.strip().isdigit() for word in words):
        raise InputError(f"--classes {brief(text)}: write two outputs' numbers, as in 3,5")
    first, second = (int(mpz(word.strip())) for word in words)  # int itself refuses more than 4300 digits
    return first, second


def _summary(found: Samples) -> Result:
    proved = found.bound[np.isfinite(found.bound)]
    marks = np.quantile(proved, (0, 0.5, 1)).tolist() if len(proved) else [None] * 3
    return {
        "boundary": found.question.text(),
        "radius": None if found.radius is None else str(found.radius),
        "counts": found.counts(),
        "proved_distance": dict(zip(("least", "median", "greatest"), marks, strict=True)),
        "decided_exactly": found.decided_exactly,
        "decided_in_pairs": found.decided_in_pairs,
        "points": _each(found) if len(found) <= MOST_POINTS else None,
    }


def _each(found: Samples) -> Result:
    """What is proved about each point."""
    bounds = [bound if bound < np.inf else None for bound in found.bound.tolist()]
    return {"status": found.status.tolist(), "answer": found.answers.tolist(), "bound": bounds}
