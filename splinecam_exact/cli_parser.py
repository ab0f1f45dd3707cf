"""The parts that the command line's commands share: how words are parsed, and groups of options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

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


def add_command(
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


def model_options(command: Parser, flag: str = "") -> None:
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


def domain_options(command: Parser) -> None:
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


def boundary_options(command: Parser) -> None:
    group = command.add_argument_group("boundary", "By default of the only output, or the arg-max of several.")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--output", metavar="K", type=int, help="where output K (from 0) has the level")
    which.add_argument("--classes", metavar="I,J", help="where output I is output J plus the level")
    which.add_argument("--argmax", action="store_true", help="where two or more outputs are larger than all others")
    group.add_argument("--level", metavar="V", default="0", help="an exact number: 0.1 is one tenth (default 0)")
    group.add_argument("--samples", metavar="N", type=int, help="also N random points on it")
    group.add_argument(
        "--by",
        choices=("length", "component", "segment"),
        help="how samples are spread: by length (default), each component alike, or each segment alike",
    )
    group.add_argument("--seed", metavar="S", type=int, help="of the random choice of samples (default: a new one)")
    group.add_argument(
        "--dtype",
        choices=("float64", "float32"),
        help="of the nearest float point, and of the two around it, that come with each sample (default: float64)",
    )
    group.add_argument(
        "-o", "--save", metavar="FILE", help="save the boundary: .json; with --samples, these: .npz, .csv or .json"
    )
    group.add_argument("--plot", metavar="FILE", help="save a picture: .png, .svg or .pdf")


def compare_options(command: Parser) -> None:
    command.add_argument(
        "other",
        metavar="OTHER",
        help="what the tool found, in slice coordinates: .json, .npz, .geojson or .wkt",
    )
    group = command.add_argument_group("comparison", "Exit code 0 where nothing is wrong, 1 where something is.")
    group.add_argument(
        "--tolerance",
        metavar="D",
        type=float,
        help="corners and segments farther off than this are defects, too (default: they are measured only)",
    )
    group.add_argument(
        "--boundary",
        action="store_true",
        help="also compare segments with the zeros of the only output, or the arg-max",
    )
    group.add_argument("-o", "--save", metavar="FILE", help="save the report with all defects: .json")
    group.add_argument("--plot", metavar="FILE", help="save a picture of the defects: .png, .svg or .pdf")


def how_options(command: Parser, modes: Sequence[str]) -> None:
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


def limits_options(command: Parser, *, cells: bool) -> None:
    group = command.add_argument_group("limits", "Beyond a limit the answer is: undecided.")
    group.add_argument("--time-limit", metavar="SECONDS", type=float, help="of the computation")
    if cells:
        group.add_argument(
            "--max-cells",
            metavar="N",
            type=int,
            help="at any time; in layers of maxima it counts before cells of one arg-max are merged",
        )
