"""Boundaries as .json files; samples of them as .npz and .csv for use, as .json with every exact number."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from splinecam_exact._files import PathLike, atomic_write, shown
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import format_rational

if TYPE_CHECKING:
    from splinecam_exact.boundaries import Boundary
    from splinecam_exact.boundary_samples import BoundarySample

FORMAT = "splinecam-exact boundary 1"
FORMATS = (".npz", ".csv", ".json")


def check_boundary_format(path: PathLike) -> None:
    """Raise InputError unless the suffix is that of a file of a boundary."""
    if Path(path).suffix.lower() != ".json":
        raise InputError(f"{shown(path)}: the name of a boundary's file must end in .json")


def write_boundary(found: Boundary, path: PathLike) -> None:
    """Write a boundary to a .json file, whole or not at all: see `Boundary.save`."""
    check_boundary_format(path)
    if not found.certified:
        raise InputError("a float64 result is not exact, and is not saved: use mode='certified'")
    lines = [line.encode() for line in _boundary_lines(found)]
    with atomic_write(path) as file:
        file.writelines(lines)


def _boundary_lines(found: Boundary) -> Iterator[str]:
    net, trace = found.part.network, found.trace
    head = {
        "format": FORMAT,
        "network": net.digest,
        "conventions": list(net.conventions),
        "domain": found.part.domain.digest,
        "kind": found.kind,
        "output": found.output if found.kind == "level" else None,
        "classes": [found.output, found.other] if found.kind == "difference" else None,
        "level": format_rational(found.level),
        "summary": found.summary(),
        "length_bounds": [format_rational(q) for q in found.length_bounds],
        "nesting": found.nesting,
        "triple_points": trace.triple.tolist(),
        "isolated_points": trace.isolated.tolist(),
    }
    segments = zip(*(a.tolist() for a in (found.ends, found.faces, found.classes, found.changes)), strict=True)
    areas = trace.filled
    polygons = [areas.corners[s:t].tolist() for s, t in pairwise(areas.starts.tolist())]
    filled = zip(trace.filled_faces.tolist(), trace.filled_classes.tolist(), polygons, strict=True)
    rows: dict[str, Iterable[object]] = {
        "points": ([format_rational(q) for q in point] for point in found.points),
        "segments": (dict(zip(("ends", "faces", "classes", "changes"), row, strict=True)) for row in segments),
        "chains": ({"closed": c.closed, "points": c.points, "segments": c.segments} for c in found.chains),
        "filled": (dict(zip(("face", "classes", "polygon"), row, strict=True)) for row in filled),
    }
    yield "{"
    for key, value in head.items():
        yield f"{json.dumps(key)}: {json.dumps(value)},\n"
    for key, entries in rows.items():
        texts = ",\n".join(map(json.dumps, entries))
        yield f"{json.dumps(key)}: [\n{texts}\n]" + ("}\n" if key == "filled" else ",\n")


def check_samples_format(path: PathLike) -> None:
    """Raise InputError unless the suffix is one of a file of samples."""
    if Path(path).suffix.lower() not in FORMATS:
        raise InputError(f"{shown(path)}: the name of a file of samples must end in one of {', '.join(FORMATS)}")


def write_samples(samples: Sequence[BoundarySample], path: PathLike) -> None:
    """Write samples to a .npz, .csv or .json file, whole or not at all, the same bytes each time.

    Exact numbers are texts "p/q". All have: `point` (slice coordinates) and `x`, exact; `nearest`, the floats nearest
    to x; `distance`, a bound of their distance; `above` and `below`, the bracket, or nothing (in .npz: NaN); `classes`
    and `segment`. A .csv has a column for each coordinate. Raises InputError for other names, and where it cannot
    write. Cost: that of the brackets.
    """
    check_samples_format(path)
    suffix = Path(path).suffix.lower()
    rows = [_row(sample) for sample in samples]
    content = {".npz": _npz, ".csv": _csv, ".json": _json}[suffix](rows)
    with atomic_write(path) as file:
        file.write(content)


def _row(sample: BoundarySample) -> dict[str, Any]:
    bracket = sample.bracket
    return {
        "segment": sample.segment,
        "classes": list(sample.classes),
        "point": [format_rational(q) for q in sample.point],
        "x": [format_rational(q) for q in sample.x],
        "nearest": sample.nearest.tolist(),
        "distance": sample.distance,
        "squared_distance": format_rational(sample.squared_distance),
        "above": None if bracket is None else bracket.above.tolist(),
        "below": None if bracket is None else bracket.below.tolist(),
        "bracket_squared_distance": None if bracket is None else format_rational(bracket.squared_distance),
    }


def _json(rows: list[dict[str, Any]]) -> bytes:
    lines = ",\n".join(json.dumps(row) for row in rows)
    return f"[\n{lines}\n]\n".encode()


def _npz(rows: list[dict[str, Any]]) -> bytes:
    unknown = [float("nan")] * len(rows[0]["x"])
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for name in ("above", "below"):
        columns[name] = [unknown if value is None else value for value in columns[name]]
    columns["bracket_squared_distance"] = [value or "" for value in columns["bracket_squared_distance"]]
    buffer = BytesIO()
    arrays: dict[str, Any] = {name: np.array(values) for name, values in columns.items()}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    sizes = {name: len(value) for name, value in rows[0].items() if isinstance(value, list)}
    sizes.update(above=len(rows[0]["x"]), below=len(rows[0]["x"]))
    header = [f"{name}{k}" for name in rows[0] for k in ([""] if name not in sizes else range(sizes[name]))]
    writer.writerow(header)
    for row in rows:
        cells: list[object] = []
        for name, value in row.items():
            cells += [value] if name not in sizes else value if value is not None else [""] * sizes[name]
        writer.writerow(cells)
    return text.getvalue().encode()
