"""Models of cars and vans: x forward, y left, z up, origin on the ground below the centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.drawing import Colour, Sketch, scaled
from semalign_ros.train.scenes.faces import FaceBuilder, Model
from semalign_ros.train.scenes.texture import Texture, plain

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
GLASS = (34, 42, 48)
TYRE = (22, 22, 24)
PLATE = (226, 226, 220)
HEADLIGHT, HEADLIGHT_SHINE = (214, 216, 212), (255, 246, 220)
TAIL_LIGHT, TAIL_LIGHT_SHINE = (128, 16, 14), (235, 22, 12)
_RIM = (120, 122, 124)
_DARK = (16, 16, 18)


@dataclass(frozen=True, slots=True)
class _Body:
    """Side view of a car: heights in metres, places as shares of the length from the rear.

    Args:
        length: Metres.
        width: Metres.
        height: Of the roof, metres.
        belt: Lower edge of the side windows, metres.
        nose: Front edge of the bonnet, metres.
        boot: Where the rear window begins.
        roof_rear: Where the roof begins.
        roof_front: Where it ends.
        screen: Where the windscreen ends.
        wheel: Radius, metres.
    """

    length: float
    width: float
    height: float
    belt: float
    nose: float
    boot: float
    roof_rear: float
    roof_front: float
    screen: float
    wheel: float


_BODIES = {
    "hatchback": _Body(4.05, 1.74, 1.48, 0.94, 0.74, 0.01, 0.10, 0.56, 0.76, 0.31),
    "saloon": _Body(4.65, 1.80, 1.45, 0.95, 0.74, 0.16, 0.30, 0.58, 0.75, 0.32),
    "estate": _Body(4.65, 1.80, 1.48, 0.95, 0.74, 0.01, 0.07, 0.58, 0.75, 0.32),
    "suv": _Body(4.50, 1.85, 1.70, 1.08, 0.92, 0.01, 0.08, 0.57, 0.74, 0.36),
    "van": _Body(4.90, 1.92, 1.98, 1.16, 0.98, 0.00, 0.02, 0.72, 0.88, 0.34),
    "small": _Body(3.40, 1.64, 1.50, 0.92, 0.76, 0.01, 0.10, 0.60, 0.82, 0.29),
}
_SHARES = (0.28, 0.18, 0.18, 0.16, 0.10, 0.10)


def paint_colour(rng: np.random.Generator) -> Colour:
    """Draw a vehicle's colour: mostly black, grey and white."""
    return scaled(_PAINTS[int(rng.integers(len(_PAINTS)))], rng.uniform(0.85, 1.12))


def wheel(sketch: Sketch, x: float, y: float, radius: float) -> None:
    """Draw a wheel from the side."""
    for share, colour in ((1.16, _DARK), (1.0, TYRE), (0.62, _RIM), (0.2, (60, 60, 62))):
        sketch.oval((x, y), (radius * share, radius * share), colour)
    for angle in np.arange(5) * 2 * np.pi / 5:
        tip = (x + 0.55 * radius * np.cos(angle), y + 0.55 * radius * np.sin(angle))
        sketch.limb([(x, y), tip], 0.04, (70, 72, 74))


