"""The command `boundary`: the exact decision boundary or level set, and samples of it."""

from __future__ import annotations

import argparse
from math import isfinite
from time import perf_counter

from splinecam_exact._text import brief, parse_number
from splinecam_exact.boundaries import Boundary
from splinecam_exact.boundaries import boundary as boundary_of
from splinecam_exact.boundary_files import check_boundary_format, check_samples_format, write_samples
from splinecam_exact.boundary_samples import BoundarySample, check_count, sample_boundary
from splinecam_exact.cli_commands import found_by, named, show_time, subject_of, wrote
from splinecam_exact.cli_inputs import check_limits, check_outputs
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.limits import with_time_limit
from splinecam_exact.network import Network
from splinecam_exact.partitioning import partition
from splinecam_exact.plotting import check_format, plot, require_matplotlib

MAX_DIGITS = 18
"""No network has so many outputs that their numbers need more."""


def boundary(args: argparse.Namespace, output: Output) -> Result:
    """Find the boundary, and perhaps sample, save and draw it."""
    _check(args)
    net, dom = subject_of(args)
    wanted = _wanted(args, net)
    start = perf_counter()
    samples: list[BoundarySample] = []
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        how = {"mode": args.mode, "device": args.device, "max_memory": args.max_memory}
        part = partition(net, dom, progress=watch, max_cells=args.max_cells, **how)
        found = boundary_of(part, **wanted, progress=watch, max_cells=args.max_cells)
        if args.samples is not None:
            samples = sample_boundary(
                found, args.samples, args.by or "length", seed=args.seed, dtype=args.dtype or "float64"
            )
    result = {
        "status": "done",
        **found_by(part, output),
        "kind": found.kind,
        **_counted(found, output),
        **named(args, net, dom),
        "seconds": show_time(output, start),
    }
    if samples:
        result["samples"] = _sampled(samples, output)
    if args.save is not None and samples:
        write_samples(samples, args.save)
        result["saved"] = wrote(output, "samples", args.save)
    elif args.save is not None:
        found.save(args.save)
        result["saved"] = wrote(output, "boundary", args.save)
    if args.plot is not None:
        plot(part, boundary=found.segments, points=[sample.point for sample in samples], path=args.plot)
        result["picture"] = wrote(output, "picture", args.plot)
    return result


def _check(args: argparse.Namespace) -> None:
    check_limits(args)
    if args.samples is None:
        for name in ("by", "seed", "dtype"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name} is for samples: say how many, with --samples")
    else:
        check_count(args.samples)
    for name in ("samples", "save"):
        if getattr(args, name) is not None and args.mode == "float64":
            raise InputError(f"--{name} is for exact results: choose another --mode than float64")
    if args.save is not None:
        (check_boundary_format if args.samples is None else check_samples_format)(args.save)
    check_outputs(args, [args.save, args.plot])
    if args.plot is not None:
        require_matplotlib()
        check_format(args.plot)


def _wanted(args: argparse.Namespace, net: Network) -> Result:
    """The arguments of `boundary`."""
    wanted: Result = {"level": _level(args.level)}
    if args.classes is not None:
        words = args.classes.split(",")
        if len(words) != 2 or not all(word.strip().isascii() and word.strip().isdigit() for word in words):
            raise InputError(f"--classes {brief(args.classes)}: write two outputs' numbers, as in 0,1")
        if (longest := max(map(len, words))) > MAX_DIGITS:
            raise InputError(f"--classes: there is no output whose number has {longest} digits")
        wanted["classes"] = tuple(map(int, words))
    elif args.output is not None:
        wanted["output"] = args.output
    elif args.argmax:
        net.with_head("argmax")  # raises where there is none
    return wanted


def _level(text: str) -> object:
    try:
        return parse_number(text)
    except InputError as error:
        raise InputError(f"--level: {error}") from None


def _counted(found: Boundary, output: Output) -> Result:
    """What there is, in words; exact numbers as strings for programs."""
    summary = found.summary()
    low, high = found.length_bounds
    output.row("segments", f"{summary['segments']:<8,} in {summary['chains']:,} chains")
    output.row("components", f"{summary['components']:,}")
    output.row("loops", f"{summary['loops']:<8,} nested {summary['depth']} deep")
    finite = isfinite(found.length)
    output.row("length", f"{found.length:.17g} in slice coordinates" if finite else "beyond float64")
    for name, text in (
        ("triple points", "points where three or more outputs are largest"),
        ("filled areas", "cells on which it is two-dimensional"),
        ("isolated points", "points where it only touches"),
    ):
        if summary[name]:
            output.row(name.split()[0], f"{summary[name]:<8,} {text}")
    return {
        **{name.replace(" ", "_"): count for name, count in summary.items()},
        "nesting": found.nesting,
        "length": found.length if finite else None,  # JSON has no infinity
        "length_bounds": [format_rational(low), format_rational(high)],
    }


def _sampled(samples: list[BoundarySample], output: Output) -> Result:
    furthest = max(sample.distance for sample in samples)
    bracketed = sum(sample.bracket is not None for sample in samples)
    output.row(
        "sampled", f"{len(samples):,} points exactly on it, the nearest {samples[0].dtype} within {furthest:.3g}"
    )
    output.row("brackets", f"{bracketed:,} of them between two {samples[0].dtype} points where the sign differs")
    return {"count": len(samples), "distance": furthest, "bracketed": bracketed}
