"""What the training scripts share: the digits, a network's shape, the loops, and the file."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = Path(__file__).parent


class Digits(NamedTuple):
    """scikit-learn's 8x8 digits: grey levels over 16, so in [0, 1] and exact in binary; a quarter held out."""

    train_x: Any
    """Images, shape (n, 64), float64."""
    test_x: Any
    train_y: Any
    """Labels, shape (n,)."""
    test_y: Any


def digits() -> Digits:
    """The digits, always split in the same way."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    return Digits(*train_test_split(images / 16, labels, test_size=0.25, random_state=0, stratify=labels))


def seed(number: int) -> None:
    """Random numbers from a seed, and one thread: a script writes the same file each time."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(number)


def relu_network(sizes: list[int]) -> nn.Sequential:
    """Linear layers of these sizes with a ReLU between them."""
    from torch import nn

    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(network: nn.Module, batch: Callable[[], tuple[Tensor, Tensor]], loss: nn.Module, steps: int) -> None:
    """Adam with a cosine schedule, `steps` batches."""
    import torch

    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        inputs, targets = batch()
        optimizer.zero_grad()
        loss(network(inputs), targets).backward()
        optimizer.step()
        schedule.step()


def train_on_digits(network: nn.Module, data: Digits) -> Any:
    """Trains a classifier of images of shape (n, 64), prints its accuracies; its answers on the test images."""
    import torch

    train_x, test_x = (torch.tensor(images, dtype=torch.float32) for images in data[:2])
    train_y, test_y = (torch.tensor(labels) for labels in data[2:])
    batches = torch.Generator().manual_seed(0)

    def batch() -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(train_x), (128,), generator=batches)
        return train_x[chosen], train_y[chosen]

    train(network, batch, torch.nn.CrossEntropyLoss(label_smoothing=0.1), steps=1500)
    with torch.no_grad():
        answers = network(test_x).argmax(1)
        print(f"training accuracy {(network(train_x).argmax(1) == train_y).float().mean():.4f}")
    print(f"test accuracy     {(answers == test_y).float().mean():.4f}")
    return answers.numpy()


def save(network: nn.Sequential, path: Path) -> None:
    """Writes W0, b0, W1, b1, ... as float64, which holds float32 values unchanged."""
    arrays = {}
    for k, layer in enumerate(network[::2]):
        arrays[f"W{k}"] = layer.weight.detach().numpy().astype(np.float64)
        arrays[f"b{k}"] = layer.bias.detach().numpy().astype(np.float64)
    np.savez_compressed(path, **arrays)
    print(f"wrote {path}")
