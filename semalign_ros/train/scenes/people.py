"""Pictures of people: walking, standing, and sitting on two wheels."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from semalign_ros.train.scenes.drawing import Sketch, scaled
from semalign_ros.train.scenes.texture import Texture, noise_tile

_SKIN = ((224, 180, 150), (198, 150, 118), (150, 106, 78), (104, 72, 54), (232, 192, 166))
_HAIR = ((40, 32, 28), (84, 60, 40), (150, 118, 74), (120, 118, 116), (24, 22, 24))
WIDTH, HEIGHT = 1.0, 1.85
"""Size of the picture of a person of 1.75 m, metres."""
PHASES = 6
"""Pictures of a stride."""


@dataclass(frozen=True, slots=True)
class Clothes:
    """Colours of a person, RGB 0..255, and whether a coat or skirt hides the thighs."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    top: tuple[float, float, float]
    trousers: tuple[float, float, float]
    shoes: tuple[float, float, float]
    long: bool
    bag: bool


def draw_clothes(rng: np.random.Generator) -> Clothes:
    """Draw what a person wears: mostly dark and muted, sometimes bright."""

    def colour(bright: float) -> tuple[float, float, float]:
        value = rng.uniform(20, 90) if rng.random() > bright else rng.uniform(110, 215)
        hue = rng.normal(0, 22 if value < 100 else 45, 3)
        r, g, b = np.clip(value + hue, 12, 240)
        return float(r), float(g), float(b)

    trousers = (rng.uniform(25, 60), rng.uniform(30, 65), rng.uniform(50, 110))
    return Clothes(
        skin=_SKIN[int(rng.integers(len(_SKIN)))],
        hair=_HAIR[int(rng.integers(len(_HAIR)))],
        top=colour(0.5),
        trousers=trousers if rng.random() < 0.6 else colour(0.2),
        shoes=colour(0.25),
        long=bool(rng.random() < 0.25),
        bag=bool(rng.random() < 0.35),
    )


def _cloth(sketch: Sketch, roundness: float = 0.35) -> Texture:
    """Return the picture, darker to one side and rough as cloth is."""
    height, width = sketch.rgba.shape[:2]
    across = np.linspace(-1, 1, width)[None, :]
    folds = np.resize(noise_tile(256, 95, 5, 16)[:, :width], (height, width))
    sketch.shade(1.0 - roundness * 0.6 * across**2 - 0.12 * across + 0.09 * folds)
    return sketch.picture()


@functools.lru_cache(maxsize=512)
def walker(clothes: Clothes, phase: int, ppm: float, *, side: bool) -> Texture:
    """Draw a person on foot.

    Args:
        clothes: What they wear.
        phase: 0..PHASES-1 of the stride; the feet swing apart and together.
        ppm: Texels per metre.
        side: Seen from the side, walking to the right of the picture; else from the front.
    """
    swing = math.sin(2 * math.pi * phase / PHASES)
    sketch = Sketch(WIDTH, HEIGHT, ppm, clothes.top)
    x, hip, ground, shoulder = WIDTH / 2, 0.92, HEIGHT - 0.03, 0.42
    far = scaled(clothes.trousers, 0.75)
    far_top = scaled(clothes.top, 0.8)
    if side:
        stride = 0.33 * swing
        legs = ((x + stride, far), (x - stride, clothes.trousers))
        arms = ((x - 0.22 * swing, far_top), (x + 0.22 * swing, clothes.top))
        sketch.limb(
            [(x, shoulder + 0.06), (arms[0][0], 0.72), (arms[0][0] + 0.08, 0.92)], 0.09, far_top
        )
        for foot, colour in legs:
            knee = ((x + foot) / 2 + 0.06, (hip + ground) / 2)
            lift = 0.07 * max(0.0, (x - foot)) / 0.3
            sketch.limb([(x, hip), knee, (foot - 0.02, ground - 0.06 - lift)], 0.13, colour)
            sketch.limb(
                [(foot - 0.04, ground - lift - 0.02), (foot + 0.12, ground - lift - 0.02)],
                0.07,
                clothes.shoes,
            )
        body = 0.13
    else:
        for sign, colour in ((-1, far), (1, clothes.trousers)):
            lift = 0.08 * max(0.0, sign * swing)
            foot = x + sign * 0.10
            sketch.limb([(x + sign * 0.08, hip), (foot, ground - 0.06 - lift)], 0.15, colour)
            sketch.limb(
                [(foot, ground - lift - 0.03), (foot + sign * 0.03, ground - lift - 0.02)],
                0.09,
                clothes.shoes,
            )
        body = 0.20
        arms = ((x - 0.27, far_top), (x + 0.27, clothes.top))
        sketch.limb([(x - 0.2, shoulder + 0.05), (x - 0.26, 0.7), (x - 0.25, 0.9)], 0.09, far_top)
    if clothes.bag:
        back = x - (0.16 if side else 0.0)
        sketch.oval((back, 0.62), (0.13 if side else 0.22, 0.22), (52, 44, 40))
    bottom = 1.18 if clothes.long else 0.98
    sketch.fill(
        [
            (x - body, shoulder),
            (x + body, shoulder),
            (x + body * 1.05, bottom),
            (x - body * 1.05, bottom),
        ],
        clothes.top,
    )
    sketch.oval((x, shoulder + 0.02), (body * 1.1, 0.07), clothes.top)
    if side:
        sketch.limb(
            [(x, shoulder + 0.06), (arms[1][0], 0.72), (arms[1][0] + 0.08, 0.9)], 0.10, clothes.top
        )
        sketch.oval((arms[1][0] + 0.09, 0.92), (0.045, 0.05), clothes.skin)
    else:
        sketch.limb(
            [(x + 0.2, shoulder + 0.05), (x + 0.26, 0.7), (x + 0.25, 0.9)], 0.09, clothes.top
        )
        for sign in (-1, 1):
            sketch.oval((x + sign * 0.25, 0.93), (0.045, 0.05), clothes.skin)
    sketch.limb([(x, 0.34), (x, shoulder)], 0.1, clothes.skin)
    sketch.oval((x, 0.225), (0.092, 0.122), clothes.skin)
    sketch.oval((x - (0.03 if side else 0.0), 0.175), (0.1, 0.085), clothes.hair)
    return _cloth(sketch)


