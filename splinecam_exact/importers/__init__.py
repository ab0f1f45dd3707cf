"""Files and modules turned into networks, one format a module; `load` picks by a file's suffix."""

from __future__ import annotations

import os
from pathlib import Path

from splinecam_exact._files import PathLike
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.network import Network


def load(path: PathLike, *, normalize: bool | None = None, numbers: str | None = None) -> Network:
    """The network in a file: .json (the project's own), .npz (W0, b0, W1, b1, ...) or .nnet.

    `normalize` and `numbers` belong to .nnet, where `normalize` must be chosen: see `importers.nnet.load`. Raises
    FileFormatError where the file is not what its suffix says, and InputError for a suffix that is not supported.
    """
    from splinecam_exact.importers import native, nnet, npz

    suffix = Path(path).suffix.lower()
    if suffix == ".nnet":
        return nnet.load(path, normalize=normalize, numbers="decimal" if numbers is None else numbers)
    if normalize is not None or numbers is not None:
        raise InputError(f"{os.fspath(path)}: normalize and numbers are choices for .nnet files only")
    if suffix == ".json":
        return native.load(path)
    if suffix == ".npz":
        return npz.load(path)
    if suffix in (".onnx", ".pt2"):
        raise InputError(
            f"{os.fspath(path)}: {suffix} is not supported yet; use from_torch, or save it as .npz or .json"
        )
    raise InputError(f"{os.fspath(path)}: the suffix {suffix!r} is unknown; .json, .npz and .nnet are supported")
