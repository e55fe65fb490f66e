"""Blur by motion and by focus. Kernels are centred: the picture stays where it is."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.corruption.resolution import REFERENCE_WIDTH, pixel_scale
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Image


def box_taps(length: float, scale: float) -> NDArray[np.float64]:
    """Centred box filter of a length that need not be a whole number of pixels.

    An n-tap box has the variance (n^2 - 1) / 12. The taps returned are the mix of the two
    neighbouring odd boxes whose variance is the wanted one times `scale`^2, so that blur and
    shrink commute: a 7 px box at 2048 px is a weak 3-tap filter at 256 px, not nothing.

    Args:
        length: Length of the box in reference pixels, at least 1.
        scale: Pixels per reference pixel.

    Returns:
        f64[n], n odd, symmetric, sum 1.
    """
    variance = scale**2 * (length**2 - 1) / 12
    inner = 2 * math.floor((math.sqrt(12 * variance + 1) + 1 + 1e-9) / 2) - 1
    low, high = (inner**2 - 1) / 12, ((inner + 2) ** 2 - 1) / 12
    share = max(variance - low, 0.0) / (high - low)  # of the outer box
    if share < 1e-6:
        return np.full(inner, 1 / inner)
    taps = np.full(inner + 2, share / (inner + 2))
    taps[1:-1] += (1 - share) / inner
    return taps


@functools.lru_cache(maxsize=32)
def line_kernel(length: float, angle: float, scale: float) -> NDArray[np.float32]:
    """Lay :func:`box_taps` along a line, each tap spread over its four nearest pixels.

    Args:
        length: Reference pixels, at least 1.
        angle: Degrees, counter-clockwise from the horizontal.
        scale: Pixels per reference pixel.

    Returns:
        f32[h, w], odd sides, point symmetric, sum 1.
    """
    taps = box_taps(length, scale)
    offsets = np.arange(taps.size) - taps.size // 2
    turn = math.radians(angle)
    # Rounding keeps cos(90 degrees) from opening a second, empty column.
    x, y = np.round(offsets * math.cos(turn), 9), np.round(-offsets * math.sin(turn), 9)
    half_w, half_h = math.ceil(abs(x).max()), math.ceil(abs(y).max())
    kernel = np.zeros((2 * half_h + 2, 2 * half_w + 2))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for dx, wx in ((0, 1 - (x - left)), (1, x - left)):
        for dy, wy in ((0, 1 - (y - top)), (1, y - top)):
            np.add.at(kernel, (top + dy + half_h, left + dx + half_w), taps * wx * wy)
    result = kernel[:-1, :-1].astype(np.float32)
    result.setflags(write=False)
    return result


def _weak(frame: Frame, *, length_px: float, angle_deg: float) -> tuple[str, ...]:  # noqa: ARG001
    width = frame.image.shape[1]
    effective = length_px * pixel_scale(width)
    if effective >= 1.0:
        return ()
    return (
        f"{length_px:g} px at {REFERENCE_WIDTH} px width are {effective:.2g} px at {width} px: "
        "hardly visible",
    )


@corruption(
    "image",
    Number(
        "length_px", "px", 1, 301, "Length of the smear.", neutral=1, ladder=(7, 11, 15, 20, 25)
    ),
    Number("angle_deg", "deg", -90, 90, "Direction, counter-clockwise from horizontal.", default=0),
    remarks=_weak,
)
def motion_blur(frame: Frame, draws: Draws, *, length_px: float, angle_deg: float) -> Image:  # noqa: ARG001
    """Uniform linear motion blur, as of a panning camera.

    Source: the box kernels of Cheng 2026 (arXiv 2601.08355, Table 1), 7, 15 and 25 px, which
    are the severities 1, 3 and 5; applied to the encoded image, as there.
    """
    kernel = line_kernel(length_px, angle_deg, pixel_scale(frame.image.shape[1]))
    return np.asarray(cv2.filter2D(frame.image, -1, kernel), np.uint8)


def disc(radius: float) -> NDArray[np.float64]:
    """Pixel coverage of a disc.

    Args:
        radius: Pixels, at least 0; below 0.5 the disc lies within the centre pixel.

    Returns:
        f64[n, n], n odd, symmetric, sum 1.
    """
    half = math.floor(radius + 0.5)
    samples = 8  # a side of each pixel
    axis = (np.arange((2 * half + 1) * samples) + 0.5) / samples - half - 0.5
    inside = axis[:, None] ** 2 + axis**2 <= radius**2
    shape = (2 * half + 1, samples) * 2
    coverage = inside.reshape(shape).mean(axis=(1, 3))
    if coverage.sum() == 0:
        coverage[half, half] = 1
    return np.asarray(coverage / coverage.sum())


def _spread(kernel: NDArray[np.float64]) -> float:
    """Variance along one axis, square pixels."""
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    return float(kernel.sum(axis=0) @ offsets**2)


@functools.lru_cache(maxsize=32)
def disc_kernel(radius: float, scale: float) -> NDArray[np.float32]:
    """Disc whose variance is that of `radius` reference pixels times `scale`^2.

    As with :func:`box_taps`, blur and shrink then commute.

    Args:
        radius: Reference pixels.
        scale: Pixels per reference pixel.

    Returns:
        f32[n, n], n odd, symmetric, sum 1.
    """
    wanted = scale**2 * _spread(disc(radius))
    low, high = 0.0, radius * scale + 1
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _spread(disc(middle)) < wanted else (low, middle)
    kernel = disc(high).astype(np.float32)
    kernel.setflags(write=False)
    return kernel


@corruption(
    "image",
    Number(
        "radius_px",
        "px",
        0,
        40,
        "Radius of the blur disc.",
        neutral=0,
        ladder=(2, 4, 6, 8, 10),
    ),
)
def defocus(frame: Frame, draws: Draws, *, radius_px: float) -> Image:  # noqa: ARG001
    """Lens out of focus: every point becomes a disc.

    Applied to the encoded image, so bright points bleed less than in linear light.

    Source: geometric optics, circle of confusion of a round aperture.
    """
    kernel = disc_kernel(radius_px, pixel_scale(frame.image.shape[1]))
    return np.asarray(cv2.filter2D(frame.image, -1, kernel), np.uint8)
