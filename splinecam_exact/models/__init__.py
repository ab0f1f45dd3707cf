"""Small trained networks that ship with the package, and the scripts that trained them.

- `digits.npz`: a classifier of scikit-learn's 8x8 digits, 64-50-50-50-10, inputs in [0, 1] (grey level over 16);
- `digits_images.npz`: three test images that it gets right, `images` (3, 64), and their `labels` (3,);
- `digits_cnn.json`: a convolutional classifier of the same digits: convolutions to 6 and 16 channels, max pooling 2x2
  after the first, a hidden layer of 50;
- `sdf.npz`: the signed distance of a star with a round hole, 2-24-24-24-1, on [-1, 1]^2.

An .npz file holds `W0`, `b0`, `W1`, `b1`, ...: float64 arrays, each value one that float32 stores; `W` has shape
(outputs, inputs), and a ReLU follows each layer but the last. A .json file is what `Network.save` wrote.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["path"]


def path(name: str) -> Path:
    """The file of that name that ships with the package; FileNotFoundError if there is none.

    >>> path("sdf.npz").name
    'sdf.npz'
    """
    found = Path(str(files(__name__).joinpath(name)))
    if not found.is_file():
        raise FileNotFoundError(found)
    return found
