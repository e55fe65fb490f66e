"""Frames on which exports are checked and calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semalign_ros.bags.reader import count_frames, read_frames
from semalign_ros.bags.topics import IMAGE_TOPIC, BagTopics
from semalign_ros.errors import BagError, ConfigError
from semalign_ros.train.datasets import read_image
from semalign_ros.types import Image

_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True, slots=True)
class Recording:
    """Where frames are.

    Args:
        path: Bag (folder, ``.mcap``, ``.db3``), or folder with pictures in it or below.
        topic: Camera of a bag.
    """

    path: Path
    topic: str = IMAGE_TOPIC


def find_pictures(folder: Path) -> list[Path]:
    """Pictures in a folder and below, by name."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)


def spread_frames(recording: Recording, count: int) -> list[Image]:
    """Read frames that are evenly spread, from the first to the last.

    Args:
        recording: Where.
        count: How many, 1 or more; all where there are fewer.

    Returns:
        u8[H, W, 3] each.

    Raises:
        BagError: The bag is unreadable, or has no message on the camera's topic.
        ConfigError: Neither a bag nor a folder with pictures.
        DatasetError: A picture cannot be decoded.
    """
    path = recording.path
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        pictures = find_pictures(path)
        if pictures:
            return [read_image(pictures[i]) for i in _spread(len(pictures), count)]
        if not any(p.suffix in {".mcap", ".db3"} for p in path.iterdir()):
            raise ConfigError(
                f"{path}: neither a bag (metadata.yaml, .mcap, .db3) nor a folder with pictures "
                f"({', '.join(sorted(_SUFFIXES))})"
            )
    topics = BagTopics(image=recording.topic, segmentation=None, depth=None, twist=None)
    wanted = set(_spread(count_frames(path, topics), count))
    found = [np.array(f.image) for f in read_frames(path, topics) if f.index in wanted]
    if not found:
        raise BagError(f"{path}: no frame on {recording.topic} can be read")
    return found


def _spread(length: int, count: int) -> list[int]:
    return [int(i) for i in np.linspace(0, length - 1, min(length, count)).round()]
