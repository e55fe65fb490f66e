"""A real segmenter on real frames must see worse with every step of the ladder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from semalign_ros.corruption import get_corruption, list_corruptions
from semalign_ros.scene.taxonomy import LABEL_ID_TO_TRAIN_ID
from semalign_ros.types import Frame

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def real_frames(cityscapes_sample: Path) -> list[Frame]:
    frames = []
    for index, path in enumerate(sorted(cityscapes_sample.glob("leftImg8bit/*/*/*.png"))[::4]):
        city, name = path.parent.name, path.name.replace("leftImg8bit", "gtFine_labelIds")
        label_ids = cv2.imread(str(cityscapes_sample / "gtFine/train" / city / name), -1)
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        # Turning at a junction: what the vehicle's motion does must show.
        labels = LABEL_ID_TO_TRAIN_ID[label_ids]
        frames.append(Frame(0, "camera", index, image, labels, speed=10.0, yaw_rate=0.6))
    # Each as if another street, in a tunnel, had come before it.
    dark = [replace(frame, stamp_ns=-59_000_000, image=frame.image // 5) for frame in frames]
    return [
        replace(frame, earlier=dict.fromkeys(range(1, 25), dark[i - 1]))
        for i, frame in enumerate(frames)
    ]


# What does too little for a mean over all pixels; each has tests of its own.
SMALL = {"led_flicker"}


@pytest.fixture(scope="module")
def segment(real_segmenter: Path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(real_segmenter), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, (513, 513), interpolation=cv2.INTER_LINEAR)
        return session.run(None, {name: small[None]})[0][0].astype(np.uint8)

    return run


@pytest.fixture(scope="module")
def mean_iou(real_frames: list[Frame], segment):
    """Score of a corruption at a severity over the frames; severity 0 is the clean score."""

    def score(name: str, severity: float) -> float:
        pairs = np.zeros((19, 19))
        for frame in real_frames:
            prediction = segment(get_corruption(name).apply(frame, severity).image)
            target = cv2.resize(frame.labels, (513, 513), interpolation=cv2.INTER_NEAREST)
            known = target < 19
            np.add.at(pairs, (target[known], prediction[known]), 1)
        union = pairs.sum(0) + pairs.sum(1) - np.diag(pairs)
        return float(np.mean((np.diag(pairs) / np.maximum(union, 1))[pairs.sum(1) > 0]))

    return score


@pytest.fixture(scope="module")
def clean_score(mean_iou) -> float:
    return mean_iou("occlusion", 0)


@pytest.mark.parametrize(
    "name",
    [n for n in list_corruptions() if get_corruption(n).family == "image" and n not in SMALL],
)
def test_mean_iou_falls_along_the_ladder(name, clean_score, mean_iou) -> None:
    middle, strong = (mean_iou(name, severity) for severity in (2, 5))
    print(name, clean_score, middle, strong)
    assert clean_score - 0.02 > strong
    # A few frames: the IoU of a rare class may move a little either way.
    assert clean_score + 0.01 >= middle >= strong
