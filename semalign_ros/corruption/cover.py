"""Things between the camera and the scene."""

from __future__ import annotations

import functools
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import Flag, Number
from semalign_ros.corruption.registry import Mask, corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Image

_MUD = (55, 51, 43)
"""Colour of dirt, RGB."""


def rectangle(
    height: int, width: int, area_percent: float, source: np.random.Generator
) -> tuple[slice, slice]:
    """Place a random rectangle of a given area, sides 1:2 to 2:1 where the image allows.

    The draws do not depend on the area, so a larger rectangle covers more around the same
    place rather than another place.

    Returns:
        Rows and columns; empty where the area is below half a pixel.
    """
    log_aspect, right, down = source.uniform((-1, 0, 0), (1, 1, 1))
    target = area_percent / 100 * height * width
    if target < 0.5:
        return slice(0, 0), slice(0, 0)
    widest = np.clip(np.sqrt(target * 2.0**log_aspect), target / height, width)
    # Rounding one side misses the area by up to half a row: try widths nearby, keep the best.
    widths = np.unique(np.clip(np.rint(widest) + np.arange(-8, 9), 1, width))
    heights = np.clip(np.rint(target / widths), 1, height)
    best = int(np.argmin(abs(widths * heights - target)))
    w, h = int(widths[best]), int(heights[best])
    x, y = int(right * (width - w + 1)), int(down * (height - h + 1))
    return slice(y, y + h), slice(x, x + w)


def _place(
    frame: Frame, draws: Draws, area_percent: float, *, persistent: bool
) -> tuple[slice, slice]:
    source = draws.whole_sequence("place") if persistent else draws.each_frame("place")
    height, width = frame.image.shape[:2]
    return rectangle(height, width, area_percent, source)


def _covered(
    frame: Frame,
    draws: Draws,
    *,
    area_percent: float,
    gray: float,  # noqa: ARG001 -- takes what `occlusion` takes
    persistent: bool,
) -> Mask:
    mask = np.zeros(frame.image.shape[:2], np.bool_)
    mask[_place(frame, draws, area_percent, persistent=persistent)] = True
    return mask


@corruption(
    "image",
    Number(
        "area_percent",
        "%",
        0,
        95,
        "Share of the image that is covered.",
        neutral=0,
        ladder=(8, 11.5, 15, 20, 25),
    ),
    Number("gray", "levels", 0, 255, "Brightness of the rectangle.", default=0),
    Flag("persistent", "Whether it stays where it is, as a thing on the lens does.", default=True),
    hides=_covered,
)
def occlusion(
    frame: Frame, draws: Draws, *, area_percent: float, gray: float, persistent: bool
) -> Image:
    """One opaque rectangle at a random place.

    Source: Cheng 2026 (arXiv 2601.08355, Table 1), 8, 15 and 25 % of the area, which are the
    severities 1, 3 and 5. Its pictures are single, so each has a place of its own there:
    `persistent` is false in the profile `paper`.
    """
    result = frame.image.copy()
    result[_place(frame, draws, area_percent, persistent=persistent)] = round(gray)
    return result


def _octaves(source: np.random.Generator, nodes: tuple[int, ...]) -> NDArray[np.float32]:
    """f32[256, 512], smooth noise of mean 0 with detail at several scales."""
    total = np.zeros((256, 512), np.float32)
    for count in nodes:
        noise = source.standard_normal((count, 2 * count), np.float32)
        wide = cv2.resize(noise, (512, 256), interpolation=cv2.INTER_CUBIC)
        total += wide * np.float32(nodes[0] / count) ** np.float32(0.5)
    return total


@functools.lru_cache(maxsize=8)  # a profile has several severities
def _dirt(
    height: int, width: int, draws: Draws, coverage_percent: float, opacity: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Dirt of a sequence.

    Returns:
        u8[H, W], opacity, 255 where nothing shines through, and u8[H, W, 3], what the dirt
        itself adds to the picture.
    """
    source = draws.whole_sequence("dirt")
    thickness = _octaves(source, (5, 11, 25, 60))
    # The share of the area that is at least half opaque is the coverage.
    level = np.quantile(thickness, 1 - coverage_percent / 100)
    soft = np.clip((thickness - level) / 1.6 + 0.5, 0, 1)
    # The soft rim of no dirt at all would still show.
    alpha = soft * soft * (3 - 2 * soft) * np.float32(opacity * min(1.0, coverage_percent))
    shade = 1 + 0.15 * _octaves(source, (12, 30, 90))
    size = width, height
    wide = [cv2.resize(a, size, interpolation=cv2.INTER_LINEAR) for a in (alpha, alpha * shade)]
    opaque = np.asarray(cv2.convertScaleAbs(wide[0], alpha=255), np.uint8)
    mud = np.asarray(cv2.merge([cv2.convertScaleAbs(wide[1], alpha=c) for c in _MUD]), np.uint8)
    for array in (opaque, mud):
        array.setflags(write=False)
    return opaque, mud


def _dirt_of(
    frame: Frame, draws: Draws, coverage_percent: float, opacity: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    height, width = frame.image.shape[:2]
    return _dirt(height, width, replace(draws, index=0), coverage_percent, opacity)


def _dirty(frame: Frame, draws: Draws, *, coverage_percent: float, opacity: float) -> Mask:
    return np.asarray(_dirt_of(frame, draws, coverage_percent, opacity)[0] >= 0.9 * 255)


@corruption(
    "image",
    Number(
        "coverage_percent",
        "%",
        0,
        90,
        "Share of the image that is at least half covered.",
        neutral=0,
        ladder=(3, 7, 12, 20, 30),
    ),
    Number("opacity", "", 0, 1, "Opacity at the thickest places.", default=0.97),
    hides=_dirty,
)
def lens_dirt(frame: Frame, draws: Draws, *, coverage_percent: float, opacity: float) -> Image:
    """Dried mud on the lens: dark, soft-edged patches that stay where they are.

    Soft because the lens is far out of focus. What is at least 90 % opaque counts as hidden.

    Source: shape by thresholded multi-octave noise (Perlin 1985), colour of road dirt.
    """
    opaque, mud = _dirt_of(frame, draws, coverage_percent, opacity)
    seen = cv2.multiply(frame.image, cv2.merge([255 - opaque] * 3), scale=1 / 255)
    return np.asarray(cv2.add(seen, mud), np.uint8)
