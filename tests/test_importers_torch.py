"""torch modules: the exact network is the module, over the reals; what is not one is refused by name."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

from splinecam_exact.arrays import ExactArray
from splinecam_exact.importers.batchnorm import CONVENTION, fold
from splinecam_exact.kernel.errors import InputError, NetworkError
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine

torch = pytest.importorskip("torch", reason="needs the extra [torch]")
from torch import nn  # noqa: E402

from splinecam_exact.importers.from_torch import from_torch  # noqa: E402


class Abs(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.abs(x)


class AbsMethod(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.abs()


class AbsBuiltin(nn.Module):
    def forward(self, x: Any) -> Any:
        return abs(x)


class ReluFunction(nn.Module):
    def forward(self, x: Any) -> Any:
        return nn.functional.relu(x, inplace=False)


DYADIC = st.integers(-8, 8).map(lambda n: n / 4)
ACTIVATIONS: dict[str, tuple[Callable[[], Any], Callable[[Fraction], Fraction]]] = {
    "relu": (nn.ReLU, lambda x: max(x, Fraction(0))),
    "relu in place": (lambda: nn.ReLU(inplace=True), lambda x: max(x, Fraction(0))),
    "leaky": (lambda: nn.LeakyReLU(0.25), lambda x: max(x, x / 4)),
    "leaky 0.1": (lambda: nn.LeakyReLU(0.1), lambda x: max(x, x * Fraction(0.1))),
    "relu6": (nn.ReLU6, lambda x: min(max(x, Fraction(0)), Fraction(6))),
    "hardtanh": (lambda: nn.Hardtanh(-0.5, 2), lambda x: min(max(x, Fraction(-1, 2)), Fraction(2))),
    "abs": (Abs, abs),
    "abs method": (AbsMethod, abs),
    "abs builtin": (AbsBuiltin, abs),
    "relu function": (ReluFunction, lambda x: max(x, Fraction(0))),
    "identity": (nn.Identity, lambda x: x),
    "dropout": (nn.Dropout, lambda x: x),
    "flatten": (nn.Flatten, lambda x: x),
    "prelu": (nn.PReLU, lambda x: max(x, x / 4)),
}


@st.composite
def modules(draw: st.DrawFn) -> tuple[Any, Callable[[list[Fraction]], list[Fraction]], int]:
    """A module with dyadic weights, nested at random, and what it computes in fractions."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    parts: list[Any] = []
    steps: list[Callable[[list[Fraction]], list[Fraction]]] = []
    for n, m in pairwise(sizes):
        linear = nn.Linear(n, m, bias=draw(st.booleans()), dtype=draw(st.sampled_from([torch.float32, torch.float64])))
        weight = draw(st.lists(st.lists(DYADIC, min_size=n, max_size=n), min_size=m, max_size=m))
        bias = draw(st.lists(DYADIC, min_size=m, max_size=m)) if linear.bias is not None else [0.0] * m
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weight))
            if linear.bias is not None:
                linear.bias.copy_(torch.tensor(bias))
        build, law = ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))]
        pair = [linear, build()]
        parts += [nn.Sequential(*pair)] if draw(st.booleans()) else pair

        def step(x: list[Fraction], weight: Any = weight, bias: Any = bias, law: Any = law) -> list[Fraction]:
            sums = [sum(Fraction(w) * v for w, v in zip(row, x, strict=True)) for row in weight]
            return [law(s + Fraction(b)) for s, b in zip(sums, bias, strict=True)]

        steps.append(step)

    def law_of_all(x: list[Fraction]) -> list[Fraction]:
        for step in steps:
            x = step(x)
        return x

    return nn.Sequential(nn.Sequential(*parts)).eval(), law_of_all, sizes[0]


@given(modules(), st.data())
def test_network_is_the_module_in_fractions(module_law_size: Any, data: st.DataObject) -> None:
    module, law, size = module_law_size
    x = data.draw(st.lists(DYADIC, min_size=size, max_size=size))
    net = from_torch(module)
    assert net.evaluate(x) == [mpq(y) for y in law([Fraction(v) for v in x])]
    assert net.conventions == ()


