"""Models of cars, vans, trucks, buses and trams: x forward, y left, z up, centre at the origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.faces import FaceBuilder, Faces
from semalign_ros.train.scenes.texture import Rgba, Texture, canvas, plain, roughen

_PAINTS = (
    (38, 40, 44),
    (24, 26, 30),
    (132, 136, 140),
    (168, 172, 176),
    (88, 92, 98),
    (214, 216, 216),
    (230, 230, 226),
    (34, 52, 98),
    (58, 86, 142),
    (142, 26, 28),
    (178, 40, 32),
    (40, 70, 52),
    (122, 96, 64),
    (196, 168, 60),
    (70, 30, 40),
)
_GLASS = (34, 42, 48)
_TYRE = (22, 22, 24)
_RIM = (120, 122, 124)


@dataclass(frozen=True, slots=True)
class Model:
    """A vehicle's surfaces and its size.

    Args:
        faces: The surfaces, with label ids.
        length: Metres.
        width: Metres.
        height: Metres.
    """

    faces: Faces
    length: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Body:
    """Side view of a car: shares of the length from the rear, heights in metres."""

    length: float
    width: float
    height: float
    belt: float
    nose: float
    boot: float
    """Where the rear window starts, share of the length."""
    roof_rear: float
    roof_front: float
    screen: float
    """Where the windscreen ends."""
    wheel: float


_BODIES = {
    "hatchback": _Body(4.05, 1.74, 1.48, 0.94, 0.74, 0.01, 0.10, 0.56, 0.76, 0.31),
    "saloon": _Body(4.65, 1.80, 1.45, 0.95, 0.74, 0.16, 0.30, 0.58, 0.75, 0.32),
    "estate": _Body(4.65, 1.80, 1.48, 0.95, 0.74, 0.01, 0.07, 0.58, 0.75, 0.32),
    "suv": _Body(4.50, 1.85, 1.70, 1.08, 0.92, 0.01, 0.08, 0.57, 0.74, 0.36),
    "van": _Body(4.90, 1.92, 1.98, 1.16, 0.98, 0.00, 0.02, 0.72, 0.88, 0.34),
    "small": _Body(3.40, 1.64, 1.50, 0.92, 0.76, 0.01, 0.10, 0.60, 0.82, 0.29),
}


def paint_colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a car's colour, RGB."""
    return np.array(_PAINTS[int(rng.integers(len(_PAINTS)))]) * rng.uniform(0.85, 1.12)


def _wheel(rgba: Rgba, centre: tuple[float, float], radius: float, ppm: float) -> None:
    at = (round(centre[0] * ppm), round(centre[1] * ppm))
    for share, colour in ((1.16, (14, 14, 16)), (1.0, _TYRE), (0.62, _RIM), (0.2, (60, 60, 62))):
        cv2.circle(rgba, at, max(1, round(radius * share * ppm)), (*colour, 255), -1, cv2.LINE_AA)
    for k in range(5):
        angle = 2 * np.pi * k / 5
        tip = (
            round((centre[0] + 0.55 * radius * np.cos(angle)) * ppm),
            round((centre[1] + 0.55 * radius * np.sin(angle)) * ppm),
        )
        cv2.line(rgba, at, tip, (70, 72, 74, 255), max(1, round(0.04 * ppm)), cv2.LINE_AA)


def _fill(
    rgba: Rgba, points: Sequence[Sequence[float]], colour: Sequence[float], ppm: float
) -> None:
    corners = np.rint(np.array(points) * ppm * 16).astype(np.int32)
    cv2.fillPoly(rgba, [corners], (*(float(c) for c in colour), 255.0), cv2.LINE_AA, 4)


