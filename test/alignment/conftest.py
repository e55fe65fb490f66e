from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.alignment.verdict import make_verdict
from semalign_ros.types import (
    Frame,
    Judgment,
    SceneClaims,
    SceneReference,
    SegmentationQuality,
    VlmAnswer,
)

CONDITIONS = ("C", "L1", "L2", "L3", "M1", "M2", "M3", "O1", "O2", "O3")

# arXiv 2601.08355, Tables 3 to 6: clean, low light, motion blur, occlusion at severities 1 to 3.
TABLES = {
    "mIoU DeepLabV3+": (0.77, 0.73, 0.48, 0.26, 0.73, 0.59, 0.43, 0.66, 0.58, 0.41),
    "mIoU SegFormer": (0.66, 0.66, 0.67, 0.26, 0.67, 0.60, 0.43, 0.66, 0.58, 0.41),
    "mIoU Mask2Former": (0.64, 0.59, 0.57, 0.49, 0.58, 0.50, 0.42, 0.60, 0.50, 0.35),
    "CLIP HR": (0.17, 0.17, 0.23, 0.22, 0.19, 0.25, 0.23, 0.11, 0.09, 0.12),
    "CLIP COR": (0.94, 0.94, 0.94, 0.94, 0.98, 1, 0.96, 0.80, 0.84, 0.84),
    "CLIP SMR": (0.58, 0.60, 0.68, 0.78, 0.52, 0.24, 0.36, 0.46, 0.42, 0.32),
    "SigLIP HR": (0.10, 0.12, 0.14, 0.12, 0.17, 0.13, 0.13, 0.08, 0.07, 0.06),
    "SigLIP COR": (0.92, 0.90, 0.88, 0.86, 0.92, 0.86, 0.86, 0.88, 0.84, 0.78),
    "SigLIP SMR": (0.80, 0.80, 0.76, 0.74, 0.82, 0.89, 0.88, 0.84, 0.88, 0.88),
    "Qwen2-VL HR": (0.12, 0.10, 0.11, 0.15, 0.12, 0.20, 0.17, 0.08, 0.07, 0.09),
    "Qwen2-VL COR": (0.72, 0.74, 0.62, 0.70, 0.68, 0.76, 0.86, 0.74, 0.84, 0.78),
    "Qwen2-VL SMR": (1, 1, 0.98, 1, 1, 1, 1, 1, 0.98, 0.98),
    "Qwen2-VL parse": (0.04, 0.02, 0.14, 0.10, 0.10, 0.16, 0.16, 0.06, 0.20, 0.22),
}


@pytest.fixture(scope="session")
def paper():
    return {name: dict(zip(CONDITIONS, row, strict=True)) for name, row in TABLES.items()}


def judgment(value):
    return None if value is None else Judgment(value)


def answer(present=(), safety=None, judgments=None, coverage=1.0):
    return VlmAnswer(
        claims=SceneClaims(frozenset(present), judgment=judgment(safety), coverage=coverage),
        judgments={k: judgment(v) for k, v in (judgments or {}).items()},
    )


def scene(entities, safety="safe", critical=None):
    entities = frozenset(entities)
    seen = entities & {"car", "person", "bus", "bicycle", "traffic sign"}
    chosen = seen if critical is None else frozenset(critical)
    return SceneReference(entities, chosen, Judgment(safety), "test")


@pytest.fixture
def verdict_of():
    """Build the verdict of one frame; the defaults are a model without a fault."""

    def build(
        index=0,
        *,
        entities=("road", "car", "person"),
        visible=None,
        safety="safe",
        claims=("car", "person"),
        said="safe",
        clean_claims=("car", "person"),
        clean_said="safe",
        judgments=None,
        condition="fog",
        severity=2.0,
        miou=None,
        clean_miou=None,
        stamp_ns=None,
        stage_s=None,
    ):
        reference = scene(entities, safety)
        clean = answer(clean_claims, clean_said)
        return make_verdict(
            frame=Frame(
                index * 100_000_000 if stamp_ns is None else stamp_ns,
                "camera",
                index,
                np.zeros((2, 2, 3), np.uint8),
            ),
            condition=condition,
            severity=severity,
            reference=reference,
            visible=reference if visible is None else scene(visible, safety),
            clean=clean,
            degraded=answer(claims, said, judgments),
            quality_clean=None if clean_miou is None else SegmentationQuality(clean_miou, 0.9, 0.8),
            quality_degraded=None if miou is None else SegmentationQuality(miou, 0.9, float("nan")),
            stage_s=stage_s or {},
        )

    return build
