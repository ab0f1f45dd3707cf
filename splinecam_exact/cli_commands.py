"""The commands about one network: info, partition, certify, check, plot."""

from __future__ import annotations

import argparse
import os
from time import perf_counter
from typing import Any

from splinecam_exact.certification import Certificate
from splinecam_exact.certification import check as check_certificate
from splinecam_exact.cli_inputs import (
    check_command,
    check_limits,
    check_outputs,
    nnet_header,
    read_domain,
    read_network,
)
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.decision import Decision, decision
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.domain_files import parse_polygon
from splinecam_exact.importers.nnet import Header
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import format_rational
from splinecam_exact.limits import with_time_limit
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.partitioning import partition as partition_of
from splinecam_exact.plotting import check_format, require_matplotlib
from splinecam_exact.plotting import plot as plot_of
from splinecam_exact.statistics import Statistics

_FEW = 6
"""So many different rows, or inputs, are shown one by one."""


def info(args: argparse.Namespace, output: Output) -> Result:
    """Show a network."""
    header = nnet_header(args)
    undecided = header is not None and args.normalize is None
    if undecided:
        args.normalize = False  # to look at; the digest depends on it, and what computes asks for the choice
    net = read_network(args)
    layers = [
        {"node": k, "kind": type(node).__name__.lower(), "size": size, "text": _layer(node)}
        for k, (node, size) in enumerate(zip(net.nodes, net.sizes[1:], strict=True), start=1)
    ]
    output.row("file", args.model)
    output.row("inputs", net.input_size)
    output.row("outputs", net.output_size)
    output.row("units", net.unit_count)
    output.row("digest", net.digest)
    for text in net.conventions or ("none",):
        output.row("convention", text)
    if undecided:
        output.row("", "(shown with --no-normalize; --normalize gives another network with another digest)")
    for layer in layers:
        output.row(f"node {layer['node']}", f"{layer['kind']:<10}{layer['size']:>6}   {layer['text']}")
    inputs = _inputs(header)
    for k, entry in enumerate(inputs):
        output.row(f"input {k}", f"from {entry['least']} to {entry['greatest']}")
    return {
        "status": "done",
        "model": args.model,
        "inputs": net.input_size,
        "outputs": net.output_size,
        "units": net.unit_count,
        "digest": net.digest,
        "conventions": list(net.conventions),
        "layers": layers,
        "input_ranges": inputs,
    }


def partition(args: argparse.Namespace, output: Output) -> Result:
    """Partition, count, and perhaps save and draw."""
    check_limits(args)
    check_outputs(args, [args.save, args.plot])
    if args.plot is not None:
        require_matplotlib()
        check_format(args.plot)
    net, dom = _subject(args, output)
    decided: Decision | None = None
    start = perf_counter()
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        part = partition_of(net, dom, progress=watch, max_cells=args.max_cells)
        if args.plot is not None and _has_head(net):
            decided = decision(net, dom, progress=watch, max_cells=args.max_cells)
    result = {"status": "done", **_named(args, net, dom), "counts": part.counts()}
    output.counts(part.counts())
    result["seconds"] = _time(output, start)
    if args.statistics:
        result["statistics"] = _statistics(part.statistics(), output)
    if args.save is not None:
        part.save(args.save)
        _wrote(output, "saved", args.save)
        result["saved"] = args.save
    if args.plot is not None:
        plot_of(part, boundary=decided, path=args.plot)
        _wrote(output, "picture", args.plot)
        result["picture"] = args.plot
    return result


def certify(args: argparse.Namespace, output: Output) -> Result:
    """Partition, and write the certificate."""
    check_limits(args)
    check_outputs(args, [args.output])
    net, dom = _subject(args, output)
    start = perf_counter()
    with output.progress() as progress:
        part = partition_of(
            net, dom, progress=with_time_limit(progress, args.time_limit), max_cells=args.max_cells
        )
    Certificate(part.certificate()).save(args.output)
    output.counts(part.counts())
    seconds = _time(output, start)
    _wrote(output, "certificate", args.output)
    command = check_command(args, args.output)
    output.row("check it", command)
    return {
        "status": "done",
        **_named(args, net, dom),
        "counts": part.counts(),
        "seconds": seconds,
        "certificate": args.output,
        "check": command,
    }


def check(args: argparse.Namespace, output: Output) -> Result:
    """Check a certificate; the result's status is the verdict."""
    check_limits(args)
    net, dom = _subject(args, output)
    start = perf_counter()
    with output.progress() as progress:
        verdict = check_certificate(
            args.certificate, net, dom, method=args.method, progress=progress, time_limit=args.time_limit
        )
    if verdict:
        output.counts(verdict.counts)
    seconds = _time(output, start)
    result = {
        "status": verdict.status,
        "place": verdict.place,
        "reason": verdict.reason,
        "counts": dict(verdict.counts),
        **_named(args, net, dom),
        "certificate": args.certificate,
        "method": args.method,
        "seconds": seconds,
    }
    output.verdict(result)
    return result


def plot(args: argparse.Namespace, output: Output) -> Result:
    """Draw the cells and the decision boundary."""
    check_limits(args)
    check_outputs(args, [args.output])
    require_matplotlib()
    check_format(args.output)
    net, dom = _subject(args, output)
    points = parse_points(args.mark) if args.mark is not None else []
    decided: Decision | None = None
    start = perf_counter()
    with output.progress() as progress:
        watch = with_time_limit(progress, args.time_limit)
        part = partition_of(net, dom, progress=watch, max_cells=args.max_cells)
        if args.boundary != "none" and (args.boundary is not None or _has_head(net)):
            decided = decision(
                net, dom, args.boundary, output=args.of, progress=watch, max_cells=args.max_cells
            )
    plot_of(
        part,
        boundary=decided,
        points=points,
        labels=range(len(points)),
        color_by=args.color_by,
        title=args.title,
        path=args.output,
    )
    output.counts(part.counts())
    seconds = _time(output, start)
    _wrote(output, "picture", args.output)
    return {
        "status": "done",
        **_named(args, net, dom),
        "counts": part.counts(),
        "seconds": seconds,
        "picture": args.output,
    }