def _lower_side(body: _Body, paint: np.ndarray, ppm: float) -> Texture:
    """Draw sill to belt with the wheels; u from the rear to the front, v down from the belt."""
    length, belt = body.length, body.belt
    rgba = canvas(round(belt * ppm), round(length * ppm), (30, 30, 32), 0)
    sill, screen = belt - 0.24, body.screen * length
    outline = [
        (0.02, 0.03),
        (screen, 0.0),
        (length * 0.97, belt - body.nose),
        (length, belt - 0.5),
        (length - 0.02, sill),
        (0.04, sill),
        (0.0, belt - 0.55),
    ]
    _fill(rgba, outline, paint, ppm)
    _fill(
        rgba,
        [(0.04, sill), (length - 0.02, sill), (length - 0.1, sill + 0.08), (0.1, sill + 0.08)],
        (20, 20, 22),
        ppm,
    )
    # The body bulges: bright shoulder, dark flank.
    height = rgba.shape[0]
    light = np.interp(
        np.linspace(0, 1, height), [0, 0.12, 0.3, 0.75, 1], [1.0, 1.2, 1.0, 0.78, 0.7]
    )
    rgba[..., :3] = np.clip(rgba[..., :3] * light[:, None, None], 0, 255)
    for share in (0.32, 0.56, 0.76):
        x = round(share * length * ppm)
        rgba[round(0.03 * ppm) : round(sill * ppm), x : x + max(1, round(0.015 * ppm)), :3] = (
            paint * 0.45
        )
    for share in (0.36, 0.60):
        x, y = round(share * length * ppm), round(0.13 * ppm)
        rgba[y : y + max(1, round(0.03 * ppm)), x : x + round(0.18 * ppm), :3] = paint * 0.6
    glow = np.zeros((*rgba.shape[:2], 3), np.uint8)
    for x0, x1, colour, shine in (
        (0.0, 0.16, (150, 20, 18), (200, 18, 10)),
        (length - 0.28, length - 0.02, (214, 214, 206), (230, 220, 190)),
    ):
        y0, y1 = (0.1, 0.3) if x0 == 0 else (belt - body.nose + 0.08, belt - body.nose + 0.22)
        box = (slice(round(y0 * ppm), round(y1 * ppm)), slice(round(x0 * ppm), round(x1 * ppm)))
        rgba[(*box, slice(0, 3))] = colour
        glow[box] = shine
    axle = belt - body.wheel
    for x in (0.19 * length, 0.81 * length):
        _wheel(rgba, (x, axle), body.wheel, ppm)
    return Texture(rgba, glow)


def _glasshouse(paint: np.ndarray, ppm: float, length: float) -> Texture:
    """Draw the side windows between pillars."""
    rgba = canvas(round(0.6 * ppm), round(length * ppm), _GLASS)
    height, width = rgba.shape[:2]
    sky = np.linspace(1.9, 0.8, height)[:, None, None]
    rgba[..., :3] = np.clip(rgba[..., :3] * sky, 0, 255)
    rgba[: max(1, round(0.07 * ppm)), :, :3] = paint
    bar = max(1, round(0.07 * ppm))
    for share in (0.0, 0.36, 0.66, 1.0):
        x = min(width - bar, round(share * width))
        rgba[:, x : x + bar, :3] = paint * 0.85
    return Texture(rgba)


