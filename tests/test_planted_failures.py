"""The fast engine lies, in every way that we could think of: the certified result stays right."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.network import Network
from splinecam_exact.nodes import Affine, Max
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

torch = pytest.importorskip("torch")


from planted import (  # noqa: E402
    LIES,
    STAGES,
    Draft,
    Forms,
    Lie,
    exact_form,
    foreign_chord,
    honest,
    joined,
    pair_of,
    places_exchanged,
    shuffled,
    times,
)

from splinecam_exact.fast import crossings  # noqa: E402
from splinecam_exact.fast.assemble import Refinement  # noqa: E402
from splinecam_exact.fast.mesh import Mesh  # noqa: E402
from splinecam_exact.verify import engine  # noqa: E402
from splinecam_exact.verify.accuracy import Accuracy, placed, refined  # noqa: E402
from splinecam_exact.verify.checks import sound, wrong  # noqa: E402


@cache
def example(number: int) -> tuple[Network, sx.Polygon, Forms]:
    """A random network with 2 or 3 layers, from number 10 on of Max groups, its domain, and the true answer."""
    random = np.random.default_rng(number)
    dom = sx.square(1)
    if number >= 10:
        nodes: list[Affine | Max] = []
        for _ in range(2):
            width = 3 if nodes else 2
            nodes.append(
                Affine((len(nodes),), (random.normal(size=(9, width)).round(3),), random.normal(size=9).round(3))
            )
            nodes.append(Max(len(nodes), ((0, 1, 2), (3, 4, 5), (6, 7, 8))))
        net = Network(2, nodes)
        return net, dom, exact_form(sx.partition(net, dom, "rational"))
    widths = [2, *random.integers(4, 8, random.integers(2, 4)), 1]
    layers = [
        (np.round(random.normal(size=(m, n)), 3), np.round(random.normal(size=m) / 2, 3)) for n, m in pairwise(widths)
    ]
    net = sx.from_layers(layers)
    return net, dom, exact_form(sx.partition(net, dom, "rational"))


examples = st.integers(0, 14).map(example)
randoms = st.integers(0, 2**32).map(Random)


def certified(net: Network, dom: Any, proposal: Callable[..., Refinement]) -> Forms:
    """The certified result with this in the place of the fast engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "propose", proposal)
        return exact_form(sx.partition(net, dom, "certified"))


def attacked(net: Network, dom: Any, attack: Lie, random: Random) -> Forms:
    """The certified result where each layer's honest proposal is attacked with probability 2/3."""

    def proposal(*arguments: Any) -> Refinement:
        new = honest(*arguments)
        return attack(new, random) if random.random() < 2 / 3 else new

    return certified(net, dom, proposal)


# -- single entries of the arrays


def entry(new: Refinement, random: Random) -> Refinement:
    """Something is wrong with an entry of one of the arrays."""
    name = random.choice([*Mesh._fields, *Refinement._fields[1:]])
    if name == "lines":
        return new._replace(lines=new.lines + random.choice((-1, 1)))
    array = getattr(new.mesh if name in Mesh._fields else new, name).clone()
    if not len(array):
        return new
    i, j = random.randrange(len(array)), random.randrange(len(array))
    kind = random.choice(("swap", "copy", "nudge", "drop", "double", "shuffle", "any"))
    if kind == "swap":
        array[[i, j]] = array[[j, i]]
    elif kind == "copy":
        array[i] = array[j]
    elif kind == "nudge":
        array[i] = ~array[i] if array.dtype == torch.bool else array[i] + random.choice((1, -1, 2, -2))
    elif kind == "drop":
        array = torch.cat([array[:i], array[i + 1 :]])
    elif kind == "double":
        array = torch.cat([array[:i], array[i : i + 1], array[i:]])
    elif kind == "shuffle":
        order = list(range(len(array)))
        random.shuffle(order)
        array = array[order]
    elif array.dtype == torch.float64:
        array[i] = random.choice((random.random(), 0.0, 1.0, 1e-300, float("nan"), float("inf"), -1.0))
    elif array.dtype == torch.int64:
        array[i] = random.choice((-1, 0, random.randrange(int(array.max()) + 2), 2**40, -(2**62)))
    if name in Mesh._fields:
        return new._replace(mesh=new.mesh._replace(**{name: array}))
    return new._replace(**{name: array})


