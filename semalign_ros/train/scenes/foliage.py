"""Pictures of trees, bushes and hedges."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.texture import Rgba, Texture, canvas, noise_tile

VARIANTS = 10
"""Number of different crowns, which every scene shares (tinted otherwise)."""


def _green(rng: np.random.Generator) -> NDArray[np.float64]:
    base = np.array([rng.uniform(62, 108), rng.uniform(90, 126), rng.uniform(34, 62)])
    return base * rng.uniform(0.7, 1.1)


def _leaves(shape: tuple[int, int], rng: np.random.Generator) -> Rgba:
    """Return opaque foliage: clumps lit from above, gaps in between dark."""
    height, width = shape
    base = _green(rng)
    clumps = noise_tile(512, int(rng.integers(50, 56)), 6, 12)
    fine = noise_tile(512, int(rng.integers(60, 64)), 5, 48)
    up = np.roll(clumps, 9, axis=0) - clumps
    light = 1.0 + 0.34 * up + 0.24 * fine + 0.12 * clumps
    repeat = (-(-height // 512), -(-width // 512))
    light = np.tile(light, repeat)[:height, :width]
    fall = np.linspace(1.3, 0.72, height)[:, None]
    rgba = canvas(height, width, (0, 0, 0))
    rgba[..., :3] = np.clip(base * (light * fall)[..., None], 6, 235)
    return rgba


def _edge(shape: tuple[int, int], rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    height, width = shape
    tile = noise_tile(512, int(rng.integers(70, 76)), 5, 20)
    repeat = (-(-height // 512), -(-width // 512))
    return np.tile(tile, repeat)[:height, :width] * np.float32(strength)


@functools.lru_cache(maxsize=64)
def crown(variant: int, size: int = 320) -> Texture:
    """Draw the crown of a tree with gaps, square, `size` texels a side."""
    rng = np.random.Generator(np.random.Philox(1000 + variant))
    rgba = _leaves((size, size), rng)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / (size / 2) - 1
    radius = np.full((size, size), 9.0, np.float32)
    for _ in range(9):
        cx, cy = rng.uniform(-0.45, 0.45), rng.uniform(-0.5, 0.45)
        r = rng.uniform(0.34, 0.52)
        radius = np.minimum(radius, np.hypot(x - cx, y - cy) - np.float32(r))
    inside = -radius * 9 + _edge((size, size), rng, 0.9)
    rgba[..., 3] = np.clip(inside * 700 + 128, 0, 255)
    return Texture(rgba)


@functools.lru_cache(maxsize=16)
def conifer(variant: int, size: int = 256) -> Texture:
    """Draw a conifer, square."""
    rng = np.random.Generator(np.random.Philox(2000 + variant))
    rgba = _leaves((size, size), rng)
    rgba[..., :3] = (rgba[..., :3] * np.array([0.62, 0.74, 0.8])).astype(np.uint8)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    saw = (y * 7 % 1) * 0.06
    inside = (y * 0.42 + saw - np.abs(x - 0.5)) * 14 + _edge((size, size), rng, 0.5)
    rgba[..., 3] = np.clip(inside * 600 + 128, 0, 255)
    return Texture(rgba)


@functools.lru_cache(maxsize=16)
def hedge(variant: int, ragged: float = 0.12) -> Texture:
    """Draw a hedge or a row of trees, twice as wide as high.

    Args:
        variant: Which one.
        ragged: Share of its height by which its outline varies.
    """
    rng = np.random.Generator(np.random.Philox(3000 + variant))
    height, width = 256, 512
    rgba = _leaves((height, width), rng)
    profile = noise_tile(512, 80 + variant % 5, 4, 6)[0] * np.float32(ragged * 0.5)
    y = np.arange(height, dtype=np.float32)[:, None] / height
    inside = (y - np.float32(ragged) - profile[None, :width]) * 40
    inside = inside + _edge((height, width), rng, 0.6)
    rgba[..., 3] = np.clip(inside * 400 + 128, 0, 255)
    return Texture(rgba)


@functools.lru_cache(maxsize=4)
def trunk(variant: int) -> Texture:
    """Draw bark, a cylinder's shading included."""
    base = [(92, 80, 64), (112, 104, 90), (74, 62, 50), (130, 122, 108)][variant % 4]
    rgba = canvas(128, 24, base)
    around = np.sin(np.linspace(0.25, np.pi - 0.15, 24))[None, :, None]
    bark = noise_tile(128, 90 + variant, 5, 16)[:, :24, None] * 0.16
    rgba[..., :3] = np.clip(np.array(base) * (0.5 + 0.6 * around + bark), 0, 255)
    return Texture(rgba)