def _lower_side(body: _Body, paint: Colour, ppm: float) -> Texture:
    """Draw sill to belt with the wheels; u from the rear to the front, v down from the belt."""
    length, belt = body.length, body.belt
    sketch = Sketch(length, belt, ppm, (30, 30, 32))
    sill, hood = belt - 0.24, belt - body.nose
    outline = [
        (0.01, 0.0),
        (body.screen * length, 0.0),
        (length * 0.97, hood),
        (length, belt - 0.5),
        (length - 0.02, sill),
        (0.04, sill),
        (0.0, belt - 0.55),
    ]
    sketch.fill(outline, paint)
    skirt = [(0.04, sill), (length - 0.02, sill), (length - 0.1, sill + 0.08), (0.1, sill + 0.08)]
    sketch.fill(skirt, _DARK)
    # The body bulges: bright shoulder, dark flank.
    down = np.linspace(0, 1, sketch.rgba.shape[0])
    sketch.shade(np.interp(down, [0, 0.12, 0.3, 0.75, 1], [1.0, 1.2, 1.0, 0.78, 0.7])[:, None])
    for share in (0.32, 0.56, 0.76):
        sketch.box(share * length, 0.03, share * length + 0.02, sill, scaled(paint, 0.45))
    for share in (0.36, 0.60):
        sketch.box(share * length, 0.13, share * length + 0.18, 0.16, scaled(paint, 0.6))
    sketch.box(0.0, 0.1, 0.14, 0.3, TAIL_LIGHT)
    sketch.shine_box(0.0, 0.1, 0.14, 0.3, scaled(TAIL_LIGHT_SHINE, 0.8))
    sketch.box(length - 0.28, hood + 0.06, length - 0.04, hood + 0.18, HEADLIGHT)
    sketch.shine_box(length - 0.2, hood + 0.06, length - 0.04, hood + 0.18, (180, 172, 150))
    for x in (0.19 * length, 0.81 * length):
        wheel(sketch, x, belt - body.wheel, body.wheel)
    return sketch.picture()


def _side_windows(paint: Colour, ppm: float) -> Texture:
    """Draw the side windows between pillars."""
    sketch = Sketch(2.4, 0.6, ppm, GLASS, opacity=255)
    sketch.shade(np.linspace(1.9, 0.8, sketch.rgba.shape[0])[:, None])
    sketch.box(0, 0, 2.4, 0.07, paint)
    for share in (0.0, 0.36, 0.66, 0.97):
        sketch.box(share * 2.4, 0, share * 2.4 + 0.07, 0.6, scaled(paint, 0.85))
    return sketch.picture()


def _window(paint: Colour, ppm: float, *, inset: float) -> Texture:
    """Draw a windscreen or rear window that mirrors the sky, between its pillars.

    Args:
        paint: Colour of the pillars.
        ppm: Texels per metre.
        inset: Share of the width by which the upper edge is shorter on each side.
    """
    width, height = 1.6, 0.7
    sketch = Sketch(width, height, ppm, GLASS, opacity=255)
    rows, columns = sketch.rgba.shape[:2]
    sketch.shade(np.multiply.outer(np.linspace(2.3, 0.9, rows), np.linspace(0.85, 1.15, columns)))
    sketch.box(0, 0, width, 0.05, paint)
    sketch.box(0, height - 0.04, width, height, _DARK)
    low, high = 0.045 * width, (0.045 + inset) * width
    for a, b in ((0.0, 1.0), (width, -1.0)):
        pillar = [(a, 0.0), (a + b * high, 0.0), (a + b * low, height), (a, height)]
        sketch.fill(pillar, scaled(paint, 0.85))
    return sketch.picture()


def _end(body: _Body, paint: Colour, top: float, ppm: float, *, front: bool) -> Texture:
    """Draw the front or the rear from `top` down to the ground."""
    width, sill = body.width, top - 0.24
    sketch = Sketch(width, top, ppm, TYRE)
    sketch.fill([(0.0, 0.0), (width, 0.0), (width, sill), (0.0, sill)], paint)
    down = np.linspace(0, 1, sketch.rgba.shape[0])
    sketch.shade(np.interp(down, [0, 0.25, 0.6, 1], [1.15, 1.0, 0.82, 0.66])[:, None])
    under = [(0.12, sill - 0.02), (width - 0.12, sill - 0.02), (width - 0.12, top - 0.14)]
    sketch.fill([*under, (0.12, top - 0.14)], _DARK)
    for x in (0.06, width - 0.28):
        sketch.fill([(x, sill), (x + 0.22, sill), (x + 0.22, top), (x, top)], TYRE)
    if front:
        grille = [(0.45, 0.06), (width - 0.45, 0.06), (width - 0.5, 0.24), (0.5, 0.24)]
        sketch.fill(grille, (24, 24, 26))
        sketch.box(0.3, sill - 0.14, width - 0.3, sill - 0.04, (30, 30, 32))
    else:
        sketch.box(0.3, 0.03, width - 0.3, 0.06, scaled(paint, 0.55))
    sketch.box(0.0, sill - 0.28, width, sill - 0.25, scaled(paint, 0.5))
    lamp, shine = (HEADLIGHT, HEADLIGHT_SHINE) if front else (TAIL_LIGHT, TAIL_LIGHT_SHINE)
    low, high, wide = (0.03, 0.17, 0.36) if front else (0.06, 0.28, 0.22)
    for edge, sign in ((0.03, 1.0), (width - 0.03, -1.0)):
        inner = edge + sign * wide
        corners = [(edge, low), (inner, low + 0.02), (inner, high - 0.04), (edge, high)]
        sketch.fill(corners, lamp)
        sketch.shine(corners, shine)
    plate, middle = (sill - 0.2 if front else 0.22), width / 2
    sketch.box(middle - 0.26, plate, middle + 0.26, plate + 0.11, PLATE)
    return sketch.picture()


