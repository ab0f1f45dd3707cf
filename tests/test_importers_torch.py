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
    assert net.conventions[0] == CONVENTION
    assert net.conventions[1].startswith("batchnorm bound: in each channel |folded - unrounded| <= ")
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
    assert net.nodes == (Affine((0,), (ExactArray.of(scales),), ExactArray.of(shifts)),)


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


class Product(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * torch.relu(x)


class Rounded(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.round(x)


class Unknown(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.erfinv(x)


class Jumping(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.where(x > 0.5, x, -x)


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
    message = rf"layer 1\.0 \({type(layer).__name__}\) applies \w+, which is not piecewise linear: (replace|leave)"
    with pytest.raises(NetworkError, match=message):
        from_torch(nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer)).eval())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Raising, r"\(Raising\) cannot be applied to an input of shape \(1, 2\) \(KeyError: 'no'\)"),
        (Product, r"\(Product\) applies a product to values that depend on the input, .*: replace it"),
        (Rounded, r"\(Rounded\) applies round, which is not continuous: replace it"),
        (Unknown, r"\(Unknown\) applies aten\.erfinv\.default, which is not supported: write it with"),
        (Jumping, r"\(Jumping\) chooses between two values that differ where the condition changes"),
        (lambda: nn.Conv2d(1, 1, 1), r"\(Conv2d\) cannot be applied to an input of shape \(1, 2\) \(RuntimeError: Exp"),
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
            r"\(BatchNorm1d\) cannot be applied to an input of shape \(1, 2\)",
        ),
        (lambda: nn.BatchNorm1d(2, track_running_stats=False), r"\(BatchNorm1d\) cannot be applied .*when training"),
        (lambda: nn.BatchNorm1d(3), r"\(BatchNorm1d\) cannot be applied to an input of shape \(1, 2\)"),
        (lambda: nn.Linear(5, 2), r"\(Linear\) cannot be applied to an input of shape \(1, 2\)"),
        (lambda: nn.PReLU(3), r"\(PReLU\) cannot be applied to an input of shape \(1, 2\)"),
        (lambda: nn.LeakyReLU(float("nan")), r"\(LeakyReLU\) slopes\[0\]\[0\]: nan"),
        (lambda: nn.Flatten(2), r"\(Flatten\) cannot be applied to an input of shape \(1, 2\) \(IndexError"),
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
        (changed(nn.Flatten, start_dim=1.0), r"\(Flatten\) cannot be applied .*\(TypeError"),
        (changed(nn.PReLU, weight=None), r"\(PReLU\) cannot be applied .*\(TypeError"),
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
    with pytest.raises(NetworkError, match=r"layer 0 \(Linear\) cannot be applied to an input of shape \(1, 2, 2\)"):
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
    with pytest.raises(NetworkError, match=r"layer 1 \(Linear\) cannot be applied"):
        from_torch(nn.Sequential(flatten, nn.Linear(8, 1)).eval(), (2, 2, 2))


@pytest.mark.parametrize(
    ("owner", "name", "patch"),
    [
        (nn.ReLU, "forward", lambda self, x: -x),
        (nn.ReLU, "forward", nn.ReLU6.forward),
        (nn.Sequential, "forward", lambda self, x: -x),
        (nn.functional, "relu", lambda x, inplace: -x),
        (nn.functional, "linear", lambda *_: torch.zeros(1, 3, dtype=torch.float64)),
    ],
)
def test_code_that_was_put_in_place_of_torchs_is_read_as_it_runs(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, patch: Any
) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).double().eval()
    module[1].min_val, module[1].max_val = 0.0, 6.0
    monkeypatch.setattr(owner, name, patch)
    x = [0.25, -0.5]
    with torch.no_grad():
        expected = module(torch.tensor([x], dtype=torch.float64))[0].tolist()
    assert list(map(float, from_torch(module).evaluate(x))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("owner", "name", "message"),
    [
        (nn.ReLU, "__call__", r"layer 1 \(ReLU\) overrides __call__"),
        (nn.ReLU, "_call_impl", r"layer 1 \(ReLU\) overrides _call_impl"),
        (nn.Module, "__call__", r"the module \(Sequential\) overrides __call__"),
        (nn.Module, "_call_impl", r"the module \(Sequential\) overrides _call_impl"),
    ],
)
def test_patched_calls_are_refused(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, message: str) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, functools.wraps(original)(lambda self, x: -original(self, x)))
    with pytest.raises(NetworkError, match=message):
        from_torch(module)


@pytest.mark.parametrize("name", ["relu", "linear"])
def test_functions_that_fail_are_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    monkeypatch.setattr(nn.functional, name, lambda *args, **keywords: {}[1])
    with pytest.raises(NetworkError, match=r"layer [01] \(\w+\) cannot be applied to an .*\(KeyError: 1\)"):
        from_torch(module)


