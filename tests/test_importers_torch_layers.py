"""torch modules of every layer and function that is read: the exact network is torch's, where torch does not round."""

from __future__ import annotations

from collections.abc import Callable
from math import lcm
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import assume, given
from hypothesis import strategies as st

from splinecam_exact.nodes import Affine, Max, Piecewise
from splinecam_exact.weights import Convolution

torch = pytest.importorskip("torch", reason="needs the extra [torch]")
from torch import nn  # noqa: E402

import splinecam_exact as sx  # noqa: E402
from splinecam_exact.torch_layers import Maxout, PeriodicEncoding, PiecewiseLinear  # noqa: E402

F = nn.functional
DIVISIBLE = lcm(*range(1, 13))


class Function(nn.Module):
    """A module of one function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def small(module: Any, seed: int) -> Any:
    """The module in evaluation mode with small integers for parameters; BatchNorm's scales are rational."""
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for layer in module.modules():
            for name, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
                if name != "num_batches_tracked":
                    tensor.copy_(torch.tensor(random.integers(-2, 3, tuple(tensor.shape))))
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eps = 1.0
                layer.running_var.copy_(torch.tensor(random.choice([0.0, 3.0, 15.0], layer.running_var.shape)))
    return module.double().eval()


def agrees(module: Any, shape: tuple[int, ...], seed: int = 0, scale: int = 1, rounding: float = 0) -> Any:
    """Check that the exact network gives torch's values at a point of small integers, and return the network.

    They may differ by `rounding` times the largest, or 1.
    """
    net = sx.from_torch(module, shape)
    x = np.random.default_rng(seed).integers(-3, 4, shape) * scale
    with torch.no_grad():
        expected = module.double()(torch.tensor(x[np.newaxis], dtype=torch.float64))
    found, wanted = net.evaluate(x.ravel()), [mpq(y) for y in expected.flatten().tolist()]
    allowed = mpq(rounding) * max(1, *map(abs, found))
    assert len(found) == len(wanted)
    assert all(abs(a - b) <= allowed for a, b in zip(found, wanted, strict=True))
    return net


def image_layers(draw: st.DrawFn, channels: int) -> Any:
    """A layer over images (1, channels, h, w) with at least two places, that keeps at least one."""
    k, padding = draw(st.sampled_from([(1, 0), (2, 1), (3, 1)]))
    stride, groups = draw(st.integers(1, 2)), draw(st.sampled_from([1, channels]))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    convolution = nn.Conv2d(
        channels, channels, k, stride, padding, groups=groups, padding_mode=mode, bias=draw(st.booleans())
    )
    return draw(
        st.sampled_from(
            [
                convolution,
                nn.Conv2d(channels, 2 * channels, 3, padding="same", dilation=draw(st.integers(1, 2))),
                nn.ConvTranspose2d(channels, channels, k, stride, padding if k > 1 else 0, groups=groups),
                nn.BatchNorm2d(channels),
                nn.MaxPool2d(2, stride, ceil_mode=True),
                nn.MaxPool2d(3, 1, 1),
                nn.AvgPool2d(2, 2, ceil_mode=True),
                nn.AdaptiveAvgPool2d(draw(st.integers(1, 3))),
                nn.AdaptiveMaxPool2d(2),
                nn.PReLU(channels),
                nn.ReLU(inplace=draw(st.booleans())),
                nn.Hardtanh(-2, 2),
                nn.ReLU6(),
                nn.Dropout2d(),
                nn.ZeroPad2d(1),
                nn.ReflectionPad2d((1, 0, 0, 1)),
                nn.Upsample(scale_factor=2),
                Function(lambda x: torch.cat([x, x.flip(-1)], 1)),
                Function(lambda x: x + F.relu(x - 1)),
                Function(lambda x: torch.maximum(x, -x) - torch.minimum(x, x.mean((2, 3), keepdim=True) * 0)),
            ]
        )
    )


