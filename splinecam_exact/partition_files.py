"""A subdivision in one JSON file: its network, its domain and its certificate."""

from __future__ import annotations

import json
import os

from splinecam_exact._files import PathLike, atomic_write, read_json
from splinecam_exact.certificate_text import from_json, serialize, verify_in_memory
from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.geometry import ListGeometry
from splinecam_exact.importers import native
from splinecam_exact.kernel.checker import Statement
from splinecam_exact.kernel.errors import DomainError, FileFormatError
from splinecam_exact.partitioning import lowered
from splinecam_exact.subdivision import Subdivision

FORMAT = "splinecam-exact subdivision"
VERSION = 1
KEYS = ("format", "version", "network", "domain", "certificate")


def save_partition(part: Subdivision, path: PathLike) -> None:
    """Write a subdivision, whole or not at all. Raises InputError for a float64 result, which has no certificate."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "network": native.to_json(part.network),
        "domain": part.domain.to_json(),
    }
    fields = [f'"{key}": {json.dumps(value)}' for key, value in head.items()]
    fields.append(f'"certificate": {serialize(part.certificate())}')
    with atomic_write(path) as file:
        file.write(("{" + ",\n".join(fields) + "}\n").encode())


def load_partition(path: PathLike) -> Subdivision:
    """Read a subdivision that `Subdivision.save` wrote, and check its certificate against its network and domain.

    Raises FileFormatError (or MalformedCertificate) where the file is not one, naming the place, and
    RefutedCertificate where what it says is false. The result's mode is "certified".
    """
    place = os.fspath(path)
    data = read_json(path)
    if not isinstance(data, dict) or tuple(data) != KEYS or data["format"] != FORMAT:
        raise FileFormatError(place, f"is not a {FORMAT}, with the keys {', '.join(KEYS)}")
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise FileFormatError(f"{place}: version", f"this program reads version {VERSION} only")
    net = native.from_json(data["network"], f"{place}: network")
    kind = Slice if isinstance(data["domain"], dict) and "origin" in data["domain"] else Polygon
    try:
        dom: Polygon | Slice = kind.from_json(data["domain"])
        program = lowered(net, dom)
    except DomainError as error:
        raise FileFormatError(f"{place}: domain", str(error)) from None
    certificate = from_json(data["certificate"])
    verify_in_memory(certificate, Statement(program, dom.corners, net.digest, net.conventions, dom.digest))
    points = [vertex for vertex in certificate.vertices if len(vertex) == 3]
    return Subdivision(net, dom, ListGeometry(points, list(certificate.cells), program), mode="certified")
