"""The health of one camera's perception and language, as diagnostics report it."""

from __future__ import annotations

import enum
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from semalign_ros.alignment._checks import share
from semalign_ros.alignment.changes import ChangeDetector
from semalign_ros.alignment.events import (
    consistency_counts,
    language_counts,
    safety_counts,
    segmentation_counts,
)
from semalign_ros.alignment.statistics import wilson_interval
from semalign_ros.alignment.thresholds import HealthThresholds
from semalign_ros.alignment.windows import Counts, SlidingRatios
from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.types import FrameVerdict

DROP_REASONS: Mapping[str, bool] = {
    "lost": True,
    "superseded": False,
    "stale": True,
    "bad_encoding": True,
    "bad_size": True,
    "unmatched": True,
    "inference_error": True,
}
"""Why a frame was not judged, and whether that is a fault: a newer frame superseding one is
how a camera faster than the model is kept up with."""


class Level(enum.IntEnum):
    """Levels of ``diagnostic_msgs/DiagnosticStatus``."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True, slots=True)
class Status:
    """One entry of ``/diagnostics``.

    Args:
        name: ``semalign_<camera>: <what>``; stable.
        level: How bad it is. STALE only while the tracker is disabled.
        message: For people.
        fault_code: For machines; stable. ``OK``, ``NO_DATA``, ``DISABLED``, or what is wrong.
        values: Bare numbers, NaN where undefined.
    """

    name: str
    level: Level
    message: str
    fault_code: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rate that raises a level: `measure` against the thresholds `threshold`_warn, _error."""

    measure: str
    threshold: str
    fault_code: str
    what: str


# In the order of importance: among equal levels the first one names the fault.
_RULES: Mapping[str, tuple[_Rule, ...]] = {
    "hallucination": (
        _Rule("chair_s", "hallucination", "HALLUCINATION", "frames with a class that is not there"),
    ),
    "critical omission": (
        _Rule(
            "conditional_omission_rate",
            "omission",
            "CRITICAL_OMISSION",
            "frames with a critical class left out",
        ),
    ),
    "safety misinterpretation": (
        _Rule("false_safe_rate", "false_safe", "FALSE_SAFE", "unsafe frames judged safe"),
        _Rule("unparsed_rate", "unparsed", "UNPARSED", "answers without a judgment"),
        _Rule(
            "safety_misinterpretation_rate",
            "misinterpretation",
            "SAFETY_MISINTERPRETATION",
            "frames judged wrong",
        ),
    ),
    "judgment consistency": (
        _Rule("judgment_flip_rate", "flip", "JUDGMENT_FLIP", "frames judged otherwise degraded"),
        _Rule(
            "unexplained_flip_rate",
            "temporal_flip",
            "TEMPORAL_FLIP",
            "frames judged otherwise than the one before, without a cause",
        ),
        _Rule(
            "prompt_disagreement_rate",
            "disagreement",
            "PROMPT_DISAGREEMENT",
            "frames whose safety prompts disagree",
        ),
    ),
    "segmentation": (
        _Rule("degraded_rate", "segmentation", "SEGMENTATION_DEGRADED", "frames degraded"),
    ),
    "pipeline": (
        _Rule("fault_rate", "drop", "FRAMES_LOST", "frames lost to a fault"),
        _Rule("late_rate", "late", "LATE", "verdicts late"),
    ),
}

# Reported beside the rules' own measures.
_REPORTED: Mapping[str, tuple[str, ...]] = {
    "hallucination": ("hallucination_rate", "chair_i"),
    "critical omission": ("critical_omission_rate", "object_omission_rate"),
    "safety misinterpretation": ("misinterpretation_given_parsed", "over_cautious_rate"),
    "judgment consistency": (
        "temporal_flip_rate",
        "paraphrase_agreement",
        "polarity_contradiction",
    ),
    "segmentation": ("mean_iou", "mean_iou_drop", "pixel_accuracy", "critical_recall"),
    "pipeline": (),
}


_SHAPE_THE_WINDOW = ("window_frames", "window_s", "max_iou_drop", "max_latency_s")


