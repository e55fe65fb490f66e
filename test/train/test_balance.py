from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

from semalign_ros.alignment.metrics import confusion_matrix, mean_iou  # noqa: E402
from semalign_ros.train.balance import best_bias  # noqa: E402


def score(logits, labels):
    return mean_iou(confusion_matrix(logits.argmax(1).astype(np.uint8)[None], labels[None]))


def test_a_class_that_never_wins_is_lifted():
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 11, 12], np.uint8), 4000, p=[0.7, 0.2, 0.1])
    logits = rng.normal(0, 0.5, (4000, 19)).astype(np.float32)
    logits[np.arange(4000), labels] += 3
    logits[:, 12] -= 2.5
    bias = best_bias(logits, labels)
    assert bias[12] > 1
    assert score(logits + bias, labels) > score(logits, labels) + 0.1


def test_well_placed_logits_are_left_alone():
    labels = np.arange(19, dtype=np.uint8).repeat(20)
    logits = np.eye(19, dtype=np.float32)[labels] * 5
    assert not best_bias(logits, labels).any()


def test_never_lowers_the_score():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 19, 500).astype(np.uint8)
        logits = rng.normal(0, 1, (500, 19)).astype(np.float32)
        assert score(logits + best_bias(logits, labels), labels) >= score(logits, labels)
