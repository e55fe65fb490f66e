"""A tiny data set in the Cityscapes layout, and settings that train on it in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from semalign_ros.scene.taxonomy import TRAIN_ID, colorize
from semalign_ros.train.settings import TrainSettings


def draw_labels(rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """A street: sky, buildings, road, and cars or persons at random places."""
    labels = np.full((size, size), TRAIN_ID["building"], np.uint8)
    labels[: size // 4] = TRAIN_ID["sky"]
    labels[size // 2 :] = TRAIN_ID["road"]
    for name in ("car", "person", "traffic sign"):
        for _ in range(int(rng.integers(0, 3))):
            x, y = (int(v) for v in rng.integers(0, size - size // 4, 2))
            side = int(rng.integers(size // 16, size // 5))
            labels[y : y + side, x : x + side] = TRAIN_ID[name]
    return labels


def write_frame(root: Path, split: str, name: str, image: np.ndarray, labels: np.ndarray) -> None:
    for folder, suffix, array in (
        ("leftImg8bit", "leftImg8bit", image[..., ::-1]),
        ("gtFine", "gtFine_labelTrainIds", labels),
    ):
        city = root / folder / split / "town"
        city.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(city / f"{name}_{suffix}.png"), array)


def make_data_set(root: Path) -> Path:
    rng = np.random.Generator(np.random.Philox(key=[7, 0]))
    for split, count in (("train", 12), ("val", 4)):
        for i in range(count):
            labels = draw_labels(rng)
            noise = rng.integers(-20, 20, (*labels.shape, 3))
            image = np.clip(colorize(labels).astype(np.int64) + noise, 0, 255).astype(np.uint8)
            write_frame(root, split, f"town_{i:06d}_000019", image, labels)
    return root


@pytest.fixture(scope="session")
def draw_street() -> Callable[[np.random.Generator], np.ndarray]:
    """Draws a label map u8[128, 128]."""
    return draw_labels


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data_set(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="session")
def tiny_settings() -> TrainSettings:
    stage = {"steps": 3, "batch": 2, "learning_rate": 1e-3, "warmup": 1, "evaluate_every": 2}
    return TrainSettings.model_validate(
        {
            "seed": 3,
            "threads": 1,
            "views": 1,
            "segmenter": {
                "net_size": 128,
                "networks": {
                    "upernet": {
                        "embedding": 8,
                        "hidden": [8, 8, 16, 16],
                        "depths": [1, 1, 1, 1],
                        "decoder": 8,
                    },
                    "segformer": {
                        "hidden": [8, 8, 16, 16],
                        "depths": [1, 1, 1, 1],
                        "heads": [1, 1, 2, 2],
                        "decoder": 8,
                        "learning_rate": 0.002,
                    },
                    "deeplab": {"width": 0.25, "output_stride": 16},
                },
                "stage": stage,
            },
            "contrastive": {
                "hidden": 16,
                "heads": 2,
                "text_layers": 1,
                "queries": 2,
                "embedding": 8,
                "stage": stage,
            },
            "generative": {
                "hidden": 16,
                "intermediate": 32,
                "layers": 2,
                "heads": 2,
                "kv_heads": 1,
                "stage": stage,
            },
        }
    )
