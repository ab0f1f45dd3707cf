"""The network, the domain and the limits that a command line names, and what they must not collide with."""

from __future__ import annotations

import argparse
import math
import os
import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal

from gmpy2 import mpq, mpz

from splinecam_exact._files import PathLike, shown, write_target
from splinecam_exact._text import brief, parse_number
from splinecam_exact.domain import Polygon, Slice, square
from splinecam_exact.domain_files import parse_polygon, read_slice, slice_from_npy
from splinecam_exact.importers import load
from splinecam_exact.importers.nnet import Header, read_header
from splinecam_exact.kernel.errors import DomainError, InputError
from splinecam_exact.network import Network

Box = list[tuple[mpq, mpq]]
"""The least and the greatest value of each input."""


def read_network(args: argparse.Namespace) -> Network:
    """The network of a command's MODEL, --normalize, --numbers and --strip-output."""
    if args.normalize is None and Path(args.model).suffix.lower() == ".nnet":
        raise InputError(
            f"{args.model}: choose --normalize (inputs and outputs in the header's units) or --no-normalize (network "
            "coordinates)"
        )
    return load(args.model, normalize=args.normalize, numbers=args.numbers, strip_output=args.strip_output)


def nnet_header(args: argparse.Namespace) -> Header | None:
    """The header, where the network is a .nnet file."""
    if Path(args.model).suffix.lower() != ".nnet":
        return None
    return read_header(args.model, numbers=args.numbers or "decimal")


