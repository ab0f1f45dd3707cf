"""The stand-alone checker of proofs/, written from the format's specification alone, agrees with the package's."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import gcd
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from certificates import streams
from certificates.forge import version_1
from gmpy2 import mpq, mpz
from hypothesis import given
from hypothesis import strategies as st

import splinecam_exact as sx
from splinecam_exact.arrays import ExactArray
from splinecam_exact.kernel.tiling import check_convex
from splinecam_exact.nodes import Affine, Piecewise
from splinecam_exact.testing.strategies import polygons, quarters, weights

SCRIPT = Path(__file__).parent.parent / "proofs" / "check_example.py"
KNOWN: list[dict[str, Any]] = json.loads(
    files("splinecam_exact.testing").joinpath("known_answers.json").read_text(encoding="utf-8")
)
DEAD_UNIT: dict[str, Any] = {
    "layers": [
        {"W": [["1", "0"]], "b": ["0"]},
        {"W": [["1"], ["1"]], "b": ["0", "-1/3"]},
        {"W": [["1", "1/2"]], "b": ["0"]},
    ],
    "domain": [["-1", "-1"], ["1", "-1"], ["1", "1"], ["-1", "1"]],
}
"""The worked example of proofs/format.md: unit 1 is at its breakpoint on a whole cell."""
SLICE: dict[str, Any] = {
    "layers": [
        {"W": [["1", "1/3", "-1"], ["1/10", "-2", "1"], ["1", "1", "1"]], "b": ["0", "1/7", "-1"]},
        {"W": [["1", "-1", "2"], ["-3", "1", "1"]], "b": ["1/4", "0"]},
        {"W": [["1", "-2"], ["1", "1"]], "b": ["0", "5"]},
    ],
    "domain": [["3/2", "0"], ["1", "2"], ["-1", "1/3"], ["0", "-1"]],
    "origin": ["1/3", "0", "-1/5"],
    "basis": [["1", "1/2", "0"], ["0", "-1/3", "1"]],
}


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_example"] = module
    spec.loader.exec_module(module)
    return module


second = load_script()


def network_and_domain(statement: dict[str, Any]) -> tuple[sx.Network, sx.Polygon | sx.Slice]:
    net = sx.from_layers([(layer["W"], layer["b"]) for layer in statement["layers"]])
    polygon = sx.Polygon(statement["domain"])
    if "origin" in statement:
        return net, sx.Slice(statement["origin"], statement["basis"], polygon)
    return net, polygon


@cache
def dead_unit_text() -> str:
    return version_1(*network_and_domain(DEAD_UNIT))


def first_verdict(text: str, statement: dict[str, Any]) -> str:
    try:
        return sx.check(sx.Certificate.from_text(text), *network_and_domain(statement)).status
    except sx.MalformedCertificate:
        return "malformed"


def second_verdict(text: str, statement: dict[str, Any]) -> str:
    try:
        second.verify(text, second.Statement.from_json(statement))
    except second.Refuted:
        return "refuted"
    except second.Malformed:
        return "malformed"
    return "verified"


@pytest.mark.parametrize("statement", KNOWN, ids=lambda statement: statement["name"])
def test_known_answers_are_proved_a_second_time(statement: dict[str, Any]) -> None:
    text = version_1(*network_and_domain(statement))
    counts = second.verify(text, second.Statement.from_json(statement))
    assert counts == {key: statement[key] for key in "ALPVE"}


@pytest.mark.parametrize("statement", [DEAD_UNIT, SLICE], ids=["dead_unit", "slice"])
def test_digests_are_recomputed_from_the_specification(statement: dict[str, Any]) -> None:
    net, domain = network_and_domain(statement)
    expected = {"network": net.digest, "conventions": [], "domain": domain.digest}
    assert second.Statement.from_json(statement).digests() == expected
    assert second_verdict(version_1(net, domain), statement) == "verified"


def test_script_runs_alone(tmp_path: Path) -> None:
    """Without site-packages, so that it can import neither this package nor gmpy2."""
    certificate, statement, network = tmp_path / "x.cert", tmp_path / "x.json", tmp_path / "y.json"
    certificate.write_text(dead_unit_text(), encoding="utf-8")
    statement.write_text(json.dumps(DEAD_UNIT), encoding="utf-8")
    network.write_text(json.dumps({**DEAD_UNIT, "domain": [["0", "0"], ["1", "0"], ["0", "1"]]}), encoding="utf-8")

    def run(*arguments: Path) -> tuple[int, str]:
        command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    assert run(certificate, statement) == (0, "verified: A=3 L=3 P=3 V=8 E=10\n")
    code, message = run(certificate, network)
    assert code == 1
    assert message.startswith("refuted: domain")
    assert run(statement, statement) == (3, "malformed: keys\n")


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """Plain ReLU networks with few different weights, so that breaklines meet and coincide."""
    sizes = [2, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)), draw(st.integers(1, 2))]
    layers = []
    for inputs, outputs in pairwise(sizes):
        number = weights() if draw(st.booleans()) else quarters(1)
        matrix = [[str(draw(number)) for _ in range(inputs)] for _ in range(outputs)]
        layers.append({"W": matrix, "b": [str(draw(quarters(1))) for _ in range(outputs)]})
    return {"layers": layers, "domain": [[str(x), str(y)] for x, y in draw(polygons())]}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=7, unique=True))
def test_both_tests_of_convexity_agree(corners: list[tuple[int, int]]) -> None:
    try:
        check_convex("polygon", [(mpz(x), mpz(y), mpz(1)) for x, y in corners])
    except sx.RefutedCertificate:
        with pytest.raises(second.Refuted):
            second.check_convex(0, corners)
    else:
        second.check_convex(0, corners)


@given(statements())
def test_certificates_are_accepted_by_both(statement: dict[str, Any]) -> None:
    certificate = sx.certify(*network_and_domain(statement))
    assert first_verdict(version_1(*network_and_domain(statement)), statement) == "verified"
    assert (
        second.verify(version_1(*network_and_domain(statement)), second.Statement.from_json(statement))
        == certificate.counts
    )


@given(statements(), st.data())
def test_both_say_the_same_of_a_corrupted_certificate(statement: dict[str, Any], data: st.DataObject) -> None:
    content = json.loads(version_1(*network_and_domain(statement)))
    corrupt(content, data)
    text = json.dumps(content)
    assert second_verdict(text, statement) == first_verdict(text, statement)


@given(statements(), st.data())
def test_both_say_the_same_of_a_changed_claim(statement: dict[str, Any], data: st.DataObject) -> None:
    content = json.loads(version_1(*network_and_domain(statement)))
    for _ in range(data.draw(st.integers(1, 2))):
        change(content, data)
    text = json.dumps(content)
    assert second_verdict(text, statement) == first_verdict(text, statement)


def corrupt(content: dict[str, Any], data: st.DataObject) -> None:
    """Change one entry, somewhere in the certificate."""
    holder: Any = content
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        value = holder[key]
        if not isinstance(value, dict | list) or not value or (len(keys) > 1 and data.draw(st.integers(0, 3)) == 0):
            break
        holder = value
    ways: list[Callable[[], object]] = [lambda: holder.__delitem__(key)]
    if isinstance(holder, list):
        other = data.draw(st.integers(0, len(holder) - 1))
        ways.append(lambda: holder.insert(other, value))
        ways.append(lambda: holder.__setitem__(slice(None), [*holder[other:], *holder[:other]]))
        ways.append(lambda: holder.__setitem__(key, holder[other]))
        ways.append(lambda: holder.insert(other, holder.pop(key)))
    if isinstance(value, list):
        ways.append(value.reverse)
    step = data.draw(st.sampled_from((-1, 1, 2)))
    if isinstance(value, int):
        ways += [lambda: holder.__setitem__(key, value + step)] * 4
    elif isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 64:
        ways += [lambda: holder.__setitem__(key, str(int(value) + step))] * 4
    data.draw(st.sampled_from(ways))()


def change(content: dict[str, Any], data: st.DataObject) -> None:
    """Change what a certificate claims in a way that keeps to the form, nearly always."""
    vertices, cells = content["vertices"], content["cells"]
    if not cells:
        return
    i = data.draw(st.integers(0, len(cells) - 1))
    _, changes, polygon = cells[i]
    v = data.draw(st.integers(0, len(vertices) - 1))
    k = data.draw(st.integers(0, len(polygon) - 1))
    others = [u for u in range(len(vertices)) if u not in polygon]

    def move_a_vertex() -> None:
        x, y, w = map(int, vertices[v])
        x += data.draw(st.integers(-1, 1))
        y += data.draw(st.integers(-1, 1))
        common = gcd(x, y, w)
        vertices[v] = [str(x // common), str(y // common), str(w // common)]

    def put_a_vertex_in_the_middle_of_an_edge() -> None:
        ends = polygon[k - 1], polygon[k]
        (x, y, w), (s, t, u) = (map(int, vertices[end]) for end in ends)
        x, y, w = x * u + s * w, y * u + t * w, 2 * w * u
        common = gcd(x, y, w)
        vertices.append([str(x // common), str(y // common), str(w // common)])
        for _, _, corners in cells:
            for j, corner in enumerate(corners):
                if {corners[j - 1], corner} == set(ends):
                    corners.insert(j, len(vertices) - 1)
                    break

    def cut_a_cell() -> None:
        j = (k + data.draw(st.integers(2, max(2, len(polygon) - 2)))) % len(polygon)
        first, last = min(j, k), max(j, k)
        pattern = data.draw(st.sampled_from(([], [[0, 0]], [[0, 1]], [[0, 2]])))
        cells.append([i, pattern, polygon[first : last + 1]])
        del polygon[first + 1 : last]

    def set_a_state() -> None:
        unit = data.draw(st.integers(0, 4))
        changed = {**dict(changes), unit: data.draw(st.integers(0, 2))}
        changes[:] = [list(pair) for pair in sorted(changed.items())]

    ways: list[Callable[[], object]] = [
        move_a_vertex,
        put_a_vertex_in_the_middle_of_an_edge,
        cut_a_cell,
        set_a_state,
        lambda: changes and changes.pop(k % len(changes)),
        lambda: polygon.pop(k),
        polygon.reverse,
        lambda: polygon.insert(k, polygon.pop()),
        lambda: others and polygon.insert(k, others[v % len(others)]),
        lambda: others and polygon.__setitem__(k, others[v % len(others)]),
        lambda: cells.append(json.loads(json.dumps(cells[i]))),
        cells.pop,
    ]
    data.draw(st.sampled_from(ways))()


def set_in(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A corruption: the last of `path` is put at the place that the others name."""

    def apply(content: dict[str, Any]) -> None:
        *way, key, value = path
        holder: Any = content
        for step in way:
            holder = holder[step]
        holder[key] = value

    return apply


