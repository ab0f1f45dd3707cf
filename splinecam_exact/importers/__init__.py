"""Files and modules turned into networks, one format a module; `load` picks by a file's suffix."""

from __future__ import annotations

import os
from pathlib import Path

from splinecam_exact._files import PathLike
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.network import Network


def load(
    path: PathLike, *, normalize: bool | None = None, numbers: str | None = None, strip_output: bool = False
) -> Network:
    """The network in a file: .json (the project's own), .npz (W0, b0, W1, b1, ...), .nnet, .onnx or .pt2.

    `normalize` and `numbers` belong to .nnet, where `normalize` must be chosen: see `importers.nnet.load`.
    `strip_output` belongs to .onnx and .pt2: it leaves out a last softmax, log-softmax or sigmoid. Raises
    FileFormatError where the file is not what its suffix says, NetworkError for a network that is not continuous and
    piecewise linear, and InputError for a suffix that is not supported.
    """
    from splinecam_exact.importers import native, nnet, npz

    suffix = Path(path).suffix.lower()
    if suffix != ".nnet" and (normalize is not None or numbers is not None):
        raise InputError(f"{os.fspath(path)}: normalize and numbers are choices for .nnet files only")
    if suffix == ".onnx":
        from splinecam_exact.importers import onnx

        return onnx.load(path, strip_output=strip_output)
    if suffix == ".pt2":
        from splinecam_exact.importers import pt2

        return pt2.load(path, strip_output=strip_output)
    if strip_output:
        raise InputError(f"{os.fspath(path)}: strip_output is a choice for .onnx and .pt2 files only")
    if suffix == ".nnet":
        return nnet.load(path, normalize=normalize, numbers="decimal" if numbers is None else numbers)
    if suffix == ".json":
        return native.load(path)
    if suffix == ".npz":
        return npz.load(path)
    if suffix in (".pt", ".pth"):
        raise InputError(
            f"{os.fspath(path)}: {suffix} files are not read, as they run code when they are: export the module and "
            "save it with torch.export.save as .pt2, or pass the module to from_torch"
        )
    raise InputError(
        f"{os.fspath(path)}: the suffix {suffix!r} is unknown; .json, .npz, .nnet, .onnx and .pt2 are supported"
    )
