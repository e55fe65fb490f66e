"""What is published of a verdict: the judgment in detail, and the metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from semalign_ros.alignment.verdict import frame_metrics
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import FrameVerdict, Judgment


def judgment_values(verdict: FrameVerdict) -> dict[str, float | str]:
    """Values of ``~/output/judgment``: numbers but for the condition's name.

    Judgments are 1 for safe, 0 for unsafe, NaN where unparsed; classes are 1 or 0.
    """
    sets = {
        "present": verdict.reference.entities,
        "claimed_clean": verdict.clean.claims.present,
        "claimed": verdict.degraded.claims.present,
        "hallucinated": verdict.hallucinated,
        "omitted": verdict.omitted,
    }
    values: dict[str, float | str] = {
        "index": float(verdict.index),
        "condition": verdict.condition,
        "severity": float(verdict.severity),
        "safe_reference": _safe(verdict.reference.judgment),
        "safe_clean": _safe(verdict.clean.claims.judgment),
        "safe_degraded": _safe(verdict.degraded.claims.judgment),
    }
    for name, members in sets.items():
        values |= {f"{name}/{c}": float(c in members) for c in _classes(members)}
    return values


def judgment_words(verdict: FrameVerdict) -> str:
    """The judgment in one line."""
    said = verdict.degraded.claims.judgment
    where = "clean" if verdict.severity == 0 else f"{verdict.condition} {verdict.severity:g}"
    parts = [f"{where}: {_word(said)}, reference {_word(verdict.reference.judgment)}"]
    for what, names in (("hallucinated", verdict.hallucinated), ("omitted", verdict.omitted)):
        if names:
            parts.append(f"{what} {', '.join(sorted(names))}")
    return "; ".join((*parts, *verdict.notes))


def metric_values(
    verdict: FrameVerdict, counters: Mapping[str, float], age_s: float | None
) -> dict[str, float]:
    """Values of ``~/metrics``: everything of the frame, and the totals so far."""
    total = sum(verdict.stage_s.values())
    return {
        "index": float(verdict.index),
        **frame_metrics(verdict),
        "processing_time_ms": 1e3 * total,
        # NaN where stamps and node have different clocks.
        "pipeline_latency_ms": float("nan") if age_s is None else 1e3 * age_s,
        **counters,
    }


def _classes(members: Collection[str]) -> list[str]:
    """All classes, and what else was claimed, such as the generic vehicle."""
    return [*CLASSES, *sorted(set(members) - set(CLASSES))]


def _safe(judgment: Judgment | None) -> float:
    return float("nan") if judgment is None else float(judgment is Judgment.SAFE)


def _word(judgment: Judgment | None) -> str:
    return "unparsed" if judgment is None else judgment.value.upper()
