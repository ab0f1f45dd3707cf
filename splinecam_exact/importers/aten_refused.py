"""What is said about torch's operations that are not continuous and piecewise linear, or not supported."""

from __future__ import annotations

from splinecam_exact.importers.aten_values import Unsupported
from splinecam_exact.kernel.errors import NetworkError

REPLACE = "replace it by something continuous and piecewise linear, such as ReLU, LeakyReLU, Hardtanh or Hardsigmoid"

LAST = {
    "softmax": "softmax",
    "_softmax": "softmax",
    "log_softmax": "log_softmax",
    "_log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
}
"""What may be left out as the last operation, since the largest output stays the largest."""

_CURVED = """
    gelu silu mish tanh elu selu celu softplus hardswish softmin log_sigmoid log_sigmoid_forward softsign glu exp exp2
    expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh rsqrt erf layer_norm native_layer_norm
    group_norm native_group_norm rms_norm _fused_rms_norm var std var_mean
    std_mean logsumexp scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu
    cosine_similarity local_response_norm logaddexp rnn_tanh lstm gru
"""
_JUMPS = """
    sign sgn round floor ceil trunc frac heaviside remainder fmod floor_divide argmax argmin argsort
    hardshrink bernoulli rand randn rand_like randn_like multinomial mode
    nonzero searchsorted bucketize
"""
_KIND = {
    **dict.fromkeys(_CURVED.split(), "is not piecewise linear"),
    **dict.fromkeys(_JUMPS.split(), "is not continuous"),
}


def refusal(base: str, target: str, depends: bool) -> NetworkError:
    """Why an operation without a handler is refused; `depends` says whether the input's values go into it."""
    if base in LAST and depends:
        return NetworkError(
            f"applies {LAST[base]}, which is not piecewise linear: leave it out, or, if it is the last operation, pass "
            "strip_output=True, which changes the outputs but not which is the largest"
        )
    if not depends:
        return Unsupported(f"computes {target} of constants, which is not done exactly: store the result as a buffer")
    if base in _KIND:
        return NetworkError(f"applies {base}, which {_KIND[base]}: {REPLACE}")
    return Unsupported(
        f"applies {target}, which is not supported: write it with linear maps, convolutions, pooling, maxima, sums and "
        "piecewise linear activations, or build the network from nodes with Network"
    )


def curved(what: str) -> str:
    """Why a product or power of values that depend on the input is refused."""
    return f"applies {what} to values that depend on the input, which is not piecewise linear: {REPLACE}"