@given(modules(), st.data())
def test_network_is_the_module_but_for_rounding(module_law_size: Any, data: st.DataObject) -> None:
    module, _, size = module_law_size
    x = data.draw(st.lists(st.floats(-4, 4), min_size=size, max_size=size))
    with torch.no_grad():
        expected = module.double()(torch.tensor([x], dtype=torch.float64))[0].tolist()
    assert list(map(float, from_torch(module).evaluate(x))) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def trained_batch_norm(size: int, **options: Any) -> Any:
    layer = nn.BatchNorm1d(size, **options)
    layer(torch.randn(50, size) * 3 + 1)
    if layer.affine:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_anywhere(affine: bool) -> None:
    torch.manual_seed(0)
    bn = [trained_batch_norm(size, affine=affine) for size in (3, 5, 5, 2)]
    module = nn.Sequential(
        bn[0], nn.Linear(3, 5), bn[1], nn.ReLU(), nn.Sequential(bn[2], nn.Linear(5, 2, bias=False)), bn[3]
    ).eval()
    net = from_torch(module)
    assert net.conventions == (CONVENTION,)
    x = torch.randn(3, dtype=torch.float64)
    with torch.no_grad():
        expected = module.double()(x[None])[0].tolist()
    assert list(map(float, net.evaluate(x.numpy()))) == pytest.approx(expected, rel=1e-10)


def test_batch_norm_is_folded_by_the_rule() -> None:
    layer = nn.BatchNorm1d(2, eps=1.0)
    layer.running_mean = torch.tensor([2.0, 1.0])
    layer.running_var = torch.tensor([3.0, 2.0])
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([3.0, 0.1]))
    channels = zip((mpq(3), mpq(13421773, 2**27)), (mpq(2), mpq(1)), (mpq(3), mpq(2)), strict=True)
    folded = [fold(gamma, mpq(0), mean, var, mpq(1)) for gamma, mean, var in channels]
    assert folded[0] == (1.5, -3.0)
    scales, shifts = zip(*folded, strict=True)
    net = from_torch(layer.eval())
    assert net == Network(2, [Affine((0,), (ExactArray.of(scales),), ExactArray.of(shifts))], [CONVENTION])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_parameters_denote_what_they_store(dtype: Any) -> None:
    layer = nn.Linear(2, 1).to(dtype).eval()
    weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
    expected = [mpq(Fraction(v)) for v in (weight[0, 0].item(), bias[0].item())]
    net = from_torch(layer)
    assert net.evaluate([1, 0])[0] == expected[0] + expected[1]


def test_prelu_has_a_slope_for_each_unit() -> None:
    layer = nn.PReLU(3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
    net = from_torch(nn.Sequential(layer).eval(), input_shape=(3,))
    assert net.evaluate([-2, -2, -2]) == [-1, 2, -4]


def test_shared_module_applies_as_often_as_it_occurs() -> None:
    layer = nn.Linear(2, 2)
    module = nn.Sequential(layer, nn.ReLU(), layer).eval()
    net = from_torch(module)
    with torch.no_grad():
        expected = module.double()(torch.tensor([[0.3, -0.7]], dtype=torch.float64))[0].tolist()
    assert list(map(float, net.evaluate([0.3, -0.7]))) == pytest.approx(expected, rel=1e-12)


def test_input_of_several_dimensions_is_flattened_row_by_row() -> None:
    module = nn.Sequential(nn.ReLU(), nn.Flatten(2), nn.Flatten(), nn.Linear(12, 2)).eval()
    net = from_torch(module, input_shape=(3, 2, 2))
    x = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        expected = module.double()(x)[0].tolist()
    assert net.input_size == 12
    assert list(map(float, net.evaluate(x.numpy().ravel()))) == pytest.approx(expected, rel=1e-12)


def test_later_training_does_not_change_the_network() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.PReLU()).double().eval()
    net = from_torch(module)
    before = net.evaluate([1, 1])
    with torch.no_grad():
        module[0].weight += 1
    assert net.evaluate([1, 1]) == before
    assert from_torch(module) != net


class Shifted(nn.Linear):
    def forward(self, x: Any) -> Any:
        return super().forward(x) + 1


class Renamed(nn.ReLU):
    pass


class Branching(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.abs(x) if x.sum() > 0 else x


class Raising(nn.Module):
    def forward(self, x: Any) -> Any:
        raise KeyError("no")


class TwoInputs(nn.Module):
    def forward(self, x: Any, y: Any = None) -> Any:
        return torch.abs(x)


class AbsThenRelu(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.relu(torch.abs(x))


class Negated(nn.Module):
    def forward(self, x: Any) -> Any:
        return -x


def hooked() -> Any:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda *_: None)
    return layer


def prehooked() -> Any:
    layer = nn.ReLU()
    layer.register_forward_pre_hook(lambda *_: None)
    return layer


def parametrized() -> Any:
    return torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))


