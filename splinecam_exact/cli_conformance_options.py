"""The options of the command `conformance`."""

from __future__ import annotations

import argparse

from splinecam_exact.cli_parser import Parser, add_command


def add_conformance(commands: argparse._SubParsersAction[Parser]) -> None:
    """The command `conformance`."""
    command = add_command(
        commands,
        "conformance",
        "test another partition tool on networks whose partition is known exactly",
        "splinecam-exact conformance --tool mytool:partition",
        "splinecam-exact conformance --tool mytool:partition --category sliver --minimize failures",
        "splinecam-exact conformance --store expected.json.gz",
        "splinecam-exact conformance --tool mytool:partition --expected expected.json.gz --badge badge.svg",
        module="cli_conformance",
    )
    command.add_argument(
        "--tool",
        metavar="MODULE:FUNCTION",
        help="a function that takes a Problem and returns polygons, patterns, counts or the like, or None where it "
        "refuses; modules in the current folder come first",
    )
    command.add_argument("--list", action="store_true", help="only list the problems")
    which = command.add_argument_group("problems")
    which.add_argument("--category", metavar="NAME", action="append", help="only of this category; may be repeated")
    which.add_argument("--full", action="store_true", help="the full suite, more than twice as many problems")
    files = which.add_mutually_exclusive_group()
    files.add_argument("--store", metavar="FILE", help="write the problems and their exact partitions to a file")
    files.add_argument("--expected", metavar="FILE", help="take both from such a file, and check the partitions")
    how = command.add_argument_group("computation", "The tool runs in a process of its own.")
    how.add_argument("--time", metavar="SECONDS", type=float, default=10.0, help="for each problem (default 10)")
    how.add_argument("--memory", metavar="MIB", type=int, default=2048, help="of the tool (default 2048)")
    how.add_argument("--jobs", metavar="N", type=int, default=1, help="run so many processes of it (default 1)")
    how.add_argument(
        "--tolerance",
        metavar="T",
        type=float,
        help="how far vertices may be off, in coordinates of the domain (default: that is not judged); topology is "
        "always judged exactly",
    )
    results = command.add_argument_group("results")
    results.add_argument("-o", "--output", metavar="FILE", help="save the report card as JSON")
    results.add_argument("--badge", metavar="FILE", help="save a badge: .svg")
    results.add_argument(
        "--minimize",
        metavar="FOLDER",
        help="shrink the smallest failure of each category, and write it there as .json and as a short script",
    )
    command.epilog = f"""{command.epilog}

exit codes: 0 nothing is wrong (refusals are not), 1 something is, 3 bad usage, or
the tool cannot be loaded."""
