"""Nearest pixels of a kind: what fills the gaps in a label map."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.registry import Mask
from semalign_ros.scene.taxonomy import IGNORE
from semalign_ros.types import Labels


def nearest_label(labels: Labels, sources: Mask) -> tuple[Labels, NDArray[np.float32]]:
    """Find the nearest of the `sources` to every pixel.

    Args:
        labels: u8[H, W] train ids.
        sources: bool[H, W], true for at least one pixel.

    Returns:
        Its label, u8[H, W], and the distance to it, f32[H, W], pixels.
    """
    # OpenCV measures to the nearest zero pixel and numbers those.
    distance, nearest = cv2.distanceTransformWithLabels(
        (~sources).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label_of = np.zeros(int(nearest.max()) + 1, np.uint8)
    label_of[nearest[sources]] = labels[sources]
    return np.take(label_of, np.asarray(nearest, np.int32)), np.asarray(distance, np.float32)


def is_one_of(labels: Labels, ids: list[int]) -> Mask:
    """Return bool[H, W], true where the label is one of `ids`."""
    table = np.zeros(256, np.bool_)
    table[ids] = True
    return np.take(table, labels)


def fill_from_background(labels: Labels, holes: Mask, foreground: list[int]) -> Labels:
    """Give each pixel of `holes` the label of the nearest background pixel.

    Args:
        labels: u8[H, W] train ids.
        holes: bool[H, W].
        foreground: Train ids that must not spread into a hole, as long as there is other.

    Returns:
        u8[H, W]; `labels` itself where nothing but holes exists.
    """
    background = ~(holes | is_one_of(labels, [*foreground, IGNORE]))
    if not background.any():
        background = ~holes
        if not background.any():
            return labels
    return np.where(holes, nearest_label(labels, background)[0], labels)
