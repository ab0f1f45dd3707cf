"""The one error tree. Each message names the thing that is wrong and, where there is one, the remedy."""

from __future__ import annotations


class SplinecamError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(SplinecamError, ValueError):
    """The caller's input cannot be accepted."""


class NetworkError(InputError):
    """A network, or one of its layers, cannot be represented exactly."""


class DomainError(InputError):
    """A polygon or a slice is degenerate, or does not fit the network."""


class FileFormatError(InputError):
    """A file is truncated, hostile, or not in the format it claims; `place` says where."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.place, self.reason)


class MalformedCertificate(FileFormatError):
    """A certificate is not a certificate: nothing was claimed, so nothing was refuted."""


class RefutedCertificate(SplinecamError):
    """A well-formed certificate claims something false; `place` says which claim, `reason` shows why."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.place, self.reason)


class Undecided(SplinecamError):
    """A limit (cells, time) was reached before an answer."""


class MissingDependency(SplinecamError, ImportError):
    """An optional package is needed; the message names the extra to install."""
