"""A program of torch operations as a function of points, run by torch in float64, to compare a network with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from splinecam_exact.arrays import Floats
from splinecam_exact.importers.aten import Operation, Ref
from splinecam_exact.importers.aten_views import DType
from splinecam_exact.importers.tensors import Tensor
from splinecam_exact.kernel.errors import InputError

_IGNORED = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")


class AtenReference:
    """A program that was translated to a network before, so that each of its operations is a known one."""

    roundoff = 2.0**-53

    def __init__(self, values: Mapping[str, Any], program: Sequence[Operation], output: str) -> None:
        self._values = {k: _tensor(v) for k, v in values.items()}
        self._program, self._output = program, output

    def __call__(self, points: Floats) -> Floats:
        """The outputs (n, outputs) at points (n, inputs). Raises InputError where torch refuses an operation."""
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # that of the numbers the program makes
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.stack([self._row(point) for point in points])
        finally:
            torch.set_default_dtype(default)

    def _row(self, point: Floats) -> Floats:
        values: dict[str, Any] = {}
        for name, value in self._values.items():
            is_input = isinstance(value, Tensor)
            values[name] = torch.tensor(point).reshape(value.shape) if is_input else value
        for operation in self._program:
            if operation.outputs == self._output and self._output in values:
                break
            try:
                result = self._called(operation, values)
            except Exception as error:  # whatever torch raises
                raise InputError(f"{operation.place} {operation.target}: {type(error).__name__}: {error}") from None
            if isinstance(operation.outputs, str):
                values[operation.outputs] = result
            else:
                parts = result if isinstance(result, tuple | list) else [result]
                values.update((k, v) for k, v in zip(operation.outputs, parts, strict=False) if k is not None)
        found: Floats = values[self._output].to(torch.float64).reshape(-1).numpy()
        return found

    def _called(self, operation: Operation, values: Mapping[str, Any]) -> Any:
        namespace, base, *overload = operation.target.removeprefix("torch.ops.").split(".")
        arguments = [_resolved(a, values) for a in operation.arguments]
        if base in _IGNORED:
            return None
        if namespace in ("_operator", "operator"):
            import operator

            return getattr(operator, base)(*arguments)
        if namespace == "splinecam_exact":
            from splinecam_exact import torch_op  # noqa: F401  (which registers the operator)
        if base in ("view", "_unsafe_view"):  # the strides here may differ from those of the program's author
            base, overload = "reshape", []
        packet = getattr(getattr(torch.ops, namespace), base)
        function = getattr(packet, overload[0]) if overload else packet
        keywords = {k: _resolved(v, values) for k, v in operation.keywords.items()}
        return function(*arguments, **{k: v for k, v in keywords.items() if v is not None})


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    found = torch.from_numpy(np.array(value))
    return found.to(torch.float64) if found.is_floating_point() else found


def _resolved(argument: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, list | tuple):
        return [_resolved(a, values) for a in argument]
    if isinstance(argument, DType):
        return torch.float64 if argument.is_float else getattr(torch, argument.name)
    return argument
