from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.nearest import fill_from_background, nearest_label
from semalign_ros.types import Frame

from .conftest import BUILDING, CAR, LIGHT, PERSON, ROAD, SKY, street

DROPOUT = get_corruption("instance_dropout")


def labelled(labels):
    return Frame(0, "c", 0, np.zeros((*labels.shape, 3), np.uint8), labels)


def test_everything_small_enough_is_lost_at_probability_one(frame: Frame) -> None:
    labels = DROPOUT.apply(frame, max_area_px=2048 * 2048, probability=1).labels
    assert set(np.unique(labels)) == {SKY, BUILDING, ROAD}
    kept = (frame.labels < PERSON) & (frame.labels != LIGHT)
    assert np.array_equal(labels[kept], frame.labels[kept])


def test_nothing_is_lost_at_probability_zero(frame: Frame) -> None:
    assert DROPOUT.apply(frame, max_area_px=2048 * 2048, probability=0).labels is frame.labels


@pytest.mark.parametrize("width", [512, 1024])
def test_area_limit_is_in_pixels_of_the_reference_width(width: int) -> None:
    # Areas at 2048 px: cars 34560, 5376, 86400, person 2816.
    frame = street(width // 2, width)
    labels = DROPOUT.apply(frame, max_area_px=30_000, probability=1).labels
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


def test_nearest_label_against_scipy():
    random = np.random.default_rng(0)
    labels = random.integers(0, 19, (60, 90), np.uint8)
    sources = random.random(labels.shape) < 0.01
    found, distance = nearest_label(labels, sources)
    exact, (y, x) = ndimage.distance_transform_edt(~sources, return_indices=True)
    # OpenCV's 5x5 distance errs by some percent, so ties and near ties may differ.
    assert np.abs(distance - exact).max() < 0.03 * exact.max() + 0.1
    assert (found == labels[y, x]).mean() > 0.97
    assert np.array_equal(found[sources], labels[sources])


def square(side=40, size=120):
    labels = np.full((size, 2048), ROAD, np.uint8)
    labels[40 : 40 + side, 1000 : 1000 + side] = CAR
    return labels


@pytest.mark.parametrize(("name", "sign"), [("erode", -1), ("dilate", 1)])
@pytest.mark.parametrize("radius", [3, 7])
def test_a_rim_of_the_declared_width_is_lost_or_gained(name, sign, radius):
    labels = square()
    changed = get_corruption(name).apply(labelled(labels), radius_px=radius).labels
    middle = changed[60] == CAR
    assert middle.sum() == 40 + 2 * sign * radius
    assert np.flatnonzero(middle).mean() == np.flatnonzero(labels[60] == CAR).mean()
    other = {ROAD, CAR} - {int(c) for c in np.unique(changed)}
    assert not other


def test_erosion_removes_what_is_thinner_than_the_rim():
    labels = square(side=6)
    assert (get_corruption("erode").apply(labelled(labels), radius_px=4).labels == ROAD).all()


def test_rims_touch_only_the_named_classes():
    frame = street()
    for name in ("erode", "dilate"):
        out = get_corruption(name).apply(frame, 5, classes=["person"]).labels
        changed = out != frame.labels
        assert changed.any()
        assert ((out == PERSON) | (frame.labels == PERSON))[changed].all()


@pytest.mark.parametrize("name", ["erode", "dilate"])
@pytest.mark.parametrize("fill", [ROAD, CAR])
def test_rims_of_maps_of_one_kind(name, fill):
    labels = np.full((8, 8), fill, np.uint8)
    assert np.array_equal(get_corruption(name).apply(labelled(labels), 5).labels, labels)


def test_small_regions_of_any_class_merge_into_what_is_around_them():
    labels = np.full((100, 2048), ROAD, np.uint8)
    labels[20:30, 100:110] = SKY  # 100 px
    labels[60:70, 100:110] = 255  # ignored regions are nobody's
    labels[20:60, 500:540] = BUILDING  # 1600 px
    merged = get_corruption("region_merge").apply(labelled(labels), max_area_px=100).labels
    assert (merged[20:30, 100:110] == ROAD).all()
    assert np.array_equal(np.unique(merged), [ROAD, BUILDING, 255])
    assert (
        get_corruption("region_merge").apply(labelled(labels), max_area_px=99).labels == labels
    ).all()


def test_tiny_maps_do_not_fail():
    one = labelled(np.zeros((1, 1), np.uint8))
    for name in (
        "instance_dropout",
        "region_merge",
        "erode",
        "dilate",
        "downsample",
        "boundary_jitter",
    ):
        assert get_corruption(name).apply(one, 5).labels.tolist() == [[0]]


def test_dropout_by_distance(frame: Frame) -> None:
    depth = np.full(frame.labels.shape, 20.0, np.float32)
    depth[:, 200:300] = 60.0  # the small car in the middle
    far = replace(frame, depth=depth)
    settings = {"max_area_px": 2048 * 2048, "probability": 1}
    result = DROPOUT.apply(far, beyond_m=40, **settings).labels
    lost = result != frame.labels
    assert (frame.labels[lost] == CAR).all()
    assert lost[:, 200:300].sum() == (frame.labels[:, 240:280] == CAR).sum()
    assert DROPOUT.notes(replace(frame, depth=None), beyond_m=40) != ()
    assert DROPOUT.notes(replace(frame, depth=None)) == ()


def test_flicker_misses_each_instance_in_its_share_of_the_frames(frame: Frame) -> None:
    flicker = get_corruption("flicker")
    person = frame.labels == PERSON
    missed = [
        (flicker.apply(replace(frame, index=i), probability=0.3).labels[person] != PERSON).all()
        for i in range(200)
    ]
    assert np.mean(missed) == pytest.approx(0.3, abs=0.1)