def replaced_forward() -> Any:
    layer = nn.Linear(2, 2)
    layer.forward = lambda x: x
    return layer


def with_weight(value: float, name: str = "weight", build: Any = lambda: nn.Linear(2, 2)) -> Callable[[], Any]:
    def made() -> Any:
        layer = build()
        with torch.no_grad():
            getattr(layer, name).view(-1)[1] = value
        return layer

    return made


def batch_norm(**changes: Any) -> Callable[[], Any]:
    def made() -> Any:
        layer = nn.BatchNorm1d(2)
        for name, value in changes.items():
            setattr(layer, name, value)
        return layer

    return made


def changed(build: Any, *sizes: int, **changes: Any) -> Callable[[], Any]:
    def made() -> Any:
        layer = build(*sizes)
        for name, value in changes.items():
            setattr(layer, name, value)
        return layer

    return made


class CallOverridden(Abs):
    def __call__(self, x: Any) -> Any:
        return super().__call__(x) + 1


class CallImplOverridden(Abs):
    def _call_impl(self, x: Any) -> Any:
        return super()._call_impl(x) + 1


class WrappedCallOverridden(Abs):
    def _wrapped_call_impl(self, x: Any) -> Any:
        return super()._wrapped_call_impl(x) + 1


class GetAttributeOverridden(Abs):
    def __getattribute__(self, name: str) -> Any:
        return (lambda x: -x) if name == "forward" else super().__getattribute__(name)


