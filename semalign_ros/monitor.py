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
from semalign_ros.alignment.segmentation import confusion_with_itself
from semalign_ros.alignment.verdict import make_verdict
from semalign_ros.corruption import CLEAN, Condition
from semalign_ros.errors import ConfigError, ImageError, unknown_name
from semalign_ros.inference import Segmenter, Vlm, compose_query
from semalign_ros.inference.query import VLM_INPUTS
from semalign_ros.scene.reference import ReferenceRule, count_labels, reference_from_labels
from semalign_ros.scene.taxonomy import IGNORE
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary
from semalign_ros.types import (
    Frame,
    FrameVerdict,
    Judgment,
    Labels,
    SceneReference,
    Segmentation,
    SegmentationQuality,
    VlmAnswer,
)


@dataclass(frozen=True, slots=True)
class Perception:
    """What the camera and the segmenter made of one frame.

    Args:
        frame: The frame as the models see it.
        segmentation: Of our segmenter on it, or None if there is no segmenter.
        labels: u8[H, W], the label map that the VLM may be shown: of the segmenter, else
            the frame's own, degraded by the label-map corruptions; None if there is none.
        stage_s: Seconds per stage: ``degrade``, ``segment``, ``degrade_labels``.
    """

    frame: Frame
    segmentation: Segmentation | None
    labels: Labels | None
    stage_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Observation:
    """A perception and what the VLM said of it.

    Args:
        perception: What the VLM was shown comes from here.
        answer: What it said.
        stage_s: Seconds per stage, those of the perception and ``vlm``.
    """

    perception: Perception
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
        visible_labels: The same, 255 where the condition itself hides the scene.
        confusion: i64[19, 20], rows reference, columns the label map of the degraded
            branch, the last one pixels that it leaves without a class; None where no label
            map was perceived.
    """

    verdict: FrameVerdict
    clean: Observation
    degraded: Observation
    reference_labels: Labels
    visible_labels: Labels
    confusion: NDArray[np.int64] | None


def perceive(
    frame: Frame, segmenter: Segmenter | None, condition: Condition = CLEAN, seed: int = 0
) -> Perception:
    """Degrade a frame and segment it.

    Args:
        frame: The frame as it came.
        segmenter: None where the frame brings its own label map.
        condition: What to do to it.
        seed: Of every random draw.

    Raises:
        ImageError: The label map has another size than the image.
        InferenceError: The segmenter failed.
    """
    _check_sizes(frame)
    stages: dict[str, float] = {}
    with _stage(stages, "degrade"):
        shown = condition.degrade_image(frame, seed)
    segmentation, labels = None, frame.labels
    if segmenter is not None:
        with _stage(stages, "segment"):
            segmentation = segmenter.segment(shown.image)
        labels = segmentation.labels
    if labels is not None and condition.changes_labels:
        with _stage(stages, "degrade_labels"):
            perceived = replace(
                shown, labels=labels, earlier=_earlier(frame, segmenter, condition, seed)
            )
            labels = condition.degrade_labels(perceived, seed).labels
    return Perception(shown, segmentation, labels, stages)


def _earlier(
    frame: Frame, segmenter: Segmenter | None, condition: Condition, seed: int
) -> dict[int, Frame]:
    """Earlier frames that the label steps look at, with the label maps perceived then.

    They are perceived anew, which keeps every frame's result independent of the others'.
    """
    past: dict[int, Frame] = {}
    for back in sorted(condition.recalls_labels() & frame.earlier.keys()):
        then = frame.earlier[back]
        if segmenter is not None:
            before = {n - back: f for n, f in frame.earlier.items() if n > back}
            shown = condition.degrade_image(replace(then, earlier=before), seed)
            then = replace(then, labels=segmenter.segment(shown.image).labels)
        if then.labels is not None:
            past[back] = then
    return past


def ask(
    perception: Perception, vlm: Vlm, vlm_input: str = "image", condition: Condition = CLEAN
) -> Observation:
    """Show a VLM what was perceived.

    Raises:
        ConfigError: `vlm_input` needs a label map and there is none.
        InferenceError: The model failed.
    """
    stages = dict(perception.stage_s)
    with _stage(stages, "vlm"):
        query = compose_query(
            perception.frame, perception.labels, vlm_input, condition.name, condition.severity
        )
        answer = vlm.answer(query)
    return Observation(perception, answer, stages)


def compare(
    frame: Frame,
    condition: Condition,
    clean: Observation,
    degraded: Observation,
    *,
    rule: ReferenceRule | None = None,
    seed: int = 0,
    safety: Judgment | None = None,
) -> Judged:
    """Set the answers on a frame against its reference.

    Args:
        frame: The frame as it came; its labels, if any, are the reference.
        condition: What was done to it for `degraded`.
        clean: Observation without a condition.
        degraded: Observation under `condition`; `clean` itself for the clean condition.
        rule: How the reference is derived from a label map; None for the defaults. Where the
            frame has one of its own, that, answers and segmentations are brought to the rule's
            vocabulary before they are compared.
        seed: The one that `degraded` was made with.
        safety: External safety label that replaces the rule's judgment.

    Raises:
        ConfigError: There is neither a label map nor a segmentation to refer to.
    """
    rule = rule or ReferenceRule()
    # Our own segmentation, where that is the reference, tells all 19 classes.
    words = rule.vocabulary if frame.labels is not None else CITYSCAPES
    if words != CITYSCAPES:
        is_clean = degraded is clean
        clean = _in_words(clean, words)
        degraded = clean if is_clean else _in_words(degraded, words)
    given = reference_labels(frame, clean.perception)
    labels = words.translate_labels(given)
    counts = count_labels(labels)
    reference = _reference(labels, rule, safety, counts)
    hidden = condition.hidden(frame, seed)
    visible, visible_labels = reference, labels
    if hidden is not None:
        visible_labels = np.where(hidden, np.uint8(IGNORE), labels)
        visible = _reference(visible_labels, rule, safety)
    if degraded.perception.labels is given:
        confusion: NDArray[np.int64] | None = confusion_with_itself(counts)
    else:
        confusion = _confusion(degraded.perception.labels, labels, words)
    # Without labels of its own the clean segmentation is the reference, not measured by it.
    measured = frame.labels is not None and clean.perception.segmentation is not None
    clean_confusion = _confusion(clean.perception.labels, labels, words) if measured else None
    verdict = make_verdict(
        frame=frame,
        condition=condition.name,
        severity=condition.severity,
        reference=reference,
        visible=visible,
        clean=clean.answer,
        degraded=degraded.answer,
        quality_clean=_quality(clean_confusion, rule),
        quality_degraded=_quality(confusion, rule),
        stage_s=_sum_stages(clean, degraded),
        notes=condition.notes(frame),
    )
    return Judged(verdict, clean, degraded, labels, visible_labels, confusion)


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
            raise ConfigError(unknown_name("vlm_input", self.vlm_input, VLM_INPUTS))

    def observe(self, frame: Frame, condition: Condition = CLEAN) -> Observation:
        """Degrade a frame and run the models on it; see :func:`perceive` and :func:`ask`."""
        perception = perceive(frame, self.segmenter, condition, self.seed)
        return ask(perception, self.vlm, self.vlm_input, condition)

    def judge(
        self, frame: Frame, condition: Condition = CLEAN, *, safety: Judgment | None = None
    ) -> Judged:
        """Judge one frame under one condition; see :func:`compare`."""
        clean = self.observe(frame)
        degraded = clean if condition.is_clean else self.observe(frame, condition)
        return compare(
            frame, condition, clean, degraded, rule=self.rule, seed=self.seed, safety=safety
        )


def reference_labels(frame: Frame, clean: Perception) -> Labels:
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


def _reference(
    labels: Labels,
    rule: ReferenceRule,
    safety: Judgment | None,
    counts: NDArray[np.int64] | None = None,
) -> SceneReference:
    reference = reference_from_labels(labels, rule, counts=counts)
    return reference if safety is None else replace(reference, judgment=safety, rule="external")


def _in_words(seen: Observation, words: Vocabulary) -> Observation:
    claims = words.translate_claims(seen.answer.claims)
    return replace(seen, answer=replace(seen.answer, claims=claims))


def _confusion(
    labels: Labels | None, reference: Labels, words: Vocabulary
) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    return confusion_matrix(words.translate_labels(labels), reference, void_column=True)


def _quality(
    confusion: NDArray[np.int64] | None, rule: ReferenceRule
) -> SegmentationQuality | None:
    return None if confusion is None else quality_from_confusion(confusion, rule.critical)


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
