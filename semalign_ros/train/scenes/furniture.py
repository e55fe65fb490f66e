"""Pictures of street furniture: poles, traffic lights and signs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import cv2
import numpy as np

from semalign_ros.train.scenes.drawing import Colour, Point, Sketch, scaled
from semalign_ros.train.scenes.texture import Texture, plain

LIGHT_SIZE = (0.38, 1.0)
"""Width and height of a traffic light's box, metres."""

_PPM = 150.0
_LAMPS = {"red": (255, 40, 30), "amber": (255, 170, 20), "green": (40, 240, 130)}
_WHITE, _RED, _BLUE, _YELLOW = (232, 232, 230), (196, 24, 30), (22, 72, 160), (246, 198, 30)
_BLACK = (20, 20, 20)
_POLES = ((122, 126, 128), (74, 80, 78), (92, 88, 84), (150, 152, 150))


@functools.lru_cache(maxsize=8)
def pole(tone: int) -> Texture:
    """Draw a round post: light on one side."""
    sketch = Sketch(8, 1, 1, _POLES[tone % len(_POLES)], opacity=255)
    sketch.shade(np.array([[0.62, 0.85, 1.12, 1.22, 1.1, 0.92, 0.72, 0.55]]))
    return sketch.picture()


@functools.lru_cache(maxsize=16)
def traffic_light(state: str, pedestrian: bool = False) -> Texture:
    """Draw a traffic light from the front.

    Args:
        state: ``red``, ``amber``, ``green`` or ``red+amber``.
        pedestrian: Two lamps instead of three.
    """
    width, height = LIGHT_SIZE
    sketch = Sketch(width, height, _PPM, (58, 60, 58), opacity=255)
    sketch.box(0.02, 0.02, width - 0.02, height - 0.02, (26, 28, 27))
    lamps = ("red", "green") if pedestrian else ("red", "amber", "green")
    lit = ("green" if state == "green" else "red",) if pedestrian else state.split("+")
    for index, lamp in enumerate(lamps):
        centre = (width / 2, 0.19 + index * 0.62 / (len(lamps) - 1))
        sketch.oval(centre, (0.145, 0.145), (14, 14, 14))
        sketch.oval(centre, (0.13, 0.13), scaled(_LAMPS[lamp], 1.0 if lamp in lit else 0.16))
        if lamp in lit:
            sketch.oval(centre, (0.055, 0.055), (255, 245, 225))
            sketch.shine(_ring(centre, 0.13, 16), _LAMPS[lamp])
    return sketch.picture()


@functools.lru_cache(maxsize=1)
def light_housing() -> Texture:
    """Draw the closed sides of a traffic light."""
    return plain((34, 37, 35))


@functools.lru_cache(maxsize=1)
def sign_back() -> Texture:
    """Draw the grey back of a sign."""
    return plain((132, 134, 134))


@functools.lru_cache(maxsize=1)
def lamp_head() -> Texture:
    """Draw the head of a street lamp, lit at dusk."""
    sketch = Sketch(48, 12, 1, (118, 120, 120), opacity=255)
    sketch.box(0, 8, 48, 12, (206, 200, 180))
    sketch.shine_box(0, 6, 48, 12, (255, 214, 150))
    return sketch.picture()


def _ring(centre: Point, radius: float, count: int, turn: float = 0.0) -> list[Point]:
    """Corners of a regular polygon."""
    angles = [turn + 2 * math.pi * k / count for k in range(count)]
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def _unit(points: list[Point]) -> list[Point]:
    """Shares of a round or square sign's side to metres."""
    return [(x * _SIDE, y * _SIDE) for x, y in points]


def _text(sketch: Sketch, text: str, x: float, y: float, size: float, colour: Colour) -> None:
    """Write text with its lower left corner at shares (x, y) of the side."""
    at = (round(x * _SIDE * _PPM), round(y * _SIDE * _PPM))
    solid = (*scaled(colour, 1.0), 255.0)
    scale = size * _PPM / 150
    cv2.putText(
        sketch.rgba,
        text,
        at,
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        solid,
        max(1, round(4.2 * scale)),
        cv2.LINE_AA,
    )


_SIDE = 0.66
_MIDDLE = (_SIDE / 2, _SIDE / 2)
_SIZES = {"direction": (1.9, 0.75), "one_way": (0.8, 0.32), "plate": (0.6, 0.32)}


def sign_size(kind: str) -> tuple[float, float]:
    """Width and height of a sign, metres."""
    return _SIZES.get(kind, (_SIDE, _SIDE))


def _disc(sketch: Sketch, radius: float, colour: Colour) -> None:
    sketch.oval(_MIDDLE, (radius * _SIDE, radius * _SIDE), colour)


def _round_sign(rim: Colour) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, rim)
    _disc(sketch, 0.49, rim)
    return sketch


def _limit(variant: int) -> Sketch:
    sketch = _round_sign(_RED)
    _disc(sketch, 0.37, _WHITE)
    _text(sketch, ("30", "50", "20", "70")[variant % 4], 0.21, 0.65, 1.4, _BLACK)
    return sketch


def _no_stopping(variant: int) -> Sketch:
    sketch = _round_sign(_RED)
    _disc(sketch, 0.37, _BLUE)
    sketch.limb(_unit([(0.23, 0.23), (0.77, 0.77)]), 0.07, _RED)
    if variant % 2:
        sketch.limb(_unit([(0.77, 0.23), (0.23, 0.77)]), 0.07, _RED)
    return sketch


