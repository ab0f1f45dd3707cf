"""onnxruntime in a process of its own: it crashes on some files, and then only that process ends."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np

from splinecam_exact._files import parse_npy
from splinecam_exact.arrays import Floats
from splinecam_exact.importers.onnx_reference import OnnxReference
from splinecam_exact.kernel.errors import InputError

_SECONDS = 600
_START = "import sys; sys.path[:] = {!r}; from splinecam_exact.importers.onnx_child import answer; answer()"


class Crash(Exception):
    """The process ended without an answer, or took too long."""


def run_isolated(model: bytes, points: Floats) -> Floats:
    """The outputs (n, outputs) of a model at points (n, inputs).

    Raises InputError where onnxruntime refuses the model, and Crash where it ends otherwise. Cost: half a second for
    the process.
    """
    file = io.BytesIO()
    np.save(file, points)
    request = len(model).to_bytes(8, "little") + model + file.getvalue()
    command = [sys.executable, "-c", _START.format(sys.path)]
    try:
        done = subprocess.run(command, input=request, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Crash(str(error)) from None
    if done.returncode or done.stdout[:1] not in (b"=", b"!"):
        raise Crash(f"onnxruntime's process ended with {done.returncode}")
    if done.stdout[:1] == b"!":
        raise InputError(done.stdout[1:].decode("utf-8", "replace"))
    return np.asarray(parse_npy(done.stdout[1:], "onnxruntime's answer"), np.float64)


def answer() -> None:
    """In the process: read a model and points, write "=" and the outputs, or "!" and why there are none."""
    data = sys.stdin.buffer.read()
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        found = OnnxReference(data[8:start])(parse_npy(data[start:], "the points"))
    except InputError as error:
        sys.stdout.buffer.write(b"!" + str(error).encode("utf-8", "replace"))
        return
    file = io.BytesIO()
    np.save(file, found)
    sys.stdout.buffer.write(b"=" + file.getvalue())
