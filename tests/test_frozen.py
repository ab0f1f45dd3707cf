"""What a digest was computed from does not change under it."""

from __future__ import annotations

import numpy as np
import pytest

import splinecam_exact as sx

NET = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [0])])


@pytest.mark.parametrize(
    ("thing", "name", "value"),
    [
        (NET, "nodes", ()),
        (NET, "conventions", ("x",)),
        (NET, "digest", "0" * 64),
        (sx.square(1), "corners", ()),
        (sx.square(1), "digest", "0" * 64),
        (sx.Slice([0, 0], [[1, 0], [0, 1]]), "origin", (1, 1)),
        (sx.Slice([0, 0], [[1, 0], [0, 1]]), "polygon", sx.square(2)),
        (NET.nodes[0].weights[0], "shape", (4,)),
        (NET.nodes[0], "bias", None),
    ],
)
def test_attributes_cannot_be_set_or_deleted(thing: object, name: str, value: object) -> None:
    with pytest.raises(AttributeError):
        setattr(thing, name, value)
    with pytest.raises(AttributeError):
        delattr(thing, name)


def test_stored_floats_cannot_be_made_writeable() -> None:
    floats = NET.nodes[0].weights[0].floats
    assert floats is not None
    with pytest.raises(ValueError, match="WRITEABLE"):
        floats.flags.writeable = True


def test_stored_floats_are_a_copy() -> None:
    weight = np.eye(2)
    net = sx.from_layers([(weight, None)])
    weight[:] = 0
    assert net.evaluate([2, 3]) == [2, 3]


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "x"])
def test_limits_on_cells_are_positive_ints(limit: object) -> None:
    with pytest.raises(sx.InputError, match="max_cells"):
        sx.partition(NET, sx.square(1), max_cells=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), True, "x"])
def test_limits_on_time_are_positive_numbers(limit: object) -> None:
    with pytest.raises(sx.InputError, match="time limit"):
        sx.check(sx.certify(NET, sx.square(1)), NET, sx.square(1), time_limit=limit)  # type: ignore[arg-type]


def test_counts_of_a_verdict_are_not_shared() -> None:
    refuted = sx.check(sx.certify(NET, sx.square(1)), NET, sx.square(2))
    assert refuted.status == "refuted"
    with pytest.raises(TypeError):
        refuted.counts["A"] = 99  # type: ignore[index]
    assert sx.Verdict("refuted").counts == {}
