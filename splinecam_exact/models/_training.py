"""What the two training scripts share: the network's shape, the loop, and the file."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = Path(__file__).parent


def relu_network(sizes: list[int], seed: int) -> nn.Sequential:
    """Linear layers of these sizes with a ReLU between them, initialised from the seed; one thread, so repeatable."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
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


def save(network: nn.Sequential, path: Path) -> None:
    """Writes W0, b0, W1, b1, ... as float64, which holds float32 values unchanged."""
    arrays = {}
    for k, layer in enumerate(network[::2]):
        arrays[f"W{k}"] = layer.weight.detach().numpy().astype(np.float64)
        arrays[f"b{k}"] = layer.bias.detach().numpy().astype(np.float64)
    np.savez_compressed(path, **arrays)
    print(f"wrote {path}")
