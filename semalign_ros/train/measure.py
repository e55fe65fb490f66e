"""Figures of finished bundles on labelled frames, through ONNX Runtime as a vehicle runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment.metrics import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    paraphrase_agreement,
    pixel_accuracy,
    polarity_contradiction,
)
from semalign_ros.inference import Segmenter, Vlm
from semalign_ros.inference.query import VlmQuery
from semalign_ros.scene.reference import ReferenceRule, reference_from_labels
from semalign_ros.scene.taxonomy import CLASSES, NUM_CLASSES
from semalign_ros.train.datasets import WITHOUT_EDGES, Sample, class_presence, read_frame
from semalign_ros.train.questions import language_scores
from semalign_ros.types import Judgment

Done = Callable[[], None]


def segmentation_scores(confusion: NDArray[np.int64]) -> dict[str, float]:
    """mIoU, pixel accuracy and IoU per class (where it is defined).

    Args:
        confusion: i64[19, 19], or with a column of the pixels without a class; frames pooled.
    """
    scores = {
        "mean_iou": float(mean_iou(confusion)),
        "pixel_accuracy": pixel_accuracy(confusion),
    }
    iou = iou_per_class(confusion)
    return scores | {
        f"iou/{name}": float(v) for name, v in zip(CLASSES, iou, strict=True) if v == v
    }


def measure_segmenter(
    segmenter: Segmenter, samples: Sequence[Sample], done: Done = lambda: None
) -> dict[str, float]:
    """Figures of :func:`segmentation_scores` on frames of their own size.

    All pixels count where labels were annotated, else those inside their class.

    Args:
        segmenter: The model.
        samples: The frames.
        done: Called after each.

    Raises:
        DatasetError: See :func:`semalign_ros.train.datasets.read_frame`.
        InferenceError: The model failed.
    """
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), np.int64)
    for sample in samples:
        image, labels = read_frame(sample, WITHOUT_EDGES)
        confusion += confusion_matrix(segmenter.segment(image).labels, labels, void_column=True)
        done()
    return segmentation_scores(confusion)


def measure_vlm(vlm: Vlm, samples: Sequence[Sample], done: Done = lambda: None) -> dict[str, float]:
    """Presence and safety figures over the critical classes, see `language_scores`.

    Args:
        vlm: The model.
        samples: The frames.
        done: Called after each.

    Raises:
        DatasetError: See :func:`semalign_ros.train.datasets.read_frame`.
        InferenceError: The model failed.
    """
    rule = ReferenceRule()
    answers, present, unsafe = [], [], []
    for sample in samples:
        image, labels = read_frame(sample)
        answers.append(vlm.answer(VlmQuery(image)))
        present.append(class_presence(labels[None], rule.min_fraction)[0])
        unsafe.append(reference_from_labels(labels).judgment is Judgment.UNSAFE)
        done()
    scores = language_scores(
        np.array([[name in a.claims.present for name in CLASSES] for a in answers]),
        np.array(present),
        [a.claims.judgment for a in answers],
        np.array(unsafe),
        float(np.mean([a.claims.coverage for a in answers])),
    )
    judgments = [a.judgments for a in answers]
    polarities = {p.id: p.safe_when_yes for p in vlm.prompts.safety}
    return {
        **scores,
        "paraphrase_agreement": paraphrase_agreement(judgments, polarities),
        "polarity_contradiction": polarity_contradiction(judgments, polarities),
    }
