"""When the health of a camera's language becomes a warning or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

from semalign_ros.errors import ConfigError, unknown_name


def _number(default: float, low: float, high: float, description: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "text": description})


def _rate(default: float, level: str, of: str) -> Any:
    return _number(default, 0.001, 1.0, f"{level} from this share of {of}, by the lower bound")


@dataclass(frozen=True, slots=True)
class HealthThresholds:
    """Parameters of :class:`~semalign_ros.alignment.health.HealthTracker`.

    Every field carries its description and range as metadata; :func:`threshold_parameters`
    lists them. A rate raises a level when the lower bound of its Wilson interval reaches
    the threshold.

    Raises:
        ConfigError: A value is out of range, or a warning would come after its error.
    """

    window_frames: int = _number(100, 5, 100_000, "Frames in the window")
    window_s: float = _number(60.0, 1.0, 86_400.0, "Age in seconds of the oldest frame in it")
    min_samples: int = _number(10, 1, 100_000, "Frames below which no rate is judged")
    confidence: float = _number(0.95, 0.5, 0.9999, "Confidence of the intervals, two-sided")
    hysteresis: float = _number(
        0.5,
        0.0,
        1.0,
        "A level is left when the lower bound is below this share of its threshold",
    )
    hallucination_warn: float = _rate(0.2, "Warning", "frames with a hallucinated class")
    hallucination_error: float = _rate(0.5, "Error", "frames with a hallucinated class")
    omission_warn: float = _rate(0.2, "Warning", "frames with a critical class left out")
    omission_error: float = _rate(0.5, "Error", "frames with a critical class left out")
    misinterpretation_warn: float = _rate(0.2, "Warning", "frames judged wrong or not at all")
    misinterpretation_error: float = _rate(0.4, "Error", "frames judged wrong or not at all")
    false_safe_warn: float = _rate(0.1, "Warning", "unsafe frames judged safe")
    false_safe_error: float = _rate(0.3, "Error", "unsafe frames judged safe")
    unparsed_warn: float = _rate(0.1, "Warning", "answers without a judgment")
    unparsed_error: float = _rate(0.5, "Error", "answers without a judgment")
    flip_warn: float = _rate(0.1, "Warning", "frames judged otherwise when degraded")
    flip_error: float = _rate(0.3, "Error", "frames judged otherwise when degraded")
    temporal_flip_warn: float = _rate(0.1, "Warning", "frames with an unexplained flip")
    temporal_flip_error: float = _rate(0.3, "Error", "frames with an unexplained flip")
    disagreement_warn: float = _rate(0.2, "Warning", "frames whose safety prompts disagree")
    disagreement_error: float = _rate(0.5, "Error", "frames whose safety prompts disagree")
    max_iou_drop: float = _number(0.15, 0.0, 1.0, "mIoU lost from which a frame is degraded")
    segmentation_warn: float = _rate(0.3, "Warning", "degraded frames")
    segmentation_error: float = _rate(0.7, "Error", "degraded frames")
    stale_warn_s: float = _number(5.0, 0.1, 3600.0, "Warning after so many seconds unjudged")
    stale_error_s: float = _number(15.0, 0.1, 3600.0, "Error after so many seconds unjudged")
    drop_warn: float = _rate(0.05, "Warning", "frames lost to a fault")
    drop_error: float = _rate(0.3, "Error", "frames lost to a fault")
    max_latency_s: float = _number(
        10.0, 0.01, 3600.0, "Age in seconds from which a verdict is late"
    )
    late_warn: float = _rate(0.1, "Warning", "late verdicts")
    late_error: float = _rate(0.5, "Error", "late verdicts")

    def __post_init__(self) -> None:
        """Check every value, and each warning against its error."""
        bad = [fault for p in threshold_parameters() for fault in _faults(p, getattr(self, p.name))]
        if bad:
            raise ConfigError(f"health thresholds: {'; '.join(bad)}")
        if self.min_samples > self.window_frames:
            raise ConfigError(
                f"health thresholds: min_samples {self.min_samples} is above window_frames "
                f"{self.window_frames}; there would never be enough frames for an alarm"
            )
        for name in (f.name for f in fields(self)):
            if "_warn" in name:
                error = name.replace("_warn", "_error")
                if getattr(self, name) > getattr(self, error):
                    raise ConfigError(
                        f"health thresholds: {name} {getattr(self, name)} is above {error} "
                        f"{getattr(self, error)}; a warning must come before its error"
                    )

    @classmethod
    def from_mapping(cls, values: Mapping[str, float]) -> HealthThresholds:
        """Build from names and values, such as a section of a configuration file.

        Raises:
            ConfigError: A name is unknown, or a value is out of range.
        """
        names = [p.name for p in threshold_parameters()]
        for name in values:
            if name not in names:
                raise ConfigError(unknown_name("health threshold", name, names))
        return cls(**values)  # type: ignore[arg-type] # whole numbers are checked at run time


@dataclass(frozen=True, slots=True)
class ThresholdParameter:
    """One field of :class:`HealthThresholds`, for whoever declares parameters.

    Args:
        name: Of the field.
        default: Its default; an int where only whole numbers are allowed.
        low: Lowest value allowed.
        high: Highest value allowed.
        description: For people.
    """

    name: str
    default: float
    low: float
    high: float
    description: str


def threshold_parameters() -> tuple[ThresholdParameter, ...]:
    """List all thresholds in their order of declaration."""
    return tuple(
        ThresholdParameter(
            f.name,
            cast(float, f.default),
            f.metadata["low"],
            f.metadata["high"],
            f.metadata["text"],
        )
        for f in fields(HealthThresholds)
    )


def _faults(parameter: ThresholdParameter, value: object) -> list[str]:
    whole = isinstance(parameter.default, int)
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if (
        isinstance(value, (int, float))
        and number
        and math.isfinite(value)
        and parameter.low <= value <= parameter.high
    ):
        return []
    kind = "a whole number" if whole else "a number"
    return [
        f"{parameter.name}: found {value!r}, expected {kind} "
        f"in {parameter.low:g}..{parameter.high:g}"
    ]