class ProxyBranching(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.abs(x) if isinstance(x, torch.fx.Proxy) else -x


class Counting(nn.Module):
    k = 0

    def forward(self, x: Any) -> Any:
        self.k += 1
        return torch.abs(x) if self.k < 5 else -x


class Negating:
    abs = staticmethod(lambda x: -x)


class NotTorch(nn.Module):
    def forward(self, x: Any) -> Any:
        return Negating.abs(x)


class Decorated(nn.Module):
    @torch.no_grad()
    def forward(self, x: Any) -> Any:
        return torch.abs(x)


class Generating(nn.Module):
    async def forward(self, x: Any) -> Any:
        return torch.abs(x)


CURVED = [
    nn.GELU,
    nn.Sigmoid,
    nn.Tanh,
    nn.SiLU,
    nn.ELU,
    nn.Softplus,
    nn.Mish,
    lambda: nn.Softmax(1),
    lambda: nn.LayerNorm(2),
]


@pytest.mark.parametrize("build", CURVED)
def test_what_is_not_piecewise_linear_is_named(build: Callable[[], Any]) -> None:
    layer = build()
    with pytest.raises(NetworkError, match=rf"layer 1\.0 \({type(layer).__name__}\) is not piecewise linear"):
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer)).eval())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Shifted(2, 2), r"\(Shifted\) is a subclass of Linear, so its forward may differ"),
        (Renamed, r"\(Renamed\) is a subclass of ReLU, so its forward may differ: use that class"),
        (Branching, r"\(Branching\) is not supported: use nn.Sequential of BatchNorm1d, .*ReLU6, and modules"),
        (Raising, r"\(Raising\) is not supported"),
        (TwoInputs, r"\(TwoInputs\) is not supported"),
        (AbsThenRelu, r"\(AbsThenRelu\) is not supported"),
        (Negated, r"\(Negated\) is not supported"),
        (lambda: nn.Conv2d(1, 1, 1), r"\(Conv2d\) is not supported"),
        (hooked, r"\(Linear\) has hooks"),
        (prehooked, r"\(ReLU\) has hooks"),
        (replaced_forward, r"\(Linear\) has a replaced forward.*: del module\.forward"),
        (parametrized, r"\(ParametrizedLinear\) has a parametrization: remove it"),
        (with_weight(float("nan")), r"\(Linear\) weight\[0\]\[1\]: nan is not a finite"),
        (with_weight(float("inf"), "bias"), r"\(Linear\) bias\[1\]: inf"),
        (with_weight(float("nan"), "weight", lambda: nn.PReLU(2)), r"\(PReLU\) weight\[1\]: nan"),
        (with_weight(float("nan"), "running_var", lambda: nn.BatchNorm1d(2)), r"\(BatchNorm1d\) running_var\[1\]: nan"),
        (with_weight(-1.0, "running_var", lambda: nn.BatchNorm1d(2)), r"\(BatchNorm1d\) channel 1: var \+ eps is"),
        (
            with_weight(float("inf"), "running_mean", lambda: nn.BatchNorm1d(2)),
            r"\(BatchNorm1d\) running_mean\[1\]: inf",
        ),
        (batch_norm(eps=float("nan")), r"\(BatchNorm1d\) eps: nan"),
        (
            batch_norm(weight=None, bias=nn.Parameter(torch.zeros(3))),
            r"\(BatchNorm1d\) has parameters of different sizes",
        ),
        (lambda: nn.BatchNorm1d(2, track_running_stats=False), r"\(BatchNorm1d\) keeps no running statistics"),
        (lambda: nn.BatchNorm1d(3), r"\(BatchNorm1d\) needs 3 features, but layer 0 \(Linear\) gives shape \(2,\)"),
        (lambda: nn.Linear(5, 2), r"\(Linear\) needs 5 features, but layer 0 \(Linear\) gives shape \(2,\)"),
        (lambda: nn.PReLU(3), r"\(PReLU\) needs 3 features, but layer 0 \(Linear\)"),
        (lambda: nn.LeakyReLU(float("nan")), r"\(LeakyReLU\) slopes\[0\]\[0\]: nan"),
        (lambda: nn.Hardtanh(0.0, float("inf")), r"\(Hardtanh\) breakpoints\[0\]\[1\]: inf"),
        (lambda: nn.Flatten(0), r"\(Flatten\) flattens the batch dimension"),
        (lambda: nn.Flatten(2), r"\(Flatten\) flattens dimensions 2 to -1, layer 0 \(Linear\) has 2 with the batch"),
        (lambda: nn.Linear(2, 2, dtype=torch.complex64), r"\(Linear\) has a weight of torch.complex64"),
        (lambda: nn.Linear(2, 2, device="meta"), r"\(Linear\) has a weight of torch.float32 on meta"),
        (lambda: nn.LazyLinear(2), r"\(LazyLinear\) has hooks"),
        (changed(nn.ReLU, _call_impl=lambda x: -x), r"\(ReLU\) has a replaced _call_impl"),
        (changed(nn.ReLU, _wrapped_call_impl=lambda x: -x), r"\(ReLU\) has a replaced _wrapped_call_impl"),
        (changed(nn.ReLU, _slow_forward=lambda x: -x), r"\(ReLU\) has a replaced _slow_forward"),
        (changed(nn.ReLU, __call__=lambda x: -x), r"\(ReLU\) has a replaced __call__"),
        (changed(nn.BatchNorm1d, 2, _check_input_dim=print), r"\(BatchNorm1d\) has a replaced _check_input_dim"),
        (changed(nn.ReLU, _compiled_call_impl=lambda x: -x), r"\(ReLU\) is compiled.*: import the module before"),
        (CallOverridden, r"\(CallOverridden\) overrides __call__.*: use nn\.Module's own"),
        (CallImplOverridden, r"\(CallImplOverridden\) overrides _call_impl"),
        (WrappedCallOverridden, r"\(WrappedCallOverridden\) overrides _wrapped_call_impl"),
        (GetAttributeOverridden, r"\(GetAttributeOverridden\) overrides __getattribute__"),
        (ProxyBranching, r"\(ProxyBranching\) is not supported"),
        (Counting, r"\(Counting\) is not supported"),
        (NotTorch, r"\(NotTorch\) is not supported"),
        (Decorated, r"\(Decorated\) is not supported"),
        (Generating, r"\(Generating\) is not supported"),
        (changed(nn.Hardtanh, min_val=1.0, max_val=1.0), r"\(Hardtanh\) clips to \[1\.0, 1\.0\]; min_val must be"),
        (changed(nn.Flatten, start_dim=1.0), r"\(Flatten\) flattens dimensions 1\.0 to -1; ints are needed"),
        (changed(nn.PReLU, weight=None), r"\(PReLU\) has a weight of type NoneType; a tensor is needed"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_layer_that_cannot_be_read_is_named(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(NetworkError, match="layer 1.0 " + message):
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.Sequential(build())).eval())


