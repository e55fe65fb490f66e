"""How far away each pixel is, known or assumed."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.types import Frame, Image

_NEAR_M = 0.1  # nothing is nearer to a lens
FAR_M = 1000.0
"""Distance, in metres, of the sky and of everything that is farther."""

ASSUMPTION = "the frame has no depth; distances are those of a flat street between two walls"
"""What a result says whose distances are assumed."""

# A forward camera behind a windscreen, as that of Cityscapes.
CAMERA_HEIGHT_M = 1.22
HORIZON = 0.44
"""Row of the horizon as a share of the image height, from the top."""
FOCAL_WIDTHS = 1.1
"""Focal length over image width; pixels are square."""
_WALL_M = 15.0  # lateral distance of house fronts, trees, noise barriers
_END_M = 120.0  # where the street bends; farther, a column of fog would stand over its end

# Depth that exceeds the flat road's by more than this is a stereo error: nothing is below it.
_BELOW_ROAD = 1.5
# Gaps up to this share of the width take their neighbour's depth; of larger ones only a rim,
# as stereo leaves it beside things, and what lies so near to the border, where stereo sees none.
_GAP, _RIM = 0.04, 0.006
_OTHER_COLOR, _BRIGHT = 32, 0.8  # levels in any channel; share of the brightest percentile


@functools.lru_cache(maxsize=4)
def road_depth(height: int, width: int) -> NDArray[np.float32]:
    """Distance of a flat road in each image row.

    Args:
        height: Rows.
        width: Columns.

    Returns:
        f32[H, 1], metres along the optical axis; ``FAR_M`` from the horizon up.
    """
    below = (np.arange(height, dtype=np.float32) + 0.5) / height - HORIZON
    nearest = FOCAL_WIDTHS * width / height * CAMERA_HEIGHT_M
    return (nearest / np.maximum(below, nearest / FAR_M))[:, None].astype(np.float32)


@functools.lru_cache(maxsize=4)
def viewing_directions(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Tangents of where pixels look: f32[1, W] to the right and f32[H, 1] down."""
    focal = FOCAL_WIDTHS * width
    x = (np.arange(width, dtype=np.float32) + 0.5 - 0.5 * width) / focal
    y = (np.arange(height, dtype=np.float32) + 0.5 - HORIZON * height) / focal
    return x[None, :], y[:, None]


@functools.lru_cache(maxsize=4)
def assumed_depth(height: int, width: int) -> NDArray[np.float32]:
    """Distances in a flat street between two walls that ends, without anything in it.

    Args:
        height: Rows.
        width: Columns.

    Returns:
        f32[H, W], metres along the optical axis, read-only.
    """
    aside, _ = viewing_directions(height, width)
    # Rounded where wall and end meet: an edge there would show in light fog.
    facing = _END_M / np.hypot(1, aside * (_END_M / _WALL_M))
    depth = np.asarray(np.minimum(road_depth(height, width), facing), np.float32)
    depth.setflags(write=False)
    return depth


def depth_is_assumed(frame: Frame) -> bool:
    """Whether the frame has no depth that could be used."""
    if frame.depth is None:
        return True
    coarse = frame.depth[::4, ::4]
    return not ((coarse > _NEAR_M) & (coarse < FAR_M)).any()


def complete_depth(frame: Frame) -> NDArray[np.float32]:
    """Distances of a frame without gaps and gross errors.

    Small gaps in the frame's depth, as at stereo shadows, take the nearest known distance;
    large ones, as the sky, take the assumed one, and so do gaps above the horizon that are
    bright and of another colour than their neighbour, and a frame without depth.

    Returns:
        f32[H, W], metres, all finite and positive.
    """
    height, width = frame.image.shape[:2]
    prior = assumed_depth(height, width)
    if frame.depth is None:
        return prior
    # NaN compares as false; a distance beyond the farthest is a disparity of almost nothing.
    missing = ~((frame.depth > _NEAR_M) & (frame.depth < FAR_M))
    road = road_depth(height, width) * np.float32(_BELOW_ROAD)
    depth = np.asarray(np.minimum(frame.depth, road), np.float32)
    if missing.any():
        np.copyto(depth, _neighbours(depth, missing, prior, frame.image), where=missing)
    return depth


def _neighbours(
    depth: NDArray[np.float32],
    missing: NDArray[np.bool_],
    prior: NDArray[np.float32],
    image: Image,
) -> NDArray[np.float32]:
    """What to put where depth is missing; correct to four pixels, which a gap does not show."""
    coarse, gaps, guess = depth[::4, ::4], missing[::4, ::4], prior[::4, ::4]
    if gaps.all():
        return prior
    distance, nearest = cv2.distanceTransformWithLabels(
        np.ascontiguousarray(gaps).view(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    pixel_of = np.zeros(int(nearest.max()) + 1, np.int32)
    pixel_of[nearest[~gaps]] = np.flatnonzero(~gaps)
    source = np.take(pixel_of, np.asarray(nearest, np.int32))
    far, rim = (share * coarse.shape[1] for share in (_GAP, _RIM))
    _, numbers = cv2.connectedComponents(np.ascontiguousarray(gaps).view(np.uint8))
    regions = np.asarray(numbers, np.int32)
    large = np.unique(regions[np.asarray(distance) >= far])
    reach = np.where(np.isin(np.arange(int(regions.max()) + 1), large), rim, far)[regions]
    edge = math.ceil(far)
    reach[:edge] = reach[:, :edge] = reach[:, -edge:] = far
    sky = math.ceil(HORIZON * len(coarse))
    guess = guess.copy()
    guess[:sky] = FAR_M
    # Between roofs and trees the sky is as small a gap as any, but of another colour than they,
    # and among the brightest that there is.
    color = image[::4, ::4]
    bright = cv2.max(cv2.max(color[:sky, :, 0], color[:sky, :, 1]), color[:sky, :, 2])
    seen = np.nonzero(gaps[:sky] & (bright > _BRIGHT * np.percentile(bright, 99)))
    known = color[np.unravel_index(source[seen], coarse.shape)]
    off = np.abs(known.astype(np.int16) - color[seen]).max(axis=1, initial=0)
    reach[tuple(axis[off > _OTHER_COLOR] for axis in seen)] = 0
    filled = np.where(distance < reach, np.take(np.ravel(coarse), source), guess)
    height, width = depth.shape
    return np.asarray(filled.repeat(4, axis=0)[:height].repeat(4, axis=1)[:, :width])
