"""Boundary F1: do the outlines of a segmentation lie where they should?

Precision and recall of boundary pixels within a tolerance (Csurka et al. 2013).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment._checks import NAN
from semalign_ros.errors import ConfigError
from semalign_ros.scene.taxonomy import IGNORE, NUM_CLASSES
from semalign_ros.types import Labels

_CROSS = np.asarray([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

_Mask = NDArray[np.bool_]


def boundary_f1(prediction: NDArray[Any], target: NDArray[Any], tolerance_px: float) -> float:
    """Boundary F1 of one object mask.

    The boundary are the mask's pixels with a 4-neighbour outside of it; the image's edge
    is no boundary. A boundary pixel counts as right where the other mask has one within
    the tolerance, by Euclidean distance.

    Args:
        prediction: [H, W] bool, or integer with one nonzero value; nonzero is the object.
        target: The same shape.
        tolerance_px: At least 0, pixels.

    Returns:
        0..1; 0 where only one mask has a boundary, NaN where neither has.

    Raises:
        ConfigError: The shapes differ, the tolerance is negative, or an array is a label
            map of several classes: those go to :func:`boundary_f1_per_class`.
    """
    _check(prediction, target, tolerance_px)
    for what, mask in (("prediction", prediction), ("target", target)):
        if mask.size and len(np.unique(mask[mask != 0])) > 1:
            raise ConfigError(
                f"{what}: found several nonzero values, expected the mask of one object; "
                "for a label map use boundary_f1_per_class"
            )
    valid = np.ones(target.shape, np.bool_)
    return _f1(prediction != 0, target != 0, valid, tolerance_px)


def boundary_f1_per_class(
    prediction: Labels,
    target: Labels,
    tolerance_px: float,
    num_classes: int = NUM_CLASSES,
    ignore: int = IGNORE,
) -> NDArray[np.float64]:
    """Boundary F1 of every class of a label map.

    Boundaries inside ignored pixels of the target, or next to them, are not counted: where
    the object ends there is not known.

    Args:
        prediction: u8[H, W] ids.
        target: u8[H, W] ids.
        tolerance_px: At least 0, pixels; 0.75 % of the diagonal is usual.
        num_classes: K.
        ignore: Id in the target that is not counted.

    Returns:
        f64[K], NaN where a class has a boundary in neither.

    Raises:
        ConfigError: The shapes differ or the tolerance is negative.
    """
    _check(prediction, target, tolerance_px)
    valid = _inner(target != ignore)
    return np.asarray(
        [_f1(prediction == i, target == i, valid, tolerance_px) for i in range(num_classes)]
    )


def _check(prediction: NDArray[Any], target: NDArray[Any], tolerance_px: float) -> None:
    if prediction.shape != target.shape or target.ndim != 2:
        raise ConfigError(
            f"boundary F1: found shapes {list(prediction.shape)} and {list(target.shape)}, "
            "expected the same [H, W]"
        )
    if not tolerance_px >= 0:
        raise ConfigError(f"boundary F1: found tolerance {tolerance_px!r} px, expected >= 0")


def _inner(mask: _Mask) -> _Mask:
    """Erode a mask by one pixel; what lies outside the image counts as inside the mask."""
    if not mask.size:
        return mask
    eroded = cv2.erode(mask.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return eroded.astype(np.bool_)


def _f1(prediction: _Mask, target: _Mask, valid: _Mask, tolerance_px: float) -> float:
    ours = prediction & ~_inner(prediction) & valid
    theirs = target & ~_inner(target) & valid
    total = int(ours.sum()) + int(theirs.sum())
    if not total:
        return NAN
    if not (ours.any() and theirs.any()):
        return 0.0
    # Distances matter only between boundaries: most objects fill a small part of the image.
    x, y, width, height = cv2.boundingRect((ours | theirs).astype(np.uint8))
    box = slice(y, y + height), slice(x, x + width)
    ours, theirs = ours[box], theirs[box]
    precision = float((_distance_to(theirs)[ours] <= tolerance_px).mean())
    recall = float((_distance_to(ours)[theirs] <= tolerance_px).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _distance_to(mask: _Mask) -> NDArray[np.float32]:
    """Euclidean distance of every pixel to the nearest one of `mask`, pixels."""
    outside = (~mask).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32)
