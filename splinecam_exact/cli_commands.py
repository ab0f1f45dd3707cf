"""The commands that compute on one network and one domain: partition, certify, check, plot."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from time import perf_counter

from splinecam_exact._files import shown
from splinecam_exact.certification import check as check_certificate
from splinecam_exact.certification import write_certificate
from splinecam_exact.cli_inputs import (
    check_command,
    check_limits,
    check_outputs,
    executor,
    parse_points,
    parse_share,
    read_domain,
    read_network,
)
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.decision import Decision, decision
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.kernel.errors import InputError, MalformedCertificate
from splinecam_exact.kernel.program import MAX_GROUP
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.limits import with_time_limit
from splinecam_exact.network import Network
from splinecam_exact.partitioning import partition as partition_of
from splinecam_exact.plotting import check_format, require_matplotlib
from splinecam_exact.plotting import plot as plot_of
from splinecam_exact.rounding import nearest
from splinecam_exact.statistics import Statistics
from splinecam_exact.subdivision import Subdivision


def partition(args: argparse.Namespace, output: Output) -> Result:
    """Partition, count, and perhaps save and draw."""
    check_limits(args)
    if args.save is not None and args.mode == "float64":
        raise InputError("--save is for exact results: choose another --mode than float64")
    check_outputs(args, [args.save, args.plot])
    if args.plot is not None:
        require_matplotlib()
        check_format(args.plot)
    net, dom = subject_of(args)
    kind = _decided_by(net, None, output) if args.plot is not None else None
    if args.mode != "rational" and find_spec("torch"):
        import_module("splinecam_exact.verify.result")  # seconds that are no part of the computation's
    start = perf_counter()
    part, decided = _computed(args, net, dom, kind, output)
    result = {"status": "done", **found_by(part, output), "counts": part.counts(), **named(args, net, dom)}
    output.counts(part.counts())
    result["seconds"] = show_time(output, start, ", with the decision boundary" if decided else "")
    if args.statistics:
        result["statistics"] = _statistics(part.statistics(), output)
    if args.save is not None:
        part.save(args.save)
        result["saved"] = wrote(output, "saved", args.save)
    if args.plot is not None:
        plot_of(part, boundary=decided, path=args.plot)
        result["picture"] = wrote(output, "picture", args.plot)
    return result


def certify(args: argparse.Namespace, output: Output) -> Result:
    """Partition, and write the certificate."""
    check_limits(args)
    check_outputs(args, [args.output])
    net, dom = subject_of(args)
    start = perf_counter()
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        part = partition_of(net, dom, progress=watch, max_cells=args.max_cells)
        write_certificate(part, args.output, resume=args.resume, progress=watch)
    result = {"status": "done", "counts": part.counts(), **named(args, net, dom)}
    output.counts(part.counts())
    result["seconds"] = show_time(output, start)
    result["certificate"] = wrote(output, "certificate", args.output)
    result["check"] = check_command(args, args.output)
    output.row("check it", result["check"])
    return result


def check(args: argparse.Namespace, output: Output) -> Result:
    """Check a certificate; the result's status is the verdict."""
    check_limits(args)
    spot = None if args.spot is None else parse_share(args.spot)
    net, dom = subject_of(args)
    start = perf_counter()
    with output.progress() as progress, executor(args.jobs) as pool:
        try:
            verdict = check_certificate(
                args.certificate,
                net,
                dom,
                method=args.method,
                spot=spot,
                seed=args.seed,
                executor=pool,
                progress=progress,
                time_limit=args.time_limit,
            )
        except MalformedCertificate as error:
            raise MalformedCertificate(f"{shown(args.certificate)}: {error.place}", error.reason) from None
    if verdict:
        output.counts(verdict.counts)
    result = {
        "status": verdict.status,
        "place": verdict.place,
        "reason": verdict.reason,
        "counts": dict(verdict.counts),
        **named(args, net, dom),
        "certificate": args.certificate,
        "method": args.method,
        "seconds": show_time(output, start),
    }
    output.verdict(result)
    return result


