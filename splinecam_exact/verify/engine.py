"""Layer by layer: evaluate, let the fast engine propose, check every claim, repair what is not proved."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from splinecam_exact.fast.assemble import Refinement, unchanged
from splinecam_exact.fast.crossings import edges_of, sign_changes
from splinecam_exact.fast.heights import Heights
from splinecam_exact.fast.mesh import Mesh
from splinecam_exact.fast.propose import propose
from splinecam_exact.verify.accuracy import Accuracy, placed, refined
from splinecam_exact.verify.checks import sound, wrong
from splinecam_exact.verify.history import Ints, Layer
from splinecam_exact.verify.limits import Limited
from splinecam_exact.verify.live import Liveness
from splinecam_exact.verify.maxima import Contest, contest, largest_values
from splinecam_exact.verify.mend import mend
from splinecam_exact.verify.outputs import dear
from splinecam_exact.verify.records import record, record_maxima
from splinecam_exact.verify.refresh import refresh
from splinecam_exact.verify.rigor import UNIT
from splinecam_exact.verify.signs import blurred, sharpened, signs
from splinecam_exact.verify.steps import Bent, Field, Largest, Linear
from splinecam_exact.verify.unsure import Unsure, corners_of, of_cuts
from splinecam_exact.verify.values import Between

S = TypeVar("S", bound=Bent | Largest)
T = TypeVar("T")

WORN = 2.0**10
"""Bounds are worn out where they exceed the size of what they bound by so many unit roundoffs,"""
OPEN = 16
"""and more than one vertex, or one face, in so many is left open."""
HOPELESS = 20
"""Where more than one sign in so many is doubtful, float64 is no help: the kernel cuts every face."""


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


class Engine(Limited):
    """Cuts a domain by all layers of a network. Without `certified`, claims are not checked."""

    claims = wide = exact = repaired = refreshed = cuts = 0

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
        live = Liveness(steps, self.certified and dear(self.exactly.net))
        for number, step in enumerate(steps, 1):
            if not isinstance(step, Linear):
                depth = live.units.index(number)
                self.stage = f"layer {depth + 1} of {len(live.units)}"
                self._watch("signs", -1, -1)
                self._layer(number, depth, live.during(number))
            if live.read[number] and isinstance(step, Largest):
                self.values.fields[number] = largest_values(self, step, self.values.fields[step.sources[0]])
            elif live.read[number]:
                alone = len(live.readers[step.sources[0]]) == 1
                self.values.step(number, alone)
            self.values.keep(live.after(number))

    def _layer(self, number: int, depth: int, needed: set[int]) -> None:
        step = self.values.steps[number - 1]
        field = self.values.fields[step.sources[0]]
        self.values.keep(needed)
        if isinstance(step, Bent):
            self._cut(step, field, depth, needed)
            self.cuts += step.places * field.width
        elif isinstance(step, Largest):
            self._compare(step, field, depth)
        self._watch("done", self.mesh.faces, -1)
        self._limit(self.mesh.faces)

    def _settle(
        self,
        depth: int,
        new: Refinement,
        record: Layer,
        bad: Tensor,
        accuracy: Accuracy,
        unsure: Callable[[Ints], Unsure],
    ) -> None:
        """Keep what is proved of a layer, and let the kernel cut the bad faces."""
        self.accuracy = accuracy
        if not bool(bad.any()):
            self.mesh = new.mesh
            self.history.layers.append(record)
            return
        layer = self.exactly.program.unit_steps()[depth]
        self.repaired += int(bad.sum())
        stage = f"{self.stage}: exact repair"
        mend(self, layer, unsure, self.cuts, new, record, bad, stage, self.progress, self.max_cells)

    # -- one layer of units -------------------------------------------------------------------------------------------

    def _tried(self, attempt: Callable[[S, Field, bool], T | None], step: S, field: Field) -> T:
        """Try with the bounds as they are, and if they are worn out, after a fresh start."""
        found = attempt(step, field, True)
        if found is None:
            self._refresh(step, field)
            found = attempt(step, field, False)
        if found is None:
            raise RuntimeError("bounds are worn out as soon as they are new")
        return found

    def _cut(self, step: Bent, field: Field, depth: int, needed: set[int]) -> None:
        new, positive, doubtful, bad, accuracy = self._tried(self._prove, step, field)
        cuts = step.places * field.width
        remembered = record(self.mesh, new, positive[:, :cuts], field.width, step.states)
        self._extend(step, field, new, needed, bad)
        self._define(new, bad, self.tensor(np.arange(cuts) + self.cuts))
        above, mesh = positive[:, :cuts].cpu().numpy(), self.mesh

        def unsure(faces: Ints) -> Unsure:
            return of_cuts(above, doubtful.cpu().numpy(), *corners_of(mesh, faces), step.places)

        self._settle(depth, new, remembered, bad, accuracy, unsure)

    def _compare(self, step: Largest, field: Field, depth: int) -> None:
        """Cut by a layer of Max groups."""
        who, new, accuracy = self._tried(self._contest, step, field)
        cuts = self.exactly.compare(self.node(step.sources[0]), who.pairs.cpu().numpy())
        remembered = record_maxima(self.mesh, new, who, step)
        self.values.extend(*self._between(new))
        self._define(new, who.bad, self.tensor(cuts))
        mesh, kind = self.mesh, np.min_scalar_type(step.states - 1)

        def unsure(faces: Ints) -> Unsure:
            states = who.states.cpu().numpy()[faces].astype(kind)
            corners, starts = corners_of(mesh, faces)
            open_ = np.logical_or.reduceat(who.doubtful.cpu().numpy()[corners], starts[:-1])
            return Unsure((states == 0) | open_, states)

        self._settle(depth, new, remembered, who.bad, accuracy, unsure)

    def _contest(self, step: Largest, field: Field, worn: bool) -> tuple[Contest, Refinement, Accuracy] | None:
        """Who is largest where, and what that cuts; None, if the bounds may be `worn` out, where that is so."""
        decided = self.claims, self.wide, self.exact
        worn = worn and self._worn(field)
        contested = contest(self, step, step.sources[0], field, HOPELESS, OPEN if worn else 0)
        if contested is None:
            return None
        who, wide, exact = contested
        self.claims += who.masks.numel()
        self.wide, self.exact = self.wide + wide, self.exact + exact
        found = self._refined(who.heights, who.errors, who.positive, *who.changes)
        if found is None:
            who.bad[:] = True
            return who, unchanged(self.mesh, len(self.exactly.cut)), self.accuracy
        new, accuracy, failed, proved = found
        together = new.chord_cut[new.a], new.chord_cut[new.b]
        same = who.column[together[0]] == who.column[together[1]]
        failed[new.chord_face[new.a[same]]] = True
        if worn and int((failed & ~who.bad).sum()) * OPEN > self.mesh.faces:
            self.claims, self.wide, self.exact = decided
            return None
        self.claims += proved
        who.bad[failed] = True
        return who, new, accuracy

    def _refresh(self, step: Bent | Largest, field: Field) -> None:
        """A fresh start, where bounds are worn out."""
        fields = {number: f for number, f in self.values.fields.items() if number} | {step.sources[0]: field}
        self._watch("new bounds", -1, len(self.mesh.origin))
        width = sum(f.width for f in fields.values())
        self._afford(len(self.mesh.x) * width * 16 + self.mesh.faces * self.history.unit_count)
        refresh(self, fields)
        self.refreshed += 1

    def _prove(
        self, step: Bent, field: Field, worn: bool
    ) -> tuple[Refinement, Tensor, Tensor, Tensor, Accuracy] | None:
        """What is proposed, the signs it is made of, the doubtful ones, the faces where it is not proved, the accuracy.

        None, if the bounds may be `worn` out, where they are: where they leave much open.
        """
        decided = self.claims, self.wide, self.exact
        heights = step.heights(field.value)
        errors, steepness = step.cut_bounds(field)
        positive, doubtful = signs(self, heights, errors, steepness)
        self.claims += heights.shape[0] * heights.shape[1] * self.certified
        if int(blurred(heights, errors, doubtful).sum()) * HOPELESS <= positive.numel():
            doubtful = sharpened(self, step, field, heights, errors, doubtful)
        worn = worn and self.certified and self._worn(field)
        hopeless = len(doubtful) * HOPELESS > positive.numel()
        if worn and (hopeless or len(doubtful[:, 0].unique()) * OPEN > heights.shape[0]):
            self.claims, self.wide, self.exact = decided
            return None
        bad = self._resolve(positive, doubtful, hopeless)
        _, u, w = edges_of(self.mesh)
        pair, cut = sign_changes(positive, u, w)
        if not self.certified:
            new = unchanged(self.mesh, len(self.exactly.cut))
            if len(pair):
                new = propose(self.mesh, heights, positive, (pair, cut), new.lines, self._watch)
                if not consistent(self.mesh, new):
                    raise Contradiction
            return new, positive, doubtful, bad, self.accuracy
        found = self._refined(heights, errors, positive, pair, cut)
        if found is None:
            bad[:] = True
            return unchanged(self.mesh, len(self.exactly.cut)), positive, doubtful, bad, self.accuracy
        new, accuracy, failed, proved = found
        if worn and int((failed & ~bad).sum()) * OPEN > self.mesh.faces:
            self.claims, self.wide, self.exact = decided
            return None
        self.claims += proved
        bad |= failed
        self._limit(int((~bad[new.parent]).sum() + bad.sum()))
        return new, positive, doubtful, bad, accuracy

    def _refined(
        self, heights: Tensor | Heights, errors: Tensor, positive: Tensor, pair: Tensor, cut: Tensor
    ) -> tuple[Refinement, Accuracy, Tensor, int] | None:
        """What is proposed for some changes, with its accuracy, the faces for which it is wrong, and what was decided.

        None where the fast engine fails.
        """
        new = unchanged(self.mesh, len(self.exactly.cut))
        if not len(pair):
            return new, self.accuracy, torch.zeros(self.mesh.faces, dtype=torch.bool, device=self.device), 0
        changes = edges_of(self.mesh)[0][pair], cut, heights.shape[1]
        claim = self._claim(heights, positive, pair, changes)
        if claim is None:
            return None
        self._watch("proof", -1, -1)
        new = placed(self.mesh, claim)
        accuracy = refined(self.accuracy, self.mesh, new, heights, errors, self.values.radius)
        return new, accuracy, *wrong(self.mesh, new, positive, changes, accuracy)

    def _worn(self, field: Field) -> bool:
        """Whether bounds are much larger than those of a fresh start."""
        ball = float(self.accuracy.ball.max())
        fresh = field.error <= WORN * UNIT * field.size + 2.0**-500 and ball <= WORN * UNIT * self.values.radius
        return self.values.usable and not fresh

    def _claim(
        self, heights: Tensor | Heights, positive: Tensor, pair: Tensor, changes: tuple[Tensor, Tensor, int]
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
        found, stages = self.exactly.signs(pairs[:, 1] + self.cuts, vertices, faces, self.history.patterns)
        self.wide += stages.wide
        self.exact += stages.exact
        claimed = positive[doubtful[:, 0], doubtful[:, 1]].cpu().numpy()
        failed = np.zeros(len(self.mesh.x), bool)
        failed[vertices[(found == 0) | ((found > 0) != claimed)]] = True
        bad[self.mesh.face()[self.tensor(failed)[self.mesh.origin]]] = True
        return bad

    def _extend(self, step: Bent, field: Field, new: Refinement, needed: set[int], bad: Tensor) -> None:
        """The fields at the new vertices; a unit that is at its breakpoint there is put on it exactly."""
        old = self.mesh
        first, second = len(old.x), len(old.x) + len(new.edge)
        self.values.extend(*self._between(new))
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

    def _between(self, new: Refinement) -> tuple[Tensor, Between, Between]:
        """Where the new vertices lie between others."""
        old = self.mesh
        width = sum(f.width for f in self.values.fields.values())
        self._afford(len(new.mesh.x) * width * 16)
        on_edges = old.origin[new.edge], old.head()[new.edge], new.t
        return new.mesh.x, on_edges, (new.chord_start[new.a], new.chord_end[new.a], new.s)

    def _define(self, new: Refinement, bad: Tensor, cuts: Tensor) -> None:
        """Note on which lines the new vertices lie, those of the faces that are not bad; `cuts` numbers the cuts."""
        lines = torch.arange(len(new.chord_cut), device=self.device) + new.lines
        at_edge = torch.full((len(new.edge), 2), -1, device=self.device)
        at_edge[:, 0] = self.mesh.line[new.edge]
        good = ~bad[new.chord_face]
        for ends in (new.chord_start, new.chord_end):
            at_edge[ends[good] - len(self.mesh.x), 1] = lines[good]
        met = torch.stack([lines[new.a], lines[new.b]], dim=1)
        self.exactly.add_lines(cuts[new.chord_cut].cpu().numpy())
        self.exactly.lines = np.concatenate([self.exactly.lines, at_edge.cpu().numpy(), met.cpu().numpy()])


def consistent(mesh: Mesh, new: Refinement) -> bool:
    """Whether every face has as many parts as m chords with n meetings leave: 1 + m + n (Euler's formula)."""
    parts = torch.bincount(new.parent, minlength=mesh.faces)
    chords = torch.bincount(new.chord_face, minlength=mesh.faces)
    met = torch.bincount(new.chord_face[new.a], minlength=mesh.faces)
    return bool(torch.equal(parts, 1 + chords + met))
