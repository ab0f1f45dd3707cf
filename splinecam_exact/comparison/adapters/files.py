"""Partitions in files: JSON, GeoJSON, well-known text, npz. Nothing in a file is believed, and nothing is unpickled."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from splinecam_exact._files import PathLike, named, read_bytes, read_json, read_npz, read_text, shown
from splinecam_exact.comparison.adapters import geometry
from splinecam_exact.comparison.adapters.wkt import parse_wkt
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import FileFormatError, InputError

MAX_BYTES = 2**30
"""Of a file, and of all arrays of an npz file unpacked: far more than a million cells need."""

_SUFFIXES = ".json, .geojson, .npz, .wkt or .txt (well-known text)"


def read_claim(path: PathLike) -> Claim:
    """The partition that a file claims, by the file's suffix.

    .json: what `claim_of` takes (a list of polygons, an object with "polygons", "patterns", "counts", ...), or
    GeoJSON. .geojson: GeoJSON, see `geometries`. .npz: arrays named like the entries that `claim_of` takes, short cells
    of "polygons" padded with NaN; "vertices" with "offsets", cell k having the rows offsets[k] to offsets[k + 1]; or
    arr_0, arr_1, ..., each a cell (what `numpy.savez(path, *cells)` writes). .wkt, .txt: well-known text.

    A decimal is the float64 nearest to it, a string "p/q" that rational, and null, NaN and Infinity are no numbers:
    they are part of what is claimed, so they are kept. Raises FileFormatError, naming the file and the place, where
    the file is damaged, not what its suffix says, too large, or claims nothing; InputError where it cannot be read.
    """
    place = shown(path)
    suffix = PurePath(named(path)).suffix.lower()
    if suffix not in {".json", ".geojson", ".npz", ".wkt", ".txt"}:
        raise InputError(f"{place}: a partition is read from {_SUFFIXES}")
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError):
        size = 0  # reading it says why
    if size > MAX_BYTES:
        raise FileFormatError(place, f"is larger than {MAX_BYTES} bytes")
    try:
        if suffix == ".npz":
            return _of_arrays(read_npz(path, MAX_BYTES), place)
        if suffix in {".wkt", ".txt"}:
            return geometry.geometries(_some(parse_wkt(read_text(path), place), place))
        return _of_json(read_json(path, float, _no_number), suffix, place)
    except FileFormatError:
        raise
    except RecursionError:
        raise FileFormatError(place, "is nested too deeply") from None
    except InputError as error:
        read_bytes(path)  # says itself why it cannot be read, and otherwise the content is at fault
        raise FileFormatError(place, str(error)) from None


def _no_number(text: str) -> float:
    return math.inf if text == "Infinity" else -math.inf if text == "-Infinity" else math.nan


def _of_json(value: Any, suffix: str, place: str) -> Claim:
    value = _without_null(value)
    if suffix == ".geojson" or (isinstance(value, Mapping) and isinstance(value.get("type"), str)):
        return geometry.geometries(value)
    if not isinstance(value, dict | list | int):
        raise FileFormatError(place, "is neither a list of polygons, an object nor a count")
    return claim_of(value)


def _without_null(value: Any) -> Any:
    """The value with NaN for null inside lists: how writers that know no NaN write it."""
    if isinstance(value, list):
        return [math.nan if entry is None else _without_null(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _without_null(entry) for key, entry in value.items()}
    return value


def _some(parts: list[Any], place: str) -> list[Any]:
    if not parts:
        raise FileFormatError(place, "holds no geometry")
    return parts


def _of_arrays(arrays: dict[str, np.ndarray[Any, Any]], place: str) -> Claim:
    if arrays and all(name == f"arr_{k}" for k, name in enumerate(arrays)):
        return claim_of(list(arrays.values()))
    said: dict[str, Any] = {name: array.item() if array.ndim == 0 else array for name, array in arrays.items()}
    if "offsets" in said:
        if "vertices" not in said or "polygons" in said or "faces" in said:
            raise FileFormatError(place, "offsets say which rows of vertices make a cell; no other cells go with them")
        vertices, offsets = said.pop("vertices"), said.pop("offsets")
        if not isinstance(vertices, np.ndarray) or not _covers(offsets, len(vertices)):
            raise FileFormatError(f"{place}: offsets", "must rise from 0 to the number of vertices")
        said["polygons"] = np.split(vertices, offsets[1:-1].astype(np.int64))
    return claim_of(said)


def _covers(offsets: object, size: int) -> bool:
    if not isinstance(offsets, np.ndarray) or offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not len(offsets):
        return False
    return int(offsets[0]) == 0 and int(offsets[-1]) == size and bool((offsets[1:] >= offsets[:-1]).all())