def _end(body: _Body, paint: np.ndarray, top: float, ppm: float, *, front: bool) -> Texture:
    """Draw the front or the rear from `top` down to the ground."""
    width = body.width
    rgba = canvas(round(top * ppm), round(width * ppm), _TYRE, 0)
    sill = top - 0.24
    _fill(rgba, [(0.0, 0.0), (width, 0.0), (width, sill), (0.0, sill)], paint, ppm)
    _fill(
        rgba,
        [(0.0, sill - 0.26), (width, sill - 0.26), (width, sill), (0.0, sill)],
        paint * 0.72,
        ppm,
    )
    _fill(
        rgba,
        [
            (0.12, sill - 0.02),
            (width - 0.12, sill - 0.02),
            (width - 0.12, top - 0.14),
            (0.12, top - 0.14),
        ],
        (14, 14, 15),
        ppm,
    )
    for x in (0.06, width - 0.28):
        _fill(rgba, [(x, sill), (x + 0.22, sill), (x + 0.22, top), (x, top)], _TYRE, ppm)
    glow = np.zeros((*rgba.shape[:2], 3), np.uint8)
    lamp, shine = ((214, 216, 212), (255, 246, 220)) if front else ((128, 16, 14), (235, 22, 12))
    low, high, wide = (0.03, 0.17, 0.36) if front else (0.06, 0.26, 0.22)
    for x0, x1, x2 in (
        (0.04, 0.04 + wide, 0.02),
        (width - 0.04, width - 0.04 - wide, width - 0.02),
    ):
        corners = [(x0, low), (x1, low + 0.02), (x1, high - 0.04), (x2, high)]
        _fill(rgba, corners, lamp, ppm)
        cv2.fillPoly(glow, [np.rint(np.array(corners) * ppm).astype(np.int32)], shine)
    # The body bulges and the bumper stands out.
    light = np.interp(np.linspace(0, 1, rgba.shape[0]), [0, 0.25, 0.6, 1], [1.15, 1.0, 0.82, 0.7])
    rgba[..., :3] = np.clip(rgba[..., :3] * light[:, None, None], 0, 255)
    if not front:
        _fill(
            rgba,
            [(0.3, 0.03), (width - 0.3, 0.03), (width - 0.3, 0.06), (0.3, 0.06)],
            paint * 0.55,
            ppm,
        )
    _fill(
        rgba,
        [(0.0, sill - 0.27), (width, sill - 0.27), (width, sill - 0.24), (0, sill - 0.24)],
        paint * 0.5,
        ppm,
    )
    middle = width / 2
    if front:
        _fill(
            rgba,
            [(0.45, 0.06), (width - 0.45, 0.06), (width - 0.5, 0.24), (0.5, 0.24)],
            (24, 24, 26),
            ppm,
        )
    plate = sill - 0.2 if front else 0.24
    _fill(
        rgba,
        [
            (middle - 0.26, plate),
            (middle + 0.26, plate),
            (middle + 0.26, plate + 0.11),
            (middle - 0.26, plate + 0.11),
        ],
        (226, 226, 220),
        ppm,
    )
    return Texture(rgba, glow)


def _window(ppm: float) -> Texture:
    """Draw a windscreen that mirrors the sky."""
    rgba = canvas(round(0.7 * ppm), round(1.5 * ppm), _GLASS)
    height, width = rgba.shape[:2]
    light = np.linspace(2.3, 0.9, height)[:, None] * np.linspace(0.85, 1.15, width)[None]
    rgba[..., :3] = np.clip(rgba[..., :3] * light[..., None], 0, 255)
    return Texture(rgba)


