"""The project's own format: exact JSON.

{"format": "splinecam-exact network", "version": 1, "input_size", "nodes", "conventions", "digest"}

A node is {"kind": "affine", "sources", "weights", "bias"}, {"kind": "piecewise", "source", "breakpoints", "slopes",
"anchor"} or {"kind": "max", "source", "groups"}. An array is {"shape", "float64"} with base64 of little-endian float64
where every entry is exactly one, and otherwise {"shape", "denominator", "numerators"} with decimal strings in lowest
terms. A weight may also be {"selection", "inputs"}, with base64 of little-endian int64, or {"convolution"} with an
object of the fields of `weights.Convolution`. There is one way to write each network, and nothing else is read.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from gmpy2 import mpz

from splinecam_exact._files import PathLike, atomic_write, read_json
from splinecam_exact.arrays import ExactArray
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError
from splinecam_exact.kernel.rational import parse_integer
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.weights import Convolution, Selection, Weight

_FORMAT = "splinecam-exact network"
_VERSION = 1
_KEYS = ("format", "version", "input_size", "nodes", "conventions", "digest")

_SIZES = ("image", "output", "window", "stride", "padding", "dilation")


def write(net: Network, path: PathLike) -> None:
    """Write a network, whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(to_json(net), indent=1).encode() + b"\n")


def load(path: PathLike) -> Network:
    """The network in a file that `Network.save` wrote; its digest is computed anew and compared.

    Raises FileFormatError, naming the place in the file, for anything else.
    """
    return from_json(read_json(path), os.fspath(path))


def to_json(net: Network) -> dict[str, Any]:
    """The network as a JSON object."""
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "input_size": net.input_size,
        "nodes": [_node_json(node) for node in net.nodes],
        "conventions": net.conventions,
        "digest": net.digest,
    }


def from_json(content: object, place: str) -> Network:
    """The network of a parsed `to_json` object; FileFormatError, which `place` begins, for anything else."""
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise FileFormatError(place, f'is not a network: the key "format" must be {_FORMAT!r}')
    if _typed(content.get("version"), int, f"{place}: version") != _VERSION:
        raise FileFormatError(place, f"has version {content['version']}; this program reads version {_VERSION}")
    _check_keys(content, _KEYS, place)
    size = _typed(content["input_size"], int, f"{place}: input_size")
    objects = _typed(content["nodes"], list, f"{place}: nodes")
    nodes = [_node(obj, f"{place}: nodes[{k}]") for k, obj in enumerate(objects)]
    conventions = _list(content["conventions"], str, f"{place}: conventions")
    try:
        net = Network(size, nodes, conventions)
    except NetworkError as error:
        raise FileFormatError(place, str(error)) from None
    if content["digest"] != net.digest:
        raise FileFormatError(f"{place}: digest", f"is not that of the content, {net.digest}: the file was changed")
    return net


def _node_json(node: Node) -> dict[str, Any]:
    if isinstance(node, Affine):
        weights = [_weight_json(w) for w in node.weights]
        return {"kind": "affine", "sources": node.sources, "weights": weights, "bias": _array_json(node.bias)}
    if isinstance(node, Piecewise):
        arrays = {name: _array_json(getattr(node, name)) for name in ("breakpoints", "slopes", "anchor")}
        return {"kind": "piecewise", "source": node.source, **arrays}
    return {"kind": "max", "source": node.source, "groups": node.groups}


def _weight_json(weight: Weight) -> dict[str, Any]:
    if isinstance(weight, Selection):
        data = base64.b64encode(weight.indices.astype("<i8").tobytes()).decode()
        return {"selection": data, "inputs": weight.inputs}
    if isinstance(weight, Convolution):
        sizes = {name: getattr(weight, name) for name in _SIZES}
        return {"convolution": {"kernel": _array_json(weight.kernel), **sizes, "groups": weight.groups}}
    return _array_json(weight)


def _array_json(array: ExactArray) -> dict[str, Any]:
    if array.floats is not None:
        return {"shape": array.shape, "float64": base64.b64encode(array.floats.astype("<f8").tobytes()).decode()}
    den, numerators = array.numerators()
    return {"shape": array.shape, "denominator": str(den), "numerators": list(map(str, numerators))}


def _node(obj: object, place: str) -> Node:
    kind = obj.get("kind") if isinstance(obj, dict) else None
    if not isinstance(obj, dict) or not isinstance(kind, str) or kind not in _NODES:
        raise FileFormatError(place, f'must be an object with the key "kind", one of {", ".join(_NODES)}')
    keys, build = _NODES[kind]
    _check_keys(obj, ("kind", *keys), place)
    return build(obj, place)


def _affine(obj: dict[str, Any], place: str) -> Node:
    sources = _list(obj["sources"], int, f"{place}.sources")
    weights = _typed(obj["weights"], list, f"{place}.weights")
    arrays = [_weight(weight, f"{place}.weights[{k}]") for k, weight in enumerate(weights)]
    return Affine(tuple(sources), tuple(arrays), _array(obj["bias"], f"{place}.bias"))


