"""The command line. Exit codes: 0 verified or done, 1 refuted, 2 undecided, 3 bad input, 70 a bug, 130 Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from splinecam_exact.cli_output import CODES, Output, Result
from splinecam_exact.kernel.errors import SplinecamError, Undecided

BAD_INPUT = 3
BUG = 70  # EX_SOFTWARE; Python's own code for an exception is 1, which means refuted here
INTERRUPTED = 130

_MODES = ("float64", "certified", "rational")

_DOMAIN = """\
The domain is a convex polygon: of the input plane of a network with two
inputs, or of a plane in the input space of any other, which --slice,
--through or --axes chooses. Numbers are exact: 0.1 is one tenth, 1/3 a third."""


class UsageError(Exception):
    """What is wrong with the words of the command line."""


class Parser(argparse.ArgumentParser):
    """Reports errors by raising, so that `main` chooses the exit code and the form.

    A word such as "-1,0" or "-x.npz", which begins with one minus and no option of the command, is a value.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._negative_number_matcher = re.compile(r"-(?:[0-9]|[^-].)", re.DOTALL)

    def error(self, message: str) -> NoReturn:
        if found := re.fullmatch(r"argument (?:.*/)?(--[a-z-]+): expected one argument", message):
            message += f"; where that begins with '-', write it as {found[1]}=-..."
        raise UsageError(f"{message} (see {self.prog} --help)")


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

    demo = _command(
        commands,
        "demo",
        "partition, certify, check and draw the three networks that ship with the package",
        "splinecam-exact demo -o demo",
        module="demo",
    )
    demo.add_argument(
        "-o", "--output", metavar="FOLDER", default="splinecam-exact-demo", help="default: ./splinecam-exact-demo"
    )

    info = _command(
        commands,
        "info",
        "show a network's layers, units, digest and conventions",
        "splinecam-exact info network.npz",
        module="cli_info",
    )
    _model(info)

    partition = _command(
        commands,
        "partition",
        "partition a domain exactly and count",
        "splinecam-exact partition network.npz --square 1 --statistics",
        "splinecam-exact partition acas.nnet --normalize --axes 0,1 --plot cells.png",
        "splinecam-exact partition network.npz --square 1 --mode float64 --device cuda",
    )
    _model(partition)
    _domain(partition)
    _how(partition, _MODES)
    _limits(partition, cells=True)
    partition.add_argument("--statistics", action="store_true", help="also the paper's measures of the cells")
    partition.add_argument("--save", metavar="FILE", help="save network, domain and subdivision as one JSON file")
    partition.add_argument("--plot", metavar="FILE", help="save a picture: .png, .svg or .pdf")

    certify = _command(
        commands,
        "certify",
        "partition a domain exactly and write the certificate",
        "splinecam-exact certify network.npz --square 1 -o network.cert",
        "splinecam-exact certify network.npz --square 1 -o network.cert.gz --resume",
    )
    _model(certify)
    _domain(certify)
    _how(certify, _MODES[1:])
    _limits(certify, cells=True)
    certify.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the certificate; compressed where its name ends in .gz"
    )
    certify.add_argument(
        "--resume",
        action="store_true",
        help="collect cells in FILE.partial and keep what is there: where the command was stopped, repeat it",
    )

    check = _command(
        commands,
        "check",
        "check a certificate against a network and a domain that you supply",
        "splinecam-exact check network.cert --model network.npz --square 1",
        "splinecam-exact check network.cert --model network.npz --square 1 --spot 1%",
    )
    check.add_argument("certificate", metavar="FILE", help="the certificate")
    _model(check, "--model")
    _domain(check)
    _limits(check, cells=False)
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

    boundary = _command(
        commands,
        "boundary",
        "find the exact decision boundary or a level set, and points that lie on it exactly",
        "splinecam-exact boundary sdf.npz --square 1 --level 0.1 --plot level.png",
        "splinecam-exact boundary digits.npz --through images.npy --samples 100 --seed 0 -o samples.json",
        module="cli_boundary",
    )
    _model(boundary)
    _domain(boundary)
    _boundary(boundary)
    _how(boundary, _MODES)
    _limits(boundary, cells=True)

    samples = _command(
        commands,
        "samples",
        "certify that points are on, or near, a decision boundary; or check such verdicts",
        "splinecam-exact samples network.npz points.npy --radius 1e-6 -o verdicts.json",
        "splinecam-exact samples network.npz --check verdicts.json",
        module="cli_samples",
    )
    _model(samples)
    samples.add_argument(
        "points", metavar="POINTS", nargs="?", help="an array of points in a .npy file, or a .csv file"
    )
    samples.add_argument(
        "--check", metavar="FILE", help="check verdicts that were saved with -o; exactly, without floats"
    )
    which = samples.add_argument_group("boundary", "By default of one output its zeros, of several their arg-max.")
    kinds = which.add_mutually_exclusive_group()
    kinds.add_argument("--output", metavar="K", type=int, help="where output K (from 0) equals the level")
    kinds.add_argument("--classes", metavar="I,J", help="where output I - output J does")
    which.add_argument("--level", metavar="V", help="default: 0")
    samples.add_argument("--radius", metavar="R", help="prove a boundary point at most so far away (2-norm)")
    samples.add_argument("-o", "--save", metavar="FILE", help="save the verdicts, with what proves them, as JSON")
    samples.add_argument("--plot", metavar="FILE", help="save a picture of the distances: .png, .svg or .pdf")
    _limits(samples, cells=False)

    plot = _command(
        commands,
        "plot",
        "draw the cells and the decision boundary",
        "splinecam-exact plot network.npz --through images.npy -o cells.png",
        'splinecam-exact plot network.npz --square 1 --mark "0,0 1/2,1/3" -o cells.svg',
    )
    _model(plot)
    _domain(plot)
    _limits(plot, cells=True)
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

    bench = _command(
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


def _command(
    commands: argparse._SubParsersAction[Parser], name: str, summary: str, *examples: str, module: str = "cli_commands"
) -> Parser:
    """A subcommand that the function of its name in `module` runs."""
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="\n  ".join(["examples:" if len(examples) > 1 else "example:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(command=name, module=module)
    general = command.add_argument_group("output")
    # Not set where absent: what stood before the command's name counts.
    general.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print one JSON object on stdout, everything else on stderr",
    )
    general.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="a progress bar on stderr (default: where that is a terminal)",
    )
    return command


def _model(command: Parser, flag: str = "") -> None:
    group = command.add_argument_group("network")
    text = "a network: .onnx, .pt2 (torch.export), .nnet, .npz (W0, b0, W1, b1, ...), or the project's own .json"
    if flag:
        group.add_argument(flag, metavar="MODEL", required=True, help=text)
    else:
        group.add_argument("model", metavar="MODEL", help=text)
    group.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help=".nnet: in the units of the header, or the network as it stands",
    )
    group.add_argument(
        "--numbers",
        choices=("decimal", "float64"),
        help=".nnet: read 0.1 as one tenth (default) or as the nearest float64",
    )
    group.add_argument(
        "--strip-output",
        action="store_true",
        help=".onnx, .pt2: leave out a last softmax, log-softmax or sigmoid",
    )


