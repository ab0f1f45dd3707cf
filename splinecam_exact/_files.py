"""Files: written whole or not at all, read without trusting them."""

from __future__ import annotations

import io
import json
import math
import os
import secrets
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from splinecam_exact._text import brief
from splinecam_exact.kernel.errors import FileFormatError, InputError

PathLike = str | os.PathLike[str]

_MAX_DIMENSIONS = 32  # of a .npy file's array: so many every numpy has
_MAX_SIDE = 1 << 48  # of a .npy file's array; an empty one may claim anything beside a 0
_MAX_INTEGER_DIGITS = 19  # JSON integers are counts and indices here; big numbers are strings


def printable(text: str) -> str:
    """The text with control characters, lone surrogates and the like as escapes.

    >>> printable("a\\n")
    'a\\\\n'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def named(path: PathLike) -> str:
    """A file's name; InputError for what is none, such as a number, which the system would take for an open file."""
    if not isinstance(path, str | os.PathLike) or not isinstance(name := os.fspath(path), str):
        raise InputError(f"a file's name is needed, not a {type(path).__name__}")
    return name


def shown(path: PathLike) -> str:
    """A file's name for a message, which can always be printed."""
    return printable(named(path)) or "''"


def write_target(path: PathLike) -> tuple[Path, int | None]:
    """The regular file that writing to `path` makes or replaces, symlinks followed, and its permissions if it exists.

    Raises InputError where `path` names anything else, such as a device or a pipe, or cannot name a file.
    """
    name = named(path)
    try:
        try:
            found = os.stat(name)
        except FileNotFoundError:
            found = None
        mode = None if found is None else found.st_mode
        target = Path(os.path.realpath(name))
        if mode is not None and stat.S_ISDIR(mode):
            raise InputError(f"{shown(path)}: cannot be written (a folder)")
        if mode is not None and not stat.S_ISREG(mode):
            raise InputError(f"{shown(path)}: is not a regular file")
        if found is not None and _is_printed_to(found):  # by way of /dev/stdout, say
            raise InputError(f"{shown(path)}: cannot be written (what this command prints goes there)")
        if not name or name.endswith(os.sep) or not target.parent.is_dir():
            raise InputError(f"{shown(path)}: cannot be written (no such {'folder' if name else 'file'})")
    except InputError:
        raise
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise _unwritable(path, error) from None
    return target, None if mode is None else mode & 0o777


def _is_printed_to(file: os.stat_result) -> bool:
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(os.fstat(descriptor), file):
                return True
    return False


def _unwritable(path: PathLike, error: OSError | ValueError) -> InputError:
    return InputError(f"{shown(path)}: cannot be written ({getattr(error, 'strerror', None) or error})")


@contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends well.

    The bytes go to a temporary file in the same folder, which replaces `path` in one step at the end. Whatever
    interrupts the block, Ctrl-C included, leaves `path` as it was and no temporary file. Where `path` is a symlink,
    the file that it leads to is written; a file that exists keeps its permissions. Raises InputError where the folder
    cannot be written to, or `path` is a device, a pipe or anything else that is not a regular file.
    """
    target, mode = write_target(path)
    temporary = target.with_name(f".{secrets.token_hex(12)}.tmp")

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o666 if mode is None else mode)

    try:
        with open(temporary, "xb", opener=opener) as file:
            if mode is not None:
                os.chmod(temporary, mode)  # also what the umask took away
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def read_bytes(path: PathLike) -> bytes:
    """The content of a file; InputError where it cannot be read, and for devices and pipes, which may have no end."""
    name = named(path)
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # that a folder cannot be read is said by the system
            with open(name, "rb") as file:
                return file.read()
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise InputError(f"{shown(path)}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise InputError(f"{shown(path)}: cannot be read ({kind})")


def read_text(path: PathLike) -> str:
    """The UTF-8 text of a file; FileFormatError where it is not text."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{shown(path)}, byte {error.start}", "is not UTF-8 text") from None


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
    if len(shape) > _MAX_DIMENSIONS or not all(type(n) is int and 0 <= n <= _MAX_SIDE for n in shape):
        raise FileFormatError(place, f"claims the shape {brief(shape)}, which no array has")
    content = data[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(content):
        raise FileFormatError(place, f"claims shape {shape} of {dtype}, but holds {len(content)} bytes")
    if 0 in shape and math.prod(n or 1 for n in shape) > _MAX_SIDE:
        raise FileFormatError(place, f"claims the shape {brief(shape)}, which no array has")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if column_major else "C")


def read_npz(path: PathLike, most: int) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays in a .npz file, by name: integers or floats of 64 bits at most, `most` bytes of them unpacked.

    Nothing is ever unpickled. Raises FileFormatError for a file that is no such archive, or damaged.
    """
    place = shown(path)
    data = read_bytes(path)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if data[-22:-18] != b"PK\5\6" or len(members) != int.from_bytes(data[-12:-10], "little"):
                # zipfile believes a damaged directory that stops early, and the last arrays would be lost.
                raise FileFormatError(place, "does not end in a zip directory of all its arrays")
            if sum(member.file_size for member in members) > most:
                raise FileFormatError(place, f"unpacks to more than {most} bytes")
            for member in members:
                key = member.filename.removesuffix(".npy")
                if key in arrays:
                    raise FileFormatError(f"{place}: {key[:40]}", "occurs twice")
                arrays[key] = parse_npy(archive.read(member), f"{place}: {key[:40]}")
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and its decoders let damaged archives raise almost anything
        raise FileFormatError(place, f"is not a readable zip archive ({error})") from None
    return arrays


def read_json(
    path: PathLike, fraction: Callable[[str], Any] | None = None, constant: Callable[[str], Any] | None = None
) -> Any:
    """The JSON value in a file, strictly: no repeated keys, no NaN or infinity, no huge integer.

    `fraction` turns the text of a number with a point or an exponent into a value; without it such numbers are
    refused, since a decimal in JSON is read differently by different readers. `constant` does so for NaN, Infinity and
    -Infinity, which are no JSON but what many writers write. Raises FileFormatError.
    """
    place = shown(path)

    def refuse(text: str) -> NoReturn:
        raise FileFormatError(place, f"the number {text[:40]} is not allowed here")

    def integer(text: str) -> int:
        if text == "-0":
            raise FileFormatError(place, "the number -0 is not allowed here: write 0")
        digits = len(text.lstrip("-"))
        if digits <= _MAX_INTEGER_DIGITS:
            return int(text)
        start = text if len(text) <= 40 else f"{text[:40]}..."
        raise FileFormatError(
            place,
            f"the integer {start} is not allowed here: it has {digits} digits, {_MAX_INTEGER_DIGITS} are the most "
            "(a larger number is written as a string)",
        )

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
            text,
            parse_int=integer,
            parse_float=fraction or refuse,
            parse_constant=constant or refuse,
            object_pairs_hook=pairs,
        )
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{place}, line {error.lineno}, column {error.colno}", error.msg) from None
    except RecursionError:
        raise FileFormatError(place, "is nested too deeply") from None
