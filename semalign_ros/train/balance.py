"""Class offsets that make the decision fit mIoU, which the training loss only approaches.

The loss weighs rare classes so that they are learnt at all; the likeliest class under it
is not the one that gives the best intersection over union.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from semalign_ros.alignment.metrics import confusion_matrix, mean_iou
from semalign_ros.scene.taxonomy import NUM_CLASSES

STEPS = (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
"""Changes of an offset that are tried, natural log units."""


def class_offsets(sets: Sequence[tuple[Tensor, Tensor]], rounds: int = 2) -> Tensor:
    """Offsets of the logits that raise the mIoU, averaged over the sets; coordinate ascent.

    Args:
        sets: Logits f32[19, P] and train ids u8[P] of some pixels of each data set.
        rounds: Passes over the classes.

    Returns:
        f32[19], zero where nothing helps.
    """
    offsets = torch.zeros(NUM_CLASSES)
    best = float(np.mean([_miou(x.argmax(0), y) for x, y in sets]))
    for _, c in product(range(rounds), range(NUM_CLASSES)):
        # Only class c moves: the winner among the others is looked for once.
        others = []
        for logits, target in sets:
            moved = logits + offsets[:, None]
            own = moved[c].clone()
            moved[c] = -torch.inf
            top, winner = moved.max(0)
            others.append((own - top, winner, target))
        scores = [
            np.mean([_miou(torch.where(m + d > 0, c, w), y) for m, w, y in others]) for d in STEPS
        ]
        k = int(np.argmax(scores))
        if scores[k] > best:
            best = float(scores[k])
            offsets[c] += STEPS[k]
    return offsets


def _miou(predicted: Tensor, target: Tensor) -> float:
    return float(mean_iou(confusion_matrix(predicted.to(torch.uint8).numpy(), target.numpy())))