def car(rng: np.random.Generator, ppm: float, *, kind: str | None = None) -> Model:
    """Build a car.

    Args:
        rng: Source of randomness.
        ppm: Texels per metre.
        kind: Body, such as ``saloon``; None to draw it.
    """
    kinds = list(_BODIES)
    body = _BODIES[kind or kinds[int(rng.choice(6, p=[0.28, 0.18, 0.18, 0.16, 0.10, 0.10]))]]
    paint = paint_colour(rng)
    label = LABEL_ID["car"]
    length, half, belt, top = body.length, body.width / 2, body.belt, body.height
    inset = 0.17 if body.height < 1.9 else 0.08
    rear = -length / 2
    at = {
        name: rear + getattr(body, name) * length
        for name in ("boot", "roof_rear", "roof_front", "screen")
    }
    nose = rear + 0.97 * length
    build = FaceBuilder()
    side, glass = _lower_side(body, paint, ppm), _glasshouse(paint, ppm, 2.4)
    span, rise = at["screen"] - at["boot"], top - belt
    trapezoid = (
        ((at["roof_rear"] - at["boot"]) / span, 0.0),
        ((at["roof_front"] - at["boot"]) / span, 0.0),
        (1.0, 1.0),
        (0.0, 1.0),
    )
    for sign in (-1.0, 1.0):
        build.add(
            (rear, sign * half, belt),
            (length, 0, 0),
            (0, 0, -belt),
            side,
            label,
            normal=(0, sign, 0),
        )
        build.add(
            (at["boot"], sign * (half - inset), top),
            (span, 0, 0),
            (0, sign * inset, -rise),
            glass,
            label,
            normal=(0, sign * rise, inset),
            corners=trapezoid,
        )
    window = _window(ppm)
    narrow = inset / body.width
    glasses = (
        (at["roof_front"], at["screen"], 1.0),
        (at["roof_rear"], at["boot"], -1.0),
    )
    for high, low, sign in glasses:
        build.add(
            (high, -half, top),
            (0, body.width, 0),
            (low - high, 0, -rise),
            window,
            label,
            normal=(sign * rise, 0, abs(low - high)),
            corners=((narrow, 0), (1 - narrow, 0), (1, 1), (0, 1)),
        )
    colour = plain(tuple(paint))
    build.add(
        (at["roof_rear"], -half + inset, top),
        (at["roof_front"] - at["roof_rear"], 0, 0),
        (0, body.width - 2 * inset, 0),
        colour,
        label,
        normal=(0, 0, 1),
    )
    drop = body.nose - belt
    build.add(
        (at["screen"], -half, belt),
        (nose - at["screen"], 0, drop),
        (0, body.width, 0),
        colour,
        label,
        normal=(-drop, 0, nose - at["screen"]),
    )
    if at["boot"] - rear > 0.1:
        build.add(
            (rear, -half, belt),
            (at["boot"] - rear, 0, 0),
            (0, body.width, 0),
            colour,
            label,
            normal=(0, 0, 1),
        )
    build.add(
        (nose, -half, body.nose),
        (0, body.width, 0),
        (0, 0, -body.nose),
        _end(body, paint, body.nose, ppm, front=True),
        label,
        normal=(1, 0, 0),
    )
    build.add(
        (rear, half, belt),
        (0, -body.width, 0),
        (0, 0, -belt),
        _end(body, paint, belt, ppm, front=False),
        label,
        normal=(-1, 0, 0),
    )
    return Model(build.build(), length, body.width, top)


def _long_side(
    rng: np.random.Generator,
    length: float,
    height: float,
    paint: np.ndarray,
    ppm: float,
    *,
    windows: bool,
    wheels: Sequence[float],
    stripe: Sequence[float],
) -> Texture:
    """Draw the side of a bus, tram, or box body, from the roof down to the ground."""
    rgba = canvas(round(height * ppm), round(length * ppm), (24, 24, 26), 0)
    sill = height - 0.3
    _fill(rgba, [(0, 0), (length, 0), (length, sill), (0, sill)], paint, ppm)
    glow = np.zeros((*rgba.shape[:2], 3), np.uint8)
    if windows:
        top, bottom = 0.16 * height, 0.55 * height
        x = 0.25
        while x < length - 1.0:
            wide = min(1.35, length - 0.25 - x)
            corners = [(x, top), (x + wide, top), (x + wide, bottom), (x, bottom)]
            _fill(rgba, corners, (36, 44, 50), ppm)
            _fill(
                rgba,
                [(x, top), (x + wide, top), (x + wide, top + 0.35), (x, top + 0.35)],
                (66, 76, 84),
                ppm,
            )
            cv2.fillPoly(glow, [np.rint(np.array(corners) * ppm).astype(np.int32)], (120, 112, 84))
            x += 1.5
    _fill(
        rgba,
        [(0, sill - 0.5), (length, sill - 0.5), (length, sill - 0.25), (0, sill - 0.25)],
        stripe,
        ppm,
    )
    if not windows and rng.random() < 0.7:
        word = rng.uniform(20, 220, 3)
        _fill(
            rgba,
            [
                (length * 0.25, height * 0.3),
                (length * 0.75, height * 0.3),
                (length * 0.7, height * 0.5),
                (length * 0.3, height * 0.5),
            ],
            word,
            ppm,
        )
    roughen(rgba, int(rng.integers(8)), 4.0)
    for x in wheels:
        _wheel(rgba, (x, height - 0.48), 0.48, ppm)
    return Texture(rgba, glow)


