"""Files of verdicts about samples: written by `Samples.save`, checked by `check_samples` in exact arithmetic alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from gmpy2 import mpq

from splinecam_exact._files import PathLike, atomic_write, read_json, shown
from splinecam_exact.certification import Verdict
from splinecam_exact.kernel.errors import FileFormatError, InputError, MalformedCertificate, RefutedCertificate
from splinecam_exact.kernel.program import Progress
from splinecam_exact.kernel.rational import format_rational, parse_rational
from splinecam_exact.network import Network
from splinecam_exact.questions import Question, question
from splinecam_exact.rounding import nearest
from splinecam_exact.sample_points import Given, Points, points_digest, points_of
from splinecam_exact.samples import ON, STATUSES, WITHIN, Samples

FORMAT = "splinecam-exact samples 1"
_KEYS = ("format", "network", "boundary", "radius", "points", "samples")


def save(samples: Samples, path: PathLike) -> None:
    """Write the verdicts, a line for each point."""
    with atomic_write(path) as file:
        file.writelines(line.encode() for line in _lines(samples))


def _lines(samples: Samples) -> Iterator[str]:
    radius = None if samples.radius is None else format_rational(samples.radius)
    values = (FORMAT, samples.net.digest, _boundary(samples.question), radius, samples.points.digest())
    for key, value in zip(_KEYS, values, strict=False):
        yield f"{'{' if key == 'format' else ''}{json.dumps(key)}: {json.dumps(value)},\n"
    yield '"samples": [\n'
    for i in range(len(samples)):
        end = samples.end(i)
        entry = {"x": _texts(samples.point(i)), "status": str(samples.status[i]), "answer": int(samples.answers[i])}
        if end is not None:
            entry["end"] = _texts(end)
        yield json.dumps(entry) + (",\n" if i < len(samples) - 1 else "\n]}\n")


def _texts(point: Sequence[mpq]) -> list[str]:
    return [format_rational(x) for x in point]


def _boundary(asked: Question) -> dict[str, Any]:
    if asked.positive is None:
        return {"argmax": True}
    level = format_rational(asked.level)
    if asked.negative is None:
        return {"output": asked.positive, "level": level}
    return {"classes": [asked.positive, asked.negative], "level": level}


def check_samples(
    path: PathLike,
    net: Network,
    points: Given | None = None,
    *,
    progress: Progress | None = None,
) -> Verdict:
    """Check a file of verdicts against a network, in exact arithmetic alone.

    Verified: every answer is right, every point that is called "on" is on the boundary, and every one that is called
    "within" has an `end`, at most the radius away, with another answer, or on the boundary. `counts` says how many
    points have each status, and `reason` of which boundary, and
    within which radius, or that there is none; "unproved" claims nothing but the answer. With `points`,
    the file must be about these. Refuted: the verdict names the first claim that is false, and shows why.

    Raises MalformedCertificate, naming the place, where the file is not of the form that `Samples.save` writes, and
    InputError. Cost: an exact evaluation for each point and each end (1 ms for a 64-50-50-50-10 network), no floats.

    >>> import splinecam_exact as sx
    >>> net = sx.from_layers([([[1, 0], [0, 1]], [0, 0]), ([[1, 2]], [-1])])
    >>> sx.certify_samples(net, [[0.5, 0.25], [0.5, 0.3]], radius=0.1).save("verdicts.json")
    >>> verdict = sx.check_samples("verdicts.json", net)
    >>> verdict.status, verdict.counts["on"], verdict.counts["within"]
    ('verified', 1, 1)
    >>> import os; os.remove("verdicts.json")
    """
    if not isinstance(net, Network):
        raise InputError(f"a Network is needed, not {type(net).__name__}")
    given = None if points is None else points_of(points, net.input_size)
    try:
        content = read_json(path)
    except FileFormatError as error:
        raise MalformedCertificate(error.place, error.reason) from None
    try:
        return _checked(content, net, given, progress)
    except MalformedCertificate as error:
        raise MalformedCertificate(f"{shown(path)}: {error.place}", error.reason) from None
    except RefutedCertificate as error:
        return Verdict("refuted", error.reason, error.place)


def _checked(content: Any, net: Network, given: Points | None, progress: Progress | None) -> Verdict:
    if not isinstance(content, dict) or tuple(content) != _KEYS:
        raise MalformedCertificate("file", f"is not one object with the keys {', '.join(_KEYS)}, in this order")
    if content["format"] != FORMAT:
        raise MalformedCertificate("format", f"is not {FORMAT!r}")
    asked = _question(content["boundary"], net)
    radius = None if content["radius"] is None else _rational(content["radius"], "radius")
    if radius is not None and radius <= 0:
        raise MalformedCertificate("radius", "is not positive")
    for key in ("network", "points"):
        if not isinstance(content[key], str) or len(content[key]) != 64 or set(content[key]) - set("0123456789abcdef"):
            raise MalformedCertificate(key, "is not a SHA-256 in hexadecimal")
    if not isinstance(content["samples"], list) or not content["samples"]:
        raise MalformedCertificate("samples", "is not a list with at least one entry")
    entries = [_entry(entry, f"samples[{i}]", asked, net.input_size) for i, entry in enumerate(content["samples"])]
    if content["network"] != net.digest:
        raise RefutedCertificate("network", f"is about another network: its digest is not {net.digest}")
    digest = points_digest(entry[0] for entry in entries)
    if content["points"] != digest:
        raise RefutedCertificate("points", "is not the digest of the samples' points")
    if given is not None and given.digest() != digest:
        raise RefutedCertificate("points", "are not those that were given")
    farthest = mpq(0)
    for i, entry in enumerate(entries):
        if progress is not None:
            progress("samples: checking", i, len(entries))
        farthest = max(farthest, _check(entry, f"samples[{i}]", net, asked, radius))
    counts = {status: sum(entry[1] == status for entry in entries) for status in STATUSES}
    return Verdict("verified", f"{asked.text()}, {_claim(radius, counts[WITHIN], farthest)}", "", counts)


def _claim(radius: mpq | None, within: int, farthest: mpq) -> str:
    """What the points that are "within" are within of."""
    if radius is not None:
        return f"radius {radius}"
    far = nearest(farthest.numerator, farthest.denominator) ** 0.5
    which = f': "within" claims no more than a boundary point before its end, here up to about {far:.3g} away'
    return f"no radius{which if within else ''}"


Entry = tuple[list[mpq], str, int, list[mpq] | None]
"""The point, its status, its answer, the end of its bracket."""


def _check(entry: Entry, place: str, net: Network, asked: Question, radius: mpq | None) -> mpq:
    """The square of the distance to the end, or 0. Raises RefutedCertificate."""
    x, _, answer, end = entry
    found = asked.answer(net.program().evaluate(x))
    if found != answer:
        raise RefutedCertificate(f"{place}.answer", f"is {answer}, but the network gives {found}")
    if end is None:
        return mpq(0)
    there = asked.answer(net.program().evaluate(end))
    if not asked.on_boundary(there) and there == answer:
        raise RefutedCertificate(f"{place}.end", f"has the same answer as the point, {answer}")
    squared = sum(((a - b) ** 2 for a, b in zip(x, end, strict=True)), mpq(0))
    if radius is not None and squared > radius * radius:
        raise RefutedCertificate(f"{place}.end", f"is farther away than the radius {radius}")
    return squared


def _entry(value: Any, place: str, asked: Question, inputs: int) -> Entry:
    if not isinstance(value, dict) or tuple(value) not in (("x", "status", "answer"), ("x", "status", "answer", "end")):
        raise MalformedCertificate(place, "is not an object with the keys x, status, answer and perhaps end")
    status, answer, end = value["status"], value["answer"], None
    if status not in STATUSES or not isinstance(status, str):
        raise MalformedCertificate(f"{place}.status", f"is none of {', '.join(STATUSES)}")
    if type(answer) is not int:
        raise MalformedCertificate(f"{place}.answer", "is not an integer")
    if ("end" in value) != (status == WITHIN) or asked.on_boundary(answer) != (status == ON):
        raise MalformedCertificate(place, f"has the status {status}, which does not fit the rest")
    if "end" in value:
        end = _point(value["end"], f"{place}.end", inputs)
    return _point(value["x"], f"{place}.x", inputs), status, answer, end


def _point(value: Any, place: str, inputs: int) -> list[mpq]:
    if not isinstance(value, list) or len(value) != inputs:
        raise MalformedCertificate(place, f"is not a list of {inputs} numbers")
    return [_rational(x, f"{place}[{k}]") for k, x in enumerate(value)]


def _rational(value: Any, place: str) -> mpq:
    try:
        return parse_rational(value)
    except InputError as error:
        raise MalformedCertificate(place, str(error)) from None


def _question(value: Any, net: Network) -> Question:
    if value == {"argmax": True} and value["argmax"] is True:
        if net.output_size == 1:
            raise MalformedCertificate("boundary", "the arg-max is of several outputs, the network has one")
        return question(net)
    if not isinstance(value, dict) or tuple(value) not in (("output", "level"), ("classes", "level")):
        raise MalformedCertificate("boundary", "is not argmax, or an output or classes, and a level")
    level = _rational(value["level"], "boundary.level")
    if "classes" in value and not isinstance(value["classes"], list):
        raise MalformedCertificate("boundary", "the classes are not a list")
    if "output" in value and type(value["output"]) is not int:
        raise MalformedCertificate("boundary", "the output is not an integer")
    try:
        return question(net, value.get("output"), value.get("classes"), level)
    except InputError as error:
        raise MalformedCertificate("boundary", str(error)) from None
