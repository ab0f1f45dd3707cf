"""Results that are not what they seem: whatever goes wrong while they are read says what to give instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from splinecam_exact._text import brief
from splinecam_exact.kernel.errors import InputError, SplinecamError


@contextmanager
def reading(tool: str, returned: str) -> Iterator[None]:
    """Turn every error of the result's own classes, and of numpy on odd arrays, into an InputError with the remedy.

    >>> with reading("SplineCam", "(regions, db_segments)"):
    ...     int("x")
    Traceback (most recent call last):
    splinecam_exact.kernel.errors.InputError: this cannot be read ... give what SplineCam returns as it is, ...
    """
    try:
        yield
    except (SplinecamError, MemoryError):
        raise
    except Exception as error:  # what is read may be of any class, and do as it likes
        raise InputError(
            f"this cannot be read ({type(error).__name__}: {brief(error)}): give what {tool} returns as it is, "
            f"{returned}, or cells in a plain form (see compare)"
        ) from None
