"""Trains the demo's classifier of scikit-learn's 8x8 digits, 64-50-50-50-10; writes digits.npz, digits_images.npz.

    pip install 'splinecam-exact[train]'
    python -m splinecam_exact.models.train_digits

Inputs are grey levels over 16, so in [0, 1] and exact in binary. A quarter of the images is held out as the test set;
prints the accuracy on both. Takes about ten seconds.
"""

from __future__ import annotations

import numpy as np

from splinecam_exact.models._training import FOLDER, digits, relu_network, save, seed, train_on_digits

SHOWN = (3, 5, 8)
"""The digits of the three test images through which the demo lays its slice."""


def main() -> None:
    """Trains, saves, prints the accuracies."""
    seed(0)
    network = relu_network([64, 50, 50, 50, 10])
    data = digits()
    answers = train_on_digits(network, data)
    save(network, FOLDER / "digits.npz")

    labels = data.test_y
    shown = [next(k for k in range(len(labels)) if labels[k] == answers[k] == digit) for digit in SHOWN]
    np.savez_compressed(FOLDER / "digits_images.npz", images=data.test_x[shown], labels=labels[shown])


if __name__ == "__main__":
    main()
