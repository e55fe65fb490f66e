"""The per-frame pipeline that live nodes and offline evaluation both call.

A frame goes one way: degrade -> segment -> degrade the label map -> ask the VLM ->
compare with the clean answer and the reference. Nothing here keeps state between
frames; windows and alarms are in :mod:`semalign_ros.alignment`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment.metrics import confusion_matrix, quality_from_confusion
from semalign_ros.alignment.verdict import make_verdict
from semalign_ros.corruption import CLEAN, Condition
from semalign_ros.errors import ConfigError, ImageError
from semalign_ros.inference import Segmenter, Vlm, compose_query
from semalign_ros.inference.query import VLM_INPUTS
from semalign_ros.scene.reference import ReferenceRule, reference_from_labels
from semalign_ros.scene.taxonomy import IGNORE
from semalign_ros.types import (
    Frame,
    FrameVerdict,
    Judgment,
    Labels,
    SceneReference,
    Segmentation,
    VlmAnswer,
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the models made of one image.

    Args:
        frame: The frame as the models saw it.
        segmentation: Of our segmenter on it, or None if there is no segmenter.
        perceived: u8[H, W], the label map that the VLM was given, or None.
        answer: What the VLM said.
        stage_s: Seconds per stage: ``degrade``, ``segment``, ``degrade_labels``, ``vlm``.
    """

    frame: Frame
    segmentation: Segmentation | None
    perceived: Labels | None
    answer: VlmAnswer
    stage_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with what led to it.

    Args:
        verdict: The judgment on the frame.
        clean: Observation of the frame as it came.
        degraded: Observation under the condition; the same object for ``clean``.
        reference_labels: u8[H, W] that the reference was derived from.
        confusion: i64[19, 19], rows reference, columns the label map of the degraded
            branch; None where no label map was perceived.
    """

    verdict: FrameVerdict
    clean: Observation
    degraded: Observation
    reference_labels: Labels
    confusion: NDArray[np.int64] | None


@dataclass(frozen=True)
class Monitor:
    """Segmenter, VLM and rules, joined.

    Args:
        vlm: Answers about images.
        segmenter: Gives label maps; None where frames bring their own.
        vlm_input: What the VLM is shown: ``image``, ``overlay``, ``mask`` or ``scene_text``.
        rule: How the reference is derived from a label map.
        seed: Of every random draw.

    Raises:
        ConfigError: `vlm_input` is unknown.
    """

    vlm: Vlm
    segmenter: Segmenter | None = None
    vlm_input: str = "image"
    rule: ReferenceRule = field(default_factory=ReferenceRule)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the types do not."""
        if self.vlm_input not in VLM_INPUTS:
            raise ConfigError(
                f"vlm_input: found {self.vlm_input!r}, expected one of {', '.join(VLM_INPUTS)}"
            )

    def observe(self, frame: Frame, condition: Condition = CLEAN) -> Observation:
        """Degrade a frame and run the models on it.

        Args:
            frame: The frame as it came.
            condition: What to do to it.

        Raises:
            ConfigError: `vlm_input` needs a label map and there is none.
            ImageError: The label map has another size than the image.
            InferenceError: A model failed.
        """
        _check_sizes(frame)
        stages: dict[str, float] = {}
        with _stage(stages, "degrade"):
            shown = condition.degrade_image(frame, self.seed)
        segmentation = None
        if self.segmenter is not None:
            with _stage(stages, "segment"):
                segmentation = self.segmenter.segment(shown.image)
        perceived = frame.labels if segmentation is None else segmentation.labels
        if perceived is not None and condition.changes_labels:
            with _stage(stages, "degrade_labels"):
                perceived = condition.degrade_labels(
                    replace(shown, labels=perceived), self.seed
                ).labels
        with _stage(stages, "vlm"):
            answer = self.vlm.answer(
                compose_query(
                    shown, perceived, self.vlm_input, condition.name, condition.severity
                )
            )
        return Observation(shown, segmentation, perceived, answer, stages)

    def judge(
        self,
        frame: Frame,
        condition: Condition = CLEAN,
        *,
        clean: Observation | None = None,
        safety: Judgment | None = None,
    ) -> Judged:
        """Judge one frame under one condition.

        Args:
            frame: The frame as it came; its labels, if any, are the reference.
            condition: What to do to it.
            clean: Observation of the same frame without a condition, to save its cost.
            safety: External safety label that replaces the rule's judgment.

        Raises:
            ConfigError: There is neither a label map nor a segmenter to refer to.
            ImageError: The label map has another size than the image.
            InferenceError: A model failed.
        """
        clean = clean or self.observe(frame)
        degraded = clean if condition.is_clean else self.observe(frame, condition)
        labels = reference_labels(frame, clean)
        reference = self._reference(labels, safety)
        hidden = condition.hidden(frame, self.seed)
        visible = reference
        if hidden is not None:
            visible = self._reference(np.where(hidden, np.uint8(IGNORE), labels), safety)
        confusion = None
        if degraded.perceived is not None:
            confusion = confusion_matrix(degraded.perceived, labels)
        quality_clean = None
        if frame.labels is not None and clean.segmentation is not None:
            quality_clean = (
                confusion
                if degraded is clean
                else confusion_matrix(clean.segmentation.labels, labels)
            )
        verdict = make_verdict(
            frame=frame,
            condition=condition.name,
            severity=condition.severity,
            reference=reference,
            visible=visible,
            clean=clean.answer,
            degraded=degraded.answer,
            quality_clean=None
            if quality_clean is None
            else quality_from_confusion(quality_clean, self.rule.critical),
            quality_degraded=None
            if confusion is None
            else quality_from_confusion(confusion, self.rule.critical),
            stage_s=_sum_stages(clean, degraded),
            notes=condition.notes(frame),
        )
        return Judged(verdict, clean, degraded, labels, confusion)

    def _reference(self, labels: Labels, safety: Judgment | None) -> SceneReference:
        reference = reference_from_labels(labels, self.rule)
        if safety is None:
            return reference
        return replace(reference, judgment=safety, rule="external")


def reference_labels(frame: Frame, clean: Observation) -> Labels:
    """Label map that the reference comes from: the frame's own, else the clean segmentation.

    Returns:
        u8[H, W] train ids.

    Raises:
        ConfigError: There is neither.
    """
    if frame.labels is not None:
        return frame.labels
    if clean.segmentation is not None:
        return clean.segmentation.labels
    raise ConfigError(
        f"frame {frame.index}: no reference; it has no label map and no segmenter is configured. "
        "Give a segmenter bundle, or a bag or topic with label maps"
    )


def _check_sizes(frame: Frame) -> None:
    if frame.labels is not None and frame.labels.shape != frame.image.shape[:2]:
        raise ImageError(
            "bad_size",
            f"frame {frame.index}: the label map is {frame.labels.shape[1]}x"
            f"{frame.labels.shape[0]}, the image {frame.image.shape[1]}x{frame.image.shape[0]}; "
            "publish both at one size",
        )


def _sum_stages(clean: Observation, degraded: Observation) -> dict[str, float]:
    if clean is degraded:
        return dict(clean.stage_s)
    names = {**clean.stage_s, **degraded.stage_s}
    return {n: clean.stage_s.get(n, 0.0) + degraded.stage_s.get(n, 0.0) for n in names}


@contextmanager
def _stage(stages: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        stages[name] = time.perf_counter() - start
