"""`Claim`: what another tool says of a partition, and the plain forms in which it may say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._text import brief, whole
from splinecam_exact.comparison.checking import COUNTS, check, counts_of
from splinecam_exact.comparison.coordinates import Array, as_cell, as_cells, as_places, of_indices, refuse_masked
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.subdivision import Subdivision

_ACCEPTED = (
    "a Claim, a list of polygons (arrays of shape (k, 2)), a padded array (cells, k, 2), a pair (vertices, faces of "
    "vertex numbers), a dict with such entries ('polygons', 'patterns', 'vertices', 'faces', 'edges', 'vertex_signs', "
    "'segments', 'counts'), an integer array (cells, units) of signs, or a number of cells; for what a known tool "
    "returns there is splinecam_exact.comparison.adapters"
)
_NAMES = {
    "polygons": ("polygons", "regions", "cells"),
    "faces": ("faces", "indices"),
    "patterns": ("patterns", "sign_vectors", "activations"),
    "vertices": ("vertices", "points"),
    "vertex_signs": ("vertex_signs", "signs"),
    "edges": ("edges",),
    "segments": ("segments", "boundary"),
    "counts": ("counts",),
    "two_valued": ("two_valued",),
    "source": ("source",),
}
_NAME = {key: name for name, keys in _NAMES.items() for key in keys}
_SIGNS = {"-": -1, "0": 0, "+": 1}


@dataclass(frozen=True, eq=False)
class Claim:
    """What another tool says of a partition. Everything that it does not say is None.

    `polygons` has one array per cell, in slice coordinates, open or closed, of either orientation: (k, 2) float64 as
    the tool gave it, or (k, 2) of objects, which are mpq (NaN where there is no finite number); a cell that is nothing
    of this kind is an array of no dimension that holds the reason. `patterns` (cells, units) and `vertex_signs`
    (V, units) are int8, the signs -1, 0 and 1 of the units, hidden layer by hidden layer; where they are `two_valued`,
    patterns are 0 (off) and 1 (on) for want of a zero state. `vertices` (V, 2) are the places of the vertices, `edges`
    (E, 2) their numbers, `counts` any of "A", "L", "P", "V", "E", `segments` (m, 2, 2) a decision boundary, and
    `source` says who claims all this. `claim_of` makes a Claim of plain data.
    """

    polygons: tuple[Array, ...] | None = None
    patterns: NDArray[np.int8] | None = None
    two_valued: bool = False
    vertex_signs: NDArray[np.int8] | None = None
    vertices: Array | None = None
    edges: NDArray[np.int64] | None = None
    counts: Mapping[str, int] | None = None
    segments: Array | None = None
    source: str = ""

    def __repr__(self) -> str:
        said = [
            f"{len(value):,} {name.replace('_', ' ')}"
            for name in ("polygons", "patterns", "vertex_signs", "vertices", "edges", "segments")
            if (value := getattr(self, name)) is not None
        ]
        said += [f"{key} = {count}" for key, count in (self.counts or {}).items()]
        return f"<Claim{' of ' + self.source if self.source else ''}: {', '.join(said) or 'nothing'}>"


def claim_of(other: object) -> Claim:
    """The claim in plain data of any reasonable form.

    `other` may be a `Claim`; a list of cells, each an array or list of k pairs (floats, or exact: int, Fraction, mpq,
    canonical strings "p/q"); an array (cells, k, 2), short cells padded with NaN at their ends; a pair (vertices,
    faces), the faces lists of vertex numbers; a dict with entries such as "polygons" ("regions", "cells"), "patterns",
    "vertices" with "faces" or "edges" and "vertex_signs", "segments", "counts" or "A", "L", "P", "V", "E"; an integer
    array (cells, units) of signs; an int, the number of activation cells; or a `Subdivision` of this package. Boolean
    patterns are two-valued. Results of tools that `adapters` knows are taken as well; those of tools that look at the
    whole plane are better given to their adapter, with the problem that was asked.

    What is wrong inside (NaN, a cell that is none) is kept, for `compare` to report. Raises InputError only where
    `other` is nothing of the kind, or a `Claim` whose fields are not as that says. Cost: some microseconds per cell.

    >>> claim_of([[(0, 0), (1, 0), (0, 1)], [(1, 0), (1, 1), (0, 1)]])
    <Claim of polygons: 2 polygons>
    >>> claim_of(([(0, 0), (1, 0), (0, "1/3")], [[0, 1, 2]])).polygons[0].tolist()
    [[mpq(0,1), mpq(0,1)], [mpq(1,1), mpq(0,1)], [mpq(0,1), mpq(1,3)]]
    """
    if isinstance(other, Claim):
        check(other)
        return other
    if isinstance(other, Subdivision):
        from splinecam_exact.comparison.own import claim_of_partition

        return claim_of_partition(other)
    try:
        return _claim_of(other)
    except (InputError, MemoryError):
        raise
    except RecursionError:
        raise InputError(f"what the {type(other).__name__} holds is nested too deeply") from None
    except Exception as error:  # a caller's class may do anything
        raise InputError(f"the {type(other).__name__} cannot be read ({type(error).__name__})") from error


def _claim_of(other: object) -> Claim:
    from splinecam_exact.comparison.adapters import recognized

    if (claim := recognized(other)) is not None:
        return claim
    if (count := whole(other)) is not None:
        return Claim(counts=counts_of({"A": count}), source="count")
    if isinstance(other, Mapping):
        return _of_entries(other)
    if isinstance(other, np.ndarray) and other.ndim == 2 and other.dtype.kind in "iub":
        return Claim(**_patterns(other), source="patterns")
    if isinstance(other, np.ndarray) and other.dtype != object and other.ndim != 3:
        raise InputError(f"an array of shape {other.shape} is no partition; give {_ACCEPTED}")
    if isinstance(other, str | bytes) or not isinstance(other, Iterable):
        raise InputError(f"{brief(other)} is no partition; give {_ACCEPTED}")
    cells = _listed(other, "the cells")
    if _is_mesh(cells):
        return Claim(polygons=of_indices(as_places(cells[0], "vertices"), cells[1]), source="vertices and faces")
    if len(cells) > 2 and all(map(_is_pair, cells)):
        raise InputError("these are the corners of one polygon, not a list of polygons: put it in a list")
    return Claim(polygons=as_cells(cells), source="polygons")


def _is_pair(cell: object) -> bool:
    """Whether this is a point, not a cell."""
    if isinstance(cell, np.ndarray):
        return bool(cell.shape == (2,))
    return isinstance(cell, list | tuple) and len(cell) == 2 and not any(isinstance(x, Iterable) for x in cell)


def _is_mesh(cells: Any) -> bool:
    """Whether this is a pair (vertices, faces): the second has rows of whole numbers, and not all are pairs."""
    if not isinstance(cells, list | tuple) or len(cells) != 2 or as_cell(cells[0]).ndim != 2:
        return False
    rows = cells[1]
    if not isinstance(rows, list | tuple | np.ndarray) or not len(rows):
        return False
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        return rows.ndim == 2 and rows.dtype.kind in "iu" and rows.shape[1] != 2
    if not all(isinstance(row, list | tuple | np.ndarray) for row in rows):
        return False
    return any(len(row) != 2 for row in rows) and all(whole(entry) is not None for row in rows[:9] for entry in row)


def _of_entries(other: Mapping[Any, Any]) -> Claim:
    found: dict[str, Any] = {}
    counts: dict[str, object] = {}
    for key, value in other.items():
        if key in COUNTS:
            counts[key] = value
        elif key not in _NAME:
            raise InputError(f"a claim has no entry {brief(key)}; its entries are {', '.join(_NAME)} and the counts")
        elif _NAME[key] in found:
            raise InputError(f"the entries of a claim name its {_NAME[key]} twice")
        elif value is not None:
            found[_NAME[key]] = value
    said: dict[str, Any] = {"source": found.get("source", "entries")}
    if not isinstance(said["source"], str):
        raise InputError(f"source must be a text, not {brief(said['source'])}")
    two_valued = _truth(found.get("two_valued", False))
    if "polygons" in found:
        said["polygons"] = as_cells(_listed(found["polygons"], "polygons"))
    if "vertices" in found:
        said["vertices"] = as_places(found["vertices"], "vertices")
    if "faces" in found:
        if "polygons" in found or "vertices" not in found:
            raise InputError("faces are lists of vertex numbers: give vertices with them, and no polygons")
        said["polygons"] = of_indices(said["vertices"], _listed(found["faces"], "faces"))
        if not {"edges", "vertex_signs"} & found.keys() and _all_used(said["vertices"], found["faces"]):
            del said["vertices"]  # they are the corners of the polygons, and no more
    if "patterns" in found:
        said |= _patterns(found["patterns"], two_valued)
    if "vertex_signs" in found:
        said["vertex_signs"] = signs_of(found["vertex_signs"], "vertex_signs")
    if "edges" in found:
        said["edges"] = _edges(found["edges"])
    if "segments" in found:
        said["segments"] = _segments(found["segments"])
    if "counts" in found:
        counts |= counts_of(found["counts"])
    if counts:
        said["counts"] = counts_of(counts)
    if len(said) == 1:
        raise InputError(f"this claims nothing; give {_ACCEPTED}")
    return Claim(**said)


def _all_used(vertices: Array, faces: Any) -> bool:
    """Whether faces name all vertices."""
    try:
        return {whole(number) for face in faces for number in face} >= set(range(len(vertices)))
    except (TypeError, InputError):
        return False


def _truth(value: object) -> bool:
    if isinstance(value, bool | np.bool_) or whole(value) in (0, 1):
        return bool(value)
    raise InputError(f"two_valued must be true or false, not {brief(value)}")


def _listed(value: object, name: str) -> Any:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InputError(f"{name} must be a list, not {brief(value)}")
    try:
        return value if isinstance(value, Sequence | np.ndarray) else list(value)
    except Exception as error:  # a caller's class may do anything
        raise InputError(f"{name} cannot be listed ({type(error).__name__})") from None


def _patterns(value: object, two_valued: bool = False) -> dict[str, Any]:
    signs = signs_of(value, "patterns")
    boolean = isinstance(value, np.ndarray) and value.dtype.kind == "b"
    if two_valued and (signs < 0).any():
        raise InputError("two-valued patterns are 0 (off) or 1 (on), not -1")
    return {"patterns": signs, "two_valued": two_valued or boolean}


def signs_of(value: object, name: str) -> NDArray[np.int8]:
    """Sign vectors, shape (rows, units): integers -1, 0 and 1, booleans, or strings of "-", "0" and "+"."""
    if isinstance(value, list | tuple) and value and all(isinstance(row, str) for row in value):
        if not all(set(row) <= set(_SIGNS) for row in value):
            raise InputError(f"{name}: strings of signs have -, 0 and + only")
        value = [[_SIGNS[sign] for sign in row] for row in value]
    refuse_masked(value, name)
    try:
        signs = np.asarray(value)
    except Exception:  # ragged, or a caller's class that does as it likes
        raise InputError(f"{name} must be an array (rows, units) of signs; the rows are not equally long") from None
    if signs.size == 0 and signs.ndim <= 2:
        return np.zeros((signs.shape[0], signs.shape[1] if signs.ndim == 2 else 0), np.int8)
    if signs.ndim != 2 or signs.dtype.kind not in "iubf" or not np.isin(signs, (-1, 0, 1)).all():
        raise InputError(f"{name} must be an array (rows, units) of the signs -1, 0 and 1, not {brief(value)}")
    return signs.astype(np.int8)


def _edges(value: object) -> NDArray[np.int64]:
    refuse_masked(value, "edges")
    try:
        edges = np.asarray(value)
    except Exception:
        raise InputError("edges must be an array (E, 2) of vertex numbers") from None
    if edges.size == 0:
        return np.zeros((0, 2), np.int64)
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise InputError(f"edges must be an array (E, 2) of vertex numbers, not {brief(value)}")
    return edges.astype(np.int64)


def _is_nothing(row: object) -> bool:
    if isinstance(row, np.ndarray):
        return row.size == 0
    return row is None or (isinstance(row, Sized) and not len(row))


def _segments(value: object) -> Array:
    """Segments (m, 2, 2). A part that is None or empty (there is no boundary) counts for nothing."""
    rows = [row for row in _listed(value, "segments") if not _is_nothing(row)]
    ends = [as_cell(row) for row in rows]
    for k, pair in enumerate(ends):
        if pair.shape != (2, 2):
            raise InputError(f"segments[{k}] must be two points of two coordinates, not {brief(rows[k])}")
    dtype = object if any(pair.dtype == object for pair in ends) else np.float64
    return np.array(ends, dtype).reshape(-1, 2, 2)