def test_training_mode_is_refused_wherever_it_is() -> None:
    with pytest.raises(NetworkError, match=r"the module \(Sequential\) is in training mode: call \.eval\(\)"):
        from_torch(nn.Sequential(nn.Linear(2, 2)))
    for layer in (nn.Dropout(), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout())):
        module = nn.Sequential(nn.Linear(2, 2), layer).eval()
        layer.train()
        with pytest.raises(NetworkError, match=r"layer 1 .* is in training mode: call \.eval\(\)"):
            from_torch(module)


def test_input_shape_is_inferred_or_asked_for() -> None:
    assert from_torch(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(4, 1)).eval()).input_size == 4
    assert from_torch(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)).eval()).input_size == 3
    with pytest.raises(InputError, match="give input_shape"):
        from_torch(nn.Sequential(nn.ReLU()).eval())
    with pytest.raises(NetworkError, match=r"needs 4 features, but the input gives shape \(2, 2\); put nn\.Flatten"):
        from_torch(nn.Sequential(nn.Linear(4, 1)).eval(), input_shape=(2, 2))
    bad: list[Any] = [(), (0,), (2.0,), 5, "22"]
    for shape in bad:
        with pytest.raises(InputError, match="input_shape must be"):
            from_torch(nn.Sequential(nn.ReLU()).eval(), input_shape=shape)


def test_only_modules_are_taken() -> None:
    with pytest.raises(InputError, match=r"needs a torch\.nn\.Module, not ndarray"):
        from_torch(np.zeros(3))


@pytest.mark.parametrize("name", ["register_module_forward_hook", "register_module_forward_pre_hook", "always_called"])
def test_hooks_on_all_modules_are_refused(name: str) -> None:
    registry = nn.modules.module
    if name == "always_called":
        handle = registry.register_module_forward_hook(lambda *_: None, always_call=True)
    else:
        handle = getattr(registry, name)(lambda *_: None)
    try:
        with pytest.raises(NetworkError, match=r"torch has forward hooks on all modules .*: call \.remove\(\)"):
            from_torch(nn.Linear(2, 2).eval())
    finally:
        handle.remove()
    from_torch(nn.Linear(2, 2).eval())


def test_attributes_set_later_are_read() -> None:
    relu6 = changed(nn.ReLU6, min_val=-1.0, max_val=1.0)()
    leaky = changed(nn.LeakyReLU, negative_slope=0.5)()
    flatten = changed(nn.Flatten, start_dim=2)()
    normal = batch_norm(eps=3.0, affine=False, track_running_stats=False)()
    assert from_torch(relu6.eval(), (3,)).evaluate([-2, 0, 6]) == [-1, 0, 1]
    assert from_torch(leaky.eval(), (2,)).evaluate([-2, 2]) == [-1, 2]
    assert from_torch(normal.eval()).evaluate([2, 4]) == [1, 2]
    with pytest.raises(NetworkError, match="needs 8 features"):
        from_torch(nn.Sequential(flatten, nn.Linear(8, 1)).eval(), (2, 2, 2))


def wrapped(original: Any) -> Any:
    return functools.wraps(original)(lambda self, x: -original(self, x))


@pytest.mark.parametrize(
    ("owner", "name", "patch", "message"),
    [
        (nn.ReLU, "forward", lambda self, x: -x, r"layer 1 \(ReLU\) runs a forward put in place of torch's own"),
        (nn.ReLU, "forward", wrapped(nn.ReLU.forward), r"layer 1 \(ReLU\) runs a forward put .*: undo that"),
        (nn.ReLU, "forward", nn.Sigmoid.forward, r"layer 1 \(ReLU\) runs a forward put in place"),
        (nn.Sequential, "forward", lambda self, x: -x, r"the module \(Sequential\) runs a forward put in place"),
        (nn.ReLU, "__call__", lambda self, x: -x, r"layer 1 \(ReLU\) overrides __call__"),
        (nn.ReLU, "_call_impl", lambda self, x: -x, r"layer 1 \(ReLU\) overrides _call_impl"),
        (nn.Module, "__call__", wrapped(nn.Module.__call__), r"the module \(Sequential\) overrides __call__"),
        (nn.Module, "_call_impl", wrapped(nn.Module._call_impl), r"the module \(Sequential\) overrides _call_impl"),
        (
            nn.functional,
            "relu",
            lambda x, inplace: -x,
            r"the module \(Sequential\) computes something else than its layers say \(output .* at check point",
        ),
        (nn.functional, "linear", lambda *_: torch.zeros(8, 3), "computes something else .*it has 3 outputs"),
        (nn.functional, "relu", lambda x, inplace: x / 0 * 0, "computes something else .* is nan"),
        (nn.functional, "relu", lambda x, inplace: {}[1], r"\(Sequential\) could not be run on a batch.*KeyError: 1"),
    ],
)
def test_patched_torch_is_refused(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, patch: Any, message: str
) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    if name == "linear":
        module = nn.Sequential(nn.Linear(2, 2)).eval()
    monkeypatch.setattr(owner, name, patch)
    with pytest.raises(NetworkError, match=message):
        from_torch(module)


