"""The progress bar of long work, on stderr so that output can be piped."""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def frames_bar(
    what: str, total: int | None, unit: str = "frames"
) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs.

    Args:
        what: What is being done, such as "evaluating".
        total: Frames to come, None where nobody knows.
        unit: What is counted.

    Yields:
        A function that takes the number of frames done since the last call.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        try:
            yield lambda frames: progress.advance(task, frames)
        except BaseException:
            progress.live.transient = True  # an error stands alone
            raise
