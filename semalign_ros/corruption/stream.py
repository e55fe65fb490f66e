"""What goes wrong with the frames of a stream as wholes."""

from __future__ import annotations

import numpy as np

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import Mask, corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.types import Frame, Image


def _struck(draws: Draws, probability: float, back: int = 0) -> bool:
    """Whether the fault strikes the frame that many positions back."""
    return bool(draws.back(back).each_frame("fault").random() < probability)


def _longest(*, probability: float, longest_frames: float) -> range:  # noqa: ARG001
    return range(1, round(longest_frames) + 1)


def _shown(frame: Frame, draws: Draws, *, probability: float, longest_frames: float) -> int:
    shown, period = 0, round(longest_frames) + 1
    offset = int(draws.whole_sequence("watchdog").integers(period))
    for back in range(period - 1):
        passes = (frame.index - back + offset) % period == 0
        if passes or not _struck(draws, probability, back):
            break
        before = frame.earlier.get(back + 1)
        if before is None or before.image.shape != frame.image.shape:
            break
        shown = back + 1
    return shown


@corruption(
    "image",
    Number(
        "probability",
        "",
        0,
        1,
        "Chance of a frame to be a copy of the one before.",
        neutral=0,
        ladder=(0.2, 0.4, 0.6, 0.75, 0.9),
        fades=False,
    ),
    Number("longest_frames", "frames", 1, 60, "Longest run of copies.", default=10),
    shows=_shown,
    recalls=_longest,
    unbroken=True,
    moves_content=True,
)
def frame_freeze(frame: Frame, draws: Draws, *, probability: float, longest_frames: float) -> Image:
    """A frozen picture: the last frame that came through is shown again, with a new stamp.

    Runs of copies have the lengths of a memoryless fault, cut where a watchdog lets a frame
    through: one of each `longest_frames` + 1, from a place drawn once a sequence. The first frame
    of a stream is never a copy, the first one of a step's window at most of the one before it.

    Source: repeated frames of a stalled driver, ISO 26262's "stuck" fault of an image sensor.
    """
    back = _shown(frame, draws, probability=probability, longest_frames=longest_frames)
    return frame.earlier[back].image if back else frame.image


def _lost(frame: Frame, draws: Draws, *, probability: float) -> Mask:
    return np.full(frame.image.shape[:2], _struck(draws, probability))


@corruption(
    "image",
    Number(
        "probability",
        "",
        0,
        1,
        "Chance of a frame to be lost.",
        neutral=0,
        ladder=(0.1, 0.2, 0.35, 0.5, 0.7),
    ),
    hides=_lost,
)
def frame_drop(frame: Frame, draws: Draws, *, probability: float) -> Image:
    """A lost frame: the driver delivers a black one in its place, and all of it is hidden.

    Source: link errors of a serial camera interface, independent from frame to frame.
    """
    if _struck(draws, probability):
        return np.zeros_like(frame.image)
    return frame.image
