"""What one frame adds to each windowed measure of a camera's health."""

from __future__ import annotations

import math
from collections.abc import Mapping

from semalign_ros.alignment.consistency import explains, prompt_pairs
from semalign_ros.alignment.verdict import CLEAN, language_errors, quality_drop, resolve_generic
from semalign_ros.alignment.windows import Counts
from semalign_ros.types import FrameVerdict, Judgment


def language_counts(verdict: FrameVerdict) -> Counts:
    """Hallucination and omission on the degraded frame.

    Omissions that raise a level are of the visible reference: what the corruption itself
    hides is not the model's fault. The paper's COR is counted too.
    """
    claims = resolve_generic(verdict.degraded.claims.present, verdict.reference.entities)
    visible = verdict.visible.critical
    return {
        "chair_s": (bool(verdict.hallucinated), 1),
        "chair_i": (len(verdict.hallucinated), len(claims)),
        "hallucination_rate": (
            language_errors(verdict.degraded, verdict.reference).hallucination,
            1,
        ),
        "conditional_omission_rate": (bool(verdict.omitted_visible), bool(visible)),
        "object_omission_rate": (len(verdict.omitted_visible), len(visible)),
        "critical_omission_rate": (bool(verdict.omitted), 1),
    }


def safety_counts(verdict: FrameVerdict) -> Counts:
    """The judgment on the degraded frame against the reference."""
    said, right = verdict.degraded.claims.judgment, verdict.reference.judgment
    unsafe = right is Judgment.UNSAFE
    return {
        "safety_misinterpretation_rate": (said is not right, 1),
        "misinterpretation_given_parsed": (
            said is not None and said is not right,
            said is not None,
        ),
        "false_safe_rate": (unsafe and said is Judgment.SAFE, unsafe),
        "over_cautious_rate": (not unsafe and said is Judgment.UNSAFE, not unsafe),
        "unparsed_rate": (said is None, 1),
    }


def consistency_counts(
    verdict: FrameVerdict, previous: FrameVerdict | None, polarities: Mapping[str, bool]
) -> Counts:
    """The judgment against itself: degraded, in other words, and a moment ago.

    Args:
        verdict: Of this frame.
        previous: The last verdict with a parsed judgment, or None. It is compared only where
            it is of the same condition: a flip between conditions is none over time.
        polarities: By safety prompt id, whether "yes" means SAFE; a prompt that is not
            there counts as a paraphrase.
    """
    clean, said = verdict.clean.claims.judgment, verdict.degraded.claims.judgment
    paired = verdict.condition != CLEAN and clean is not None and said is not None
    judgments = verdict.degraded.judgments
    pairs = prompt_pairs(judgments, {**dict.fromkeys(judgments, True), **polarities})
    counts: dict[str, tuple[float, float]] = {
        "judgment_flip_rate": (paired and said is not clean, paired),
        "prompt_disagreement_rate": (
            pairs.disagreeing > 0,
            pairs.paraphrases + pairs.reversals > 0,
        ),
        "paraphrase_agreement": (pairs.agreeing, pairs.paraphrases),
        "polarity_contradiction": (pairs.contradicting, pairs.reversals),
    }
    if previous is not None and said is not None and _condition(previous) == _condition(verdict):
        flipped = previous.degraded.claims.judgment is not said
        explained = explains(previous.reference.judgment, verdict.reference.judgment, said)
        counts["temporal_flip_rate"] = (flipped, 1)
        counts["unexplained_flip_rate"] = (flipped and not explained, 1)
    return counts


def segmentation_counts(verdict: FrameVerdict, max_iou_drop: float) -> Counts:
    """The label map that the condition leaves; nothing where there is none.

    Args:
        verdict: Of this frame.
        max_iou_drop: mIoU lost from which the frame counts as degraded.
    """
    quality, drop = verdict.quality_degraded, quality_drop(verdict)
    if quality is None or math.isnan(drop):
        return {}
    counts: dict[str, tuple[float, float]] = {
        "degraded_rate": (drop > max_iou_drop, 1),
        "mean_iou": (quality.mean_iou, 1),
        "mean_iou_drop": (drop, 1),
        "pixel_accuracy": (quality.pixel_accuracy, 1),
    }
    if not math.isnan(quality.critical_recall):
        counts["critical_recall"] = (quality.critical_recall, 1)
    return counts


def _condition(verdict: FrameVerdict) -> tuple[str, float]:
    return verdict.condition, verdict.severity
