"""Pictures of houses, walls and fences."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from semalign_ros.train.scenes.texture import Rgba, Texture, canvas, roughen

STOREY = 3.1
"""Height of a storey, metres."""

_PLASTER = (
    (196, 186, 164),
    (176, 170, 160),
    (206, 196, 178),
    (158, 148, 136),
    (186, 160, 126),
    (172, 178, 176),
    (148, 122, 104),
    (200, 178, 148),
    (128, 124, 122),
    (214, 208, 200),
    (140, 96, 80),
    (168, 128, 100),
)
_LIT = (255, 205, 128)


def plaster(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the colour of a house."""
    base = _PLASTER[int(rng.integers(len(_PLASTER)))]
    factor = rng.uniform(0.75, 1.08)
    return base[0] * factor, base[1] * factor, base[2] * factor


def _rectangle(rgba: Rgba, box: Sequence[float], colour: Sequence[float], ppm: float) -> None:
    x0, y0, x1, y1 = (round(value * ppm) for value in box)
    rgba[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1), :3] = np.clip(colour, 0, 255)


def facade(
    rng: np.random.Generator, width: float, storeys: int, colour: Sequence[float], ppm: float
) -> Texture:
    """Draw the street front of a house.

    Args:
        rng: Source of randomness.
        width: Metres.
        storeys: Number of storeys, the ground floor included.
        colour: RGB of the wall.
        ppm: Texels per metre.
    """
    height = storeys * STOREY + 0.6
    rgba = canvas(round(height * ppm), round(width * ppm), (colour[0], colour[1], colour[2]))
    roughen(rgba, int(rng.integers(8)), 5.0)
    glow = np.zeros((*rgba.shape[:2], 3), np.uint8)
    if rng.random() < 0.3:
        _courses(rgba, ppm)
    trim = np.clip(np.array(colour) * rng.choice([0.75, 1.2]), 0, 245)
    shop = rng.random() < 0.45
    columns = max(1, int(width / rng.uniform(2.1, 3.4)))
    pitch = width / columns
    pane = (rng.uniform(0.9, 1.4), rng.uniform(1.35, 1.9))
    glass = np.array([rng.uniform(38, 72), rng.uniform(46, 80), rng.uniform(54, 92)])
    frame = (228, 226, 220) if rng.random() < 0.7 else (70, 58, 50)
    balcony = rng.random() < 0.25
    for storey in range(1 if shop else 0, storeys):
        top = height - (storey + 1) * STOREY + 0.55
        for column in range(columns):
            x = (column + 0.5) * pitch - pane[0] / 2
            box = (x, top, x + pane[0], top + pane[1])
            _window(rgba, glow, rng, box, glass, frame, trim, ppm)
            if balcony and storey and column % 2 == 1:
                _rectangle(rgba, (x - 0.5, top + 1.0, x + pane[0] + 0.5, top + 2.1), trim, ppm)
        if rng.random() < 0.4:
            line = top + pane[1] + 0.55
            _rectangle(rgba, (0, line, width, line + 0.12), trim, ppm)
    if shop:
        _shop(rgba, glow, rng, width, height, ppm)
    else:
        x = rng.uniform(0.5, max(0.6, width - 1.8))
        _rectangle(rgba, (x, height - 2.3, x + 1.1, height), (72, 52, 40), ppm)
    _rectangle(rgba, (0, 0, width, 0.35), trim * 0.8, ppm)
    _rectangle(rgba, (0, height - 0.5, width, height), np.array(colour) * 0.62, ppm)
    # A downpipe tells neighbours apart.
    _rectangle(rgba, (width - 0.18, 0, width - 0.06, height), np.array(colour) * 0.55, ppm)
    return Texture(rgba, glow)


def _courses(rgba: Rgba, ppm: float) -> None:
    step = max(3, round(0.3 * ppm))
    rows = rgba[::step, :, :3]
    rgba[::step, :, :3] = (rows * 0.86).astype(np.uint8)


def _window(
    rgba: Rgba,
    glow: Rgba,
    rng: np.random.Generator,
    box: tuple[float, float, float, float],
    glass: np.ndarray,
    frame: Sequence[float],
    trim: np.ndarray,
    ppm: float,
) -> None:
    x0, y0, x1, y1 = box
    _rectangle(rgba, (x0 - 0.14, y0 - 0.14, x1 + 0.14, y1 + 0.2), trim, ppm)
    _rectangle(rgba, box, frame, ppm)
    pane = glass * rng.uniform(0.6, 1.5)
    middle = (x0 + x1) / 2
    for left, right in ((x0 + 0.08, middle - 0.04), (middle + 0.04, x1 - 0.08)):
        _rectangle(rgba, (left, y0 + 0.08, right, y1 - 0.08), pane, ppm)
        _rectangle(rgba, (left, y0 + 0.08, right, y0 + 0.5), pane * 1.35 + 12, ppm)
    if rng.random() < 0.25:
        _rectangle(rgba, (x0 + 0.08, y0 + 0.08, x1 - 0.08, y0 + 0.7), (214, 208, 196), ppm)
    if rng.random() < 0.35:
        light = np.array(_LIT) * rng.uniform(0.35, 0.8)
        _rectangle(glow, (x0 + 0.08, y0 + 0.08, x1 - 0.08, y1 - 0.08), light, ppm)


