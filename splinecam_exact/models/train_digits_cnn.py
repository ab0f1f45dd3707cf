"""Trains the demo's convolutional classifier of scikit-learn's 8x8 digits; writes digits_cnn.json.

    pip install 'splinecam-exact[train]'
    python -m splinecam_exact.models.train_digits_cnn

Two convolutions of window 3, each with max pooling 2x2 and a ReLU, then a hidden layer of 50. Data and training are
those of `train_digits`. Takes about ten seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from splinecam_exact.models._training import FOLDER, digits, seed, train_on_digits
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.weights import Convolution

if TYPE_CHECKING:
    from torch import nn

CHANNELS = (1, 4, 8)


def classifier() -> nn.Sequential:
    """The torch module, from 64 grey levels to 10 scores."""
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(*CHANNELS[:2], 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(*CHANNELS[1:], 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(CHANNELS[-1] * 2 * 2, 50),
        nn.ReLU(),
        nn.Linear(50, 10),
    )


def network_of(module: nn.Sequential) -> Network:
    """The exact network that a `classifier` computes, built from nodes."""
    nodes: list[Node] = []
    for layer, size in ((module[1], 8), (module[4], 4)):
        nodes.append(_convolution(layer, size, len(nodes)))
        nodes.append(_pooling(layer.out_channels, size, len(nodes)))
        nodes.append(Piecewise.relu(len(nodes)))
    for layer in (module[8], module[10]):
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        nodes.append(Affine((len(nodes),), (weight,), bias))
        if layer is module[8]:
            nodes.append(Piecewise.relu(len(nodes)))
    return Network(64, nodes)


def _convolution(layer: nn.Conv2d, size: int, source: int) -> Affine:
    kernel = layer.weight.detach().double().flatten(1).numpy()
    image, square = (layer.in_channels, size, size), (size, size)
    weight = Convolution(kernel, image, square, window=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1))
    return Affine((source,), (weight,), layer.bias.detach().double().repeat_interleave(size * size).numpy())


def _pooling(channels: int, size: int, source: int) -> Max:
    corners = [
        c * size * size + y * size + x for c in range(channels) for y in range(0, size, 2) for x in range(0, size, 2)
    ]
    return Max(source, tuple((k, k + 1, k + size, k + size + 1) for k in corners))


def main() -> None:
    """Trains, saves, prints the accuracies."""
    seed(0)
    module = classifier()
    train_on_digits(module, digits())
    network_of(module).save(FOLDER / "digits_cnn.json")
    print(f"wrote {FOLDER / 'digits_cnn.json'}")


if __name__ == "__main__":
    main()