@given(st.data())
def test_random_convolutional_networks(data: st.DataObject) -> None:
    channels, layers = 2, []
    x = torch.zeros(1, 2, 4, 4)
    for _ in range(data.draw(st.integers(1, 4))):
        layer = image_layers(data.draw, channels).eval()
        assume(min(x.shape[2:]) > 1)
        x = layer(x)
        channels = x.shape[1]
        layers.append(layer)
    assume(x.numel() <= 400)
    tail = [nn.Flatten(), nn.Linear(x.numel(), 2)] if data.draw(st.booleans()) else []
    module = small(nn.Sequential(*layers, *tail), data.draw(st.integers(0, 99)))
    averages = any(isinstance(layer, nn.AvgPool2d | nn.AdaptiveAvgPool2d) for layer in layers)
    rounding = 2.0**-26 if averages else 0  # torch rounds means
    agrees(module, (2, 4, 4), data.draw(st.integers(0, 99)), rounding=rounding)


ONE_LAYER: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 2, stride=2, padding=1), (2, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 2, 2, groups=2), (2, 3, 3, 3)),
    "conv1d same": (lambda: nn.Conv1d(2, 1, 4, padding="same"), (2, 5)),
    "conv1d unbatched": (lambda: Function(nn.Conv1d(1, 2, 2)), (5,)),
    "conv_transpose1d": (lambda: nn.ConvTranspose1d(2, 2, 3, 2, 1, 1, dilation=2), (2, 3)),
    "conv_transpose3d": (lambda: nn.ConvTranspose3d(1, 2, 2, 2), (1, 2, 2, 2)),
    "batch_norm1d": (lambda: nn.BatchNorm1d(3), (3,)),
    "batch_norm1d of sequences": (lambda: nn.BatchNorm1d(3), (3, 4)),
    "batch_norm3d": (lambda: nn.BatchNorm3d(2), (2, 2, 2, 2)),
    "max_pool1d": (lambda: nn.MaxPool1d(2, dilation=2), (2, 5)),
    "max_pool3d": (lambda: nn.MaxPool3d(2), (1, 2, 4, 2)),
    "avg_pool1d": (lambda: nn.AvgPool1d(2, padding=1, count_include_pad=False), (2, 4)),
    "avg_pool3d": (lambda: nn.AvgPool3d(2), (1, 2, 2, 4)),
    "adaptive_avg_pool1d": (lambda: nn.AdaptiveAvgPool1d(3), (2, 4)),
    "adaptive_avg_pool3d": (lambda: nn.AdaptiveAvgPool3d(1), (2, 2, 2, 2)),
    "adaptive_max_pool1d": (lambda: nn.AdaptiveMaxPool1d(2), (2, 3)),
    "linear on the last of several": (lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)), (2, 3)),
    "bilinear of a constant": (lambda: Function(lambda x: F.linear(torch.ones(1, 3, dtype=x.dtype), x)), (3,)),
    "prelu": (lambda: nn.PReLU(2), (2, 3)),
    "rrelu": (lambda: nn.RReLU(0.25, 0.75), (4,)),
    "hardsigmoid": (lambda: nn.Sequential(Function(lambda x: 6 * x), nn.Hardsigmoid()), (4,)),
    "threshold": (lambda: nn.Threshold(1.0, 1.0), (4,)),
    "softshrink": (lambda: nn.Softshrink(1.0), (5,)),
    "circular": (lambda: nn.CircularPad1d((2, 1)), (1, 4)),
    "replicate": (lambda: nn.ReplicationPad2d(1), (1, 2, 2)),
    "constant pad": (lambda: nn.ConstantPad1d((1, 2), 3.0), (1, 4)),
    "pixel_shuffle": (lambda: nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(2)), (4, 2, 2)),
    "channel_shuffle": (lambda: nn.ChannelShuffle(2), (4, 2, 2)),
    "upsample": (lambda: nn.Upsample(size=(3, 5)), (1, 2, 2)),
    "unflatten": (lambda: nn.Unflatten(1, (2, 3)), (6,)),
    "dropouts": (lambda: nn.Sequential(nn.Dropout(), nn.AlphaDropout(), nn.Dropout1d(), nn.Identity()), (2, 3)),
    "maxout": (lambda: Maxout(3, 2, 4), (3,)),
    "piecewise linear": (lambda: PiecewiseLinear([[0.0, 1.0], [-1.0, 2.0]], [[1.0] * 3] * 2, [1.0, 2.0]), (2,)),
}


