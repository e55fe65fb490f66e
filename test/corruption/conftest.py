"""A street-like frame made of shapes, so that tests need no data."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from semalign_ros.types import Frame

ROAD, BUILDING, SKY, PERSON, CAR = 0, 2, 10, 11, 13


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
    ):
        left, top, right, bottom = (int(v * scale) for v in (x, y, x + w, y + h))
        labels[top:bottom, left:right] = train_id
    noise = np.random.Generator(np.random.Philox(5)).integers(0, 64, (32, 64, 3), np.uint8)
    texture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
    image = texture + (np.uint8(40) + labels * np.uint8(11))[..., None]
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    depth = np.broadcast_to(8 / np.maximum(rows - 0.45, 0.05), (height, width)).astype(np.float32)
    for array in (image, labels, depth):
        array.setflags(write=False)
    return Frame(10**9 * index, "camera", index, image, labels, depth, 12.0, 0.1)


@pytest.fixture
def frame() -> Frame:
    return street()
