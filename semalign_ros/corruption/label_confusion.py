"""Classes that a perception module takes for each other."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import ClassShares, Number, Shares
from semalign_ros.corruption.registry import corruption, labels_of
from semalign_ros.corruption.resolution import pixel_scale
from semalign_ros.corruption.rng import Draws
from semalign_ros.scene.taxonomy import NUM_CLASSES, TRAIN_ID
from semalign_ros.types import Frame, Labels

_BINS = 4096

MEASURED: Shares = (
    ("sidewalk", "road", 0.21),
    ("sidewalk", "terrain", 0.1),
    ("wall", "building", 0.85),
    ("fence", "building", 0.5),
    ("pole", "sidewalk", 0.06),
    ("pole", "building", 0.43),
    ("pole", "vegetation", 0.27),
    ("traffic light", "building", 0.5),
    ("traffic light", "vegetation", 0.24),
    ("traffic light", "sky", 0.09),
    ("traffic sign", "building", 0.42),
    ("traffic sign", "vegetation", 0.07),
    ("terrain", "road", 0.24),
    ("terrain", "sidewalk", 0.06),
    ("terrain", "vegetation", 0.1),
    ("terrain", "car", 0.06),
    ("sky", "building", 0.07),
    ("person", "building", 0.54),
    ("person", "fence", 0.07),
    ("person", "pole", 0.05),
    ("person", "vegetation", 0.15),
    ("person", "bicycle", 0.12),
    ("rider", "building", 0.59),
    ("rider", "car", 0.17),
    ("rider", "bicycle", 0.12),
    ("car", "building", 0.06),
    ("car", "vegetation", 0.06),
    ("motorcycle", "sidewalk", 0.12),
    ("motorcycle", "building", 0.23),
    ("motorcycle", "pole", 0.07),
    ("motorcycle", "car", 0.11),
    ("bicycle", "building", 0.16),
    ("bicycle", "wall", 0.1),
    ("bicycle", "car", 0.32),
)
"""What a DeepLabV3 for Cityscapes takes for what on 11 of its training frames in `low_light` of
severity 3; shares from 5 % on, by `semalign calibrate --confusion`."""


@functools.lru_cache(maxsize=8)
def _outcomes(shares: Shares, strength: float) -> NDArray[np.uint8]:
    """Table of what becomes of a class: u8[256 * _BINS], class c and bin b at c * _BINS + b."""
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES))
    for true, taken, share in shares:
        matrix[TRAIN_ID[true], TRAIN_ID[taken]] = share * strength
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    table = np.repeat(np.arange(256, dtype=np.uint8), _BINS).reshape(256, _BINS)
    middles = (np.arange(_BINS) + 0.5) / _BINS
    for c in range(NUM_CLASSES):
        # What stays comes first, so that a higher strength changes the same pixels and more.
        order = [c, *(k for k in range(NUM_CLASSES) if k != c)]
        upto = np.cumsum(matrix[c, order])
        table[c] = np.asarray(order, np.uint8)[
            np.searchsorted(upto, middles, side="right").clip(max=NUM_CLASSES - 1)
        ]
    table.setflags(write=False)
    return table.ravel()


def _uniform_field(
    height: int, width: int, correlation: float, source: np.random.Generator
) -> NDArray[np.int64]:
    """Smooth random field whose values, over the image, are uniform.

    Returns:
        i64[H, W], 0.._BINS - 1.
    """
    nodes = [max(2, round(side / correlation)) for side in (height, width)]
    coarse = source.standard_normal(nodes, np.float32)
    field = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    # By rank; a histogram is fine enough for it and faster than sorting.
    level = ((field + 8) * (65535 / 16)).astype(np.uint16)
    count = np.bincount(level.ravel(), minlength=65536)
    below = np.cumsum(count) - count / 2
    rank = below * (_BINS / level.size)
    return np.take(np.minimum(rank.astype(np.int64), _BINS - 1), level)


@corruption(
    "labels",
    Number(
        "strength",
        "",
        0,
        1,
        "Part of the confusion that happens, 1 is all of it.",
        neutral=0,
        ladder=(0.2, 0.4, 0.6, 0.8, 1),
    ),
    Number("correlation_px", "px", 4, 512, "Size of a confused patch.", default=96),
    ClassShares("confusion", "What is taken for what.", default=MEASURED),
)
def class_confusion(
    frame: Frame, draws: Draws, *, strength: float, correlation_px: float, confusion: Shares
) -> Labels:
    """Patches of a class taken for another, in the shares of a confusion matrix.

    Patches are new in every frame. `semalign calibrate --confusion` measures a matrix.

    Source: row-stochastic class noise, in spatially correlated patches; the default is what a
    DeepLabV3 confuses on real frames in `low_light` of severity 3, shares from 5 % on.
    """
    labels = labels_of(frame)
    height, width = labels.shape
    size = correlation_px * pixel_scale(width)
    field = _uniform_field(height, width, size, draws.each_frame("patches"))
    field += labels.astype(np.int64) * _BINS
    return np.take(_outcomes(confusion, strength), field)
