"""Severities that cost a segmenter the same mIoU: equal pixel damage for unlike corruptions.

What the language models lose at such a severity can be compared; what they lose at "3"
of one ladder and "3" of another cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from semalign_ros import __version__
from semalign_ros.alignment.bootstrap import Estimate, bootstrap
from semalign_ros.alignment.metrics import confusion_matrix, mean_iou
from semalign_ros.corruption import CLEAN, Condition, Profile, Step
from semalign_ros.corruption.parameters import MAX_SEVERITY, Shares
from semalign_ros.errors import ConfigError
from semalign_ros.inference import Segmenter
from semalign_ros.monitor import perceive
from semalign_ros.scene.taxonomy import CLASSES, NUM_CLASSES
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary
from semalign_ros.types import Frame

_CLOSE = 0.02  # of the target: so near to it the search ends
_NEAR = 0.25  # of the target: what is farther from it is not of equal damage
_FINE = 0.01  # of the severity, where it ends too
_SLACK = 0.003  # by which the mIoU may rise with the severity before it counts as a rise


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found for one corruption.

    Args:
        corruption: Its name.
        target: Wanted fall of the mIoU.
        severity: Of the tried ones up to where it is passed, the one whose fall is nearest.
        drop: Fall of the mIoU at that severity, with its interval over frames.
        curve: Fall at every severity that was tried, in the order of severity.
    """

    corruption: str
    target: float
    severity: float
    drop: Estimate
    curve: tuple[tuple[float, float], ...]

    @property
    def problem(self) -> str:
        """Why the severity is of no use, empty where it is."""
        if abs(self.drop.value - self.target) <= _NEAR * self.target:
            return ""
        if max(fall for _, fall in self.curve) < self.target:
            return "not reached"
        return "jumps past"

    @property
    def largest_rise(self) -> float:
        """By how much the mIoU rises at most from one tried severity to a higher one."""
        falls = [0.0, *(fall for _, fall in self.curve)]
        return float(np.max(np.maximum.accumulate(falls) - falls))

    @property
    def monotone(self) -> bool:
        """Whether the mIoU never rises by more than chance with the severity."""
        return self.largest_rise <= _SLACK


class DamageMeter:
    """Measures how much mIoU a condition costs a segmenter on some frames.

    Args:
        frames: Gives the frames, the same ones each time, with label maps and with the earlier
            frames that lie so many positions back.
        segmenter: Sees them clean and degraded.
        seed: Of every random draw.
        vocabulary: Classes that the label maps tell apart.

    Raises:
        ConfigError: There is no frame, or one has no label map.
    """

    def __init__(
        self,
        frames: Callable[[Collection[int]], Iterable[Frame]],
        segmenter: Segmenter,
        seed: int = 0,
        vocabulary: Vocabulary = CITYSCAPES,
    ) -> None:
        self._frames = frames
        self._vocabulary = vocabulary
        self._segmenter = segmenter
        self._seed = seed
        self._clean = self.confusions(CLEAN)

    @property
    def clean_miou(self) -> float:
        """MIoU on the frames as they are."""
        return float(mean_iou(self._clean.sum(axis=0)))

    def confusions(self, condition: Condition) -> NDArray[np.int64]:
        """Confusion of each frame under a condition, i64[N, 19, 20]; see `confusion_matrix`."""
        found = []
        for frame in self._frames(condition.recalls()):
            if frame.labels is None:
                raise ConfigError(
                    f"calibration: frame {frame.index} has no label map to measure by"
                )
            labels = perceive(frame, self._segmenter, condition, self._seed).labels
            assert labels is not None  # there is a segmenter
            seen, true = map(self._vocabulary.translate_labels, (labels, frame.labels))
            found.append(confusion_matrix(seen, true, void_column=True))
        if not found:
            raise ConfigError("calibration: there is no frame")
        return np.stack(found)

    def measure(self, condition: Condition) -> Estimate:
        """Fall of the mIoU under a condition, with its 95 % interval over frames."""
        return self.drop(self.confusions(condition))

    def drop(self, confusions: NDArray[np.int64]) -> Estimate:
        """Fall of the mIoU against the clean frames, with its 95 % interval over frames."""

        def fall(rows: NDArray[np.intp]) -> tuple[float]:
            pair = (mean_iou(c[rows].sum(axis=0)) for c in (self._clean, confusions))
            return (float(next(pair) - next(pair)),)

        (estimate,) = bootstrap(fall, range(len(confusions)))
        return estimate


