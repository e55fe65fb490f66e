from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as sklearn_confusion

import semalign_ros.alignment.segmentation as module
from semalign_ros.alignment.metrics import (
    boundary_f1,
    boundary_f1_per_class,
    confusion_matrix,
    critical_class_recall,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
    quality_from_confusion,
    recall_per_class,
    segmentation_quality,
)
from semalign_ros.alignment.segmentation import confusion_with_itself
from semalign_ros.errors import ConfigError

TARGET = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
PREDICTION = np.array([[0, 1, 1, 1], [0, 0, 0, 1]], np.uint8)


def random_maps(seed, height=24, width=40, classes=19):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, (height, width)).astype(np.uint8)
    prediction = np.where(rng.random((height, width)) < 0.6, target, (target + 3) % classes)
    target[rng.random((height, width)) < 0.1] = 255
    return prediction.astype(np.uint8), target


def test_worked_values():
    matrix = confusion_matrix(PREDICTION, TARGET)
    assert matrix.dtype == np.int64
    assert matrix.shape == (19, 19)
    assert matrix[0, 1] == 1  # rows are the target
    assert iou_per_class(matrix)[:2] == pytest.approx([0.6, 0.5])
    assert np.isnan(iou_per_class(matrix)[2:]).all()
    assert mean_iou(matrix) == pytest.approx(0.55)
    assert pixel_accuracy(matrix) == pytest.approx(5 / 7)
    assert recall_per_class(matrix)[:2] == pytest.approx([3 / 4, 2 / 3])


@given(st.integers(0, 2**32 - 1), st.integers(2, 19))
@settings(max_examples=25, deadline=None)
def test_confusion_equals_scikit_learn(seed, classes):
    prediction, target = random_maps(seed, classes=classes)
    counted = target != 255
    expected = sklearn_confusion(target[counted], prediction[counted], labels=range(classes))
    np.testing.assert_array_equal(confusion_matrix(prediction, target, classes), expected)


