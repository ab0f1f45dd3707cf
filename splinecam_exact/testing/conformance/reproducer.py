"""A failing problem as files that speak for themselves: JSON, and a Python script of about ten lines."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splinecam_exact._files import PathLike, atomic_write, printable, shown
from splinecam_exact.kernel.errors import InputError
from splinecam_exact.testing.conformance.outcomes import Outcome
from splinecam_exact.testing.conformance.problems import Problem

_WIDTH = 100


def write_reproducer(outcome: Outcome, tool: str, folder: PathLike) -> list[Path]:
    """Write CATEGORY-NAME.json, the problem, and CATEGORY-NAME.py, which runs the tool on it; returns their paths.

    The folder is made if there is none. Raises InputError where it cannot be written to.
    """
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{outcome.problem.category}-{outcome.problem.name}")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(f"{shown(folder)}: cannot be made ({error.strerror})") from None
    paths = [Path(folder) / f"{stem}{suffix}" for suffix in (".json", ".py")]
    contents = [json.dumps(outcome.problem.to_json(), indent=1) + "\n", script(outcome, tool, f"{stem}.py")]
    for path, content in zip(paths, contents, strict=True):
        with atomic_write(path) as file:
            file.write(content.encode())
    return paths


def script(outcome: Outcome, tool: str, name: str) -> str:
    """A script that asks the tool and prints what is right and what it said. Run it where the suite was run.

    Its numbers are decimals that denote exactly the float64 of the problem.
    """
    module, _, function = tool.partition(":")
    first, *rest = function.split(".")
    chosen = f"\ntool = {'.'.join(['tool', *rest])}" if rest else ""
    return f"""# {printable(tool)} on {printable(outcome.line())[:_WIDTH]}
# Run it from where the tool can be imported: python .../{name}
import sys

sys.path.insert(0, ".")
import splinecam_exact as sx
from splinecam_exact.testing.conformance.problems import Problem
from {module} import {first} as tool{chosen}

{_problem(outcome.problem)}
expected = sx.partition(problem.network(), problem.polygon(), mode="rational")
print("expected", expected.counts(), *([str(x) for x in v] for v in expected.vertices))
got = tool(problem)
print("got", got)
print(sx.compare(got, expected).text())
"""


def _problem(problem: Problem) -> str:
    layers = "".join(f"    ({_array(weights)}, {_array(bias)}),\n" for weights, bias in problem.layers)
    name, category = json.dumps(problem.name), json.dumps(problem.category)
    return (
        f"layers = [  # (W, b), a ReLU after each but the last\n{layers}]\n"
        f"problem = Problem({name}, {category}, layers, {_array(problem.domain)})"
    )


def _array(array: NDArray[np.float64]) -> str:
    """The numbers as Python writes them: whole ones without a point where they are short, but for -0.0."""
    text = repr(array.tolist())
    return re.sub(r"(?<![\d.e-])(-?[1-9]\d{0,14}|0)\.0(?![\d.e])", r"\1", text)
