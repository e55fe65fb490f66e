"""Pictures of houses, walls and fences."""

from __future__ import annotations

import numpy as np

from semalign_ros.train.scenes.drawing import Colour, Sketch, scaled
from semalign_ros.train.scenes.texture import Texture, roughen

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
_ROOFS = ((132, 68, 50), (104, 62, 52), (78, 74, 76), (116, 84, 66))
_LIT = (255, 205, 128)
_CURTAIN = (214, 208, 196)


def plaster(rng: np.random.Generator) -> Colour:
    """Draw the colour of a house."""
    return scaled(_PLASTER[int(rng.integers(len(_PLASTER)))], rng.uniform(0.75, 1.12))


def facade_height(storeys: int) -> float:
    """Height of a house up to its eaves, metres."""
    return storeys * STOREY + 0.6


def facade(
    rng: np.random.Generator,
    width: float,
    storeys: int,
    colour: Colour,
    ppm: float,
    *,
    shops: float = 0.45,
) -> Texture:
    """Draw a side of a house that has windows.

    Args:
        rng: Source of randomness.
        width: Metres.
        storeys: Number of storeys, the ground floor included.
        colour: RGB of the wall.
        ppm: Texels per metre.
        shops: Probability of a shop on the ground floor.
    """
    height = facade_height(storeys)
    sketch = Sketch(width, height, ppm, colour, opacity=255)
    roughen(sketch.rgba, int(rng.integers(8)), 5.0)
    if rng.random() < 0.3:
        _courses(sketch, 0.3, 0.86)
    trim = scaled(colour, float(rng.choice([0.75, 1.2])))
    shop = rng.random() < shops
    if rng.random() < 0.2:
        _bands(sketch, rng, storeys, 1 if shop else 0)
    else:
        _windows(sketch, rng, storeys, 1 if shop else 0, trim)
    if shop:
        _shop(sketch, rng)
    else:
        x = rng.uniform(0.5, max(0.6, width - 1.8))
        sketch.box(x - 0.12, height - 2.45, x + 1.22, height, trim)
        sketch.box(x, height - 2.3, x + 1.1, height, (72, 52, 40))
    sketch.box(0, 0, width, 0.35, scaled(trim, 0.8))
    sketch.box(0, height - 0.5, width, height, scaled(colour, 0.62))
    # A downpipe tells neighbours apart.
    sketch.box(width - 0.18, 0, width - 0.06, height, scaled(colour, 0.55))
    return sketch.picture()


def _courses(sketch: Sketch, step: float, factor: float) -> None:
    """Darken a row of texels each `step` metres."""
    rows = np.ones(sketch.rgba.shape[0])
    rows[:: max(3, sketch.texels(step))] = factor
    sketch.shade(rows[:, None])


def _windows(
    sketch: Sketch, rng: np.random.Generator, storeys: int, first: int, trim: Colour
) -> None:
    """Draw rows of single windows, from storey `first` up."""
    columns = max(1, int(sketch.width / rng.uniform(2.1, 3.4)))
    pitch = sketch.width / columns
    wide, high = rng.uniform(0.9, 1.4), rng.uniform(1.35, 1.9)
    glass = (rng.uniform(38, 72), rng.uniform(46, 80), rng.uniform(54, 92))
    frame = (228, 226, 220) if rng.random() < 0.7 else (70, 58, 50)
    balcony, ledge = rng.random() < 0.25, rng.random() < 0.4
    for storey in range(first, storeys):
        top = sketch.height - (storey + 1) * STOREY + 0.55
        for column in range(columns):
            x = (column + 0.5) * pitch - wide / 2
            _window(sketch, rng, x, top, wide, high, glass, frame, trim)
            if balcony and storey and column % 2 == 1:
                sketch.box(x - 0.5, top + 1.0, x + wide + 0.5, top + 2.1, trim)
        if ledge:
            line = top + high + 0.55
            sketch.box(0, line, sketch.width, line + 0.12, trim)


def _window(
    sketch: Sketch,
    rng: np.random.Generator,
    x: float,
    y: float,
    wide: float,
    high: float,
    glass: Colour,
    frame: Colour,
    trim: Colour,
) -> None:
    sketch.box(x - 0.14, y - 0.14, x + wide + 0.14, y + high + 0.2, trim)
    sketch.box(x, y, x + wide, y + high, frame)
    pane = scaled(glass, rng.uniform(0.6, 1.5))
    left, right, top, bottom = x + 0.08, x + wide - 0.08, y + 0.08, y + high - 0.08
    sketch.box(left, top, right, bottom, pane)
    sketch.box(left, top, right, y + 0.5, scaled(pane, 1.6))
    sketch.box(x + wide / 2 - 0.04, y, x + wide / 2 + 0.04, y + high, frame)
    if rng.random() < 0.25:
        sketch.box(left, top, right, y + rng.uniform(0.4, high), _CURTAIN)
    if rng.random() < 0.35:
        sketch.shine_box(left, top, right, bottom, scaled(_LIT, rng.uniform(0.35, 0.8)))


