"""The command line. Exit codes: 0 verified or done, 1 refuted, 2 undecided, 3 bad input, 70 a bug, 130 Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module

from splinecam_exact.cli_conformance_options import add_conformance
from splinecam_exact.cli_output import CODES, Output, Result
from splinecam_exact.cli_parser import (
    Parser,
    UsageError,
    add_command,
    boundary_options,
    compare_options,
    domain_options,
    how_options,
    limits_options,
    model_options,
)
from splinecam_exact.kernel.errors import SplinecamError, Undecided

BAD_INPUT = 3
BUG = 70  # EX_SOFTWARE; Python's own code for an exception is 1, which means refuted here
INTERRUPTED = 130

_MODES = ("float64", "certified", "rational")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default this process's) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    output = Output(as_json="--json" in words)
    try:
        code = _run(words, output)
    except Exception as error:
        output.crash(error)
        return BUG
    return BAD_INPUT if output.lost else code


def _run(words: list[str], output: Output) -> int:
    try:
        args = parser().parse_args(words)
        if args.version:
            output.finish({"status": "done", "version": _version()}, f"splinecam-exact {_version()}")
            return 0
        if args.command is None:
            parser().error("a command is needed")
        output.show_progress(args.progress)
        command = getattr(import_module(f"splinecam_exact.{args.module}"), args.command)
        result: Result = command(args, output)
    except UsageError as error:
        odd = [word for word in words if re.match("-[^-]", word) and os.path.lexists(word)]
        hint = f" (the file {odd[0]} is written ./{odd[0]})" if odd else ""
        output.fail(_error("UsageError", f"{error}{hint}"))
        return BAD_INPUT
    except (Undecided, MemoryError) as error:
        reason = str(error) or "there is not enough memory"
        result = {"status": "undecided", "place": "", "reason": reason}
        output.verdict(result)
    except SplinecamError as error:
        output.fail(_error(type(error).__name__, error))
        return BAD_INPUT
    except KeyboardInterrupt:
        output.fail(_error("KeyboardInterrupt", "interrupted"))
        return INTERRUPTED
    output.finish(result)
    return CODES[result["status"]]


def _error(kind: str, message: object) -> Result:
    return {"status": "error", "error": kind, "message": str(message)}


def _version() -> str:
    from importlib.metadata import version

    return version("splinecam-exact")


def parser() -> Parser:
    """The parser of the whole command line."""
    top = Parser(
        prog="splinecam-exact",
        description="Exact, certified partitions of piecewise linear networks on two-dimensional polygons.",
        epilog="exit codes: 0 verified or done, 1 refuted, 2 undecided (a limit was reached), 3 bad input or usage,\n"
        "70 a bug in this program (please report it), 130 interrupted.\n"
        "Start with: splinecam-exact demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="store_true", help="print the version")
    top.add_argument("--json", action="store_true", help="print one JSON object on stdout, everything else on stderr")
    top.set_defaults(command=None)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")

    demo = add_command(
        commands,
        "demo",
        "partition, certify, check and draw the three networks that ship with the package",
        "splinecam-exact demo -o demo",
        module="demo",
    )
    demo.add_argument(
        "-o", "--output", metavar="FOLDER", default="splinecam-exact-demo", help="default: ./splinecam-exact-demo"
    )

    info = add_command(
        commands,
        "info",
        "show a network's layers, units, digest and conventions",
        "splinecam-exact info network.npz",
        module="cli_info",
    )
    model_options(info)

    partition = add_command(
        commands,
        "partition",
        "partition a domain exactly and count",
        "splinecam-exact partition network.npz --square 1 --statistics",
        "splinecam-exact partition acas.nnet --normalize --axes 0,1 --plot cells.png",
        "splinecam-exact partition network.npz --square 1 --mode float64 --device cuda",
    )
    model_options(partition)
    domain_options(partition)
    how_options(partition, _MODES)
    limits_options(partition, cells=True)
    partition.add_argument("--statistics", action="store_true", help="also the paper's measures of the cells")
    partition.add_argument("--save", metavar="FILE", help="save network, domain and subdivision as one JSON file")
    partition.add_argument("--plot", metavar="FILE", help="save a picture: .png, .svg or .pdf")

    certify = add_command(
        commands,
        "certify",
        "partition a domain exactly and write the certificate",
        "splinecam-exact certify network.npz --square 1 -o network.cert",
        "splinecam-exact certify network.npz --square 1 -o network.cert.gz --resume",
    )
    model_options(certify)
    domain_options(certify)
    how_options(certify, _MODES[1:])
    limits_options(certify, cells=True)
    certify.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the certificate; compressed where its name ends in .gz"
    )
    certify.add_argument(
        "--resume",
        action="store_true",
        help="collect cells in FILE.partial and keep what is there: where the command was stopped, repeat it",
    )

    check = add_command(
        commands,
        "check",
        "check a certificate against a network and a domain that you supply",
        "splinecam-exact check network.cert --model network.npz --square 1",
        "splinecam-exact check network.cert --model network.npz --square 1 --spot 1%",
    )
    check.add_argument("certificate", metavar="FILE", help="the certificate")
    model_options(check, "--model")
    domain_options(check)
    limits_options(check, cells=False)
    check.add_argument(
        "--method",
        choices=("witness", "rebuild"),
        default="witness",
        help="replay the witness (default), or partition anew and compare",
    )
    check.add_argument(
        "--spot",
        metavar="SHARE",
        help="a spot check: compare patterns with the network on a random share of the cells only, such as 1%%; the "
        "verdict is refuted or undecided",
    )
    check.add_argument("--seed", metavar="N", type=int, help="of the random choice (default: a new one, shown)")
    check.add_argument("--jobs", metavar="N", type=int, default=1, help="evaluate in so many processes (default 1)")

    boundary = add_command(
        commands,
        "boundary",
        "find the exact decision boundary or a level set, and points that lie on it exactly",
        "splinecam-exact boundary sdf.npz --square 1 --level 0.1 --plot level.png",
        "splinecam-exact boundary digits.npz --through images.npy --samples 100 --seed 0 -o samples.json",
        module="cli_boundary",
    )
    model_options(boundary)
    domain_options(boundary)
    boundary_options(boundary)
    how_options(boundary, _MODES)
    limits_options(boundary, cells=True)

    samples = add_command(
        commands,
        "samples",
        "certify that points are on, or near, a decision boundary; or check such verdicts",
        "splinecam-exact samples network.npz points.npy --radius 1e-6 -o verdicts.json",
        "splinecam-exact samples network.npz --check verdicts.json",
        module="cli_samples",
    )
    model_options(samples)
    samples.add_argument(
        "points",
        metavar="POINTS",
        nargs="?",
        help="an array (n, inputs) in a .npy file; or a .csv file, a point on each line, commas between the numbers, "
        "which are exact (0.1, 1/3), a # before headings; with --check: the verdicts must be about these points",
    )
    samples.add_argument(
        "--check", metavar="FILE", help="check verdicts that were saved with -o; exactly, without floats"
    )
    which = samples.add_argument_group("boundary", "By default of one output its zeros, of several their arg-max.")
    kinds = which.add_mutually_exclusive_group()
    kinds.add_argument("--output", metavar="K", type=int, help="where output K (from 0) equals the level")
    kinds.add_argument("--classes", metavar="I,J", help="where output I - output J does")
    which.add_argument("--level", metavar="V", help="default: 0")
    samples.add_argument(
        "--radius",
        metavar="R",
        help='prove a boundary point at most so far away (2-norm); without it "within" means at any proved distance',
    )
    samples.add_argument("-o", "--save", metavar="FILE", help="save the verdicts, with what proves them, as JSON")
    samples.add_argument("--plot", metavar="FILE", help="save a picture of the distances: .png, .svg or .pdf")
    limits_options(samples, cells=False)
    samples.epilog = f"""{samples.epilog}

