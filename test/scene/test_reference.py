from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semalign_ros.errors import ConfigError
from semalign_ros.scene.reference import (
    ReferenceRule,
    class_fractions,
    corridor_polygon,
    reference_from_labels,
)
from semalign_ros.scene.taxonomy import CLASSES, CRITICAL
from semalign_ros.types import Judgment

ROAD, SKY, PERSON, CAR = 0, 10, 11, 13


def scene(height=400, width=800):
    labels = np.full((height, width), SKY, np.uint8)
    labels[height // 2 :] = ROAD
    return labels


def test_an_empty_road_is_safe():
    reference = reference_from_labels(scene())
    assert reference.judgment is Judgment.SAFE
    assert reference.entities == {"road", "sky"}
    assert reference.critical == frozenset()


def test_an_object_in_the_corridor_is_unsafe_beside_it_is_not():
    ahead, beside = scene(), scene()
    ahead[250:320, 380:420] = CAR
    beside[250:320, 20:60] = CAR
    assert reference_from_labels(ahead).judgment is Judgment.UNSAFE
    assert reference_from_labels(beside).judgment is Judgment.SAFE
    assert reference_from_labels(beside).critical == {"car"}


def test_no_road_ahead_is_unsafe():
    labels = scene()
    labels[200:] = 1  # pavement all over
    assert reference_from_labels(labels).judgment is Judgment.UNSAFE


@pytest.mark.parametrize(("pixels", "present"), [(159, False), (160, True)])
def test_presence_starts_at_min_fraction(pixels, present):
    labels = scene()
    labels[0].flat[:pixels] = PERSON  # 0.05 % of 320,000 pixels is 160
    assert ("person" in reference_from_labels(labels).entities) is present


def test_a_class_without_a_pixel_is_absent_even_at_threshold_zero():
    assert reference_from_labels(scene(), min_fraction=0.0).entities == {"road", "sky"}


def test_ignored_pixels_count_in_the_area():
    labels = np.full((10, 10), 255, np.uint8)
    labels[0, 0] = CAR
    assert class_fractions(labels)[CAR] == pytest.approx(0.01)


@given(st.integers(8, 80), st.integers(8, 80), st.integers(0, 2**32 - 1))
def test_fractions_equal_a_plain_count(height, width, seed):
    labels = np.random.default_rng(seed).integers(0, 20, (height, width)).astype(np.uint8)
    labels[labels == 19] = 255
    expected = [(labels == i).mean() for i in range(19)]
    np.testing.assert_allclose(class_fractions(labels), expected, atol=1e-12)


@pytest.mark.parametrize(
    "corridor",
    [{}, {"corridor_top": 0.0, "corridor_bottom": 1.0, "corridor_bottom_width": 1.0}],
)
def test_what_lies_in_the_corridor_is_counted_pixel_by_pixel(corridor):
    labels = np.random.default_rng(3).integers(0, 19, (90, 161)).astype(np.uint8)
    mask = np.zeros(labels.shape, np.uint8)
    cv2.fillConvexPoly(mask, corridor_polygon(ReferenceRule(**corridor), *labels.shape), 1)
    road = (labels[mask == 1] == 0).mean()
    edge = {**corridor, "max_object_fraction": 1.0}
    safe = reference_from_labels(labels, min_road_fraction=road - 1e-9, **edge)
    unsafe = reference_from_labels(labels, min_road_fraction=road + 1e-9, **edge)
    assert (safe.judgment, unsafe.judgment) == (Judgment.SAFE, Judgment.UNSAFE)


def test_the_corridor_scales_with_the_image():
    labels = scene()
    labels[250:320, 380:420] = CAR
    small = cv2.resize(labels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST)
    assert reference_from_labels(small) == reference_from_labels(labels)


def test_the_rule_is_written_into_the_result_with_its_parameters():
    text = reference_from_labels(scene(), max_object_fraction=0.02).rule
    assert text.startswith("ego_corridor_v1(")
    assert "objects < 0.02" in text


def test_the_critical_set_is_configurable():
    labels = scene()
    labels[:20] = CAR
    assert reference_from_labels(labels, critical=["person"]).critical == frozenset()
    assert ReferenceRule().critical == frozenset(CRITICAL) < set(CLASSES)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ({"min_fraction": 1.5}, "min_fraction = 1.5"),
        ({"min_road_fraction": "much"}, "expected numbers in 0..1"),
        ({"critical": ["lorry"]}, "unknown critical class 'lorry'"),
        ({"colour": 1}, "unknown parameter 'colour'"),
        ({"corridor_top": 0.9}, "corridor_top"),
    ],
)
def test_bad_parameters_are_refused(override, text):
    with pytest.raises(ConfigError, match=text):
        reference_from_labels(scene(), **override)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((4, 4), np.int32),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.full((4, 4), 33, np.uint8),
    ],
)
def test_what_is_no_label_map_is_refused(labels):
    with pytest.raises(ConfigError, match="label map"):
        reference_from_labels(labels)


@pytest.mark.real
def test_unsafe_share_of_real_frankfurt_is_19_percent(cityscapes_256):
    files = sorted((cityscapes_256 / "gtFine/val").glob("*/*_labelTrainIds.png"))
    judgments = [
        reference_from_labels(cv2.imread(str(f), cv2.IMREAD_UNCHANGED)).judgment for f in files
    ]
    assert len(files) == 267
    assert np.mean([j is Judgment.UNSAFE for j in judgments]) == pytest.approx(0.1985, abs=0.001)
