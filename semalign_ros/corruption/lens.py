"""Light and water on the lens or the windscreen in front of it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.depth import viewing_directions
from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import Mask, corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.corruption.tones import LEVELS, decode_srgb, encode_srgb, look_up
from semalign_ros.types import Frame, Image

_SHRUNK = 4  # a drop shows the scene blurred: a quarter of the resolution is enough for it


@dataclass(frozen=True, slots=True)
class _Wet:
    """What drops on a windscreen do to the pixels that they cover.

    Args:
        rows: i64[N], row of each covered pixel.
        columns: i64[N], its column.
        source: i64[N], the pixel of the shrunk image, flattened, that shines there instead.
        opacity: u16[N, 1], 0..256.
        brightness: u16[N, 1], 0..256, of what shines there.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    source: NDArray[np.int64]
    opacity: NDArray[np.uint16]
    brightness: NDArray[np.uint16]


def _small(height: int, width: int) -> tuple[int, int]:
    return max(1, round(height / _SHRUNK)), max(1, round(width / _SHRUNK))


@functools.lru_cache(maxsize=8)  # a profile has several severities
def _wet(height: int, width: int, draws: Draws, coverage_percent: float, radius: float) -> _Wet:
    """Lay drops until they cover enough; sizes vary by a factor of two either way.

    Args:
        height: Pixels.
        width: Pixels.
        draws: The drops stay, one set a sequence.
        coverage_percent: Share of the image.
        radius: Median radius as a share of the width.
    """
    source = draws.whole_sequence("drops")
    # Area of the drops against the image's, were none to overlap another.
    wanted = -math.log(1 - coverage_percent / 100)
    depth = np.zeros((height, width), np.float32)  # towards the middle of a drop, 0..1
    place = np.zeros((height, width, 2), np.float32)  # in the drop, -1..1
    laid = 0.0
    while laid < wanted:
        x, y, size, tall = source.random(4)
        across = max(radius * width * 4.0 ** (size - 0.5), 0.5)
        down = across * (1 + 0.35 * tall)
        laid += math.pi * across * down / (width * height)
        left, right = (round(x * width + s * across) for s in (-1, 1))
        top, bottom = (round(y * height + s * down) for s in (-1.17, 1))
        window = slice(max(top, 0), bottom + 1), slice(max(left, 0), right + 1)
        rows, columns = np.arange(height)[window[0]], np.arange(width)[window[1]]
        u = ((columns - x * width) / across)[None, :]
        v = ((rows - y * height) / down)[:, None]
        v = v + 0.12 * (1 - u**2) * v**2  # heavier below
        inside = 1 - np.hypot(u, v)
        deeper = inside > depth[window]
        depth[window][deeper] = inside[deeper]
        place[window][deeper] = np.stack(np.broadcast_arrays(u, v), axis=2)[deeper]
    rows, columns = np.nonzero(depth > 0)
    edge = depth[rows, columns]
    # A drop is a strong lens: it shows the whole scene upside down.
    u, v = place[rows, columns].T
    h, w = _small(height, width)
    source_x = ((columns / width + 0.5) / 2 - 0.42 * u).clip(0, 0.999) * w
    source_y = ((rows / height + 0.5) / 2 - 0.42 * v).clip(0, 0.999) * h
    # Soft at the rim, which is out of focus, and dark there: it turns away from the light.
    opacity = np.clip(edge / 0.35, 0, 1)
    brightness = 0.62 + 0.38 * np.clip(edge / 0.5, 0, 1)
    return _Wet(
        rows,
        columns,
        source_y.astype(np.int64) * w + source_x.astype(np.int64),
        np.rint(256 * opacity).astype(np.uint16)[:, None],
        np.rint(256 * brightness).astype(np.uint16)[:, None],
    )


def _wet_of(frame: Frame, draws: Draws, coverage_percent: float, radius_percent: float) -> _Wet:
    height, width = frame.image.shape[:2]
    return _wet(height, width, replace(draws, index=0), coverage_percent, radius_percent / 100)


def _hidden(frame: Frame, draws: Draws, *, coverage_percent: float, radius_percent: float) -> Mask:
    wet = _wet_of(frame, draws, coverage_percent, radius_percent)
    mask = np.zeros(frame.image.shape[:2], np.bool_)
    mask[wet.rows, wet.columns] = wet.opacity[:, 0] >= 0.9 * 256
    return mask


@corruption(
    "image",
    Number(
        "coverage_percent",
        "%",
        0,
        80,
        "Share of the image that drops cover.",
        neutral=0,
        ladder=(3, 7, 13, 22, 33),
    ),
    Number("radius_percent", "%", 0.2, 15, "Median radius, of the image width.", default=1.6),
    hides=_hidden,
)
def lens_raindrops(
    frame: Frame, draws: Draws, *, coverage_percent: float, radius_percent: float
) -> Image:
    """Drops on the windscreen: each shows the scene upside down and blurred. They stay.

    What is at least 90 % opaque counts as hidden.

    Source: the drop as a wide-angle lens, Roser and Geiger 2009 (ICCV workshops), by a linear
    inverted view.
    """
    wet = _wet_of(frame, draws, coverage_percent, radius_percent)
    height, width = frame.image.shape[:2]
    small = cv2.resize(frame.image, _small(height, width)[::-1], interpolation=cv2.INTER_AREA)
    blurred = np.asarray(cv2.blur(small, (5, 5)), np.uint8).reshape(-1, 3)
    shown = blurred[wet.source] * wet.brightness >> 8
    result = frame.image.copy()
    dry = result[wet.rows, wet.columns].astype(np.uint16)
    result[wet.rows, wet.columns] = (shown * wet.opacity + dry * (256 - wet.opacity)) >> 8
    return result


_HALO_DEG = 1.2  # inside of which the glare no longer grows
_WARM = (1.0, 0.95, 0.86)  # of the sun through haze, linear RGB


@functools.lru_cache(maxsize=2)
def _stray_light(
    height: int, width: int, azimuth_deg: float, elevation_deg: float
) -> NDArray[np.float32]:
    """Stray light of a sun, f32[H, W], 1 at the sun itself."""
    x, y = viewing_directions(height, width)
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    sun = (math.sin(azimuth) * math.cos(elevation), -math.sin(elevation))
    ahead = math.cos(azimuth) * math.cos(elevation)
    cosine = (x * sun[0] + y * sun[1] + ahead) / np.sqrt(1 + x**2 + y**2)
    angle = np.degrees(np.arccos(cosine.clip(-1, 1)))
    light = np.asarray(_HALO_DEG**2 / (angle**2 + _HALO_DEG**2), np.float32)
    light.setflags(write=False)
    return light


_FULL = 2.0  # stray light, against white, that the table of additions reaches


@functools.cache
def _additions() -> NDArray[np.uint8]:
    """Table for :func:`look_up`: partner byte u adds `_FULL` (u / 255)^2 in linear light."""
    added = _FULL * (LEVELS[:, None] / 255) ** 2
    light = np.minimum(decode_srgb(LEVELS / 255) + added, 1)
    return np.rint(255 * encode_srgb(light)).astype(np.uint8).ravel()


@corruption(
    "image",
    Number(
        "strength",
        "",
        0,
        1000,
        "Stray light at the sun, against white; half of it 1.2 degrees beside.",
        neutral=0,
        ladder=(1, 3, 8, 20, 45),
    ),
    Number("azimuth_deg", "deg", -90, 90, "Of the sun, positive to the right.", default=9),
    Number("elevation_deg", "deg", -10, 90, "Of the sun above the horizon.", default=7),
)
def glare(
    frame: Frame,
    draws: Draws,  # noqa: ARG001
    *,
    strength: float,
    azimuth_deg: float,
    elevation_deg: float,
) -> Image:
    """Low sun: its light, scattered by lens and windscreen, lies over the picture.

    It falls with the square of the angle from the sun, which may be outside the picture, and
    adds in linear light, so dark things lose their contrast first. The sun is fixed to the
    camera; no ghosts and no change of the exposure.

    Source: disability glare of Stiles and Holladay (CIE 146), veiling light ~ 1 / angle^2.
    """
    height, width = frame.image.shape[:2]
    light = _stray_light(height, width, azimuth_deg, elevation_deg) * np.float32(strength)
    planes = [
        cv2.convertScaleAbs(cv2.sqrt(light), alpha=255 * math.sqrt(tint / _FULL)) for tint in _WARM
    ]
    return look_up(frame.image, np.asarray(cv2.merge(planes), np.uint8), _additions())
