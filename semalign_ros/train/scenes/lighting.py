"""Light of a scene: sun, sky, haze, and what it makes of a surface."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""RGB factors, 1 = the surface's own colour; or RGB 0..255 for sky colours."""


@dataclass(frozen=True, slots=True)
class Lighting:
    """Light of a scene.

    Args:
        name: ``day``, ``overcast`` or ``dusk``.
        sun: Unit vector towards the sun, world coordinates.
        sun_colour: Light of the sun on a surface that faces it.
        ambient: Light of the sky on every surface.
        zenith: Sky colour overhead, 0..255.
        horizon: Sky and haze colour at the horizon, 0..255.
        cloud: Colour of clouds, 0..255.
        cloud_cover: Share of the sky under cloud, 0..1.
        haze: Extinction, 1/m.
        shadow: How much of the light a ground shadow takes, 0..1.
        lamps: Strength of lamps, lit windows and vehicle lights, 0..1.
        exposure: Gain of the camera.
        tint: White balance of the camera.
        noise: Sensor noise, standard deviation in grey levels.
    """

    name: str
    sun: tuple[float, float, float]
    sun_colour: Colour
    ambient: Colour
    zenith: Colour
    horizon: Colour
    cloud: Colour
    cloud_cover: float
    haze: float
    shadow: float
    lamps: float
    exposure: float
    tint: Colour
    noise: float

    def shade(self, normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the light on surfaces.

        Args:
            normals: f64[N, 3], unit vectors.

        Returns:
            f64[N, 3], RGB factors.
        """
        facing = np.clip(normals @ np.array(self.sun), 0.0, 1.0)[:, None]
        # Surfaces that look up see more of the sky than walls do.
        sky = (0.82 + 0.18 * normals[:, 2])[:, None]
        result: NDArray[np.float64] = sky * np.array(self.ambient) + facing * np.array(
            self.sun_colour
        )
        return result


def draw_lighting(rng: np.random.Generator, name: str | None = None) -> Lighting:
    """Draw the light of a scene.

    Args:
        rng: Source of randomness.
        name: ``day``, ``overcast`` or ``dusk``; None to draw it (45, 35, 20 %).
    """
    drawn = str(rng.choice(["day", "overcast", "dusk"], p=[0.45, 0.35, 0.20]))
    name = name or drawn
    azimuth = rng.uniform(-math.pi, math.pi)
    elevation = math.radians({"day": rng.uniform(25, 60)}.get(name, rng.uniform(8, 20)))
    sun = (
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )
    # The recording cameras of Cityscapes are slightly green.
    tint = (rng.uniform(0.88, 0.98), 1.0, rng.uniform(0.86, 0.98))
    if name == "day":
        return Lighting(
            name,
            sun,
            (0.72, 0.68, 0.60),
            (0.50, 0.53, 0.58),
            (rng.uniform(70, 120), rng.uniform(125, 165), rng.uniform(195, 225)),
            (225, 232, 238),
            (250, 250, 250),
            rng.uniform(0.1, 0.6),
            rng.uniform(0.0003, 0.0015),
            0.48,
            0.12,
            rng.uniform(1.0, 1.5),
            tint,
            rng.uniform(1.5, 3.0),
        )
    if name == "overcast":
        grey = rng.uniform(195, 240)
        return Lighting(
            name,
            sun,
            (0.12, 0.12, 0.12),
            (0.86, 0.88, 0.90),
            (grey - 15, grey - 10, grey - 4),
            (grey, grey + 3, grey + 6),
            (grey - 25,) * 3,
            0.8,
            rng.uniform(0.0006, 0.003),
            0.10,
            0.2,
            rng.uniform(0.95, 1.4),
            tint,
            rng.uniform(2.0, 3.5),
        )
    warm = rng.uniform(0.7, 1.0)
    return Lighting(
        "dusk",
        sun,
        (0.16, 0.11, 0.07),
        (0.40, 0.42, 0.54),
        (50, 66, 110),
        (205 * warm, 140 * warm, 110 * warm),
        (95, 84, 104),
        rng.uniform(0.2, 0.6),
        rng.uniform(0.0008, 0.0025),
        0.12,
        1.0,
        rng.uniform(1.1, 1.5),
        tint,
        rng.uniform(3.0, 5.0),
    )
