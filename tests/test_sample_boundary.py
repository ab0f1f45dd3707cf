"""Samples of a boundary: exactly on it, and the floats beside them as near as they say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from command_line import runner
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.arrays import exact
from splinecam_exact.boundary_samples import BY, DTYPES
from splinecam_exact.demo import Subject, subjects
from splinecam_exact.local_maps import gradient
from splinecam_exact.subdivision import MODES
from splinecam_exact.testing.strategies import PlainNetwork, degenerate_networks

networks = degenerate_networks(max_layers=2, max_width=4)
SQUARE = sx.square(1)
DIAMOND = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 3]], [-1])])
CLASSES = sx.from_layers([([[1, 2], [3, 1]], [0, "1/3"]), ([[1, 0], [0, 1], [1, -1]], [0, 0, "1/7"])])
DISTANCE_TO_LINE = sx.from_layers([([[1, 0]], [0], "abs"), ([[1]], [0])])
DISTANCE_TO_POINT = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 1]], [0])])


def f(sample: sx.BoundarySample, x: object) -> mpq:
    """The function whose zero set the boundary is, exactly; for the arg-max it must be the largest two's."""
    found = sample.boundary
    outputs = found.part.network.evaluate(x)  # type: ignore[arg-type]
    i, j = sample.classes
    if found.kind == "argmax":
        assert max(outputs) in (outputs[i], outputs[j])
    return outputs[i] - (outputs[j] if j >= 0 else 0) - found.level


def check(sample: sx.BoundarySample) -> None:
    """Everything that a sample says of itself, again."""
    assert f(sample, sample.x) == 0
    assert sample.x == sample.boundary.part.domain.embed(sample.point)
    p, q = sample.boundary[sample.segment].ends
    assert min(p, q) < sample.point < max(p, q)
    u, v = (b - a for a, b in zip(p, q, strict=True)), (c - a for a, c in zip(p, sample.point, strict=True))
    (a, b), (c, d) = u, v
    assert a * d == b * c
    assert sample.nearest.dtype == sample.dtype
    assert squared(sample.nearest, sample.x) == sample.squared_distance <= mpq(sample.distance) ** 2
    for place, exact_place in zip(sample.nearest, sample.x, strict=True):
        for other in (
            np.nextafter(place, -np.inf, dtype=sample.dtype),
            np.nextafter(place, np.inf, dtype=sample.dtype),
        ):
            assert abs(exact(place) - exact_place) <= abs(exact(other) - exact_place)
    if not sample.boundary.changes[sample.segment]:
        assert sample.bracket is None
    elif sample.bracket is not None:
        above, below, distance = sample.bracket
        assert above.dtype == below.dtype == sample.dtype
        assert f(sample, below) < 0 < f(sample, above)
        assert max(squared(above, sample.x), squared(below, sample.x)) == distance


def squared(place: np.ndarray, x: tuple[mpq, ...]) -> mpq:
    return sum(((exact(p) - q) ** 2 for p, q in zip(place, x, strict=True)), mpq(0))


@given(networks, st.sampled_from(BY), st.sampled_from(DTYPES), st.data())
def test_samples_are_exactly_on_the_boundary(plain: PlainNetwork, by: str, dtype: str, data: st.DataObject) -> None:
    part = sx.partition(plain.network(), plain.domain())
    vertex = data.draw(st.sampled_from(list(part.vertices)))
    level = part.network.evaluate(part.domain.embed(vertex))[0]
    found = sx.boundary(part, 0, level=data.draw(st.sampled_from([level, mpq(0), level / 2])))
    if not len(found):
        with pytest.raises(sx.InputError, match="nothing to sample"):
            sx.sample_boundary(found, 1)
        return
    for sample in sx.sample_boundary(found, 3, by, seed=data.draw(st.integers(0, 99)), dtype=dtype):
        check(sample)


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_samples_of_the_demonstration_networks(subject: Subject, dtype: str) -> None:
    part = sx.partition(subject.net, subject.domain)
    samples = sx.sample_boundary(part, 20, seed=3, dtype=dtype)
    for sample in samples:
        check(sample)
        assert sample.bracket is not None
        assert sample.distance < (1e-15 if dtype == "float64" else 1e-6)
        assert sample.bracket.squared_distance < mpq(1e-13 if dtype == "float64" else 1e-4) ** 2


