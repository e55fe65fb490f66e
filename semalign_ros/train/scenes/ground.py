"""The ground: carriageway, markings, kerb, pavement and grass, by casting a ray per pixel.

Two planes are cut, the carriageway at height 0 and the pavement a kerb higher; a ray that
passes over the kerb's edge and falls below it hits the kerb's face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.raster import Buffers
from semalign_ros.train.scenes.street import BEHIND, KERB_HEIGHT, LENGTH, Floats, Street
from semalign_ros.train.scenes.texture import noise_tile

_FARTHEST = 1500.0
_TEXELS_PER_METRE = 64.0
_TILE = 512
_KERBSTONE = 0.16

# Materials of the ground.
ASPHALT, COBBLES, KERB, PAVERS, GRASS, DIRT, CYCLE = range(7)
_LABELS = np.array(
    [
        LABEL_ID[name]
        for name in ("road", "road", "sidewalk", "sidewalk", "terrain", "terrain", "road")
    ],
    np.uint16,
)


@dataclass(frozen=True, slots=True)
class GroundLook:
    """Colours and wear of the ground of one scene.

    Args:
        colours: f32[7, 3], RGB of each material, 0..255.
        paint: Grey level of markings.
        wear: Share of the paint that is gone, 0..1.
        behind: u8[2, LENGTH]: material behind the pavement on the left and the right, per
            metre of `s` from -BEHIND.
        offset: Where in the noise the scene lies, metres.
        stripes: Offsets `d` of dashed lines, then of solid ones.
    """

    colours: Floats
    paint: float
    wear: float
    behind: NDArray[np.uint8]
    offset: float


def draw_look(rng: np.random.Generator, behind: NDArray[np.uint8]) -> GroundLook:
    """Draw the colours of the ground."""
    grey = rng.uniform(82, 128)
    warm = rng.uniform(-5, 5)
    pavement = rng.uniform(115, 165)
    grass = rng.uniform(0.8, 1.2)
    colours = np.array(
        [
            (grey + warm, grey, grey - warm + 2),
            (grey + 6, grey + 2, grey - 2),
            (pavement + 22, pavement + 22, pavement + 18),
            (pavement + 12, pavement + rng.uniform(-4, 6), pavement + rng.uniform(-16, 4)),
            (86 * grass, 116 * grass, 48 * grass),
            (128, 112, 84),
            (150, 74, 62),
        ],
        np.float32,
    )
    return GroundLook(
        colours, rng.uniform(185, 240), rng.uniform(0.0, 0.45), behind, rng.uniform(0, 300)
    )


def _tiles() -> NDArray[np.uint8]:
    """Return u8[T, T, 4]: relief of asphalt, cobbles, pavers and grass, 128 the mean."""
    fine = noise_tile(_TILE, 11, 6, 16)
    grain = np.random.Generator(np.random.Philox(5)).standard_normal((_TILE, _TILE))
    grain = cv2.GaussianBlur(grain, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT)
    asphalt = 128 + 12 * fine + 26 * grain
    cobbles = 128 + 10 * fine
    step = 8
    for row in range(0, _TILE, step):
        cobbles[row : row + 2] -= 55
        shift = (row // step % 2) * step // 2
        for column in range(shift, _TILE, step):
            cobbles[row : row + step, column : column + 2] -= 45
    pavers = 128 + 8 * fine + 8 * grain
    for line in range(0, _TILE, 32):
        pavers[line : line + 2] -= 42
        pavers[:, line : line + 2] -= 42
    grass = 128 + 34 * fine + 30 * grain
    return np.clip(np.stack([asphalt, cobbles, pavers, grass], -1), 0, 255).astype(np.uint8)


_TILES: list[NDArray[np.uint8]] = []


def tiles() -> NDArray[np.uint8]:
    """Return the relief tiles, made once a process."""
    if not _TILES:
        _TILES.append(_tiles())
    return _TILES[0]


def draw_ground(
    buffers: Buffers,
    view: View,
    street: Street,
    look: GroundLook,
    lighting: Lighting,
    shadow: NDArray[np.uint8],
) -> None:
    """Fill everything below the horizon.

    Args:
        buffers: Written to.
        view: Camera in the world; no roll.
        street: The plan.
        look: The colours.
        lighting: The light.
        shadow: u8[H, W], light taken by shadows, 255 all that a shadow can take.
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
        constant = reach * (rays[axis, 1] * rows + rays[axis, 2])
        return np.add.outer(
            np.float32(view.position[axis]) + constant.astype(np.float32), np.zeros(1, np.float32)
        ) + np.multiply.outer(reach * np.float32(rays[axis, 0]), columns)

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

    light = lighting.shade(np.array([[0.0, 0.0, 1.0]]))[0].astype(np.float32)
    colour = np.take(look.colours * light, material, axis=0)
    along = reach * reach / np.float32(view.position[2] * view.camera.fy)
    colour *= _relief(material, x1, d1, along, look)[..., None]
    paint = _paint(street, look, x0, d0, reach, along, view)
    paint[raised | face] = 0
    colour += (light * np.float32(look.paint) - colour) * paint[..., None]
    colour *= (1.0 - shadow[top:].astype(np.float32) * np.float32(1 / 255))[..., None]
    np.minimum(colour, 255.0, out=colour)
    buffers.colour[top:] = colour.astype(np.uint8)
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