def a_vertex_in_a_straight_line(content: dict[str, Any]) -> None:
    content["vertices"].append(["0", "0", "1"])
    for cell in content["cells"][:2]:
        polygon = cell[2]
        here, there = polygon.index(1), polygon.index(2)
        polygon.insert(max(here, there) if abs(here - there) == 1 else len(polygon), 8)
    content["counts"]["V"] += 1
    content["counts"]["E"] += 1


def a_bulge_on_one_side(content: dict[str, Any]) -> None:
    content["vertices"].append(["-1", "0", "10"])
    content["cells"][1][2] = [2, 8, 1, 4, 5]


def a_bulge_on_both_sides(content: dict[str, Any]) -> None:
    a_bulge_on_one_side(content)
    content["cells"][0][2] = [0, 1, 8, 2, 3]


def a_cell_in_two_parts(content: dict[str, Any]) -> None:
    content["cells"].append([2, [], content["cells"][2][2][:3]])
    del content["cells"][2][2][1]
    content["counts"]["A"] += 1
    content["counts"]["E"] += 1


Corruption = Callable[[dict[str, Any]], None]

REFUTED: dict[str, tuple[Corruption, str]] = {
    "another network": (set_in("network", "0" * 64), "network: "),
    "another domain": (set_in("domain", "0" * 64), "domain: "),
    "a convention": (set_in("conventions", ["rounded"]), "conventions: "),
    "a unit that is not there": (set_in("cells", 1, 1, [[0, 2], [1, 2], [3, 0]]), "cells[1]: there is no unit 3"),
    "a state that is not there": (
        set_in("cells", 1, 1, [[0, 2], [1, 2], [2, 3]]),
        "cells[1]: there is no unit 2 with a state 3",
    ),
    "a change that changes nothing": (set_in("cells", 1, 1, [[0, 2], [1, 2], [2, 0]]), "cells[1]: unit 2 does not"),
    "a pattern twice": (set_in("cells", 1, 1, []), "cells: two have one pattern"),
    "a cell in two parts": (a_cell_in_two_parts, "cells: two have one pattern"),
    "clockwise": (lambda content: content["cells"][0][2].reverse(), "cells[0]: is not a convex polygon"),
    "not convex": (a_bulge_on_both_sides, "cells[0]: is not a convex"),
    "a vertex twice": (lambda content: content["vertices"].append(["0", "1", "1"]), "vertices: one point"),
    "a cell twice": (lambda content: content["cells"].append([2, [[2, 1]], [5, 4, 6, 7]]), "cells[3]: the edge (7, 5)"),
    "a corner cut off": (lambda content: content["cells"][0][2].pop(), "vertices: the domain's boundary"),
    "a cell missing": (lambda content: content["cells"].pop(), "vertices: the domain's boundary"),
    "no cells": (set_in("cells", []), "vertices: the domain's boundary"),
    "an overlap": (a_bulge_on_one_side, "cells: an edge inside the domain"),
    "a vertex that no cell has": (lambda content: content["vertices"].append(["0", "0", "1"]), "vertices[8]: "),
    "a vertex in a straight line": (a_vertex_in_a_straight_line, "vertices[8]: "),
    "a breakline moved": (set_in("vertices", 4, ["1", "-2", "2"]), "cells[1]: unit 2 is not in state 0"),
    "a zero unit called off": (set_in("cells", 0, 1, []), "cells[0]: unit 1 is not in state 0"),
    "an off unit called zero": (set_in("cells", 1, 1, [[0, 2], [1, 2], [2, 1]]), "cells[1]: unit 2 is not in state 1"),
    "an on unit called off": (set_in("cells", 1, 1, [[0, 2], [1, 0]]), "cells[1]: unit 1 is not in state 0"),
    **{f"one {key} too many": (set_in("counts", key, 99), f"counts.{key}: is ") for key in "ALPVE"},
}
MALFORMED: dict[str, Corruption] = {
    "a key missing": lambda content: content.pop("counts"),
    "a key too many": set_in("note", ""),
    "keys in another order": lambda content: content.update(
        cells=content.pop("cells"), vertices=content.pop("vertices")
    ),
    "another format": set_in("format", "certificate"),
    "another version": set_in("version", 2),
    "a version that is true": set_in("version", True),
    "a digest in capitals": set_in("network", "A" * 64),
    "a number for a digest": set_in("domain", 0),
    "a convention that is no text": set_in("conventions", [1]),
    "a count below zero": set_in("counts", "A", -3),
    "a count with a fraction": set_in("counts", "A", 3.0),
    "a vertex not in lowest terms": set_in("vertices", 2, ["2", "2", "2"]),
    "a vertex at infinity": set_in("vertices", 2, ["1", "1", "0"]),
    "a vertex turned round": set_in("vertices", 2, ["-1", "-1", "-1"]),
    "a vertex in numbers": set_in("vertices", 2, [1, 1, 1]),
    "a vertex with a plus sign": set_in("vertices", 2, ["+1", "1", "1"]),
    "a vertex with a leading zero": set_in("vertices", 2, ["01", "1", "1"]),
    "a vertex with two coordinates": set_in("vertices", 2, ["1", "1"]),
    "a base that is no earlier cell": set_in("cells", 0, 0, 0),
    "changes out of order": set_in("cells", 0, 1, [[1, 2], [0, 2], [2, 2]]),
    "a unit changed twice": set_in("cells", 0, 1, [[0, 2], [0, 2]]),
    "a change that is no pair": set_in("cells", 0, 1, [[0, 2, 1]]),
    "a corner that is no vertex": set_in("cells", 0, 2, [0, 1, 2, 8]),
    "a corner that is true": set_in("cells", 0, 2, [0, True, 2, 3]),
    "a corner twice": set_in("cells", 0, 2, [0, 1, 2, 3, 0]),
    "two corners": set_in("cells", 0, 2, [0, 1]),
}