def _long_end(
    width: float,
    height: float,
    paint: np.ndarray,
    ppm: float,
    *,
    front: bool,
    glass: bool,
    sign: Sequence[float] | None = None,
) -> Texture:
    """Draw the front or rear of a large vehicle."""
    rgba = canvas(round(height * ppm), round(width * ppm), (24, 24, 26), 0)
    sill = height - 0.35
    _fill(rgba, [(0, 0), (width, 0), (width, sill), (0, sill)], paint, ppm)
    _fill(
        rgba,
        [(0.15, sill), (width - 0.15, sill), (width - 0.15, height - 0.12), (0.15, height - 0.12)],
        (14, 14, 15),
        ppm,
    )
    for x in (0.1, width - 0.45):
        _fill(rgba, [(x, sill), (x + 0.35, sill), (x + 0.35, height), (x, height)], _TYRE, ppm)
    glow = np.zeros((*rgba.shape[:2], 3), np.uint8)
    if glass:
        top, bottom = 0.17 * height, (0.62 if front else 0.45) * height
        _fill(
            rgba,
            [(0.12, top), (width - 0.12, top), (width - 0.12, bottom), (0.12, bottom)],
            (34, 42, 48),
            ppm,
        )
        _fill(
            rgba,
            [(0.12, top), (width - 0.12, top), (width - 0.3, top + 0.4), (0.12, top + 0.5)],
            (72, 84, 92),
            ppm,
        )
    if sign is not None:
        corners = [(0.3, 0.08), (width - 0.3, 0.08), (width - 0.3, 0.4), (0.3, 0.4)]
        _fill(rgba, corners, (24, 24, 20), ppm)
        _fill(rgba, [(0.5, 0.15), (width - 0.9, 0.15), (width - 0.9, 0.33), (0.5, 0.33)], sign, ppm)
        cv2.fillPoly(glow, [np.rint(np.array(corners) * ppm).astype(np.int32)], (90, 70, 10))
    lamp, shine = ((222, 222, 214), (255, 246, 220)) if front else ((158, 18, 16), (235, 22, 12))
    for x in (0.12, width - 0.45):
        corners = [(x, sill - 0.4), (x + 0.33, sill - 0.4), (x + 0.33, sill - 0.2), (x, sill - 0.2)]
        _fill(rgba, corners, lamp, ppm)
        cv2.fillPoly(glow, [np.rint(np.array(corners) * ppm).astype(np.int32)], shine)
    if not front and not glass:
        _fill(
            rgba,
            [
                (width / 2 - 0.03, 0.1),
                (width / 2 + 0.03, 0.1),
                (width / 2 + 0.03, sill),
                (width / 2 - 0.03, sill),
            ],
            paint * 0.6,
            ppm,
        )
    _fill(
        rgba,
        [
            (width / 2 - 0.26, sill - 0.18),
            (width / 2 + 0.26, sill - 0.18),
            (width / 2 + 0.26, sill - 0.07),
            (width / 2 - 0.26, sill - 0.07),
        ],
        (226, 226, 220),
        ppm,
    )
    return Texture(rgba, glow)


def bus(rng: np.random.Generator, ppm: float) -> Model:
    """Build a city bus, 12 m."""
    length, width, height = 12.0, 2.5, 3.05
    paints = ((196, 40, 36), (220, 196, 60), (222, 222, 218), (70, 120, 170), (236, 140, 40))
    paint = np.array(paints[int(rng.integers(len(paints)))]) * rng.uniform(0.85, 1.05)
    side = _long_side(
        rng,
        length,
        height,
        paint,
        ppm,
        windows=True,
        wheels=(3.2, 9.3),
        stripe=rng.uniform(30, 210, 3),
    )
    textures = {
        "left": side,
        "right": side,
        "top": plain((206, 206, 202)),
        "front": _long_end(width, height, paint, ppm, front=True, glass=True, sign=(255, 170, 30)),
        "rear": _long_end(width, height, paint, ppm, front=False, glass=True, sign=(255, 170, 30)),
    }
    build = FaceBuilder()
    build.box((length, width, height), (0, 0, 0), textures, LABEL_ID["bus"])
    return Model(build.build(), length, width, height)


