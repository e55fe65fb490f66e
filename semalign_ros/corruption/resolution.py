"""Pixel lengths that mean the same at every resolution."""

from __future__ import annotations

REFERENCE_WIDTH = 2048
"""Image width, in pixels, at which a parameter in px is meant literally (Cityscapes)."""


def pixel_scale(width: int) -> float:
    """Factor from reference pixels to pixels of an image `width` pixels wide.

    A half-size image gets half the length: the picture that a network sees after its own
    resizing is then the same whatever the camera delivers.
    """
    return width / REFERENCE_WIDTH
