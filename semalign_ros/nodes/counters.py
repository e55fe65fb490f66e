"""What became of every frame."""

from __future__ import annotations

import threading
from collections import deque

from semalign_ros.alignment.health import DROP_REASONS

FAILURES_IN_A_ROW = 3
"""So many inference errors without a success between them are an error of the node."""
_RECENT = 100


class FrameCounters:
    """Frames received, done and dropped, by reason; safe to use from several threads.

    Once nothing is waiting or in work, received = done + the sum of the drops.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._done = 0
        self._failing = 0
        self._drops = dict.fromkeys(DROP_REASONS, 0)
        self._faults: deque[bool] = deque(maxlen=_RECENT)

    @property
    def failing(self) -> bool:
        """Whether the last :data:`FAILURES_IN_A_ROW` frames that were tried all failed."""
        return self._failing >= FAILURES_IN_A_ROW

    def begin(self) -> None:
        """Forget what went wrong before: the node starts to work, maybe with another model."""
        with self._lock:
            self._failing = 0
            self._faults.clear()

    def recent_faults(self) -> tuple[int, int]:
        """Frames lost to a fault, among the last that were done or lost so."""
        with self._lock:
            return sum(self._faults), len(self._faults)

    def receive(self, count: int = 1) -> None:
        """Count frames that arrived, or should have."""
        with self._lock:
            self._received += count

    def finish(self) -> None:
        """Count a frame that was worked on to the end."""
        with self._lock:
            self._done += 1
            self._failing = 0
            self._faults.append(False)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count frames that were not; `reason` is one of the tracker's drop reasons."""
        with self._lock:
            self._drops[reason] += count
            self._failing += reason == "inference_error"
            if DROP_REASONS[reason]:
                self._faults.extend([True] * min(count, _RECENT))

    def snapshot(self) -> dict[str, float]:
        """``received``, ``done`` and ``dropped_REASON`` for every reason."""
        with self._lock:
            drops = {f"dropped_{reason}": float(count) for reason, count in self._drops.items()}
            return {"received": float(self._received), "done": float(self._done), **drops}
