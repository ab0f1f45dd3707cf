"""onnxruntime in a process of its own: it crashes on some files, and then only that process ends."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from importlib.util import find_spec

import numpy as np

from splinecam_exact._files import PathLike, parse_npy, read_bytes, shown
from splinecam_exact.arrays import Floats
from splinecam_exact.importers.onnx_reference import OnnxReference
from splinecam_exact.kernel.errors import InputError, MissingDependency

_SECONDS = 600
_START = "import sys; sys.path[:] = {!r}; from splinecam_exact.importers.onnx_child import answer; answer()"


class Crash(InputError):
    """The process ended without an answer, or took too long."""


def run_isolated(model: bytes, points: Floats, place: str = "the model") -> tuple[Floats, float]:
    """The outputs (n, outputs) of a model at points (n, inputs), and its unit roundoff. `place` is what errors call it.

    Raises InputError where onnxruntime refuses the model, and Crash where it ends otherwise. Cost: half a second for
    the process.
    """
    file = io.BytesIO()
    np.save(file, points)
    name = place.encode("utf-8", "replace")
    request = struct.pack("<QQ", len(name), len(model)) + name + model + file.getvalue()
    command = [sys.executable, "-c", _START.format(sys.path)]
    try:
        done = subprocess.run(command, input=request, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Crash(str(error)) from None
    if done.returncode or done.stdout[:1] not in (b"=", b"!"):
        raise Crash(f"onnxruntime's process ended with {done.returncode}")
    if done.stdout[:1] == b"!":
        raise InputError(done.stdout[1:].decode("utf-8", "replace"))
    (roundoff,) = struct.unpack("<d", done.stdout[1:9])
    return np.asarray(parse_npy(done.stdout[9:], "onnxruntime's answer"), np.float64), roundoff


class IsolatedReference:
    """An ONNX file as a function of points; `roundoff` is known once it was called."""

    def __init__(self, path: PathLike) -> None:
        if find_spec("onnxruntime") is None:
            raise MissingDependency("running an ONNX file needs onnxruntime: pip install 'splinecam-exact[onnx]'")
        self._data = read_bytes(path)
        self._place = shown(path)
        self.roundoff = 2.0**-24

    def __call__(self, points: Floats) -> Floats:
        """The outputs (n, outputs) at points (n, inputs). Raises InputError where there are none."""
        try:
            found, self.roundoff = run_isolated(self._data, points, self._place)
        except Crash as error:
            raise InputError(f"{self._place}: cannot be run by onnxruntime ({error})") from None
        return found


def answer() -> None:
    """In the process: read a model and points, write "=" and what `run_isolated` returns, or "!" and why not."""
    data = sys.stdin.buffer.read()
    named, length = struct.unpack("<QQ", data[:16])
    start, end = 16 + named, 16 + named + length
    try:
        reference = OnnxReference(data[start:end], data[16:start].decode())
        found = reference(parse_npy(data[end:], "the points"))
    except InputError as error:
        sys.stdout.buffer.write(b"!" + str(error).encode("utf-8", "replace"))
        return
    file = io.BytesIO()
    np.save(file, found)
    sys.stdout.buffer.write(b"=" + struct.pack("<d", reference.roundoff) + file.getvalue())