@pytest.mark.parametrize("name", REFUTED)
def test_what_is_false_is_refuted_by_both(name: str) -> None:
    content = json.loads(dead_unit_text())
    corruption, reason = REFUTED[name]
    corruption(content)
    text = json.dumps(content)
    assert first_verdict(text, DEAD_UNIT) == "refuted"
    with pytest.raises(second.Refuted) as refutation:
        second.verify(text, second.Statement.from_json(DEAD_UNIT))
    assert str(refutation.value).startswith(reason)


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_certificate_is_malformed_to_both(name: str) -> None:
    content = json.loads(dead_unit_text())
    MALFORMED[name](content)
    text = json.dumps(content)
    assert (first_verdict(text, DEAD_UNIT), second_verdict(text, DEAD_UNIT)) == ("malformed", "malformed")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": 1, "format": 1}', '{"counts": NaN}'])
def test_what_is_not_even_json_of_the_kind_is_malformed_to_both(text: str) -> None:
    assert (first_verdict(text, DEAD_UNIT), second_verdict(text, DEAD_UNIT)) == ("malformed", "malformed")


def test_minus_zero_is_malformed() -> None:
    text = dead_unit_text().replace("[0,1,2,3]", "[-0,1,2,3]")
    assert text != dead_unit_text()
    assert second_verdict(text, DEAD_UNIT) == "malformed"


