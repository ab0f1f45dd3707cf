"""Files: written whole or not at all, read without trusting them."""

from __future__ import annotations

import io
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from splinecam_exact.kernel.errors import FileFormatError, InputError

PathLike = str | os.PathLike[str]

_MAX_INTEGER_DIGITS = 19  # JSON integers are counts and indices here; big numbers are strings


@contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well.

    The bytes go to a temporary file in the same folder, which replaces `path` in one step at the end. Whatever
    interrupts the block, Ctrl-C included, leaves `path` as it was and no temporary file. Raises InputError where the
    folder cannot be written to.
    """
    target = Path(path)
    temporary = target.with_name(f".{secrets.token_hex(12)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
        raise


def read_bytes(path: PathLike) -> bytes:
    """The content of a file; InputError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise InputError(f"{os.fspath(path)}: cannot be read ({getattr(error, 'strerror', error)})") from None


def read_text(path: PathLike) -> str:
    """The UTF-8 text of a file; FileFormatError where it is not text."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{os.fspath(path)}, byte {error.start}", "is not UTF-8 text") from None


def parse_npy(data: bytes, place: str) -> np.ndarray[Any, Any]:
    """The array of integers or floats (of 64 bits at most) in the bytes of a .npy file; FileFormatError otherwise.

    The header is compared with the data before anything is allocated, and nothing is ever unpickled.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, column_major, dtype = reader(file)
    except Exception:  # numpy parses the header as Python source, and lets through whatever that raises
        raise FileFormatError(place, "is not a .npy array: its header cannot be read") from None
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise FileFormatError(place, f"holds {dtype} entries; integers or floats of 64 bits at most are needed")
    content = data[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(content):
        raise FileFormatError(place, f"claims shape {shape} of {dtype}, but holds {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if column_major else "C")


def read_json(path: PathLike, fraction: Callable[[str], Any] | None = None) -> Any:
    """The JSON value in a file, strictly: no repeated keys, no NaN or infinity, no huge integer.

    `fraction` turns the text of a number with a point or an exponent into a value; without it such numbers are
    refused, since a decimal in JSON is read differently by different readers. Raises FileFormatError.
    """
    place = os.fspath(path)

    def refuse(text: str) -> NoReturn:
        raise FileFormatError(place, f"the number {text[:40]} is not allowed here")

    def integer(text: str) -> int:
        return int(text) if len(text) <= _MAX_INTEGER_DIGITS else refuse(text)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                raise FileFormatError(place, f"the key {key[:40]!r} occurs twice in one object")
            found[key] = value
        return found

    text = read_text(path)
    try:
        return json.loads(
            text, parse_int=integer, parse_float=fraction or refuse, parse_constant=refuse, object_pairs_hook=pairs
        )
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{place}, line {error.lineno}, column {error.colno}", error.msg) from None
    except RecursionError:
        raise FileFormatError(place, "is nested too deeply") from None
