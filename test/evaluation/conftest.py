"""A real bag of known scenes, and recorded answers with known mistakes."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from semalign_ros.bags import BagWriter
from semalign_ros.bags.messages import image_message
from semalign_ros.bags.vocabulary import vocabulary_data
from semalign_ros.corruption import load_profile
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary

ROAD, SKY, PERSON, CAR = 0, 10, 11, 13
FRAMES = 20


def scene(index: int) -> np.ndarray:
    """Road and sky; a car beside the road in every frame, a person ahead in every fourth."""
    labels = np.full((64, 128), SKY, np.uint8)
    labels[30:] = ROAD
    labels[36:44, 4:20] = CAR
    if index % 4 == 0:
        labels[36:52, 60:68] = PERSON
    return labels


def write_bag(
    path: Path,
    frames: int = FRAMES,
    unlabelled: Collection[int] = (),
    *,
    light: int = 12,
    vocabulary: Vocabulary = CITYSCAPES,
) -> Path:
    """Write the scenes to a bag, label maps of the frames in `unlabelled` left out."""
    with BagWriter(path, custom_data=vocabulary_data(vocabulary)) as writer:
        writer.add_topic("/camera/front/image_raw", "sensor_msgs/msg/Image")
        writer.add_topic("/ground_truth/segmentation", "sensor_msgs/msg/Image")
        for index in range(frames):
            stamp = 10**18 + index * 10**8
            labels = scene(index)
            image = np.repeat((labels * light)[..., None], 3, axis=2)
            writer.write("/camera/front/image_raw", image_message(stamp, "camera", image), stamp)
            if index in unlabelled:
                continue
            writer.write(
                "/ground_truth/segmentation", image_message(stamp, "camera", labels, "mono8"), stamp
            )
    return path


@pytest.fixture(scope="session")
def bag(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bag") / "street")


def answers(index: int, *, blind: bool) -> dict[str, bool]:
    """A right answer, or one that sees a bus and no person and calls everything safe."""
    person = index % 4 == 0 and not blind
    return {
        "presence/car": True,
        "presence/person": person,
        "presence/bus": blind,
        "presence/road": True,
        "presence/sky": True,
        "safety/proceed": not person,
    }


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Path:
    """Right on clean frames, blind under occlusion, silent on frame 3 under low light 2."""
    path = tmp_path_factory.mktemp("answers") / "recorded.jsonl"
    conditions = [("clean", 0.0), *((c.name, c.severity) for c in load_profile("paper").conditions)]
    lines = [
        {
            "index": index,
            "condition": name,
            "severity": severity,
            "model": "known",
            "latency_s": 0.25,
            "answers": answers(index, blind=name == "occlusion"),
        }
        for index in range(FRAMES)
        for name, severity in conditions
        if (index, name, severity) != (3, "low_light", 2.0)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path
