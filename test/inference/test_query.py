from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from semalign_ros.errors import ConfigError, ImageError
from semalign_ros.inference.query import VLM_INPUTS, compose_query, overlay, scene_text
from semalign_ros.language import parse_scene_text
from semalign_ros.scene.taxonomy import IGNORE, PALETTE, TRAIN_ID
from semalign_ros.types import Frame


@pytest.fixture
def frame(image: np.ndarray) -> Frame:
    return Frame(stamp_ns=123, frame_id="camera", index=7, image=image)


@pytest.fixture
def labels(image: np.ndarray) -> np.ndarray:
    found = np.zeros(image.shape[:2], np.uint8)
    found[:4], found[4, 4:9], found[5] = TRAIN_ID["sky"], TRAIN_ID["traffic light"], IGNORE
    return found


def test_the_image_alone(frame: Frame) -> None:
    query = compose_query(frame, None, "image", "fog", 2.5)
    assert query.image is frame.image
    assert (query.text, query.stamp_ns, query.index) == (None, 123, 7)
    assert (query.condition, query.severity) == ("fog", 2.5)


def test_the_mask_alone_says_nothing_of_the_image(frame: Frame, labels: np.ndarray) -> None:
    query = compose_query(frame, labels, "mask")
    np.testing.assert_array_equal(query.image, PALETTE[labels])
    assert query.text is None


def test_the_overlay_is_half_of_each(frame: Frame, labels: np.ndarray) -> None:
    before = frame.image.copy()
    found = compose_query(frame, labels, "overlay").image
    expected = (frame.image.astype(float) + PALETTE[labels]) / 2
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.5
    np.testing.assert_array_equal(frame.image, before)
    np.testing.assert_array_equal(found, overlay(frame.image, labels))


def test_the_sentence_lists_what_the_segmenter_reports(frame: Frame, labels: np.ndarray) -> None:
    query = compose_query(frame, labels, "scene_text")
    assert query.image is frame.image
    assert query.text is not None
    assert parse_scene_text(query.text).present == {"road", "sky", "traffic light"}


def test_specks_and_ignored_pixels_are_not_reported() -> None:
    labels = np.full((100, 100), IGNORE, np.uint8)
    labels[:50] = TRAIN_ID["road"]
    labels[0, :4] = TRAIN_ID["car"]  # 0.04 % of the image, below the reference's 0.05 %
    labels[1, :5] = TRAIN_ID["person"]
    assert scene_text(labels) == "The perception system reports: road and person."
    assert scene_text(labels, 0.0) == "The perception system reports: road, person and car."
    assert "nothing" in scene_text(np.full((4, 4), IGNORE, np.uint8))


@pytest.mark.parametrize("mode", VLM_INPUTS[1:])
def test_modes_that_need_a_label_map(frame: Frame, mode: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"vlm_input {mode}: frame 7 has no label map; configure"
    ):
        compose_query(frame, None, mode)
    with pytest.raises(ImageError, match="the label map is 3x2, the image 16x12") as caught:
        compose_query(frame, np.zeros((2, 3), np.uint8), mode)
    assert caught.value.reason == "bad_size"


def test_an_unknown_mode(frame: Frame, labels: Any) -> None:
    with pytest.raises(ConfigError, match=r"unknown vlm_input 'overlai'; did you mean 'overlay'"):
        compose_query(frame, labels, "overlai")
