"""Exact, certified partitions of piecewise linear neural networks on two-dimensional polygons of their input space.

>>> import splinecam_exact as sx
>>> net = sx.from_layers([([[1, 0], [0, 1], [1, 1]], [0, 0, -1]), ([[1, 1, -2]], [0])])
>>> part = sx.partition(net, sx.square(1))
>>> part.counts()
{'A': 5, 'L': 5, 'P': 5, 'V': 9, 'E': 13}
>>> sx.check(sx.certify(net, sx.square(1)), net, sx.square(1)).status
'verified'

Everything here is loaded when it is first used: importing the package loads neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splinecam_exact.boundaries import Boundary, BoundarySegment, FilledArea, boundary
    from splinecam_exact.boundary_chains import Chain
    from splinecam_exact.boundary_samples import BoundarySample, Bracket, sample_boundary
    from splinecam_exact.certification import Certificate, Verdict, certificate_of, certify, check, write_certificate
    from splinecam_exact.comparison.claims import Claim
    from splinecam_exact.comparison.comparing import compare
    from splinecam_exact.comparison.defects import Defect
    from splinecam_exact.comparison.result import Comparison
    from splinecam_exact.domain import Polygon, Slice, square
    from splinecam_exact.encodings import periodic_encoding
    from splinecam_exact.importers import load
    from splinecam_exact.importers.from_torch import from_torch
    from splinecam_exact.importers.verify_import import ImportCheck, verify_import
    from splinecam_exact.kernel.errors import (
        DomainError,
        FileFormatError,
        InputError,
        MalformedCertificate,
        MissingDependency,
        NetworkError,
        RefutedCertificate,
        SplinecamError,
        Undecided,
    )
    from splinecam_exact.lines import Breakpoint, Crossing, Line, Piece, line
    from splinecam_exact.local_maps import Projection, project
    from splinecam_exact.locate import Location
    from splinecam_exact.network import Network
    from splinecam_exact.partition_files import load_partition
    from splinecam_exact.partitioning import partition
    from splinecam_exact.plotting import plot
    from splinecam_exact.refining import Refined, refine
    from splinecam_exact.sample_files import check_samples
    from splinecam_exact.samples import Samples, Witness, certify_samples
    from splinecam_exact.scaling import WorkerDied, partition_many, partition_pieces
    from splinecam_exact.statistics import Statistics
    from splinecam_exact.subdivision import AffineMap, Edge, Face, Subdivision

    from_layers = Network.from_layers

_HOMES = {
    "boundaries": ("Boundary", "BoundarySegment", "FilledArea", "boundary"),
    "boundary_chains": ("Chain",),
    "boundary_samples": ("BoundarySample", "Bracket", "sample_boundary"),
    "certification": ("Certificate", "Verdict", "certificate_of", "certify", "check", "write_certificate"),
    "comparison.claims": ("Claim",),
    "comparison.comparing": ("compare",),
    "comparison.defects": ("Defect",),
    "comparison.result": ("Comparison",),
    "domain": ("Polygon", "Slice", "square"),
    "encodings": ("periodic_encoding",),
    "importers": ("load",),
    "importers.from_torch": ("from_torch",),
    "importers.verify_import": ("ImportCheck", "verify_import"),
    "kernel.errors": (
        "DomainError",
        "FileFormatError",
        "InputError",
        "MalformedCertificate",
        "MissingDependency",
        "NetworkError",
        "RefutedCertificate",
        "SplinecamError",
        "Undecided",
    ),
    "lines": ("Breakpoint", "Crossing", "Line", "Piece", "line"),
    "local_maps": ("Projection", "project"),
    "locate": ("Location",),
    "network": ("Network",),
    "partition_files": ("load_partition",),
    "partitioning": ("partition",),
    "plotting": ("plot",),
    "refining": ("Refined", "refine"),
    "sample_files": ("check_samples",),
    "samples": ("Samples", "Witness", "certify_samples"),
    "scaling": ("WorkerDied", "partition_many", "partition_pieces"),
    "statistics": ("Statistics",),
    "subdivision": ("AffineMap", "Edge", "Face", "Subdivision"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AffineMap",
    "Boundary",
    "BoundarySample",
    "BoundarySegment",
    "Bracket",
    "Breakpoint",
    "Certificate",
    "Chain",
    "Claim",
    "Comparison",
    "Crossing",
    "Defect",
    "DomainError",
    "Edge",
    "Face",
    "FileFormatError",
    "FilledArea",
    "ImportCheck",
    "InputError",
    "Line",
    "Location",
    "MalformedCertificate",
    "MissingDependency",
    "Network",
    "NetworkError",
    "Piece",
    "Polygon",
    "Projection",
    "Refined",
    "RefutedCertificate",
    "Samples",
    "Slice",
    "SplinecamError",
    "Statistics",
    "Subdivision",
    "Undecided",
    "Verdict",
    "Witness",
    "WorkerDied",
    "boundary",
    "certificate_of",
    "certify",
    "certify_samples",
    "check",
    "check_samples",
    "compare",
    "from_layers",
    "from_torch",
    "line",
    "load",
    "load_partition",
    "partition",
    "partition_many",
    "partition_pieces",
    "periodic_encoding",
    "plot",
    "project",
    "refine",
    "sample_boundary",
    "square",
    "verify_import",
    "write_certificate",
]


def __getattr__(name: str) -> object:
    if name == "from_layers":
        found: object = __getattr__("Network").from_layers  # type: ignore[attr-defined]
    elif name == "__version__":
        found = version("splinecam-exact")
    elif name in _HOME:
        found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
