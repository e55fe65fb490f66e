"""The progress of long work, on stderr so that output can be piped."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LINE_EVERY_S = 30.0


@contextlib.contextmanager
def frames_bar(
    what: str, total: int | None, unit: str = "frames"
) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; where that is no terminal, a line every half minute.

    Args:
        what: What is being done, such as "evaluating".
        total: Frames to come, None where nobody knows.
        unit: What is counted.

    Yields:
        A function that takes the number of frames done since the last call.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = _Lines(what, total, unit)
        yield lines.advance
        lines.write()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)
        try:
            yield lambda frames: progress.advance(task, frames)
        except BaseException:
            progress.live.transient = True  # an error stands alone
            raise


class _Lines:
    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self._what, self._unit = what, unit
        self._total = "" if total is None else f" of {total}"
        self._done = 0
        self._start = self._last = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._last >= _LINE_EVERY_S:
            self.write()

    def write(self) -> None:
        self._last = time.monotonic()
        took = self._last - self._start
        sys.stderr.write(
            f"{self._what}: {self._done}{self._total} {self._unit} after {took:.0f} s\n"
        )
        sys.stderr.flush()
