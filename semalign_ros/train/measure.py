"""Figures of finished bundles, through ONNX Runtime as a vehicle runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semalign_ros.inference.factory import open_vlm
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.segmenter import open_segmenter
from semalign_ros.language import PromptSet
from semalign_ros.scene.reference import ReferenceRule, reference_from_labels
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.train.datasets import FrameSet, class_presence
from semalign_ros.train.questions import language_scores
from semalign_ros.train.segmenter import segmentation_scores
from semalign_ros.types import Judgment


def measure_segmenter(bundle: Path, frames: FrameSet) -> dict[str, float]:
    """mIoU, pixel accuracy and IoU per class."""
    segmenter = open_segmenter(bundle, "cpu")
    predictions = np.stack([segmenter.segment(image).labels for image in frames.images])
    return segmentation_scores(predictions, frames.labels)


def measure_vlm(bundle: Path, frames: FrameSet, prompts: PromptSet) -> dict[str, float]:
    """Presence and safety figures over the critical classes, see `language_scores`."""
    vlm = open_vlm(bundle, "cpu", prompts=prompts)
    answers = [vlm.answer(VlmQuery(image)) for image in frames.images]
    said = np.array([[name in a.claims.present for name in CLASSES] for a in answers])
    unsafe = [reference_from_labels(m).judgment is Judgment.UNSAFE for m in frames.labels]
    scores = language_scores(
        said,
        class_presence(frames.labels, ReferenceRule().min_fraction),
        [a.claims.judgment for a in answers],
        np.array(unsafe),
        float(np.mean([a.claims.coverage for a in answers])),
    )
    agreeing = [len(set(a.judgments.values())) == 1 for a in answers]
    return {**scores, "paraphrase_agreement": float(np.mean(agreeing))}
