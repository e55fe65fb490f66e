"""The ground: carriageway, kerb, pavement and grass, by casting a ray per pixel.

Two planes are cut, the carriageway at height 0 and the pavement a kerb higher; a ray that
passes over the kerb's edge and falls below it hits the kerb's face.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.raster import Buffers
from semalign_ros.train.scenes.street import BEHIND, KERB_HEIGHT, LENGTH, Floats, Street
from semalign_ros.train.scenes.surface import (
    ASPHALT,
    COBBLES,
    CYCLE,
    GRASS,
    KERB,
    PAVERS,
    GroundLook,
    relief,
)

_FARTHEST = 1500.0
_KERBSTONE = 0.16
# By material, in the order of `surface`.
_LABELS = np.array(
    [
        LABEL_ID[name]
        for name in ("road", "road", "sidewalk", "sidewalk", "terrain", "terrain", "road")
    ],
    np.uint16,
)
_SHADE = 1.0 - np.arange(256, dtype=np.float32) / 255


def draw_ground(
    buffers: Buffers,
    view: View,
    street: Street,
    look: GroundLook,
    lighting: Lighting,
    shadow: NDArray[np.uint8],
    paint: NDArray[np.uint8],
    tone: NDArray[np.uint8],
) -> None:
    """Fill everything below the horizon.

    Args:
        buffers: Written to.
        view: Camera in the world; no roll.
        street: The plan.
        look: The colours.
        lighting: The light.
        shadow: u8[H, W], light taken by shadows, 255 all.
        paint: u8[H, W], coverage of the carriageway by white paint.
        tone: u8[H, W], brightness of the carriageway, 128 neutral.
    """
    height, width = buffers.ids.shape
    rays = view.rays()
    rows = np.arange(height)
    falling = -(rays[2, 1] * rows + rays[2, 2])
    top = int(np.searchsorted(falling, view.position[2] / _FARTHEST))
    if top >= height:
        return
    rows, falling = rows[top:], falling[top:]
    reach = (view.position[2] / falling).astype(np.float32)
    columns = np.arange(width, dtype=np.float32)

    def ground(axis: int) -> Floats:
        start = view.position[axis] + reach * (rays[axis, 1] * rows + rays[axis, 2])
        place: Floats = np.multiply.outer(reach * np.float32(rays[axis, 0]), columns)
        place += start.astype(np.float32)[:, None]
        return place

    x0, y0 = ground(0), ground(1)
    share = np.float32(1.0 - KERB_HEIGHT / view.position[2])
    cx, cy = np.float32(view.position[0]), np.float32(view.position[1])
    x1, y1 = cx + (x0 - cx) * share, cy + (y0 - cy) * share
    d0 = y0 - street.centre_line(x0)
    d1 = y1 - street.centre_line(x1)
    q0, q1 = street.kerb_distance(x0, d0), street.kerb_distance(x1, d1)

    raised = q1 >= 0
    material = _materials(street, look, x0, d0, x1, d1, q0, q1)
    inverse = np.repeat((1.0 / reach)[:, None], width, axis=1)
    near = inverse / share
    # On the kerb's face the ray ends between the two planes, where the distance is zero.
    face = ~raised & (q0 >= 0)
    inverse[raised] = near[raised]
    if face.any():
        part = q0[face] / np.maximum(q0[face] - q1[face], 1e-6)
        inverse[face] += (near[face] - inverse[face]) * part

    along = reach * reach / np.float32(view.position[2] * view.camera.fy)
    factor, stains = relief(material, x1, d1, along, look)
    factor *= _SHADE[shadow[top:]]
    road = ~(raised | face)
    np.multiply(factor, tone[top:] * np.float32(1 / 128), out=factor, where=road)
    white = paint[top:] * (
        np.float32(1 / 255) * np.clip(1 - look.wear * (stains + 0.5), 0.25, 0.95)
    )
    white[~road] = 0
    light = lighting.shade(np.array([[0.0, 0.0, 1.0]]))[0].astype(np.float32)
    channels = []
    for index in range(3):
        channel = np.take(look.colours[:, index] * light[index], material)
        channel += (light[index] * np.float32(look.paint) - channel) * white
        channel *= factor
        channels.append(channel)
    # Rounds and saturates; nothing is negative.
    buffers.colour[top:] = cv2.convertScaleAbs(cv2.merge(channels))
    buffers.ids[top:] = _LABELS[material]
    buffers.inverse_depth[top:] = inverse


def _materials(
    street: Street,
    look: GroundLook,
    x0: Floats,
    d0: Floats,
    x1: Floats,
    d1: Floats,
    q0: Floats,
    q1: Floats,
) -> NDArray[np.uint8]:
    road = COBBLES if street.cobbles else ASPHALT
    material = np.full(q0.shape, road, np.uint8)
    if street.cycle_lane:
        outer = -(street.median + street.lanes_right * street.lane)
        lane = (d0 > outer) & (d0 < outer + 1.4)
        for crossing in street.crossings:
            lane &= np.abs(x0 - crossing.s) > crossing.half_width + 5
        material[lane] = CYCLE
    material[q0 >= 0] = KERB
    left = d1 > 0
    width = np.where(left, np.float32(street.sidewalk_left), np.float32(street.sidewalk_right))
    raised = q1 >= _KERBSTONE
    material[raised] = PAVERS
    metre = np.clip(x1 + BEHIND, 0, LENGTH - 1).astype(np.int32)
    beyond = raised & (q1 > width + np.float32(street.verge))
    back = np.where(left, look.behind[0][metre], look.behind[1][metre])
    material[beyond] = back[beyond]
    if street.verge:
        material[raised & (q1 < street.verge)] = GRASS
    if street.median:
        material[raised & (np.abs(d1) < street.median)] = GRASS
    return material
