"""The kernel is small, imports almost nothing, and holds no floats and no asserts; importing the package is cheap."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import splinecam_exact

PACKAGE = Path(splinecam_exact.__file__).parent
KERNEL = sorted((PACKAGE / "kernel").glob("*.py"))
LINE_BUDGET = 880
"""For the checker. 90 of them are one_layer.py: for it, a layer of 1000 units is checked several times as fast, from a
file a third as large. About 80 are parts of program.py and rational.py that only the builder uses."""
LINE_BUDGET_WITH_BUILDER = 1300
HEAVY = ("torch", "numpy", "sympy", "matplotlib")


def offences(source: str) -> Iterator[str]:
    """What a kernel module must not contain."""
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            top = name.partition(".")[0]
            inside = name == "splinecam_exact.kernel" or name.startswith("splinecam_exact.kernel.")
            if not (inside or top in ("gmpy2", "__future__") or top in sys.stdlib_module_names):
                yield f"line {node.lineno}: imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"line {node.lineno}: relative import"
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"line {node.lineno}: float literal {node.value}"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("float", "mpfr", "complex")
        ):
            yield f"line {node.lineno}: calls {node.func.id}"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("__import__", "eval", "exec")
        ):
            yield f"line {node.lineno}: calls {node.func.id}"
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: assert"


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module or ""]
    return []


def code_lines(source: str) -> int:
    """The number of lines that hold code: no blank lines, comments or docstrings."""
    tree = ast.parse(source)
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - prose)


def loaded_by(statement: str, names: tuple[str, ...] = HEAVY) -> list[str]:
    """Which of the named packages a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*[name for name in {names!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("path", KERNEL, ids=lambda path: path.name)
def test_kernel_module_imports_little_and_has_no_floats_or_asserts(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("import numpy as np", "imports numpy"),
        ("from splinecam_exact.network import Network", "imports splinecam_exact.network"),
        ("from splinecam_exact.kernel_extra import f", "imports splinecam_exact.kernel_extra"),
        ("def f():\n    import torch.nn", "imports torch.nn"),
        ("from ..network import Network", "relative import"),
        ("x = 0.5", "float literal"),
        ("x = 1e3", "float literal"),
        ("x = 2j", "float literal"),
        ("x = float(y)", "calls float"),
        ("x = mpfr(y)", "calls mpfr"),
        ("__import__('numpy')", "calls __import__"),
        ("assert x", "assert"),
    ],
)
def test_each_offence_is_noticed(source: str, offence: str) -> None:
    (found,) = offences(source)
    assert offence in found


def test_kernel_with_its_builder_keeps_its_line_budget() -> None:
    lines = {path.name: code_lines(path.read_text(encoding="utf-8")) for path in KERNEL}
    assert sum(lines.values()) <= LINE_BUDGET_WITH_BUILDER, lines


def test_checker_needs_none_of_the_builders_geometry() -> None:
    modules = tuple(f"splinecam_exact.kernel.{path.stem}" for path in KERNEL if path.stem != "__init__")
    loaded = loaded_by("import splinecam_exact.kernel.checker", modules)
    assert {name.rpartition(".")[2] for name in loaded} == {
        *("errors", "rational", "program"),
        *("certificate", "evaluation", "tiling", "patterns", "one_layer", "checker"),
    }
    paths = [path for path in KERNEL if f"splinecam_exact.kernel.{path.stem}" in loaded]
    assert sum(code_lines(path.read_text(encoding="utf-8")) for path in paths) <= LINE_BUDGET


def test_only_code_lines_count() -> None:
    assert (
        code_lines(
            '"""Doc\n\nstring."""\n\n# comment\nx = (\n    1,  # one\n)\n\ndef f():\n    """Doc."""\n    return x\n'
        )
        == 5
    )
    assert code_lines('x = """not\na\ndocstring"""\n') == 3


def test_kernel_loads_without_numerical_packages() -> None:
    assert loaded_by("import splinecam_exact.kernel.checker, splinecam_exact.kernel.rebuild", HEAVY) == []


def test_package_loads_without_torch() -> None:
    assert (
        loaded_by(
            "import splinecam_exact",
            ("torch", "onnx", "onnxruntime", "sympy", "matplotlib", "networkx", "scipy", "hypothesis"),
        )
        == []
    )


def test_loading_is_noticed() -> None:
    assert loaded_by("import numpy") == ["numpy"]
