"""Shadows on the ground, drawn as a mask before anything else."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.decals import ground_polygon
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.polygons import fill
from semalign_ros.train.scenes.things import Shadow

_REACH = 65.0
_LONGEST = 18.0
_CONTACT = 150
_CIRCLE = np.array(
    [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 14, endpoint=False)]
)


def shadow_mask(view: View, lighting: Lighting, shadows: Iterable[Shadow]) -> NDArray[np.uint8]:
    """Draw all shadows.

    Returns:
        u8[H, W]: light taken, 255 all.
    """
    camera = view.camera
    mask = np.zeros((camera.height, camera.width), np.uint8)
    cast = round(255 * lighting.shadow)
    sun = np.array(lighting.sun)
    slope = -sun[:2] / max(sun[2], 0.2)
    for shadow in shadows:
        if (
            math.hypot(shadow.place.x - view.position[0], shadow.place.y - view.position[1])
            > _REACH
        ):
            continue
        if cast > 50:
            outline = _outline(shadow, slope)
            _fill(mask, view, outline, shadow.place.z, round(cast * (0.8 if shadow.soft else 1.0)))
        if shadow.contact:
            _fill(mask, view, _footprint(shadow, 1.06), shadow.place.z, _CONTACT)
    sigma = max(0.6, camera.fy / 900)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.uint8)


def _footprint(shadow: Shadow, scale: float) -> NDArray[np.float64]:
    c, s = math.cos(shadow.place.yaw), math.sin(shadow.place.yaw)
    if shadow.soft:
        corners = _CIRCLE * (shadow.length / 2, shadow.width / 2)
    else:
        a, b = shadow.length / 2 * scale, shadow.width / 2 * scale
        corners = np.array([(a, b), (-a, b), (-a, -b), (a, -b)])
    placed: NDArray[np.float64] = corners @ np.array([[c, s], [-s, c]]) + shadow.place[:2]
    return placed


def _outline(shadow: Shadow, slope: NDArray[np.float64]) -> NDArray[np.float64]:
    foot = _footprint(shadow, 1.0)
    shift = slope * shadow.height
    length = float(np.linalg.norm(shift))
    if length > _LONGEST:
        shift *= _LONGEST / length
    points = np.concatenate([foot + shift * (shadow.base / max(shadow.height, 0.1)), foot + shift])
    hull = cv2.convexHull(points.astype(np.float32))
    # The shape differs between versions of OpenCV.
    return np.asarray(hull, np.float64).reshape(-1, 2)


def _fill(
    mask: NDArray[np.uint8],
    view: View,
    outline: NDArray[np.float64],
    height: float,
    strength: int,
) -> None:
    """Fill a polygon that lies on the ground, keeping the darker value."""
    points = ground_polygon(view, outline, height)
    if points is None:
        return
    camera = view.camera
    u, v = points[:, 0], points[:, 1]
    x0, x1 = max(0, int(u.min())), min(camera.width, int(u.max()) + 2)
    y0, y1 = max(0, int(v.min())), min(camera.height, int(v.max()) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    window = mask[y0:y1, x0:x1]
    layer = np.zeros(window.shape, np.uint8)
    fill(layer, points - (x0, y0), strength)
    np.maximum(window, layer, out=window)
