"""Blur by motion of the camera. Kernels are centred: the picture stays where it is."""

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