class HealthTracker:
    """Turns a stream of verdicts and drops into levels.

    A level rises when the lower bound of a rate's interval over the window reaches a
    threshold, so that a few unlucky frames raise nothing, and is left only when the bound
    is clearly below. With fewer frames than `min_samples` a rate is not judged.

    Levels advance with the frames, whenever and however often they are read.

    Args:
        camera: Name in ``semalign_<camera>: ...``.
        thresholds: When to warn; None for the defaults.
        polarities: By safety prompt id, whether "yes" means SAFE.
        clock: Steady clock, seconds; measures how long nothing was judged.
    """

    def __init__(
        self,
        camera: str = "camera",
        thresholds: HealthThresholds | None = None,
        *,
        polarities: Mapping[str, bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = camera
        self._polarities = dict(polarities or {})
        self._clock = clock
        self._enabled = True
        self._drops: Counter[str] = Counter()
        self._judged = 0
        self._thresholds = thresholds or HealthThresholds()
        self.reset()

    @property
    def thresholds(self) -> HealthThresholds:
        """The thresholds in force."""
        return self._thresholds

    def set_thresholds(self, thresholds: HealthThresholds) -> None:
        """Change the thresholds; takes effect at once on the frames in the window.

        The window starts anew only where its size or what it counts changes.
        """
        old, self._thresholds = self._thresholds, thresholds
        if any(getattr(old, n) != getattr(thresholds, n) for n in _SHAPE_THE_WINDOW):
            self.reset()
        self._advance()

    def set_enabled(self, enabled: bool) -> None:
        """While disabled every status is STALE, and waiting for frames is no fault."""
        if enabled and not self._enabled:
            self.reset()
        self._enabled = enabled

    def reset(self) -> None:
        """Forget windows, levels and changes; the totals since the start are kept."""
        limits = self._thresholds
        self._frames = SlidingRatios(limits.window_frames, limits.window_s)
        # Drops may lack a stamp, so the pipeline's window runs on the steady clock.
        self._arrivals = SlidingRatios(limits.window_frames, limits.window_s)
        self._levels = {rule: Level.OK for rules in _RULES.values() for rule in rules}
        self._detectors = {name: ChangeDetector() for name in _RULES if name != "pipeline"}
        self._changes: Counter[tuple[str, bool]] = Counter()
        self._previous: FrameVerdict | None = None
        self._stamp_ns: int | None = None
        self._arrived_s = self._judged_s = self._clock()

    def update(self, verdict: FrameVerdict, age_s: float | None = None) -> None:
        """Take in the verdict on one frame.

        Args:
            verdict: In the order of stamps; a backwards jump empties the windows.
            age_s: Age of the frame when its verdict was ready, seconds, if known.
        """
        if self._stamp_ns is not None and verdict.stamp_ns < self._stamp_ns:
            self._previous = None
        self._stamp_ns = verdict.stamp_ns
        counts = {
            **language_counts(verdict),
            **safety_counts(verdict),
            **consistency_counts(verdict, self._previous, self._polarities),
            **segmentation_counts(verdict, self._thresholds.max_iou_drop),
        }
        if verdict.degraded.claims.judgment is not None:
            self._previous = verdict
        self._frames.add(verdict.stamp_ns, counts)
        for name, detector in self._detectors.items():
            event, counted = counts.get(_RULES[name][0].measure, (0, 0))
            if counted and (change := detector.update(bool(event))):
                self._changes[name, change.rising] += 1
        self._judged += 1
        arrival: dict[str, tuple[float, float]] = {"fault_rate": (0, 1)}
        if age_s is not None:
            arrival["late_rate"] = (age_s > self._thresholds.max_latency_s, 1)
        self._arrive(arrival)
        self._judged_s = self._arrived_s

    def count_drop(self, reason: str, count: int = 1) -> None:
        """Count frames that were not judged.

        Raises:
            ConfigError: `reason` is none of :data:`DROP_REASONS`.
        """
        if reason not in DROP_REASONS:
            raise ConfigError(unknown_name("drop reason", reason, DROP_REASONS))
        self._drops[reason] += count
        self._arrive({"fault_rate": (count, count)} if DROP_REASONS[reason] else None)

    def statuses(self) -> tuple[Status, ...]:
        """Report every status, in a fixed order."""
        silent_s = self._clock() - self._judged_s
        return tuple(
            self._pipeline(silent_s) if name == "pipeline" else self._status(name, silent_s)
            for name in _RULES
        )

    def _arrive(self, counts: Counts | None) -> None:
        self._arrived_s = self._clock()
        if counts is not None:
            self._arrivals.add(int(self._arrived_s * 1e9), counts)
        self._advance()

    def _advance(self) -> None:
        limits = self._thresholds
        for rule, level in self._levels.items():
            k, n = self._sums(rule.measure)
            enough = n >= limits.min_samples
            self._levels[rule] = (
                next_level(
                    level,
                    wilson_interval(k, n, limits.confidence)[0],
                    getattr(limits, f"{rule.threshold}_warn"),
                    getattr(limits, f"{rule.threshold}_error"),
                    limits.hysteresis,
                )
                if enough
                else Level.OK
            )

    def _sums(self, measure: str) -> tuple[float, float]:
        over, under = self._frames.sums(measure)
        more_over, more_under = self._arrivals.sums(measure)
        return over + more_over, under + more_under

    def _status(self, name: str, silent_s: float) -> Status:
        level, code, message = self._judge(name)
        if silent_s >= self._thresholds.stale_warn_s:
            message += f"; no frame judged for {silent_s:.0f} s"
        rises, falls = self._changes[name, True], self._changes[name, False]
        values = {**self._values(name), "rises": float(rises), "falls": float(falls)}
        return self._report(name, level, code, message, values)

    def _pipeline(self, silent_s: float) -> Status:
        limits = self._thresholds
        level, code, message = self._judge("pipeline")
        dropped = sum(self._drops.values())
        if level is Level.OK:
            waiting = not (self._judged or dropped)
            code = "NO_DATA" if waiting else "OK"
            message = "waiting for the first frame"
            if not waiting:
                message = f"{self._judged} frames judged, {dropped} dropped"
        stale = Level.ERROR if silent_s >= limits.stale_error_s else Level.WARN
        if silent_s >= limits.stale_warn_s and stale >= level:
            arriving = self._arrived_s > self._judged_s
            level, code = stale, "STALLED" if arriving else "NO_INPUT"
            message = (
                f"frames arrive, none was judged for {silent_s:.0f} s"
                if arriving
                else f"no frame has arrived for {silent_s:.0f} s"
            )
        values = {
            **self._values("pipeline"),
            "judged": float(self._judged),
            **{f"dropped_{reason}": float(self._drops[reason]) for reason in DROP_REASONS},
            "silent_s": silent_s,
        }
        return self._report("pipeline", level, code, message, values)

    def _judge(self, name: str) -> tuple[Level, str, str]:
        """Level, fault code and message of the worst rule that has enough frames."""
        limits, rules = self._thresholds, _RULES[name]
        judged = [r for r in rules if self._sums(r.measure)[1] >= limits.min_samples]
        if not judged:
            most = max(int(self._sums(r.measure)[1]) for r in rules)
            return Level.OK, "NO_DATA", f"not enough data: {most} of {limits.min_samples} frames"
        worst = max(judged, key=self._levels.__getitem__)  # the first one of equals
        level = self._levels[worst]
        k, n = self._sums(worst.measure)
        low, high = wilson_interval(k, n, limits.confidence)
        message = f"{k:.0f} of {n:.0f} {worst.what} ({low:.0%} to {high:.0%})"
        return level, worst.fault_code if level else "OK", message

    def _values(self, name: str) -> dict[str, float]:
        values = {}
        for rule in _RULES[name]:
            k, n = self._sums(rule.measure)
            low, high = wilson_interval(k, n, self._thresholds.confidence)
            values[rule.measure] = share(k, n)
            values[f"{rule.measure}_low"] = low
            values[f"{rule.measure}_high"] = high
            values[f"{rule.measure}_frames"] = float(n)
        return {**values, **{m: share(*self._sums(m)) for m in _REPORTED[name]}}

    def _report(
        self, name: str, level: Level, code: str, message: str, values: Mapping[str, float]
    ) -> Status:
        if not self._enabled:
            level, code, message = Level.STALE, "DISABLED", "disabled"
        return Status(f"semalign_{self._camera}: {name}", level, message, code, values)


def next_level(level: Level, low: float, warn: float, error: float, hysteresis: float) -> Level:
    """Advance a level: up at a threshold, down only when clearly below it.

    Args:
        level: The level so far.
        low: Lower bound of the rate, 0..1.
        warn: Threshold of WARN.
        error: Threshold of ERROR, at least `warn`.
        hysteresis: A level is kept while `low` is at least this share of its threshold.
    """
    kept = hysteresis if level >= Level.ERROR else 1.0
    if low >= error * kept:
        return Level.ERROR
    kept = hysteresis if level >= Level.WARN else 1.0
    return Level.WARN if low >= warn * kept else Level.OK