def _piecewise(obj: dict[str, Any], place: str) -> Node:
    arrays = (_array(obj[name], f"{place}.{name}") for name in ("breakpoints", "slopes", "anchor"))
    return Piecewise(_typed(obj["source"], int, f"{place}.source"), *arrays)


def _max(obj: dict[str, Any], place: str) -> Node:
    groups = _typed(obj["groups"], list, f"{place}.groups")
    members = (tuple(_list(group, int, f"{place}.groups[{k}]")) for k, group in enumerate(groups))
    return Max(_typed(obj["source"], int, f"{place}.source"), tuple(members))


_NODES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any], str], Node]]] = {
    "affine": (("sources", "weights", "bias"), _affine),
    "piecewise": (("source", "breakpoints", "slopes", "anchor"), _piecewise),
    "max": (("source", "groups"), _max),
}


def _weight(obj: object, place: str) -> Weight:
    content = _typed(obj, dict, place)
    try:
        if "selection" in content:
            _check_keys(content, ("selection", "inputs"), place)
            data = _bytes(_typed(content["selection"], str, f"{place}.selection"), f"{place}.selection")
            if not data or len(data) % 8:
                raise FileFormatError(f"{place}.selection", f"holds {len(data)} bytes; 8 for each output are needed")
            return Selection(np.frombuffer(data, "<i8"), _typed(content["inputs"], int, f"{place}.inputs"))
        if "convolution" in content:
            _check_keys(content, ("convolution",), place)
            place = f"{place}.convolution"
            fields = _typed(content["convolution"], dict, place)
            _check_keys(fields, ("kernel", *_SIZES, "groups"), place)
            sizes = {name: tuple(_list(fields[name], int, f"{place}.{name}")) for name in _SIZES}
            kernel = _array(fields["kernel"], f"{place}.kernel")
            return Convolution(kernel, **sizes, groups=_typed(fields["groups"], int, f"{place}.groups"))
    except NetworkError as error:
        raise FileFormatError(place, str(error)) from None
    return _array(content, place)


def _array(obj: object, place: str) -> ExactArray:
    content = _typed(obj, dict, place)
    _check_keys(
        content, ("shape", "float64") if "float64" in content else ("shape", "denominator", "numerators"), place
    )
    shape = tuple(_list(content["shape"], int, f"{place}.shape"))
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise FileFormatError(f"{place}.shape", f"must be one or two positive sizes, not {shape}")
    count = math.prod(shape)
    if "float64" in content:
        array = _floats(_typed(content["float64"], str, f"{place}.float64"), count, shape, place)
    else:
        numerators = _list(content["numerators"], str, f"{place}.numerators")
        if len(numerators) != count:
            raise FileFormatError(f"{place}.numerators", f"holds {len(numerators)} numbers, the shape {shape} {count}")
        den = _integer(content["denominator"], f"{place}.denominator")
        if den < 1:
            raise FileFormatError(f"{place}.denominator", "must be positive")
        values = [_integer(text, f"{place}.numerators[{k}]") for k, text in enumerate(numerators)]
        array = ExactArray.from_numerators(den, values, shape)
    if _array_json(array) != {**content, "shape": shape}:
        raise FileFormatError(
            place, "is not in canonical form: -0.0, not in lowest terms, or floats written as rationals"
        )
    return array


def _floats(text: str, count: int, shape: tuple[int, ...], place: str) -> ExactArray:
    data = _bytes(text, f"{place}.float64")
    if len(data) != 8 * count:
        raise FileFormatError(f"{place}.float64", f"holds {len(data)} bytes, the shape {shape} needs {8 * count}")
    try:
        return ExactArray.of(np.frombuffer(data, "<f8").reshape(shape), "entry ")
    except NetworkError as error:
        raise FileFormatError(place, str(error)) from None


def _bytes(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FileFormatError(place, "is not base64") from None


def _integer(value: object, place: str) -> mpz:
    try:
        return parse_integer(_typed(value, str, place))
    except FileFormatError:
        raise
    except InputError as error:
        raise FileFormatError(place, str(error)) from None


def _check_keys(obj: dict[str, Any], keys: tuple[str, ...], place: str) -> None:
    for key in obj.keys() ^ set(keys):
        raise FileFormatError(place, f"{'has the unknown' if key in obj else 'lacks the'} key {key[:40]!r}")


def _typed(value: object, kind: type, place: str) -> Any:
    if type(value) is not kind:
        raise FileFormatError(place, f"must be {_NAMES[kind]}")
    return value


def _list(value: object, kind: type, place: str) -> list[Any]:
    return [_typed(entry, kind, f"{place}[{k}]") for k, entry in enumerate(_typed(value, list, place))]


_NAMES = {int: "an integer", str: "a string", list: "a list", dict: "an object"}
