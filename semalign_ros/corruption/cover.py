"""Things between the camera and the scene."""

from __future__ import annotations

import numpy as np

from semalign_ros.corruption.parameters import Flag, Number
from semalign_ros.corruption.registry import Mask, corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Image


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
