"""From light to picture: haze, glow, exposure, vignetting, noise, and our own bonnet."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.lighting import Colour, Lighting
from semalign_ros.train.scenes.raster import Buffers

EGO_VEHICLE = 1
"""Cityscapes label id of the recording vehicle, ignored in training."""
_NOISE_STARTS = 1 << 20
_BLACK = 9.0
"""Grey level that becomes black: it gives the contrast of the recording cameras."""


def draw_bonnet(buffers: Buffers, lighting: Lighting, colour: tuple[float, float, float]) -> None:
    """Draw the recording vehicle's bonnet at the lower border; its depth is unknown (NaN)."""
    height, width = buffers.ids.shape
    top = int(0.87 * height)
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    edge = (0.893 + 0.34 * x**2 + 0.9 * np.abs(x) ** 5) * height
    rows = np.arange(top, height, dtype=np.float32)[:, None]
    inside = rows >= edge[None]
    depth = np.clip((rows - edge[None]) / (0.1 * height), 0, 1)
    light = lighting.shade(np.array([[0.0, 0.0, 1.0]]))[0]
    paint = np.array(colour) * light
    sky = np.array(lighting.horizon) * 0.42
    gloss = (0.75 * np.exp(-depth * 5.0) + 0.12)[..., None]
    picture = np.clip(paint * (1 - gloss) + sky * gloss, 0, 255).astype(np.uint8)
    np.copyto(buffers.colour[top:], picture, where=inside[..., None])
    np.copyto(buffers.ids[top:], np.uint16(EGO_VEHICLE), where=inside)
    np.copyto(buffers.inverse_depth[top:], np.float32(np.nan), where=inside)


def add_haze(buffers: Buffers, lighting: Lighting) -> None:
    """Blend every surface towards the horizon's colour by its distance; the sky stays."""
    inverse = np.nan_to_num(buffers.inverse_depth, nan=1.0)
    clear = np.exp(np.float32(-lighting.haze) / np.maximum(inverse, np.float32(1e-4)))
    clear[inverse <= 0] = 1.0
    veil = np.empty_like(buffers.colour)
    veil[:] = np.clip(lighting.horizon, 0, 255)
    buffers.colour[:] = cv2.blendLinear(buffers.colour, veil, clear, 1 - clear)


@functools.lru_cache(maxsize=2)
def _noise_sheet(count: int) -> NDArray[np.float32]:
    """Normal noise, longer than a picture, so that each frame starts elsewhere in it."""
    sheet = np.random.Generator(np.random.Philox(97)).standard_normal(
        count + _NOISE_STARTS, np.float32
    )
    sheet.setflags(write=False)
    return sheet


@functools.lru_cache(maxsize=4)
def _gain(height: int, width: int, exposure: float, tint: Colour) -> NDArray[np.float32]:
    """Exposure, white balance and vignetting, f32[H, W, 3]."""
    y = (np.arange(height)[:, None] / height - 0.5) * 2
    x = (np.arange(width)[None] / width - 0.5) * 2
    fall = exposure * (1.0 - 0.11 * (x * x + y * y))
    gain: NDArray[np.float32] = (fall[..., None] * np.array(tint)).astype(np.float32)
    gain.setflags(write=False)
    return gain


def _bloom(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Let lamps shine over their surroundings."""
    height, width = image.shape[:2]
    small = cv2.resize(
        image, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA
    )
    bright = cv2.subtract(small, np.array([165.0, 150.0, 140.0, 0.0]))
    halo = cv2.GaussianBlur(bright, (0, 0), max(1.0, width / 900))
    halo = cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(image, 1.0, halo, 0.9, 0), np.uint8)


def expose(
    image: NDArray[np.uint8], lighting: Lighting, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Apply glow, exposure, white balance, vignetting, lens softness and sensor noise.

    Args:
        image: u8[H, W, 3] RGB.
        lighting: The light and the camera's settings.
        rng: Of this frame.

    Returns:
        u8[H, W, 3] RGB.
    """
    height, width = image.shape[:2]
    if lighting.lamps > 0.5:
        image = _bloom(image)
    sigma = 0.45 * width / 2048 + 0.3
    soft = cv2.GaussianBlur(image, (3, 3), sigma)
    gain = _gain(height, width, lighting.exposure, lighting.tint)
    values = cv2.multiply(soft, gain, dtype=cv2.CV_32F)
    start = int(rng.integers(_NOISE_STARTS))
    noise = _noise_sheet(image.size)[start : start + image.size].reshape(image.shape)
    # Rounds and saturates.
    return np.asarray(
        cv2.addWeighted(values, 1.0, noise, lighting.noise, -_BLACK, dtype=cv2.CV_8U), np.uint8
    )
