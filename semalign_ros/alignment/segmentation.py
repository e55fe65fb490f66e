"""Quality of a label map against the reference."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from semalign_ros.alignment._checks import NAN
from semalign_ros.errors import ConfigError
from semalign_ros.scene.taxonomy import CRITICAL, IGNORE, NUM_CLASSES, TRAIN_ID, check_classes
from semalign_ros.types import Labels, SegmentationQuality

# calcHist returns float32, which counts exactly up to 2**24.
_EXACT_PIXELS = 1 << 24


def confusion_matrix(
    prediction: NDArray[np.integer],
    target: NDArray[np.integer],
    num_classes: int = NUM_CLASSES,
    ignore: int = IGNORE,
    *,
    void_column: bool = False,
) -> NDArray[np.int64]:
    """Count pixels by reference class and predicted class.

    Args:
        prediction: Integer [H, W] (u8 is the fast case), ids 0..num_classes-1; or `ignore`,
            where the model leaves a pixel without a class.
        target: The same shape; `ignore` where nothing is counted.
        num_classes: K, 1..255.
        ignore: Id of pixels without a class, outside 0..K-1.
        void_column: Append a column of the counted pixels that the prediction leaves without
            a class. They are misses, which a [K, K] matrix cannot hold.

    Returns:
        i64[K, K], or i64[K, K+1] with the void column. Rows are the target. Sums over
        frames pool them; all scores below take either form.

    Raises:
        ConfigError: The shapes differ, an array holds no integers or an unknown id, or the
            prediction leaves counted pixels without a class and there is no void column.
    """
    if not 1 <= num_classes <= 255 or 0 <= ignore < num_classes:
        raise ConfigError(
            f"confusion matrix: found num_classes {num_classes} and ignore {ignore}, expected "
            "1..255 classes and an ignored id outside of them"
        )
    if prediction.shape != target.shape:
        raise ConfigError(
            f"prediction {list(prediction.shape)} and target {list(target.shape)} differ in "
            "shape; resize the prediction to the target with nearest-neighbour interpolation"
        )
    # An ignored id that fits no byte, such as -1, stands at 255; the classes end before it.
    void = ignore if 0 <= ignore <= IGNORE else IGNORE
    counts = _joint_histogram(
        _as_bytes(target, "target", num_classes, ignore, void),
        _as_bytes(prediction, "prediction", num_classes, ignore, void),
    )
    for what, axis in (("target", 1), ("prediction", 0)):
        ids = np.flatnonzero(counts.any(axis=axis))
        _check_known(what, ids[(ids >= num_classes) & (ids != void)], num_classes, ignore)
    matrix = counts[:num_classes, [*range(num_classes), void]]
    if void_column:
        return matrix
    if unassigned := int(matrix[:, -1].sum()):
        raise ConfigError(
            f"prediction: {unassigned} counted pixels have no class (id {ignore}); pass "
            "void_column=True to count them as missed"
        )
    return matrix[:, :-1]


def confusion_with_itself(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Confusion matrix of a label map that is its own reference, without looking at it again.

    Args:
        counts: Integer [256], pixels by train id.

    Returns:
        i64[19, 20], what :func:`confusion_matrix` gives with the void column.
    """
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), np.int64)
    np.fill_diagonal(matrix, counts[:NUM_CLASSES])
    return matrix