def find_severity(
    corruption: str,
    target: float,
    measure: Callable[[Condition], Estimate],
) -> Calibration:
    """Find the severity at which a corruption costs a target, by bisection.

    The whole severities are tried first, which shows whether the damage grows with them;
    then the interval is halved in which it passes the target for the first time.

    Args:
        corruption: Its name; parameters follow its ladder.
        target: Wanted fall of the mIoU, 0..1.
        measure: Fall of the mIoU under a condition.

    Raises:
        ConfigError: There is no such corruption.
    """
    tried: dict[float, Estimate] = {}

    def at(severity: float) -> float:
        if severity not in tried:
            tried[severity] = measure(Condition.of(corruption, severity))
        return tried[severity].value

    ladder = [float(s) for s in range(1, MAX_SEVERITY + 1)]
    falls = [at(severity) for severity in ladder]
    reached = [s for s, fall in zip(ladder, falls, strict=True) if fall >= target]
    upto = reached[0] if reached else float(MAX_SEVERITY)
    if reached:
        low, high = upto - 1, upto
        while high - low > _FINE and abs(at(high) - target) > _CLOSE * target:
            middle = round((low + high) / 2, 3)
            if abs(at(middle) - target) <= _CLOSE * target:
                break
            low, high = (middle, high) if at(middle) < target else (low, middle)
    found = min((s for s in tried if s <= upto), key=lambda s: abs(tried[s].value - target))
    curve = tuple((s, tried[s].value) for s in sorted(tried))
    return Calibration(corruption, target, found, tried[found], curve)


def calibrated_profile(
    name: str,
    found: Iterable[Calibration],
    target: float,
    about: Mapping[str, Any],
) -> Profile:
    """Make a profile of the severities that were found.

    Args:
        name: Of the profile.
        found: Those that do not come near to the target are left out and named.
        target: Wanted fall of the mIoU.
        about: How it was measured; written with the profile.
    """
    found = list(found)
    conditions = [
        Condition(c.corruption, c.severity, (Step(c.corruption, c.severity),))
        for c in found
        if not c.problem
    ]
    measured = {
        c.corruption: {
            "miou_drop": _short(c.drop.value),
            "interval": [_short(c.drop.low), _short(c.drop.high)],
            "monotone": c.monotone,
        }
        for c in found
        if not c.problem
    }
    return Profile(
        name,
        tuple(conditions),
        f"Severities that cost a segmenter {100 * target:g} points of mIoU each.",
        {
            "semalign_ros": __version__,
            "target_miou_drop": target,
            **about,
            "measured": measured,
            "left_out": {
                c.corruption: f"{c.problem} (nearest: {c.drop.value:.4f} at {c.severity:g})"
                for c in found
                if c.problem
            },
        },
    )


def _short(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def measured_shares(confusion: NDArray[np.int64], least: float = 0.03) -> Shares:
    """What a segmenter takes each class for.

    Args:
        confusion: i64[19, 19] or [19, 20], rows the reference.
        least: Smaller shares are left out.

    Returns:
        True class, class that it is taken for, share 0..1.
    """
    counts = confusion[:, :NUM_CLASSES]
    rows = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return tuple(
        # Rounded down, so that no class gives away more than all of itself.
        (CLASSES[a], CLASSES[b], math.floor(1000 * rows[a, b]) / 1000)
        for a, b in np.argwhere(rows >= least)
        if a != b
    )


def profile_text(profile: Profile, comment: str) -> str:
    """YAML of a profile that :func:`semalign_ros.corruption.parse_profile` reads."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    body = yaml.safe_dump(
        _rounded(profile.describe()),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return head + body


def _rounded(value: Any) -> Any:
    """Numbers as people write them; the sixth digit does not matter to any corruption."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
