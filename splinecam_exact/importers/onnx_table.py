"""Which ONNX operations are translated, by what, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable

from splinecam_exact.importers import onnx_made as made
from splinecam_exact.importers import onnx_ops as ops
from splinecam_exact.importers import onnx_views as views
from splinecam_exact.importers import onnx_windows as windows
from splinecam_exact.importers.onnx_call import Call, Value

Handler = Callable[[Call], Value | tuple[Value, ...]]

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Mod", "Pow", "Equal", "Less", "LessOrEqual"), ops.binary),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "And", "Or", "Xor"), ops.binary),
    **dict.fromkeys(("Sum", "Mean"), ops.sums),
    **dict.fromkeys(("Max", "Min"), ops.extremes),
    **dict.fromkeys(("Neg", "Abs", "Floor", "Ceil", "Sqrt", "Reciprocal", "Not"), ops.single),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceProd"), ops.reduction),
    "Cast": ops.cast,
    "Relu": ops.relu,
    "LeakyRelu": ops.leaky_relu,
    "PRelu": ops.prelu,
    "Clip": ops.clip,
    "HardSigmoid": ops.hard_sigmoid,
    "ThresholdedRelu": ops.thresholded_relu,
    "BatchNormalization": ops.batch_norm,
    "Gemm": ops.gemm,
    "MatMul": ops.matmul,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "MaxPool": windows.max_pool,
    "AveragePool": windows.average_pool,
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool"), windows.global_pool),
    **dict.fromkeys(("Resize", "Upsample"), windows.resize),
    "Identity": views.identity,
    "Dropout": views.dropout,
    "Flatten": views.flatten,
    "Reshape": views.reshape,
    "Transpose": views.transpose,
    "Squeeze": views.squeeze,
    "Unsqueeze": views.unsqueeze,
    "Concat": views.concat,
    "Split": views.split,
    "Slice": views.slices,
    "Gather": views.gather,
    "Expand": views.expand,
    "Tile": views.tile,
    "Pad": views.pad,
    "DepthToSpace": views.depth_to_space,
    "SpaceToDepth": views.space_to_depth,
    "Where": views.where,
    "Shape": views.shape,
    "Size": views.size,
    "Constant": made.constant_node,
    "ConstantOfShape": made.constant_of_shape,
    "Range": made.arange,
    "EyeLike": made.eye_like,
    "Trilu": made.triangle,
}

STRIPPED = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}
"""What `strip_output` leaves out, at the end, and how the conventions call it."""

_SMOOTH = (
    *(
        "Tanh",
        "Sigmoid",
        "Softmax",
        "LogSoftmax",
        "Gelu",
        "Elu",
        "Selu",
        "Celu",
        "Softplus",
        "Softsign",
        "Mish",
        "Swish",
    ),
    *("HardSwish", "Exp", "Log", "Erf", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Acosh"),
    *("Atanh", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "LRN", "LpNormalization", "LpPool"),
    *("GlobalLpPool", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"),
    *("MeanVarianceNormalization", "GRU", "LSTM", "RNN", "Attention", "Det"),
)
_JUMPS = ("Sign", "Round", "ArgMax", "ArgMin", "Hardmax", "IsNaN", "IsInf", "NonZero", "OneHot", "QuantizeLinear")
_CONTROL = ("If", "Loop", "Scan", "SequenceMap")


def refusal(op: str) -> str:
    """Why an operation is not translated, and what can be done."""
    if op in _SMOOTH:
        last = "; a last one is left out with strip_output=True (--strip-output)" if op in STRIPPED else ""
        return (
            "is not piecewise linear, so the network has no partition into affine cells: replace it by a piecewise "
            f"linear function, such as Clip or HardSigmoid{last}"
        )
    if op in _JUMPS:
        return "jumps, so the network is not continuous: cut the model before it with onnx.utils.extract_model"
    if op in _CONTROL:
        return "has a graph of its own, which is not supported: export the model for one fixed path (by tracing)"
    return (
        "is not supported: simplify the model with onnxsim or onnxruntime's optimizer, or build the network from nodes "
        "with Network"
    )
