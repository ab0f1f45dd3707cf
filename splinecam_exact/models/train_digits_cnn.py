"""Trains the demo's convolutional classifier of scikit-learn's 8x8 digits; writes digits_cnn.json.

    pip install 'splinecam-exact[train]'
    python -m splinecam_exact.models.train_digits_cnn

LeNet's 6 and 16 channels: a convolution of window 3 with max pooling 2x2, one that sees all that is left, a hidden
layer of 50. Data and training are those of `train_digits`. Takes about ten seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from splinecam_exact.importers.from_torch import from_torch
from splinecam_exact.models._training import FOLDER, digits, seed, train_on_digits

if TYPE_CHECKING:
    from torch import nn


def classifier() -> nn.Sequential:
    """The torch module, from 64 grey levels to 10 scores."""
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 6, 3),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(6, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 50),
        nn.ReLU(),
        nn.Linear(50, 10),
    )


def main() -> None:
    """Trains, saves, prints the accuracies."""
    seed(0)
    module = classifier()
    train_on_digits(module, digits())
    from_torch(module.eval(), (64,)).save(FOLDER / "digits_cnn.json")
    print(f"wrote {FOLDER / 'digits_cnn.json'}")


if __name__ == "__main__":
    main()
