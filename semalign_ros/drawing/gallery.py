"""The contact sheet: one frame under every corruption and severity."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from semalign_ros.corruption import Condition, get_corruption
from semalign_ros.drawing.lettering import BACKGROUND, Lettering, resize
from semalign_ros.errors import ConfigError
from semalign_ros.inference.query import overlay
from semalign_ros.types import Frame, Image


def draw_gallery(
    frame: Frame,
    names: Sequence[str],
    severities: Sequence[float] = (1, 2, 3, 4, 5),
    *,
    seed: int = 0,
    tile_width: int = 320,
) -> Image:
    """Draw a row for each corruption and a column for each severity.

    Corruptions of label maps come last, drawn as colours over the picture, and are left out
    where the frame has no label map. Above each picture stands what its severity means.

    Args:
        frame: With labels, depth, motion and earlier frames as far as they are known.
        names: Corruptions, from top to bottom.
        severities: From left to right, after the frame as it is.
        seed: Of every random draw.
        tile_width: Pixels.

    Returns:
        u8[H, W, 3], RGB.

    Raises:
        ConfigError: Nothing can be drawn.
    """
    shown = [n for n in names if get_corruption(n).family == "image"]
    if frame.labels is not None:
        shown += [n for n in names if get_corruption(n).family == "labels"]
    if not shown:
        raise ConfigError(f"{', '.join(names)}: needs a frame with a label map")
    gap = max(3, tile_width // 80)
    text = Lettering(4 * tile_width)
    rows = [_row(frame, name, severities, seed, tile_width, gap, text) for name in shown]
    return np.vstack(rows)


def _row(
    frame: Frame,
    name: str,
    severities: Sequence[float],
    seed: int,
    width: int,
    gap: int,
    text: Lettering,
) -> Image:
    corruption = get_corruption(name)
    conditions = [Condition.of(name, severity) for severity in severities]
    tiles = [_tile(frame, corruption.family, width)]
    for condition in conditions:
        degrade = (
            condition.degrade_image if corruption.family == "image" else condition.degrade_labels
        )
        tiles.append(_tile(degrade(frame, seed), corruption.family, width))
    row = _beside(tiles, gap)
    words = [f"{name}: clean", *(_values(name, severity) for severity in severities)]
    bar = np.full((text.line + gap, row.shape[1], 3), BACKGROUND, np.uint8)
    for column, word in enumerate(words):
        x = gap + column * (width + gap)
        text.write(bar, text.shorten(word, width - gap), x, 0)
    return np.vstack([bar, row])


def _values(name: str, severity: float) -> str:
    """What a severity means in the parameters that follow it."""
    corruption = get_corruption(name)
    gentle, strong = corruption.resolve(1), corruption.resolve(5)
    values = corruption.resolve(severity)
    changing = [p for p in corruption.parameters if gentle[p.name] != strong[p.name]]
    words = [f"{p.name} {float(f'{values[p.name]:.3g}'):g}" for p in changing]
    return f"{severity:g}: {', '.join(words)}"


def _tile(frame: Frame, family: str, width: int) -> Image:
    height = max(1, round(frame.image.shape[0] * width / frame.image.shape[1]))
    shown = resize(frame.image, width, height, cv2.INTER_AREA)
    if family == "labels" and frame.labels is not None:
        mask = resize(frame.labels, width, height, cv2.INTER_NEAREST)
        shown = np.asarray(cv2.addWeighted(shown, 0.3, overlay(shown, mask), 0.7, 0), np.uint8)
    return shown


def _beside(tiles: Sequence[Image], gap: int) -> Image:
    height, width = tiles[0].shape[:2]
    row = np.full((height + gap, gap + len(tiles) * (width + gap), 3), BACKGROUND, np.uint8)
    for column, tile in enumerate(tiles):
        x = gap + column * (width + gap)
        row[:height, x : x + width] = tile
    return row