def _relief(
    material: NDArray[np.uint8], x: Floats, d: Floats, along: Floats, look: GroundLook
) -> Floats:
    """Brightness factor of the surface's structure, which fades where it is too fine to see."""
    fine = cv2.remap(
        tiles(),
        np.clip(x * _TEXELS_PER_METRE, -30000, 30000),
        np.clip(d * _TEXELS_PER_METRE, -30000, 30000),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    channel = np.array([0, 1, 0, 2, 3, 3, 0], np.uint8)[material]
    relief = np.zeros(material.shape, np.float32)
    for index in range(4):
        np.copyto(relief, fine[..., index], where=channel == index)
    fade = np.clip(0.05 / along, 0.06, 1.0).astype(np.float32)[:, None]
    relief -= 128
    relief *= fade / np.float32(128)
    large = noise_tile(_TILE, 23, 6, 4)
    scale = np.float32(4.0)
    stains = cv2.remap(
        large,
        np.clip((x + np.float32(look.offset)) * scale, -30000, 30000),
        np.clip(d * scale * 2, -30000, 30000),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return 1.0 + relief + stains * np.float32(0.06)


def _cover(distance: Floats, half: float, footprint: Floats) -> Floats:
    """Share of a pixel that a stripe covers."""
    return np.clip((half - np.abs(distance)) / footprint + 0.5, 0.0, 1.0) * np.minimum(
        1.0, 2 * half / footprint
    )


def _paint(
    street: Street,
    look: GroundLook,
    x: Floats,
    d: Floats,
    reach: Floats,
    along: Floats,
    view: View,
) -> Floats:
    """Coverage by white paint, 0..1."""
    across = np.maximum(reach / np.float32(view.camera.fx), 1e-3)[:, None]
    along = np.maximum(along, 1e-3)[:, None]
    paint = np.zeros(x.shape, np.float32)
    near = slice(int(np.searchsorted(-reach, -130.0)), None)
    x, d, across, along = x[near], d[near], across[near], along[near]
    target = paint[near]
    if street.marked:
        dashes = _cover(np.mod(x, 9.0) - 4.5, 2.0, along)
        for k in range(1, street.lanes_right):
            offset = -(street.median + k * street.lane)
            np.maximum(target, _cover(d - offset, 0.07, across) * dashes, out=target)
        for k in range(1, street.lanes_left):
            offset = street.median + k * street.lane
            np.maximum(target, _cover(d - offset, 0.07, across) * dashes, out=target)
        if street.lanes_left and not street.median:
            np.maximum(target, _cover(d, 0.07, across) * dashes, out=target)
        for width, edge, side in (
            (street.parking_right, street.right, 1),
            (street.parking_left, street.left, -1),
        ):
            if width:
                line = _cover(d - (edge + side * width), 0.05, across)
                np.maximum(target, line, out=target)
    for crossing in street.crossings:
        zone = np.abs(x - crossing.s)
        target *= np.clip((zone - crossing.half_width - 4.5) / along, 0, 1)
        inside = (d < street.left) & (d > street.right)
        if crossing.zebra:
            band = _cover(zone - (crossing.half_width + 2.6), 1.5, along)
            stripes = _cover(np.mod(d, 1.0) - 0.5, 0.25, np.maximum(across, 0.01))
            np.maximum(target, band * stripes * inside, out=target)
        if crossing.lights:
            stop = crossing.s - crossing.half_width - 5.2
            ours = inside & (d < -street.median)
            np.maximum(target, _cover(x - stop, 0.25, along) * ours, out=target)
            if street.lanes_left:
                stop = crossing.s + crossing.half_width + 5.2
                theirs = inside & (d > street.median)
                np.maximum(target, _cover(x - stop, 0.25, along) * theirs, out=target)
    target *= np.float32(0.92 * (1.0 - 0.6 * look.wear))
    return paint
