"""Certificate files: read line by line; written whole or not at all, or so that writing can be taken up again."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from splinecam_exact._files import PathLike, atomic_write, shown, write_target
from splinecam_exact.certificate_text import (
    CHUNK,
    START,
    Locate,
    Skeleton,
    encode,
    filled,
    head_value,
    parse,
    skeletons,
)
from splinecam_exact.kernel.certificate import Cell, Certificate, Head, read
from splinecam_exact.kernel.errors import FileFormatError, InputError, MalformedCertificate
from splinecam_exact.kernel.program import Progress

LONGEST = 1 << 26
"""A line of version 2 with more bytes is refused before it is read."""

GZIP = b"\x1f\x8b"


# -- reading ----------------------------------------------------------------------------------------------------------


@contextmanager
def open_certificate(path: PathLike) -> Iterator[Certificate | Iterator[Any]]:
    """The certificate in a file of version 1; of version 2, perhaps compressed, the values on its lines.

    These are read as they are asked for. Raises InputError where the file cannot be read, and (also while values are
    asked for) MalformedCertificate where it is no certificate.
    """
    with _opened(path) as file:
        content: Any = file
        if _bytes(path, lambda: file.peek(2))[:2] == GZIP:
            content = gzip.GzipFile(fileobj=file)
        start = _bytes(path, lambda: content.read(len(START)))
        if start == START.encode():
            yield read(_lines(start, path, lambda: content.readline(LONGEST)))
            return
        if content is not file:
            raise MalformedCertificate("certificate", "is compressed, and not of version 2")
        try:
            text = (start + _bytes(path, content.read)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{shown(path)}, byte {error.start}", "is not UTF-8 text") from None
        yield parse(text)


def _bytes(path: PathLike, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MalformedCertificate("certificate", f"the compressed data are damaged: {error}") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _lines(start: bytes, path: PathLike, read: Callable[[], bytes]) -> Iterator[str]:
    number = 1
    line = start + _bytes(path, read)
    while line:
        if len(line) >= LONGEST:
            raise MalformedCertificate(f"line {number}", f"has more than {LONGEST} bytes")
        yield line.decode("latin-1")  # what is not ASCII is not as specified
        line = _bytes(path, read)
        number += 1


def _opened(path: PathLike) -> BufferedReader:
    try:
        mode = os.stat(path).st_mode
        if not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
            return open(path, "rb")
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise _unreadable(path, error) from None
    raise InputError(f"{shown(path)}: cannot be read (a device)")


def _unreadable(path: PathLike, error: OSError | ValueError) -> InputError:
    return InputError(f"{shown(path)}: cannot be read ({getattr(error, 'strerror', None) or error})")


# -- writing ----------------------------------------------------------------------------------------------------------


def save(
    head: Head,
    cells: Sequence[Cell],
    locate: Locate,
    path: PathLike,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write a certificate of version 2, compressed where the name ends in .gz; whole, or not at all.

    With `resume`, the lines are collected in a file of the same name with .partial at its end, and what such a file
    holds already is kept, so that writing goes on where it was stopped, whatever stopped it. The result is the same, to
    the byte. `locate` gives the vertices of some numbers; it is not asked for those that were kept. Raises InputError
    where nothing can be written, and where the partial file was begun for another certificate.
    """
    if resume:
        _save_resumable(head, cells, locate, path, progress)
        return
    with atomic_write(path) as file, _compressed(file, path) as content:
        content.write(_first_line(head))
        content.writelines(_texts(skeletons(cells), locate, 0, len(cells), progress))


def _first_line(head: Head) -> bytes:
    return f"{encode(head_value(head))}\n".encode()


@contextmanager
def _compressed(file: BinaryIO, path: PathLike) -> Iterator[Any]:
    """The file, or one that is compressed into it; equal content gives equal bytes."""
    if not os.fspath(path).endswith(".gz"):
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as content:
        yield content


def _texts(
    rest: Iterator[Skeleton], locate: Locate, done: int, total: int, progress: Progress | None
) -> Iterator[bytes]:
    """The lines of some cells at a time."""
    while some := list(islice(rest, CHUNK)):
        if progress:
            progress("certificate: cells", done, total)
        yield "".join(f"{encode(value)}\n" for value in filled(some, locate)).encode()
        done += len(some)


def _save_resumable(
    head: Head, cells: Sequence[Cell], locate: Locate, path: PathLike, progress: Progress | None
) -> None:
    target, mode = write_target(path)
    partial = target.with_name(f"{target.name}.partial")
    try:
        with _only_writer(partial) as file:
            done = _keep(file, head, cells, partial)
            for data in _texts(islice(skeletons(cells), done, None), locate, done, len(cells), progress):
                file.write(data)
                file.flush()
            os.fsync(file.fileno())
            if os.fspath(path).endswith(".gz"):
                file.seek(0)
                with atomic_write(path) as whole, _compressed(whole, path) as content:
                    shutil.copyfileobj(file, content)
                partial.unlink()
            else:
                if mode is not None:
                    os.chmod(partial, mode)
                os.replace(partial, target)
    except OSError as error:
        raise InputError(f"{shown(partial)}: cannot be written ({error.strerror})") from error


@contextmanager
def _only_writer(path: Path) -> Iterator[BinaryIO]:
    """A file to read and append to, made if there is none. Raises InputError while another process has it."""
    with open(path, "a+b") as file:
        with suppress(ImportError):  # where there is no fcntl, nothing stops a second writer
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{shown(path)}: another process is writing it") from None
        yield file


def _keep(file: BinaryIO, head: Head, cells: Sequence[Cell], path: Path) -> int:
    """Cut off what is not as it must be, such as a line that was not finished; returns how many cells are left."""
    first = _first_line(head)
    file.seek(0)
    line = file.readline()
    if line.endswith(b"\n") and line != first:
        raise InputError(
            f"{shown(path)}: was begun for another network or domain, or by another version: delete it to begin anew"
        )
    done = 0
    good = len(first)
    if line == first:
        for cell in skeletons(cells):
            line = file.readline()
            if not _is(line, cell):
                break
            done += 1
            good += len(line)
        file.truncate(good)
    else:
        file.truncate(0)
        file.write(first)
    file.seek(good)
    return done


def _is(line: bytes, cell: Skeleton) -> bool:
    """Whether a line is a cell's, whatever its new vertices are."""
    try:
        value = json.loads(line)
        if f"{encode(value)}\n".encode() != line:
            return False
        back, changes, corners = value
        places = [v if type(v) is int else -1 for v in corners]
    except (ValueError, TypeError, RecursionError):
        return False
    return [back, changes, places] == [cell[0], [list(c) for c in cell[1]], [max(v, -1) for v in cell[2]]]
