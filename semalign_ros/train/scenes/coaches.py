"""Models of trucks, buses and trams: x forward, y left, z up, origin below the centre."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.cars import (
    GLASS,
    HEADLIGHT,
    HEADLIGHT_SHINE,
    PLATE,
    TAIL_LIGHT,
    TAIL_LIGHT_SHINE,
    TYRE,
    paint_colour,
    wheel,
)
from semalign_ros.train.scenes.drawing import Colour, Sketch, scaled
from semalign_ros.train.scenes.faces import FaceBuilder, Model
from semalign_ros.train.scenes.texture import Texture, plain, roughen

_BASE = (24, 24, 26)
_WHEEL = 0.48
_BUSES = ((196, 40, 36), (220, 196, 60), (222, 222, 218), (70, 120, 170), (236, 140, 40))
_TRAMS = ((204, 44, 40), (236, 214, 90), (60, 104, 170), (226, 226, 224), (80, 140, 90))


def _livery(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    return scaled(colours[int(rng.integers(len(colours)))], rng.uniform(0.85, 1.05))


def _side(
    rng: np.random.Generator,
    length: float,
    height: float,
    paint: Colour,
    ppm: float,
    *,
    windows: bool,
    wheels: Sequence[float],
    stripe: Colour,
) -> Texture:
    """Draw the side of a long body, from the roof down to the ground."""
    sketch = Sketch(length, height, ppm, _BASE)
    sill = height - 0.3
    sketch.fill([(0, 0), (length, 0), (length, sill), (0, sill)], paint)
    if windows:
        _window_band(sketch, length, height)
    elif rng.random() < 0.7:
        sketch.fill(
            [
                (length * 0.25, height * 0.3),
                (length * 0.75, height * 0.3),
                (length * 0.7, height * 0.5),
                (length * 0.3, height * 0.5),
            ],
            rng.uniform(20, 220, 3),
        )
    sketch.box(0, sill - 0.5, length, sill - 0.25, stripe)
    roughen(sketch.rgba, int(rng.integers(8)), 4.0)
    for x in wheels:
        wheel(sketch, x, height - _WHEEL, _WHEEL)
    return sketch.picture()


def _window_band(sketch: Sketch, length: float, height: float) -> None:
    top, bottom = 0.16 * height, 0.55 * height
    x = 0.25
    while x < length - 1.0:
        end = min(x + 1.35, length - 0.25)
        sketch.box(x, top, end, bottom, (36, 44, 50))
        sketch.box(x, top, end, top + 0.35, (66, 76, 84))
        sketch.shine_box(x, top, end, bottom, (120, 112, 84))
        x += 1.5


def _end(
    width: float,
    height: float,
    paint: Colour,
    ppm: float,
    *,
    front: bool,
    glass: bool,
    display: Colour | None = None,
) -> Texture:
    """Draw the front or rear of a large vehicle; `display` is the colour of its route number."""
    sketch = Sketch(width, height, ppm, _BASE)
    sill = height - 0.35
    sketch.fill([(0, 0), (width, 0), (width, sill), (0, sill)], paint)
    under = [(0.15, sill), (width - 0.15, sill), (width - 0.15, height - 0.12)]
    sketch.fill([*under, (0.15, height - 0.12)], (14, 14, 15))
    for x in (0.1, width - 0.45):
        sketch.fill([(x, sill), (x + 0.35, sill), (x + 0.35, height), (x, height)], TYRE)
    if glass:
        top, bottom = 0.17 * height, (0.62 if front else 0.45) * height
        sketch.box(0.12, top, width - 0.12, bottom, GLASS)
        mirrored = [(0.12, top), (width - 0.12, top), (width - 0.3, top + 0.4), (0.12, top + 0.5)]
        sketch.fill(mirrored, (72, 84, 92))
    elif not front:
        sketch.box(width / 2 - 0.03, 0.1, width / 2 + 0.03, sill, scaled(paint, 0.6))
    if display is not None:
        sketch.box(0.3, 0.08, width - 0.3, 0.4, (24, 24, 20))
        sketch.box(0.5, 0.15, width - 0.9, 0.33, display)
        sketch.shine_box(0.5, 0.15, width - 0.9, 0.33, (90, 70, 10))
    lamp, shine = (HEADLIGHT, HEADLIGHT_SHINE) if front else (TAIL_LIGHT, TAIL_LIGHT_SHINE)
    for x in (0.12, width - 0.45):
        sketch.box(x, sill - 0.4, x + 0.33, sill - 0.2, lamp)
        sketch.shine_box(x, sill - 0.4, x + 0.33, sill - 0.2, shine)
    sketch.box(width / 2 - 0.26, sill - 0.18, width / 2 + 0.26, sill - 0.07, PLATE)
    return sketch.picture()


def bus(rng: np.random.Generator, ppm: float) -> Model:
    """Build a city bus, 12 m."""
    length, width, height = 12.0, 2.5, 3.05
    paint = _livery(rng, _BUSES)
    side = _side(
        rng,
        length,
        height,
        paint,
        ppm,
        windows=True,
        wheels=(3.2, 9.3),
        stripe=rng.uniform(30, 210, 3),
    )
    front, rear = (
        _end(width, height, paint, ppm, front=ahead, glass=True, display=(255, 170, 30))
        for ahead in (True, False)
    )
    build = FaceBuilder()
    build.box(
        (length, width, height),
        (0, 0, 0),
        {"left": side, "right": side, "top": plain((206, 206, 202)), "front": front, "rear": rear},
        LABEL_ID["bus"],
    )
    return Model(build.build(), length, width, height)


def truck(rng: np.random.Generator, ppm: float) -> Model:
    """Build a truck with a box body."""
    length, width, cab = float(rng.uniform(6.5, 9.0)), 2.4, 1.9
    height, label = float(rng.uniform(3.0, 3.7)), LABEL_ID["truck"]
    paint = scaled(paint_colour(rng), 1.05)
    load = rng.uniform(150, 235) + rng.normal(0, 14, 3)
    body = length - cab - 0.15
    side = _side(
        rng,
        body,
        height,
        load,
        ppm,
        windows=False,
        wheels=(1.3, 2.4) if length > 8 else (1.6,),
        stripe=(36, 36, 38),
    )
    build = FaceBuilder()
    build.box(
        (body, width, height),
        (-length / 2 + body / 2, 0, 0),
        {
            "left": side,
            "right": side,
            "top": plain(load),
            "front": plain(scaled(load, 0.9)),
            "rear": _end(width, height, load, ppm, front=False, glass=False),
        },
        label,
    )
    _cab(build, paint, (cab, width - 0.1, 2.6), length / 2 - cab / 2, ppm)
    return Model(build.build(), length, width, height)


def _cab(
    build: FaceBuilder, paint: Colour, size: tuple[float, float, float], x: float, ppm: float
) -> None:
    length, width, height = size
    sketch = Sketch(length, height, ppm, TYRE)
    low = height - 0.3
    sketch.fill([(0, 0), (length - 0.2, 0), (length, 1.0), (length, low), (0, low)], paint)
    sketch.fill([(0.7, 0.3), (length - 0.3, 0.3), (length - 0.15, 1.1), (0.7, 1.1)], GLASS)
    wheel(sketch, length * 0.5, height - _WHEEL, _WHEEL)
    side = sketch.picture()
    front = _end(width, height, paint, ppm, front=True, glass=True)
    build.box(
        size,
        (x, 0, 0),
        {"left": side, "right": side, "top": plain(paint), "front": front},
        LABEL_ID["truck"],
    )


def tram(rng: np.random.Generator, ppm: float) -> Model:
    """Build a tram of two cars, 26 m (class train)."""
    length, width, height, label = 26.0, 2.4, 3.35, LABEL_ID["train"]
    paint, unit = _livery(rng, _TRAMS), length / 2 - 0.3
    side = _side(rng, unit, height, paint, ppm, windows=True, wheels=(), stripe=(232, 232, 228))
    front, rear = (
        _end(width, height, paint, ppm, front=ahead, glass=True, display=(255, 190, 40))
        for ahead in (True, False)
    )
    walls = {"left": side, "right": side, "top": plain((150, 150, 150))}
    size, bellows, dark = (unit, width, height), plain((40, 40, 42)), plain((60, 60, 62))
    build = FaceBuilder()
    build.box(size, (length / 4 + 0.15, 0, 0), {**walls, "front": front}, label)
    build.box(size, (-length / 4 - 0.15, 0, 0), {**walls, "rear": rear}, label)
    joint = (0.8, width - 0.25, height - 0.2)
    build.box(joint, (0, 0, 0.1), {"left": bellows, "right": bellows}, label)
    pantograph = dict.fromkeys(("front", "rear", "left", "right", "top"), dark)
    build.box((2.2, 0.9, 0.35), (length / 4, 0, height), pantograph, label)
    return Model(build.build(), length, width, height)