def test_float_points_are_hardly_ever_on_the_boundary() -> None:
    digits = subjects()[0]
    samples = sx.sample_boundary(sx.partition(digits.net, digits.domain), 20, seed=0)
    assert not any(f(sample, sample.nearest) == 0 for sample in samples)


@pytest.mark.parametrize("by", BY)
def test_a_seed_gives_the_same_samples(by: str) -> None:
    part = sx.partition(DIAMOND, SQUARE)
    first, second = (sx.sample_boundary(part, 10, by, seed=7) for _ in range(2))
    assert [s.x for s in first] == [s.x for s in second]
    assert [s.x for s in sx.sample_boundary(part, 10, by, seed=8)] != [s.x for s in first]
    assert len({s.x for s in sx.sample_boundary(part, 10, by)}) == 10


def test_numbers_of_samples_and_seeds_are_whole_numbers_of_any_kind() -> None:
    part = sx.partition(DIAMOND, SQUARE, "rational")
    found, same = sx.sample_boundary(part, np.int64(3), seed=np.uint32(7)), sx.sample_boundary(part, 3, seed=7)
    assert [s.x for s in found] == [s.x for s in same]
    assert len(sx.sample_boundary(part, 1, seed=10**5000)) == 1


def test_lengths_components_and_segments_share_the_samples_as_they_say() -> None:
    net = sx.from_layers([([[1, 0], [0, 1]], [0, 0], "abs"), ([[1, 1]], ["-1/2"], "abs"), ([[1]], ["-2/5"])])
    found = sx.boundary(sx.partition(net, SQUARE))  # |x| + |y| = 1/10 and 9/10
    assert len(found) == 8
    assert found.components == 2
    shares = {}
    for by in BY:
        samples = sx.sample_boundary(found, 2000, by, seed=1)
        shares[by] = np.mean([abs(s.point[0]) + abs(s.point[1]) == mpq(1, 10) for s in samples])
    assert shares["length"] == pytest.approx(0.1, abs=0.03)
    assert shares["component"] == pytest.approx(0.5, abs=0.05)
    assert shares["segment"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("classes", [None, (0, 1), (2, 0)])
@pytest.mark.parametrize("mode", ["rational", "certified"])
def test_samples_between_classes(classes: tuple[int, int] | None, mode: str) -> None:
    if mode == "certified":
        pytest.importorskip("torch")
    samples = sx.sample_boundary(sx.boundary(sx.partition(CLASSES, SQUARE, mode), classes=classes), 12, seed=2)
    for sample in samples:
        check(sample)
        assert (sample.bracket is not None) == sample.boundary.changes[sample.segment]


@pytest.mark.parametrize("mode", ["rational", "certified"])
def test_between_the_ends_of_a_bracket_the_only_largest_output_changes(mode: str) -> None:
    if mode == "certified":
        pytest.importorskip("torch")
    net = sx.from_layers([([[1, 0], [-1, 0], [2, -(2.0**-54)]], [0, 0, 0], "identity")])
    part = sx.partition(net, sx.Polygon([(-1, "1/2"), (1, "1/2"), (1, 1), (-1, 1)]), mode)
    for sample in sx.sample_boundary(part, 40, "segment", seed=0):
        if sample.bracket is not None:
            for place, k in zip(sample.bracket, sample.classes, strict=False):
                outputs = net.evaluate(place)
                assert [j for j in range(3) if outputs[j] == max(outputs)] == [k]


def test_where_f_only_touches_there_is_no_bracket() -> None:
    samples = sx.sample_boundary(sx.partition(DISTANCE_TO_LINE, SQUARE), 3, seed=0)
    assert [sample.bracket for sample in samples] == [None] * 3


def test_far_from_zero_there_are_brackets() -> None:
    far = sx.from_layers([([[1, 0], [0, 1]], [-(2**40), 0], "abs"), ([[1, 3]], [-1])])
    domain = sx.Polygon([(2**40 + x, y) for x, y in SQUARE.corners])
    for dtype in DTYPES:
        for sample in sx.sample_boundary(sx.partition(far, domain), 5, seed=0, dtype=dtype):
            check(sample)


def test_gradient_is_the_one_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    net = sx.from_layers([(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in pairwise((5, 8, 8, 3))])
    x, h = [exact(c) for c in rng.normal(size=5)], mpq(1, 2**40)
    found = gradient(net.program(), net.program().pattern(x), {0: mpq(1), 2: mpq(-1)})

    def g(point: list[mpq]) -> mpq:
        outputs = net.evaluate(point)
        return outputs[0] - outputs[2]

    slopes = [(g([c + h * (k == j) for j, c in enumerate(x)]) - g(x)) / h for k in range(5)]
    assert list(found) == slopes


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (sx.from_layers([([[0, 0]], [1], "identity")]), "constant"),
        (sx.from_layers([([[0, 0], [0, 0]], [1, 2], "identity")]), "one output is the largest"),
        (DISTANCE_TO_POINT, "1 isolated points"),
    ],
)
def test_nothing_to_sample_is_refused(net: sx.Network, words: str) -> None:
    with pytest.raises(sx.InputError, match=words):
        sx.sample_boundary(sx.partition(net, SQUARE), 1)