def _shop(
    rgba: Rgba, glow: Rgba, rng: np.random.Generator, width: float, height: float, ppm: float
) -> None:
    top = height - STOREY
    board = rng.uniform(30, 190, 3)
    _rectangle(rgba, (0, top, width, height), (96, 92, 88), ppm)
    _rectangle(rgba, (0.2, top + 0.1, width - 0.2, top + 0.75), board, ppm)
    _rectangle(glow, (0.2, top + 0.1, width - 0.2, top + 0.75), board * 0.6, ppm)
    for _ in range(int(width * 1.6)):
        x = rng.uniform(0.6, max(0.7, width - 0.9))
        _rectangle(rgba, (x, top + 0.25, x + 0.22, top + 0.6), 255 - board * 0.5, ppm)
    x = 0.4
    while x < width - 1.2:
        wide = min(rng.uniform(1.2, 3.4), width - 0.4 - x)
        box = (x, top + 0.95, x + wide, height - 0.45)
        _rectangle(rgba, box, rng.uniform(40, 95, 3), ppm)
        for _ in range(4):
            goods = x + rng.uniform(0, wide * 0.8)
            low = height - rng.uniform(0.6, 1.5)
            _rectangle(
                rgba,
                (goods, low, min(goods + 0.5, x + wide), height - 0.45),
                rng.uniform(40, 200, 3),
                ppm,
            )
        _rectangle(glow, box, np.array(_LIT) * rng.uniform(0.4, 0.75), ppm)
        x += wide + 0.3


def side_wall(colour: Sequence[float], ppm: float, seed: int) -> Texture:
    """Draw a wall without windows, 10 m x 10 m."""
    shade = np.array(colour) * 0.9
    rgba = canvas(round(6 * ppm), round(6 * ppm), (shade[0], shade[1], shade[2]))
    return Texture(roughen(rgba, seed, 9.0))


def roof(rng: np.random.Generator, ppm: float) -> Texture:
    """Draw a roof of tiles, 6 m x 4 m."""
    base = [(132, 68, 50), (104, 62, 52), (78, 74, 76), (116, 84, 66)][int(rng.integers(4))]
    rgba = canvas(round(4 * ppm), round(6 * ppm), base)
    roughen(rgba, int(rng.integers(8)), 10.0)
    step = max(3, round(0.33 * ppm))
    rgba[::step, :, :3] = (rgba[::step, :, :3] * 0.72).astype(np.uint8)
    return Texture(rgba)


def garden_wall(rng: np.random.Generator, ppm: float) -> Texture:
    """Draw a wall of bricks or concrete, 6 m x 2 m; graffiti now and then."""
    brick = rng.random() < 0.6
    base = (146, 92, 72) if brick else (150, 146, 138)
    rgba = canvas(round(2 * ppm), round(6 * ppm), base)
    roughen(rgba, int(rng.integers(8)), 10.0)
    step = max(3, round((0.2 if brick else 0.66) * ppm))
    joint = np.array((188, 178, 164) if brick else (112, 108, 102))
    rgba[::step, :, :3] = joint
    for row, y in enumerate(range(0, rgba.shape[0], step)):
        rgba[y : y + step, (row % 2) * step :: step * 2, :3] = joint
    if rng.random() < 0.3:
        points = rng.uniform(0, (rgba.shape[1], rgba.shape[0]), (7, 2)).astype(np.int32)
        colour = (*(int(c) for c in rng.integers(30, 230, 3)), 255)
        cv2.polylines(rgba, [points], False, colour, max(1, round(0.12 * ppm)), cv2.LINE_AA)
    top = round(0.15 * ppm)
    rgba[: max(1, top), :, :3] = (176, 172, 164)
    return Texture(rgba)


def fence(rng: np.random.Generator, ppm: float) -> Texture:
    """Draw a fence with gaps, 6 m x its height."""
    kind = int(rng.integers(3))
    base = [(196, 178, 140), (60, 66, 62), (150, 152, 150)][kind]
    height, width = round(1.3 * ppm), round(6 * ppm)
    rgba = canvas(height, width, base, 0)
    bar = max(2, round((0.13, 0.05, 0.05)[kind] * ppm))
    step = max(bar + 1, round((0.19, 0.15, 0.3)[kind] * ppm))
    for x in range(0, width, step):
        rgba[:, x : x + bar, 3] = 255
    rail = max(2, round(0.08 * ppm))
    for share in (0.06, 0.5, 0.88):
        y = round(share * height)
        rgba[y : y + rail, :, 3] = 255
        rgba[y + rail - 1, :, :3] = np.array(base) * 0.7
    if kind == 2:
        # Mesh: half see-through.
        rgba[..., 3] = np.maximum(rgba[..., 3], 150)
        rgba[::3, ::3, :3] = (110, 112, 110)
    return Texture(roughen(rgba, int(rng.integers(8)), 6.0))
