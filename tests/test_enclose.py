"""Enclosures of a network's outputs at points, and imports compared by them where exact evaluation takes too long."""

from __future__ import annotations

import numpy as np
import pytest
from gmpy2 import mpq

pytest.importorskip("torch")

from splinecam_exact.importers import verify_import as checks
from splinecam_exact.importers.verify_import import verify_import
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max, Node, Piecewise
from splinecam_exact.verify.enclose import enclose

FIRST: dict[str, Node] = {
    "affine": Affine((0,), (np.arange(6.0).reshape(2, 3) / 7,), [0.1, 0.2]),  # type: ignore[arg-type]
    "units": Piecewise.relu(0),
    "maxima": Max(0, ((0, 1), (2,))),
}


@pytest.mark.parametrize("first", FIRST)
def test_outputs_are_within_the_bound_whatever_reads_the_input(first: str) -> None:
    net = Network(3, [FIRST[first], Piecewise.leaky_relu("1/3", 1)])
    points = np.random.default_rng(0).standard_normal((5, 3))
    values, errors = enclose(net, points)
    for point, row, error in zip(points, values, errors, strict=True):
        for exact, value in zip(net.evaluate(point), row.tolist(), strict=True):
            assert abs(exact - mpq(value)) <= error < 1e-12


def test_large_networks_are_compared_by_enclosures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_MOST_EXACT", 0)
    net = Network(3, [Max(0, ((0, 1), (2,)))])
    assert verify_import(net, lambda x: np.stack([x[:, :2].max(axis=1), x[:, 2]], axis=1)).ok
    assert not verify_import(net, lambda x: np.stack([x[:, :2].min(axis=1), x[:, 2]], axis=1)).ok
