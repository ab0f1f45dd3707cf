"""The .nnet format: decimals read as the caller chooses, normalization exact, broken files refused by line."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest
from gmpy2 import mpq
from hypothesis import given
from hypothesis import strategies as st

from splinecam_exact.importers import load
from splinecam_exact.importers.nnet import read_header
from splinecam_exact.kernel.errors import FileFormatError, InputError
from splinecam_exact.network import Network

TEXT = """// a comment
// another
2,2,1,3,
2,3,1,
0,
-1.0,-2.0,
1.0,2.0,
0.5,-0.25,10.0,
2.0,4.0,3.0,
0.1,-0.2,
1e0,+.5,
3., -1.5E-1,
0.1,
0,
-1.25,
1,-2,0.3,
7.7,
"""
LINES = TEXT.splitlines()
WEIGHTS = [
    ([["1/10", "-1/5"], [1, "1/2"], [3, "-3/20"]], ["1/10", 0, "-5/4"]),
    ([[1, -2, "3/10"]], ["77/10"]),
]


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "x.nnet"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_decimals_are_decimals_by_default(tmp_path: Path) -> None:
    net = load(written(tmp_path, TEXT), normalize=False)
    expected = Network.from_layers(WEIGHTS, net.conventions)
    assert net == expected
    assert net.conventions == (
        ".nnet: decimals read exactly as decimals",
        ".nnet: network coordinates, the header's normalization not applied",
    )


def test_decimals_are_the_nearest_floats_on_request(tmp_path: Path) -> None:
    net = load(written(tmp_path, TEXT), normalize=False, numbers="float64")
    floats = [([[float(Fraction(q)) for q in row] for row in w], [float(Fraction(q)) for q in b]) for w, b in WEIGHTS]
    assert net == Network.from_layers(floats, net.conventions)
    assert net.conventions[0] == ".nnet: decimals read as the nearest float64"
    assert net != load(written(tmp_path, TEXT), normalize=False)


@given(x=st.fractions(-9, 9, max_denominator=20), y=st.fractions(-9, 9, max_denominator=20))
@pytest.mark.parametrize("numbers", ["decimal", "float64"])
def test_normalization_is_exact_and_clips_nothing(
    tmp_path_factory: pytest.TempPathFactory, numbers: str, x: Fraction, y: Fraction
) -> None:
    path = written(tmp_path_factory.getbasetemp(), TEXT.replace("10.0,\n2.0", "10.1,\n0.7"))
    plain, full = (load(path, normalize=choice, numbers=numbers) for choice in (False, True))
    mean, scale = (Fraction("10.1"), Fraction("0.7")) if numbers == "decimal" else (Fraction(10.1), Fraction(0.7))
    (inner,) = plain.evaluate([(x - Fraction(1, 2)) / scale, (y + Fraction(1, 4)) / 4])
    assert full.evaluate([x, y]) == [inner * 3 + mpq(mean)]
    assert full.digest != plain.digest
    assert "not clipped" in full.conventions[1]


def test_header_gives_the_input_box(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, TEXT))
    assert header.layer_sizes == (2, 3, 1)
    assert (header.input_mins, header.input_maxes) == ((-1, -2), (1, 2))
    assert header.means == (mpq(1, 2), mpq(-1, 4), 10)
    assert header.ranges == (2, 4, 3)
    assert read_header(written(tmp_path, TEXT.replace("0.5,", "0.1,")), numbers="float64").means[0] == mpq(  # type: ignore[index]
        Fraction(0.1)
    )


def test_normalization_must_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose normalize=True .* or normalize=False"):
        load(written(tmp_path, TEXT))
    with pytest.raises(InputError, match="'decimal' or 'float64'"):
        load(written(tmp_path, TEXT), normalize=True, numbers="float32")


def test_file_without_normalization(tmp_path: Path) -> None:
    full = load(written(tmp_path, TEXT), normalize=False)
    path = written(tmp_path, "\n".join(["2", "2, 3, 1", *"00000", *LINES[9:]]))
    assert load(path, normalize=False) == full
    assert read_header(path).input_mins is None
    with pytest.raises(InputError, match="carries no normalization; use normalize=False"):
        load(path, normalize=True)


@pytest.mark.parametrize("scale", ["0", "0.0", "-1", "-0"])
def test_range_that_is_not_positive_cannot_normalize(tmp_path: Path, scale: str) -> None:
    path = written(tmp_path, TEXT.replace("2.0,4.0,3.0", f"2.0,{scale},3.0"))
    load(path, normalize=False)
    with pytest.raises(InputError, match="range 1 is"):
        load(path, normalize=True)


def test_header_without_the_outputs_cannot_normalize(tmp_path: Path) -> None:
    full = load(written(tmp_path, TEXT), normalize=False)
    path = written(tmp_path, TEXT.replace("0.5,-0.25,10.0,", "0.5,-0.25,").replace("2.0,4.0,3.0,", "2.0,4.0,"))
    assert load(path, normalize=False) == full
    with pytest.raises(InputError, match="no normalization of the outputs"):
        load(path, normalize=True)


def test_line_ends_and_blanks_do_not_matter(tmp_path: Path) -> None:
    net = load(written(tmp_path, TEXT), normalize=True)
    for same in (
        TEXT.replace("\n", "\r\n"),
        TEXT.replace(",\n", "\n"),
        TEXT.replace(",", " , "),
        TEXT + "\n \n",
        TEXT[:-1],
    ):
        assert load(written(tmp_path, same), normalize=True) == net


@pytest.mark.parametrize("k", range(2, len(LINES)))
def test_missing_line_is_noticed(tmp_path: Path, k: int) -> None:
    for lines in (LINES[:k], LINES[:k] + LINES[k + 1 :]):
        with pytest.raises(FileFormatError, match=r"x\.nnet, line \d+: "):
            load(written(tmp_path, "\n".join(lines)), normalize=False)


@pytest.mark.parametrize("k", [k for k in range(2, len(LINES)) if k != 4])
@pytest.mark.parametrize("change", ["1,", "x,", "nan,", "inf,", "1e999999999,", "1e401,", "0x10,", "1_0,", "٣,", ","])
def test_broken_number_is_named_by_its_line(tmp_path: Path, k: int, change: str) -> None:
    lines = [*LINES[:k], change + LINES[k], *LINES[k + 1 :]]
    with pytest.raises(FileFormatError, match=rf"x\.nnet, line ({k + 1}|\d+): "):
        load(written(tmp_path, "\n".join(lines)), normalize=False)


def test_line_in_the_error_is_the_right_one(tmp_path: Path) -> None:
    for k in range(9, len(LINES)):
        lines = [*LINES[:k], LINES[k].replace(",", "x,", 1), *LINES[k + 1 :]]
        with pytest.raises(FileFormatError, match=rf"line {k + 1}: '.*x' is not a decimal number"):
            load(written(tmp_path, "\n".join(lines)), normalize=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2,2,1,3,", "3,2,1,3,", r"line 4: .* announces 3 layers"),
        ("2,2,1,3,", "2,5,1,3,", r"line 4: .* announces 5 inputs"),
        ("2,2,1,3,", "2,2,9,3,", r"line 4: .* 9 outputs"),
        ("2,2,1,3,", "2,2,1,", r"line 4: "),
        ("2,2,1,3,\n2,3,1,", "0,2,2,2,\n2,", r"line 4: "),
        ("2,3,1,", "2,0,1,", r"line 4: "),
        ("2,3,1,", "2,-3,1,", r"line 4: counts and sizes are needed"),
        ("2,3,1,", "2,999999999,1,", r"the layer sizes need 2000000000 lines of weights and biases, 8 are left"),
        ("2,3,1,", "2,9999999999,1,", r"line 4: counts and sizes are needed"),
        ("-1.0,-2.0,", "-1.0,", r"the four header rows have \[1, 2, 3, 3\] numbers"),
        ("7.7,\n", "7.7,\n1,\n", r"need 8 lines of weights and biases, 9 are left"),
        ("7.7,\n", "7.7,\n// the end\n", r"need 8 lines"),
        ("0.1,-0.2,", "0.1,-0.2,5,", r"line 10: 2 numbers are needed, there are 3"),
        ("0,\n-1.25", "0,0\n-1.25", r"line 14: 1 numbers are needed, there are 2"),
    ],
)
def test_counts_must_match(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(FileFormatError, match=message):
        load(written(tmp_path, TEXT.replace(old, new, 1)), normalize=False)


def test_number_beyond_float64_is_refused_as_a_float(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace("7.7", "1e309"))
    assert load(path, normalize=False).evaluate([0, 0])[0] > 10**308
    with pytest.raises(FileFormatError, match="line 17: a number is beyond the range of float64"):
        load(path, normalize=False, numbers="float64")


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"// only a comment", b"\x00\x01\xff", b"\xff\xfe2\x00", b"1" * 10_000]
)
def test_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FileFormatError):
        load(written(tmp_path, content), normalize=False)


def test_damaged_files_give_a_network_or_a_clean_error(tmp_path: Path) -> None:
    rng = random.Random(0)
    refused = 0
    for _ in range(1500):
        data = bytearray(TEXT.encode())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                data[at:at] = rng.choice([b"9", b"-", b"e", b",", b"\n", b"//", b"1e400", b"999999999", b"\xff"])
            elif kind == 2:
                del data[at : at + rng.randint(1, 9)]
            else:
                del data[max(60, at) :]
        try:
            load(written(tmp_path, bytes(data)), normalize=rng.random() < 0.5)
        except InputError:
            refused += 1
    assert 800 < refused < 1500


NORMALIZED = {"acasxu", "hcas", "marabou/nnet"}


def test_every_real_file_loads(data_dir: Path) -> None:
    paths = sorted(data_dir.rglob("*.nnet"))
    assert len(paths) >= 12
    for path in paths:
        for numbers in ("decimal", "float64"):
            net = load(path, normalize=False, numbers=numbers)
            sizes = read_header(path).layer_sizes
            assert (net.input_size, net.output_size) == (sizes[0], sizes[-1])
            assert len(net.evaluate([0] * net.input_size)) == sizes[-1]
        if str(path.parent.relative_to(data_dir)) in NORMALIZED:
            load(path, normalize=True)


def test_acas_header_is_exact(data_dir: Path) -> None:
    header = read_header(data_dir / "acasxu" / "ACASXU_run2a_1_1_batch_2000.nnet")
    assert header.means is not None
    assert header.input_maxes is not None
    assert header.means[-1] == mpq(75188840201005975, 10**16)
    assert header.input_maxes[1] == mpq(3141593, 10**6)
