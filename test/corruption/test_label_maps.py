from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.label_maps import fill_from_background, smooth_field
from semalign_ros.corruption.rng import generator
from semalign_ros.types import Frame

from .conftest import BUILDING, CAR, PERSON, ROAD, SKY, street

JITTER = get_corruption("boundary_jitter")
DROPOUT = get_corruption("instance_dropout")


def edge_offsets(labels: np.ndarray) -> np.ndarray:
    """Column of the first road pixel of each row, for a map that is sky | road."""
    return np.argmax(labels == ROAD, axis=1)


def halves(height: int, width: int) -> Frame:
    labels = np.full((height, width), SKY, np.uint8)
    labels[:, width // 2 :] = ROAD
    return Frame(0, "c", 0, np.zeros((height, width, 3), np.uint8), labels)


def test_smooth_field_has_unit_deviation() -> None:
    fields = [smooth_field(400, 600, 20, generator(s, "t", "", 0)) for s in range(8)]
    assert np.std(fields) == pytest.approx(1, abs=0.03)
    assert np.mean(fields) == pytest.approx(0, abs=0.05)


def test_smooth_field_is_the_same_at_half_size() -> None:
    full = smooth_field(200, 400, 40, generator(0, "t", "", 0))
    half = smooth_field(100, 200, 20, generator(0, "t", "", 0))
    assert np.abs(cv2.resize(full, (200, 100), interpolation=cv2.INTER_AREA) - half).max() < 0.05


@pytest.mark.parametrize("amplitude", [3.0, 10.0])
def test_boundaries_shift_by_the_declared_deviation(amplitude: float) -> None:
    frame = halves(1024, 2048)
    offsets = [
        edge_offsets(JITTER.apply(frame, seed=s, amplitude_px=amplitude, correlation_px=128).labels)
        for s in range(12)
    ]
    assert np.std(np.array(offsets) - 1024) == pytest.approx(amplitude, rel=0.12)


def test_boundary_shift_scales_with_resolution() -> None:
    big, small = (edge_offsets(JITTER.apply(halves(h, 2 * h), 5).labels) - h for h in (1024, 512))
    assert np.abs(big[::2] / 2 - small).max() <= 2
    assert np.std(small) > 2


def test_only_boundaries_change(frame: Frame) -> None:
    frame = street(512, 1024)
    changed = JITTER.apply(frame, amplitude_px=6).labels != frame.labels
    edges = cv2.morphologyEx(frame.labels, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    distance = ndimage.distance_transform_edt(~edges)
    assert changed.any()
    assert distance[changed].max() <= 5 * 6 * 1024 / 2048
    assert set(np.unique(JITTER.apply(frame).labels)) <= set(np.unique(frame.labels))


def test_jitter_is_new_in_each_frame(frame: Frame) -> None:
    a, b = (JITTER.apply(replace(frame, index=i)).labels for i in (0, 1))
    assert not np.array_equal(a, b)


def test_tiny_maps_do_not_fail() -> None:
    frame = Frame(0, "c", 0, np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    assert JITTER.apply(frame).labels.tolist() == [[0]]
    assert DROPOUT.apply(frame).labels.tolist() == [[0]]


def test_everything_small_enough_is_lost_at_probability_one(frame: Frame) -> None:
    labels = DROPOUT.apply(frame, max_area_px=2048 * 2048, probability=1).labels
    assert set(np.unique(labels)) == {SKY, BUILDING, ROAD}
    kept = frame.labels < PERSON
    assert np.array_equal(labels[kept], frame.labels[kept])


def test_nothing_is_lost_at_probability_zero(frame: Frame) -> None:
    assert DROPOUT.apply(frame, max_area_px=2048 * 2048, probability=0).labels is frame.labels


@pytest.mark.parametrize("width", [512, 1024])
def test_area_limit_is_in_pixels_of_the_reference_width(width: int) -> None:
    # Areas at 2048 px: cars 34560, 5376, 86400, person 2816.
    frame = street(width // 2, width)
    labels = DROPOUT.apply(frame, max_area_px=6000, probability=1).labels
    assert not (labels == PERSON).any()
    cars, _ = ndimage.label(labels == CAR)
    assert cars.max() == 2


def test_only_the_named_classes_are_lost(frame: Frame) -> None:
    labels = DROPOUT.apply(frame, max_area_px=2048 * 2048, probability=1, classes=["person"]).labels
    assert not (labels == PERSON).any()
    assert np.array_equal(labels == CAR, frame.labels == CAR)


def test_each_instance_is_lost_with_the_probability() -> None:
    labels = np.zeros((200, 400), np.uint8)
    for y in range(5, 195, 10):
        for x in range(5, 395, 10):
            labels[y : y + 4, x : x + 4] = CAR
    frame = Frame(0, "c", 0, np.zeros((200, 400, 3), np.uint8), labels)
    left = DROPOUT.apply(frame, max_area_px=10_000, probability=0.3).labels == CAR
    count, instances = ndimage.label(left)[1], ndimage.label(labels == CAR)[1]
    assert left.sum() == 16 * count  # whole instances only
    assert 1 - count / instances == pytest.approx(0.3, abs=0.06)


def test_losses_are_nested_over_the_ladder(frame: Frame) -> None:
    for seed in range(5):
        lost = [DROPOUT.apply(frame, s, seed).labels != frame.labels for s in range(6)]
        assert all((small <= large).all() for small, large in itertools.pairwise(lost))


def test_holes_take_the_nearest_background() -> None:
    labels = np.array([[SKY, CAR, CAR, CAR, CAR, ROAD]] * 3, np.uint8)
    filled = fill_from_background(labels, labels == CAR, [CAR])
    assert filled.tolist() == [[SKY, SKY, SKY, ROAD, ROAD, ROAD]] * 3


def test_holes_do_not_take_other_objects_or_ignored_pixels() -> None:
    labels = np.array([[ROAD, 255, CAR, CAR, PERSON, SKY]] * 2, np.uint8)
    filled = fill_from_background(labels, labels == CAR, [CAR, PERSON])
    assert filled.tolist() == [[ROAD, 255, ROAD, SKY, PERSON, SKY]] * 2


def test_holes_take_what_there_is_where_there_is_no_background() -> None:
    labels = np.array([[CAR, CAR, PERSON]], np.uint8)
    assert fill_from_background(labels, labels == CAR, [CAR, PERSON]).tolist() == [[PERSON] * 3]
    assert fill_from_background(labels, labels < 255, [CAR, PERSON]) is labels
