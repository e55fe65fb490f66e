"""Ratios over the last frames, at a cost per frame that does not grow with the window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from semalign_ros.errors import ConfigError

Counts = Mapping[str, tuple[float, float]]
"""By measure, what a frame adds to its numerator and denominator; (0, 0) or leaving the
measure out says that the frame does not concern it."""


class SlidingRatios:
    """Ratios of sums over the last N frames of the last T seconds.

    Holds at most `max_frames` entries and running sums. A stamp older than the one before
    (a bag that loops, a simulation restarted) empties the window: the frames before the jump
    are of another drive.

    Args:
        max_frames: N, at least 1.
        max_age_s: T, seconds of source time, above 0; infinity for no limit.

    Raises:
        ConfigError: A limit is out of range.
    """

    def __init__(self, max_frames: int, max_age_s: float = math.inf) -> None:
        if max_frames < 1 or not max_age_s > 0:
            raise ConfigError(
                f"window: found {max_frames} frames and {max_age_s} s, expected at least 1 frame "
                "and more than 0 s"
            )
        self._max_frames = max_frames
        self._max_age_ns = max_age_s * 1e9
        self._entries: deque[tuple[int, Counts]] = deque()
        self._sums: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, stamp_ns: int, counts: Counts) -> bool:
        """Take in a frame and let go of those that are too old.

        Args:
            stamp_ns: Its source stamp, nanoseconds.
            counts: What it adds. Whole numbers are summed without rounding.

        Returns:
            Whether the stamp jumped backwards, so that the window was emptied first.
        """
        jumped = bool(self._entries) and stamp_ns < self._entries[-1][0]
        if jumped:
            self.clear()
        self._entries.append((stamp_ns, counts))
        self._shift(counts, 1)
        while (
            len(self._entries) > self._max_frames
            or stamp_ns - self._entries[0][0] > self._max_age_ns
        ):
            self._shift(self._entries.popleft()[1], -1)
        return jumped

    def clear(self) -> None:
        """Forget every frame."""
        self._entries.clear()
        self._sums.clear()

    def sums(self, name: str) -> tuple[float, float]:
        """Numerator and denominator of a measure over the window, (0, 0) if unknown."""
        return self._sums.get(name, (0, 0))

    def _shift(self, counts: Counts, sign: int) -> None:
        for name, (numerator, denominator) in counts.items():
            over, under = self.sums(name)
            self._sums[name] = over + sign * numerator, under + sign * denominator