def _bands(sketch: Sketch, rng: np.random.Generator, storeys: int, first: int) -> None:
    """Draw the bands of glass of an office building, from storey `first` up."""
    glass = (rng.uniform(44, 80), rng.uniform(60, 96), rng.uniform(72, 116))
    pitch = rng.uniform(1.0, 1.8)
    for storey in range(first, storeys):
        top = sketch.height - (storey + 1) * STOREY + 0.5
        x = 0.3
        while x < sketch.width - 0.5:
            end = min(x + pitch - 0.08, sketch.width - 0.3)
            pane = scaled(glass, rng.uniform(0.75, 1.3))
            sketch.box(x, top, end, top + 1.9, pane)
            sketch.box(x, top, end, top + 0.6, scaled(pane, 1.35))
            if rng.random() < 0.3:
                sketch.shine_box(x, top, end, top + 1.9, scaled((236, 226, 190), 0.6))
            x += pitch


def _shop(sketch: Sketch, rng: np.random.Generator) -> None:
    width, height = sketch.width, sketch.height
    top = height - STOREY
    board = rng.uniform(30, 150) + rng.normal(0, 35, 3)
    sketch.box(0, top, width, height, (96, 92, 88))
    sketch.box(0.2, top + 0.1, width - 0.2, top + 0.75, board)
    sketch.shine_box(0.2, top + 0.1, width - 0.2, top + 0.75, scaled(board, 0.6))
    for _ in range(int(width * 1.6)):
        x = rng.uniform(0.6, max(0.7, width - 0.9))
        sketch.box(x, top + 0.25, x + 0.22, top + 0.6, 235 - 0.5 * board)
    x = 0.4
    while x < width - 1.2:
        end = min(x + rng.uniform(1.2, 3.4), width - 0.4)
        tone = rng.uniform(40, 80)
        sketch.box(x, top + 0.95, end, height - 0.45, (tone, tone + 4, tone + 8))
        for _ in range(4):
            goods = rng.uniform(x, end - 0.2)
            colour = rng.uniform(60, 170) + rng.normal(0, 28, 3)
            low = height - rng.uniform(0.6, 1.5)
            sketch.box(goods, low, min(goods + 0.5, end), height - 0.45, colour)
        sketch.shine_box(x, top + 0.95, end, height - 0.45, scaled(_LIT, rng.uniform(0.4, 0.75)))
        x = end + 0.3


def side_wall(colour: Colour, ppm: float, seed: int) -> Texture:
    """Draw a wall without windows."""
    sketch = Sketch(6, 6, ppm, scaled(colour, 0.9), opacity=255)
    roughen(sketch.rgba, seed, 9.0)
    return sketch.picture()


def roof(rng: np.random.Generator, ppm: float) -> Texture:
    """Draw a roof of tiles, 6 m x 4 m."""
    sketch = Sketch(6, 4, ppm, _ROOFS[int(rng.integers(len(_ROOFS)))], opacity=255)
    roughen(sketch.rgba, int(rng.integers(8)), 10.0)
    _courses(sketch, 0.33, 0.72)
    return sketch.picture()


def garden_wall(rng: np.random.Generator, ppm: float) -> Texture:
    """Draw a wall of bricks or concrete, 6 m x 2 m; graffiti now and then."""
    brick = rng.random() < 0.6
    sketch = Sketch(6, 2, ppm, (146, 92, 72) if brick else (150, 146, 138), opacity=255)
    roughen(sketch.rgba, int(rng.integers(8)), 10.0)
    step = max(3, sketch.texels(0.2 if brick else 0.66))
    joint = (188, 178, 164) if brick else (112, 108, 102)
    sketch.rgba[::step, :, :3] = joint
    for row, y in enumerate(range(0, sketch.rgba.shape[0], step)):
        sketch.rgba[y : y + step, (row % 2) * step :: step * 2, :3] = joint
    if rng.random() < 0.2:
        points = [(float(x), float(y)) for x, y in rng.uniform(0.2, (5.8, 1.8), (7, 2))]
        sketch.limb(points, 0.06, rng.uniform(30, 230, 3))
    sketch.box(0, 0, 6, 0.15, (176, 172, 164))
    return sketch.picture()


def fence(rng: np.random.Generator, ppm: float) -> Texture:
    """Draw a fence with gaps, 6 m x 1.3 m: pickets, iron bars or mesh."""
    kind = int(rng.integers(3))
    base = ((196, 178, 140), (60, 66, 62), (150, 152, 150))[kind]
    sketch = Sketch(6, 1.3, ppm, base)
    opacity = sketch.rgba[..., 3]
    bar = max(2, sketch.texels((0.13, 0.05, 0.05)[kind]))
    step = max(bar + 1, sketch.texels((0.19, 0.15, 0.3)[kind]))
    for x in range(0, opacity.shape[1], step):
        opacity[:, x : x + bar] = 255
    for y in (0.08, 0.65, 1.14):
        sketch.box(0, y, 6, y + 0.08, scaled(base, 0.85))
        rows = slice(round(y * ppm), round(y * ppm) + max(2, sketch.texels(0.08)))
        opacity[rows] = 255
    if kind == 2:
        # Mesh: half see-through.
        np.maximum(opacity, 150, out=opacity)
        sketch.rgba[::3, ::3, :3] = (110, 112, 110)
    roughen(sketch.rgba, int(rng.integers(8)), 6.0)
    return sketch.picture()
