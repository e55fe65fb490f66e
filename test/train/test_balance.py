from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.alignment.metrics import confusion_matrix, mean_iou  # noqa: E402
from semalign_ros.train.balance import class_offsets  # noqa: E402


def scores(logits, target, offsets):
    predicted = (logits + offsets[:, None]).argmax(0).numpy().astype(np.uint8)
    return float(mean_iou(confusion_matrix(predicted, target.numpy())))


def pixels(seed, handicap):
    """Logits that know the class, and the classes; `handicap` is added to those of some classes."""
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 19, (4000,), generator=random)
    logits = torch.randn(19, 4000, generator=random)
    logits[target, torch.arange(4000)] += 2.5
    for index, value in handicap.items():
        logits[index] += value
    return logits, target.to(torch.uint8)


def test_offsets_undo_a_handicap_and_hold_on_other_pixels():
    handicap = {3: -2.0, 7: 1.5, 12: -1.0}
    sets = [pixels(0, handicap), pixels(1, handicap)]
    offsets = class_offsets(sets)
    for index, value in handicap.items():
        assert offsets[index] * value < 0, index
    held_out = pixels(2, handicap)
    fair = scores(*pixels(2, {}), torch.zeros(19))
    before, after = scores(*held_out, torch.zeros(19)), scores(*held_out, offsets)
    assert before < fair - 0.03
    assert after > fair - 0.01


def test_offsets_of_a_perfect_model_are_zero_and_inputs_stay():
    target = torch.arange(19).repeat(50)
    logits = torch.nn.functional.one_hot(target, 19).T.float() * 9
    before = logits.clone()
    assert not class_offsets([(logits, target.to(torch.uint8))]).any()
    assert torch.equal(logits, before)