# -- version 2 --------------------------------------------------------------------------------------------------------


def agree(first: str, second: str) -> bool:
    """What is malformed and false may be called either."""
    return first == second or {first, second} == {"malformed", "refuted"}


@pytest.mark.parametrize("statement", [*KNOWN, DEAD_UNIT, SLICE], ids=lambda statement: statement.get("name", ""))
def test_both_verify_version_2(statement: dict[str, Any]) -> None:
    text = sx.certify(*network_and_domain(statement)).to_text()
    assert first_verdict(text, statement) == second_verdict(text, statement) == "verified"


@given(statements(), st.data())
def test_both_say_the_same_of_a_changed_stream(statement: dict[str, Any], data: st.DataObject) -> None:
    net, domain = network_and_domain(statement)
    text = sx.certify(net, domain).to_text()
    assert first_verdict(text, statement) == second_verdict(text, statement) == "verified"
    every = list(streams.mutants(streams.values_of(text)))
    for k in data.draw(st.lists(st.integers(0, len(every) - 1), max_size=5)):
        changed = streams.text_of(every[k][1])
        assert agree(first_verdict(changed, statement), second_verdict(changed, statement)), every[k][0]


@pytest.mark.parametrize("name", list(streams.HOSTILE_STREAMS))
def test_hostile_stream_is_malformed_to_both(name: str) -> None:
    layers = [{"W": [["1", "0"], ["0", "1"]], "b": ["0", "0"]}, {"W": [["1", "1"]], "b": ["0"]}]
    statement = {"layers": layers, "domain": DEAD_UNIT["domain"]}
    assert second_verdict(streams.ROUND_TEXT, statement) == "verified"
    assert second_verdict(streams.HOSTILE_STREAMS[name](streams.ROUND_TEXT), statement) == "malformed"


