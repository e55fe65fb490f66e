"""How long the stages of the last frames took."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import numpy as np

_FRAMES = 500
_PERCENTILES = {"p50": 50.0, "p99": 99.0}


class StageTimes:
    """Seconds by stage over the last frames; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, deque[float]] = {}

    def add(self, *branches: Mapping[str, float]) -> None:
        """Take in one frame: seconds by stage of each of its branches, which are summed."""
        stages = {stage: 0.0 for branch in branches for stage in branch}
        with self._lock:
            for stage in stages:
                total = sum(branch.get(stage, 0.0) for branch in branches)
                self._seconds.setdefault(stage, deque(maxlen=_FRAMES)).append(total)

    def snapshot(self) -> dict[str, float]:
        """``STAGE_ms_p50`` and ``STAGE_ms_p99`` for every stage, milliseconds."""
        with self._lock:
            stages = {stage: list(seconds) for stage, seconds in self._seconds.items()}
        return {
            f"{stage}_ms_{name}": round(1e3 * float(np.percentile(seconds, share)), 3)
            for stage, seconds in stages.items()
            for name, share in _PERCENTILES.items()
        }
