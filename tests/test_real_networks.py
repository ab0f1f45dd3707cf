"""Real networks, and the benchmark workloads: partitioned exactly, certified, and checked.

They need the folder of real networks, named by the environment variable SPLINECAM_EXACT_DATA.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq

import splinecam_exact as sx
from splinecam_exact.certification import canonical_form
from splinecam_exact.importers.nnet import read_header
from splinecam_exact.testing.brute_force import brute_force, canonical, relu_layers

WORKLOADS = {
    "small": (178, 213, 390),
    "wide100": (2357, 2449, 4805),
    "digits50x3": (1721, 1808, 3528),
    "deep64x4": (7792, 7979, 15770),
    "sdf64x4": (9345, 9489, 18833),
}
"""(A, V, E) on [-1, 1]^2."""

LEAST_CELLS = {
    "acasxu/ACASXU_run2a_1_1_batch_2000": 500,
    "acasxu/ACASXU_run2a_2_3_batch_2000": 500,
    "acasxu/ACASXU_run2a_3_3_batch_2000": 500,
    "acasxu/ACASXU_run2a_4_7_batch_2000": 500,
    "acasxu/ACASXU_run2a_5_9_batch_2000": 500,
    "hcas/HCAS_rect_v6_pra0_tau00_25HU_3000": 500,
    "hcas/HCAS_rect_v6_pra2_tau20_25HU_3000": 500,
    "marabou/nnet/mnist10x10": 2,
    "marabou/nnet/twin_ladder-25_inp-2_layers-5_width-1_margin": 2,
    "marabou/nnet/twin_ladder-25_inp-2_layers-5_width-1e-2_margin": 2,
    "sisl/cartpole_nnet": 500,
    "sisl/mnist1": 2,
    "sisl/small_nnet": 2,
    "sisl/spiky_nnet": 2,
}
"""Every .nnet file, and a number of cells that its slice must have to be worth a test."""


@pytest.mark.parametrize("name", LEAST_CELLS)
def test_real_network_is_partitioned_certified_and_checked(name: str, data_dir: Path) -> None:
    path = data_dir / f"{name}.nnet"
    net = load(path)
    domain = slice_of_the_input_box(path, net.input_size)
    part = sx.partition(net, domain, "rational")
    counts = part.counts()
    assert counts["A"] >= LEAST_CELLS[name]
    assert counts["V"] - counts["E"] + counts["A"] == 1
    verdict = sx.check(sx.Certificate(part.certificate()), net, domain)
    assert (verdict.status, verdict.reason, verdict.counts) == ("verified", "", counts)
    certified = sx.partition(net, domain, "certified")
    assert certified.counts() == counts
    assert canonical_form(certified) == canonical_form(part)


def test_every_real_network_is_in_the_list(data_dir: Path) -> None:
    found = {str(path.relative_to(data_dir).with_suffix("")) for path in data_dir.rglob("*.nnet")}
    assert found == set(LEAST_CELLS)


@pytest.mark.parametrize("name", WORKLOADS)
def test_workload_has_the_counts_that_float_tools_agree_on(name: str, data_dir: Path) -> None:
    net, domain = sx.load(data_dir / "workloads" / f"{name}.npz"), sx.square(1)
    part = sx.partition(net, domain, "rational")
    counts = part.counts()
    assert (counts["A"], counts["V"], counts["E"]) == WORKLOADS[name]
    certified = sx.partition(net, domain, "certified")
    assert canonical_form(certified) == canonical_form(part)
    float64 = sx.partition(net, domain, "float64")
    assert (len(float64.faces), len(float64.vertices), len(float64.edges)) == WORKLOADS[name]
    verdict = sx.check(sx.Certificate(part.certificate()), net, domain)
    assert (verdict.status, verdict.reason, verdict.counts) == ("verified", "", counts)


def test_small_workload_equals_the_brute_force_oracle(data_dir: Path) -> None:
    """The oracle on weights with all their digits: about three seconds."""
    path = data_dir / "workloads" / "small.npz"
    arrays = np.load(path)
    layers = relu_layers((arrays[f"W{k}"].tolist(), arrays[f"b{k}"].tolist()) for k in range(len(arrays) // 2))
    expected = brute_force(layers, [(Fraction(x), Fraction(y)) for x, y in [(-1, -1), (1, -1), (1, 1), (-1, 1)]])
    part = sx.partition(sx.load(path), sx.square(1))
    assert part.counts() == expected.counts
    found = {
        face.pattern: canonical([(as_fraction(x), as_fraction(y)) for x, y in face.polygon]) for face in part.faces
    }
    assert found == expected.cells


def as_fraction(q: mpq) -> Fraction:
    return Fraction(int(q.numerator), int(q.denominator))


def load(path: Path) -> sx.Network:
    """In the units of the header where it says how, else in the network's own."""
    try:
        return sx.load(path, normalize=True)
    except sx.InputError:
        return sx.load(path, normalize=False)


def slice_of_the_input_box(path: Path, inputs: int) -> sx.Slice:
    """A polygon in the box of the file's header, or in [-5, 5]^n where the header has none.

    ACAS Xu and HCAS: a part of the plane of the first two coordinates, the others at mid-range. Up to four inputs:
    the whole of that plane. Images and other large inputs: the triangle of three corners of the box, since two
    coordinates of hundreds change next to nothing.
    """
    header = read_header(path)
    low = header.input_mins or (mpq(-5),) * inputs
    high = header.input_maxes or (mpq(5),) * inputs
    if inputs > 5:
        stripes = [(low, high)[k // 7 % 2][k] for k in range(inputs)]
        return sx.Slice.through(low, high, stripes, sx.Polygon([(0, 0), (1, 0), (0, 1)]))
    if inputs == 1:
        return sx.Slice([0], [[1], [0]], sx.Polygon([(low[0], 0), (high[0], 0), (high[0], 1), (low[0], 1)]))
    first, second = (mpq(0), mpq(1)), (mpq(0), mpq(1))
    if path.name.startswith("ACASXU"):
        first, second = (mpq(0), mpq(1, 16)), (mpq(7, 16), mpq(9, 16))  # rho below 3 800 ft; theta around 0
    elif path.name.startswith("HCAS"):
        first = second = (mpq(2, 5), mpq(3, 5))
    (x0, x1), (y0, y1) = (
        [low[axis] + t * (high[axis] - low[axis]) for t in part] for axis, part in enumerate((first, second))
    )
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    return sx.Slice.axes(0, 1, middle, sx.Polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
