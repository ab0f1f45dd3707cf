"""Networks that people have, written out in torch as torchvision has them, with seeded random weights, in eval mode.

`width` is the number of channels of the first convolution (torchvision's is 64); `image` the side of the input's three
square planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

import splinecam_exact as sx
from splinecam_exact.torch_layers import Maxout, PeriodicEncoding

POOL = 0
VGG11 = (1, POOL, 2, POOL, 4, 4, POOL, 8, 8, POOL, 8, 8, POOL)
VGG16 = (1, 1, POOL, 2, 2, POOL, 4, 4, 4, POOL, 8, 8, 8, POOL, 8, 8, 8, POOL)
"""Channels over `width`; max pooling where it is POOL."""


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """He's initialisation; BatchNorms that are as far from the identity as trained ones. In eval mode."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                fan_in = layer.weight[0].numel() if not isinstance(layer, nn.ConvTranspose2d) else layer.in_channels
                layer.weight.normal_(0, (2 / fan_in) ** 0.5, generator=random)
                if layer.bias is not None:
                    layer.bias.normal_(0, 0.1, generator=random)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5, generator=random)
                layer.bias.normal_(0, 0.2, generator=random)
                layer.running_mean.normal_(0, 0.2, generator=random)
                layer.running_var.uniform_(0.5, 1.5, generator=random)
    return module.eval()


def vgg(plan: Sequence[int], width: int = 64, image: int = 64, hidden: Sequence[int] = (512,)) -> nn.Module:
    """VGG with BatchNorm; `hidden` (4096, 4096) is torchvision's classifier. The image is a multiple of 32."""
    layers: list[nn.Module] = []
    channels = 3
    for factor in plan:
        if factor == POOL:
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, factor * width, 3, padding=1), nn.BatchNorm2d(factor * width), nn.ReLU()]
            channels = factor * width
    layers.append(nn.Flatten())
    features = channels * (image // 32) ** 2
    for size in hidden:
        layers += [nn.Linear(features, size), nn.ReLU(), nn.Dropout()]
        features = size
    return randomized(nn.Sequential(*layers, nn.Linear(features, 10)))


class BasicBlock(nn.Module):
    """Two convolutions beside a skip connection, which has one of its own where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    """torchvision's ResNet-18: a stem with max pooling, four stages of two blocks, global average pooling."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for stage in range(4):
            outputs = width * 2**stage
            inputs = width if stage == 0 else outputs // 2
            stages.append(
                nn.Sequential(BasicBlock(inputs, outputs, min(stage, 1) + 1), BasicBlock(outputs, outputs, 1))
            )
        self.stages = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.stages(x)), 1))


def resnet18(width: int = 64) -> nn.Module:
    """ResNet-18."""
    return randomized(ResNet18(width))


class UNet(nn.Module):
    """A small U-Net of two levels: one goes up by a transposed convolution, one by nearest neighbours."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())

        self.down1, self.down2 = block(3, width), block(width, 2 * width)
        self.bottom = block(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = block(4 * width, 2 * width)
        self.up1 = nn.Upsample(scale_factor=2, mode="nearest")
        self.join1 = block(3 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.down1(x)
        middle = self.down2(self.pool(fine))
        coarse = self.bottom(self.pool(middle))
        middle = self.join2(torch.cat([self.up2(coarse), middle], dim=1))
        return self.head(self.join1(torch.cat([self.up1(middle), fine], dim=1)))


def unet(width: int = 16) -> nn.Module:
    """The U-Net."""
    return randomized(UNet(width))


def maxout(width: int = 8, depth: int = 2, pieces: int = 3) -> nn.Module:
    """Maxout layers on the plane."""
    sizes = [2, *[width] * depth]
    layers = [Maxout(inputs, outputs, pieces) for inputs, outputs in pairwise(sizes)]
    return randomized(nn.Sequential(*layers, nn.Linear(width, 3)))


def inr(frequencies: int = 3, width: int = 10, depth: int = 5) -> nn.Module:
    """A periodic encoding of the plane and ReLU layers, as in the SplineCam paper's figure 4."""
    layers: list[nn.Module] = [PeriodicEncoding(2, frequencies)]
    inputs = 4 * frequencies
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return randomized(nn.Sequential(*layers, nn.Linear(width, 1)))


def slice_of(size: int, radius: float, seed: int = 0) -> sx.Slice:
    """A random plane in a space of `size` dimensions: the square [-radius, radius]^2 around a point of [0, 1]^size.

    The plane's directions have about the length of the diagonal of [0, 1]^size.
    """
    random = torch.Generator().manual_seed(seed)
    origin = torch.rand(size, generator=random)
    directions = torch.randn(2, size, generator=random)
    return sx.Slice(origin.double().numpy(), directions.double().numpy(), sx.square(radius))