OWN_FORWARDS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "subclass": (Renamed, torch.relu),
    "two inputs, one left out": (TwoInputs, torch.abs),
    "two operations": (AbsThenRelu, torch.abs),
    "negation": (Negated, torch.neg),
    "not torch": (NotTorch, torch.neg),
    "decorated": (Decorated, torch.abs),
    "branching by a proxy": (ProxyBranching, torch.neg),
    "unbounded": (lambda: nn.Hardtanh(0.0, float("inf")), torch.relu),
    "constant": (changed(nn.Hardtanh, min_val=1.0, max_val=1.0), torch.ones_like),
    "flattened batch": (lambda: nn.Flatten(0), lambda x: x),
}


@pytest.mark.parametrize("name", sorted(OWN_FORWARDS))
def test_forwards_of_ones_own_are_traced(name: str) -> None:
    build, law = OWN_FORWARDS[name]
    x = [-1.5, 0.0, 2.0]
    net = from_torch(build().eval(), (3,))
    assert net.evaluate(x) == [mpq(y) for y in law(torch.tensor(x, dtype=torch.float64)).tolist()]


def test_a_subclass_of_a_layer_runs_its_own_forward() -> None:
    layer = Shifted(2, 1).eval()
    shifted, plain = (
        from_torch(layer),
        from_torch(changed(nn.Linear, 2, 1, weight=layer.weight, bias=layer.bias)().eval()),
    )
    assert shifted.evaluate([3, 4])[0] == plain.evaluate([3, 4])[0] + 1


def test_course_that_depends_on_values_is_refused() -> None:
    with pytest.raises(
        NetworkError, match=r"the module \(Branching\) cannot be traced .* course of its forward must not"
    ):
        from_torch(Branching().eval(), (2,))


def test_forward_that_changes_from_call_to_call_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"the module \(Counting\) computes something else .* check point 4 "):
        from_torch(Counting().eval(), (2,))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda x: (x, -x), "has 2 outputs; exactly one tensor is supported"),
        (lambda x: [], "has 0 outputs"),
        (lambda x: 3, "the output is no tensor of numbers"),
        (lambda x: torch.max(x, 1)[1], "the output is the place of a maximum"),
        (lambda x: x > 0, "the output is no tensor of numbers"),
        (lambda x: x.to(torch.int32), "turns values into int32, which jumps"),
    ],
)
def test_outputs_that_are_no_tensor_are_refused(output: Any, message: str) -> None:
    class Returning(nn.Module):
        def forward(self, x: Any) -> Any:
            return output(x)

    with pytest.raises(NetworkError, match=message):
        from_torch(Returning().eval(), (2,))


def test_output_may_be_alone_in_a_container() -> None:
    class Returning(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"out": (torch.relu(x),)}

    assert from_torch(Returning().eval(), (2,)).evaluate([-1, 2]) == [0, 2]


def test_changing_a_buffer_is_refused() -> None:
    class Remembering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1, 2))

        def forward(self, x: Any) -> Any:
            self.seen += 1
            return x + self.seen

    with pytest.raises(NetworkError, match=r"the module \(Remembering\) changes"):
        from_torch(Remembering().eval(), (2,))


@pytest.mark.parametrize("build", [lambda: nn.Softmax(1), lambda: nn.LogSoftmax(-1), nn.Sigmoid])
def test_the_last_operation_is_stripped_on_request_only(build: Any) -> None:
    module = nn.Sequential(nn.Linear(2, 3), build()).eval()
    with pytest.raises(NetworkError, match="pass strip_output=True, which changes the outputs but not which is"):
        from_torch(module)
    net = from_torch(module, strip_output=True)
    assert net.nodes == from_torch(module[0]).nodes
    assert "is left out" in net.conventions[0]
    with pytest.raises(NetworkError, match="strip_output: the last operation is no softmax, log_softmax or sigmoid"):
        from_torch(module[0], strip_output=True)
    with pytest.raises(NetworkError, match=r"layer 1 \(\w+\) applies \w+, which is not piecewise linear"):
        from_torch(nn.Sequential(*module, nn.ReLU()).eval(), strip_output=True)


def test_softmax_over_one_entry_is_not_stripped() -> None:
    with pytest.raises(NetworkError, match="over a dimension of one entry, whose order it does not keep"):
        from_torch(nn.Sequential(nn.Linear(2, 3), nn.Softmax(0)).eval(), strip_output=True)


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