@functools.lru_cache(maxsize=128)
def cyclist(clothes: Clothes, phase: int, ppm: float, *, side: bool, motor: bool) -> Texture:
    """Draw who rides a bicycle or motorcycle; the picture fits that of the vehicle.

    Args:
        clothes: What they wear.
        phase: 0..PHASES-1 of the pedals.
        ppm: Texels per metre.
        side: Seen from the side, riding to the right; else from behind or in front.
        motor: On a motorcycle: helmet, feet still.
    """
    width = 1.9 if side else 0.8
    sketch = Sketch(width, 1.8, ppm, clothes.top)
    x = width / 2
    turn = 2 * math.pi * phase / PHASES
    helmet = clothes.hair if not motor else (36, 36, 40)
    if side:
        hip, shoulder = (x - 0.22, 0.86 if not motor else 0.98), (x + 0.10, 0.36)
        if motor:
            shoulder = (x + 0.02, 0.44)
        for sign, dark in ((-1, 0.75), (1, 1.0)):
            foot = (
                (x + 0.05 + 0.16 * sign * math.cos(turn), 1.52 + 0.14 * sign * math.sin(turn))
                if not motor
                else (x - 0.02, 1.48)
            )
            knee = (x + 0.24, 0.5 * (hip[1] + foot[1]) - 0.06)
            trousers = scaled(clothes.trousers, dark)
            sketch.limb([hip, knee, foot], 0.14, trousers)
            sketch.limb([foot, (foot[0] + 0.13, foot[1] + 0.02)], 0.07, clothes.shoes)
        sketch.limb([hip, ((hip[0] + shoulder[0]) / 2 - 0.03, 0.62), shoulder], 0.26, clothes.top)
        sketch.limb(
            [(shoulder[0], shoulder[1] + 0.06), (x + 0.24, 0.62), (x + 0.42, 0.74)],
            0.09,
            scaled(clothes.top, 0.9),
        )
        head = (shoulder[0] + 0.06, 0.17)
    else:
        for sign in (-1, 1):
            lift = 0.12 * sign * math.sin(turn) if not motor else 0.0
            sketch.limb(
                [
                    (x + sign * 0.1, 0.9),
                    (x + sign * 0.16, 1.2 + lift / 2),
                    (x + sign * 0.12, 1.5 + lift),
                ],
                0.14,
                clothes.trousers,
            )
            sketch.limb(
                [(x + sign * 0.2, 0.42), (x + sign * 0.3, 0.62), (x + sign * 0.26, 0.8)],
                0.10,
                clothes.top,
            )
        sketch.fill(
            [(x - 0.2, 0.36), (x + 0.2, 0.36), (x + 0.17, 0.95), (x - 0.17, 0.95)], clothes.top
        )
        sketch.oval((x, 0.37), (0.21, 0.07), clothes.top)
        head = (x, 0.17)
    sketch.limb([head, (head[0] - 0.02, 0.34)], 0.1, clothes.skin)
    sketch.oval(head, (0.092, 0.12), clothes.skin if not motor else helmet)
    sketch.oval((head[0] - 0.01, head[1] - 0.04), (0.105, 0.09), helmet)
    return _cloth(sketch)


