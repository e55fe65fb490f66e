"""From two answers about one frame to a verdict, and a verdict's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semalign_ros.alignment._checks import NAN, share
from semalign_ros.scene.taxonomy import GENERIC_VEHICLE, VEHICLES
from semalign_ros.types import (
    Frame,
    FrameVerdict,
    Judgment,
    SceneReference,
    SegmentationQuality,
    VlmAnswer,
)

CLEAN = "clean"
"""Name of the condition that leaves the frame as it is."""

# Whoever only speaks of vehicles has not noticed the cyclist.
_MUST_BE_NAMED = frozenset({"bicycle", "motorcycle"})


def resolve_generic(claims: frozenset[str], present: frozenset[str]) -> frozenset[str]:
    """Replace a claimed generic "vehicle" by what it stands for.

    * Beside a claimed vehicle type, right or wrong, it is another word for that one and drops
      out: it neither covers other types nor counts one mistake twice.
    * Alone, it stands for all vehicle types present, so that it is neither a hallucination
      nor leaves them omitted; except bicycles and motorcycles, which must be named.
    * Alone, and with no vehicle present, it stays, and so counts as a hallucination.

    Args:
        claims: Classes claimed, possibly with "vehicle".
        present: Classes present.

    Returns:
        The claims, ready for the metrics.

    Example:
        >>> sorted(resolve_generic(frozenset({"vehicle"}), frozenset({"car", "road"})))
        ['car']
    """
    if GENERIC_VEHICLE not in claims:
        return claims
    named = claims - {GENERIC_VEHICLE}
    if named.intersection(VEHICLES):
        return named
    meant = present.intersection(VEHICLES)
    return named | (meant - _MUST_BE_NAMED) if meant else claims


def make_verdict(
    *,
    frame: Frame,
    condition: str,
    severity: float,
    reference: SceneReference,
    visible: SceneReference,
    clean: VlmAnswer,
    degraded: VlmAnswer,
    quality_clean: SegmentationQuality | None,
    quality_degraded: SegmentationQuality | None,
    stage_s: Mapping[str, float],
    notes: tuple[str, ...] = (),
) -> FrameVerdict:
    """Join what is known of one frame; the arguments are the verdict's fields.

    Args:
        frame: Source frame; its header goes unchanged into the verdict.
        condition: Name of the corruption profile step, ``clean`` for none.
        severity: 0 for clean.
        reference: From the label map of the clean frame.
        visible: The same without what the corruption hides.
        clean: Answer on the clean image.
        degraded: Answer on the degraded image; the same object for ``clean``.
        quality_clean: Of the clean segmentation; None where it is the reference itself.
        quality_degraded: Of the label map perceived under the condition.
        stage_s: Seconds per stage.
        notes: What the reader must know.
    """
    claims = resolve_generic(degraded.claims.present, reference.entities)
    return FrameVerdict(
        stamp_ns=frame.stamp_ns,
        frame_id=frame.frame_id,
        index=frame.index,
        condition=condition,
        severity=severity,
        reference=reference,
        visible=visible,
        clean=clean,
        degraded=degraded,
        hallucinated=claims - reference.entities,
        omitted=reference.critical - claims,
        omitted_visible=visible.critical - claims,
        quality_clean=quality_clean,
        quality_degraded=quality_degraded,
        stage_s=stage_s,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class LanguageErrors:
    """How wrong one answer is about one frame, each 0..1.

    Args:
        hallucination: Share of its claims that are not there; 0 without a claim. Their mean
            over frames is HR.
        omission: Share of the critical classes present that it leaves out; NaN without any.
        misinterpretation: 1 where its judgment is not the reference's or could not be
            parsed, else 0. The mean over frames is SMR.
    """

    hallucination: float
    omission: float
    misinterpretation: float


def language_errors(answer: VlmAnswer, reference: SceneReference) -> LanguageErrors:
    """Score one answer against the reference."""
    claims = resolve_generic(answer.claims.present, reference.entities)
    return LanguageErrors(
        hallucination=share(len(claims - reference.entities), len(claims)) if claims else 0.0,
        omission=share(len(reference.critical - claims), len(reference.critical)),
        misinterpretation=float(answer.claims.judgment is not reference.judgment),
    )


def quality_drop(verdict: FrameVerdict) -> float:
    """MIoU that the condition costs: clean minus degraded, -1..1, NaN where unknown.

    Where there is no clean quality the clean label map is itself the reference, which
    agrees with itself fully.
    """
    if verdict.quality_degraded is None:
        return NAN
    clean = 1.0 if verdict.quality_clean is None else verdict.quality_clean.mean_iou
    return clean - verdict.quality_degraded.mean_iou


def frame_metrics(verdict: FrameVerdict) -> dict[str, float]:
    """Every number of one verdict, for plotting: bare numbers, NaN where undefined.

    Rates are 0..1, judgments 1 for safe and 0 for unsafe, times milliseconds.
    """
    claims = resolve_generic(verdict.degraded.claims.present, verdict.reference.entities)
    clean = language_errors(verdict.clean, verdict.reference)
    degraded = language_errors(verdict.degraded, verdict.reference)
    said_clean, said = verdict.clean.claims.judgment, verdict.degraded.claims.judgment
    parsed = said is not None and said_clean is not None
    quality = verdict.quality_degraded
    return {
        "severity": float(verdict.severity),
        "claims": float(len(claims)),
        "present": float(len(verdict.reference.entities)),
        "critical": float(len(verdict.reference.critical)),
        "hallucinated": float(len(verdict.hallucinated)),
        "omitted": float(len(verdict.omitted)),
        "omitted_visible": float(len(verdict.omitted_visible)),
        "hallucination_rate": degraded.hallucination,
        "hallucination_rate_clean": clean.hallucination,
        "object_omission_rate": degraded.omission,
        "object_omission_rate_clean": clean.omission,
        "misinterpreted": degraded.misinterpretation,
        "misinterpreted_clean": clean.misinterpretation,
        "judgment_reference": _number(verdict.reference.judgment),
        "judgment_clean": _number(said_clean),
        "judgment_degraded": _number(said),
        "judgment_flipped": float(said is not said_clean) if parsed else NAN,
        "coverage": verdict.degraded.claims.coverage,
        "mean_iou": NAN if quality is None else quality.mean_iou,
        "mean_iou_drop": quality_drop(verdict),
        "pixel_accuracy": NAN if quality is None else quality.pixel_accuracy,
        "critical_recall": NAN if quality is None else quality.critical_recall,
        **{f"{stage}_ms": 1e3 * seconds for stage, seconds in verdict.stage_s.items()},
    }


def _number(judgment: Judgment | None) -> float:
    return NAN if judgment is None else float(judgment is Judgment.SAFE)
