"""What the command line prints: text for people, or one JSON object for programs."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from splinecam_exact._files import printable

if TYPE_CHECKING:
    from splinecam_exact.kernel.program import Progress

Result = dict[str, Any]
"""What a command found, ready for JSON: rationals are strings. `status` says how it ended."""

CODES = {"done": 0, "verified": 0, "refuted": 1, "undecided": 2}

COUNTS = {"A": "activation cells", "L": "linear regions", "P": "affine pieces", "V": "vertices", "E": "edges"}


class Output:
    """Where a command's words go. With `as_json`, stdout gets one JSON object at the end, and people read stderr."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.lost = False
        """Whether stdout could not be written (to a full disk, say)."""
        self._progress = False

    def show_progress(self, wanted: bool | None) -> None:
        """Show progress bars, or not, or (None) where stderr is a terminal."""
        self._progress = sys.stderr is not None and (sys.stderr.isatty() if wanted is None else wanted)

    def say(self, text: str = "") -> None:
        """A line for people."""
        self._write(sys.stderr if self.as_json else sys.stdout, text)

    def row(self, name: str, text: object) -> None:
        """A named line for people."""
        self.say(f"{name:<12} {text}")

    def counts(self, counts: Mapping[str, int]) -> None:
        """The counts, named in words."""
        for key, name in COUNTS.items():
            self.row(key, f"{counts[key]:<8} {name}")

    def finish(self, result: Mapping[str, Any], text: str | None = None) -> None:
        """The result, for programs; `text` is what people get instead."""
        if self.as_json:
            self._write(sys.stdout, json.dumps(result))
        elif text is not None:
            self.say(text)

    def verdict(self, result: Mapping[str, Any]) -> None:
        """A verdict, for people."""
        place = f" at {result['place']}" if result["place"] else ""
        reason = f": {result['reason']}" if result["reason"] else ""
        self.row("verdict", f"{result['status']}{place}{reason}")

    def fail(self, result: Mapping[str, Any]) -> None:
        """An error: a line on stderr, and the result for programs."""
        self._write(sys.stderr, f"splinecam-exact: error: {result['message']}")
        self.finish(result)

    def crash(self, error: Exception) -> None:
        """A bug: where it happened, on stderr, with what to do about it; and the result for programs."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self._write(sys.stderr, line)
        self._write(
            sys.stderr, "splinecam-exact: this is a bug in splinecam-exact: please report it, with the lines above"
        )
        self.finish({"status": "error", "error": type(error).__name__, "message": str(error)})

    @contextmanager
    def progress(self) -> Iterator[Progress | None]:
        """A progress callback that draws a bar, removed at the end of the block; or None."""
        if not self._progress:
            yield None
            return
        from tqdm import tqdm

        form = "{desc}  {percentage:3.0f}%|{bar}| {elapsed}"
        with tqdm(total=1, leave=False, file=sys.stderr, bar_format=form) as bar:

            def show(stage: str, done: int, total: int) -> None:
                if stage != bar.desc or done < bar.n:
                    bar.set_description_str(stage, refresh=False)
                    bar.reset(max(total, 1))
                bar.update(done - bar.n)

            yield show

    def _write(self, stream: TextIO | None, text: str) -> None:
        """Write a line that shows control characters, and what the stream cannot encode, as escapes.

        A reader that has gone away changes nothing: the work goes on, and the exit code still tells how it ended.
        """
        if stream is None:  # closed by whoever started the process
            return
        encoding = stream.encoding or "utf-8"
        try:
            stream.write(printable(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()
        except OSError as error:
            # The rest goes to nowhere, what is in the stream's buffer included: Python flushes that at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                self.lost = True
                self._write(sys.stderr, f"splinecam-exact: error: the output cannot be written ({error.strerror})")
