"""An ONNX file as a function of points, to compare a network with."""

from __future__ import annotations

from typing import Any

import numpy as np

from splinecam_exact.arrays import Floats
from splinecam_exact.kernel.errors import InputError, MissingDependency

_ROUNDOFFS = {"tensor(double)": 2.0**-53, "tensor(float)": 2.0**-24}


class OnnxReference:
    """A model run by onnxruntime on the CPU, unoptimized and on one input at a time."""

    def __init__(self, model: bytes, place: str = "the model") -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingDependency(
                "running an ONNX file needs onnxruntime: pip install 'splinecam-exact[onnx]'"
            ) from None
        self._place = place
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # whatever onnxruntime raises
            raise self._refused(error) from None
        self._input = self._session.get_inputs()[0]
        if len(self._session.get_inputs()) != 1 or self._input.type not in _ROUNDOFFS:
            raise InputError(f"{self._place}: has no single input of float32 or float64")
        self.roundoff = _ROUNDOFFS[self._input.type]

    def __call__(self, points: Floats) -> Floats:
        """The outputs (n, outputs) at points (n, inputs). Raises InputError where the model fails."""
        sizes = [n if type(n) is int and n > 0 else 1 for n in self._input.shape]
        kind = np.float64 if self.roundoff < 2.0**-30 else np.float32
        rows = []
        for point in points:
            try:
                found: list[Any] = self._session.run(None, {self._input.name: point.astype(kind).reshape(sizes)})
            except Exception as error:  # whatever onnxruntime raises
                raise self._refused(error) from None
            rows.append(np.asarray(found[0], np.float64).reshape(-1))
        return np.stack(rows)

    def _refused(self, error: Exception) -> InputError:
        return InputError(f"{self._place}: cannot be run by onnxruntime ({type(error).__name__}: {error})")
