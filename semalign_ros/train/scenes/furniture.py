"""Pictures of street furniture: poles, traffic lights and signs."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from semalign_ros.train.scenes.texture import Rgba, Texture, canvas

LIGHT_STATES = ("red", "amber", "green", "red+amber")
LIGHT_SIZE = (0.38, 1.0)
"""Width and height of a traffic light's box, metres."""

_LAMPS = {"red": (255, 40, 30), "amber": (255, 170, 20), "green": (40, 240, 130)}
_WHITE, _RED, _BLUE, _YELLOW = (232, 232, 230), (196, 24, 30), (22, 72, 160), (246, 198, 30)


@functools.lru_cache(maxsize=8)
def pole(tone: int) -> Texture:
    """Draw a round post: light on one side."""
    base = np.array([(122, 126, 128), (74, 80, 78), (92, 88, 84), (150, 152, 150)][tone % 4])
    rgba = canvas(1, 8, (0, 0, 0))
    around = np.array([0.62, 0.85, 1.12, 1.22, 1.1, 0.92, 0.72, 0.55])
    rgba[0, :, :3] = np.clip(base * around[:, None], 0, 255)
    return Texture(rgba)


@functools.lru_cache(maxsize=16)
def traffic_light(state: str, pedestrian: bool = False) -> Texture:
    """Draw a traffic light from the front.

    Args:
        state: One of LIGHT_STATES.
        pedestrian: Two lamps instead of three.
    """
    rgba = canvas(160, 64, (26, 28, 27))
    rgba[:3, :, :3] = rgba[-3:, :, :3] = (58, 60, 58)
    rgba[:, :3, :3] = rgba[:, -3:, :3] = (58, 60, 58)
    glow = np.zeros((160, 64, 3), np.uint8)
    lamps = ("red", "green") if pedestrian else ("red", "amber", "green")
    lit = ("green" if state == "green" else "red",) if pedestrian else state.split("+")
    for index, lamp in enumerate(lamps):
        centre = (32, 30 + index * (100 // (len(lamps) - 1)))
        on = lamp in lit
        colour = np.array(_LAMPS[lamp]) * (1.0 if on else 0.16)
        cv2.circle(rgba, centre, 23, (14, 14, 14, 255), -1, cv2.LINE_AA)
        cv2.circle(rgba, centre, 20, (*(float(c) for c in colour), 255.0), -1, cv2.LINE_AA)
        if on:
            cv2.circle(rgba, centre, 9, (255, 245, 225, 255), -1, cv2.LINE_AA)
            cv2.circle(glow, centre, 20, tuple(float(c) for c in colour), -1, cv2.LINE_AA)
    return Texture(rgba, glow)


@functools.lru_cache(maxsize=2)
def light_housing() -> Texture:
    """Draw the closed sides of a traffic light."""
    return Texture(canvas(1, 1, (34, 37, 35)))


def _disc(rgba: Rgba, colour: tuple[int, int, int], radius: float) -> None:
    size = rgba.shape[0]
    cv2.circle(rgba, (size // 2, size // 2), round(radius * size), (*colour, 255), -1, cv2.LINE_AA)


def _polygon(rgba: Rgba, points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
    corners = np.rint(np.array(points) * (rgba.shape[1], rgba.shape[0]) * 16).astype(np.int32)
    cv2.fillPoly(rgba, [corners], (*colour, 255), cv2.LINE_AA, 4)


def _arrow(rgba: Rgba, colour: tuple[int, int, int], angle: float) -> None:
    points = np.array(
        [
            (-0.06, 0.3),
            (-0.06, -0.05),
            (-0.18, -0.05),
            (0, -0.3),
            (0.18, -0.05),
            (0.06, -0.05),
            (0.06, 0.3),
        ]
    )
    c, s = math.cos(angle), math.sin(angle)
    turned = points @ np.array([[c, s], [-s, c]]) + 0.5
    _polygon(rgba, [(float(x), float(y)) for x, y in turned], colour)


SIGNS = (
    "limit",
    "no_entry",
    "no_stopping",
    "yield",
    "priority",
    "warning",
    "stop",
    "mandatory",
    "parking",
    "crossing",
    "direction",
    "one_way",
    "plate",
)


def sign_size(kind: str) -> tuple[float, float]:
    """Width and height of a sign, metres."""
    sizes = {"direction": (1.9, 0.75), "one_way": (0.8, 0.32), "plate": (0.6, 0.32)}
    return sizes.get(kind, (0.66, 0.66))


@functools.lru_cache(maxsize=64)
def sign(kind: str, variant: int) -> Texture:
    """Draw the front of a traffic sign.

    Args:
        kind: One of SIGNS.
        variant: Number or arrow on it.
    """
    width, height = sign_size(kind)
    size = (round(96 * height / 0.66), round(96 * width / 0.66))
    back = {"direction": _YELLOW, "one_way": _BLUE, "parking": _BLUE, "crossing": _BLUE}
    rgba = canvas(*size, back.get(kind, _WHITE), 255 if kind in back or kind == "plate" else 0)
    if kind in ("limit", "no_stopping", "no_entry", "mandatory"):
        rim = _BLUE if kind == "mandatory" else _RED
        rgba[..., :3] = rim
        _disc(rgba, rim, 0.49)
        if kind == "limit":
            _disc(rgba, _WHITE, 0.37)
            text = ("30", "50", "20", "70")[variant % 4]
            cv2.putText(
                rgba,
                text,
                (20, 62),
                cv2.FONT_HERSHEY_SIMPLEX,
                1.35,
                (20, 20, 20, 255),
                6,
                cv2.LINE_AA,
            )
        elif kind == "no_stopping":
            _disc(rgba, _BLUE, 0.37)
            cv2.line(rgba, (22, 22), (74, 74), (*_RED, 255), 10, cv2.LINE_AA)
            if variant % 2:
                cv2.line(rgba, (74, 22), (22, 74), (*_RED, 255), 10, cv2.LINE_AA)
        elif kind == "no_entry":
            _polygon(rgba, [(0.16, 0.41), (0.84, 0.41), (0.84, 0.59), (0.16, 0.59)], _WHITE)
        else:
            _arrow(rgba, _WHITE, (0.0, 0.8, -0.8, 2.4)[variant % 4])
    elif kind in ("yield", "warning"):
        flip = kind == "yield"
        rgba[..., :3] = _RED

        def triangle(margin: float, colour: tuple[int, int, int]) -> None:
            m = margin
            points = [(m * 1.7, 0.93 - m), (1 - m * 1.7, 0.93 - m), (0.5, 0.06 + m * 2)]
            _polygon(rgba, [(x, 1 - y) if flip else (x, y) for x, y in points], colour)

        triangle(0.0, _RED)
        triangle(0.11, _WHITE)
        if not flip:
            _polygon(rgba, [(0.46, 0.4), (0.54, 0.4), (0.53, 0.74), (0.47, 0.74)], (20, 20, 20))
    elif kind == "priority":
        rgba[..., :3] = _WHITE
        for reach, colour in ((0.49, _WHITE), (0.36, _YELLOW)):
            _polygon(
                rgba,
                [(0.5, 0.5 - reach), (0.5 + reach, 0.5), (0.5, 0.5 + reach), (0.5 - reach, 0.5)],
                colour,
            )
    elif kind == "stop":
        rgba[..., :3] = _RED
        ring = [
            (0.5 + 0.49 * math.cos(a), 0.5 + 0.49 * math.sin(a))
            for a in (math.pi / 8 + k * math.pi / 4 for k in range(8))
        ]
        _polygon(rgba, ring, _RED)
        cv2.putText(
            rgba, "STOP", (13, 58), cv2.FONT_HERSHEY_SIMPLEX, 0.86, (*_WHITE, 255), 4, cv2.LINE_AA
        )
    elif kind == "parking":
        cv2.putText(
            rgba, "P", (26, 76), cv2.FONT_HERSHEY_SIMPLEX, 2.2, (*_WHITE, 255), 9, cv2.LINE_AA
        )
    elif kind == "crossing":
        _polygon(rgba, [(0.5, 0.1), (0.92, 0.88), (0.08, 0.88)], _WHITE)
        cv2.line(rgba, (48, 44), (48, 70), (20, 20, 20, 255), 8, cv2.LINE_AA)
    elif kind == "direction":
        width_px = rgba.shape[1]
        rgba[:4, :, :3] = rgba[-4:, :, :3] = (20, 20, 20)
        rgba[:, :4, :3] = rgba[:, -4:, :3] = (20, 20, 20)
        for row in range(2):
            y = 34 + 40 * row
            end = int(width_px * (0.45 + 0.13 * ((variant + row) % 3)))
            cv2.line(rgba, (70, y), (end, y), (20, 20, 20, 255), 9, cv2.LINE_AA)
            cv2.arrowedLine(
                rgba, (44, y + 12), (44, y - 14), (20, 20, 20, 255), 5, cv2.LINE_AA, 0, 0.4
            )
    elif kind == "one_way":
        _polygon(
            rgba,
            [
                (0.08, 0.38),
                (0.6, 0.38),
                (0.6, 0.18),
                (0.93, 0.5),
                (0.6, 0.82),
                (0.6, 0.62),
                (0.08, 0.62),
            ],
            _WHITE,
        )
    else:
        for y in (14, 30):
            cv2.line(rgba, (14, y), (72 - 12 * (variant % 3), y), (20, 20, 20, 255), 5, cv2.LINE_AA)
    return Texture(rgba)


@functools.lru_cache(maxsize=2)
def sign_back() -> Texture:
    """Draw the grey back of a sign."""
    return Texture(canvas(1, 1, (132, 134, 134)))


@functools.lru_cache(maxsize=2)
def lamp_head() -> Texture:
    """Draw the head of a street lamp, lit at dusk."""
    rgba = canvas(12, 48, (118, 120, 120))
    rgba[8:, :, :3] = (206, 200, 180)
    glow = np.zeros((12, 48, 3), np.uint8)
    glow[6:] = (255, 214, 150)
    return Texture(rgba, glow)