def plot(args: argparse.Namespace, output: Output) -> Result:
    """Draw the cells and the decision boundary."""
    check_limits(args)
    check_outputs(args, [args.output])
    require_matplotlib()
    check_format(args.output)
    net, dom = subject_of(args)
    points = [] if args.mark is None else parse_points(args.mark)
    kind = _decided_by(net, args.boundary, output, args.of)
    if kind is None and args.color_by == "class":
        raise InputError("--color-by class needs a decision boundary")
    start = perf_counter()
    part, decided = _computed(args, net, dom, kind, output, args.of)
    plot_of(
        part,
        boundary=decided,
        points=points,
        labels=range(len(points)),
        color_by=args.color_by,
        title=args.title,
        path=args.output,
    )
    result = {"status": "done", "counts": part.counts(), **named(args, net, dom)}
    output.counts(part.counts())
    result["seconds"] = show_time(output, start)
    result["picture"] = wrote(output, "picture", args.output)
    return result


def subject_of(args: argparse.Namespace) -> tuple[Network, Polygon | Slice]:
    net = read_network(args)
    return net, read_domain(args, net)


def _decided_by(net: Network, wanted: str | None, output: Output, of: int = 0) -> str | None:
    """The head whose decision boundary is drawn, or None. Raises NetworkError where the wanted one does not exist."""
    if wanted == "none":
        return None
    if wanted is None and net.output_size > MAX_GROUP:
        output.row("boundary", f"not drawn: an argmax is over {MAX_GROUP} outputs at most, there are {net.output_size}")
        return None
    kind = wanted or ("sign" if net.output_size == 1 else "argmax")
    net.with_head(kind, of)
    return kind


def _computed(
    args: argparse.Namespace,
    net: Network,
    dom: Polygon | Slice,
    kind: str | None,
    output: Output,
    of: int = 0,
) -> tuple[Subdivision, Decision | None]:
    """The partition and, where `kind` names a head, the decision; both within the limits."""
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        how = {name: getattr(args, name) for name in ("mode", "device", "max_memory") if name in args}
        part = partition_of(net, dom, progress=watch, max_cells=args.max_cells, **how)
        if kind is None:
            return part, None
        return part, decision(net, dom, kind, output=of, progress=watch, max_cells=args.max_cells)


def found_by(part: Subdivision, output: Output) -> Result:
    """How the cells were found: which mode vouches for them, and what its stages decided."""
    if not part.certified:
        output.row("mode", f"{part.mode}: UNCERTIFIED, nothing vouches for these cells and counts")
    else:
        output.row("mode", f"{part.mode}: exact")
    report = None if part.report is None else part.report._asdict()  # type: ignore[attr-defined]
    if report is not None:
        output.row(
            "decided",
            f"{report['float64']:,} predicates in float64 with proven bounds, {report['wide']:,} in higher precision, "
            f"{report['exact']:,} in integers",
        )
        output.row("repaired", f"{report['repaired']:,} cells were cut by the exact kernel")
    return {"mode": part.mode, "certified": part.certified, "report": report}


def named(args: argparse.Namespace, net: Network, dom: Polygon | Slice) -> Result:
    """What was computed on, for programs."""
    return {
        "model": args.model,
        "network": net.digest,
        "conventions": list(net.conventions),
        "domain": dom.digest,
        **dom.polygon.to_json(),
    }


def _statistics(found: Statistics, output: Output) -> Result:
    """The measures in words; the exact ones as strings for programs."""
    exact = ("average_area", "average_vertices", "largest_eccentricity_squared", "area_scale_squared")
    area, vertices = (nearest(q.numerator, q.denominator) for q in (found.average_area, found.average_vertices))
    output.row("area", f"{area:.6g} on average, in slice coordinates")
    output.row("vertices", f"{vertices:.6g} a cell on average")
    output.row("eccentricity", f"{found.average_eccentricity:.6g} on average (longest over shortest distance)")
    return {
        "regions": found.regions,
        # JSON has no infinity.
        "average_eccentricity": found.average_eccentricity if isfinite(found.average_eccentricity) else None,
        **{name: format_rational(getattr(found, name)) for name in exact},
    }


def show_time(output: Output, start: float, also: str = "") -> float:
    seconds = round(perf_counter() - start, 3)
    output.row("time", f"{seconds:.2f} s{also}")
    return seconds


def wrote(output: Output, name: str, path: str) -> str:
    output.row(name, f"{path} ({Path(path).stat().st_size:,} bytes)")
    return path
