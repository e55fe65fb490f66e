"""What a perception module gets wrong: boundaries and missed instances."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import ClassNames, Number
from semalign_ros.corruption.registry import Mask, corruption
from semalign_ros.corruption.resolution import pixel_scale
from semalign_ros.corruption.rng import Draws
from semalign_ros.scene.taxonomy import CRITICAL, IGNORE, TRAIN_ID
from semalign_ros.types import Frame, Labels

# Mean of the squared weights of OpenCV's bicubic kernel over all phases, per axis: by this
# factor interpolation lowers the standard deviation of two-dimensional white noise.
_CUBIC_LOSS = 6 / 7


@functools.lru_cache(maxsize=4)
def _pixel_grid(height: int, width: int) -> NDArray[np.float32]:
    """f32[H, W, 2], x and y of every pixel."""
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0] = np.arange(width)
    grid[..., 1] = np.arange(height)[:, None]
    return grid


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
    labels = _labels(frame)
    height, width = labels.shape
    scale = pixel_scale(width)
    field = smooth_field(height, width, correlation_px * scale, draws.each_frame("field"))
    places = field * np.float32(amplitude_px * scale)
    places += _pixel_grid(height, width)
    # OpenCV's types demand a second map, which a map of two channels excludes.
    moved = cv2.remap(  # type: ignore[call-overload]
        labels, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


@corruption(
    "labels",
    Number(
        "max_area_px",
        "px",
        0,
        2048 * 2048,
        "Instances of at most this area, in pixels at 2048 px width, can be lost.",
        neutral=0,
        ladder=(500, 2000, 6000, 20000, 60000),
    ),
    Number(
        "probability",
        "",
        0,
        1,
        "Chance of each of them to be lost.",
        neutral=0,
        ladder=(0.3, 0.45, 0.6, 0.75, 0.9),
    ),
    ClassNames("classes", "Classes whose instances can be lost.", default=CRITICAL),
)
def instance_dropout(
    frame: Frame,
    draws: Draws,
    *,
    max_area_px: float,
    probability: float,
    classes: tuple[str, ...],
) -> Labels:
    """Small objects missed: their place gets the nearest background class.

    An instance is a connected region of one class, so objects that touch count as one.

    Source: misses of detectors concentrate on small objects (Hoiem et al. 2012, ECCV).
    """
    labels = _labels(frame)
    ids = [TRAIN_ID[name] for name in classes]
    limit = max_area_px * pixel_scale(labels.shape[1]) ** 2
    lost = _lost_pixels(labels, ids, limit, probability, draws.each_frame("instances"))
    return fill_from_background(labels, lost, ids) if lost.any() else labels


def _lost_pixels(
    labels: Labels,
    ids: list[int],
    limit: float,
    probability: float,
    source: np.random.Generator,
) -> Mask:
    lost = np.zeros(labels.shape, np.bool_)
    for train_id in ids:
        mask = (labels == train_id).view(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:  # OpenCV does not survive an empty window
            continue
        window = slice(y, y + h), slice(x, x + w)
        count, regions, stats, _ = cv2.connectedComponentsWithStats(mask[window])
        # One draw for every region, lost or not: a higher severity loses the same and more.
        drop = source.random(count) < probability
        drop &= stats[:, cv2.CC_STAT_AREA] <= limit
        drop[0] = False  # what is not of this class
        if drop.any():
            lost[window] |= np.take(drop, regions)
    return lost


def fill_from_background(labels: Labels, holes: Mask, foreground: list[int]) -> Labels:
    """Give each pixel of `holes` the label of the nearest background pixel.

    Args:
        labels: u8[H, W] train ids.
        holes: bool[H, W].
        foreground: Train ids that must not spread into a hole, as long as there is other.

    Returns:
        u8[H, W]; `labels` itself where nothing but holes exists.
    """
    solid = np.ones(256, np.uint8)
    solid[[*foreground, IGNORE]] = 0
    background = np.where(holes, np.uint8(0), solid[labels])
    if not background.any():
        background = (~holes).astype(np.uint8)
        if not background.any():
            return labels
    # OpenCV measures to the nearest zero pixel and numbers those.
    _, nearest = cv2.distanceTransformWithLabels(
        1 - background, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    sources = background.view(np.bool_)
    label_of = np.zeros(int(nearest.max()) + 1, np.uint8)
    label_of[nearest[sources]] = labels[sources]
    result = labels.copy()
    result[holes] = label_of[nearest[holes]]
    return result


def _labels(frame: Frame) -> Labels:
    assert frame.labels is not None, "Corruption.apply checks it"
    return frame.labels
