"""A small data set in the Cityscapes layout, and bags written message by message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from semalign_ros.bags.messages import image_message, twist_message
from semalign_ros.bags.writer import BagWriter

CAMERA = {
    "extrinsic": {
        "baseline": 0.2,
        "pitch": 0.04,
        "roll": 0.01,
        "yaw": -0.02,
        "x": 1.7,
        "y": 0.1,
        "z": 1.2,
    },
    "intrinsic": {"fx": 50.0, "fy": 52.0, "u0": 31.0, "v0": 15.0},
}


def picture(seed: int, height: int = 32, width: int = 64) -> np.ndarray:
    """u8[H, W, 3] that no two seeds share."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_png(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = array[..., ::-1] if array.ndim == 3 else array
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture(scope="session")
def layout() -> Callable[..., Path]:
    """Write a data set of frames ``(city, sequence, frame)`` with all side files."""

    def build(root: Path, names: list[tuple[str, int, int]], split: str = "val") -> Path:
        for i, (city, sequence, frame) in enumerate(names):
            stem = f"{city}_{sequence:06d}_{frame:06d}"

            def at(kind: str, city: str = city, stem: str = stem, suffix: str = "") -> Path:
                return root / kind / split / city / f"{stem}_{suffix or kind}"

            write_png(at("leftImg8bit").with_name(f"{stem}_leftImg8bit.png"), picture(i))
            ids = np.full((32, 64), 7, np.uint8)  # road
            ids[:8] = 23  # sky
            ids[10:20, 10:20] = 26  # a car
            ids[0, 0] = 3  # out of region of interest
            write_png(at("gtFine", suffix="gtFine_labelIds.png"), ids)
            instances = ids.astype(np.uint16)
            instances[10:20, 10:20] = 26001
            write_png(at("gtFine", suffix="gtFine_instanceIds.png"), instances)
            disparity = np.full((32, 64), 1 + 256 * 4, np.uint16)  # 4 px
            disparity[:8] = 0
            write_png(at("disparity", suffix="disparity.png"), disparity)
            for kind, content in (
                ("camera", CAMERA),
                ("vehicle", {"speed": 10.0 + i, "yawRate": 0.1}),
            ):
                path = at(kind, suffix=f"{kind}.json")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(content))
        return root

    return build


@pytest.fixture(scope="session")
def make_bag() -> Callable[..., Path]:
    """Write a bag from steps ``(role, stamp_s, log_time_s, value)``.

    Roles: image (value: seed), labels (class id, or an array), depth (metres), twist (m/s).
    """
    topics = {
        "image": "/camera/front/image_raw",
        "labels": "/ground_truth/segmentation",
        "depth": "/camera/front/depth",
        "twist": "/vehicle/twist",
    }

    def build(path: Path, steps, **options) -> Path:
        with BagWriter(path, **options) as bag:
            for role, stamp_s, log_s, value in steps:
                stamp, log = round(stamp_s * 1e9), round(log_s * 1e9)
                if role == "image":
                    message = image_message(stamp, "cam", picture(value))
                elif role == "labels":
                    array = np.full((32, 64), value, np.uint8) if np.isscalar(value) else value
                    message = image_message(stamp, "cam", array, "mono8")
                elif role == "depth":
                    array = np.full((32, 64), value, np.float32)
                    message = image_message(stamp, "cam", array, "32FC1")
                else:
                    message = twist_message(stamp, "base_link", value, 0.25)
                bag.write(topics[role], message, log)
        return path

    return build


@pytest.fixture(scope="session")
def picture_of() -> Callable[..., np.ndarray]:
    return picture


@pytest.fixture(scope="session")
def camera_json() -> dict:
    return CAMERA
