"""Words and sizes of the pictures that are made for people."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.types import Image

Colour = tuple[int, int, int]
"""RGB."""

WHITE: Colour = (255, 255, 255)
INK: Colour = (232, 234, 238)
BACKGROUND: Colour = (24, 27, 33)

_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True, slots=True)
class Chip:
    """A word on a coloured ground."""

    text: str
    colour: Colour


def resize(array: NDArray[np.uint8], width: int, height: int, method: int) -> NDArray[np.uint8]:
    """Scale to another size into a new array; `method` is an OpenCV interpolation."""
    enlarges = width > array.shape[1]
    if method == cv2.INTER_AREA and enlarges:
        method = cv2.INTER_LINEAR
    # A copy even where nothing changes: the result is drawn on.
    return np.array(cv2.resize(array, (width, height), interpolation=method), np.uint8)


class Lettering:
    """Lettering that grows with the picture."""

    def __init__(self, width: int) -> None:
        self._scale = max(0.34, width / 2400)
        self._thick = 1 if self._scale < 0.9 else 2
        (_, ascent), descent = cv2.getTextSize("Ag", _FONT, self._scale, self._thick)
        self._pad = max(2, round(ascent * 0.45))
        self._ascent = ascent
        self.line = ascent + descent + 2 * self._pad

    def _width(self, text: str) -> int:
        return int(cv2.getTextSize(text, _FONT, self._scale, self._thick)[0][0])

    def chip_width(self, chip: Chip) -> int:
        """Width of a chip, pixels."""
        return self._width(chip.text) + 4 * self._pad

    def shorten(self, text: str, room: int) -> str:
        """Cut to `room` pixels."""
        if self._width(text) <= room:
            return text
        while text and self._width(text + "...") > room:
            text = text[:-1]
        return text + "..."

    def write(self, canvas: Image, text: str, x: int, y: int, colour: Colour = INK) -> None:
        """Write ASCII text with its line's top left corner at x, y; others become "?"."""
        # OpenCV's Hershey fonts know ASCII only.
        plain = text.encode("ascii", "replace").decode()
        base = (x, y + self._pad + self._ascent)
        cv2.putText(canvas, plain, base, _FONT, self._scale, colour, self._thick, cv2.LINE_AA)

    def chip(self, canvas: Image, chip: Chip, x: int, y: int) -> None:
        """Draw a chip with its top left corner at x, y."""
        corner = (x + self.chip_width(chip), y + self.line)
        cv2.rectangle(canvas, (x, y), corner, chip.colour, cv2.FILLED)
        self.write(canvas, chip.text, x + 2 * self._pad, y, WHITE)