def iou_per_class(confusion: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of each class.

    Args:
        confusion: [K, K] or [K, K+1], rows target (:func:`confusion_matrix`).

    Returns:
        f64[K], 0..1, NaN where a class is in neither target nor prediction.
    """
    matrix = _as_confusion(confusion)
    hits = matrix.diagonal()
    predicted = matrix[:, : len(matrix)].sum(axis=0)
    return _divide(hits, matrix.sum(axis=1) + predicted - hits)


def mean_iou(confusion: ArrayLike) -> float:
    """Mean of the IoU over the classes in target or prediction; NaN without any."""
    return _mean_defined(iou_per_class(confusion))


def pixel_accuracy(confusion: ArrayLike) -> float:
    """Share of the counted pixels that have the right class; NaN without any."""
    matrix = _as_confusion(confusion)
    return float(_divide(matrix.trace(), matrix.sum()))


def recall_per_class(confusion: ArrayLike) -> NDArray[np.float64]:
    """Share of each class's target pixels that are found: f64[K], NaN where it is absent."""
    matrix = _as_confusion(confusion)
    return _divide(matrix.diagonal(), matrix.sum(axis=1))


def critical_class_recall(confusion: ArrayLike, critical: Iterable[str] = CRITICAL) -> float:
    """Mean of the pixel recall over the critical classes in the target.

    The mean over classes, not pixels: else a close truck hides every lost pedestrian.

    Args:
        confusion: [19, 19] or [19, 20] over the Cityscapes train ids.
        critical: Classes that count.

    Returns:
        0..1, NaN where the target has no critical class.

    Raises:
        ConfigError: A class is unknown, or the matrix has not 19 rows.
    """
    recall = recall_per_class(confusion)
    if len(recall) != NUM_CLASSES:
        raise ConfigError(
            f"critical-class recall: found a confusion matrix of {len(recall)} classes, "
            f"expected the {NUM_CLASSES} Cityscapes train ids"
        )
    return _mean_defined(recall[[TRAIN_ID[n] for n in check_classes(critical, "critical class")]])


def quality_from_confusion(
    confusion: ArrayLike, critical: Iterable[str] = CRITICAL
) -> SegmentationQuality:
    """Summarise a confusion matrix over the Cityscapes train ids."""
    return SegmentationQuality(
        mean_iou=mean_iou(confusion),
        pixel_accuracy=pixel_accuracy(confusion),
        critical_recall=critical_class_recall(confusion, critical),
    )


def segmentation_quality(
    prediction: Labels, target: Labels, critical: Iterable[str] = CRITICAL
) -> SegmentationQuality:
    """Compare a label map with the reference.

    Args:
        prediction: u8[H, W] train ids; 255 (no class) counts as wrong.
        target: u8[H, W] train ids; 255 is not counted.
        critical: Classes whose recall is reported.

    Raises:
        ConfigError: As :func:`confusion_matrix` and :func:`critical_class_recall`.
    """
    return quality_from_confusion(confusion_matrix(prediction, target, void_column=True), critical)


def _as_confusion(confusion: ArrayLike) -> NDArray[np.int64]:
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or matrix.shape[1] - matrix.shape[0] not in (0, 1) or not matrix.size:
        raise ConfigError(
            f"confusion matrix: found shape {list(matrix.shape)}, expected [K, K] or [K, K+1]"
        )
    return matrix


def _as_bytes(
    labels: NDArray[np.integer], what: str, num_classes: int, ignore: int, void: int
) -> NDArray[np.uint8]:
    """Return u8[1, N] with the ignored id at `void`; the ids of bytes are not checked here."""
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim == 0:
        raise ConfigError(
            f"{what}: found {labels.dtype}{list(labels.shape)}, expected integer ids [H, W]"
        )
    flat = np.ascontiguousarray(labels).reshape(1, -1)
    if flat.dtype == np.uint8 and ignore == void:
        return flat
    known = (flat >= 0) & (flat < num_classes) | (flat == ignore)
    _check_known(what, np.unique(flat[~known]), num_classes, ignore)
    return np.where(flat == ignore, void, flat).astype(np.uint8)


def _check_known(what: str, odd: NDArray[np.integer], num_classes: int, ignore: int) -> None:
    if odd.size:
        raise ConfigError(
            f"{what}: found ids {odd[:8].tolist()}, expected 0..{num_classes - 1} "
            f"or {ignore} (ignored)"
        )


def _joint_histogram(rows: NDArray[np.uint8], columns: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return i64[256, 256]: how often each pair of values occurs."""
    counts = np.zeros((256, 256), np.int64)
    for start in range(0, rows.size, _EXACT_PIXELS):
        part = slice(start, start + _EXACT_PIXELS)
        # Three times faster than np.bincount of a combined index, and needs no copy.
        pair = [rows[:, part], columns[:, part]]
        counts += cv2.calcHist(pair, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    return counts


def _divide(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    under = np.asarray(denominator, np.float64)
    out = np.full(under.shape, NAN)
    np.divide(numerator, under, out=out, where=under != 0)
    return out


def _mean_defined(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else NAN
