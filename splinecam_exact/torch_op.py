"""The torch operator splinecam_exact::piecewise_linear: a continuous piecewise linear function for each column.

`torch.export` keeps it as one node, which the importer reads as one `Piecewise` node.
"""

from __future__ import annotations

from typing import Any

from splinecam_exact.kernel.errors import InputError, MissingDependency

try:
    import torch
except ImportError:
    raise MissingDependency("torch modules need torch: pip install 'splinecam-exact[torch]'") from None

NAME = "splinecam_exact::piecewise_linear"


def _forward(x: torch.Tensor, breakpoints: torch.Tensor, slopes: torch.Tensor, anchor: torch.Tensor) -> torch.Tensor:
    _check(x, breakpoints, slopes, anchor)
    return _values(x, breakpoints, slopes, anchor)


def _fake(x: torch.Tensor, breakpoints: torch.Tensor, slopes: torch.Tensor, anchor: torch.Tensor) -> torch.Tensor:
    _check(x, breakpoints, slopes, anchor)
    return x.new_empty(x.shape)


def _check(x: torch.Tensor, breakpoints: torch.Tensor, slopes: torch.Tensor, anchor: torch.Tensor) -> None:
    if x.ndim < 1 or breakpoints.ndim != 2 or breakpoints.shape[1] < 1:
        raise InputError(
            "piecewise_linear needs x of shape (..., n) and breakpoints of shape (1 or n, m), not "
            f"{tuple(x.shape)} and {tuple(breakpoints.shape)}"
        )
    m = breakpoints.shape[1]
    for name, tensor, row in (
        ("breakpoints", breakpoints, (m,)),
        ("slopes", slopes, (m + 1,)),
        ("anchor", anchor, ()),
    ):
        if tuple(tensor.shape) != (1, *row) and tuple(tensor.shape) != (x.shape[-1], *row):
            raise InputError(
                f"piecewise_linear has {name} of shape {tuple(tensor.shape)} for {m} breakpoints and x of shape "
                f"{tuple(x.shape)}"
            )
        if tensor.dtype != x.dtype:
            raise InputError(f"piecewise_linear has {name} of {tensor.dtype} and x of {x.dtype}: use one dtype")


def _values(x: torch.Tensor, breakpoints: torch.Tensor, slopes: torch.Tensor, anchor: torch.Tensor) -> torch.Tensor:
    n, m = x.shape[-1], breakpoints.shape[1]
    breakpoints, slopes = breakpoints.expand(n, -1), slopes.expand(n, -1)
    columns = x.reshape(-1, n).T.contiguous()
    piece = torch.searchsorted(breakpoints.detach().contiguous(), columns.detach())
    rises = torch.nn.functional.pad(slopes[:, 1:m] * breakpoints.diff(dim=1), (1, 0)).cumsum(1)
    nearest = (piece - 1).clamp(min=0)
    beyond = columns - breakpoints.gather(1, nearest)
    found = anchor[:, None] + rises.gather(1, nearest) + slopes.gather(1, piece) * beyond
    return found.T.reshape(x.shape).contiguous()


def _save(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    tensors = list(ctx.saved_tensors)
    needed = [k for k, is_needed in enumerate(ctx.needs_input_grad) if is_needed]

    def values(*chosen: torch.Tensor) -> torch.Tensor:
        for k, tensor in zip(needed, chosen, strict=True):
            tensors[k] = tensor
        return _values(*tensors)

    found = torch.func.vjp(values, *(tensors[k] for k in needed))[1](grad)
    grads = dict(zip(needed, found, strict=True))
    return tuple(grads.get(k) for k in range(4))


piecewise_linear = torch.library.custom_op(NAME, _forward, mutates_args=())
"""f_j(x[..., j]) for each column j of x, of shape (..., n).

The arguments are x and, as in `Piecewise` and of x's dtype, `breakpoints` (1 or n, m), each row strictly increasing,
`slopes` (1 or n, m + 1), and `anchor` (1 or n,), the value at the first breakpoint. Differentiable in all four, and
twice; at a breakpoint with the slope on its left. Raises InputError for shapes or dtypes that do not fit. A value takes
the time of a binary search.
"""

piecewise_linear.register_fake(_fake)
piecewise_linear.register_autograd(_backward, setup_context=_save)
