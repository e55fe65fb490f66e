from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.types import Frame

from .conftest import drive, street


def test_jpeg_keeps_colours_apart():
    # Swapped channels would survive a round trip of one file, not the chroma weights.
    image = np.zeros((64, 64, 3), np.uint8)
    image[...] = (200, 60, 20)
    decoded = get_corruption("jpeg").apply(Frame(0, "c", 0, image), quality=90).image
    assert np.abs(decoded.astype(int) - image).max() <= 4


def test_jpeg_equals_the_codec_on_the_bgr_picture():
    frame = street()
    _, stream = cv2.imencode(".jpg", frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 15])
    expected = cv2.imdecode(stream, cv2.IMREAD_COLOR)[..., ::-1]
    found = get_corruption("jpeg").apply(frame, quality=15.2).image
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("bits", "levels"), [(1, 2), (2, 4), (3, 8), (5, 32), (8, 256)])
def test_quantisation_leaves_that_many_levels_from_black_to_white(bits, levels):
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    out = get_corruption("color_quantization").apply(Frame(0, "c", 0, ramp), bits=bits).image
    values = np.unique(out)
    assert values.size == levels
    assert (values[0], values[-1]) == (0, 255)
    assert np.abs(out.astype(int) - ramp).max() <= 255 / (levels - 1) / 2 + 0.5


H264 = get_corruption("h264")


def test_h264_depends_on_its_group_alone() -> None:
    frame = drive(40)  # of the group that begins with 36
    known = {n: frame.earlier[n] for n in range(1, 5)}
    exact = H264.apply(replace(frame, earlier=known), 3).image
    assert np.array_equal(H264.apply(frame, 3).image, exact)
    fewer = {n: frame.earlier[n] for n in range(1, 4)}
    assert not np.array_equal(H264.apply(replace(frame, earlier=fewer), 3).image, exact)
    key = drive(36)
    assert np.array_equal(H264.apply(key, 3).image, H264.apply(replace(key, earlier={}), 3).image)


def test_h264_of_odd_sizes_and_low_loss() -> None:
    random = np.random.default_rng(0)
    image = cv2.GaussianBlur(random.integers(0, 256, (61, 83, 3), np.uint8), (0, 0), 5)
    result = H264.apply(Frame(0, "c", 0, image), crf=1).image
    assert result.shape == image.shape
    assert np.abs(result.astype(int) - image).mean() < 3
