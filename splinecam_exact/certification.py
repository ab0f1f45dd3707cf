"""`certify` and `check`: certificates for people who trust neither the engine nor its author."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from hashlib import blake2b
from secrets import randbits
from types import MappingProxyType
from typing import Any, NamedTuple

from splinecam_exact._files import PathLike
from splinecam_exact.canonical import canonical
from splinecam_exact.certificate_files import open_certificate, save
from splinecam_exact.certificate_text import collect, head_of, lines, parse, serialize, values, verify_in_memory
from splinecam_exact.defined_vertices import vertex_locator
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.kernel import certificate as text_form
from splinecam_exact.kernel.checker import Statement, verify
from splinecam_exact.kernel.errors import InputError, MalformedCertificate, RefutedCertificate, Undecided
from splinecam_exact.kernel.evaluation import evaluate
from splinecam_exact.kernel.one_layer import Lines
from splinecam_exact.kernel.patterns import Patterns
from splinecam_exact.kernel.program import Program, Progress
from splinecam_exact.kernel.rational import Point, homogeneous
from splinecam_exact.kernel.tiling import Face, Signs
from splinecam_exact.limits import with_time_limit
from splinecam_exact.network import Network
from splinecam_exact.partitioning import lowered, partition
from splinecam_exact.pooled import pooled
from splinecam_exact.subdivision import Subdivision

METHODS = ("witness", "rebuild")


class Certificate:
    """A certificate: the claim (digests and counts) and its witness (vertices, cells and patterns).

    It stands beside the network and the domain, which it names by their digests but does not contain. `content` is
    the kernel's form of it.
    """

    def __init__(self, content: text_form.Certificate) -> None:
        self.content = content

    @classmethod
    def load(cls, path: PathLike) -> Certificate:
        """Read a certificate file of either version. Raises MalformedCertificate, naming the place, where it is none.

        `check` takes a path too, and then holds a small part of the file at a time.
        """
        with open_certificate(path) as given:
            return cls(_whole(given))

    @classmethod
    def from_text(cls, text: str) -> Certificate:
        """Read a certificate's text. Raises MalformedCertificate, naming the place, where it is none."""
        return cls(parse(text))

    def to_text(self, version: int = 2) -> str:
        """The certificate's text, as proofs/format.md specifies it: a line per cell, or (version 1) one JSON object.

        Version 1 needs coordinates for all vertices: see `with_coordinates`.
        """
        if version == 1:
            return serialize(self.content)
        if version != 2:
            raise InputError(f"there is no version {version!r} of certificates, only 1 and 2")
        return "".join(lines(head_of(self.content), self.content.cells, self._locate))

    def save(self, path: PathLike) -> None:
        """Write the certificate in version 2, whole or not at all; compressed where the name ends in .gz."""
        save(head_of(self.content), self.content.cells, self._locate, path)

    def with_coordinates(self, net: Network, dom: Polygon | Slice) -> Certificate:
        """The same certificate, with coordinates for the vertices that are given as meeting points of known lines.

        Raises RefutedCertificate where the network and the domain have no such lines.
        """
        known = Lines(lowered(net, dom), [homogeneous(x, y) for x, y in dom.corners])
        vertices = [known.locate(v, f"vertices[{i}]")[0] for i, v in enumerate(self.content.vertices)]
        return Certificate(self.content._replace(vertices=tuple(vertices)))

    @property
    def counts(self) -> dict[str, int]:
        """The counts that are claimed: A, L, P, V, E."""
        return dict(self.content.counts)

    def _locate(self, vertices: Sequence[int]) -> list[text_form.Vertex]:
        return [self.content.vertices[v] for v in vertices]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.content == other.content

    def __hash__(self) -> int:
        return hash((self.content.network, self.content.domain, len(self.content.cells)))

    def __repr__(self) -> str:
        return f"<Certificate: {len(self.content.cells)} cells of network {self.content.network[:12]}>"


class Verdict(NamedTuple):
    """The answer to a check. `status` is "verified", "refuted" or "undecided".

    Verified: `counts` are proved. Refuted: `place` names the first false claim, `reason` shows why. Undecided:
    `reason` is the limit that was reached, or says that this was a spot check. Only a verified verdict is true in a
    condition.
    """

    status: str
    reason: str = ""
    place: str = ""
    counts: Mapping[str, int] = MappingProxyType({})

    def __bool__(self) -> bool:
        return self.status == "verified"


