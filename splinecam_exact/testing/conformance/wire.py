"""How a worker's answers travel to the runner: a JSON head, then raw arrays. Nothing is unpickled, nothing is believed.

A frame is two unsigned 64-bit little-endian lengths, the head (JSON, an object), and the body (the arrays' bytes, one
after the other). A claim's head lists the arrays: of which field, what entries, what shape. Numbers that are no floats
or machine integers travel as text, "p/q".
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._files import printable
from splinecam_exact.arrays import exact
from splinecam_exact.comparison.claims import Claim, claim_of
from splinecam_exact.comparison.coordinates import as_cell
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.kernel.rational import format_rational, parse_rational

LARGEST_HEAD = 1 << 26
LARGEST_BODY = 1 << 28
LONGEST_NUMBER = 20_000
"""A rational with more digits is not read."""

_LENGTHS = struct.Struct("<QQ")
_NUMBERS = "numbers"
_REASON = "reason"
_DTYPES = {f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8)} | {"<f2", "<f4", "<f8", "|i1", "|u1", "|b1"}
_ARRAYS = ("patterns", "vertex_signs", "vertices", "edges", "segments")
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_LARGEST_COUNT = 1 << 62

AnyArray = NDArray[Any]


class WireError(Exception):
    """What came, or what is to be sent, has not the form of an answer."""


def frame(head: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes of one message. Raises WireError where it is too long."""
    text = json.dumps(head, allow_nan=False).encode()
    if len(text) > LARGEST_HEAD or len(body) > LARGEST_BODY:
        raise WireError(f"the answer is too long: {len(text) + len(body)} bytes")
    return _LENGTHS.pack(len(text), len(body)) + text + body


class Inbox:
    """Puts the messages of a stream together.

    >>> inbox = Inbox()
    >>> data = frame({"status": "ready"})
    >>> list(inbox.feed(data[:5])), list(inbox.feed(data[5:]))
    ([], [({'status': 'ready'}, b'')])
    """

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Take some bytes; the messages that they complete. Raises WireError for what can be none."""
        self._data += data
        while len(self._data) >= _LENGTHS.size:
            head_size, body_size = _LENGTHS.unpack_from(self._data)
            if head_size > LARGEST_HEAD or body_size > LARGEST_BODY:
                raise WireError("something else than an answer was written")
            middle, end = _LENGTHS.size + head_size, _LENGTHS.size + head_size + body_size
            if len(self._data) < end:
                return
            try:
                head = json.loads(bytes(self._data[_LENGTHS.size : middle]))
            except (ValueError, RecursionError):
                raise WireError("something else than an answer was written") from None
            if not isinstance(head, dict):
                raise WireError("something else than an answer was written")
            body = bytes(self._data[middle:end])
            del self._data[:end]
            yield head, body


def claim_message(claim: Claim) -> tuple[dict[str, Any], bytes]:
    """The head and the body that say what a claim says. Raises WireError for what cannot be sent."""
    if type(claim) is not Claim:
        raise WireError(f"is a {type(claim).__name__}, not a Claim")
    listed: list[list[Any]] = []
    parts: list[bytes] = []
    size = 0
    for field, array in _arrays(claim):
        dtype, data = _sent(array)
        listed.append([field, dtype, list(array.shape), len(data)])
        parts.append(data)
        size += len(data)
        if size > LARGEST_BODY:
            raise WireError(f"the answer is too long: more than {LARGEST_BODY} bytes")
    head = {
        "arrays": listed,
        "polygons": claim.polygons is not None,
        "two_valued": claim.two_valued is True,
        "counts": None if claim.counts is None else {_text(key): _count(n) for key, n in claim.counts.items()},
        "source": _text(claim.source),
    }
    return head, b"".join(parts)


def _arrays(claim: Claim) -> Iterator[tuple[str, AnyArray]]:
    for polygon in claim.polygons or ():
        yield "polygons", np.asarray(polygon)
    for field in _ARRAYS:
        if (array := getattr(claim, field)) is not None:
            yield field, np.asarray(array)


def _sent(array: AnyArray) -> tuple[str, bytes]:
    dtype = array.dtype.newbyteorder("<")
    if dtype.str in _DTYPES:
        return dtype.str, np.ascontiguousarray(array, dtype).tobytes()
    if array.dtype == object and array.ndim == 0 and isinstance(array.item(), str):
        return _REASON, _text(array.item()).encode()
    if array.dtype.kind not in "fO":  # long floats travel as text, like rationals
        raise WireError(f"has entries of the kind {array.dtype}")
    return _NUMBERS, " ".join(map(_number_text, array.ravel())).encode()


def _number_text(value: object) -> str:
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        return "nan" if np.isnan(value) else "inf" if value > 0 else "-inf"
    return format_rational(exact(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WireError(f"has a {type(value).__name__} where a text is needed")
    return str(value)[:200].encode("utf-8", "backslashreplace").decode()


def _count(value: object) -> int:
    if type(value) is not int or not -_LARGEST_COUNT < value < _LARGEST_COUNT:
        raise WireError("has a count that is none")
    return value


def claim_of_message(head: Any, body: bytes) -> Claim:
    """The claim that a message says, in the form that `claim_of` promises. Raises WireError where it says none."""
    try:
        return _claim(head, body)
    except InputError as error:
        raise WireError(str(error)) from None
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError):  # whatever came
        raise WireError("something else than an answer was written") from None


def _claim(head: Any, body: bytes) -> Claim:
    polygons: list[AnyArray] = []
    said: dict[str, Any] = {}
    place = 0
    for field, dtype, shape, size in head["arrays"]:
        if type(size) is not int or not 0 <= size <= len(body) - place:
            raise ValueError
        array = _received(dtype, shape, body[place : place + size])
        place += size
        if field == "polygons":
            polygons.append(array if dtype == _REASON else as_cell(array))
        elif field in _ARRAYS and field not in said:
            said[field] = array
        else:
            raise ValueError
    if head["counts"] is not None:
        said["counts"] = head["counts"]
    if "patterns" in said:
        said["two_valued"] = head["two_valued"] is True
    claim = claim_of(said) if said else Claim()
    return replace(
        claim, polygons=tuple(polygons) if head["polygons"] else None, source=printable(_text(head["source"]))
    )


def _received(dtype: object, shape: list[int], data: bytes) -> AnyArray:
    if not all(type(side) is int and 0 <= side < _LARGEST_COUNT for side in shape) or len(shape) > 32:
        raise ValueError
    if dtype in (_NUMBERS, _REASON):
        text = data.decode()
        entries: list[object] = [printable(text)] if dtype == _REASON else [_number(word) for word in text.split()]
        array = np.empty(len(entries), object)
        array[:] = entries
        return array.reshape(shape)
    if dtype not in _DTYPES:
        raise ValueError
    return np.frombuffer(data, str(dtype)).reshape(shape)


def _number(word: str) -> object:
    if len(word) > LONGEST_NUMBER:
        raise ValueError
    return _SPECIAL[word] if word in _SPECIAL else parse_rational(word)
