"""Geometries as GeoJSON writes them, also those of objects such as shapely's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from splinecam_exact._text import brief
from splinecam_exact.comparison.adapters.reading import reading
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.kernel.errors import InputError

MAX_DEPTH = 16
"""So many collections may lie in one another."""


def geometries(result: object) -> Claim:
    """The claim in GeoJSON: a mapping, an object with `__geo_interface__` (shapely's, geopandas'), or a list of these.

    Every polygon is a cell, also in collections, features and multi-polygons; a polygon with holes is a cell that is
    none, for `compare` to report. Line strings are boundary segments, points are vertices. Features with a property
    "pattern" (signs, or a text of -, 0 and +) give the patterns. Raises InputError for anything else, naming the place.

    >>> geometries({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 1], [0, 0]]]})
    <Claim of geometries: 1 polygons>
    """
    found: dict[str, list[Any]] = {"polygons": [], "patterns": [], "segments": [], "vertices": []}
    with reading("the geometries' library", "GeoJSON or objects with __geo_interface__"):
        parts = result if isinstance(result, list | tuple) else [result]
        for k, part in enumerate(parts):
            _collect(part, found, f"geometry {k}" if len(parts) > 1 else "the geometry", 0)
        if found["patterns"] and len(found["patterns"]) != len(found["polygons"]):
            raise InputError(f"there are {len(found['patterns'])} patterns for {len(found['polygons'])} polygons")
        said = {name: values for name, values in found.items() if values}
        return claim_of({"polygons": [], **said, "source": "geometries"})


def looks_like(result: object, depth: int = 0) -> bool:
    """Whether a result is a geometry, or a list of nothing else. Raises InputError where lists are nested deeply."""
    if isinstance(result, list | tuple):
        if depth > MAX_DEPTH:
            raise InputError(f"more than {MAX_DEPTH} lists lie in one another")
        return bool(result) and all(looks_like(part, depth + 1) for part in result)
    return hasattr(result, "__geo_interface__") or (
        isinstance(result, Mapping)
        and isinstance(kind := result.get("type"), str)
        and kind in {"FeatureCollection", "Feature", *_TYPES}
    )


def _collect(value: Any, found: dict[str, list[Any]], place: str, depth: int) -> None:
    value = getattr(value, "__geo_interface__", value)
    if depth > MAX_DEPTH:
        raise InputError(f"{place}: more than {MAX_DEPTH} collections lie in one another")
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise InputError(f"{place}: is no geometry but {brief(value)}")
    kind = value["type"]
    if kind == "Feature":
        before = len(found["polygons"])
        if value.get("geometry") is not None:
            _collect(value["geometry"], found, place, depth + 1)
        properties = value.get("properties")
        if isinstance(properties, Mapping) and "pattern" in properties:
            found["patterns"] += [properties["pattern"]] * (len(found["polygons"]) - before)
        return
    name = {"FeatureCollection": "features", "GeometryCollection": "geometries"}.get(kind, "coordinates")
    parts = value.get(name)
    if not isinstance(parts, list | tuple):
        raise InputError(f"{place}: a {brief(kind)} needs a list of {name}")
    if name == "coordinates":
        if kind not in _TYPES:
            raise InputError(f"{place}: {brief(kind)} is no type of geometry; the types are {', '.join(_TYPES)}")
        for key, part in _TYPES[kind](parts):
            found[key].append(part)
        return
    for k, part in enumerate(parts):
        _collect(part, found, f"{place}: {name}[{k}]", depth + 1)


def _polygon(rings: Any) -> Iterator[tuple[str, Any]]:
    # Several rings are passed on as they are: no cell has such a shape.
    yield "polygons", rings[0] if len(rings) == 1 else rings


def _line(points: Any) -> Iterator[tuple[str, Any]]:
    for k in range(len(points) - 1):
        yield "segments", (points[k], points[k + 1])


def _point(point: Any) -> Iterator[tuple[str, Any]]:
    yield "vertices", point


def _each(single: Any) -> Any:
    def several(parts: Any) -> Iterator[tuple[str, Any]]:
        for part in parts:
            if not isinstance(part, list | tuple):
                raise InputError(f"coordinates must be lists, not {brief(part)}")
            yield from single(part)

    return several


_TYPES: dict[str, Any] = {
    "Polygon": _polygon,
    "MultiPolygon": _each(_polygon),
    "LineString": _line,
    "MultiLineString": _each(_line),
    "Point": _point,
    "MultiPoint": _each(_point),
    "GeometryCollection": None,
}