class Of(nn.Module):
    """A linear layer and a function of it and the input."""

    def __init__(self, function: Callable[[Any, Any], Any], dtype: Any = torch.float32) -> None:
        super().__init__()
        self.function = function
        self.layer = nn.Linear(2, 2, dtype=dtype)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[1.0, 0.1], [-0.5, 2.0]]))
            self.layer.bias.copy_(torch.tensor([0.5, 0.25]))

    def forward(self, x: Any) -> Any:
        return self.function(self.layer, x)


UNREGISTERED = [nn.Linear(2, 2, bias=False)]


@pytest.mark.parametrize(
    ("function", "factors"),
    [
        (lambda layer, x: layer(x.float()), [1, 1]),
        (lambda layer, x: layer(x).float() * 3, [3, 3]),
        (lambda layer, x: layer(x) @ torch.eye(2), [1, 1]),
        (lambda layer, x: layer(x) @ torch.tensor([[2.0, 0], [0, 0.5]]), [2, mpq(1, 2)]),
        (lambda layer, x: UNREGISTERED[0](layer(x)) * 0 + layer(x), [1, 1]),
    ],
)
def test_float32_within_a_forward(function: Any, factors: list[Any]) -> None:
    x = [mpq(1, 3), mpq(2)]
    plain = from_torch(Of(lambda layer, x: layer(x)).eval()).evaluate(x)
    net = from_torch(Of(function).eval())
    assert net.evaluate(x) == [f * v for f, v in zip(factors, plain, strict=True)]
    assert net.conventions == ()


@pytest.mark.parametrize("cast", [torch.float32, torch.float16])
@pytest.mark.parametrize("before", [True, False])
def test_forward_that_changes_is_refused_with_casts_too(cast: Any, before: bool) -> None:
    calls = []

    def function(layer: Any, x: Any) -> Any:
        calls.append(0)
        x = x.to(cast).to(torch.float32) if before else layer(x).to(cast)
        return (layer(x) if before else x) * (1 + len(calls) / 8)

    with pytest.raises(NetworkError, match=r"computes something else .*: its forward does something else each"):
        from_torch(Of(function).eval())


@pytest.mark.parametrize(
    ("dtype", "cast"), [(torch.float32, torch.float16), (torch.float64, torch.float32), (torch.float64, torch.bfloat16)]
)
def test_casts_to_narrower_floats_are_recorded(dtype: Any, cast: Any) -> None:
    net = from_torch(Of(lambda layer, x: layer(x.to(cast).to(x.dtype)), dtype).eval())
    plain = from_torch(Of(lambda layer, x: layer(x), dtype).eval())
    name = str(cast).removeprefix("torch.")
    assert net.conventions == (f"torch: casts to {name} are left out, nothing is rounded",)
    assert net.evaluate([mpq(1, 3), 2]) == plain.evaluate([mpq(1, 3), 2])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_modules_are_told_apart() -> None:
    layer = nn.Linear(2, 2).eval()
    for build, message in (
        (lambda: torch.jit.script(layer), "is of torch.jit: import the module as it was"),
        (lambda: torch.jit.trace(layer, torch.zeros(1, 2)), "is of torch.jit: import the module as it was"),
        (lambda: torch.compile(layer), r"is compiled by torch.compile: import the original, module\._orig_mod"),
    ):
        with pytest.raises(NetworkError, match=message):
            from_torch(nn.Sequential(build()).eval())


def test_lists_and_dicts_of_parameters() -> None:
    module = Of(lambda layer, x: layer(x) * module.some[0] + module.named["shift"])
    module.some = nn.ParameterList([torch.full((2,), 2.0)])
    module.named = nn.ParameterDict({"shift": torch.ones(2)})
    plain = from_torch(Of(lambda layer, x: layer(x)).eval()).evaluate([1, 2])
    assert from_torch(module.eval()).evaluate([1, 2]) == [2 * v + 1 for v in plain]


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 15, 1 << 15)])
def test_huge_inputs_are_refused_before_they_are_made(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="more than 16777216 values"):
        from_torch(nn.ReLU().eval(), shape)


def test_onnx_is_not_needed() -> None:
    program = "import sys; sys.modules['onnx'] = None; import splinecam_exact; print(splinecam_exact.from_torch)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "function from_torch" in done.stdout


def test_what_torch_export_cannot_trace_is_traced_by_fx(monkeypatch: pytest.MonkeyPatch) -> None:
    export = torch.export.export

    def only_fx(module: Any, *args: Any, **keywords: Any) -> Any:
        if not isinstance(module, torch.fx.GraphModule):
            raise RuntimeError("not supported")
        return export(module, *args, **keywords)

    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).eval()
    expected = from_torch(module)
    monkeypatch.setattr(torch.export, "export", only_fx)
    assert from_torch(module) == expected
