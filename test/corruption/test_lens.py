from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.tones import decode_srgb
from semalign_ros.types import Frame

from .conftest import street

DROPS, GLARE = get_corruption("lens_raindrops"), get_corruption("glare")


@pytest.mark.parametrize("coverage", [5.0, 20.0, 50.0])
def test_drops_cover_about_the_declared_share(coverage):
    white = Frame(0, "c", 0, np.full((512, 1024, 3), 255, np.uint8))
    black = replace(white, image=np.zeros((512, 1024, 3), np.uint8))
    wet = []
    for seed in range(4):
        rim = DROPS.apply(white, seed=seed, coverage_percent=coverage).image[..., 0] < 254
        assert (DROPS.apply(black, seed=seed, coverage_percent=coverage).image == 0).all()
        wet.append(rim.mean())
    # Rims and middles differ from white or are white again: a lower bound, and no more than laid.
    assert 0.5 * coverage / 100 < np.mean(wet) <= 1.15 * coverage / 100


def test_drops_stay_and_show_the_scene_upside_down():
    image = np.zeros((256, 512, 3), np.uint8)
    image[:112] = 255  # bright above, dark below
    frame = Frame(0, "c", 0, image)
    first, later = (DROPS.apply(replace(frame, index=i), 5).image for i in (0, 9))
    assert np.array_equal(first, later)
    # Light in the dark half comes from the lower part of drops, which shows what is above.
    assert (first[160:] > 120).any()
    assert not np.array_equal(first, DROPS.apply(frame, 5, seed=1).image)


def test_nothing_of_the_place_is_left_where_drops_hide():
    frame = street()
    hidden = DROPS.hidden(frame, 5)
    assert hidden.any()
    place = np.argwhere(hidden)[len(np.argwhere(hidden)) // 2]
    other = frame.image.copy()
    other[tuple(place)] ^= 255
    one, two = (DROPS.apply(f, 5).image for f in (frame, replace(frame, image=other)))
    assert np.abs(one[tuple(place)].astype(int) - two[tuple(place)]).max() <= 0.1 * 255 + 1


def test_stray_light_falls_with_the_square_of_the_angle():
    grey = Frame(0, "c", 0, np.zeros((1024, 2048, 3), np.uint8))
    # Straight ahead at the horizon, where a column is an angle.
    image = GLARE.apply(grey, strength=1.0, azimuth_deg=0, elevation_deg=0).image
    row = decode_srgb(image[round(0.44 * 1024)][:, 0] / 255.0)
    angle = np.degrees(np.arctan(((np.arange(2048) + 0.5) / 2048 - 0.5) / 1.1))
    for degrees in (3.0, 6.0):
        found = float(np.interp(degrees, angle, row))
        assert found == pytest.approx(1.2**2 / (degrees**2 + 1.2**2), rel=0.1)
    assert row[1023] == pytest.approx(1, abs=0.02)


def test_glare_adds_in_linear_light_and_a_sun_outside_is_fine():
    frame = street()
    veiled = GLARE.apply(frame, 3).image
    assert (veiled >= frame.image).all()
    outside = GLARE.apply(frame, 5, azimuth_deg=60).image.astype(int) - frame.image
    assert outside[:, -100:].mean() > outside[:, :100].mean() + 3
    assert outside.mean() < (veiled.astype(int) - frame.image).mean()
