"""What the vehicle's own motion does to a picture while it is being taken."""

from __future__ import annotations

import math
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.depth import FOCAL_WIDTHS, viewing_directions
from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption, depth_of, motion_of
from semalign_ros.corruption.resolution import pixel_grid
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Image


def image_motion(depth: NDArray[np.float32], speed: float, yaw_rate: float) -> NDArray[np.float32]:
    """Velocity in the image of a scene that stands still.

    Args:
        depth: f32[H, W], metres along the optical axis.
        speed: Of the camera along its axis, m/s.
        yaw_rate: Of the camera, positive to the left, rad/s.

    Returns:
        f32[H, W, 2], pixels a second to the right and down.

    Source: Longuet-Higgins and Prazdny 1980, with translation along the axis and yaw alone.
    """
    height, width = depth.shape
    x, y = viewing_directions(height, width)
    approach = np.divide(np.float32(speed), depth)  # 1 / time to contact
    flow = np.empty((height, width, 2), np.float32)
    yaw = np.float32(yaw_rate)
    focal = np.float32(FOCAL_WIDTHS * width)
    np.multiply(approach + yaw * x, y * focal, out=flow[..., 1])
    np.multiply(approach, x * focal, out=flow[..., 0])
    flow[..., 0] += yaw * (1 + x * x) * focal
    return flow


_STRIP = 32  # rows
_MOST_PASSES = 5  # 32 samples; only at the rim of a picture can a line be too long for them


_Picture = TypeVar("_Picture", NDArray[np.uint8], NDArray[np.float32])


def _move(image: _Picture, path: NDArray[np.float32], share: float = 1.0) -> _Picture:
    """Take every pixel from a share of `path` (f32[H, W, 2], pixels) away."""
    image = np.ascontiguousarray(image)
    grid, result = pixel_grid(*image.shape[:2]), np.empty_like(image)
    for top in range(0, len(image), _STRIP):  # small enough for the maps to stay in the cache
        rows = slice(top, top + _STRIP)
        places = cv2.scaleAdd(path[rows], share, grid[rows])
        # OpenCV's types demand a second map, which a map of two channels excludes. Fixed-point
        # maps are read faster by more than making them costs; they resolve 1/32 px.
        fixed = cv2.convertMaps(places, None, cv2.CV_16SC2)  # type: ignore[call-overload]
        cv2.remap(  # type: ignore[call-overload]
            image, *fixed, cv2.INTER_LINEAR, result[rows], borderMode=cv2.BORDER_REPLICATE
        )
    return result


def _smear(image: Image, path: NDArray[np.float32]) -> Image:
    """Average an image along a short line through every pixel.

    Args:
        image: u8[H, W, 3].
        path: f32[H, W, 2], the whole line, pixels; the pixel is its middle.

    Returns:
        u8[H, W, 3].
    """
    longest = float(cv2.norm(path.reshape(path.shape[0], -1), cv2.NORM_INF))
    # Samples that are a pixel and a half apart leave no gaps to linear interpolation.
    passes = min(math.ceil(math.log2(max(longest / 1.5, 1))), _MOST_PASSES)
    samples = 2**passes
    # The passes go one way from where the line begins, which takes half as many as going both
    # ways. They read the line at places that lie further along it, and the line changes from
    # place to place: half of the change is made up for, so that the light keeps its middle.
    ahead = _move(path, path, 0.5 - 0.5 / samples)
    start = cv2.addWeighted(path, 0.5 / samples - 1, ahead, 0.5, 0)
    average = _move(image, np.asarray(start, np.float32))
    for done in range(passes):  # each doubles the samples of the average
        other = _move(average, path, 2**done / samples)
        average = np.asarray(cv2.addWeighted(average, 0.5, other, 0.5, 0), np.uint8)
    return average


@corruption(
    "image",
    Number(
        "exposure_ms",
        "ms",
        0,
        200,
        "How long the shutter is open.",
        neutral=0,
        ladder=(8, 15, 25, 40, 60),
    ),
    needs_depth=True,
    needs_motion=True,
)
def ego_motion_blur(frame: Frame, draws: Draws, *, exposure_ms: float) -> Image:  # noqa: ARG001
    """Blur by the vehicle's own motion: radial when it drives, sideways when it turns.

    Near things smear more than far ones, and the point that the vehicle drives to stays sharp.
    The exposure is centred on the frame's stamp. Applied to the encoded image.

    Source: image motion of a rigid scene, Longuet-Higgins and Prazdny 1980.
    """
    flow = image_motion(depth_of(frame), *motion_of(frame))
    return _smear(frame.image, np.multiply(flow, np.float32(exposure_ms / 1000), out=flow))


@corruption(
    "image",
    Number(
        "readout_ms",
        "ms",
        0,
        200,
        "Time from the first row to the last.",
        neutral=0,
        ladder=(10, 20, 33, 50, 80),
    ),
    needs_depth=True,
    needs_motion=True,
    moves_content=True,
)
def rolling_shutter(frame: Frame, draws: Draws, *, readout_ms: float) -> Image:  # noqa: ARG001
    """Rows taken one after the other: what moves leans and stretches.

    The middle row has the frame's stamp. Half of the readout time, at most, lies between
    a row and it; over that the image motion is taken as uniform.

    Source: row-wise exposure of CMOS sensors, Liang et al. 2008 (IEEE TIP 17).
    """
    height = frame.image.shape[0]
    flow = image_motion(depth_of(frame), *motion_of(frame))
    later = ((np.arange(height) + 0.5) / height - 0.5) * (readout_ms / 1000)
    flow *= -later[:, None, None].astype(np.float32)
    return _move(frame.image, flow)
