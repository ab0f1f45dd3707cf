"""The signs of a layer's cuts at the vertices, as far as float64 is certain of them (proofs/fast.md, section 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from splinecam_exact.fast.heights import Heights
from splinecam_exact.verify.accuracy import SLIGHT
from splinecam_exact.verify.rigor import chunk
from splinecam_exact.verify.slopes import Slopes
from splinecam_exact.verify.state import State
from splinecam_exact.verify.steps import Bent, Field


def signs(state: State, heights: Heights, errors: Tensor, steepness: Tensor) -> tuple[Tensor, Tensor]:
    """The signs of the cuts at the vertices, padded for `sign_changes`, and which (vertex, cut) are doubtful."""
    rows, cuts = heights.shape
    positive = torch.zeros((rows, -(-cuts // 8) * 8), dtype=torch.bool, device=state.device)
    doubtful = [torch.empty((0, 2), dtype=torch.int64, device=state.device)]
    size = chunk(heights.value, cuts)
    for low in range(0, rows, size):
        part = heights.rows(low, low + size)
        positive[low : low + size, :cuts] = part >= 0
        if state.certified:
            distance = state.accuracy.ball[low : low + size].unsqueeze(1) * SLIGHT
            sure = part.abs() > torch.addcmul(errors, distance, steepness)
            if not bool(sure.all()):
                doubtful.append(torch.nonzero(~sure) + torch.tensor([low, 0], device=state.device))
    return positive, torch.cat(doubtful)


def blurred(heights: Heights, errors: Tensor, doubtful: Tensor) -> Tensor:
    """Which of the doubtful signs are so whatever the slopes are."""
    vertices, cuts = doubtful.unbind(1)
    return ~(heights[vertices, cuts].abs() > errors[cuts])


def sharpened(state: State, step: Bent, field: Field, heights: Heights, errors: Tensor, doubtful: Tensor) -> Tensor:
    """Those of the doubtful signs that are so with the slopes of the faces there, too."""
    if not len(doubtful):
        return doubtful
    vertices, cuts = doubtful.unbind(1)
    steep = Slopes(state.mesh, field).at(vertices, step.breakpoint(cuts)[0])
    reach = errors[cuts] + state.accuracy.ball[vertices] * SLIGHT * steep
    return doubtful[~(heights[vertices, cuts].abs() > reach)]
