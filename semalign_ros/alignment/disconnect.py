"""Does the language fail where the pixels fail? Quality drop against language drop.

Every row is one frame under one condition. Averages of conditions are never correlated:
ten points whose order the corruption decides are no evidence about frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment._checks import check_lengths
from semalign_ros.alignment.correlation import Correlation, correlate
from semalign_ros.alignment.verdict import CLEAN, language_errors, quality_drop
from semalign_ros.errors import ConfigError
from semalign_ros.types import FrameVerdict

ALL_CONDITIONS = "all"


@dataclass(frozen=True, slots=True)
class DropTable:
    """What degradation costs, row by row; one row is one frame under one condition.

    Args:
        frames: N labels of the image; rows of one image are one cluster.
        conditions: N names of the condition.
        quality: f64[N], mIoU lost, clean minus degraded (delta Q of the paper); NaN where
            unknown.
        language: By measure f64[N], error gained, degraded minus clean (delta L); NaN where
            undefined.

    Raises:
        ConfigError: The lengths differ, or a frame has two rows for one condition.
    """

    frames: Sequence[int]
    conditions: Sequence[str]
    quality: NDArray[np.float64]
    language: Mapping[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        """Check that the rows are frames."""
        check_lengths(
            frames=self.frames,
            conditions=self.conditions,
            quality=self.quality,
            **self.language,
        )
        rows = set(zip(self.frames, self.conditions, strict=True))
        if len(rows) < len(self.frames):
            raise ConfigError(
                f"drop table: found {len(self.frames)} rows for {len(rows)} pairs of frame and "
                "condition, expected one row each; give severities names of their own"
            )


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Correlation of quality lost and language error gained.

    Args:
        measure: Of the language: ``hallucination``, ``omission`` or ``misinterpretation``.
        condition: Name of the condition, or ``all`` for the rows of every one.
        correlation: Near 1 the language fails with the pixels; near 0 it is disconnected
            from them. Its intervals resample images.
    """

    measure: str
    condition: str
    correlation: Correlation


def drop_table(verdicts: Iterable[FrameVerdict]) -> DropTable:
    """Tabulate what each condition costs each frame.

    Clean verdicts lose nothing by definition and are left out. A condition is named with
    its severity, as ``fog@3``.
    """
    degraded = [v for v in verdicts if v.condition != CLEAN]
    clean = [language_errors(v.clean, v.reference) for v in degraded]
    after = [language_errors(v.degraded, v.reference) for v in degraded]
    return DropTable(
        frames=[v.index for v in degraded],
        conditions=[f"{v.condition}@{v.severity:g}" for v in degraded],
        quality=np.asarray([quality_drop(v) for v in degraded], np.float64),
        language={
            measure: np.asarray(
                [
                    getattr(b, measure) - getattr(a, measure)
                    for a, b in zip(clean, after, strict=True)
                ],
                np.float64,
            )
            for measure in ("hallucination", "omission", "misinterpretation")
        },
    )


def disconnect(
    table: DropTable, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[Disconnect, ...]:
    """Correlate quality and language over frames: all rows, then each condition by itself.

    Over all rows a strong and a weak corruption alone make a correlation; within one
    condition it is the frames that make it. Rows where either side is NaN are left out;
    where no row is left the condition is.

    Args:
        table: One row per frame and condition.
        resamples: Bootstrap resamples of images.
        confidence: Of the intervals.
        seed: Of the resampling.
    """
    conditions, frames = np.asarray(table.conditions, object), np.asarray(table.frames)
    chosen = [(ALL_CONDITIONS, np.ones(len(conditions), np.bool_))]
    chosen += [(name, conditions == name) for name in dict.fromkeys(table.conditions)]
    results = []
    for measure, values in table.language.items():
        defined = ~(np.isnan(values) | np.isnan(table.quality))
        for name, mask in chosen:
            rows = np.flatnonzero(defined & mask)
            if rows.size:
                correlation = correlate(
                    table.quality[rows],
                    values[rows],
                    frames[rows].tolist(),
                    resamples=resamples,
                    confidence=confidence,
                    seed=seed,
                )
                results.append(Disconnect(measure, name, correlation))
    return tuple(results)
