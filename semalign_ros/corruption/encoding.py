"""What is lost between the sensor and whoever reads the picture."""

from __future__ import annotations

import cv2
import numpy as np

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.corruption.tones import LEVELS
from semalign_ros.types import Frame, Image


@corruption(
    "image",
    Number(
        "quality",
        "",
        1,
        100,
        "Quality factor of the encoder.",
        neutral=100,
        ladder=(30, 20, 14, 10, 7),
    ),
)
def jpeg(frame: Frame, draws: Draws, *, quality: float) -> Image:  # noqa: ARG001
    """JPEG compression: blocks, ringing, lost colour resolution (4:2:0).

    Quality is a whole number to the encoder and is rounded. Blocks are 8 px at any resolution.

    Source: ITU-T T.81, as encoded by the JPEG library of OpenCV; bytes differ between
    versions of that library.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    _, stream = cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV wrote it"
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


@corruption(
    "image",
    Number(
        "bits",
        "bit",
        1,
        8,
        "Resolution per channel; 2^bits levels, rounded.",
        neutral=8,
        ladder=(5, 4, 3.5, 3, 2.5),
    ),
)
def color_quantization(frame: Frame, draws: Draws, *, bits: float) -> Image:  # noqa: ARG001
    """Too few levels per channel: banding.

    Source: uniform quantisation to 2^bits levels that include black and white.
    """
    steps = round(2**bits) - 1
    curve = np.rint(np.rint(LEVELS / 255 * steps) / steps * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(frame.image, curve), np.uint8)
