"""Motion of the vehicle at the time of a frame."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

TWIST_MAX_AGE_NS = 1_000_000_000
"""An older twist says nothing of a frame any more."""


class Motion:
    """The last twists: frames that wait for their label map look back over them."""

    _LIMIT = 20_000  # 20 s of the fastest odometry; a frame waits for one second

    def __init__(self) -> None:
        # A worker reads while the next twist comes: each change leaves a list that is whole.
        self._twists: list[tuple[int, float, float]] = []

    def add(self, stamp: int, speed: float, yaw_rate: float) -> None:
        """Take in a twist: stamp in nanoseconds, speed m/s, yaw rate rad/s."""
        if self._twists and stamp < self._twists[-1][0]:
            # Time jumped back (a recorded loop): what was known belongs to another run.
            self._twists = []
        self._twists.append((stamp, speed, yaw_rate))
        if len(self._twists) > self._LIMIT:
            self._twists = self._twists[self._LIMIT // 2 :]

    def at(self, stamp: int) -> tuple[float | None, float | None]:
        """Speed and yaw rate of the last twist not later than `stamp`; None if that is too old."""
        twists = self._twists
        position = bisect_right(twists, stamp, key=itemgetter(0)) - 1
        if position < 0 or stamp - twists[position][0] > TWIST_MAX_AGE_NS:
            return None, None
        return twists[position][1:]
