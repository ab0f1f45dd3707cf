"""The command bench: time and memory of `partition` on a folder of networks, each in a process of its own.

A process measures one workload in one mode: `python -m splinecam_exact.bench TASK`, the task and the answer in JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from splinecam_exact.cli_output import Output, Result
from splinecam_exact.domain import Polygon, Slice, square
from splinecam_exact.importers import load
from splinecam_exact.kernel.errors import InputError, SplinecamError, Undecided
from splinecam_exact.network import Network
from splinecam_exact.partitioning import partition
from splinecam_exact.subdivision import MODES, Subdivision

RUNS = 3
"""At least so many runs are timed, after a first one,"""

ENOUGH = 1.0
"""and until they have taken so many seconds."""

LONG = 20.0
"""A first run of more seconds is the only one."""

RATIONAL_CELLS = 50_000
"""Mode "rational" is left out beyond so many cells."""

SHAPE = (200_000, 256, 256)
"""The yardstick is the product of a matrix of rows x inner and one of inner x columns."""

Job = Callable[[], Any]
Subject = tuple[Network, Polygon | Slice]

_COLUMNS = ("workload", "mode", "A", "V", "E", "time", "/Y", "cells/s", "peak", "added")
_REPORT = ("float64", "wide", "exact", "repaired", "spread")
_EXACT = ("points", "counts", "L", "P")
_WIDTHS = dict.fromkeys("AVELP", 7) | dict.fromkeys(("/Y", "spread"), 6) | {"workload": 12}
_WIDTHS |= dict.fromkeys(("float64", "wide", "exact", "repaired"), 8)


def bench(args: argparse.Namespace, output: Output) -> Result:
    """Measure every workload in every mode, and print a row for each."""
    names = names_of(args.data, args.workloads)
    modes = args.modes or default_modes(args.device)
    rows = []
    columns = (*_COLUMNS, *_REPORT, *(_EXACT if args.exact else ()))
    output.say(_line({name: name for name in columns}))
    for row in measured(args.data, names, modes, args.device, args.exact):
        output.say(_line(_shown(row)))
        rows.append(row)
    for text in _legend(rows):
        output.say(text)
    status = "undecided" if any("undecided" in row for row in rows) else "done"
    return {"status": status, "machine": machine(), "rows": rows}


def default_modes(device: str) -> tuple[str, ...]:
    """The modes that can be measured here on a device."""
    if find_spec("torch") is None:
        return ("rational",)
    return MODES if device == "cpu" else ("float64", "certified")


def names_of(data: str | None, wanted: Sequence[str] | None) -> list[str]:
    """The names of the workloads in a folder, or (None) of those that ship with the package; only the wanted ones."""
    if data is None:
        from splinecam_exact.demo import subjects

        found = [subject.name for subject in subjects()]
    else:
        found = sorted(path.stem for path in Path(data).glob("*.npz"))
        if not found:
            raise InputError(f"{data}: there is no .npz file in this folder")
    for name in wanted or ():
        if name not in found:
            raise InputError(f"there is no workload {name!r}; there are {', '.join(found)}")
    return [name for name in found if wanted is None or name in wanted]


def subject_of(data: str | None, name: str) -> Subject:
    """A workload: the network and its domain. Raises SplinecamError where the file is none."""
    if data is None:
        from splinecam_exact.demo import subjects

        return next((subject.net, subject.domain) for subject in subjects() if subject.name == name)
    net, dom = load(Path(data) / f"{name}.npz"), square(1)
    dom.check_fits(net)
    return net, dom


def measured(
    data: str | None, names: Sequence[str], modes: Sequence[str], device: str, exact: bool
) -> Iterator[Result]:
    """A row for every workload and mode, from a process of its own.

    Instead of numbers, `left_out` says why a row was not asked for, `undecided` which limit was reached.
    """
    for name in names:
        cells = 0
        for mode in sorted(modes, key=MODES.index):
            place = "cpu" if mode == "rational" else device
            row: Result = {"workload": name, "mode": mode, "device": place}
            if mode == "rational" and cells > RATIONAL_CELLS:
                row["left_out"] = f"more than {RATIONAL_CELLS} cells"
            else:
                row |= _asked({**row, "data": data, "exact": exact and mode != "float64"})
            cells = max(cells, row.get("A", 0))
            yield row


def _asked(task: Result) -> Result:
    """What a fresh process measures."""
    words = [sys.executable, "-m", "splinecam_exact.bench", json.dumps(task)]
    ended = subprocess.run(words, capture_output=True, text=True)
    if ended.returncode < 0:
        return {"undecided": f"the process was ended by signal {-ended.returncode}; was there enough memory?"}
    if ended.returncode:
        raise RuntimeError(f"measuring {task['workload']} failed:\n{ended.stderr}")
    row: Result = json.loads(ended.stdout)
    if "error" in row:
        raise InputError(row["error"])
    return row


def machine() -> Result:
    """What the numbers depend on."""
    from importlib.metadata import version
    from os import cpu_count

    torch = version("torch") if find_spec("torch") else None
    return {"processors": cpu_count(), "system": platform.platform(), "python": sys.version.split()[0], "torch": torch}


# -- in the process that measures -------------------------------------------------------------------------------------


def answer(task: Result) -> Result:
    """What `measure` finds, or why there is nothing."""
    try:
        return measure(task)
    except (Undecided, MemoryError) as error:
        reason = str(error) or "there is not enough memory"
        return {"left_out" if task["mode"] == "rational" else "undecided": reason}
    except SplinecamError as error:
        return {"error": str(error)}


def measure(task: Result) -> Result:
    """The row of one workload in one mode. It must be the first thing that this process computes: peaks do not fall.

    Timed is everything from the call of `partition` until A, V and E are known; torch and the network are loaded
    before, the network anew for every run. `exact` times what is only computed when asked for: the exact vertices, and
    the counts with L and P.
    """
    mode, device = task["mode"], task["device"]
    try:
        subject_of(task["data"], task["workload"])
    except SplinecamError as error:
        return {"left_out": str(error)}
    finish: Job = _nothing
    if mode != "rational":
        import_module("splinecam_exact.verify.result")
        finish = synchronization(device)
    options: Result = {"max_cells": RATIONAL_CELLS} if mode == "rational" else {"device": device}

    def once() -> tuple[float, Subdivision, tuple[int, int, int]]:
        net, dom = subject_of(task["data"], task["workload"])
        gc.collect()
        start = perf_counter()
        part = partition(net, dom, mode, **options)
        sizes = (len(part.faces), len(part.vertices), len(part.edges))
        finish()
        return perf_counter() - start, part, sizes

    before = memory("VmRSS")
    first, part, sizes = once()
    peak, device_peak = memory("VmHWM"), _device_peak(device)
    yardsticks = [yardstick(device)]
    runs = [first]
    if first < LONG:
        runs = []
        while len(runs) < RUNS or sum(runs) < ENOUGH:
            del part  # or two of them would be there at a time
            seconds, part, sizes = once()
            runs.append(seconds)
    yardsticks.append(yardstick(device))
    seconds, unit = min(runs), min(yardsticks)
    row: Result = {
        **dict(zip("AVE", sizes, strict=True)),
        "certified": part.certified,
        "seconds": seconds,
        "first": first,
        "runs": runs,
        "yardstick": unit,
        "yardsticks": yardsticks,
        "relative": seconds / unit,
        "cells_per_second": sizes[0] / seconds,
        "peak_bytes": peak,
        "added_bytes": peak - before,
        "device_peak_bytes": device_peak,
        "report": None if part.report is None else part.report._asdict(),  # type: ignore[attr-defined]
        "threads": _threads(),
    }
    if task["exact"]:
        row["exact"] = _exact(part)
    return row


def _exact(part: Subdivision) -> Result:
    start = perf_counter()
    _ = part.points
    middle = perf_counter()
    counts = part.counts()
    return {"points": middle - start, "counts": perf_counter() - middle, "L": counts["L"], "P": counts["P"]}


def yardstick(device: str = "cpu") -> float:
    """Seconds of one float64 product (200 000 x 256).(256 x 256): the median of three, after one to warm up.

    By torch, or by numpy where there is none. It takes 820 MB.
    """
    rows, inner, columns = SHAPE
    if find_spec("torch") is None:
        import numpy as np

        rng = np.random.default_rng(0)
        a, b = rng.random((rows, inner)), rng.random((inner, columns))
        finish: Job = _nothing
    else:
        import torch

        a, b = (torch.rand(shape, dtype=torch.float64, device=device) for shape in ((rows, inner), (inner, columns)))
        finish = synchronization(device)
    times = []
    for _ in range(4):
        finish()
        start = perf_counter()
        a @ b
        finish()
        times.append(perf_counter() - start)
    return median(times[1:])


def synchronization(device: str) -> Job:
    """What waits until a device has done all its work. CUDA is started here, and not in a timed run."""
    if not device.startswith("cuda"):
        return _nothing
    import torch

    if not torch.cuda.is_available():
        raise InputError(f"there is no CUDA device here: torch {torch.__version__} finds none")
    torch.zeros(1, device=device)
    return lambda: torch.cuda.synchronize(device)


def memory(which: str) -> int:
    """Bytes of this process's memory: "VmRSS", now; "VmHWM", at most so far (outside Linux, that is also said of now).

    Not `ru_maxrss` where it can be helped: on Linux it begins with what the parent had.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{which}:"))


