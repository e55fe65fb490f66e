"""What a VLM is shown: the image, a mix of image and label map, or a sentence beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from semalign_ros.errors import ConfigError, ImageError, unknown_name
from semalign_ros.language import list_classes
from semalign_ros.scene.reference import ReferenceRule, class_fractions
from semalign_ros.scene.taxonomy import CLASSES, colorize
from semalign_ros.types import Frame, Image, Labels

OVERLAY_ALPHA = 0.5
"""Weight of the colour mask in an overlay."""


@dataclass(frozen=True, slots=True)
class VlmQuery:
    """One image to ask about, and what identifies it.

    Args:
        image: u8[H, W, 3], RGB.
        text: Sentence shown beside the image, or None.
        stamp_ns: Stamp of the source frame.
        index: Its position in the stream.
        condition: Corruption profile step, ``clean`` for none.
        severity: 0 for clean.
    """

    image: Image
    text: str | None = None
    stamp_ns: int = 0
    index: int = 0
    condition: str = "clean"
    severity: float = 0.0


def overlay(image: Image, labels: Labels) -> Image:
    """Blend an image with the colours of its label map, half and half.

    Args:
        image: u8[H, W, 3], RGB.
        labels: u8[H, W] train ids; ignored pixels are blended with black.

    Returns:
        u8[H, W, 3], RGB.
    """
    return np.asarray(
        cv2.addWeighted(image, 1 - OVERLAY_ALPHA, colorize(labels), OVERLAY_ALPHA, 0), np.uint8
    )


def scene_text(labels: Labels, min_fraction: float | None = None) -> str:
    """Say which classes a label map has.

    Args:
        labels: u8[H, W] train ids.
        min_fraction: Area share from which a class is listed, 0..1; None for that of
            the default reference rule.
    """
    least = ReferenceRule().min_fraction if min_fraction is None else min_fraction
    share = class_fractions(labels)
    return list_classes(CLASSES[i] for i in np.flatnonzero((share >= least) & (share > 0)))


_MODES: dict[str, Callable[[Image, Labels], tuple[Image, str | None]]] = {
    "image": lambda image, _: (image, None),
    "overlay": lambda image, labels: (overlay(image, labels), None),
    "mask": lambda _, labels: (colorize(labels), None),
    "scene_text": lambda image, labels: (image, scene_text(labels)),
}

VLM_INPUTS: tuple[str, ...] = tuple(_MODES)
"""What `vlm_input` may be."""


def compose_query(
    frame: Frame,
    labels: Labels | None,
    mode: str = "image",
    condition: str = "clean",
    severity: float = 0.0,
) -> VlmQuery:
    """Make the query for one frame.

    Args:
        frame: The frame as the models see it.
        labels: u8[H, W], the perceived label map; not needed for ``image``.
        mode: ``image`` (as in the paper), ``overlay``, ``mask`` or ``scene_text``.
        condition: Name of what was done to the frame.
        severity: Its severity.

    Returns:
        With ``image`` and ``scene_text`` the frame's own image, not a copy.

    Raises:
        ConfigError: `mode` is unknown, or needs a label map and there is none.
        ImageError: The label map has another size than the image.
    """
    if mode not in _MODES:
        raise ConfigError(unknown_name("vlm_input", mode, VLM_INPUTS))
    image, text = frame.image, None
    if mode != "image":
        if labels is None:
            raise ConfigError(
                f"vlm_input {mode}: frame {frame.index} has no label map; configure a segmenter, "
                "give a bag or topic with label maps, or choose vlm_input image"
            )
        if labels.shape != image.shape[:2]:
            raise ImageError(
                "bad_size",
                f"vlm_input {mode}: the label map is {labels.shape[1]}x{labels.shape[0]}, the "
                f"image {image.shape[1]}x{image.shape[0]}; both must have one size",
            )
        image, text = _MODES[mode](image, labels)
    return VlmQuery(image, text, frame.stamp_ns, frame.index, condition, severity)
