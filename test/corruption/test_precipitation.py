from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.precipitation import Spectrum
from semalign_ros.corruption.rng import generator
from semalign_ros.types import Frame

from .conftest import street

BOTH = pytest.mark.parametrize("name", ["rain", "snow"])


def night(depth=30.0, speed=0.0):
    """Black, so that all light comes from the particles and the veil."""
    return Frame(
        0,
        "c",
        0,
        np.zeros((256, 512, 3), np.uint8),
        depth=np.full((256, 512), depth, np.float32),
        speed=speed,
    )


def test_extinction_is_twice_the_area_of_the_particles():
    spectrum = Spectrum(8000, 4.1 * 25**-0.21)
    area, _ = integrate.quad(lambda d: 8000 * np.exp(-spectrum.slope * d) * np.pi / 4 * d**2, 0, 40)
    assert spectrum.extinction() == pytest.approx(2 * area * 1e-6, rel=1e-6)
    # 25 mm/h: an optical range of about a kilometre, as observed.
    assert 700 < np.log(20) / spectrum.extinction() < 1500


def test_the_largest_are_drawn_from_the_tail_of_the_distribution():
    spectrum = Spectrum(8000, 2.0)
    every = spectrum.largest(1.0, 10**6, generator(0, "t", ""))[0]
    assert len(every) == 4000
    assert every.mean() == pytest.approx(0.5, rel=0.05)
    some = spectrum.largest(1.0, 400, generator(1, "t", ""))[0]
    assert len(some) == 400
    assert some.min() == pytest.approx(np.quantile(every, 0.9), rel=0.1)


def lines(image):
    """Ratio of the variation along columns to that along rows: small for vertical streaks."""
    values = image[..., 0].astype(float)
    return np.abs(np.diff(values, axis=0)).mean() / np.abs(np.diff(values, axis=1)).mean()


def test_rain_falls_in_streaks_as_long_as_the_exposure():
    rain = get_corruption("rain")
    short, long = (rain.apply(night(), 3, exposure_ms=ms, wind_mps=0).image for ms in (1.0, 20.0))
    assert lines(long) < 0.5 * lines(short)
    blown = rain.apply(night(), 3, exposure_ms=20, wind_mps=8).image
    assert lines(blown) > 1.3 * lines(long)


@BOTH
def test_every_frame_has_particles_of_its_own(name):
    op = get_corruption(name)
    first, second = (op.apply(replace(night(), index=i), 4).image for i in (0, 1))
    assert not np.array_equal(first, second)


@BOTH
def test_the_veil_thickens_with_distance(name):
    op = get_corruption(name)
    near, far = (float(np.median(op.apply(night(d), 4).image[10])) for d in (5.0, 150.0))
    assert far > near + 20


@BOTH
def test_particles_brighten_the_dark_and_hardly_darken(name):
    op, frame = get_corruption(name), street()
    result = op.apply(frame, 3)
    limit = op.resolve()["brightness"]
    assert (result.image.max(axis=2) <= np.maximum(frame.image.max(axis=2), limit + 1)).all()
    assert result.image.mean() > frame.image.mean()


def test_flakes_come_at_the_camera_when_it_drives():
    snow = get_corruption("snow")
    # Above the road ahead streaks are radial: on the right of the picture they are horizontal.
    right = slice(90, 130), slice(400, 512)
    standing, driving = (
        snow.apply(night(4.0, speed), 3, wind_mps=0, exposure_ms=15).image[right]
        for speed in (0.0, 20.0)
    )
    assert lines(driving) > 1.3 * lines(standing)