@pytest.mark.parametrize("name", sorted(ONE_LAYER))
def test_layers(name: str) -> None:
    build, shape = ONE_LAYER[name]
    module = build().eval() if name == "piecewise linear" else small(build(), 1)
    agrees(module, shape, scale=DIVISIBLE if "avg" in name else 1)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: (
        (2 - x) * 3 / 4 + (x - 1) - 0.5 * x + x.neg() + torch.rsub(x, 2, alpha=3) + torch.add(x, x, alpha=2)
    ),
    "integers of the shape": lambda x: x.reshape(x.shape[0], x.size(1) * x.size(2)) * x.numel(),
    "clamps": lambda x: x.clamp(min=-1) + x.clamp(max=2) + x.clip(-2, 1) + torch.clamp(x, torch.tensor(-1.0), x + 1),
    "maxima": lambda x: (
        torch.max(x, -x) + x.amax(1, keepdim=True) + x.max(2, keepdim=True)[0] + x.max() - x.amin((1, 2)).sum()
    ),
    "minima": lambda x: (
        torch.minimum(x, torch.tensor([1.0, 2, 3])) + x.min(1, keepdim=True).values + torch.min(x, x / 2)
    ),
    "sums": lambda x: (
        x.sum(1) + x.sum((1, 2), keepdim=True).squeeze(1) + x.sum() + x.mean(1, keepdim=True).squeeze(1) * 2
    ),
    "where": lambda x: (
        torch.where(x > 1, 2 * x - 1, x) + torch.where(x <= 0, torch.zeros(()), x) + torch.where(x < 1, 1.0, x)
    ),
    "masks": lambda x: torch.where(torch.tensor([True, False, True]), x, -x) + x * torch.tensor([1, 0, 2]),
    "joins": lambda x: torch.cat([x, torch.zeros(1, 2, 1), torch.stack([x[:, 0], x[:, 1]], 1)], 2),
    "splits": lambda x: (
        sum(x.split(1, 1)) + x.chunk(2, 1)[0] + x.unbind(1)[0].unsqueeze(1) + torch.tensor_split(x, 2, 1)[1]
    ),
    "slices": lambda x: (
        x[:, :, ::2] + x[:, :, [0, 2]] + x[..., 1:] + x.index_select(2, torch.tensor([2, 1])) + x.narrow(2, 0, 2)
    ),
    "gather": lambda x: x.gather(2, torch.tensor([[[2, 0], [1, 1]]])) + x[:, torch.tensor([1, 0])][:, :, :2],
    "moves": lambda x: (
        x.permute(0, 2, 1).transpose(1, 2).flip(1, 2).roll(1, 2).movedim(1, 2).mT.contiguous().view(1, 6)
    ),
    "copies": lambda x: x.expand(3, 2, 3).repeat(1, 2, 1).tile(2).repeat_interleave(2, 0).flatten(),
    "like": lambda x: (
        x + torch.ones_like(x) + torch.zeros_like(x) + torch.full_like(x, 2) + x.new_ones(3) + torch.arange(3)
    ),
    "away": lambda x: x.detach().clone().float().double().to(torch.float64).type_as(x).requires_grad_(False),
    "unfold": lambda x: x.unfold(2, 2, 1).sum(-1),
    "products": lambda x: (
        x @ torch.eye(3, dtype=x.dtype)
        + torch.ones(2, 2, dtype=x.dtype) @ x
        + torch.ones(1, 2, 2, dtype=x.dtype).bmm(x)
    ),
    "vectors": lambda x: (
        (x @ torch.arange(3.0, dtype=x.dtype)) + torch.ones(2, dtype=x.dtype) @ x[0] @ torch.ones(3, dtype=x.dtype)
    ),
    "einsum": lambda x: torch.einsum("bij,jk->bik", x, torch.ones(3, 2, dtype=x.dtype)),
    "in place": lambda x: (x + 1).relu_().add_(2).mul_(3).sub_(1).clamp_(max=5),
    "parts written": lambda x: _written(x),
    "constants": lambda x: (
        x + (torch.tensor([2.0, 4, 8]) / 2 - 1).abs().sum() + torch.tensor([4.0]).sqrt() + torch.tensor(2.0) ** 2
    ),
    "nothing": lambda x: x,
    "output that is constant": lambda x: torch.ones(3) * 2,
    "output that repeats": lambda x: torch.cat([x, x], 1),
}


