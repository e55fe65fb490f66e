"""Weather between the camera and the scene."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption, depth_of
from semalign_ros.corruption.rng import Draws
from semalign_ros.corruption.tones import LEVELS, decode_srgb, encode_srgb, look_up
from semalign_ros.types import Frame, Image


def transmission(depth: NDArray[np.float32], mor_m: float) -> NDArray[np.float32]:
    """Share of the light of an object that arrives through fog (Beer-Lambert).

    Args:
        depth: f32[H, W], metres.
        mor_m: Meteorological optical range, metres: the distance at which 5 % arrives.

    Returns:
        f32[H, W], 0..1.
    """
    return np.asarray(cv2.exp(depth * np.float32(-math.log(20) / mor_m)))


@functools.lru_cache(maxsize=8)
def _veil_table(brightness: float) -> NDArray[np.uint8]:
    """Table for :func:`look_up` whose partner byte u stands for transmission 1 - (u / 255)^2.

    Near the camera, where dark objects show the first trace of fog, that is fine enough not
    to band; equal steps of transmission would be 11 levels apart there.
    """
    opaque = (LEVELS[:, None] / 255) ** 2
    light = (
        decode_srgb(LEVELS / 255) * (1 - opaque) + decode_srgb(np.array(brightness / 255)) * opaque
    )
    return np.rint(255 * encode_srgb(light)).astype(np.uint8).ravel()


def veil(image: Image, opacity: NDArray[np.float32], brightness: float) -> Image:
    """Mix an image with a grey, in linear light.

    Args:
        image: u8[H, W, 3].
        opacity: f32[H, W], 0..1; overwritten.
        brightness: Of the grey, levels.

    Returns:
        u8[H, W, 3].
    """
    plane = cv2.convertScaleAbs(cv2.sqrt(opacity, opacity), alpha=255)
    return look_up(image, np.asarray(cv2.merge([plane] * 3), np.uint8), _veil_table(brightness))


@corruption(
    "image",
    Number(
        "mor_m",
        "m",
        10,
        100000,
        "Meteorological optical range; below 1000 m it is called fog.",
        neutral=100000,
        ladder=(600, 300, 150, 80, 40),
        reciprocal=True,
    ),
    Number("airlight", "levels", 0, 255, "Brightness of dense fog.", default=190),
    needs_depth=True,
)
def fog(frame: Frame, draws: Draws, *, mor_m: float, airlight: float) -> Image:  # noqa: ARG001
    """Homogeneous fog: contrast falls exponentially with distance.

    Light of an object is mixed with the airlight by the transmission exp(-beta d), with
    beta = ln 20 / MOR, in linear light. Where the frame has no depth,
    distances are assumed.

    Source: Koschmieder 1924; MOR as in the WMO Guide to Instruments, chapter 9.
    """
    opaque = transmission(depth_of(frame), mor_m)
    np.subtract(1, opaque, out=opaque)
    return veil(frame.image, opaque, airlight)