def certify(
    net: Network, dom: Polygon | Slice, *, progress: Progress | None = None, max_cells: int | None = None
) -> Certificate:
    """Partition exactly, and write down the witness that `check` replays.

    Errors and cost as for `partition`.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])
    >>> sx.check(sx.certify(net, sx.square(1)), net, sx.square(1)).status
    'verified'
    """
    return certificate_of(partition(net, dom, progress=progress, max_cells=max_cells))


def certificate_of(part: Subdivision) -> Certificate:
    """The certificate of a subdivision, in canonical numbering: equal subdivisions have equal certificates.

    Raises InputError for a float64 result, which has none.
    """
    whole = _numbered(part)
    vertices = vertex_locator(whole)(range(whole.geometry.vertex_count))
    return Certificate(text_form.Certificate(*_head(whole, part), tuple(vertices), tuple(whole.cells)))


def write_certificate(
    part: Subdivision, path: PathLike, *, resume: bool = False, progress: Progress | None = None
) -> None:
    """Write the certificate of a subdivision, as `certificate_of(part).save(path)` would, a part at a time.

    With `resume`, what is done is kept in a file of the same name with .partial at its end: when the process is killed,
    the same call goes on from there, and the result is the same, to the byte. Raises InputError where nothing can be
    written, where the .partial file is another certificate's, and for a float64 result.
    """
    whole = _numbered(part)
    save(_head(whole, part), whole.cells, vertex_locator(whole), path, resume=resume, progress=progress)


def _numbered(part: Subdivision) -> Subdivision:
    if not part.certified:
        raise InputError("a float64 result is uncertified, so it has no certificate: use mode='certified'")
    return canonical(part)


def _head(whole: Subdivision, part: Subdivision) -> text_form.Head:
    return text_form.Head(whole.network.digest, whole.network.conventions, whole.domain.digest, part.counts())


