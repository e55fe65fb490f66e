"""What lies flat on the carriageway: painted lines, rails, repairs, manholes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.polygons import fill, inset
from semalign_ros.train.scenes.street import Street

_REACH = 140.0
_NEAREST = 0.6
_NEUTRAL = 128

Quad = NDArray[np.float64]
"""f64[4, 2], world x and y of the corners of something flat, metres."""


@dataclass(frozen=True, slots=True)
class Decals:
    """What lies on the carriageway of one scene.

    Args:
        paint: f64[N, 4, 2], white marks.
        tones: f64[M, 4, 2], darker or lighter areas.
        levels: u8[M], their brightness, 128 that of the ground.
    """

    paint: NDArray[np.float64]
    tones: NDArray[np.float64]
    levels: NDArray[np.uint8]


def ground_polygon(
    view: View, outline: NDArray[np.float64], height: float = 0.0
) -> NDArray[np.float64] | None:
    """Project a convex polygon that lies on the ground.

    Args:
        view: Camera in the world.
        outline: f64[K, 2], world x and y, metres.
        height: Of the ground, metres.

    Returns:
        f64[L, 2] pixels of the part in front of the camera, or None.
    """
    points = np.column_stack([outline, np.full(len(outline), height)])
    return view.project_part(points, _NEAREST)


def draw_decals(rng: np.random.Generator, street: Street) -> Decals:
    """Lay the markings and the wear of a street."""
    paint = [_quad(street, *spot) for spot in _markings(rng, street)]
    tones: list[Quad] = []
    levels: list[int] = []
    for spot, level in _wear(rng, street):
        tones.append(_quad(street, *spot))
        levels.append(level)
    return Decals(
        np.array(paint).reshape(-1, 4, 2),
        np.array(tones).reshape(-1, 4, 2),
        np.array(levels, np.uint8),
    )


def paint_mask(view: View, quads: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw white marks: u8[H, W], 255 fully painted."""
    return _draw(view, quads, np.full(len(quads), 255), 0)


