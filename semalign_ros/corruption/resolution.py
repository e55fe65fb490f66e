"""Pixel lengths that mean the same at every resolution, and the places of pixels."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

REFERENCE_WIDTH = 2048
"""Image width, in pixels, at which a parameter in px is meant literally (Cityscapes)."""


def pixel_scale(width: int) -> float:
    """Factor from reference pixels to pixels of an image `width` pixels wide.

    A half-size image gets half the length: the picture that a network sees after its own
    resizing is then the same whatever the camera delivers.
    """
    return width / REFERENCE_WIDTH


@functools.lru_cache(maxsize=2)
def pixel_grid(height: int, width: int) -> NDArray[np.float32]:
    """f32[H, W, 2], x and y of every pixel, read-only."""
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0] = np.arange(width)
    grid[..., 1] = np.arange(height)[:, None]
    grid.setflags(write=False)
    return grid
