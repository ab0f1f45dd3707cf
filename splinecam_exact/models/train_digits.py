"""Trains the demo's classifier of scikit-learn's 8x8 digits, 64-50-50-50-10; writes digits.npz, digits_images.npz.

    pip install 'splinecam-exact[train]'
    python -m splinecam_exact.models.train_digits

Inputs are grey levels over 16, so in [0, 1] and exact in binary. A quarter of the images is held out as the test set;
prints the accuracy on both. Takes about ten seconds.
"""

from __future__ import annotations

import numpy as np

from splinecam_exact.models._training import FOLDER, relu_network, save, train

SHOWN = (3, 5, 8)
"""The digits of the three test images through which the demo lays its slice."""


def main() -> None:
    """Trains, saves, prints the accuracies."""
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = images / 16
    parts = train_test_split(images, labels, test_size=0.25, random_state=0, stratify=labels)
    train_x, test_x = (torch.tensor(part, dtype=torch.float32) for part in parts[:2])
    train_y, test_y = (torch.tensor(part) for part in parts[2:])

    network = relu_network([64, 50, 50, 50, 10], seed=0)
    batches = torch.Generator().manual_seed(0)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.randint(len(train_x), (128,), generator=batches)
        return train_x[chosen], train_y[chosen]

    train(network, batch, torch.nn.CrossEntropyLoss(label_smoothing=0.1), steps=1500)
    answers = network(test_x).argmax(1)
    print(f"training accuracy {(network(train_x).argmax(1) == train_y).float().mean():.4f}")
    print(f"test accuracy     {(answers == test_y).float().mean():.4f}")
    save(network, FOLDER / "digits.npz")

    shown = [next(k for k in range(len(test_y)) if test_y[k] == answers[k] == digit) for digit in SHOWN]
    np.savez_compressed(FOLDER / "digits_images.npz", images=parts[1][shown], labels=parts[3][shown])


if __name__ == "__main__":
    main()
