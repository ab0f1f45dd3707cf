"""The command `compare`: another tool's partition, from a file, against the exact one."""

from __future__ import annotations

import argparse
import math
from time import perf_counter

from splinecam_exact.boundaries import boundary as boundary_of
from splinecam_exact.cli_commands import found_by, named, show_time, subject_of, wrote
from splinecam_exact.cli_inputs import check_limits, check_outputs
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.limits import with_time_limit
from splinecam_exact.partitioning import partition
from splinecam_exact.plotting import check_format, require_matplotlib

MOST_DEFECTS = 1000
"""So many defects are printed as JSON; a file that is saved has all."""


def compare(args: argparse.Namespace, output: Output) -> Result:
    """Read the claim, partition, compare; the result's status is "verified" where nothing is wrong, or "refuted"."""
    from splinecam_exact.comparison import compare as compare_of
    from splinecam_exact.comparison.adapters.files import read_claim
    from splinecam_exact.comparison.result import check_report

    check_limits(args)
    check_outputs(args, [args.save, args.plot])
    if args.tolerance is not None and not 0 <= args.tolerance < math.inf:
        raise InputError(f"--tolerance must be a distance, not {args.tolerance:g}")
    if args.save is not None:
        check_report(args.save)
    if args.plot is not None:
        require_matplotlib()
        check_format(args.plot)
    claim = read_claim(args.other)
    if args.boundary and claim.segments is None:
        raise InputError(f"--boundary: {args.other} claims no boundary segments")
    net, dom = subject_of(args)
    start = perf_counter()
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        how = {"mode": args.mode, "device": args.device, "max_memory": args.max_memory}
        part = partition(net, dom, progress=watch, max_cells=args.max_cells, **how)
        exact = boundary_of(part, progress=watch, max_cells=args.max_cells) if args.boundary else None
        found = compare_of(claim, part, tolerance=args.tolerance, boundary=exact, progress=watch)
    for line in found.text().splitlines():
        output.say(line)
    how_found = found_by(part, output)
    defects = found.to_json()["defects"]
    result = {
        "status": "verified" if found.passed else "refuted",
        **found.summary(),
        "defects": defects[:MOST_DEFECTS],
        "claim": args.other,
        **how_found,
        **named(args, net, dom),
        "seconds": show_time(output, start),
    }
    if args.save is not None:
        found.save(args.save)
        result["saved"] = wrote(output, "report", args.save)
    if args.plot is not None:
        found.plot(args.plot)
        result["picture"] = wrote(output, "picture", args.plot)
    return result
