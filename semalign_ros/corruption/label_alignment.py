"""Label maps that do not fit the picture: late, or beside it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption, labels_of
from semalign_ros.corruption.resolution import pixel_scale
from semalign_ros.corruption.rng import Draws
from semalign_ros.scene.taxonomy import IGNORE
from semalign_ros.types import Frame, Labels


def _lag(*, lag_frames: float) -> tuple[int, ...]:
    back = round(lag_frames)
    return (back,) if back else ()


@corruption(
    "labels",
    Number(
        "lag_frames",
        "frames",
        0,
        60,
        "Age of the label map; rounded.",
        neutral=0,
        ladder=(1, 2, 4, 7, 12),
        fades=False,
    ),
    recalls=_lag,
    moves_content=True,
)
def temporal_lag(frame: Frame, draws: Draws, *, lag_frames: float) -> Labels:  # noqa: ARG001
    """A label map of some frames ago, as of a slow network, with the stamp of this one.

    Before the stream is that old, the label map of the frame itself.

    Source: latency of streaming perception, Li et al. 2020 (ECCV).
    """
    labels = labels_of(frame)
    then = frame.earlier.get(round(lag_frames))
    if then is None or then.labels is None or then.labels.shape != labels.shape:
        return labels
    return then.labels


@corruption(
    "labels",
    Number("du_px", "px", -512, 512, "Shift to the right.", neutral=0, ladder=(4, 9, 16, 26, 40)),
    Number("dv_px", "px", -512, 512, "Shift down.", neutral=0, ladder=(2, 4.5, 8, 13, 20)),
    Number(
        "roll_deg",
        "deg",
        -45,
        45,
        "Turn about the middle of the picture, clockwise.",
        neutral=0,
        ladder=(0.25, 0.5, 1, 1.75, 3),
    ),
    moves_content=True,
)
def calibration_shift(
    frame: Frame,
    draws: Draws,  # noqa: ARG001
    *,
    du_px: float,
    dv_px: float,
    roll_deg: float,
) -> Labels:
    """A label map that lies beside the picture: another camera, or a mounting that moved.

    What comes in from outside is ignored (255).

    Source: a rigid motion in the image plane, as of a decalibrated extrinsic.
    """
    labels = labels_of(frame)
    height, width = labels.shape
    scale = pixel_scale(width)
    turn = math.radians(roll_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    matrix = np.array([[cos, -sin, du_px * scale], [sin, cos, dv_px * scale]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix[:, 2] += middle - matrix[:, :2] @ middle
    moved = cv2.warpAffine(
        labels,
        matrix,
        (width, height),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[IGNORE],
    )
    return np.asarray(moved, np.uint8)
