"""Laws of `compare`: whoever claims the right cells passes, in whatever form, on the most degenerate networks too."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.comparison.own import claim_of_partition, has_signs, sign_rows
from splinecam_exact.subdivision import Subdivision

strategies = pytest.importorskip("splinecam_exact.testing.strategies")
Polygons = list[Any]


def nearest_floats(part: Subdivision) -> Polygons:
    """The cells with each coordinate correctly rounded: what the best float64 tool gives."""
    return [np.array([[float(x), float(y)] for x, y in face.polygon]) for face in part.faces]


def fractions(part: Subdivision) -> Polygons:
    return [[(Fraction(int(x.numerator), int(x.denominator)), y) for x, y in face.polygon] for face in part.faces]


def strings(part: Subdivision) -> Polygons:
    return [[(str(x), str(y)) for x, y in face.polygon] for face in part.faces]


FORMS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda p: p,
    "reversed": lambda p: p[::-1],
    "rotated": lambda p: [*p[1:], *p[:1]],
    "closed": lambda p: [*p, p[0]],
    "repeated corners": lambda p: [q for corner in p for q in (corner, corner)],
}


@given(strategies.degenerate_networks(), st.sampled_from(sorted(FORMS)), st.randoms(use_true_random=False))
def test_exact_cells_pass_in_every_form(plain: Any, form: str, random: Any) -> None:
    part = sx.partition(plain.network(), plain.domain(), mode="rational")
    for polygons in (fractions(part), strings(part), nearest_floats(part)):
        claimed = [FORMS[form](list(polygon)) for polygon in polygons]
        order = random.sample(range(len(claimed)), len(claimed))
        found = sx.compare([claimed[k] for k in order], part)
        assert found.passed, found.text()
        assert sorted(found.matches.tolist()) == list(range(len(claimed)))


@given(strategies.degenerate_networks())
def test_matches_are_the_cells_themselves_where_patterns_are_given(plain: Any) -> None:
    part = sx.partition(plain.network(), plain.domain(), mode="rational")
    claim = {"polygons": nearest_floats(part)}
    if has_signs(part):
        claim["patterns"] = sign_rows(part, np.arange(len(part.faces)))
    found = sx.compare(claim, part)
    assert found.passed, found.text()
    if has_signs(part):
        assert found.matches.tolist() == list(range(len(part.faces)))


@given(strategies.degenerate_networks())
def test_our_modes_pass(plain: Any) -> None:
    pytest.importorskip("torch")
    net, dom = plain.network(), plain.domain()
    part = sx.partition(net, dom, mode="certified")
    for mode in ("rational", "certified"):
        found = sx.compare(sx.partition(net, dom, mode=mode), part)
        assert found.passed, found.text()
    fast = sx.partition(net, dom, mode="float64")
    found = sx.compare(fast, part)
    assert found.passed or len(fast.faces) != len(part.faces) or "pattern" in found.kinds, found.text()
    assert not found.passed or len(fast.faces) == len(part.faces)


@given(strategies.degenerate_networks())
def test_every_lost_cell_is_noticed(plain: Any) -> None:
    part = sx.partition(plain.network(), plain.domain(), mode="rational")
    polygons = nearest_floats(part)
    for k in range(min(4, len(polygons))):
        found = sx.compare(polygons[:k] + polygons[k + 1 :], part)
        assert found.kinds == {"missing": 1}, found.text()
    exact = fractions(part)
    found = sx.compare(exact[1:], part)
    assert found.kinds == {"missing": 1}
    assert found.defects[0].faces == (0,)
    assert found.defects[0].area == part.faces[0].area
    found = sx.compare(claim_of_partition(part, exact=True), part)
    assert found.passed
    assert found.seams is not None
    assert found.seams.watertight
    assert not found.vertex_errors.any()
