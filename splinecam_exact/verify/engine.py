"""Layer by layer: evaluate, let the fast engine propose, check every claim, repair what is not proved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from splinecam_exact.domain import Polygon, Slice
from splinecam_exact.fast.assemble import Refinement, unchanged
from splinecam_exact.fast.crossings import edges_of, sign_changes
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.fast.propose import propose
from splinecam_exact.kernel.errors import Undecided
from splinecam_exact.kernel.program import Progress
from splinecam_exact.network import Network
from splinecam_exact.verify.accuracy import SLIGHT, Accuracy, placed, refined
from splinecam_exact.verify.checks import sound, wrong
from splinecam_exact.verify.history import Layer
from splinecam_exact.verify.live import Liveness
from splinecam_exact.verify.mend import mend
from splinecam_exact.verify.refresh import refresh
from splinecam_exact.verify.rigor import UNIT, chunk
from splinecam_exact.verify.state import State
from splinecam_exact.verify.steps import Bent, Field, Largest, Linear

WORN = 2.0**10
"""Bounds are worn out where they exceed the size of what they bound by so many unit roundoffs,"""
OPEN = 8
"""and more than one vertex, or one face, in so many is left open."""
HOPELESS = 20
"""Where more than one sign in so many is doubtful, float64 is no help: the kernel cuts every face."""
BYTES = 320
"""How much memory the arrays of one half-edge take while a layer is put together and checked."""


class Contradiction(Exception):
    """The orders that the fast engine found contradict each other: no subdivision has them."""


class Report(NamedTuple):
    """How the predicates were decided: signs of units at vertices, orders along lines, and turns.

    `float64`: by a rigorous bound of the rounding error; `wide`: in higher precision; `exact`: in integers. `repaired`
    is the number of cells, over all layers, that the exact kernel cut: degenerate ones, and those of which the fast
    engine's claim was not proved.
    """

    float64: int
    wide: int
    exact: int
    repaired: int


class Engine(State):
    """Cuts a domain by all layers of a network. Without `certified`, claims are not checked."""

    def __init__(
        self,
        net: Network,
        dom: Polygon | Slice,
        device: torch.device,
        certified: bool,
        progress: Progress | None = None,
        max_cells: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        super().__init__(net, dom, device, certified)
        self.progress, self.max_cells, self.max_memory = progress, max_cells, max_memory
        self.stage = ""
        self.claims = self.wide = self.exact = self.repaired = self.refreshed = self.cuts = 0

    @property
    def report(self) -> Report:
        """How the predicates were decided so far."""
        return Report(self.claims - self.wide - self.exact, self.wide, self.exact, self.repaired)

    def run(self) -> None:
        """Cut by all layers, in order."""
        self.exactly.progress = self._tell
        try:
            self._run()
        finally:
            self.exactly.progress = None

    def _run(self) -> None:
        steps = self.values.steps
        live = Liveness(steps)
        for number, step in enumerate(steps, 1):
            if not isinstance(step, Linear):
                depth = live.units.index(number)
                self.stage = f"layer {depth + 1} of {len(live.units)}"
                self._watch("signs", -1, -1)
                self._layer(step, depth, live.during(number))
            if live.read[number]:
                alone = len(live.readers[step.sources[0]]) == 1
                self.values.step(number, alone)
            self.values.keep(live.after(number))

    def _layer(self, step: Bent | Largest, depth: int, needed: set[int]) -> None:
        if isinstance(step, Bent):
            field = self.values.fields[step.sources[0]]
            self.values.keep(needed)
            self._cut(step, field, depth, needed)
            self.cuts += step.places * field.width
        else:
            self.values.keep(needed)
            new = unchanged(self.mesh, len(self.exactly.cut))
            every = torch.ones(self.mesh.faces, dtype=torch.bool, device=self.device)
            nothing = torch.zeros((len(self.mesh.x), 0), dtype=torch.bool, device=self.device)
            self._mend(depth, new, self._record(new, nothing, step), every)
        self._watch("done", self.mesh.faces, -1)
        self._limit(self.mesh.faces)

    def _watch(self, what: str, faces: int, half_edges: int) -> None:
        """Report progress; stop where a limit would be passed."""
        self._tell(what, self.mesh.faces, max(faces, self.mesh.faces))
        if not self.certified:  # what is proposed is the result
            self._limit(faces)
        self._afford(half_edges * BYTES)

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(f"{self.stage}: {what}", done, total)

    def _limit(self, cells: int) -> None:
        if self.max_cells is not None and cells > self.max_cells:
            raise Undecided(f"more than {self.max_cells} cells: raise the limit, or take a smaller domain")

    def _afford(self, size: int) -> None:
        if self.max_memory is not None and size > self.max_memory:
            raise Undecided(
                f"{self.stage} needs about {size / 2**30:.1f} GiB, max_memory is {self.max_memory / 2**30:.1f} GiB: "
                "raise it, or take the domain in pieces (partition_pieces)"
            )

    def _mend(self, depth: int, new: Refinement, record: Layer, bad: Tensor) -> None:
        units = self.exactly.program.unit_steps()[depth]
        self.repaired += int(bad.sum())
        mend(self, units, new, record, bad, f"{self.stage}: exact repair", self.progress, self.max_cells)

    # -- one layer of units -------------------------------------------------------------------------------------------

    def _cut(self, step: Bent, field: Field, depth: int, needed: set[int]) -> None:
        found = self._prove(step, field, True)
        if found is None:
            fields = {number: f for number, f in self.values.fields.items() if number} | {step.sources[0]: field}
            self._watch("new bounds", -1, len(self.mesh.origin))
            width = sum(f.width for f in fields.values())
            self._afford(len(self.mesh.x) * width * 16 + self.mesh.faces * self.history.unit_count)
            refresh(self, fields)
            self.refreshed += 1
            found = self._prove(step, field, False)
        if found is None:
            raise RuntimeError("bounds are worn out as soon as they are new")
        new, positive, bad, accuracy = found
        record = self._record(new, positive[:, : step.places * field.width], step)
        self._extend(step, field, new, needed, bad)
        self._define(new, bad)
        self.accuracy = accuracy
        if bool(bad.any()):
            self._mend(depth, new, record, bad)
        else:
            self.mesh = new.mesh
            self.history.layers.append(record)

    def _prove(self, step: Bent, field: Field, worn: bool) -> tuple[Refinement, Tensor, Tensor, Accuracy] | None:
        """What is proposed, the signs it is made of, the faces for which it is not proved, and the accuracy after it.

        None, if the bounds may be `worn` out, where they are: where they leave much open.
        """
        decided = self.claims, self.wide, self.exact
        heights = step.heights(field.value)
        errors, steepness = step.cut_bounds(field)
        positive, doubtful = self._signs(heights, errors, steepness)
        worn = worn and self.certified and self._worn(field)
        hopeless = len(doubtful) * HOPELESS > positive.numel()
        if worn and (hopeless or len(doubtful[:, 0].unique()) * OPEN > len(heights)):
            self.claims, self.wide, self.exact = decided
            return None
        bad = self._resolve(positive, doubtful, hopeless)
        edges, u, w = edges_of(self.mesh)
        pair, cut = sign_changes(positive, u, w)
        new, accuracy = unchanged(self.mesh, len(self.exactly.cut)), self.accuracy
        if len(pair) and not self.certified:
            new = propose(self.mesh, heights, positive, (pair, cut), new.lines, self._watch)
            if not consistent(self.mesh, new):
                raise Contradiction
        elif len(pair):
            changes = edges[pair], cut, heights.shape[1]
            claim = self._claim(heights, positive, pair, changes)
            if claim is None:
                bad[:] = True
                return new, positive, bad, accuracy
            self._watch("proof", -1, -1)
            new = placed(self.mesh, claim)
            accuracy = refined(accuracy, self.mesh, new, heights, errors, self.values.radius)
            failed, proved = wrong(self.mesh, new, positive, changes, accuracy)
            if worn and int((failed & ~bad).sum()) * OPEN > self.mesh.faces:
                self.claims, self.wide, self.exact = decided
                return None
            self.claims += proved
            bad |= failed
            self._limit(int((~bad[new.parent]).sum() + bad.sum()))
        return new, positive, bad, accuracy

    def _worn(self, field: Field) -> bool:
        """Whether bounds are much larger than those of a fresh start."""
        ball = float(self.accuracy.ball.max())
        fresh = field.error <= WORN * UNIT * field.size + 2.0**-500 and ball <= WORN * UNIT * self.values.radius
        return self.values.usable and not fresh

    def _claim(
        self, heights: Tensor, positive: Tensor, pair: Tensor, changes: tuple[Tensor, Tensor, int]
    ) -> Refinement | None:
        """What the fast engine proposes; None where it fails, or where that is not even well formed."""
        lines = len(self.exactly.cut)
        stopped = []

        def watch(what: str, faces: int, half_edges: int) -> None:
            stopped.append(what)
            self._watch(what, faces, half_edges)
            stopped.pop()

        try:
            new = propose(self.mesh, heights, positive, (pair, changes[1]), lines, watch)
            return new if sound(self.mesh, new, changes, lines) else None
        except MemoryError:
            raise
        except Exception:  # whatever nonsense it has met
            if stopped:
                raise
            return None

    def _signs(self, heights: Tensor, errors: Tensor, steepness: Tensor) -> tuple[Tensor, Tensor]:
        """The signs of the cuts at the vertices, padded for `sign_changes`, and which (vertex, cut) are doubtful."""
        rows, cuts = heights.shape
        positive = torch.zeros((rows, -(-cuts // 8) * 8), dtype=torch.bool, device=self.device)
        doubtful = [torch.empty((0, 2), dtype=torch.int64, device=self.device)]
        size = chunk(heights, cuts)
        for low in range(0, rows, size):
            part = heights[low : low + size]
            positive[low : low + size, :cuts] = part >= 0
            if self.certified:
                distance = self.accuracy.ball[low : low + size].unsqueeze(1) * SLIGHT
                sure = part.abs() > torch.addcmul(errors, distance, steepness)
                if not bool(sure.all()):
                    doubtful.append(torch.nonzero(~sure) + torch.tensor([low, 0], device=self.device))
        if self.certified:
            self.claims += heights.numel()
        return positive, torch.cat(doubtful)

    def _resolve(self, positive: Tensor, doubtful: Tensor, hopeless: bool) -> Tensor:
        """Decide doubtful signs exactly. Returns the faces with a corner where a sign is 0, or was wrong."""
        bad = torch.zeros(self.mesh.faces, dtype=torch.bool, device=self.device)
        if not len(doubtful):
            return bad
        if hopeless:
            self.claims -= len(doubtful)
            return ~bad
        pairs = doubtful.cpu().numpy()
        vertices = pairs[:, 0]
        faces = self.some_face()[vertices]
        signs, stages = self.exactly.signs(pairs[:, 1] + self.cuts, vertices, faces, self.history.patterns)
        self.wide += stages.wide
        self.exact += stages.exact
        claimed = positive[doubtful[:, 0], doubtful[:, 1]].cpu().numpy()
        failed = np.zeros(len(self.mesh.x), bool)
        failed[vertices[(signs == 0) | ((signs > 0) != claimed)]] = True
        bad[self.mesh.face()[self.tensor(failed)[self.mesh.origin]]] = True
        return bad

    def _extend(self, step: Bent, field: Field, new: Refinement, needed: set[int], bad: Tensor) -> None:
        """The fields at the new vertices; a unit that is at its breakpoint there is put on it exactly."""
        old = self.mesh
        u, w = old.origin[new.edge], old.head()[new.edge]
        first, second = len(old.x), len(old.x) + len(new.edge)
        width = sum(f.width for f in self.values.fields.values())
        self._afford(len(new.mesh.x) * width * 16)
        self.values.extend(new.mesh.x, (u, w, new.t), (new.chord_start[new.a], new.chord_end[new.a], new.s))
        if step.sources[0] not in needed or not len(new.edge):
            return
        useful = torch.zeros(len(new.mesh.x), dtype=torch.bool, device=self.device)
        useful[new.mesh.origin[~bad[new.parent[new.mesh.face()]]]] = True
        _, at_edges, at_meetings = field.blocks
        on_edges, on_chords = (torch.arange(len(block), device=self.device) for block in (at_edges, at_meetings))
        start, end = (ends[new.b] - len(old.x) for ends in (new.chord_start, new.chord_end))
        unit, level = step.breakpoint(new.chord_cut[new.a])
        along_b = torch.lerp(at_edges[start, unit], at_edges[end, unit], new.r)
        gaps = [(along_b - level).abs()[useful[second:]]]
        for points, block, cut, kept in (
            (on_edges, at_edges, new.cut, useful[first:second]),
            (on_chords, at_meetings, new.chord_cut[new.a], useful[second:]),
            (on_chords, at_meetings, new.chord_cut[new.b], useful[second:]),
        ):
            unit, level = step.breakpoint(cut)
            gaps.append((block[points, unit] - level).abs()[kept])
            block[points, unit] = level
        if self.certified:
            field.settle(float(torch.cat(gaps).max()) if bool(useful[first:].any()) else 0.0)

    def _define(self, new: Refinement, bad: Tensor) -> None:
        """Note on which lines the new vertices lie, those of the faces that are not bad."""
        lines = torch.arange(len(new.chord_cut), device=self.device) + new.lines
        at_edge = torch.full((len(new.edge), 2), -1, device=self.device)
        at_edge[:, 0] = self.mesh.line[new.edge]
        good = ~bad[new.chord_face]
        for ends in (new.chord_start, new.chord_end):
            at_edge[ends[good] - len(self.mesh.x), 1] = lines[good]
        met = torch.stack([lines[new.a], lines[new.b]], dim=1)
        self.exactly.add_lines((new.chord_cut + self.cuts).cpu().numpy())
        self.exactly.lines = np.concatenate([self.exactly.lines, at_edge.cpu().numpy(), met.cpu().numpy()])

    def _record(self, new: Refinement, positive: Tensor, step: Bent | Largest) -> Layer:
        """What history remembers of a layer."""
        old, fine = self.mesh, new.mesh
        face = fine.face()
        first = torch.zeros(len(old.origin), dtype=torch.bool, device=self.device)
        first[old.start[:-1]] = True
        begins = (new.old >= 0) & first[new.old] & (fine.origin == old.origin[new.old])
        root = torch.full_like(old.start[:-1], -1)
        root[new.parent[face[begins]]] = face[begins]
        forward = torch.nonzero(new.forward).squeeze(1)
        cut = new.chord_cut[(fine.line[forward] - new.lines).clamp(min=0)]
        above = positive[old.origin[old.start[:-1]]]
        left, right = face[forward], face[fine.twin[forward]]
        parent, root, above, left, right, cut = (t.cpu().numpy() for t in (new.parent, root, above, left, right, cut))
        units = positive.shape[1] // step.places if isinstance(step, Bent) else len(step.members)
        nothing = np.empty((0, units), np.min_scalar_type(step.states - 1))
        return Layer(units, parent, root, above, left, right, cut, np.full(fine.faces, -1), nothing)


def consistent(mesh: Mesh, new: Refinement) -> bool:
    """Whether every face has as many parts as m chords with n meetings leave: 1 + m + n (Euler's formula)."""
    parts = torch.bincount(new.parent, minlength=mesh.faces)
    chords = torch.bincount(new.chord_face, minlength=mesh.faces)
    met = torch.bincount(new.chord_face[new.a], minlength=mesh.faces)
    return bool(torch.equal(parts, 1 + chords + met))
