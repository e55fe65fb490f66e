"""From messages to frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import ConfigError, ImageError
from semalign_ros.image_codec import (
    AnyImageMessage,
    ImageMessage,
    decode_depth,
    decode_image,
    decode_labels,
)
from semalign_ros.nodes.messages import stamp_ns
from semalign_ros.scene.reference import check_labels
from semalign_ros.types import Frame, Image, Labels


def read_labels(message: AnyImageMessage, size_of: NDArray[Any] | None = None) -> Labels:
    """Decode a label map.

    Args:
        message: mono8 or 8UC1 with train ids.
        size_of: Image whose size it must have, or None.

    Raises:
        ImageError: ``bad_encoding`` for another encoding or unknown ids, ``bad_size``.
    """
    labels = decode_labels(message)
    try:
        check_labels(labels)
    except ConfigError as error:
        raise ImageError("bad_encoding", str(error)) from error
    _check_size("label map", labels, size_of)
    return labels


def read_depth(message: ImageMessage, size_of: NDArray[Any]) -> NDArray[np.float32]:
    """Decode a depth image of an image's size; errors as :func:`read_labels`."""
    depth = decode_depth(message)
    _check_size("depth image", depth, size_of)
    return depth


def read_frame(
    message: AnyImageMessage,
    index: int,
    *,
    labels: AnyImageMessage | None = None,
    depth: ImageMessage | None = None,
    motion: tuple[float | None, float | None] = (None, None),
    elapsed_s: float = 0.0,
) -> Frame:
    """Decode an image and what belongs to it.

    Args:
        message: The image.
        index: Position in the stream.
        labels: Label map of the same stamp.
        depth: Depth image of the same stamp.
        motion: Speed m/s and yaw rate rad/s, as far as known.
        elapsed_s: Seconds since the first frame.

    Raises:
        ImageError: One of them cannot be decoded, or has another size than the image.
    """
    image = decode_image(message)
    header = message.header  # type: ignore[union-attr]  # every image message has one
    return Frame(
        stamp_ns=stamp_ns(header.stamp),
        frame_id=header.frame_id,
        index=index,
        image=image,
        labels=None if labels is None else read_labels(labels, image),
        depth=None if depth is None else read_depth(depth, image),
        speed=motion[0],
        yaw_rate=motion[1],
        elapsed_s=elapsed_s,
    )


def blank_image(labels: Labels) -> Image:
    """A black image of a label map's size that takes no memory, where pixels are not needed."""
    return np.broadcast_to(np.uint8(0), (*labels.shape, 3))


def _check_size(what: str, array: NDArray[Any], like: NDArray[Any] | None) -> None:
    if like is not None and array.shape[:2] != like.shape[:2]:
        raise ImageError(
            "bad_size",
            f"the {what} is {array.shape[1]}x{array.shape[0]}, the image "
            f"{like.shape[1]}x{like.shape[0]}; publish both at one size",
        )
