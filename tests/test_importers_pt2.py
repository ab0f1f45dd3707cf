""".pt2 files: the network is the exported module's; nothing is unpickled; broken and hostile files are told apart."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra [torch]")
from torch import nn  # noqa: E402

import splinecam_exact as sx  # noqa: E402
from splinecam_exact.kernel.errors import FileFormatError, InputError, NetworkError  # noqa: E402

FOLDER = "m"
WEIGHTS = "data/weights/model_weights_config.json"


class Small(nn.Module):
    """Layers in place, a buffer, a literal constant, a concatenation, and two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 2)
        self.norm = nn.BatchNorm2d(2)
        self.relu = nn.ReLU(inplace=True)
        self.register_buffer("shift", torch.tensor([[[0.5]], [[0.1]]]))
        self.last = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        y = self.relu(self.norm(self.conv(x))) + self.shift
        y = torch.cat([y, y * torch.tensor(0.3)], 1)
        return self.last(y.flatten(1))


def exported(module: Any, *shape: int, **options: Any) -> Any:
    return torch.export.export(module.eval(), (torch.zeros(1, *shape),), strict=False, **options)


def saved(program: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def small() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small().eval()


@pytest.fixture(scope="module")
def file(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(exported(small, 1, 3, 3), tmp_path_factory.mktemp("pt2") / "m.pt2")


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {entry.filename.partition("/")[2]: archive.read(entry) for entry in archive.infolist()}


def written(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(f"{FOLDER}/{name}", data)
    return path


def changed(file: Path, tmp_path: Path, name: str, change: Callable[[Any], Any]) -> Path:
    content = members(file)
    value = json.loads(content[name])
    content[name] = json.dumps(change(value) or value).encode()
    return written(tmp_path / "changed.pt2", content)


def test_network_is_the_modules(small: Any, file: Path) -> None:
    assert sx.load(file) == sx.from_torch(small, (1, 3, 3))


def test_decomposed_programs_compute_the_same(small: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = exported(small, 1, 3, 3).run_decompositions()
    net = sx.load(saved(program, tmp_path / "d.pt2"))
    x = [k / 4 for k in range(-4, 5)]
    assert net.evaluate(x) == sx.from_torch(small, (1, 3, 3)).evaluate(x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_parameters_of_every_float_type(dtype: Any, tmp_path: Path) -> None:
    layer = nn.Linear(3, 2).to(dtype).eval()
    program = torch.export.export(layer, (torch.zeros(1, 3, dtype=dtype),), strict=False)
    assert sx.load(saved(program, tmp_path / "m.pt2")) == sx.from_torch(layer)


def test_shared_and_transposed_parameters(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3)
            self.b = nn.Linear(3, 3)
            self.b.weight = self.a.weight
            self.register_buffer("c", torch.arange(6.0).reshape(2, 3).T)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.b(torch.relu(self.a(x)))) @ self.c

    module = Tied().eval()
    assert sx.load(saved(exported(module, 3), tmp_path / "m.pt2")) == sx.from_torch(module)


def test_open_batch_is_one(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU()).eval()
    example = (torch.zeros(3, 2, 2),)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(module, example, dynamic_shapes=shapes, strict=False)
    assert sx.load(saved(program, tmp_path / "m.pt2")) == sx.from_torch(module, (2, 2))


def test_strip_output(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Softmax(1)).eval()
    path = saved(exported(module, 2), tmp_path / "m.pt2")
    with pytest.raises(NetworkError, match=r"m\.pt2: layer 1 \(Softmax\) applies softmax, .* strip_output=True"):
        sx.load(path)
    assert sx.load(path, strip_output=True) == sx.from_torch(module, strip_output=True)


def test_layers_that_are_refused_are_named(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.GELU()))
    with pytest.raises(NetworkError, match=r"layer 1\.0 \(GELU\) applies gelu, which is not piecewise linear: replace"):
        sx.load(saved(exported(module, 2), tmp_path / "m.pt2"))


class Of(nn.Module):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def test_operations_without_output(tmp_path: Path) -> None:
    program = exported(Of(lambda x: x.float().relu()), 2)
    assert "_assert_tensor_metadata" in str(program)
    net = sx.load(saved(program, tmp_path / "m.pt2"))
    assert net.evaluate([-1, 2]) == [0, 2]
    assert net.conventions == ()


def test_casts_to_narrower_floats_are_recorded(tmp_path: Path) -> None:
    net = sx.load(saved(exported(Of(lambda x: x.half().to(x.dtype).relu()), 2), tmp_path / "m.pt2"))
    assert net.conventions == ("torch: casts to float16 are left out, nothing is rounded",)


def test_operations_that_decompose_have_a_remedy(tmp_path: Path) -> None:
    program = exported(Of(lambda x: torch.addcmul(x, x, torch.full((2,), 2.0))), 2)
    with pytest.raises(NetworkError, match=r"addcmul.* is not supported.*, or export it with \.run_decompositions\(\)"):
        sx.load(saved(program, tmp_path / "m.pt2"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = program.run_decompositions()
    net = sx.load(saved(program, tmp_path / "d.pt2"))
    assert net.evaluate([1, 2]) == [3, 6]


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_pickles_of_torch_have_a_remedy(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"export the module and save it with torch\.export\.save as \.pt2"):
        sx.load(tmp_path / f"m{suffix}")


@pytest.mark.filterwarnings("error")
def test_nan_of_every_kind_is_told(file: Path, tmp_path: Path) -> None:
    content = members(file)
    name = next(n for n in content if n.startswith("data/weights/weight_"))
    content[name] = bytes.fromhex("010080ff") + content[name][4:]  # signalling
    with pytest.raises(NetworkError, match="nan"):
        sx.load(written(tmp_path / "m.pt2", content))


@pytest.mark.parametrize("missing", [["onnx"], ["torch", "onnx"]])
def test_it_is_read_without_torch_and_onnx(missing: list[str], file: Path) -> None:
    script = "import sys; sys.modules.update(dict.fromkeys(sys.argv[2:])); import splinecam_exact as sx; "
    script += "print(sx.load(sys.argv[1]).digest)"
    command = [sys.executable, "-c", script, file, *missing]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == sx.load(file).digest


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(file: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    content = members(file)
    buffer = io.BytesIO()
    torch.save(Trap(trap), buffer)
    assert content["data/sample_inputs/model.pt"]
    content["data/sample_inputs/model.pt"] = buffer.getvalue()
    assert sx.load(written(tmp_path / "a.pt2", content)) == sx.load(file)
    config = json.loads(content[WEIGHTS])
    config["config"]["last.bias"]["use_pickle"] = True
    content[f"data/weights/{config['config']['last.bias']['path_name']}"] = buffer.getvalue()
    content[WEIGHTS] = json.dumps(config).encode()
    with pytest.raises(FileFormatError, match=r"last\.bias: is pickled, which is never read"):
        sx.load(written(tmp_path / "b.pt2", content))
    assert not trap.exists()


def meta(**changes: Any) -> Callable[[Any], None]:
    return lambda config: config["config"]["last.weight"]["tensor_meta"].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (meta(sizes=[{"as_int": 1 << 39}, {"as_int": 1 << 39}]), "claims shape"),
        (meta(sizes=[{"as_int": 3}, {"as_int": 17}]), "claims shape"),
        (meta(sizes=[{"as_int": -1}, {"as_int": 2}]), "has the size"),
        (meta(sizes=[{"as_expr": {}}, {"as_int": 2}]), "has the size"),
        (meta(strides=[{"as_int": 1 << 38}, {"as_int": 1}]), "holds 192 bytes"),
        (meta(storage_offset={"as_int": 1}), "holds 192 bytes"),
        (meta(dtype=10), "holds numbers of complex64"),
        (meta(dtype="x"), "holds numbers of an unknown type"),
        (meta(layout=1), "is a sparse tensor"),
        (lambda c: c["config"].pop("last.bias"), "lacks the values of last.bias"),
        (lambda c: c["config"]["last.bias"].update(path_name="../x"), r"lacks data/weights/\.\./x"),
        (lambda c: [1], "where a dict is needed"),
        (lambda c: {"config": []}, "where a dict is needed"),
    ],
)
def test_weights_that_are_not_what_they_claim(
    change: Callable[[Any], Any], message: str, file: Path, tmp_path: Path
) -> None:
    def applied(value: Any) -> Any:
        found = change(value)
        return found if isinstance(found, list | dict) and "tensor_meta" not in found else None

    with pytest.raises(FileFormatError, match=message):
        sx.load(changed(file, tmp_path, WEIGHTS, applied))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("archive_format", b"pt1", "is not a little-endian archive of torch.export.save"),
        ("byteorder", b"big", "is not a little-endian archive"),
        ("models/other.json", b"{}", "holds 2 programs; one is needed"),
        ("models/model.json", b"[" * 100_000, "is no JSON that can be read"),
        ("models/model.json", b'{"a": 1' + b"0" * 5000 + b"}", "is no JSON that can be read"),
        ("models/model.json", b"\xff", "is no JSON that can be read"),
        ("models/model.json", b"{}", "is not a program of torch.export"),
    ],
)
def test_members_that_are_broken(name: str, data: bytes, message: str, file: Path, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=message):
        sx.load(written(tmp_path / "broken.pt2", {**members(file), name: data}))


def test_compressed_archives_are_refused_unread(file: Path, tmp_path: Path) -> None:
    bomb = {**members(file), "data/weights/bomb": bytes(10_000_000)}
    path = written(tmp_path / "bomb.pt2", bomb, zipfile.ZIP_DEFLATED)
    with pytest.raises(FileFormatError, match="larger than the file"):
        sx.load(path)
    with pytest.raises(FileFormatError, match="is compressed or encrypted"):
        sx.load(written(tmp_path / "small.pt2", {"archive_format": bytes(range(256))}, zipfile.ZIP_DEFLATED))


def test_operations_that_ask_for_huge_tensors_are_refused(file: Path, tmp_path: Path) -> None:
    def huge(model: Any) -> None:
        nodes = model["graph_module"]["graph"]["nodes"]
        flatten = next(node for node in nodes if "flatten" in node["target"])
        flatten["target"] = "torch.ops.aten.expand.default"
        flatten["inputs"][1] = {"name": "size", "arg": {"as_ints": [1 << 20, 1 << 20, 2, 2]}, "kind": 1}

    with pytest.raises(NetworkError, match="values are the most"):
        sx.load(changed(file, tmp_path, "models/model.json", huge))


REPEATED = {"inputs": [{"arg": {"as_ints": [0]}}, {"arg": {"as_int": 300_000_000}}], "target": "_operator.mul"}
TEXT = {"inputs": [{"arg": {"as_string": "a"}}, {"arg": {"as_int": 3_000_000_000}}], "target": "_operator.mul"}
SPLIT = "torch.ops.aten.tensor_split.sections"


def squares(count: int) -> list[Any]:
    names = [{"arg": {"as_int": 3}}, *({"arg": {"as_sym_int": {"as_name": f"q{k}"}}} for k in range(count))]
    return [{"target": "_operator.mul", "inputs": [n, n], "outputs": [f"q{k}"]} for k, n in enumerate(names)]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([REPEATED], r"applies operator\.mul to a list"),
        ([TEXT], r"applies operator\.mul to a str"),
        (squares(40), "an int that is no int64"),
        ([{"target": SPLIT, "inputs": [None, {"arg": {"as_int": 300_000_000}}]}], "more than 4096 parts"),
        ([{"target": "torch.ops.aten.unbind.int", "inputs": [None, {"arg": {"as_int": 1}}]}], "more than 4096 parts"),
        ([{"target": "torch.ops.aten.split.Tensor", "inputs": [None, *({"arg": {"as_int": 1}},) * 2]}], "4096 parts"),
        ([{"target": "torch.ops.aten.hardsigmoid.default", "inputs": [None]}] * 30, "network too large to be read"),
    ],
)
def test_small_files_do_not_ask_for_much_work(nodes: list[Any], message: str, tmp_path: Path) -> None:
    def more(model: Any) -> None:
        graph = model["graph_module"]["graph"]
        (relu,) = graph["nodes"]
        last = relu["outputs"][0]["as_tensor"]["name"]
        for k, node in enumerate(nodes):
            inputs = [
                {"name": "x", "kind": 1, "arg": {"as_tensor": {"name": last}}} if i is None else i
                for i in node["inputs"]
            ]
            (output,) = node.get("outputs", [f"new{k}"])
            made = {"as_sym_int": {"as_name": output}} if "outputs" in node else {"as_tensor": {"name": output}}
            graph["nodes"].append({"target": node["target"], "inputs": inputs, "outputs": [made]})
            last = output if None in node["inputs"] else last

    path = saved(exported(Of(torch.relu), 1 << 20), tmp_path / "m.pt2")
    started = time.monotonic()
    with pytest.raises(NetworkError, match=message):
        sx.load(changed(path, tmp_path, "models/model.json", more))
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.from_file.default", "os.system", "torch.ops.profiler._record_function_enter.default", ""]
)
def test_only_known_operations_are_run(target: str, file: Path, tmp_path: Path) -> None:
    def other(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(NetworkError, match=r"layer conv \(Conv2d\) applies .*not supported"):
        sx.load(changed(file, tmp_path, "models/model.json", other))


def test_truncated_files(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    path = tmp_path / "t.pt2"
    for size in [0, 1, 30, *range(100, len(data), len(data) // 40)]:
        path.write_bytes(data[:size])
        with pytest.raises(FileFormatError):
            sx.load(path)


def test_damaged_files_give_one_clean_error(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    path = tmp_path / "f.pt2"
    chance = random.Random(0)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 5)):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(damaged)
        assert str(path) in refusal(path)


def refusal(path: Path) -> str:
    """What is said about a file that may be broken; its path where nothing is."""
    try:
        sx.load(path)
    except InputError as error:
        return str(error)
    return str(path)


def leaves(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += [(value, key), *leaves(entry)]
    return found


def test_damaged_json_gives_one_clean_error(file: Path, tmp_path: Path) -> None:
    content = members(file)
    chance = random.Random(1)
    strange = [None, True, -1, 1 << 62, 1e308, "", "x", [], {}, [[]], {"as_int": -5}, {"as_tensor": {"name": "x"}}]
    for k in range(150):
        name = WEIGHTS if k % 5 == 0 else "models/model.json"
        value = json.loads(content[name])
        for parent, key in chance.sample(leaves(value), 2):
            parent[key] = chance.choice(strange)
        path = written(tmp_path / "j.pt2", {**content, name: json.dumps(value).encode()})
        assert str(path) in refusal(path)
