"""Exact expected results in one compact file: what another project commits, so that its CI needs numpy and gmpy2 only.

The file is gzip, and in it are lines of JSON: a head, for each problem one with the problem and the number of lines
that follow, which are its certificate (proofs/format.md) with all vertices as coordinates, and a last one with the
SHA-256 of all lines before it. Equal results make equal bytes. Reading believes nothing: the SHA-256 shows damage, and
what is there is checked again without the program that wrote it, by the theorem of proofs/certificate.md.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from splinecam_exact._files import PathLike, atomic_write, read_bytes, shown
from splinecam_exact.certification import Certificate, certificate_of, check
from splinecam_exact.geometry import ListGeometry
from splinecam_exact.kernel.errors import FileFormatError, InputError, RefutedCertificate
from splinecam_exact.kernel.program import Progress
from splinecam_exact.subdivision import Subdivision
from splinecam_exact.testing.conformance.problems import Problem
from splinecam_exact.testing.conformance.suite import label

FORMAT = "splinecam-exact expected results"
VERSION = 2
LARGEST = 1 << 28
"""A file that unpacks to more bytes is not read."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Expected:
    """Problems, each with its exact partition. Called with a problem, it gives that: a `Truth` for the runner.

    >>> from splinecam_exact.testing.conformance.outcomes import exact
    >>> from splinecam_exact.testing.conformance.suite import suite
    >>> problems = suite(categories=["tangency"])[:1]
    >>> expected = Expected((problem, exact(problem)) for problem in problems)
    >>> expected(problems[0]).counts()["A"]
    2
    """

    def __init__(self, parts: Iterable[tuple[Problem, Subdivision]]) -> None:
        self.problems: list[Problem] = []
        self._parts: dict[str, Subdivision] = {}
        for problem, part in parts:
            self.problems.append(problem)
            self._parts[problem.digest] = part

    def __call__(self, problem: Problem) -> Subdivision:
        """The exact partition of one of the problems. Raises InputError for any other."""
        try:
            return self._parts[problem.digest]
        except KeyError:
            raise InputError(f"{label(problem)}: is none of the problems with expected results") from None

    def texts(self) -> Iterator[str]:
        """The lines of each problem, as they are in the file."""
        for problem in self.problems:
            part = self(problem)
            certificate = certificate_of(part).with_coordinates(part.network, part.domain).to_text()
            head = {"lines": certificate.count("\n"), "problem": problem.to_json()}
            yield f"{_encode(head)}\n{certificate}"

    def save(self, path: PathLike) -> dict[str, int]:
        """Write the file, whole or not at all; returns by how many bytes each problem makes it longer, by its label.

        Raises InputError where it cannot be written.
        """
        packer = zlib.compressobj(9, wbits=31)  # with gzip's head, in which there is no date
        seen = hashlib.sha256()
        sizes: dict[str, int] = {}
        with atomic_write(path) as file:

            def write(data: bytes) -> int:
                seen.update(data)
                packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
                file.write(packed)
                return len(packed)

            head = {"format": FORMAT, "version": VERSION, "problems": len(self.problems)}
            write(f"{_encode(head)}\n".encode())
            for problem, text in zip(self.problems, self.texts(), strict=True):
                sizes[label(problem)] = write(text.encode())
            write(_seal(seen))
            file.write(packer.flush())
        return sizes


def load_expected(
    path: PathLike, *, progress: Progress | None = None, keep: Callable[[Problem], bool] | None = None
) -> Expected:
    """The expected results in a file, every certificate checked against its problem.

    With `keep`, only problems for which that is true. Raises InputError, naming the place, where the file cannot be
    read, was changed, or says what is false. Cost of the check: about a millisecond per cell.
    """
    place, data = shown(path), read_bytes(path)
    try:
        return Expected(_parts(_unpacked(data, place), place, progress, keep))
    except (FileFormatError, RefutedCertificate) as error:
        remedy = "store it again: splinecam-exact conformance --store FILE"
        raise FileFormatError(error.place, f"{error.reason}; {remedy}") from None