def test_float64_results_are_refused() -> None:
    pytest.importorskip("torch")
    part = sx.partition(DIAMOND, SQUARE, "float64")
    for given_one in (part, sx.boundary(part)):
        with pytest.raises(sx.InputError, match="mode='certified'"):
            sx.sample_boundary(given_one, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "positive int"),
        ({"n": -1}, "positive int"),
        ({"n": 1.5}, "positive int"),
        ({"n": True}, "positive int"),
        ({"n": 10**7 + 1}, "at most 10000000"),
        ({"n": 10**5000}, "at most"),
        ({"n": 1, "seed": True}, "seed"),
        ({"n": 1, "seed": -(10**5000)}, "seed"),
        ({"n": 1, "by": "area"}, "length, component, segment"),
        ({"n": 1, "dtype": "float16"}, "float64, float32"),
        ({"n": 1, "seed": -1}, "seed"),
        ({"n": 1, "seed": "a"}, "seed"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(sx.InputError, match=words):
        sx.sample_boundary(sx.partition(DIAMOND, SQUARE, "rational"), **arguments)  # type: ignore[arg-type]
    with pytest.raises(sx.InputError, match="first partition"):
        sx.sample_boundary(DIAMOND, 1)  # type: ignore[arg-type]


# -- command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "net.json"
    DIAMOND.save(path)
    return str(path)


def test_command_prints_no_infinity(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sx.from_layers([([[1, 0]], [0], "identity")]).save(tmp_path / "net.json")
    run = runner(capfd)("boundary", str(tmp_path / "net.json"), "--square", "1e350", "--json")
    assert run.json["length"] is None
    assert abs(mpq(run.json["length_bounds"][1]) / mpq(2 * 10**350) - 1) < mpq(2) ** -58


def test_command_counts(model: str, capfd: pytest.CaptureFixture[str]) -> None:
    run = runner(capfd)
    found = run("boundary", model, "--square", "2", "--json").json
    assert (found["segments"], found["components"], found["loops"], found["nesting"]) == (4, 1, 1, [-1])
    assert found["kind"] == "level"
    assert found["status"] == "done"
    words = run("boundary", model, "--square", "2", "--level", "1/3").out
    assert "segments     4" in words
    assert "nested 1 deep" in words
    none = run("boundary", model, "--square", "2", "--level", "-2", "--json").json
    assert none["segments"] == 0
    assert none["length"] == 0
    isolated = run("boundary", model, "--square", "2", "--level", "-1").out
    assert "isolated     1" in isolated


@pytest.mark.parametrize("suffix", ["npz", "csv", "json"])
def test_command_saves_samples(model: str, suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, path = runner(capfd), tmp_path / f"samples.{suffix}"
    words = ("boundary", model, "--square", "2", "--samples", "6", "--seed", "1", "-o", str(path), "--json")
    assert run(*words).json["samples"]["count"] == 6
    content = path.read_bytes()
    run(*words)
    assert path.read_bytes() == content
    if suffix == "npz":
        arrays = np.load(path)
        rows, above = arrays["x"].tolist(), arrays["above"]
        assert arrays["nearest"].shape == above.shape == (6, 2)
    elif suffix == "json":
        found = json.loads(content)
        rows, above = [row["x"] for row in found], [row["above"] for row in found]
    else:
        head, *lines = [line.split(",") for line in content.decode().splitlines()]
        rows = [[line[head.index(name)] for name in ("x0", "x1")] for line in lines]
        above = [[float(line[head.index(name)]) for name in ("above0", "above1")] for line in lines]
    assert [DIAMOND.evaluate(row) for row in rows] == [[0]] * 6
    assert all(DIAMOND.evaluate(row)[0] > 0 for row in above)


def test_command_saves_the_boundary(model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, path = runner(capfd), tmp_path / "boundary.json"
    found = run("boundary", model, "--square", "2", "--level", "1/2", "-o", str(path), "--json").json
    assert found["saved"] == str(path)
    content = path.read_bytes()
    expected = sx.boundary(sx.partition(DIAMOND, sx.square(2)), level="1/2")
    expected.save(path)
    assert path.read_bytes() == content
    assert len(json.loads(content)["segments"]) == len(expected) == found["segments"]
    with pytest.raises(sx.InputError, match="end in"):
        expected.save(tmp_path / "boundary.npz")


def test_command_writes_touching_samples(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    DISTANCE_TO_LINE.save(tmp_path / "net.json")
    for suffix in ("npz", "csv", "json"):
        words = ("--square", "2", "--samples", "2", "-o", str(tmp_path / f"samples.{suffix}"))
        assert runner(capfd)("boundary", str(tmp_path / "net.json"), *words).code == 0
    assert np.isnan(np.load(tmp_path / "samples.npz")["above"]).all()
    assert json.loads((tmp_path / "samples.json").read_text())[0]["above"] is None


def test_command_draws(model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "picture.png"
    assert runner(capfd)("boundary", model, "--square", "2", "--samples", "3", "--plot", str(path)).code == 0
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("mode", MODES)
def test_command_knows_kinds_and_modes(mode: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if mode != "rational":
        pytest.importorskip("torch")
    CLASSES.save(tmp_path / "net.json")
    run, words = runner(capfd), ("boundary", str(tmp_path / "net.json"), "--square", "1", "--mode", mode, "--json")
    assert run(*words).json["kind"] == run(*words, "--argmax").json["kind"] == "argmax"
    assert run(*words, "--classes", "0,1", "--level", "0.25").json["kind"] == "difference"
    found = run(*words, "--output", "1").json
    assert found["kind"] == "level"
    assert found["certified"] == (mode != "float64")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "boundary.csv"], "must end in .json"),
        (["-o", "boundary.json", "--mode", "float64"], "--mode"),
        (["--seed", "0"], "--samples"),
        (["--by", "length"], "--samples"),
        (["--dtype", "float64"], "--samples"),
        (["--samples", "0"], "positive"),
        (["--samples", "2", "-o", "samples.txt"], ".npz, .csv, .json"),
        (["--samples", "2", "--mode", "float64"], "--mode"),
        (["--level", "nan"], "--level"),
        (["--classes", "0"], "0,1"),
        (["--classes", "0,1"], "only 0 to 0"),
        (["--classes", "9" * 5000 + ",1"], "has 5000 digits"),
        (["--samples", "10000001"], "at most 10000000"),
        (["--output", "1"], "only 0 to 0"),
        (["--argmax"], "argmax"),
        (["--argmax", "--output", "0"], "not allowed"),
        (["--level", "-2", "--samples", "1"], "nothing to sample"),
        (["--plot", "picture.txt"], ".png, .svg, .pdf"),
    ],
)
def test_command_refuses(
    model: str, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(model).parent)
    run = runner(capfd)("boundary", model, "--square", "1", *words)
    assert run.code == 3
    assert message in run.err
    assert [path.name for path in Path(model).parent.iterdir()] == ["net.json"]