def _written(x: Any) -> Any:
    y = torch.zeros(1, 2, 4, dtype=x.dtype)
    y[:, :, 1:] = x
    y[:, 0] = y[:, 1] * 2
    y[..., 3] += 1
    return torch.relu(y)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions(name: str) -> None:
    agrees(Function(FUNCTIONS[name]).eval(), (2, 3), seed=2)


class Block(nn.Module):
    """A residual block of ResNet, with a downsampling shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        shortcut = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.downsample = nn.Sequential(*shortcut) if stride != 1 or inputs != outputs else None

    def forward(self, x: Any) -> Any:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class UNet(nn.Module):
    """One level down and up again, with a concatenation and transposed or nearest upsampling."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 2, 3, padding=1)
        self.middle = nn.Conv2d(2, 2, 3, padding=1)
        self.up = nn.ConvTranspose2d(2, 2, 2, 2) if transposed else nn.Upsample(scale_factor=2)
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, x: Any) -> Any:
        skip = F.relu(self.down(x))
        deep = F.leaky_relu(self.middle(F.max_pool2d(skip, 2)), 0.25)
        return self.last(torch.cat([self.up(deep), skip], dim=1))


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(2, 2, 1), (2, 3, 2)])
def test_residual_block(inputs: int, outputs: int, stride: int) -> None:
    agrees(small(nn.Sequential(Block(inputs, outputs, stride), nn.AdaptiveMaxPool2d(1)), 3), (inputs, 4, 4))


@pytest.mark.parametrize("transposed", [True, False])
def test_u_net(transposed: bool) -> None:
    net = agrees(small(UNet(transposed), 4), (1, 4, 4))
    assert sum(isinstance(n, Affine) and isinstance(n.weights[0], Convolution) for n in net.nodes) == 3 + transposed


def test_residual_branches_that_cancel() -> None:
    class Cancelling(nn.Module):
        def forward(self, x: Any) -> Any:
            y = torch.relu(x)
            return torch.relu(y - x) - torch.relu(-x) + (y - y)

    net = agrees(Cancelling().eval(), (3,))
    assert net.evaluate(["1/3", -1, 0]) == [0, 0, 0]


@pytest.mark.parametrize("order", ["first", "after relu", "alone", "twice"])
def test_batch_norm_anywhere(order: str) -> None:
    norm, relu, linear = nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3, bias=False)
    layers = {
        "first": [norm, linear, relu],
        "after relu": [linear, relu, norm, nn.Linear(3, 1, bias=False)],
        "alone": [norm],
        "twice": [norm, norm],
    }
    agrees(small(nn.Sequential(*layers[order]), 5), (3,))


def test_periodic_encoding_is_read() -> None:
    module = nn.Sequential(PeriodicEncoding(2, 2), nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 1)).eval()
    net = sx.from_torch(module, (2,))
    assert sx.verify_import(net, module, input_shape=(2,)).ok
    assert [type(node) for node in net.nodes[:3]].count(Piecewise) == 1


def test_pooling_over_many_values_has_two_levels() -> None:
    net = agrees(Function(lambda x: x.amax((2, 3))).eval(), (1, 9, 9))
    assert [len(node.groups) for node in net.nodes if isinstance(node, Max)] == [2, 1]


def test_scaled_inputs_and_constant_buffers() -> None:
    class Normalized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor([0.5, 0.25]).view(2, 1, 1))
            self.std = torch.tensor([0.5, 2.0]).view(2, 1, 1)

        def forward(self, x: Any) -> Any:
            return (x / 255 - self.mean) / self.std

    net = sx.from_torch(Normalized().eval(), (2, 1, 1))
    assert net.evaluate([1, 1]) == [(mpq(1, 255) - mpq(1, 2)) * 2, (mpq(1, 255) - mpq(1, 4)) / 2]


def test_parameters_are_read_from_the_original_dtype() -> None:
    layer = nn.Conv1d(1, 1, 1).half().eval()
    net = sx.from_torch(layer, (1, 1))
    weight, bias = (mpq(*float(p.item()).as_integer_ratio()) for p in (layer.weight, layer.bias))
    assert net.evaluate([3]) == [3 * weight + bias]
