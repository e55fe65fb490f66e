"""The pinhole camera of Cityscapes, its pose in the world, and the disparity encoding.

World: x forward along the street, y left, z up, metres, ground at z = 0.
Camera: x right, y down, z forward. A pixel's centre has integer coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Calibration of the Cityscapes recording vehicle at 2048x1024 (its camera json files).
_WIDTH, _HEIGHT = 2048, 1024
_FX, _FY, _U0, _V0 = 2262.52, 2265.3017905988554, 1096.98, 513.137
_DISPARITY_STEPS = 256.0


@dataclass(frozen=True, slots=True)
class Camera:
    """Intrinsics and mounting of a stereo camera; the left one renders.

    Args:
        width: Image width, pixels.
        height: Image height, pixels.
        fx: Focal length along a row, pixels.
        fy: Focal length along a column, pixels (differs from `fx` for a squashed image).
        u0: Principal point, column.
        v0: Principal point, row.
        baseline: Distance to the right camera, metres.
        x: Mounting point forward of the vehicle's reference (rear axle), metres.
        y: Mounting point to the left, metres.
        z: Height above the ground, metres.
        pitch: Downward tilt, radians.
        yaw: Rotation to the left, radians.
    """

    width: int
    height: int
    fx: float
    fy: float
    u0: float
    v0: float
    baseline: float = 0.209313
    x: float = 1.7
    y: float = 0.1
    z: float = 1.22
    pitch: float = 0.038
    yaw: float = -0.0195

    @classmethod
    def for_size(
        cls, width: int, height: int, *, z: float = 1.22, pitch: float = 0.038, yaw: float = -0.0195
    ) -> Camera:
        """Return the Cityscapes camera for an image of `width` x `height` pixels.

        A shape other than 2:1 squashes the same field of view, so `fx` and `fy` differ.
        """
        sx, sy = width / _WIDTH, height / _HEIGHT
        # Pixel centres are integers, so the half pixel moves with the scale.
        return cls(
            width=width,
            height=height,
            fx=_FX * sx,
            fy=_FY * sy,
            u0=(_U0 + 0.5) * sx - 0.5,
            v0=(_V0 + 0.5) * sy - 0.5,
            z=z,
            pitch=pitch,
            yaw=yaw,
        )

    def matrix(self) -> NDArray[np.float64]:
        """Return the intrinsic matrix, f64[3, 3]."""
        return np.array([[self.fx, 0, self.u0], [0, self.fy, self.v0], [0, 0, 1]], np.float64)

    def to_json(self) -> dict[str, dict[str, float]]:
        """Return the content of a Cityscapes camera file."""
        return {
            "extrinsic": {
                "baseline": self.baseline,
                "pitch": self.pitch,
                "roll": 0.0,
                "x": self.x,
                "y": self.y,
                "yaw": self.yaw,
                "z": self.z,
            },
            "intrinsic": {"fx": self.fx, "fy": self.fy, "u0": self.u0, "v0": self.v0},
        }

    def disparity(self, depth: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Encode depth as Cityscapes does: 0 invalid, else 256 * disparity in pixels + 1.

        Args:
            depth: f32[H, W], metres along the optical axis; infinite is valid, NaN is not.

        Returns:
            u16[H, W].
        """
        with np.errstate(divide="ignore"):
            code = (_DISPARITY_STEPS * self.baseline * self.fx) / depth + 1.5
        encoded: NDArray[np.uint16] = np.nan_to_num(np.minimum(code, 65535.0), nan=0.0).astype(
            np.uint16
        )
        return encoded


@dataclass(frozen=True, slots=True)
class Pose:
    """Place of the vehicle's reference on the ground: metres, and radians to the left."""

    x: float
    y: float
    yaw: float


@dataclass(frozen=True, slots=True)
class View:
    """A camera placed in the world.

    Args:
        camera: Intrinsics.
        position: f64[3], optical centre in the world, metres.
        rotation: f64[3, 3], world to camera: rows are right, down, forward.
    """

    camera: Camera
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def at(cls, camera: Camera, pose: Pose) -> View:
        """Mount `camera` on a vehicle at `pose`."""
        c, s = math.cos(pose.yaw), math.sin(pose.yaw)
        position = np.array(
            [pose.x + c * camera.x - s * camera.y, pose.y + s * camera.x + c * camera.y, camera.z]
        )
        heading = pose.yaw + camera.yaw
        ch, sh = math.cos(heading), math.sin(heading)
        cp, sp = math.cos(camera.pitch), math.sin(camera.pitch)
        right = (sh, -ch, 0.0)
        down = (-sp * ch, -sp * sh, -cp)
        forward = (cp * ch, cp * sh, -sp)
        return cls(camera, position, np.array([right, down, forward]))

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project world points.

        Args:
            points: f64[..., 3], metres.

        Returns:
            f64[..., 3]: column, row (pixels) and depth (metres); only depth > 0 is in front.
        """
        local = (points - self.position) @ self.rotation.T
        depth = local[..., 2]
        camera = self.camera
        with np.errstate(divide="ignore", invalid="ignore"):
            u = camera.fx * local[..., 0] / depth + camera.u0
            v = camera.fy * local[..., 1] / depth + camera.v0
        return np.stack([u, v, depth], axis=-1)

    def project_part(self, points: NDArray[np.float64], near: float) -> NDArray[np.float64] | None:
        """Cut off what of a convex polygon is nearer than `near` metres, and project the rest.

        Args:
            points: f64[K, 3], world, metres.
            near: Metres, > 0.

        Returns:
            f64[L, 2] pixels, or None where nothing is left.
        """
        local = (points - self.position) @ self.rotation.T
        kept: list[NDArray[np.float64]] = []
        for here, there in zip(local, np.roll(local, -1, axis=0), strict=True):
            if here[2] > near:
                kept.append(here)
            if (here[2] > near) != (there[2] > near):
                share = (near - here[2]) / (there[2] - here[2])
                kept.append(here + share * (there - here))
        if len(kept) < 3:
            return None
        left = np.array(kept)
        camera = self.camera
        u = camera.fx * left[:, 0] / left[:, 2] + camera.u0
        v = camera.fy * left[:, 1] / left[:, 2] + camera.v0
        return np.column_stack([u, v])

    def rays(self) -> NDArray[np.float64]:
        """Return f64[3, 3] that maps (column, row, 1) to the world ray of unit depth."""
        rays: NDArray[np.float64] = self.rotation.T @ np.linalg.inv(self.camera.matrix())
        return rays
