"""Motion of the vehicle at the time of a frame."""

from __future__ import annotations

from bisect import bisect_right

TWIST_MAX_AGE_NS = 1_000_000_000
"""An older twist says nothing of a frame any more."""


class Motion:
    """The last twists: frames that wait for their label map look back over them."""

    _LIMIT = 20_000  # 20 s of the fastest odometry; a frame waits for one second

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._values: list[tuple[float, float]] = []

    def add(self, stamp: int, speed: float, yaw_rate: float) -> None:
        """Take in a twist: stamp in nanoseconds, speed m/s, yaw rate rad/s."""
        if self._stamps and stamp < self._stamps[-1]:
            # Time jumped back (a recorded loop): what was known belongs to another run.
            self._stamps.clear()
            self._values.clear()
        self._stamps.append(stamp)
        self._values.append((speed, yaw_rate))
        if len(self._stamps) > self._LIMIT:
            half = self._LIMIT // 2
            del self._stamps[:half], self._values[:half]

    def at(self, stamp: int) -> tuple[float | None, float | None]:
        """Speed and yaw rate of the last twist not later than `stamp`; None if that is too old."""
        position = bisect_right(self._stamps, stamp) - 1
        if position < 0 or stamp - self._stamps[position] > TWIST_MAX_AGE_NS:
            return None, None
        return self._values[position]
