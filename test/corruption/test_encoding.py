from __future__ import annotations

import cv2
import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.types import Frame

from .conftest import street


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
