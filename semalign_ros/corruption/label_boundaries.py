"""Boundaries that a perception module draws inexactly."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption, labels_of
from semalign_ros.corruption.resolution import pixel_grid, pixel_scale
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Labels

# Mean of the squared weights of OpenCV's bicubic kernel over all phases, per axis: by this
# factor interpolation lowers the standard deviation of two-dimensional white noise.
_CUBIC_LOSS = 6 / 7


def smooth_field(
    height: int, width: int, correlation: float, source: np.random.Generator
) -> NDArray[np.float32]:
    """Random vector field that varies over `correlation` pixels.

    The number of draws depends on the ratio of size to correlation alone, so images of two
    resolutions get the same field.

    Returns:
        f32[H, W, 2], each component of mean 0 and standard deviation 1.
    """
    nodes = [max(2, round(side / correlation)) for side in (height, width)]
    coarse = source.standard_normal((*nodes, 2), np.float32) / np.float32(_CUBIC_LOSS)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


@corruption(
    "labels",
    Number(
        "amplitude_px",
        "px",
        0,
        64,
        "Standard deviation of the shift of a boundary.",
        neutral=0,
        ladder=(1.5, 3, 5, 7.5, 10),
    ),
    Number(
        "correlation_px",
        "px",
        4,
        256,
        "Distance over which the shift changes its direction.",
        default=48,
    ),
)
def boundary_jitter(
    frame: Frame, draws: Draws, *, amplitude_px: float, correlation_px: float
) -> Labels:
    """Wobbling class boundaries; the insides of large regions stay.

    Every pixel takes the label that lies at a smooth random offset, new in each frame.

    Source: the elastic displacement fields of Simard et al. 2003 (ICDAR), on labels.
    """
    labels = labels_of(frame)
    height, width = labels.shape
    scale = pixel_scale(width)
    field = smooth_field(height, width, correlation_px * scale, draws.each_frame("field"))
    places = field * np.float32(amplitude_px * scale)
    places += pixel_grid(height, width)
    # OpenCV's types demand a second map, which a map of two channels excludes.
    moved = cv2.remap(  # type: ignore[call-overload]
        labels, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


@corruption(
    "labels",
    Number(
        "cell_px",
        "px",
        1,
        512,
        "Side of a cell of one label.",
        neutral=1,
        ladder=(8, 12, 16, 24, 32),
    ),
)
def downsample(frame: Frame, draws: Draws, *, cell_px: float) -> Labels:  # noqa: ARG001
    """Blocky label map: every cell has the label at its centre.

    Source: nearest-neighbour upsampling of a network with that output stride.
    """
    labels = labels_of(frame)
    cell = max(1.0, cell_px * pixel_scale(labels.shape[1]))
    rows, columns = (_centres(side, cell) for side in labels.shape)
    return np.take(np.take(labels, rows, axis=0), columns, axis=1)


def _centres(side: int, cell: float) -> NDArray[np.int64]:
    """i64[side], the pixel at the centre of each pixel's cell."""
    count = max(1, round(side / cell))  # cells that fill the side exactly
    number = np.floor((np.arange(side) + 0.5) * count / side)
    return np.minimum((number + 0.5) * side / count, side - 1).astype(np.int64)
