"""The sky: a gradient, and clouds on a plane far above."""

from __future__ import annotations

import cv2
import numpy as np

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.raster import Buffers
from semalign_ros.train.scenes.texture import noise_tile

_TILE = 512


def draw_sky(buffers: Buffers, view: View, lighting: Lighting, offset: float) -> None:
    """Fill the whole image with sky.

    Args:
        buffers: Written to.
        view: Camera in the world.
        lighting: Colours and cloud cover.
        offset: Which part of the clouds is overhead.
    """
    height, width = buffers.ids.shape
    buffers.ids[:] = LABEL_ID["sky"]
    buffers.inverse_depth[:] = 0.0
    rays = view.rays()
    rising = rays[2, 1] * np.arange(height) + rays[2, 2]
    bottom = int(np.searchsorted(-rising, 0.0))
    horizon = np.array(lighting.horizon, np.float32)
    buffers.colour[bottom:] = horizon.astype(np.uint8)
    if bottom == 0:
        return
    # Clouds are soft: a quarter of the resolution is enough.
    step = max(1, height // 256)
    rows = np.arange(0, bottom + step, step, dtype=np.float32)
    columns = np.arange(0, width + step, step, dtype=np.float32)
    lift = np.maximum(rays[2, 1] * rows + rays[2, 2], 0.004).astype(np.float32)[:, None]
    weight = np.exp(-lift * 9.0)
    sky = np.array(lighting.zenith, np.float32)
    sky = np.repeat((sky + (horizon - sky) * weight)[:, None], len(columns), axis=1)
    plane = []
    for axis in range(2):
        ray = np.add.outer(rays[axis, 1] * rows + rays[axis, 2], rays[axis, 0] * columns)
        plane.append(np.clip(ray / lift * 22.0 + offset, -30000, 30000).astype(np.float32))
    noise = cv2.remap(
        noise_tile(_TILE, 41, 6, 4),
        plane[0],
        plane[1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    threshold = 1.6 - 3.0 * lighting.cloud_cover
    cover = np.clip((noise - threshold) * 0.7, 0, 1) * np.clip((lift - 0.01) * 22, 0, 1)
    cloud = np.array(lighting.cloud, np.float32)
    cloud = cloud * (1.0 - 0.10 * np.clip(noise, -1, 1.5))[..., None]
    sky += (cloud - sky) * (cover * 0.85)[..., None]
    picture = np.clip(sky, 0, 255).astype(np.uint8)
    size = (len(columns) * step, len(rows) * step)
    large = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    buffers.colour[:bottom] = large[:bottom, :width]