def _nothing() -> None:
    pass


def _device_peak(device: str) -> int | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def _threads() -> int | None:
    if find_spec("torch") is None:
        return None
    import torch

    return int(torch.get_num_threads())


# -- for people -------------------------------------------------------------------------------------------------------


def _line(cells: dict[str, str]) -> str:
    texts = [f"{t:{'<' if k in _COLUMNS[:2] else '>'}{_WIDTHS.get(k, 9)}}" for k, t in cells.items()]
    return " ".join(texts).rstrip()


def _shown(row: Result) -> dict[str, str]:
    """A row's cells, by their columns."""
    cells = {"workload": row["workload"], "mode": row["mode"]}
    for why in ("left_out", "undecided"):
        if why in row:
            return {**cells, "": f"  {why.replace('_', ' ')}: {row[why]}"}
    cells |= {key: str(row[key]) for key in "AVE"}
    cells |= {
        "time": _seconds(row["seconds"]),
        "/Y": f"{row['relative']:.2f}",
        "cells/s": f"{row['cells_per_second']:,.0f}",
        "peak": _gigabytes(row["device_peak_bytes"] or row["peak_bytes"]),
        "added": _gigabytes(row["added_bytes"]),
    }
    report = row["report"]
    if report is not None:
        decided = sum(report[stage] for stage in ("float64", "wide", "exact"))
        for stage in ("float64", "wide", "exact"):
            cells[stage] = f"{100 * report[stage] / max(1, decided):.4g}%"
        cells["repaired"] = str(report["repaired"])
    else:
        cells |= dict.fromkeys(("float64", "wide", "exact", "repaired"), "-")
        if not row["certified"]:
            cells["mode"] += "*"
    cells["spread"] = f"{spread(row):.2f}"
    if "exact" in row:
        exact = row["exact"]
        cells |= {"points": _seconds(exact["points"]), "counts": _seconds(exact["counts"])}
        cells |= {key: str(exact[key]) for key in "LP"}
    return cells


def spread(row: Result) -> float:
    """How noisy the machine was: the slowest over the fastest, of the runs or of the yardstick."""
    return max(float(max(times) / min(times)) for times in (row["runs"], row["yardsticks"]))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _legend(rows: list[Result]) -> list[str]:
    units = [unit for row in rows for unit in row.get("yardsticks", ())] or [0.0]
    return [
        f"time: the fastest of at least {RUNS} runs after a first (which counts itself if it takes {LONG:g} s), until",
        "A, V, E are known.",
        "/Y: that, divided by the time of one float64 product (200 000 x 256).(256 x 256) beside it: here "
        f"{min(units):.3g} to {max(units):.3g} s.",
        "peak: of the process (on a GPU: of the GPU's memory); added: to the process, by the first run.",
        "float64, wide, exact: the share of the predicates that each stage decided; repaired: cells cut exactly.",
        "spread: the slowest over the fastest of the runs, or of the yardsticks.",
        "*: uncertified, so nothing vouches for these counts.",
    ]


if __name__ == "__main__":
    print(json.dumps(answer(json.loads(sys.argv[1]))))