def rows(array: ExactArray) -> list[list[str]]:
    den, numerators = array.numerators()
    width = array.shape[-1] if len(array.shape) == 2 else 1
    return [[str(mpq(n, den)) for n in numerators[k : k + width]] for k in range(0, len(numerators), width)]


@pytest.mark.parametrize("name", list(streams.STREAM_ATTACKS))
def test_false_stream_is_refuted_by_both(name: str) -> None:
    net, domain, values, _, _ = streams.STREAM_ATTACKS[name]()
    if any(not isinstance(node, Affine) and node != Piecewise.relu(node.source) for node in net.nodes):
        pytest.skip("the second checker is for plain ReLU networks")
    affine = [node for node in net.nodes if isinstance(node, Affine)]
    layers = [{"W": rows(node.weights[0]), "b": [q for (q,) in rows(node.bias)]} for node in affine]
    statement = {"layers": layers, "domain": [[str(x), str(y)] for x, y in domain.corners]}
    assert second_verdict(streams.text_of(values), statement) == "refuted"


def test_names_in_the_proof_exist() -> None:
    """Every function, test and attack that the proof's last table names is there."""
    root = SCRIPT.parent.parent
    proof = SCRIPT.with_name("certificate.md").read_text(encoding="utf-8")
    table = [line for line in proof.splitlines() if line.startswith("|")]
    names = {name for line in table for name in re.findall(r"`(?:\w+\.)*(\w+)`", line)}
    sources = [*(root / "splinecam_exact").rglob("*.py"), *(root / "tests").rglob("*.py")]
    defined = {
        name
        for path in sources
        for name in re.findall(r"^ *(?:def|class) (\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(names) > 50
    assert names <= defined


def test_specification_shows_this_very_certificate() -> None:
    specification = SCRIPT.with_name("format.md").read_text(encoding="utf-8")
    assert dead_unit_text() in specification
    assert sx.certify(*network_and_domain(DEAD_UNIT)).to_text() in specification
