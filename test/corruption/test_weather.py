from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.tones import decode_srgb
from semalign_ros.corruption.weather import transmission
from semalign_ros.errors import ImageError
from semalign_ros.types import Frame

from .conftest import street

FOG = get_corruption("fog")


@pytest.mark.parametrize("mor", [40.0, 150.0, 600.0])
def test_transmission_is_the_exponential(mor):
    depth = np.linspace(0, 1000, 10_000, dtype=np.float32).reshape(100, 100)
    expected = np.exp(-np.log(20) / mor * depth.astype(float))
    assert np.abs(transmission(depth, mor) - expected).max() < 1e-3
    assert transmission(np.full((1, 1), mor, np.float32), mor)[0, 0] == pytest.approx(0.05)


@pytest.mark.parametrize("level", [0, 20, 100, 255])
@pytest.mark.parametrize("distance", [1.0, 5.0, 20.0, 80.0, 400.0])
def test_light_is_mixed_linearly(level, distance):
    # Depth varies by row so that nothing is below the road; look at the top row.
    image = np.full((64, 64, 3), level, np.uint8)
    frame = Frame(0, "c", 0, image, depth=np.full((64, 64), distance, np.float32))
    foggy = FOG.apply(frame, mor_m=150, airlight=190).image[0, 0].astype(float)
    share = np.exp(-np.log(20) / 150 * distance)
    light = share * decode_srgb(np.array(level / 255)) + (1 - share) * decode_srgb(
        np.array(190 / 255)
    )
    low, high = decode_srgb(np.clip((foggy[0] + np.array([-1, 1])) / 255, 0, 1))
    assert low <= light <= high
    assert (foggy == foggy[0]).all()


def test_fog_does_not_band_on_a_dark_road():
    # Smooth depth on black must give every level of the gradient, not jumps.
    depth = np.tile(np.linspace(0.5, 60, 600, dtype=np.float32), (8, 1))
    frame = Frame(0, "c", 0, np.zeros((8, 600, 3), np.uint8), depth=depth)
    row = FOG.apply(frame, mor_m=600).image[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() <= 2


def test_fog_thickens_with_distance():
    frame = street()
    foggy = FOG.apply(frame, 3).image.astype(float)
    contrast = [foggy[a:b].std() / frame.image[a:b].std() for a, b in ((150, 160), (240, 250))]
    assert contrast[0] < contrast[1]


def test_the_result_says_when_distances_are_assumed():
    frame = street()
    assert FOG.notes(frame) == ()
    (note,) = FOG.notes(replace(frame, depth=None))
    assert note.startswith("fog: the frame has no depth")
    assert FOG.notes(replace(frame, depth=None), 0) == ()


def test_depth_of_another_size():
    frame = replace(street(), depth=np.ones((3, 4), np.float32))
    with pytest.raises(ImageError, match=r"depth map is \[3, 4\].*expected one size"):
        FOG.apply(frame)


def test_severity_interpolates_the_extinction():
    # Half way between 300 m and 150 m in 1 / MOR, so that damage grows evenly.
    assert FOG.resolve(2.5)["mor_m"] == pytest.approx(200)
    assert FOG.resolve(3)["mor_m"] == pytest.approx(150)
    assert FOG.resolve(0)["mor_m"] == pytest.approx(100000)
