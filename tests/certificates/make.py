"""Write the corpus of certificates: valid/, refuted/ and malformed/, with networks/, domains/ and index.json.

    python tests/certificates/make.py

For authors of other checkers: index.json says for each certificate which network and domain it is to be checked
against, the verdict, and for what is not valid the place that must be named. Files that begin with stream_ are of
version 2, the others of version 1. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
if str(HERE.parent) not in sys.path:
    sys.path.append(str(HERE.parent))

from certificates.attacks import ATTACKS  # noqa: E402
from certificates.forge import CROSS, SQUARE, SUBJECTS, Domain, version_1  # noqa: E402
from certificates.hostile import HOSTILE  # noqa: E402
from certificates.streams import HOSTILE_STREAMS, ROUND_TEXT, STREAM_ATTACKS, text_of  # noqa: E402

import splinecam_exact as sx  # noqa: E402
from splinecam_exact.testing.known_answers import known_answers  # noqa: E402

KNOWN = ("bias_free_6", "grid_3x4", "shi_A2", "sliver_2e-60", "l1_ball", "tent_5_unit", "serra_2", "two_two_4")
CHOSEN = {
    **{name: name for name in HOSTILE if name.replace(" ", "").replace(",", "").replace("-", "").isalpha()},
    "count NaN": "count is NaN",
    "count 1e5": "count is a float",
    "count 01": "count with a leading zero",
    "count -4": "count is negative",
    'count "4"': "count is a string",
    "corner 9": "corner is no vertex",
    "corner 1": "corner twice",
    "corner -1": "corner is negative",
    "corner false": "corner is false",
    "base 1": "base is the cell itself",
    "coordinate '+1'": "coordinate with a plus",
    "coordinate '-0'": "coordinate is minus zero",
    "coordinate '1_000'": "coordinate with an underscore",
    "coordinate '01'": "coordinate with a leading zero",
    "coordinate ' 1'": "coordinate with a space",
    "coordinate '\u0661'": "coordinate in other digits",
    'point ["1", "0", "0"]': "point at infinity",
    'point ["0", "0", "-1"]': "point with a negative W",
    'point ["0", "0", "2"]': "point not in lowest terms",
    'point ["0", "0"]': "point of two numbers",
    "point [0, 0, 1]": "point of JSON numbers",
    "100 brackets": "many brackets",
}
LARGEST = 10_000
"""No file has more bytes; hostile texts beyond that are left to the tests."""


def build(folder: Path) -> None:
    """Write the whole corpus into a folder."""
    for name in ("valid", "refuted", "malformed", "networks", "domains"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    index: dict[str, dict[str, Any]] = {}

    def about(net: sx.Network, dom: Domain) -> dict[str, str]:
        files = {"network": f"networks/{net.digest[:12]}.json", "domain": f"domains/{dom.digest[:12]}.json"}
        net.save(folder / files["network"])
        write(folder / files["domain"], json.dumps(dom.to_json()) + "\n")
        return files

    statements = {name.replace(" ", "_"): subject for name, subject in SUBJECTS.items()}
    for known in known_answers():
        if known.name in KNOWN:
            statements[known.name] = sx.from_layers(known.layers), sx.Polygon(known.domain)
    for name, (net, dom) in sorted(statements.items()):
        certificate = sx.certify(net, dom)
        for file, text in ((name, version_1(net, dom)), (f"stream_{name}", certificate.to_text())):
            write(folder / f"valid/{file}.cert", text)
            index[f"valid/{file}.cert"] = {**about(net, dom), "verdict": "verified", "counts": certificate.counts}
    for name, make in sorted(ATTACKS.items()):
        net, dom, tree, place, reason = make()
        file = f"refuted/{name.replace(' ', '_')}.cert"
        write(folder / file, lines(tree))
        index[file] = {**about(net, dom), "verdict": "refuted", "place": place, "reason": reason}
    for name, make_stream in sorted(STREAM_ATTACKS.items()):
        net, dom, values, place, reason = make_stream()
        file = f"refuted/stream_{name.replace(' ', '_').replace(':', '')}.cert"
        write(folder / file, text_of(values))
        index[file] = {**about(net, dom), "verdict": "refuted", "place": place, "reason": reason}
    sound = version_1(CROSS, SQUARE)
    for name, title in sorted(CHOSEN.items(), key=lambda item: item[1]):
        text = HOSTILE[name](sound)
        if len(text.encode()) < LARGEST:
            file = f"malformed/{title.replace(' ', '_').replace(',', '')}.cert"
            write(folder / file, text)
            index[file] = {**about(CROSS, SQUARE), "verdict": "malformed", "place": place_of(text)}
    for name, edit in sorted(HOSTILE_STREAMS.items()):
        text = edit(ROUND_TEXT)
        if len(text.encode()) < LARGEST:
            file = f"malformed/stream_{name.replace(' ', '_')}.cert"
            write(folder / file, text)
            index[file] = {**about(CROSS, SQUARE), "verdict": "malformed", "place": place_of(text)}
    write(folder / "index.json", json.dumps(index, indent=1) + "\n")


def lines(tree: dict[str, Any]) -> str:
    """The tree as text, a line per vertex and cell."""
    head = [f'"{key}": {json.dumps(tree[key])}' for key in list(tree)[:-2]]
    vertices = ",\n".join(map(json.dumps, tree["vertices"]))
    cells = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in tree["cells"])
    return "{" + ",\n".join([*head, f'"vertices": [\n{vertices}\n]', f'"cells": [\n{cells}\n]']) + "}\n"


def place_of(text: str) -> str:
    try:
        sx.Certificate.from_text(text)
    except sx.MalformedCertificate as error:
        return error.place
    raise ValueError(f"well-formed: {text[:200]}")


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


if __name__ == "__main__":
    build(HERE)
