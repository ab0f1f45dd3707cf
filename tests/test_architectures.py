"""Architectures that people have: read exactly, and partitioned alike in every mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")

import splinecam_exact as sx  # noqa: E402
from benchmarks import architectures as shown  # noqa: E402
from splinecam_exact.certification import canonical_form  # noqa: E402
from splinecam_exact.nodes import Max, Piecewise  # noqa: E402

Network = sx.Network


class Case(NamedTuple):
    """A small version, its input's shape, the radius of the slice, and more than how many cells are there."""

    make: Callable[[], torch.nn.Module]
    shape: tuple[int, ...]
    radius: float
    cells: int


SMALL = {
    "vgg11": Case(lambda: shown.vgg(shown.VGG11, 2, 32, (16,)), (3, 32, 32), 1.5e-4, 3),
    "vgg16": Case(lambda: shown.vgg(shown.VGG16, 1, 32, (16,)), (3, 32, 32), 2e-4, 1),
    "resnet18": Case(lambda: shown.resnet18(2), (3, 16, 16), 0.01, 5),
    "unet": Case(lambda: shown.unet(2), (3, 8, 8), 0.01, 10),
    "maxout": Case(shown.maxout, (2,), 1.0, 100),
    "inr": Case(lambda: shown.inr(2), (2,), 0.25, 100),
}


@pytest.fixture(scope="module")
def nets() -> dict[str, Network]:
    """Those that were read so far."""
    return {}


@pytest.fixture
def net(name: str, nets: dict[str, Network]) -> Network:
    """The network of a case, read once."""
    if name not in nets:
        nets[name] = sx.from_torch(SMALL[name].make(), SMALL[name].shape)
    return nets[name]


def differs(net: Network, module: torch.nn.Module, shape: tuple[int, ...], points: int = 2) -> float:
    """How far the exact values are from torch's in float64, over the largest value."""
    module = module.double()
    random = torch.Generator().manual_seed(1)
    x = torch.rand(points, *shape, generator=random, dtype=torch.float64)
    with torch.no_grad():
        expected = module(x).flatten(1)
    found = x.new_tensor([[float(y) for y in net.evaluate(point.numpy())] for point in x.flatten(1)])
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", SMALL)
def test_exact_values_are_torchs_but_for_rounding(name: str, net: Network) -> None:
    case = SMALL[name]
    assert differs(net, case.make(), case.shape) < 1e-12


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        pytest.param(lambda: shown.vgg(shown.VGG11, 1, 64, (32, 32)), (3, 64, 64), id="vgg11"),
        pytest.param(lambda: shown.vgg(shown.VGG16, 1), (3, 64, 64), id="vgg16"),
        pytest.param(lambda: shown.resnet18(2), (3, 64, 64), id="resnet18"),
    ],
)
def test_images_of_full_size_are_read_rightly(make: Callable[[], torch.nn.Module], shape: tuple[int, ...]) -> None:
    assert differs(sx.from_torch(make(), shape), make(), shape, points=1) < 1e-12


@pytest.mark.parametrize("name", SMALL)
def test_modes_agree(name: str, net: Network) -> None:
    case = SMALL[name]
    domain = sx.square(case.radius) if net.input_size == 2 else shown.slice_of(net.input_size, case.radius)
    parts = {mode: sx.partition(net, domain, mode) for mode in ("float64", "certified", "rational")}
    assert len(parts["rational"].faces) > case.cells
    assert canonical_form(parts["certified"]) == canonical_form(parts["rational"])
    sizes = {(len(part.faces), len(part.edges), len(part.vertices)) for part in parts.values()}
    assert len(sizes) == 1
    assert sx.check(sx.Certificate(parts["certified"].certificate()), net, domain).status == "verified"


FULL = {
    "vgg11": Case(lambda: shown.vgg(shown.VGG11), (3, 64, 64), 5e-6, 10),
    "vgg16": Case(lambda: shown.vgg(shown.VGG16), (3, 64, 64), 5e-6, 5),
    "resnet18": Case(shown.resnet18, (3, 64, 64), 2e-5, 10),
}


def units_on(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Which ReLUs torch finds on, in the order in which they are computed."""
    found: list[torch.Tensor] = []
    relus = [m for m in module.modules() if isinstance(m, torch.nn.ReLU)]
    hooks = [relu.register_forward_pre_hook(lambda _, given: found.append(given[0].flatten() > 0)) for relu in relus]
    with torch.no_grad():
        module(x)
    for hook in hooks:
        hook.remove()
    return torch.cat(found)


@pytest.mark.parametrize("name", FULL)
def test_networks_of_full_width_have_torchs_patterns(name: str) -> None:
    """Hundreds of thousands of units: inside each cell those are on that torch finds on, in float64."""
    case = FULL[name]
    module = case.make().double()
    for relu in module.modules():
        if isinstance(relu, torch.nn.ReLU):
            relu.inplace = False
    net = sx.from_torch(module, case.shape)
    domain = shown.slice_of(net.input_size, case.radius)
    part = sx.partition(net, domain, "certified")
    assert len(part.faces) > case.cells
    assert len(part.vertices) - len(part.edges) + len(part.faces) == 1
    relus, first = [], 0
    for node, size in zip(net.nodes, net.sizes[1:], strict=True):
        if isinstance(node, Piecewise):
            relus += range(first, first + size)
        first += size if isinstance(node, Piecewise | Max) else 0
    for face in list(part.faces)[:4]:
        inside = part.coordinates[list(face.vertices)].mean(0)
        x = torch.tensor([float(q) for q in domain.embed(inside)], dtype=torch.float64).reshape(1, *case.shape)
        assert torch.equal(units_on(module, x), torch.from_numpy(part.states[face.index, relus] == 2))


def test_a_periodic_encoding_is_one_piecewise_node() -> None:
    """Beside it a linear map, nothing else; it computes what the layer without torch does."""
    net = sx.from_torch(torch.nn.Sequential(shown.PeriodicEncoding(2, 3)).eval(), (2,))
    assert sum(isinstance(node, Piecewise) for node in net.nodes) == 1
    plain = sx.from_layers([sx.periodic_encoding(2, 3)])
    for point in torch.randint(-64, 65, (20, 2)).tolist():
        assert net.evaluate([x / 64 for x in point]) == plain.evaluate([x / 64 for x in point])


def test_maxout_layers_are_max_nodes(nets: dict[str, Network]) -> None:
    net = sx.from_torch(shown.maxout(4, 2, 3), (2,))
    assert [len(node.groups) for node in net.nodes if isinstance(node, Max)] == [4, 4]
    assert {len(group) for node in net.nodes if isinstance(node, Max) for group in node.groups} == {3}


def test_exported_files_keep_the_encoding(tmp_path: Path) -> None:
    module = shown.inr(2, 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        torch.export.save(torch.export.export(module, (torch.zeros(1, 2),)), tmp_path / "inr.pt2")
    assert sx.load(tmp_path / "inr.pt2") == sx.from_torch(module, (2,))