def check(
    certificate: Certificate | PathLike,
    net: Network,
    dom: Polygon | Slice,
    *,
    method: str = "witness",
    spot: Fraction | float | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> Verdict:
    """Check a certificate (or a certificate file) of a network and a domain that *you* supply.

    `method` "witness" replays the witness by the theorem of proofs/certificate.md, without the builder's geometry;
    "rebuild" partitions anew, by the exact kernel alone, and compares canonical forms. Raises MalformedCertificate
    where there is no certificate, and the errors of `partition` for a network and a domain that do not fit; what is
    false is a refuted verdict. `time_limit` is in seconds. `executor`, any `concurrent.futures.Executor`, evaluates the
    network.

    Cost: "witness" is an exact evaluation of the network per vertex, and for a network of one layer a few integer
    operations; it holds the unfinished part of the tiling, and the different affine maps.

    With `spot`, a fraction such as 0.01, this is a *spot check*: everything but the patterns is checked of all cells,
    and the patterns exactly, of this fraction of the cells, which `seed` chooses (by default, one that nobody can know
    beforehand). Its verdict is refuted, or undecided and never verified. It proves that the polygons tile the domain
    and that the pattern is right on all of every chosen cell; not that these are whole cells, and nothing of L and P.
    If a share f of the patterns is wrong, a check of n cells misses that with a probability of (1 - f)^n.
    """
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; the methods are {', '.join(METHODS)}")
    if not isinstance(certificate, Certificate | str | os.PathLike):
        kind = type(certificate).__name__
        raise MalformedCertificate("certificate", f"is of type {kind}, not a Certificate or a path")
    if spot is not None and method != "witness":
        raise InputError("spot checks belong to the method witness")
    chosen, how = (None, "") if spot is None else _sample(spot, seed)
    program = lowered(net, dom)
    watch = with_time_limit(progress, time_limit)
    opened: AbstractContextManager[text_form.Certificate | Iterator[Any]]
    opened = nullcontext(certificate.content) if isinstance(certificate, Certificate) else open_certificate(certificate)
    try:
        with opened as source:
            if method == "rebuild":
                return Verdict("verified", counts=_compare_rebuilt(_whole(source), _rebuilt(net, dom, watch)))
            statement = Statement(program, dom.corners, net.digest, net.conventions, dom.digest)
            engine = evaluate if executor is None else pooled(executor, program)
            if isinstance(source, text_form.Certificate):
                counts = verify_in_memory(source, statement, watch, engine, chosen)
            else:
                counts = verify(source, statement, watch, engine, chosen)
            return Verdict("verified", counts=counts)
    except RefutedCertificate as refutation:
        return Verdict("refuted", refutation.reason, refutation.place)
    except Undecided as limit:
        return Verdict("undecided", f"{limit}{how}")


def _whole(source: text_form.Certificate | Iterator[Any]) -> text_form.Certificate:
    if not isinstance(source, text_form.Certificate):
        return collect(source)
    collect(values(source))  # an object made by hand is held to the same form as a file
    return source


def _sample(spot: Fraction | float, seed: int | None) -> tuple[Callable[[int], bool], str]:
    """Which cells are chosen, and the words for it."""
    if isinstance(spot, bool) or not isinstance(spot, int | float | Fraction) or not 0 < spot <= 1:
        raise InputError(f"the fraction of cells to check must be above 0 and at most 1, not {spot!r}")
    seed = randbits(64) if seed is None else seed
    limit = int(Fraction(spot) * 2**64)

    def chosen(cell: int) -> bool:
        digest = blake2b(f"{seed} {cell}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < limit

    return chosen, f" (a fraction of {float(spot):g}, chosen by seed {seed})"


def _rebuilt(net: Network, dom: Polygon | Slice, watch: Progress | None) -> Subdivision:
    """By the kernel alone, whatever made the certificate."""
    return partition(net, dom, "rational", progress=watch)


def _compare_rebuilt(claimed: text_form.Certificate, part: Subdivision) -> dict[str, int]:
    true = part.certificate()
    for key in ("network", "conventions", "domain"):
        if getattr(claimed, key) != getattr(true, key):
            raise RefutedCertificate(key, f"is {getattr(claimed, key)}, but what was given is {getattr(true, key)}")
    known = Lines(part.program, [homogeneous(x, y) for x, y in part.domain.corners])
    mine, theirs = _polygons(true, part.program, known), _polygons(claimed, part.program, known)
    for i, (pattern, polygon) in enumerate(theirs.items()):
        if mine.get(pattern) != polygon:
            raise RefutedCertificate(f"cells[{i}]", "is no cell of the rebuilt subdivision")
    for key, count, rebuilt in (
        ("cells", len(claimed.cells), len(true.cells)),
        ("vertices", len(claimed.vertices), len(true.vertices)),
        *((f"counts.{key}", claimed.counts[key], n) for key, n in true.counts.items()),
    ):
        if count != rebuilt:
            raise RefutedCertificate(key, f"there are {count}, but {rebuilt} in the rebuilt subdivision")
    return true.counts


def canonical_form(part: Subdivision) -> dict[bytes, tuple[Point, ...]]:
    """Pattern -> polygon as points, from the least one on: equal for equal subdivisions, however they are numbered."""
    found = {}
    for i, cell in enumerate(part.cells):
        polygon = [part.points[v] for v in cell.polygon]
        first = polygon.index(min(polygon))
        found[part.states[i].tobytes()] = tuple(polygon[first:] + polygon[:first])
    return found


def _polygons(certificate: text_form.Certificate, program: Program, known: Lines) -> dict[Signs, tuple[Point, ...]]:
    """As `canonical_form`. Raises RefutedCertificate where there is no such state or line, or a pattern is repeated."""
    patterns = Patterns(program)
    points = [known.locate(vertex, f"vertices[{v}]")[0] for v, vertex in enumerate(certificate.vertices)]
    faces: list[Face] = []
    found: dict[Signs, tuple[Point, ...]] = {}
    for i, cell in enumerate(certificate.cells):
        place = f"cells[{i}]"
        base = faces[cell.base] if cell.base >= 0 else None
        faces.append(Face(i, patterns.changed(place, base, cell.changes)))
        if faces[i].signs in found:
            raise RefutedCertificate(place, "has the pattern of another cell")
        polygon = [points[v] for v in cell.polygon]
        first = polygon.index(min(polygon))
        found[faces[i].signs] = tuple(polygon[first:] + polygon[:first])
    return found
