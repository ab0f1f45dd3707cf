"""Pictures, the colours in them, and the decision boundary that they show."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact import plotting
from splinecam_exact.arrays import ExactArray
from splinecam_exact.decision import boundary_segments, decision
from splinecam_exact.nodes import Affine
from splinecam_exact.palette import PASTELS, class_colours, distinct_colours
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

networks = degenerate_networks(max_layers=2, max_width=4)
SQUARE = sx.square(1)
FOUR_CELLS = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 1], [0, 1]], [0, 0])])
DISTANCE_TO_LINE = sx.from_layers([([[1, 0]], [0], "abs"), ([[1]], [0])])


def along(segments: Sequence[Sequence[Sequence[float]]]) -> set[frozenset[tuple[float, ...]]]:
    return {frozenset(map(tuple, segment)) for segment in segments}


# -- the decision boundary --------------------------------------------------------------------------------------------


def largest(net: sx.Network, x: Sequence[object]) -> frozenset[int]:
    outputs = net.evaluate(x)
    return frozenset(j for j, value in enumerate(outputs) if value == max(outputs))


@given(networks)
def test_argmax_boundary_is_where_the_answer_changes(plain: PlainNetwork) -> None:
    net, domain = plain.network(), plain.domain()
    if net.output_size == 1:
        net = extended(net)
    decided = decision(net, domain, "argmax")
    faces, chosen = decided.part.faces, set(decided.edges.tolist())
    answers = [largest(net, domain.embed(face.witness)) for face in faces]
    for edge in decided.part.edges:
        left, right = edge.faces
        assert (edge.index in chosen) == (right != -1 and answers[left] != answers[right])


@given(networks)
def test_sign_boundary_is_the_zero_set(plain: PlainNetwork) -> None:
    net, domain = plain.network(), plain.domain()
    decided = decision(net, domain, "sign")
    chosen = set(decided.edges.tolist())
    zero = [net.evaluate(domain.embed(vertex))[0] == 0 for vertex in decided.part.vertices]
    for edge in decided.part.edges:
        assert (edge.index in chosen) == all(zero[v] for v in edge.vertices)
        left, right = edge.faces
        if right != -1:
            signs = {net.evaluate(domain.embed(decided.part.faces[f].witness))[0] > 0 for f in (left, right)}
            assert len(signs) == 1 or edge.index in chosen


@given(networks)
def test_class_of_a_cell_is_the_answer_at_its_witness(plain: PlainNetwork) -> None:
    net, domain = extended(plain.network()), plain.domain()
    decided = decision(net, domain)
    names, numbers = decided.classes(range(net.output_size))
    for face, number in zip(decided.part.faces, numbers.tolist(), strict=True):
        answer = largest(net, domain.embed(face.witness))
        assert ({int(names[number])} if number >= 0 else answer) == answer
        assert (number < 0) == (len(answer) > 1)


def extended(net: sx.Network) -> sx.Network:
    """The network with one more output, the constant 1/4."""
    n = net.output_size
    rows = [[int(j == k) for j in range(n)] for k in range(n + 1)]
    last = Affine((len(net.nodes),), (ExactArray.of(rows),), ExactArray.of([0] * n + ["1/4"]))
    return sx.Network(net.input_size, [*net.nodes, last])


def test_sign_boundary_shows_where_the_output_only_touches_zero() -> None:
    assert along(boundary_segments(DISTANCE_TO_LINE, SQUARE).tolist()) == {frozenset({(0.0, -1.0), (0.0, 1.0)})}


def test_sign_boundary_surrounds_cells_on_which_the_output_is_zero() -> None:
    net = sx.from_layers([([[1, 0]], [0]), ([[1]], [0])])
    corners = [(0.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, -1.0), (0.0, 1.0)]
    assert along(boundary_segments(net, SQUARE).tolist()) == {frozenset(side) for side in pairwise(corners)}


def test_boundary_is_where_it_is_known_to_be() -> None:
    # The larger of x and y, then the sign of y.
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "identity")])
    assert along(boundary_segments(net, SQUARE).tolist()) == {frozenset({(-1.0, -1.0), (1.0, 1.0)})}
    sign = boundary_segments(net, SQUARE, "sign", output=1)
    assert along(sign.tolist()) == {frozenset({(-1.0, 0.0), (1.0, 0.0)})}


def test_no_boundary_is_an_empty_array() -> None:
    net = sx.from_layers([([[0, 0]], [1])])
    assert boundary_segments(net, SQUARE).shape == (0, 2, 2)
    plotting.plot(sx.partition(net, SQUARE), boundary="sign")


def test_boundary_that_does_not_exist_is_refused() -> None:
    with pytest.raises(sx.NetworkError, match="argmax head"):
        boundary_segments(DISTANCE_TO_LINE, SQUARE, "argmax")
    with pytest.raises(sx.InputError, match="head must be"):
        boundary_segments(DISTANCE_TO_LINE, SQUARE, "median")
    with pytest.raises(sx.Undecided):
        decision(FOUR_CELLS, SQUARE, max_cells=1)
    with pytest.raises(sx.InputError, match="names of classes"):
        decision(FOUR_CELLS, SQUARE).classes(["one"])


# -- colours ----------------------------------------------------------------------------------------------------------


@given(networks)
def test_neighbours_differ(plain: PlainNetwork) -> None:
    part = sx.partition(plain.network(), plain.domain())
    pairs = part.dual_edges()
    colours = distinct_colours(np.arange(len(part.cells)), pairs)
    crowded = np.bincount(pairs.ravel(), minlength=len(part.cells)) >= PASTELS
    for i, j in pairs.tolist():
        assert crowded[i] or crowded[j] or (colours[i] != colours[j]).any()


@given(networks)
def test_cells_with_one_affine_map_have_one_colour(plain: PlainNetwork) -> None:
    part = sx.partition(plain.network(), plain.domain())
    colours = distinct_colours(part.affine_piece, part.dual_edges())
    for piece in range(part.counts()["P"]):
        assert len(np.unique(colours[part.affine_piece == piece], axis=0)) == 1


@given(st.integers(1, 12), st.data())
def test_classes_have_hues_of_their_own(names: int, data: st.DataObject) -> None:
    classes = np.array(data.draw(st.lists(st.integers(-1, names - 1), min_size=1, max_size=20)))
    chain = np.array(list(pairwise(range(len(classes)))), np.int64).reshape(-1, 2)
    colours, legend = class_colours(classes, names, chain)
    assert legend.shape == (names + 1, 3)
    for i, j in chain.tolist():
        if classes[i] >= 0 or classes[j] >= 0:
            assert (colours[i] != colours[j]).any()
    ties = colours[classes == -1]
    assert (ties == ties[:, :1]).all()


# -- pictures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def part() -> sx.Subdivision:
    return sx.partition(FOUR_CELLS, SQUARE)


MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("suffix", MAGIC)
def test_picture_is_the_same_each_time(part: sx.Subdivision, tmp_path: Path, suffix: str) -> None:
    contents = []
    for k in range(2):
        path = tmp_path / f"{k}{suffix}"
        plotting.plot(part, boundary="argmax", points=[(0, 0)], labels=["a"], title="t", path=path)
        contents.append(path.read_bytes())
    assert contents[0].startswith(MAGIC[suffix])
    assert contents[0] == contents[1]


@pytest.mark.parametrize("color_by", ["cell", "region", "none", None])
@pytest.mark.parametrize("boundary", [None, "argmax", "sign"])
def test_everything_lies_in_the_picture(part: sx.Subdivision, color_by: str | None, boundary: str | None) -> None:
    axes = plotting.plot(part, color_by=color_by, boundary=boundary)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left <= -1 < 1 <= right
    assert bottom <= -1 < 1 <= top
    assert axes.get_aspect() == 1
    assert (axes.get_legend() is not None) == (color_by is None and boundary is not None)


def test_number_of_artists_does_not_grow_with_the_cells(part: sx.Subdivision) -> None:
    rng = np.random.default_rng(0)
    net = sx.from_layers([(rng.normal(size=(140, 2)), rng.normal(size=140) / 2), (np.ones((1, 140)), [0])])
    large = sx.partition(net, SQUARE)
    assert len(large.cells) > 3000
    few, many = plotting.plot(part), plotting.plot(large)
    assert len(few.get_children()) == len(many.get_children())
    assert len(many.collections[0].get_paths()) == len(large.cells)


def test_backend_and_pyplot_are_left_alone(tmp_path: Path) -> None:
    program = (
        "import sys, splinecam_exact as sx\n"
        "net = sx.from_layers([([[1, 0]], [0]), ([[1]], [0])])\n"
        f"sx.plot(sx.partition(net, sx.square(1)), boundary='sign', path={str(tmp_path / 'x.png')!r})\n"
        "import matplotlib\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams._get('backend') is matplotlib.rcsetup._auto_backend_sentinel\n"
    )
    environment = {"MPLCONFIGDIR": str(tmp_path), "PATH": "", "PYTHONPATH": str(Path(sx.__file__).parents[1])}
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, env=environment)


def test_picture_is_saved_whole_or_not_at_all(
    part: sx.Subdivision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    def interrupted(figure: Figure, buffer: object, **options: object) -> None:
        buffer.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    path = tmp_path / "x.png"
    path.write_bytes(b"before")
    monkeypatch.setattr(Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plotting.plot(part, path=path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_axes_of_the_caller_are_drawn_on(part: sx.Subdivision, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    mine, other = Figure().subplots(1, 2)
    assert plotting.plot(part, ax=mine, path=tmp_path / "x.png") is mine
    assert mine.collections
    assert not other.collections


def test_text_is_text_whatever_signs_it_has(part: sx.Subdivision, tmp_path: Path) -> None:
    hostile = r"$\frac{ ^_ $x$ é"
    plotting.plot(
        part,
        boundary="argmax",
        points=[(0.5, "1/3")],
        labels=[hostile],
        classes=[hostile, "_hidden"],
        title=hostile,
        path=tmp_path / "x.svg",
    )


def test_oblong_domains_are_stretched_and_others_are_not(tmp_path: Path) -> None:
    for height, aspect in ((1, 1.0), (100, "auto")):
        box = sx.Polygon([(0, 0), (1, 0), (1, height), (0, height)])
        axes = plotting.plot(sx.partition(FOUR_CELLS, box), path=tmp_path / "x.png")
        assert axes.get_aspect() == aspect


def test_given_segments_are_drawn(part: sx.Subdivision) -> None:
    from matplotlib.colors import to_rgba

    segments = np.array([[[0.0, 0.0], [1.0, 1.0]]])
    axes = plotting.plot(part, boundary=segments)
    red = [c for c in axes.collections if np.array_equal(c.get_edgecolor(), [to_rgba(plotting.RED)])]
    assert [path.vertices.tolist() for path in red[0].get_paths()] == segments.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color_by": "depth"}, "no color_by 'depth'"),
        ({"color_by": "class"}, "need a decision"),
        ({"points": [(0, 0)], "labels": []}, "1 points and 0 labels"),
        ({"points": [(0, 0, 0)]}, "3 coordinates"),
        ({"points": [(0, math.nan)]}, "not a finite number"),
        ({"points": [(0, 10**400)]}, "too far away"),
        ({"boundary": np.zeros((3, 2))}, "shape"),
        ({"boundary": np.full((1, 2, 2), math.inf)}, "finite segments"),
        ({"path": "x.jpg"}, "must end in one of .png, .svg, .pdf"),
        ({"path": "no such folder/x.png"}, "cannot be written"),
        ({"boundary": decision(FOUR_CELLS, sx.square(2))}, "another domain"),
    ],
)
def test_bad_input_is_refused(part: sx.Subdivision, options: dict[str, object], message: str) -> None:
    with pytest.raises(sx.InputError, match=message):
        plotting.plot(part, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (10**200, 0), (0, 10**200)],
        [(0, 0), (f"1/{10**200}", 0), (0, 1)],
        [(10**30, 0), (10**30 + 1, 0), (10**30, 1)],
        [(10**400, 0), (2 * 10**400, 0), (10**400, 1)],
    ],
)
def test_domain_that_float64_cannot_show_is_refused(corners: list[tuple[object, object]]) -> None:
    part = sx.partition(FOUR_CELLS, sx.Polygon(corners))
    with pytest.raises(sx.InputError, match="to draw in float64"):
        plotting.plot(part)


def test_reason_why_a_domain_cannot_be_drawn_is_said() -> None:
    net = sx.from_layers([([[1, 0]], [0])])
    for domain, message in (
        (sx.square(mpq(1, 10**300)), "too small to draw in float64"),
        (sx.square(10**300), "too large to draw in float64"),
        (sx.Polygon([(10**20, 0), (10**20 + 1, 0), (10**20, 1)]), "too narrow"),
    ):
        with pytest.raises(sx.InputError, match=message):
            sx.plot(sx.partition(net, domain))


@pytest.mark.parametrize("thing", [FOUR_CELLS, SQUARE, None])
def test_what_is_no_subdivision_is_refused(thing: sx.Subdivision) -> None:
    with pytest.raises(sx.InputError, match=r"not a Subdivision: .*partition"):
        sx.plot(thing)


def test_missing_matplotlib_names_the_extra(part: sx.Subdivision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(sx.MissingDependency, match=r"splinecam-exact\[plot\]"):
        plotting.plot(part)


def test_legend_names_the_classes_that_occur(part: sx.Subdivision) -> None:
    decided = decision(FOUR_CELLS, SQUARE)
    legend = plotting.plot(part, boundary=decided, classes=["first", "second"]).get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"first", "tie", "decision boundary"}


@pytest.mark.parametrize("mode", ["float64", "rational"])
def test_pictures_say_what_is_uncertified(mode: str) -> None:
    if mode == "float64":
        pytest.importorskip("torch")
    net = sx.from_layers([([[1, 0.3], [0.2, 1]], [0.1, 0.2]), ([[1, -1]], [0])])
    axes = sx.plot(sx.partition(net, sx.square(1), mode), title="a title")
    assert axes.get_title("left") == "a title"
    assert axes.get_title("right") == ("float64, uncertified" if mode == "float64" else "")
