from __future__ import annotations

import math

import pytest

from semalign_ros.alignment.metrics import (
    critical_omission_rate,
    hallucination_rate,
    safety_misinterpretation_rate,
)
from semalign_ros.alignment.verdict import (
    frame_metrics,
    language_errors,
    quality_drop,
    resolve_generic,
)


@pytest.mark.parametrize(
    ("claims", "present", "resolved"),
    [
        ({"car", "sky"}, {"car"}, {"car", "sky"}),
        ({"vehicle"}, {"car", "truck", "road"}, {"car", "truck"}),
        ({"vehicle", "road"}, {"road"}, {"vehicle", "road"}),
        ({"vehicle", "car"}, {"car", "truck"}, {"car"}),
        ({"vehicle", "bus"}, {"car"}, {"bus"}),
        ({"vehicle"}, {"bicycle"}, set()),
        ({"vehicle"}, {"bicycle", "car"}, {"car"}),
    ],
)
def test_generic_vehicle(claims, present, resolved):
    assert resolve_generic(frozenset(claims), frozenset(present)) == resolved


def test_verdict_of_a_frame(verdict_of):
    verdict = verdict_of(
        3, entities={"road", "car", "person"}, visible={"road", "car"}, claims={"bus", "road"}
    )
    assert (verdict.stamp_ns, verdict.frame_id, verdict.index) == (300_000_000, "camera", 3)
    assert verdict.hallucinated == {"bus"}
    assert verdict.omitted == {"car", "person"}
    assert verdict.omitted_visible == {"car"}


def test_a_generic_vehicle_reaches_the_verdict(verdict_of):
    covered = verdict_of(claims={"vehicle", "person"})
    assert (covered.hallucinated, covered.omitted) == (frozenset(), frozenset())
    made_up = verdict_of(entities={"road", "person"}, claims={"vehicle", "person"})
    assert made_up.hallucinated == {"vehicle"}


def test_frame_errors_average_to_the_papers_rates(verdict_of):
    verdicts = [
        verdict_of(0, claims={"car", "bus"}, said="unsafe"),
        verdict_of(1, claims={"car", "person"}, said=None),
        verdict_of(2, entities={"road"}, claims=()),
    ]
    errors = [language_errors(v.degraded, v.reference) for v in verdicts]
    claims = [v.degraded.claims.present for v in verdicts]
    assert sum(e.hallucination for e in errors) / 3 == pytest.approx(
        hallucination_rate(claims, [v.reference.entities for v in verdicts])
    )
    assert sum(e.misinterpretation for e in errors) / 3 == pytest.approx(
        safety_misinterpretation_rate(
            [v.degraded.claims.judgment for v in verdicts],
            [v.reference.judgment for v in verdicts],
        )
    )
    critical = [v.reference.critical for v in verdicts]
    assert sum(e.omission > 0 for e in errors) / 3 == pytest.approx(
        critical_omission_rate(claims, critical)
    )
    assert errors[0].omission == 0.5
    assert math.isnan(errors[2].omission)


def test_quality_drop(verdict_of):
    assert quality_drop(verdict_of(clean_miou=0.7, miou=0.4)) == pytest.approx(0.3)
    # No clean quality: the clean label map is the reference, and agrees with itself.
    assert quality_drop(verdict_of(miou=0.4)) == pytest.approx(0.6)
    assert math.isnan(quality_drop(verdict_of()))


def test_frame_metrics_are_bare_numbers(verdict_of):
    verdict = verdict_of(
        claims={"car", "bus"},
        said="unsafe",
        clean_miou=0.7,
        miou=0.4,
        severity=3,
        stage_s={"vlm": 0.25},
    )
    metrics = frame_metrics(verdict)
    assert all(type(value) is float for value in metrics.values())
    expected = {
        "severity": 3.0,
        "claims": 2.0,
        "hallucinated": 1.0,
        "omitted": 1.0,
        "hallucination_rate": 0.5,
        "hallucination_rate_clean": 0.0,
        "object_omission_rate": 0.5,
        "misinterpreted": 1.0,
        "misinterpreted_clean": 0.0,
        "judgment_reference": 1.0,
        "judgment_degraded": 0.0,
        "judgment_flipped": 1.0,
        "mean_iou": 0.4,
        "vlm_ms": 250.0,
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert metrics["mean_iou_drop"] == pytest.approx(0.3)


def test_undefined_frame_metrics_are_nan(verdict_of):
    metrics = frame_metrics(verdict_of(entities={"road"}, claims=(), said=None))
    undefined = {name for name, value in metrics.items() if math.isnan(value)}
    assert undefined == {
        "object_omission_rate",
        "object_omission_rate_clean",
        "judgment_degraded",
        "judgment_flipped",
        "mean_iou",
        "mean_iou_drop",
        "pixel_accuracy",
        "critical_recall",
    }
