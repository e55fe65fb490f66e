"""Tells the world that a node lives while it loads models, which can take minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType


class Building:
    """Context in which a thread of its own reports what is being built.

    The thread that builds is the executor's, so no timer of the node fires meanwhile.

    Args:
        report: Called at once, then once a period, from the thread; must not raise.
        period_s: Seconds between two reports.
    """

    def __init__(self, report: Callable[[], None], period_s: float) -> None:
        self._report = report
        self._period_s = period_s
        self._done = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="building", daemon=True)
        self.step = "loading"

    @property
    def words(self) -> str:
        """What is being done, and for how long."""
        return f"{self.step}, {time.monotonic() - self._began:.0f} s"

    def __enter__(self) -> Building:
        """Begin to report."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._report()
            if self._done.wait(self._period_s):
                return
