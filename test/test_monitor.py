"""What one frame's verdict is made of."""

from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.corruption import CLEAN
from semalign_ros.monitor import Observation, Perception, compare
from semalign_ros.scene import ReferenceRule, Vocabulary
from semalign_ros.scene.taxonomy import TRAIN_ID
from semalign_ros.types import Frame, SceneClaims, Segmentation, VlmAnswer

WORDS = Vocabulary.of({"road": (), "car": ("truck",)})


def observed(frame: Frame, labels: np.ndarray, *said: str) -> Observation:
    answer = VlmAnswer(SceneClaims(present=frozenset(said)), raw_text="as it was said")
    return Observation(Perception(frame, Segmentation(labels), labels, {}), answer, {})


@pytest.mark.parametrize("has_labels", [True, False])
def test_a_lorry_is_a_car_where_the_labels_say_so(has_labels):
    found = np.zeros((20, 40), np.uint8)
    found[5:10] = TRAIN_ID["truck"]
    truth = np.where(found == TRAIN_ID["truck"], TRAIN_ID["car"], found).astype(np.uint8)
    image = np.zeros((20, 40, 3), np.uint8)
    frame = Frame(0, "front", 0, image, truth if has_labels else None)
    seen = observed(frame, found, "truck", "road", "fence")
    judged = compare(frame, CLEAN, seen, seen, rule=ReferenceRule(vocabulary=WORDS))
    assert judged.clean is judged.degraded
    assert judged.verdict.quality_degraded.mean_iou == 1
    # Our own segmentation, where that is the reference, tells all classes.
    assert judged.verdict.hallucinated == (set() if has_labels else {"fence"})
    assert judged.verdict.reference.entities == {"road", "car" if has_labels else "truck"}
    assert not judged.verdict.omitted
    assert judged.clean.answer.raw_text == "as it was said"


def test_finer_labels_are_brought_to_the_same_words():
    truth = np.zeros((20, 40), np.uint8)
    truth[5:10], truth[10:12] = TRAIN_ID["truck"], TRAIN_ID["sky"]
    frame = Frame(0, "front", 0, np.zeros((20, 40, 3), np.uint8), truth)
    found = np.where(truth == TRAIN_ID["sky"], TRAIN_ID["fence"], truth).astype(np.uint8)
    found[0, :8] = TRAIN_ID["wall"]
    seen = observed(frame, found, "truck", "road")
    judged = compare(frame, CLEAN, seen, seen, rule=ReferenceRule(vocabulary=WORDS))
    assert judged.verdict.reference.entities == {"road", "car"}
    assert not judged.verdict.hallucinated
    assert not judged.verdict.omitted
    # The sky counts for nothing, and a wall on the road for a miss there alone.
    assert judged.verdict.quality_degraded.mean_iou == pytest.approx((1 + 512 / 520) / 2)
