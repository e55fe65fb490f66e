"""Camera geometry against scipy rotations and a stereo pair built from scratch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from semalign_ros.bags.camera import CameraModel, depth_from_disparity, mounting

CAMERA = CameraModel(2048, 1024, 2262.52, 2265.3, 1096.98, 513.137, 0.2093, (1.7, 0.1, 1.22))
angles = st.floats(-1.5, 1.5)


@settings(deadline=None)  # a busy machine is no error
@given(angles, angles, angles)
def test_mounting_is_the_yaw_pitch_roll_rotation(yaw, pitch, roll):
    camera = CameraModel(4, 4, 1, 1, 1, 1, None, (1.0, 2.0, 3.0), yaw, pitch, roll)
    body, _ = mounting(camera)
    expected = Rotation.from_euler("ZYX", [yaw, pitch, roll]).as_matrix()
    np.testing.assert_allclose(Rotation.from_quat(body.rotation).as_matrix(), expected, atol=1e-12)
    assert (body.parent, body.child, body.translation) == (
        "base_link",
        "camera_front",
        (1.0, 2.0, 3.0),
    )


def test_optical_axes_point_where_rep_103_says():
    _, optical = mounting(CAMERA)
    x, y, z = Rotation.from_quat(optical.rotation).as_matrix().T
    np.testing.assert_allclose(z, [1, 0, 0], atol=1e-12)  # into the scene: forward
    np.testing.assert_allclose(x, [0, -1, 0], atol=1e-12)  # image right: vehicle right
    np.testing.assert_allclose(y, [0, 0, -1], atol=1e-12)  # image down: vehicle down


def test_a_camera_that_pitches_down_sees_the_horizon_above_its_centre():
    camera = CameraModel(2048, 1024, 2262.52, 2265.3, 1096.98, 513.137, pitch=0.038)
    body, optical = (Rotation.from_quat(t.rotation) for t in mounting(camera))
    far_ahead = (body * optical).inv().apply([1e6, 0, 0])
    row = camera.fy * far_ahead[1] / far_ahead[2] + camera.cy
    assert row == pytest.approx(513.137 - 2265.3 * np.tan(0.038), abs=0.01)


@settings(deadline=None)  # a busy machine is no error
@given(st.floats(3, 400), st.floats(-20, 20))
def test_depth_recovers_a_point_seen_by_two_cameras(depth, lateral):
    left = CAMERA.fx * lateral / depth
    right = CAMERA.fx * (lateral - CAMERA.baseline) / depth
    stored = np.array([[round((left - right) * 256 + 1)]], np.uint16)
    recovered = depth_from_disparity(stored, CAMERA.fx, CAMERA.baseline)[0, 0]
    # One step of the stored disparity is the resolution.
    step = depth**2 / (CAMERA.fx * CAMERA.baseline * 256)
    assert recovered == pytest.approx(depth, abs=0.51 * step * (1 + depth / 100) + 1e-4)


def test_no_disparity_is_no_depth():
    depth = depth_from_disparity(np.array([[0, 1, 2, 65535]], np.uint16), 100.0, 0.5)
    assert np.isnan(depth[0, :2]).all()
    np.testing.assert_allclose(depth[0, 2:], [100 * 0.5 * 256, 100 * 0.5 * 256 / 65534], rtol=1e-6)
    assert depth.dtype == np.float32


@settings(deadline=None)  # a busy machine is no error
@given(st.floats(0, 2047), st.floats(0, 1023), st.integers(1, 4096), st.integers(1, 4096))
def test_resizing_keeps_the_rays(u, v, width, height):
    small = CAMERA.resized(width, height)
    # Where OpenCV's resize puts the pixel centre (u, v).
    u2, v2 = (u + 0.5) * width / 2048 - 0.5, (v + 0.5) * height / 1024 - 0.5
    assert (u2 - small.cx) / small.fx == pytest.approx((u - CAMERA.cx) / CAMERA.fx, abs=1e-9)
    assert (v2 - small.cy) / small.fy == pytest.approx((v - CAMERA.cy) / CAMERA.fy, abs=1e-9)
    back = small.resized(2048, 1024)
    assert (back.fx, back.cx) == (pytest.approx(CAMERA.fx), pytest.approx(CAMERA.cx))