@given(examples, randoms)
def test_wrong_entries(example: tuple[Network, sx.Polygon, Forms], random: Random) -> None:
    net, dom, truth = example
    assert attacked(net, dom, lambda new, random: times(new, entry, random), random) == truth


@settings(max_examples=max(5, settings().max_examples // 3))
@given(degenerate_networks(max_layers=2, max_width=5), randoms)
def test_wrong_entries_for_degenerate_networks(plain: PlainNetwork, random: Random) -> None:
    net, dom = plain.network(), plain.domain()
    truth = exact_form(sx.partition(net, dom, "rational"))
    assert attacked(net, dom, lambda new, random: times(new, entry, random), random) == truth


# -- the whole engine is wrong, and consistently so


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=max(5, settings().max_examples // 6))
@given(example=examples, random=randoms)
def test_wrong_stage(name: str, example: tuple[Network, sx.Polygon, Forms], random: Random) -> None:
    net, dom, truth = example
    module, attribute, make = STAGES[name]
    moved = random.random() < 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, attribute, make(random))
        attack = places_exchanged if moved else lambda new, random: new
        assert attacked(net, dom, attack, random) == truth


def lying(random: Random, kind: str) -> Callable[..., Refinement]:
    """The honest engine, asked about other signs or other heights."""

    def proposal(mesh: Mesh, heights: Any, positive: Any, changes: Any, lines: int, watch: Any) -> Refinement:
        shape = heights.shape
        heights = heights.rows(0, shape[0])
        if kind == "signs":
            heights = heights.clone()
            for _ in range(random.choice((1, 1, 2, 5))):
                heights[random.randrange(shape[0]), random.randrange(shape[1])] *= -1
        else:
            noise = torch.tensor([random.gauss(0, 1) for _ in range(heights.numel())], dtype=torch.float64)
            heights = heights + noise.reshape(shape) * 10.0 ** -random.choice((1, 4, 8, 12, 16))
        positive = torch.zeros((shape[0], -(-shape[1] // 8) * 8), dtype=torch.bool)
        positive[:, : shape[1]] = heights >= 0
        _, u, w = crossings.edges_of(mesh)
        return honest(mesh, heights, positive, crossings.sign_changes(positive, u, w), lines, watch)

    return proposal


@pytest.mark.parametrize("kind", ["signs", "heights"])
@settings(max_examples=max(5, settings().max_examples // 2))
@given(example=examples, random=randoms)
def test_proposal_for_another_network(kind: str, example: tuple[Network, sx.Polygon, Forms], random: Random) -> None:
    net, dom, truth = example
    assert certified(net, dom, lying(random, kind)) == truth


@pytest.mark.parametrize("error", [RuntimeError, IndexError, ZeroDivisionError, AssertionError])
def test_engine_that_breaks_down(error: type[Exception]) -> None:
    def proposal(*arguments: Any) -> Refinement:
        raise error

    net, dom, truth = example(3)
    assert certified(net, dom, proposal) == truth


def test_interruption_is_no_failure_of_the_engine() -> None:
    net, dom, _ = example(3)

    def progress(stage: str, done: int, total: int) -> None:
        if "chords" in stage:
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        sx.partition(net, dom, "certified", progress=progress)


@pytest.mark.parametrize("lie", LIES)
@settings(max_examples=max(5, settings().max_examples // 6))
@given(example=examples, random=randoms)
def test_one_lie(lie: Any, example: tuple[Network, sx.Polygon, Forms], random: Random) -> None:
    net, dom, truth = example
    assert attacked(net, dom, lambda new, random: times(new, lie, random), random) == truth


def test_faces_in_another_order_are_accepted() -> None:
    net, dom, _ = example(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "propose", lambda *arguments: shuffled(honest(*arguments), Random(1)))
        assert sx.partition(net, dom, "certified").report.repaired == 0


# -- many lies about one layer: what is accepted of a face must be what the honest engine says of it


class Situation(NamedTuple):
    """What the checks were given, in one layer of an honest run in which nothing was repaired."""

    mesh: Mesh
    claim: Refinement
    positive: Any
    changes: tuple[Any, Any, int]
    known: Accuracy
    heights: Any
    errors: Any
    radius: float

    def accepted(self, claim: Refinement) -> list[int]:
        """The faces of which the claim is accepted."""
        if not sound(self.mesh, claim, self.changes, self.claim.lines):
            return []
        new = placed(self.mesh, claim)
        accuracy = refined(self.known, self.mesh, new, self.heights, self.errors, self.radius)
        failed, _ = wrong(self.mesh, new, self.positive, self.changes, accuracy)
        return torch.nonzero(~failed).squeeze(1).tolist()


@cache
def situations() -> list[Situation]:
    found: list[Situation] = []

    def noted(known: Accuracy, mesh: Mesh, new: Refinement, heights: Any, errors: Any, radius: float) -> Accuracy:
        given.append((known, heights.rows(0, heights.shape[0]).clone(), errors, radius))
        return refined(known, mesh, new, heights, errors, radius)

    def checked(mesh: Mesh, new: Refinement, positive: Any, changes: Any, accuracy: Accuracy) -> Any:
        known, *numbers = given.pop()
        failed, decided = wrong(mesh, new, positive, changes, accuracy)
        if not bool(failed.any()) and len(new.a):
            found.append(Situation(mesh, new, positive, changes, known, *numbers))
        return failed, decided

    given: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "refined", noted)
        patch.setattr(engine, "wrong", checked)
        for number in range(8):
            net, dom, _ = example(number)
            sx.partition(net, dom, "certified")
    return found


def told(mesh: Mesh, new: Refinement) -> dict[int, list[Any]]:
    """What a refinement says of each face of the mesh, in words that do not depend on numbers."""
    chord = list(zip(new.chord_face.tolist(), new.chord_cut.tolist(), strict=True))
    vertex: list[Any] = list(range(len(mesh.x)))
    vertex += zip(new.edge.tolist(), new.cut.tolist(), strict=True)
    vertex += [frozenset((chord[a], chord[b])) for a, b in zip(new.a.tolist(), new.b.tolist(), strict=True)]
    fine = new.mesh
    rows = zip(*(t.tolist() for t in (fine.origin, fine.line, fine.twin, new.old, new.forward)), strict=True)
    words = [
        (
            vertex[v],
            line if line < new.lines else chord[line - new.lines],
            vertex[fine.origin[g]] if g >= 0 else -1,
            h,
            f,
        )
        for v, line, g, h, f in rows
    ]
    found: dict[int, list[Any]] = {}
    starts = fine.start.tolist()
    for parent, a, b in zip(new.parent.tolist(), starts, starts[1:], strict=False):
        least = min(range(a, b), key=lambda k: str(words[k]))
        found.setdefault(parent, []).append(str(words[least:b] + words[a:least]))
    return {face: sorted(parts) for face, parts in found.items()}


@cache
def truth_of(number: int) -> dict[int, list[Any]]:
    situation = situations()[number]
    assert len(situation.accepted(situation.claim)) == situation.mesh.faces
    return told(situation.mesh, situation.claim)


@settings(max_examples=4 * settings().max_examples)
@given(st.integers(0, 10**6), st.sampled_from([entry, entry, *LIES]), randoms)
def test_what_is_accepted_is_true(number: int, lie: Any, random: Random) -> None:
    number %= len(situations())
    situation, truth = situations()[number], truth_of(number)
    for _ in range(10):
        claim = times(situation.claim, lie, random)
        try:
            accepted = situation.accepted(claim)
        except (RuntimeError, IndexError):  # an array has lost an entry between two lies
            continue
        if accepted:
            said = told(situation.mesh, claim)
            assert all(said[face] == truth[face] for face in accepted)


@pytest.mark.parametrize("name", ["s", "r"])
def test_fractions_must_not_fall(name: str) -> None:
    """Where a meeting is on its second chord is used for error bounds only; nothing else would find this lie."""
    tried = 0
    for situation in situations():
        new = situation.claim
        pair = pair_of((new.a if name == "s" else new.b).tolist(), Random(0))
        if pair is not None:
            i, j = pair
            fractions = getattr(new, name).clone()
            fractions[[i, j]] = fractions[[j, i]]
            accepted = situation.accepted(new._replace(**{name: fractions}))
            assert int(new.chord_face[new.a[i]]) not in accepted
            tried += 1
    assert tried > 3


def test_bogus_vertex_on_a_chord_where_another_face_folds_over() -> None:
    """y = 3|x| is said to meet, left of 0, a point right of 0, which is near both lines but not on this one."""
    first = [[1, 0], [1, 0], [0, 1]], [0, 2, 2]
    second = [[-6, 3, 1], [0, "-1/8", 1]], [-8, "-9/4"]
    net, dom = sx.from_layers([first, second, ([[1, 1]], [0])]), sx.square(1)
    truth = exact_form(sx.partition(net, dom, "rational"))
    lies = []

    def proposal(*arguments: Any) -> Refinement:
        new = honest(*arguments)
        if not len(new.a):
            return new
        x, faces, cuts = new.mesh.x, new.chord_face.tolist(), new.chord_cut.tolist()
        k = next(k for k, v in enumerate(range(len(x) - len(new.a), len(x))) if x[v, 0] > 0)
        right, left = int(new.chord_face[new.a[k]]), next(f for f in faces if f != int(new.chord_face[new.a[k]]))
        across = next(c for c in (int(new.a[k]), int(new.b[k])) if cuts[c] == 1)
        folded = next(c for c, (face, cut) in enumerate(zip(faces, cuts, strict=True)) if (face, cut) == (left, 0))
        assert faces[across] == right
        draft = Draft(new)
        on_axis = {v for v in (int(new.chord_start[folded]), int(new.chord_end[folded])) if x[v, 0] == 0}
        segments = [h for h, half in enumerate(draft.halves) if half[1] == new.lines + folded and half[2] < 0]
        half = next(h for h in segments if draft.halves[h][0] in on_axis)
        draft.split(half, len(x))
        s = float(new.s[k] if across == int(new.a[k]) else new.r[k])
        ahead = int(new.chord_start[folded]) in on_axis
        place = torch.lerp(x[new.chord_start[across]], x[new.chord_end[across]], s)[None]
        lies.append(k)
        return draft.refinement(
            x=torch.cat([x, place]),
            a=joined(new.a, across),
            b=joined(new.b, folded),
            s=joined(new.s, s),
            r=joined(new.r, 0.01 if ahead else 0.99),
        )

    assert certified(net, dom, proposal) == truth
    assert lies


@given(st.integers(0, 10**6), randoms)
def test_no_chord_makes_a_vertex_look_nearer_than_it_is(number: int, random: Random) -> None:
    """Crossings are misplaced, and chords that do not belong there claim to end at them."""
    situation = situations()[number % len(situations())]
    mesh, claim = situation.mesh, situation.claim
    given = situation.known, situation.heights, situation.errors, situation.radius

    def accuracy(new: Refinement) -> tuple[Any, Any]:
        known, *numbers = given
        new = placed(mesh, new)
        points = slice(len(mesh.x), len(mesh.x) + len(new.edge))
        return new.mesh.x[points], refined(known, mesh, new, *numbers).ball[points]

    x, ball = accuracy(claim)
    t = claim.t.clone()
    t[random.randrange(len(t))] = random.random()
    for _ in range(20):
        claim = foreign_chord(claim, random)
    moved, said = accuracy(claim._replace(t=t))
    assert bool((said >= (torch.linalg.vector_norm(moved - x, dim=1) - ball) * (1 - 1e-9)).all())
