"""The .npz workloads: read exactly, hostile archives refused."""

from __future__ import annotations

import io
import random
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splinecam_exact.importers import load, npz
from splinecam_exact.kernel.errors import FileFormatError, InputError
from splinecam_exact.network import Network

RNG = np.random.default_rng(1)
ARRAYS: dict[str, Any] = {
    "W0": RNG.normal(size=(3, 2)),
    "b0": RNG.normal(size=3),
    "W1": RNG.normal(size=(1, 3)),
    "b1": RNG.normal(size=1),
}
NET = Network.from_layers([(ARRAYS["W0"], ARRAYS["b0"]), (ARRAYS["W1"], ARRAYS["b1"])])


def saved(tmp_path: Path, arrays: dict[str, Any], save: Any = np.savez) -> Path:
    path = tmp_path / "x.npz"
    save(path, **arrays)
    return path


def test_arrays_are_the_network(tmp_path: Path) -> None:
    assert load(saved(tmp_path, ARRAYS)) == NET
    assert load(saved(tmp_path, ARRAYS, np.savez_compressed)) == NET
    assert load(saved(tmp_path, dict(reversed(ARRAYS.items())))) == NET
    assert load(saved(tmp_path, {k: np.asfortranarray(v) for k, v in ARRAYS.items()})) == NET


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<i8", "|i1", "<u2"])
def test_types_denote_what_they_store(tmp_path: Path, kind: str) -> None:
    arrays = {k: (v * 10).astype(kind) for k, v in ARRAYS.items()}
    expected = Network.from_layers([(arrays[f"W{k}"].tolist(), arrays[f"b{k}"].tolist()) for k in (0, 1)])
    assert load(saved(tmp_path, arrays)) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W2": np.ones((1, 1))}, "must hold exactly W0, b0, W1, b1"),
        ({"extra": np.ones(1), "b2": np.ones(1)}, "must hold exactly"),
        ({"W1": None}, "must hold exactly"),
        ({"W1": None, "b1": None, "W2": np.ones((1, 3)), "b2": np.ones(1)}, "must hold exactly"),
        (dict.fromkeys(ARRAYS), "it holds nothing"),
        ({"W0": np.ones((3, 2, 1))}, "layer 0: W: has shape"),
        ({"W0": np.ones(3)}, "layer 0: W has shape"),
        ({"b0": np.ones(2)}, "layer 0: b has shape"),
        ({"W1": np.ones((1, 4))}, "layer 1: W has 4 columns, layer 0 has 3 outputs"),
        ({"b1": np.array([np.nan])}, r"layer 1: b\[0\]: nan"),
        ({"b1": np.array(1.0)}, r"layer 1: b: has shape \(\)"),
        ({"b1": np.array([None])}, "b1: holds object entries"),
        ({"b1": np.array(["a"])}, "b1: holds <U1 entries"),
        ({"b1": np.array([True])}, "b1: holds bool entries"),
        ({"b1": np.array([1j])}, "b1: holds complex128 entries"),
    ],
)
def test_arrays_that_are_no_network_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {k: v for k, v in {**ARRAYS, **change}.items() if v is not None}
    with pytest.raises(FileFormatError, match=message):
        load(saved(tmp_path, arrays))


def test_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, ARRAYS)
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError):
            load(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_archive_is_refused_or_unchanged(tmp_path: Path, save: Any) -> None:
    path = saved(tmp_path, ARRAYS, save)
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(500):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with suppress(FileFormatError):
            assert load(path) == NET


def archive(members: list[tuple[str, bytes]], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_MAX_BYTES", 10**6)
    with pytest.raises(FileFormatError, match="unpacks to more than 1000000 bytes"):
        load(archive([("W0.npy", npy(np.zeros((1000, 1000)))), ("b0.npy", npy(np.zeros(1000)))], tmp_path / "x.npz"))


def test_header_that_promises_more_is_refused(tmp_path: Path) -> None:
    big = npy(np.zeros((1, 2))).replace(b"(1, 2)", b"(9999999, 9999999)")
    with pytest.raises(FileFormatError, match=r"W0: (claims shape|is not a \.npy)"):
        load(archive([("W0.npy", big), ("b0.npy", npy(np.zeros(1)))], tmp_path / "x.npz"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    members = [("W0.npy", npy(np.ones((1, 2)))), ("b0.npy", npy(np.zeros(1))), ("W0.npy", npy(np.zeros((1, 2))))]
    with pytest.raises(FileFormatError, match="W0: occurs twice"):
        load(archive(members, tmp_path / "x.npz"))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for content in (b"", b"PK", b"nothing", b"PK\5\6" + bytes(18)[:17], npy(np.zeros(3))):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="is not a readable zip archive"):
            load(path)
    with pytest.raises(InputError, match=r"missing.npz: cannot be read"):
        load(tmp_path / "missing.npz")


def test_suffix_decides(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"suffix '\.txt' is unknown; \.json, \.npz, \.nnet, \.onnx and \.pt2"):
        load(tmp_path / "x.txt")
    with pytest.raises(InputError, match=r"choices for \.nnet files only"):
        load(saved(tmp_path, ARRAYS), normalize=False)
    with pytest.raises(InputError, match=r"a choice for \.onnx and \.pt2 files only"):
        load(saved(tmp_path, ARRAYS), strip_output=True)


def test_workloads_load(data_dir: Path) -> None:
    nets = {path.stem: load(path) for path in (data_dir / "workloads").glob("*.npz")}
    assert nets["wide1000"].sizes == (2, 1000, 1000, 1)
    assert nets["digits50x3"].output_size == 10
    assert all(net.conventions == () for net in nets.values())
