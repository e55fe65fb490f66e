"""How the ground looks: colours of its materials, and their relief."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.street import Floats
from semalign_ros.train.scenes.texture import noise_tile

_TEXELS_PER_METRE = 64.0
_TILE = 512
_STAIN_TEXELS_PER_METRE = 4.0
_LIMIT = 30000.0
"""cv2.remap keeps coordinates in 16 bits."""

# Materials of the ground.
ASPHALT, COBBLES, KERB, PAVERS, GRASS, DIRT, CYCLE = range(7)
_RELIEF_OF = np.array([0, 1, 0, 2, 3, 3, 0], np.float32)


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
    """

    colours: Floats
    paint: float
    wear: float
    behind: NDArray[np.uint8]
    offset: float


def draw_look(rng: np.random.Generator, behind: NDArray[np.uint8]) -> GroundLook:
    """Draw the colours of the ground."""
    grey = rng.uniform(78, 130)
    warm = rng.uniform(-5, 5)
    pavement = rng.uniform(112, 168)
    grass = rng.uniform(0.8, 1.2)
    colours = np.array(
        [
            (grey + warm, grey, grey - warm + 2),
            (grey + 6, grey + 2, grey - 2),
            (pavement + 22, pavement + 22, pavement + 18),
            (pavement + 12, pavement + rng.uniform(-4, 6), pavement + rng.uniform(-16, 4)),
            (92 * grass, 120 * grass, 56 * grass),
            (134, 118, 90),
            (150, 74, 62),
        ],
        np.float32,
    )
    return GroundLook(
        colours, rng.uniform(185, 240), rng.uniform(0.0, 0.6), behind, rng.uniform(0, 300)
    )


@functools.lru_cache(maxsize=1)
def _tiles() -> NDArray[np.uint8]:
    """Return u8[4 T, T]: relief of asphalt, cobbles, pavers and grass, 128 the mean."""
    fine = noise_tile(_TILE, 11, 6, 16)
    grain = np.random.Generator(np.random.Philox(5)).standard_normal((_TILE, _TILE))
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT))
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
    atlas: NDArray[np.uint8] = np.clip(
        np.concatenate([asphalt, cobbles, pavers, grass]), 0, 255
    ).astype(np.uint8)
    atlas.setflags(write=False)
    return atlas


def relief(
    material: NDArray[np.uint8], s: Floats, d: Floats, along: Floats, look: GroundLook
) -> tuple[Floats, Floats]:
    """Brightness factor of the surface's structure, which fades where it is too fine to see.

    Args:
        material: u8[H, W].
        s: f32[H, W], metres.
        d: f32[H, W], metres.
        along: f32[H], length that a pixel covers on the ground, metres.
        look: Where in the noise the scene lies.

    Returns:
        f32[H, W] factors about 1, and f32[H, W] stains, mean 0, deviation 1.
    """
    row = np.mod(d * np.float32(_TEXELS_PER_METRE), np.float32(_TILE - 1))
    row += _RELIEF_OF[material] * np.float32(_TILE)
    column = np.clip(s * np.float32(_TEXELS_PER_METRE), -_LIMIT, _LIMIT)
    fine = cv2.remap(_tiles(), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    fade = np.clip(0.05 / along, 0.06, 1.0).astype(np.float32)[:, None] * np.float32(1 / 128)
    stains = _stains(s, d, look)
    factor = np.asarray(fine, np.float32)
    factor -= 128
    factor *= fade
    factor += stains * np.float32(0.055)
    factor += 1
    return factor, stains


def _stains(s: Floats, d: Floats, look: GroundLook) -> Floats:
    """Large stains; smooth, so every fourth pixel is enough."""
    height, width = s.shape
    step = 4 if height > 300 else 2
    scale = _STAIN_TEXELS_PER_METRE
    column = np.clip((s[::step, ::step] + look.offset) * scale, -_LIMIT, _LIMIT)
    coarse = cv2.remap(
        noise_tile(_TILE, 23, 6, 4),
        column.astype(np.float32),
        np.clip(d[::step, ::step] * 2 * scale, -_LIMIT, _LIMIT).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )
