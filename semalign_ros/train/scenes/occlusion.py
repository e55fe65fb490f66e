"""Which faces are certainly hidden behind large opaque ones, found on a coarse grid.

In a street of houses about half of what faces the camera is hidden; to know that beforehand
saves drawing it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_COLUMNS = 128
"""Width of the grid in cells."""
_SMALLEST_CELL = 4
_MOST = 64
"""So many faces at most hide others, the largest ones."""
_LARGE = 12.0
"""Cells that a face must cover to be worth it."""
_MARGIN = 1.001


def hidden(
    outlines: NDArray[np.float64],
    nearest: NDArray[np.float64],
    planes: NDArray[np.float64],
    opaque: NDArray[np.bool_],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    """Tell which polygons cannot be seen.

    Args:
        outlines: f64[F, K, 2], pixels.
        nearest: f64[F], inverse depth of the nearest corner, 1/m; infinite for what must be
            drawn and hides nothing.
        planes: f64[F, 3], pixel to inverse depth.
        opaque: bool[F], nothing shows through.
        size: Width and height of the image.

    Returns:
        bool[F]; one that is not marked may be hidden all the same.
    """
    cell = max(_SMALLEST_CELL, size[0] // _COLUMNS)
    columns, rows = -(-size[0] // cell), -(-size[1] // cell)
    # Cell i covers the pixels from i * cell on; its centre has the coordinate i.
    scaled = (outlines + 0.5) / cell - 0.5
    low = np.clip(np.rint(scaled.min(1)), 0, (columns - 1, rows - 1)).astype(int)
    high = np.clip(np.rint(scaled.max(1)), 0, (columns - 1, rows - 1)).astype(int)
    area = np.prod(high - low, axis=1).astype(float)
    area[~opaque | np.isinf(nearest)] = 0.0
    largest = np.argsort(-area, kind="stable")[:_MOST]

    cover = np.zeros((rows, columns), np.float32)
    across = (np.arange(columns) + 0.5) * cell - 0.5
    down = (np.arange(rows) + 0.5) * cell - 0.5
    for face in largest[area[largest] >= _LARGE]:
        inside = np.zeros((rows, columns), np.uint8)
        corners = np.rint(np.clip(scaled[face], -4000, 4000) * 16).astype(np.int32)
        cv2.fillConvexPoly(inside, corners, 1, cv2.LINE_8, 4)
        a, b, c = planes[face]
        inverse = np.add.outer(b * down + c, a * across).astype(np.float32)
        np.maximum(cover, inverse, out=cover, where=inside.view(np.bool_))
    # The fill takes in cells that are covered in part: only those count whose neighbours are
    # covered too, at the smallest inverse depth of all nine.
    cover = np.asarray(cv2.erode(cover, np.ones((3, 3), np.uint8)), np.float32)
    return np.array(
        [
            float(cover[y0 : y1 + 1, x0 : x1 + 1].min()) > limit
            for (x0, y0), (x1, y1), limit in zip(
                low.tolist(), high.tolist(), (nearest * _MARGIN).tolist(), strict=True
            )
        ],
        np.bool_,
    )
