"""The fast engine keeps to its device: the comparison that benchmarks/cuda.py makes, without a GPU.

Tensors on the pretended device are tensors on the CPU in disguise. As with a real one, no operation takes tensors from
both, and numpy cannot look at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import splinecam_exact as sx
from benchmarks import cuda
from splinecam_exact.demo import subjects
from splinecam_exact.geometry import FloatGeometry, ListGeometry
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves, tree_map  # noqa: E402

PLACE = torch.device("meta")
"""The pretended device must have some name that torch knows."""

COPIES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)


class Elsewhere(torch.Tensor):  # type: ignore[misc]
    """A tensor on the pretended device; `inside` is what it really is."""

    @staticmethod
    def __new__(cls, inside: Any) -> Elsewhere:
        layout = {"strides": inside.stride(), "storage_offset": inside.storage_offset(), "dtype": inside.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, inside.shape, device=PLACE, **layout)

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    @classmethod
    def __torch_dispatch__(
        cls, operation: Any, types: object, args: Sequence[Any] = (), options: dict[str, Any] | None = None
    ) -> object:
        return computed(operation, args, options or {})

    def numpy(self, *_: object, **__: object) -> np.ndarray:
        raise TypeError("numpy cannot look at a tensor elsewhere")

    __array__ = numpy

    def tolist(self) -> object:
        return self.cpu().tolist()


class Pretending(TorchDispatchMode):  # type: ignore[misc]
    """While it lasts, tensors can be made on the pretended device."""

    def __torch_dispatch__(
        self, operation: Any, types: object, args: Sequence[Any] = (), options: dict[str, Any] | None = None
    ) -> object:
        return computed(operation, args, options or {})


def computed(operation: Any, args: Sequence[Any], options: dict[str, Any]) -> object:
    """Do an operation on what the tensors really are; its results are where it was done."""
    tensors = [t for t in tree_leaves((args, options)) if isinstance(t, torch.Tensor)]
    there = [t for t in tensors if isinstance(t, Elsewhere)]
    if there and operation not in COPIES and any(t.dim() for t in tensors if not isinstance(t, Elsewhere)):
        raise RuntimeError(f"{operation} mixes devices")
    device = options.get("device")
    inside = tree_map(lambda t: t.inside if isinstance(t, Elsewhere) else t, (args, options))
    found = operation(*inside[0], **(inside[1] | ({} if device is None else {"device": "cpu"})))
    if operation == torch.ops.aten.copy_.default:
        return args[0]
    if operation == torch.ops.aten._local_scalar_dense.default or not (device == PLACE if device else there):
        return found
    known = {id(t.inside): t for t in there}  # what an operation in place returns
    return tree_map(lambda t: known.get(id(t), t) if id(t) in known else _elsewhere(t), found)


def _elsewhere(found: object) -> object:
    return Elsewhere(found) if isinstance(found, torch.Tensor) else found


@contextmanager
def pretending() -> Iterator[None]:
    """Pretend, also for `torch.tensor`, which asks no mode."""
    make: Callable[..., Any] = torch.tensor

    def tensor(data: object, device: object = None, **options: object) -> object:
        return make(data, **options).to(device or "cpu")

    with pytest.MonkeyPatch.context() as patch, Pretending():
        patch.setattr(torch, "tensor", tensor)
        yield


def nothing_differs(net: sx.Network, dom: sx.Polygon | sx.Slice) -> None:
    """Both modes, on the CPU and elsewhere."""
    with pretending():
        assert cuda.compare(net, dom, str(PLACE)) == {"float64": [], "certified": []}


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.name)
@pytest.mark.parametrize("headed", [False, True])
def test_demo_networks_are_the_same_elsewhere(subject: Any, headed: bool) -> None:
    net = subject.net
    if headed:
        net = net.with_head("sign" if net.output_size == 1 else "argmax")
    nothing_differs(net, subject.domain)


@settings(max_examples=8)
@given(degenerate_networks())
def test_degenerate_networks_are_the_same_elsewhere(plain: PlainNetwork) -> None:
    """Doubtful signs and cells that are cut exactly go to the CPU and come back."""
    nothing_differs(plain.network(), plain.domain())


def test_pretended_device_is_as_strict_as_a_real_one() -> None:
    with pretending():
        here, there = torch.zeros(3), torch.zeros(3, device=PLACE)
        assert there.device == PLACE
        assert (there + torch.tensor(1.0)).sum().item() == 3
        for mistake in (lambda: here + there, lambda: there[torch.tensor([0])], lambda: torch.cat([here, there])):
            with pytest.raises(RuntimeError, match="mixes devices"):
                mistake()
        with pytest.raises(TypeError):
            there.numpy()
        assert there.cpu().numpy().tolist() == [0, 0, 0]


# -- the comparison itself --------------------------------------------------------------------------------------------

NET = sx.from_layers([([[1, 0], [0, 1], [1, 1]], ["1/8", "1/16", -1]), ([[1, 1, -2]], [0])])
PART = sx.partition(NET, sx.square(1), "certified")


def test_results_on_one_device_are_the_same() -> None:
    assert cuda.compare(NET, sx.square(1), "cpu") == {"float64": [], "certified": []}


def test_difference_in_size_is_found() -> None:
    other = sx.partition(NET, sx.square("1/2"), "certified")
    assert cuda.different(PART, other) == ["A: 5 and 4", "V: 11 and 9", "E: 15 and 12"]
    assert cuda.different_floats(PART, other) == [*cuda.different(PART, other), "patterns that only one of them has: 1"]


def test_difference_in_exact_points_is_found() -> None:
    points = list(PART.points)
    moved = next(k for k, (x, y, w) in enumerate(points) if abs(x) != w and abs(y) != w)
    points[moved] = (points[moved][0] + 1, *points[moved][1:])
    other = sx.Subdivision(NET, PART.domain, ListGeometry(points, PART.cells, PART.program), mode="certified")
    assert cuda.different(PART, other) == ["the exact points"]
    assert cuda.different(PART, other, points=False) == []


def test_difference_in_states_is_found() -> None:
    states = PART.states.copy()
    states[:, 2] ^= 2
    geometry = FloatGeometry(PART.geometry.polygons, PART.coordinates, 3, lambda faces: states[faces])
    geometry.exact = True  # the lie that is to be found out needs a certified result
    other = sx.Subdivision(NET, PART.domain, geometry, mode="certified")
    assert cuda.different(PART, other, points=False) == ["the states"]
    assert "patterns that only one of them has" in cuda.different_floats(PART, other)[0]


def test_difference_in_polygons_is_found() -> None:
    one, other = (
        sx.partition(sx.from_layers([([[1, slope]], [-1]), ([[1]], [0])]), sx.square(1), "certified")
        for slope in (1, -1)
    )
    assert cuda.different(one, other) == ["the polygons", "the exact points"]
    assert cuda.different_floats(one, other) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_compared_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cuda.main([]) == 2
    assert "There is no GPU here" in capsys.readouterr().out


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_everything_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert cuda.main(["--no-table"]) == 0
    assert "DIFFERENT" not in capsys.readouterr().out
