from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.corruption.tones import decode_srgb, encode_srgb, look_up


def test_the_curves_are_inverse():
    value = np.linspace(0, 1, 1001)
    assert encode_srgb(decode_srgb(value)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("value", "light"), [(0, 0), (1, 1), (0.5, 0.21404), (0.02, 0.001548)])
def test_known_points_of_the_standard(value, light):
    assert decode_srgb(np.array(value)) == pytest.approx(light, abs=1e-5)


def test_look_up_pairs_each_sample_with_its_partner():
    random = np.random.default_rng(0)
    image, plane = random.integers(0, 256, (2, 7, 11, 3), np.uint8)
    table = random.integers(0, 256, 65536, np.uint8)
    assert np.array_equal(look_up(image, plane, table), table[plane.astype(int) * 256 + image])