@pytest.mark.torch
def test_iou_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    prediction, target = random_maps(1, 200, 300)
    expected = functional.multiclass_jaccard_index(
        torch.from_numpy(prediction.astype(np.int64)),
        torch.from_numpy(target.astype(np.int64)),
        num_classes=19,
        ignore_index=255,
        average=None,
    )
    got = iou_per_class(confusion_matrix(prediction, target))
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.uint8])
@pytest.mark.parametrize("ignore", [255, 200, -1])
def test_dtypes_ignored_ids_and_strides_do_not_matter(dtype, ignore):
    if ignore == -1 and dtype is np.uint8:
        return
    prediction, target = random_maps(2)
    expected = confusion_matrix(prediction, target)
    renamed = np.where(target == 255, ignore, target.astype(np.int64)).astype(dtype)
    got = confusion_matrix(prediction.astype(dtype), renamed, ignore=ignore)
    np.testing.assert_array_equal(got, expected)
    spread = np.repeat(renamed, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(confusion_matrix(prediction, spread, ignore=ignore), expected)


def test_large_maps_are_counted_exactly(monkeypatch):
    # float32 histograms lose counts above 2**24; blocks keep every pixel.
    monkeypatch.setattr(module, "_EXACT_PIXELS", 100)
    prediction, target = random_maps(3)
    blocks = confusion_matrix(prediction, target)
    monkeypatch.undo()
    np.testing.assert_array_equal(blocks, confusion_matrix(prediction, target))
    assert module._EXACT_PIXELS <= 2**24


def test_a_map_against_itself_needs_its_counts_only():
    labels = np.random.default_rng(2).integers(0, 20, (31, 47)).astype(np.uint8)
    labels[labels == 19] = 255
    counted = confusion_with_itself(np.bincount(labels.ravel(), minlength=256))
    np.testing.assert_array_equal(counted, confusion_matrix(labels, labels, void_column=True))
    assert counted.dtype == np.int64


def test_pixels_that_the_model_leaves_open_are_missed_not_skipped():
    prediction = PREDICTION.copy()
    prediction[0, 0] = 255
    with pytest.raises(ConfigError, match=r"1 counted pixels have no class.*void_column=True"):
        confusion_matrix(prediction, TARGET)
    matrix = confusion_matrix(prediction, TARGET, void_column=True)
    assert matrix.shape == (19, 20)
    assert iou_per_class(matrix)[:2] == pytest.approx([2 / 5, 0.5])
    assert pixel_accuracy(matrix) == pytest.approx(4 / 7)
    assert segmentation_quality(prediction, TARGET).mean_iou == pytest.approx(0.45)
    # Where nothing is counted, nothing is missed.
    confusion_matrix(np.where(TARGET == 255, 255, PREDICTION), TARGET)


def test_quality():
    prediction, target = random_maps(4)
    target[:12] = 13
    quality = segmentation_quality(prediction, target)
    matrix = confusion_matrix(prediction, target)
    assert quality == quality_from_confusion(matrix)
    assert quality.mean_iou == mean_iou(matrix)
    only_cars = critical_class_recall(matrix, ["car"])
    assert only_cars == pytest.approx((prediction == 13)[target == 13].mean())


def test_critical_recall_is_the_mean_over_classes_not_pixels():
    target = np.full((10, 10), 13, np.uint8)
    target[0, 0] = 11  # one pixel of a person, missed; 99 of a car, found
    matrix = confusion_matrix(np.full((10, 10), 13, np.uint8), target)
    assert critical_class_recall(matrix) == 0.5


def test_nothing_counted_is_nan():
    matrix = confusion_matrix(PREDICTION, np.full_like(TARGET, 255))
    quality = quality_from_confusion(matrix)
    assert all(
        math.isnan(v) for v in (quality.mean_iou, quality.pixel_accuracy, quality.critical_recall)
    )
    empty = np.zeros((0, 4), np.uint8)
    assert confusion_matrix(empty, empty).sum() == 0


@pytest.mark.parametrize(
    ("prediction", "target", "options", "text"),
    [
        (PREDICTION, TARGET[:1], {}, r"prediction \[2, 4\] and target \[1, 4\] differ"),
        (PREDICTION + 20, TARGET, {}, r"prediction: found ids \[20, 21\], expected 0..18 or 255"),
        (PREDICTION, TARGET + 30, {}, r"target: found ids \[29?.*30, 31\]"),
        (PREDICTION.astype(np.int32) - 1, TARGET, {}, r"prediction: found ids \[-1\]"),
        (PREDICTION.astype(np.float32), TARGET, {}, "found float32.*expected integer"),
        (PREDICTION, TARGET, {"num_classes": 300}, "num_classes 300"),
        (PREDICTION, TARGET, {"ignore": 3}, "ignore 3"),
    ],
)
def test_bad_maps_are_refused(prediction, target, options, text):
    with pytest.raises(ConfigError, match=text):
        confusion_matrix(prediction, target, **options)


def test_bad_matrices_are_refused():
    with pytest.raises(ConfigError, match=r"found shape \[3, 5\]"):
        mean_iou(np.zeros((3, 5)))
    with pytest.raises(ConfigError, match="of 2 classes"):
        critical_class_recall(np.eye(2))


def square(shift=0):
    mask = np.zeros((12, 12), np.uint8)
    mask[3:9, 2 + shift : 8 + shift] = 1
    return mask


@pytest.mark.parametrize(("tolerance", "expected"), [(0, 0.4), (1, 0.6), (2, 1.0)])
@pytest.mark.parametrize("kind", [np.uint8, bool, np.int64])
def test_worked_boundary_f1(tolerance, expected, kind):
    ours, theirs = square(2).astype(kind), square().astype(kind)
    assert boundary_f1(ours, theirs, tolerance) == pytest.approx(expected)
    assert iou_per_class(confusion_matrix(square(2), square(), 2))[1] == 0.5


def test_boundary_of_a_class_equals_that_of_its_mask():
    target, prediction = square() * 13, square(2) * 13
    per_class = boundary_f1_per_class(prediction, target, 1)
    assert per_class[13] == pytest.approx(0.6)
    assert np.isnan(np.delete(per_class, [0, 13])).all()


def test_boundary_f1_equals_a_plain_computation():
    rng = np.random.default_rng(5)
    ours, theirs = (
        cv2.resize(rng.integers(0, 2, (6, 8)).astype(np.uint8), (40, 30), interpolation=0)
        for _ in range(2)
    )

    def edge(mask):
        padded = np.pad(mask, 1, mode="edge")
        around = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return np.argwhere((mask == 1) & (around == 0))

    def near(a, b, tolerance):
        return (np.linalg.norm(a[:, None] - b[None], axis=-1).min(1) <= tolerance).mean()

    a, b = edge(ours), edge(theirs)
    for tolerance in (0, 1, 1.5, 3):
        p, r = near(a, b, tolerance), near(b, a, tolerance)
        expected = 2 * p * r / (p + r) if p + r else 0.0
        assert boundary_f1(ours, theirs, tolerance) == pytest.approx(expected)


def test_boundaries_beside_ignored_pixels_do_not_count():
    target = square() * 13
    target[target == 0] = 255
    assert np.isnan(boundary_f1_per_class(square() * 13, target, 1)[13])


def test_boundary_edge_cases():
    nothing, whole = np.zeros((12, 12), bool), np.ones((12, 12), bool)
    assert math.isnan(boundary_f1(nothing, nothing, 1))
    assert math.isnan(boundary_f1(nothing[:0], nothing[:0], 1))
    assert math.isnan(boundary_f1(whole, whole, 1))  # the image's edge is no boundary
    assert boundary_f1(nothing, square(), 1) == 0.0
    with pytest.raises(ConfigError, match="boundary_f1_per_class"):
        boundary_f1(square() * 3 + (np.eye(12, dtype=np.uint8)), square(), 1)
    with pytest.raises(ConfigError, match="tolerance -1"):
        boundary_f1(square(), square(), -1)
    with pytest.raises(ConfigError, match="the same"):
        boundary_f1(square(), square()[:6], 1)
