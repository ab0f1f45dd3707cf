"""The .npz format: arrays W0, b0, W1, b1, ... of a feed-forward network, ReLU after each layer but the last."""

from __future__ import annotations

from splinecam_exact._files import PathLike, read_npz, shown
from splinecam_exact.kernel.errors import FileFormatError, NetworkError
from splinecam_exact.network import Network

_MAX_BYTES = 2**28  # of all arrays unpacked: 33 million float64; reading them takes several times as much memory


def load(path: PathLike) -> Network:
    """The network in a .npz file, each float being the dyadic rational it stores.

    W of shape (outputs, inputs), b of shape (outputs,); integers and floats of 64 bits at most. Raises FileFormatError
    for a file that is no such archive, for missing or further keys, and where shapes do not fit.
    """
    place = shown(path)
    arrays = read_npz(path, _MAX_BYTES)
    expected = [f"{letter}{k}" for k in range(max(1, len(arrays) // 2)) for letter in "Wb"]
    if set(arrays) != set(expected):
        found = ", ".join(key[:40] for key in sorted(arrays)[:8])
        raise FileFormatError(place, f"must hold exactly W0, b0, W1, b1, ...; it holds {found or 'nothing'}")
    layers = [(arrays[w], arrays[b]) for w, b in zip(expected[::2], expected[1::2], strict=True)]
    try:
        return Network.from_layers(layers)
    except NetworkError as error:
        raise FileFormatError(place, str(error)) from None
