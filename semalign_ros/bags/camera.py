"""The camera of a data set: pinhole model, mounting, and depth from disparity.

Source of the conventions: the Cityscapes data set's calibration document (camera in
vehicle coordinates after ISO 8855: x forward, y left, z up, origin on the ground below
the rear axle; yaw, then pitch, then roll, pitch positive for a camera that looks down).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

BASE_FRAME = "base_link"
CAMERA_FRAME = "camera_front"
OPTICAL_FRAME = "camera_front_optical"


@dataclass(frozen=True, slots=True)
class CameraModel:
    """Rectified pinhole camera with its mounting in the vehicle.

    Args:
        width: Pixels, of the image that the other values refer to.
        height: Pixels.
        fx: Focal length, pixels.
        fy: Focal length, pixels.
        cx: Principal point, pixels from the centre of the first pixel.
        cy: Principal point, pixels.
        baseline: Of the stereo pair, metres, or None for a single camera.
        position: x, y, z in the vehicle, metres.
        yaw: Radians, left positive.
        pitch: Radians, down positive.
        roll: Radians.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    baseline: float | None = None
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def resized(self, width: int, height: int) -> CameraModel:
        """Model of the same camera after its image was resized.

        Pixel centres lie at whole numbers, so the image's corner at -0.5 stays fixed.
        """
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )


@dataclass(frozen=True, slots=True)
class Transform:
    """Pose of `child` in `parent`: metres, and a unit quaternion x, y, z, w."""

    parent: str
    child: str
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


def mounting(camera: CameraModel) -> tuple[Transform, Transform]:
    """Static transforms vehicle -> camera body -> optical frame (REP 103: z into the scene)."""
    return (
        Transform(
            BASE_FRAME,
            CAMERA_FRAME,
            camera.position,
            _quaternion(camera.roll, camera.pitch, camera.yaw),
        ),
        Transform(
            CAMERA_FRAME,
            OPTICAL_FRAME,
            (0.0, 0.0, 0.0),
            _quaternion(-math.pi / 2, 0.0, -math.pi / 2),
        ),
    )


def depth_from_disparity(
    disparity: NDArray[np.uint16], focal_px: float, baseline: float
) -> NDArray[np.float32]:
    """Depth of a Cityscapes disparity map.

    A stored value p > 0 means a disparity of (p - 1) / 256 pixels; 0 means none was
    found. Depth is focal length times baseline over disparity.

    Args:
        disparity: u16[H, W] as stored.
        focal_px: Horizontal focal length in pixels of this map.
        baseline: Metres.

    Returns:
        f32[H, W], metres, NaN where there is no disparity or it is zero.
    """
    # A table of all 65536 values costs less than a division and a mask per pixel.
    stored = np.arange(65536, dtype=np.float64)
    table = np.full(65536, np.nan, np.float32)
    table[2:] = focal_px * baseline * 256.0 / (stored[2:] - 1.0)
    return np.take(table, disparity)


def _quaternion(roll: float, pitch: float, yaw: float) -> tuple[float, float, float, float]:
    """Unit quaternion x, y, z, w of Rz(yaw) Ry(pitch) Rx(roll)."""
    cr, sr = math.cos(roll / 2), math.sin(roll / 2)
    cp, sp = math.cos(pitch / 2), math.sin(pitch / 2)
    cy, sy = math.cos(yaw / 2), math.sin(yaw / 2)
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )
