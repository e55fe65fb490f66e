"""Rain and snow: single particles near the camera, a veil of all the others behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.depth import FOCAL_WIDTHS, HORIZON
from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption, depth_of, motion_of
from semalign_ros.corruption.rng import Draws
from semalign_ros.corruption.weather import veil
from semalign_ros.types import Frame, Image

_LAYERS_M = ((0.5, 1.5), (1.5, 4.0), (4.0, 12.0))
_MOST = 3000  # particles drawn in each layer, the largest ones
_APERTURE_MM = 2.5  # of a lens focused far away: its blur of a near point is as wide as this
_TRACE = 0.004  # opacity below which a particle is not worth a line
_STEPS = 48  # of the opacity of a line
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Exponential size distribution of particles in the air.

    Args:
        intercept: Particles a cubic metre and millimetre of diameter at diameter 0.
        slope: Decline of their number, 1/mm.
        swelling: Diameter in the air over the diameter that the two are given for.
    """

    intercept: float
    slope: float
    swelling: float = 1.0

    def extinction(self) -> float:
        """Share of the light lost a metre: twice the area of all particles (van de Hulst)."""
        area = math.pi / 4 * self.swelling**2 * self.intercept * 2 / self.slope**3
        return 2 * area * 1e-6  # mm^2 to m^2

    def largest(
        self, volume: float, most: int, source: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the largest particles of a volume.

        Args:
            volume: Cubic metres.
            most: How many at most.
            source: Of the draws.

        Returns:
            Diameters in the air, f64[N], mm, and three uniform numbers for each, f64[N, 3].
        """
        expected = self.intercept / self.slope * volume
        count = min(round(expected), most)
        drawn = source.random((count, 4))
        smallest = math.log(max(expected / most, 1.0)) / self.slope
        diameters = smallest - np.log1p(-drawn[:, 0]) / self.slope
        return diameters * self.swelling, drawn[:, 1:]


def _opacity_of_particles(
    frame: Frame,
    draws: Draws,
    spectrum: Spectrum,
    fall_speed: tuple[float, float],
    exposure_ms: float,
    wind: float,
) -> NDArray[np.uint8]:
    """Draw the particles near the camera.

    Args:
        frame: Its size and speed.
        draws: New particles in each frame.
        spectrum: Of their sizes.
        fall_speed: Metres a second: a large particle's, and the slowing by exp(-0.6 d).
        exposure_ms: Milliseconds.
        wind: Metres a second to the right.

    Returns:
        u8[H, W], 255 times the square root of the opacity.
    """
    height, width = frame.image.shape[:2]
    focal, middle = FOCAL_WIDTHS * width, np.array([0.5 * width, HORIZON * height])
    exposure, speed = exposure_ms / 1000, motion_of(frame)[0]
    layers = []
    for near, far in _LAYERS_M:
        volume = (far**3 - near**3) / 3 * width * height / focal**2
        source = draws.each_frame(f"{near:g} m")
        size, place = spectrum.largest(volume, _MOST, source)
        distance = np.cbrt(near**3 + place[:, 2] * (far**3 - near**3))
        # From the frustum's volume: uniform over the picture at any distance.
        first = (place[:, :2] * [width, height] - middle) / focal
        fall = np.maximum(fall_speed[0] - fall_speed[1] * np.exp(-0.6 * size), 0.3)
        moved = np.stack([np.full_like(fall, wind), fall], axis=1) * exposure
        nearer = np.maximum(distance - speed * exposure, 0.1)[:, None]
        last = (first * distance[:, None] + moved) / nearer
        layers.append((size, distance, first, last))
    size, distance, first, last = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    ends = np.stack([first, last], axis=1) * focal + middle
    scale = focal / 1000 / distance  # pixels a millimetre
    blurred = np.hypot(size, _APERTURE_MM)
    path = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    # Share of the exposure for which a particle is in front of a pixel of its path, and what
    # the lens, out of focus so near, leaves of that; a line is at least a pixel wide.
    opacity = size * scale / (size * scale + path) * (size / blurred)
    opacity *= np.minimum(blurred * scale, 1.0)
    thickness = np.maximum(np.rint(blurred * scale), 1).astype(int)
    level = np.rint(np.sqrt(opacity.clip(0, 1)) * _STEPS).astype(int)
    corners = np.rint(ends * 2**_SUBPIXEL_BITS).astype(np.int32)
    kept = opacity > _TRACE
    key = level * (int(thickness.max(initial=0)) + 1) + thickness
    soft = distance < _LAYERS_M[0][1]
    planes = [np.zeros((height, width), np.uint8) for _ in range(2)]
    for group in np.unique(key[kept]):  # faint ones first, so that strong ones lie on top
        for plane, layer in zip(planes, (soft, ~soft), strict=True):
            members = np.flatnonzero(kept & layer & (key == group))
            if not members.size:
                continue
            k = members[0]
            cv2.polylines(
                plane,
                list(corners[members]),
                False,
                255 * int(level[k]) / _STEPS,
                int(thickness[k]),
                cv2.LINE_AA,
                _SUBPIXEL_BITS,
            )
    # Near ones have no edge at all.
    side = 2 * round(focal / 1000 * _APERTURE_MM / _LAYERS_M[0][0] / 2) + 1
    return np.asarray(cv2.max(cv2.blur(planes[0], (side, side)), planes[1]), np.uint8)


def _precipitate(
    frame: Frame, spectrum: Spectrum, particles: NDArray[np.uint8], brightness: float
) -> Image:
    passed = cv2.exp(depth_of(frame) * np.float32(-spectrum.extinction()))
    # What the veil lets through passes between the particles as well.
    gaps = 1 - (np.arange(256, dtype=np.float32) / 255) ** 2
    passed = cv2.multiply(passed, cv2.LUT(particles, gaps), passed)
    return veil(frame.image, np.subtract(1, passed, dtype=np.float32), brightness)


_EXPOSURE = Number("exposure_ms", "ms", 0.05, 100, "How long the shutter is open.", default=4)
_WIND = Number("wind_mps", "m/s", -30, 30, "Cross wind, positive to the right.", default=1.5)


@corruption(
    "image",
    Number("rate_mm_h", "mm/h", 0, 300, "Rainfall rate.", neutral=0, ladder=(5, 15, 35, 70, 120)),
    _EXPOSURE,
    _WIND,
    Number("brightness", "levels", 0, 255, "Brightness of drops and veil.", default=200),
    needs_depth=True,
    needs_motion=True,
)
def rain(
    frame: Frame,
    draws: Draws,
    *,
    rate_mm_h: float,
    exposure_ms: float,
    wind_mps: float,
    brightness: float,
) -> Image:
    """Streaks of falling drops, new in every frame, before a veil that thickens with distance.

    Drops fall at their terminal velocity and come towards the vehicle with its speed; a streak
    is the path of one during the exposure, as opaque as the share of it that the drop is there.

    Source: drop sizes by Marshall and Palmer 1948, velocities by Atlas et al. 1973, streaks
    after Garg and Nayar 2007 (IJCV 75); extinction by twice the drops' area.
    """
    spectrum = Spectrum(8000, 4.1 * max(rate_mm_h, 1e-3) ** -0.21)
    particles = _opacity_of_particles(frame, draws, spectrum, (9.65, 10.3), exposure_ms, wind_mps)
    return _precipitate(frame, spectrum, particles, brightness)


@corruption(
    "image",
    Number(
        "rate_mm_h",
        "mm/h",
        0,
        50,
        "Snowfall rate, as water.",
        neutral=0,
        ladder=(0.5, 1.2, 2.5, 5, 10),
    ),
    _EXPOSURE,
    _WIND,
    Number("brightness", "levels", 0, 255, "Brightness of flakes and veil.", default=225),
    needs_depth=True,
    needs_motion=True,
)
def snow(
    frame: Frame,
    draws: Draws,
    *,
    rate_mm_h: float,
    exposure_ms: float,
    wind_mps: float,
    brightness: float,
) -> Image:
    """Falling flakes, new in every frame, before a veil that thickens with distance.

    Flakes have a tenth of the density of water and sink at 1 m/s, so that at speed they seem
    to come straight at the camera. What lies on the ground is left as it is.

    Source: flake sizes by Gunn and Marshall 1958; extinction by twice the flakes' area.
    """
    rate = max(rate_mm_h, 1e-3)
    spectrum = Spectrum(3800 * rate**-0.87, 2.55 * rate**-0.48, swelling=10 ** (1 / 3))
    particles = _opacity_of_particles(frame, draws, spectrum, (1.0, 0.0), exposure_ms, wind_mps)
    return _precipitate(frame, spectrum, particles, brightness)
