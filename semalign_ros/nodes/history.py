"""Earlier frames for what looks back at them, decoded no more often than is easy to avoid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from semalign_ros.errors import ImageError
from semalign_ros.nodes.stage import Job
from semalign_ros.types import Frame


class FrameHistory:
    """Turns jobs into frames that know those before them.

    What one frame looked at stays decoded for the next one.

    Args:
        read: Decodes the frame of a job; raises ImageError where it cannot.
    """

    def __init__(self, read: Callable[[Job], Frame]) -> None:
        self._read = read
        self._known: dict[tuple[int, int], Frame] = {}

    def frame(self, job: Job) -> Frame:
        """Decode a job, and what it looks back at and can be decoded.

        Raises:
            ImageError: The job itself cannot be decoded.
        """
        frame = self._read(job)
        before, self._known = self._known, {}
        earlier: dict[int, Frame] = {}
        for back, then in job.earlier.items():
            key = then.epoch, then.index
            try:
                earlier[back] = self._known[key] = before.get(key) or self._read(then)
            except ImageError:
                continue  # it was counted when its own turn came
        if job.earlier:
            self._known[job.epoch, job.index] = frame
        return replace(frame, earlier=earlier)

    def forget(self) -> None:
        """Let all frames go."""
        self._known = {}
