"""The affine maps of whole steps on many cells, in float64, and what is lost (proofs/decide.md, section 8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from gmpy2 import mpz

from splinecam_exact.decide.digits import Floats, Ints
from splinecam_exact.decide.evaluate import MEMORY, Batch, Watch
from splinecam_exact.decide.plan import Plan, Precision
from splinecam_exact.decide.sliced import Block
from splinecam_exact.rounding import nearest

RELATIVE = 16 * 2.0**-53
"""Turning digits into a float64 costs at most so much of its size."""

CLOSE = 2.0**-56
"""A precision is enough where it loses no more than this share of a step's largest coefficient."""

FEW = 16
"""How many cells or lines, about, a precision is tried on."""


class Maps(NamedTuple):
    """The maps of some steps on the cells with the patterns number `cells`.

    `values[n]` (cells, 3, values of step n) float64 are the coefficients of x, y and 1, the last one less the step's
    reference. Each is within RELATIVE times itself, 2^-980, and `loss[n]` (values of step n) of the true one; what is
    not finite says nothing.
    """

    cells: Ints
    values: dict[int, Floats]
    loss: dict[int, Floats]


def affine_maps(
    plan: Plan,
    precisions: Sequence[Precision],
    patterns: Sequence[bytes],
    references: Mapping[int, Floats | None],
    watch: Watch | None,
) -> Iterator[Maps]:
    """Some cells at a time, with the first precision that is enough for a few of them, or the last.

    `references` are those of the steps asked for, 0 where there is None.
    """
    stop, wanted = max(references), set(references)
    few = patterns[:: max(1, len(patterns) // FEW)]
    for trial in precisions:
        loss = {n: _loss(plan, trial, n) for n in wanted}
        if trial is precisions[-1] or all(
            _enough(values[n], loss[n]) for _, values, _ in _batches(plan, trial, few, stop, references) for n in wanted
        ):
            break
    done = 0
    for cells, values, lost in _batches(plan, trial, patterns, stop, references):
        yield Maps(cells, values, {n: loss[n] + lost[n] for n in wanted})
        done += len(cells)
        if watch is not None:
            watch(done, len(patterns))


def _enough(values: Floats, loss: Floats) -> bool:
    return bool(loss.max(initial=0.0) <= CLOSE * np.abs(values).max(initial=0.0))


def _batches(
    plan: Plan, precision: Precision, patterns: Sequence[bytes], stop: int, references: Mapping[int, Floats | None]
) -> Iterator[tuple[Ints, dict[int, Floats], dict[int, Floats | float]]]:
    order = np.array(sorted(range(len(patterns)), key=patterns.__getitem__), np.int64)
    size = max(1, MEMORY // plan.cell_size(precision.low, stop))
    width = len(patterns[0])
    nobody = np.zeros(0, np.int64)
    for start in range(0, len(order), size):
        some = order[start : start + size]
        raw = np.frombuffer(b"".join(patterns[k] for k in some), np.uint8).reshape(len(some), width)
        batch = Batch(plan, precision, raw, np.full(len(some), stop), nobody, nobody, nobody)
        found: dict[int, Floats] = {}
        lost: dict[int, Floats | float] = {}
        for n in range(stop + 1):
            if n:
                batch.advance(n)
            if n in references:
                cells, again = np.unique(batch.cell, return_inverse=True)
                block = Block(batch.store[n].data[cells], batch.store[n].low)
                mine, reference, lost[n] = _floats(plan, n, block), references[n], 0.0
                if reference is not None:
                    mine[:, 2], lost[n] = _less(plan, n, block, reference)
                found[n] = mine[again]
            batch.forget(n)
        yield some, found, lost


def _floats(plan: Plan, step: int, block: Block) -> Floats:
    """A step's coefficients from their digits, the lowest first: each sum is dominated by its last terms."""
    found = np.zeros((len(block.data), 3, block.data.shape[3]))
    with np.errstate(all="ignore"):
        for p, unit in enumerate(_units(plan, step, block)):
            found += block.data[:, :, p] * unit
    return found


def _units(plan: Plan, step: int, block: Block) -> list[Floats]:
    """What each of a block's digits is worth in each of the step's values."""
    dens = _denominators(plan, step)
    place = {den: k for k, den in enumerate(dict.fromkeys(dens))}
    which = np.array([place[den] for den in dens], np.int64)
    powers = [mpz(1) << plan.bits * (p + block.low) for p in range(block.data.shape[2])]
    return [np.array([nearest(power, den) for den in place])[which] for power in powers]


def _less(plan: Plan, step: int, block: Block, reference: Floats) -> tuple[Floats, Floats]:
    """The constants less the reference, and what is lost in that besides the rounding of the result.

    The digits are added to -reference, the highest first, as sums of two float64. Where denominators are powers of two,
    each digit is worth a float64; else what it is worth is rounded.
    """
    high = np.repeat(-reference[np.newaxis], len(block.data), axis=0)
    low, reach = np.zeros_like(high), np.abs(high)
    with np.errstate(all="ignore"):
        for p, unit in reversed(list(enumerate(_units(plan, step, block)))):
            term = block.data[:, 2, p] * unit
            total = high + term
            part = total - high
            low += (high - (total - part)) + (term - part)
            high, reach = total, reach + np.abs(term)
        exact = np.array([den & (den - 1) == 0 for den in _denominators(plan, step)])
        share = np.where(exact, 2.0**-104 * block.data.shape[2] ** 2, RELATIVE)
        lost: Floats = reach.max(0, initial=0.0) * share + 2.0**-980
    return high + low, lost


def _loss(plan: Plan, precision: Precision, step: int) -> Floats:
    """How far a step's coefficients may be from the true ones by what the precision leaves out."""
    first = int(plan.firsts[step])
    unit = mpz(1) << plan.bits * precision.low[step]
    radii = precision.radius[first : first + plan.counts[step]]
    pairs = zip(radii, _denominators(plan, step), strict=True)
    return np.array([nearest(r * unit, den) * (1 + 2.0**-20) + 2.0**-1000 if r else 0.0 for r, den in pairs])


def _denominators(plan: Plan, step: int) -> list[mpz]:
    first = int(plan.firsts[step])
    return plan.program.denominator[first : first + plan.counts[step]]
