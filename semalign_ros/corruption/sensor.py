"""Defects of the sensor itself."""

from __future__ import annotations

import numpy as np

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Image

# Bilinear demosaicing spreads a red or blue photosite of a Bayer sensor over its neighbours
# like this; green ones, which are denser, over the nearest four.
_SPARSE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
_DENSE = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4


@corruption(
    "image",
    Number(
        "density_ppm",
        "ppm",
        0,
        50000,
        "Photosites that are dead or hot, of a million.",
        neutral=0,
        ladder=(50, 200, 1000, 4000, 10000),
    ),
)
def dead_pixels(frame: Frame, draws: Draws, *, density_ppm: float) -> Image:
    """Photosites stuck at black or at full, the same in every frame.

    Each is one colour of an RGGB mosaic; bilinear demosaicing carries it to its neighbours.

    Source: defect classes of EMVA 1288 (stuck photosites), density as counted there.
    """
    height, width = frame.image.shape[:2]
    count = round(density_ppm * 1e-6 * height * width)
    if count == 0:
        return frame.image
    # One stream each: a higher density then keeps the defects of a lower one.
    place, state = (draws.whole_sequence(name).random(count) for name in ("place", "state"))
    rows, columns = np.divmod((place * height * width).astype(np.int64), width)
    channels = rows % 2 + columns % 2
    stuck = np.where(state < 0.5, np.uint8(0), np.uint8(255))
    result = frame.image.copy()
    for channel, spread in enumerate((_SPARSE, _DENSE, _SPARSE)):
        mine = channels == channel
        y, x, value = rows[mine], columns[mine], stuck[mine]
        plane = result[..., channel]
        for (dy, dx), weight in np.ndenumerate(spread):
            near_y, near_x = y + dy - 1, x + dx - 1
            inside = (near_y >= 0) & (near_y < height) & (near_x >= 0) & (near_x < width)
            near_y, near_x = near_y[inside], near_x[inside]
            old = frame.image[near_y, near_x, channel]
            mixed = old + weight * (value[inside].astype(np.float32) - old)
            plane[near_y, near_x] = np.rint(mixed).astype(np.uint8)
    return result
