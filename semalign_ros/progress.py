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
    TaskID,
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


class StageBars(contextlib.AbstractContextManager["StageBars"]):
    """Bars of the stages of one job, one below the other; lines where that is no terminal."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bars = Progress(*columns, console=console, disable=not self._terminal)
        self._tasks: dict[str, TaskID] = {}
        self._lines: dict[str, _Lines] = {}

    def show(self, stage: str, done: int, total: int, figures: str = "") -> None:
        """Take what is done of a stage, all in all, and figures to stand beside it."""
        if self._terminal:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total, figures="")
            self._bars.update(self._tasks[stage], completed=done, total=total, figures=figures)
            return
        lines = self._lines.setdefault(stage, _Lines(stage, total))
        lines.total = f" of {total}"  # data sets that are read one after the other differ
        lines.reach(done, figures)
        if done == total:
            lines.write()

    def __enter__(self) -> StageBars:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


class _Lines:
    def __init__(self, what: str, total: int | None, unit: str = "") -> None:
        self._what, self._unit = what, f" {unit}".rstrip()
        self.total = "" if total is None else f" of {total}"
        self._done, self._figures = 0, ""
        self._start = self._last = time.monotonic()

    def advance(self, count: int) -> None:
        self.reach(self._done + count)

    def reach(self, done: int, figures: str = "") -> None:
        self._done, self._figures = done, f"  {figures}".rstrip()
        if time.monotonic() - self._last >= _LINE_EVERY_S:
            self.write()

    def write(self) -> None:
        self._last = time.monotonic()
        took = f"after {self._last - self._start:.0f} s"
        sys.stderr.write(
            f"{self._what}: {self._done}{self.total}{self._unit} {took}{self._figures}\n"
        )
        sys.stderr.flush()
