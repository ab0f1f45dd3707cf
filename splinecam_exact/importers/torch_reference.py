"""A torch module as a function of points, to compare a network with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import nn

from splinecam_exact.arrays import Floats
from splinecam_exact.kernel.errors import InputError


class TorchReference:
    """A float64 copy of a module on the CPU, run on one input at a time, since a batch may be more than its inputs.

    With `copied`, the module is such a copy, or one to be run on inputs of another `dtype`.
    """

    def __init__(
        self,
        module: nn.Module,
        input_shape: Sequence[int] | None = None,
        copied: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.dtype, self.roundoff = dtype, 2.0**-53
        self._shape = None if input_shape is None else tuple(input_shape)
        self._copy = module if copied else float64_copy(module)

    def __call__(self, points: Floats) -> Floats:
        """The outputs (n, outputs) at points (n, inputs). Raises InputError where the module fails."""
        shape = points.shape[1:] if self._shape is None else self._shape
        rows = []
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for point in points:
                    x = torch.tensor(point, dtype=self.dtype, device="cpu").reshape(1, *shape)
                    output = only_tensor(self._copy(x))
                    rows.append(output.detach().to("cpu", torch.float64).reshape(-1).numpy())
            return np.stack(rows)
        except Exception as error:  # whatever the module's code raises
            raise InputError(
                f"the module could not be run on an input of shape {(1, *shape)}: {type(error).__name__}: {error}"
            ) from None


def float64_copy(module: nn.Module) -> nn.Module:
    """A copy of the module with its parameters and buffers in float64, on the CPU."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return deepcopy(module).to("cpu", torch.float64)
    except Exception as error:  # a module's own __deepcopy__ may raise anything
        raise InputError(f"the module could not be copied: {type(error).__name__}: {error}") from None


def only_tensor(output: Any) -> torch.Tensor:
    """The tensor that a module returned, alone or as the only one in a tuple, list or dict."""
    while isinstance(output, tuple | list | dict) and len(output) == 1:
        output = next(iter(output.values() if isinstance(output, dict) else output))
    if not isinstance(output, torch.Tensor):
        raise InputError(f"the module returns a {type(output).__name__}, where one tensor is needed")
    return output