def bicycle(rng: np.random.Generator, ppm: float, *, side: bool) -> Texture:
    """Draw a bicycle, 1.9 m x 1.8 m from the side, else 0.8 m x 1.8 m."""
    frame = rng.uniform(30, 210, 3)
    dark = (28, 28, 30)
    width = 1.9 if side else 0.8
    sketch = Sketch(width, 1.8, ppm, dark)
    x, axle, radius = width / 2, 1.8 - 0.34, 0.325
    if not side:
        sketch.limb([(x, axle - radius), (x, 1.78)], 0.07, dark)
        sketch.limb([(x, 0.85), (x, axle - radius + 0.1)], 0.06, frame)
        sketch.limb([(x - 0.28, 0.8), (x + 0.28, 0.8)], 0.05, dark)
        sketch.limb([(x - 0.16, 1.5), (x + 0.16, 1.44)], 0.05, dark)
        return _cloth(sketch, 0.1)
    rear, front = (x - 0.52, axle), (x + 0.52, axle)
    crank, seat, bars = (x - 0.05, axle + 0.04), (x - 0.2, 0.98), (x + 0.38, 0.86)
    for hub in (rear, front):
        sketch.ring(hub, radius, 0.05, dark)
        for k in range(6):
            spoke = math.pi * k / 6
            dx, dy = radius * math.cos(spoke), radius * math.sin(spoke)
            sketch.limb(
                [(hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy)], 0.008, (130, 130, 132)
            )
        sketch.oval(hub, (0.04, 0.04), (80, 80, 82))
    for line in (
        [rear, crank, seat, rear],
        [seat, (bars[0] - 0.02, 0.98), crank],
        [bars, (bars[0] + 0.02, 1.0), front],
    ):
        sketch.limb(line, 0.045, frame)
    sketch.limb(
        [(rear[0] - 0.3, axle - 0.28), (rear[0], axle - 0.4), (rear[0] + 0.25, axle - 0.3)],
        0.03,
        dark,
    )
    sketch.limb([(seat[0] - 0.12, 0.93), (seat[0] + 0.12, 0.95)], 0.06, dark)
    sketch.limb([(bars[0], bars[1]), (bars[0] + 0.1, 0.8), (bars[0] - 0.02, 0.76)], 0.04, dark)
    sketch.oval(crank, (0.09, 0.09), (60, 60, 62))
    return _cloth(sketch, 0.1)


def motorcycle(rng: np.random.Generator, ppm: float, *, side: bool) -> Texture:
    """Draw a motorcycle or scooter, 1.9 m x 1.8 m from the side, else 0.8 m x 1.8 m."""
    colours = ((170, 30, 30), (30, 60, 150), (30, 32, 34), (200, 200, 200), (40, 110, 60))
    paint = scaled(colours[int(rng.integers(len(colours)))], rng.uniform(0.8, 1.1))
    dark, steel = (26, 26, 28), (120, 122, 126)
    width = 1.9 if side else 0.8
    sketch = Sketch(width, 1.8, ppm, dark)
    x, axle, radius = width / 2, 1.8 - 0.3, 0.25
    if not side:
        sketch.limb([(x, axle - 0.22), (x, 1.74)], 0.16, dark)
        sketch.fill([(x - 0.2, 0.95), (x + 0.2, 0.95), (x + 0.22, 1.35), (x - 0.22, 1.35)], paint)
        sketch.oval((x, 1.04), (0.1, 0.08), (226, 222, 200))
        sketch.limb([(x - 0.34, 0.84), (x + 0.34, 0.84)], 0.05, dark)
        sketch.oval((x - 0.34, 0.74), (0.07, 0.05), dark)
        sketch.oval((x + 0.34, 0.74), (0.07, 0.05), dark)
        return _cloth(sketch, 0.15)
    rear, front = (x - 0.6, axle), (x + 0.62, axle)
    for hub in (rear, front):
        sketch.ring(hub, radius, 0.13, dark)
        sketch.oval(hub, (0.13, 0.13), steel)
    sketch.limb([front, (x + 0.42, 0.9), (x + 0.34, 0.8)], 0.07, steel)
    sketch.fill([(x - 0.3, 1.1), (x + 0.28, 1.1), (x + 0.2, 1.52), (x - 0.28, 1.52)], (62, 62, 66))
    sketch.oval((x - 0.02, 1.38), (0.2, 0.14), steel)
    sketch.fill([(x - 0.12, 0.98), (x + 0.34, 0.88), (x + 0.42, 1.1), (x - 0.05, 1.2)], paint)
    sketch.limb([(x - 0.72, 0.98), (x - 0.4, 1.04), (x - 0.1, 1.04)], 0.14, dark)
    sketch.fill([(x - 0.82, 1.0), (x - 0.4, 1.08), (x - 0.35, 1.25), (x - 0.62, 1.2)], paint)
    sketch.limb([(x - 0.75, 1.52), (x + 0.05, 1.56)], 0.09, steel)
    sketch.limb(
        [(x + 0.44, axle - 0.28), (x + 0.62, axle - 0.33), (x + 0.82, axle - 0.22)], 0.07, paint
    )
    sketch.limb([(x + 0.32, 0.8), (x + 0.22, 0.76)], 0.05, dark)
    sketch.oval((x + 0.46, 0.98), (0.07, 0.09), (226, 222, 200))
    return _cloth(sketch, 0.1)
