"""The .npz format: arrays W0, b0, W1, b1, ... of a feed-forward network, ReLU after each layer but the last."""

from __future__ import annotations

import io
import os
import zipfile

from splinecam_exact._files import PathLike, parse_npy, read_bytes
from splinecam_exact.kernel.errors import FileFormatError, NetworkError
from splinecam_exact.network import Network

_MAX_BYTES = 2**28  # of all arrays unpacked: 33 million float64; reading them takes several times as much memory


def load(path: PathLike) -> Network:
    """The network in a .npz file, each float being the dyadic rational it stores.

    W of shape (outputs, inputs), b of shape (outputs,); integers and floats of 64 bits at most. Raises FileFormatError
    for a file that is no such archive, for missing or further keys, and where shapes do not fit.
    """
    place = os.fspath(path)
    data = read_bytes(path)
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if data[-22:-18] != b"PK\5\6" or len(members) != int.from_bytes(data[-12:-10], "little"):
                # zipfile believes a damaged directory that stops early, and the network would lose its last layers.
                raise FileFormatError(place, "does not end in a zip directory of all its arrays")
            if sum(member.file_size for member in members) > _MAX_BYTES:
                raise FileFormatError(place, f"unpacks to more than {_MAX_BYTES} bytes")
            for member in members:
                key = member.filename.removesuffix(".npy")
                if key in arrays:
                    raise FileFormatError(f"{place}: {key[:40]}", "occurs twice")
                arrays[key] = parse_npy(archive.read(member), f"{place}: {key[:40]}")
    except FileFormatError:
        raise
    except Exception as error:  # zipfile and its decoders let damaged archives raise almost anything
        raise FileFormatError(place, f"is not a readable zip archive ({error})") from None
    expected = [f"{letter}{k}" for k in range(max(1, len(arrays) // 2)) for letter in "Wb"]
    if set(arrays) != set(expected):
        found = ", ".join(key[:40] for key in sorted(arrays)[:8])
        raise FileFormatError(place, f"must hold exactly W0, b0, W1, b1, ...; it holds {found or 'nothing'}")
    layers = [(arrays[w], arrays[b]) for w, b in zip(expected[::2], expected[1::2], strict=True)]
    try:
        return Network.from_layers(layers)
    except NetworkError as error:
        raise FileFormatError(place, str(error)) from None
