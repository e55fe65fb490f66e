"""Video files as a camera stream."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import av
import numpy as np

from semalign_ros.bags.recording import STAMP_ORIGIN_NS, Record, resize
from semalign_ros.errors import DatasetError
from semalign_ros.scene.vocabulary import CITYSCAPES


class VideoRecording:
    """Frames of a video, with the times between them that the file gives.

    Args:
        path: Any file that FFmpeg reads.
        every: Take each n-th frame.
        limit: At most so many frames are taken.
        size: Width and height to resize to, or None.

    Raises:
        DatasetError: It is missing, no video, or damaged.
    """

    def __init__(
        self,
        path: Path,
        *,
        every: int = 1,
        limit: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._path = path
        self.vocabulary = CITYSCAPES
        self._every = every
        self._limit = limit
        self._size = size
        try:
            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise DatasetError(f"{path}: has no video stream")
                frames = container.streams.video[0].frames
        except (OSError, av.FFmpegError) as error:
            raise DatasetError(f"{path}: cannot be read as a video ({_words(error)})") from error
        # Some containers do not say how many frames they hold.
        total = math.ceil(frames / every)
        self._length = min(total, limit) if limit is not None else total

    def __len__(self) -> int:
        """Number of frames that the file announces, 0 if it does not."""
        return self._length

    def __iter__(self) -> Iterator[Record]:
        """Decode the frames one after the other.

        Raises:
            DatasetError: The video ends in the middle of a frame, or is damaged.
        """
        taken, first_s = 0, 0.0
        try:
            with av.open(str(self._path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                rate = float(stream.average_rate or 25)
                frames = container.decode(stream)
                for index in count():
                    if self._limit is not None and taken >= self._limit:
                        return
                    frame = next(frames, None)
                    if frame is None:
                        break
                    if index % self._every:
                        continue
                    time_s = index / rate if frame.time is None else frame.time
                    first_s = time_s if taken == 0 else first_s
                    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    if self._size is not None:
                        image = resize(image, self._size)
                    yield Record(STAMP_ORIGIN_NS + round((time_s - first_s) * 1e9), image)
                    taken += 1
        except (OSError, av.FFmpegError) as error:
            raise DatasetError(
                f"{self._path}: is damaged after {taken} converted frames ({_words(error)}); "
                f"--limit {taken} converts those"
            ) from error
        if taken == 0:
            raise DatasetError(f"{self._path}: holds no frame")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