def car(rng: np.random.Generator, ppm: float, *, kind: str | None = None) -> Model:
    """Build a car.

    Args:
        rng: Source of randomness.
        ppm: Texels per metre.
        kind: Body, such as ``saloon``; None to draw it.
    """
    body = _BODIES[kind or list(_BODIES)[int(rng.choice(len(_BODIES), p=_SHARES))]]
    paint = paint_colour(rng)
    build = FaceBuilder()
    _lower(build, body, paint, ppm)
    _upper(build, body, paint, ppm)
    return Model(build.build(), body.length, body.width, body.height)


def _lower(build: FaceBuilder, body: _Body, paint: Colour, ppm: float) -> None:
    """Add what is below the belt line."""
    length, half, belt, label = body.length, body.width / 2, body.belt, LABEL_ID["car"]
    rear, nose, across = -length / 2, 0.47 * length, (0.0, body.width, 0.0)
    screen, boot = rear + body.screen * length, rear + body.boot * length
    side, colour = _lower_side(body, paint, ppm), plain(paint)
    for sign in (-1.0, 1.0):
        build.add(
            (rear, sign * half, belt),
            (length, 0, 0),
            (0, 0, -belt),
            side,
            label,
            normal=(0, sign, 0),
        )
    drop = body.nose - belt
    build.add(
        (screen, -half, belt),
        (nose - screen, 0, drop),
        across,
        colour,
        label,
        normal=(-drop, 0, nose - screen),
    )
    if boot - rear > 0.1:
        build.add((rear, -half, belt), (boot - rear, 0, 0), across, colour, label, normal=(0, 0, 1))
    build.add(
        (nose, -half, body.nose),
        across,
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


def _upper(build: FaceBuilder, body: _Body, paint: Colour, ppm: float) -> None:
    """Add windows and roof."""
    length, half, belt, label = body.length, body.width / 2, body.belt, LABEL_ID["car"]
    rear, top = -length / 2, body.height
    rise, inset = top - belt, 0.17 if top < 1.9 else 0.08
    boot, back = rear + body.boot * length, rear + body.roof_rear * length
    fore, screen = rear + body.roof_front * length, rear + body.screen * length
    span = screen - boot
    windows = _side_windows(paint, ppm)
    for sign in (-1.0, 1.0):
        build.add(
            (boot, sign * (half - inset), top),
            (span, 0, 0),
            (0, sign * inset, -rise),
            windows,
            label,
            normal=(0, sign * rise, inset),
            corners=(((back - boot) / span, 0), ((fore - boot) / span, 0), (1, 1), (0, 1)),
        )
    narrow = inset / body.width
    glass = _window(paint, ppm, inset=narrow)
    for high, low, sign in ((fore, screen, 1.0), (back, boot, -1.0)):
        build.add(
            (high, -half, top),
            (0, body.width, 0),
            (low - high, 0, -rise),
            glass,
            label,
            normal=(sign * rise, 0, abs(low - high)),
            corners=((narrow, 0), (1 - narrow, 0), (1, 1), (0, 1)),
        )
    build.add(
        (back, -half + inset, top),
        (fore - back, 0, 0),
        (0, body.width - 2 * inset, 0),
        plain(paint),
        label,
        normal=(0, 0, 1),
    )