def truck(rng: np.random.Generator, ppm: float) -> Model:
    """Build a truck with a box body."""
    length, width = rng.uniform(6.5, 9.0), 2.4
    height, cab_height, cab = rng.uniform(3.0, 3.7), 2.6, 1.9
    paint = np.array(_PAINTS[int(rng.integers(len(_PAINTS)))]) * rng.uniform(0.9, 1.2)
    load = rng.uniform(150, 235) + rng.normal(0, 14, 3)
    body = length - cab - 0.15
    build = FaceBuilder()
    side = _long_side(
        rng,
        body,
        height,
        load,
        ppm,
        windows=False,
        wheels=(1.3, 2.4) if length > 8 else (1.6,),
        stripe=(36, 36, 38),
    )
    build.box(
        (body, width, height),
        (-length / 2 + body / 2, 0, 0),
        {
            "left": side,
            "right": side,
            "top": plain(tuple(load)),
            "front": plain(tuple(load * 0.9)),
            "rear": _long_end(width, height, load, ppm, front=False, glass=False),
        },
        LABEL_ID["truck"],
    )
    rgba = canvas(round(cab_height * ppm), round(cab * ppm), _TYRE, 0)
    _fill(
        rgba,
        [(0, 0), (cab - 0.2, 0), (cab, 1.0), (cab, cab_height - 0.3), (0, cab_height - 0.3)],
        paint,
        ppm,
    )
    _fill(rgba, [(0.7, 0.3), (cab - 0.3, 0.3), (cab - 0.15, 1.1), (0.7, 1.1)], _GLASS, ppm)
    _wheel(rgba, (cab * 0.5, cab_height - 0.48), 0.48, ppm)
    cab_side = Texture(rgba)
    build.box(
        (cab, width - 0.1, cab_height),
        (length / 2 - cab / 2, 0, 0),
        {
            "left": cab_side,
            "right": cab_side,
            "top": plain(tuple(paint)),
            "front": _long_end(width - 0.1, cab_height, paint, ppm, front=True, glass=True),
        },
        LABEL_ID["truck"],
    )
    return Model(build.build(), length, width, height)


def tram(rng: np.random.Generator, ppm: float) -> Model:
    """Build a tram of two cars, 26 m (class train)."""
    length, width, height = 26.0, 2.4, 3.35
    paints = ((204, 44, 40), (236, 214, 90), (60, 104, 170), (226, 226, 224), (80, 140, 90))
    paint = np.array(paints[int(rng.integers(len(paints)))]) * rng.uniform(0.85, 1.05)
    build = FaceBuilder()
    unit = length / 2 - 0.3
    side = _long_side(
        rng, unit, height, paint, ppm, windows=True, wheels=(), stripe=(232, 232, 228)
    )
    front = _long_end(width, height, paint, ppm, front=True, glass=True, sign=(255, 190, 40))
    rear = _long_end(width, height, paint, ppm, front=False, glass=True, sign=(255, 190, 40))
    top = plain((150, 150, 150))
    label = LABEL_ID["train"]
    build.box(
        (unit, width, height),
        (length / 4 + 0.15, 0, 0),
        {"left": side, "right": side, "top": top, "front": front},
        label,
    )
    build.box(
        (unit, width, height),
        (-length / 4 - 0.15, 0, 0),
        {"left": side, "right": side, "top": top, "rear": rear},
        label,
    )
    bellows = plain((40, 40, 42))
    build.box(
        (0.8, width - 0.25, height - 0.2), (0, 0, 0.1), {"left": bellows, "right": bellows}, label
    )
    dark = plain((60, 60, 62))
    build.box(
        (2.2, 0.9, 0.35),
        (length / 4, 0, height),
        dict.fromkeys(("front", "rear", "left", "right", "top"), dark),
        label,
    )
    return Model(build.build(), length, width, height)
