"""Tone curve and two-byte look-up tables, the fast way to any function of two bytes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.types import Image

LEVELS: NDArray[np.int64] = np.arange(256)
"""i64[256], every value that a byte can have."""


def decode_srgb(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Encoded value 0..1 to linear light 0..1 (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light 0..1 to encoded value 0..1 (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def look_up(image: Image, plane: Image, table: NDArray[np.uint8]) -> Image:
    """Map every sample and its partner through a table.

    Args:
        image: u8[H, W, 3].
        plane: u8[H, W, 3], the partners.
        table: u8[65536]; the result for sample x and partner b lies at 256 b + x.

    Returns:
        u8[H, W, 3].
    """
    flat = (image.shape[0], -1)
    index = cv2.merge([image.reshape(flat), plane.reshape(flat)]).view("<u2")
    # "wrap" spares a bounds check that a 16-bit index cannot fail.
    return np.asarray(np.take(table, index, mode="wrap")).reshape(image.shape)
