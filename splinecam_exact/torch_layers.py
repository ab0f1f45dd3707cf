"""torch modules of pieces that torch has no layer for: any piecewise linear units, periodic encodings, maxout.

They train like any other layer, and `from_torch` reads them exactly. Importing this module loads torch.
"""

from __future__ import annotations

from splinecam_exact.encodings import HEIGHT, scales, waves
from splinecam_exact.kernel.errors import InputError, MissingDependency
from splinecam_exact.torch_op import piecewise_linear

try:
    import torch
    from torch import nn
except ImportError:
    raise MissingDependency("torch_layers needs torch: pip install 'splinecam-exact[torch]'") from None

__all__ = ["Maxout", "PeriodicEncoding", "PiecewiseLinear"]


class PiecewiseLinear(nn.Module):  # type: ignore[misc]
    """A continuous piecewise linear unit for each column of inputs of shape (..., n), as `Piecewise` has them.

    `breakpoints` (1 or n, m), each row strictly increasing, and `anchor` (1 or n,), the values at the first
    breakpoints, are buffers; `slopes` (1 or n, m + 1) is a parameter. All are tensors, or what `torch.tensor` takes.
    Raises InputError for shapes that do not fit, breakpoints that do not increase, and numbers that are not finite.

    >>> PiecewiseLinear([[0.0, 1.0]], [[0.0, 1.0, 0.0]], [0.0])(torch.tensor([-2.0, 0.5, 3.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    breakpoints: torch.Tensor
    anchor: torch.Tensor

    def __init__(self, breakpoints: object, slopes: object, anchor: object) -> None:
        super().__init__()
        self.register_buffer("breakpoints", _tensor("breakpoints", breakpoints, 2))
        self.slopes = nn.Parameter(_tensor("slopes", slopes, 2))
        self.register_buffer("anchor", _tensor("anchor", anchor, 1))
        if not (self.breakpoints.diff(dim=1) > 0).all():
            raise InputError("breakpoints must be strictly increasing in each row")
        m = self.breakpoints.shape[1]
        if m < 1 or self.slopes.shape[1] != m + 1:
            raise InputError(f"there are {m} breakpoints and {self.slopes.shape[1]} slopes; one slope more is needed")
        rows = {len(self.breakpoints), len(self.slopes), len(self.anchor)} - {1}
        if len(rows) > 1 or 0 in rows:
            raise InputError(f"breakpoints, slopes and anchor have rows for {sorted(rows)} units; 1 or n are needed")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The units' values, in the shape of x."""
        return piecewise_linear(x, self.breakpoints, self.slopes, self.anchor)


class PeriodicEncoding(nn.Module):  # type: ignore[misc]
    """Sine and cosine waves of 5 linear pieces a period, of `frequencies` doublings, of each coordinate in [low, high].

    From shape (..., inputs) to (..., 2 * inputs * frequencies); the values, the order, the limits and the errors are
    those of `encodings.periodic_encoding`. There is nothing to train.

    >>> PeriodicEncoding(1, 2)(torch.tensor([0.25])).tolist()
    [0.65625, 0.65625, 0.984375, 0.0]
    """

    scales: torch.Tensor
    breakpoints: torch.Tensor
    slopes: torch.Tensor
    anchor: torch.Tensor

    def __init__(self, inputs: int, frequencies: int, low: object = -1, high: object = 1) -> None:
        super().__init__()
        breakpoints, slopes = (_tensor("waves", rows, 2) for rows in waves(inputs, frequencies, low, high))
        self.inputs, self.copies = inputs, 2 * frequencies
        self.register_buffer("scales", _tensor("scales", scales(inputs, frequencies), 1))
        self.register_buffer("breakpoints", breakpoints.repeat(inputs * frequencies, 1))
        self.register_buffer("slopes", slopes.repeat(inputs * frequencies, 1))
        self.register_buffer("anchor", torch.tensor([HEIGHT]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The waves' values."""
        copies = x.unsqueeze(-1).expand(*x.shape, self.copies).flatten(-2)
        return piecewise_linear(copies * self.scales, self.breakpoints, self.slopes, self.anchor)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"inputs={self.inputs}, frequencies={self.copies // 2}"


class Maxout(nn.Module):  # type: ignore[misc]
    """max over k < pieces of W_k x + b_k: a Linear to outputs * pieces values, and the maximum of each group.

    From shape (..., inputs) to (..., outputs); row j * pieces + k of the weight belongs to output j.
    """

    def __init__(self, inputs: int, outputs: int, pieces: int, bias: bool = True) -> None:
        super().__init__()
        for name, size in (("inputs", inputs), ("outputs", outputs), ("pieces", pieces)):
            if type(size) is not int or size < 1:
                raise InputError(f"{name} must be a positive int, not {size!r}")
        self.outputs, self.pieces = outputs, pieces
        self.linear = nn.Linear(inputs, outputs * pieces, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maxima."""
        return self.linear(x).unflatten(-1, (self.outputs, self.pieces)).amax(-1)


def _tensor(name: str, values: object, dimensions: int) -> torch.Tensor:
    """A tensor of the default dtype, or of a float tensor's own; InputError for what is none."""
    try:
        tensor = torch.as_tensor(values).detach().clone()
        tensor = (
            tensor
            if isinstance(values, torch.Tensor) and values.is_floating_point()
            else tensor.to(torch.get_default_dtype())
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} must be numbers in {dimensions} dimensions: {error}") from None
    if tensor.ndim != dimensions or not tensor.isfinite().all():
        raise InputError(
            f"{name} must be finite numbers in {dimensions} dimensions, not of shape {tuple(tensor.shape)}"
        )
    return tensor
