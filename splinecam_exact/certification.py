"""`certify` and `check`: certificates for people who trust neither the engine nor its author."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from splinecam_exact._files import PathLike, atomic_write, read_text
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import ListGeometry
from splinecam_exact.kernel import certificate as text_form
from splinecam_exact.kernel.checker import Statement, decode_patterns, verify
from splinecam_exact.kernel.errors import InputError, MalformedCertificate, RefutedCertificate, Undecided
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import Point
from splinecam_exact.limits import with_time_limit
from splinecam_exact.network import Network
from splinecam_exact.partitioning import lowered, partition
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
        """Read a certificate file. Raises MalformedCertificate, naming the place, where it is none."""
        return cls(text_form.parse(read_text(path)))

    @classmethod
    def from_text(cls, text: str) -> Certificate:
        """Read a certificate's text. Raises MalformedCertificate, naming the place, where it is none."""
        return cls(text_form.parse(text))

    def to_text(self) -> str:
        """The certificate's text, as proofs/format.md specifies it."""
        return text_form.serialize(self.content)

    def save(self, path: PathLike) -> None:
        """Write the certificate, whole or not at all."""
        with atomic_write(path) as file:
            file.write(self.to_text().encode())

    @property
    def counts(self) -> dict[str, int]:
        """The counts that are claimed: A, L, P, V, E."""
        return dict(self.content.counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.content == other.content

    def __hash__(self) -> int:
        return hash((self.content.network, self.content.domain, len(self.content.cells)))

    def __repr__(self) -> str:
        return f"<Certificate: {len(self.content.cells)} cells of network {self.content.network[:12]}>"


class Verdict(NamedTuple):
    """The answer to a check. `status` is "verified", "refuted" or "undecided".

    Verified: `counts` are proved. Refuted: `place` names the first false claim, `reason` shows why. Undecided:
    `reason` is the limit that was reached. Only a verified verdict is true in a condition.
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
    return Certificate(partition(net, dom, progress=progress, max_cells=max_cells).certificate())


def check(
    certificate: Certificate | PathLike,
    net: Network,
    dom: Polygon | Slice,
    *,
    method: str = "witness",
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> Verdict:
    """Check a certificate (or a certificate file) of a network and a domain that *you* supply.

    `method` "witness" replays the witness by the theorem of proofs/certificate.md, without the builder's geometry;
    "rebuild" partitions anew and compares canonical forms. Raises MalformedCertificate where there is no certificate,
    and the errors of `partition` for a network and a domain that do not fit; what is false is a refuted verdict.
    `time_limit` is in seconds. Cost: "witness" is an exact evaluation of the network per vertex.
    """
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; the methods are {', '.join(METHODS)}")
    if isinstance(certificate, str | os.PathLike):
        certificate = Certificate.load(certificate)
    elif isinstance(certificate, Certificate):
        certificate = _as_written(certificate)
    else:
        raise MalformedCertificate(
            "certificate", f"is of type {type(certificate).__name__}, not a Certificate or a path"
        )
    statement = Statement(lowered(net, dom), dom.corners, net.digest, net.conventions, dom.digest)
    watch = with_time_limit(progress, time_limit)
    try:
        if method == "witness":
            return Verdict("verified", counts=verify(certificate.content, statement, watch))
        return Verdict("verified", counts=_compare_rebuilt(certificate.content, partition(net, dom, progress=watch)))
    except RefutedCertificate as refutation:
        return Verdict("refuted", refutation.reason, refutation.place)
    except Undecided as limit:
        return Verdict("undecided", str(limit))


def _as_written(certificate: Certificate) -> Certificate:
    """What a reader of its text would see: an object made by hand is held to the same form as a file."""
    try:
        text = certificate.to_text()
    except Exception as error:  # whatever was put into it
        raise MalformedCertificate("certificate", f"cannot be written: {error}") from None
    return Certificate.from_text(text)


def canonical_form(part: Subdivision) -> dict[bytes, tuple[Point, ...]]:
    """Pattern -> polygon as points, from the least one on: equal for equal subdivisions, however they are numbered."""
    found = {}
    for i, cell in enumerate(part.cells):
        polygon = [part.points[v] for v in cell.polygon]
        first = polygon.index(min(polygon))
        found[part.states[i].tobytes()] = tuple(polygon[first:] + polygon[:first])
    return found


def _compare_rebuilt(claimed: text_form.Certificate, part: Subdivision) -> dict[str, int]:
    true = part.certificate()
    for key in ("network", "conventions", "domain"):
        if getattr(claimed, key) != getattr(true, key):
            raise RefutedCertificate(key, f"is {getattr(claimed, key)}, but what was given is {getattr(true, key)}")
    decode_patterns(claimed.cells, part.program)  # refuses states that do not exist, and one pattern twice
    mine = canonical_form(part)
    theirs = Subdivision(part.network, part.domain, ListGeometry(claimed.vertices, claimed.cells, part.program))
    for i, (pattern, polygon) in enumerate(canonical_form(theirs).items()):
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