@contextmanager
def executor(jobs: int) -> Iterator[Executor | None]:
    """Some processes, or None for one job. They are stopped at the end, whatever they do."""
    if jobs < 1:
        raise InputError(f"--jobs must be positive, not {jobs}")
    if jobs == 1:
        yield None
        return
    # Ctrl-C is for this process; it stops the others.
    with ProcessPoolExecutor(jobs, get_context("spawn"), signal, (SIGINT, SIG_IGN)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def parse_share(text: str) -> Fraction:
    """A share of a whole, such as 1% or 0.01. Raises InputError for what is none."""
    share = _number(text.removesuffix("%"), "--spot") / (100 if text.endswith("%") else 1)
    if not 0 < share <= 1:
        raise InputError(f"--spot must be above 0 and at most 100%, not {text}")
    return Fraction(int(share.numerator), int(share.denominator))


def read_domain(args: argparse.Namespace, net: Network) -> Polygon | Slice:
    """The domain that the options name. Raises DomainError, saying what to give, where none fits the network."""
    polygon = None
    if args.square is not None:
        polygon = square(_number(args.square, "--square"))
    elif args.polygon is not None:
        polygon = parse_polygon(args.polygon)
    if args.at is not None and args.axes is None:
        raise InputError("--at belongs to --axes")
    if args.slice is not None:
        plane = read_slice(args.slice)
        plane = plane if polygon is None else Slice(plane.origin, plane.basis, polygon)
    elif args.through is not None:
        plane = slice_from_npy(args.through, polygon)
    elif args.axes is not None:
        plane = _axes(args, net, polygon)
    elif net.input_size != 2:
        raise DomainError(f"the network has {net.input_size} inputs: choose a plane with --slice, --through or --axes")
    elif polygon is None:
        raise DomainError("no domain is given: use --square, --polygon, --slice, --through or --axes")
    else:
        return polygon
    plane.check_fits(net)
    return plane


def _axes(args: argparse.Namespace, net: Network, polygon: Polygon | None) -> Slice:
    words = args.axes.split(",")
    if len(words) != 2 or not all(word.strip().isascii() and word.strip().isdigit() for word in words):
        raise InputError(f"--axes {brief(args.axes)}: write two inputs' numbers, as in 0,1")
    i, j = (int(mpz(word.strip())) for word in words)  # int itself refuses more than 4300 digits
    box = _box(args)
    if args.at is not None:
        at = [None if word == "_" else _number(word, "--at") for word in args.at.replace(",", " ").split()]
        if len(at) != net.input_size:
            raise InputError(f"--at has {len(at)} entries, the network has {net.input_size} inputs")
        for k, value in enumerate(at):
            if value is None and k not in (i, j) and max(i, j) < len(at):
                raise InputError(f"--at gives no value to input {k}: of --axes {i},{j} only these two may be _")
    elif net.input_size == 2:
        at = [None, None]
    elif box is None:
        raise InputError("--axes needs the other inputs' values in --at: the file has no input ranges")
    else:
        at = [(low + high) / 2 for low, high in box]
    if polygon is None and box is not None and i < len(box) and j < len(box):
        (a, b), (c, d) = box[i], box[j]
        polygon = Polygon([(a, c), (b, c), (b, d), (a, d)])
    return Slice.axes(i, j, at, polygon)


def _box(args: argparse.Namespace) -> Box | None:
    """The box of inputs in a .nnet file's header, in the coordinates of the network as it was read."""
    header = nnet_header(args)
    if header is None or header.input_mins is None or header.input_maxes is None:
        return None
    box = list(zip(header.input_mins, header.input_maxes, strict=True))
    if args.normalize:
        return box
    if header.means is None or header.ranges is None or min(header.ranges) <= 0:
        return None
    # `ranges` and `means` may have one entry more, for the outputs.
    return [
        ((low - mean) / width, (high - mean) / width)
        for (low, high), mean, width in zip(box, header.means, header.ranges, strict=False)
    ]


def parse_points(text: str) -> list[tuple[mpq, mpq]]:
    """The points of a text "x,y x,y ...", each number exact.

    >>> parse_points("0,1/2")
    [(mpq(0,1), mpq(1,2))]
    """
    points = []
    for pair in text.split():
        numbers = pair.split(",")
        if len(numbers) != 2:
            raise InputError(f"the point {pair!r} must be written as x,y")
        points.append((_number(numbers[0], pair), _number(numbers[1], pair)))
    return points


def _number(text: str, option: str) -> mpq:
    try:
        return parse_number(text)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def check_limits(args: argparse.Namespace) -> None:
    """Raise InputError unless the limits are positive."""
    if args.time_limit is not None and not 0 < args.time_limit < math.inf:
        raise InputError(f"--time-limit must be a positive number of seconds, not {args.time_limit:g}")
    if getattr(args, "max_cells", None) is not None and args.max_cells < 1:
        raise InputError(f"--max-cells must be positive, not {args.max_cells}")


def check_outputs(args: argparse.Namespace, outputs: Iterable[PathLike | None]) -> None:
    """Raise InputError, before the work and not after it, where a file cannot be written or would replace an input."""
    names = (getattr(args, name, None) for name in ("model", "slice", "through", "points", "other"))
    inputs = [Path(name) for name in names if name is not None]
    seen: set[Path] = set()
    for path in (name for name in outputs if name is not None):
        target, _ = write_target(path)
        if target in seen:
            raise InputError(f"{shown(path)}: would be written twice")
        seen.add(target)
        try:
            overwritten = target.exists() and any(known.exists() and target.samefile(known) for known in inputs)
        except OSError as error:
            raise InputError(f"{shown(path)}: cannot be written ({error.strerror})") from None
        if overwritten:
            raise InputError(f"{shown(path)}: is an input of this command, and would be overwritten")


def check_command(args: argparse.Namespace, certificate: PathLike) -> str:
    """The command that checks a certificate against the network and the domain of these options, for a shell."""
    name = os.fspath(certificate)
    words = ["splinecam-exact", "check", shlex.quote(f"./{name}" if name.startswith("-") else name)]
    for option in ("model", "numbers", "square", "polygon", "slice", "through", "axes", "at"):
        if getattr(args, option) is not None:
            words.append(f"--{option}={shlex.quote(getattr(args, option))}")
    if args.normalize is not None:
        words.append("--normalize" if args.normalize else "--no-normalize")
    if args.strip_output:
        words.append("--strip-output")
    return " ".join(words)
