"""Scenes rendered once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from semalign_ros.train.scenes import Camera, Pose, RenderedFrame, Script, View, render_sequence
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.raster import Buffers

SEED = 11
SCENES = 32


@pytest.fixture(scope="session")
def many() -> list[RenderedFrame]:
    """The first frame of many scenes, small."""
    return [next(render_sequence(SEED, number, 1, (256, 128))) for number in range(SCENES)]


@pytest.fixture(scope="session")
def drive() -> list[RenderedFrame]:
    """A drive into a bend: at the end it turns at more than 3 degrees per second."""
    script = Script(speed=10.0, bend=0.4, crossing=150.0, events=())
    return list(render_sequence(SEED, 0, 7, (512, 256), every=9, script=script))


@pytest.fixture
def light() -> Lighting:
    """Light that leaves colours as they are."""
    return Lighting(
        name="day",
        sun=(0.0, 0.0, 1.0),
        sun_colour=(0.0, 0.0, 0.0),
        ambient=(1.0, 1.0, 1.0),
        zenith=(0, 0, 0),
        horizon=(0, 0, 0),
        cloud=(0, 0, 0),
        cloud_cover=0.0,
        haze=0.0,
        shadow=0.0,
        lamps=0.0,
        exposure=1.0,
        tint=(1.0, 1.0, 1.0),
        noise=0.0,
    )


@pytest.fixture
def level_view() -> View:
    """A camera 1.2 m above the origin that looks along x, without pitch or yaw."""
    camera = Camera(400, 200, 500.0, 500.0, 199.5, 99.5, x=0.0, y=0.0, z=1.2, pitch=0.0, yaw=0.0)
    return View.at(camera, Pose(0.0, 0.0, 0.0))


@pytest.fixture
def blank() -> Callable[[View], Buffers]:
    """Make empty buffers for a view."""

    def make(view: View) -> Buffers:
        shape = (view.camera.height, view.camera.width)
        return Buffers(
            np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint16), np.zeros(shape, np.float32)
        )

    return make