def _domain(command: Parser) -> None:
    group = command.add_argument_group("domain", _DOMAIN)
    polygon = group.add_mutually_exclusive_group()
    polygon.add_argument("--square", metavar="R", help="corners (+-R, +-R)")
    polygon.add_argument("--polygon", metavar='"X,Y X,Y ..."', help="a convex polygon's corners")
    plane = group.add_mutually_exclusive_group()
    plane.add_argument("--slice", metavar="FILE", help="a plane in a JSON file, perhaps with its polygon")
    plane.add_argument(
        "--through",
        metavar="FILE.npy",
        help="the plane through three points, the rows of an array: (0,0), (1,0) and (0,1) on it",
    )
    plane.add_argument("--axes", metavar="I,J", help="the plane of the inputs I and J (from 0), the others fixed")
    group.add_argument(
        "--at",
        metavar='"V0 V1 ..."',
        help="with --axes: a value for each input; those of I and J are not used and may be _; .nnet: by default "
        "mid-range",
    )


def _boundary(command: Parser) -> None:
    group = command.add_argument_group("boundary", "By default of the only output, or the arg-max of several.")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--output", metavar="K", type=int, help="where output K (from 0) has the level")
    which.add_argument("--classes", metavar="I,J", help="where output I is output J plus the level")
    which.add_argument("--argmax", action="store_true", help="where two or more outputs are larger than all others")
    group.add_argument("--level", metavar="V", default="0", help="an exact number: 0.1 is one tenth (default 0)")
    group.add_argument("--samples", metavar="N", type=int, help="also N random points on it")
    group.add_argument("--by", choices=("length", "component", "segment"), default="length", help="default: length")
    group.add_argument("--seed", metavar="S", type=int, help="of the random choice (default: a new one)")
    group.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="of the floats beside them")
    group.add_argument("-o", "--save", metavar="FILE", help="save the samples: .npz, .csv or .json")
    group.add_argument("--plot", metavar="FILE", help="save a picture: .png, .svg or .pdf")


def _how(command: Parser, modes: Sequence[str]) -> None:
    warning = "Nothing vouches for a float64 result; the others are exact." if "float64" in modes else None
    group = command.add_argument_group("computation", warning)
    group.add_argument("--mode", choices=modes, help="default: certified where torch is installed, else rational")
    group.add_argument("--device", metavar="DEVICE", help="of the other modes than rational: cpu (default), cuda, ...")
    group.add_argument(
        "--max-memory",
        metavar="GIB",
        type=_gibibytes,
        help="about, of the other modes than rational; beyond it the answer is: undecided (default: half of all)",
    )


def _gibibytes(text: str) -> int:
    try:
        size = int(float(text) * 2**30)
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number of GiB, not {text!r}")
    return size


def _limits(command: Parser, *, cells: bool) -> None:
    group = command.add_argument_group("limits", "Beyond a limit the answer is: undecided.")
    group.add_argument("--time-limit", metavar="SECONDS", type=float, help="of the computation")
    if cells:
        group.add_argument(
            "--max-cells",
            metavar="N",
            type=int,
            help="at any time; in layers of maxima it counts before cells of one arg-max are merged",
        )


if __name__ == "__main__":
    sys.exit(main())
