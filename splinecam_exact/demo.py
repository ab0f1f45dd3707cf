"""The demonstration: three trained networks partitioned, certified, checked from the files just written, and drawn."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from splinecam_exact import models
from splinecam_exact._files import atomic_write
from splinecam_exact.certification import METHODS, check, write_certificate
from splinecam_exact.cli_output import Output, Result
from splinecam_exact.decision import decision
from splinecam_exact.demo_samples import draw_samples
from splinecam_exact.domain import Polygon, Slice, square
from splinecam_exact.domain_files import read_slice
from splinecam_exact.importers import load
from splinecam_exact.kernel.errors import InputError, MissingDependency
from splinecam_exact.kernel.program import Progress
from splinecam_exact.network import Network
from splinecam_exact.partitioning import partition
from splinecam_exact.plotting import INK, plot, require_matplotlib, save_figure
from splinecam_exact.subdivision import Subdivision

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORDER = ("verified", "undecided", "refuted")
"""The demo's status is the last of these that a check gave."""


POINTS = ((0, 0), (1, 0), (0, 1))
"""Where a slice through three images has them, in slice coordinates."""


class Subject(NamedTuple):
    """A network and its domain; what the picture says and shows."""

    name: str
    title: str
    summary: str
    net: Network
    domain: Polygon | Slice
    classes: Sequence[str]
    images: Sequence[Any] = ()
    labels: Sequence[str] = ()


def subjects() -> list[Subject]:
    """The three networks that ship with the package."""
    shown = np.load(models.path("digits_images.npz"))
    plane = Slice.through(*shown["images"])
    classes = [f"digit {k}" for k in range(10)]
    images = [image.reshape(8, 8) for image in shown["images"]]
    labels = [f"test image: {label}" for label in shown["labels"]]
    return [
        Subject(
            "digits",
            "Digits classifier on the plane of three images",
            "a classifier of handwritten digits, on the plane through three test images",
            load(models.path("digits.npz")),
            plane,
            classes,
            images,
            labels,
        ),
        Subject(
            "digits_cnn",
            "Convolutional digits classifier on the same plane",
            "a convolutional classifier with max pooling, on the same plane",
            load(models.path("digits_cnn.json")),
            plane,
            classes,
            images,
            labels,
        ),
        Subject(
            "sdf",
            "Signed distance to a star with a hole",
            "the signed distance to a star with a hole, on [-1, 1]^2",
            load(models.path("sdf.npz")),
            square(1),
            ("inside (negative)", "outside (positive)"),
        ),
    ]


def demo(args: argparse.Namespace, output: Output) -> Result:
    """Run the demonstration and leave its files in a folder; the result's status is the checks' verdict."""
    folder = Path(args.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder ({error.strerror})") from None
    start = perf_counter()
    try:
        require_matplotlib()
        without = ""
    except MissingDependency as error:
        without = str(error)
    found = [_run(subject, folder, output, pictures=not without) for subject in subjects()]
    seconds = round(perf_counter() - start, 2)
    if without:
        output.say(f"Pictures were skipped: {without}")
    output.say(f"Everything is in {folder}, after {seconds:.1f} s.")
    statuses = [entry["checks"][method]["status"] for entry in found for method in METHODS]
    return {
        "status": max(statuses, key=ORDER.index),
        "folder": str(folder),
        "pictures": not without,
        "seconds": seconds,
        "networks": found,
    }


def _run(subject: Subject, folder: Path, output: Output, pictures: bool) -> Result:
    output.say(f"{subject.name}: {subject.summary}")
    files = {"network": folder / f"{subject.name}.json", "certificate": folder / f"{subject.name}.cert"}
    subject.net.save(files["network"])
    where = ["--square", "1"]
    if isinstance(subject.domain, Slice):
        files["slice"] = folder / f"{subject.name}-slice.json"
        with atomic_write(files["slice"]) as file:
            file.write(json.dumps(subject.domain.to_json(), indent=1).encode() + b"\n")
        where = ["--slice", str(files["slice"])]

    with output.progress() as progress:
        start = perf_counter()
        part = partition(subject.net, subject.domain, progress=progress)
        counts = part.counts()
        seconds = {"partition": _since(start)}
    write_certificate(part, files["certificate"])
    output.counts(counts)
    output.row("partition", f"{seconds['partition']:.2f} s")
    output.row("certificate", f"{files['certificate']} ({files['certificate'].stat().st_size:,} bytes)")

    # From here on only the files count, as for anyone who is handed them.
    net = load(files["network"])
    domain = read_slice(files["slice"]) if "slice" in files else square(1)
    checks = {}
    for method in METHODS:
        start = perf_counter()
        with output.progress() as progress:
            verdict = check(files["certificate"], net, domain, method=method, progress=progress)
        seconds[method] = _since(start)
        checks[method] = {"status": verdict.status, "place": verdict.place, "reason": verdict.reason}
        output.verdict({**checks[method], "status": f"{verdict.status} by {method} in {seconds[method]:.2f} s"})
    words = ["splinecam-exact", "check", str(files["certificate"]), "--model", str(files["network"]), *where]
    command = shlex.join(words)
    output.row("check it", command)
    samples = None
    if pictures:
        start = perf_counter()
        files["picture"] = folder / f"{subject.name}.png"
        with output.progress() as progress:
            draw(subject, part, files["picture"], progress)
        seconds["picture"] = _since(start)
        output.row("picture", f"{files['picture']} in {seconds['picture']:.2f} s")
        if subject.images:
            start = perf_counter()
            files["samples"] = folder / f"{subject.name}-boundary.png"
            samples = draw_samples(part, subject.classes, files["samples"])
            seconds["samples"] = _since(start)
            exactly = f"{samples['tied']} of {samples['drawn']} exactly on the decision boundary"
            output.row("samples", f"{files['samples']}: {exactly}, in {seconds['samples']:.2f} s")
    output.say()
    return {
        "name": subject.name,
        "counts": counts,
        "checks": checks,
        "samples": samples,
        "seconds": seconds,
        "files": {kind: str(path) for kind, path in files.items()},
        "command": command,
    }


def _since(start: float) -> float:
    return round(perf_counter() - start, 3)


def draw(subject: Subject, part: Subdivision, path: Path, progress: Progress | None = None) -> None:
    """The picture: the cells in shades of their class, the decision boundary in red, the images at their points."""
    ax = plot(
        part,
        boundary=decision(subject.net, subject.domain, progress=progress),
        points=POINTS[: len(subject.images)],
        labels=subject.labels,
        classes=subject.classes,
        title=f"{subject.title}: {len(part.cells):,} cells",
    )
    for image, point, outwards in zip(subject.images, POINTS, ((-1, -1), (1, -1), (-1, 1)), strict=False):
        _thumbnail(ax, image, point, outwards)
    save_figure(ax.figure.canvas.figure, path)


def _thumbnail(ax: Axes, image: Any, point: tuple[int, int], outwards: tuple[int, int]) -> None:
    """An image in the margin that the domain has around the three points."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    place = point[0] + 0.145 * outwards[0], point[1] + 0.145 * outwards[1]
    picture = OffsetImage(image, zoom=6.4, cmap="gray_r", interpolation="nearest")
    frame = {"edgecolor": INK, "linewidth": 1.0, "boxstyle": "square,pad=0"}
    line = {"arrowstyle": "-", "color": INK, "linewidth": 1.2}
    ax.add_artist(AnnotationBbox(picture, point, place, pad=0.1, bboxprops=frame, arrowprops=line, zorder=5))
