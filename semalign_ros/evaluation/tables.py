"""The tables that an evaluation writes: their columns, and a row from a verdict.

Three tables share the keys frame, condition and severity: ``verdicts`` (one row per
VLM), ``segmentation`` (one row per segmenter) and ``failures`` (what could not be judged).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from semalign_ros.alignment.verdict import language_errors, resolve_generic
from semalign_ros.corruption import Condition
from semalign_ros.monitor import Judged
from semalign_ros.scene.taxonomy import NUM_CLASSES
from semalign_ros.types import Frame, Judgment, SegmentationQuality

Row = dict[str, Any]

_NAMES = pa.list_(pa.string())
_KEYS = [
    ("index", pa.int32()),
    ("stamp_ns", pa.int64()),
    ("condition", pa.string()),
    ("severity", pa.float64()),
]

VERDICTS = pa.schema(
    [
        *_KEYS,
        ("vlm", pa.string()),
        ("present", _NAMES),
        ("critical", _NAMES),
        ("reference", pa.string()),
        ("visible_present", _NAMES),
        ("visible_critical", _NAMES),
        ("claims", _NAMES),
        ("hallucinated", _NAMES),
        ("omitted", _NAMES),
        ("omitted_visible", _NAMES),
        ("hallucination", pa.float32()),
        ("omission", pa.float32()),
        ("misinterpretation", pa.float32()),
        ("judgment", pa.string()),
        ("clean_judgment", pa.string()),
        ("judgments", pa.string()),
        ("coverage", pa.float32()),
        ("scores", pa.string()),
        ("raw_text", pa.string()),
        ("notes", _NAMES),
        ("latency_s", pa.float32()),
        ("stage_s", pa.string()),
    ]
)
"""Sets of class names; the frame's errors, each 0..1 (:func:`language_errors`); and
``judgments``, ``scores`` and ``stage_s`` as JSON objects. An unparsed judgment is null."""

SEGMENTATION = pa.schema(
    [
        *_KEYS,
        ("segmenter", pa.string()),
        ("mean_iou", pa.float32()),
        ("pixel_accuracy", pa.float32()),
        ("critical_recall", pa.float32()),
        ("confusion", pa.list_(pa.int32(), NUM_CLASSES * (NUM_CLASSES + 1))),
        ("latency_s", pa.float32()),
    ]
)
"""``confusion`` is row-major: rows the reference, the last column pixels without a class."""

FAILURES = pa.schema(
    [*_KEYS, ("model", pa.string()), ("reason", pa.string()), ("message", pa.string())]
)

TABLES: Mapping[str, pa.Schema] = {
    "verdicts": VERDICTS,
    "segmentation": SEGMENTATION,
    "failures": FAILURES,
}


def _keys(frame: Frame, condition: Condition) -> Row:
    return {
        "index": frame.index,
        "stamp_ns": frame.stamp_ns,
        "condition": condition.name,
        "severity": condition.severity,
    }


def _name(judgment: Judgment | None) -> str | None:
    return None if judgment is None else judgment.value


def verdict_row(frame: Frame, condition: Condition, vlm: str, judged: Judged) -> Row:
    """Row of ``verdicts``; sets are sorted so that equal verdicts are equal rows."""
    verdict = judged.verdict
    answer = verdict.degraded
    errors = language_errors(answer, verdict.reference)
    claims = resolve_generic(answer.claims.present, verdict.reference.entities)
    return {
        **_keys(frame, condition),
        "vlm": vlm,
        "present": sorted(verdict.reference.entities),
        "critical": sorted(verdict.reference.critical),
        "reference": verdict.reference.judgment.value,
        "visible_present": sorted(verdict.visible.entities),
        "visible_critical": sorted(verdict.visible.critical),
        "claims": sorted(claims),
        "hallucinated": sorted(verdict.hallucinated),
        "omitted": sorted(verdict.omitted),
        "omitted_visible": sorted(verdict.omitted_visible),
        "hallucination": errors.hallucination,
        "omission": errors.omission,
        "misinterpretation": errors.misinterpretation,
        "judgment": _name(answer.claims.judgment),
        "clean_judgment": _name(verdict.clean.claims.judgment),
        "judgments": json.dumps({k: _name(v) for k, v in answer.judgments.items()}),
        "coverage": answer.claims.coverage,
        "scores": json.dumps({k: round(float(v), 6) for k, v in answer.scores.items()}),
        "raw_text": answer.raw_text,
        "notes": list(verdict.notes),
        "latency_s": answer.latency_s,
        "stage_s": json.dumps({k: round(v, 6) for k, v in judged.degraded.stage_s.items()}),
    }


def segmentation_row(
    frame: Frame,
    condition: Condition,
    segmenter: str,
    confusion: NDArray[np.int64],
    quality: SegmentationQuality,
    latency_s: float,
) -> Row:
    """Row of ``segmentation``."""
    return {
        **_keys(frame, condition),
        "segmenter": segmenter,
        "mean_iou": quality.mean_iou,
        "pixel_accuracy": quality.pixel_accuracy,
        "critical_recall": quality.critical_recall,
        "confusion": confusion.ravel().tolist(),
        "latency_s": latency_s,
    }


def failure_row(frame: Frame, condition: Condition, model: str, reason: str, message: str) -> Row:
    """Row of ``failures``; `reason` is one of the counters of the live nodes."""
    return {
        **_keys(frame, condition),
        "model": model,
        "reason": reason,
        "message": message,
    }


def to_table(name: str, rows: Sequence[Row]) -> pa.Table:
    """Arrow table with the columns of table `name`."""
    return pa.Table.from_pylist(list(rows), schema=TABLES[name])


def short_name(bundle_id: str) -> str:
    """Name of a model without the digest that makes its id unique."""
    return bundle_id.split("@", 1)[0]


def shown_names(bundle_ids: Iterable[str]) -> dict[str, str]:
    """Names by id, with four digits of the digest where two models are called the same."""
    ids = list(dict.fromkeys(bundle_ids))
    often = Counter(map(short_name, ids))
    return {i: short_name(i) if often[short_name(i)] == 1 else i[: i.find("@") + 5] for i in ids}
