"""What a model must beat: answers that do not look at the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from semalign_ros.alignment._checks import AnyJudgment, ClassSets, as_reference, as_sets
from semalign_ros.alignment.claims import critical_omission_rate, hallucination_rate
from semalign_ros.alignment.judgments import (
    false_safe_rate,
    over_cautious_rate,
    safety_balanced_accuracy,
    safety_misinterpretation_rate,
)
from semalign_ros.alignment.presence import PresenceScores, membership, presence_scores
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Judgment


@dataclass(frozen=True, slots=True)
class ClaimBaseline:
    """Scores of claiming the same classes for every frame; rates 0..1, NaN where undefined."""

    claims: frozenset[str]
    hallucination_rate: float
    critical_omission_rate: float
    presence: PresenceScores


@dataclass(frozen=True, slots=True)
class JudgmentBaseline:
    """Scores of giving the same judgment for every frame; rates 0..1, NaN where undefined."""

    judgment: Judgment
    safety_misinterpretation_rate: float
    false_safe_rate: float
    over_cautious_rate: float
    balanced_accuracy: float


def claim_baselines(
    present: ClassSets, critical: ClassSets, classes: Sequence[str] = CLASSES
) -> dict[str, ClaimBaseline]:
    """Score always-yes, always-no and the best constant class set.

    Args:
        present: Classes present, one set a frame.
        critical: Critical classes present, one set a frame.
        classes: Those that the model is asked.

    Returns:
        By the names ``always-yes``, ``always-no`` and ``best-constant``.
    """
    there, needed = as_sets(present, "present"), as_sets(critical, "critical")
    constants = {
        "always-yes": frozenset(classes),
        "always-no": frozenset[str](),
        "best-constant": best_constant_claims(there, classes),
    }
    return {name: _score(claims, there, needed, classes) for name, claims in constants.items()}


def best_constant_claims(present: ClassSets, classes: Sequence[str] = CLASSES) -> frozenset[str]:
    """Find the class set with the highest pooled F1 when claimed for every frame.

    With a set S over N frames, F1 = 2 TP / (N abs(S) + P), where TP sums the frequencies of
    the classes in S and P those of all. For a given size the denominator is fixed and the
    most frequent classes have the most TP, so the best set is one of the K prefixes of the
    classes sorted by frequency: the search is exact.

    Args:
        present: Classes present, one set a frame.
        classes: Those that may be claimed.

    Returns:
        The best set, the smallest one among equals; empty where nothing is present.
    """
    table = membership(present, classes, "present")
    count = table.sum(axis=0)
    order = np.argsort(-count, kind="stable")
    sizes = np.arange(1, len(order) + 1)
    if not count.any():
        return frozenset()
    f1 = 2 * np.cumsum(count[order]) / (len(table) * sizes + count.sum())
    return frozenset(classes[i] for i in order[: int(np.argmax(f1)) + 1])


def judgment_baselines(reference: Iterable[AnyJudgment]) -> dict[str, JudgmentBaseline]:
    """Score always-safe and always-unsafe.

    Args:
        reference: What is right, one a frame.

    Returns:
        By the names ``always-safe`` and ``always-unsafe``.
    """
    right = as_reference(reference)
    return {
        f"always-{judgment.value}": JudgmentBaseline(
            judgment,
            safety_misinterpretation_rate([judgment] * len(right), right),
            false_safe_rate([judgment] * len(right), right),
            over_cautious_rate([judgment] * len(right), right),
            safety_balanced_accuracy([judgment] * len(right), right),
        )
        for judgment in Judgment
    }


def _score(
    claims: frozenset[str],
    present: Sequence[frozenset[str]],
    critical: Sequence[frozenset[str]],
    classes: Sequence[str],
) -> ClaimBaseline:
    said = [claims] * len(present)
    return ClaimBaseline(
        claims,
        hallucination_rate(said, present),
        critical_omission_rate(said, critical),
        presence_scores(said, present, classes),
    )
