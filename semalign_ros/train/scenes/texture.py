"""Textures with their own light, reduced as the distance asks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Rgba = NDArray[np.uint8]
"""u8[H, W, 4]: RGB and opacity."""


class Texture:
    """A picture on a surface.

    Args:
        rgba: u8[H, W, 4]; a surface of one colour needs one pixel.
        glow: u8[H, W, 3], light that the surface gives off itself, or None.

    Reduced and lit copies are kept: a static surface is lit once for a whole sequence.
    """

    __slots__ = ("_cache", "glow", "opaque", "rgba")

    def __init__(self, rgba: Rgba, glow: NDArray[np.uint8] | None = None) -> None:
        self.rgba = rgba
        self.glow = glow
        self.opaque = bool(rgba[..., 3].min() == 255)
        self._cache: dict[tuple[int, ...], Rgba] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in texels."""
        return self.rgba.shape[1], self.rgba.shape[0]

    def lit(self, halvings: tuple[int, int], light: tuple[int, int, int, int]) -> Rgba:
        """Return the texture halved `halvings` times in x and y, under a light.

        Args:
            halvings: Times that the width and the height are halved, each >= 0.
            light: RGB factors and the strength of the glow, in 1/32.

        Returns:
            u8[h, w, 4], not to be written to.
        """
        key = (*halvings, *light)
        if key not in self._cache:
            self._cache[key] = self._light(self._reduce(halvings), light)
        return self._cache[key]

    def _reduce(self, halvings: tuple[int, int]) -> tuple[Rgba, NDArray[np.uint8] | None]:
        if halvings == (0, 0):
            return self.rgba, self.glow
        width, height = self.size
        size = (max(1, width >> halvings[0]), max(1, height >> halvings[1]))
        return _shrink(self.rgba, size), None if self.glow is None else _shrink(self.glow, size)

    @staticmethod
    def _light(
        layers: tuple[Rgba, NDArray[np.uint8] | None], light: tuple[int, int, int, int]
    ) -> Rgba:
        rgba, glow = layers
        red, green, blue, lamps = (value / 32.0 for value in light)
        scale = np.array([red, green, blue, 1.0])
        lit = np.asarray(cv2.multiply(rgba, scale), np.uint8).reshape(rgba.shape)
        if glow is not None and lamps > 0:
            lit[..., :3] = cv2.addWeighted(lit[..., :3], 1.0, glow, lamps, 0.0)
        return lit


def _shrink(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8).reshape(size[1], size[0], picture.shape[2])


def plain(colour: Sequence[float] | NDArray[np.float64]) -> Texture:
    """Return a texture of one colour, RGB 0..255."""
    return Texture(canvas(1, 1, colour))


@functools.lru_cache(maxsize=64)
def noise_tile(size: int, seed: int, octaves: int = 5, coarsest: int = 4) -> NDArray[np.float32]:
    """Return fractal noise that repeats without a seam.

    Args:
        size: Side in texels.
        seed: Which noise.
        octaves: Number of grids that are added, each twice as fine and half as strong.
        coarsest: Side of the coarsest grid.

    Returns:
        f32[size, size], mean 0, standard deviation 1, not to be written to.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        grid = min(coarsest << octave, size)
        coarse = rng.standard_normal((grid, grid)).astype(np.float32)
        # Wrap two cells round, enlarge, and cut the middle: the borders then meet.
        padded = cv2.copyMakeBorder(coarse, 2, 2, 2, 2, cv2.BORDER_WRAP)
        side = round(size * (grid + 4) / grid)
        cut = (side - size) // 2
        large = cv2.resize(padded, (side, side), interpolation=cv2.INTER_CUBIC)
        total += large[cut : cut + size, cut : cut + size] * 0.5**octave
    total = (total - total.mean()) / total.std()
    total.setflags(write=False)
    return np.asarray(total, np.float32)


def canvas(
    height: int,
    width: int,
    colour: Sequence[float] | NDArray[np.float64],
    opacity: int = 255,
) -> Rgba:
    """Return a picture of one colour to draw on.

    A transparent canvas should have the colour of what is drawn on it, because
    interpolation mixes the hidden colour into the edge.
    """
    rgba = np.empty((max(1, height), max(1, width), 4), np.uint8)
    rgba[:] = (*np.clip(colour, 0, 255), opacity)
    return rgba


def roughen(rgba: Rgba, seed: int, strength: float) -> Rgba:
    """Vary the brightness of a picture by fractal noise of `strength` grey levels."""
    height, width = rgba.shape[:2]
    tile = noise_tile(256, seed % 8, 6, 4)
    tile = np.tile(tile, (-(-height // 256), -(-width // 256)))[:height, :width]
    lit = rgba[..., :3] + (tile * np.float32(strength))[..., None]
    rgba[..., :3] = np.clip(lit, 0, 255).astype(np.uint8)
    return rgba
