from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.bags.camera import CameraModel, depth_from_disparity, mounting
from semalign_ros.train.scenes import Camera, Pose, View

FULL = Camera.for_size(2048, 1024)


def test_the_full_size_camera_is_that_of_cityscapes():
    """Values of a camera file of the data set (aachen_000001_000019)."""
    assert FULL.to_json() == {
        "extrinsic": {
            "baseline": 0.209313, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1,
            "yaw": -0.0195, "z": 1.22,
        },
        "intrinsic": {"fx": 2262.52, "fy": 2265.3017905988554, "u0": 1096.98, "v0": 513.137},
    }  # fmt: skip


def test_a_point_ahead_projects_by_hand(level_view):
    """10 m ahead, 1 m to the left, on the ground: u = 199.5 - 500 / 10, v = 99.5 + 600 / 10."""
    np.testing.assert_allclose(level_view.project(np.array([10.0, 1.0, 0.0])), [149.5, 159.5, 10.0])


def test_pitch_looks_down_and_yaw_to_the_left():
    camera = Camera(400, 200, 500.0, 500.0, 200.0, 100.0, x=0, y=0, z=1.0, pitch=0.1, yaw=0.05)
    view = View.at(camera, Pose(0.0, 0.0, 0.0))
    far = view.project(np.array([1e6, 0.0, 1.0]))
    assert far[1] == pytest.approx(100 - 500 * np.tan(0.1), abs=0.2)  # the horizon moves up
    assert far[0] > 200  # what is ahead moves to the right


def test_the_vehicles_pose_carries_the_mounting_along():
    camera = Camera(400, 200, 500.0, 500.0, 200.0, 100.0, x=2.0, y=0.5, z=1.0, pitch=0, yaw=0)
    view = View.at(camera, Pose(10.0, 20.0, np.pi / 2))
    np.testing.assert_allclose(view.position, [9.5, 22.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(view.rotation[2], [0, 1, 0], atol=1e-12)


def test_the_mounting_agrees_with_that_which_bags_publish():
    """An independent implementation: tf from the camera file, by quaternions."""
    model = CameraModel(
        2048, 1024, FULL.fx, FULL.fy, FULL.u0, FULL.v0, FULL.baseline,
        (FULL.x, FULL.y, FULL.z), FULL.yaw, FULL.pitch, 0.0,
    )  # fmt: skip
    body, optical = mounting(model)

    def rotation(q: tuple[float, float, float, float]) -> np.ndarray:
        x, y, z, w = q
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )

    expected = rotation(body.rotation) @ rotation(optical.rotation)
    ours = View.at(FULL, Pose(0.0, 0.0, 0.0)).rotation.T
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("size", [(512, 256), (256, 256), (1024, 300)])
def test_another_size_shows_the_same_view(size):
    """A point keeps its place relative to the image's corners, also when it is squashed."""
    point = np.array([20.0, 2.0, 1.5])
    pose = Pose(0.0, 0.0, 0.0)
    big = View.at(FULL, pose).project(point)
    small = View.at(Camera.for_size(*size), pose).project(point)
    np.testing.assert_allclose((small[:2] + 0.5) / size, (big[:2] + 0.5) / (2048, 1024), atol=1e-12)


def test_disparity_is_decoded_as_cityscapes_documents_it():
    """The converter's decoder is another implementation; quantisation is 1/256 px."""
    depth = np.array([[2.0, 5.0, 37.5, 250.0]], np.float32)
    code = FULL.disparity(depth)
    half_step = depth**2 / (FULL.baseline * FULL.fx * 256) * 0.51
    decoded = depth_from_disparity(code, FULL.fx, FULL.baseline)
    assert (np.abs(decoded - depth) <= half_step + 1e-5).all()


def test_disparity_marks_the_unknown_and_the_infinite():
    code = FULL.disparity(np.array([[np.nan, np.inf, 0.05]], np.float32))
    assert code.tolist() == [[0, 1, 65535]]
