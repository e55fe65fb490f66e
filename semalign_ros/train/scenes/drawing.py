"""Drawing of textures in metres."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.texture import Rgba, Texture, canvas

Point = tuple[float, float]
"""Metres to the right and down from the top left corner."""
Colour = Sequence[float] | NDArray[np.float64]
"""RGB, 0..255."""

_SHIFT = 4


def scaled(colour: Colour, factor: float) -> tuple[float, float, float]:
    """Return a colour made brighter or darker, within 0..255."""
    red, green, blue = (min(255.0, max(0.0, float(c) * factor)) for c in colour)
    return red, green, blue


class Sketch:
    """A picture to draw on.

    Args:
        width: Metres.
        height: Metres.
        ppm: Texels per metre.
        base: Colour of the ground; where it stays see-through it should be that of the thing
            drawn, because interpolation mixes it into the edge.
        opacity: Of the ground, 0 or 255.
    """

    def __init__(
        self, width: float, height: float, ppm: float, base: Colour, *, opacity: int = 0
    ) -> None:
        self.width, self.height, self.ppm = width, height, ppm
        self.rgba: Rgba = canvas(round(height * ppm), round(width * ppm), base, opacity)
        self.glow: NDArray[np.uint8] | None = None

    def texels(self, metres: float) -> int:
        """Return a length in texels, at least 1."""
        return max(1, round(metres * self.ppm))

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        """Draw a polygon."""
        cv2.fillPoly(self.rgba, [self._fine(points)], _solid(colour), cv2.LINE_AA, _SHIFT)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Draw an upright rectangle with hard edges; the opacity stays."""
        self.rgba[(*self._window(x0, y0, x1, y1), slice(0, 3))] = scaled(colour, 1.0)

    def limb(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a bent line, round at the joints."""
        cv2.polylines(
            self.rgba,
            [self._fine(points)],
            False,
            _solid(colour),
            self.texels(width),
            cv2.LINE_AA,
            _SHIFT,
        )

    def oval(self, centre: Point, radii: Point, colour: Colour) -> None:
        """Draw an upright ellipse."""
        (cx, cy), (rx, ry) = self._fine([centre]).tolist()[0], self._fine([radii]).tolist()[0]
        cv2.ellipse(
            self.rgba, (cx, cy), (rx, ry), 0, 0, 360, _solid(colour), -1, cv2.LINE_AA, _SHIFT
        )

    def ring(self, centre: Point, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle's line."""
        cx, cy = self._fine([centre]).tolist()[0]
        cv2.circle(
            self.rgba,
            (cx, cy),
            round(radius * self.ppm * (1 << _SHIFT)),
            _solid(colour),
            self.texels(width),
            cv2.LINE_AA,
            _SHIFT,
        )

    def shine(self, points: Sequence[Point], colour: Colour) -> None:
        """Let a polygon give off light."""
        cv2.fillPoly(self._glow(), [self._fine(points)], scaled(colour, 1.0), cv2.LINE_8, _SHIFT)

    def shine_box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Let an upright rectangle give off light."""
        self._glow()[self._window(x0, y0, x1, y1)] = scaled(colour, 1.0)

    def shade(self, factor: NDArray[np.float64]) -> None:
        """Multiply the brightness, by f64 that broadcasts to [H, W]."""
        lit = self.rgba[..., :3] * factor[..., None]
        self.rgba[..., :3] = np.clip(lit, 0, 255).astype(np.uint8)

    def picture(self) -> Texture:
        """Return what was drawn."""
        return Texture(self.rgba, self.glow)

    def _glow(self) -> NDArray[np.uint8]:
        if self.glow is None:
            self.glow = np.zeros((*self.rgba.shape[:2], 3), np.uint8)
        return self.glow

    def _fine(self, points: Sequence[Point]) -> NDArray[np.int32]:
        return np.rint(np.array(points) * (self.ppm * (1 << _SHIFT))).astype(np.int32)

    def _window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        left, top, right, bottom = (max(0, round(v * self.ppm)) for v in (x0, y0, x1, y1))
        return slice(top, bottom), slice(left, right)


def _solid(colour: Colour) -> tuple[float, float, float, float]:
    return (*scaled(colour, 1.0), 255.0)