def _parts(
    content: bytes, place: str, progress: Progress | None, keep: Callable[[Problem], bool] | None
) -> Iterator[tuple[Problem, Subdivision]]:
    if not content.isascii() or not content.endswith(b"\n"):
        raise FileFormatError(place, "is not lines of ASCII text")
    lines = iter(content.decode("ascii").split("\n")[:-2])  # without the seal
    head = _value(content[: content.index(b"\n")].decode("ascii"), place, 1)
    if not isinstance(head, dict) or set(head) != {"format", "version", "problems"} or head["format"] != FORMAT:
        raise FileFormatError(place, f"is no file of the format {FORMAT!r}")
    if type(head["version"]) is not int or head["version"] != VERSION:
        raise FileFormatError(place, f"this program reads version {VERSION} only")
    seal = content.rfind(b"\n", 0, -1) + 1
    if content[seal:] != _seal(hashlib.sha256(content[:seal])):
        raise FileFormatError(place, "its last line is not the SHA-256 of all others: it was changed")
    next(lines, None)
    if type(head["problems"]) is not int or head["problems"] < 0:
        raise FileFormatError(place, "the number of problems is none")
    labels: set[str] = set()
    for k in range(head["problems"]):
        where = f"{place}: problem {k}"
        problem, text = _problem(lines, where)
        if label(problem) in labels:
            raise FileFormatError(where, f"there are two of the name {label(problem)}")
        labels.add(label(problem))
        if progress:
            progress("expected results", k, head["problems"])
        if keep is None or keep(problem):
            yield problem, _part(problem, text, where)
    if next(lines, None) is not None:
        raise FileFormatError(place, "goes on behind the last problem")


def _seal(seen: hashlib._Hash) -> bytes:
    """The last line of a file."""
    return f"{_encode({'sha256': seen.hexdigest()})}\n".encode()


def _unpacked(data: bytes, place: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(LARGEST + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise FileFormatError(place, f"is cut off, or not compressed with gzip ({error})") from None
    if len(content) > LARGEST:
        raise FileFormatError(place, f"unpacks to more than {LARGEST} bytes")
    return content


def _value(line: str, place: str, number: int) -> Any:
    try:
        value = json.loads(line)
        if _encode(value) == line:
            return value
    except (ValueError, RecursionError):
        pass
    raise FileFormatError(place, f"line {number} is not JSON as it is written here")


def _problem(lines: Iterator[str], where: str) -> tuple[Problem, str]:
    """The next problem, and the text of its certificate."""
    line = next(lines, None)
    if line is None:
        raise FileFormatError(where, "is missing")
    head = _value(line, where, 1)
    if not isinstance(head, dict) or set(head) != {"lines", "problem"}:
        raise FileFormatError(where, "is no object with the keys lines and problem")
    problem = Problem.from_json(head["problem"], where)
    if not label(problem).isprintable():
        raise FileFormatError(where, "its name or category cannot be printed")
    if type(head["lines"]) is not int or head["lines"] < 2:
        raise FileFormatError(where, "the number of lines is none")
    text = list(islice(lines, head["lines"]))
    if len(text) < head["lines"]:
        raise FileFormatError(where, "is cut off")
    return problem, "".join(f"{line}\n" for line in text)


def _part(problem: Problem, text: str, where: str) -> Subdivision:
    net, dom = problem.network(), problem.polygon()
    try:
        certificate = Certificate.from_text(text)
    except FileFormatError as error:
        raise FileFormatError(f"{where}: {error.place}", error.reason) from None
    content = certificate.content
    if (content.network, content.domain, tuple(content.conventions)) != (net.digest, dom.digest, net.conventions):
        raise FileFormatError(where, "the certificate is of another network or domain")
    points = [vertex for vertex in content.vertices if len(vertex) == 3]
    if len(points) < len(content.vertices):
        raise FileFormatError(where, "a vertex has no coordinates")
    verdict = check(certificate, net, dom)
    if not verdict:
        raise RefutedCertificate(f"{where}: {verdict.place}", verdict.reason)
    return Subdivision(net, dom, ListGeometry(points, list(content.cells), net.program()), mode="rational")