def tone_mask(
    view: View, quads: NDArray[np.float64], levels: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Draw darker and lighter areas: u8[H, W], 128 neutral."""
    return _draw(view, quads, levels.astype(int), _NEUTRAL)


def _draw(
    view: View, quads: NDArray[np.float64], levels: NDArray[np.int_], background: int
) -> NDArray[np.uint8]:
    camera = view.camera
    mask = np.full((camera.height, camera.width), background, np.uint8)
    if not len(quads):
        return mask
    flat = np.concatenate([quads, np.zeros((*quads.shape[:2], 1))], axis=-1)
    projected = view.project(flat)
    depth = projected[..., 2]
    near, far = depth.min(1), depth.max(1)
    u, v = projected[..., 0], projected[..., 1]
    whole = near > _NEAREST
    off = (u.max(1) < 0) | (u.min(1) > camera.width) | (v.max(1) < 0) | (v.min(1) > camera.height)
    inner, strength = inset(projected[..., :2])
    strength = np.where(whole, strength, 1.0)
    levels = np.rint(background + (levels - background) * strength).astype(int)
    chosen = (far > _NEAREST) & (near < _REACH) & ~(whole & off)
    # A mark that differs by less than two grey levels cannot be seen.
    chosen &= np.abs(levels - background) > 1
    for index in np.flatnonzero(chosen):
        outline = inner[index] if whole[index] else ground_polygon(view, quads[index])
        if outline is not None:
            fill(mask, outline, int(levels[index]))
    return mask


def _quad(street: Street, s0: float, s1: float, d0: float, d1: float) -> Quad:
    """Corners of a street-aligned rectangle (a parallelogram in a bend)."""
    a, b = street.centre(s0), street.centre(s1)
    return np.array([(s0, a + d0), (s1, b + d0), (s1, b + d1), (s0, a + d1)])


Spot = tuple[float, float, float, float]


def _line(street: Street, d: float, half: float, *, dashed: bool) -> Iterator[Spot]:
    """Yield the pieces of a line along the street; none in crossings."""
    length, period = (4.0, 9.0) if dashed else (4.0, 4.0)
    s = -4.0
    while s < _REACH:
        if not street.in_crossing(s, 4.6) and not street.in_crossing(s + length, 4.6):
            yield s, s + length, d - half, d + half
        s += period


def _markings(rng: np.random.Generator, street: Street) -> Iterator[Spot]:
    if street.marked:
        for lanes, sign in ((street.lanes_right, -1), (street.lanes_left, 1)):
            for k in range(1, lanes):
                yield from _line(
                    street, sign * (street.median + k * street.lane), 0.07, dashed=True
                )
        if street.lanes_left and not street.median:
            yield from _line(street, 0.0, 0.07, dashed=bool(rng.random() < 0.75))
        for width, edge in (
            (street.parking_right, street.right),
            (street.parking_left, street.left),
        ):
            if width:
                inner = edge - math.copysign(width, edge)
                yield from _line(street, inner, 0.06, dashed=False)
    for crossing in street.crossings:
        yield from _crossing(
            street, crossing.s, crossing.half_width, crossing.zebra, crossing.lights
        )
    if street.marked and street.lanes_right > 1:
        for crossing in street.crossings:
            yield from _arrow(street, crossing.s - crossing.half_width - 14)


def _crossing(street: Street, s: float, half: float, zebra: bool, lights: bool) -> Iterator[Spot]:
    if zebra:
        for sign in (-1, 1):
            middle = s + sign * (half + 2.6)
            for k in range(int(street.left - street.right)):
                d = street.right + 0.25 + k
                if abs(d + 0.25) > street.median:
                    yield middle - 1.6, middle + 1.6, d, d + 0.5
    if lights:
        stop = s - half - 5.2
        yield stop - 0.25, stop + 0.25, street.right + street.parking_right, -street.median
        if street.lanes_left:
            stop = s + half + 5.2
            yield stop - 0.25, stop + 0.25, street.median, street.left - street.parking_left


def _arrow(street: Street, s: float) -> Iterator[Spot]:
    """Yield straight-on arrows: a shaft, and a head of narrowing steps."""
    for lane in range(street.lanes_right):
        d = street.lane_centre(lane)
        yield s, s + 2.4, d - 0.08, d + 0.08
        for k in range(6):
            half = 0.38 * (1 - k / 6)
            yield s + 2.4 + 0.28 * k, s + 2.7 + 0.28 * k, d - half, d + half


def _wear(rng: np.random.Generator, street: Street) -> Iterator[tuple[Spot, int]]:
    """Yield repairs, cracks, wheel tracks, rails and manholes with their brightness."""
    for lanes, sign in ((street.lanes_right, -1), (street.lanes_left, 1)):
        for k in range(lanes):
            d = sign * (street.median + (k + 0.5) * street.lane)
            for track in (-0.8, 0.8):
                for spot in _pieces(d + track, 0.24, 90.0):
                    yield spot, 122
    for _ in range(int(rng.integers(0, 8))):
        s, d = rng.uniform(4, 90), rng.uniform(street.right + 0.3, street.left - 1)
        size = (rng.uniform(1.5, 12), rng.uniform(0.5, 2.2))
        yield (s, s + size[0], d, min(d + size[1], street.left)), int(rng.integers(96, 154))
    for _ in range(int(rng.integers(0, 5))):
        s, d = rng.uniform(4, 60), rng.uniform(street.right + 0.5, street.left - 0.5)
        yield (s - 0.32, s + 0.32, d - 0.32, d + 0.32), 84
        yield (s - 0.26, s + 0.26, d - 0.26, d + 0.26), 104
    if rng.random() < 0.5:
        d = rng.uniform(street.right, street.left)
        for spot in _pieces(d, 0.03, 80.0):
            yield spot, 88
    if street.tram:
        for d in _rails(street):
            for half, level in ((0.09, 84), (0.03, 190)):
                for spot in _pieces(d, half, 135.0):
                    yield spot, level


def _pieces(d: float, half: float, end: float) -> Iterator[Spot]:
    """Yield the pieces of a band along the street, crossings included."""
    for s in np.arange(-5.0, end, 5.0):
        yield float(s), float(s) + 5, d - half, d + half


def _rails(street: Street) -> Iterator[float]:
    for oncoming in (False, True):
        if oncoming and not street.lanes_left:
            continue
        middle = street.lane_centre(0, oncoming=oncoming)
        yield middle - 0.72
        yield middle + 0.72
