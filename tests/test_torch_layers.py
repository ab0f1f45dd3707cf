"""The torch modules: their values are those of the exact layers, they train, and export keeps one operator."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

import splinecam_exact as sx  # noqa: E402
from splinecam_exact.nodes import Piecewise  # noqa: E402
from splinecam_exact.torch_layers import Maxout, PeriodicEncoding, PiecewiseLinear  # noqa: E402
from splinecam_exact.torch_op import piecewise_linear  # noqa: E402


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def tables(n: int, m: int) -> list[torch.Tensor]:
    """Breakpoints, slopes and anchors of n units with m breakpoints, multiples of 1/8."""
    steps = torch.randint(1, 9, (n, m)).cumsum(1) - 4 * m
    return [steps / 8, torch.randint(-8, 9, (n, m + 1)) / 8, torch.randint(-8, 9, (n,)) / 8]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("rows", "m"), [(1, 1), (4, 1), (4, 5)])
def test_values_are_those_of_the_exact_units(rows: int, m: int, dtype: torch.dtype) -> None:
    """At breakpoints, between them and beyond; multiples of 1/64, which floats add up exactly."""
    breakpoints, slopes, anchor = (t.to(dtype) for t in tables(rows, m))
    net = sx.Network(4, [Piecewise.of(*(t.double().numpy() for t in (breakpoints, slopes, anchor)))])
    x = torch.cat([breakpoints.expand(4, m).T, torch.randint(-60, 60, (9, 4)).to(dtype) / 8])
    found = PiecewiseLinear(breakpoints, slopes, anchor)(x)
    assert found.dtype == dtype
    assert found.tolist() == [list(map(float, net.evaluate(point))) for point in x.tolist()]


def test_the_encoding_has_the_values_of_the_exact_layer() -> None:
    net = sx.from_layers([sx.periodic_encoding(2, 4, -1, 1)])
    x = torch.randint(-64, 65, (40, 2)) / 64
    for dtype in (torch.float64, torch.float32):
        module = PeriodicEncoding(2, 4).to(dtype)
        assert module(x.to(dtype)).tolist() == [list(map(float, net.evaluate(point))) for point in x.tolist()]
    assert PeriodicEncoding(2, 4)(x.reshape(5, 8, 2)).shape == (5, 8, 16)


def test_derivatives_are_right_twice() -> None:
    breakpoints, slopes, anchor = (t.double().requires_grad_() for t in tables(3, 4))
    x = (torch.randint(-30, 30, (5, 3)) / 8 + 1 / 16).double().requires_grad_()
    arguments = (x, breakpoints, slopes, anchor)
    assert torch.autograd.gradcheck(piecewise_linear, arguments)
    assert torch.autograd.gradgradcheck(piecewise_linear, arguments)


def test_networks_with_these_layers_train() -> None:
    model = torch.nn.Sequential(
        PeriodicEncoding(1, 3), torch.nn.Linear(6, 8), PiecewiseLinear([[0.0]], [[0.25, 1.0]], [0.0]), Maxout(8, 1, 3)
    )
    x = torch.linspace(-1, 1, 64)[:, None]
    target = torch.sin(9 * x)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_the_operator_keeps_torchs_rules() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        torch.library.opcheck(piecewise_linear, (torch.randn(5, 3, requires_grad=True), *tables(3, 2)))
        program = torch.export.export(PeriodicEncoding(2, 2), (torch.zeros(1, 2),)).run_decompositions()
    assert [str(node.target) for node in program.graph.nodes].count("splinecam_exact.piecewise_linear.default") == 1


def test_maxout_is_the_maximum_of_its_pieces() -> None:
    module = Maxout(3, 4, 2)
    x = torch.randn(5, 3)
    values = module.linear(x)
    assert torch.equal(module(x), torch.maximum(values[:, ::2], values[:, 1::2]))


def test_copies_are_independent_of_what_they_were_made_of() -> None:
    slopes = torch.tensor([[0.0, 1.0]])
    module = PiecewiseLinear(torch.tensor([[0.0]]), slopes, torch.tensor([0.0]))
    slopes[0, 1] = 5
    assert module(torch.tensor([1.0])).item() == 1


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (([[1.0, 0.0]], [[0.0, 1.0, 0.0]], [0.0]), "strictly increasing"),
        (([[0.0]], [[0.0]], [0.0]), "1 breakpoints and 1 slopes"),
        (([[]], [[0.0]], [0.0]), "0 breakpoints and 1 slopes"),
        (([[0.0]] * 2, [[0.0, 1.0]] * 3, [0.0]), r"rows for \[2, 3\] units"),
        (([0.0], [[0.0, 1.0]], [0.0]), "breakpoints must be finite numbers in 2 dimensions"),
        (([[0.0]], [[0.0, float("nan")]], [0.0]), "slopes must be finite numbers"),
        (([["x"]], [[0.0, 1.0]], [0.0]), "breakpoints must be numbers"),
        (([[0.0]], [[0.0, 1.0]], None), "anchor must be numbers"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tables: tuple[object, object, object], message: str) -> None:
    with pytest.raises(sx.InputError, match=message):
        PiecewiseLinear(*tables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: torch.zeros(2, 5)}, "breakpoints of shape"),
        ({0: torch.zeros(())}, "needs x of shape"),
        ({1: torch.zeros(3)}, "needs x of shape"),
        ({2: torch.zeros(3, 2)}, "slopes of shape"),
        ({3: torch.zeros(2)}, "anchor of shape"),
        ({3: torch.zeros(3).double()}, "use one dtype"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict[int, torch.Tensor], message: str) -> None:
    arguments = [torch.zeros(2, 3), *tables(3, 2)]
    for k, tensor in change.items():
        arguments[k] = tensor
    with pytest.raises(sx.InputError, match=message):
        piecewise_linear(*arguments)


def test_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(sx.InputError, match="pieces must be a positive int"):
        Maxout(2, 3, 0)
    with pytest.raises(sx.InputError, match="40 frequencies"):
        PeriodicEncoding(2, 40)


def test_without_torch_the_remedy_is_named() -> None:
    script = "import sys; sys.modules['torch'] = None; import splinecam_exact.torch_layers"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "MissingDependency" in run.stderr
    assert "splinecam-exact[torch]" in run.stderr