def _no_entry(_variant: int) -> Sketch:
    sketch = _round_sign(_RED)
    sketch.fill(_unit([(0.16, 0.41), (0.84, 0.41), (0.84, 0.59), (0.16, 0.59)]), _WHITE)
    return sketch


def _mandatory(variant: int) -> Sketch:
    sketch = _round_sign(_BLUE)
    outline = (
        (-0.06, 0.3),
        (-0.06, -0.05),
        (-0.18, -0.05),
        (0, -0.3),
        (0.18, -0.05),
        (0.06, -0.05),
        (0.06, 0.3),
    )
    angle = (0.0, 0.8, -0.8, 2.4)[variant % 4]
    c, s = math.cos(angle), math.sin(angle)
    sketch.fill(_unit([(0.5 + c * x - s * y, 0.5 + s * x + c * y) for x, y in outline]), _WHITE)
    return sketch


def _triangle(margin: float, *, point_down: bool) -> list[Point]:
    side, tip = margin * 1.7, 0.06 + 2 * margin
    corners = [(side, 0.93 - margin), (1 - side, 0.93 - margin), (0.5, tip)]
    return _unit([(x, 1 - y) if point_down else (x, y) for x, y in corners])


def _yield(_variant: int) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, _RED)
    sketch.fill(_triangle(0.0, point_down=True), _RED)
    sketch.fill(_triangle(0.11, point_down=True), _WHITE)
    return sketch


def _warning(_variant: int) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, _RED)
    sketch.fill(_triangle(0.0, point_down=False), _RED)
    sketch.fill(_triangle(0.11, point_down=False), _WHITE)
    sketch.fill(_unit([(0.46, 0.4), (0.54, 0.4), (0.53, 0.74), (0.47, 0.74)]), _BLACK)
    return sketch


def _priority(_variant: int) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, _WHITE)
    sketch.fill(_ring(_MIDDLE, 0.49 * _SIDE, 4), _WHITE)
    sketch.fill(_ring(_MIDDLE, 0.36 * _SIDE, 4), _YELLOW)
    return sketch


def _stop(_variant: int) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, _RED)
    sketch.fill(_ring(_MIDDLE, 0.5 * _SIDE, 8, math.pi / 8), _RED)
    _text(sketch, "STOP", 0.13, 0.6, 0.9, _WHITE)
    return sketch


def _parking(_variant: int) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, _BLUE, opacity=255)
    _text(sketch, "P", 0.27, 0.8, 2.2, _WHITE)
    return sketch


def _crossing(_variant: int) -> Sketch:
    sketch = Sketch(_SIDE, _SIDE, _PPM, _BLUE, opacity=255)
    sketch.fill(_unit([(0.5, 0.1), (0.92, 0.88), (0.08, 0.88)]), _WHITE)
    sketch.oval((0.5 * _SIDE, 0.36 * _SIDE), (0.035, 0.035), _BLACK)
    sketch.limb(_unit([(0.5, 0.42), (0.49, 0.6), (0.41, 0.78)]), 0.045, _BLACK)
    sketch.limb(_unit([(0.49, 0.6), (0.6, 0.78)]), 0.045, _BLACK)
    return sketch


def _direction(variant: int) -> Sketch:
    width, height = _SIZES["direction"]
    sketch = Sketch(width, height, _PPM, _BLACK, opacity=255)
    sketch.box(0.03, 0.03, width - 0.03, height - 0.03, _YELLOW)
    for row in range(2):
        y = 0.24 + 0.28 * row
        sketch.limb(
            [(0.5, y), (0.5 + width * (0.3 + 0.1 * ((variant + row) % 3)), y)], 0.06, _BLACK
        )
        sketch.limb([(0.28, y + 0.09), (0.28, y - 0.09)], 0.03, _BLACK)
        sketch.limb([(0.22, y - 0.02), (0.28, y - 0.09), (0.34, y - 0.02)], 0.03, _BLACK)
    return sketch


def _one_way(_variant: int) -> Sketch:
    width, height = _SIZES["one_way"]
    sketch = Sketch(width, height, _PPM, _BLUE, opacity=255)
    shares = (
        (0.08, 0.38),
        (0.6, 0.38),
        (0.6, 0.18),
        (0.93, 0.5),
        (0.6, 0.82),
        (0.6, 0.62),
        (0.08, 0.62),
    )
    sketch.fill([(x * width, y * height) for x, y in shares], _WHITE)
    return sketch


def _plate(variant: int) -> Sketch:
    width, height = _SIZES["plate"]
    sketch = Sketch(width, height, _PPM, _WHITE, opacity=255)
    for y in (0.1, 0.21):
        sketch.limb([(0.1, y), (width - 0.1 - 0.08 * (variant % 3), y)], 0.04, _BLACK)
    return sketch


_DRAW: dict[str, Callable[[int], Sketch]] = {
    "limit": _limit,
    "no_entry": _no_entry,
    "no_stopping": _no_stopping,
    "yield": _yield,
    "priority": _priority,
    "warning": _warning,
    "stop": _stop,
    "mandatory": _mandatory,
    "parking": _parking,
    "crossing": _crossing,
    "direction": _direction,
    "one_way": _one_way,
    "plate": _plate,
}


@functools.lru_cache(maxsize=64)
def sign(kind: str, variant: int) -> Texture:
    """Draw the front of a traffic sign.

    Args:
        kind: A key of the table of drawings, such as ``stop``.
        variant: Number or arrow on it.
    """
    return _DRAW[kind](variant).picture()
