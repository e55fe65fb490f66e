"""Random changes to a training frame: pasted things, geometry, light, colour, mild damage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.scene.taxonomy import IGNORE, TRAIN_ID
from semalign_ros.train.settings import AugmentSettings
from semalign_ros.types import Image, Labels

PASTED: tuple[str, ...] = (
    "traffic light",
    "traffic sign",
    "person",
    "rider",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
"""Things that are few or small, and stand for themselves wherever a street has room."""
_PASTED = np.isin(np.arange(256), [TRAIN_ID[name] for name in PASTED])


def paste(image: Image, labels: Labels, other: Image, other_labels: Labels) -> tuple[Image, Labels]:
    """Put the rare things of another frame of the same camera where they were in it.

    Staying in place keeps size and height above the road right. After Olsson et al.,
    "ClassMix" (WACV 2021), section 3.1, with the classes chosen rather than drawn.

    Args:
        image: u8[S, S, 3], RGB.
        labels: u8[S, S], train ids.
        other: u8[S, S, 3].
        other_labels: u8[S, S].

    Returns:
        New arrays.
    """
    chosen = _PASTED[other_labels]
    return np.where(chosen[..., None], other, image), np.where(chosen, other_labels, labels)


def crop(image: Image, labels: Labels, size: int, rng: np.random.Generator) -> tuple[Image, Labels]:
    """Cut a window of `size` x `size` anywhere out of a frame; both are views."""
    y, x = (int(rng.integers(0, n - size + 1)) for n in labels.shape)
    return image[y : y + size, x : x + size], labels[y : y + size, x : x + size]


def augment(
    image: Image, labels: Labels, settings: AugmentSettings, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Change one frame at random; the inputs are left alone.

    Args:
        image: u8[S, S, 3], RGB.
        labels: u8[S, S], train ids.
        settings: Ranges.
        rng: Every draw comes from it.
    """
    if rng.random() < settings.flip:
        image, labels = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(labels[:, ::-1])
    if rng.random() >= settings.whole:
        image, labels = _zoom(image, labels, settings, rng)
    image = _light_and_color(image, settings, rng)
    return _degrade(image, settings.degrade, rng), labels


def _zoom(
    image: Image, labels: Labels, settings: AugmentSettings, rng: np.random.Generator
) -> tuple[Image, Labels]:
    size = labels.shape[0]
    scale = np.exp(rng.uniform(-np.log(settings.zoom_out), np.log(settings.zoom)))
    stretch = np.exp(rng.uniform(-0.1, 0.1))
    scales = np.array([scale * stretch, scale / stretch])
    # Zoomed in, the window lies anywhere inside the frame; zoomed out, the frame in the window.
    offset = rng.random(2) * size * (1 - scales)
    matrix = np.array([[scales[0], 0, offset[0]], [0, scales[1], offset[1]]])
    moved = cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    target = cv2.warpAffine(
        labels,
        matrix,
        (size, size),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[IGNORE],
    )
    return np.asarray(moved, np.uint8), np.asarray(target, np.uint8)


def _light_and_color(image: Image, settings: AugmentSettings, rng: np.random.Generator) -> Image:
    span = settings.light
    gamma = np.exp(rng.uniform(-span, span))
    contrast, brightness = 1 + rng.uniform(-span, span), rng.uniform(-span, span) / 2
    gains = 1 + rng.uniform(-settings.color, settings.color, 3) / 4
    if rng.random() < settings.degrade:
        gamma *= rng.uniform(1.5, 2.5)
    level = np.linspace(0, 1, 256)[:, None] ** gamma
    curve = ((level - 0.5) * contrast + 0.5 + brightness) * gains
    table = np.asarray(np.clip(np.rint(curve * 255), 0, 255), np.uint8)
    changed = np.asarray(cv2.LUT(image, table[None]), np.uint8)
    saturation = 1 + rng.uniform(-settings.color, settings.color)
    grey = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(changed, saturation, grey, 1 - saturation, 0), np.uint8)


def _degrade(image: Image, probability: float, rng: np.random.Generator) -> Image:
    if rng.random() < probability:
        if rng.random() < 0.5:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4)), np.uint8)
        else:
            kernel = np.zeros((1, 2 * int(rng.integers(1, 4)) + 1), np.float32)
            kernel[:] = 1 / kernel.size
            image = np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)
    if rng.random() < probability:
        image = _add_noise(image, rng.uniform(2, 14), rng)
    return image


def _add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    noise: NDArray[np.float32] = rng.standard_normal(image.shape, np.float32) * np.float32(sigma)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)
