"""Networks with counts known by other means: the library and the oracle must both agree with them."""

from __future__ import annotations

import pytest

import splinecam_exact as sx
from splinecam_exact.testing.brute_force import brute_force, relu_layers
from splinecam_exact.testing.known_answers import KnownAnswer, known_answers

each_known_answer = pytest.mark.parametrize("known", list(known_answers()), ids=lambda known: known.name)


@each_known_answer
def test_counts_of_the_partition(known: KnownAnswer) -> None:
    net, domain = sx.from_layers(known.layers), sx.Polygon(known.domain)
    assert sx.partition(net, domain, mode="rational").counts() == known.counts


@each_known_answer
def test_certificate_is_verified_both_ways(known: KnownAnswer) -> None:
    net, domain = sx.from_layers(known.layers), sx.Polygon(known.domain)
    certificate = sx.certify(net, domain)
    for method in ("witness", "rebuild"):
        verdict = sx.check(certificate, net, domain, method=method)
        assert (verdict.status, verdict.reason) == ("verified", "")


@each_known_answer
def test_counts_of_the_brute_force_oracle(known: KnownAnswer) -> None:
    assert brute_force(relu_layers(known.layers), known.domain).counts == known.counts
