"""What the sources of `semalign convert` deliver: one record per camera frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.bags.camera import CameraModel
from semalign_ros.errors import ConfigError, DatasetError, ImageError
from semalign_ros.image_codec import PNG, decode_file, decode_grey_file, file_format
from semalign_ros.scene.vocabulary import Vocabulary
from semalign_ros.types import Image, Labels

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

STAMP_ORIGIN_NS = 1_000_000_000 * 1_000_000_000
"""Stamp of the first frame where a data set has no clock (2001-09-09): time 0 means
"not set" in ROS, and a fixed time makes the same bag every time."""


@dataclass(frozen=True, slots=True)
class Record:
    """One frame of a data set.

    Args:
        stamp_ns: Nanoseconds.
        image: u8[H, W, 3] RGB.
        encoded: The image file itself and its format, where it may be passed on as it is.
        labels: u8[H, W] train ids, or None.
        instances: u16[H, W] Cityscapes instance ids, or None.
        depth: f32[H, W] metres, NaN where unknown, or None.
        camera: Model for this image size, or None.
        motion: Speed m/s and yaw rate rad/s (left positive), or None.
    """

    stamp_ns: int
    image: Image
    encoded: tuple[bytes, str] | None = None
    labels: Labels | None = None
    instances: NDArray[np.uint16] | None = None
    depth: NDArray[np.float32] | None = None
    camera: CameraModel | None = None
    motion: tuple[float, float] | None = None


class Recording(Protocol):
    """A data set ready to be converted.

    Args:
        vocabulary: Classes that its label maps tell apart.
    """

    vocabulary: Vocabulary

    def __len__(self) -> int:
        """Number of frames, for the progress bar."""
        ...

    def __iter__(self) -> Iterator[Record]:
        """Load the frames one after the other."""
        ...


def even_stamps(count: int, rate_hz: float) -> list[int]:
    """Stamps at a constant rate, nanoseconds.

    Raises:
        ConfigError: `rate_hz` is not within 0.001 to 1e6 Hz.
    """
    check_rate(rate_hz)
    return [STAMP_ORIGIN_NS + round(i * 1e9 / rate_hz) for i in range(count)]


def check_rate(rate_hz: float) -> None:
    """Check a frame rate.

    Raises:
        ConfigError: It is not within 0.001 to 1e6 Hz.
    """
    if not 1e-3 <= rate_hz <= 1e6:
        raise ConfigError(f"--rate {rate_hz:g}: expected a frame rate of 0.001 to 1e6 Hz")


def read_image(path: Path) -> tuple[Image, tuple[bytes, str]]:
    """Read a PNG or JPEG image, whatever its name ends in.

    Returns:
        u8[H, W, 3] RGB, and the file's bytes with their format.

    Raises:
        DatasetError: It cannot be read; the file is named.
    """
    data = read_bytes(path)
    try:
        image = decode_file(data)
    except ImageError as error:
        raise DatasetError(f"{path}: {error}") from error
    return image, (data, file_format(data) or PNG)


def read_grey(path: Path, dtype: type[np.generic]) -> NDArray[Any]:
    """Read a PNG of ids or measurements, [H, W] of `dtype`.

    Raises:
        DatasetError: It cannot be read or has another type; the file is named.
    """
    try:
        return decode_grey_file(read_bytes(path), dtype)
    except ImageError as error:
        raise DatasetError(f"{path}: {error}") from error


def read_bytes(path: Path) -> bytes:
    """Read a file of the data set.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error


def check_same_size(array: NDArray[Any], image: Image, path: Path, what: str) -> None:
    """Check that a map belongs to an image.

    Raises:
        DatasetError: Their sizes differ.
    """
    if array.shape[:2] != image.shape[:2]:
        raise DatasetError(
            f"{path}: the {what} is {array.shape[1]}x{array.shape[0]}, the image "
            f"{image.shape[1]}x{image.shape[0]}; a map must lie on its image pixel by pixel: "
            "name the folder that belongs to these images"
        )


def resize(array: NDArray[Any], size: tuple[int, int], *, nearest: bool = False) -> NDArray[Any]:
    """Resize to `size` (width, height): ids and depth by nearest, images smoothly."""
    if array.shape[1::-1] == size:
        return array
    shrinks = size[0] * size[1] < array.shape[0] * array.shape[1]
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    # OpenCV's INTER_NEAREST takes the pixel left of the centre; the exact one does not
    # shift a map against its image.
    method = cv2.INTER_NEAREST_EXACT if nearest else smooth
    return np.asarray(cv2.resize(array, size, interpolation=method))