def test_a_single_operation_is_known_without_source_and_without_running_it() -> None:
    scope: dict[str, Any] = {"nn": nn, "F": nn.functional, "torch": torch}
    for text in ("abs(x)", "torch.absolute(x)", "F.relu(x)", "F.relu(x, inplace=True)", "nn.functional.relu(x)"):
        exec(f"class Single(nn.Module):\n  def forward(self, x):\n    'Says so.'\n    return {text}", scope)
        expected = [0 if "relu" in text else 2, 1]
        assert from_torch(scope["Single"]().eval(), (2,)).evaluate([-2, 1]) == expected
    scope["abs"] = lambda x: -x
    exec("class Single(nn.Module):\n  def forward(self, x): return abs(x)", scope)
    with pytest.raises(NetworkError, match=r"\(Single\) is not supported: .*exactly `return torch\.abs\(x\)`"):
        from_torch(scope["Single"]().eval(), (2,))


def test_a_single_operation_may_be_a_variable_around_it() -> None:
    local = torch

    class Inner(nn.Module):
        def forward(self, values: Any) -> Any:
            return local.abs(values)

    assert from_torch(Inner().eval(), (1,)).evaluate([-2]) == [2]
    local = np
    with pytest.raises(NetworkError, match=r"\(Inner\) is not supported"):
        from_torch(Inner().eval(), (1,))


def test_sequential_with_what_is_no_layer() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    module._modules["1"] = None
    with pytest.raises(NetworkError, match=r"layer 1 \(NoneType\) is not a torch\.nn\.Module: remove it"):
        from_torch(module)
    module._modules["1"] = module
    with pytest.raises(NetworkError, match=r"layer 1 \(Sequential\) contains itself: remove it"):
        from_torch(module)


def test_layers_that_change_nothing_give_the_identity() -> None:
    for layers in ([], [nn.Identity()], [nn.Dropout(), nn.Flatten()]):
        net = from_torch(nn.Sequential(*layers).eval(), (2,))
        assert net.evaluate(["1/3", -2]) == [mpq(1, 3), -2]
        assert len(net.nodes) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_values_are_checked_without_changing_the_module(dtype: Any) -> None:
    torch.manual_seed(0)
    layers = [nn.ReLU(inplace=True), nn.Linear(40, 60), trained_batch_norm(60), nn.LeakyReLU(0.1), nn.Linear(60, 3)]
    module = nn.Sequential(*layers).to(dtype).eval()
    before = {name: (value, value.clone()) for name, value in module.state_dict(keep_vars=True).items()}
    from_torch(module)
    for name, value in module.state_dict(keep_vars=True).items():
        kept, copy = before[name]
        assert value is kept
        assert value.dtype == copy.dtype
        assert torch.equal(value, copy)


def test_value_check_allows_for_every_rounding() -> None:
    for scale in (1e-320, 1e-160, 1e160, 1e308):
        first, last = nn.Linear(2, 2, dtype=torch.float64), nn.Linear(2, 1, dtype=torch.float64)
        normal = nn.BatchNorm1d(2, dtype=torch.float64)
        with torch.no_grad():
            first.weight *= scale
            last.weight *= min(1 / scale if scale > 1e-300 else 1e308, 1e308)
            normal.running_mean += 1e30
            normal.bias += 1e30
        from_torch(nn.Sequential(first, nn.ReLU(), last).eval())
        from_torch(nn.Sequential(normal, nn.Linear(2, 1, dtype=torch.float64)).eval())


def test_missing_torch_is_named() -> None:
    program = "import sys; sys.modules['torch'] = None; import splinecam_exact; splinecam_exact.from_torch"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MissingDependency: from_torch needs torch: pip install" in done.stderr