With --json "points" has the arrays status, answer (a sign, or the class on top,
-1 in a tie) and bound (of the distance; null where unproved), with an entry for
each point. It is null where there are more than 10,000 points."""

    compare = add_command(
        commands,
        "compare",
        "compare another tool's partition with the exact one",
        "splinecam-exact compare network.npz cells.json --square 1",
        "splinecam-exact compare network.npz cells.npz --square 1 --tolerance 1e-9 -o report.json --plot defects.png",
        module="cli_compare",
    )
    model_options(compare)
    compare_options(compare)
    domain_options(compare)
    how_options(compare, _MODES[1:])
    limits_options(compare, cells=True)

    plot = add_command(
        commands,
        "plot",
        "draw the cells and the decision boundary",
        "splinecam-exact plot network.npz --through images.npy -o cells.png",
        'splinecam-exact plot network.npz --square 1 --mark "0,0 1/2,1/3" -o cells.svg',
    )
    model_options(plot)
    domain_options(plot)
    limits_options(plot, cells=True)
    plot.add_argument("-o", "--output", metavar="FILE", required=True, help="the picture: .png, .svg or .pdf")
    plot.add_argument(
        "--boundary", choices=("argmax", "sign", "none"), help="default: sign for one output, argmax for several"
    )
    plot.add_argument("--of", metavar="K", type=int, default=0, help="which output's sign (from 0; default 0)")
    plot.add_argument(
        "--color-by",
        choices=("cell", "region", "class", "none"),
        help="default: class where there is a boundary, else cell",
    )
    plot.add_argument("--mark", metavar='"X,Y ..."', help="mark these points of the slice, numbered from 0")
    plot.add_argument("--title", metavar="TEXT")

    add_conformance(commands)

    bench = add_command(
        commands,
        "bench",
        "measure time and memory of every mode, on a folder of networks or on those that ship with the package",
        "splinecam-exact bench",
        "splinecam-exact bench --data workloads --workloads deep64x4 wide300 --modes float64 certified",
        module="bench",
    )
    bench.add_argument(
        "--data", metavar="FOLDER", help="its .npz networks with two inputs are partitioned on [-1, 1]^2"
    )
    bench.add_argument("--workloads", metavar="NAME", nargs="+", help="only these, by their names without .npz")
    bench.add_argument("--modes", choices=_MODES, nargs="+", help="default: all that there are on the device")
    bench.add_argument("--device", metavar="DEVICE", default="cpu", help="cpu (default) or cuda")
    bench.add_argument("--exact", action="store_true", help="also the time of the exact vertices and of all counts")
    return top


if __name__ == "__main__":
    sys.exit(main())
