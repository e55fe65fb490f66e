"""A street-like frame made of shapes, so that tests need no data."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from semalign_ros.types import Frame

ROAD, BUILDING, LIGHT, SKY, PERSON, CAR = 0, 2, 6, 10, 11, 13


def street(height: int = 256, width: int = 512, index: int = 0) -> Frame:
    """Sky, buildings, road, three cars and a person; textured image, labels, depth, motion."""
    scale = width / 512
    labels = np.full((height, width), BUILDING, np.uint8)
    labels[: height // 3] = SKY
    labels[height // 2 :] = ROAD
    for train_id, (x, y, w, h) in (
        (CAR, (60, 120, 60, 36)),
        (CAR, (250, 125, 24, 14)),
        (CAR, (400, 110, 90, 60)),
        (PERSON, (330, 118, 8, 22)),
        (LIGHT, (190, 88, 10, 24)),
    ):
        left, top, right, bottom = (int(v * scale) for v in (x, y, x + w, y + h))
        labels[top:bottom, left:right] = train_id
    noise = np.random.Generator(np.random.Philox(5)).integers(0, 64, (32, 64, 3), np.uint8)
    texture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
    image = texture + (np.uint8(40) + labels * np.uint8(11))[..., None]
    image[labels == LIGHT] = (230, 30, 25)  # red
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    depth = np.broadcast_to(8 / np.maximum(rows - 0.45, 0.05), (height, width)).astype(np.float32)
    for array in (image, labels, depth):
        array.setflags(write=False)
    return Frame(10**9 * index, "camera", index, image, labels, depth, 12.0, 0.1)


def drive(index: int, height: int = 256, width: int = 512) -> Frame:
    """A frame with those before it: the street moves, from frame 29 on it is in the sun."""

    def seen(position: int) -> Frame:
        still = street(height, width, position)
        light = 0.95 if position >= 29 else 0.5
        image = np.roll(still.image, 3 * position * width // 512, axis=1) * light
        labels = np.roll(still.labels, 3 * position * width // 512, axis=1)
        return replace(
            still, stamp_ns=59_000_000 * position, image=image.astype(np.uint8), labels=labels
        )

    return replace(seen(index), earlier={n: seen(index - n) for n in range(1, 25)})


@pytest.fixture
def frame() -> Frame:
    return street()
