"""Last touch of a segmenter: class biases for mIoU, which cross entropy does not aim at.

A network trained on pixel frequencies, however weighted, hardly ever says "rider" next
to "person". Moving the classifier's biases, by what the *training* frames call for,
corrects that without another step of training.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import UperNetForSemanticSegmentation

from semalign_ros.alignment.metrics import mean_iou
from semalign_ros.scene.taxonomy import IGNORE, NUM_CLASSES
from semalign_ros.train.datasets import FrameSet, drop_unsupported
from semalign_ros.train.segmenter import coarse_logits, to_pixel_values

_STEPS = (-1.2, -0.6, -0.3, 0.3, 0.6, 1.2)


def balance_classes(
    model: UperNetForSemanticSegmentation, sets: Sequence[FrameSet], frames: int = 240
) -> UperNetForSemanticSegmentation:
    """Return a copy whose classifier biases give the highest mIoU on training frames.

    Args:
        model: In evaluation mode; left alone.
        sets: Training frames.
        frames: How many of them to use, evenly spread.
    """
    logits, labels = _sample(model, sets, frames)
    bias = best_bias(logits, labels)
    balanced = copy.deepcopy(model)
    with torch.no_grad():
        balanced.decode_head.classifier.bias.add_(torch.from_numpy(bias))
    return balanced


def best_bias(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], rounds: int = 3
) -> NDArray[np.float32]:
    """Find additions to the logits that raise mIoU, class by class, never lowering it.

    Args:
        logits: f32[P, 19].
        labels: u8[P], train ids without ignored ones.
        rounds: Passes over the classes.

    Returns:
        f32[19].
    """
    values = logits.copy()
    bias = np.zeros(NUM_CLASSES, np.float32)
    shown = np.unique(labels)
    row = labels.astype(np.int64) * NUM_CLASSES
    best = _score(row, values.argmax(axis=1))
    for _ in range(rounds):
        for c in shown:
            own = values[:, c].copy()
            values[:, c] = -np.inf
            rival = values.argmax(axis=1)
            margin = own - np.take_along_axis(values, rival[:, None], axis=1)[:, 0]
            scores = [_score(row, np.where(margin + step > 0, c, rival)) for step in _STEPS]
            top = int(np.argmax(scores))
            step = _STEPS[top] if scores[top] > best else 0.0
            best = max(best, scores[top])
            values[:, c] = own + np.float32(step)
            bias[c] += step
    return bias


def _score(row: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    confusion = np.bincount(row + predicted, minlength=NUM_CLASSES**2)
    return float(mean_iou(confusion.reshape(NUM_CLASSES, NUM_CLASSES)))


def _sample(
    model: UperNetForSemanticSegmentation, sets: Sequence[FrameSet], frames: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    where = [(s, i) for s in sets for i in range(len(s))]
    chosen = [where[k * len(where) // frames] for k in range(min(frames, len(where)))]
    logits, labels = [], []
    for part, i in chosen:
        with torch.inference_mode():
            found = coarse_logits(model, to_pixel_values(part.images[i : i + 1]))[0]
        stride = part.labels.shape[1] // found.shape[1]
        # The pixel next to the middle of each cell, of labels as they are scored.
        target = drop_unsupported(part.labels[i], 9)[stride // 2 :: stride, stride // 2 :: stride]
        keep = target.ravel() != IGNORE
        logits.append(found.flatten(1).T.numpy()[keep])
        labels.append(target.ravel()[keep])
    return np.concatenate(logits), np.concatenate(labels)
