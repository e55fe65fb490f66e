from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.depth import FOCAL_WIDTHS, HORIZON
from semalign_ros.corruption.motion import image_motion
from semalign_ros.types import Frame

BLUR, SHUTTER = get_corruption("ego_motion_blur"), get_corruption("rolling_shutter")


def moved(point, speed, yaw_rate, seconds):
    """Where a point x, y, z (right, down, ahead) is seen after the camera has moved."""
    x, y, z = point
    z -= speed * seconds
    angle = yaw_rate * seconds
    # The camera turns left, so the world turns right.
    x, z = x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)
    return x / z, y / z


@pytest.mark.parametrize("height", [200, 300])
@pytest.mark.parametrize(("speed", "yaw_rate"), [(15.0, 0.0), (0.0, 0.4), (10.0, -0.3)])
def test_image_motion_is_that_of_a_moved_camera(speed, yaw_rate, height):
    width, focal = 400, FOCAL_WIDTHS * 400
    depth = np.full((height, width), 9.0, np.float32)
    flow = image_motion(depth, speed, yaw_rate)
    for row, column in ((20, 30), (150, 390), (88, 200)):
        x = (column + 0.5 - width / 2) / focal * 9
        y = (row + 0.5 - HORIZON * height) / focal * 9
        dt = 1e-5
        ends = [moved((x, y, 9.0), speed, yaw_rate, t) for t in (-dt, dt)]
        expected = (np.subtract(*ends[::-1])) / (2 * dt) * focal
        assert flow[row, column] == pytest.approx(expected, rel=1e-3, abs=1e-2)


def dots(speed, yaw_rate):
    """Three points of light at one distance, the middle one ahead."""
    image = np.zeros((256, 512, 3), np.uint8)
    horizon = round(HORIZON * 256)
    for column in (100, 256, 420):
        image[horizon + 40, column] = 255
    depth = np.full((256, 512), 15.0, np.float32)
    return Frame(0, "c", 0, cv2.GaussianBlur(image, (0, 0), 2) * 5, None, depth, speed, yaw_rate)


def spread(image, column):
    """Standard deviation of a point's light, along the row and along the column."""
    window = image[:, column - 60 : column + 60, 0].astype(float)
    rows, columns = (np.arange(n) for n in window.shape)
    out = []
    for axis, places in ((0, columns), (1, rows)):
        share = window.sum(axis=axis) / window.sum()
        out.append(float(np.sqrt(share @ places**2 - (share @ places) ** 2)))
    return out


def test_driving_blurs_outwards_and_turning_sideways():
    still = dots(0.0, 0.0)
    assert np.array_equal(BLUR.apply(still, 5).image, still.image)
    driving = BLUR.apply(dots(14.0, 0.0), exposure_ms=100).image
    outer, middle = spread(driving, 100), spread(driving, 256)
    assert outer[0] > 2 * middle[0]
    assert middle[1] > spread(still.image, 256)[1]
    turning = BLUR.apply(dots(0.0, 0.5), exposure_ms=50).image
    # A line of f * rate * exposure pixels has a twelfth of its square as variance.
    length = FOCAL_WIDTHS * 512 * 0.5 * 0.05
    wanted = np.sqrt(spread(still.image, 256)[0] ** 2 + length**2 / 12)
    assert spread(turning, 256)[0] == pytest.approx(wanted, rel=0.05)
    assert spread(turning, 256)[1] == pytest.approx(spread(still.image, 256)[1], abs=0.1)


def test_near_things_smear_more():
    frame = dots(14.0, 0.0)
    far = replace(frame, depth=np.full((256, 512), 60.0, np.float32))
    near = spread(BLUR.apply(frame, exposure_ms=80).image, 420)[0]
    assert near > spread(BLUR.apply(far, exposure_ms=80).image, 420)[0] + 1


def test_a_turning_rolling_shutter_leans_posts():
    image = np.zeros((256, 512, 3), np.uint8)
    image[:, 250:262] = 255
    frame = Frame(0, "c", 0, image, None, np.full((256, 512), 20.0, np.float32), 0.0, 0.5)
    post = SHUTTER.apply(frame, readout_ms=60).image[..., 0].astype(float)
    centres = (post @ np.arange(512)) / post.sum(axis=1)
    # The vehicle turns left: what is read later has moved to the right.
    slope = FOCAL_WIDTHS * 512 * 0.5 * 0.06
    assert centres[255] - centres[0] == pytest.approx(slope, rel=0.05)
    assert centres[127:129].mean() == pytest.approx(255.5, abs=0.1)
    assert np.array_equal(SHUTTER.apply(replace(frame, yaw_rate=0.0), 5).image, image)


def test_the_result_says_when_motion_is_assumed():
    frame = dots(None, None)
    assert any("has no motion" in note for note in BLUR.notes(frame))
    assert BLUR.notes(dots(3.0, None)) == ()


@pytest.mark.parametrize("column", [400, 1024, 1680])
def test_the_middle_of_a_point_stays_but_for_its_approach(column):
    image = np.zeros((1024, 2048, 3), np.uint8)
    cv2.circle(image, (column, 610), 8, (255,) * 3, -1, cv2.LINE_AA)
    depth = np.full((1024, 2048), 15.0, np.float32)
    frame = Frame(0, "c", 0, image, None, depth, 14.0, 0.0)
    window = slice(column - 200, column + 200)

    def middle(picture):
        light = picture[:, window, 0].astype(float)
        return (
            np.array([light.sum(1) @ np.arange(1024), light.sum(0) @ np.arange(400)]) / light.sum()
        )

    for severity, exposure in ((1, 0.008), (3, 0.025), (5, 0.06)):
        shift = middle(BLUR.apply(frame, severity).image) - middle(image)
        # What comes nearer moves faster: its middle runs ahead by the square of the approach.
        outwards = np.array([610 - HORIZON * 1024, column - 1024])
        ahead = outwards * (14.0 / 15 * exposure) ** 2 / 6
        assert np.abs(shift - ahead).max() < 0.05, severity
