"""From rows to figures: every rate with its interval, per condition and model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment import metrics
from semalign_ros.alignment.bootstrap import Estimate, bootstrap, mean_with_interval
from semalign_ros.alignment.disconnect import Disconnect, DropTable, disconnect
from semalign_ros.alignment.statistics import mcnemar_exact, wilson_interval
from semalign_ros.alignment.verdict import CLEAN
from semalign_ros.errors import OutputError
from semalign_ros.evaluation.store import read_settings, read_table
from semalign_ros.evaluation.tables import Row
from semalign_ros.scene.taxonomy import NUM_CLASSES
from semalign_ros.scene.vocabulary import Vocabulary

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class LanguageSummary:
    """One VLM under one condition. Rates are 0..1, NaN where undefined.

    Proportions carry Wilson intervals, means intervals from a bootstrap over frames;
    the definitions are in ``docs/metrics.md``.

    Args:
        flips: Share of the frames judged otherwise than clean, among those parsed in both.
        omission_p: Exact McNemar test of frames with an omission against clean.
        misinterpretation_p: The same of frames misjudged.
    """

    vlm: str
    condition: str
    severity: float
    frames: int
    hr: Estimate
    chair_i: float
    chair_s: Estimate
    cor: Estimate
    cor_conditional: Estimate
    cor_visible: Estimate
    object_omission: float
    omission_p: float
    smr: Estimate
    smr_parsed: float
    false_safe: Estimate
    over_cautious: Estimate
    safety_balanced_accuracy: float
    misinterpretation_p: float
    coverage: float
    judgment_coverage: float
    flips: Estimate
    kappa: float
    paraphrase_agreement: float
    polarity_contradiction: float
    temporal_flips: float
    presence_f1: float
    presence_balanced_accuracy: float
    yes_ratio: float
    latency_p50_s: float
    latency_p99_s: float


@dataclass(frozen=True, slots=True)
class SegmentationSummary:
    """One segmenter under one condition; mIoU of all pixels, its interval over frames."""

    segmenter: str
    condition: str
    severity: float
    frames: int
    mean_iou: Estimate
    pixel_accuracy: float
    critical_recall: float
    iou: NDArray[np.float64]
    latency_p50_s: float


@dataclass(frozen=True, slots=True)
class PairDisconnect:
    """Does the language of a VLM fail where the pixels of a segmenter do?"""

    segmenter: str
    vlm: str
    found: tuple[Disconnect, ...]


@dataclass(frozen=True, slots=True)
class TopKFloor:
    """What no model that names exactly `k` classes can stay below on these frames, 0..1."""

    vlm: str
    k: int
    cor: float
    hr: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the report and the tables show.

    Args:
        settings: What ``run.yaml`` says.
        frames: Frames of the bag that were judged or failed.
        language: By VLM and condition, clean first.
        segmentation: By segmenter and condition, clean first.
        disconnect: For every pair of segmenter and VLM.
        baselines: Scores of constant answers on the same frames.
        floors: Of the VLMs that were asked by Top-K.
        failures: Count by reason.
        messages: The first message of each reason.
    """

    settings: Mapping[str, Any]
    frames: int
    language: tuple[LanguageSummary, ...]
    segmentation: tuple[SegmentationSummary, ...]
    disconnect: tuple[PairDisconnect, ...]
    baselines: Mapping[str, Mapping[str, float]]
    floors: tuple[TopKFloor, ...]
    failures: Mapping[str, int]
    messages: Mapping[str, str]

    @property
    def judged(self) -> bool:
        """Whether there is any row of a model."""
        return bool(self.language or self.segmentation)

    @property
    def expected(self) -> int:
        """Frames that a finished evaluation has."""
        return int(self.settings.get("frames", self.frames))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know: unfinished, without labels, not judged."""
        found = []
        if self.frames < self.expected:
            found.append(
                f"unfinished: {self.frames} of {self.expected} frames; the same command goes on"
            )
        if not self.settings.get("labelled", True):
            found.append(
                f"no label maps on {self.settings['topics']['segmentation']}: the reference is "
                "what the first segmenter finds in the clean frame, so that its mIoU there is 1"
            )
        if (told := self.settings.get("vocabulary")) is not None:
            found.append(_vocabulary_note(Vocabulary.of(told)))
        found += [
            f"{floor.vlm} names {floor.k} classes in every frame, whatever it sees: its COR cannot "
            f"be below {floor.cor:.2f}, nor its HR below {floor.hr:.2f}"
            for floor in self.floors
        ]
        for reason, count in self.failures.items():
            found.append(f"not judged: {count} {reason}, the first one: {self.messages[reason]}")
        return tuple(found)


def _vocabulary_note(words: Vocabulary) -> str:
    held = [f"{', '.join(names)} as {label}" for label, names in words.describe().items() if names]
    note = f"the label maps tell {len(words.labels)} classes"
    if held:
        note += f"; what is said of others counts: {'; '.join(held)}"
    if words.untold:
        note += f"; what is said of {', '.join(words.untold)} is not judged"
    return note


def summarize(folder: Path | str) -> Summary:
    """Summarise a result folder.

    Raises:
        OutputError: It is no result folder, or has no rows.
    """
    settings = read_settings(folder)
    verdicts = read_table(folder, "verdicts").to_pylist()
    segmentation = read_table(folder, "segmentation").to_pylist()
    failed = read_table(folder, "failures").to_pylist()
    if not verdicts and not segmentation and not failed:
        raise OutputError(f"{folder}: the evaluation has no finished block yet; run it again")
    reasons = [row["reason"] for row in failed]
    polarities = settings["prompts"]["safe_when_yes"]
    critical = settings["critical"]
    return Summary(
        settings=settings,
        frames=len({row["index"] for row in (*verdicts, *segmentation, *failed)}),
        language=tuple(
            _language(rows, clean, polarities, critical)
            for rows, clean in _with_clean(verdicts, "vlm")
        ),
        segmentation=tuple(
            _segmentation(rows, critical) for rows, _ in _with_clean(segmentation, "segmenter")
        ),
        disconnect=tuple(_disconnect(verdicts, segmentation)),
        baselines=_baselines(verdicts, critical),
        floors=tuple(_floors(verdicts, settings)),
        failures={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        messages={row["reason"]: row["message"] for row in reversed(failed)},
    )


def _with_clean(rows: Sequence[Row], model: str) -> list[tuple[list[Row], dict[int, Row]]]:
    """Rows of each model and condition, clean first, with the clean rows by frame."""

    def key(row: Row) -> tuple[str, bool, str, float]:
        return row[model], row["condition"] != CLEAN, row["condition"], row["severity"]

    groups = [list(group) for _, group in groupby(sorted(rows, key=key), key)]
    clean = {
        group[0][model]: {row["index"]: row for row in group}
        for group in groups
        if group[0]["condition"] == CLEAN
    }
    return [(group, clean.get(group[0][model], {})) for group in groups]


def _share(hits: Sequence[bool]) -> Estimate:
    if not hits:
        return Estimate(NAN, NAN, NAN)
    return Estimate(sum(hits) / len(hits), *wilson_interval(sum(hits), len(hits)))


def _paired_p(rows: Sequence[Row], clean: Mapping[int, Row], error: str) -> float:
    pairs = [
        (bool(clean[row["index"]][error]), bool(row[error]))
        for row in rows
        if row["index"] in clean
    ]
    worse = sum(after and not before for before, after in pairs)
    better = sum(before and not after for before, after in pairs)
    return mcnemar_exact(better, worse)


def _language(
    rows: Sequence[Row],
    clean: Mapping[int, Row],
    polarities: Mapping[str, bool],
    critical_set: Sequence[str],
) -> LanguageSummary:
    frames = [row["index"] for row in rows]
    claims = [set(row["claims"]) for row in rows]
    present = [set(row["present"]) for row in rows]
    critical = [set(row["critical"]) for row in rows]
    said = [row["judgment"] for row in rows]
    reference = [row["reference"] for row in rows]
    both = [
        (row["clean_judgment"], row["judgment"])
        for row in rows
        if row["clean_judgment"] is not None and row["judgment"] is not None
    ]
    judgments = [json.loads(row["judgments"]) for row in rows]
    pooled = metrics.presence_scores(claims, present, critical_set)
    latency = [row["latency_s"] for row in rows]
    return LanguageSummary(
        vlm=rows[0]["vlm"],
        condition=rows[0]["condition"],
        severity=rows[0]["severity"],
        frames=len(rows),
        hr=mean_with_interval([row["hallucination"] for row in rows], frames),
        chair_i=metrics.chair(claims, present)[0],
        chair_s=_share([bool(row["hallucinated"]) for row in rows]),
        cor=_share([bool(row["omitted"]) for row in rows]),
        cor_conditional=_share([bool(row["omitted"]) for row in rows if row["critical"]]),
        cor_visible=_share([bool(row["omitted_visible"]) for row in rows]),
        object_omission=metrics.object_omission_rate(claims, critical),
        omission_p=_paired_p(rows, clean, "omitted"),
        smr=_share([bool(row["misinterpretation"]) for row in rows]),
        smr_parsed=metrics.misinterpretation_given_parsed(said, reference),
        false_safe=_share(
            [j == "safe" for j, a in zip(said, reference, strict=True) if a == "unsafe"]
        ),
        over_cautious=_share(
            [j == "unsafe" for j, a in zip(said, reference, strict=True) if a == "safe"]
        ),
        safety_balanced_accuracy=metrics.safety_balanced_accuracy(said, reference),
        misinterpretation_p=_paired_p(rows, clean, "misinterpretation"),
        coverage=float(np.mean([row["coverage"] for row in rows])),
        judgment_coverage=metrics.parse_coverage(said),
        flips=_share([before != after for before, after in both]),
        kappa=metrics.cohen_kappa(metrics.agreement_table(*zip(*both, strict=True)))
        if both
        else NAN,
        paraphrase_agreement=metrics.paraphrase_agreement(judgments, polarities),
        polarity_contradiction=metrics.polarity_contradiction(judgments, polarities),
        temporal_flips=metrics.flip_rate(said),
        presence_f1=pooled.f1,
        presence_balanced_accuracy=metrics.presence_balanced_accuracy(
            claims, present, critical_set, minimum=10
        ),
        yes_ratio=pooled.yes_ratio,
        latency_p50_s=float(np.percentile(latency, 50)),
        latency_p99_s=float(np.percentile(latency, 99)),
    )


def _segmentation(rows: Sequence[Row], critical: Sequence[str]) -> SegmentationSummary:
    confusion = np.array([row["confusion"] for row in rows], np.int64)
    confusion = confusion.reshape(len(rows), NUM_CLASSES, NUM_CLASSES + 1)
    pooled = confusion.sum(axis=0)
    (mean_iou,) = bootstrap(
        lambda drawn: (metrics.mean_iou(confusion[drawn].sum(axis=0)),),
        [row["index"] for row in rows],
        resamples=500,
    )
    return SegmentationSummary(
        segmenter=rows[0]["segmenter"],
        condition=rows[0]["condition"],
        severity=rows[0]["severity"],
        frames=len(rows),
        mean_iou=mean_iou,
        pixel_accuracy=metrics.pixel_accuracy(pooled),
        critical_recall=metrics.critical_class_recall(pooled, critical),
        iou=metrics.iou_per_class(pooled),
        latency_p50_s=float(np.percentile([row["latency_s"] for row in rows], 50)),
    )


def _disconnect(verdicts: Sequence[Row], segmentation: Sequence[Row]) -> list[PairDisconnect]:
    """Correlate what a condition costs a frame in mIoU and in language."""
    quality = {
        (r["segmenter"], r["index"], r["condition"], r["severity"]): r["mean_iou"]
        for r in segmentation
    }
    clean = {(r["vlm"], r["index"]): r for r in verdicts if r["condition"] == CLEAN}
    pairs = []
    for segmenter in sorted({r["segmenter"] for r in segmentation}):
        for vlm in sorted({r["vlm"] for r in verdicts}):
            rows = [
                r
                for r in verdicts
                if r["vlm"] == vlm
                and r["condition"] != CLEAN
                and (vlm, r["index"]) in clean
                and (segmenter, r["index"], r["condition"], r["severity"]) in quality
                and (segmenter, r["index"], CLEAN, 0.0) in quality
            ]
            if rows:
                table = DropTable(
                    frames=[r["index"] for r in rows],
                    conditions=[f"{r['condition']}@{r['severity']:g}" for r in rows],
                    quality=np.array(
                        [
                            quality[segmenter, r["index"], CLEAN, 0.0]
                            - quality[segmenter, r["index"], r["condition"], r["severity"]]
                            for r in rows
                        ]
                    ),
                    language={
                        m: np.array([r[m] - clean[vlm, r["index"]][m] for r in rows])
                        for m in ("hallucination", "omission", "misinterpretation")
                    },
                )
                pairs.append(PairDisconnect(segmenter, vlm, disconnect(table, resamples=300)))
    return pairs


def _floors(verdicts: Sequence[Row], settings: Mapping[str, Any]) -> list[TopKFloor]:
    found: list[TopKFloor] = []
    if settings.get("vocabulary") is not None:
        return found  # of K classes named, fewer are left that the labels tell
    for vlm, k in settings.get("claim_limits", {}).items():
        rows = [r for r in verdicts if r["vlm"] == vlm and r["condition"] == CLEAN]
        if rows:
            cor = metrics.top_k_omission_floor([set(r["critical"]) for r in rows], k)
            hr = metrics.top_k_hallucination_floor([set(r["present"]) for r in rows], k)
            found.append(TopKFloor(vlm, k, cor, hr))
    return found


def _baselines(verdicts: Sequence[Row], critical_set: Sequence[str]) -> dict[str, dict[str, float]]:
    """Constant answers on the same frames; a model must beat them."""
    rows = list({r["index"]: r for r in verdicts if r["condition"] == CLEAN}.values())
    if not rows:
        return {}
    present = [set(r["critical"]) for r in rows]
    claims = metrics.claim_baselines(present, present, critical_set)
    judged = metrics.judgment_baselines([r["reference"] for r in rows])
    return {
        **{n: {"COR": b.critical_omission_rate, "F1": b.presence.f1} for n, b in claims.items()},
        **{
            n: {"SMR": b.safety_misinterpretation_rate, "balanced accuracy": b.balanced_accuracy}
            for n, b in judged.items()
        },
    }
